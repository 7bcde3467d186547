/*
 * explain.h - where a history that is not linearizable went wrong, in as few lines as tell it.
 */
#ifndef TESTS_LINEAR_EXPLAIN_H
#define TESTS_LINEAR_EXPLAIN_H

#include "history.h"

/* explain - N operations of one key, sorted, for which linear_search() found a VIOLATION. */
void explain(FILE *file, const struct op *ops, size_t n, uint64_t limit_ms);

#endif
