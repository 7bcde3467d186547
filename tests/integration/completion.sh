#!/usr/bin/env bash
# completion.sh - what bash offers behind tmakvctl: every command and every option that its --help has.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
make_work
# shellcheck source=conf/tmakvctl.bash-completion
. "$top_srcdir/conf/tmakvctl.bash-completion"
compopt() { :; }	# there is no completion going on

# offers WORDS... - what is offered for the last of them, a line each, sorted.
offers() {
	COMP_WORDS=("$TMAKVCTL" "$@") COMP_CWORD=$# COMPREPLY=()
	_tmakvctl
	[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}" | sort
}

# expect_offers EXPECTED WORDS...
expect_offers() {
	local expected=$1 now
	shift
	now=$(offers "$@" | tr '\n' ' ')
	[ "${now% }" = "$expected" ] || fail "behind '$*' it offers '$now', not '$expected'"
}

# Read in another way than the completion does.
"$TMAKVCTL" --help | awk '/^Commands/ { on = 1; next } /^$/ { on = 0 } on { n = index(substr($0, 3), "  "); print substr($0, 3, n - 1) }' >"$work/commands"
[ "$(wc -l <"$work/commands")" -gt 30 ] || fail "the help has changed: $(cat "$work/commands")"

it "offers every command and every verb"
expect_offers "$(cut -d ' ' -f 1 "$work/commands" | sort -u | tr '\n' ' ' | sed 's/ $//')" ''
while read -r command verb; do
	offers "${command:0:2}" | grep -qx -e "$command" || fail "$command is not offered"
	[ -z "$verb" ] || offers "$command" "${verb:0:1}" | grep -qx -e "$verb" || fail "$command $verb is not offered"
done <"$work/commands"
expect_offers 'create delete disable enable limit list origins rename show signing usage' project ''

it "offers every option of every command, and no other"
while read -r command verb; do
	# shellcheck disable=SC2086 # one or two words
	"$TMAKVCTL" $command $verb --help | awk '/^Options/ { on = 1 } on && /^  / { print }' |
		grep -oE '^ *(-[a-zA-Z], *)?--[a-z-]+' | grep -oE -e '--[a-z-]+' | sort -u >"$work/options"
	# shellcheck disable=SC2086
	offers $command $verb -- | diff "$work/options" - >&2 || fail "not the options of $command $verb"
done <"$work/commands"
expect_offers --bot-token-file project create app --bot-t
expect_offers --json --json project list --js

it "offers files where a file is wanted, and nothing where a name is"
touch "$work/token.txt"
cd "$work" || broken "no folder"
expect_offers token.txt project create app --bot-token-file tok
expect_offers token.txt -c tok
expect_offers token.txt import app tok
expect_offers '' project create app --bot-id ''
expect_offers '' status ''
