# shellcheck shell=bash
# clients.sh - behind lib.sh: clients that put, get, delete, sign in and make bulk calls all the time, and look for
# errors (tests/tools/restart_load). Whoever leaves ends them: load_pid.
export LC_ALL=C	# EPOCHREALTIME with a point in it
[ -x "$top_builddir/tests/tools/restart_load" ] || broken "restart_load is not built"
load_pid=''

# load_users USER_ID... - whom they sign in, and the key that they ask with.
load_users() {
	local user
	find_rest
	printf '%s\n' "$API_KEY" >"$work/key"
	for user; do
		printf '{"initData":"%s","projectId":"%s"}\n' "$(init_data "$user")" "$PROJECT_ID"
	done >"$work/init"
}

# load_begin NAME [OPTIONS...] - NAME is another one each time.
load_begin() {
	: >"$work/marks"
	"$top_builddir/tests/tools/restart_load" -s "$work/f" -k "$work/key" -r "$rest_path" -i "$work/init" -m "$work/marks" -w "$@" &
	load_pid=$!
	sleep 0.3
}

load_end() {
	local rc=0
	sleep 0.3
	kill -s TERM "$load_pid"
	wait "$load_pid" || rc=$?
	load_pid=''
	[ $rc -eq 0 ] || fail "the clients saw errors, or not what they were told"
}

# mark WORD - what happens now, for what they say of the time it took.
mark() {
	printf '%s %s\n' "${EPOCHREALTIME/./}" "$1" >>"$work/marks"
}
