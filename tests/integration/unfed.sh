#!/usr/bin/env bash
# unfed.sh - a libfcgi that reads sockets by itself, whatever we define (it was linked to call its own OS_Read()).
# tmakvd_unfed is tmakvd with its OS_Read() hidden from it. The server says so, and serves as ever.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

TMAKVD=$top_builddir/tests/tools/tmakvd_unfed
export TMAKVD
[ -x "$TMAKVD" ] || skip "tmakvd_unfed is not built (make check builds it)"
start

it "finds out at start, and says so"
grep -qF 'this libfcgi cannot be fed' "$work/tmakvd.log" || fail "not a word of it in the log"

it "answers small and large requests"
{ printf '"'; head -c 131070 /dev/zero | tr '\0' x; printf '"'; } >"$work/value"
as_server PUT /kv/small --data-binary '"small"'
expect 200
as_server PUT /kv/large --data-binary "@$work/value"
expect 200
as_server GET /kv/small
expect 200 '"data":"small"'
as_server GET /kv/large
expect 200
{ printf '{"success":true,"data":'; cat "$work/value"; printf '}'; } | cmp - "$work/body" || fail "another value"

it "takes bodies in pieces, and refuses halves of them"
bash "$(dirname "$0")/short_body.sh" >"$work/short_body" 2>&1 || fail "short_body.sh: $(tail -n 5 "$work/short_body")"
