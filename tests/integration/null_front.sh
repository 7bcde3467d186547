#!/usr/bin/env bash
# null_front.sh - the front (app/serve/, app/http/) alone, with the null responder behind it and peers
# that do what no front server should.
#
# The front must answer what can be answered, close what cannot, never take a body's bytes for a request,
# and be as good as new behind each of these.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
make_work

null=$top_builddir/tests/bench/null_responder
client=$top_builddir/tests/tools/fcgi_client
[ -x "$null" ] && [ -x "$client" ] || broken "$null or $client is not built"

# start_null [OPTION]... - a null responder; the one before must have ended.
start_null() {
	# shellcheck disable=SC2086 # WRAP is a command with its arguments
	${WRAP:-} "$null" -s "$work/s" "$@" 2>>"$work/tmakvd.log" &
	tmakvd_pid=$!
	until_true null_answers || broken "the null responder does not answer"
}

null_answers() {
	has_ended "$tmakvd_pid" && return 2
	client --uri /null
}

client() { timeout 20 "$client" -s "$work/s" "$@"; }

# peer STATUS TEXT OPTION... - fcgi_client must end with STATUS, and what it printed hold TEXT.
peer() {
	local want=$1 text=$2 rc=0
	shift 2
	client "$@" >"$work/out" 2>"$work/err" || rc=$?
	[ $rc -eq "$want" ] || fail "fcgi_client $* ended with $rc instead of $want"
	[ -z "$text" ] || grep -aq -e "$text" "$work/out" ||
		fail "fcgi_client $* did not print $text: $(head -c 300 "$work/out")"
}

# said TEXT - what fcgi_client -v told of the last answer.
said() { grep -aq -e "$1" "$work/err" || fail "not $1: $(cat "$work/err")"; }

alive() {
	has_ended "$tmakvd_pid" && fail "the server has died"
	peer 0 '^Status: 200 OK' --uri /null
}

repeat() { head -c "$1" /dev/zero | tr '\0' "${2:-x}"; }

hex() { od -An -tx1 | tr -d ' \n'; }

start_null -w 1

it "answers"
peer 0 '"success":true' --uri /null
peer 0 '"code":"no_such_route"' --uri /nowhere
peer 0 '^Status: 400 ' --uri /null --param TMAKV_DOOR=nowhere

it "serves one request after the other on a connection"
peer 0 '"success":true' --uri /null --repeat 100
peer 0 '"success":true' --uri /write --method PUT --body 1 --repeat 20
peer 0 '"success":true' --uri /read --repeat 20
peer 0 '"success":true' --uri /slow --repeat 20
peer 0 'x' --uri '/bytes?131072' --repeat 5

it "closes behind its answer when it is asked to"
peer 0 '"success":true' --uri /null --no-keep --watch-ms 1000 -v
said 'closed=1'
peer 0 '"success":true' --uri /null --watch-ms 50 -v
said 'closed=0'

it "tells a HEAD the length and sends no body"
peer 0 '^Content-Length: 84' --uri /null --method HEAD
! grep -q success "$work/out" || fail "there is a body"

it "gives bodies back as they came, in the loop and in the slow lane"
for n in 0 1 8192 65536 131072 262144 262145 1048576; do
	repeat "$n" >"$work/body"
	peer 0 "^Content-Length: $n" --uri /echo --method PUT --body-file "$work/body"
	tail -c "$n" "$work/out" | cmp -s - "$work/body" || fail "$n bytes came back otherwise"
done
peer 0 '"data":5}' --uri /length --method PUT --body hello --declare none

it "takes a request that comes in pieces"
peer 0 '"data":5}' --uri /length --method PUT --body hello --pieces 7

it "refuses a body that is shorter or longer than declared"
peer 0 '"code":"short_body"' --uri /length --method PUT --body hello --declare 6
peer 0 '"code":"bad_request"' --uri /length --method PUT --body hello --declare 4
peer 0 '"code":"value_too_large"' --uri /length --method PUT --body hello --declare 131073
peer 0 '"code":"bad_request"' --uri /null --method PUT --body hello --declare +5

it "closes when the peer leaves or falls silent in the middle of a body"
peer 1 '' --uri /length --method PUT --body hello --declare 10 --no-end
peer 1 '' --uri /length --method PUT --body hello --abort
alive

it "closes on what is no FastCGI"
peer 1 '' --raw --hex 474554202f20485454502f312e310d0a0d0a
peer 1 '' --raw --hex 00000000000000000000000000000000
peer 1 '' --raw --hex 0101000000080000000100000000000000
peer 1 '' --raw --hex 01060001000000000106000100000000
peer 1 '' --uri /null --role 2
peer 1 '' --uri /null --role 3
peer 1 '' --uri /null --role 9
alive

