#!/bin/sh
# check_man.sh - the manual pages name what there is: every setting with its default, every
# command and option of tmakvctl; and they are good mdoc where mandoc is there to say so.
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${top_builddir:-$top}
rc=0

missing() {
	echo "$1: nothing about $2" >&2
	rc=1
}

# The sample configuration has every setting with its default; test_base_conf holds it to that.
n=0
while IFS= read -r setting; do
	name=${setting%% *} preset=${setting#*= }
	grep -Eq "^\.It Cm $name No =( Pa)?( $preset)?$" "$top/app/tmakv.conf.5" || missing tmakv.conf.5 "$setting"
	n=$((n + 1))
done <<EOT
$(sed -n 's/^#\([a-z_]* =\)/\1/p' "$top/conf/tmakv.conf")
EOT
[ $n -gt 20 ] || missing tmakv.conf "its settings"

# Its help has two lists, of commands and of options.
help=$("$build/tmakvctl" --help) || exit 99
commands=$(printf '%s\n' "$help" | sed -n '/^Commands/,/^$/s/^  \([a-z-]*\( [a-z][a-z-]*\)\{0,1\}\)  .*/\1/p')
[ "$(printf '%s\n' "$commands" | wc -l)" -gt 10 ] || missing "tmakvctl --help" "its commands"
while IFS= read -r command; do
	grep -q "^\.It Cm $command" "$top/app/tmakvctl.8" || missing tmakvctl.8 "$command"
	# shellcheck disable=SC2086 # one or two words
	for option in $("$build/tmakvctl" $command --help | sed -n 's/^  \(-.,\)\{0,1\} *--\([a-z-]*\).*/\2/p'); do
		grep -q "Fl -$option" "$top/app/tmakvctl.8" || missing tmakvctl.8 "--$option"
	done
done <<EOT
$commands
EOT

if command -v mandoc >/dev/null; then
	mandoc -T lint -W warning "$top"/app/*.[578] >&2 || rc=1
fi
exit $rc
