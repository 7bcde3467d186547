#!/usr/bin/env bash
# build.sh - build in build/FOLDER, out of the source's way; again only what has changed.
#
#     conf/build.sh FOLDER [CONFIGURE-ARGUMENTS...] [-- MAKE-ARGUMENTS...]
set -eu -o pipefail

cd "$(dirname "$0")/.."
folder=$1
shift
arguments=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	arguments+=("$1")
	shift
done
[ $# -eq 0 ] || shift

mkdir -p "build/$folder"
# One at a time: the builds in other folders share what it makes.
exec 9>build/autogen.lock
flock 9
if [ ! -x configure ] || [ configure.ac -nt configure ] || [ Makefile.am -nt Makefile.in ]; then
	./autogen.sh
fi
exec 9>&-
cd "build/$folder"
if [ ! -f Makefile ] || [ ../../configure -nt Makefile ] || [ "$(cat arguments 2>/dev/null)" != "${arguments[*]}" ]; then
	../../configure -q "${arguments[@]}"
	printf '%s' "${arguments[*]}" >arguments
fi
exec make -s -j"$(nproc)" "$@"
