/*
 * expire.h - the sweeper: what has to be taken away in slices, by the functions that know how.
 *
 * A slice is bounded by its rows, by their bytes (what is deleted is logged) and by the time it takes: small
 * rows go at 15 us each, those with a value of a few KB at 100, and whoever writes meanwhile waits for all.
 */
#ifndef STORE_EXPIRE_H
#define STORE_EXPIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "store/commit.h"

enum {
	SWEEP_SLICE = 50,		/* rows taken away in one go: 200 made the slowest writes four times slower, */
	SWEEP_SLICE_BEHIND = 200,	/* but so many for a sweep that is behind by more than */
	SWEEP_BEHIND_S = 600,		/* this: it must not fall behind for ever, */
	SWEEP_SLICE_BYTES = 1 << 20,	/* or so many bytes of them; one row more may be larger, */
	SWEEP_SLICE_US = 5000,		/* or what goes in so long, a row at least */
	SWEEPS_MAX = 2
};

/* What a sweep function gets as its ARG. It begins with sweep_begin(). */
struct sweep_slice {
	void *arg;		/* as given to store_sweeper_start() */
	size_t rows;		/* at most; 0: SWEEP_SLICE */
	size_t removed;		/* rows */
	size_t bytes;		/* of them, roughly */
	size_t keys;		/* how many expired keys that were, for the metric */
	bool more;		/* it ended because the slice is full: call again at once */
	int64_t behind_s;	/* what it found first was due so long ago */
	uint64_t began_us;
};

/* A sweep may run more than once, like all that the committer runs. */
static inline void sweep_begin(struct sweep_slice *slice)
{
	slice->removed = slice->bytes = slice->keys = 0;
	slice->more = false;
	slice->behind_s = 0;
	slice->began_us = clock_mono_us();
}

/* sweep_goes_on - whether there is room for another row; when not, MORE is set. */
static inline bool sweep_goes_on(struct sweep_slice *slice)
{
	slice->more = slice->removed >= (slice->rows != 0 ? slice->rows : SWEEP_SLICE) || slice->bytes >= SWEEP_SLICE_BYTES ||
		      (slice->removed != 0 && clock_mono_us() - slice->began_us >= SWEEP_SLICE_US);
	return !slice->more;
}

static inline void sweep_count(struct sweep_slice *slice, size_t bytes)
{
	slice->removed++;
	slice->bytes += bytes;
}

/*
 * store_sweeper_start - call the N functions at SWEEPS, SWEEPS_MAX at most, about once a second, and again
 * at once while one of them has more.
 */
bool store_sweeper_start(struct store *store, commit_apply *const *sweeps, size_t n, void *arg);
void store_sweeper_stop(struct store *store);

#endif
