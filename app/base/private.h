/*
 * private.h - what the scanners of text share: jtext.c and those that judge text in pieces.
 *
 * How a run of ordinary bytes in a JSON string is passed over, and what UTF-8 is, each said
 * once. Everything here is about bytes in memory and has no state.
 */
#ifndef BASE_PRIVATE_H
#define BASE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined __SSE2__ && !defined JTEXT_PORTABLE
#include <emmintrin.h>
#define JTEXT_SSE2 1
#else
#define JTEXT_SSE2 0
#endif

/* What ends a run of bytes in a string: a quote, a backslash, a control byte, and, if asked for, all but ASCII. */
enum run { RUN_ANY, RUN_ASCII };

static inline bool ends_run(unsigned char c, enum run run)
{
	return c < 0x20 || c == '"' || c == '\\' || (run == RUN_ASCII && c >= 0x80);
}

#if JTEXT_SSE2
/* Of the 16 bytes at P those that end a run, a bit each. */
static inline unsigned block_hits(const void *p, enum run run)
{
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
	const __m128i control = _mm_set1_epi8(0x1f);
	__m128i block = _mm_loadu_si128(p);
	__m128i hit = _mm_cmpeq_epi8(_mm_min_epu8(block, control), block);

	hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, quote));
	hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, backslash));
	if (run == RUN_ASCII)
		hit = _mm_or_si128(hit, block);	/* the mask takes each byte's top bit */
	return (unsigned)_mm_movemask_epi8(hit);
}

/* Whole blocks of 16; *FOUND tells that P is where the run ends. */
static inline const unsigned char *run_blocks(const unsigned char *p, const unsigned char *end,
					      enum run run, bool *found)
{
	for (; end - p >= 16; p += 16) {
		unsigned hits = block_hits(p, run);

		if (hits != 0) {
			*found = true;
			return p + __builtin_ctz(hits);
		}
	}
	*found = false;
	return p;
}
#endif

static inline uint64_t word_at(const void *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof word);
	return word;
}

/* Whether one of eight bytes ends a run; all of them in one register. */
static inline bool word_hits(uint64_t word, enum run run)
{
	const uint64_t ones = 0x0101010101010101, tops = ones * 0x80;
	uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\', hit;

	/* A byte below N borrows into its top bit when N is taken away; equal is "below 1" of the difference. */
	hit = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
	if (run == RUN_ASCII)
		hit |= word;
	return (hit & tops) != 0;
}

#if !JTEXT_SSE2
/* Whole blocks of 8; the block where the run ends is left to the caller. */
static inline const unsigned char *run_blocks(const unsigned char *p, const unsigned char *end,
					      enum run run, bool *found)
{
	*found = false;
	while (end - p >= 8 && !word_hits(word_at(p), run))
		p += 8;
	return p;
}
#endif

/* The first byte from P on that ends a run, or END. */
static inline const unsigned char *run_end(const unsigned char *p, const unsigned char *end,
					   enum run run)
{
	bool found;

	p = run_blocks(p, end, run, &found);
	if (!found)
		while (p < end && !ends_run(*p, run))
			p++;
	return p;
}

/*
 * UTF-8 as a machine with nine states, one table row a byte: a row holds, at the bit each
 * state's number names, the number of the state that follows. So a byte costs one shift and
 * no guess, in text where every letter takes two or three bytes. STOP is 0 and final.
 * A table adds rows of its own for ASCII.
 */
enum {
	STOP = 0,
	PLAIN = 6,			/* between characters */
	MORE_1 = 12, MORE_2 = 18, MORE_3 = 24,	/* so many continuation bytes are to come */
	AFTER_E0 = 30, AFTER_ED = 36, AFTER_F0 = 42, AFTER_F4 = 48,	/* leads that bound the next byte */
};
enum { BLOCK = 16 };
#define GO(from, to) ((uint64_t)(to) << (from))
#define CONTINUES (GO(MORE_1, PLAIN) | GO(MORE_2, MORE_1) | GO(MORE_3, MORE_2))
#define FOREIGN_ROWS \
	[0x80 ... 0x8f] = CONTINUES | GO(AFTER_ED, MORE_1) | GO(AFTER_F4, MORE_2), \
	[0x90 ... 0x9f] = CONTINUES | GO(AFTER_ED, MORE_1) | GO(AFTER_F0, MORE_2), \
	[0xa0 ... 0xbf] = CONTINUES | GO(AFTER_E0, MORE_1) | GO(AFTER_F0, MORE_2), \
	[0xc2 ... 0xdf] = GO(PLAIN, MORE_1), \
	[0xe0]          = GO(PLAIN, AFTER_E0), \
	[0xe1 ... 0xec] = GO(PLAIN, MORE_2), \
	[0xed]          = GO(PLAIN, AFTER_ED), \
	[0xee ... 0xef] = GO(PLAIN, MORE_2), \
	[0xf0]          = GO(PLAIN, AFTER_F0), \
	[0xf1 ... 0xf3] = GO(PLAIN, MORE_3), \
	[0xf4]          = GO(PLAIN, AFTER_F4)

/* The inside of a JSON string: it also stops at a quote, a backslash and a control byte. */
extern const uint64_t jtext_machine[256];

/* Are these BLOCK bytes all ASCII? */
static inline bool is_ascii(const unsigned char *p)
{
	uint64_t block[2];

	memcpy(block, p, sizeof block);
	return ((block[0] | block[1]) & 0x8080808080808080) == 0;
}

#endif
