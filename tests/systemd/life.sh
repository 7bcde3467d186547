#!/usr/bin/env bash
# life.sh - tmakvd as a service of a real systemd: the shipped units, from the first request to the last stop.
#
# Ends with 77 where no machine with a systemd of its own can be made (boot.sh says why).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/clients.sh
. "$(dirname "$0")/../clients.sh"

if [ "${TMAKV_BOOTED-}" != yes ]; then
	[ -x "$TMAKVD" ] || broken "$TMAKVD is not built"
	export TMAKV_BOOTED=yes top_srcdir top_builddir
	exec "$(dirname "$0")/boot.sh" --prepare "$(dirname "$0")/install.sh" bash "$0"
fi

# Out of /etc/tmakv-paths.
sbindir='' bindir='' confdir=''
eval "$(cat /etc/tmakv-paths)"
TMAKVD=$sbindir/tmakvd TMAKVCTL=$bindir/tmakvctl

show_logs() {
	journalctl --no-pager -q -o cat -n 60 -u 'tmakv*' >&2
	[ -z "$reason" ] || printf '%s\n' "$reason" >&2
}

end() {
	local rc=$?
	[ -z "$load_pid" ] || kill -s TERM "$load_pid" 2>/dev/null
	(exit $rc)
	cleanup
}

# --- what systemd knows ---

shows() { systemctl show -p "$1" --value "${2:-tmakv.service}"; }
main_pid() { shows MainPID; }
is() { [ "$(systemctl is-active "${2:-tmakv.service}")" = "$1" ]; }
socket_inode() { stat -c %i /run/tmakv/tmakv.sock; }

# child_pid - the server process, the supervisor's child.
child_pid() {
	local pid children
	pid=$(main_pid)
	children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
	printf '%s' "${children%% *}"
}

# serves_anew OLD - the server process is another one, and answers.
serves_anew() {
	local now
	now=$(child_pid)
	[ -n "$now" ] && [ "$now" != "$1" ] && ctl status >/dev/null && is active
}

# has_new_main OLD
has_new_main() {
	local now
	now=$(main_pid)
	[ "$now" != 0 ] && [ "$now" != "$1" ] && serves_anew none
}

# drop_in UNIT LINE... - settings over the unit's own, until the next boot.
drop_in() {
	local unit=$1
	shift
	mkdir -p "/run/systemd/system/$unit.d"
	printf '%s\n' "$@" >"/run/systemd/system/$unit.d/test.conf"
	systemctl daemon-reload
}

make_work
trap end EXIT
ln -s /run/tmakv/tmakv.sock "$work/s"
ln -s /run/tmakv/control.sock "$work/control.sock"

it "is made of units in which systemd finds no mistake and no open door"
units=$(find /lib/systemd/system -name 'tmakv*' ! -name '*@*' | sort)
[ "$(echo "$units" | wc -l)" -eq 4 ] || broken "there are other units: $units"
# shellcheck disable=SC2086 # words on purpose
systemd-analyze verify --man=no $units tmakv-bot@shop.service >"$work/verify" 2>&1 && [ ! -s "$work/verify" ] ||
	fail "systemd-analyze verify: $(cat "$work/verify")"
for unit in tmakv.service tmakv-bot@shop.service; do
	systemd-analyze security --no-pager --threshold=10 "$unit" >"$work/security" || fail "$unit: $(cat "$work/security")"
	grep -o 'Overall exposure.*: [0-9.]*' "$work/security"
done

# Where the filter is wrong, the service dies of it instead of finding another way.
drop_in tmakv.service '[Service]' SystemCallErrorNumber=kill

it "has a socket that only the web server's group can reach, before the service runs"
is active tmakv.socket || fail "the socket unit is not active"
is inactive || fail "the service runs already"
[ "$(stat -c '%U:%G %a' /run/tmakv/tmakv.sock)" = 'tmakv:www-data 660' ] || fail "$(ls -l /run/tmakv)"
[ "$(stat -c '%U:%G %a' /run/tmakv /var/lib/tmakv | tr '\n' ' ')" = 'tmakv:tmakv 755 tmakv:tmakv 700 ' ] ||
	fail "the folders: $(ls -ld /run/tmakv /var/lib/tmakv)"
