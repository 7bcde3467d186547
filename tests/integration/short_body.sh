#!/usr/bin/env bash
# A body shorter than was declared is never stored. nginx hands over whole bodies only, so this asks the
# FastCGI socket itself, as a front server would that passes bodies on while they come.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

client=$top_builddir/tests/tools/fcgi_client
[ -x "$client" ] || skip "fcgi_client is not built (make check builds it)"
start

# wire EXIT-STATUS OPTION... - one request of our own with the API key; $work/out is the answer.
wire() {
	local want=$1 rc=0
	shift
	"$client" -s "$work/s" --param "HTTP_AUTHORIZATION=Bearer $API_KEY" "$@" >"$work/out" 2>"$work/err" || rc=$?
	[ $rc -eq "$want" ] || fail "fcgi_client $1 $2 ... ended with $rc, not $want: $(head -c 300 "$work/out")"
}

put() {
	local want=$1
	shift
	wire "$want" --method PUT --uri /sdk/v1/kv/kept "$@"
}

answered() {
	grep -qaF -e "Status: $1" "$work/out" && grep -qaF -e "$2" "$work/out" || fail "no $1 $2 in: $(head -c 500 "$work/out")"
}

# The value that must outlive all of this, and what tells that it was not written again.
as_server PUT /kv/kept --data-binary '"old"'
expect 200
as_server GET /kv/kept
etag=$(header ETag)

is_kept() {
	as_server GET /kv/kept
	expect 200 '"data":"old"'
	expect_header ETag "$etag"
	expect_header X-KV-Writes 1
}

it "answers 400 short_body when the body ends before its length"
put 0 --declare 100 --body '"new"'
answered 400 '"code":"short_body"'
is_kept

it "answers so when one byte is missing, and when all are"
put 0 --declare 6 --body '"new"'
answered 400 '"code":"short_body"'
put 0 --declare 5 --body ''
answered 400 '"code":"short_body"'
is_kept

it "does not store the beginning, valid as it is, of a body that is longer than its length"
put 0 --declare 2 --body '12345'
answered 400 '"code":"bad_request"'
is_kept

it "does not store a body whose end never comes"
put 0 --body '"new"' --no-end --leave-ms 0
put 0 --declare 100 --body '"new"' --no-end --leave-ms 0
is_kept

it "does not store a body that is aborted"
put 1 --declare 100 --body '"new"' --abort
is_kept

it "does not store half a message"
for cut in 1 8 20 100 200 500 1000; do
	put 0 --body "$(printf '%01000d' 0 | tr 0 1)" --cut $cut --leave-ms 0
done
is_kept

it "refuses a length that is none"
for length in -1 +5 5x 0x5 99999999999999999999; do
	put 0 --declare $length --body '"new"'
	answered 400 '"code":"bad_request"'
done
is_kept

it "stores a whole body that came in pieces, with its length or without"
wire 0 --method PUT --uri /sdk/v1/kv/pieces --body '"slowly"' --pieces 7
answered 200 '"data":null'
as_server GET /kv/pieces
expect 200 '"data":"slowly"'
wire 0 --method PUT --uri /sdk/v1/kv/pieces --body '"unknown"' --declare none
answered 200 '"data":null'
as_server GET /kv/pieces
expect 200 '"data":"unknown"'

it "removes a key whose DELETE has a body, and answers"
head -c 200000 /dev/zero | tr '\0' x >"$work/large"
wire 0 --method DELETE --uri /sdk/v1/kv/pieces --body-file "$work/large"
answered 200 '"data":null'
as_server GET /kv/pieces
expect 404
is_kept
