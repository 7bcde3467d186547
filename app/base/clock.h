/*
 * clock.h - the two clocks. Whatever decides something takes the time as an
 * argument, so that tests choose it; only the callers at the top ask here.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Wall clock: seconds, microseconds since 1970. It may jump. */
int64_t clock_wall_s(void);
uint64_t clock_wall_us(void);

/* Monotonic clock: microseconds since some moment. It never goes back. */
uint64_t clock_mono_us(void);

#endif
