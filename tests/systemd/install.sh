#!/bin/sh
# install.sh - what a package installs, into the machine that boot.sh is about to start (its --prepare).
#
# From outside: top_srcdir and top_builddir. The units name the paths of a package; here they get those that the
# build has compiled in.
set -eu

where() {
	sed -n "s/^$1 = //p" "$top_builddir/Makefile"
}
prefix=$(where prefix)
export exec_prefix=$prefix
eval "sbindir=$(where sbindir) bindir=$(where bindir) sysconfdir=$(where sysconfdir)"

# put FILE DESTINATION
put() {
	mkdir -p "${2%/*}"
	sed -e "s|/usr/sbin/tmakvd|$sbindir/tmakvd|g" -e "s|/usr/bin/tmakvctl|$bindir/tmakvctl|g" \
		-e "s|/etc/tmakv|$sysconfdir/tmakv|g" "$top_srcdir/conf/$1" >"$2"
}

cd /
mkdir -p "$sbindir" "$bindir" "$sysconfdir/tmakv"
install -m 755 "$top_builddir/tmakvd" "$sbindir/tmakvd"
install -m 755 "$top_builddir/tmakvctl" "$bindir/tmakvctl"
for unit in tmakv.service tmakv.socket tmakv-backup.service tmakv-backup.timer tmakv-bot@.service; do
	put "systemd/$unit" "/lib/systemd/system/$unit"
done
put init/tmakv.init /etc/init.d/tmakv
put init/tmakv.default /etc/default/tmakv
put init/supervisord.conf /etc/supervisor/conf.d/tmakv.conf
put init/tmakv.run /etc/sv/tmakv/run
chmod 755 /etc/init.d/tmakv /etc/sv/tmakv/run
put systemd/tmakv.sysusers /usr/lib/sysusers.d/tmakv.conf
put systemd/tmakv.tmpfiles /usr/lib/tmpfiles.d/tmakv.conf
systemd-sysusers tmakv.conf 2>/dev/null
install -m 700 -d "$sysconfdir/tmakv/secrets.d"
install -m 640 -g tmakv "$top_srcdir/conf/tmakv.conf" "$sysconfdir/tmakv/tmakv.conf"
rm -rf /var/lib/tmakv /var/backups/tmakv
# Where things are, for who asks in there.
echo "sbindir=$sbindir bindir=$bindir confdir=$sysconfdir/tmakv" >/etc/tmakv-paths
# Only the socket: the server comes with the first request.
systemctl --root=/ -q enable tmakv.socket
