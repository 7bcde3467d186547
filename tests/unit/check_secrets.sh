#!/bin/sh
# check_secrets.sh - are secrets compared in constant time, and by nothing else?
#
#     check_secrets.sh [APP]
#
# memcmp() and its like end at the first byte that differs, so how long they take says how much of a guess was right.
# Two rules hold that off, for all of app/ but base/, ctl/ and store/ (where nobody guesses; a backup has checksums):
#   - a file that works with secrets (it names HMAC, a digest, a bot's secrets, a private key, a keyed hash) compares
#     bytes with CRYPTO_memcmp(); each other comparison in it stands in the list below, with what it compares;
#   - no comparison anywhere has something in it that is called like a secret.
# And the comparisons that matter have to be there. One line for each that breaks a rule; then the exit status is 1.
set -eu

app=${1:-${top_srcdir:-.}/app}
[ -d "$app" ] || { echo "check_secrets.sh: $app is no folder" >&2; exit 99; }

find "$app" -name '*.[ch]' | LC_ALL=C sort | while IFS= read -r file; do
	name=${file#"$app"/}
	case $name in base/* | ctl/* | store/*) continue ;; esac
	echo "@ $name"
	cat "$file"
done | awk '
BEGIN {
	# What a file compares that is no secret: the file, the call as it stands there.
	n = 0
	public[++n] = "auth/session.c memcmp(number, zero,"		# r and s of a signature, which all can see
	public[++n] = "auth/session.c memcmp(number, group_order,"
	public[++n] = "auth/keys.c strcmp(group, \"prime256v1\")"	# the name of a curve
	public[++n] = "auth/cache.c memcmp(slot->item->bytes,"		# reached only when a keyed hash of 32 bits is the same
	public[++n] = "project/registry.c memcmp(box->uuid,"		# an id
	public[++n] = "auth/keys.c strcmp(a->kid, b->kid)"		# the names of published keys
	public[++n] = "serve/admin_bot.c memcmp(bot->public_key,"	# what the name says
	public[++n] = "serve/admin.c strcmp(verdict.reason,"		# a word of ours
	# What has to be there.
	must["auth/initdata.c"] = "CRYPTO_memcmp(ours, sent, HASH_SIZE)"
	must["project/registry.c"] = "CRYPTO_memcmp(row->digest, digest, SHA256_SIZE)"
	must["kv/cursor.c"] = "CRYPTO_memcmp(hash,"

	works = "HMAC|SHA256_|EVP_Digest|->digest|secrets\\[|private_pem|CRYPTO_memcmp|hash_keyed|cursor_hash|token_cache|struct cache"
	compares = "(^|[^A-Za-z0-9_])(memcmp|bcmp|strcmp|strncmp|strcasecmp|strncasecmp|memmem|strstr)\\("
	any = "(^|[^A-Za-z0-9_])(memcmp|bcmp|strcmp|strncmp|strcasecmp|strncasecmp|memmem|strstr|str_eq|str_eq_nocase|str_starts|str_cmp)\\("
	called = "secret|digest|hmac|(^|[^a-z_])(hash|mac|sent|ours|api_key|token|jwt|pem|init_data|initdata|signature|password)([^a-z_]|$)"
}

function is_public(    i, at) {
	for (i = 1; i <= n; i++) {
		at = index(public[i], " ")
		if (substr(public[i], 1, at - 1) == name && index(line, substr(public[i], at + 1))) {
			used[i] = 1
			return 1
		}
	}
	return 0
}

function wrong(why) {
	print name ": " line ": " why
	bad = 1
}

# Of the file that has been read: its comparisons, now that it is known whether it works with secrets.
function judge(    i, arguments) {
	if (name == "")
		return
	for (i = 1; i <= lines; i++) {
		line = text[i]
		if (is_public())
			continue
		arguments = line
		sub(/.*(memcmp|bcmp|cmp|memmem|strstr|str_eq|str_eq_nocase|str_starts)\(/, "", arguments)
		if (works_with && line ~ compares)
			wrong("this file works with secrets: CRYPTO_memcmp(), or a place in check_secrets.sh")
		else if (tolower(arguments) ~ called)
			wrong("compare it with CRYPTO_memcmp()")
	}
	if (name in must && !found)
		wrong("there has to be " must[name])
	if (name in must)
		seen[name] = 1
}

/^@ / {
	judge()
	name = substr($0, 3)
	lines = works_with = found = comment = 0
	files++
	next
}

{
	code = $0
	# Comments compare nothing.
	if (comment) {
		if (!sub(/^.*\*\//, "", code))
			next
		comment = 0
	}
	gsub(/\/\*([^*]|\*[^\/])*\*\//, "", code)
	if (sub(/\/\*.*$/, "", code))
		comment = 1
	if (code ~ works)
		works_with = 1
	if (name in must && index(code, must[name]))
		found = 1
	bare = code
	gsub(/CRYPTO_memcmp\(/, "(", bare)
	if (bare ~ any) {
		sub(/^[ \t]+/, "", bare)
		text[++lines] = bare
	}
}

END {
	judge()
	if (!files) {
		print "no file found: is this the app folder?"
		bad = 1
	}
	for (name in must)
		if (!(name in seen)) {
			print name ": is not there, and should compare with " must[name]
			bad = 1
		}
	for (i = 1; i <= n; i++)
		if (!(i in used)) {
			print "check_secrets.sh lists what is no longer there: " public[i]
			bad = 1
		}
	exit bad
}'
