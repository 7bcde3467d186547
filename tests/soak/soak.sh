#!/usr/bin/env bash
# soak.sh - a mixed load for a long time: memory, descriptors, files and response times stay what they were.
#
# Everything a client can do goes on at once: GET, PUT, DELETE, lists, bulk calls, keys that expire after two
# seconds, values of 100 KB, and sign-ins with fresh initData. The cache is small and checkpoints are many, so that
# pages are read, written and used again all the time. Each second the server is looked at; what is judged is
# the last third of the run beside the second one (the first is for caches to fill), by medians: a busy machine
# does not fail it, what grows with every request does.
#
# From outside:
#   TMAKV_SOAK_S         how long, in seconds (default 1800)
#   TMAKV_SOAK_CLIENTS   how many clients (default 32), and how long each pauses between two requests:
#   TMAKV_SOAK_PAUSE_MS  (default 60)
#   TMAKV_SOAK_KEEP      a folder for the figures of each second and each window of time
. "$(dirname "$0")/../lib.sh"
export LC_ALL=C

seconds=${TMAKV_SOAK_S:-1800}
clients=${TMAKV_SOAK_CLIENTS:-32}
pause_ms=${TMAKV_SOAK_PAUSE_MS:-60}
window_s=$((seconds / 60 > 10 ? 10 : seconds / 60 < 1 ? 1 : seconds / 60))
crowd=$top_builddir/tests/tools/crowd
crowd_pid='' signer_pid=''
[ -x "$crowd" ] || broken "$crowd is not built"

end() {
	local rc=$?
	[ -z "$crowd_pid" ] || kill -s TERM "$crowd_pid" 2>/dev/null
	[ -z "$signer_pid" ] || kill -s TERM "$signer_pid" 2>/dev/null
	if [ -n "${TMAKV_SOAK_KEEP:-}" ] && [ -f "$work/samples" ]; then
		cp "$work/samples" "$work/crowd" "$TMAKV_SOAK_KEEP"
	fi
	(exit $rc)
	cleanup
}

start cache_size=2M checkpoint_size=1M checkpoint_s=2 min_ttl_s=1 token_cache=256 write_limit=0
trap end EXIT
find_rest
printf '%s\n' "$API_KEY" >"$work/token"
server=$(server_pid)

# sign_in_again - one user after the other signs in and asks for a key with the new token; an answer that is
# none ends it. (One a second: making initData costs a dozen processes.)
sign_in_again() {
	local user=0
	trap 'exit 0' TERM
	while true; do
		user=$((user % 500 + 1))
		validate "$(init_data $user)"
		# shellcheck disable=SC2154 # validate sets it
		[ "$status" = 200 ] && as_user "$jwt" GET /sdk/v1/kv/signed-in
		case $status in 200 | 404) ;; *) exit 1 ;; esac
		sleep 1
	done
}

# look - a line: seconds since the beginning, memory in KB, descriptors, log files, the newest log file's number,
# KB of log, KB of data.
look() {
	local fds=("/proc/$server/fd"/*) logs=("$work/data/log"/log.*) memory newest data
	memory=$(awk '$1 == "Pss:" { print $2 }' "/proc/$server/smaps_rollup") || return 1
	newest=${logs[-1]##*.}
	data=$(du -sk --exclude=log "$work/data" 2>/dev/null | cut -f1)
	printf '%d %d %d %d %d %d %d\n' $((SECONDS - began)) "$memory" ${#fds[@]} ${#logs[@]} $((10#$newest)) \
		"$(du -ck "${logs[@]}" 2>/dev/null | tail -n 1 | cut -f1)" "$data"
}

it "goes on for $seconds seconds"
"$crowd" -s "$work/f" -t "$work/token" -r "$rest_path" -n "$clients" -p "$pause_ms" -d "$seconds" -w $window_s \
	-m ggggpgpdgleggppbgdMgeL >"$work/crowd" &
crowd_pid=$!
(sign_in_again) 2>"$work/signer.log" &
signer_pid=$!
began=$SECONDS
while ! has_ended "$crowd_pid"; do
	look >>"$work/samples" || fail "the server process has changed"
	! has_ended "$signer_pid" || fail "a sign-in failed: $(cat "$work/body")"
	sleep 1
done
rc=0
wait "$crowd_pid" || rc=$?
crowd_pid=''
kill -s TERM "$signer_pid"
wait "$signer_pid"
signer_pid=''
tail -n 1 "$work/crowd" | sed 's/^/    /'
[ $rc -eq 0 ] || fail "not every request was answered well"
[ "$(server_pid)" = "$server" ] || fail "the server process has changed"

# median FILE COLUMN THIRD - of the lines of one third of the run: 1, 2 or 3.
median() {
	local n first
	n=$(wc -l <"$1")
	first=$((n * ($3 - 1) / 3 + 1))
	sed -n "$first,$((n * $3 / 3))p" "$1" | cut -d ' ' -f "$2" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# stays WHAT FILE COLUMN PERCENT MORE - the last third is at most so much above the second one.
stays() {
	local first middle last
	first=$(median "$2" "$3" 1) middle=$(median "$2" "$3" 2) last=$(median "$2" "$3" 3)
	printf '    %s: %s, then %s, then %s\n' "$1" "$first" "$middle" "$last"
	[ "$last" -le $((middle * (100 + $4) / 100 + $5)) ] || fail "$1 went from $middle to $last"
}

it "takes no more memory"
# The answers of the last minute are kept: a short run does not get beyond that.
stays "KB of memory" "$work/samples" 2 5 $((seconds < 300 ? 3072 : 1024))
it "leaves no descriptors open"
# The front server keeps some connections more, or fewer; what leaks is hundreds in a minute.
stays descriptors "$work/samples" 3 0 12
it "removes log files, and uses pages again"
stays "log files" "$work/samples" 4 0 1
stays "KB of log" "$work/samples" 6 10 131072
stays "KB of data" "$work/samples" 7 10 4096
read -r _ _ _ files newest _ <<<"$(tail -n 1 "$work/samples")"
[ "$newest" -le 3 ] || [ "$files" -le 3 ] || fail "$files log files are there, the newest of them number $newest"
it "answers as fast as before"
grep '^WINDOW' "$work/crowd" >"$work/windows"
# A few windows of a short run say less, on a machine that may do other things.
percent=$((seconds < 300 ? 100 : 50))
stays "us until half of the answers" "$work/windows" 4 $percent 1000
stays "us until 99 of 100 answers" "$work/windows" 5 $percent 3000
