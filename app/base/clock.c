/*
 * clock.c - see clock.h.
 */
#include "config.h"

#include <time.h>

#include "base/clock.h"

static uint64_t now_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int64_t clock_wall_s(void)
{
	return (int64_t)(clock_wall_us() / 1000000);
}

uint64_t clock_wall_us(void)
{
	return now_us(CLOCK_REALTIME);
}

uint64_t clock_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}
