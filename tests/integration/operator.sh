#!/usr/bin/env bash
# operator.sh - the operator's door: who is told what of the server's health, and who is not.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
start

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
