#!/usr/bin/env bash
# ctl_kv.sh - keys and values with tmakvctl: one by one, from files, all of them there and back.
. "$(dirname "$0")/../lib.sh"
command -v jq >/dev/null || skip "no jq"
unset TMAKV_CONTROL
umask 077
start_server write_limit=0

# run RC ARGUMENTS... - what it says is in $work/out and $work/err; standard input is $work/in, if that is there.
run() {
	local want=$1 rc=0 in=/dev/null
	shift
	[ ! -e "$work/in" ] || in=$work/in
	ctl "$@" >"$work/out" 2>"$work/err" <"$in" || rc=$?
	rm -f "$work/in"
	[ $rc -eq "$want" ] || fail "$*: ended with $rc, not $want: $(head -c 2000 "$work/out") $(cat "$work/err")"
}

says() {
	grep -qF -e "$1" "$work/${2:-out}" || fail "no '$1' in: $(head -c 2000 "$work/${2:-out}")"
}

# put KEY VALUE [OPTIONS...]
put() {
	local key=$1
	printf '%s' "$2" >"$work/in"
	shift 2
	run 0 kv put shop "$key" "$@"
}

count_is() {
	[ "$(ctl kv count "$1")" -ge "$2" ]
}

run 0 project create shop
run 0 project create two
now=$(date +%s)

it "keeps a value to the byte, whichever way it came"
head -c 100000 /dev/urandom >"$work/binary"
printf 'line\r\nends\n\n' >"$work/lines"
: >"$work/empty"
for file in binary lines empty; do
	run 0 kv put shop "$file" --file "$work/$file"
	run 0 kv get shop "$file"
	cmp "$work/out" "$work/$file" || fail "$file is another"
	cp "$work/$file" "$work/in"
	run 0 kv put shop "$file"
	run 0 kv get shop "$file" --output "$work/got"
	cmp "$work/got" "$work/$file" || fail "$file is another by standard input"
	[ ! -s "$work/out" ] || fail "something came besides the file"
	run 0 kv put shop "$file" --file - --metadata '{"a":1}' # nothing on standard input: an empty value
	run 0 kv get shop "$file"
	[ ! -s "$work/out" ] || fail "not empty"
	run 0 kv put shop "$file" --file "$work/$file" --metadata '{"a":[1,"\u00e9"]}'
	run 0 kv get shop "$file"
	cmp "$work/out" "$work/$file" || fail "$file is another with metadata"
	run 0 kv get shop "$file" --info
	says '{"a":[1,"'
done

it "takes any key that a key can be"
keys=($'a\nb' $'\e[31mred\a' '🙂/ö?&=#%' ' ' '-x' '+' 'a/../b' "$(printf 'k%.0s' {1..512})")
for key in "${keys[@]}"; do
	printf '%s' "value of $key" >"$work/in"
	run 0 kv put shop --metadata '"m"' -- "$key"
	run 0 kv get shop -- "$key"
	[ "$(cat "$work/out")" = "value of $key" ] || fail "$(cat "$work/out")"
done
run 0 kv list shop
! grep -q $'[\e\a]' "$work/out" || fail "a control character of a key came out as it is"
says '?[31mred?'
run 0 kv list shop --json
! grep -q $'[\e\a]' "$work/out" || fail "a control character of a key came out as it is"
for key in "${keys[@]}"; do
	jq -e --arg key "$key" 'any(.keys[]; .name == $key)' "$work/out" >/dev/null || fail "no $key in the list"
	run 0 kv delete shop -- "$key"
	run 1 kv get shop -- "$key"
	says "key not found" err
done
run 0 kv delete shop "not there"
run 64 kv put shop ""
run 64 kv put shop "$(printf 'k%.0s' {1..513})"
says "512" err
run 64 kv get shop "a"$'\xff'

it "writes no half file, and none when there is no key"
printf old >"$work/got"
run 1 kv get shop nothing --output "$work/got"
[ "$(cat "$work/got")" = old ] || fail "the file was touched"
run 1 kv get shop nothing --output "$work/none"
[ ! -e "$work/none" ] || fail "a file was made"
set -- "$work"/got.* "$work"/none.*
[ ! -e "$1" ] && [ ! -e "$2" ] || fail "left behind: $*"
run 0 kv get shop lines --output /dev/null
[ -c /dev/null ] || broken "/dev/null is gone"
run 74 kv get shop lines --output "$work/no/such/folder"

