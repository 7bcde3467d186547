/*
 * test_base_limit.c - so many writes a second for each key, exactly.
 */
#include "config.h"

#include "store_fixture.h"

#include "base/limit.h"

static const uint64_t start_us = 123456789;

static size_t ask_times(struct limiter *limiter, struct str key, uint64_t limit, uint64_t now_us, size_t n)
{
	size_t passed = 0;

	for (size_t i = 0; i < n; i++)
		passed += limiter_ask(limiter, key, limit, now_us);
	return passed;
}

static void exactly_the_limit_passes_in_one_window(void **state)
{
	struct limiter *limiter = limiter_new();

	(void)state;
	assert_int_equal(ask_times(limiter, STR_LIT("k"), 1000, start_us, 999), 999);
	assert_true(limiter_ask(limiter, STR_LIT("k"), 1000, start_us + 999999));
	assert_false(limiter_ask(limiter, STR_LIT("k"), 1000, start_us + 999999));
	limiter_free(limiter);
}

static void a_window_lasts_one_second_from_its_first_write(void **state)
{
	struct limiter *limiter = limiter_new();

	(void)state;
	assert_int_equal(ask_times(limiter, STR_LIT("k"), 10, start_us, 11), 10);
	assert_false(limiter_ask(limiter, STR_LIT("k"), 10, start_us + 999999));
	assert_int_equal(ask_times(limiter, STR_LIT("k"), 10, start_us + 1000000, 11), 10);
	limiter_free(limiter);
}

static void keys_do_not_count_for_each_other(void **state)
{
	struct limiter *limiter = limiter_new();

	(void)state;
	assert_int_equal(ask_times(limiter, STR_LIT("a"), 5, start_us, 9), 5);
	assert_int_equal(ask_times(limiter, STR_LIT("b"), 5, start_us, 9), 5);
	assert_int_equal(ask_times(limiter, STR_LIT("a\0b"), 5, start_us, 9), 5);
	limiter_free(limiter);
}

static void what_is_given_back_can_be_used_again(void **state)
{
	struct limiter *limiter = limiter_new();

	(void)state;
	assert_true(limiter_ask(limiter, STR_LIT("k"), 1, start_us));
	assert_false(limiter_ask(limiter, STR_LIT("k"), 1, start_us + 1));
	limiter_give_back(limiter, STR_LIT("k"));
	assert_true(limiter_ask(limiter, STR_LIT("k"), 1, start_us + 2));
	assert_false(limiter_ask(limiter, STR_LIT("k"), 1, start_us + 3));
	limiter_free(limiter);
}

static void zero_is_no_limit(void **state)
{
	struct limiter *limiter = limiter_new();

	(void)state;
	assert_int_equal(ask_times(limiter, STR_LIT("k"), 0, start_us, 5000), 5000);
	limiter_free(limiter);
}

static void no_open_window_is_forgotten_while_the_table_grows_and_shrinks(void **state)
{
	struct limiter *limiter = limiter_new();
	char name[16];
	size_t grown;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int n = snprintf(name, sizeof name, "k%d", i);

		assert_true(limiter_ask(limiter, str_make(name, (size_t)n), 1, start_us + (uint64_t)i));
	}
	for (int i = 0; i < 20000; i++) {
		int n = snprintf(name, sizeof name, "k%d", i);

		assert_false(limiter_ask(limiter, str_make(name, (size_t)n), 1, start_us + 20000));
	}
	grown = limiter_room(limiter);
	assert_true(grown >= 2 * 20000);
	/* A second later all are closed, and a quiet table is a small one. */
	for (size_t i = 0; i < grown; i++) {
		int n = snprintf(name, sizeof name, "q%zu", i);

		assert_true(limiter_ask(limiter, str_make(name, (size_t)n), 1, start_us + 3000000 + i * 1000));
	}
	assert_true(limiter_room(limiter) < grown);
	limiter_free(limiter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_the_limit_passes_in_one_window),
		cmocka_unit_test(a_window_lasts_one_second_from_its_first_write),
		cmocka_unit_test(keys_do_not_count_for_each_other),
		cmocka_unit_test(what_is_given_back_can_be_used_again),
		cmocka_unit_test(zero_is_no_limit),
		cmocka_unit_test(no_open_window_is_forgotten_while_the_table_grows_and_shrinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
