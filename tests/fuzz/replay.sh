#!/bin/sh
# replay.sh - every fuzz target over its corpus: what the fuzzers found stays found.
#
# The targets are those that were built (tests/fuzz/fuzz_*), with libFuzzer or with
# replay.c: both take files. WRAP='valgrind -q --error-exitcode=1' wraps them.
set -eu

corpus=${top_srcdir:-.}/tests/fuzz/corpus
built=${top_builddir:-.}/tests/fuzz
failed=0
targets=0

for target in "$built"/fuzz_*; do
	name=${target##*/}
	# Not the .c and .o beside it in a build inside the tree.
	case $name in *.*) continue ;; esac
	[ -x "$target" ] || continue
	targets=$((targets + 1))
	if [ -z "$(find "$corpus/$name" -type f 2>/dev/null | head -n 1)" ]; then
		echo "$name: no corpus in $corpus/$name"
		failed=1
		continue
	fi
	# File names are ours and hold no white space.
	# shellcheck disable=SC2046,SC2086
	if said=$(timeout 300 ${WRAP:-} "$target" $(find "$corpus/$name" -type f | LC_ALL=C sort) 2>&1); then
		echo "$name: $(find "$corpus/$name" -type f | wc -l) files"
	else
		printf '%s\n' "$said" | tail -n 30
		echo "$name: FAILED, see the last file above"
		failed=1
	fi
done

for folder in "$corpus"/*/; do
	name=$(basename "$folder")
	if ! [ -x "$built/$name" ]; then
		echo "$name: a corpus without a target"
		failed=1
	fi
done

[ "$targets" -gt 0 ] || { echo "no fuzz target in $built"; exit 99; }
exit "$failed"
