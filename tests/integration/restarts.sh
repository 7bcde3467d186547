#!/usr/bin/env bash
# restarts.sh - reloads, upgrades, stops and starts, killed supervisors: while 64 clients put, get, delete, sign in
# and make bulk calls, and look for errors (restart_load).
#
# Somebody else holds the socket, as systemd does, but for the last run; there errors are allowed, loss is not.
#
# From outside:
#   TMAKV_RESTARTS       restarts that are asked for (default 10); a supervisor is killed a fifth as often
#   TMAKV_RESTART_PAUSE  microseconds between two requests of a client (default 20000)
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/clients.sh
. "$(dirname "$0")/../clients.sh"

n=${TMAKV_RESTARTS:-10}
pause_us=${TMAKV_RESTART_PAUSE:-20000}
tools=$top_builddir/tests/tools
real=$TMAKVD
holder_pid='' loads=0
[ -x "$tools/socket_holder" ] || broken "$tools/socket_holder is not built"

end() {
	local rc=$?
	[ -z "$load_pid" ] || kill -s TERM "$load_pid" 2>/dev/null
	[ -z "$holder_pid" ] || stop_holder || rc=1
	(exit $rc)
	cleanup
}

# --- who holds the socket ---

# start_holder [-f] - it holds the socket and runs tmakvd.
start_holder() {
	# shellcheck disable=SC2086 # WRAP is a command with its arguments
	"$tools/socket_holder" "$@" "$work/s" ${WRAP:-} "$TMAKVD" -c "$work/tmakv.conf" 2>>"$work/tmakvd.log" &
	holder_pid=$!
	until_true is_held || broken "tmakvd does not start under the holder"
}

# is_held - the holder has a tmakvd that answers; sets tmakvd_pid.
is_held() {
	has_ended "$holder_pid" && return 2
	tmakvd_pid=$(cat "/proc/$holder_pid/task/$holder_pid/children")
	tmakvd_pid=${tmakvd_pid%% *}
	[ -n "$tmakvd_pid" ] && ctl status
}

is_held_anew() { is_held && [ "$tmakvd_pid" != "$1" ]; }

stop_holder() {
	local pid=$holder_pid
	holder_pid='' tmakvd_pid=''
	stop_pid "$pid" TERM
}

# load ARGUMENTS... - 64 clients.
load() {
	loads=$((loads + 1))
	load_begin "run$loads" -p "$pause_us" "$@"
}

# --- restarts ---

is_file() { [ "$(stat -Lc %d:%i "/proc/$1/exe" 2>/dev/null)" = "$(stat -c %d:%i "$TMAKVD")" ]; }

server_is_new() {
	local now
	now=$(server_pid)
	[ -n "$now" ] && [ "$now" != "$1" ] && ctl status
}

is_upgraded() { is_file "$tmakvd_pid" && server_is_new "$1" && is_file "$(server_pid)"; }

do_reload() {
	kill -HUP "$tmakvd_pid"
	until_true server_is_new "$1" || fail "there is no new server after a reload"
}

do_upgrade() {
	cp "$real" "$work/bin/new"
	mv "$work/bin/new" "$TMAKVD"
	kill -USR2 "$tmakvd_pid"
	until_true is_upgraded "$1" || fail "there is no new server after an upgrade"
}

# As `systemctl restart` with a socket unit.
do_restart() {
	kill -TERM "$tmakvd_pid"
	until_true is_held_anew "$tmakvd_pid" || fail "there is no new tmakvd after a stop"
}

do_kill() {
	local began=${EPOCHREALTIME/./} supervisor=$tmakvd_pid
	kill -KILL "$tmakvd_pid"
	until_true has_ended "$1" || fail "the server of a killed supervisor stays"
	[ $(((${EPOCHREALTIME/./} - began) / 1000)) -lt 2500 ] || fail "the server of a killed supervisor stays too long"
	until_true is_held_anew "$supervisor" || fail "there is no new tmakvd after a kill"
}

# restart_often N KIND... - one kind after the other, N in all.
restart_often() {
	local left=$1 kind
	shift
	while true; do
		for kind in "$@"; do
			[ "$left" -gt 0 ] || return 0
			left=$((left - 1))
			mark "$kind"
			"do_$kind" "$(server_pid)"
			sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
		done
	done
}

make_work
trap end EXIT
mkdir "$work/bin"
TMAKVD=$work/bin/tmakvd
cp "$real" "$TMAKVD"
start workers=2
load_users 101 102 103 104 105 106 107 108
stop_server || fail "tmakvd did not end well"

it "shows 64 clients no error in $n restarts, and counts each write once"
start_holder
load
restart_often "$n" reload upgrade restart
load_end

it "shows them none when supervisors are killed"
load
restart_often $(((n + 4) / 5)) kill upgrade
load_end
stop_holder || fail "tmakvd did not end well"

it "does as well with the socket on descriptor 0"
start_holder -f
load
restart_often 3 upgrade kill restart
load_end
stop_holder || fail "tmakvd did not end well"

it "loses nothing when a supervisor is killed that made the socket itself"
start_server workers=2
load -e
server=$(server_pid)
mark kill
kill -KILL "$tmakvd_pid"
wait "$tmakvd_pid" 2>/dev/null
start_server workers=2
until_true has_ended "$server" || fail "the server of a killed supervisor stays"
load_end

! grep -E '"level":"error"' "$work/tmakvd.log" | grep -vE 'requests under way did not end' || fail "errors in the log"
