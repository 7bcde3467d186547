#!/usr/bin/env bash
# top.sh - tmakvctl top: what it tells is what the load does; and in a real terminal of 80x24: what stands there, that it
# follows the window and the server, and that the terminal is as it was before, whatever ended it.
. "$(dirname "$0")/../lib.sh"
command -v jq >/dev/null || skip "no jq"
command -v tmux >/dev/null || skip "no tmux"
unset TMAKV_CONTROL TMUX
start write_limit=0
export TMUX_TMPDIR=$work LC_ALL=C.UTF-8 NO_COLOR=1

# A key that would empty the screen, with characters that are two cells wide.
wild='%1b%5b2J%e4%bd%a0wild'
load_pid=''

pane() {
	tmux -u -L top -f /dev/null "$@" 2>>"$work/tmux.log"
}

stop_load() {
	[ -z "$load_pid" ] || stop_pid "$load_pid" TERM
	load_pid=''
}

leave() {
	local rc=$?
	stop_load
	pane kill-server
	(exit $rc)
	cleanup
}
trap leave EXIT

# writes_of KEY - its counter. Sets $writes.
writes_of() {
	as_server GET "/sdk/v1/kv/$1"
	writes=$(header X-KV-Writes)
}

# put KEY TIMES
put() {
	local i
	for ((i = 0; i < $2; i++)); do
		as_server PUT "/sdk/v1/kv/$1" -H 'Content-Type: application/json' --data-raw '"x"'
		expect 200
	done
}

screen_has() {
	pane capture-pane -p | grep -qF -e "$1"
}

screen_has_not() {
	! screen_has "$1"
}

await() {
	until_true screen_has "$1" || fail "no '$1' on the screen: $(pane capture-pane -p) $(cat "$work/tmux.log")"
}

# screen_is_wide N - some line is, and none wider: the terminal was drawn anew in its new size.
screen_is_wide() {
	pane capture-pane -p | awk -v n="$1" '{ if (length($0) > most) most = length($0) } END { exit most != n }'
}

# type KEYS... - as tmux names them.
type() {
	pane send-keys "$@"
}

# has_settings WORD... - among those of the terminal, as stty says them.
has_settings() {
	local word all
	all=" $(stty -F "$tty" -a | tr '\n;' '  ') "
	for word in "$@"; do
		[[ $all = *" $word "* ]] || return 1
	done
}

# begin_top [OPTIONS] - in the shell of the pane. Sets $top_pid.
begin_top() {
	type "$TMAKVCTL --control $work/control.sock top $*" Enter
	await 'q quit'
	top_pid=$(pgrep -n -f "^$TMAKVCTL .*control.sock top" || true)
	[ -n "$top_pid" ] || broken "where is it?"
}

# ended_with RC - it did, the terminal is as it was, and what stood on it before stands there again.
ended_with() {
	until_true has_ended "$top_pid" || fail "it does not end: $(pane capture-pane -p)"
	rm -f "$work/ended"
	type "echo \$? >$work/ended" Enter
	until_true test -s "$work/ended" || fail "the shell does not take commands any more"
	[ "$(cat "$work/ended")" = "$1" ] || fail "it ended with $(cat "$work/ended"), not $1"
	as_before
}

# The shell tells of its jobs at its next prompt, where it has one.
is_stopped_for_output() {
	grep -q 'tty output' "$work/jobs" || { type "jobs -l >$work/jobs" Enter; false; }
}

as_before() {
	rm -f "$work/after"
	type "stty -g >$work/after" Enter
	until_true test -s "$work/after" || fail "the shell does not take commands any more"
	cmp "$work/before" "$work/after" || fail "the terminal has other settings: $(stty -F "$tty" -a)"
	await 'stood here before'
	screen_has_not 'q quit' || fail "the screen is still there"
	[ "$(pane display-message -p '#{cursor_flag} #{alternate_on} #{wrap_flag}')" = '1 0 1' ] ||
		fail "cursor, screen, wrap: $(pane display-message -p '#{cursor_flag} #{alternate_on} #{wrap_flag}')"
}

