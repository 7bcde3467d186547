/*
 * test_base_hot.c - the keys that come most often, held against a count of all of them.
 */
#include "config.h"

#include "store_fixture.h"

#include "base/hot.h"

enum { WINDOW_US = 1000000, KEYS = 3000 };
static const uint64_t start_us = 123456789;

static struct hot_key read_keys[HOT_READ_MAX];
static size_t n_read;
static uint64_t span_us, total;

static void look(struct hot *hot, uint64_t now_us)
{
	n_read = hot_read(hot, now_us, read_keys, &span_us, &total);
	assert_in_range(n_read, 0, HOT_READ_MAX);
	for (size_t i = 1; i < n_read; i++)
		assert_true(read_keys[i - 1].count >= read_keys[i].count);
}

static const struct hot_key *find(struct str key)
{
	const struct hot_key *found = NULL;

	for (size_t i = 0; i < n_read; i++)
		if (str_eq(str_make(read_keys[i].key, read_keys[i].n), key)) {
			assert_null(found);
			found = &read_keys[i];
		}
	return found;
}

static uint64_t count_of(struct str key)
{
	const struct hot_key *found = find(key);

	return found == NULL ? 0 : found->count;
}

static void add_times(struct hot *hot, struct str key, size_t n, uint64_t now_us)
{
	for (size_t i = 0; i < n; i++)
		hot_add(hot, key, i + 1, now_us);
}

/* A sequence of its own, the same in every run of one seed. */
static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Key I of the test, of 1 to HOT_KEY_MAX bytes; many begin alike. */
static struct str name(size_t i, char buf[HOT_KEY_MAX])
{
	size_t n = 12 + i * 7 % (HOT_KEY_MAX - 12);

	memset(buf, 'k', HOT_KEY_MAX);
	snprintf(buf + n - 12, 13, "%011zu", i);
	return str_make(buf, n - 1);
}

/* N events; how often a key comes falls with its number, the more so the greater SKEW. Then what is read is held against the truth. */
static void run_stream(uint64_t seed, size_t n, unsigned skew)
{
	static uint64_t truth[KEYS], newest[KEYS];
	struct hot *hot = hot_new(WINDOW_US, start_us);
	char buf[HOT_KEY_MAX + 1];
	uint64_t state = seed, slack;

	memset(truth, 0, sizeof truth);
	for (size_t k = 0; k < n; k++) {
		size_t i = (size_t)(next(&state) % KEYS);

		for (unsigned s = 0; s < skew; s++)
			i = i * (size_t)(next(&state) % KEYS) / KEYS;
		truth[i]++;
		newest[i] = next(&state);
		hot_add(hot, name(i, buf), newest[i], start_us + k * WINDOW_US / n);
	}
	look(hot, start_us + WINDOW_US - 1);
	assert_int_equal(total, n);
	slack = n / (HOT_KEYS + 1);
	for (size_t i = 0; i < KEYS; i++) {
		const struct hot_key *found = find(name(i, buf));

		if (found == NULL) {
			assert_true(truth[i] <= slack);
			continue;
		}
		assert_true(found->count <= truth[i] && found->count + slack >= truth[i]);
		assert_int_equal(found->value, newest[i]);
	}
	hot_free(hot);
}

static void a_frequent_key_is_there_and_its_count_within_bounds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++)
		run_stream(seed * UINT64_C(0x2545f4914f6cdd1d), 1 + (size_t)seed * 331, (unsigned)seed % 5);
}

static void few_keys_are_counted_exactly(void **state)
{
	struct hot *hot = hot_new(WINDOW_US, start_us);

	(void)state;
	add_times(hot, STR_LIT("a"), 5, start_us);
	add_times(hot, STR_LIT("b"), 70, start_us);
	add_times(hot, STR_LIT("a\0b"), 3, start_us);
	add_times(hot, STR_LIT(""), 2, start_us);
	look(hot, start_us + 10);
	assert_int_equal(n_read, 4);
	assert_int_equal(count_of(STR_LIT("a")), 5);
	assert_int_equal(count_of(STR_LIT("a\0b")), 3);
	assert_int_equal(count_of(STR_LIT("")), 2);
	assert_int_equal(read_keys[0].count, 70);
	assert_int_equal(read_keys[0].value, 70);
	hot_free(hot);
}

static void two_windows_are_read_together(void **state)
{
	struct hot *hot = hot_new(WINDOW_US, start_us);

	(void)state;
	add_times(hot, STR_LIT("old"), 10, start_us + 1);
	add_times(hot, STR_LIT("both"), 10, start_us + 1);
	add_times(hot, STR_LIT("both"), 7, start_us + WINDOW_US);
	add_times(hot, STR_LIT("new"), 3, start_us + WINDOW_US);
	look(hot, start_us + WINDOW_US + 250000);
	assert_int_equal(n_read, 3);
	assert_int_equal(count_of(STR_LIT("both")), 17);
	assert_int_equal(find(STR_LIT("both"))->value, 7);
	assert_int_equal(count_of(STR_LIT("old")), 10);
	assert_int_equal(count_of(STR_LIT("new")), 3);
	assert_int_equal(span_us, WINDOW_US + 250000);
	assert_int_equal(total, 30);
	hot_free(hot);
}

static void what_is_over_is_forgotten(void **state)
{
	struct hot *hot = hot_new(WINDOW_US, start_us);

	(void)state;
	add_times(hot, STR_LIT("old"), 10, start_us);
	look(hot, start_us + 2 * WINDOW_US - 1);
	assert_int_equal(count_of(STR_LIT("old")), 10);
	look(hot, start_us + 2 * WINDOW_US);
	assert_int_equal(n_read, 0);
	assert_int_equal(total, 0);
	/* Nothing came for long: it was quiet all that time. */
	add_times(hot, STR_LIT("new"), 4, start_us + 9 * WINDOW_US);
	look(hot, start_us + 9 * WINDOW_US + 10);
	assert_int_equal(n_read, 1);
	assert_int_equal(span_us, WINDOW_US + 10);
	hot_free(hot);
}

static void at_first_the_time_is_as_long_as_it_was(void **state)
{
	struct hot *hot = hot_new(WINDOW_US, start_us);

	(void)state;
	look(hot, start_us + 1234);
	assert_int_equal(span_us, 1234);
	assert_int_equal(n_read, 0);
	hot_free(hot);
}

/* Two threads may ask the clock in one order and get the lock in the other. */
static void a_time_from_before_the_window_changes_nothing(void **state)
{
	struct hot *hot = hot_new(WINDOW_US, start_us);

	(void)state;
	add_times(hot, STR_LIT("a"), 2, start_us + WINDOW_US);
	add_times(hot, STR_LIT("a"), 3, start_us + WINDOW_US - 1);
	look(hot, start_us + WINDOW_US - 1);
	assert_int_equal(count_of(STR_LIT("a")), 5);
	hot_free(hot);
}

static void nothing_is_done_to_none(void **state)
{
	(void)state;
	hot_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frequent_key_is_there_and_its_count_within_bounds),
		cmocka_unit_test(few_keys_are_counted_exactly),
		cmocka_unit_test(two_windows_are_read_together),
		cmocka_unit_test(what_is_over_is_forgotten),
		cmocka_unit_test(at_first_the_time_is_as_long_as_it_was),
		cmocka_unit_test(a_time_from_before_the_window_changes_nothing),
		cmocka_unit_test(nothing_is_done_to_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
