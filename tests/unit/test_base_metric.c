/*
 * test_base_metric.c - every thread counts for itself, the sum knows them all.
 */
#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
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


static struct metric_snapshot before, now;

static const struct metric_histogram_sum *times(const struct metric_snapshot *snapshot, enum metric_op op)
{
	return &snapshot->histograms[METRIC_TIMES(metric_op_door(op), metric_op_class(op))];
}

static void a_request_is_counted_by_operation_status_and_time(void **state)
{
	const enum metric_op op = METRIC_OP_REST_PUT;

	(void)state;
	metric_snapshot(&before);
	metric_request(metric_slot(), op, 200, 5, 100, 20);
	metric_request(metric_slot(), op, 200, 70, 1, 20);
	metric_request(metric_slot(), op, 507, 1000000000, 0, 50);
	metric_request(metric_slot(), op, 299, 0, 0, 0);
	metric_request(metric_slot(), op, 4711, 0, 0, 0);
	metric_snapshot(&now);
	assert_int_equal(now.ops[op].n - before.ops[op].n, 5);
	assert_int_equal(now.ops[op].status[METRIC_STATUS_200] - before.ops[op].status[METRIC_STATUS_200], 2);
	assert_int_equal(now.ops[op].status[METRIC_STATUS_507] - before.ops[op].status[METRIC_STATUS_507], 1);
	assert_int_equal(now.ops[op].status[METRIC_STATUS_OTHER] - before.ops[op].status[METRIC_STATUS_OTHER], 2);
	assert_int_equal(now.ops[op].received - before.ops[op].received, 101);
	assert_int_equal(now.ops[op].sent - before.ops[op].sent, 90);
	assert_int_equal(now.count[METRIC_REQUESTS] - before.count[METRIC_REQUESTS], 5);
	assert_int_equal(now.count[METRIC_REQUESTS_2XX] - before.count[METRIC_REQUESTS_2XX], 2);
	assert_int_equal(now.count[METRIC_REQUESTS_5XX] - before.count[METRIC_REQUESTS_5XX], 1);
	assert_int_equal(metric_sum(METRIC_REQUESTS), now.count[METRIC_REQUESTS]);
	assert_int_equal(metric_sum(METRIC_REQUESTS_2XX), now.count[METRIC_REQUESTS_2XX]);
	assert_int_equal(times(&now, op)->n - times(&before, op)->n, 5);
	assert_int_equal(times(&now, op)->sum - times(&before, op)->sum, 1000000075);
	assert_int_equal(times(&now, op)->bucket[METRIC_BUCKETS - 1] - times(&before, op)->bucket[METRIC_BUCKETS - 1], 1);
}

/* Each value stands in the bucket that ends behind it, and in none before. */
static void a_bucket_holds_what_lies_between_two_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i + 1 < METRIC_BUCKETS; i++) {
		assert_int_equal(metric_bucket(metric_bucket_end(i) - 1), i);
		assert_int_equal(metric_bucket(metric_bucket_end(i)), i + 1);
		/* Whoever takes a value for its bucket's end is wrong by a quarter at most. */
		assert_true(i < 4 || metric_bucket_end(i) * 4 <= metric_bucket_end(i - 1) * 5);
	}
	assert_int_equal(metric_bucket(0), 0);
	assert_int_equal(metric_bucket(UINT64_MAX), METRIC_BUCKETS - 1);
	assert_int_equal(metric_bucket_end(METRIC_BUCKETS - 2), 1 << 26);
}

enum { PROJECTS = 1000 };

/* Far apart, and many in one place of a small table. */
static uint32_t number_of(uint32_t i)
{
	return i % 2 == 0 ? i + 1 : 0xfff00000 + 64 * i;
}

static void *use_projects(void *arg)
{
	(void)arg;
	for (int round = 0; round < 10; round++)
		for (uint32_t i = 0; i < PROJECTS; i++)
			metric_project(metric_slot(), number_of(i), round == 0);
	return NULL;
}

static const struct metric_project *project_of(const struct metric_project *projects, size_t n, uint32_t number)
{
	for (size_t i = 0; i < n; i++)
		if (projects[i].number == number)
			return &projects[i];
	return NULL;
}

