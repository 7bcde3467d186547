#!/usr/bin/env bash
# linear.sh - compare and set, and atomic changes, while servers die: what 16 clients were told is linearizable.
#
# A load (linear_load) fights for a few keys and writes down every answer; linear_check looks for an order of
# all operations that explains them. Each run kills the server in its own way:
#   kills   kill -9, at random moments
#   lost    the same on a slow disk that keeps nothing but what was synced (tests/crash/disk.h): mostly in the
#           middle of a sync, so whoever was shown more than is synced will notice
#   cuts    the power of that disk, at random operations: often just behind a sync, before anybody was answered, so
#           the front server asks again for what is done
#
# From outside:
#   TMAKV_LINEAR_RUNS      which runs (default "kills lost cuts")
#   TMAKV_LINEAR_KILLS     how many kills, and lost ones (default 6)
#   TMAKV_LINEAR_CUTS      how many cuts (default 6)
#   TMAKV_LINEAR_CUT_OPS   after about so many operations on the disk (default 300)
#   TMAKV_LINEAR_SYNC_MS   how slow that disk is (default 3)
#   TMAKV_LINEAR_PATCH     no: without PATCH
#   TMAKV_LINEAR_LOAD      more options of linear_load
#   TMAKV_LINEAR_LIMIT_MS  how long the checker may look at one key (default 10000)
#   TMAKV_LINEAR_SEED      which moments, losses and random histories (default: others each time)
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../crash/power.sh"

kills=${TMAKV_LINEAR_KILLS:-6}
cuts=${TMAKV_LINEAR_CUTS:-6}
cut_ops=${TMAKV_LINEAR_CUT_OPS:-300}
sync_ms=${TMAKV_LINEAR_SYNC_MS:-3}
limit_ms=${TMAKV_LINEAR_LIMIT_MS:-10000}
seed=${TMAKV_LINEAR_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
runs=${TMAKV_LINEAR_RUNS:-kills lost cuts}
tools=$top_builddir/tests/linear
no_patch=''
[ "${TMAKV_LINEAR_PATCH:-yes}" = yes ] || no_patch=-w
load_s=$(((kills + cuts) * 5 + 120))	# the load ends by itself, should this script not be there to end it
load_pid='' histories='' n_runs=0 repeats=0 repeats_last=0

for file in linear_load linear_check; do
	[ -x "$tools/$file" ] || broken "$tools/$file is not built"
done
RANDOM=$seed

# --- the load ---

# load_begin RUN - a project of its own, three callers, and the load on it.
load_begin() {
	make_project "$1"
	histories=$work/$1
	mkdir "$histories"
	make_callers "$work/tokens"
	repeats=0 repeats_last=0 n_runs=$((n_runs + 1))
	# shellcheck disable=SC2086 # options
	"$tools/linear_load" -s "$work/f" -t "$work/tokens" -o "$histories" -d "$load_s" \
		-f $((n_runs * 1000000)) $no_patch ${TMAKV_LINEAR_LOAD:-} &
	load_pid=$!
}

load_end() {
	local rc=0
	kill -s TERM "$load_pid"
	wait "$load_pid" || rc=$?
	load_pid=''
	[ $rc -eq 0 ] || broken "the load ended with $rc"
}

end() {
	local rc=$?
	[ -z "$load_pid" ] || kill -s TERM "$load_pid" 2>/dev/null
	(exit $rc)
	cleanup
}

# repeats_look - requests that the front server repeated, and that were recognised. Each server counts from 0, and
# what it counts last dies with it, so there are more than are seen.
repeats_look() {
	local now
	now=$(ctl status --json 2>/dev/null | member .metrics.repeats) && [ -n "$now" ] || return 0
	[ "$now" -ge "$repeats_last" ] || repeats=$((repeats + repeats_last))
	repeats_last=$now
}

# judge N - something was done to the server N times.
judge() {
	load_end
	repeats_look
	repeats=$((repeats + repeats_last))
	stop_server || fail "the server did not end well"
	printf 'repeats that were recognised: %s or more (seed %s)\n' "$repeats" "$seed"
	[ "$1" -lt 50 ] || [ $repeats -gt 0 ] || broken "the front server has repeated nothing"
	check "$histories"/history.*
}

# check ARGUMENTS... - of linear_check.
check() {
	local rc=0
	"$tools/linear_check" -l "$limit_ms" "$@" || rc=$?
	case $rc in
	0) ;;
	1) fail "the answers do not go together (seed $seed)" ;;
	*) broken "the checker cannot tell ($rc, seed $seed)" ;;
	esac
}

# --- the runs ---

begin() {
	# No limit of writes: what is refused tests nothing.
	start_server workers=2 cache_size=4M checkpoint_size=1M checkpoint_s=1 write_limit=0
	[ -n "$front_pid" ] || start_front
}

# kill_often N - at random moments of serving.
kill_often() {
	local i old
	for ((i = 0; i < $1; i++)); do
		pause 150 400
		repeats_look
		old=$(server_pid)
		kill -s KILL "$old" || broken "no server process to kill"
		until_true is_replaced "$old" || fail "no new server process"
		until_true server_answers || fail "no server after a kill"
	done
	pause 150 200
}

run_kills() {
	it "is linearizable over $kills kills"
	begin
	load_begin kills
	kill_often "$kills"
	judge "$kills"
}

run_lost() {
	it "is linearizable over $kills kills that lose what is not synced"
	disk_make DISK_SYNC_MS="$sync_ms"
	begin
	load_begin lost
	kill_often "$kills"
	judge "$kills"
	unset WRAP
}

run_cuts() {
	it "is linearizable over $cuts power cuts (seed $seed)"
	disk_make DISK_CUT="$cut_ops" DISK_SYNC_MS="$sync_ms"
	begin
	load_begin cuts
	cut_often "$cuts" repeats_look
	pause 150 200
	judge "$cuts"
	unset WRAP
}

"$tools/linear_check" -s -r "$seed" || fail "the checker does not see what it should"
make_work
trap end EXIT
for run in $runs; do
	began=$SECONDS
	"run_$run"
	printf '%s: %s s\n' "$run" $((SECONDS - began))
done
it "has tried everything"
# shellcheck disable=SC2086 # an option, or none
check -a $no_patch "$work"/*/history.*
