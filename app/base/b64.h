/*
 * b64.h - base64url without padding (RFC 4648 section 5), read strictly: one
 * text for one value, so that a token has exactly one spelling.
 */
#ifndef BASE_B64_H
#define BASE_B64_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The length of N bytes written out, and room for the bytes of a text of N. */
#define B64URL_LEN(n) (((n) * 4 + 2) / 3)
#define B64URL_ROOM(n) ((n) / 4 * 3 + 2)

/* b64url_encode - OUT holds B64URL_LEN(N) bytes; no NUL. Answers that length. */
size_t b64url_encode(const uint8_t *p, size_t n, char *out);

/*
 * b64url_decode - OUT holds B64URL_ROOM(TEXT.n) bytes; *N is what was written.
 * False for padding, foreign bytes, an impossible length, or unused bits that are not 0.
 */
bool b64url_decode(struct str text, uint8_t *out, size_t *n);

#endif