it "closes on half a request"
peer 1 '' --uri /null --cut 60
alive

it "does not take the parameters before a lost connection for all of them"
# BEGIN, and a PARAMS record that promises more and ends between two parameters.
peer 1 '' --raw --timeout-ms 4000 --hex \
	"0101000100080000000101000000000001040001002c0000$(printf '\x0e\x03REQUEST_METHODGET\x0b\x05REQUEST_URI/null' | hex)"
alive

it "closes on what only libfcgi would answer, or die of"
peer 1 '' --raw --hex "0109000000110000$(printf '\x0f\x00FCGI_MPXS_CONNS' | hex)"
four=$(printf '\x0e\x00FCGI_MAX_CONNS\x0d\x00FCGI_MAX_REQS\x0f\x00FCGI_MPXS_CONNS\x0e\x00FCGI_MAX_CONNS' | hex)
peer 1 '' --raw --hex "0109000000400000${four}"
peer 1 '' --raw --hex "010c000000080000$(printf unknown. | hex)"
begin=01010001000800000001010000000000
peer 1 '' --raw --hex "${begin}0104000100080000fffffffefffffffe0104000100000000"
peer 1 '' --raw --hex "${begin}0104000200080000$(printf somebody | hex)"
alive

it "takes a request with very large parameters"
peer 0 '"success":true' --uri /null --param "HTTP_AUTHORIZATION=Bearer $(repeat 100000 a)"
peer 0 '"success":true' --uri /null --param "SOMETHING=$(repeat 8000 b)" --repeat 3
for n in $(seq 7890 7990); do
	peer 0 '"success":true' --uri /null --param "PAD=$(repeat "$n" c)" --repeat 2
done

it "never takes a body's bytes for a request"
# A body that is not read by its handler, with whole requests at every place where a reader might stop.
forged=$(printf '\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x01\x04\x00\x01\x00\x26\x00\x00\x0e\x03REQUEST_METHODGET\x0b\x06REQUEST_URI/store\x01\x04\x00\x01\x00\x00\x00\x00\x01\x05\x00\x01\x00\x00\x00\x00' | hex)
for offset in 7900 7944 8000 8064 8100 8104 8112 8120 8128 8184 8192; do
	{
		repeat "$offset" .
		printf '%b' "$(printf '%s' "$forged$forged$forged" | sed 's/../\\x&/g')"
		repeat 20000 .
	} >"$work/body"
	for uri in /null /nowhere /write /delete /slow '/bytes?10'; do
		peer 0 '^Status: ' --uri "$uri" --method POST --body-file "$work/body" --repeat 2 --watch-ms 5 -v
		said 'behind=0'
		peer 0 '^Status: ' --uri "$uri" --method POST --body-file "$work/body" --declare 3 --watch-ms 5 -v
		said 'behind=0'
	done
done
alive

it "finishes and forgets what a peer that left had asked for"
for uri in /null /write /read /slow '/bytes?131072' '/bytes?20000000'; do
	for ms in 0 1; do
		for _ in 1 2 3 4 5; do
			peer 0 '' --uri "$uri" --leave-ms $ms
		done
	done
done
alive

it "gives up a peer that does not read"
client --uri '/bytes?20000000' --leave-ms 2500 &
slow_client=$!
peer 0 '"success":true' --uri /null
wait $slow_client
alive
stop_server || fail "it did not end well"

it "answers a read that waits for a flush, and writes, when the flush takes its time"
start_null -w 1 -f 200
for _ in 1 2 3; do client --uri /write --method PUT --body 1 >/dev/null & done
peer 0 '"success":true' --uri /read
peer 0 '"success":true' --uri /write --method PUT --body 1
wait $! 2>/dev/null
for uri in /write /read; do
	for _ in 1 2 3; do peer 0 '' --uri $uri --leave-ms 20; done
done
alive

it "does not take a body that its handler left for a peer that has given up"
repeat 100000 >"$work/body"
peer 0 '"success":true' --uri /delete --method DELETE --body-file "$work/body"
peer 0 '"success":true' --uri /delete --method DELETE --body-file "$work/body" --pieces 5000
peer 1 '' --uri /delete --method DELETE --body-file "$work/body" --send 10 --abort

