#!/bin/sh
# check_attacks.sh - has every attack that we know of a test that carries its name?
#
#     check_attacks.sh [TESTS]
#
# The list is below. The rows of A to E have names like "A3", and a test that is about some begins its name with
# theirs: test('A3: ...'), test('B9, B10: ...'), it "E6: ...". All of them go through nginx. One line for each row that
# no test names; then the exit status is 1.
set -eu

tests=${1:-${top_srcdir:-.}/tests}
[ -d "$tests/node" ] || { echo "check_attacks.sh: $tests is not the tests' folder" >&2; exit 99; }

{
	cat "$tests"/node/*.test.mjs |
		sed -nE 's/^ *(test|describe|it)\((["'\''`])(([A-E][0-9]*(, )?)+): .*/@ \3/p'
	cat "$tests"/integration/*.sh | sed -nE 's/^it "(([A-E][0-9]*(, )?)+): .*/@ \1/p'
	cat <<'ROWS'
A1 a hash that is forged, cut short, too long, empty or absent
A2 a field that was changed, added, removed, encoded once more
A3 a field twice, before or behind
A4 texts with two readings: line ends, NUL, "=" in names, bad escapes, bad UTF-8
A5 genuine, but another bot's
A6 Ed25519: another bot's, or another environment's key
A7 a hash under another key: the login widget's, swapped, in hex, of an empty token
A8 a date that is none, too new, too old, too large
A9 a user that is none
A10 ids beyond 32 bits
A11 too much: bytes, fields, depth
A12 a body that is none; a project that is none, as slowly as others
A13 initData in the query
A14 the same initData a thousand times
B1 no signature
B2 the published key as a secret
B3 another algorithm, another spelling of it
B4 a key id that leads elsewhere
B5 a key, or an address of keys, in the token
B6 extensions, other types
B7 a signature that was touched
B8 the twin of a signature
B9 an end that has come, or is none
B10 a beginning that has not come
B11 another project's token
B12 a project that is disabled, or gone
B13 a token from before the revocation
B14 claims that contradict each other
B15 a signing key that is retired, or gone
B16 tokens and headers that are too large
B17 schemes
B18 claims that are no object, or say something twice
C1 underscores in headers
C2 a header twice
C3 what could be read in two ways
C4 headers like our own parameters
C5 line ends, dots in names
C6 Proxy
C7 bytes that are no ASCII
C8 nginx's own errors
C9 encoded slashes and dots in paths
C10 the sockets
C11 the logs
D pages of other origins
E1 the time of a wrong byte
E2 the time of an unknown project
E3 a flood of Ed25519 signatures
E4 pages that validate in a loop
E5 where secrets could be seen
E6 a reload with something broken
E7 a clock that jumps
ROWS
} | awk '
$1 == "@" {
	gsub(/,/, " ")
	for (i = 2; i <= NF; i++)
		named[$i] = 1
	next
}
{
	listed[$1] = 1
	rows++
	if (!($1 in named)) {
		print "no test is called " $1 ": " substr($0, length($1) + 2)
		bad = 1
	}
}
END {
	for (id in named)
		if (!(id in listed)) {
			print "a test is called " id ", which is no row"
			bad = 1
		}
	if (rows != 51)
		bad = 1
	exit bad
}'
