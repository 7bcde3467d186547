#!/usr/bin/env bash
# kill.sh - kill -9 and restarts under load: every acknowledged write is there afterwards, nothing that
# anybody was shown is taken back, no write counts twice, and clients wait instead of seeing errors.
#
# A load (crash_load) writes down every answer while this script kills; crash_check then says whether the
# answers go together, and crash_audit whether the tables do. The runs:
#   kills        the server process, at random moments
#   cuts         the power, at random moments: a disk (disk.h) that loses, reorders and tears what was not synced
#   first        the power, while a server starts for the first time
#   young        the power, when it has just done so
#   restarts     that are asked for
#   supervisor   killed
#   torn         the power, and pages of databases tear, which they are not expected to do
#   recovery     not a test but figures: how long it takes, by the size of the log
#
# From outside:
#   TMAKV_CRASH_RUNS     which runs (default: those above, but for the last two)
#   TMAKV_CRASH_KILLS    how many kills (default 12)
#   TMAKV_CRASH_GAP_MS   for how long there may be no answer after a kill (default 1000; 0: as long as it takes)
#   TMAKV_CRASH_CUTS     how many cuts of a run's server (default 12); a fourth as many young ones
#   TMAKV_CRASH_CUT_OPS  after about so many operations on the disk (default 1200)
#   TMAKV_CRASH_SYNC_MS  how slow that disk is (default 4)
#   TMAKV_CRASH_DISK     more settings of that disk (disk.h); with DISK_LIE=log or DISK_LIE=pages it must not pass
#   TMAKV_CRASH_LOG_MB   log sizes for the figures (default "1 4 16 32 64")
#   TMAKV_CRASH_SEED     which moments and losses (default: others each time)
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/power.sh"
export LC_ALL=C	# EPOCHREALTIME with a point in it

kills=${TMAKV_CRASH_KILLS:-12}
cuts=${TMAKV_CRASH_CUTS:-12}
cut_ops=${TMAKV_CRASH_CUT_OPS:-1200}
sync_ms=${TMAKV_CRASH_SYNC_MS:-4}
# shellcheck disable=SC2034 # power.sh's
disk_more=${TMAKV_CRASH_DISK:-}
gap_ms=${TMAKV_CRASH_GAP_MS:-1000}
seed=${TMAKV_CRASH_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
recovery_mb=${TMAKV_CRASH_LOG_MB:-1 4 16 32 64}
runs=${TMAKV_CRASH_RUNS:-kills first young cuts restarts supervisor}
tools=$top_builddir/tests/crash
load_s=$(((kills + cuts) * 5 + 120))	# the load ends by itself, should this script not be there to end it
load_pid='' events='' n_images=0

for file in crash_load crash_check crash_audit; do
	[ -e "$tools/$file" ] || broken "$tools/$file is not built"
done

# --- the load ---

# load_begin RUN [OPTIONS] - a project of its own, three callers, and the load on it.
load_begin() {
	make_project "$1"
	events=$work/$1
	mkdir "$events"
	make_callers "$work/tokens"
	find_rest
	shift
	"$tools/crash_load" -s "$work/f" -t "$work/tokens" -o "$events" -b "$rest_path" -d "$load_s" "$@" &
	load_pid=$!
	sleep 0.5
}

load_end() {
	local rc=0
	kill -s TERM "$load_pid"
	wait "$load_pid" || rc=$?
	load_pid=''
	[ $rc -eq 0 ] || fail "the load ended with $rc"
}

end() {
	local rc=$?
	[ -z "$load_pid" ] || kill -s TERM "$load_pid" 2>/dev/null
	(exit $rc)
	cleanup
}

# judge [OPTIONS] - the load ends, the server is killed once more, everything is asked for, and the answers
# and the tables are compared.
judge() {
	load_end
	kill_server
	until_true server_answers || fail "no server after the last kill"
	"$tools/crash_load" -s "$work/f" -t "$work/tokens" -o "$events" -f || fail "not everything could be asked for"
	"$tools/crash_check" -m "$events/marks" "$@" "$events"/events.* || fail "the answers do not go together"
	stop_server || fail "the server did not end well"
	audit "$work/data"
}

# --- what is done to the server ---

mark() {
	printf '%s %s\n' "${EPOCHREALTIME/./}" "$1" >>"$events/marks"
}

# kill_now - the server process, whatever it is doing; a new one has been started when this returns.
kill_now() {
	local old
	old=$(server_pid)
	[ -n "$old" ] || return
	mark kill
	kill -s KILL "$old"
	until_true is_replaced "$old" || fail "no new server process"
}

# kill_and_look - a kill, and what it left on the disk: a copy, made before the next server mends it.
kill_and_look() {
	local old copy=$work/image.$n_images
	n_images=$((n_images + 1))
	old=$(server_pid)
	kill -s STOP "$tmakvd_pid"
	mark kill
	kill -s KILL "$old"
	until_true has_ended "$old"
	cp -a "$work/data" "$copy"
	kill -s CONT "$tmakvd_pid"
	until_true is_replaced "$old" || fail "no new server process"
	audit "$copy"
	rm -rf "$copy"
}

audit() {
	"$tools/crash_audit" "$1" || fail "the tables do not belong together"
}

# kill_often N - at random moments: between two writes, in the middle of a batch, while recovering.
kill_often() {
	local i
	for ((i = 1; i <= $1; i++)); do
		pause 300 1500
		case $((i % 6)) in
		2) kill_and_look ;;
		4)
			kill_now
			pause 1 150
			kill_now
			i=$((i + 1))
			;;
		*) kill_now ;;
		esac
	done
	pause 1000 1500
}

