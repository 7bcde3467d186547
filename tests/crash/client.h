/*
 * client.h - as much of an HTTP client as the crash tests need: one kept connection, one request at a time.
 *
 * It never asks twice by itself: whatever goes wrong is told, because that is what is being tested.
 */
#ifndef TESTS_CRASH_CLIENT_H
#define TESTS_CRASH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_MAX = 1 << 20, TOKENS_MAX = 8, TOKEN_MAX = 2048 };

/* What clients may ask with: lines of a file, which keeps them out of command lines. */
struct tokens {
	char at[TOKENS_MAX][TOKEN_MAX];
	unsigned n;
};

/* tokens_read - false when there is none in the file PATH (NULL: none). */
bool tokens_read(struct tokens *tokens, const char *path);

struct client {
	const char *socket;		/* the front server's Unix socket */
	const char *headers;		/* lines that every request has besides, each with its CRLF; client_init(): "" */
	int fd;				/* -1: not connected */
	size_t n;			/* bytes in BUF */
	char buf[ANSWER_MAX];
};

struct answer {
	int status;			/* 0: none, the connection broke */
	bool broke_off;			/* so it did, but behind a head that told of a large body: see client.c */
	uint64_t version, writes;	/* ETag, X-KV-Writes; 0 when absent */
	const char *body;		/* valid until the next request */
	size_t n_body;
};

void client_init(struct client *client, const char *socket);
void client_clear(struct client *client);

/* client_ask - METHOD PATH with the bearer TOKEN and N bytes of BODY (NULL: none). */
void client_ask(struct client *client, const char *method, const char *path, const char *token,
		const char *body, size_t n, struct answer *answer);

/* client_ask_and_leave - the same, but hang up PATIENCE_US after having asked. */
void client_ask_and_leave(struct client *client, const char *method, const char *path, const char *token,
			  const char *body, size_t n, unsigned patience_us);

#endif