it "gives keys a time to live, as short as the operator likes"
put brief x --ttl 1
put later x --expiration $((now + 1000)) --metadata '{"n":1}'
run 0 kv get shop later --info --json
[ "$(jq -c . "$work/out")" = "{\"name\":\"later\",\"expiration\":$((now + 1000)),\"metadata\":{\"n\":1}}" ] || fail "$(cat "$work/out")"
run 0 kv get shop later --info
says "$(date -u -d "@$((now + 1000))" '+%Y-%m-%d %H:%M:%S UTC')"
is_gone() {
	! ctl kv get shop brief
}
until_true is_gone || fail "it does not expire"
run 1 kv get shop brief --info
printf x >"$work/in"
run 64 kv put shop x --ttl 0
run 64 kv put shop x --expiration 1000
run 64 kv put shop x --ttl 5 --expiration $((now + 100))
run 64 kv put shop x --metadata '{"a":}'
says "byte 6" err
run 1 kv get shop x

it "obeys the project's limits from the next request on"
head -c 131073 /dev/zero >"$work/large"
run 64 kv put shop large --file "$work/large"
says "131072" err
run 0 project limit shop --value-limit 131073
run 0 kv put shop large --file "$work/large"
run 0 project limit shop --value-limit 5
put five 12345
printf 123456 >"$work/in"
run 64 kv put shop five
run 0 project limit shop --value-limit default
run 0 kv get shop large
cmp -s "$work/out" "$work/large" || fail "it is another"
run 0 kv delete shop large

it "lists and counts by prefix, in pages, and goes on where it stopped"
jq -n -c '[range(2500) | {key: "list:\(. + 10000)", value: "v"}]' >"$work/many.json"
run 0 kv bulk-put shop "$work/many.json" --json
[ "$(cat "$work/out")" = '{"written":2500,"items":2500}' ] || fail "$(cat "$work/out")"
run 0 kv count shop --prefix list:
[ "$(cat "$work/out")" = 2500 ] || fail "$(cat "$work/out")"
run 0 kv list shop --prefix list: --json
[ "$(jq -c '[(.keys | length), .list_complete, .keys[0].name, .keys[-1].name]' "$work/out")" = '[2500,true,"list:10000","list:12499"]' ] ||
	fail "$(head -c 500 "$work/out")"
run 0 kv list shop --prefix list: --limit 1001
[ "$(wc -l <"$work/out")" -eq 1002 ] || fail "$(wc -l <"$work/out") lines"
cursor=$(sed -n 's/.*--cursor //p' "$work/err")
run 0 kv list shop --prefix list: --limit 1 --cursor "$cursor"
says list:11001
run 0 kv list shop --prefix list: --limit 2500 --json
[ "$(jq -c '[(.keys | length), .list_complete]' "$work/out")" = '[2500,true]' ] || fail "$(tail -c 200 "$work/out")"
run 64 kv list shop --prefix other: --cursor "$cursor"
run 64 kv list shop --cursor nonsense
run 0 kv list shop --prefix nothing:
[ ! -s "$work/out" ] || fail "$(cat "$work/out")"
run 0 kv list shop --prefix nothing: --json
[ "$(cat "$work/out")" = '{"keys":[],"list_complete":true}' ] || fail "$(cat "$work/out")"
run 0 kv list shop --json
total=$(jq '.keys | length' "$work/out")
run 0 kv count shop --json
[ "$(jq .keys "$work/out")" = "$total" ] || fail "$(cat "$work/out"), but there are $total"

