/*
 * jnum.h - counting with JSON's numbers: 64-bit integers exactly, all others as doubles.
 */
#ifndef BASE_JNUM_H
#define BASE_JNUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct jnum {
	bool is_int;		/* written without '.' and exponent, and of 64 bits */
	int64_t i;
	double d;		/* when it is not; always finite */
};

/* Longer ones are not counted with. */
enum { JNUM_LEN_MAX = 64, JNUM_TEXT_MAX = 32 };

/* jnum_read - TEXT is a value of checked JSON. False: it is no number, too long, or beyond what a double holds. */
bool jnum_read(struct str text, struct jnum *number);

/* jnum_compare - less than, equal to or greater than 0, exactly, whatever the two are. */
int jnum_compare(const struct jnum *a, const struct jnum *b);

/* jnum_add - false, and nothing has changed, when the sum does not fit: into 64 bits for two integers, else a double. */
bool jnum_add(const struct jnum *a, const struct jnum *b, struct jnum *sum);

/* jnum_write - as JSON, the shortest text that reads as the same number; in OUT. */
struct str jnum_write(const struct jnum *number, char out[JNUM_TEXT_MAX]);

#endif
