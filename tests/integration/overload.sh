#!/usr/bin/env bash
# overload.sh - very many clients, front servers that die, peers that do what no front server does: each costs at
# most its own connection, and nobody who asks properly sees an error.
#
# From outside, for the long run (make check-overload):
#   TMAKV_OVERLOAD_S      how long the busy clients ask, in seconds (default 3)
#   TMAKV_OVERLOAD_PEERS  how many bad peers of each kind there are at once (default 25)
#   TMAKV_OVERLOAD_KILLS  how often the server, and the front server, are killed under load (default 1)
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
export LC_ALL=C

wait_s=60	# ten thousand of anything take their time on a busy machine
busy_s=${TMAKV_OVERLOAD_S:-3}
n_peers=${TMAKV_OVERLOAD_PEERS:-25}
n_kills=${TMAKV_OVERLOAD_KILLS:-1}
n_idle=10000
crowd=$top_builddir/tests/tools/crowd
peers=$top_builddir/tests/tools/peers
audit=$top_builddir/tests/crash/crash_audit
for file in "$crowd" "$peers" "$audit"; do
	[ -x "$file" ] || broken "$file is not built"
done

# Descriptors for the idle clients: nginx and tmakvd raise their limits by themselves, as far as they may.
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 18000 ] || ulimit -Hn 65536 2>/dev/null ||
	skip "$n_idle clients need 18000 descriptors a process; the hard limit is $(ulimit -Hn)"
ulimit -Sn "$(ulimit -Hn)"

# What runs beside the test; all of it ends with it.
others=() silent=''
end() {
	local rc=$? pid
	for pid in "${others[@]}" $silent; do kill -s TERM "$pid" 2>/dev/null; done
	(exit $rc)
	cleanup
}

start value_limit=8M write_limit=0
trap end EXIT
find_rest
printf '%s\n' "$API_KEY" >"$work/token"
printf 'Authorization: Bearer %s\n' "$API_KEY" >"$work/authorization"

# --- clients and peers ---

# crowd OPTION... - good clients; what they saw goes to $work/crowd, fails when anything was not answered well.
crowd() {
	"$crowd" -s "$work/f" -t "$work/token" -r "$rest_path" "$@" >"$work/crowd" 2>&1 ||
		fail "good clients: $(tail -n 1 "$work/crowd")"
	tail -n 1 "$work/crowd" | sed 's/^RESULT/   /'
}

# crowd_begin FILE OPTION... - the same beside the test.
crowd_begin() {
	local file=$1
	shift
	: >"$file"
	"$crowd" -s "$work/f" -t "$work/token" -r "$rest_path" "$@" >"$file" 2>&1 &
	others+=($!)
}

# peers_begin FILE OPTION... KIND - peers on the FastCGI socket; returns when they have done what they do.
peers_begin() {
	local file=$1
	shift
	: >"$file"
	"$peers" -s "$work/s" "$@" >"$file" 2>&1 &
	others+=($!)
	until_true grep -q READY "$file" || fail "the peers did not get ready: $(cat "$file")"
}

# others_end [SIGNAL] - all that runs beside the test.
others_end() {
	local pid
	for pid in "${others[@]}"; do
		[ -z "${1:-}" ] || kill -s "$1" "$pid" 2>/dev/null
		wait "$pid"
	done
	others=()
}

# said NAME FILE - a number of the last line there.
said() {
	sed -n "s/.* $1=\\([0-9]*\\).*/\\1/p" "$2" | tail -n 1
}

# nobody_waited - longer than a busy machine explains: a peer that could hold a loop would do so for 2 s, each of them.
nobody_waited() {
	[ "$(said max_us "$work/crowd")" -lt 4000000 ] || fail "somebody waited for $(said max_us "$work/crowd") us"
}