# --- the runs ---

settings=(min_ttl_s=1 workers=2 cache_size=4M checkpoint_size=1M checkpoint_s=1 value_limit=1M)

begin() {
	start_server "${settings[@]}"
	[ -n "$front_pid" ] || start_front
}

run_kills() {
	it "loses nothing to $kills kills"
	begin
	load_begin kills
	kill_often "$kills"
	judge -g "$gap_ms"
}

run_cuts() {
	it "loses nothing to $cuts power cuts (seed $seed)"
	disk_make DISK_CUT="$cut_ops" DISK_SYNC_MS="$sync_ms"
	begin
	# Writers wait most of the time, so there is room for more reads of what is not synced yet.
	load_begin cuts -p 2000
	cut_often "$cuts"
	cut -d ' ' -f 1,2 "$disk_state/cuts" >>"$events/marks"
	judge -g 0
	unset WRAP
}

cuts_or_end() {
	has_ended "$tmakvd_pid" || [ "$(count_cuts)" -ge "$1" ]
}

# Berkeley DB takes a page's write for atomic. Where a disk does not keep that, torn pages must be seen: the server
# ends with 65, or all is there. Nobody gets wrong data in either case.
run_torn() {
	local i rc damaged=0
	it "serves no torn page (seed $seed)"
	for ((i = 1; i <= (cuts + 5) / 6; i++)); do
		disk_make DISK_CUT="$cut_ops" DISK_TEAR=1
		begin
		load_begin "torn-$i" -p 2000
		rm "$disk_state/calm"
		until_true cuts_or_end 6 || fail "neither cuts nor an end (seed $seed, $i)"
		touch "$disk_state/calm"
		if until_true server_answers; then
			cut -d ' ' -f 1,2 "$disk_state/cuts" >>"$events/marks"
			judge -g 0
		else
			rc=0
			wait "$tmakvd_pid" || rc=$?
			tmakvd_pid=
			[ $rc -eq 65 ] || fail "the server ended with $rc (seed $seed, $i)"
			damaged=$((damaged + 1))
			cut -d ' ' -f 1,2 "$disk_state/cuts" | sed '$s/cut/gone/' >>"$events/marks"
			load_end
			"$tools/crash_check" -m "$events/marks" -g 0 "$events"/events.* || fail "wrong data (seed $seed, $i)"
		fi
		rm -rf "$work/data"
	done
	printf 'torn pages: %s runs of up to 6 cuts, %s ended with 65\n' $((i - 1)) "$damaged"
	unset WRAP
}

# Files are made, renamed, and gone again; what recovery makes anew is cut as well.
run_first() {
	local i
	it "starts for the first time although the power is cut twice (seed $seed)"
	for ((i = 1; i <= (cuts + 3) / 4; i++)); do
		disk_make DISK_CUT=80 DISK_LIVES=2
		rm "$disk_state/calm"
		start_server "${settings[@]}"
		cut_rest 2 "$i"
		first_end "$i"
	done
	unset WRAP
}

account() {
	ctl status --json | member .account_id
}

