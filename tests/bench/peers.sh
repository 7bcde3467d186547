# shellcheck shell=bash
# peers.sh - for tests/bench/run: what others do with the same bytes on the same machine. README.md says
# how each is set up, and why that is fair.
#
#     files      nginx serving the bodies of our answers
#     redis      nginx -> webdis -> redis with appendfsync always. It asks nobody who he is, checks no JSON
#                and keeps no order of keys, so it has less to do than tmakvd.
#     sqlite     nginx -> Node.js, hono, jose, better-sqlite3
#     miniflare  nginx -> workerd, hono, requireUser() of @tma.sh/sdk, miniflare's KV namespace
#
#     peers_install                once, before anything is measured
#     peers_start PORT             ours answers at $url; takes four ports from PORT on
#     ${peer_url[sqlite]}          where one is asked: the paths of files are /files/get, of redis /redis/GET/KEY.txt,
#                                  of sqlite and miniflare ours, /sdk/v1/kv/KEY, with tokens of ours
#     peer_pids sqlite             its processes behind nginx, now; $peer_front_pid is nginx for all of them
#     peers_fill                   what is read; then asks each once and ends the benchmark when an answer is wrong
#     peers_stop

declare -A peer_url=() peer_root=()
peer_front_pid=''
sqlite_processes=$(nproc)

peers_install() {
	peer_node=$("$top_srcdir/tests/node/install.sh" "$top_srcdir/tests/bench/peers") || broken "no Node packages"
}

# peer_start NAME COMMAND... - in the background; its output goes to a log of its own.
peer_start() {
	local name=$1
	shift
	"$@" >"$work/peers/$name.log" 2>&1 &
	peer_root[$name]+="$! "
}

# peer_file NAME PORT - the file with this run's places in it.
peer_file() {
	local servers='' i
	for i in $(seq "$sqlite_processes"); do
		servers+="server unix:$work/peers/sqlite.$i.sock max_fails=0; "
	done
	sed -e "s|FOLDER|$work/peers|g" -e "s|TMAKV_NGINX|$top_srcdir/nginx|g" -e "s|SQLITE_SERVERS|$servers|g" \
		-e "s|MINIFLARE_ADDRESS|$(cat "$work/peers/miniflare.address" 2>/dev/null)|g" \
		-e "s|PEER_PORT|$2|g" -e "s|WEBDIS_PORT|$(($2 + 1))|g" \
		-e "s|SQLITE_PORT|$(($2 + 2))|g" -e "s|MINIFLARE_PORT|$(($2 + 3))|g" \
		"$top_srcdir/tests/bench/$1" >"$work/peers/$1"
}

# start_redis PORT / start_sqlite / start_miniflare - without its nginx.
start_redis() {
	peer_file peers-redis.conf "$1"
	peer_file peers-webdis.json "$1"
	peer_start redis redis-server "$work/peers/peers-redis.conf"
	until_true redis ping || broken "redis does not answer"
	peer_start redis webdis "$work/peers/peers-webdis.json"
}

start_sqlite() {
	local i
	for i in $(seq "$sqlite_processes"); do
		peer_start sqlite env NODE_ENV=production "$peer_node" "$top_srcdir/tests/bench/peers/sqlite.mjs" \
			"$work/peers/sqlite.$i.sock" "$work/peers/kv.sqlite" "$work/peers/jwks.json" "$PROJECT_ID"
		until_true test -S "$work/peers/sqlite.$i.sock" || broken "node with better-sqlite3 does not start: $(cat "$work/peers/sqlite.log")"
	done
}

start_miniflare() {
	peer_start miniflare env NODE_ENV=production "$peer_node" "$top_srcdir/tests/bench/peers/miniflare.mjs" \
		"$work/peers/miniflare.address" "$work/peers/miniflare" "$work/peers/jwks.json" "$PROJECT_ID"
	until_true test -s "$work/peers/miniflare.address" || broken "miniflare does not start: $(cat "$work/peers/miniflare.log")"
}

