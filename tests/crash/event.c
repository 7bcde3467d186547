/*
 * event.c - events as lines of text: short enough for hundreds of thousands, plain enough for grep.
 *
 *     start end what key writer.number status version writes ttl torn
 *
 * One thread at a time for each FILE and each struct events.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event.h"

static const char *const words[WHAT__COUNT] = {
	[PUT] = "put", [DELETE] = "delete", [GET] = "get", [LISTED] = "listed", [UNLISTED] = "unlisted",
	[BULK_PUT] = "bulk-put", [BULK_DELETE] = "bulk-delete"
};

const char *event_word(enum what what)
{
	return words[what];
}

bool event_is_put(const struct event *event)
{
	return event->what == PUT || event->what == BULK_PUT;
}

bool event_is_delete(const struct event *event)
{
	return event->what == DELETE || event->what == BULK_DELETE;
}

bool event_write(FILE *file, const struct event *e)
{
	return fprintf(file, "%" PRIu64 " %" PRIu64 " %s %s %u.%u %d %" PRIu64 " %" PRIu64 " %u %d\n",
		       e->start_us, e->end_us, words[e->what], e->key, e->value.writer, e->value.number,
		       e->status, e->version, e->writes, e->ttl_s, e->torn) > 0;
}

static bool word_read(const char *word, enum what *what)
{
	for (int i = 0; i < WHAT__COUNT; i++)
		if (strcmp(word, words[i]) == 0) {
			*what = (enum what)i;
			return true;
		}
	return false;
}

int event_read(FILE *file, struct event *e)
{
	char word[12];
	int n, torn;

	*e = (struct event){ .start_us = 0 };
	n = fscanf(file, "%" SCNu64 " %" SCNu64 " %11s %23s %u.%u %d %" SCNu64 " %" SCNu64 " %u %d",
		   &e->start_us, &e->end_us, word, e->key, &e->value.writer, &e->value.number,
		   &e->status, &e->version, &e->writes, &e->ttl_s, &torn);
	if (n == EOF)
		return 0;
	if (n != 11 || !word_read(word, &e->what))
		return -1;
	e->torn = torn != 0;
	return 1;
}

void events_add(struct events *events, const struct event *event)
{
	if (events->n == events->room) {
		events->room = events->room == 0 ? 4096 : 2 * events->room;
		events->at = realloc(events->at, events->room * sizeof *events->at);
		if (events->at == NULL)
			abort();
	}
	events->at[events->n++] = *event;
}

bool events_load(struct events *events, const char *path)
{
	FILE *file = fopen(path, "r");
	struct event event;
	int rc = -1;

	if (file != NULL)
		while ((rc = event_read(file, &event)) == 1)
			events_add(events, &event);
	if (rc != 0)
		fprintf(stderr, "%s: %s\n", path, file == NULL ? strerror(errno) : "this is no event");
	if (file != NULL)
		fclose(file);
	return rc == 0;
}

static int compare(const void *a, const void *b)
{
	const struct event *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order != 0 ? order : (x->start_us > y->start_us) - (x->start_us < y->start_us);
}

void events_sort(struct events *events)
{
	qsort(events->at, events->n, sizeof *events->at, compare);
}

uint64_t wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
