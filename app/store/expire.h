/*
 * expire.h - handing the sweeper what it needs to know of expired keys.
 */
#ifndef STORE_EXPIRE_H
#define STORE_EXPIRE_H

#include <stdbool.h>

#include "store/commit.h"

enum { SWEEP_SLICE = 200 };	/* keys removed in one go */

/* What a sweep function gets as its ARG. */
struct sweep_slice {
	void *arg;		/* as given to store_sweeper_start() */
	size_t removed;		/* set by the function: at most SWEEP_SLICE */
};

/* store_sweeper_start - call SWEEP about once a second, and again at once while it removes whole slices. */
bool store_sweeper_start(struct store *store, commit_apply *sweep, void *arg);
void store_sweeper_stop(struct store *store);

#endif
