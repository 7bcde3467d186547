#!/usr/bin/env bash
# full_disk.sh - a disk that fills up, at the worst moments: writes are refused, reads and deletes go on, nothing is
# lost or damaged, and everything works again when there is space.
#
# The disk is a small tmpfs of its own, which takes the right to mount one. From outside:
#   TMAKV_FULL_ROUNDS   how often it fills up under load, and the server is killed on it (default 2)
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
export LC_ALL=C	# EPOCHREALTIME with a point in it

rounds=${TMAKV_FULL_ROUNDS:-2}
tools=$top_builddir/tests/crash
for file in crash_load crash_check crash_audit; do
	[ -x "$tools/$file" ] || broken "$tools/$file is not built"
done

# A recovery that finds no space leaks inside Berkeley DB.
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:suppressions=$top_srcdir/tests/lsan.supp:print_suppressions=0

load_pid='' waiters=()
make_work
mkdir -m 700 "$work/data"
mount -t tmpfs -o size=160m,mode=700 tmpfs "$work/data" 2>"$work/mount.log" ||
	skip "no file system can be mounted: $(cat "$work/mount.log")"

end() {
	local rc=$?
	[ -z "$load_pid" ] || kill -s TERM "$load_pid" 2>/dev/null
	stop || [ $rc -ne 0 ] || rc=1
	umount -l "$work/data"
	(exit $rc)
	cleanup
}
trap end EXIT

# fill [BYTES-LEFT] - somebody else's file takes all space, or all but so much.
fill() {
	local free
	free=$(df --output=avail -B1 "$work/data" | tail -n 1)
	head -c "$((free - ${1:-0}))" /dev/zero >>"$work/data/foreign" 2>/dev/null
	true
}

make_space() { rm "$work/data/foreign"; }

is_full() { ctl status --json | member .store.full | grep -q true; }
has_space() { ! is_full; }

same_server() { [ "$(server_pid)" = "$server" ] || fail "the server was started anew: $(tail -n 3 "$work/tmakvd.log")"; }

logged() { grep -qF -e "$1" "$work/tmakvd.log"; }

puts() { as_server PUT "/kv/$1" --data-binary "@$work/$2"; }

# accepted KEY FILE - a write of it is; tried again for a moment, because space is looked at once a second.
accepted() {
	puts "$1" "$2"
	[ "$status" = 200 ]
}

settings=(ballast_size=24M reserve_size=4M checkpoint_s=1 cache_size=8M min_ttl_s=1 value_limit=1M)
start "${settings[@]}"
find_rest
server=$(server_pid)
# 100,000 bytes of JSON that no two files share.
for name in old new; do
	printf '"%s"' "$(head -c 75000 /dev/urandom | base64 -w 0)" >"$work/$name"
done
as_server PUT /kv/kept --data-binary "@$work/old"
expect 200
as_server PUT /kv/given --data-binary '"away"'
expect 200

it "refuses writes at every door when there is little space, and keeps what is there"
fill 2000000
until_true is_full || fail "it does not notice"
puts kept new
expect_error 507 storage_full
puts another new
expect_error 507 storage_full
as_server PUT "$rest_path/values/kept" --data-binary "@$work/new"
expect 507 '"success":false'
as_server PUT "$rest_path/bulk" -H 'Content-Type: application/json' --data-binary '[{"key":"kept","value":"new"}]'
expect 507 '"success":false'
at_operator ask GET /readyz
expect 503 "the disk is full"
at_operator ask GET /healthz
expect 200 ok

it "reads, lists and deletes all the same"
as_server GET "$rest_path/values/kept"
expect 200
cmp -s "$work/body" "$work/old" || fail "the value is not the old one"
as_server GET /kv
expect 200 '"kept"' '"given"'
as_server DELETE /kv/given
expect 200
as_server GET /kv/given
expect 404
same_server

it "writes again when there is space, without a restart"
make_space
until_true accepted kept new || fail "answered $status"
at_operator ask GET /readyz
expect 200 ok
same_server