inode=$(socket_inode)

it "is started by the first request"
start_front
ask GET /.well-known/jwks.json
expect 200 '"keys":['
is active || fail "the service is $(shows ActiveState)"
[ "$(shows StatusText)" = serving ] || fail "it says: $(shows StatusText)"
make_project shop
load_users 101 102 103
as_server PUT /kv/kept --data-binary '"here"'
expect 200

it "may do nothing but its work"
files_limit() { awk '/^Max open files/ { print $5 }' "/proc/$1/limits"; }
# Where even process 1 may not raise its limits, that one holds.
files=$(files_limit 1)
[ "$files" -lt 65536 ] || files=65536
pid=$(child_pid)
for process in "$pid" "$(main_pid)"; do
	for line in 'NoNewPrivs:	1' 'Seccomp:	2' 'CapEff:	0000000000000000' 'CapBnd:	0000000000000000'; do
		grep -qxF "$line" "/proc/$process/status" || fail "not $line: $(grep "${line%%:*}" "/proc/$process/status")"
	done
	grep -q "^Uid:	$(id -u tmakv)	" "/proc/$process/status" || fail "it runs as $(grep Uid "/proc/$process/status")"
	grep -qE '^Max core file size +0 +0 ' "/proc/$process/limits" || fail "it may write a core file"
	[ "$(files_limit "$process")" -eq "$files" ] || fail "it may have $(files_limit "$process") files"
done
for namespace in mnt net user; do
	[ "$(readlink "/proc/$pid/ns/$namespace")" != "$(readlink "/proc/1/ns/$namespace")" ] ||
		fail "it has no namespace of its own: $namespace"
done
[ "$(grep -c : "/proc/$pid/net/dev")" -eq 1 ] || fail "it has a network: $(cat "/proc/$pid/net/dev")"
as_it() { nsenter --target "$pid" --mount -- setpriv --reuid tmakv --regid tmakv --clear-groups "$@"; }
for folder in / /etc /usr /var /var/lib /run "$confdir"; do
	! as_it touch "$folder/x" 2>/dev/null || fail "it can write in $folder"
	! nsenter --target "$pid" --mount -- touch "$folder/x" 2>/dev/null || fail "$folder is not read-only"
done
for folder in /run/tmakv /var/lib/tmakv /tmp; do
	as_it touch "$folder/x" && as_it rm "$folder/x" || fail "it cannot write in $folder"
done
[ ! -e "$(nsenter --target "$pid" --mount -- ls -d "$work" 2>/dev/null)" ] || fail "it sees the files of others in /tmp"
[ "$(nsenter --target "$pid" --mount -- ls /home /root 2>&1 | wc -w)" -le 2 ] || fail "it sees home folders"

it "does all of its work under this filter"
{ printf '"'; head -c 300000 /dev/zero | tr '\0' x; printf '"'; } >"$work/large"
ctl project limit shop --value-limit 1M >/dev/null || fail "no limits"
as_server PUT /kv/large --data-binary "@$work/large"
expect 200
as_server GET /kv/large
expect 200 xxxxxxxx
as_server GET "/kv?limit=10"
expect 200 kept
as_server PUT "$rest_path/bulk" -H 'Content-Type: application/json' \
	--data-binary '[{"key":"a","value":"1"},{"key":"b","value":"2","expiration_ttl":60}]'
expect 200
ctl signing-key rotate >/dev/null || fail "no signing key"
ctl audit --project shop >/dev/null || fail "no audit"
ctl top --once >/dev/null || fail "no top"
for path in /healthz /readyz; do
	at_operator ask GET $path
	expect 200
