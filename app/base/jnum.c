/*
 * jnum.c - see jnum.h. Pure. (No setlocale() here: a decimal point is a point.)
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/jnum.h"

/* Digits with or without a sign, of 64 bits. */
static bool int_read(struct str text, int64_t *value)
{
	bool negative = text.n != 0 && *text.p == '-';
	uint64_t digits;

	if (!str_to_u64(str_skip(text, negative), 0, (uint64_t)INT64_MAX + negative, &digits))
		return false;
	*value = negative ? (int64_t)(0 - digits) : (int64_t)digits;
	return true;
}

bool jnum_read(struct str text, struct jnum *number)
{
	char copy[JNUM_LEN_MAX + 1];

	if (text.n == 0 || text.n > JNUM_LEN_MAX || (*text.p != '-' && (*text.p < '0' || *text.p > '9')))
		return false;
	*number = (struct jnum){ .is_int = true };
	if (int_read(text, &number->i))
		return true;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	number->is_int = false;
	number->d = strtod(copy, NULL);
	return isfinite(number->d);
}

static int compare_doubles(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare_int(int64_t i, double d)
{
	int64_t whole;

	if (d >= 0x1p63)
		return -1;
	if (d < -0x1p63)
		return 1;
	whole = (int64_t)d;
	if (i != whole)
		return i < whole ? -1 : 1;
	return compare_doubles(0, d - (double)whole);
}

int jnum_compare(const struct jnum *a, const struct jnum *b)
{
	if (a->is_int && b->is_int)
		return (a->i > b->i) - (a->i < b->i);
	if (a->is_int)
		return compare_int(a->i, b->d);
	return b->is_int ? -compare_int(b->i, a->d) : compare_doubles(a->d, b->d);
}

static double as_double(const struct jnum *number)
{
	return number->is_int ? (double)number->i : number->d;
}

bool jnum_add(const struct jnum *a, const struct jnum *b, struct jnum *sum)
{
	struct jnum result = { .is_int = a->is_int && b->is_int };

	if (result.is_int) {
		if (__builtin_add_overflow(a->i, b->i, &result.i))
			return false;
	} else {
		result.d = as_double(a) + as_double(b);
		if (!isfinite(result.d))
			return false;
	}
	*sum = result;
	return true;
}

struct str jnum_write(const struct jnum *number, char out[JNUM_TEXT_MAX])
{
	int n = 0;

	if (number->is_int) {
		n = snprintf(out, JNUM_TEXT_MAX, "%" PRId64, number->i);
		return str_make(out, (size_t)n);
	}
	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(out, JNUM_TEXT_MAX, "%.*g", digits, number->d);
		if (strtod(out, NULL) == number->d)
			break;
	}
	return str_make(out, (size_t)n);
}
