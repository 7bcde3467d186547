# shellcheck shell=bash disable=SC2034
# measure.sh - for tests/bench/run: one load on one back, as a line of $results; what report.awk reads.
#
# Lines begin with their kind, then, behind tabs:
#     load    round load back requests/s p50_us p99_us errors 5xx broken least most bytes us-per-request...
#     memory  back process KiB
#     grown   round KiB KiB: ours with the smallest cache, empty and after all loads
#     tokens  round known new: how those of get_new were met
#     syncs   back requests syncs
#     bulk    round name pairs/s
#     paced   round name requests/s p50_us p99_us errors
#     fact    name value
# us-per-request: NAME=US of every process, the load generator's last. errors and so on: see http_load.c.

http_load() {
	"$top_builddir/tests/bench/http_load" "$@"
}

# note KIND FIELD... - a line of the results.
note() {
	local IFS=$'\t'
	printf '%s\n' "$*" >>"$results"
}

# children PID - its children's ids.
children() {
	cat "/proc/$1/task/$1/children"
}

ticks=$(getconf CLK_TCK)
# cpu_us PID,PID... - sets cpu: processor time of processes, in microseconds.
cpu_us() {
	local pid line
	cpu=0
	for pid in ${1//,/ }; do
		{ read -r line <"/proc/$pid/stat"; } 2>/dev/null || broken "a process that is measured has ended"
		# shellcheck disable=SC2086
		set -- ${line##*) }
		cpu=$((cpu + (${12} + ${13}) * 1000000 / ticks))
	done
}

# processes BACK - NAME:PID,PID... of all that work for it, nginx's workers first.
processes() {
	local workers
	workers=$(children "${front_of[$1]}")
	workers=${workers% }
	printf 'nginx:%s %s' "${workers// /,}" "${processes_of[$1]:-}"
}

metric() {
	ctl status --json | jq -r ".metrics.$1 // 0"
}

declare -A connections_of=([thousand]=1000)
declare -A idle_of=([idle]=10000)
failed=''

# measure ROUND LOAD BACK - a line of the results; sets failed where a request went wrong.
measure() {
	local round=$1 load=$2 back=$3 line process seconds_now=$seconds headers=${headers_of[$3]:-/dev/null}
	local hits=0 misses=0
	local -a request=() measured=() before=() us=()
	case $load in
	rest_*) headers=$work/as_server ;;
	get_new) headers=/dev/null ;;
	fair) seconds_now=$((2 * seconds)) ;;
	esac
	request_of "$back" "$load"
	read -r -a measured <<<"$(processes "$back")"
	for process in "${measured[@]}"; do
		cpu_us "${process#*:}"
		before+=("$cpu")
	done
	[ "$load" != get_new ] || hits=$(with_place slow metric token_hits) misses=$(with_place slow metric token_misses)
	line=$(http_load -c "${connections_of[$load]:-$connections}" -i "${idle_of[$load]:-0}" -s "$seconds_now" \
		-f $((round * 500000)) -H "$headers" "${request[@]}" "${address_of[$back]}") || broken "$load of $back: no load"
	# shellcheck disable=SC2086
	set -- $line
	local answers=$1 took=$2 all=${12} own=${13}
	[ "$answers" -gt 0 ] || broken "$load of $back: no answer"
	for process in "${measured[@]}"; do
		cpu_us "${process#*:}"
		us+=("${process%%:*}=$(per_request $((cpu - before[0])) "$all")")
		before=("${before[@]:1}")
	done
	us+=("load=$(per_request "$own" "$all")")
	note load "$round" "$load" "$back" "$(awk -v n="$answers" -v s="$took" 'BEGIN { printf "%.1f", n / s }')" \
		"$3" "$4" "$6" "$7" "$8" "$9" "${10}" "${11}" "${us[@]}"
	if [ "$load" = get_new ]; then
		note tokens "$round" $(($(with_place slow metric token_hits) - hits)) $(($(with_place slow metric token_misses) - misses))
	fi
	if [ "$6" -ne 0 ] || [ "$8" -ne 0 ]; then
		failed=yes
		printf '\n%s of %s: %s answers were errors (%s of them 5xx), %s connections broke\n' "$load" "$back" "$6" "$7" "$8" >&2
	fi
	printf '.' >&2
}

# per_request US N
per_request() {
	awk -v us="$1" -v n="$2" 'BEGIN { printf "%.2f", us / n }'
}

# --- memory ---

