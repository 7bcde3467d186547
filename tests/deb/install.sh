#!/usr/bin/env bash
# install.sh - the package on a bare Debian 12: with its init script first, then under a systemd of its own.
#
# The machines are folders with namespaces of their own, without a network; inside.sh is what happens there. The
# bare Debian is made once and kept in ~/.cache/tmakv, as are the packages that apt wants for ours: what
# the apt of this machine has, from where it has it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

deb_builddir=${deb_builddir:-$top_builddir}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tmakv
suite=bookworm

[ "$(id -u)" -eq 0 ] || skip "only root can make a machine"
command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed (conf/need.sh deb)"
[ -x "$top_builddir/tests/tools/restart_load" ] || broken "restart_load is not built"
deb=$(ls "$deb_builddir"/deb/tmakv_*.deb 2>/dev/null) || broken "there is no package; build.sh makes it"
make_work

# --- a bare Debian ---

# sources - where this machine's apt has Debian from.
sources() {
	apt-get indextargets --format "deb \$(REPO_URI) \$(RELEASE) main" 'Created-By: Packages' 'Component: main' |
		grep -E " $suite(-updates|-security)? main\$" | sort -u
}

make_bare() {
	sources >"$work/sources" && [ -s "$work/sources" ] || { apt-get -q update && sources >"$work/sources"; } || return
	apt-config dump Acquire >"$work/apt.conf"
	mmdebstrap --quiet --variant=minbase --skip=cleanup/apt/lists --aptopt="$work/apt.conf" "$suite" "$cache/$suite.new" \
		"$work/sources" --format=tar && mv "$cache/$suite.new" "$cache/$suite.tar"
}

# outer_apt ARGUMENTS... - this machine's apt, with the other's lists and packages.
outer_apt() {
	apt-get -q -o Dir="$work/root" -o Dir::State::status="$work/root/var/lib/dpkg/status" \
		-o Dir::Cache::archives="$cache/$suite.debs" -o APT::Sandbox::User=root -o Debug::NoLocking=yes "$@"
}
# Without systemd there is another init; with none package scripts start no service.
download() {
	outer_apt -y --no-install-recommends --download-only install sysvinit-core && outer_apt -y --download-only install "$deb"
}

prepare() {
	mkdir -p "$cache/$suite.debs/partial" "$work/root"
	exec 9>"$cache/$suite.lock"
	flock 9
	[ -f "$cache/$suite.tar" ] || make_bare || return
	tar -xf "$cache/$suite.tar" -C "$work/root" || return
	download || { outer_apt update && download; } || return
	cp "$cache/$suite.debs"/*.deb "$work/root/var/cache/apt/archives/"
	exec 9>&-
}

# newer DEB - the same package with a higher version, and another program file.
newer() {
	dpkg-deb -R "$1" "$work/newer"
	sed -i 's/^Version: .*/&+newer/' "$work/newer/DEBIAN/control"
	echo newer >>"$work/newer/usr/sbin/tmakvd"
	(cd "$work/newer" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
	dpkg-deb -Znone --root-owner-group -b "$work/newer" "$work/root/t/newer.deb" >/dev/null
	rm -rf "$work/newer"
}

it "has a bare Debian"
prepare >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; skip "there is no Debian $suite to be had"; }
mkdir "$work/root/t"
cp "$top_srcdir/tests/deb/inside.sh" "$top_builddir/tests/tools/restart_load" "$work/root/t"
cp "$deb" "$work/root/t/first.deb"
newer "$deb"
(umask 077 && echo "9900000000:test-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$work/root/t/token")
for user in 1 2 3 4; do "$top_srcdir/conf/sign-initdata.sh" $user User <"$work/root/t/token"; done >"$work/root/t/init"

# --- the machine without systemd ---

# bare COMMAND... - in the folder, as a machine that has no service manager: process 1 is a shell.
bare() {
	# shellcheck disable=SC2016 # that shell's
	unshare --mount --pid --uts --ipc --net --fork --kill-child --propagation private bash -c '
		root=$1
		shift
		mount --bind "$root" "$root" && cd "$root" && mount -t proc proc proc && mount -t tmpfs -o mode=755 tmpfs run &&
			mount -t tmpfs -o mode=755 tmpfs dev || exit 77
		mkdir dev/pts dev/shm
		for name in null zero full random urandom tty; do : >"dev/$name" && mount --bind "/dev/$name" "dev/$name" || exit 77; done
		mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts && ln -s pts/ptmx dev/ptmx
		ln -s /proc/self/fd dev/fd
		ip link set lo up && pivot_root . . && umount -l . && cd / || exit 77
		# invoke-rc.d starts only what belongs to the runlevel, and here is no init that would write down which that is.
		perl -e "print pack q(s x2 l a32 a4 a32 a256 s2 l12), 1, 256 * ord(q(N)) + ord(q(2)), q(~), q(~~), q(runlevel)" >run/utmp
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
		"$@"
	' bash "$work/root" "$@"
}
bare true >"$work/log" 2>&1 || skip "no machine of one's own: $(tail -n 1 "$work/log")"

it "is installed, upgraded, removed and purged with its init script"
bare bash /t/inside.sh init || fail "see above"

it "is installed, upgraded, removed and purged under systemd"
"$top_srcdir/tests/systemd/boot.sh" --root "$work/root" bash /t/inside.sh systemd
case $? in
0) ;;
77) skip "no systemd as process 1; what the init script is for has passed" ;;
*) fail "see above" ;;
esac