it "deletes by a file of names, in every form"
jq -c '[.[:1200][].key]' "$work/many.json" >"$work/names.json"
run 0 kv bulk-delete shop "$work/names.json"
says "1200 keys of project shop deleted"
jq -c '.[1200:1300][] | {name: .key}' "$work/many.json" >"$work/in"
run 0 kv bulk-delete shop -
jq -c '.[1300:][].key' "$work/many.json" >"$work/in"
run 0 kv bulk-delete shop - --json
[ "$(cat "$work/out")" = '{"deleted":1200,"items":1200}' ] || fail "$(cat "$work/out")"
run 0 kv list shop --json
[ "$(jq '.keys | length' "$work/out")" -eq $((total - 2500)) ] || fail "$(head -c 500 "$work/out")"

it "exports and imports everything, in both formats"
put $'new\nline \e[2J🙂' $'\u0001\u007f"\\/\t\r\n\0'
put true true --metadata '[1e3,-0.0,"\ud83d\ude00",null]' --expiration $((now + 86400))
printf '\xff\x00\xc3\x28' >"$work/in"
run 0 kv put shop bytes
run 0 export shop --output "$work/all.jsonl"
run 0 export shop --output "$work/all.json" --format wrangler --json
[ "$(jq .exported "$work/out")" = "$(wc -l <"$work/all.jsonl")" ] || fail "$(cat "$work/out")"
[ "$(stat -c %a "$work/all.json")" = 600 ] || fail "others can read it"
jq -e . "$work/all.json" >/dev/null || fail "it is no JSON"
[ "$(jq -c '.[]' "$work/all.json")" = "$(jq -c . "$work/all.jsonl")" ] || fail "the formats differ"
! grep -q $'\e' "$work/all.jsonl" || fail "a control character came out as it is"
grep -qxF '{"key":"bytes","value":"/wDDKA==","base64":true}' "$work/all.jsonl" || fail "no base64"
for file in all.jsonl all.json; do
	run 0 import two "$work/$file"
	run 0 export two
	cmp "$work/out" "$work/all.jsonl" || fail "$file came back as another"
	run 0 kv get two bytes
	printf '\xff\x00\xc3\x28' | cmp - "$work/out" || fail "the bytes are others"
	jq -c .key "$work/all.jsonl" >"$work/in"
	run 0 kv bulk-delete two -
	run 0 kv count two
	[ "$(cat "$work/out")" = 0 ] || fail "$(cat "$work/out") keys are left"
done
run 0 export two
[ ! -s "$work/out" ] || fail "$(cat "$work/out")"
run 0 export two --format wrangler
[ "$(cat "$work/out")" = '[]' ] || fail "$(cat "$work/out")"
run 64 export shop --json
run 64 export shop --format yaml

it "exports values that do not fit into one answer"
run 0 project limit two --value-limit 25M
head -c 3000000 /dev/urandom | base64 -w 0 >"$work/b64"
for i in $(seq 12); do
	jq -n -c --rawfile value "$work/b64" --arg key "large:$i" '{key: $key, value: $value, base64: true}'
done >"$work/large.jsonl"
run 0 import two "$work/large.jsonl"
run 0 export two --output "$work/large2.jsonl"
sort "$work/large.jsonl" | cmp -s - <(sort "$work/large2.jsonl") || fail "they came back as others"
jq -c .key "$work/large.jsonl" >"$work/in"
run 0 kv bulk-delete two -

it "takes the largest value there is, and one byte more not"
head -c 26214401 /dev/urandom >"$work/largest+1"
head -c 26214400 "$work/largest+1" >"$work/largest"
cp "$work/largest+1" "$work/in"
run 64 kv put two largest
says "more than 26214400 bytes" err
run 64 kv put two largest --file "$work/largest+1"
says "more than 26214400 bytes" err
run 0 kv put two largest --file "$work/largest" --metadata '{"n":25}'
run 0 kv get two largest --output "$work/got"
cmp "$work/got" "$work/largest" || fail "it is another"
run 0 kv put two largest --file "$work/largest"
run 0 export two --output "$work/largest.jsonl"
run 0 kv delete two largest
run 0 import two "$work/largest.jsonl"
run 0 kv get two largest
cmp "$work/out" "$work/largest" || fail "it is another after an export"
# As text it would be six times as long, and more than a request may be.
head -c 26214400 /dev/zero >"$work/largest"
run 0 kv put two largest --file "$work/largest"
run 0 export two --output "$work/largest.jsonl"
run 0 import two "$work/largest.jsonl"
run 0 kv get two largest
cmp "$work/out" "$work/largest" || fail "it is another after an export"
run 0 kv delete two largest
rm -f "$work"/largest* "$work/got" "$work"/large*
run 0 project limit two --value-limit default

