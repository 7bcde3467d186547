/*
 * multipart.h - multipart/form-data (RFC 7578) as it arrives, in pieces of any size.
 *
 * A parser that is pushed: the body goes in as it is read, the parts come out as events, and
 * nothing is held but one part's header and the boundary. How large a part is does not matter.
 */
#ifndef HTTP_MULTIPART_H
#define HTTP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/str.h"

enum {
	MULTIPART_BOUNDARY_MAX = 70,	/* RFC 2046 5.1.1 */
	MULTIPART_HEAD_MAX = 8192,	/* a part's header lines with their ends */
	MULTIPART_NAME_MAX = 1024,
	MULTIPART_PARTS_MAX = 2000
};

/*
 * For each part PART, then DATA any number of times, then END. A string lives as long as the
 * call. An rc other than RC_OK ends the parse and is what it answers.
 */
struct multipart_events {
	enum rc (*part)(void *arg, struct str name, bool has_filename) MUST_USE;
	enum rc (*data)(void *arg, struct str piece) MUST_USE;	/* never empty; no copy, but for what looked like a boundary */
	enum rc (*end)(void *arg) MUST_USE;
};

/* Private. No memory but this: about 9 KiB, best in an arena. */
struct multipart {
	const struct multipart_events *events;
	void *arg;
	enum rc rc;			/* what ended the parse */
	const char *problem;
	uint8_t state;			/* enum state */
	bool in_part;			/* content is a part's, not the preamble */
	uint8_t n_delimiter;
	uint8_t matched;		/* bytes of a delimiter that may have begun */
	uint8_t borrowed;		/* of them, those that belonged to the line before */
	uint8_t again;			/* the skip behind a last byte that was not a delimiter's */
	uint8_t skip[256];
	char delimiter[4 + MULTIPART_BOUNDARY_MAX + 1];	/* CR LF -- boundary, and the '-' that may follow */
	unsigned parts;
	size_t n_head;
	char head[MULTIPART_HEAD_MAX + 2];	/* and the empty line */
};

/* multipart_is - is the media type multipart/form-data, in any case, with parameters or without? */
bool multipart_is(struct str content_type);

/*
 * multipart_init - RC_BAD_REQUEST when CONTENT_TYPE is another type or names no boundary, or
 * one that RFC 2046 does not allow: 1 to 70 of its bytes, quoted or not. EVENTS must outlive
 * MULTIPART; CONTENT_TYPE need not.
 */
enum rc multipart_init(struct multipart *multipart, struct str content_type,
		       const struct multipart_events *events, void *arg) MUST_USE;

/*
 * multipart_add - the next piece. RC_BAD_REQUEST when the body is wrong, or what an event
 * answered; then everything that follows is answered so, without events.
 */
enum rc multipart_add(struct multipart *multipart, struct str piece) MUST_USE;

/* multipart_end - there is no more. RC_BAD_REQUEST unless the closing boundary was there. */
enum rc multipart_end(struct multipart *multipart) MUST_USE;

/*
 * multipart_problem - what was wrong, a fixed sentence for a person. Empty when nothing was,
 * or when an event ended the parse.
 */
const char *multipart_problem(const struct multipart *multipart);

#endif
