#!/bin/sh
# front-apache.sh - an Apache of ours in front of a tmakvd, in a folder of its own:
#
#     conf/front-apache.sh DIR LISTEN SOCKET [BINDING [OPERATOR]]
#
# As conf/front.sh, which see, with conf/apache/; but Apache listens on no Unix sockets: LISTEN, BINDING and OPERATOR are
# addresses like 127.0.0.1:8480, and without the last two those doors are not there. The process that was started here becomes Apache.
set -eu

[ $# -ge 3 ] && [ $# -le 5 ] || { echo "usage: front-apache.sh DIR LISTEN SOCKET [BINDING [OPERATOR]]" >&2; exit 64; }
dir=$1 listen=$2 socket=$3 binding=${4:-} operator=${5:-}
source=$(cd "$(dirname "$0")/apache" && pwd)

case $dir$listen$socket$binding$operator in
*[!A-Za-z0-9_./:@%+=,-]*) echo "front-apache.sh: no spaces or signs in these: $*" >&2; exit 64 ;;
esac

PATH=$PATH:/usr/sbin:/sbin
command -v apache2 >/dev/null || { echo "front-apache.sh: Apache is not installed. On Debian: apt-get install apache2" >&2; exit 69; }
modules=${TMAKV_APACHE_MODULES:-/usr/lib/apache2/modules}

umask 022
mkdir -p "$dir/log" "$dir/run" "$dir/tmp" "$dir/apache"
for door in public ${binding:+binding} ${operator:+operator}; do
	sed -e "s|/run/tmakv/tmakv\\.sock|$socket|" -e "s|TMAKV_DOOR=public|TMAKV_DOOR=$door|" \
		"$source/tmakv.conf" >"$dir/apache/$door.conf"
done

# host ADDRESS DOOR
host() {
	cat <<END
Listen $1
<VirtualHost $1>
    Include apache/$2.conf
</VirtualHost>
END
}

{
	for module in mpm_event authz_core env setenvif unique_id headers proxy proxy_fcgi; do
		echo "LoadModule ${module}_module $modules/mod_$module.so"
	done
	if [ "$(id -u)" -eq 0 ]; then
		printf '%s\n' 'User www-data' 'Group www-data'
	fi
	cat <<END
ServerRoot $dir
ServerName tmakv
PidFile run/apache.pid
DefaultRuntimeDir $dir/run
DocumentRoot $dir/tmp
ErrorLog log/error.log
# No path in it, so no key.
LogFormat "%{%FT%T%z}t %a %m %>s %B %D" tmakv
CustomLog log/access.log tmakv
ServerTokens Prod
ServerSignature Off
ListenBacklog 4096
KeepAliveTimeout 65
MaxKeepAliveRequests 0
Timeout 60
END
	host "$listen" public
	[ -z "$binding" ] || host "$binding" binding
	[ -z "$operator" ] || host "$operator" operator
} >"$dir/apache/apache.conf"
exec apache2 -d "$dir" -f "$dir/apache/apache.conf" -DFOREGROUND
