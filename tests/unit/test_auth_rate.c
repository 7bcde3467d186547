/*
 * test_auth_rate.c - so many requests a second for each user, exactly, whichever thread asks.
 */
#include "config.h"

#include <pthread.h>

#include "store_fixture.h"

#include "auth/rate.h"

static const uint64_t start_us = 123456789;

static size_t ask_times(struct rate *rate, uint32_t project, uint64_t user, uint64_t limit, uint64_t now_us, size_t n)
{
	size_t passed = 0;

	for (size_t i = 0; i < n; i++)
		passed += rate_ask(rate, project, user, limit, now_us);
	return passed;
}

static void users_and_projects_do_not_count_for_each_other(void **state)
{
	struct rate *rate = rate_new();

	(void)state;
	for (uint64_t user = 1; user <= 100; user++)
		for (uint32_t project = 1; project <= 2; project++)
			assert_int_equal(ask_times(rate, project, user, 5, start_us, 9), 5);
	/* A second later, all of them again. */
	for (uint64_t user = 1; user <= 100; user++)
		assert_int_equal(ask_times(rate, 1, user, 5, start_us + 1000000, 9), 5);
	rate_free(rate);
}

static void a_clock_read_before_the_lock_opens_no_second_window(void **state)
{
	struct rate *rate = rate_new();

	(void)state;
	assert_int_equal(ask_times(rate, 1, 7, 5, start_us, 3), 3);
	assert_int_equal(ask_times(rate, 1, 7, 5, start_us - 10, 9), 2);
	assert_int_equal(ask_times(rate, 1, 7, 5, start_us + 999999, 1), 0);
	assert_int_equal(ask_times(rate, 1, 7, 5, start_us + 1000000, 9), 5);
	rate_free(rate);
}

enum { THREADS = 4, ASKS = 20000, USERS = 64, LIMIT = 100 };

struct asker {
	pthread_t thread;
	struct rate *rate;
	size_t passed[USERS];
};

static void *ask_all(void *arg)
{
	struct asker *asker = arg;

	for (size_t i = 0; i < ASKS; i++)
		asker->passed[i % USERS] += rate_ask(asker->rate, 1, i % USERS, LIMIT, start_us + i % 1000);
	return NULL;
}

static void exactly_the_limit_passes_over_all_threads(void **state)
{
	struct asker askers[THREADS] = { { .rate = rate_new() } };

	(void)state;
	for (size_t i = 0; i < THREADS; i++) {
		askers[i].rate = askers[0].rate;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_all, &askers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(askers[i].thread, NULL);
	for (size_t user = 0; user < USERS; user++) {
		size_t passed = 0;

		for (size_t i = 0; i < THREADS; i++)
			passed += askers[i].passed[user];
		assert_int_equal(passed, LIMIT);
	}
	rate_free(askers[0].rate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_and_projects_do_not_count_for_each_other),
		cmocka_unit_test(a_clock_read_before_the_lock_opens_no_second_window),
		cmocka_unit_test(exactly_the_limit_passes_over_all_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
