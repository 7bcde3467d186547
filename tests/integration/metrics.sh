#!/usr/bin/env bash
# metrics.sh - what tmakvd counts, as promtool and Debian's Prometheus read it: each request once, in its place; nothing
# of what people store; and a dashboard and alert rules that ask for numbers that there are.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

{ command -v promtool && command -v prometheus; } >/dev/null || skip "Debian's prometheus is not installed (conf/need.sh test)"

page=/tmp/none side_pid='' prometheus_pid='' load_pid=''
grafana=$top_srcdir/conf/grafana/tmakv.json
prometheus=$top_srcdir/conf/prometheus

# What is started here besides; then lib.sh's own.
end() {
	local rc=$? pid
	for pid in $load_pid $prometheus_pid $side_pid; do stop_pid "$pid" TERM; done
	[ $rc -eq 0 ] || tail -n 20 "$work/prometheus.log" >&2 2>/dev/null
	(exit $rc)
	cleanup
}

# scrape - /metrics into $page.
scrape() {
	at_operator ask GET /metrics
	expect 200
	cp "$work/body" "$page"
}

# value NAME-AND-LABELS - the number behind it; nothing when there is no such line.
value() {
	awk -v name="$1 " 'index($0, name) == 1 { print $NF }' "$page"
}

# expect_value NAME-AND-LABELS NUMBER
expect_value() {
	[ "$(value "$1")" = "$2" ] || fail "$1 is '$(value "$1")', not $2"
}

# times N COMMAND... - and each time the answer has STATUS (a variable of the caller's).
times() {
	local n=$1 want=$2 i
	shift 2
	for ((i = 0; i < n; i++)); do
		"$@"
		expect "$want"
	done
}

# families FILE - the names of all families of a page.
families() {
	sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$1"
}

# --- the page ---

start
trap end EXIT
page=$work/page
admin_key=$(ctl admin-key create --json | member .key)

it "is text of Prometheus' version"
at_operator ask GET /metrics
expect 200
expect_header Content-Type 'text/plain; version=0.0.4; charset=utf-8'
expect_header Cache-Control no-store
at_operator ask HEAD /metrics
expect 200

it "names the families that its manual names, and no others"
scrape
families "$page" | sort >"$work/names"
sed -n 's/^\.It Cm \([a-z]*_[a-z_]*\).*/\1/p' "$top_srcdir/app/tmakv-metrics.7" | sort >"$work/names.man"
diff "$work/names" "$work/names.man" >&2 || fail "the page (<) and tmakv-metrics.7 (>) differ"

it "counts each request once: by door, operation and status"
secret_key=planted-key-name secret_value=planted-value user=771177
kv=/sdk/v1/kv/$secret_key
times 3 404 as_server GET $kv
times 4 200 as_server PUT $kv --data-binary "\"$secret_value\""
times 5 200 as_server GET $kv
times 1 400 as_server PUT $kv --data-binary '{'
times 2 412 as_server PUT $kv --data-binary 1 -H 'If-Match: "1"'
times 2 200 as_server GET '/sdk/v1/kv?prefix=planted'
init=$(init_data $user Planted)
validate "${init/hash=/hash=0}"
expect 401
times 2 200 validate "$init"
times 2 200 as_user "$jwt" GET $kv
times 3 401 as_user not.a.token GET $kv
times 1 200 ask GET /.well-known/jwks.json
times 2 204 ask OPTIONS $kv
times 2 400 ask GET /nowhere
times 1 200 as_server DELETE $kv
find_rest			# one /accounts
times 3 200 as_server PUT "$rest_path/values/a" --data-binary abc
times 2 200 as_server GET "$rest_path/values/a"
times 1 404 as_server GET "$rest_path/metadata/b"
times 1 200 as_server GET "$rest_path/keys"
times 2 200 as_server PUT "$rest_path/bulk" -H 'Content-Type: application/json' --data-binary '[{"key":"c","value":"d"}]'
times 1 200 as_server POST "$rest_path/bulk/get" -H 'Content-Type: application/json' --data-binary '{"keys":["c"]}'
title='"} 1\nevil{a="b'
times 1 200 as_user "$admin_key" POST "${rest_path%/*}" -H 'Content-Type: application/json' \
	--data-binary "$(jq -cn --arg title "$title" '{$title}')"
