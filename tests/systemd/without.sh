#!/usr/bin/env bash
# without.sh - tmakvd without systemd: the shipped recipes for an init script, supervisord, spawn-fcgi and multiwatch.
#
# Each one: start, requests through nginx, reload, upgrade, processes killed, stop. In a machine of its own
# (boot.sh), so that the files are used as they are; ends with 77 where none can be made.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

if [ "${TMAKV_BOOTED-}" != yes ]; then
	[ -x "$TMAKVD" ] || broken "$TMAKVD is not built"
	for program in spawn-fcgi supervisord multiwatch start-stop-daemon; do
		command -v $program >/dev/null || skip "there is no $program (conf/need.sh managers)"
	done
	export TMAKV_BOOTED=yes top_srcdir top_builddir
	exec "$(dirname "$0")/boot.sh" --plain --prepare "$(dirname "$0")/install.sh" bash "$0"
fi

# Out of /etc/tmakv-paths.
sbindir='' bindir='' confdir=''
eval "$(cat /etc/tmakv-paths)"
TMAKVD=$sbindir/tmakvd TMAKVCTL=$bindir/tmakvctl
manager_pid=''	# of what this test has started and has to stop

show_logs() {
	tail -n 30 /var/log/tmakv/tmakvd.log /var/log/tmakvd.log "$work/manager.log" >&2 2>/dev/null
	[ -z "$reason" ] || printf '%s\n' "$reason" >&2
}

end() {
	local rc=$?
	[ -z "$manager_pid" ] || kill -s TERM "$manager_pid" 2>/dev/null
	(exit $rc)
	cleanup
}

# supervisor_pid - the tmakvd that is the parent of the other one.
supervisor_pid() { pgrep -u tmakv -f "^$TMAKVD( -c .*)?\$" | head -n 1; }
child_pid() { pgrep -u tmakv -f "^$TMAKVD --server " | head -n 1; }

# serves_anew OLD - the server process is another one, and answers.
serves_anew() {
	local now
	now=$(child_pid)
	[ -n "$now" ] && [ "$now" != "$1" ] && ctl status >/dev/null
}
serves() { serves_anew none; }
none_is_left() { ! pgrep -u tmakv >/dev/null; }

asks() {
	as_server GET /kv/kept
	expect 200 '"here"'
}

# lives RELOAD UPGRADE - commands that make it do so.
lives() {
	local pid main
	[ "$(stat -c '%G %a' /run/tmakv/tmakv.sock)" = 'www-data 660' ] || fail "the socket: $(ls -l /run/tmakv)"
	[ "$(stat -c '%U %a' /var/lib/tmakv)" = 'tmakv 700' ] || fail "the data: $(ls -ld /var/lib/tmakv)"
	pid=$(child_pid)
	grep -q "^Uid:	$(id -u tmakv)	" "/proc/$pid/status" || fail "it does not run as tmakv"
	if [ -z "$API_KEY" ]; then
		make_project shop
		as_server PUT /kv/kept --data-binary '"here"'
		expect 200
	fi
	asks

	eval "$1" >"$work/out" 2>&1 || fail "the reload failed: $(cat "$work/out")"
	until_true serves_anew "$pid" || fail "no new server after a reload"
	asks

	pid=$(child_pid) main=$(supervisor_pid)
	cp "$TMAKVD" "$TMAKVD.new" && mv "$TMAKVD.new" "$TMAKVD"
	eval "$2" >"$work/out" 2>&1 || fail "the upgrade failed: $(cat "$work/out")"
	until_true serves_anew "$pid" || fail "no new server after an upgrade"
	[ "$(supervisor_pid)" = "$main" ] || fail "the supervisor is another process"
	[ "$(stat -Lc %i "/proc/$main/exe")" = "$(stat -c %i "$TMAKVD")" ] || fail "it is the old program"
	asks

	pid=$(child_pid)
	kill -KILL "$pid"
	until_true serves_anew "$pid" || fail "no new server after its death"
	asks
}

# survives - who has started the supervisor starts another.
survives() {
	local main pid
	main=$(supervisor_pid) pid=$(child_pid)
	kill -KILL "$main"
	until_true serves_anew "$pid" || fail "nobody starts it again"
	[ "$(supervisor_pid)" != "$main" ] || fail "the supervisor was not killed"
	asks
}