it "holds what waits for the disk until there is space, and refuses the rest meanwhile"
waits() { logged 'the disk is full: writes wait'; }
# put_many NAME - a key again and again, so that one is under way whenever the disk fills up.
put_many() {
	exec curl -sS --unix-socket "$work/f" -o /dev/null -w '%{http_code}\n' -X PUT -H "@$work/authorization" \
		--data-binary "@$work/old" "http://tmakv/kv/$1?[1-100000]" >"$work/waiting.$1" 2>&1
}
for name in a b c; do
	put_many $name &
	waiters[${#waiters[@]}]=$!
done
until_true test -s "$work/waiting.c"
for ((i = 0; i < 20; i++)); do
	fill
	! waits || break
	make_space
	until_true has_space
done
waits || fail "no write waited"
# What the ballast gave.
fill
refused() {
	puts refused new
	[ "$status" = 507 ]
}
until_true refused || fail "answered $status on a full disk"
expect_error 507 storage_full
as_server GET "$rest_path/values/kept"
expect 200
cmp -s "$work/body" "$work/new" || fail "the value is not the one that was written last"
kill "${waiters[@]}"
make_space
wait "${waiters[@]}" 2>/dev/null
until_true accepted after new || fail "answered $status when there was space again"
! grep -qvE '^(200|507)$' "$work"/waiting.* || fail "writers were told $(sort "$work"/waiting.* | uniq -c)"
same_server

it "goes on when the disk is full during a checkpoint"
until_true has_space
until_true test -e "$work/data/ballast" || { stop_server; start_server "${settings[@]}"; }
server=$(server_pid)
checkpoint_failed() { logged 'a checkpoint failed'; }
# Between the write and the full disk a checkpoint may come and find its space.
for ((try = 0; try < 10; try++)); do
	for i in 1 2 3 4 5 6 7 8; do puts "dirty$try-$i" old; done
	expect 200
	fill
	for ((i = 0; i < 100; i++)); do
		! checkpoint_failed || break 2
		sleep 0.02
	done
	make_space
	until_true has_space
done
checkpoint_failed || fail "no checkpoint failed"
as_server GET "$rest_path/values/dirty0-8"
expect 200
make_space
until_true has_space
before=$(ctl status --json | member .store.last_checkpoint_at)
puts dirty9 old
checkpoint_taken() { [ "$(ctl status --json | member .store.last_checkpoint_at)" -gt "$before" ]; }
until_true checkpoint_taken || fail "no checkpoint was taken when there was space again"
same_server

it "recovers on a full disk with what the ballast gives"
stop_server
start_server "${settings[@]}"
[ -e "$work/data/ballast" ] || fail "there is no ballast"
needed_ballast() { logged 'trying again with the ballast released'; }
# Right behind a checkpoint there may be nothing to write.
for ((try = 0; try < 10; try++)); do
	for i in 1 2 3 4; do puts "killed$i" new; done
	expect 200
	fill
	kill_server
	until_true server_answers || fail "it did not recover: $(tail -n 3 "$work/tmakvd.log")"
	! needed_ballast || break
	make_space
	until_true has_space
done
needed_ballast || fail "it needed no ballast"
for i in 1 2 3 4; do
	as_server GET "$rest_path/values/killed$i"
	expect 200
	cmp -s "$work/body" "$work/new" || fail "killed$i is not what was written"
done
puts killed1 old
expect_error 507 storage_full

it "waits for space when there is no ballast left, and serves then by itself"
[ ! -e "$work/data/ballast" ] || fail "the ballast is still there"
make_space
until_true accepted killed1 old || fail "answered $status"
waits_for_space() { logged 'make some, it is tried again until there is'; }
for ((try = 0; try < 10; try++)); do
	for i in 1 2 3 4; do puts "again$i" new; done
	expect 200
	fill
	rm "$work/data/ballast"
	fill
	kill_server
	served_or_waits() { waits_for_space || timeout 1 "$TMAKVCTL" --control "$work/control.sock" status; }
	until_true served_or_waits || fail "it neither serves nor says why: $(tail -n 3 "$work/tmakvd.log")"
	! waits_for_space || break
	make_space
	until_true has_space
done
waits_for_space || fail "it did not say what to do"
! has_ended "$tmakvd_pid" || fail "tmakvd gave up"
make_space
until_true server_answers || fail "it does not serve: $(tail -n 3 "$work/tmakvd.log")"
as_server GET "$rest_path/values/again4"
expect 200
cmp -s "$work/body" "$work/new" || fail "again4 is not what was written"

it "loses nothing when the disk fills up under load $rounds times, with a kill each time"
make_project full
find_rest
mkdir "$work/events"
make_callers "$work/tokens"
mark() { printf '%s %s\n' "${EPOCHREALTIME/./}" "$1" >>"$work/events/marks"; }
# For 507 and for a server that waits: errors are to be expected while the disk is full.
mark gone
# shellcheck disable=SC2154 # find_rest sets it
"$tools/crash_load" -s "$work/f" -t "$work/tokens" -o "$work/events" -b "$rest_path" -d $((rounds * 30 + 60)) &
load_pid=$!
for ((i = 1; i <= rounds; i++)); do
	sleep "0.$((RANDOM % 900 + 100))"
	fill
	sleep "0.$((RANDOM % 900 + 100))"
	fill
	kill_server
	sleep "1.$((RANDOM % 900 + 100))"
	make_space
	until_true server_answers || fail "it does not serve after a kill"
	sleep 1
done
mark back
until_true has_space
kill -s TERM "$load_pid"
wait "$load_pid" || fail "the load ended with $?"
load_pid=''
"$tools/crash_load" -s "$work/f" -t "$work/tokens" -o "$work/events" -f || fail "not everything could be asked for"
"$tools/crash_check" -m "$work/events/marks" -g 0 "$work/events"/events.* >"$work/check.log" || {
	cat "$work/check.log"
	fail "the answers do not go together"
}
tail -n 1 "$work/check.log"
stop_server || fail "the server did not end well"
"$tools/crash_audit" "$work/data" || fail "the tables do not belong together"
