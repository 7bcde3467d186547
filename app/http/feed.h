/*
 * feed.h - bytes of a connection that were read already, and are libfcgi's to read.
 *
 * Whether a request is here is known only by looking at it (frame.h). Looked at in the socket it would be read twice;
 * so it is read once, and libfcgi, which reads by a function that its interface shows, OS_Read() of fcgios.h, finds
 * ours in its place. A build of libfcgi whose calls cannot be led elsewhere reads sockets as ever: feed_works() tells.
 */
#ifndef HTTP_FEED_H
#define HTTP_FEED_H

#include <stdbool.h>
#include <stddef.h>

/* What has come on the connection FD. Reading moves P and N on. */
struct feed {
	int fd;
	const unsigned char *p;
	size_t n;
	bool is_all;		/* behind them is the end, as when the peer has left; else what the socket has */
};

/* feed_use - what this thread's libfcgi reads on FEED's connection from now on begins with FEED. NULL: sockets alone. */
void feed_use(struct feed *feed);

/* feed_works - whether this libfcgi reads so. Behind FCGX_Init(); asks it to read a request that lies nowhere else. */
bool feed_works(void);

#endif
