#!/usr/bin/env bash
# pools.sh - two tmakvd behind one nginx, as nginx/tmakv-pools.conf has it: each project is asked for in its own pool
# alone, and a pool that is away takes nothing along.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
make_work

# conf_with_pools FOLDER - in it the shipped nginx files, and nginx.conf with the pools for its public server.
conf_with_pools() {
	mkdir -p "$1"
	cp -r "$top_srcdir/nginx" "$top_srcdir/conf" "$1"
	awk '/^    server \{/ && !done { skip = done = 1; print "    include tmakv-pools.conf;" }
		!skip { print }
		/^    \}/ { skip = 0 }' "$top_srcdir/nginx/nginx.conf" >"$1/nginx/nginx.conf"
	[ "$(grep -c '^    server {' "$1/nginx/nginx.conf")" = 2 ] || broken "there is another server block than the doors'"
}

it "is an example that nginx takes as it is shipped"
conf_with_pools "$work/shipped"
mkdir "$work/shipped/log" "$work/shipped/run" "$work/shipped/tmp"
nginx -t -p "$work/shipped" -c "$work/shipped/nginx/nginx.conf" -e stderr 2>"$work/nginx.log" ||
	fail "nginx: $(cat "$work/nginx.log")"

ctl() { "$TMAKVCTL" --control "${control:-$work/control.sock}" "$@"; }
b_answers() { has_ended "$b_pid" && return 2; "$TMAKVCTL" --control "$work/b.control" status; }
start_b() {
	sed "s|$work/data|$work/b.data|; s|$work/s|$work/b.s|; s|$work/control.sock|$work/b.control|" "$work/tmakv.conf" >"$work/b.conf"
	[ -d "$work/b.data" ] || mkdir -m 700 "$work/b.data"
	"$TMAKVD" -c "$work/b.conf" 2>>"$work/b.log" &
	b_pid=$!
	until_true b_answers || broken "the second tmakvd does not answer: $(tail -n 3 "$work/b.log")"
}
b_pid=''
end() {
	local rc=$?
	[ -z "$b_pid" ] || stop_pid "$b_pid" TERM || rc=1
	(exit $rc)
	cleanup
}
trap end EXIT

start_server
start_b
make_project quiz
quiz_id=$PROJECT_ID quiz_key=$API_KEY
control=$work/b.control make_project shop
shop_id=$PROJECT_ID shop_key=$API_KEY

conf_with_pools "$work/tree"
sed -i -e "s|unix:/run/tmakv-b/tmakv.sock|unix:$work/b.s|" -e "s|listen 127.0.0.1:8491|listen unix:$work/b.operator|" \
	-e "s|00000000000000000000000000000b0b|${shop_id//-/}|; s|00000000-0000-0000-0000-000000000b0b|$shop_id|" \
	"$work/tree/nginx/tmakv-pools.conf"
top_srcdir=$work/tree start_front

# at HOST KEY ARGUMENTS... - ask there, with this API key.
at() {
	local host=$1 key=$2
	shift 2
	as_user "$key" "$@" -H "Host: $host"
}
quiz() { at kv-quiz.example.com "$quiz_key" "$@"; }
shop() { at kv-shop.example.com "$shop_key" "$@"; }
ready() { ask_socket=$work/$1 ask GET /readyz; }
requests() { control=$1 ctl status --json | member .metrics.requests; }

it "asks for each project in its own pool"
quiz PUT /sdk/v1/kv/name --data-binary '"quiz"'
expect 200
shop PUT /sdk/v1/kv/name --data-binary '"shop"'
expect 200
quiz GET /sdk/v1/kv/name
expect 200 '"quiz"'
shop GET /kv/name
expect 200 '"shop"'
for pair in "$work/control.sock quiz" "$work/b.control shop"; do
	control=${pair% *} ctl project list --json >"$work/projects"
	[ "$(member '.projects[].name' <"$work/projects")" = "${pair#* }" ] || fail "there is $(cat "$work/projects")"
done

it "asks no other one, whatever the host says"
a=$(requests "$work/control.sock") b=$(requests "$work/b.control")
for i in 1 2 3 4 5; do
	quiz PUT "/kv/more$i" --data-binary "$i"
	shop GET /kv/nothing
	expect 404
done
[ $(($(requests "$work/control.sock") - a)) = 5 ] && [ $(($(requests "$work/b.control") - b)) = 5 ] ||
	fail "they were asked $(($(requests "$work/control.sock") - a)) and $(($(requests "$work/b.control") - b)) times"
at kv-shop.example.com "$quiz_key" GET /kv/name
expect_error 401 invalid_token
at elsewhere.example.com "$shop_key" GET /kv/name
expect_error 401 invalid_token

it "lets users in where their project is, and nowhere else"
printf '{"initData":"%s","projectId":"%s"}' "$(init_data 101)" "$shop_id" >"$work/validate.json"
ask POST /sdk/v1/auth/validate -H 'Host: kv-shop.example.com' --data-binary "@$work/validate.json"
expect 200
jwt=$(member .data.jwt <"$work/body")
at kv-shop.example.com "$jwt" GET /sdk/v1/kv/name
expect 200 '"shop"'
at kv-quiz.example.com "$jwt" GET /sdk/v1/kv/name
expect_error 401 invalid_token

it "finds the pool by the namespace, for clients that know one address"
at kv.example.com "$quiz_key" GET /client/v4/accounts
account=$(member '.result[0].id' <"$work/body")
for id in "$shop_id" "${shop_id//-/}"; do
	# Of the second pool's account the first knows nothing.
	at kv-shop.example.com "$shop_key" GET /client/v4/accounts
	at kv.example.com "$shop_key" GET "/client/v4/accounts/$(member '.result[0].id' <"$work/body")/storage/kv/namespaces/$id/values/name"
	expect 200 '"shop"'
done
at kv.example.com "$quiz_key" GET "/client/v4/accounts/$account/storage/kv/namespaces/$quiz_id/values/name"
expect 200 '"quiz"'

it "says of each pool by itself whether it is ready"
for socket in front/operator.sock b.operator; do
	ready $socket
	expect 200 ok
done
control=$work/b.control ctl status --json >/dev/null || broken "no status"
ask_socket=$work/b.operator as_user "$shop_key" GET "/client/v4/user"
expect 200
ask_socket=$work/b.operator as_user "$quiz_key" GET "/client/v4/user"
expect 401

it "does without a pool that is killed: its projects wait for it, the others notice nothing"
server=$(cat "/proc/$b_pid/task/$b_pid/children")
kill -KILL "$b_pid" ${server% }
until_true has_ended "$b_pid"
wait "$b_pid" 2>/dev/null
b_pid=''
rm -f "$work/b.s"
for i in 1 2 3 4 5; do
	shop GET /sdk/v1/kv/name
	expect_error 502 unavailable
	shop PUT /sdk/v1/kv/name --data-binary '"never"'
	expect_error 502 unavailable
	quiz PUT "/kv/meanwhile$i" --data-binary "$i"
	expect 200
	quiz GET "/kv/meanwhile$i"
	expect 200
done
ready b.operator
expect 502
ready front/operator.sock
expect 200 ok
start_b
shop GET /sdk/v1/kv/name
expect 200 '"shop"'
ready b.operator
expect 200 ok
