/*
 * limit.h - so many writes a second for each key, exactly.
 *
 * A key's window opens with its first write and lasts one second of the monotonic clock: the
 * first LIMIT writes in it pass, the rest are refused. Only the committer asks, so the count is
 * exact over all workers.
 */
#ifndef KV_LIMIT_H
#define KV_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct limiter;

struct limiter *limiter_new(void);
void limiter_free(struct limiter *limiter);

/* limiter_ask - may KEY (as stored) be written now? Counts it when yes. LIMIT 0: always, uncounted. */
bool limiter_ask(struct limiter *limiter, struct str key, uint64_t limit, uint64_t now_us);

/* limiter_give_back - a write that was counted did not happen. */
void limiter_give_back(struct limiter *limiter, struct str key);

/* limiter_room - windows the table has room for; for tests. */
size_t limiter_room(const struct limiter *limiter);

#endif
