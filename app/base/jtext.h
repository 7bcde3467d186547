/*
 * jtext.h - JSON as text: is it JSON, byte for byte, and how is a string quoted.
 *
 * Values are kept as the client wrote them and sent inside the reply's envelope,
 * so one text that is not exactly RFC 8259 would break every client that reads it.
 * That is why this is not left to a parser that forgives.
 */
#ifndef BASE_JTEXT_H
#define BASE_JTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum { JTEXT_DEPTH = 512 };

/*
 * jtext_check - is TEXT one JSON text as RFC 8259 says: UTF-8, nothing but white
 * space around it, arrays and objects at most JTEXT_DEPTH deep? Allocates nothing.
 * When not, *BAD_AT is the offset of the first byte that cannot stand there
 * (TEXT.n when it ends too early).
 */
bool jtext_check(struct str text, size_t *bad_at);

/*
 * jtext_quote - S, which must be UTF-8, as a JSON string with its quotes: '"', '\'
 * and everything below 0x20 escaped, all else as it is.
 */
void jtext_quote(struct buf *buf, struct str s);

/* jtext_escape - the inside of that string: what is quoted piece by piece may be cut anywhere. */
void jtext_escape(struct buf *buf, struct str s);

/* jtext_quoted_len - the bytes jtext_quote would add. */
size_t jtext_quoted_len(struct str s);

#endif
