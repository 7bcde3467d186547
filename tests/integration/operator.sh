#!/usr/bin/env bash
# operator.sh - the operator's door: who is told what of the server's health, and who is not.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

disk=$top_builddir/tests/crash/disk.so client=$top_builddir/tests/tools/fcgi_client
[ -e "$disk" ] && [ -x "$client" ] || broken "$disk or $client is not built"
make_work
mkdir -m 700 "$work/data" "$work/disk"
# A disk whose syncs can be held back (tests/crash/disk.h).
# shellcheck disable=SC2034 # goes before tmakvd
WRAP="env LD_PRELOAD=$disk DISK_DIR=$work/data DISK_STATE=$work/disk DISK_HOLD=$work/hold ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0"
# No checkpoint of its own stands in the way.
start checkpoint_s=3600

# expect_text STATUS LINE - all that is answered, on this door.
expect_text() {
	expect "$1"
	expect_body "$2
"
	case $(header Content-Type) in text/plain*) ;; *) fail "the answer is $(header Content-Type)" ;; esac
	expect_header Cache-Control no-store
}

it "says that it lives, and that it takes writes, to anybody who reaches it"
for path in /healthz /readyz; do
	for method in GET HEAD; do
		at_operator ask $method $path -H 'Origin: https://elsewhere.example' -H 'X-Project-Id: nobody'
		expect 200
		expect_header Cache-Control no-store
		expect_no_header Access-Control-Allow-Origin
	done
	at_operator ask GET "$path?verbose=1"
	expect_text 200 ok
done

it "takes no other method, and names those it takes"
for method in PUT POST DELETE PATCH OPTIONS; do
	at_operator ask $method /readyz --data-binary hello
	expect 405 "see the Allow header"
	expect_header Allow "GET, HEAD"
done

it "has no other paths, and no keys"
as_server PUT /kv/healthz --data-binary '"a key"'
expect 200
for path in /healthz/ /sdk/v1/kv/healthz /kv/healthz /.well-known/jwks.json; do
	at_operator as_server GET $path
	expect 404 "there is no such path"
	case $(header Content-Type) in text/plain*) ;; *) fail "the answer is $(header Content-Type)" ;; esac
done

at_operator ask GET /..%2fhealthz
expect_text 400 "the request cannot be understood"

it "is nowhere else"
for path in /healthz /readyz /metrics; do
	ask GET $path -H 'TMAKV_DOOR: operator' -H 'TMAKV-DOOR: operator'
	expect_error 400 no_such_route
	at_binding ask GET $path
	expect 401
done

it "has the REST door beside it, for the page: also when its project knows only other pages"
find_rest
as_server GET /client/v4/user
expect 200
ctl project origins "$PROJECT" --add https://app.example >/dev/null || broken "no list of origins"
at_operator as_server PUT "$rest_path/values/here" --data-binary there -H 'Origin: http://tmakv'
expect 200
at_operator as_server GET "$rest_path/values/here"
expect 200 there
for origin in https://elsewhere.example http://tmakv.example null; do
	at_operator as_server PUT "$rest_path/values/here" --data-binary elsewhere -H "Origin: $origin"
	expect 403
done
as_server PUT "$rest_path/values/here" --data-binary elsewhere -H 'Origin: http://tmakv'
expect 403
it "leaves no key out there"
at_operator as_server PUT "$rest_path/values/../../../../../../../../x" --data-binary dots
expect 200
as_server GET "$rest_path/values/..%2F..%2F..%2F..%2F..%2F..%2F..%2F..%2Fx"
expect 200 dots

it "is not ready while the disk does not answer, and lives all the same"
touch "$work/hold"
is_refused() {
	at_operator ask GET /readyz
	[ "$status" = 503 ]
}
# At first the last sync is still fresh enough.
until_true is_refused || fail "answered $status while nothing can be synced"
expect_text 503 "the store does not answer: a write waits for the disk"
began=$(date +%s%N)
at_operator ask GET /readyz
took=$((($(date +%s%N) - began) / 1000000))
expect 503
[ $took -ge 1900 ] && [ $took -lt 4000 ] || fail "it answered after $took ms instead of two seconds"
at_operator ask GET /healthz
expect_text 200 ok
# Nor does anything else wait for a probe: there is nothing to see of it.
as_server GET /kv/nothing
expect_error 404 key_not_found
rm "$work/hold"
is_ready() {
	at_operator ask GET /readyz
	[ "$status" = 200 ]
}
until_true is_ready || fail "answered $status when syncs go on"

it "writes nothing for a probe where a sync was just there, and next to nothing otherwise"
log_bytes() { ctl status --json | member .store.log_bytes_since_checkpoint; }
has_probed() {
	at_operator ask GET /readyz
	[ "$(log_bytes)" -ne "$before" ]
}
before=$(log_bytes)
until_true has_probed || fail "nothing was written, however long ago the last sync was"
grown=$(($(log_bytes) - before))
[ $grown -lt 200 ] || fail "a probe took $grown bytes of the log"
before=$(log_bytes)
began=$(date +%s%N)
for _ in 1 2 3 4 5 6 7 8 9 10; do
	at_operator ask GET /readyz
	expect 200
done
took=$((($(date +%s%N) - began) / 1000000))
grown=$(($(log_bytes) - before))
[ $grown -le $(((took / 1000 + 1) * 100)) ] || fail "ten probes in $took ms took $grown bytes of the log"

# while_busy SIGNAL - tell the supervisor, while a long request keeps the server.
while_busy() {
	local calls
	head -c 400000 /dev/zero >"$work/large"
	calls=$(ctl status --json | member .metrics.slow_calls)
	has_slow_call() { [ "$(ctl status --json | member .metrics.slow_calls)" != "$calls" ]; }
	"$client" -s "$work/s" --method PUT --uri /kv/large --param "HTTP_AUTHORIZATION=Bearer $API_KEY" \
		--body-file "$work/large" --pieces 200 >/dev/null 2>"$work/err" &
	slow=$!
	until_true has_slow_call || fail "there is no long request"
	old=$(server_pid)
	kill -s "$1" "$tmakvd_pid"
}

it "stays ready while a server takes the place of another"
while_busy HUP
drains() { grep -q '"asked to stop"' "$work/tmakvd.log"; }
until_true drains || fail "it does not reload"
asked=0
until is_replaced "$old"; do
	at_operator ask GET /readyz
	expect_text 200 ok
	asked=$((asked + 1))
done
[ $asked -gt 1 ] || fail "it was only asked $asked times meanwhile"
wait $slow
until_true is_ready || fail "the next one is not ready"

it "is not ready when it stops, and says so, while a long request keeps it"
while_busy TERM
says_so() {
	"$client" -s "$work/s" --uri /readyz --param TMAKV_DOOR=operator >"$work/body"
	grep -q '^stopping$' "$work/body"
}
until_true says_so || fail "it says: $(cat "$work/body")"
[ "$(server_pid)" = "$old" ] || fail "it was the next server that said so"
grep -qi '^Status: 503' "$work/body" || fail "the status is another: $(head -n 1 "$work/body")"
wait $slow
stop_server || fail "it did not end well"

it "is not ready on a full disk, and lives all the same"
start_server reserve_size=1000T
at_operator ask GET /readyz
expect_text 503 "the disk is full: nothing is written until there is space"
at_operator ask GET /healthz
expect_text 200 ok

it "says that nobody answers when nobody does"
stop_server
for path in /healthz /readyz; do
	at_operator ask GET $path
	expect_text 502 "the service is not answering; try again"
done