static void projects_are_counted_by_each_thread_and_added_up(void **state)
{
	pthread_t threads[2];
	struct metric_project *projects;
	size_t n;

	(void)state;
	projects = metric_projects(&n);
	assert_null(projects);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, use_projects, NULL);
	/* Tables grow while others read them. */
	for (int i = 0; i < 100; i++)
		free(metric_projects(&n));
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	metric_project(metric_slot(), 7, false);
	projects = metric_projects(&n);
	assert_int_equal(n, PROJECTS);
	for (uint32_t i = 0; i < PROJECTS; i++) {
		const struct metric_project *project = project_of(projects, n, number_of(i));

		assert_non_null(project);
		assert_int_equal(project->reads, number_of(i) == 7 ? 19 : 18);
		assert_int_equal(project->writes, 2);
		assert_true(project == projects || project[-1].number < project->number);
	}
	free(projects);
}

static _Atomic bool stop;

static void *serve(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !stop; i++) {
		metric_add(metric_slot(), METRIC_REQUESTS_BEGUN, 1);
		metric_request(metric_slot(), METRIC_OP_SDK_GET, i % 3 == 0 ? 404 : 200, i % 5000, 1, 1);
	}
	return NULL;
}

static void no_number_ever_falls_and_no_end_comes_before_its_beginning(void **state)
{
	uint64_t at_first;
	pthread_t threads[2];

	(void)state;
	metric_snapshot(&before);
	/* Other tests count requests that never began. */
	at_first = before.count[METRIC_REQUESTS] - before.count[METRIC_REQUESTS_BEGUN];
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, serve, NULL);
	for (int round = 0; round < 500; round++) {
		const struct metric_histogram_sum *histogram = times(&now, METRIC_OP_SDK_GET);
		uint64_t n = 0;

		metric_snapshot(&now);
		for (size_t metric = 0; metric < METRIC__COUNT; metric++)
			assert_true(now.count[metric] >= before.count[metric]);
		for (size_t i = 0; i < METRIC_BUCKETS; i++) {
			assert_true(histogram->bucket[i] >= times(&before, METRIC_OP_SDK_GET)->bucket[i]);
			n += histogram->bucket[i];
		}
		assert_int_equal(n, histogram->n);
		assert_true(now.count[METRIC_REQUESTS] - at_first <= now.count[METRIC_REQUESTS_BEGUN]);
		before = now;
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	metric_snapshot(&now);
	assert_int_equal(times(&now, METRIC_OP_SDK_GET)->n, now.ops[METRIC_OP_SDK_GET].n);
	assert_int_equal(now.count[METRIC_REQUESTS] - at_first, now.count[METRIC_REQUESTS_BEGUN]);
}

static void every_operation_has_a_name_of_its_own_at_its_door(void **state)
{
	(void)state;
	for (enum metric_op i = 0; i < METRIC_OP__COUNT; i++) {
		assert_true(strlen(metric_op_name(i)) > 0 && strlen(metric_door_name(metric_op_door(i))) > 0 &&
			    strlen(metric_class_name(metric_op_class(i))) > 0);
		for (enum metric_op k = 0; k < i; k++)
			assert_false(metric_op_door(i) == metric_op_door(k) && strcmp(metric_op_name(i), metric_op_name(k)) == 0);
	}
	assert_int_equal(metric_status_number(METRIC_STATUS_OTHER), 0);
	assert_int_equal(metric_status_number(METRIC_STATUS_507), 507);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_one_slot_on_its_own_cache_lines),
		cmocka_unit_test(the_sum_holds_what_threads_counted_that_are_gone),
		cmocka_unit_test(every_metric_has_a_name_of_its_own_and_help),
		cmocka_unit_test(every_operation_has_a_name_of_its_own_at_its_door),
		cmocka_unit_test(a_request_is_counted_by_operation_status_and_time),
		cmocka_unit_test(a_bucket_holds_what_lies_between_two_ends),
		cmocka_unit_test(projects_are_counted_by_each_thread_and_added_up),
		cmocka_unit_test(no_number_ever_falls_and_no_end_comes_before_its_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
