#!/usr/bin/env bash
# hold.sh - no answer before its sync: while syncs are held back (disk.h) no write is answered, and no read shows
# what is not synced yet; reads of anything else go on.
. "$(dirname "$0")/../lib.sh"

disk=$top_builddir/tests/crash/disk.so
[ -e "$disk" ] || broken "$disk is not built"
make_work
mkdir -m 700 "$work/data" "$work/disk"
# shellcheck disable=SC2034 # goes before tmakvd
WRAP="env LD_PRELOAD=$disk DISK_DIR=$work/data DISK_STATE=$work/disk DISK_HOLD=$work/hold"
# No checkpoints of its own: they would wait for a sync with locks held.
start min_ttl_s=1 checkpoint_s=3600
find_rest
pids=() names=()

# begin NAME METHOD PATH [CURL-ARGUMENTS...] - ask, and do not wait; when it is answered, NAME.status has the status.
begin() {
	local name=$1 method=$2 path=$3
	shift 3
	curl -sS --max-time 60 --unix-socket "$work/f" -X "$method" -H "@$work/authorization" \
		-o "$work/$name.body" -w '%{http_code}' "$@" "http://tmakv$path" >"$work/$name.status" 2>"$work/$name.log" &
	pids+=($!)
	names+=("$name")
}

none_is_answered() {
	local name
	for name in "${names[@]}"; do
		[ ! -s "$work/$name.status" ] || fail "$name was answered $(cat "$work/$name.status") before its sync"
	done
}

it "answers no write before its sync"
for key in old gone bulk-gone under-put; do
	as_server PUT "/sdk/v1/kv/$key" -d '"before"'
	expect 200
done
as_server GET /sdk/v1/kv/old # so that $work/authorization is there
touch "$work/hold"
begin put PUT /sdk/v1/kv/new -d '"after"'
begin over PUT /sdk/v1/kv/under-put -d '"after"'
begin ttl PUT '/sdk/v1/kv/fleeting?expirationTtl=60' -d '"after"'
begin delete DELETE /sdk/v1/kv/gone
begin bulk PUT "$rest_path/bulk" -d '[{"key":"b1","value":"after"},{"key":"b2","value":"after"}]'
begin bulk-delete DELETE "$rest_path/bulk" -d '["bulk-gone"]'
begin rest PUT "$rest_path/values/r" -d after
ctl project create another --json >"$work/admin.status" 2>"$work/admin.log" &
pids+=($!)
names+=(admin)
# Time is what is tested here: they have a second to be answered too early.
sleep 1
none_is_answered

it "goes on with what needs no sync"
as_server GET /sdk/v1/kv/old
expect 200 '"before"'
validate "$(init_data 101)"
expect 200

it "shows nothing that is not synced"
for key in new under-put fleeting gone b1 b2 bulk-gone r; do
	curl -sS --max-time 60 --unix-socket "$work/f" -H "@$work/authorization" -o "$work/read.$key.body" \
		-w '%{http_code}' "http://tmakv/sdk/v1/kv/$key" >"$work/read.$key.status" 2>/dev/null &
	pids+=($!)
done
curl -sS --max-time 60 --unix-socket "$work/f" -H "@$work/authorization" -o "$work/list.body" \
	-w '%{http_code}' "http://tmakv/sdk/v1/kv" >"$work/list.status" 2>/dev/null &
pids+=($!)
sleep 0.5
for key in new fleeting b1 b2 r; do
	case $(cat "$work/read.$key.status") in '' | 404) ;; *) fail "$key is shown before its sync" ;; esac
done
for key in under-put gone bulk-gone; do
	case $(cat "$work/read.$key.status") in
	'') ;;
	200) grep -q before "$work/read.$key.body" || fail "the new value of $key is shown before its sync" ;;
	*) fail "$key is gone before its sync" ;;
	esac
done
! grep -qs '"name":"new"' "$work/list.body" || fail "a list shows a key before its sync"
none_is_answered

it "answers all of them behind it"
rm "$work/hold"
for i in "${!pids[@]}"; do
	wait "${pids[i]}" || fail "request $i of ${#pids[@]} was not answered"
done
for name in put over ttl delete bulk bulk-delete rest; do
	[ "$(cat "$work/$name.status")" = 200 ] || fail "$name was answered $(cat "$work/$name.status")"
done
[ "$(member .name <"$work/admin.status")" = another ] || fail "no project: $(cat "$work/admin.status" "$work/admin.log")"
for key in new under-put fleeting b1 b2 r; do
	as_server GET "/sdk/v1/kv/$key"
	expect 200 after
done
for key in gone bulk-gone; do
	as_server GET "/sdk/v1/kv/$key"
	expect 404
done

it "answers once what a killed server had not synced"
pids=() names=()
touch "$work/hold"
as_server GET /sdk/v1/kv/old
begin first PUT /sdk/v1/kv/once -d '"after"'
begin second PUT "$rest_path/bulk" -d '[{"key":"once-bulk","value":"after"}]'
sleep 0.5
none_is_answered
kill_server
rm "$work/hold"
for i in "${!pids[@]}"; do
	wait "${pids[i]}" || fail "${names[i]}: $(cat "$work/${names[i]}.log")"
	[ "$(cat "$work/${names[i]}.status")" = 200 ] || fail "${names[i]} was answered $(cat "$work/${names[i]}.status")"
done
for key in once once-bulk; do
	as_server GET "/sdk/v1/kv/$key"
	expect 200 after
	expect_header X-KV-Writes 1
done
