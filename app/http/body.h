/*
 * body.h - a request's body: bounded, checked for its length, always read to its end.
 *
 * Reading to the end is not politeness: bytes left on a kept FastCGI connection are
 * parsed as the next request (DESIGN section 4, rule 2).
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <fcgiapp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/rc.h"
#include "base/str.h"

struct body {
	FCGX_Stream *in;
	int64_t declared;	/* CONTENT_LENGTH; -1 when not declared */
	int64_t seen;		/* bytes read so far */
	bool at_end;		/* EOF was read */
	bool broken;		/* a read failed: the connection must be closed */
};

void body_init(struct body *body, FCGX_Stream *in, int64_t declared);

/*
 * body_read - the whole body into ARENA, at most MAX bytes. RC_OK; RC_VALUE_TOO_LARGE (the
 * rest is left for body_drain); RC_SHORT_BODY when it ended before its declared length or
 * the front server went away; RC_BAD_REQUEST when more came than was declared; RC_NO_MEMORY.
 * Once per request.
 */
enum rc body_read(struct body *body, size_t max, struct arena *arena, struct str *out) MUST_USE;

/*
 * body_next - the next bytes, up to SIZE (not 0) of them, into BUF. RC_OK with *PIECE, an empty one at the end:
 * only then is the body known to be whole. RC_SHORT_BODY and RC_BAD_REQUEST as above. Not with body_read().
 */
enum rc body_next(struct body *body, void *buf, size_t size, struct str *piece) MUST_USE;

/*
 * body_drain - read and drop what is left, before the reply. False when the connection is
 * broken and has to be closed without one.
 */
bool body_drain(struct body *body);

#endif
