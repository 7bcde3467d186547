/*
 * jtext.c - the scanner that decides whether a value is JSON, and the quoting of strings.
 *
 * Every value written passes here before it is stored, so this runs at memory
 * speed: it allocates nothing, keeps the open brackets in an array instead of on
 * the C stack, and looks at strings, the bulk of most values, many bytes at a time.
 *
 * All scan_ functions move S->p: behind what they read, or, when they answer
 * false, to the first byte that cannot stand there.
 *
 * No state: any thread.
 */
#include "config.h"

#include <stdint.h>
#if defined __SSE2__ && !defined JTEXT_PORTABLE
#include <emmintrin.h>
#define JTEXT_SSE2 1
#else
#define JTEXT_SSE2 0
#endif

#include "base/hex.h"
#include "base/jtext.h"

struct scan {
	const unsigned char *p, *end;
	unsigned depth;
	unsigned char closer[JTEXT_DEPTH + 1];	/* what ends the array or object at each depth, from 1 */
};

/* What ends a run of bytes in a string: a quote, a backslash, a control byte, and, if asked for, all but ASCII. */
enum run { RUN_ANY, RUN_ASCII };

static inline bool ends_run(unsigned char c, enum run run)
{
	return c < 0x20 || c == '"' || c == '\\' || (run == RUN_ASCII && c >= 0x80);
}

#if JTEXT_SSE2
/* Whole blocks of 16; *FOUND tells that P is where the run ends. */
static inline const unsigned char *run_blocks(const unsigned char *p, const unsigned char *end,
					      enum run run, bool *found)
{
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
	const __m128i control = _mm_set1_epi8(0x1f);

	for (; end - p >= 16; p += 16) {
		__m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i hit = _mm_cmpeq_epi8(_mm_min_epu8(block, control), block);
		int mask;

		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, quote));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, backslash));
		if (run == RUN_ASCII)
			hit = _mm_or_si128(hit, block);	/* the mask takes each byte's top bit */
		mask = _mm_movemask_epi8(hit);
		if (mask != 0) {
			*found = true;
			return p + __builtin_ctz((unsigned)mask);
		}
	}
	*found = false;
	return p;
}
#else
/* Whole blocks of 8, in one register; the block where the run ends is left to the caller. */
static inline const unsigned char *run_blocks(const unsigned char *p, const unsigned char *end,
					      enum run run, bool *found)
{
	const uint64_t ones = 0x0101010101010101, tops = ones * 0x80;

