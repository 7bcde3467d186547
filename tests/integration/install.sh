#!/usr/bin/env bash
# install.sh - make install and make uninstall, as for a package and as for /usr/local; what has paths in it has those.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
make_work
unset MAKEFLAGS MAKELEVEL

# into FOLDER TARGET... [VARIABLE=VALUE...]
into() {
	local folder=$1
	shift
	make -s -C "$top_builddir" "$@" DESTDIR="$folder" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; fail "make $*"; }
}

# is MODE FILE - below $tree.
is() { [ "$(stat -c %a "$tree$2" 2>/dev/null)" = "$1" ] || fail "$2 is not there with mode $1"; }

files() { (cd "$tree" && find . ! -type d | sort); }

it "installs what a package needs, where a Debian has it"
tree=$work/debian
debian=(prefix=/usr sysconfdir=/etc localstatedir=/var systemdsystemunitdir=/lib/systemd/system)
into "$tree" install "${debian[@]}"
is 755 /usr/sbin/tmakvd
is 755 /usr/bin/tmakvctl
is 640 /etc/tmakv/tmakv.conf
for file in /lib/systemd/system/tmakv.service /lib/systemd/system/tmakv.socket /usr/lib/sysusers.d/tmakv.conf \
	/usr/lib/tmpfiles.d/tmakv.conf /etc/nginx/conf.d/tmakv-http.conf /etc/nginx/sites-available/tmakv \
	/etc/nginx/snippets/tmakv.conf /usr/share/bash-completion/completions/tmakvctl /usr/share/man/man8/tmakvd.8 \
	/usr/share/man/man8/tmakvctl.8 /usr/share/man/man5/tmakv.conf.5; do
	is 644 "$file"
done
for file in "$top_srcdir"/nginx/admin/*; do is 644 "/usr/share/tmakv/admin/${file##*/}"; done
find "$tree" -type f ! -perm 644 ! -perm 755 ! -path '*/tmakv.conf' | grep . >&2 && fail "those have other modes"
for file in "$tree/lib/systemd/system/tmakv.service" "$tree/lib/systemd/system/tmakv.socket"; do
	cmp "$file" "$top_srcdir/conf/systemd/${file##*/}" || fail "the paths of ${file##*/} are not Debian's"
done

it "installs nginx's files so that nginx takes them, beside a site that is there"
mkdir -p "$work/nginx/log"
sed -e "s|unix:/run/tmakv/tmakv.sock|unix:$work/s|" -i "$tree/etc/nginx/conf.d/tmakv-http.conf"
sed -e "s|/var/log/nginx|$work/nginx/log|" -e "s|/etc/nginx/snippets|$tree&|" -e 's|127.0.0.1:848\([0-9]\) |unix:'"$work"'/\1 |; s|127.0.0.1:848\([0-9]\);|unix:'"$work"'/\1;|' \
	-i "$tree/etc/nginx/sites-available/tmakv"
sed -e "s|/etc/nginx/snippets|$tree&|" -i "$tree"/etc/nginx/snippets/*.conf
cat >"$work/nginx/nginx.conf" <<EOT
pid $work/nginx/pid;
events { worker_connections 768; }
http {
	access_log off;
	include $tree/etc/nginx/conf.d/*.conf;
	include $tree/etc/nginx/sites-available/*;
	server { listen unix:$work/own; include $tree/etc/nginx/snippets/tmakv.conf; }
	server { listen unix:$work/binding; include $tree/etc/nginx/snippets/tmakv-binding.conf; }
}
EOT
nginx -t -q -p "$work/nginx" -c "$work/nginx/nginx.conf" -e stderr || fail "nginx does not take them"

it "keeps settings that were changed, when it installs and when it uninstalls"
echo 'workers = 3' >>"$tree/etc/tmakv/tmakv.conf"
into "$tree" install "${debian[@]}"
grep -qx 'workers = 3' "$tree/etc/tmakv/tmakv.conf" || fail "they are gone"
into "$tree" uninstall "${debian[@]}"
[ "$(files)" = ./etc/tmakv/tmakv.conf ] || fail "this is left: $(files)"

it "puts the paths of another prefix into every file, and takes all away again"
tree=$work/local
paths=(prefix=/opt/kv sysconfdir=/opt/kv/etc)
into "$tree" install "${paths[@]}"
is 755 /opt/kv/sbin/tmakvd
[ "$(cd "$tree" && echo *)" = opt ] || fail "there is something elsewhere: $(files)"
grep -rnE '/usr/(sbin|bin)/tmakv|/usr/share/tmakv|(^|[^v])/etc/tmakv|include tmakv' "$tree/opt/kv/etc/nginx" "$tree/opt/kv/lib" >&2 &&
	fail "those are Debian's"
# What they name is there; what a variable or a unit's instance stands for is not looked at.
grep -rhoE '/opt/kv/[A-Za-z0-9/._-]+[A-Za-z0-9]' "$tree/opt/kv/lib" "$tree/opt/kv/etc/nginx" | sort -u >"$work/named"
grep -q /opt/kv/sbin/tmakvd "$work/named" || fail "no unit names tmakvd"
while read -r path; do
	case $path in */secrets.d | */secrets.d/*) continue ;; esac
	[ -e "$tree$path" ] || fail "they name $path, and it is not there"
done <"$work/named"
into "$tree" uninstall "${paths[@]}"
[ -z "$(files)" ] || fail "this is left: $(files)"

it "says what is next, where it is not for a package"
into "" install prefix="$work/here" sysconfdir="$work/here/etc"
grep -qF "include $work/here/etc/nginx/snippets/tmakv.conf;" "$work/log" && [ -e "$work/here/etc/nginx/snippets/tmakv.conf" ] ||
	fail "it does not: $(cat "$work/log")"