done
at_operator ask GET /metrics
expect 200 process_resident_memory_bytes tmakv_requests_total

it "takes new settings with a reload, and none of its clients notices"
echo 'workers = 2' >>"$confdir/tmakv.conf"
load_begin reload -n 16 -p 20000
mark reload
systemctl reload tmakv || fail "the reload failed"
until_true serves_anew "$pid" || fail "there is no new server"
load_end
ctl status | grep -qE '^workers +2$' || fail "it has the old settings"
is active || fail "it is $(shows ActiveState)"

it "says at a reload what is wrong with the settings, and keeps those it has"
pid=$(child_pid)
echo 'slow_threads = many' >>"$confdir/tmakv.conf"
! systemctl reload tmakv 2>/dev/null || fail "the reload worked"
journalctl -q -o cat -u tmakv | grep -qF "tmakv.conf:$(wc -l <"$confdir/tmakv.conf"): slow_threads: 'many' is not" || fail "it does not say why"
[ "$(child_pid)" = "$pid" ] && is active || fail "something changed"
sed -i '$d' "$confdir/tmakv.conf"

it "is restarted, and none of its clients notices"
main=$(main_pid)
load_begin restart -n 16 -p 20000
mark restart
systemctl restart tmakv || fail "the restart failed"
load_end
has_new_main "$main" || fail "it is the same process"
[ "$(socket_inode)" = "$inode" ] || fail "the socket is another one"

it "is upgraded in place, and neither its clients nor systemd notice"
main=$(main_pid) pid=$(child_pid)
cp "$TMAKVD" "$TMAKVD.new" && mv "$TMAKVD.new" "$TMAKVD"
load_begin upgrade -n 16 -p 20000
mark upgrade
systemctl kill -s USR2 --kill-who=main tmakv
until_true serves_anew "$pid" || fail "there is no new server"
load_end
[ "$(main_pid)" = "$main" ] || fail "systemd has another main process"
[ "$(stat -Lc %i "/proc/$main/exe")" = "$(stat -c %i "$TMAKVD")" ] || fail "it is the old program"
[ "$(shows NRestarts)" = 0 ] || fail "systemd has restarted it"

it "comes back when the server is killed, and when the supervisor is"
pid=$(child_pid)
kill -KILL "$pid"
until_true serves_anew "$pid" || fail "there is no new server"
[ "$(main_pid)" = "$main" ] || fail "systemd has another main process"
pid=$(child_pid)
kill -KILL "$main"
until_true has_new_main "$main" || fail "systemd has not started it again"
has_ended "$pid" || fail "the old server is still there"
as_server GET /kv/kept
expect 200 '"here"'
[ "$(socket_inode)" = "$inode" ] || fail "the socket is another one"

it "is started again when the server hangs"
drop_in tmakv.service '[Service]' SystemCallErrorNumber=kill WatchdogSec=3
systemctl restart tmakv || fail "the restart failed"
pulse() { shows WatchdogTimestampMonotonic; }
for _ in 1 2; do
	before=$(pulse)
	has_pulse() { [ "$(pulse)" != "$before" ]; }
	until_true has_pulse || fail "the server has no pulse"
done
main=$(main_pid)
kill -STOP "$(child_pid)"
until_true has_new_main "$main" || fail "nobody notices"
journalctl -q -o cat -u tmakv | grep -q 'Watchdog timeout' || fail "it was not the watchdog"
as_server GET /kv/kept
expect 200 '"here"'
[ "$(socket_inode)" = "$inode" ] || fail "the socket is another one"
drop_in tmakv.service '[Service]' SystemCallErrorNumber=kill
systemctl restart tmakv || fail "the restart failed"

