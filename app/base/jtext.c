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

#include "base/hex.h"
#include "base/jtext.h"
#include "base/private.h"

struct scan {
	const unsigned char *p, *end;
	unsigned depth;
	unsigned char closer[JTEXT_DEPTH + 1];	/* what ends the array or object at each depth, from 1 */
};

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

/* A byte that ends the run, or is no UTF-8, has no row. */
const uint64_t jtext_machine[256] = {
	[0x20 ... '"' - 1]      = GO(PLAIN, PLAIN),
	['"' + 1 ... '\\' - 1]  = GO(PLAIN, PLAIN),
	['\\' + 1 ... 0x7f]     = GO(PLAIN, PLAIN),
	FOREIGN_ROWS
};

/* Whole blocks of text beyond ASCII; S->p ends at the start of a character, at most a block before what stops it. */
static inline void skip_foreign(struct scan *s)
{
	const unsigned char *p = s->p;
	uint64_t state = PLAIN;

	for (; s->end - p >= BLOCK && !(state == PLAIN && is_ascii(p)); p += BLOCK) {
		uint64_t next = state;

		for (int i = 0; i < BLOCK; i++)
			next = jtext_machine[p[i]] >> next & 63;
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

/* Whether nothing in S needs a backslash. Names are short: the last blocks overlap, so that few bytes are looked at alone. */
static inline bool is_plain(struct str s)
{
	const char *p = s.p;

#if JTEXT_SSE2
	if (s.n >= 16) {
		const char *last = p + s.n - 16;

		while (p < last && block_hits(p, RUN_ANY) == 0)
			p += 16;
		return p >= last && block_hits(last, RUN_ANY) == 0;
	}
#endif
	if (s.n >= 8) {
		const char *last = p + s.n - 8;

		while (p < last && !word_hits(word_at(p), RUN_ANY))
			p += 8;
		return p >= last && !word_hits(word_at(last), RUN_ANY);
	}
	if (s.n >= 4) {
		uint32_t half[2];

		memcpy(&half[0], p, sizeof half[0]);
		memcpy(&half[1], p + s.n - 4, sizeof half[1]);
		return !word_hits(word_at(half), RUN_ANY);
	}
	for (size_t i = 0; i < s.n; i++)
		if (ends_run((unsigned char)p[i], RUN_ANY))
			return false;
	return true;
}

void jtext_escape(struct buf *buf, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = s.n == 0 ? p : p + s.n;

	while (p < end) {
		const unsigned char *stop = run_end(p, end, RUN_ANY);

		buf_add(buf, str_make(p, (size_t)(stop - p)));
		p = stop;
		if (p < end)
			quote_char(buf, *p++);
	}
}

void jtext_quote(struct buf *buf, struct str s)
{
	/* Most names and many texts are plain. It takes this much at least, so asking for it fails no sooner. */
	if (s.n <= SIZE_MAX - 2 && buf_reserve(buf, s.n + 2) && is_plain(s)) {
		char *to = buf->p + buf->n;

		*to = '"';
		if (s.n != 0)
			memcpy(to + 1, s.p, s.n);
		to[1 + s.n] = '"';
		buf->n += s.n + 2;
		return;
	}
	buf_add_char(buf, '"');
	jtext_escape(buf, s);
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
