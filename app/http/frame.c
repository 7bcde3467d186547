/*
 * frame.c - is a request here, as a front server sends one?
 *
 * One pass over the records. Of parameters only the lengths are looked at, and the value of CONTENT_LENGTH:
 * what they say is request.c's business. A stream of parameters may be cut into records anywhere.
 *
 * Pure: any thread, no allocation.
 */
#include "config.h"

#include <stdbool.h>

#include "base/str.h"
#include "http/frame.h"

enum {
	FCGI_VERSION = 1,
	TYPE_BEGIN = 1, TYPE_PARAMS = 4, TYPE_STDIN = 5,
	ROLE_RESPONDER = 1,
	RECORD_HEAD = 8,
	BEGIN_BODY = 8,
	LONGEST = 1 << 20		/* a name or a value; far above what a front server has room for */
};

#define LENGTH_NAME "CONTENT_LENGTH"

/* A record, as its head tells. */
struct record {
	int type;
	unsigned id;
	size_t content, padding;
};

/* Where in the stream of parameters its reader is: in the lengths of a pair, then in what they measure. */
struct pairs {
	unsigned char lengths[8];
	size_t n_lengths;		/* of a pair whose lengths are not all here yet */
	size_t rest;			/* of the name and value under way */
	size_t name, value;
	char text[sizeof LENGTH_NAME - 1 + 20];	/* of a pair that may be the declared length */
	size_t n_text;
	int64_t declared;
};

/* --- parameters --- */

/* The length that the HAVE bytes at P begin with; how many it takes, 0 when it is not all there. */
static size_t length_read(const unsigned char *p, size_t have, size_t *length)
{
	if (have != 0 && p[0] < 0x80) {
		*length = p[0];
		return 1;
	}
	if (have < 4)
		return 0;
	*length = (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	return 4;
}

/* Both lengths of a pair. */
static size_t lengths_read(struct pairs *pairs, const unsigned char *p, size_t have)
{
	size_t first = length_read(p, have, &pairs->name);
	size_t second = first == 0 ? 0 : length_read(p + first, have - first, &pairs->value);

	return second == 0 ? 0 : first + second;
}

static void pair_begin(struct pairs *pairs)
{
	pairs->n_lengths = 0;
	pairs->n_text = 0;
	pairs->rest = pairs->name + pairs->value;
}

static bool may_be_length(const struct pairs *pairs)
{
	return pairs->name == sizeof LENGTH_NAME - 1 && pairs->rest + pairs->n_text <= sizeof pairs->text;
}

static void pair_end(struct pairs *pairs)
{
	struct str value = str_make(pairs->text + pairs->name, pairs->n_text - pairs->name);
	uint64_t number;

	if (memcmp(pairs->text, LENGTH_NAME, pairs->name) == 0 && pairs->declared < 0 &&
	    str_to_u64(value, 0, INT64_MAX, &number))
		pairs->declared = (int64_t)number;
}

/*
 * The lengths of a pair, where they lie, or byte by byte where a record may end among them. How many bytes
 * that took; 0 when they are absurd.
 */
static size_t take_lengths(struct pairs *pairs, const unsigned char *p, size_t n)
{
	size_t taken = pairs->n_lengths == 0 ? lengths_read(pairs, p, n) : 0;

	if (taken == 0) {
		taken = 1;
		pairs->lengths[pairs->n_lengths++] = *p;
		if (lengths_read(pairs, pairs->lengths, pairs->n_lengths) == 0)
			return taken;
	}
	pair_begin(pairs);
	return pairs->name <= LONGEST && pairs->value <= LONGEST ? taken : 0;
}

static size_t take_text(struct pairs *pairs, const unsigned char *p, size_t n)
{
	size_t piece = n < pairs->rest ? n : pairs->rest;
	bool wanted = may_be_length(pairs);

	if (wanted) {
		memcpy(pairs->text + pairs->n_text, p, piece);
		pairs->n_text += piece;
	}
	pairs->rest -= piece;
	if (wanted && pairs->rest == 0)
		pair_end(pairs);
	return piece;
}

/* A record's worth of them. False when they cannot be right. */
static bool pairs_take(struct pairs *pairs, const unsigned char *p, size_t n)
{
	while (n != 0) {
		size_t taken = pairs->rest != 0 ? take_text(pairs, p, n) : take_lengths(pairs, p, n);

		if (taken == 0)
			return false;
		p += taken;
		n -= taken;
	}
	return true;
}

/* --- records --- */

static struct record record_read(const unsigned char *p)
{
	return (struct record){
		.type = p[1],
		.id = (unsigned)p[2] << 8 | p[3],
		.content = (size_t)p[4] << 8 | p[5],
		.padding = p[6]
	};
}

static bool is_begin(const struct record *record, const unsigned char *p, size_t n)
{
	if (record->type != TYPE_BEGIN || record->id == 0 || record->content != BEGIN_BODY)
		return false;
	return n < RECORD_HEAD + 2 || (p[RECORD_HEAD] == 0 && p[RECORD_HEAD + 1] == ROLE_RESPONDER);
}

enum frame_state frame_look(const unsigned char *p, size_t n, struct frame *frame)
{
	struct pairs pairs = { .declared = -1 };
	enum frame_state state = FRAME_MORE;
	int expected = TYPE_BEGIN;
	unsigned id = 0;
	size_t at = 0;

	while (n - at >= RECORD_HEAD) {
		struct record record = record_read(p + at);
		size_t left = n - at - RECORD_HEAD;
		size_t content = record.content < left ? record.content : left;

		if (p[at] != FCGI_VERSION || record.type != expected || (id != 0 && record.id != id))
			return FRAME_BAD;
		if (expected == TYPE_BEGIN && !is_begin(&record, p + at, n - at))
			return FRAME_BAD;
		if (expected == TYPE_PARAMS && !pairs_take(&pairs, p + at + RECORD_HEAD, content))
			return FRAME_BAD;
		if (left < record.content + record.padding)
			return state;
		at += RECORD_HEAD + record.content + record.padding;
		if (expected == TYPE_BEGIN) {
			id = record.id;
			expected = TYPE_PARAMS;
		} else if (record.content == 0 && expected == TYPE_PARAMS) {
			if (pairs.rest != 0 || pairs.n_lengths != 0)
				return FRAME_BAD;
			*frame = (struct frame){ .head = at, .declared = pairs.declared };
			state = FRAME_HEAD;
			expected = TYPE_STDIN;
		} else if (record.content == 0) {
			frame->size = at;
			return FRAME_WHOLE;
		}
	}
	/* What is no FastCGI at all is known by its first byte. */
	return n != at && p[at] != FCGI_VERSION ? FRAME_BAD : state;
}
