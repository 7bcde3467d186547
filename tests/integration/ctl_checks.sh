#!/usr/bin/env bash
# ctl_checks.sh - check-initdata and check-jwt without a server: every recorded string, and tokens
# made for this. tests/tools/ctl_cases.c knows what the answers must be.
. "$(dirname "$0")/../lib.sh"
make_work
umask 077
unset TMAKV_CONTROL

cases=$top_builddir/tests/tools/ctl_cases
[ -x "$cases" ] || broken "$cases is not built"
"$cases" "$top_srcdir/tests/data/initdata.json" "$work" >"$work/cases" || broken "no cases"

it "answers each case as expected"
n=0
while IFS='|' read -r name exit answer input arguments; do
	rc=0
	# shellcheck disable=SC2086 # several words
	got=$("$TMAKVCTL" $arguments --json <"$input" 2>"$work/stderr") || rc=$?
	[ "$got" = "$answer" ] || fail "$name: answered $got, not $answer"
	[ $rc -eq "$exit" ] || fail "$name: ended with $rc, not $exit"
	[ ! -s "$work/stderr" ] || fail "$name: said $(cat "$work/stderr")"
	n=$((n + 1))
done <"$work/cases"
[ $n -ge 59 ] || fail "only $n cases"

# check RC TEXT ARGUMENTS... - of the first case's initData; people see TEXT.
check() {
	local rc=0 want=$1 text=$2
	shift 2
	"$TMAKVCTL" "$@" <"$work/0.initdata" >"$work/out" 2>&1 || rc=$?
	[ $rc -eq "$want" ] || fail "$*: ended with $rc, not $want: $(cat "$work/out")"
	grep -qF -e "$text" "$work/out" || fail "$*: no '$text' in: $(cat "$work/out")"
}

it "tells people what is wrong"
check 0 "accepted" check-initdata --bot-token-file "$work/0.token" --now 1662771648
check 0 "279058397 (Vladislav Kibenko, @vdkfrost)" check-initdata --bot-token-file "$work/0.token" --now 1662771648
check 1 "refused: expired" check-initdata --bot-token-file "$work/0.token"
check 1 "refused: missing_signature" check-initdata --bot-id 5768337691 --now 1662771648

it "takes one of two bots"
check 0 "accepted" check-initdata --bot-id 1 --bot-token-file "$work/0.token" --now 1662771648

it "does not mind the line end that an editor adds"
for end in '\n' '\r\n'; do
	cp "$work/0.token" "$work/token"
	cp "$work/0.initdata" "$work/input"
	# shellcheck disable=SC2059 # the escapes are the point
	printf "$end" | tee -a "$work/token" >>"$work/input"
	"$TMAKVCTL" check-initdata --bot-token-file "$work/token" --now 1662771648 <"$work/input" >"$work/out" ||
		fail "refused: $(cat "$work/out")"
done

it "wants to know what to check against"
check 64 "check against what" check-initdata
check 64 "check against what" check-initdata --project shop --bot-id 1
check 64 "right behind --bot-id" check-initdata --test
check 64 "right behind --bot-id" check-initdata --bot-id 1 --test --public-key "$(printf '%064d' 0)"
check 64 "right behind --bot-id" check-initdata --bot-token-file "$work/0.token" --test
check 64 "64 hexadecimal digits" check-initdata --bot-id 1 --public-key 00
check 64 "before the colon" check-initdata --bot-id 1:x
check 64 "standard input can be read once only" check-initdata --bot-token-file -
check 64 "whole number" check-initdata --bot-id 1 --now yesterday
check 64 "both are needed" check-jwt --jwks "$work/jwks.json"
check 64 "no JWK set" check-jwt --jwks "$work/0.initdata" --project x

it "never repeats a bot's token"
token=$(cat "$work/0.token")
for arguments in "--bot-token-file $token" "--bot-token $token" "--bot-token=$token" "$token" "--bot-id $token"; do
	# shellcheck disable=SC2086
	"$TMAKVCTL" check-initdata $arguments <"$work/0.initdata" >"$work/out" 2>&1 && fail "accepted"
	! grep -qF -e "${token#*:}" "$work/out" || fail "$(cat "$work/out")"
done
check 64 "@BotFather" check-initdata --bot-token-file "$token"

it "warns of a token that everybody can read"
chmod 644 "$work/0.token"
check 0 "chmod 600" check-initdata --bot-token-file "$work/0.token" --now 1662771648

it "answers in JSON when it is told to, mistakes too"
"$TMAKVCTL" --json frobnicate >"$work/out" 2>&1
grep -q '^{"ok":false,"code":"usage","error":"' "$work/out" || fail "$(cat "$work/out")"
[ "$(wc -l <"$work/out")" -eq 1 ] || fail "more than a line"

it "says what to look at when there is no server"
check 69 "is tmakvd running" status --control "$work/none"
check 69 "is tmakvd running" check-initdata --project shop --control "$work/none"
check 64 "at most 107 bytes" status --control "$(printf '/%0120d' 0)"
