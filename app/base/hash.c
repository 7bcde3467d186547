/*
 * hash.c - SipHash-2-4, 128 bits wide, as its authors define it.
 */
#include "config.h"

#include "base/hash.h"
#include "base/rand.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

struct hash_key hash_key_new(void)
{
	struct hash_key key;

	rand_bytes(&key, sizeof key);
	return key;
}

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void rounds(struct state *s, int n)
{
	while (n-- > 0) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 = rotate(s->v2, 32);
	}
}

static inline void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, 2);
	s->v0 ^= word;
}

/* Eight bytes, the first one lowest. */
static inline uint64_t word_at(const unsigned char *p, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

struct hash hash_make(struct hash_key key, struct str text)
{
	struct state s = {
		key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du ^ 0xee,
		key.k0 ^ 0x6c7967656e657261u, key.k1 ^ 0x7465646279746573u,
	};
	const unsigned char *p = (const unsigned char *)text.p;
	size_t left = text.n;
	struct hash hash;

	for (; left >= 8; left -= 8, p += 8)
		absorb(&s, word_at(p, 8));
	absorb(&s, word_at(p, left) | (uint64_t)text.n << 56);
	s.v2 ^= 0xee;
	rounds(&s, 4);
	hash.a = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	s.v1 ^= 0xdd;
	rounds(&s, 4);
	hash.b = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return hash;
}
