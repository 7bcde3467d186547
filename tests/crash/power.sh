# shellcheck shell=bash
# power.sh - servers whose disk can lose its power (disk.h). For tests that have lib.sh already.
#
# What they may set: seed, and disk_more: further settings of that disk.
disk=$top_builddir/tests/crash/disk.so
disk_state='' n_disks=0 seed=${seed:-} disk_more=${disk_more:-}

[ -e "$disk" ] || broken "$disk is not built"

# disk_make [SETTING=VALUE...] - the next servers' data lie on a disk that can lose its power: settings of disk.h.
disk_make() {
	n_disks=$((n_disks + 1))
	disk_state=$work/disk.$n_disks
	mkdir -p "$disk_state" "$work/data"
	chmod 700 "$work/data"
	touch "$disk_state/calm"
	# The sanitizers want to be the first library; behind this one they work as well.
	# shellcheck disable=SC2034 # goes before tmakvd
	WRAP="env ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 LD_PRELOAD=$disk DISK_DIR=$work/data DISK_STATE=$disk_state DISK_SEED=$((seed + n_disks)) $* $disk_more"
}

count_cuts() {
	local n
	n=$(cat "$disk_state/cuts" 2>/dev/null | wc -l)
	printf %s "$n"
}

# cut_often N [COMMAND...] - the disk does it; back when the server that follows the last one serves. COMMAND is run
# now and then meanwhile.
cut_often() {
	local n=0 before wanted=$1 end=$((SECONDS + wait_s))
	shift
	rm "$disk_state/calm"
	while [ "$n" -lt "$wanted" ]; do
		sleep 0.05
		[ $# -eq 0 ] || "$@"
		has_ended "$tmakvd_pid" && fail "the supervisor gave up"
		before=$n
		n=$(count_cuts)
		[ "$n" = "$before" ] || end=$((SECONDS + wait_s))
		[ $SECONDS -lt $end ] || fail "no cut for $wait_s s, after $n (seed $seed)"
	done
	touch "$disk_state/calm"
	until_true server_answers || fail "no server after the last cut (seed $seed)"
}
