#!/usr/bin/env bash
# upgrade.sh - SIGUSR2: the program file that stands there now takes the place of the running one.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
make_work

# A program file of our own, which can be replaced.
real=$TMAKVD
mkdir "$work/bin"
TMAKVD=$work/bin/tmakvd

# put_program COMMAND... - what COMMAND writes stands where the program stood, as a new file.
put_program() {
	"$@" >"$work/bin/new" && chmod 755 "$work/bin/new" && mv "$work/bin/new" "$TMAKVD"
}

count() { grep -cF -e "$1" "$work/tmakvd.log"; }

# says TEXT COUNT - TEXT stands in the log more than COUNT times.
says() { [ "$(count "$1")" -gt "$2" ]; }

is_file() { [ "$(stat -Lc %d:%i "/proc/$1/exe" 2>/dev/null)" = "$(stat -c %d:%i "$TMAKVD")" ]; }

# is_upgraded - supervisor and server are the file that stands there, and serve.
is_upgraded() {
	local server
	server=$(server_pid)
	is_file "$tmakvd_pid" && [ -n "$server" ] && is_file "$server" && ctl status
}

# stays TEXT - at USR2 nothing changes, and the log says TEXT.
stays() {
	local server before
	server=$(server_pid)
	before=$(count "$1")
	kill -USR2 "$tmakvd_pid"
	until_true says "$1" "$before" || fail "it did not say: $1"
	[ "$(server_pid)" = "$server" ] || fail "the server was changed"
	as_server GET /kv/kept
	expect 200 '"here"'
}

has_as_many() { [ "$(descriptors "$supervisor")" = "$n" ]; }
descriptors() { find "/proc/$1/fd" -mindepth 1 | wc -l; }

server_pipes() { find "/proc/$(server_pid)/fd" -lname 'pipe:*' | wc -l; }

# has_what_servers_have - the server has as many pipes as the first one: it would not notice its supervisor's end
# with the other end of that pipe in its hands.
has_what_servers_have() { [ "$(server_pipes)" = "$pipes" ]; }

cc -shared -fPIC -o "$work/die.so" "$top_srcdir/tests/tools/die_at_start.c" || broken "no library"
# The sanitizers want to be the first library; behind this one they work as well.
WRAP="env DIE_AT_START=$work/die LD_PRELOAD=$work/die.so ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0"
put_program cat "$real"
start
wait_s=15
as_server PUT /kv/kept --data-binary '"here"'
expect 200
supervisor=$tmakvd_pid
inode=$(stat -c %i "$work/s")
n=$(descriptors "$supervisor")
pipes=$(server_pipes)

it "becomes the new program in the same process, behind the same socket"
for i in 1 2 3; do
	put_program cat "$real"
	kill -USR2 "$supervisor"
	until_true is_upgraded || fail "it is still the old program"
	as_server GET /kv/kept
	expect 200 '"here"'
	as_server PUT "/kv/put$i" --data-binary '"there"'
	expect 200
done
[ "$(stat -c %i "$work/s")" = "$inode" ] || fail "the socket was changed"
until_true has_as_many || fail "it had $n descriptors, and now $(descriptors "$supervisor")"
until_true has_what_servers_have || fail "the server has descriptors that are not for it"
! tr '\0' '\n' <"/proc/$(server_pid)/environ" | grep -q '^TMAKV_HANDOVER=' || fail "the server has the handover"

it "restarts a server of the new program when that is killed"
kill_server
until_true is_upgraded || fail "there is no new server"

it "reads the configuration as a reload does"
cp "$work/tmakv.conf" "$work/tmakv.conf.good"
printf '%s\n' 'workers = 3' 'backlog = 77' >>"$work/tmakv.conf"
put_program cat "$real"
kill -USR2 "$supervisor"
until_true is_upgraded || fail "it is still the old program"
until_true says '"msg":"serving","workers":3' 0 || fail "it has the old settings"
says '"settings":"backlog"' 0 || fail "it does not name the setting that needs a stop"

