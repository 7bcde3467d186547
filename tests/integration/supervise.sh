#!/usr/bin/env bash
# supervise.sh - the life of the two processes: starting, stopping, reloading, and being killed.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
make_work

client=$top_builddir/tests/tools/fcgi_client
[ -x "$client" ] || broken "$client is not built"

# ends CODE COMMAND... - the command ends with CODE.
ends() {
	local want=$1 rc=0
	shift
	timeout 30 "$@" >"$work/out" 2>"$work/err" || rc=$?
	[ $rc -eq "$want" ] || fail "$* ended with $rc instead of $want: $(cat "$work/err")"
}

said() { grep -qF -e "$1" "$work/$2" || fail "no '$1' in $2: $(tail -n 3 "$work/$2")"; }

is_ready_again() { [ "$(grep -c '^READY=1' "$work/told")" -gt "$1" ]; }

is_ready() { [ "$(grep -c '"msg":"server ready"' "$work/tmakvd.log")" -ge "$1" ]; }

# another_server OLD - there is a server process that is not OLD.
another_server() {
	local now
	now=$(server_pid)
	[ -n "$now" ] && [ "$now" != "$1" ] && ctl status
}

it "tells its usage, its version, and whether the settings are good"
ends 0 "$TMAKVD" --help
[ "$(wc -l <"$work/out")" -le 24 ] || fail "the help is longer than a screen"
ends 0 "$TMAKVD" -V
said tmakv out
ends 64 "$TMAKVD" -x
said usage: err
ends 64 "$TMAKVD" -t more
echo 'workers = 2' >"$work/good.conf"
echo 'workers = many' >"$work/bad.conf"
ends 0 "$TMAKVD" -t -c "$work/good.conf"
said "$work/good.conf: ok" out
ends 78 "$TMAKVD" -t -c "$work/bad.conf"
said "$work/bad.conf:1: workers" err
ends 78 "$TMAKVD" -c "$work/missing.conf"
ends 64 "$TMAKVD" --server 1,2,3

it "does not start what cannot work, and says why"
printf 'control = %s/c\ndata_dir = %s/data\nlisten = %s/no/such/s\n' "$work" "$work" "$work" >"$work/tmp.conf"
ends 78 "$TMAKVD" -c "$work/tmp.conf"
said 'the directory of the socket does not exist' err
printf 'control = %s/c\ndata_dir = %s/tmp.conf\nlisten = %s/s\n' "$work" "$work" "$work" >"$work/tmp.conf"
ends 78 "$TMAKVD" -c "$work/tmp.conf"
[ ! -e "$work/s" ] && [ ! -e "$work/c" ] || fail "it left sockets behind"

it "stops for TERM, INT and USR1, and takes its sockets away"
for signal in TERM INT USR1; do
	start_server
	pid=$tmakvd_pid
	tmakvd_pid=''
	stop_pid "$pid" $signal || fail "it ended with $? after $signal"
	[ ! -e "$work/s" ] && [ ! -e "$work/control.sock" ] || fail "it left its sockets behind"
done

it "takes over a listening socket on descriptor 0"
if command -v perl >/dev/null; then
	start_server
	stop_server
	perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un(shift)) && listen(S, 64) or die;
		open(STDIN, "<&", \*S) or die; exec @ARGV' "$work/zero" "$TMAKVD" -c "$work/tmakv.conf" 2>>"$work/tmakvd.log" &
	tmakvd_pid=$!
	until_true server_answers || fail "it did not start"
	ends 0 "$client" -s "$work/zero" --uri /nowhere
	[ ! -e "$work/s" ] || fail "it made a socket of its own"
	stop_server || fail "it did not stop"
	[ -e "$work/zero" ] || fail "it removed a socket that is not its own"
fi

start
as_server PUT /kv/kept --data-binary '"here"'
expect 200

it "refuses to be started twice on the same sockets"
cp "$work/tmakv.conf" "$work/twice.conf"
ends 75 "$TMAKVD" -c "$work/twice.conf"
said 'another server listens on this socket' err
as_server GET /kv/kept
expect 200

it "starts a server in the place of one that was killed, while clients wait"
for _ in 1 2 3; do
	kill_server
	began=$(date +%s%N)
	as_server GET /kv/kept
	expect 200 '"here"'
	took=$((($(date +%s%N) - began) / 1000000))
	[ $took -lt 1000 ] || [ -n "${WRAP:-}" ] || fail "that took $took ms"
done

# refuses WHY - a reload changes nothing, and says WHY.
refuses() {
	local old before
	old=$(server_pid)
	before=$(grep -cF "$1" "$work/tmakvd.log")
	kill -HUP "$tmakvd_pid"
	until_true said_again "$before" "$1" || fail "it did not say: $1"
	[ "$(server_pid)" = "$old" ] || fail "the server was changed"
	as_server GET /kv/kept
	expect 200
}

said_again() { [ "$(grep -cF "$2" "$work/tmakvd.log")" -gt "$1" ]; }

# reloads - a reload replaces the server; it is ready when this returns.
reloads() {
	local old
	old=$(server_pid)
	kill -HUP "$tmakvd_pid"
	until_true another_server "$old" || fail "there is no new server"
}

