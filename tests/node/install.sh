#!/bin/sh
# install.sh - have the packages of package-lock.json in tests/node/node_modules, and say
# where Node.js is. With --check it only answers whether they are there already.
#
#     install.sh [--check] [FOLDER]     FOLDER: another one with a package.json and its lock
#
# They are kept outside of the tree, in a folder named after the lock file's hash, so that a clean
# clone does not fetch them again: below $TMAKV_NODE_DIR, or ~/.cache/tmakv. A node_modules folder
# made here by hand (`npm ci`) is used as it is.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
npmrc=$here/.npmrc
check=''
[ "${1-}" != --check ] || { check=yes; shift; }
cd "${1:-$here}"
hash=$({ cat package.json package-lock.json "$npmrc"; uname -m; } | sha256sum | cut -c1-16)
base=${TMAKV_NODE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tmakv}
kept=$base/node-$hash
case $(uname -m) in
x86_64) arch=x64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac
# Not .bin/node: npm 9 makes no such link when scripts are off.
node=node_modules/node-linux-$arch/bin/node

if [ -d node_modules ] && [ ! -L node_modules ] && "$node" --version >/dev/null; then
	echo "$PWD/$node"
	exit 0
fi
if ! "$kept/$node" --version >/dev/null 2>&1; then
	[ -z "$check" ] || exit 1
	mkdir -p "$base"
	new=$(mktemp -d "$kept.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	cp package.json package-lock.json "$npmrc" "$new"
	# Where npm runs on an older Node.js it warns about packages that run on the one in here.
	(cd "$new" && npm ci) >&2
	"$new/$node" --version >/dev/null || { echo "install.sh: the packages are there, but no Node.js for $(uname -m)" >&2; exit 69; }
	rm -rf "$kept"
	# Another run may have been quicker; its folder is as good.
	mv -T "$new" "$kept" 2>/dev/null || [ -x "$kept/$node" ]
fi
ln -sfn "$kept/node_modules" node_modules
echo "$kept/$node"
