/*
 * items.h - a file of many JSON texts, one after the other: one a line, or the elements of one array.
 *
 * Which of the two it is, its first byte says. The file is read as a stream, and only one item is in
 * memory, so a file may be of any length. Whether an item is JSON is for whoever understands it.
 */
#ifndef CTL_ITEMS_H
#define CTL_ITEMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum items_step {
	ITEMS_ONE,
	ITEMS_END,
	ITEMS_BAD,	/* at LINE: what `fault` says */
	ITEMS_IO	/* errno; EINTR: stop_wanted() */
};

struct items;

/* Where the last item stands. */
struct items_place {
	uint64_t number;	/* from 1 */
	uint64_t line;		/* from 1: the one it begins in */
};

/* items_new - the items of FD, of which each has at most MAX bytes. Ends the program when there is no memory. */
struct items *items_new(int fd, size_t max);
void items_free(struct items *items);

/* items_next - *ITEM is the next one's text; it is good until the next call. */
enum items_step items_next(struct items *items, struct str *item);

struct items_place items_place(const struct items *items);

/* items_fault - what is wrong, behind ITEMS_BAD: a few words. */
const char *items_fault(const struct items *items);

/* items_bytes - how much of the file has been taken. */
uint64_t items_bytes(const struct items *items);

#endif
