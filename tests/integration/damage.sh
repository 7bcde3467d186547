#!/usr/bin/env bash
# damage.sh - files that are not what was written: the server says so, names the file and what to do, ends
# for good with 65, and shows nobody wrong data.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

start checkpoint_s=3600
find_rest
for i in $(seq 1 40); do
	printf '"%s %s"' "$i" "$(head -c 600 /dev/urandom | base64 -w 0)" >"$work/value$i"
	as_server PUT "/kv/key$i" --data-binary "@$work/value$i"
	expect 200
done
stop_server || fail "it did not end well"
cp -a "$work/data" "$work/closed"
start_server checkpoint_s=3600
for i in $(seq 1 40); do
	as_server PUT "/kv/more$i" --data-binary "@$work/value$i"
	expect 200
done
kill -s STOP "$tmakvd_pid"
kill_server
cp -a "$work/data" "$work/killed"
kill -s CONT "$tmakvd_pid"
until_true server_answers || fail "no new server"
stop_server || fail "it did not end well"

# begin closed|killed - the data as it was then; the damage is done next.
begin() {
	rm -rf "$work/data"
	cp -a "$work/$1" "$work/data"
	: >"$work/tmakvd.log"
}

# change FILE OFFSET - one bit of it is another one.
change() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$work/data/$1")
	printf '%b' "\\x$(printf %02x $((byte ^ 4)))" | dd of="$work/data/$1" bs=1 seek="$2" conv=notrunc status=none
}

said() { grep -qF -e "$1" "$work/tmakvd.log" || fail "the log does not say '$1': $(tail -n 5 "$work/tmakvd.log")"; }

# refuses WORDS... - tmakvd does not start, ends with 65, says WORDS and what to do, and changes nothing.
refuses() {
	local rc=0 words
	rm -rf "$work/before"
	cp -a "$work/data" "$work/before"
	timeout 30 "$TMAKVD" -c "$work/tmakv.conf" 2>>"$work/tmakvd.log" || rc=$?
	[ $rc -eq 65 ] || fail "tmakvd ended with $rc: $(tail -n 5 "$work/tmakvd.log")"
	for words in "$@"; do said "$words"; done
	said 'restore the last backup'
	diff -r "$work/before" "$work/data" || fail "it changed something"
	: >"$work/tmakvd.log"
}

ends_at_start() {
	local rc=0
	timeout 30 "$TMAKVD" -c "$work/tmakv.conf" 2>>"$work/tmakvd.log" || rc=$?
	[ $rc -eq 65 ] || fail "tmakvd ended with $rc"
}

# ends_with_65 - the supervisor does, by itself.
ends_with_65() {
	local rc=0
	until_true has_ended "$tmakvd_pid" || fail "it does not end"
	wait "$tmakvd_pid" || rc=$?
	tmakvd_pid=''
	[ $rc -eq 65 ] || fail "tmakvd ended with $rc"
}

it "misses a table"
begin killed
rm "$work/data/keys.db"
refuses "a table's file is missing" "$work/data/keys.db"

it "misses the end of a table"
begin closed
truncate -s 8192 "$work/data/keys.db"
ends_at_start
said "a table's file is too short"
said "$work/data/keys.db"
said 'restore the last backup'
# Recovery has been over it, and has made up pages; that is not forgotten.
ends_at_start

it "misses the log, its newest part, and a byte of it"
begin killed
rm "$work"/data/log/log.*
refuses 'log file is missing' "$work/data/log"
begin killed
end=$(od -An -tu4 -j 4 -N 4 "$work/data/log/position" | tr -d ' ')
truncate -s $((end - 100)) "$work/data/log/log.0000000001"
refuses 'the log is damaged or cut off' "$work/data/log"
begin killed
change log/log.0000000001 $((end - 2000))
refuses 'the log is damaged or cut off' "$work/data/log"

it "finds a changed byte of a page when it is needed, and serves nothing from then on"
begin closed
change keys.db $((4096 * 3 + 1500))
start_server checkpoint_s=3600
for i in $(seq 1 40); do
	ask GET "/kv/key$i" -H "@$work/authorization"
	if [ "$status" != 200 ]; then
		break
	fi
	printf '{"success":true,"data":%s}' "$(cat "$work/value$i")" | cmp -s - "$work/body" ||
		fail "key$i is not what was written"
done
[ "$status" = 503 ] || [ "$status" = 502 ] || fail "it answered $status to the last of $i"
ends_with_65
said 'checksum error'
said 'keys.db'
said 'restore the last backup'
ask GET /kv/key1 -H "@$work/authorization"
expect 502

it "finds a changed byte of a table's first page at once"
begin closed
change values.db 100
ends_at_start
said values.db
said 'restore the last backup'

it "serves all of it when the files are back"
begin killed
start_server
for i in $(seq 1 40); do
	for name in "key$i" "more$i"; do
		as_server GET "$rest_path/values/$name"
		expect 200
		cmp -s "$work/body" "$work/value$i" || fail "$name is not what was written"
	done
done
