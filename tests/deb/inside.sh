#!/usr/bin/env bash
# inside.sh - in a bare Debian: the package's whole life, as its owner would see it. install.sh starts it.
#
#     inside.sh init|systemd
#
# /t has first.deb, newer.deb, restart_load, token (of a bot), and init (initData of it, a line each).
set -u -o pipefail
manager=$1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
cd /t || exit 99
load_pid=''

it() { sentence=$*; printf '    it %s\n' "$*"; }
fail() {
	printf 'FAILED: it %s: %s\n' "$sentence" "$*" >&2
	tail -n 30 /t/apt.log >&2
	tail -n 15 /var/log/tmakv/tmakvd.log /var/log/nginx/error.log /t/load.log >&2 2>/dev/null
	[ "$manager" = init ] || journalctl --no-pager -n 40 -u tmakv.service -u tmakv.socket >&2
	exit 1
}
until_true() {
	local end=$((SECONDS + 20))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
apt() { apt-get -q -y -o Dpkg::Options::=--force-unsafe-io "$@" >/t/apt.log 2>&1 </dev/null || fail "apt-get $*"; }

# http PORT METHOD PATH [BODY] - sets $status and $body.
http() {
	local answer length=0
	[ $# -lt 4 ] || length=${#4}
	exec 3<>"/dev/tcp/127.0.0.1/$1" || fail "nobody listens on port $1"
	printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Length: %s\r\n\r\n%s' \
		"$2" "$3" "${key:-none}" "$length" "${4-}" >&3
	answer=$(tr -d '\r\0' <&3)
	exec 3>&-
	status=${answer#* } status=${status%% *}
	body=${answer#*$'\n\n'}
}
expect() {
	[ "$status" = "$1" ] || fail "answered $status, not $1: $body"
	case $body in *"${2-}"*) ;; *) fail "no $2 in $body" ;; esac
}

# is MODE OWNER PATH
is() {
	local now
	now=$(stat -c '%a %U:%G' "$3") || fail "there is no $3"
	[ "$now" = "$1 $2" ] || fail "$3 is $now, not $1 $2"
}
programs() { pgrep_exe /usr/sbin/tmakvd; }
# The processes that run this file, or one that was deleted from there.
pgrep_exe() {
	local link
	for link in /proc/[0-9]*/exe; do
		case $(readlink "$link" 2>/dev/null) in "$1" | "$1 (deleted)") link=${link%/exe}; echo "${link#/proc/}" ;; esac
	done
}
is_new_program() {
	local pid
	[ "$(programs | wc -l)" -eq 2 ] || return 1
	for pid in $(programs); do [ "/proc/$pid/exe" -ef /usr/sbin/tmakvd ] || return 1; done
	tmakvctl status >/dev/null
}
supervisor() {
	case $manager in
	init) cat /run/tmakv.pid ;;
	systemd) systemctl show -p MainPID --value tmakv.service ;;
	esac
}
nobody_runs() { [ -z "$(programs)" ]; }
member() { sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p"; }

load_begin() {
	./restart_load -s /run/load.sock -k key -r "$rest_path" -i bodies -w "$1" -n 16 -p 5000 >load.log 2>&1 &
	load_pid=$!
	sleep 0.5
}
load_end() {
	local rc=0
	sleep 0.5
	kill -s TERM "$load_pid" || fail "the load has ended"
	wait "$load_pid" || rc=$?
	sed 's/^/       /' load.log
	[ $rc -eq 0 ] || fail "clients saw errors, or not what they were told"
}

# --- its life ---

sentence='has an init'
[ "$manager" = systemd ] || apt --no-install-recommends install sysvinit-core

it "is installed on a machine that has none of what it needs, and runs"
apt install ./first.deb
until_true tmakvctl status || fail "no server"
case $manager in
init) service tmakv status >/dev/null || fail "service says that it does not run" ;;
systemd)
	for unit in tmakv.service tmakv.socket nginx.service; do systemctl -q is-active $unit || fail "$unit is not active"; done
	[ "$(systemctl is-enabled tmakv.service tmakv.socket | sort -u)" = enabled ] || fail "it does not start at boot"
	;;
esac
is_new_program || fail "there are not two processes of it: $(programs)"
for pid in $(programs); do [ "$(stat -c %U "/proc/$pid")" = tmakv ] || fail "process $pid is not tmakv's"; done
is 640 root:tmakv /etc/tmakv/tmakv.conf
is 700 root:root /etc/tmakv/secrets.d
is 700 tmakv:tmakv /var/lib/tmakv
is 660 tmakv:www-data /run/tmakv/tmakv.sock
[ "$(stat -c '%a %U' /run/tmakv/control.sock)" = '600 tmakv' ] || fail "the control socket is for others"
grep -q 'tmakvctl project create' apt.log || fail "nobody is told what to do next"