descriptors() { find "/proc/$tmakvd_pid/fd" -mindepth 1 | wc -l; }
has_as_many() { [ "$(descriptors)" = "$n_descriptors" ]; }
n_descriptors=$(descriptors)

it "E6: keeps going with the settings it has when the new ones are bad"
cp "$work/tmakv.conf" "$work/tmakv.conf.good"
echo 'workers = many' >>"$work/tmakv.conf"
refuses "tmakv.conf:$(wc -l <"$work/tmakv.conf"): workers: 'many' is not a whole number"
rm "$work/tmakv.conf"
refuses 'tmakv.conf: No such file or directory'
mkdir "$work/tmakv.conf"
refuses 'tmakv.conf: Is a directory'
rmdir "$work/tmakv.conf"

it "starts a server after a crash with the settings it has, though the file is bad by now"
echo 'workers = many' >"$work/tmakv.conf"
kill_server
until_true server_answers || fail "there is no server"
as_server GET /kv/kept
expect 200 '"here"'

it "changes to a server with new settings behind the same socket"
inode=$(stat -c %i "$work/s")
{ cat "$work/tmakv.conf.good"; echo 'workers = 2'; } >"$work/tmakv.conf"
reloads
until_true grep -q '"msg":"serving","workers":2' "$work/tmakvd.log" || fail "it has the old settings"
[ "$(stat -c %i "$work/s")" = "$inode" ] || fail "the socket was changed"
as_server GET /kv/kept
expect 200

it "names the settings that a reload cannot change, and keeps them"
ctl status --json >"$work/status.before"
sed -i -E 's/^(data_dir|control|listen_mode) .*//' "$work/tmakv.conf"
printf '%s\n' "data_dir = $work/elsewhere" "log_dir = $work/elsewhere.log" "control = $work/other.sock" \
	'backlog = 99' 'listen_mode = 0600' 'token_life_s = 4000' >>"$work/tmakv.conf"
reloads
said '"settings":"data_dir, log_dir, listen_mode, backlog, control"' tmakvd.log
[ ! -e "$work/elsewhere" ] && [ ! -e "$work/elsewhere.log" ] || fail "it has moved"
[ "$(stat -c %i "$work/s")" = "$inode" ] || fail "the socket was changed"
ctl status --json >"$work/status"
[ "$(jq -r .settings.data_dir <"$work/status")" = "$work/data" ] || fail "it says that it has moved"
as_server GET /kv/kept
expect 200 '"here"'

it "changes what it logs itself"
lines=$(grep -c '"msg":"server ready"' "$work/tmakvd.log")
{ cat "$work/tmakv.conf.good"; echo 'log_level = error'; } >"$work/tmakv.conf"
reloads
cp "$work/tmakv.conf.good" "$work/tmakv.conf"
reloads
until_true is_ready $((lines + 1)) || fail "it logs too little"
! is_ready $((lines + 2)) || fail "it still logs what is no error"

it "keeps no descriptor of old settings"
until_true has_as_many || fail "it had $n_descriptors descriptors, and now $(descriptors)"

it "goes back to the settings it had when no server starts with the new ones"
# More memory than there is; but some systems promise any amount, and the sanitizers end the program.
if [ "$(cat /proc/sys/vm/overcommit_memory)" = 1 ] || grep -qa __asan_init "$TMAKVD"; then
	echo "  (no way to have no memory here)"
else
	{ cat "$work/tmakv.conf.good"; echo 'cache_size = 1T'; } >"$work/tmakv.conf"
	reloads
	said 'going back to the one before' tmakvd.log
	as_server GET /kv/kept
	expect 200 '"here"'
	cp "$work/tmakv.conf.good" "$work/tmakv.conf"
fi

it "loses no request while it changes servers"
printf 'header = "Authorization: Bearer %s"\n' "$API_KEY" >"$work/curl"
for i in 1 2 3; do
	curl -sS -K "$work/curl" --unix-socket "$work/f" -o /dev/null -w '%{http_code}\n' \
		"http://tmakv/kv/kept?[1-4000]" >"$work/gets.$i" 2>&1 &
	getters[i]=$!
	curl -sS -K "$work/curl" --unix-socket "$work/f" -o /dev/null -w '%{http_code}\n' -X PUT --data-binary '"here"' \
		"http://tmakv/kv/put$i-[1-1000]" >"$work/puts.$i" 2>&1 &
	putters[i]=$!
done
changes=0
while kill -0 "${getters[1]}" 2>/dev/null && [ $changes -lt 4 ]; do
	old=$(server_pid)
	kill -HUP "$tmakvd_pid"
	until_true another_server "$old" || fail "there is no new server"
	changes=$((changes + 1))
done
wait "${getters[@]}" "${putters[@]}"
[ $changes -gt 0 ] || fail "the requests were over before a server was changed"
[ "$(cat "$work"/gets.* "$work"/puts.* | sort | uniq -c | tr -s ' ')" = ' 15000 200' ] ||
	fail "not all were answered 200: $(cat "$work"/gets.* "$work"/puts.* | sort | uniq -c)"

