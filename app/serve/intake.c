/*
 * intake.c - what has come on a connection, from the socket to libfcgi.
 *
 * A loop reads a socket once, without waiting, into the worker's own room: nearly every request is whole there, and
 * libfcgi reads it from there. Only what came in part is kept, in memory of the connection's own, until there is
 * more; so an idle connection has none. Where libfcgi cannot be fed (http/feed.h), it reads the socket, and
 * what is looked at here is a copy of what waits there (MSG_PEEK).
 *
 * Whoever has the connection: its worker's thread, or one of the slow lane.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "serve/private.h"

enum { FIRST_SIZE = 4096 };

/* Its own memory becomes SIZE bytes large. */
static bool resize(struct intake *in, size_t size)
{
	unsigned char *own = realloc(in->own, size);

	if (own == NULL)
		return false;
	if (in->own == NULL && in->feed.n != 0)
		memcpy(own, in->feed.p, in->feed.n);
	in->own = own;
	in->size = size;
	in->feed.p = own;
	return true;
}

/* Room behind what is there: in the memory of its own, or if there is none at LOOK. */
static unsigned char *room(struct intake *in, unsigned char *look, size_t *n)
{
	if (in->own == NULL) {
		in->feed.p = look;
		*n = LOOK_MAX - in->feed.n;
		return look + in->feed.n;
	}
	if (in->feed.n == in->size && in->size < LOOK_MAX)
		resize(in, in->size < LOOK_MAX / 2 ? in->size * 2 : LOOK_MAX);
	*n = in->size - in->feed.n;
	return in->own + in->feed.n;
}

static enum intake_got end_of(ssize_t got, bool some)
{
	if (some)
		return INTAKE_SOME;
	return got < 0 && errno == EAGAIN ? INTAKE_NOTHING : INTAKE_END;
}

enum intake_got intake_take(struct intake *in, int fd, unsigned char *look)
{
	bool some = false;
	ssize_t got;
	size_t n;

	in->feed.fd = fd;
	/* A socket that has filled the room may have more, and will not say so again. */
	do {
		unsigned char *p = room(in, look, &n);

		if (n == 0)
			break;
		got = recv(fd, p, n, MSG_DONTWAIT);
		if (got <= 0)
			return end_of(got, some);
		in->feed.n += (size_t)got;
		some = true;
	} while ((size_t)got == n);
	return some ? INTAKE_SOME : INTAKE_END;
}

enum intake_got intake_peek(struct intake *in, int fd, unsigned char *look)
{
	ssize_t got = recv(fd, look, LOOK_MAX, MSG_PEEK | MSG_DONTWAIT);

	in->feed = (struct feed){ .fd = -1, .p = look, .n = got > 0 ? (size_t)got : 0 };
	return end_of(got, got > 0);
}

bool intake_keep(struct intake *in, size_t whole)
{
	size_t size = whole > in->feed.n ? whole : in->feed.n;

	if (in->own != NULL || in->feed.n == 0 || in->feed.fd < 0)
		return true;
	if (size < FIRST_SIZE)
		size = FIRST_SIZE;
	return resize(in, size < LOOK_MAX ? size : LOOK_MAX);
}

void intake_clear(struct intake *in)
{
	free(in->own);
	*in = (struct intake){ .feed.fd = -1 };
}
