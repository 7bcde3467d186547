/*
 * limit.h - so many events a second for each key, exactly.
 *
 * A key's window opens with its first event and lasts one second of the monotonic clock: the
 * first LIMIT events in it pass, the rest are refused. A limiter takes no lock: it belongs to one thread, or
 * to whoever holds a lock of its owner's. Times must not go back.
 */
#ifndef BASE_LIMIT_H
#define BASE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct limiter;

struct limiter *limiter_new(void);
void limiter_free(struct limiter *limiter);

/* limiter_ask - may KEY have another event now? Counts it when yes. LIMIT 0: always, uncounted. */
bool limiter_ask(struct limiter *limiter, struct str key, uint64_t limit, uint64_t now_us);

/* limiter_give_back - an event that was counted did not happen. */
void limiter_give_back(struct limiter *limiter, struct str key);

/* limiter_room - windows the table has room for; for tests. */
size_t limiter_room(const struct limiter *limiter);

#endif
