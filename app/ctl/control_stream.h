/*
 * control_stream.h - a command of tmakvd that takes long: a descriptor goes with it, lines about its progress come back.
 */
#ifndef CTL_CONTROL_STREAM_H
#define CTL_CONTROL_STREAM_H

#include <sys/socket.h>

#include "ctl/ctl.h"

struct control_stream {
	int fd;
	struct ucred peer;	/* who listens there */
	char *in;		/* what has come, and was not read yet */
	size_t n;
};

/* stream_open - connect. Not CTL_OK: reported. stream_close() in any case; it cancels what is under way. */
enum ctl_exit stream_open(struct ctl *ctl, struct control_stream *stream);
void stream_close(struct control_stream *stream);

/* stream_ask - send COMMAND, and PASSED_FD with it. */
enum ctl_exit stream_ask(struct ctl *ctl, struct control_stream *stream, const char *command, int passed_fd);

/*
 * stream_next - wait for a line. CTL_OK: *RESULT is the answer, to be released, or NULL and *DONE of *WHOLE is done.
 * CTL_INTERRUPTED: stop_wanted(), and nothing was said. Anything else was reported.
 */
enum ctl_exit stream_next(struct ctl *ctl, struct control_stream *stream, json_object **result, int64_t *done, int64_t *whole);

#endif
