# shellcheck shell=bash
# lib.sh - what integration tests are written with: a real nginx, a real tmakvd, curl.
#
#     #!/usr/bin/env bash
#     . "$(dirname "$0")/../lib.sh"
#     start
#     it "answers 404 for a key that is not there"
#     as_server GET /sdk/v1/kv/nothing
#     expect 404 '"code":"key_not_found"'
#
# All sockets are Unix sockets in one temporary folder with a short name ($work), so tests run
# side by side. Leaving the script stops everything and removes the folder.
#
# From outside:
#   top_builddir   where tmakvd and tmakvctl were built (default: the source tree, or build/gcc as
#                  tests/run makes it)
#   KEEP=1         keep the folder and say where it is
#   WRAP='strace -D -f -o trace'    goes before tmakvd; it has to pass signals on, or be gone from between. The
#                  server is the supervisor's child, so valgrind wants --trace-children=yes.
# A test ends with 0 passed, 1 failed, 77 cannot run here, 99 the set-up broke.

set -u -o pipefail
top_srcdir=${top_srcdir:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
if [ -z "${top_builddir:-}" ]; then
	top_builddir=$top_srcdir
	[ -x "$top_builddir/tmakvd" ] || top_builddir=$top_srcdir/build/gcc
fi
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin

TMAKVD=${TMAKVD:-$top_builddir/tmakvd}	# or another build of it that a test wants
TMAKVCTL=$top_builddir/tmakvctl
wait_s=${WRAP:+60}	# how long a condition may take before it is a failure
wait_s=${wait_s:-15}

work='' tmakvd_pid='' front_pid='' sentence='' reason=''
# What start() leaves for the test.
PROJECT_ID='' PROJECT='' API_KEY='' BOT_TOKEN=''
# What ask() leaves: the status; $work/body and $work/headers hold the rest.
status=''

# --- how a test ends ---

it() {
	sentence=$*
	printf '  it %s\n' "$sentence"
}

fail() {
	reason="FAILED: ${sentence:+it $sentence: }$*"
	printf '%s\n' "$reason" >&2
	local frame=0
	while [ "${BASH_SOURCE[frame]}" = "${BASH_SOURCE[0]}" ] && [ "${FUNCNAME[frame]}" != main ]; do
		frame=$((frame + 1))
	done
	printf '  at %s:%s\n' "${BASH_SOURCE[frame]}" "${BASH_LINENO[frame - 1]}" >&2
	exit 1
}

skip() {
	printf 'cannot run here: %s\n' "$*" >&2
	exit 77
}

broken() {
	reason="set-up broke: ${sentence:+it $sentence: }$*"
	printf '%s\n' "$reason" >&2
	exit 99
}

# until_true COMMAND... - wait for a condition, never for a time. False when it takes too long,
# or at once when COMMAND answers 2: it never will be.
until_true() {
	local end=$((SECONDS + wait_s)) rc
	while true; do
		rc=0
		"$@" >/dev/null 2>&1 || rc=$?
		[ $rc -ne 0 ] || return 0
		[ $rc -ne 2 ] && [ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

# has_ended PID - a zombie has, too.
has_ended() {
	local line
	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
	line=${line##*) }
	[ "${line%% *}" = Z ]
}

# show_logs - and the reason once more behind them: who reads only the end of a long run sees it.
show_logs() {
	local log
	for log in "$work"/tmakvd.log "$work"/nginx.log "$work"/front/log/error.log; do
		[ -s "$log" ] || continue
		printf -- '--- the end of %s\n' "${log#"$work"/}" >&2
		grep -v 'is buffered to a temporary file' "$log" | tail -n 25 >&2
	done
	[ -z "$reason" ] || printf '%s\n' "$reason" >&2
}

cleanup() {
	local rc=$?
	trap - EXIT INT TERM
	[ -n "$work" ] || exit $rc
	[ $rc -eq 0 ] || [ $rc -eq 77 ] || show_logs
	if ! stop && [ $rc -eq 0 ]; then
		show_logs
		rc=1
	fi
	if grep -qsE 'Sanitizer|runtime error:|^==[0-9]+== ' "$work/tmakvd.log"; then
		printf 'a checker found something in tmakvd:\n' >&2
		grep -E -A 30 -m 1 'Sanitizer|runtime error:|^==[0-9]+== ' "$work/tmakvd.log" >&2
		rc=1
	fi
	if [ -n "${KEEP:-}" ]; then
		printf 'kept: %s\n' "$work" >&2
	else
		rm -rf "$work"
	fi
	exit $rc
}

# --- the servers ---

# make_work - the folder. Under /tmp whatever TMPDIR says: a socket's path has at most 107 bytes.
make_work() {
	[ -z "$work" ] || return 0
	work=$(mktemp -d /tmp/tmakv.XXXXXX) || broken "no folder under /tmp"
	chmod 711 "$work"	# as root nginx's workers are www-data and must get through
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# ctl ARGUMENTS... - tmakvctl on this test's server.
ctl() {
	"$TMAKVCTL" --control "$work/control.sock" "$@"
}

# member FILTER - out of the JSON on standard input, as jq says it: member .data.jwt
member() {
	jq -r "$1 // empty"
}

# start_server [SETTING=VALUE...] - tmakvd, with settings over the tests' own. May be called
# again after stop_server or a kill: the data are still there.
start_server() {
	local group='' setting
	make_work
	[ -x "$TMAKVD" ] || broken "$TMAKVD is not built"
	[ "$(id -u)" -ne 0 ] || group='listen_group = www-data'
	{
		printf '%s\n' "data_dir = $work/data" "listen = $work/s" "listen_mode = 0660" "$group" \
			"control = $work/control.sock" "ballast_size = 1M" "reserve_size = 1M"
		for setting in "$@"; do
			printf '%s = %s\n' "${setting%%=*}" "${setting#*=}"
		done
	} | awk '{ line[$1] = $0 } END { for (name in line) print line[name] }' >"$work/tmakv.conf"
	[ -d "$work/data" ] || mkdir -m 700 "$work/data"
	# shellcheck disable=SC2086 # WRAP is a command with its arguments
	${WRAP:-} "$TMAKVD" -c "$work/tmakv.conf" 2>>"$work/tmakvd.log" &
	tmakvd_pid=$!
	until_true server_answers || broken "tmakvd does not answer on its control socket"
}

# make_clock - from the next start_server on the server has a wall clock of its own, which set_clock moves.
make_clock() {
	make_work
	cc -shared -fPIC -o "$work/clock_shift.so" "$top_srcdir/tests/tools/clock_shift.c" || broken "no clock"
	set_clock 0
	# The sanitizers want to be the first library; behind this one they work as well.
	WRAP="env CLOCK_SHIFT=$work/clock LD_PRELOAD=$work/clock_shift.so ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0"
}

# set_clock SECONDS - the server's clock is so far ahead from now on. Eight bytes, the lowest first, in one write.
set_clock() {
	local bytes='' shift
	for shift in 0 8 16 24 32 40 48 56; do
		bytes+=$(printf '\\x%02x' $(($1 >> shift & 255)))
	done
	printf '%b' "$bytes" | dd of="$work/clock" conv=notrunc status=none
}

# find_rest - sets rest_path: the project's namespace on the REST door.
find_rest() {
	as_server GET /client/v4/accounts
	# shellcheck disable=SC2034 # for the test
	rest_path=/client/v4/accounts/$(member '.result[0].id' <"$work/body")/storage/kv/namespaces/${PROJECT_ID//-/}
}

server_answers() {
	has_ended "$tmakvd_pid" && return 2
	ctl status
}

# server_pid - the server process: the supervisor's child.
server_pid() {
	local children
	children=$(cat "/proc/$tmakvd_pid/task/$tmakvd_pid/children")
	printf '%s' "${children%% *}"
}

start_front() {
	make_work
	TMAKV_LOG_AT_ONCE=yes "$top_srcdir/conf/front.sh" "$work/front" "unix:$work/f" "$work/s" >"$work/nginx.log" 2>&1 &
	front_pid=$!
	until_true front_answers || broken "nginx does not answer"
}

front_answers() {
	has_ended "$front_pid" && return 2
	curl -s -o /dev/null --unix-socket "$work/f" http://tmakv/.tmakv-error
}

# start [SETTING=VALUE...] - both, a project with a bot, and an API key.
start() {
	start_server "$@"
	start_front
	make_project demo
}

# make_project NAME - sets PROJECT, PROJECT_ID, BOT_TOKEN and API_KEY.
make_project() {
	PROJECT=$1
	# Nobody's bot: Telegram's ids are shorter.
	BOT_TOKEN="99$(od -An -N6 -tu4 /dev/urandom | tr -dc 0-9 | cut -c1-10)0:test-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
	PROJECT_ID=$(printf '%s\n' "$BOT_TOKEN" | ctl project create "$PROJECT" --bot-token-file - --json | member .id)
	[ -n "$PROJECT_ID" ] || broken "no project"
	API_KEY=$(make_key --name test)
	[ -n "$API_KEY" ] || broken "no API key"
}

# make_key [OPTIONS...] - another API key of the project.
make_key() {
	ctl key create "$PROJECT" --json "$@" | member .key
}

# make_callers FILE - what crash_load asks with: the API key in the first line, tokens of two users in the next ones.
make_callers() {
	local user
	printf '%s\n' "$API_KEY" >"$1"
	for user in 101 102; do
		validate "$(init_data "$user")"
		expect 200
		printf '%s\n' "$jwt" >>"$1"
	done
}

# init_data [USER_ID [FIRST_NAME [AUTH_DATE]]] - genuine, signed with the project's bot.
init_data() {
	printf '%s\n' "$BOT_TOKEN" | "$top_srcdir/conf/sign-initdata.sh" "$@"
}

# stop_pid PID SIGNAL - and wait for it. Its exit code, 124 when it had to be killed.
stop_pid() {
	local rc=0
	kill -s "$2" "$1" 2>/dev/null
	if ! until_true has_ended "$1"; then
		kill -s KILL "$1"
		wait "$1" 2>/dev/null
		return 124
	fi
	wait "$1" 2>/dev/null || rc=$?
	return $rc
}

stop_server() {
	local pid=$tmakvd_pid
	[ -n "$pid" ] || return 0
	tmakvd_pid=
	stop_pid "$pid" TERM || {
		printf 'tmakvd ended with %s\n' $? >&2
		return 1
	}
}

stop_front() {
	local pid=$front_pid
	[ -n "$pid" ] || return 0
	front_pid=
	stop_pid "$pid" TERM
}

# stop - both; false when tmakvd did not end well.
stop() {
	local rc=0
	stop_front || rc=1
	stop_server || rc=1
	return $rc
}

# kill_server - kill -9 the server process; the supervisor starts another.
kill_server() {
	local old
	old=$(server_pid)
	kill -s KILL "$old" || broken "no server process to kill"
	until_true has_ended "$old" || broken "the server process survived kill -9"
}

# is_replaced PID - whether there is a server process, and not that one.
is_replaced() {
	local pid
	pid=$(server_pid) && [ -n "$pid" ] && [ "$pid" != "$1" ]
}

# pause FROM TO - a random time, milliseconds: for what happens to the server at any moment. No test waits so.
pause() {
	local ms=$(($1 + RANDOM % ($2 - $1)))
	sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}

# --- asking ---

# ask METHOD PATH [CURL-ARGUMENTS...] - the path goes out as it is written here.
ask() {
	local method=$1 path=$2
	shift 2
	if [ "$method" = HEAD ]; then
		set -- --head "$@"
	else
		set -- -X "$method" "$@"
	fi
	: >"$work/body"
	status=$(curl -sS --path-as-is --globoff --max-time $((wait_s * 2)) --unix-socket "${ask_socket:-$work/f}" \
		-o "$work/body" -D "$work/headers" -w '%{http_code}' "$@" "http://tmakv$path" 2>"$work/curl.log") ||
		fail "curl: $(cat "$work/curl.log")"
}

# at_binding COMMAND... - what COMMAND asks goes to the binding door: at_binding as_server GET /key
at_binding() {
	local ask_socket=$work/front/binding.sock
	"$@"
}

# at_operator COMMAND... - the same with the operator's door: at_operator ask GET /healthz
at_operator() {
	local ask_socket=$work/front/operator.sock
	"$@"
}

# as_server ARGUMENTS... / as_user JWT ARGUMENTS... - ask with the API key, or as a user. The
# header comes from a file, as it should: ps shows a command line to everybody.
as_server() {
	as_user "$API_KEY" "$@"
}

as_user() {
	printf 'Authorization: Bearer %s\n' "$1" >"$work/authorization"
	shift
	ask "$@" -H "@$work/authorization"
}

# validate INIT_DATA - sets $jwt.
validate() {
	printf '{"initData":"%s","projectId":"%s"}' "$1" "$PROJECT_ID" >"$work/validate.json"
	ask POST /sdk/v1/auth/validate -H 'Content-Type: application/json' --data-binary "@$work/validate.json"
	# shellcheck disable=SC2034 # for the test
	jwt=$(member .data.jwt <"$work/body")
}

# expect STATUS [TEXT...] - what the last ask() answered; each TEXT stands in the body.
expect() {
	local text
	[ "$status" = "$1" ] || fail "answered $status instead of $1: $(head -c 500 "$work/body")"
	shift
	for text in "$@"; do
		grep -qaF -e "$text" "$work/body" || fail "no $text in: $(head -c 500 "$work/body")"
	done
}

# expect_body TEXT - the whole body, to the byte.
expect_body() {
	printf '%s' "$1" | cmp -s - "$work/body" || fail "the body is $(head -c 500 "$work/body"), not $1"
}

# header NAME - its value in the last answer; empty when it has none.
header() {
	sed -n "s/^$1:[[:space:]]*\\(.*\\)\$/\\1/Ip" "$work/headers" | tr -d '\r'
}

# expect_header NAME [VALUE] - it is there, once, with this value.
expect_header() {
	local value
	[ "$(grep -aic "^$1:" "$work/headers")" = 1 ] || fail "$1 is not there just once: $(cat "$work/headers")"
	value=$(header "$1")
	[ $# -eq 1 ] || [ "$value" = "$2" ] || fail "$1 is '$value', not '$2'"
}

expect_no_header() {
	! grep -aiq "^$1:" "$work/headers" || fail "$1 is there: $(header "$1")"
}

# expect_error STATUS CODE - an error in the SDK's envelope, readable by any page.
expect_error() {
	expect "$1" '"success":false' '"error":"' "\"code\":\"$2\""
	expect_header Content-Type application/json
}
