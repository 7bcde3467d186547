/*
 * reply.h - status, headers and body out, as FastCGI records.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include <fcgiapp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/rc.h"
#include "base/str.h"

enum { REPLY_HEADERS_MAX = 12, REPLY_PARTS_MAX = 8 };

struct reply_header {
	const char *name;
	struct str value;
};

/*
 * The next piece of a streamed body into *PIECE, valid until the next call; an empty one at the end.
 * False when it cannot be had.
 */
typedef bool reply_next(void *arg, struct str *piece);

/*
 * What goes out. The strings must live until it is sent: literals, the request's arena.
 * The body is the parts one behind the other, so that a value is never copied into its envelope.
 * What is too large to be held in memory stands among them as a stream.
 */
struct reply {
	int status;
	const char *reason;		/* behind it; NULL: the usual words */
	const char *content_type;	/* NULL: no body, none of its headers (204) */
	struct reply_header headers[REPLY_HEADERS_MAX];
	size_t n_headers;
	struct str parts[REPLY_PARTS_MAX];
	size_t n_parts;
	reply_next *next;		/* the stream's; NULL: there is none */
	void *next_arg;
	uint64_t stream_length;
	size_t stream_at;		/* parts before it */
	bool without_body;		/* HEAD: Content-Length tells, nothing follows */
};

/* reply_init - an empty 200 of application/json. */
void reply_init(struct reply *reply);

/*
 * reply_header - add one. A value with CR, LF or NUL, or one too many, is our own mistake
 * (an assertion): what came from outside is checked or encoded before.
 */
void reply_header(struct reply *reply, const char *name, struct str value);

/* reply_part - append to the body. */
void reply_part(struct reply *reply, struct str part);

/*
 * reply_stream - append LENGTH bytes that NEXT(ARG) hands out while the reply is sent; once in a reply.
 * When it fails, or hands out fewer or more, the answer breaks off and the connection is closed:
 * the client must never take a part for the whole. HEAD never calls it.
 */
void reply_stream(struct reply *reply, uint64_t length, reply_next *next, void *arg);

/* reply_data - {"success":true,"data":DATA}; DATA is JSON text. What stands around it, for who adds it in parts. */
#define REPLY_DATA_BEGIN "{\"success\":true,\"data\":"
#define REPLY_DATA_END "}"
void reply_data(struct reply *reply, struct str data);

/*
 * reply_begin_error - an error of STATUS, whatever its body will be: drops what was in REPLY, a stream too, but its
 * headers, and adds Retry-After to 429 and 503, WWW-Authenticate to 401.
 */
void reply_begin_error(struct reply *reply, int status);

/*
 * reply_error - the error envelope of RC: status, code, and DETAIL as the sentence, or the
 * table's when DETAIL is empty. Begins with reply_begin_error().
 */
void reply_error(struct reply *reply, enum rc rc, struct str detail, struct arena *arena);

/* reply_length - bytes of the body, the stream's among them. */
uint64_t reply_length(const struct reply *reply);

/* What becomes of the connection behind the reply. */
enum reply_end {
	REPLY_KEEP,	/* as the front server asked for */
	REPLY_LAST	/* a record behind END_REQUEST, so that nginx does not reuse it (DESIGN 4, rule 7) */
};

/*
 * reply_send - write REPLY as STDOUT records and END_REQUEST, in one system call where the
 * socket takes it; a streamed one in one for each piece. Head and records are built in
 * ARENA. The request's body must have been drained. False when the peer is gone or stalls longer
 * than SO_SNDTIMEO, or a stream broke off: the caller closes.
 */
bool reply_send(FCGX_Request *fcgi, const struct reply *reply, enum reply_end end,
		struct arena *arena) MUST_USE;

/* What of a reply is still to be sent. It lies in the reply's arena, and in what the reply's parts point at. */
struct reply_rest {
	struct iovec *iov;
	size_t n_iov;
};

enum reply_sent {
	REPLY_SENT,
	REPLY_WAITS,	/* the socket takes no more for the moment */
	REPLY_LOST	/* the peer is gone, or there was no memory */
};

/*
 * reply_send_now - the same without ever waiting: what the socket does not take at once becomes *REST, for
 * reply_send_rest() when the socket is writable again. Not for a streamed body.
 */
enum reply_sent reply_send_now(FCGX_Request *fcgi, const struct reply *reply, enum reply_end end,
			       struct arena *arena, struct reply_rest *rest) MUST_USE;
enum reply_sent reply_send_rest(int fd, struct reply_rest *rest) MUST_USE;

#endif