# start_manager COMMAND... - and wait until tmakvd serves.
start_manager() {
	"$@" >>"$work/manager.log" 2>&1 &
	manager_pid=$!
	until_true serves || fail "it does not start"
}

stop_manager() {
	local pid=$manager_pid
	manager_pid=''
	stop_pid "$pid" TERM
	until_true none_is_left || fail "it left processes: $(pgrep -lu tmakv)"
}

make_work
trap end EXIT
ln -s /run/tmakv/tmakv.sock "$work/s"
ln -s /run/tmakv/control.sock "$work/control.sock"
start_front

it "is started and stopped by the init script"
init=/etc/init.d/tmakv
"$init" status >/dev/null 2>&1 && fail "it runs already"
"$init" start >"$work/out" 2>&1 || fail "it does not start: $(cat "$work/out")"
serves || fail "it does not serve when the script says that it does"
"$init" status >/dev/null || fail "the status is wrong"
# It is root who opens the log, so the server's user must not be able to put a link in its place.
[ "$(stat -c '%U:%G %a' /var/log/tmakv)" = 'root:adm 750' ] || fail "the log's folder: $(ls -ld /var/log/tmakv)"
[ "$(stat -c '%U:%G %a' /var/log/tmakv/tmakvd.log)" = 'root:adm 640' ] || fail "the log: $(ls -l /var/log/tmakv)"
[ -s /var/log/tmakv/tmakvd.log ] || fail "there is nothing in the log"
lives "$init reload" "$init upgrade"
main=$(supervisor_pid)
"$init" start >"$work/out" 2>&1 || fail "to start it twice is an error"
[ "$(supervisor_pid)" = "$main" ] || fail "it was started twice"
echo 'workers = many' >>"$confdir/tmakv.conf"
for what in reload restart; do
	"$init" $what >"$work/out" 2>&1 && fail "a $what with wrong settings is no error"
	grep -q "workers: 'many' is not" "$work/out" || fail "it does not say what is wrong"
	[ "$(supervisor_pid)" = "$main" ] || fail "a $what with wrong settings stops it"
done
sed -i '$d' "$confdir/tmakv.conf"
"$init" restart >"$work/out" 2>&1 || fail "no restart: $(cat "$work/out")"
[ "$(supervisor_pid)" != "$main" ] || fail "it was not restarted"
asks
"$init" stop >"$work/out" 2>&1 || fail "it does not stop: $(cat "$work/out")"
none_is_left || fail "it left processes"
[ ! -e /run/tmakv/tmakv.sock ] && [ ! -e /run/tmakv/control.sock ] || fail "it left sockets"
"$init" stop >/dev/null 2>&1 || fail "to stop it twice is an error"
"$init" status >/dev/null 2>&1 && fail "the status is wrong"
rm -r /run/tmakv

it "runs under supervisord, which makes the socket"
install -d -o tmakv -g tmakv -m 755 /run/tmakv
start_manager supervisord -n -c /etc/supervisor/supervisord.conf
lives 'supervisorctl signal HUP tmakv:tmakv' 'supervisorctl signal USR2 tmakv:tmakv'
survives
supervisorctl restart tmakv:tmakv >"$work/out" 2>&1 || fail "no restart: $(cat "$work/out")"
asks
supervisorctl stop tmakv:tmakv >/dev/null || fail "it does not stop"
none_is_left || fail "it left processes"
[ ! -e /run/tmakv/control.sock ] || fail "it left its socket"
stop_manager
rm -r /run/tmakv

it "runs behind spawn-fcgi, which becomes tmakvd"
start_manager /etc/sv/tmakv/run
[ "$manager_pid" = "$(supervisor_pid)" ] || fail "the process that was started is not the supervisor"
lives "kill -HUP $manager_pid" "kill -USR2 $manager_pid"
stop_manager

it "runs behind spawn-fcgi and multiwatch, which starts it again"
TMAKV_MULTIWATCH=yes start_manager /etc/sv/tmakv/run
[ "$manager_pid" != "$(supervisor_pid)" ] || fail "there is no multiwatch"
lives "pkill -HUP -P $manager_pid" "pkill -USR2 -P $manager_pid"
survives
stop_manager
