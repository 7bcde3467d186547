/*
 * clock.h - the two clocks. Whatever decides something takes the time as an
 * argument, so that tests choose it; only the callers at the top ask here.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Wall clock: seconds, microseconds since 1970. It may jump. */
int64_t clock_wall_s(void);
uint64_t clock_wall_us(void);

/* Monotonic clock: microseconds since some moment. It never goes back. */
uint64_t clock_mono_us(void);

/*
 * clock_cond_init - a condition whose waits go by the monotonic clock: a wall clock that is set back makes no short sleep a
 * long one. clock_cond_wait - as pthread_cond_wait(), until UNTIL_US at most; false: it is then.
 */
void clock_cond_init(pthread_cond_t *cond);
bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_us);

#endif
