#!/usr/bin/env bash
# demo.sh - conf/demo as a script would use it: start, ask, stop, start again, clean up after a kill.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

make_work
demo_pid=''
stop_demo() {
	local pid=$demo_pid
	demo_pid=''
	[ -z "$pid" ] || stop_pid "$pid" TERM
}

# Over lib.sh's own: the demo first, and the test's status kept for it.
leave() {
	local rc=$?
	stop_demo
	(exit $rc)
	cleanup
}
trap leave EXIT

# start_demo - its line in $work/ready.
start_demo() {
	: >"$work/ready"
	"$top_srcdir/conf/demo" --json --dir "$work/demo" --workers 1 >"$work/ready" 2>"$work/demo.log" &
	demo_pid=$!
	wait_s=300 until_true demo_is_ready || fail "it did not start: $(tail -n 20 "$work/demo.log")"
}

demo_is_ready() {
	[ ! -s "$work/ready" ] || return 0
	has_ended "$demo_pid" && return 2
	return 1
}

ready() {
	jq -er ".$1" "$work/ready"
}

it "prints one line of JSON when all is ready"
start_demo
[ "$(wc -l <"$work/ready")" = 1 ] || fail "more than one line"
for name in url binding project_id api_key bot_token init_data account_id config control supervisor_pid; do
	[ -n "$(ready $name)" ] || fail "no $name"
done
[ "$(ready account_id | grep -cE '^[0-9a-f]{32}$')" = 1 ] || fail "the account id is $(ready account_id)"
kill -0 "$(ready supervisor_pid)" || fail "there is no supervisor"
[ -f "$(ready config)" ] || fail "there is no configuration"

it "keeps the keys for nobody else"
[ "$(stat -c %a "$work/demo/keys.json") $(stat -c %a "$work/demo")" = '600 700' ] || fail "the modes are open"

it "signs the demo user in and answers with the API key"
url=$(ready url) project=$(ready project_id)
jq -c '{initData: .init_data, projectId: .project_id}' "$work/ready" >"$work/validate.json"
curl -sS "$url/sdk/v1/auth/validate" --data-binary "@$work/validate.json" -o "$work/body" || fail "no answer"
[ "$(jq -r .data.user.telegramId "$work/body")" = 4242 ] || fail "$(cat "$work/body")"
printf 'Authorization: Bearer %s\n' "$(ready api_key)" >"$work/authorization"
curl -sS -X PUT "$url/sdk/v1/kv/kept" -H "@$work/authorization" -d 7 | grep -q '"success":true' || fail "it was not written"

it "serves the page, and signs in whoever opens it by one of the addresses"
[ "$(ready 'page_urls | length')" = 3 ] || fail "there are not three addresses"
jq -r '.page_urls[]' "$work/ready" >"$work/pages"
while IFS= read -r page; do
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "${page%%#*}")" = 200 ] || fail "there is no page at ${page%%#*}"
	jq -nc --arg fragment "${page#*#tgWebAppData=}" '{projectId: "demo-app", initData: ($fragment / "&" | .[0] |
		gsub("%(?<hex>[0-9A-F]{2})"; "\\u00\(.hex)") | "\"" + . + "\"" | fromjson)}' >"$work/validate.json"
	curl -sS "$url/sdk/v1/auth/validate" --data-binary "@$work/validate.json" | jq -er .data.user.firstName
done <"$work/pages" >"$work/names"
[ "$(tr '\n' ' ' <"$work/names")" = 'Ada Grace Alan ' ] || fail "the people are $(cat "$work/names")"
[ "$(stat -c %a "$work/demo/page.json")" = 600 ] || fail "the page's bot token is for all to read"

it "serves the operator's page, and makes an admin key for it"
operator=$(ready operator_url)
curl -sS "$operator" | grep -q 'admin\.js' || fail "there is no page at $operator"
[ "$(curl -sS "${operator}readyz")" = ok ] || fail "readyz: $(curl -sS "${operator}readyz")"
printf 'Authorization: Bearer %s\n' "$(ready admin_key)" >"$work/admin"
curl -sS "${operator}client/v4/accounts" -H "@$work/admin" | jq -e .success >/dev/null || fail "the admin key does not fit"

it "answers tmakvctl"
"$top_srcdir/build/demo/tmakvctl" --control "$(ready control)" project show "$project" >/dev/null || fail "no answer"

it "refuses a second one in the same folder"
"$top_srcdir/conf/demo" --json --dir "$work/demo" >"$work/second" 2>&1 && fail "it started"
grep -q "is running" "$work/second" || fail "$(cat "$work/second")"

it "stops everything at TERM"
supervisor=$(ready supervisor_pid) run=$(readlink "$work/demo/run")
stop_demo || fail "it ended with $?"
has_ended "$supervisor" || fail "tmakvd still runs"
[ ! -e "$run" ] || fail "$run is still there"
curl -s "$url/" >/dev/null && fail "nginx still answers"

it "has the same project and data the next time"
start_demo
[ "$(ready project_id)" = "$project" ] || fail "another project"
curl -sS "$(ready url)/sdk/v1/kv/kept" -H "@$work/authorization" | grep -qF '"data":7' || fail "the value is gone"
printf 'Authorization: Bearer %s\n' "$(ready admin_key)" | cmp -s - "$work/admin" || fail "another admin key"

it "cleans up after one that was killed"
supervisor=$(ready supervisor_pid) run=$(readlink "$work/demo/run")
kill -s KILL "$demo_pid"
wait "$demo_pid" 2>/dev/null
# As one that knew no operator's page has left it.
jq -c 'del(.admin_key)' "$work/demo/keys.json" >"$work/keys.json" && cat "$work/keys.json" >"$work/demo/keys.json"
start_demo
has_ended "$supervisor" || fail "the old tmakvd still runs"
[ ! -e "$run" ] || fail "$run is still there"
[ "$(ready project_id)" = "$project" ] || fail "another project"

it "makes an admin key where there is none"
printf 'Authorization: Bearer %s\n' "$(ready admin_key)" >"$work/admin"
curl -sS "$(ready operator_url)client/v4/accounts" -H "@$work/admin" | jq -e .success >/dev/null || fail "the admin key does not fit"
[ "$(jq -r .admin_key "$work/demo/keys.json")" = "$(ready admin_key)" ] || fail "it is not kept"

it "says so and leaves when tmakvd ends"
kill -s KILL "$(ready supervisor_pid)"
until_true has_ended "$demo_pid" || fail "it stays"
wait "$demo_pid" && fail "it ended with 0"
demo_pid=''
grep -q "tmakvd has ended" "$work/demo.log" || fail "$(cat "$work/demo.log")"