it "leaves out what has expired, and says so"
printf '{"key":"a","value":"1","expiration":%d}\n{"key":"b","value":"2"}\n' $((now - 1)) >"$work/in"
run 0 import two -
says "1 key of project two imported; 1 had expired already and were left out."
printf '[{"key":"a","value":"1","expiration":%d}]' $((now - 1)) >"$work/in"
run 64 kv bulk-put two -
says "line 1, item 1: Invalid expiration" err

it "says where a file is wrong, and writes nothing of that batch"
wrong() {
	printf '%b' "$1" >"$work/in"
	run 64 import two
	says "standard input, line $2" err
	says "$3" err
	run 1 kv get two good
}
wrong '{"key":"good","value":"x"}\n\n{"key":"c","value":"x"\n' 3 'item 2: this is not JSON'
wrong '[\n{"key":"good","value":"x"},\n{"key":"c","value":1}]' 3 'item 2: "value" must be a string'
wrong '[{"key":"good","value":"x"},\n{"key":"c"}]' 2 'item 2: "value" must be a string'
wrong '[{"key":"good","value":"x"},\n\n["c"]]' 3 'item 2: an object with "key" and "value" belongs here'
wrong '[{"key":"good","value":"x"}\n{"key":"c","value":"x"}]' 2 'behind item 1: a comma'
wrong '[{"key":"good","value":"x"}' 1 'behind item 1: the file ends before its array does'
wrong '{"key":"good","value":"x"}\n{"key":"c","value":"!","base64":true}' 2 'item 2: the value is not base64'
wrong '{"key":"good","value":"x"}\n{"key":"","value":"x"}' 2 'item 2: Key names must not be empty'
wrong '{"key":"good","value":"x"}\n{"key":"c","value":"x","metadata":"'"$(printf 'm%.0s' {1..1100})"'"}' 2 'item 2: Metadata length of 1102'
printf '{"key":1}' >"$work/in"
run 64 kv bulk-delete two -
says 'a name, or an object with "name", belongs here' err
run 64 import two "$work/no-such-file"
run 1 import nothing "$work/all.json"

# --- in the middle of something long ---

jq -n -c --argjson now "$now" 'range(30000) | {key: "mid:\(. + 100000)", value: ("v" * 150 + "\(.)")} +
	if . % 3 == 0 then {expiration: ($now + 86400 + .)} else {} end + if . % 4 == 0 then {metadata: {n: .}} else {} end' >"$work/mid.jsonl"
mkfifo "$work/fifo"

it "stops an import at a place to go on from"
"$TMAKVCTL" --control "$work/control.sock" import two "$work/fifo" >"$work/out" 2>"$work/err" &
pid=$!
exec 3>"$work/fifo"
head -n 12500 "$work/mid.jsonl" >&3
until_true count_is two 12000 || fail "nothing is imported"
kill -s TERM $pid
rc=0
wait $pid || rc=$?
exec 3>&-
[ $rc -eq 130 ] || fail "ended with $rc: $(cat "$work/err")"
# Of the last 500 it has read as many as it had time for.
skip=$(sed -n 's/.*--skip //p' "$work/err")
[ "$skip" -ge 12000 ] && [ "$skip" -le 12500 ] || fail "$(cat "$work/err")"
says "stopped; keys imported: $skip" err
run 0 import two "$work/mid.jsonl" --skip "$skip"
says "$((30000 - skip)) keys of project two imported"
run 0 export two --prefix mid: --output "$work/mid2.jsonl"
cmp "$work/mid.jsonl" "$work/mid2.jsonl" || fail "it came back as another"

