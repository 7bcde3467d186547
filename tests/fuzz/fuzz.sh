#!/bin/sh
# fuzz.sh - let libFuzzer look for new inputs, one target after the other.
#
#     make fuzz [FUZZ_SECONDS=60] [FUZZ_ONLY=fuzz_jtext]
#
# For a build with clang and --enable-fuzzing --enable-sanitizers. What is new and
# interesting goes to tests/fuzz/work/NAME/ in the build folder, what kills a target to
# tests/fuzz/found/: copy that into the corpus, with the fix.
set -eu

seconds=${FUZZ_SECONDS:-60}
corpus=${top_srcdir:-.}/tests/fuzz/corpus
built=${top_builddir:-.}/tests/fuzz
failed=0

mkdir -p "$built/found"
for target in "$built"/fuzz_*; do
	name=${target##*/}
	case $name in *.*) continue ;; esac
	[ -x "$target" ] || continue
	case ${FUZZ_ONLY:-$name} in "$name") ;; *) continue ;; esac
	mkdir -p "$built/work/$name"
	echo "== $name, $seconds s"
	"$target" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 -artifact_prefix="$built/found/$name-" \
		"$built/work/$name" "$corpus/$name" 2> "$built/work/$name.log" || failed=1
	grep -E 'ERROR|SUMMARY|Assertion|stat::number_of_executed_units|stat::average_exec_per_sec|artifact' "$built/work/$name.log" || true
done
exit "$failed"