evil=$(ctl project list --json | jq -r '.projects[] | select(.name | test("evil")).name')
times 2 200 at_binding as_server PUT "/e?urlencoded=true" --data-binary x
times 4 200 at_binding as_server GET "/e?urlencoded=true"
times 1 404 at_binding as_server GET "/f?urlencoded=true"
times 2 200 at_operator ask GET /healthz
times 1 200 at_operator ask GET /readyz
cat >"$work/expected" <<'EOT'
binding get 200 4
binding get 404 1
binding put 200 2
operator healthz 200 2
operator readyz 200 1
rest account 200 1
rest bulk_get 200 1
rest bulk_put 200 2
rest get 200 2
rest list 200 1
rest metadata 404 1
rest namespace_create 200 1
rest put 200 3
sdk delete 200 1
sdk get 200 7
sdk get 401 3
sdk get 404 3
sdk jwks 200 1
sdk list 200 2
sdk none 400 2
sdk preflight 204 2
sdk put 200 4
sdk put 400 1
sdk put 412 2
sdk validate 200 2
sdk validate 401 1
EOT
scrape
sed -n 's/^tmakv_requests_total{door="\([^"]*\)",operation="\([^"]*\)",status="\([^"]*\)"} \([1-9][0-9]*\)$/\1 \2 \3 \4/p' "$page" |
	grep -v '^operator metrics ' | sort >"$work/counted"
diff "$work/expected" "$work/counted" >&2 || fail "not what was asked (<) but something else (>) was counted"

