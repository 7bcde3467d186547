#!/usr/bin/env bash
# build.sh - make deb: the package is built, lintian finds nothing, and it has what it should.
#
# What it made stays in $top_builddir/deb, for install.sh.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
make_work

for program in dpkg-buildpackage dh lintian; do
	command -v "$program" >/dev/null || skip "$program is not installed (conf/need.sh deb)"
done

it "builds"
make -s -C "$top_builddir" deb >"$work/log" 2>&1 || { tail -n 50 "$work/log" >&2; fail "make deb"; }
deb=$(ls "$top_builddir"/deb/tmakv_*.deb) || fail "there is no package"

it "has nothing that lintian would say"
lintian --tag-display-limit 0 --fail-on error,warning "$top_builddir"/deb/tmakv_*.changes >"$work/lintian" 2>&1 ||
	{ cat "$work/lintian" >&2; fail "lintian found something"; }

# has MODE OWNER PATH - it is in the package so.
dpkg-deb -c "$deb" | awk '{ print $1, $2, $6 }' >"$work/list"
has() { grep -qxF -e "$1 $2 .$3" "$work/list" || fail "not in the package: $*: $(grep -F ".$3" "$work/list")"; }

it "has its files, for whom they are"
has -rwxr-xr-x root/root /usr/sbin/tmakvd
has -rwxr-xr-x root/root /usr/bin/tmakvctl
has -rw-r----- root/root /etc/tmakv/tmakv.conf
has drwx------ root/root /etc/tmakv/secrets.d/
has -rwxr-xr-x root/root /etc/init.d/tmakv
for file in /lib/systemd/system/tmakv.service /lib/systemd/system/tmakv.socket /usr/lib/sysusers.d/tmakv.conf \
	/usr/lib/tmpfiles.d/tmakv.conf /etc/nginx/conf.d/tmakv-http.conf /etc/nginx/sites-available/tmakv \
	/etc/nginx/snippets/tmakv.conf /etc/nginx/snippets/tmakv-params.conf /etc/nginx/snippets/tmakv-operator.conf \
	/usr/share/bash-completion/completions/tmakvctl /usr/share/doc/tmakv/README.Debian \
	/usr/share/man/man8/tmakvd.8.gz /usr/share/man/man8/tmakvctl.8.gz /usr/share/man/man5/tmakv.conf.5.gz; do
	has -rw-r--r-- root/root "$file"
done

it "ships nothing below /run, /var or /usr/local, and no files of anybody else"
! grep -E ' \./(run|var|usr/local|home|tmp)/' "$work/list" >&2 || fail "that is not for a package"
! grep -vE ' root/root ' "$work/list" >&2 || fail "these have owners that a machine need not have"

it "has the configuration that is shipped"
dpkg-deb --fsys-tarfile "$deb" | tar -xO ./etc/tmakv/tmakv.conf | cmp - "$top_srcdir/conf/tmakv.conf" || fail "it has another"

it "has everything in /etc as a configuration file of dpkg's"
dpkg-deb -I "$deb" conffiles | sed 's/^ *//' | sort >"$work/conffiles"
sed -n 's/^-.* \.\(\/etc\/.*\)/\1/p' "$work/list" | sort | diff - "$work/conffiles" >&2 || fail "these differ"
