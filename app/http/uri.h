/*
 * uri.h - percent-decoding (RFC 3986) and query strings.
 */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/rc.h"
#include "base/str.h"

/*
 * uri_decode - RAW with every %XX replaced by its byte, once; '+' stays a plus. *OUT is
 * RAW itself when there is nothing to decode, else in ARENA.
 * RC_BAD_REQUEST for a bad %XX; RC_NO_MEMORY.
 */
enum rc uri_decode(struct str raw, struct arena *arena, struct str *out) MUST_USE;

/*
 * uri_parameter - the value of NAME in a query string, decoded as forms are ('+' is a
 * space). Absent and empty alike give an empty *OUT with RC_OK: an empty parameter counts
 * as absent. Named twice: the first one counts. RC_BAD_REQUEST for a bad %XX in it.
 */
enum rc uri_parameter(struct str query, const char *name, struct arena *arena,
		      struct str *out) MUST_USE;

#endif
