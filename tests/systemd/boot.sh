#!/usr/bin/env bash
# boot.sh - a machine with a real systemd as its process 1, for as long as a command runs in it:
#
#     tests/systemd/boot.sh [--root DIR] [--prepare FILE] [--network] [--plain] COMMAND [ARGUMENTS...]
#
# The machine's files are those of this one, or of the folder DIR (as debootstrap makes it), under a
# layer of its own: what is written in there is gone afterwards, and nothing out here is changed. It has
# processes, mounts, users' sessions, hostname and cgroups of its own, and no network but its loopback,
# or with --network that of this machine. None of this machine's own services start in it.
#
#   --prepare FILE   a shell script that is run in there before systemd is: to install units
#   --plain          without systemd: process 1 is one that does nothing
#   COMMAND          is run when everything has started, as root, with the same folder as here
#
# Ends with COMMAND's status; 77 when such a machine cannot be made here, and why; 99 when it did not start.
# It needs root, what Linux calls CAP_SYS_ADMIN, overlayfs, and the package systemd in its files.
set -u -o pipefail

self=$(cd "$(dirname "$0")" && pwd)/${0##*/}
start_s=60		# how long it may take to start

cannot() {
	echo "boot.sh: cannot run here: $*" >&2
	exit 77
}

broken() {
	echo "boot.sh: $*" >&2
	exit 99
}

# --- inside, as process 1 of its namespaces: the mounts, then systemd ---

# part WHAT COMMAND... - a step that may be forbidden here.
part() {
	local what=$1
	shift
	"$@" 2>"$BOOT_WORK/error" || { echo "$what: $(head -n 1 "$BOOT_WORK/error")" >"$BOOT_WORK/cannot"; exit 77; }
}

make_dev() {
	local name
	part 'mount /dev' mount -t tmpfs -o mode=755,nosuid tmpfs dev
	mkdir dev/pts dev/shm
	for name in null zero full random urandom tty; do
		: >"dev/$name"
		part "bind /dev/$name" mount --bind "/dev/$name" "dev/$name"
	done
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts && ln -s pts/ptmx dev/ptmx
	mount -t tmpfs -o mode=1777 tmpfs dev/shm
	ln -s /proc/self/fd dev/fd
	ln -s /proc/self/fd/0 dev/stdin
	ln -s /proc/self/fd/1 dev/stdout
	ln -s /proc/self/fd/2 dev/stderr
}

# None of the services that this machine has switched on, and nothing that is the kernel's; nor does it clean
# up this machine's files, which takes a while.
make_units() {
	local unit
	rm -rf etc/systemd/system etc/rc?.d
	mkdir -p etc/systemd/system
	ln -s /lib/systemd/system/multi-user.target etc/systemd/system/default.target
	rm -f lib/systemd/system/multi-user.target.wants/* lib/systemd/system/timers.target.wants/* \
		lib/systemd/system/graphical.target.wants/*
	for unit in sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
		dev-hugepages.mount dev-mqueue.mount modprobe@.service systemd-modules-load.service systemd-sysctl.service; do
		ln -s /dev/null "etc/systemd/system/$unit"
	done
	rm -f usr/lib/tmpfiles.d/tmp.conf
	: >etc/fstab
	echo tmakv-test >etc/hostname
}

inside() {
	local root=$BOOT_WORK/root
	part 'mount a tmpfs' mount -t tmpfs -o mode=755 tmpfs "$BOOT_WORK/layer"
	mkdir "$BOOT_WORK/layer/upper" "$BOOT_WORK/layer/work"
	part 'mount an overlay' mount -t overlay overlay \
		-o "lowerdir=$BOOT_ROOT,upperdir=$BOOT_WORK/layer/upper,workdir=$BOOT_WORK/layer/work" "$root"
	cd "$root" || exit 99
	part 'mount /proc' mount -t proc proc proc
	part 'protect /proc/sys' mount --bind proc/sys proc/sys
	part 'protect /proc/sys' mount -o remount,ro,bind proc/sys
	part 'mount /sys' mount -t sysfs -o ro sysfs sys
	part 'mount /sys/fs/cgroup' mount -t cgroup2 cgroup2 sys/fs/cgroup
	part 'mount /run' mount -t tmpfs -o mode=755 tmpfs run
	make_dev
	make_units
	[ -n "$BOOT_NETWORK" ] || ip link set lo up 2>/dev/null
	# Not chroot: nobody in there could make a user namespace.
	part 'change the root' pivot_root . .
	umount -l .
	# As systemd makes it where it is not in a container; credentials come by it.
	mount --make-rshared /
	if [ -n "$BOOT_PREPARE" ] && ! sh -s <&4 >&2; then
		exit 98
	fi
	exec 4<&-
	echo "$BOOT_WORK" >run/booted
	if [ -n "$BOOT_PLAIN" ]; then
		# It waits for the processes that others leave to it.
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin exec bash -c 'while :; do sleep 1000 & wait; done'
	fi
	exec setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-syslog \
		env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=tmakv-test LC_ALL=C.UTF-8 \
		/lib/systemd/systemd --system --log-target=journal --show-status=no
}

if [ "${BOOT_STAGE-}" = inside ]; then
	exec 2>&3 3>&-
	inside
	exit 99
fi

# --- outside ---

root=/ prepare='' network='' plain=''
while [ $# -gt 0 ]; do
	case $1 in
	--root) root=$(cd "$2" && pwd) || exit 64; shift 2 ;;
	--prepare) prepare=$2; shift 2 ;;
	--network) network=yes; shift ;;
	--plain) plain=yes; shift ;;
	-*) echo "boot.sh: unknown option $1" >&2; exit 64 ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 64; }

[ "$(id -u)" -eq 0 ] || cannot 'only root can'
[ -n "$plain" ] || [ -x "$root/lib/systemd/systemd" ] || cannot "there is no systemd in $root"

work='' holder='' cgroup='' init=''

end() {
	local rc=$? tries
	trap - EXIT INT TERM
	[ -z "$init" ] || kill -s KILL "$init" 2>/dev/null
	[ -z "$holder" ] || wait "$holder" 2>/dev/null
	if [ -n "$cgroup" ]; then
		for tries in 1 2 3 4 5 6 7 8 9 10; do
			find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
			[ -d "$cgroup" ] || break
			sleep 0.1
		done
		[ "$tries" -lt 10 ] || echo "boot.sh: $cgroup is left over" >&2
	fi
	if [ -n "$work" ]; then
		umount "$work/cgroup" 2>/dev/null
		rm -rf --one-file-system "$work"
	fi
	exit $rc
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

work=$(mktemp -d /tmp/tmakv-boot.XXXXXX) || broken 'no folder under /tmp'
mkdir "$work/root" "$work/layer" "$work/cgroup"
mount -t cgroup2 cgroup2 "$work/cgroup" 2>"$work/error" || cannot "mount cgroup2: $(head -n 1 "$work/error")"
cgroup=$work/cgroup/${work##*/}
mkdir "$cgroup" 2>"$work/error" || { cgroup=''; cannot "make a cgroup: $(head -n 1 "$work/error")"; }

namespaces=(--mount --pid --uts --ipc --cgroup --fork --kill-child --propagation private)
[ -n "$network" ] || namespaces+=(--net)
# The namespaces begin at the cgroup that the process is in.
(
	echo "$BASHPID" >"$cgroup/cgroup.procs" || exit 99
	BOOT_STAGE=inside BOOT_ROOT=$root BOOT_WORK=$work BOOT_PREPARE=$prepare BOOT_NETWORK=$network BOOT_PLAIN=$plain \
		exec unshare "${namespaces[@]}" bash "$self" 3>&2 2>/dev/null 4<"${prepare:-/dev/null}"	# its own complaint when it is killed
) &
holder=$!

joined=(--mount --pid --uts --ipc --cgroup --root)
[ -n "$network" ] || joined+=(--net)
in_it() { nsenter --target "$init" "${joined[@]}" -- sh -c 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"' sh "$PWD" "$@"; }

# is_up - process 1 has changed to its own files, and when it is systemd all has started.
is_up() {
	local children
	children=$(cat "/proc/$holder/task/$holder/children" 2>/dev/null)
	init=${children%% *}
	[ -n "$init" ] && [ "$(cat "/proc/$init/root/run/booted" 2>/dev/null)" = "$work" ] || return 1
	[ -n "$plain" ] || in_it systemctl is-system-running 2>/dev/null | grep -qxE 'running|degraded'
}

give_up_at=$((SECONDS + start_s))
until is_up; do
	if ! kill -0 "$holder" 2>/dev/null; then
		[ ! -f "$work/cannot" ] || cannot "$(cat "$work/cannot")"
		wait "$holder"
		[ $? -ne 98 ] || broken "$prepare failed"
		cannot 'no namespaces of its own, or systemd does not start in them'
	fi
	if [ $SECONDS -ge $give_up_at ]; then
		[ -n "$plain" ] || in_it systemctl list-jobs >&2
		[ -n "$plain" ] || in_it journalctl --no-pager -n 30 >&2
		broken "systemd has not started within $start_s s"
	fi
	sleep 0.1
done

in_it "$@"