put "$wild" 2
printf 'Authorization: Bearer %s\n' "$API_KEY" >"$work/load.header"
curl -s --rate 40/s --unix-socket "$work/f" -X PUT -H "@$work/load.header" -H 'Content-Type: application/json' \
	--data-raw '"x"' -o /dev/null 'http://tmakv/sdk/v1/kv/hot#[1-100000]' 2>"$work/load.log" &
load_pid=$!

it "tells as JSON what the load does"
writes_of hot
first=${writes:-0} began=$(date +%s%N)
ctl top --once --interval 2 --json >"$work/json" || fail "ended with $?"
writes_of hot
took_ms=$((($(date +%s%N) - began) / 1000000))
jq -e --argjson most $((writes - first)) --argjson ms "$took_ms" --argjson last "$writes" --argjson first "$first" '
	(.hot_keys[] | select(.key == "hot")) as $hot | .projects[0] as $project |
	($most * 1000 / $ms) as $pace |
	.interval_s >= 1.9 and $hot.project == "demo" and $hot.writes > $first and $hot.writes <= $last and
	$hot.writes_per_s * .interval_s <= $most and $hot.writes_per_s >= $pace * 0.5 and
	$project.project == "demo" and $project.writes_per_s >= $pace * 0.5 and
	$project.writes_per_s * .interval_s <= $most + 1 and
	.requests_per_s["2xx"] >= $pace * 0.5 and .requests_per_s["5xx"] == 0 and
	(.classes[] | select(.class == "write") | .p50_ms > 0 and .p99_ms >= .p50_ms) and
	.queue >= 0 and .flush_ms > 0 and .batches_per_s > 0 and .connections >= 1 and .free_bytes > 0 and .full == false and
	.token_hit_ratio == null and .uptime_s > 0' "$work/json" >/dev/null ||
	fail "$((writes - first)) writes in $took_ms ms, but: $(cat "$work/json")"
jq -e '.hot_keys[] | select(.key == "\u001b[2J你wild") | .writes == 2' "$work/json" >/dev/null || fail "no wild key: $(cat "$work/json")"

it "is a document a line, or text, where there is no terminal"
ctl top --count 3 --interval 0.2 --json >"$work/json" || fail "ended with $?"
[ "$(jq -s length "$work/json")" = 3 ] && [ "$(wc -l <"$work/json")" = 3 ] || fail "not three lines"
ctl top --count 2 --interval 0.2 </dev/null >"$work/text" || fail "ended with $?"
[ "$(grep -c '^tmakvd ' "$work/text")" = 2 ] || fail "not two frames: $(cat "$work/text")"
grep -qF '\x1b[2J你wild' "$work/text" || fail "no wild key: $(cat "$work/text")"
! grep -q $'\033' "$work/text" || fail "an escape sequence"
[ "$(awk '{ if (length($0) > n) n = length($0) } END { print (n <= 80) }' "$work/text")" = 1 ] || fail "wider than 80"

it "refuses what makes no sense"
for wrong in '--interval 0.1' '--interval 61' '--interval x' '--interval 1.2345' '--once --count 2' '--count 0'; do
	rc=0
	# shellcheck disable=SC2086 # words
	ctl top $wrong >"$work/out" 2>&1 || rc=$?
	[ $rc = 64 ] || fail "$wrong: ended with $rc: $(cat "$work/out")"
done
rc=0
ctl top --once --project nobody >"$work/out" 2>&1 || rc=$?
[ $rc = 1 ] || fail "a project that is not there: $rc"
ctl project create other >/dev/null 2>&1
ctl top --once --interval 0.2 --json --project other | jq -e '.hot_keys == [] and .projects == []' >/dev/null || fail "not only one project"

it "stands in a terminal of 80x24"
pane new-session -d -x 80 -y 24 "bash --norc --noprofile" || broken "tmux: $(cat "$work/tmux.log")"
tty=$(pane display-message -p '#{pane_tty}')
type "PS1='stood here before> '; clear; stty -g >$work/before" Enter
until_true test -s "$work/before" || broken "no shell"
put "$wild" 1	# seconds later it is hot no more
begin_top
await 'every 1 s'
for text in 'requests/s' 'queue' 'cache' 'p50' 'p99' 'PROJECT' 'demo' 'hot' '\x1b[2J你wild'; do
	await "$text"