it "answers through nginx, as it is after the installation"
id=$(tmakvctl project create app --bot-token-file token --json | member id)
(umask 077 && tmakvctl key create app --name test --json | member key >key)
key=$(cat key)
http 8480 PUT /sdk/v1/kv/hello '"world"'; expect 200
http 8480 GET /sdk/v1/kv/hello; expect 200 '"world"'
http 8480 GET /somewhere; expect 400 no_such_route
http 8481 GET /healthz; expect 200 ok
http 8481 GET /readyz; expect 200 ok
http 8481 GET /metrics; expect 200 tmakv_
http 8481 GET /; expect 200 '<html'
! grep -rq hello /var/log/nginx || fail "keys are in nginx's log"

it "answers in a server block of one's own"
printf 'server {\n\tlisten unix:/run/load.sock;\n\tinclude snippets/tmakv.conf;\n}\n' >/etc/nginx/conf.d/own.conf
nginx -t -q || fail "nginx -t"
service nginx reload >/dev/null || fail "nginx is not reloaded"
until_true test -S /run/load.sock || fail "nginx does not listen"
account=$(tmakvctl status --json | member account_id)
rest_path=/client/v4/accounts/$account/storage/kv/namespaces/${id//-/}
while read -r init; do printf '{"initData":"%s","projectId":"%s"}\n' "$init" "$id"; done <init >bodies

it "is upgraded, and downgraded again, and no request fails"
before=$(supervisor)
inode=$(stat -c %i /run/tmakv/tmakv.sock)
load_begin up
apt install ./newer.deb
until_true is_new_program || fail "it is not the new program that runs"
[ "$(stat -c %i /run/tmakv/tmakv.sock)" = "$inode" ] || fail "the socket is another one"
apt --allow-downgrades install ./first.deb
until_true is_new_program || fail "it is not the old program that runs"
load_end
[ "$manager" = systemd ] || [ "$(supervisor)" = "$before" ] || fail "the supervisor was restarted"

it "goes on with the old program when the new one does not take the settings, and says so"
echo 'workers = many' >>/etc/tmakv/tmakv.conf
apt -o Dpkg::Options::=--force-confold install ./newer.deb
tmakvctl --control /run/tmakv/control.sock status >/dev/null || fail "it does not run any more"
grep -q 'does not take these settings' apt.log || fail "nobody is told"
sed -i '$d' /etc/tmakv/tmakv.conf

if [ "$manager" = systemd ]; then
	it "leaves no unit that failed"
	[ -z "$(systemctl list-units --failed --plain --no-legend 'tmakv*' 'nginx*')" ] || fail "$(systemctl list-units --failed)"
fi

it "is gone when it is removed, but for settings, data and user"
apt remove tmakv
until_true nobody_runs || fail "it still runs: $(programs)"
[ ! -e /run/tmakv/tmakv.sock ] && [ ! -e /run/tmakv/control.sock ] || fail "a socket is left: $(ls -la /run/tmakv)"
[ -f /etc/tmakv/tmakv.conf ] && [ -d /var/lib/tmakv ] && id tmakv >/dev/null || fail "something is missing"
nginx -t -q || fail "nginx -t"

it "goes on with its data when it is installed again"
apt install ./newer.deb
until_true tmakvctl status || fail "no server"
http 8480 GET /sdk/v1/kv/hello; expect 200 '"world"'

it "leaves the data when it is purged"
rm /etc/nginx/conf.d/own.conf
apt purge tmakv
until_true nobody_runs || fail "it still runs: $(programs)"
[ ! -e /etc/tmakv ] && [ ! -L /etc/nginx/sites-enabled/tmakv ] && [ ! -e /run/tmakv ] && [ ! -e /var/log/tmakv ] ||
	fail "something is left: $(ls -d /etc/tmakv /etc/nginx/sites-enabled/tmakv /run/tmakv /var/log/tmakv 2>/dev/null)"
[ -d /var/lib/tmakv ] && [ "$(stat -c %U /var/lib/tmakv)" = tmakv ] || fail "the data are gone"
grep -q 'the data stay in /var/lib/tmakv' apt.log || fail "nobody is told"
nginx -t -q || fail "nginx -t"

it "removes the data when it is purged and asked to"
apt install ./first.deb
until_true tmakvctl status || fail "no server"
http 8480 GET /sdk/v1/kv/hello; expect 200 '"world"'
echo 'tmakv tmakv/remove-data boolean true' | debconf-set-selections
apt purge tmakv nginx nginx-common
[ ! -e /var/lib/tmakv ] || fail "they are still there"
id tmakv >/dev/null || fail "the user is gone"
rm -f key
