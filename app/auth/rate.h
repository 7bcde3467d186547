/*
 * rate.h - how many requests a second a user may make, counted over all workers.
 *
 * A user's window opens with the first request and lasts one second of the monotonic clock (base/limit.h). Users are
 * spread over some limiters with a lock each, so workers seldom wait for one another. What is kept is the windows that
 * are open, so memory follows the traffic, and no open window is forgotten.
 */
#ifndef AUTH_RATE_H
#define AUTH_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate;

/* rate_new - NULL without memory. */
struct rate *rate_new(void);
void rate_free(struct rate *rate);

/* rate_ask - may USER of PROJECT have another request now? Counts it when yes. LIMIT is not 0. Any thread. */
bool rate_ask(struct rate *rate, uint32_t project, uint64_t user, uint64_t limit, uint64_t now_us);

#endif
