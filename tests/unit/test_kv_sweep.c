/*
 * test_kv_sweep.c - the sweeper's slices: what ends one, and that all of them together take everything.
 */
#include "config.h"

#include "store_fixture.h"

#include "kv/kv.h"
#include "kv/private.h"
#include "store/expire.h"

enum { PROJECT = 7, NOW = 1000000 };

static struct fixture fixture;
static struct kv *kv;

/* The clock goes on by so much whenever it is asked (linked with --wrap). */
static uint64_t clock_us, step_us;
uint64_t __wrap_clock_mono_us(void);
uint64_t __wrap_clock_mono_us(void)
{
	return clock_us += step_us;
}

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	assert_int_equal(kv_open(&kv, fixture.store), RC_OK);
	store_sweeper_stop(fixture.store);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	kv_close(kv);
	fixture_stop(&fixture);
	return 0;
}

/* N keys, long past on the wall's clock, with values of SIZE bytes. */
static void put_expired(size_t n, size_t size)
{
	static char value[70000], keys[KV_SLICE_ITEMS][16];
	static struct kv_put puts[KV_SLICE_ITEMS];
	struct kv_slice slice = { .puts = puts };

	for (size_t i = 0; i < n; i += slice.n) {
		struct commit_op op;

		slice.n = n - i < KV_SLICE_ITEMS ? n - i : KV_SLICE_ITEMS;
		for (size_t k = 0; k < slice.n; k++) {
			snprintf(keys[k], sizeof keys[k], "k%06u", (unsigned)(i + k) % 1000000);
			puts[k] = (struct kv_put){ .kv = kv, .project = PROJECT, .key = str_c(keys[k]),
						   .value = str_make(value, size), .kind = KIND_BINARY,
						   .expires_at = NOW + 1, .now = NOW };
		}
		commit_op_init(&op, kv_slice_put_apply, &slice, 1000, STR_LIT(""));
		assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	}
}

static struct sweep_slice sweep(void)
{
	struct sweep_slice slice = { .arg = kv };
	struct commit_op op;

	commit_op_init(&op, sweep_apply, &slice, 1000, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	return slice;
}

/* Slices until nothing is left; how many it took. */
static size_t sweep_all(size_t n)
{
	struct sweep_slice slice;
	size_t removed = 0, slices = 0;

	do {
		slice = sweep();
		assert_true(slice.removed != 0);
		removed += slice.removed;
		slices++;
	} while (slice.more);
	assert_int_equal(removed, n);
	slice = sweep();
	assert_int_equal(slice.removed, 0);
	assert_false(slice.more);
	return slices;
}

static void a_slice_ends_with_its_last_row(void **state)
{
	struct sweep_slice slice;

	(void)state;
	step_us = 0;
	put_expired(SWEEP_SLICE + 1, 10);
	slice = sweep();
	assert_int_equal(slice.removed, SWEEP_SLICE);
	assert_true(slice.more);
	slice = sweep();
	assert_int_equal(slice.removed, 1);
	assert_false(slice.more);
}

static void who_is_behind_is_told_and_takes_more(void **state)
{
	struct sweep_slice slice = { .arg = kv, .rows = SWEEP_SLICE_BEHIND };
	struct commit_op op;

	(void)state;
	step_us = 0;
	put_expired(SWEEP_SLICE_BEHIND + 1, 10);
	commit_op_init(&op, sweep_apply, &slice, 1000, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	assert_int_equal(slice.removed, SWEEP_SLICE_BEHIND);
	assert_true(slice.more);
	assert_true(slice.behind_s > SWEEP_BEHIND_S);
	sweep_all(1);
	assert_int_equal(sweep().behind_s, 0);
}

static void a_slice_ends_with_its_bytes(void **state)
{
	struct sweep_slice slice;

	(void)state;
	step_us = 0;
	put_expired(40, 70000);
	slice = sweep();
	assert_true(slice.removed <= SWEEP_SLICE_BYTES / 70000 + 1);
	assert_true(slice.more);
	assert_int_equal(sweep_all(40 - slice.removed), (40 + slice.removed - 1) / slice.removed - 1);
}

static void a_slice_ends_with_its_time(void **state)
{
	struct sweep_slice slice;

	(void)state;
	put_expired(100, 10);
	step_us = SWEEP_SLICE_US / 10;
	slice = sweep();
	assert_int_equal(slice.removed, 10);
	assert_true(slice.more);
	step_us = 0;
	sweep_all(90);
}

static void a_slice_takes_a_row_however_long_it_takes(void **state)
{
	(void)state;
	put_expired(30, 10);
	step_us = 100 * SWEEP_SLICE_US;
	/* The last one cannot know that it is: so one more slice finds nothing. */
	for (size_t i = 0; i < 30; i++) {
		struct sweep_slice slice = sweep();

		assert_int_equal(slice.removed, 1);
		assert_true(slice.more);
	}
	assert_int_equal(sweep().removed, 0);
	step_us = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slice_ends_with_its_last_row),
		cmocka_unit_test(who_is_behind_is_told_and_takes_more),
		cmocka_unit_test(a_slice_ends_with_its_bytes),
		cmocka_unit_test(a_slice_ends_with_its_time),
		cmocka_unit_test(a_slice_takes_a_row_however_long_it_takes),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