it "answers others while a long request keeps the old server from ending"
head -c 400000 /dev/zero >"$work/large"
old=$(server_pid)
"$client" -s "$work/s" --method PUT --uri /kv/large --param "HTTP_AUTHORIZATION=Bearer $API_KEY" \
	--body-file "$work/large" --pieces 300 -v >"$work/out" 2>"$work/err" &
slow=$!
sleep 0.2
before=$(grep -cF '"asked to stop"' "$work/tmakvd.log")
kill -HUP "$tmakvd_pid"
until_true said_again "$before" '"asked to stop"' || fail "the old server goes on"
for _ in 1 2 3; do
	"$client" -s "$work/s" --uri /kv/kept --param "HTTP_AUTHORIZATION=Bearer $API_KEY" >"$work/quick" || fail "no answer"
	grep -q here "$work/quick" || fail "another answer: $(cat "$work/quick")"
	sleep 0.2
done
kill -0 $slow 2>/dev/null || fail "they had to wait"
[ "$(server_pid)" = "$old" ] || fail "the old server did not wait for it"
wait $slow || fail "the long request was not answered: $(cat "$work/err")"
said value_too_large out
began=$(date +%s%N)
until_true another_server "$old" || fail "there is no new server"
took=$((($(date +%s%N) - began) / 1000000))
[ $took -lt 3000 ] || [ -n "${WRAP:-}" ] || fail "the old server stayed for $took ms more"

it "finishes what is under way when it is told to stop"
"$client" -s "$work/s" --method PUT --uri /kv/large --param "HTTP_AUTHORIZATION=Bearer $API_KEY" \
	--body-file "$work/large" --pieces 1000 -v >"$work/out" 2>"$work/err" &
slow=$!
sleep 0.2
kill -0 $slow || fail "the request was over too soon"
stop_server || fail "it did not end well"
wait $slow || fail "the request was not answered: $(cat "$work/err")"
said value_too_large out
said 'behind=16' err

it "leaves soon when its supervisor is killed while it stops"
start_server
server=$(server_pid)
"$client" -s "$work/s" --method PUT --uri /kv/large --param "HTTP_AUTHORIZATION=Bearer $API_KEY" \
	--body-file "$work/large" --pieces 50 --timeout-ms 20000 >/dev/null 2>&1 &
slow=$!
sleep 0.2
kill -TERM "$tmakvd_pid"
sleep 0.2
has_ended "$server" && fail "there was nothing to wait for"
kill -KILL "$tmakvd_pid"
began=$(date +%s%N)
until_true has_ended "$server" || fail "the server stays"
took=$((($(date +%s%N) - began) / 1000000))
[ $took -lt 2500 ] || [ -n "${WRAP:-}" ] || fail "the server stayed for $took ms"
wait "$tmakvd_pid" $slow 2>/dev/null
tmakvd_pid=''

it "leaves with its supervisor, and the next one takes over at once"
start_server
server=$(server_pid)
began=$(date +%s%N)
kill -KILL "$tmakvd_pid"
"$TMAKVD" -c "$work/tmakv.conf" 2>>"$work/tmakvd.log" &
next=$!
until_true has_ended "$server" || fail "the server stays"
took=$((($(date +%s%N) - began) / 1000000))
[ $took -lt 2500 ] || [ -n "${WRAP:-}" ] || fail "the server stayed for $took ms"
wait "$tmakvd_pid" 2>/dev/null
tmakvd_pid=$next
until_true server_answers || fail "the next one does not serve"
as_server GET /kv/kept
expect 200 '"here"'

it "tells a service manager when it is ready, when it reloads, and when it stops"
if command -v perl >/dev/null; then
	stop_server
	perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, pack_sockaddr_un(shift)) or die;
		$SIG{ALRM} = sub { exit }; alarm 60; while (defined recv(S, $m, 999, 0)) { syswrite(STDOUT, "$m\n"); exit if $m =~ /STOPPING/ }' \
		"$work/notify" >"$work/told" &
	manager=$!
	until_true test -S "$work/notify"
	NOTIFY_SOCKET=$work/notify start_server
	until_true grep -q '^READY=1' "$work/told" || fail "it never said that it is ready"
	for signal in HUP USR2; do
		times=$(grep -c '^READY=1' "$work/told")
		kill -$signal "$tmakvd_pid"
		until_true is_ready_again "$times" || fail "it was not ready again after $signal"
	done
	[ "$(grep -c '^RELOADING=1' "$work/told")" = 2 ] || fail "it did not say that it reloads: $(cat "$work/told")"
	stop_server
	wait $manager
	said STOPPING=1 told
fi

it "ended well each time it was told to"
# Under valgrind Berkeley DB has something to complain about.
[ -n "${WRAP:-}" ] || ! grep -E '"msg":"server stopped[^"]*","exit":[^0]' "$work/tmakvd.log" ||
	fail "a server did not"
! grep -E 'Sanitizer|runtime error' "$work/tmakvd.log" || fail "something is wrong with the memory"
