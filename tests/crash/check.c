/*
 * check.c - the rules, for one key. Pure: events in, faults out.
 *
 * What is known at a moment comes from the answers that had arrived by then, whoever got them:
 *   - a newest version (`floor`): no later answer may show an older one;
 *   - a write that was over (`put_us`): nor a value that had been there before it began. Bulk calls are not
 *     told versions, so this is what holds for them until somebody has seen their values;
 *   - a moment at which the key was there (`present`): it can be missing later only if a delete may have
 *     run since, or its time was up;
 *   - a moment at which it was missing (`absent`): what was already there by then cannot be seen again.
 * A write without an answer (a lost connection, 5xx) may have happened at any time after its start, or
 * never; once somebody has seen its value it has happened.
 */
#include "config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { SECOND_US = 1000000 };
static const uint64_t NEVER = UINT64_MAX;

/* A put of this key, and what the answers say about it. */
struct put {
	const struct event *event;
	enum outcome outcome;
	uint64_t version, writes;	/* 0: not known (yet) */
	uint64_t known_us;		/* the first answer that proves it */
};

/* Requests by their start; reach[i] is the latest end among the first i + 1. */
struct spans {
	const struct event **at;
	uint64_t *reach;
	size_t n;
};

struct history {
	const struct event *events;
	const struct event **by_end;
	size_t n;
	struct put *puts;		/* by value */
	size_t n_puts;
	struct spans put_spans, delete_spans;	/* those that happened, or may have */
	check_report *report;
	void *arg;
};

static const char *const words[FAULT__COUNT] = {
	[FAULT_LOST]      = "lost",
	[FAULT_WENT_BACK] = "went back",
	[FAULT_CAME_BACK] = "came back",
	[FAULT_COUNTED]   = "counted wrong",
	[FAULT_TWICE]     = "happened twice",
	[FAULT_INVENTED]  = "never written",
	[FAULT_TORN]      = "torn",
	[FAULT_EXPIRED]   = "expired",
};

const char *fault_word(enum fault fault)
{
	return words[fault];
}

enum outcome event_outcome(const struct event *event)
{
	if (event->status == 200)
		return HAPPENED;
	return event->status >= 400 && event->status < 500 ? REFUSED : UNKNOWN;
}

/* When it was over at the latest: without an answer it may be running still. */
static uint64_t end_of(const struct event *event)
{
	return event_outcome(event) == UNKNOWN ? NEVER : event->end_us;
}

static void fault(const struct history *h, enum fault fault, const struct event *event, const char *expected)
{
	h->report(h->arg, fault, event, expected);
}

static void *get_memory(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (p == NULL)
		abort();
	return p;
}

/* --- spans --- */

static struct spans spans_make(const struct history *h, bool (*is_one)(const struct event *))
{
	struct spans spans = { get_memory(h->n, sizeof *spans.at), get_memory(h->n, sizeof *spans.reach), 0 };
	uint64_t reach = 0;

	for (size_t i = 0; i < h->n; i++) {
		const struct event *event = &h->events[i];

		if (!is_one(event) || event_outcome(event) == REFUSED)
			continue;
		if (end_of(event) > reach)
			reach = end_of(event);
		spans.at[spans.n] = event;
		spans.reach[spans.n++] = reach;
	}
	return spans;
}

/* How many of them begin before BEFORE. */
static size_t spans_before(const struct spans *spans, uint64_t before)
{
	size_t low = 0, high = spans->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (spans->at[middle]->start_us < before)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether one of them may have run at a moment after AFTER and before BEFORE. */
static bool spans_touch(const struct spans *spans, uint64_t after, uint64_t before)
{
	size_t n = spans_before(spans, before);

	return n > 0 && spans->reach[n - 1] > after;
}

/* Whether one of them has certainly run after AFTER and before BEFORE. */
static bool spans_contain(const struct spans *spans, uint64_t after, uint64_t before)
{
	for (size_t i = spans_before(spans, after + 1); i < spans->n && spans->at[i]->start_us < before; i++)
		if (end_of(spans->at[i]) < before)
			return true;
	return false;
}

static void spans_free(struct spans *spans)
{
	free(spans->at);
	free(spans->reach);
}

/* --- puts, and the values that were seen --- */

static int compare_values(struct value_id a, struct value_id b)
{
	return a.writer != b.writer ? (a.writer > b.writer) - (a.writer < b.writer) :
				      (a.number > b.number) - (a.number < b.number);
}

static int by_value(const void *a, const void *b)
{
	return compare_values(((const struct put *)a)->event->value, ((const struct put *)b)->event->value);
}

static int by_version(const void *a, const void *b)
{
	uint64_t x = ((const struct put *)a)->version, y = ((const struct put *)b)->version;

	return (x > y) - (x < y);
}

static int by_end(const void *a, const void *b)
{
	uint64_t x = (*(const struct event *const *)a)->end_us, y = (*(const struct event *const *)b)->end_us;

	return (x > y) - (x < y);
}

static struct put *put_find(const struct history *h, struct value_id value)
{
	const struct event event = { .value = value };
	const struct put wanted = { .event = &event };

	return bsearch(&wanted, h->puts, h->n_puts, sizeof *h->puts, by_value);
}

static void puts_collect(struct history *h)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct event *event = &h->events[i];
		struct put *put = &h->puts[h->n_puts];

		if (!event_is_put(event))
			continue;
		*put = (struct put){ event, event_outcome(event), 0, 0, NEVER };
		if (put->outcome == HAPPENED) {
			put->version = event->version;
			put->writes = event->writes;
			put->known_us = event->end_us;
		}
		h->n_puts++;
	}
	qsort(h->puts, h->n_puts, sizeof *h->puts, by_value);
}

