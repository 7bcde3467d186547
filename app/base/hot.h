/*
 * hot.h - which keys come most often just now, in bounded memory.
 *
 * Counters as Misra and Gries have them: of N events in a window every key with more than N / (HOT_KEYS + 1) has
 * one, and no counter is higher than the truth, nor lower by more than that. Two windows: one is being filled, the
 * one before is whole, and what is read is both.
 *
 * hot_add() is for one thread, hot_read() for any other; a lock inside keeps them apart, which is held for
 * microseconds.
 */
#ifndef BASE_HOT_H
#define BASE_HOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { HOT_KEYS = 128, HOT_READ_MAX = 2 * HOT_KEYS, HOT_KEY_MAX = 520 };

struct hot;

/* hot_new - windows of WINDOW_US; NULL: no memory. */
struct hot *hot_new(uint64_t window_us, uint64_t now_us);
void hot_free(struct hot *hot);

/* hot_add - an event of KEY, of HOT_KEY_MAX bytes at most. VALUE is remembered with it until its next one. */
void hot_add(struct hot *hot, struct str key, uint64_t value, uint64_t now_us);

struct hot_key {
	uint64_t count;			/* events, at least */
	uint64_t value;			/* what came with the last one */
	size_t n;
	char key[HOT_KEY_MAX];
};

/*
 * hot_read - into OUT, of HOT_READ_MAX, the most frequent first; answers how many. *SPAN_US is how long that was: up
 * to two windows. *TOTAL are all events in it.
 */
size_t hot_read(struct hot *hot, uint64_t now_us, struct hot_key *out, uint64_t *span_us, uint64_t *total);

#endif
