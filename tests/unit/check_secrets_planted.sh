#!/bin/sh
# check_secrets_planted.sh - does check_secrets.sh see what it is there for?
#
# Into a copy of app/, which passes, one careless comparison after the other is planted; each must be refused.
set -eu

top=${top_srcdir:-.}
checker=$top/tests/unit/check_secrets.sh
tree=$(mktemp -d "${TMPDIR:-/tmp}/tmakv-secrets.XXXXXX")
trap 'rm -rf "$tree"' EXIT
failed=0

copy() {
	rm -rf "${tree:?}/app"
	mkdir "$tree/app"
	cp -R "$top/app/." "$tree/app"
	chmod -R u+w "$tree/app"
}

# refused WHAT FILE LINE - with LINE at the end of FILE.
refused() {
	copy
	printf '%s\n' "$3" >>"$tree/app/$2"
	judged "$1" "$2"
}

# changed WHAT FILE SED - with FILE changed.
changed() {
	copy
	sed "$3" "$top/app/$2" >"$tree/app/$2"
	! cmp -s "$top/app/$2" "$tree/app/$2" || { echo "$1: nothing to change in $2"; failed=1; }
	judged "$1" "$2"
}

judged() {
	if said=$(sh "$checker" "$tree/app"); then
		echo "$1 in $2 passed"
		failed=1
	elif ! printf '%s\n' "$said" | grep -qF "$2"; then
		echo "$1 in $2: what was said is: $said"
		failed=1
	fi
}

copy
said=$(sh "$checker" "$tree/app") || { echo "app/ as it is was refused: $said"; failed=1; }

changed 'a hash of initData by memcmp' auth/initdata.c 's/CRYPTO_memcmp(ours/memcmp(ours/'
changed 'an API key by memcmp' project/registry.c 's/CRYPTO_memcmp(row/memcmp(row/'
changed 'a bot secret by memcmp' project/bots.c 's/CRYPTO_memcmp(bot->secrets/memcmp(bot->secrets/'
changed 'a cursor by memcmp' kv/cursor.c 's/CRYPTO_memcmp(hash/memcmp(hash/'
changed 'an API key by its beginning only' project/registry.c 's/CRYPTO_memcmp(row->digest, digest, SHA256_SIZE)/CRYPTO_memcmp(row->digest, digest, 4)/'
changed 'no check of an API key' project/registry.c 's/CRYPTO_memcmp(row->digest, digest, SHA256_SIZE) == 0/true/'
refused 'a text' auth/caller.c 'static bool same(struct str api_key, struct str b) { return str_eq(api_key, b); }'
refused 'a token' doors/sdk.c '	if (strcmp(token, text) == 0)'
refused 'some bytes' project/credential.c '	return bcmp(a, b, n) == 0;'
refused 'some texts' auth/keys.c '	return a == b || strncmp(a, b, n) == 0;'
refused 'a digest' kv/write.c '	return memcmp(row->digest, other, 32) == 0;'

copy
rm "$tree/app/auth/initdata.c"
judged 'a file that is gone' auth/initdata.c
mkdir -p "$tree/none"
! sh "$checker" "$tree/none" >/dev/null || { echo 'passed an empty folder'; failed=1; }
exit "$failed"