it "stays as it is when the configuration is not valid, and says why"
echo 'workers = many' >>"$work/tmakv.conf"
put_program cat "$real"
stays "tmakv.conf:$(wc -l <"$work/tmakv.conf"): workers"
! is_file "$supervisor" || fail "it is the new program"
cp "$work/tmakv.conf.good" "$work/tmakv.conf"

it "stays as it is when the file is no program of ours, and says why"
put_program echo 'neither a program nor a script'
stays 'Exec format error'
put_program printf '#!/bin/sh\nexit 0\n'
stays '"exit":0,"signal":0,"said":""'
put_program printf '#!/bin/sh\necho this version needs a newer library >&2; exit 127\n'
stays 'this version needs a newer library'
put_program cat "$real"
chmod 644 "$TMAKVD"
stays 'Permission denied'
rm "$TMAKVD"
stays 'No such file or directory'

it "stays as it is when the program agrees and then cannot be executed"
put_program printf '#!/bin/sh\nchmod 644 "$0"; echo ready to take over\n'
stays 'the program cannot be executed'
until_true has_as_many || fail "it had $n descriptors, and now $(descriptors "$supervisor")"
kill_server
until_true server_answers || fail "there is no server"
until_true has_what_servers_have || fail "the server has descriptors that are not for it"

it "waits for no program that does not come to an end"
put_program printf '#!/bin/sh\nyes | head -c 200000; exec sleep 1000\n'
stays '"signal":14,"said":"y\u000ay'

it "goes on while it asks, and takes the file that stands there at the end"
put_program printf '#!/bin/sh\nuntil [ -e %s ]; do sleep 0.05; done; echo ready to take over\n' "$work/go"
before=$(count 'asking the program')
kill -USR2 "$supervisor"
until_true says 'asking the program' "$before" || fail "it does not ask"
kill -USR2 "$supervisor"
until_true says 'is being asked already' 0 || fail "it does not say that it is at it"
old=$(server_pid)
another_server() { [ -n "$(server_pid)" ] && ! grep -qw "$old" "/proc/$supervisor/task/$supervisor/children" && ctl status; }
kill -HUP "$supervisor"
as_server GET /kv/kept
expect 200 '"here"'
until_true another_server || fail "it does not reload meanwhile"
put_program cat "$real"
touch "$work/go"
until_true is_upgraded || fail "it is still the old program"

it "sees that the server has died, though that was told to the program before"
rm "$work/go"
put_program printf '#!/bin/bash\nuntil [ -e %s ]; do sleep 0.05; done; exec -a "$0" %s "$@"\n' "$work/go" "$real"
before=$(count 'asking the program')
kill -USR2 "$supervisor"
until_true says 'asking the program' "$before" || fail "it does not ask"
asked=$(cut -d ' ' -f 2 "/proc/$supervisor/task/$supervisor/children")
old=$(server_pid)
kill -HUP "$supervisor"
until_true another_server || fail "it does not reload meanwhile"
kill -STOP "$supervisor"
touch "$work/go"
until_true has_ended "$asked" || fail "it is still asked"
server=$(cut -d ' ' -f 2 "/proc/$supervisor/task/$supervisor/children")
kill -KILL "$server"
until_true has_ended "$server" || fail "the server does not die"
before=$(count 'has taken over')
kill -CONT "$supervisor"
until_true says 'has taken over' "$before" || fail "it does not hand over"
until_true server_answers || fail "there is no server"
[ "$(wc -w <"/proc/$supervisor/task/$supervisor/children")" = 1 ] || fail "the dead are still there"

it "waits with the next server when the new one dies at once, says so, and serves when one lives"
put_program cat "$real"
touch "$work/die"
kill -USR2 "$supervisor"
until_true says 'died before it could serve' 1 || fail "it says nothing"
is_file "$supervisor" || fail "it is still the old program"
printf 'header = "Authorization: Bearer %s"\n' "$API_KEY" >"$work/curl"
curl -sS -K "$work/curl" --unix-socket "$work/f" -o "$work/waited" -w '%{http_code}' http://tmakv/kv/kept >"$work/waited.status" &
waiter=$!
before=$(count 'died before it could serve')
until_true says 'died before it could serve' "$before" || fail "it does not try again"
# In the pause before the next try.
put_program cat "$real"
kill -USR2 "$supervisor"
until_true is_file "$supervisor" || fail "it is still the program before"
rm "$work/die"
wait $waiter
[ "$(cat "$work/waited.status")" = 200 ] || fail "who waited was answered $(cat "$work/waited.status")"
until_true is_upgraded || fail "the server is not of the new program"