# note_memory BACK - the proportional set size of each process behind a back.
note_memory() {
	local process
	for process in ${processes_of[$1]:-}; do
		note memory "$1" "${process%%:*}" "$(pss_kib "${process#*:}")"
	done
}

# pss_kib PID,PID...
pss_kib() {
	local pid
	for pid in ${1//,/ }; do
		cat "/proc/$pid/smaps_rollup"
	done | awk '$1 == "Pss:" { sum += $2 } END { print sum + 0 }'
}

# --- is it on disk before the answer? ---

strace_pid=''
# An ordinary user may be forbidden to attach (kernel.yama.ptrace_scope): then it ends at once.
strace_began() {
	has_ended "$strace_pid" && return 2
	grep -q attached "$work/strace.err"
}

# count_syncs BACK - one connection puts some values, one after the other: how many syncs were there?
count_syncs() {
	local process n=50 asked=0 syncs pid
	local -a request=() traced=()
	request_of "$1" put
	for process in ${processes_of[$1]}; do
		for pid in ${process#*:}; do
			traced+=(-p "${pid//,/ -p }")
		done
	done
	: >"$work/strace.err"
	# shellcheck disable=SC2068 # "PID -p PID" is words
	strace -f -o "$work/strace.out" -e trace=fsync,fdatasync,msync,sync_file_range ${traced[@]} 2>"$work/strace.err" &
	strace_pid=$!
	if ! until_true strace_began; then
		say "syncs of $1 are not counted: $(cat "$work/strace.err")"
		strace_pid=''
		return
	fi
	# shellcheck disable=SC2046
	set -- "$1" $(http_load -c 1 -n $n -f 9000000 -H "${headers_of[$1]:-/dev/null}" "${request[@]}" "${address_of[$1]}")
	asked=$2
	[ "$asked $7 $9" = "$n 0 0" ] || broken "$1: puts under strace failed: $*"
	stop_pid "$strace_pid" INT
	strace_pid=''
	syncs=$(grep -cE '(fsync|fdatasync|msync|sync_file_range)\(' "$work/strace.out")
	note syncs "$1" "$asked" "$syncs"
	printf '.' >&2
}

# --- many pairs in one call, and the others beside it ---

pairs=10000
# bulk_json BYTES - so many pairs with values of so many bytes.
bulk_json() {
	awk -v n=$pairs -v value="$(letters "$1")" 'BEGIN {
		for (i = 0; i < n; i++) printf "%s{\"key\":\"bulk:%05d\",\"value\":\"%s\"}", (i == 0 ? "[" : ","), i, value
		print "]"
	}'
}

# bulk FILE - one call; its seconds.
bulk() {
	curl -s --max-time 60 -o "$work/bulk_answer" -w '%{time_total}' -X PUT "$url$rest/bulk" \
		-H "@$work/as_server" -H 'Content-Type: application/json' --data-binary "@$1"
}

measure_bulk() {
	local took
	took=$(bulk "$work/bulk.json")
	[ "$(member .result.successful_key_count <"$work/bulk_answer")" = $pairs ] ||
		broken "bulk put: $(head -c 300 "$work/bulk_answer")"
	note bulk "$1" ours "$(awk -v n=$pairs -v s="$took" 'BEGIN { printf "%.0f", n / s }')"
	printf '.' >&2
}

measure_redis_bulk() {
	local begin end
	begin=$(date +%s%N)
	redis --pipe <"$work/bulk.redis" >"$work/bulk_answer" 2>&1
	end=$(date +%s%N)
	grep -q "errors: 0, replies: $pairs" "$work/bulk_answer" || broken "redis-cli --pipe: $(head -c 300 "$work/bulk_answer")"
	note bulk "$1" redis "$(awk -v n=$pairs -v ns=$((end - begin)) 'BEGIN { printf "%.0f", n / ns * 1e9 }')"
	printf '.' >&2
}

# bulk_rounds ROUNDS - 10,000 pairs of 200 B in one call, and the same by redis-cli --pipe.
bulk_rounds() {
	local round
	bulk_json 200 >"$work/bulk.json"
	bulk_json 9900 >"$work/bulk_large.json"		# 99 MB
	awk -v n=$pairs -v value="$(letters 200)" 'BEGIN {
		for (i = 0; i < n; i++)
			printf "*3\r\n$3\r\nSET\r\n$10\r\nbulk:%05d\r\n$%d\r\n%s\r\n", i, length(value), value
	}' >"$work/bulk.redis"
	for round in $(seq "$1"); do
		if [ $((round % 2)) -eq 1 ]; then measure_bulk "$round"; measure_redis_bulk "$round"
		else measure_redis_bulk "$round"; measure_bulk "$round"; fi
	done
}

# One call behind the other until it is told to stop; the call that is under way then still ends.
load_in_bulk() {
	local stop=''
	trap 'stop=yes' TERM
	while [ -z "$stop" ]; do
		bulk "$1" >/dev/null || exit 1
	done
}

# measure_paced ROUND NAME - 32 connections, each asks a hundred times a second.
measure_paced() {
	local round=$1 name=$2
	# shellcheck disable=SC2046
	set -- $(http_load -c 32 -a 10 -s $((2 * seconds)) -g /sdk/v1/kv/bench:get -H "$work/as_user" "${address_of[ours]}")
	[ $# -eq 13 ] || broken "no load beside bulk puts"
	note paced "$round" "$name" "$(awk -v n="$1" -v s="$2" 'BEGIN { printf "%.0f", n / s }')" "$3" "$4" $(($6 + $8))
	[ $(($6 + $8)) -eq 0 ] || failed=yes
	printf '.' >&2
}

# paced_rounds ROUNDS - GETs alone, beside bulk puts of 2 MB and of 99 MB.
paced_rounds() {
	local round load
	for round in $(seq "$1"); do
		for load in alone beside_small beside_large; do
			case $load in
			beside_small) load_in_bulk "$work/bulk.json" & loader_pid=$! ;;
			beside_large) load_in_bulk "$work/bulk_large.json" & loader_pid=$! ;;
			esac
			measure_paced "$round" $load
			if [ -n "$loader_pid" ]; then
				kill -TERM "$loader_pid"
				wait "$loader_pid" || broken "a bulk call failed: $(head -c 300 "$work/bulk_answer")"
				loader_pid=''
			fi
		done
	done
}

