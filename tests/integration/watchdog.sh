#!/usr/bin/env bash
# watchdog.sh - the pulse that a service manager hears: it comes while tmakvd can do its work, and not otherwise.
#
# The manager is a socket that writes down what it is told, and when.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
command -v perl >/dev/null || skip "there is no perl"
disk=$top_builddir/tests/crash/disk.so client=$top_builddir/tests/tools/fcgi_client
stop_thread=$top_builddir/tests/tools/stop_thread
[ -e "$disk" ] && [ -x "$client" ] && [ -x "$stop_thread" ] || broken "not built: $disk, $client, $stop_thread"
make_work
mkdir -m 700 "$work/data" "$work/disk"

perl -MSocket -MTime::HiRes=time -e '$| = 1; socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, pack_sockaddr_un(shift)) or die;
	$SIG{ALRM} = sub { exit }; alarm 240;
	while (defined recv(S, $m, 999, 0)) { printf "%d %s\n", time * 1000, $m =~ tr/\n/ /r }' "$work/notify" >"$work/told" &
manager=$!
end() {
	local rc=$?
	kill "$manager" ${stopper:-} 2>/dev/null
	[ -z "${lock_pid:-}" ] || kill "$lock_pid" 2>/dev/null
	(exit $rc)
	cleanup
}
trap end EXIT
until_true test -S "$work/notify" || broken "there is no socket"

# managed USEC [PID] - the next start_server is a manager's, with such a watchdog, for the process PID.
managed() {
	cat >"$work/managed" <<-END
		#!/bin/sh
		export NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=$1 WATCHDOG_PID=${2:-\$\$}
		export DISK_DIR=$work/data DISK_STATE=$work/disk DISK_HOLD=$work/hold
		export ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0
		LD_PRELOAD=$disk exec "\$@"
	END
	chmod +x "$work/managed"
	WRAP=$work/managed
}

