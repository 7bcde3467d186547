#!/usr/bin/env bash
# front.sh - nginx before tmakvd: its own errors, which paths reach the server, what it logs.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# What every error of nginx's own has: the envelope, and a page of any origin may read it.
expect_front_error() {
	expect_error "$1" "$2"
	expect_header Access-Control-Allow-Origin '*'
	expect_header Cache-Control no-store
	expect_header X-Request-Id
	jq -e '.success == false and (.error | type) == "string"' "$work/body" >/dev/null || fail "the body is no envelope"
}

# The same on the REST door, in Cloudflare's envelope and with its numbers.
expect_rest_error() {
	expect "$1" '"success":false'
	expect_header Content-Type application/json
	expect_header Access-Control-Allow-Origin '*'
	expect_header X-Request-Id
	jq -e --argjson code "$2" 'keys == ["errors", "messages", "result", "success"] and .result == null and
		.messages == [] and (.errors | length) == 1 and .errors[0].code == $code and
		(.errors[0].message | type) == "string"' "$work/body" >/dev/null || fail "not $2: $(cat "$work/body")"
}

# On the binding door: a sentence, whatever follows.
expect_plain_error() {
	expect "$1"
	expect_header Content-Type text/plain
	expect_header X-Request-Id
	grep -qE '^[a-z0-9].*[a-z0-9]$' "$work/body" || fail "no sentence: $(cat "$work/body")"
}

start

it "answers 400 to a broken escape"
ask GET '/sdk/v1/kv/%zz'
expect_front_error 400 bad_request

it "answers 400 to NUL in the path"
ask GET '/sdk/v1/kv/a%00b'
expect_front_error 400 bad_request

it "answers 405 to TRACE and says what is allowed"
ask TRACE /sdk/v1/kv/a
expect_front_error 405 method_not_allowed
expect_header Allow

it "answers 413 above its body limit, which is above the value limit"
head -c 1048577 /dev/zero >"$work/large"
as_server PUT /sdk/v1/kv/a --data-binary "@$work/large"
expect_front_error 413 value_too_large
head -c 131073 /dev/zero >"$work/large"
as_server PUT /sdk/v1/kv/a --data-binary "@$work/large"
expect_error 413 value_too_large

it "answers 414 to a path that no key needs"
ask GET "/sdk/v1/kv/$(printf '%017000d' 0)"
expect_front_error 414 key_too_long

it "answers 431 to a header above 16k, and passes initData of any legal size"
printf 'Authorization: tma %020000d\n' 0 >"$work/long"
ask GET /sdk/v1/kv/a -H "@$work/long"
expect_front_error 431 headers_too_large
printf 'Authorization: tma %012000d\n' 0 >"$work/long"
ask GET /sdk/v1/kv/a -H "@$work/long" -H "X-Project-Id: $PROJECT_ID"
expect_error 401 invalid_init_data

it "answers nobody who asks for the error page itself"
ask GET /.tmakv-error
expect_front_error 400 bad_request

it "never says 404 for a path: that would read as a missing key"
for path in / /nothing/here /sdk /sdk/v2/kv/a /kvx /p /client; do
	ask GET "$path"
	expect_error 400 no_such_route
done

it "speaks as Cloudflare does where its clients ask, whatever is wrong"
rest=/client/v4/accounts/a/storage/kv/namespaces/b/values
ask GET "$rest/%zz"
expect_rest_error 400 10029
ask GET "$rest/a%00b"
expect_rest_error 400 10029
ask TRACE "$rest/a"
expect_rest_error 405 7001
expect_header Allow
ask GET "$rest/$(printf '%017000d' 0)"
expect_rest_error 414 10030
ask GET "$rest/a" -H "$(printf 'X-Long: %017000d' 0)"
expect_rest_error 431 10029
truncate -s 105906177 "$work/large"
as_server PUT "$rest/a" -T "$work/large"
expect_rest_error 413 10024
# Here 404 is a path that leads nowhere: its clients go by the number.
for path in /client/v4 /client/v4/ /client/v4/nothing; do
	ask GET "$path"
	expect_rest_error 404 7003
done
# Only that path, and nothing that only looks like it.
ask GET '/client/v4?x=%zz'
expect_rest_error 404 7003
for path in /client/v40/%zz /x/client/v4/%zz '/%zz?/client/v4/'; do
	ask GET "$path"
	expect_front_error 400 bad_request
done

it "speaks plainly on the binding door"
truncate -s 27262977 "$work/large"
at_binding as_server PUT /large -T "$work/large"
expect_plain_error 413
rm "$work/large"
at_binding as_server TRACE /a
expect 405

it "lets the server's own errors through untouched"
as_server GET /sdk/v1/kv/nothing
expect_error 404 key_not_found
expect_header Access-Control-Allow-Origin

it "hands keys to the server as they were sent"
for key in 'a%2Fb' 'a%252Fb' 'a//b' 'x/../a' '..%2F..%2F..%2Fup' '%F0%9F%98%80' 'a+b' 'a%20b' '%22'; do
	as_server PUT "/sdk/v1/kv/$key" --data-binary "\"$key\""
	expect 200
done
for key in 'a%2Fb' 'a%252Fb' 'a//b' 'x/../a' '..%2F..%2F..%2Fup' '%F0%9F%98%80' 'a+b' 'a%20b' '%22'; do
	as_server GET "/sdk/v1/kv/$key"
	expect_body "{\"success\":true,\"data\":\"$key\"}"
done

it "keeps strong ETags strong"
as_server GET '/sdk/v1/kv/a%2Fb' -H 'Accept-Encoding: gzip'
case $(header ETag) in '"'*'"') ;; *) fail "the ETag is $(header ETag)" ;; esac
expect_no_header Content-Encoding

it "says 502 in the same shape when the server is away, whatever the body's size"
stop_server || fail "tmakvd did not end well"
as_server GET /sdk/v1/kv/a
expect_front_error 502 unavailable
expect_header Retry-After 1
head -c 5000000 /dev/zero >"$work/large"
as_server PUT /client/v4/a --data-binary "@$work/large"
expect_rest_error 502 10001
expect_header Retry-After 1
at_binding as_server GET /a
expect_plain_error 502
expect_header Retry-After 1
at_binding as_server PUT /a --data-binary "@$work/large"
expect_plain_error 502

it "logs neither paths nor queries nor credentials"
as_server GET '/sdk/v1/kv?prefix=a-key-of-somebody'
# A line is written when the answer has been sent.
until_true grep -q '"status":502,.*"method":"GET"\|"method":"GET","status":502' "$work/front/log/access.log" ||
	fail "the access log has no line for the last request"
! grep -q -e somebody -e /sdk/ -e "$API_KEY" "$work/front/log/access.log" || fail "the access log says too much"
jq -es 'all(.[]; has("id") and has("status"))' "$work/front/log/access.log" >/dev/null || fail "a line is no JSON"

it "uses the server's words"
while read -r code; do
	grep -q "\"$code\"" "$top_srcdir/app/base/rc.c" || fail "tmakvd does not know $code"
done < <(sed -n '/^map .*tmakv_code/,/^}/s/^    [0-9a-z]* *\([a-z_]*\);.*/\1/p' "$top_srcdir/nginx/tmakv-http.conf" | sort -u)