# --- memory beside the cache ---

# memory_of_small ROUND PORT - a tmakvd with the smallest cache there is (1 MiB; Berkeley DB takes a quarter more), so that
# what it has grown by after all kinds of load is not the cache: before, with nothing in it, and after.
memory_of_small() {
	local load empty place=small$1
	[ -z "$place_pid" ] || with_place slow stop_server || broken "tmakvd did not end well"
	with_place "$place" start_server write_limit=0 cache_size=1M
	address_of[small]=127.0.0.1:$2 processes_of[small]=tmakvd:$(with_place "$place" server_pid)
	start_front_at "$work/mf$1" "127.0.0.1:$2" "$work/$place/s"
	front_of[small]=$bench_front
	until_true front_serves "127.0.0.1:$2" /.well-known/jwks.json || broken "nginx does not answer"
	empty=$(pss_kib "${processes_of[small]#*:}")
	with_place "$place" sign_in small bench
	fill_ours small
	fill_random small
	for load in get list put put_hot put_random mix get_large put_large thousand; do
		seconds=1 measure 0 $load small
	done
	note grown "$1" "$empty" "$(pss_kib "${processes_of[small]#*:}")"
}

# --- what stands in the report's head ---

# note_facts SECONDS
note_facts() {
	note fact date "$(date -u +%F)"
	note fact machine "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
	note fact memory "$(awk '$1 == "MemTotal:" { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
	note fact kernel "$(uname -sr)"
	note fact system "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
	note fact disk "$(stat -f -c %T "$work")"
	note fact sync_us "$(dd if=/dev/zero of="$work/dd" bs=4096 count=300 oflag=dsync 2>&1 | awk '/copied/ { printf "%.0f", $(NF - 3) / 300 * 1e6 }')"
	note fact version "$("$TMAKVD" -V 2>/dev/null | head -1)"
	note fact commit "$(cd "$top_srcdir" && git log -1 --format=%h 2>/dev/null)"
	note fact nginx "$(nginx -v 2>&1 | sed 's/.*nginx.//')"
	note fact redis "$(redis-server --version | sed 's/.* v=\([^ ]*\).*/\1/')"
	note fact webdis "$(dpkg-query -W -f '${Version}' webdis 2>/dev/null | sed 's,[+-].*,,')"
	[ -z "${peer_node:-}" ] || note fact packages ", Node.js $("$peer_node" --version | tr -d v), $(jq -r '.dependencies | to_entries | map(.key + " " + .value) | join(", ")' \
		"$top_srcdir/tests/bench/peers/package.json")"
	note fact compiler "$(gcc --version | head -1)"
	note fact command "$command"
	note fact rounds "$rounds"
	note fact seconds "$seconds"
	note fact connections "$connections"
	note fact took "$1"
	note fact load_before "$load_before"
}
