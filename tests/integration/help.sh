#!/usr/bin/env bash
# help.sh - every command says what it does: on standard output, in one screen, with its options and an example; and
# what was typed wrongly ends with 64 and a hint. No server is asked.
. "$(dirname "$0")/../lib.sh"
work=$(mktemp -d /tmp/tmakv.XXXXXX) || broken "no temporary folder"
export TMAKV_CONTROL=$work/nobody

# says RC COMMAND... - what it said is in $work/out and $work/err.
says() {
	local want=$1 rc=0
	shift
	"$@" >"$work/out" 2>"$work/err" </dev/null || rc=$?
	[ $rc -eq "$want" ] || fail "$*: ended with $rc, not $want: $(cat "$work/out" "$work/err")"
}

has() { grep -qF -e "$1" "$work/$2" || fail "no '$1' in: $(cat "$work/$2")"; }

# screen LINES - standard output alone, and of that size.
screen() {
	[ ! -s "$work/err" ] || fail "on standard error: $(cat "$work/err")"
	[ "$(wc -l <"$work/out")" -le "$1" ] || fail "$(wc -l <"$work/out") lines: $(cat "$work/out")"
	! grep -E '.{80}' "$work/out" || fail "longer than 79 columns"
	! grep -qE '[[:space:]]$' "$work/out" || fail "a space at the end of a line: $(cat -A "$work/out")"
}

it "tmakvd: one screen, by each of its names"
for option in -h --help; do
	says 0 "$TMAKVD" $option
	screen 26
	has "usage: tmakvd" out
done
says 64 "$TMAKVD" --hlep
has "tmakvd --help" err
[ ! -s "$work/out" ] || fail "usage on standard output"
says 64 "$TMAKVD" surplus
has "surplus" err
has "tmakvd --help" err
says 0 "$TMAKVD" -V
screen 1

it "tmakvctl: all commands, by each name of the help"
for words in -h --help help; do
	says 0 "$TMAKVCTL" $words
	screen 80
	cp "$work/out" "$work/all"
done
commands=$(sed -n '/^Commands/,/^$/s/^  \([a-z-]*\( [a-z][a-z-]*\)\{0,1\}\)  .*/\1/p' "$work/all")
[ "$(wc -l <<<"$commands")" -gt 40 ] || fail "only these commands: $commands"

# How a command's options are called in its usage and in its list; --json and so on stand in the list alone.
options() { grep -oE -e "$1" "$work/out" | grep -oE -e '--[a-z-]+' | sort -u; }

while IFS= read -r command; do
	it "tmakvctl $command: its help"
	read -ra words <<<"$command"
	says 0 "$TMAKVCTL" help "${words[@]}"
	cp "$work/out" "$work/help"
	for option in -h --help; do
		says 0 "$TMAKVCTL" "${words[@]}" $option
		cmp -s "$work/out" "$work/help" || fail "another text than that of 'help $command'"
	done
	# Whatever else stands there, a person wants to know.
	says 0 "$TMAKVCTL" "${words[@]}" some thing --help
	screen 24
	[ "$(head -n 1 "$work/out" | cut -d' ' -f1-$((2 + ${#words[@]})))" = "usage: tmakvctl $command" ] || fail "$(cat "$work/out")"
	# All options of the usage are explained, and none more.
	sed -n '1,/^$/p' "$work/out" >"$work/usage"
	explained=$(sed -n '/^Options:/,/^$/s/^  \(-., \)\{0,1\}\(--[a-z-]*\).*/\2/p' "$work/out" |
		grep -vxE -e '--(json|control|config|help|version)' | sort -u)
	named=$(grep -oE -e '--[a-z-]+' "$work/usage" | sort -u)
	[ "$explained" = "$named" ] || fail "named: $named, explained: $explained"
	for option in --json --control --config --help --version; do has " $option" out; done
	# The example is one: what it says is taken, until nobody answers.
	example=$(sed -n 's/^Example: tmakvctl //p' "$work/out")
	case $example in "$command" | "$command "*) ;; *) fail "its example is '$example'" ;; esac
	example=${example%%[<>]*}
	printf '7342037359:TEST-only-nobodys-token\n' >"$work/shop.token"
	cp "$work/shop.token" "$work/new.token"
	printf '[]' >"$work/items.json"
	cp "$work/items.json" "$work/names.json"
	cp "$work/items.json" "$work/banner.json"
	: >"$work/shop.jsonl"
	printf '{"keys":[]}' >"$work/jwks.json"
	read -ra typed <<<"${example//\/backup/$work/backup}"
	rc=0
	(cd "$work" && "$TMAKVCTL" "${typed[@]}" >out 2>err <<<"") || rc=$?
	[ $rc -ne 64 ] || case $command in check-jwt) ;; *) fail "its example ends with 64: $(cat "$work/err")" ;; esac
done <<<"$commands"

it "tmakvctl: a noun alone shows its verbs"
for noun in $(sed -n 's/^\([a-z-]*\) .*/\1/p' <<<"$commands" | sort -u); do
	for words in "help $noun" "$noun --help" "$noun -h"; do
		# shellcheck disable=SC2086
		says 0 "$TMAKVCTL" $words
		screen 30
		has "usage: tmakvctl $noun VERB" out
		[ "$(grep -c "^  $noun " "$work/out")" -eq "$(grep -c "^$noun " <<<"$commands")" ] || fail "$(cat "$work/out")"
	done
done

# wrong HINT WORD...
wrong() {
	local hint=$1
	shift
	says 64 "$TMAKVCTL" "$@"
	[ ! -s "$work/out" ] || fail "$*: on standard output: $(cat "$work/out")"
	has "$hint" err
}

it "says what may have been meant"
wrong "tmakvctl --help"
wrong "did you mean 'tmakvctl project create'?" project craete shop
wrong "did you mean 'tmakvctl project list'?" projcet list
wrong "did you mean 'tmakvctl kv bulk-put'?" kv bulkput
wrong "did you mean 'tmakvctl status'?" stauts
wrong "did you mean --prefix?" kv list shop --prefx a
wrong "takes one of: " project
wrong "takes one of: " kv xyzzy
wrong "see tmakvctl --help" xyzzy
wrong "see tmakvctl --help" help xyzzy
wrong "see tmakvctl --help" -x
wrong "see tmakvctl status --help" status --prefix a
wrong "usage: tmakvctl kv get PROJECT KEY" kv get shop
wrong "usage: tmakvctl project list" project list surplus
wrong "--prefix P" kv list shop --prefix
