/*
 * fcgi_client.h - asking a server over FastCGI 1.0: one request, its answer, the next, on a connection
 * that is kept.
 *
 * The server may end and start again between two requests, or in the middle of one. Then the request is
 * sent again on a new connection, with the same REQUEST_ID: a write that had happened is recognised by it
 * and does not happen twice.
 *
 * Knows nothing of keys, of tmakvctl's options, or of where the server is. One thread.
 */
#ifndef CTL_FCGI_CLIENT_H
#define CTL_FCGI_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct fcgi_client;

/* Makes connections. AGAIN: there has been one, so the server may be on its way back. */
struct fcgi_dial {
	bool (*dial)(void *arg, bool again, int *fd);	/* false: there is none, and there will be none */
	void *arg;
};

struct fcgi_request {
	const char *method;
	struct str uri;
	struct str content_type;	/* may be empty */
	struct str body;
	int body_fd;			/* -1; else the first body_size bytes of a file are the body */
	uint64_t body_size;

	struct arena *arena;		/* for the answer */
	size_t max;			/* bytes of a body that goes there */
	int to_fd;			/* -1; else a file: the body of a 200 is written at its current offset */
};

struct fcgi_answer {
	int status;
	struct str head;		/* the lines with their ends */
	struct str body;		/* when it went to the arena */
	uint64_t size;			/* of the body, wherever it went */
};

enum fcgi_end {
	FCGI_DONE,
	FCGI_NO_SERVER,		/* dial() has given up */
	FCGI_LOST,		/* no whole answer came, however often it was asked */
	FCGI_GARBLED,		/* the other side speaks something else */
	FCGI_TOO_LARGE,		/* the body has more than max bytes */
	FCGI_NO_MEMORY,
	FCGI_BODY,		/* body_fd: errno, or 0 when the file is shorter than it was */
	FCGI_OUT		/* to_fd: errno */
};

/* fcgi_client_new - not connected yet; its memory is ARENA's. Ends the program when there is none. */
struct fcgi_client *fcgi_client_new(struct arena *arena, const struct fcgi_dial *dial, uint64_t patience_ms);

/*
 * fcgi_ask - send REQUEST and wait for the whole answer. A lost answer and a 503 are asked for again for
 * PATIENCE_MS; a 503 that lasts is FCGI_DONE. FCGI_DONE: *ANSWER is set, whatever its status.
 */
enum fcgi_end fcgi_ask(struct fcgi_client *client, const struct fcgi_request *request, struct fcgi_answer *answer);

/* fcgi_header - the value of the header NAME; empty when there is none. */
struct str fcgi_header(const struct fcgi_answer *answer, const char *name);

/* fcgi_client_close - close the connection, if there is one. NULL is fine. */
void fcgi_client_close(struct fcgi_client *client);

#endif