run_young() {
	local i before
	it "keeps what was stored in its first second, although the power is cut again and again (seed $seed)"
	for ((i = 1; i <= (cuts + 3) / 4; i++)); do
		disk_make DISK_CUT=80 DISK_LIVES=4
		start_server "${settings[@]}"
		make_project early
		before=$(account)
		[ -n "$before" ] || broken "no account"
		rm "$disk_state/calm"
		cut_rest 1 "$i"
		ctl project show early >"$work/early" || fail "the first project is gone (seed $seed, $i)"
		[ "$(account)" = "$before" ] || fail "the installation has another id now (seed $seed, $i)"
		first_end "$i"
	done
	unset WRAP
}

# first_end I - what began well goes on.
first_end() {
	make_project "project-$1"
	stop_server || fail "the server did not end well (seed $seed, $1)"
	audit "$work/data"
	rm -rf "$work/data"
}

# cut_rest N I - cuts that a start did not meet come soon after it: there is more to write until there have been N.
# Nobody minds what becomes of that. Then there are no more.
cut_rest() {
	until_true has_cuts "$1" || fail "no cut (seed $seed, $2)"
	until_true server_answers || fail "no server after the cuts (seed $seed, $2)"
	touch "$disk_state/calm"
	until_true server_answers || fail "no server after the cuts (seed $seed, $2)"
}

# has_cuts N - while something is written.
has_cuts() {
	has_ended "$tmakvd_pid" && return 2
	[ "$(count_cuts)" -ge "$1" ] || { ctl project create "more-$SRANDOM" --json; false; }
}

run_restarts() {
	local i old
	it "shows nobody an error when it is asked to restart"
	begin
	load_begin restarts
	for i in 1 2 3; do
		pause 300 900
		old=$(server_pid)
		mark restart
		kill -s HUP "$tmakvd_pid"
		until_true is_replaced "$old" || fail "no new server process"
		until_true server_answers || fail "no new server"
	done
	it "loses nothing when it is stopped and started"
	for i in 1 2; do
		pause 300 900
		mark gone
		stop_server || fail "the server did not end well"
		pause 1 300
		begin
		mark back
	done
	pause 500 1000
	judge
}

run_supervisor() {
	local server began took
	it "survives the loss of its supervisor"
	begin
	load_begin supervisor
	pause 500 1000
	server=$(server_pid)
	mark gone
	began=${EPOCHREALTIME/./}
	kill -s KILL "$tmakvd_pid"
	wait "$tmakvd_pid" 2>/dev/null
	begin
	mark back
	until_true has_ended "$server" || fail "the server of the killed supervisor stays"
	took=$(((${EPOCHREALTIME/./} - began) / 1000))
	printf 'a new supervisor served after %s ms\n' "$took"
	[ "$took" -lt 5000 ] || fail "that took $took ms"
	pause 1000 1500
	judge
}

# bulk_body FROM - 2,000 small records, from number FROM on.
bulk_body() {
	awk -v from="$1" 'BEGIN {
		fill = sprintf("%0280d", 0)
		for (i = 0; i < 2000; i++)
			printf "%s{\"key\":\"r/%d\",\"value\":\"%s\"}", i == 0 ? "[" : ",", from + i, fill
		print "]"
	}'
}

log_bytes() {
	ctl status --json | member .store.log_bytes_since_checkpoint
}

# run_recovery - how long after a kill until a client is answered, by how much log there is since the checkpoint.
run_recovery() {
	local mb began n=0 bytes
	it "recovers, in a time that grows with the log"
	start_server checkpoint_size=1G checkpoint_s=3600 cache_size=64M
	[ -n "$front_pid" ] || start_front
	make_project recovery
	find_rest
	for mb in $recovery_mb; do
		while bytes=$(log_bytes) && [ "$bytes" -lt $((mb << 20)) ]; do
			bulk_body $n >"$work/bulk.json"
			as_server PUT "$rest_path/bulk" -H 'Content-Type: application/json' --data-binary "@$work/bulk.json"
			expect 200
			n=$((n + 2000))
		done
		began=${EPOCHREALTIME/./}
		kill_server
		as_server GET /sdk/v1/kv/r%2F$((n - 1))
		expect 200
		printf 'recovery: %s MB of log, answered %s ms after the kill\n' $((bytes >> 20)) \
			$(((${EPOCHREALTIME/./} - began) / 1000))
	done
	stop_server || fail "the server did not end well"
}

"$tools/crash_check" -s || fail "the checker does not see what it should"
make_work
trap end EXIT
for run in $runs; do
	began=$SECONDS
	"run_$run"
	printf '%s: %s s\n' "$run" $((SECONDS - began))
done
