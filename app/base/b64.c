/*
 * b64.c - see b64.h.
 *
 * Values of a bulk upload pass here by the megabyte, so reading is a table and four letters
 * at a time.
 */
#include "config.h"

#include "base/b64.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char url_letters[] = LETTERS "-_";
static const char standard_letters[] = LETTERS "+/";

/* What each letter stands for, with a bit more, so that 0 is every foreign byte. */
enum { LETTER = 0x40 };
#define IS(value) (LETTER | (value))
#define ROWS \
	['A'] = IS(0), ['B'] = IS(1), ['C'] = IS(2), ['D'] = IS(3), ['E'] = IS(4), ['F'] = IS(5), ['G'] = IS(6), ['H'] = IS(7), \
	['I'] = IS(8), ['J'] = IS(9), ['K'] = IS(10), ['L'] = IS(11), ['M'] = IS(12), ['N'] = IS(13), ['O'] = IS(14), ['P'] = IS(15), \
	['Q'] = IS(16), ['R'] = IS(17), ['S'] = IS(18), ['T'] = IS(19), ['U'] = IS(20), ['V'] = IS(21), ['W'] = IS(22), ['X'] = IS(23), \
	['Y'] = IS(24), ['Z'] = IS(25), ['a'] = IS(26), ['b'] = IS(27), ['c'] = IS(28), ['d'] = IS(29), ['e'] = IS(30), ['f'] = IS(31), \
	['g'] = IS(32), ['h'] = IS(33), ['i'] = IS(34), ['j'] = IS(35), ['k'] = IS(36), ['l'] = IS(37), ['m'] = IS(38), ['n'] = IS(39), \
	['o'] = IS(40), ['p'] = IS(41), ['q'] = IS(42), ['r'] = IS(43), ['s'] = IS(44), ['t'] = IS(45), ['u'] = IS(46), ['v'] = IS(47), \
	['w'] = IS(48), ['x'] = IS(49), ['y'] = IS(50), ['z'] = IS(51), ['0'] = IS(52), ['1'] = IS(53), ['2'] = IS(54), ['3'] = IS(55), \
	['4'] = IS(56), ['5'] = IS(57), ['6'] = IS(58), ['7'] = IS(59), ['8'] = IS(60), ['9'] = IS(61)
static const uint8_t url_values[256] = { ROWS, ['-'] = IS(62), ['_'] = IS(63) };
static const uint8_t standard_values[256] = { ROWS, ['+'] = IS(62), ['/'] = IS(63) };

/* Without padding. */
static size_t encode(const uint8_t *p, size_t n, const char *letters, char *out)
{
	char *to = out;
	size_t i = 0;

	for (; n - i >= 3; i += 3, to += 4) {
		uint32_t bits = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];

		to[0] = letters[bits >> 18];
		to[1] = letters[bits >> 12 & 63];
		to[2] = letters[bits >> 6 & 63];
		to[3] = letters[bits & 63];
	}
	if (i < n) {
		uint32_t bits = (uint32_t)p[i] << 16 | (n - i == 2 ? (uint32_t)p[i + 1] << 8 : 0);

		for (size_t k = 0; k <= n - i; k++)
			*to++ = letters[bits >> (18 - 6 * k) & 63];
	}
	return (size_t)(to - out);
}

/* The two or three letters behind the last whole four. */
static bool decode_tail(const uint8_t *p, size_t n, const uint8_t *values, uint8_t *to)
{
	uint8_t a = values[p[0]], b = values[p[1]], c = n == 3 ? values[p[2]] : IS(0);
	uint32_t bits = (uint32_t)(a & 63) << 18 | (uint32_t)(b & 63) << 12 | (uint32_t)(c & 63) << 6;

	if ((a & b & c & LETTER) == 0 || (bits & (n == 3 ? 0xffu : 0xffffu)) != 0)
		return false;
	to[0] = (uint8_t)(bits >> 16);
	if (n == 3)
		to[1] = (uint8_t)(bits >> 8);
	return true;
}

/* Without padding. OUT may be TEXT.p: four letters are read before their three bytes are written. */
static bool decode(struct str text, const uint8_t *values, uint8_t *out, size_t *n)
{
	const uint8_t *p = (const uint8_t *)text.p;
	size_t tail = text.n % 4, whole = text.n - tail;
	uint8_t *to = out;

	if (tail == 1)
		return false;
	for (size_t i = 0; i < whole; i += 4, to += 3) {
		uint8_t a = values[p[i]], b = values[p[i + 1]], c = values[p[i + 2]], d = values[p[i + 3]];
		uint32_t bits = (uint32_t)(a & 63) << 18 | (uint32_t)(b & 63) << 12 | (uint32_t)(c & 63) << 6 | (d & 63);

		if ((a & b & c & d & LETTER) == 0)
			return false;
		to[0] = (uint8_t)(bits >> 16);
		to[1] = (uint8_t)(bits >> 8);
		to[2] = (uint8_t)bits;
	}
	if (tail != 0 && !decode_tail(p + whole, tail, values, to))
		return false;
	*n = whole / 4 * 3 + (tail == 0 ? 0 : tail - 1);
	return true;
}

size_t b64url_encode(const uint8_t *p, size_t n, char *out)
{
	return encode(p, n, url_letters, out);
}

bool b64url_decode(struct str text, uint8_t *out, size_t *n)
{
	return decode(text, url_values, out, n);
}

size_t b64_encode(const uint8_t *p, size_t n, char *out)
{
	size_t written = encode(p, n, standard_letters, out);

	while (written % 4 != 0)
		out[written++] = '=';
	return written;
}

bool b64_decode(struct str text, uint8_t *out, size_t *n)
{
	/* Whatever stands before the padding decides the rest: "A===" leaves a '=', a foreign byte. */
	if (text.n != 0 && text.n % 4 == 0 && text.p[text.n - 1] == '=')
		text.n -= text.p[text.n - 2] == '=' ? 2 : 1;
	return decode(text, standard_values, out, n);
}
