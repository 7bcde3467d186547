# shellcheck shell=bash
# peers.sh - for tests/bench/run: what others do with the same bytes on the same machine.
#
# nginx serving them from files, and nginx -> webdis -> redis with appendfsync always. The redis asks
# nobody who he is, checks no JSON and keeps no order of keys, so it has less to do than tmakvd.

redis_pid='' webdis_pid='' peer_front_pid='' peer_url=''

# peer_file NAME PEER_PORT WEBDIS_PORT - the file with this run's places in it.
peer_file() {
	sed -e "s|FOLDER|$work/peers|g" -e "s|PEER_PORT|$2|g" -e "s|WEBDIS_PORT|$3|g" \
		-e "s|TMAKV_NGINX|$top_srcdir/nginx|g" "$top_srcdir/tests/bench/$1"
}

# peers_start PEER_PORT WEBDIS_PORT - sets peer_url.
peers_start() {
	local folder=$work/peers file
	mkdir -p "$folder/log" "$folder/run" "$folder/tmp" "$folder/www/files"
	chmod 711 "$folder"
	for file in peers-nginx.conf peers-redis.conf peers-webdis.json; do
		peer_file $file "$1" "$2" >"$folder/$file"
	done
	redis-server "$folder/peers-redis.conf" >/dev/null 2>&1 &
	redis_pid=$!
	until_true redis ping || broken "redis does not answer"
	webdis "$folder/peers-webdis.json" >/dev/null 2>&1 &
	webdis_pid=$!
	local directives='daemon off;'
	[ "$(id -u)" -ne 0 ] || directives="$directives user www-data;"
	nginx -p "$folder" -c "$folder/peers-nginx.conf" -e stderr -g "$directives" >"$work/peers-nginx.log" 2>&1 &
	peer_front_pid=$!
	peer_url=http://127.0.0.1:$1
	until_true curl -sf -o /dev/null "$peer_url/redis/PING" || broken "webdis does not answer"
}

redis() {
	redis-cli -s "$work/peers/redis.sock" "$@"
}

# peers_fill - the values that are read: $work/value and $work/large_value, ours as they come out of our door.
# A list of redis is what gives 100 names for least: it finds no prefix and keeps no order.
peers_fill() {
	local i
	redis -x SET bench:get <"$work/value" >/dev/null
	redis -x SET bench:large <"$work/large_value" >/dev/null
	for i in $(seq 100); do echo "RPUSH list list:$i"; done | redis >/dev/null
	curl -s "$url/sdk/v1/kv/bench:get" -H "@$work/as_user" >"$work/peers/www/files/get"
	curl -s "$url/sdk/v1/kv/bench:large" -H "@$work/as_user" >"$work/peers/www/files/large"
	chmod 755 "$work/peers/www" "$work/peers/www/files"
	chmod 644 "$work/peers/www/files"/*
}

peers_stop() {
	local pid
	for pid in $peer_front_pid $webdis_pid $redis_pid; do
		stop_pid "$pid" TERM
	done
}
