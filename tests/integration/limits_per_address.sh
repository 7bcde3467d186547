#!/usr/bin/env bash
# limits_per_address.sh - the limit_req lines of the nginx files are shipped as comments: they work
# once the signs are taken away.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

make_work
mkdir "$work/tree"
cp -r "$top_srcdir/nginx" "$top_srcdir/conf" "$work/tree"
sed -E -i 's/^( *)#(limit_req|map |    |\})/\1\2/' "$work"/tree/nginx/tmakv.conf "$work"/tree/nginx/tmakv-http.conf
grep -q '^limit_req_zone' "$work/tree/nginx/tmakv-http.conf" || broken "there is no limit_req_zone line"

start_server
top_srcdir=$work/tree start_front
make_project demo

# until_refused N ASK... - ask N times at most, until it is 429; false when it never was.
until_refused() {
	local i n=$1
	shift
	for ((i = 0; i < n; i++)); do
		"$@"
		[ "$status" != 429 ] || return 0
	done
	return 1
}

it "limits validate, with a sentence and a time to wait"
until_refused 200 ask POST /sdk/v1/auth/validate --data '{}' || fail "200 in a row went through"
expect_error 429 rate_limit
expect_header Retry-After 1
expect_header Access-Control-Allow-Origin '*'

it "limits who comes without credentials"
until_refused 300 ask GET /sdk/v1/kv/a || fail "300 in a row went through"
expect_error 429 rate_limit

it "does not limit who has some, nor preflights"
until_refused 100 as_server GET /sdk/v1/kv/a && fail "a request with an API key was refused"
expect_error 404 key_not_found
printf 'X-Auth-Key: %s\n' "$API_KEY" >"$work/x-auth-key"
until_refused 100 ask GET /client/v4/user -H "@$work/x-auth-key" && fail "a request with an X-Auth-Key was refused"
until_refused 100 ask OPTIONS /sdk/v1/kv/a && fail "a preflight was refused"
expect 204
