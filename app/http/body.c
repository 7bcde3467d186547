/*
 * body.c - the bounded request body.
 *
 * libfcgi ends a body that was cut short exactly as it ends a whole one; only its error
 * and the declared length tell them apart, so both are looked at before a byte of it counts.
 * The thread that runs the request; FCGX_GetStr blocks for as long as the socket's SO_RCVTIMEO.
 */
#include "config.h"

#include <limits.h>

#include "http/body.h"

enum {
	FIRST_SIZE = 8 * 1024,		/* for a body of unknown length; doubles */
	DRAIN_SIZE = 16 * 1024
};

void body_init(struct body *body, FCGX_Stream *in, int64_t declared)
{
	*body = (struct body){ .in = in, .declared = declared };
}

/* Up to N bytes to P. Fewer than asked is the end, as libfcgi tells it. */
static size_t fill(struct body *body, char *p, size_t n)
{
	size_t total = 0;

	while (total < n && !body->at_end) {
		int piece = n - total > INT_MAX ? INT_MAX : (int)(n - total);
		int got = FCGX_GetStr(p + total, piece, body->in);

		total += got > 0 ? (size_t)got : 0;
		body->at_end = got < piece;
	}
	body->seen += (int64_t)total;
	body->broken = FCGX_GetError(body->in) != 0;
	return total;
}

/*
 * The length is known: one piece of memory, and one byte more, which is how
 * the end of the stream is seen.
 */
static enum rc read_declared(struct body *body, struct arena *arena, struct str *out)
{
	size_t declared = (size_t)body->declared;
	char *p = arena_alloc(arena, declared + 1);
	size_t n;

	if (p == NULL)
		return RC_NO_MEMORY;
	n = fill(body, p, declared + 1);
	if (body->broken || n < declared)
		return RC_SHORT_BODY;
	if (n > declared)
		return RC_BAD_REQUEST;
	*out = str_make(p, n);
	return RC_OK;
}

/* Not declared (a front server that passes chunks on as they come): it ends where the stream ends. */
static enum rc read_undeclared(struct body *body, size_t max, struct arena *arena, struct str *out)
{
	size_t size = 0, n = 0;
	char *p = NULL;

	while (!body->at_end) {
		size_t larger = size == 0 ? FIRST_SIZE : size * 2;
		char *q;

		if (n > max)
			return RC_VALUE_TOO_LARGE;
		if (larger > max + 1)
			larger = max + 1;
		q = arena_alloc(arena, larger);
		if (q == NULL)
			return RC_NO_MEMORY;
		if (n != 0)
			memcpy(q, p, n);
		p = q;
		size = larger;
		n += fill(body, p + n, size - n);
	}
	if (body->broken)
		return RC_SHORT_BODY;
	*out = str_make(p, n);
	return RC_OK;
}

enum rc body_read(struct body *body, size_t max, struct arena *arena, struct str *out)
{
	if (max >= SIZE_MAX / 4)
		max = SIZE_MAX / 4;
	if (body->declared < 0)
		return read_undeclared(body, max, arena, out);
	if ((uint64_t)body->declared > max)
		return RC_VALUE_TOO_LARGE;
	return read_declared(body, arena, out);
}

/* All that was declared has been read: nothing more may come but the end. */
static enum rc check_end(struct body *body)
{
	char more;

	if (!body->at_end)
		fill(body, &more, 1);
	if (body->broken)
		return RC_SHORT_BODY;
	return body->seen > body->declared ? RC_BAD_REQUEST : RC_OK;
}

enum rc body_next(struct body *body, void *buf, size_t size, struct str *piece)
{
	bool declared = body->declared >= 0;
	enum rc rc;

	*piece = STR_LIT("");
	if (declared && body->seen >= body->declared)
		return check_end(body);
	if (declared && size > (uint64_t)(body->declared - body->seen))
		size = (size_t)(body->declared - body->seen);
	*piece = str_make(buf, fill(body, buf, size));
	rc = body->broken || (declared && piece->n < size) ? RC_SHORT_BODY : RC_OK;
	if (rc != RC_OK)
		*piece = STR_LIT("");
	return rc;
}

bool body_drain(struct body *body)
{
	char rest[DRAIN_SIZE];

	while (!body->at_end)
		fill(body, rest, sizeof rest);
	return !body->broken;
}
