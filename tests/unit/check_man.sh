#!/bin/sh
# check_man.sh - the manual pages name what there is, and nothing else: every setting with its default, every command
# and option, exit code, variable of the environment, and line of the log; and they are good mdoc where mandoc is there
# to say so.
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${top_builddir:-$top}
rc=0

missing() {
	echo "$1: nothing about $2" >&2
	rc=1
}

# same PAGE WHAT THERE NAMED - two lists, a name a line: what there is, and what the page names.
same() {
	if [ "$3" != "$4" ]; then
		echo "$1: $2 are other than there are:" >&2
		printf '%s\n' "$3" >"$work/there"
		printf '%s\n' "$4" | diff "$work/there" - >&2
		rc=1
	fi
	[ "$(printf '%s\n' "$3" | wc -l)" -gt 3 ] || missing "$1" "its $2"
}

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

# --- settings: the sample configuration has every one with its default; test_base_conf holds it to that ---

sed -n 's/^#\([a-z_]* =\)/\1/p' "$top/conf/tmakv.conf" >"$work/settings"
while IFS= read -r setting; do
	name=${setting%% *} preset=${setting#*= }
	grep -Eq "^\.It Cm $name No =( Pa)?( $preset)?$" "$top/app/tmakv.conf.5" || missing tmakv.conf.5 "$setting"
done <"$work/settings"
settings=$(sed 's/ .*//' "$work/settings" | sort)
same tmakv.conf.5 settings "$settings" "$(sed -n 's/^\.It Cm \([a-z_]*\) No =.*/\1/p' "$top/app/tmakv.conf.5" | sort)"
same tmakv.conf.5 'settings in its table' "$settings" \
	"$(sed -n 's/^\.It Cm \([a-z_]*\) Ta .*/\1/p' "$top/app/tmakv.conf.5" | sort)"

# --- tmakvctl: its help has two lists, of commands and of options ---

"$build/tmakvctl" --help >"$work/help" || exit 99
sed -n '/^Commands/,/^$/s/^  \([a-z-]*\( [a-z][a-z-]*\)\{0,1\}\)  .*/\1/p' "$work/help" >"$work/commands"
[ "$(wc -l <"$work/commands")" -gt 10 ] || missing "tmakvctl --help" "its commands"
while IFS= read -r command; do
	grep -q "^\.It Cm $command" "$top/app/tmakvctl.8" || missing tmakvctl.8 "$command"
	# shellcheck disable=SC2086 # one or two words
	for option in $("$build/tmakvctl" $command --help | sed -n 's/^  \(-., \)\{0,1\} *--\([a-z-]*\).*/\2/p'); do
		grep -q "Fl -$option" "$top/app/tmakvctl.8" || missing tmakvctl.8 "--$option"
		echo "$option" >>"$work/options"
	done
done <"$work/commands"
# Its synopsis: "kv bulk-put | bulk-delete" are two.
named=$(sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$top/app/tmakvctl.8" | awk '
	/^\.Nm/ { begins = 1; next }
	begins && /^\.Cm/ {
		print $2 ($3 == "" || $3 == "|" ? "" : " " $3)
		for (i = 5; i <= NF; i += 2)
			print $2 " " $i
	}
	{ begins = 0 }' | grep -vx help | sort -u)
same tmakvctl.8 'commands in its synopsis' "$(sort "$work/commands")" "$named"
"$build/tmakvd" --help | grep -oE -e ' --[a-z]+' | sed 's/ --//' >>"$work/options"
for option in $(grep -ohE 'Fl -[a-z][a-z-]+' "$top"/app/tmakvctl.8 "$top"/app/tmakv*.7 | sed 's/Fl -//' | sort -u); do
	grep -qxF -e "$option" "$work/options" || { echo "--$option, which a page names, is no option" >&2; rc=1; }
done

# --- exit codes and the environment ---

# codes PAGE FILE - each number that FILE's enum has stands in PAGE's list.
codes() {
	sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/p' "$top/app/$1" >"$work/list"
	for code in $(sed -n 's/^\t\(CTL\|EXIT\)_[A-Z_]* = \([0-9]*\)[,\t ].*/\2/p' "$top/app/$2"); do
		grep -qx "\.It $code" "$work/list" || missing "$1" "exit status $code"
	done
}
codes tmakvctl.8 ctl/ctl.h
codes tmakvd.8 serve/serve.h
same tmakvd.8 options "$("$build/tmakvd" --help | sed -n 's/^  \(-[a-zA-Z]\|--[a-z]*\)[ ,].*/\1/p' | sort -u)" \
	"$(sed -n '/^The options are/,/^\.Ss/s/^\.It Fl \([^ ]*\).*/-\1/p' "$top/app/tmakvd.8" | sort -u)"
# PATH is asked for as shells do.
for name in $(cat "$top"/app/*.c "$top"/app/*/*.c | grep -oE 'getenv\("[A-Z_]+"' | sed 's/.*("//; s/"//' | grep -vx PATH | sort -u); do
	grep -hE '^\.It Ev' "$top"/app/tmakv*.8 | grep -qw "$name" || missing "tmakvd.8, tmakvctl.8" "the variable $name"
done

# --- every sentence of the log, so that it can be looked for in the page ---

cat "$top"/app/*.c "$top"/app/*/*.c | tr '\n\t' '  ' >"$work/source"
for shape in 'LOG_(ERROR|WARN|INFO)\("[^"]*"' 'LOG_(ERROR|WARN|INFO)\([a-z][^"]*"[^"]*" : +"[^"]*"' 'LOG_AT\([^"]*, "[^"]*"'; do
	grep -oE "$shape" "$work/source" | grep -oE '"[^"]*"' | tr -d '"'
done | sort -u >"$work/sentences"
[ "$(wc -l <"$work/sentences")" -gt 80 ] || missing app "its log"
sed "s/\\\\(aq/'/g" "$top/app/tmakvd.8" | sed -n '/^\.Sh DIAGNOSTICS/,/^\.Sh SEE/s/^\.It "\(.*\)"$/\1/p' | sort -u >"$work/named"
same tmakvd.8 'sentences of the log' "$(cat "$work/sentences")" "$(cat "$work/named")"

# --- all of them ---

# A page that sends its reader to one of ours sends it to one that there is, and each is named by another.
for page in "$top"/app/*.[1-8]; do
	page=${page##*/} name=${page%.*} section=${page##*.}
	grep -lE "^\.(Xr|It Xr) $name $section" "$top"/app/*.[1-8] | grep -qv "/$page$" || missing "the other pages" "$name($section)"
done
for one in $(grep -ohE '^\.(It )?Xr tmakv[a-z.-]* [0-9]' "$top"/app/*.[1-8] | sed 's/.*Xr //; s/ /./' | sort -u); do
	[ -f "$top/app/$one" ] || { echo "there is no page $one" >&2; rc=1; }
done

if command -v mandoc >/dev/null; then
	# Lines are as long as elsewhere here; where pages are installed mandoc does not know.
	mandoc -T lint -W style "$top"/app/*.[1-8] 2>/dev/null |
		grep -vE 'input text line longer than 80 bytes|referenced manual not found' >&2 && rc=1
fi
exit $rc
