#!/bin/sh
# front-lighttpd.sh - a lighttpd of ours in front of a tmakvd, in a folder of its own:
#
#     conf/front-lighttpd.sh DIR LISTEN SOCKET [BINDING [OPERATOR]]
#
# As conf/front.sh, which see, with conf/lighttpd/: LISTEN is 127.0.0.1:8480 or unix:/path, and so are BINDING and
# OPERATOR (default: unix:DIR/binding.sock, unix:DIR/operator.sock). The process that was started here becomes lighttpd.
set -eu

[ $# -ge 3 ] && [ $# -le 5 ] || { echo "usage: front-lighttpd.sh DIR LISTEN SOCKET [BINDING [OPERATOR]]" >&2; exit 64; }
dir=$1 listen=$2 socket=$3 binding=${4:-unix:$1/binding.sock} operator=${5:-unix:$1/operator.sock}
source=$(cd "$(dirname "$0")/lighttpd" && pwd)

case $dir$listen$socket$binding$operator in
*[!A-Za-z0-9_./:@%+=,-]*) echo "front-lighttpd.sh: no spaces or signs in these: $*" >&2; exit 64 ;;
esac

PATH=$PATH:/usr/sbin:/sbin
command -v lighttpd >/dev/null || { echo "front-lighttpd.sh: lighttpd is not installed. On Debian: apt-get install lighttpd lighttpd-modules-lua" >&2; exit 69; }

umask 022
mkdir -p "$dir/log" "$dir/tmp" "$dir/lighttpd"
rm -f "$dir/binding.sock" "$dir/operator.sock"
cp "$source/tmakv.lua" "$dir/lighttpd/"
sed -e "s|/run/tmakv/tmakv\\.sock|$socket|" -e "s|/etc/lighttpd/|$dir/lighttpd/|" \
	-e "s|\"127\\.0\\.0\\.1:8482\"|\"${binding#unix:}\"|" -e "s|\"127\\.0\\.0\\.1:8481\"|\"${operator#unix:}\"|" \
	"$source/tmakv.conf" >"$dir/lighttpd/tmakv.conf"

user=''
if [ "$(id -u)" -eq 0 ]; then
	chown www-data "$dir/log" "$dir/tmp"
	user='server.username = "www-data"
server.groupname = "www-data"'
fi
case $listen in
unix:*) address="server.bind = \"${listen#unix:}\"" ;;
*) address="server.bind = \"${listen%:*}\"
server.port = ${listen##*:}" ;;
esac
cat >"$dir/lighttpd/lighttpd.conf" <<END
$address
$user
server.document-root = "$dir/tmp"
server.upload-dirs = ( "$dir/tmp" )
server.errorlog = "$dir/log/error.log"
include "tmakv.conf"
server.modules += ( "mod_accesslog" )
accesslog.filename = "$dir/log/access.log"
# No path in it, so no key.
accesslog.format = "%t %a %m %s %I %O %D"
END
exec lighttpd -D -f "$dir/lighttpd/lighttpd.conf"
