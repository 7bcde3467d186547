#!/usr/bin/env bash
# expire.sh - keys whose time is over are gone at once, and their space a little later. tests/bench/expire does
# the same with a million and looks at the time that others wait.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

pairs=10000 stay_every=1000

# put_sessions FIRST EXPIRES_AT - PAIRS of them in one call; one in STAY_EVERY has no end.
put_sessions() {
	awk -v n=$pairs -v first="$1" -v at="$2" -v stay=$stay_every 'BEGIN {
		value = sprintf("%200s", ""); gsub(/ /, "v", value)
		for (i = first; i < first + n; i++)
			printf "%s{\"key\":\"session:%09d\",\"value\":\"\\\"%s\\\"\"%s}", (i == first ? "[" : ","), i, value,
				(i % stay == 0 ? "" : ",\"expiration\":" at)
		print "]"
	}' >"$work/bulk.json"
	as_server PUT "$rest_path/bulk" -H 'Content-Type: application/json' --data-binary "@$work/bulk.json"
	expect 200 "\"successful_key_count\":$pairs"
}

usage_is() {
	[ "$(ctl project show "$PROJECT" --json | jq .usage.keys)" = "$1" ]
}

# sizes - of the tables' files, in bytes. A stop leaves nothing in memory that is not in them.
sizes() {
	stop_server || fail "tmakvd did not stop well"
	keys_size=$(stat -c %s "$work/data/keys.db") expiry_size=$(stat -c %s "$work/data/expiry.db")
	start_server
}

make_clock
start
find_rest
base=$(date +%s)

it "keeps 20,000 keys until their time is over"
put_sessions 0 $((base + 3600))
put_sessions $pairs $((base + 3600))
usage_is $((2 * pairs)) || fail "they are not all counted"
sizes
as_server GET /sdk/v1/kv/session:000000001
expect 200
keys_before=$keys_size expiry_before=$expiry_size

it "shows none of them from that second on, swept or not"
set_clock $((base + 3601 - $(date +%s)))
as_server GET /sdk/v1/kv/session:000000001
expect_error 404 key_not_found
as_server GET "/sdk/v1/kv/session:$(printf %09d $((2 * pairs - 1)))"
expect_error 404 key_not_found
as_server GET '/sdk/v1/kv?prefix=session:&limit=2'
expect 200 '"name":"session:000000000"' '"name":"session:000001000"'

it "takes them away, and leaves those without an end"
until_true usage_is $((2 * pairs / stay_every)) || fail "they are still there"
as_server GET '/sdk/v1/kv?prefix=session:'
expect 200 '"list_complete":true'
[ "$(jq '.data.keys | length' <"$work/body")" = $((2 * pairs / stay_every)) ] || fail "the list is another one"

it "has their space for others"
put_sessions $((2 * pairs)) $((base + 9000))
put_sessions $((3 * pairs)) $((base + 9000))
sizes
[ "$keys_size" -le $((keys_before + keys_before / 20)) ] || fail "keys.db has $keys_size bytes, before $keys_before"
[ "$expiry_size" -le $((expiry_before + expiry_before / 20)) ] || fail "expiry.db has $expiry_size bytes, before $expiry_before"
as_server GET "/sdk/v1/kv/session:$(printf %09d $((4 * pairs - 1)))"
expect 200
