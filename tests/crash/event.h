/*
 * event.h - what a client was told: one request, its answer, and when.
 *
 * The load writes one line an event, the checker reads them back.
 */
#ifndef TESTS_CRASH_EVENT_H
#define TESTS_CRASH_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "value.h"

enum what {
	PUT, DELETE, GET,
	LISTED,			/* a list has shown the key */
	UNLISTED,		/* a list that covers the key has not shown it */
	BULK_PUT, BULK_DELETE,	/* one item of a bulk call: an event for each, with the call's answer */
	WHAT__COUNT
};

/* In place of a status: the connection broke; or the client left without waiting, on purpose. */
enum { STATUS_NONE = 0, STATUS_LEFT = -1 };

struct event {
	uint64_t start_us, end_us;	/* wall clock: asked, answered */
	enum what what;
	int status;
	char key[24];
	struct value_id value;		/* put or got; writer 0: none */
	uint64_t version, writes;	/* ETag and X-KV-Writes; 0: none, as for the items of a bulk call */
	uint32_t ttl_s;			/* 0: for ever */
	bool torn;			/* got a value that is not whole */
};

/* event_write - false when it cannot. */
bool event_write(FILE *file, const struct event *event);

/* event_read - 1: the next one; 0: there is none; -1: the line is no event. */
int event_read(FILE *file, struct event *event);

const char *event_word(enum what what);

bool event_is_put(const struct event *event);
bool event_is_delete(const struct event *event);

/* All events of some files, in one piece of memory that grows. */
struct events {
	struct event *at;
	size_t n, room;
};

/* events_load - add those of FILE; false (and says why) when it cannot be read. */
bool events_load(struct events *events, const char *path);
void events_add(struct events *events, const struct event *event);

/* events_sort - by key, and for each key by start. */
void events_sort(struct events *events);

uint64_t wall_us(void);

#endif