it "counts how long each took, in the same numbers"
# consistent FILE - each histogram has all of its values in +Inf, and as many as there were requests; EXACT: of those too.
consistent() {
	awk -v exact="$2" '
	BEGIN {
		n = split("get metadata:read put delete patch:write list:list bulk_put bulk_delete bulk_get:bulk validate:sign_in", sets, /:| /)
		split("get read metadata read put write delete write patch write list list bulk_put bulk bulk_delete bulk bulk_get bulk validate sign_in", words, " ")
		for (i = 1; i in words; i += 2) class[words[i]] = words[i + 1]
	}
	function label(name) { return match($0, name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 3) : "" }
	/^tmakv_requests_total/ {
		op = label("operation")
		requests[label("door") " " (op in class ? class[op] : "other")] += $NF
	}
	/_bucket/ {
		name = $1; sub(/,?le="[^"]*"/, "", name)
		if ($NF + 0 < last[name] + 0) { print "falls: " $0; bad = 1 }
		last[name] = $NF
		if (/le="\+Inf"/) inf[name] = $NF
	}
	/^[a-z_]*_count/ { name = $1; sub(/_count/, "_bucket", name); if (name !~ /{/) name = name "{}"
		if (inf[name] != $NF) { print "not +Inf: " $0 " " inf[name]; bad = 1 } }
	/^tmakv_request_duration_seconds_count/ && exact {
		if (requests[label("door") " " label("class")] != $NF) { print "not as many requests: " $0; bad = 1 }
	}
	END { exit bad }' "$1" >&2
}
consistent "$page" exact || fail "the histograms do not fit"

it "counts bytes, refusals and what projects did"
expect_value 'tmakv_auth_failures_total{reason="invalid_token"}' 3
expect_value 'tmakv_auth_failures_total{reason="invalid_init_data"}' 1
expect_value 'tmakv_received_bytes_total{door="binding"}' 2
expect_value 'tmakv_sign_ins_total' 2
expect_value 'tmakv_projects' 2
expect_value 'tmakv_project_requests_total{project="demo",kind="write"}' 15
[ -n "$evil" ] && [ -n "$(value "tmakv_project_keys{project=\"$evil\"}")" ] || fail "where is the project '$evil'?"
expect_value 'tmakv_project_keys{project="demo"}' 3
expect_value tmakv_requests_in_flight 1		# this one

it "tells what the store does"
expect_value tmakv_storage_full 0
expect_value tmakv_recoveries_total 0
[ "$(value tmakv_batch_size_sum)" = "$(value tmakv_writes_total)" ] || fail "$(grep -E 'batch_size_sum|writes_total' "$page")"
[ "$(value process_start_time_seconds)" -gt 1700000000 ] && [ "$(value process_open_fds)" -gt 5 ] || fail "$(grep ^process "$page")"
[ "$(value tmakv_last_backup_timestamp_seconds)" = 0 ] || fail "a backup?"

it "lets promtool find nothing to say"
promtool check metrics <"$page" >"$work/promtool" 2>&1 || fail "promtool: $(cat "$work/promtool")"
[ ! -s "$work/promtool" ] || fail "promtool: $(cat "$work/promtool")"

it "says the same on the control socket"
ctl metrics >"$work/page.ctl"
promtool check metrics <"$work/page.ctl" >&2 || fail "promtool"
families "$work/page.ctl" | sort | diff - "$work/names" >&2 || fail "other families"
ctl metrics --json | jq -e '.text | startswith("# HELP")' >/dev/null || fail "no document"

it "tells nothing of keys, users, values and credentials"
for secret in "$secret_key" "$secret_value" $user Planted "$API_KEY" "$admin_key" "$jwt" "${BOT_TOKEN#*:}" "$work"; do
	! grep -qaF -e "$secret" "$page" "$work/page.ctl" || fail "'$secret' is in it"
done

it "never goes back, and holds together, while others are at work"
# Many requests over few connections; 404s, and writes.
{
	printf 'silent\nunix-socket = "%s"\nheader = "@%s"\n' "$work/f" "$work/authorization"
	for ((i = 0; i < 1500; i++)); do
		printf 'url = "http://tmakv/sdk/v1/kv/load-%d"\noutput = "/dev/null"\n' $((i % 7))
	done
} >"$work/load"
printf 'Authorization: Bearer %s\n' "$API_KEY" >"$work/authorization"
sed 's/^silent/silent\nrequest = PUT\ndata-binary = 1/' "$work/load" >"$work/load.put"
(curl -K "$work/load" & curl -K "$work/load.put" & wait) &
load_pid=$!
scrape
at_first=$(value 'tmakv_requests_total{door="sdk",operation="put",status="200"}')
for ((i = 0; i < 15; i++)); do
	cp "$page" "$work/page.before"
	scrape
	consistent "$page" '' || fail "page $i does not hold together"
	awk 'FNR == NR { before[$1] = $NF; next }
		/^# TYPE/ { counts = $4 != "gauge" }
		/^[a-z]/ && counts && $NF + 0 < before[$1] + 0 { print $0 " was " before[$1]; bad = 1 }
		END { exit bad }' "$work/page.before" "$page" >&2 || fail "a counter fell"
done
wait $load_pid
load_pid=''
scrape
[ "$(value 'tmakv_requests_total{door="sdk",operation="put",status="200"}')" -le $((at_first + 1500)) ] || fail "more writes than there were"
consistent "$page" exact || fail "the histograms do not fit behind the load"

# --- Prometheus ---

it "lets promtool accept the example and the alert rules, which fire when they should"
promtool check config "$prometheus/prometheus.yml" >"$work/promtool" 2>&1 || fail "$(cat "$work/promtool")"
promtool check rules "$prometheus/tmakv-alerts.yml" >"$work/promtool" 2>&1 || fail "$(cat "$work/promtool")"
grep -q '5 rules found' "$work/promtool" || fail "$(cat "$work/promtool")"
promtool test rules "$top_srcdir/tests/data/alerts.yml" >"$work/promtool" 2>&1 || fail "$(cat "$work/promtool")"

it "is scraped by Prometheus through the operator's listener"
# Another nginx with this listener on a port: Prometheus knows no Unix sockets.
free_port() {
	local port
	for ((i = 0; i < 50; i++)); do
		port=$((20000 + RANDOM % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
	done
	broken "no port is free"
}
scrape_port=$(free_port)
"$top_srcdir/conf/front.sh" "$work/side" "unix:$work/side.sock" "$work/s" "unix:$work/side/binding.sock" \
	"127.0.0.1:$scrape_port" >"$work/side.log" 2>&1 &
side_pid=$!
until_true curl -sf -o /dev/null "http://127.0.0.1:$scrape_port/metrics" || broken "no second nginx: $(cat "$work/side.log")"
web_port=$(free_port)
mkdir "$work/prometheus"
sed -e "s/127.0.0.1:8481/127.0.0.1:$scrape_port/" -e 's/scrape_interval: 15s/scrape_interval: 500ms/' \
	"$prometheus/prometheus.yml" >"$work/prometheus/prometheus.yml"
cp "$prometheus/tmakv-alerts.yml" "$work/prometheus"
prometheus --config.file="$work/prometheus/prometheus.yml" --storage.tsdb.path="$work/prometheus/data" \
	--web.listen-address="127.0.0.1:$web_port" --log.level=warn >"$work/prometheus.log" 2>&1 &
prometheus_pid=$!

# query EXPRESSION - Prometheus' answer into $work/answer.
query() {
	curl -sS --max-time 10 -o "$work/answer" "http://127.0.0.1:$web_port/api/v1/query" --data-urlencode "query=$1"
}
is_up() { query 'up{job="tmakv"}' && jq -e '.data.result[0].value[1] == "1"' "$work/answer"; }
until_true is_up || fail "not scraped: $(cat "$work/answer")"

it "gives Prometheus the numbers that were asked for"
times 3 404 as_server GET /sdk/v1/kv/none-of-these
times 2 200 at_binding as_server GET "/e?urlencoded=true"
sed -n 's/^tmakv_requests_total{door="\([^"]*\)",operation="\([^"]*\)",status="\([^"]*\)"} \([1-9][0-9]*\)$/\1 \2 \3 \4/p' "$page" |
	grep -v '^operator ' | awk '$1 " " $2 " " $3 == "sdk get 404" { $4 += 3 } $1 " " $2 " " $3 == "binding get 200" { $4 += 2 }
		{ print }' | sort >"$work/expected"
has_all() {
	query 'sum by (door, operation, status) (tmakv_requests_total{door!="operator"}) > 0'
	jq -r '.data.result[] | "\(.metric.door) \(.metric.operation) \(.metric.status) \(.value[1])"' "$work/answer" |
		sort | diff "$work/expected" -
}
until_true has_all || { has_all >&2; fail "Prometheus has other numbers (>)"; }
query 'sum by (door) (tmakv_requests_total) - sum by (door) (tmakv_request_duration_seconds_count)'
jq -e '[.data.result[].value[1]] | length == 4 and all(. == "0")' "$work/answer" >/dev/null || fail "$(cat "$work/answer")"
query 'histogram_quantile(0.99, sum by (le) (tmakv_request_duration_seconds_bucket{class="read"}))'
jq -e '.data.result[0].value[1] | tonumber > 0 and tonumber < 10' "$work/answer" >/dev/null || fail "$(cat "$work/answer")"

it "has a dashboard whose panels ask Prometheus for what there is"
jq -e '[.. | objects | select(has("gridPos")) | .id] | length > 20 and length == (unique | length)' "$grafana" >/dev/null ||
	fail "panels have no ids of their own"
jq -e '[.templating.list[].type] | index("datasource") != null' "$grafana" >/dev/null || fail "no variable for the data source"
jq -r '.panels[] | .. | .expr? // empty' "$grafana" >"$work/queries"
sed -n 's/^ *\(expr: \)\{0,1\}\(>-\)\{0,1\}//p' "$prometheus/tmakv-alerts.yml" | grep -E 'tmakv_|up\{' >"$work/alerts"
# names FILE - of the metrics in it.
names() { grep -oE '\b(tmakv|process)_[a-z_]+' "$1" | sort -u; }
names "$work/queries" >"$work/asked"
names "$work/alerts" >>"$work/asked"
[ "$(wc -l <"$work/asked")" -gt 40 ] || fail "where are the questions? $(cat "$work/asked")"
while read -r name; do
	grep -qE "^${name}[{ ]" "$page" || fail "there is no $name"
done <"$work/asked"
# One dashboard shows every family but those that only say how the page was made.
while read -r name; do
	grep -q "^$name" "$work/asked" || case $name in
	*_timestamp_seconds | process_* | tmakv_metrics_duration_seconds | tmakv_deleted_rows_removed_total | \
		tmakv_flush_waits_for_space | tmakv_parked_total | tmakv_projects | tmakv_slow_lane_calls_total) ;;
	*) fail "no panel shows $name" ;;
	esac
done <"$work/names"
# shellcheck disable=SC2016 # Grafana's variables
sed -e 's/\$__rate_interval/1m/g' -e 's/\$instance/.*/g' "$work/queries" | while read -r expression; do
	query "$expression"
	jq -e '.status == "success"' "$work/answer" >/dev/null || fail "$expression: $(cat "$work/answer")"
done || exit 1
jq -er '.data.groups[0].rules | length == 5 and all(.health != "err")' \
	< <(curl -sS "http://127.0.0.1:$web_port/api/v1/rules") >/dev/null || fail "the rules are not loaded"
stop_pid "$prometheus_pid" TERM
prometheus_pid=''

# --- what outlives the server ---

it "counts recoveries, and remembers them and the last backup"
mkdir "$work/backups"
ctl backup "$work/backups" >/dev/null || fail "no backup"
scrape
[ "$(value tmakv_last_backup_timestamp_seconds)" -gt 1700000000 ] || fail "when was that? $(value tmakv_last_backup_timestamp_seconds)"
kill_server
until_true server_answers || fail "no server came back"
scrape
expect_value tmakv_recoveries_total 1
stop_server || fail "it did not end well"
start_server
until_true at_operator curl -sf --unix-socket "$work/front/operator.sock" http://tmakv/metrics -o /dev/null
scrape
expect_value tmakv_recoveries_total 1
[ "$(value tmakv_last_backup_timestamp_seconds)" -gt 1700000000 ] || fail "the backup is forgotten"