it "takes what other signals say along"
put_program cat "$real"
kill -USR2 "$supervisor"
kill -HUP "$supervisor"
kill -USR2 "$supervisor"
until_true is_upgraded || fail "it is still the old program"
put_program cat "$real"
kill -USR2 "$supervisor"
until_true is_file "$supervisor" || fail "it is still the old program"
put_program cat "$real"
kill -USR2 "$supervisor"
until_true is_upgraded || fail "no second upgrade while the first was under way"
as_server GET /kv/kept
expect 200 '"here"'

it "stops when it is told to in the midst of it, and takes its sockets away"
for ms in 000 005 010 020 050 200 500; do
	[ -n "$tmakvd_pid" ] || start_server
	put_program cat "$real"
	kill -USR2 "$tmakvd_pid"
	sleep 0.$ms
	stop_server || fail "it ended with $? when it was stopped after $ms ms"
	[ ! -e "$work/s" ] && [ ! -e "$work/control.sock" ] || fail "it left its sockets behind after $ms ms"
done

it "forgets the program it asks when it is stopped"
put_program cat "$real"
start_server
put_program printf '#!/bin/sh\necho $$ >%s; exec sleep 1000\n' "$work/asked"
rm -f "$work/asked"
kill -USR2 "$tmakvd_pid"
until_true test -s "$work/asked" || fail "it does not ask"
stop_server || fail "it did not end well"
until_true has_ended "$(cat "$work/asked")" || fail "it is still asked"

it "finds itself by its name in PATH, or from where it was started, and keeps its options"
put_program cat "$real"
for name in tmakvd bin/tmakvd; do
	(cd "$work" && PATH=$work/bin:$PATH exec "$name" -c tmakv.conf -s "$work/other" 2>>"$work/tmakvd.log") &
	tmakvd_pid=$!
	until_true server_answers || fail "it does not start"
	put_program cat "$real"
	kill -USR2 "$tmakvd_pid"
	until_true is_upgraded || fail "it is still the old program"
	[ -S "$work/other" ] && [ ! -e "$work/s" ] || fail "it has another socket"
	stop_server || fail "it did not end well"
	[ ! -e "$work/other" ] || fail "it left its socket behind"
done

it "takes nothing over that was not handed to it"
for handover in '' 1 'x' '1 2 3' "1 PID 3 0 0 4 0 0 5 6 7 0 0" "2 PID 3 0 0 4 0 0 5 6 7 0 0" \
	"1 PID 3 0 0 4 0 0 5 6 7 0 0 0" "1 PID 3 0 0 3 0 0 5 6 7 0 0" "1 1 3 0 0 4 0 0 5 6 7 0 0"; do
	for t in '' -t; do
		# The shell's own number for one that becomes tmakvd, and the parent's for one that is asked.
		# shellcheck disable=SC2016 # for the inner shell
		rc=0; sh -c 'pid=$$; handover=$(printf %s "$1" | sed "s/PID/$pid/"); shift
			if [ "$1" = -t ]; then TMAKV_HANDOVER=$handover "$@"; else TMAKV_HANDOVER=$handover exec "$@"; fi' \
			- "$handover" "$TMAKVD" -c "$work/tmakv.conf" $t 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null \
			>"$work/out" 2>"$work/err" || rc=$?
		[ $rc -eq 75 ] || fail "'$handover' $t ended with $rc"
		grep -q 'TMAKV_HANDOVER is set' "$work/err" || fail "'$handover' is not named: $(cat "$work/err")"
	done
done
! grep -E 'Sanitizer|runtime error' "$work/tmakvd.log" || fail "something is wrong with the memory"