static bool saw_value(const struct event *event)
{
	return event->what == GET && event->status == 200 && !event->torn;
}

/* A value was seen: it must be somebody's, and one write has one version and one count. */
static void value_learn(struct history *h, const struct event *event)
{
	struct put *put = put_find(h, event->value);
	char text[96];

	if (put == NULL || put->outcome == REFUSED || put->event->start_us >= event->end_us) {
		fault(h, FAULT_INVENTED, event, put == NULL ? "nobody wrote this value" :
		      put->outcome == REFUSED ? "its write was refused" : "its write came later");
		return;
	}
	if (put->version == 0) {
		put->version = event->version;
		put->writes = event->writes;
	}
	if (put->version != event->version || put->writes != event->writes) {
		snprintf(text, sizeof text, "its write was version %" PRIu64 ", number %" PRIu64,
			 put->version, put->writes);
		fault(h, FAULT_TWICE, event, text);
	}
	if (event->end_us < put->known_us)
		put->known_us = event->end_us;
}

static void values_learn(struct history *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (saw_value(&h->events[i]))
			value_learn(h, &h->events[i]);
		else if (h->events[i].torn)
			fault(h, FAULT_TORN, &h->events[i], NULL);
	}
}

/* --- what is known by then --- */

struct known {
	uint64_t floor;			/* newest version; 0: none yet */
	const struct event *floor_event;
	uint64_t present_us, absent_us;	/* began not before; 0: never */
	uint64_t put_us;		/* the last write that is over began then; 0: none is */
};

static bool says_present(const struct event *event)
{
	return event->status == 200 && (event_is_put(event) || event->what == GET || event->what == LISTED);
}

static bool says_absent(const struct event *event)
{
	switch (event->what) {
	case GET:      return event->status == 404;
	case DELETE:
	case BULK_DELETE:
	case UNLISTED: return event->status == 200;
	default:       return false;
	}
}

static void known_add(struct known *known, const struct event *event)
{
	if (says_present(event)) {
		if (event->start_us > known->present_us)
			known->present_us = event->start_us;
		if (event->what != LISTED && !event->torn && event->version > known->floor) {
			known->floor = event->version;
			known->floor_event = event;
		}
		if (event_is_put(event) && event->start_us > known->put_us)
			known->put_us = event->start_us;
	}
	if (says_absent(event) && event->start_us > known->absent_us)
		known->absent_us = event->start_us;
}

/* --- the answers --- */

/* The server reckons in whole seconds, so a second to either side is allowed. */
static bool may_have_expired(const struct history *h, const struct event *event)
{
	for (size_t i = 0; i < h->n_puts; i++) {
		const struct event *put = h->puts[i].event;

		if (put->ttl_s != 0 && h->puts[i].outcome != REFUSED &&
		    put->start_us + put->ttl_s * (uint64_t)SECOND_US <= event->end_us + SECOND_US)
			return true;
	}
	return false;
}

static bool must_have_expired(const struct put *put, const struct event *event)
{
	return put->event->ttl_s != 0 &&
	       event->start_us > put->known_us + (put->event->ttl_s + 1ull) * SECOND_US;
}

static const char *told(const struct event *event, char text[128])
{
	snprintf(text, 128, "a %s that ended at %" PRIu64 " was told version %" PRIu64 " (%u.%u)",
		 event_word(event->what), event->end_us, event->version, event->value.writer, event->value.number);
	return text;
}

static void value_judge(const struct history *h, const struct known *known, const struct event *event)
{
	const struct put *put = put_find(h, event->value);
	char text[128];

	if (event->version < known->floor)
		fault(h, FAULT_WENT_BACK, event, told(known->floor_event, text));
	if (put == NULL)
		return;
	if (put->known_us < known->put_us && event->version >= known->floor)
		fault(h, FAULT_WENT_BACK, event, "a write that began when it was there was over");
	if (put->known_us < known->absent_us)
		fault(h, FAULT_CAME_BACK, event, "it had been there, and gone, before");
	if (must_have_expired(put, event))
		fault(h, FAULT_EXPIRED, event, NULL);
}

static void absence_judge(const struct history *h, const struct known *known, const struct event *event)
{
	char text[128];

	if (known->present_us == 0 ||
	    spans_touch(&h->delete_spans, known->present_us, event->end_us) || may_have_expired(h, event))
		return;
	fault(h, FAULT_LOST, event, known->floor_event != NULL ? told(known->floor_event, text) : NULL);
}