open_fds() {
	local fds=("/proc/$(server_pid)/fd"/*)
	echo ${#fds[@]}
}

# is_quiet - no connection is open but those that a front server keeps.
is_quiet() {
	[ "$(open_fds)" -le $((quiet_fds + 600)) ]
}

pss_kb() {
	awk '$1 == "Pss:" { print $2 }' "/proc/$1/smaps_rollup"
}

quiet_fds=$(open_fds)

# --- idle ones ---

it "has no place for other users on its socket"
if [ "$(id -u)" -eq 0 ]; then
	as_other() { setpriv --reuid "$1" --regid "$2" --clear-groups curl -s --max-time 5 --unix-socket "$work/s" http://tmakv/; }
	as_other nobody nogroup
	[ $? -eq 7 ] || fail "nobody can connect"
	as_other www-data www-data
	[ $? -ne 7 ] || fail "the front server cannot connect"
else
	echo "    (only root can try that)"
fi

it "keeps $n_idle clients through the front server"
before=$(pss_kb "$(server_pid)")
crowd_begin "$work/idle" -i -n $n_idle -m g -d 600
until_true grep -q READY "$work/idle" || fail "not all were answered: $(tail -n 1 "$work/idle")"
echo "    memory: $(($(pss_kb "$(server_pid)") - before)) KB more"
crowd -n 8 -p 5 -d 1
others_end TERM
[ "$(said broken "$work/idle")" = 0 ] && [ "$(said failed "$work/idle")" = 0 ] ||
	fail "idle clients: $(tail -n 1 "$work/idle")"

it "keeps $n_idle idle connections of front servers, for little memory"
until_true is_quiet || fail "connections stay open"
before=$(pss_kb "$(server_pid)")
peers_begin "$work/kept" -n $n_idle -d 600 kept
after=$(pss_kb "$(server_pid)")
[ "$(open_fds)" -gt $n_idle ] || fail "the connections are not there"
echo "    memory: $(((after - before) * 1024 / n_idle)) bytes for each"
case $(ldd "$TMAKVD") in
*san.so*) ;;	# what the sanitizers keep is not ours
*) [ $(((after - before) * 1024 / n_idle)) -le 1024 ] || fail "that is much" ;;
esac
crowd -n 8 -p 5 -d 1
others_end TERM
until_true is_quiet || fail "descriptors do not come back: $(open_fds)"

# --- busy ones ---

it "serves 1000 busy clients without an error"
crowd -n 1000 -d "$busy_s" -m ggggppdl
echo "    least / most: $(said least "$work/crowd") / $(said most "$work/crowd")"

it "serves them without an error while the server is killed"
crowd_begin "$work/killed" -n 1000 -d "$((busy_s < n_kills + 2 ? n_kills + 2 : busy_s))" -m ggggppdlb
for ((i = 0; i < n_kills; i++)); do
	sleep 1
	kill_server
	until_true server_answers || fail "no new server"
done
rc=0
wait "${others[0]}" || rc=$?
others=()
tail -n 1 "$work/killed" | sed 's/^RESULT/   /'
[ $rc -eq 0 ] || fail "clients saw it"

# --- bad peers ---

# Every kind, all at once. What each does is said in peers.c; they stay until they are thrown out.
it "does not let bad peers hold up anybody"
server=$(server_pid)
kinds='record begin params slow body deaf endless'
peers_begin "$work/peers.silent" -n "$n_peers" -d 600 silent
silent=${others[0]}
others=()
for kind in $kinds; do
	"$peers" -s "$work/s" -n "$n_peers" -d "$wait_s" -u /sdk/v1/kv/peer -H "HTTP_AUTHORIZATION=Bearer $API_KEY" \
		$kind >"$work/peers.$kind" 2>&1 &
	others+=($!)
done
crowd -n 8 -p 5 -d 2.5
nobody_waited
others_end
for kind in $kinds; do
	[ "$(said closed "$work/peers.$kind")" = "$n_peers" ] ||
		fail "only $(said closed "$work/peers.$kind") of $n_peers of the kind $kind were thrown out"
done
# Like a kept connection; whoever has asked for nothing is in nobody's way.
kill -s TERM "$silent"
wait "$silent"
silent=''
[ "$(said closed "$work/peers.silent")" = 0 ] || fail "who is only silent was thrown out"
[ "$(server_pid)" = "$server" ] || fail "it took the server with it"
as_server GET /sdk/v1/kv/peer
expect 404

it "lets large bodies that stall hold up only large bodies"
peers_begin "$work/large" -n 3 -d 20 -u "$rest_path/bulk" -H "HTTP_AUTHORIZATION=Bearer $API_KEY" large
crowd -n 8 -p 5 -d 1 -m ggpdl
nobody_waited
others_end
[ "$(said closed "$work/large")" = 3 ] || fail "they are still there"

# --- the front server dies ---

it "is as good as new when the front server is killed under load"
head -c 4000000 /dev/zero | tr '\0' v | sed 's/^/"/;s/$/"/' >"$work/large_value"
awk -v v="$(head -c 10000 /dev/zero | tr '\0' v)" 'BEGIN { printf "["
	for (i = 0; i < 1000; i++) printf "%s{\"key\":\"n/%d\",\"value\":\"%s\"}", (i ? "," : ""), i, v; print "]" }' >"$work/bulk"
as_server PUT /sdk/v1/kv/large -H 'Content-Type: application/json' --data-binary "@$work/large_value"
expect 413
as_server PUT "$rest_path/values/large" --data-binary "@$work/large_value"
expect 200
for ((i = 0; i < n_kills; i++)); do
	crowd_begin "$work/left" -n 200 -d 10 -m gpdlbLM
	for _ in 1 2 3; do
		curl -s -o /dev/null --unix-socket "$work/f" -X PUT "http://tmakv$rest_path/bulk" -H "@$work/authorization" \
			-H 'Content-Type: application/json' --data-binary "@$work/bulk" &
		others+=($!)
		curl -s -o /dev/null --unix-socket "$work/f" --limit-rate 1M "http://tmakv$rest_path/values/large" -H "@$work/authorization" &
		others+=($!)
	done
	sleep 0.7
	# shellcheck disable=SC2046
	kill -s KILL "$front_pid" $(cat "/proc/$front_pid/task/$front_pid/children")
	wait "$front_pid" 2>/dev/null
	rm -f "$work/f"
	start_front
	others_end
	crowd -n 20 -d 0.5 -m ggpdlbLM
	until_true is_quiet || fail "descriptors do not come back: $(open_fds)"
	as_server GET "$rest_path/values/large"
	expect 200
	cmp -s "$work/body" "$work/large_value" || fail "a large value has changed"
done

# --- no room ---

it "lets more clients wait than it has connections, and refuses nobody"
stop_server || fail "it did not end well"
start_server connections=32 value_limit=8M write_limit=0
stop_front
rm -f "$work/f"
start_front
peers_begin "$work/kept" -n 32 -d 600 kept
crowd_begin "$work/waiting" -i -n 8 -m g -d 600
waiting=${others[1]}
sleep 0.3
! grep -q READY "$work/waiting" || fail "there was room"
kill -s TERM "${others[0]}"
until_true grep -q READY "$work/waiting" || fail "they wait for ever"
kill -s TERM "$waiting"
wait "$waiting" || fail "they were refused: $(cat "$work/waiting")"
others=()

stop || fail "it did not end well"
"$audit" "$work/data" || fail "the tables do not belong together"
