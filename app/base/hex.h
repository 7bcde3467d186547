/*
 * hex.h - bytes written as hexadecimal digits.
 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* hex_encode - the 2*N lower-case digits of P, no NUL. OUT holds 2*N bytes. */
void hex_encode(const uint8_t *p, size_t n, char *out);

/* hex_decode - exactly 2*N digits of either case into N bytes; false for anything else. */
bool hex_decode(struct str text, uint8_t *out, size_t n);

#endif
