#!/usr/bin/env bash
# Values of up to 25 MiB through the whole house: stored in chunks, sent as they are read, and replaced and
# removed like any other. nginx takes 1 MiB at the SDK door, so larger ones are put through the socket itself.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

client=$top_builddir/tests/tools/fcgi_client
[ -x "$client" ] || skip "fcgi_client is not built (make check builds it)"
start value_limit=25M

# make_value BYTES SEED - a JSON string of so many bytes, of which each kilobyte tells its place, in $work/value.
make_value() {
	{
		printf '"'
		awk -v n=$(($1 / 1000 + 1)) -v seed="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%08d%0992d", i, seed }' |
			head -c $(($1 - 2))
		printf '"'
	} >"$work/value"
	[ "$(stat -c %s "$work/value")" -eq "$1" ] || broken "a value of another size"
}

# put_raw KEY STATUS - $work/value, past nginx.
put_raw() {
	"$client" -s "$work/s" --param "HTTP_AUTHORIZATION=Bearer $API_KEY" --method PUT --uri "/sdk/v1/kv/$1" \
		--body-file "$work/value" >"$work/out" || fail "fcgi_client ended with $?"
	grep -qaF "Status: $2" "$work/out" || fail "no $2: $(head -c 300 "$work/out")"
}

# is_value KEY - a GET answers $work/value in its envelope, byte for byte.
is_value() {
	local length
	as_server GET "/kv/$1"
	expect 200
	{ printf '{"success":true,"data":'; cat "$work/value"; printf '}'; } | cmp - "$work/body" ||
		fail "$1 came back as another value"
	length=$(header Content-Length)
	as_server HEAD "/kv/$1"
	expect 200
	expect_header Content-Length "$length"
}

it "keeps values around the size of a chunk, and the largest that nginx takes"
for size in 262143 262144 262145 524288 1048576; do
	make_value $size 1
	as_server PUT /kv/key --data-binary "@$work/value"
	expect 200 '"data":null'
	is_value key
done

it "keeps one of 25 MiB, and refuses a byte more"
make_value 26214400 2
put_raw key 200
is_value key
mv "$work/value" "$work/kept"
make_value 26214401 3
put_raw key 413
mv "$work/kept" "$work/value"
is_value key

it "keeps it over kill -9, and not what was under way"
kill_server
is_value key

it "does not store a large value that is no JSON, or short"
cp "$work/value" "$work/kept"
head -c 26214399 "$work/kept" >"$work/value"
put_raw key 400
"$client" -s "$work/s" --param "HTTP_AUTHORIZATION=Bearer $API_KEY" --method PUT --uri /sdk/v1/kv/key \
	--body-file "$work/value" --declare 26214400 >"$work/out" || fail "fcgi_client ended with $?"
grep -qaF '"code":"short_body"' "$work/out" || fail "no short_body: $(head -c 300 "$work/out")"
mv "$work/kept" "$work/value"
is_value key

it "goes on when a client leaves in the middle of an answer"
for _ in 1 2 3; do
	curl -s --unix-socket "$work/f" -H "@$work/authorization" http://tmakv/kv/key | head -c 100000 >"$work/part"
done
is_value key

it "replaces it by a small one, and removes it"
printf '"small"' >"$work/value"
as_server PUT /kv/key --data-binary "@$work/value"
expect 200
is_value key
make_value 26214400 4
put_raw key 200
is_value key
as_server DELETE /kv/key
expect 200
as_server GET /kv/key
expect 404

it "gives the space back: what comes next finds room in the same files"
before=$(stat -c %s "$work/data/values.db")
for seed in 5 6 7 8; do
	make_value 10000000 $seed
	put_raw key 200
	is_value key
done
as_server DELETE /kv/key
expect 200
has_room() {
	[ "$(stat -c %s "$work/data/values.db")" -le $((before + 30000000)) ]
}
until_true has_room || fail "values.db has grown from $before to $(stat -c %s "$work/data/values.db")"

it "keeps no log longer than it is needed"
has_little_log() {
	[ "$(du -sk "$work/data/log" | cut -f1)" -le 120000 ]
}
until_true has_little_log || fail "the log has $(du -sk "$work/data/log" | cut -f1) KB"

it "answers a long list while large bodies come in on every thread they may have"
for i in $(seq 300); do printf '{"key":"list:%s","value":"1"},' "$i"; done | sed 's/^/[/;s/,$/]/' >"$work/items"
account=$(ctl status --json | member .account_id)
as_server PUT "/client/v4/accounts/$account/storage/kv/namespaces/$PROJECT/bulk" --data-binary "@$work/items"
expect 200 '"successful_key_count":300'
make_value 524288 4
slow_calls() { ctl status --json | member .metrics.slow_calls; }
before=$(slow_calls)
uploads=()
for i in 1 2 3 4 5 6; do
	# 200 bytes a millisecond: this takes some seconds.
	"$client" -s "$work/s" --param "HTTP_AUTHORIZATION=Bearer $API_KEY" --method PUT --uri "/sdk/v1/kv/slow:$i" \
		--body-file "$work/value" --pieces 200 --timeout-ms 60000 >"$work/slow.$i" 2>&1 &
	uploads+=($!)
done
all_are_there() { [ "$(slow_calls)" -ge $((before + 6)) ]; }
until_true all_are_there || fail "the uploads have not begun"
as_server GET "/kv?prefix=list:"
expect 200 '"list_complete":true'
for pid in "${uploads[@]}"; do kill -0 "$pid" 2>/dev/null || fail "an upload had ended before the list was answered"; done
for pid in "${uploads[@]}"; do wait "$pid" || fail "an upload failed"; done
for i in 1 2 3 4 5 6; do is_value "slow:$i"; done
