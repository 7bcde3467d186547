/*
 * fuzz_frame.c - what is called a whole request of so many bytes, libfcgi reads to its end without asking for more;
 * and no byte that follows changes an answer that was final.
 */
#include "config.h"

#include <fcgiapp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "http/body.h"
#include "http/feed.h"
#include "http/frame.h"

enum { INPUT_MAX = 32 * 1024, EACH_MAX = 1024 };

/* In memory of exactly that size. */
static enum frame_state look(const uint8_t *data, size_t n, struct frame *frame)
{
	unsigned char *copy = malloc(n == 0 ? 1 : n);
	enum frame_state state;

	assert(copy != NULL);
	memcpy(copy, data, n);
	state = frame_look(copy, n, frame);
	free(copy);
	return state;
}

/*
 * From memory of exactly that size, as a loop does it; or from a socket, where the connection ends behind the bytes:
 * libfcgi would otherwise wait.
 */
static void check_read(const uint8_t *data, size_t n, bool fed)
{
	struct feed feed = { .p = data, .n = n, .is_all = true };
	FCGX_Request request;
	struct body body;
	int fds[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	feed.fd = fds[1];
	feed_use(fed ? &feed : NULL);
	assert(fed || send(fds[0], data, n, MSG_DONTWAIT) == (ssize_t)n);
	assert(shutdown(fds[0], SHUT_WR) == 0);
	FCGX_InitRequest(&request, -1, 0);
	request.ipcFd = fds[1];
	request.keepConnection = 1;
	assert(FCGX_Accept_r(&request) == 0);
	assert(FCGX_GetError(request.in) == 0);
	assert(request.role == 1);
	body_init(&body, request.in, -1);
	assert(body_drain(&body));
	feed_use(NULL);
	FCGX_Free(&request, 0);
	close(fds[0]);
	close(fds[1]);
}

static void check_order(enum frame_state before, enum frame_state after)
{
	assert(before != FRAME_BAD || after == FRAME_BAD);
	assert(before != FRAME_WHOLE || after == FRAME_WHOLE);
	assert(before != FRAME_HEAD || after != FRAME_MORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready, feeds;
	enum frame_state last = FRAME_MORE, state;
	struct frame frame = { 0 };

	if (!ready)
		feeds = FCGX_Init() == 0 && feed_works();
	ready = true;
	if (n > INPUT_MAX)
		return 0;
	for (size_t i = 0; i < n && i < EACH_MAX; i++) {
		state = look(data, i, &frame);
		check_order(last, state);
		last = state;
	}
	state = look(data, n, &frame);
	check_order(last, state);
	if (state == FRAME_HEAD || state == FRAME_WHOLE)
		assert(frame.head <= n && frame.declared >= -1);
	if (state == FRAME_WHOLE) {
		assert(frame.size >= frame.head && frame.size <= n);
		check_read(data, frame.size, false);
		if (feeds)
			check_read(data, frame.size, true);
	}
	return 0;
}
