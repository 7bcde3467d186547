#!/bin/sh
# page.sh - the demo's page, ready to be served, in a folder of its own:
#
#     conf/miniapp/page.sh FOLDER PROJECT_ID
#
# Beside the files of this folder it needs the npm package @tma.sh/sdk. That comes from the tests' packages or from an
# earlier time when it is there, else npm fetches it (package-lock.json has its hash), if npm is installed. Without the
# package the page says what is missing, and so does this, on standard error.
set -eu

[ $# -eq 2 ] || { echo "usage: page.sh FOLDER PROJECT_ID" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
tests=$here/../../tests/node
sdk=node_modules/@tma.sh/sdk
hash=$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -c1-16)
kept=${TMAKV_NODE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tmakv}/miniapp-$hash

# is_it FOLDER - the package is there, in the version that package.json names.
is_it() {
	[ -f "$1/dist/client/index.js" ] &&
		[ "$(jq -r .version "$1/package.json")" = "$(jq -r '.dependencies["@tma.sh/sdk"]' "$here/package.json")" ]
}

fetch() {
	command -v npm >/dev/null || return 1
	mkdir -p "${kept%/*}" || return 1
	new=$(mktemp -d "$kept.XXXXXX") || return 1
	cp "$here/package.json" "$here/package-lock.json" "$new"
	[ ! -f "$tests/.npmrc" ] || cp "$tests/.npmrc" "$new"
	if (cd "$new" && timeout 120 npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund) >&2; then
		mv -T "$new" "$kept" 2>/dev/null || rm -rf "$new"	# another may have been quicker; its folder is as good
	else
		rm -rf "$new"
	fi
}

find_sdk() {
	for place in "$tests/$sdk" "$kept/$sdk"; do
		! is_it "$place" || { echo "$place"; return; }
	done
}

find_or_fetch_sdk() {
	[ -n "$(find_sdk)" ] || [ -n "${TMAKV_NO_FETCH:-}" ] || fetch || true
	find_sdk
}

folder=$1 project=$2
umask 022
mkdir -p "$folder"
for file in index.html app.js style.css icon.svg; do cp "$here/$file" "$folder"; done
found=$(find_or_fetch_sdk)
has_sdk=false
if [ -n "$found" ]; then
	has_sdk=true
	mkdir -p "$folder/sdk/client"
	# As published. The client and what it imports; the rest is for servers and frameworks.
	cp "$found"/dist/chunk-*.js "$folder/sdk"
	cp "$found"/dist/client/*.js "$folder/sdk/client"
else
	echo "the page needs the npm package @tma.sh/sdk, which npm could fetch (Debian: apt-get install npm)" >&2
fi
jq -nc --arg project "$project" --argjson sdk $has_sdk '{projectId: $project, sdk: $sdk}' >"$folder/config.json"