told() { grep -c " .*$1" "$work/told"; }
beats() { told 'WATCHDOG=1'; }
is_told_again() { [ "$(told "$1")" -gt "$2" ]; }
# It goes on: two more.
beats_on() {
	local n
	n=$(beats)
	until_true is_told_again 'WATCHDOG=1' $((n + 1)) || fail "there is no pulse"
}
# What is on its way when something stops may still come; then nothing does for longer than it ever waits.
is_silent() {
	local n
	n=$(beats)
	sleep 1
	[ "$(beats)" = "$n" ]
}
has_pulse_thread() { cat "/proc/$(server_pid)"/task/*/comm | grep -qx pulse; }

it "pulses while it serves, though nobody writes"
managed 400000
start_server checkpoint_s=3600
start_front
make_project demo
[ "$(told 'READY=1')" = 1 ] || fail "it is not ready just once: $(cat "$work/told")"
has_pulse_thread || fail "there is no thread for it"
beats_on

it "has no pulse when the server process stands still"
server=$(server_pid)
kill -STOP "$server"
until_true is_silent || fail "it pulses all the same"
kill -CONT "$server"
beats_on

it "has no pulse when an event loop stands still"
worker=$(grep -lx worker "/proc/$server"/task/*/comm | head -n 1)
worker=${worker%/comm} worker=${worker##*/}
"$stop_thread" "$worker" >"$work/stopped" 2>&1 &
stopper=$!
is_stopped() {
	has_ended "$stopper" && return 2
	[ "$(cat "$work/stopped" 2>/dev/null)" = stopped ]
}
if until_true is_stopped; then
	until_true is_silent || fail "it pulses all the same"
	stop_pid "$stopper" TERM
	stopper=''
	beats_on
else
	rc=0
	stop_pid "$stopper" TERM || rc=$?
	stopper=''
	[ $rc = 77 ] || broken "no thread can be stopped: $(cat "$work/stopped")"
	echo "  (not tried: $(cat "$work/stopped"))"
fi

it "has no pulse when nothing can be synced"
touch "$work/hold"
until_true is_silent || fail "it pulses all the same"
as_server GET /kv/nothing
expect 404
rm "$work/hold"
beats_on
[ "$(server_pid)" = "$server" ] || fail "it is another server"

it "tells of a reload, and that it is ready again, also when it keeps the settings it has"
cp "$work/tmakv.conf" "$work/good"
for signal in HUP bad USR2; do
	ready=$(told 'READY=1') reloading=$(told 'RELOADING=1 MONOTONIC_USEC=[1-9]')
	[ $signal != bad ] || echo nonsense >>"$work/tmakv.conf"
	kill -"${signal/bad/HUP}" "$tmakvd_pid"
	until_true is_told_again 'RELOADING=1 MONOTONIC_USEC=[1-9]' "$reloading" || fail "$signal: no word of it"
	until_true is_told_again 'READY=1' "$ready" || fail "$signal: it is not ready again"
	cp "$work/good" "$work/tmakv.conf"
	beats_on
done
stop_server || fail "it did not end well"
[ "$(told 'STOPPING=1')" = 1 ] || fail "it did not say that it stops"

it "is never silent for too long while it changes servers, slowly"
managed 4000000
start_server
head -c 400000 /dev/zero >"$work/large"
from=$(wc -l <"$work/told")
for signal in HUP USR2; do
	"$client" -s "$work/s" --method PUT --uri /kv/large --param "HTTP_AUTHORIZATION=Bearer $API_KEY" \
		--body-file "$work/large" --pieces 200 >/dev/null 2>"$work/err" &
	slow=$!
	calls=$(ctl status --json | member .metrics.slow_calls)
	has_slow_call() { [ "$(ctl status --json | member .metrics.slow_calls)" != "$calls" ]; }
	[ "$calls" != 0 ] || until_true has_slow_call || fail "there is no long request"
	old=$(server_pid) ready=$(told 'READY=1')
	kill -$signal "$tmakvd_pid"
	until_true is_told_again 'READY=1' "$ready" || fail "it is not ready again after $signal"
	[ "$(server_pid)" != "$old" ] || fail "it is the same server"
	wait $slow
done
beats_on
tail -n "+$from" "$work/told" | awk '/WATCHDOG=1/ { if (last && $1 - last > worst) worst = $1 - last; last = $1 }
	END { print "  (longest silence: " worst " ms of 4000)"; exit !(worst > 0 && worst < 4000) }' ||
	fail "it was silent for too long: $(tail -n "+$from" "$work/told")"
stop_server

it "pleads for patience while it cannot start, and says when it can"
flock --no-fork "$work/data/lock" sleep 60 &
lock_pid=$!
is_locked() { ! flock -n "$work/data/lock" true; }
until_true is_locked || broken "no lock"
managed 400000
pleas=$(told 'EXTEND_TIMEOUT_USEC=[1-9][0-9]* WATCHDOG=1') ready=$(told 'READY=1')
"$WRAP" "$TMAKVD" -c "$work/tmakv.conf" 2>>"$work/tmakvd.log" &
tmakvd_pid=$!
until_true is_told_again 'EXTEND_TIMEOUT_USEC=[1-9][0-9]* WATCHDOG=1' $((pleas + 3)) || fail "it is silent"
[ "$(told 'READY=1')" = "$ready" ] || fail "it said that it was ready"
kill "$lock_pid"
wait "$lock_pid" 2>/dev/null
lock_pid=''
until_true is_told_again 'READY=1' "$ready" || fail "it does not start"
beats_on
stop_server

it "lives on a full disk: another start would find the same one"
start_server reserve_size=1000T
ctl status --json | member .store.full | grep -q true || broken "the disk is not full"
beats_on
stop_server

it "costs nothing without a watchdog, or with one that is another's"
for pid in "" 1; do
	[ -n "$pid" ] && managed 400000 "$pid" || managed ''
	start_server
	! has_pulse_thread || fail "there is a thread for it"
	stop_server
done
