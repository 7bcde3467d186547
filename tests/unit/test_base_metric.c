/*
 * test_base_metric.c - every thread counts for itself, the sum knows them all.
 */
#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/metric.h"

static void a_thread_has_one_slot_on_its_own_cache_lines(void **state)
{
	struct metric_slot *slot = metric_slot();

	(void)state;
	assert_ptr_equal(slot, metric_slot());
	assert_int_equal((uintptr_t)slot % 64, 0);
	assert_int_equal(sizeof *slot % 64, 0);
}

static void *count(void *other)
{
	if (metric_slot() == other)
		return other;
	for (int i = 0; i < 10000; i++) {
		metric_add(metric_slot(), METRIC_READS, 1);
		metric_add(metric_slot(), METRIC_SWEPT, 3);
	}
	return NULL;
}

static void the_sum_holds_what_threads_counted_that_are_gone(void **state)
{
	uint64_t reads = metric_sum(METRIC_READS), swept = metric_sum(METRIC_SWEPT);
	pthread_t threads[4];
	void *shared;

	(void)state;
	metric_add(metric_slot(), METRIC_READS, 5);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, count, metric_slot());
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &shared);
		assert_null(shared);
	}
	assert_int_equal(metric_sum(METRIC_READS) - reads, 40005);
	assert_int_equal(metric_sum(METRIC_SWEPT) - swept, 120000);
	assert_int_equal(metric_sum(METRIC_WRITES), 0);
}

static void every_metric_has_a_name_of_its_own_and_help(void **state)
{
	(void)state;
	for (enum metric i = 0; i < METRIC__COUNT; i++) {
		assert_true(strlen(metric_name(i)) > 0 && strlen(metric_help(i)) > 0);
		assert_int_equal(strspn(metric_name(i), "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(metric_name(i)));
		for (enum metric k = 0; k < i; k++)
			assert_string_not_equal(metric_name(i), metric_name(k));
	}
	assert_string_equal(metric_name(METRIC_REQUESTS_2XX), "requests_2xx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_one_slot_on_its_own_cache_lines),
		cmocka_unit_test(the_sum_holds_what_threads_counted_that_are_gone),
		cmocka_unit_test(every_metric_has_a_name_of_its_own_and_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
