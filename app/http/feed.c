/*
 * feed.c - see feed.h. What a thread's libfcgi reads from is that thread's alone.
 */
#include "config.h"

#include <fcgiapp.h>
#include <fcgios.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/feed.h"

static _Thread_local struct feed *in_use;

void feed_use(struct feed *feed)
{
	in_use = feed;
}

/* libfcgi's: all that it reads comes through here. */
int OS_Read(int fd, char *buf, size_t size)
{
	struct feed *feed = in_use;

	if (feed == NULL || feed->fd != fd || (feed->n == 0 && !feed->is_all))
		return (int)read(fd, buf, size);
	if (size > feed->n)
		size = feed->n;
	memcpy(buf, feed->p, size);
	feed->p += size;
	feed->n -= size;
	return (int)size;
}

bool feed_works(void)
{
	/* BEGIN_REQUEST, a responder's, kept; the end of no parameters; the end of no body. */
	static const unsigned char request[] = {
		1, 1, 0, 1, 0, 8, 0, 0,  0, 1, 1, 0, 0, 0, 0, 0,
		1, 4, 0, 1, 0, 0, 0, 0,
		1, 5, 0, 1, 0, 0, 0, 0,
	};
	struct feed feed = { .p = request, .n = sizeof request, .is_all = true };
	FCGX_Request fcgi;
	bool works;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return false;
	/* Who reads there finds the end. */
	close(fds[1]);
	feed.fd = fds[0];
	FCGX_InitRequest(&fcgi, -1, 0);
	fcgi.ipcFd = feed.fd;
	fcgi.keepConnection = 1;
	feed_use(&feed);
	works = FCGX_Accept_r(&fcgi) == 0 && FCGX_GetChar(fcgi.in) == EOF && FCGX_GetError(fcgi.in) == 0;
	feed_use(NULL);
	if (fcgi.ipcFd >= 0)
		close(fcgi.ipcFd);
	FCGX_Free(&fcgi, 0);
	return works;
}
