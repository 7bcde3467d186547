/*
 * test_base_clock.c - the clocks tell the time, in the units they say.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

static void the_wall_clock_is_that_of_the_system(void **state)
{
	int64_t before = time(NULL);
	uint64_t us = clock_wall_us();
	int64_t s = clock_wall_s(), after = time(NULL);

	(void)state;
	/* time() may lag by a tick */
	assert_true(s >= before && s <= after + 1);
	assert_true((int64_t)(us / 1000000) >= before && (int64_t)(us / 1000000) <= after + 1);
}

static void the_monotonic_clock_counts_microseconds_and_never_goes_back(void **state)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	uint64_t start = clock_mono_us(), last = start;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		uint64_t now = clock_mono_us();

		assert_true(now >= last);
		last = now;
	}
	start = clock_mono_us();
	nanosleep(&pause, NULL);
	assert_in_range(clock_mono_us() - start, 20000, 10000000);
}

static void a_wait_lasts_until_its_time_by_the_monotonic_clock(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond;
	uint64_t until_us = clock_mono_us() + 5000;

	(void)state;
	clock_cond_init(&cond);
	pthread_mutex_lock(&lock);
	while (clock_cond_wait(&cond, &lock, until_us))
		;
	pthread_mutex_unlock(&lock);
	assert_true(clock_mono_us() >= until_us);
	pthread_cond_destroy(&cond);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_wall_clock_is_that_of_the_system),
		cmocka_unit_test(the_monotonic_clock_counts_microseconds_and_never_goes_back),
		cmocka_unit_test(a_wait_lasts_until_its_time_by_the_monotonic_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
