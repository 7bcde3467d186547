/*
 * jscan.c - the JSON scanner that can stop after any byte and go on later.
 *
 * What a value of many megabytes is asked on its way to the store, so it runs at memory speed
 * where most bytes are: the inside of strings goes by in blocks, as in jtext.c, and a number
 * is a machine of one table row a byte. All else is one step of a state a token.
 *
 * A step_ function is given what is left of the piece, never nothing, and answers where it
 * stopped: at the first byte that is not its own any more. It moves STATE on, or sets it to
 * BAD, and then that byte is the one that cannot stand there.
 *
 * No state but struct jscan: any thread.
 */
#include "config.h"

#include "base/jscan.h"
#include "base/private.h"

/* What may come next. White space may stand before all of the first kind. */
enum state {
	VALUE,		/* a value */
	FIRST_ELEMENT,	/* behind '[': a value or ']' */
	FIRST_NAME,	/* behind '{': a name or '}' */
	NAME,		/* behind ',' in an object */
	COLON,
	AFTER,		/* behind a value: ',', what closes, or nothing more */

	STRING, ESCAPE, HEX, NUMBER, WORD,
	BAD
};

/*
 * A number, as in private.h: each row says where its byte leads from each state. What has no
 * row ends the number, which is whole in four of the states.
 */
enum {
	START = 6,
	MINUS = 12,		/* behind '-' */
	ZERO = 18,		/* whole: behind the 0 that no digit may follow */
	WHOLE = 24,		/* whole */
	DOT = 30,
	FRACTION = 36,		/* whole */
	E = 42,
	SIGN = 48,		/* behind 'e' and its sign */
	EXPONENT = 54,		/* whole */
};
#define MORE_DIGITS (GO(WHOLE, WHOLE) | GO(DOT, FRACTION) | GO(FRACTION, FRACTION) | \
	GO(E, EXPONENT) | GO(SIGN, EXPONENT) | GO(EXPONENT, EXPONENT))
static const uint64_t number[256] = {
	['-'] = GO(START, MINUS) | GO(E, SIGN),
	['+'] = GO(E, SIGN),
	['0'] = GO(START, ZERO) | GO(MINUS, ZERO) | MORE_DIGITS,
	['1' ... '9'] = GO(START, WHOLE) | GO(MINUS, WHOLE) | MORE_DIGITS,
	['.'] = GO(ZERO, DOT) | GO(WHOLE, DOT),
	['e'] = GO(ZERO, E) | GO(WHOLE, E) | GO(FRACTION, E),
	['E'] = GO(ZERO, E) | GO(WHOLE, E) | GO(FRACTION, E),
};

static bool number_is_whole(const struct jscan *scan)
{
	return scan->machine == ZERO || scan->machine == WHOLE ||
		scan->machine == FRACTION || scan->machine == EXPONENT;
}

