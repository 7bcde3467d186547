/*
 * check.h - do the answers about one key go together?
 *
 * They do when there is an order of all requests, each at some moment between its question and its
 * answer, in which every answer is right, a crash or not. Versions make that order known: the server
 * gives them to writes one after the other and shows them with every value.
 */
#ifndef TESTS_CRASH_CHECK_H
#define TESTS_CRASH_CHECK_H

#include "event.h"

enum fault {
	FAULT_LOST,		/* not there any more, and nobody took it away */
	FAULT_WENT_BACK,	/* older than what somebody had been told before */
	FAULT_CAME_BACK,	/* there again, after somebody had been told that it is gone */
	FAULT_COUNTED,		/* X-KV-Writes is not the number of accepted writes */
	FAULT_TWICE,		/* one write, two versions */
	FAULT_INVENTED,		/* a value that nobody wrote, or whose write was refused */
	FAULT_TORN,		/* not the whole value */
	FAULT_EXPIRED,		/* shown after its time */
	FAULT__COUNT
};

const char *fault_word(enum fault fault);

/* Called for each fault: the event that shows it, and what was expected there (NULL: nothing to add). */
typedef void check_report(void *arg, enum fault fault, const struct event *event, const char *expected);

/*
 * check_key - EVENTS are all of one key, by their start. Answers how many writes have an outcome that nobody
 * was told and nobody has seen.
 */
size_t check_key(const struct event *events, size_t n, check_report *report, void *arg);

/* An answer says that it happened; that it did not; or nothing. */
enum outcome { HAPPENED, REFUSED, UNKNOWN };
enum outcome event_outcome(const struct event *event);

#endif
