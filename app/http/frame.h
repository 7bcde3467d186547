/*
 * frame.h - is a request here, as a front server sends one? Looked at before libfcgi reads it.
 *
 * libfcgi blocks until it has what it wants, answers records that no front server sends, and ends the process
 * on some of them (DESIGN section 4). So it is given a connection only when the bytes that wait there are
 * whole and in order: BEGIN_REQUEST, PARAMS whose lengths agree, STDIN, all of one request.
 */
#ifndef HTTP_FRAME_H
#define HTTP_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum frame_state {
	FRAME_MORE,	/* right so far; the parameters are not whole yet */
	FRAME_HEAD,	/* all parameters are here, the end of the body is not */
	FRAME_WHOLE,	/* the request is here */
	FRAME_BAD	/* nothing that a front server sends */
};

struct frame {
	size_t head;		/* bytes up to the end of the parameters; with FRAME_HEAD and FRAME_WHOLE */
	size_t size;		/* bytes of all of it; with FRAME_WHOLE */
	int64_t declared;	/* CONTENT_LENGTH; -1 when there is none, or not in digits */
};

/* frame_look - what the N bytes at P, a connection's next, are. FRAME is filled as its fields say. Pure. */
enum frame_state frame_look(const unsigned char *p, size_t n, struct frame *frame);

#endif
