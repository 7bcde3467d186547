/*
 * items.c - see items.h.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/items.h"
#include "ctl/stop.h"

enum { FIRST_SIZE = 1 << 20 };

/*
 * UNKNOWN -first byte '['-> FIRST -value-> BEHIND -','-> NEXT -value-> BEHIND ... -']'-> ENDED
 *    '-------any other byte----> LINES
 */
enum items_state { UNKNOWN, LINES, FIRST, NEXT, BEHIND, ENDED };

struct items {
	int fd;
	char *p;			/* SIZE bytes, of which N were read; those before AT are taken */
	size_t size, max, at, n;
	size_t item_max;
	bool at_end;
	uint64_t taken;			/* bytes of the file before p */
	enum items_state state;
	struct items_place place;
	uint64_t line;			/* that AT is in */
	const char *fault;
};

struct items *items_new(int fd, size_t max)
{
	struct items *items = calloc(1, sizeof *items);

	if (items == NULL || (items->p = malloc(FIRST_SIZE)) == NULL)
		abort();
	items->fd = fd;
	items->size = FIRST_SIZE;
	items->item_max = max;
	items->max = max + 1 < FIRST_SIZE ? FIRST_SIZE : max + 1;	/* and what tells that it has ended */
	items->line = 1;
	return items;
}

void items_free(struct items *items)
{
	if (items == NULL)
		return;
	free(items->p);
	free(items);
}

struct items_place items_place(const struct items *items)
{
	return items->place;
}

const char *items_fault(const struct items *items)
{
	return items->fault;
}

uint64_t items_bytes(const struct items *items)
{
	return items->taken + items->at;
}

static enum items_step bad(struct items *items, const char *fault)
{
	items->fault = fault;
	items->place.line = items->line;
	return ITEMS_BAD;
}

/* Room behind what is there: what was taken goes, else the buffer grows. False when it may not grow further. */
static bool make_room(struct items *items)
{
	char *more;
	size_t size;

	if (items->at != 0) {
		memmove(items->p, items->p + items->at, items->n - items->at);
		items->taken += items->at;
		items->n -= items->at;
		items->at = 0;
	}
	if (items->n < items->size)
		return true;
	if (items->size == items->max)
		return false;
	size = items->size > items->max / 2 ? items->max : items->size * 2;
	more = realloc(items->p, size);
	if (more == NULL)
		return false;
	items->p = more;
	items->size = size;
	return true;
}

static const char too_long[] = "this is too long for one item";

/* More bytes of the file. ITEMS_ONE: there are some; ITEMS_END: there will be none. */
static enum items_step read_more(struct items *items)
{
	ssize_t n;

	if (items->at_end)
		return ITEMS_END;
	if (!make_room(items))
		return bad(items, too_long);
	do
		n = read(items->fd, items->p + items->n, items->size - items->n);
	while (n < 0 && errno == EINTR && !stop_wanted());
	if (n < 0)
		return ITEMS_IO;
	items->n += (size_t)n;
	items->at_end = n == 0;
	return n == 0 ? ITEMS_END : ITEMS_ONE;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* To the next byte that is no white space: *C. */
static enum items_step skip_space(struct items *items, char *c)
{
	enum items_step step;

	for (;;) {
		for (; items->at < items->n; items->at++) {
			*c = items->p[items->at];
			if (!is_space(*c))
				return ITEMS_ONE;
			items->line += *c == '\n';
		}
		if ((step = read_more(items)) != ITEMS_ONE)
			return step;
	}
}

/* Where the item that begins at AT has got to. */
struct scan {
	size_t n;			/* bytes of it, so far */
	size_t depth;
	bool in_string, escaped;
};

/* One byte of an element. True when the element ended before it. */
static bool ends_before(struct scan *scan, char c)
{
	if (scan->in_string) {
		if (scan->escaped)
			scan->escaped = false;
		else if (c == '\\')
			scan->escaped = true;
		else if (c == '"')
			scan->in_string = false;
		return false;
	}
	switch (c) {
	case '"':
		scan->in_string = true;
		return false;
	case '{':
	case '[':
		scan->depth++;
		return false;
	case '}':
	case ']':
		if (scan->depth == 0)
			return true;
		scan->depth--;
		return false;
	default:
		return scan->depth == 0 && (c == ',' || is_space(c));
	}
}

static bool line_ends_before(struct scan *scan, char c)
{
	(void)scan;
	return c == '\n';
}

/* The item that begins at AT, which HAS_ENDED tells the end of. */
static enum items_step take(struct items *items, bool (*has_ended)(struct scan *, char), struct str *item)
{
	struct scan scan = { 0 };
	enum items_step step = ITEMS_ONE;
	uint64_t line = items->line;

	for (;; scan.n++) {
		char c;

		if (items->at + scan.n == items->n && (step = read_more(items)) != ITEMS_ONE)
			break;
		c = items->p[items->at + scan.n];
		if (has_ended(&scan, c))
			break;
		line += c == '\n';
	}
	if (step != ITEMS_ONE && step != ITEMS_END)
		return step;
	if (scan.n > items->item_max)
		return bad(items, too_long);
	if (step == ITEMS_END && (scan.depth != 0 || scan.in_string))
		return bad(items, "the file ends inside an item");
	*item = str_make(items->p + items->at, scan.n);
	items->place.number++;
	items->place.line = items->line;
	items->line = line;
	items->at += scan.n;
	return ITEMS_ONE;
}

static enum items_step next_line(struct items *items, struct str *item)
{
	enum items_step step;
	char c;

	if ((step = skip_space(items, &c)) != ITEMS_ONE || (step = take(items, line_ends_before, item)) != ITEMS_ONE)
		return step;
	while (item->n != 0 && is_space(item->p[item->n - 1]))
		item->n--;
	return ITEMS_ONE;
}

/* Before an element, or at the end of the array. */
static enum items_step next_element(struct items *items, struct str *item)
{
	enum items_step step;
	char c = '\0';

	step = skip_space(items, &c);
	if (step == ITEMS_END)
		return bad(items, "the file ends before its array does");
	if (step != ITEMS_ONE)
		return step;
	if (items->state == BEHIND && c == ',') {
		items->at++;
		items->state = NEXT;
		return next_element(items, item);
	}
	if (c == ']' && items->state != NEXT) {
		items->at++;
		items->state = ENDED;
		return ITEMS_END;
	}
	if (items->state == BEHIND || c == ']' || c == ',')
		return bad(items, items->state == BEHIND ? "a comma or the end of the array belongs here"
							 : "an item belongs here");
	items->state = BEHIND;
	return take(items, ends_before, item);
}

static enum items_step nothing_more(struct items *items)
{
	char c;
	enum items_step step = skip_space(items, &c);

	return step == ITEMS_ONE ? bad(items, "something stands behind the array") : step;
}

enum items_step items_next(struct items *items, struct str *item)
{
	enum items_step step = ITEMS_END;
	char c;

	if (items->state == UNKNOWN) {
		if ((step = skip_space(items, &c)) != ITEMS_ONE)
			return step;
		items->state = c == '[' ? FIRST : LINES;
		items->at += c == '[';
	}
	if (items->state == LINES)
		return next_line(items, item);
	if (items->state != ENDED)
		step = next_element(items, item);
	else
		step = ITEMS_END;
	return step == ITEMS_END ? nothing_more(items) : step;
}
