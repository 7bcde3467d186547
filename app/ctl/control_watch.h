/*
 * control_watch.h - asking tmakvd the same thing again and again, without ever waiting for it: what is watched may
 * end, start anew, or hang, and whoever watches goes on.
 */
#ifndef CTL_CONTROL_WATCH_H
#define CTL_CONTROL_WATCH_H

#include <json-c/json.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct watch {
	const char *path;
	struct str request;
	int fd;			/* of the question under way; -1 */
	size_t n_sent;
	char *in;
	size_t n_in, size;
};

/* watch_init - REQUEST is a line, and PATH where to send it. watch_clear - in any case. */
void watch_init(struct watch *watch, const char *path, struct str request);
void watch_clear(struct watch *watch);

/* watch_ask - begin. False: nobody is there. watch_hang_up - never mind. */
bool watch_ask(struct watch *watch);
void watch_hang_up(struct watch *watch);

/* watch_poll - what to wait for; its fd is -1 when nothing is under way. */
struct pollfd watch_poll(const struct watch *watch);

enum watch_step {
	WATCH_WAITS,
	WATCH_ANSWER,		/* *DOC is what was answered, to be released */
	WATCH_LOST		/* it ended, or what came was no answer */
};

/* watch_step - go on, when watch_poll() is ready. */
enum watch_step watch_step(struct watch *watch, json_object **doc);

#endif
