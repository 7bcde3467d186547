/*
 * hash.h - a keyed hash (SipHash-2-4 with 128 bits, Aumasson and Bernstein), for tables whose
 * keys come from outside: without the secret nobody can aim at one bucket, and 128 bits are
 * enough to stand for the text itself.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/str.h"

struct hash_key {
	uint64_t k0, k1;
};

struct hash {
	uint64_t a, b;
};

/* hash_key_new - a fresh random key. */
struct hash_key hash_key_new(void);

struct hash hash_make(struct hash_key key, struct str text);

static inline bool hash_eq(struct hash x, struct hash y)
{
	return x.a == y.a && x.b == y.b;
}

#endif