it "makes backups, by hand and by the timer"
systemctl start tmakv-backup.service || fail "the backup failed"
for backup in /var/backups/tmakv/tmakv-*; do "$TMAKVD" --verify "$backup" >/dev/null || fail "the backup is not good"; done
[ "$(stat -c '%U %a' /var/backups/tmakv)" = 'root 700' ] || fail "others can read backups"
rm -r "$backup"
drop_in tmakv-backup.timer '[Timer]' OnCalendar= OnActiveSec=100ms RandomizedDelaySec=0 AccuracySec=10ms
drop_in tmakv-backup.service '[Service]' SystemCallErrorNumber=kill Environment=BACKUP_DIR=/var/backups/other
systemctl start tmakv-backup.timer || fail "the timer does not start"
a_backup_is_there() { "$TMAKVD" --verify /var/backups/other/tmakv-*Z; }
until_true a_backup_is_there || fail "the timer made no backup"
systemctl stop tmakv-backup.timer

it "is given a bot's token as a credential, which nobody else sees"
make_token() { printf '%s:test-%s' "$1" "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"; }
signs_in() {
	validate "$(init_data 101)"
	expect "$1"
}
ctl project create mini-app >/dev/null 2>&1 || fail "no project"
PROJECT_ID=$(ctl project show mini-app --json | member .id)
first=$(make_token 990000000001) second=$(make_token 990000000001)
BOT_TOKEN=$first
(umask 077; printf '%s\n' "$first" >"$confdir/secrets.d/mini-app")
systemctl enable --now tmakv-bot@mini-app 2>/dev/null || fail "the unit failed"
signs_in 200
ctl bot list mini-app >"$work/before"
systemctl restart tmakv-bot@mini-app || fail "it cannot be run twice"
ctl bot list mini-app | cmp -s - "$work/before" || fail "a token that is there already changes the bot"
printf '%s\n' "$second" >"$confdir/secrets.d/mini-app"
systemctl restart tmakv || fail "the restart failed"
until_true is active tmakv-bot@mini-app || fail "it does not run when the server starts"
signs_in 200
BOT_TOKEN=$second
signs_in 200
for token in "$first" "$second"; do
	! journalctl -q --no-pager | grep -qF "${token#*:}" || fail "the token is in the journal"
	! grep -rqsF "${token#*:}" /var/lib/tmakv || fail "the token is in the data"
done

it "is not started again when that would not help"
echo 'slow_threads = many' >>"$confdir/tmakv.conf"
main=$(main_pid)
! systemctl restart tmakv 2>/dev/null || fail "it started"
is failed || fail "it is $(shows ActiveState)"
[ "$(shows ExecMainStatus)" = 78 ] && [ "$(shows NRestarts)" = 0 ] || fail "exit $(shows ExecMainStatus), $(shows NRestarts) restarts"
sed -i '$d' "$confdir/tmakv.conf"
ask GET /.well-known/jwks.json
expect 200
is active || fail "the next request did not start it"

it "gives the socket up when waiting requests start it in vain, and takes it back when all is well"
echo 'slow_threads = many' >>"$confdir/tmakv.conf"
systemctl restart tmakv 2>/dev/null
socket_is_given_up() {
	ask GET /.well-known/jwks.json
	is failed tmakv.socket
}
until_true socket_is_given_up || fail "the socket is $(shows ActiveState tmakv.socket)"
expect 502
sed -i '$d' "$confdir/tmakv.conf"
systemctl reset-failed tmakv
systemctl start tmakv || fail "it does not start"
as_server GET /kv/kept
expect 200 '"here"'

it "is stopped with its socket, and leaves nothing running"
systemctl stop tmakv.socket || fail "the stop failed"
is inactive && is inactive tmakv.socket || fail "it is $(shows ActiveState)"
[ ! -e /run/tmakv/tmakv.sock ] && [ ! -e /run/tmakv/control.sock ] || fail "it left a socket"
! pgrep -u tmakv >/dev/null || fail "it left a process"
systemctl start tmakv || fail "it does not start again"
is active tmakv.socket || fail "without its socket"
as_server GET /kv/kept
expect 200 '"here"'
systemctl stop tmakv.socket