	*found = false;
	for (; end - p >= 8; p += 8) {
		uint64_t block, quote, backslash, hit;

		memcpy(&block, p, sizeof block);
		quote = block ^ ones * '"';
		backslash = block ^ ones * '\\';
		/* A byte below N borrows into its top bit when N is taken away; equal is "below 1" of the difference. */
		hit = ((block - ones * 0x20) & ~block) | ((quote - ones) & ~quote) |
		      ((backslash - ones) & ~backslash);
		if (run == RUN_ASCII)
			hit |= block;
		if ((hit & tops) != 0)
			break;
	}
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

static inline bool at(const struct scan *s, unsigned char c)
{
	return s->p < s->end && *s->p == c;
}

static inline bool at_digit(const struct scan *s)
{
	return s->p < s->end && (unsigned)*s->p - '0' <= 9;
}

static inline void skip_space(struct scan *s)
{
	while (s->p < s->end && *s->p <= ' ' &&
	       (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

/* One byte between LOW and HIGH. */
static inline bool scan_between(struct scan *s, unsigned char low, unsigned char high)
{
	if (s->p == s->end || *s->p < low || *s->p > high)
		return false;
	s->p++;
	return true;
}

/* A character beyond ASCII: the second byte's bounds keep out overlong forms, surrogates and what is above U+10FFFF. */
static inline bool scan_utf8(struct scan *s)
{
	unsigned char lead = *s->p;

	if (lead < 0xc2 || lead > 0xf4)
		return false;
	s->p++;
	if (lead < 0xe0)
		return scan_between(s, 0x80, 0xbf);
	if (lead < 0xf0)
		return scan_between(s, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) &&
		       scan_between(s, 0x80, 0xbf);
	return scan_between(s, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) &&
	       scan_between(s, 0x80, 0xbf) && scan_between(s, 0x80, 0xbf);
}

/*
 * The inside of a string as a machine with nine states, one table row a byte: a row
 * holds, at the bit each state's number names, the number of the state that follows.
 * So a byte costs one shift and no guess, in text where every letter takes two or
 * three bytes. STOP is 0 and final: a quote, a backslash, a control byte, or no UTF-8.
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
static const uint64_t machine[256] = {
	[0x20 ... '"' - 1]      = GO(PLAIN, PLAIN),
	['"' + 1 ... '\\' - 1]  = GO(PLAIN, PLAIN),
	['\\' + 1 ... 0x7f]     = GO(PLAIN, PLAIN),
	[0x80 ... 0x8f] = CONTINUES | GO(AFTER_ED, MORE_1) | GO(AFTER_F4, MORE_2),
	[0x90 ... 0x9f] = CONTINUES | GO(AFTER_ED, MORE_1) | GO(AFTER_F0, MORE_2),
	[0xa0 ... 0xbf] = CONTINUES | GO(AFTER_E0, MORE_1) | GO(AFTER_F0, MORE_2),
	[0xc2 ... 0xdf] = GO(PLAIN, MORE_1),
	[0xe0]          = GO(PLAIN, AFTER_E0),
	[0xe1 ... 0xec] = GO(PLAIN, MORE_2),
	[0xed]          = GO(PLAIN, AFTER_ED),
	[0xee ... 0xef] = GO(PLAIN, MORE_2),
	[0xf0]          = GO(PLAIN, AFTER_F0),
	[0xf1 ... 0xf3] = GO(PLAIN, MORE_3),
	[0xf4]          = GO(PLAIN, AFTER_F4),
};

static inline bool is_ascii(const unsigned char *p)
{
	uint64_t block[2];

	memcpy(block, p, sizeof block);
	return ((block[0] | block[1]) & 0x8080808080808080) == 0;
}

/* Whole blocks of text beyond ASCII; S->p ends at the start of a character, at most a block before what stops it. */
static inline void skip_foreign(struct scan *s)
{
	const unsigned char *p = s->p;
	uint64_t state = PLAIN;

	for (; s->end - p >= BLOCK && !(state == PLAIN && is_ascii(p)); p += BLOCK) {
		uint64_t next = state;

		for (int i = 0; i < BLOCK; i++)
			next = machine[p[i]] >> next & 63;
		if (next == STOP)
			break;
		state = next;
	}
	if (state != PLAIN)
		do
			p--;
		while ((*p & 0xc0) == 0x80);
	s->p = p;
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A backslash and what it stands for. Half a surrogate pair is fine: RFC 8259 section 8.2 allows the text. */
static inline bool scan_escape(struct scan *s)
{
	unsigned char c;

	if (++s->p == s->end)
		return false;
	c = *s->p;
	if (c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't') {
		s->p++;
		return true;
	}
	if (c != 'u')
		return false;
	s->p++;
	for (int i = 0; i < 4; i++, s->p++)
		if (s->p == s->end || !is_hex(*s->p))
			return false;
	return true;
}

/* A string, from its opening quote. */
static inline bool scan_string(struct scan *s)
{
	s->p++;
	for (;;) {
		s->p = run_end(s->p, s->end, RUN_ASCII);
		if (s->p == s->end)
			return false;
		if (*s->p == '"') {
			s->p++;
			return true;
		}
		if (*s->p == '\\') {
			if (!scan_escape(s))
				return false;
			continue;
		}
		if (*s->p < 0x20)
			return false;
		/* Characters beyond ASCII come in words. */
		skip_foreign(s);
		while (s->p < s->end && *s->p >= 0x80)
			if (!scan_utf8(s))
				return false;
	}
}

/* At least one digit. */
static inline bool scan_digits(struct scan *s)
{
	if (!at_digit(s))
		return false;
	do
		s->p++;
	while (at_digit(s));
	return true;
}

/* What may follow the digits before the dot. */
static inline bool scan_fraction(struct scan *s)
{
	if (!at(s, '.'))
		return true;
	s->p++;
	return scan_digits(s);
}

static inline bool scan_exponent(struct scan *s)
{
	if (!at(s, 'e') && !at(s, 'E'))
		return true;
	s->p++;
	if (at(s, '+') || at(s, '-'))
		s->p++;
	return scan_digits(s);
}

#if JTEXT_SSE2
/*
 * The digits, or digits, dot and digits, at S->p, when they and what ends them are in
 * one block: their places are then known together, without a guess for each byte.
 * False, and nothing moved, for all else, right or wrong.
 */
static inline bool skip_number(struct scan *s)
{
	__m128i block, value;
	unsigned other, dot, whole, part, n;

	if (s->end - s->p < BLOCK || *s->p == '0')
		return false;
	block = _mm_loadu_si128((const __m128i *)(const void *)s->p);
	value = _mm_sub_epi8(block, _mm_set1_epi8('0'));
	/* A bit for each byte that is no digit, the upper half set: so there is always one to count up to. */
	other = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value));
	dot = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8('.')));
	whole = (unsigned)__builtin_ctz(other);
	dot = dot >> whole & 1;
	part = (unsigned)__builtin_ctz(other >> (whole + 1) | 1u << 15);
	n = whole + dot * (1 + part);
	if (whole == 0 || n >= BLOCK || (dot & (part == 0)) != 0)
		return false;
	s->p += n;
	return true;
}
#else
static inline bool skip_number(struct scan *s)
{
	(void)s;
	return false;
}
#endif

static inline bool scan_number(struct scan *s)
{
	s->p += at(s, '-');
	if (!skip_number(s)) {
		if (at(s, '0'))
			s->p++;
		else if (!scan_digits(s))
			return false;
		if (!scan_fraction(s))
			return false;
	}
	return scan_exponent(s);
}

static bool scan_word(struct scan *s, const char *word)
{
	for (; *word != '\0'; word++, s->p++)
		if (!at(s, (unsigned char)*word))
			return false;
	return true;
}

static inline bool scan_scalar(struct scan *s)
{
	if (s->p == s->end)
		return false;
	switch (*s->p) {
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		return scan_number(s);
	}
}

/* A member's name and its colon. */
static inline bool scan_name(struct scan *s)
{
	skip_space(s);
	if (!at(s, '"') || !scan_string(s))
		return false;
	skip_space(s);
	if (!at(s, ':'))
		return false;
	s->p++;
	return true;
}

/* Before the next element: an object's element begins with its name. */
static inline bool scan_element(struct scan *s)
{
	return s->closer[s->depth] == ']' || scan_name(s);
}

static bool scan_text(struct scan *s)
{
	for (;;) {
		skip_space(s);
		if (at(s, '[') || at(s, '{')) {
			if (s->depth == JTEXT_DEPTH)
				return false;
			s->closer[++s->depth] = *s->p == '[' ? ']' : '}';
			s->p++;
			skip_space(s);
			if (!at(s, s->closer[s->depth])) {
				if (!scan_element(s))
					return false;
				continue;
			}
		} else if (!scan_scalar(s)) {
			return false;
		}

		/* A value has ended, or an empty array or object is about to: close all that ends here. */
		for (;;) {
			skip_space(s);
			if (s->depth == 0)
				return s->p == s->end;
			if (!at(s, s->closer[s->depth]))
				break;
			s->p++;
			s->depth--;
		}
		if (!at(s, ','))
			return false;
		s->p++;
		if (!scan_element(s))
			return false;
	}
}

bool jtext_check(struct str text, size_t *bad_at)
{
	const unsigned char *start = (const unsigned char *)text.p;
	struct scan s;

	if (text.n == 0) {
		*bad_at = 0;
		return false;
	}
	s.p = start;
	s.end = start + text.n;
	s.depth = 0;
	if (scan_text(&s))
		return true;
	*bad_at = (size_t)(s.p - start);
	return false;
}

/* The letter behind the backslash for C, or 0 when it takes \u00XX. */
static char escape_letter(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

static void quote_char(struct buf *buf, unsigned char c)
{
	char letter = escape_letter(c);

	if (letter != 0) {
		buf_add(buf, str_make((const char[]){ '\\', letter }, 2));
	} else {
		char text[6] = { '\\', 'u', '0', '0' };

		hex_encode(&c, 1, text + 4);
		buf_add(buf, str_make(text, sizeof text));
	}
}

void jtext_quote(struct buf *buf, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = s.n == 0 ? p : p + s.n;

	buf_add_char(buf, '"');
	while (p < end) {
		const unsigned char *stop = run_end(p, end, RUN_ANY);

		buf_add(buf, str_make(p, (size_t)(stop - p)));
		p = stop;
		if (p < end)
			quote_char(buf, *p++);
	}
	buf_add_char(buf, '"');
}

size_t jtext_quoted_len(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = s.n == 0 ? p : p + s.n;
	size_t n = s.n + 2;

	while (p < end && (p = run_end(p, end, RUN_ANY)) < end)
		n += escape_letter(*p++) != 0 ? 1 : 5;
	return n;
}