it "stops an export at a place to go on from"
"$TMAKVCTL" --control "$work/control.sock" export two --prefix mid: >"$work/fifo" 2>"$work/err" &
pid=$!
exec 3<"$work/fifo"
head -c 100000 <&3 >"$work/part1"
kill -s TERM $pid
cat <&3 >"$work/part2"
rc=0
wait $pid || rc=$?
exec 3<&-
[ $rc -eq 130 ] || fail "ended with $rc: $(cat "$work/err")"
cursor=$(sed -n 's/.*--cursor //p' "$work/err")
run 0 export two --prefix mid: --cursor "$cursor"
cat "$work/part1" "$work/part2" "$work/out" | cmp - "$work/mid.jsonl" || fail "the parts are not the whole"
[ -s "$work/out" ] && [ -s "$work/part2" ] || fail "it did not stop in the middle"
# Into a file, as one array.
run 0 export two --prefix mid: --format wrangler --output "$work/mid.json"
items=$(($(cat "$work/part1" "$work/part2" | wc -l) + 1))
head -n $items "$work/mid.json" | sed '$s/,$//' | tr -d '\n' | sed 's/},{/},\n{/g; s/^\[/[\n/' >"$work/cut.json"
run 0 export two --prefix mid: --format wrangler --output "$work/cut.json" --cursor "$cursor"
[ "$(jq -c '.[]' "$work/cut.json" | cksum)" = "$(jq -c . "$work/mid.jsonl" | cksum)" ] || fail "the array is not the whole"
run 64 export two --prefix mid: --format wrangler --output "$work/cut.json" --cursor "$cursor"
says "is a whole export already" err

it "goes on when the server dies in the middle of an export"
"$TMAKVCTL" --control "$work/control.sock" export two --prefix mid: >"$work/fifo" 2>"$work/err" &
pid=$!
exec 3<"$work/fifo"
head -c 100000 <&3 >"$work/part1"
kill_server
cat <&3 >"$work/part2"
wait $pid || fail "$(cat "$work/err")"
exec 3<&-
cat "$work/part1" "$work/part2" | cmp - "$work/mid.jsonl" || fail "it came back as another"

it "goes on when the server dies in the middle of an import, and when it is stopped and started"
run 0 project create three
"$TMAKVCTL" --control "$work/control.sock" import three "$work/fifo" >"$work/out" 2>"$work/err" &
pid=$!
exec 3>"$work/fifo"
head -n 10500 "$work/mid.jsonl" >&3
until_true count_is three 10000 || fail "nothing is imported"
kill_server
tail -n +10501 "$work/mid.jsonl" | head -n 9500 >&3
until_true count_is three 19000 || fail "it does not go on: $(cat "$work/err")"
stop_server || fail "tmakvd did not end well"
tail -n +20001 "$work/mid.jsonl" >&3 &
tail_pid=$!
start_server write_limit=0 3>&-
wait $tail_pid
exec 3>&-
wait $pid || fail "$(cat "$work/err")"
says "30000 keys of project three imported"
run 0 export three --output "$work/mid3.jsonl"
cmp "$work/mid.jsonl" "$work/mid3.jsonl" || fail "it came back as another"

it "does not wait for a server that is not there"
stop_server || fail "tmakvd did not end well"
run 69 kv get shop true
says "tmakvd" err
start_server write_limit=2

it "writes the same key again when it is over its write limit"
jq -n -c 'range(5) | {key: "hot", value: "\(.)"}' >"$work/in"
run 0 import two -
says "5 keys of project two imported"
run 0 kv get two hot
[ "$(cat "$work/out")" = 4 ] || fail "the last one is $(cat "$work/out")"

it "shows how far it is on a terminal, and nothing elsewhere"
if command -v script >/dev/null; then
	script -qec "'$TMAKVCTL' --control '$work/control.sock' export two --prefix mid: --output '$work/mid2.jsonl'" /dev/null >"$work/out"
	says "/s  "
	says "30000 keys of project two exported"
fi
run 0 export two --prefix mid: --output "$work/mid2.jsonl"
[ "$(wc -l <"$work/err")" -eq 1 ] || fail "$(cat "$work/err")"

it "leaves no key and no value in the log"
! grep -qE 'mid:|vvvvvv|value of' "$work/tmakvd.log" || fail "$(grep -E -m 1 'mid:|vvvvvv|value of' "$work/tmakvd.log")"