static void judge(const struct history *h, const struct known *known, const struct event *event)
{
	char text[128];

	if (saw_value(event))
		value_judge(h, known, event);
	else if (event->what == PUT && event->status == 200 && event->version <= known->floor)
		fault(h, FAULT_WENT_BACK, event, told(known->floor_event, text));
	else if (event->what == LISTED && event->status == 200 &&
		 !spans_touch(&h->put_spans, known->absent_us, event->end_us))
		fault(h, known->absent_us != 0 ? FAULT_CAME_BACK : FAULT_INVENTED, event, NULL);
	else if (!event_is_delete(event) && says_absent(event))
		absence_judge(h, known, event);
}

static void answers_judge(const struct history *h)
{
	struct known known = { .floor = 0 };
	size_t ended = 0;

	for (size_t i = 0; i < h->n; i++) {
		for (; ended < h->n && h->by_end[ended]->end_us < h->events[i].start_us; ended++)
			known_add(&known, h->by_end[ended]);
		judge(h, &known, &h->events[i]);
	}
}

/* --- the counter --- */

/*
 * How many writes that are not in order lie between two that are; *RESET: there may have been a delete,
 * behind which the counter began again. -1: it did not go on.
 */
static int64_t between(const struct history *h, const struct put *before, const struct put *put, bool *reset)
{
	uint64_t base = before == NULL ? 0 : before->writes;
	bool certain;

	*reset = before != NULL &&
		 spans_touch(&h->delete_spans, before->event->start_us, end_of(put->event));
	certain = *reset && spans_contain(&h->delete_spans, before->known_us, put->event->start_us);
	if (!certain && put->writes > base)
		return (int64_t)(put->writes - base - 1);
	return *reset && put->writes > 0 ? (int64_t)put->writes - 1 : -1;
}

/*
 * Of the writes that happened and whose version nobody has seen: how many lie between two others for certain
 * (*LEAST), and how many may.
 */
static int64_t told_between(const struct history *h, const struct put *before, const struct put *put, int64_t *least)
{
	uint64_t known_us = before == NULL ? 0 : before->known_us, start_us = before == NULL ? 0 : before->event->start_us;
	int64_t most = 0;

	*least = 0;
	for (size_t i = 0; i < h->n_puts; i++) {
		const struct event *event = h->puts[i].event;

		if (h->puts[i].version != 0 || h->puts[i].outcome != HAPPENED)
			continue;
		most += event->end_us > start_us && event->start_us < put->known_us;
		*least += event->start_us > known_us && event->end_us < put->event->start_us;
	}
	return most;
}

/* *UNKNOWN: the writes of which nobody knows, as many as are left. */
static void count_judge(const struct history *h, const struct put *before, const struct put *put, int64_t *unknown)
{
	bool reset;
	int64_t n = between(h, before, put, &reset), least, most = told_between(h, before, put, &least);
	char text[128];

	if (reset || before == NULL)
		least = 0;
	if (n < least || n > most + *unknown) {
		snprintf(text, sizeof text, "before it %" PRIu64 ", and at least %" PRId64 ", at most %" PRId64
			 " writes in between", before == NULL ? 0 : before->writes, least, most + *unknown);
		fault(h, FAULT_COUNTED, put->event, text);
	} else if (n > most) {
		*unknown -= n - most;
	}
}

/* X-KV-Writes over all known writes in their order. Answers the writes that remain unknown. */
static size_t counter_judge(const struct history *h)
{
	struct put *order = get_memory(h->n_puts, sizeof *order);
	int64_t unknown = 0;
	size_t n = 0;

	for (size_t i = 0; i < h->n_puts; i++) {
		if (h->puts[i].version != 0)
			order[n++] = h->puts[i];
		else
			unknown += h->puts[i].outcome == UNKNOWN;
	}
	qsort(order, n, sizeof *order, by_version);
	for (size_t i = 0; i < n; i++)
		count_judge(h, i == 0 ? NULL : &order[i - 1], &order[i], &unknown);
	free(order);
	return (size_t)unknown;
}

size_t check_key(const struct event *events, size_t n, check_report *report, void *arg)
{
	struct history h = { .events = events, .n = n, .report = report, .arg = arg };
	size_t unknown;

	h.by_end = get_memory(n, sizeof *h.by_end);
	h.puts = get_memory(n, sizeof *h.puts);
	for (size_t i = 0; i < n; i++) {
		assert(i == 0 || events[i - 1].start_us <= events[i].start_us);
		h.by_end[i] = &events[i];
	}
	qsort(h.by_end, n, sizeof *h.by_end, by_end);
	h.put_spans = spans_make(&h, event_is_put);
	h.delete_spans = spans_make(&h, event_is_delete);
	puts_collect(&h);
	values_learn(&h);
	answers_judge(&h);
	unknown = counter_judge(&h);
	spans_free(&h.put_spans);
	spans_free(&h.delete_spans);
	free(h.puts);
	free(h.by_end);
	return unknown;
}
