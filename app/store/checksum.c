/*
 * checksum.c - the sum that Berkeley DB keeps with every page and every log record, many bytes at a time.
 *
 * The library goes byte by byte, each step waiting for the one before: seven instructions for each. It sums
 * what a write logs, and a page each time it is written or comes from the disk. That was three of four
 * instructions of a PUT of 128 KB, and one of eight of a small one.
 *
 * It calls the function by its name, through the dynamic linker, and a program's functions come before those of
 * its libraries, as with malloc(). So the function here takes the place of the library's and answers the same.
 *
 * No state: any thread.
 */
#include "config.h"

#if defined __SSE2__ && !defined CHECKSUM_PORTABLE
#define CHECKSUM_SSE2 1
#include <emmintrin.h>
#endif

#include "store/private.h"

/* Powers of 33, modulo 2^32. */
#define P2 (33u * 33)
#define P4 (P2 * P2)
#define P8 (P4 * P4)
#define P12 (P8 * P4)
#define P16 (P8 * P8)

#ifdef CHECKSUM_SSE2
/* Four products of 32 bits, the upper halves dropped. */
static inline __m128i times(__m128i a, __m128i b)
{
	__m128i even = _mm_mul_epu32(a, b), odd = _mm_mul_epu32(_mm_srli_epi64(a, 32), b);

	return _mm_unpacklo_epi32(_mm_shuffle_epi32(even, 0x08), _mm_shuffle_epi32(odd, 0x08));
}

/* The sums of four times four bytes: first those of pairs, then those of two pairs. None leaves its 16 or 32 bits. */
static inline __m128i sums_of_four(__m128i bytes)
{
	const __m128i zero = _mm_setzero_si128(), by_1 = _mm_set1_epi32(33 | 1 << 16), by_2 = _mm_set1_epi32(P2 | 1 << 16);
	__m128i low = _mm_madd_epi16(_mm_unpacklo_epi8(bytes, zero), by_1);
	__m128i high = _mm_madd_epi16(_mm_unpackhi_epi8(bytes, zero), by_1);

	return _mm_madd_epi16(_mm_packs_epi32(low, high), by_2);
}

/* The sum of N bytes, a multiple of 16. */
static uint32_t sum_blocks(const unsigned char *p, size_t n)
{
	__m128i sums = _mm_setzero_si128();
	uint32_t four[4];

	for (const unsigned char *end = p + n; p < end; p += 16)
		sums = _mm_add_epi32(times(sums, _mm_set1_epi32((int)P16)),
				     sums_of_four(_mm_loadu_si128((const __m128i *)(const void *)p)));
	_mm_storeu_si128((__m128i *)(void *)four, sums);
	return four[0] * P12 + four[1] * P8 + four[2] * P4 + four[3];
}
#else
static uint32_t sum_blocks(const unsigned char *p, size_t n)
{
	uint32_t sum = 0;

	for (const unsigned char *end = p + n; p < end; p += 4)
		sum = sum * P4 + p[0] * P2 * 33 + p[1] * P2 + p[2] * 33u + p[3];
	return sum;
}
#endif

uint32_t __ham_func4(DB *db, const void *bytes, uint32_t n)
{
	const unsigned char *p = bytes, *end = n == 0 ? p : p + n;
	uint32_t blocks = n & ~UINT32_C(15), sum = sum_blocks(p, blocks);

	(void)db;
	for (p += blocks; p < end; p++)
		sum = sum * 33 + *p;
	return sum;
}
