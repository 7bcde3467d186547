# shellcheck shell=bash disable=SC2034
# backs.sh - for tests/bench/run: who is measured, where each of them answers, and what asks them for what.
#
# Each back has a name. These say the rest of it:
declare -A address_of	# 127.0.0.1:PORT of its nginx
declare -A front_of	# that nginx's master process
declare -A processes_of	# NAME:PID of what is behind it, more than one with spaces; PID,PID: taken together
declare -A headers_of	# a file of header lines: who asks

null_pid=''
place_pid='' main_work='' main_pid=''	# with_place
fronts=''

# start_front_at FOLDER ADDRESS SOCKET - sets bench_front: an nginx as shipped, with a folder of its own.
start_front_at() {
	"$top_srcdir/conf/front.sh" "$1" "$2" "$3" >"$1.log" 2>&1 &
	bench_front=$!
	fronts+=" $bench_front"
}

# start_front_of_one FOLDER ADDRESS SOCKET - the same with one worker process.
start_front_of_one() {
	mkdir -p "$1.conf/conf" "$1.conf/nginx"
	cp "$top_srcdir/conf/front.sh" "$1.conf/conf"
	cp "$top_srcdir"/nginx/*.conf "$1.conf/nginx"
	sed -i 's/^worker_processes auto;/worker_processes 1;/' "$1.conf/nginx/nginx.conf"
	"$1.conf/conf/front.sh" "$1" "$2" "$3" >"$1.log" 2>&1 &
	bench_front=$!
	fronts+=" $bench_front"
}

# front_serves ADDRESS PATH
front_serves() {
	curl -sf -o /dev/null "http://$1$2"
}

# with_place PLACE COMMAND... - lib.sh's functions work on the server in that folder: $work/PLACE.
with_place() {
	local place=$1 rc=0
	shift
	main_work=$work main_pid=$tmakvd_pid
	[ -d "$work/$place" ] || mkdir -m 711 "$work/$place"
	work=$work/$place tmakvd_pid=$place_pid
	"$@" || rc=$?
	place_pid=$tmakvd_pid
	work=$main_work tmakvd_pid=$main_pid main_work=''
	return $rc
}

# sign_in BACK NAME - a project of this name, a user and an API key. Sets USER_TOKEN, account and PROJECT_ID.
sign_in() {
	local data
	make_project "$2"
	data=$(init_data)
	USER_TOKEN=$(curl -s "http://${address_of[$1]}/sdk/v1/auth/validate" -d "{\"initData\":\"$data\",\"projectId\":\"$PROJECT\"}" | member .data.jwt)
	[ -n "$USER_TOKEN" ] || broken "no token"
	printf 'Authorization: Bearer %s\r\n' "$USER_TOKEN" >"$work/as_user"
	printf 'Authorization: Bearer %s\r\n' "$API_KEY" >"$work/as_server"
	headers_of[$1]=$work/as_user
}

# start_ours PORT - ours, behind a front as shipped and one with one worker process; the null responder; and ours with
# a slow disk: four ports from PORT on. An API key can be written to at any rate here: no write limit.
start_ours() {
	start_server write_limit=0
	address_of[ours]=127.0.0.1:$1
	start_front_at "$work/tf" "127.0.0.1:$1" "$work/s"
	front_of[ours]=$bench_front
	until_true front_serves "127.0.0.1:$1" /.well-known/jwks.json || broken "nginx does not answer"
	sign_in ours bench
	processes_of[ours]=tmakvd:$(server_pid)
	start_front_of_one "$work/of" "127.0.0.1:$(($1 + 3))" "$work/s"
	front_of[one]=$bench_front address_of[one]=127.0.0.1:$(($1 + 3)) processes_of[one]=${processes_of[ours]}
	headers_of[one]=$work/as_user
	until_true front_serves "127.0.0.1:$(($1 + 3))" /.well-known/jwks.json || broken "nginx does not answer"

	"$top_builddir/tests/bench/null_responder" -s "$work/n" &
	null_pid=$!
	[ "$(id -u)" -ne 0 ] || { until_true test -S "$work/n" && chgrp www-data "$work/n" && chmod 660 "$work/n"; }
	start_front_at "$work/nf" "127.0.0.1:$(($1 + 1))" "$work/n"
	front_of[null]=$bench_front address_of[null]=127.0.0.1:$(($1 + 1)) processes_of[null]=null_responder:$null_pid
	headers_of[null]=$work/as_user
	until_true front_serves "127.0.0.1:$(($1 + 1))" /null || broken "the null responder's nginx does not answer"

	# The REST door's address of this project.
	local account
	account=$(curl -s "http://${address_of[ours]}/client/v4/accounts" -H "@$work/as_server" | member '.result[0].id')
	[ -n "$account" ] || broken "no account"
	rest=/client/v4/accounts/$account/storage/kv/namespaces/${PROJECT_ID//-/}
	start_slow $(($1 + 2))
}

# start_slow PORT - another tmakvd, whose syncs take 2 ms longer and which remembers few tokens; $work/tokens has eight
# times as many, of users who have signed in, so that each is new when its turn comes again.
remembered_tokens=512
start_slow() {
	local main_project=$PROJECT_ID main_key=$API_KEY main_token=$USER_TOKEN main_bot=$BOT_TOKEN main_name=$PROJECT
	WRAP="env SLOW_SYNC_MS=2 LD_PRELOAD=$top_builddir/tests/bench/slow_sync.so" with_place slow start_server write_limit=0 token_cache=$remembered_tokens
	grep -q slow_sync "/proc/$(with_place slow server_pid)/maps" || broken "the slow disk is as fast as any"
	address_of[slow]=127.0.0.1:$1
	start_front_at "$work/sf" "127.0.0.1:$1" "$work/slow/s"
	front_of[slow]=$bench_front
	until_true front_serves "127.0.0.1:$1" /.well-known/jwks.json || broken "nginx does not answer"
	with_place slow sign_in slow bench
	processes_of[slow]=tmakvd:$(with_place slow server_pid)
	say "signing users in"
	make_tokens $((8 * remembered_tokens))
	PROJECT_ID=$main_project API_KEY=$main_key USER_TOKEN=$main_token BOT_TOKEN=$main_bot PROJECT=$main_name
}

# make_tokens N - $work/tokens, one a line: so many users sign in at the slow back.
make_tokens() {
	printf '%s\n' "$BOT_TOKEN" | "$top_builddir/tests/bench/sign_many" "$1" |
		awk -v url="http://${address_of[slow]}/sdk/v1/auth/validate" -v project="$PROJECT_ID" '
			{ printf "%surl = \"%s\"\ndata = \"{\\\"initData\\\":\\\"%s\\\",\\\"projectId\\\":\\\"%s\\\"}\"\n", (NR > 1 ? "next\n" : ""), url, $0, project }' >"$work/sign_in.curl"
	curl -s -K "$work/sign_in.curl" | jq -r '.data.jwt // empty' >"$work/tokens"
	[ "$(sort -u "$work/tokens" | wc -l)" -eq "$1" ] || broken "not every user has a token of his own"
}

# fill_ours BACK - what is read later. The random keys come by bulk; no other back has that.
fill_ours() {
	local i
	put_at "$1" bench:get "$work/value"
	put_at "$1" bench:large "$work/large_value"
	for i in $(seq 100); do put_at "$1" "list:$i" "$work/small_value"; done
}

# put_at BACK KEY FILE
put_at() {
	curl -sf -o /dev/null -X PUT "http://${address_of[$1]}/sdk/v1/kv/$2" -H "@${headers_of[$1]}" \
		--data-binary "@$3" || broken "$1: cannot write"
}

# fill_random BACK - the keys of which put_random takes any.
fill_random() {
	wanted put_random || wanted memory || return 0
	local -a request=()
	request_of "$1" put_random
	request=("${request[@]//\?$random_keys/#$random_keys}")
	# shellcheck disable=SC2046
	set -- $(http_load -c 16 -n $random_keys "${request[@]}" -H "${headers_of[$1]:-/dev/null}" "${address_of[$1]}") "$1"
	[ $# -eq 14 ] && [ "$1 $6 $8" = "$random_keys 0 0" ] || broken "filling: $*"
}

stop_ours() {
	local pid
	for pid in $fronts $null_pid; do
		stop_pid "$pid" TERM
	done
	[ -z "$place_pid" ] || stop_pid "$place_pid" TERM
}

# know_peers - what peers.sh has started: where each of them answers, and what is behind its nginx. All get the same
# headers, whether they look at them or not.
know_peers() {
	local name pid
	for name in file redis sqlite miniflare; do
		address_of[$name]=${peer_url[${name/file/files}]#http://}
		front_of[$name]=$peer_front_pid headers_of[$name]=$work/as_user
	done
	for name in redis sqlite miniflare; do
		# Those of one program are taken together.
		processes_of[$name]=$(for pid in $(peer_pids $name); do
			echo "$(process_name "$pid") $pid"
		done | awk '{ pids[$1] = pids[$1] (pids[$1] == "" ? "" : ",") $2 }
			END { for (name in pids) printf "%s:%s ", name, pids[name] }')
		fill_random $name
	done
}

# process_name PID - of its program; Node.js gives itself another.
process_name() {
	local path
	path=$(readlink "/proc/$1/exe")
	path=${path##*/}
	printf "%s" "${path%-check-rdb}"
}

