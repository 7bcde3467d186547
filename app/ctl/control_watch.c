/*
 * control_watch.c - see control_watch.h.
 *
 * A connection for each question: the control socket has room for a few only, and others want to ask as well.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/jdoc.h"
#include "ctl/control_watch.h"
#include "ctl/ctl.h"

enum { IN_FIRST = 64 * 1024, IN_MAX = 16 * 1024 * 1024, DEPTH = 16 };

void watch_init(struct watch *watch, const char *path, struct str request)
{
	*watch = (struct watch){ .path = path, .request = request, .fd = -1, .in = malloc(IN_FIRST), .size = IN_FIRST };
	if (watch->in == NULL)
		ctl_no_memory();
}

void watch_hang_up(struct watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	watch->fd = -1;
}

void watch_clear(struct watch *watch)
{
	watch_hang_up(watch);
	free(watch->in);
	watch->in = NULL;
}

bool watch_ask(struct watch *watch)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	watch_hang_up(watch);
	watch->n_in = watch->n_sent = 0;
	if (strlen(watch->path) >= sizeof address.sun_path)
		return false;
	memcpy(address.sun_path, watch->path, strlen(watch->path) + 1);
	watch->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (watch->fd >= 0 && connect(watch->fd, (const struct sockaddr *)(const void *)&address, sizeof address) == 0)
		return true;
	watch_hang_up(watch);
	return false;
}

struct pollfd watch_poll(const struct watch *watch)
{
	bool sends = watch->n_sent < watch->request.n;

	return (struct pollfd){ watch->fd, (short)(sends ? POLLIN | POLLOUT : POLLIN), 0 };
}

static bool would_wait(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static enum watch_step lost(struct watch *watch)
{
	watch_hang_up(watch);
	return WATCH_LOST;
}

static enum watch_step understand(struct watch *watch, size_t n, json_object **doc)
{
	watch_hang_up(watch);
	*doc = jdoc_read(str_make(watch->in, n), DEPTH);
	return *doc != NULL ? WATCH_ANSWER : WATCH_LOST;
}

static bool grow(struct watch *watch)
{
	char *more = watch->size < IN_MAX ? realloc(watch->in, watch->size * 2) : NULL;

	if (more == NULL)
		return false;
	watch->in = more;
	watch->size *= 2;
	return true;
}

enum watch_step watch_step(struct watch *watch, json_object **doc)
{
	struct str rest = str_skip(watch->request, watch->n_sent);
	const char *end;
	ssize_t n;

	if (rest.n != 0) {
		n = send(watch->fd, rest.p, rest.n, MSG_NOSIGNAL);
		if (n < 0 && !would_wait(n))
			return lost(watch);
		watch->n_sent += n > 0 ? (size_t)n : 0;
	}
	if (watch->n_in == watch->size && !grow(watch))
		return lost(watch);
	n = recv(watch->fd, watch->in + watch->n_in, watch->size - watch->n_in, 0);
	if (would_wait(n))
		return WATCH_WAITS;
	if (n <= 0)
		return lost(watch);
	end = memchr(watch->in + watch->n_in, '\n', (size_t)n);
	watch->n_in += (size_t)n;
	return end != NULL ? understand(watch, (size_t)(end - watch->in), doc) : WATCH_WAITS;
}