# peers_start PORT - sets peer_url and peer_front_pid.
peers_start() {
	local folder=$work/peers directives='daemon off;'
	mkdir -p "$folder/log" "$folder/run" "$folder/tmp" "$folder/www/files"
	chmod 711 "$folder"
	curl -sf "$url/.well-known/jwks.json" >"$folder/jwks.json" || broken "no JWKS for the peers"
	start_redis "$1"
	start_sqlite
	start_miniflare
	peer_file peers-nginx.conf "$1"
	[ "$(id -u)" -ne 0 ] || directives="$directives user www-data;"
	nginx -p "$folder" -c "$folder/peers-nginx.conf" -e stderr -g "$directives" >"$work/peers-nginx.log" 2>&1 &
	peer_front_pid=$!
	peer_url=([files]=http://127.0.0.1:$1 [redis]=http://127.0.0.1:$1
		[sqlite]=http://127.0.0.1:$(($1 + 2)) [miniflare]=http://127.0.0.1:$(($1 + 3)))
	until_true curl -sf -o /dev/null "${peer_url[redis]}/redis/PING" || broken "webdis does not answer"
}

# peer_pids NAME - its processes behind nginx, with what they started themselves (workerd).
peer_pids() {
	local pid
	for pid in ${peer_root[$1]:-}; do
		process_tree "$pid"
	done
}

process_tree() {
	local child
	echo "$1"
	for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		process_tree "$child"
	done
}

redis() {
	redis-cli -s "$work/peers/redis.sock" "$@"
}

# peers_fill - the values that are read: $work/value and $work/large_value, ours as they come out of our door; $work/as_user
# has the token. A list of redis is what gives 100 names for least: it finds no prefix and keeps no order.
peers_fill() {
	local i name
	redis -x SET bench:get <"$work/value" >/dev/null
	redis -x SET bench:large <"$work/large_value" >/dev/null
	for i in $(seq 100); do echo "RPUSH list list:$i"; done | redis >/dev/null
	curl -s "$url/sdk/v1/kv/bench:get" -H "@$work/as_user" >"$work/peers/www/files/get"
	curl -s "$url/sdk/v1/kv/bench:large" -H "@$work/as_user" >"$work/peers/www/files/large"
	chmod 755 "$work/peers/www" "$work/peers/www/files"
	chmod 644 "$work/peers/www/files"/*
	for name in sqlite miniflare; do
		peer_put $name bench:get "@$work/value"
		peer_put $name bench:large "@$work/large_value"
		for i in $(seq 100); do peer_put $name "list:$i" '"v"'; done
	done
	peers_check
}

peer_put() {
	curl -sf -o /dev/null -X PUT "${peer_url[$1]}/sdk/v1/kv/$2" -H "@$work/as_user" --data-binary "$3" ||
		broken "cannot write to $1: $(tail -n 5 "$work/peers/$1.log")"
}

# --- do they answer what they should? ---

# peer_says NAME STATUS PATH FILE [CURL-ARGUMENTS...] - to the byte what is in FILE (- : whatever it is).
peer_says() {
	local name=$1 want=$2 path=$3 file=$4 status
	shift 4
	status=$(curl -s -o "$work/peer_answer" -w '%{http_code}' "${peer_url[$name]}$path" "$@")
	[ "$status" = "$want" ] || broken "$name answers $path with $status instead of $want: $(head -c 300 "$work/peer_answer")"
	[ "$file" = - ] || cmp -s "$work/peer_answer" "$file" || broken "$name answers $path with $(head -c 300 "$work/peer_answer")"
}

# peers_check - one that is broken looks fast, or slow, and is neither.
peers_check() {
	local name list='/sdk/v1/kv?prefix=list:' files=$work/peers/www/files
	peer_says files 200 /files/get "$files/get"
	peer_says files 200 /files/large "$files/large"
	peer_says redis 200 /redis/GET/bench:get.txt "$work/value"
	peer_says redis 200 /redis/GET/bench:large.txt "$work/large_value"
	peer_says redis 200 /redis/LRANGE/list/0/-1 -
	[ "$(jq '.LRANGE | length' "$work/peer_answer")" = 100 ] || broken "redis has no list of 100"
	printf '{"success":true,"data":null}' >"$work/peer_done"
	curl -s "$url$list" -H "@$work/as_user" >"$work/peer_list"
	# The same token with another signature.
	sed -E 's/\.([^.]{10})([^.]{10})([^.]*)$/.\2\1\3/' "$work/as_user" >"$work/as_forger"
	for name in sqlite miniflare; do
		peer_says $name 200 /sdk/v1/kv/bench:get "$files/get" -H "@$work/as_user"
		peer_says $name 200 /sdk/v1/kv/bench:large "$files/large" -H "@$work/as_user"
		peer_says $name 200 "$list" "$work/peer_list" -H "@$work/as_user"
		peer_says $name 200 "$list&limit=3" - -H "@$work/as_user"
		[ "$(jq '.data.keys | length' "$work/peer_answer")" = 3 ] || broken "$name does not keep to the limit of a list"
		peer_says $name 401 /sdk/v1/kv/bench:get -
		peer_says $name 401 /sdk/v1/kv/bench:get - -H "@$work/as_forger"
		peer_says $name 400 /sdk/v1/kv/bench:check - -X PUT -H "@$work/as_user" --data-binary '"open'
		peer_says $name 404 /sdk/v1/kv/bench:check - -H "@$work/as_user"
		peer_says $name 200 /sdk/v1/kv/bench:check "$work/peer_done" -X PUT -H "@$work/as_user" --data-binary "@$work/value"
		peer_says $name 200 /sdk/v1/kv/bench:check "$files/get" -H "@$work/as_user"
		peer_says $name 200 /sdk/v1/kv/bench:check "$work/peer_done" -X DELETE -H "@$work/as_user"
		peer_says $name 404 /sdk/v1/kv/bench:check - -H "@$work/as_user"
	done
}

peers_stop() {
	local pid roots=${peer_root[*]}
	for pid in $peer_front_pid $roots; do
		stop_pid "$pid" TERM
	done
}