static inline const unsigned char *skip_space(const unsigned char *p, const unsigned char *end)
{
	while (p < end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

static inline bool in_object(const struct jscan *scan)
{
	unsigned top = scan->depth - 1u;

	return scan->depth != 0 && (scan->objects[top / 64] >> top % 64 & 1) != 0;
}

static inline void open_bracket(struct jscan *scan, bool object)
{
	uint64_t bit = (uint64_t)1 << scan->depth % 64, *word = &scan->objects[scan->depth / 64];

	*word = object ? *word | bit : *word & ~bit;
	scan->depth++;
	scan->state = object ? FIRST_NAME : FIRST_ELEMENT;
}

static inline void close_bracket(struct jscan *scan)
{
	scan->depth--;
	scan->state = AFTER;
}

static inline const unsigned char *step_number(struct jscan *scan, const unsigned char *p,
					       const unsigned char *end)
{
	uint64_t state = scan->machine, next;

	for (; p < end && (next = number[*p] >> state & 63) != STOP; p++)
		state = next;
	scan->machine = (uint8_t)state;
	if (p < end)
		scan->state = number_is_whole(scan) ? AFTER : BAD;
	return p;
}

static inline const unsigned char *step_word(struct jscan *scan, const unsigned char *p,
					     const unsigned char *end)
{
	const char *word = scan->word;

	while (p < end && *word != '\0' && *p == (unsigned char)*word)
		p++, word++;
	scan->word = word;
	if (*word == '\0')
		scan->state = AFTER;
	else if (p < end)
		scan->state = BAD;
	return p;
}

/* Text beyond ASCII: behind the last whole character, or where the machine stops. */
static inline const unsigned char *skip_foreign(struct jscan *scan, const unsigned char *p,
						const unsigned char *end)
{
	uint64_t state = scan->machine, next;

	for (; end - p >= BLOCK && !(state == PLAIN && is_ascii(p)); p += BLOCK) {
		next = state;
		for (int i = 0; i < BLOCK; i++)
			next = jtext_machine[p[i]] >> next & 63;
		if (next == STOP)
			break;
		state = next;
	}
	for (; p < end && (state != PLAIN || *p >= 0x80); p++) {
		next = jtext_machine[*p] >> state & 63;
		if (next == STOP)
			break;
		state = next;
	}
	scan->machine = (uint8_t)state;
	return p;
}

/* MACHINE says whether the piece began inside a character. */
static inline const unsigned char *step_string(struct jscan *scan, const unsigned char *p,
					       const unsigned char *end)
{
	for (;;) {
		if (scan->machine == PLAIN)
			p = run_end(p, end, RUN_ASCII);
		if (p == end)
			return p;
		if (scan->machine == PLAIN && *p == '"') {
			scan->state = scan->name ? COLON : AFTER;
			return p + 1;
		}
		if (scan->machine == PLAIN && *p == '\\') {
			scan->state = ESCAPE;
			return p + 1;
		}
		if ((jtext_machine[*p] >> scan->machine & 63) == STOP) {
			scan->state = BAD;
			return p;
		}
		p = skip_foreign(scan, p, end);
	}
}

static inline const unsigned char *step_escape(struct jscan *scan, const unsigned char *p)
{
	static const char letters[] = "\"\\/bfnrt";

	if (*p == 'u') {
		scan->hex = 4;
		scan->state = HEX;
	} else if (memchr(letters, *p, sizeof letters - 1) != NULL) {
		scan->state = STRING;
	} else {
		scan->state = BAD;
		return p;
	}
	return p + 1;
}

static inline const unsigned char *step_hex(struct jscan *scan, const unsigned char *p,
					    const unsigned char *end)
{
	for (; p < end && scan->hex != 0; p++, scan->hex--) {
		unsigned char lower = *p | 0x20;

		if (!(*p >= '0' && *p <= '9') && !(lower >= 'a' && lower <= 'f')) {
			scan->state = BAD;
			return p;
		}
	}
	if (scan->hex == 0)
		scan->state = STRING;
	return p;
}

static inline const unsigned char *begin_string(struct jscan *scan, const unsigned char *p,
						const unsigned char *end, bool name)
{
	scan->state = STRING;
	scan->machine = PLAIN;
	scan->name = name;
	return step_string(scan, p + 1, end);
}

static inline const unsigned char *begin_word(struct jscan *scan, const unsigned char *p,
					      const unsigned char *end, const char *word)
{
	scan->state = WORD;
	scan->word = word;
	return step_word(scan, p, end);
}

static inline const unsigned char *begin_number(struct jscan *scan, const unsigned char *p,
						const unsigned char *end)
{
	scan->state = NUMBER;
	scan->machine = START;
	return step_number(scan, p, end);
}

static inline const unsigned char *step_value(struct jscan *scan, const unsigned char *p,
					      const unsigned char *end)
{
	switch (*p) {
	case '"':
		return begin_string(scan, p, end, false);
	case '[':
	case '{':
		if (scan->depth == JTEXT_DEPTH)
			break;
		open_bracket(scan, *p == '{');
		return p + 1;
	case 't':
		return begin_word(scan, p, end, "true");
	case 'f':
		return begin_word(scan, p, end, "false");
	case 'n':
		return begin_word(scan, p, end, "null");
	default:
		return begin_number(scan, p, end);
	}
	scan->state = BAD;
	return p;
}

static inline const unsigned char *step_name(struct jscan *scan, const unsigned char *p,
					     const unsigned char *end)
{
	if (*p == '"')
		return begin_string(scan, p, end, true);
	scan->state = BAD;
	return p;
}

static inline const unsigned char *step_colon(struct jscan *scan, const unsigned char *p)
{
	if (*p != ':') {
		scan->state = BAD;
		return p;
	}
	scan->state = VALUE;
	return p + 1;
}

static inline const unsigned char *step_after(struct jscan *scan, const unsigned char *p)
{
	bool object = in_object(scan);

	if (scan->depth != 0 && *p == ',') {
		scan->state = object ? NAME : VALUE;
	} else if (scan->depth != 0 && *p == (object ? '}' : ']')) {
		close_bracket(scan);
	} else {
		scan->state = BAD;
		return p;
	}
	return p + 1;
}

static inline const unsigned char *step(struct jscan *scan, const unsigned char *p,
					const unsigned char *end)
{
	if (scan->state <= AFTER && (p = skip_space(p, end)) == end)
		return p;
	switch ((enum state)scan->state) {
	case FIRST_ELEMENT:
	case FIRST_NAME:
		if (*p == (scan->state == FIRST_NAME ? '}' : ']')) {
			close_bracket(scan);
			return p + 1;
		}
		return scan->state == FIRST_NAME ? step_name(scan, p, end) : step_value(scan, p, end);
	case VALUE:
		return step_value(scan, p, end);
	case NAME:
		return step_name(scan, p, end);
	case COLON:
		return step_colon(scan, p);
	case AFTER:
		return step_after(scan, p);
	case STRING:
		return step_string(scan, p, end);
	case ESCAPE:
		return step_escape(scan, p);
	case HEX:
		return step_hex(scan, p, end);
	case NUMBER:
		return step_number(scan, p, end);
	case WORD:
		return step_word(scan, p, end);
	case BAD:
		break;
	}
	return p;
}

void jscan_init(struct jscan *scan)
{
	*scan = (struct jscan){ .state = VALUE };
}

bool jscan_add(struct jscan *scan, struct str piece)
{
	const unsigned char *start = (const unsigned char *)piece.p, *p = start;
	const unsigned char *end = piece.n == 0 ? p : p + piece.n;

	if (scan->state == BAD)
		return false;
	while (p < end && scan->state != BAD)
		p = step(scan, p, end);
	if (scan->state == BAD)
		scan->bad_at = scan->seen + (size_t)(p - start);
	scan->seen += piece.n;
	return scan->state != BAD;
}

bool jscan_end(struct jscan *scan)
{
	if (scan->state == BAD)
		return false;
	if (scan->depth == 0 && (scan->state == AFTER || (scan->state == NUMBER && number_is_whole(scan))))
		return true;
	scan->state = BAD;
	scan->bad_at = scan->seen;
	return false;
}
