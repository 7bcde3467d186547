/*
 * test_store_recent.c - the ring of answers: found, forgotten in order, bounded.
 */
#include "config.h"

#include "store_fixture.h"

#include "store/private.h"

static void id_of(uint64_t number, uint8_t id[COMMIT_REQUEST_ID])
{
	/* Spread like the random ids they stand for. */
	uint64_t a = number * 0x9e3779b97f4a7c15u, b = ~number;

	memcpy(id, &a, 8);
	memcpy(id + 8, &b, 8);
}

static void add(struct recent *recent, uint64_t number, uint64_t version)
{
	struct commit_answer answer = { .version = version, .writes = number };
	uint8_t id[COMMIT_REQUEST_ID];

	id_of(number, id);
	recent_add(recent, id, &answer);
}

static bool knows(const struct recent *recent, uint64_t number)
{
	struct commit_answer answer;
	uint8_t id[COMMIT_REQUEST_ID];

	id_of(number, id);
	if (!recent_find(recent, id, &answer))
		return false;
	assert_int_equal(answer.writes, number);
	return true;
}

static void what_was_added_is_found_while_the_table_grows(void **state)
{
	struct recent *recent = recent_new();

	(void)state;
	for (uint64_t i = 0; i < 5000; i++)
		add(recent, i, 1000 + i);
	for (uint64_t i = 0; i < 5000; i++)
		assert_true(knows(recent, i));
	assert_false(knows(recent, 5000));
	recent_free(recent);
}

static void after_a_minute_it_is_forgotten_and_not_before(void **state)
{
	struct recent *recent = recent_new();

	(void)state;
	for (uint64_t i = 0; i < 3000; i++)
		add(recent, i, 1000 + i);
	add(recent, 9000, 1000 + 1500 + 60000000);	/* a minute behind number 1500 */
	for (uint64_t i = 0; i < 3000; i++)
		assert_int_equal(knows(recent, i), i >= 1500);
	recent_free(recent);
}

static void memory_is_bounded_and_the_newest_stay(void **state)
{
	struct recent *recent = recent_new();
	const uint64_t most = 256 * 1024, n = most + 1000;

	(void)state;
	for (uint64_t i = 0; i < n; i++)
		add(recent, i, 1000 + i);
	assert_false(knows(recent, n - most - 1));
	for (uint64_t i = n - most; i < n; i += 97)
		assert_true(knows(recent, i));
	recent_free(recent);
}

static void an_id_added_twice_is_found_until_the_second_is_old(void **state)
{
	struct recent *recent = recent_new();

	(void)state;
	add(recent, 1, 1000);
	add(recent, 1, 30000000);
	add(recent, 2, 60002000);	/* the first is a minute old */
	assert_true(knows(recent, 1));
	add(recent, 3, 90001000);	/* and now the second */
	assert_false(knows(recent, 1));
	assert_true(knows(recent, 2));
	recent_free(recent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_found_while_the_table_grows),
		cmocka_unit_test(after_a_minute_it_is_forgotten_and_not_before),
		cmocka_unit_test(memory_is_bounded_and_the_newest_stay),
		cmocka_unit_test(an_id_added_twice_is_found_until_the_second_is_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
