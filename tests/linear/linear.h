/*
 * linear.h - is there an order of these operations that explains all answers, and that keeps to what was over
 * before something else began?
 */
#ifndef TESTS_LINEAR_LINEAR_H
#define TESTS_LINEAR_LINEAR_H

#include <stddef.h>
#include <stdint.h>

#include "history.h"
#include "model.h"

enum verdict {
	LINEARIZABLE,
	VIOLATION,
	UNDECIDED,		/* not within the time or the memory allowed */
};

/* The longest order of answered operations that was found, those of unknown outcome included where they were needed. */
struct order {
	uint32_t *at;		/* places in the history; room for all */
	size_t n;
	struct state end;	/* what they leave */
};

/*
 * linear_search - for N operations of one key, in any order; none of them a read without an answer. It takes
 * LIMIT_MS at most. ORDER may be NULL.
 */
enum verdict linear_search(const struct op *ops, size_t n, uint64_t limit_ms, struct order *order);

#endif