open_fds() {
	local fds=("/proc/$tmakvd_pid/fd"/*)
	echo ${#fds[@]}
}

# is_alone - the last client's connection is closed; the listener is the only socket.
is_alone() {
	[ "$(readlink "/proc/$tmakvd_pid/fd"/* | grep -c '^socket:')" -eq 1 ]
}

# has_accepted - it has one connection more than when idle_fds was set.
has_accepted() {
	[ "$(open_fds)" -gt "$idle_fds" ]
}

it "wakes a worker for a flush of another worker's writes"
stop_server || fail "it did not end well"
start_null -w 2 -f 200
# Without the wake-up every one of them takes a second; a busy machine may be late once.
in_time=0
for _ in 1 2 3; do
	client --uri /write --method PUT --body 1 >/dev/null &
	writer=$!
	sleep 0.05
	! client --uri /read --timeout-ms 800 2>/dev/null | grep -q '"success":true' || in_time=$((in_time + 1))
	wait $writer
done
[ $in_time -ge 1 ] || fail "no read was answered by the flush of another worker's write"

it "ends the replies of a drain so that their connection is not used again"
stop_server || fail "it did not end well"
start_null -w 2 -f 1000
until_true is_alone || fail "a connection stays open"
idle_fds=$(open_fds)
client --uri /write --method PUT --body 1 -v >"$work/out" 2>"$work/err" &
last=$!
until_true has_accepted || fail "the write did not arrive"
sleep 0.1
kill -TERM "$tmakvd_pid"
wait $last || fail "the write was not answered"
said 'behind=16'
stop_server || fail "it did not end well"

it "finishes what is under way in the slow lane before it ends"
start_null -w 1 -f 300
client --uri /slow -v >"$work/out" 2>"$work/err" &
last=$!
repeat 400000 >"$work/body"
peer 0 'value_too_large' --uri /write --method PUT --body-file "$work/body"
wait $last || fail "no answer"
stop_server || fail "it did not end well"

it "closes idle connections and ends"
start_null -w 2
until_true is_alone || fail "a connection stays open"
idle_fds=$(open_fds)
client --uri /null --watch-ms 10000 -v >"$work/out" 2>"$work/err" &
idle=$!
until_true has_accepted || fail "the client did not arrive"
sleep 0.2
began=$(date +%s%N)
stop_server || fail "it did not end well"
took=$((($(date +%s%N) - began) / 1000000))
[ $took -ge 150 ] && [ $took -lt 5000 ] || fail "that took $took ms"
wait $idle
said 'closed=1'

it "does not wait for the rest of a request longer than it may"
start_null -w 1 -d 300
client --uri /null --cut 60 &
half=$!
sleep 0.2
began=$(date +%s%N)
stop_server || fail "it did not end well"
took=$((($(date +%s%N) - began) / 1000000))
[ $took -lt 1800 ] || fail "that took $took ms"
wait $half 2>/dev/null

it "does not wait longer than it may"
start_null -w 1 -f 4000 -d 300
client --uri /write --method PUT --body 1 >/dev/null &
writer=$!
sleep 0.2
client --uri /read >"$work/out" &
reader=$!
sleep 0.2
kill -TERM "$tmakvd_pid"
wait $reader
grep -aq '"code":"unavailable"' "$work/out" || fail "the read was not refused"
kill -9 "$tmakvd_pid"
wait "$tmakvd_pid" 2>/dev/null
wait $writer
tmakvd_pid=''

it "accepts no more connections than allowed, and goes on when there is room"
start_null -w 2 -m 16
idle=()
for _ in $(seq 16); do
	client --uri /null --watch-ms 1500 >/dev/null 2>&1 &
	idle+=($!)
done
sleep 0.3
peer 2 '' --uri /null --timeout-ms 300
wait "${idle[@]}"
alive
stop_server || fail "it did not end well"

it "looks away for a while when there are no descriptors"
ulimit -n 40
start_null -w 1
idle=()
for _ in $(seq 40); do
	client --uri /null --watch-ms 800 --timeout-ms 3000 >/dev/null 2>&1 &
	idle+=($!)
done
sleep 0.5
ticks=$(awk '{print $14 + $15}' "/proc/$tmakvd_pid/stat")
sleep 0.3
[ $(($(awk '{print $14 + $15}' "/proc/$tmakvd_pid/stat") - ticks)) -lt 20 ] || [ -n "${WRAP:-}" ] || fail "it spins"
wait "${idle[@]}"
alive
grep -q 'cannot accept' "$work/tmakvd.log" || fail "nothing in the log"
stop_server || fail "it did not end well"

it "ends with 75 when the store is unwell, behind the answer"
start_null -w 2
peer 0 '^Status: 503' --uri /store
grep -q '^Retry-After: 1' "$work/out" || fail "no Retry-After"
rc=0
wait "$tmakvd_pid" || rc=$?
tmakvd_pid=''
[ $rc -eq 75 ] || fail "it ended with $rc"

