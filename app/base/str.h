/*
 * str.h - bytes with a length. Keys and values may hold NUL, so nothing here
 * looks for one. A struct str never owns its bytes.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

/* For printf's "%.*s". */
#define STR(s) (int)(s).n, (s).p

/* A string literal as a struct str. */
#define STR_LIT(lit) ((struct str){ "" lit, sizeof(lit) - 1 })

static inline struct str str_make(const void *p, size_t n)
{
	return (struct str){ p, n };
}

/* str_c - a C string's bytes; NULL gives the empty string. */
static inline struct str str_c(const char *c)
{
	return (struct str){ c, c != NULL ? strlen(c) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* str_skip - S without its first N bytes; N at most S.n. */
static inline struct str str_skip(struct str s, size_t n)
{
	return (struct str){ n == 0 ? s.p : s.p + n, s.n - n };
}

/* str_cmp - as memcmp, the shorter first where one begins the other. */
int str_cmp(struct str a, struct str b);

/* str_eq_nocase - equal but for the case of ASCII letters. */
bool str_eq_nocase(struct str a, struct str b);

/* str_trim - S without the spaces and tabs around it; str_trim_front - without those in front (RFC 9110, 5.6.3). */
struct str str_trim(struct str s);
struct str str_trim_front(struct str s);

/*
 * str_cut - split S at the first C: *HEAD before it, *TAIL behind it.
 * Without C, *HEAD is all of S, *TAIL is empty, and the answer is false.
 */
bool str_cut(struct str s, char c, struct str *head, struct str *tail);

/* str_from_u64 - VALUE in decimal digits, into OUT; how many there are. */
enum { STR_U64_MAX = 20 };
size_t str_from_u64(uint64_t value, char out[STR_U64_MAX]);

/*
 * str_to_u64 - a decimal number of digits only, MIN <= it <= MAX.
 * *OUT stays untouched when S is anything else.
 */
bool str_to_u64(struct str s, uint64_t min, uint64_t max, uint64_t *out);

/* str_to_size - the same with K, M, G or T behind it, in either case: times 1024, 1024 times that, and so on. */
bool str_to_size(struct str s, uint64_t min, uint64_t max, uint64_t *out);

/* str_utf8_char - the bytes of the well-formed UTF-8 character that S begins with; 0 when there is none. */
size_t str_utf8_char(struct str s);

/* str_is_utf8 - well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates. */
bool str_is_utf8(struct str s);

#endif