# --- what asks for what ---

random_keys=2000
# request_of BACK LOAD - sets request: the arguments of http_load.
request_of() {
	local read=/sdk/v1/kv/ write=/sdk/v1/kv/ list="/sdk/v1/kv?prefix=list:" text='' good='"success":true'
	case $1 in
	redis) read=/redis/GET/ write=/redis/SET/ list=/redis/LRANGE/list/0/-1 text=.txt good='[true,"OK"]' ;;
	esac
	case $1/$2 in
	null/*) request=(-g /get) ;;
	file/get_large) request=(-g /files/large) ;;
	file/*) request=(-g /files/get) ;;
	*/get_new) request=(-g "${read}bench:get" -T "$work/tokens") ;;
	*/list) request=(-g "$list") ;;
	*/get_large) request=(-g "${read}bench:large$text") ;;
	*/put) request=(-p "${write}put:#10000000" -b "$work/value" -m "$good") ;;
	*/put_random) request=(-p "${write}random:?$random_keys" -b "$work/value" -m "$good") ;;
	*/put_hot) request=(-p "${write}bench:hot" -b "$work/value" -m "$good") ;;
	*/put_large) request=(-p "${write}large:?100" -b "$work/large_value" -m "$good") ;;
	*/mix | */mix_slow) request=(-g "${read}bench:get$text" -p "${write}mix:#10000000" -b "$work/value" -m "$good") ;;
	*/rest_get) request=(-g "$rest/values/bench:get") ;;
	*/rest_list) request=(-g "$rest/keys?prefix=list:") ;;
	*/rest_large) request=(-g "$rest/values/bench:large") ;;
	*) request=(-g "${read}bench:get$text") ;;
	esac
}
