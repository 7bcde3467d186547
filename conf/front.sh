#!/bin/sh
# front.sh - an nginx of ours in front of a tmakvd, in a folder of its own:
#
#     conf/front.sh DIR LISTEN SOCKET [BINDING [OPERATOR]]
#
# Copies nginx/ into DIR, puts LISTEN (what follows nginx's word `listen`: 127.0.0.1:8480 or
# unix:/path) and SOCKET (tmakvd's) into the copies, and becomes nginx in the foreground:
# the process that was started here is its master. TERM stops it at once, QUIT politely.
# BINDING is LISTEN for the binding door (default: unix:DIR/binding.sock), OPERATOR that for the operator's
# door (default: unix:DIR/operator.sock).
# With TMAKV_PAGE=FOLDER that folder is served as a page at /demo/, as conf/miniapp/miniapp.conf says.
# The demo and all tests begin with it, so what they try is what is shipped; but for one thing, with
# TMAKV_LOG_AT_ONCE=yes: each line of the access log is written as soon as it is known.
set -eu

[ $# -ge 3 ] && [ $# -le 5 ] || { echo "usage: front.sh DIR LISTEN SOCKET [BINDING [OPERATOR]]" >&2; exit 64; }
dir=$1 listen=$2 socket=$3 binding=${4:-unix:$1/binding.sock} operator=${5:-unix:$1/operator.sock}
source=$(cd "$(dirname "$0")/../nginx" && pwd)

case $dir$listen$socket$binding$operator in
*[!A-Za-z0-9_./:@%+=,-]*) echo "front.sh: nginx takes no spaces or signs in these: $*" >&2; exit 64 ;;
esac

# An ordinary user's PATH has no sbin.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
command -v nginx >/dev/null || { echo "front.sh: nginx is not installed. On Debian: apt-get install nginx-light" >&2; exit 69; }

at_once=''
[ "${TMAKV_LOG_AT_ONCE:-}" != yes ] || at_once='s| buffer=64k flush=1s;|;|'

umask 022	# www-data has to get through
mkdir -p "$dir/log" "$dir/run" "$dir/tmp" "$dir/nginx"
for file in "$source"/*.conf; do
	sed -e "s|unix:/run/tmakv/tmakv\\.sock|unix:$socket|" -e "s|listen 127\\.0\\.0\\.1:8480|listen $listen|" \
		-e "s|listen 127\\.0\\.0\\.1:8482|listen $binding|" -e "s|listen 127\\.0\\.0\\.1:8481|listen $operator|" \
		-e "s|/usr/share/tmakv/admin|$dir/admin|" -e "$at_once" "$file" >"$dir/nginx/${file##*/}"
done
# The page. A copy, because www-data may not see where this is.
rm -rf "$dir/admin"
[ ! -d "$source/admin" ] || cp -R "$source/admin" "$dir/admin"
if [ -n "${TMAKV_PAGE:-}" ]; then
	rm -rf "$dir/miniapp"
	cp -R "$TMAKV_PAGE" "$dir/miniapp"
	sed "s|/usr/share/tmakv/miniapp/|$dir/miniapp/|" "$source/../conf/miniapp/miniapp.conf" >"$dir/nginx/miniapp.conf"
	sed -i 's|^        include tmakv\.conf;|&\n        include miniapp.conf;|' "$dir/nginx/nginx.conf"
fi
rm -f "$dir/binding.sock" "$dir/operator.sock"	# nginx does not take over what one that was killed has left

# As root the workers are www-data, as on any Debian: tmakvd's socket lets that group in, and a
# front server that reads what strangers send should not be root. An ordinary user stays one.
directives='daemon off;'
[ "$(id -u)" -ne 0 ] || directives="$directives user www-data;"
exec nginx -p "$dir" -c "$dir/nginx/nginx.conf" -e stderr -g "$directives"