done
pane capture-pane -p >"$work/screen"
writes_of hot
shown=$(awk '$4 == "hot" { print $2 }' "$work/screen")
[ -n "$shown" ] && [ "$shown" -le "$writes" ] && [ "$shown" -ge $((writes - 400)) ] ||
	fail "its counter is $writes, not '$shown': $(cat "$work/screen")"

it "takes keys"
type s
await 'sort: all'
type Tab
await 'scroll: projects'
type Tab
await 'scroll: keys'
type h
await 'h back'
type h p
await PAUSED
type p
await 'every 1 s'

it "gives the terminal back at q"
has_settings -icanon -echo || fail "it shows what is typed: $(stty -F "$tty" -a)"
type q
ended_with 0

it "follows the window at once"
begin_top --interval 60
pane resize-window -x 40 -y 10
until_true screen_is_wide 40 || fail "not 40 wide: $(pane capture-pane -p)"
await KEY
pane resize-window -x 120 -y 40
until_true screen_is_wide 120 || fail "not 120 wide: $(pane capture-pane -p)"
pane resize-window -x 80 -y 24
until_true screen_is_wide 80 || fail "not 80 wide: $(pane capture-pane -p)"
type q
ended_with 0

it "gives it back when a signal ends it"
for signal in INT TERM QUIT; do
	begin_top
	if [ $signal = INT ]; then type C-c; else kill -s $signal "$top_pid"; fi
	case $signal in INT) ended_with 130 ;; TERM) ended_with 143 ;; QUIT) ended_with 131 ;; esac
done

it "is not held up by Control-S, with which no signal would reach it"
begin_top --interval 0.2
type C-s h
await 'h back'
kill -s TERM "$top_pid"
ended_with 143

it "stops at Control-Z, and goes on"
begin_top
type C-z
until_true grep -q '^State:.T' "/proc/$top_pid/status" || fail "it does not stop"
as_before
# In the background it stops again: the terminal, and the settings it has for the shell's own line, are none of its.
: >"$work/jobs"
kill -s CONT "$top_pid"
until_true is_stopped_for_output || fail "it goes on in the background: $(cat "$work/jobs")"
as_before
type fg Enter
await 'q quit'
until_true has_settings -icanon -echo icrnl || fail "it has the settings of the shell's line: $(stty -F "$tty" -a)"
type q
ended_with 0
begin_top
# Behind the back of the program, which cannot give the terminal back then: but it takes it anew, and leaves it as it
# was in between.
kill -s STOP "$top_pid"
until_true grep -q '^State:.T' "/proc/$top_pid/status" || broken "it does not stop"
rm "$work/before"
type "stty -echoctl; stty -g >$work/before" Enter
until_true test -s "$work/before" || broken "no shell"
type 'fg' Enter
until_true grep -q '^State:.S' "/proc/$top_pid/status" || fail "it does not go on"
await 'q quit'
until_true has_settings -icanon -echo -echoctl || fail "settings of before it was stopped: $(stty -F "$tty" -a)"
type h
await 'h back'
type q
until_true has_ended "$top_pid" || fail "it does not end"
as_before

it "stays while the server is away, and goes on when it is back"
begin_top --interval 0.2
old=$(server_pid)
kill_server
until_true is_replaced "$old" || broken "no other server"
await 'every 0.2 s'
stop_load
stop_server || fail "tmakvd did not end well"
await 'NO ANSWER FOR'
start_server write_limit=0
until_true screen_has_not 'NO ANSWER FOR' || fail "it does not see the server: $(pane capture-pane -p)"
await 'up '
type q
ended_with 0

it "ends with its terminal"
begin_top
pane kill-server
until_true has_ended "$top_pid" || fail "it goes on without one"

it "says so when nobody listens"
stop_server || fail "tmakvd did not end well"
rc=0
ctl top --once >"$work/out" 2>&1 || rc=$?
[ $rc = 69 ] || fail "ended with $rc: $(cat "$work/out")"

it "tells no key to the log"
! grep -qE 'wild|/hot' "$work/tmakvd.log" || fail "a key in the log"
