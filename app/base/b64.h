/*
 * b64.h - base64 (RFC 4648), read strictly.
 *
 * b64url_ is section 5 without padding: one text for one value, so that a token has
 * exactly one spelling. b64_ is section 4, as values travel in JSON: written with
 * padding, read with it or with none at all.
 */
#ifndef BASE_B64_H
#define BASE_B64_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The length of N bytes written out, and room for the bytes of a text of N. */
#define B64URL_LEN(n) (((n) * 4 + 2) / 3)
#define B64URL_ROOM(n) ((n) / 4 * 3 + 2)
#define B64_LEN(n) (((n) + 2) / 3 * 4)
#define B64_ROOM(n) ((n) / 4 * 3 + 2)

/* b64url_encode - OUT holds B64URL_LEN(N) bytes; no NUL. Answers that length. */
size_t b64url_encode(const uint8_t *p, size_t n, char *out);

/*
 * b64url_decode - OUT holds B64URL_ROOM(TEXT.n) bytes; *N is what was written.
 * False for padding, foreign bytes, an impossible length, or unused bits that are not 0.
 */
bool b64url_decode(struct str text, uint8_t *out, size_t *n);

/* b64_encode - with padding: OUT holds B64_LEN(N) bytes; no NUL. Answers that length. */
size_t b64_encode(const uint8_t *p, size_t n, char *out);

/*
 * b64_decode - OUT holds B64_ROOM(TEXT.n) bytes, or is TEXT.p itself: what is written stays
 * behind what is read, and is never longer than the text. *N is what was written.
 * False for foreign bytes (white space too), padding that is not just what the length asks
 * for, an impossible length, or unused bits that are not 0; OUT may then be half written.
 */
bool b64_decode(struct str text, uint8_t *out, size_t *n);

#endif
