/*
 * test_store_scan.c - a walk hands out every row once and in order, whatever the size of its
 * chunks, and goes on behind its last row when rows come and go meanwhile.
 */
#include "config.h"

#include "store_fixture.h"

#include "store/commit.h"

enum { ROWS = 3000, VALUE_MAX = 70000, KEY_LEN = 6 };

static struct fixture fixture;
static _Alignas(16) char chunk[STORE_SCAN_CHUNK];
static struct store_scan scan;

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fixture_stop(&fixture);
	return 0;
}

/* A change of STORE_MARKS, which holds any key: rows FIRST, FIRST + STEP, ... below END. */
struct change {
	bool put;
	size_t first, end, step;
	size_t value_n;
};

static struct str key_of(size_t i, char out[KEY_LEN + 1])
{
	snprintf(out, KEY_LEN + 1, "k%05u", (unsigned)(i % 100000));
	return str_make(out, KEY_LEN);
}

/* Of a length and a letter that the row's number gives. */
static struct str value_of(size_t i, size_t n)
{
	static char value[VALUE_MAX];

	memset(value, 'a' + (int)(i % 26), n);
	return str_make(value, n);
}

static enum rc change_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct change *change = arg;
	char key[KEY_LEN + 1];

	(void)op;
	for (size_t i = change->first; i < change->end; i += change->step) {
		enum rc rc = change->put ?
			store_txn_put(txn, STORE_MARKS, key_of(i, key), value_of(i, change->value_n)) :
			store_txn_del(txn, STORE_MARKS, key_of(i, key));

		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static void change_run(struct change change)
{
	struct commit_op op;

	commit_op_init(&op, change_apply, &change, 1, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
}

static void put_rows(size_t first, size_t end, size_t step, size_t value_n)
{
	change_run((struct change){ .put = true, .first = first, .end = end, .step = step, .value_n = value_n });
}

static void delete_rows(size_t first, size_t end, size_t step)
{
	change_run((struct change){ .first = first, .end = end, .step = step });
}

static void begin(struct str from)
{
	store_scan_init(&scan, fixture.store, STORE_MARKS, from, chunk);
}

static void expect_row(size_t i, size_t value_n)
{
	char text[KEY_LEN + 1];
	struct str key, value;

	assert_int_equal(store_scan_next(&scan, &key, &value), RC_OK);
	assert_true(str_eq(key, key_of(i, text)));
	assert_true(str_eq(value, value_of(i, value_n)));
}

static void expect_end(void)
{
	struct str key, value;

	assert_int_equal(store_scan_next(&scan, &key, &value), RC_KEY_NOT_FOUND);
	assert_int_equal(store_scan_next(&scan, &key, &value), RC_KEY_NOT_FOUND);
}

static void every_row_is_handed_out_once_whatever_is_wanted(void **state)
{
	const size_t wanted[] = { 0, 1, 2, 100, 1001, ROWS, 1000000 };

	(void)state;
	for (size_t n = 0; n <= 900; n += 300) {
		put_rows(0, ROWS, 1, n);
		for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
			begin(STR_LIT(""));
			scan.wanted = wanted[i];
			for (size_t row = 0; row < ROWS; row++)
				expect_row(row, n);
			expect_end();
		}
	}
	delete_rows(0, ROWS, 1);
}

static void a_walk_begins_at_the_first_key_that_is_not_before(void **state)
{
	(void)state;
	put_rows(0, 100, 2, 10);
	begin(STR_LIT("k00010"));
	expect_row(10, 10);
	begin(STR_LIT("k00011"));
	expect_row(12, 10);
	begin(STR_LIT("k00098"));
	expect_row(98, 10);
	expect_end();
	begin(STR_LIT("k00099"));
	expect_end();
	delete_rows(0, 100, 1);
	begin(STR_LIT(""));
	expect_end();
}

static void who_wants_a_few_rows_is_not_read_many(void **state)
{
	(void)state;
	put_rows(0, ROWS, 1, 200);
	begin(STR_LIT(""));
	scan.wanted = 101;
	for (size_t row = 0; row < 101; row++)
		expect_row(row, 200);
	/* 100 rows take 24 KB. */
	assert_true(scan.n_rows <= 120);
	for (size_t row = 101; row < 1000; row++)
		expect_row(row, 200);
	/* Wrong about it: then they come in large pieces again. */
	assert_int_equal(scan.size, STORE_SCAN_CHUNK);
	delete_rows(0, ROWS, 1);
}

/* Wherever pieces and chunks end, and whether the table goes on behind the prefix or not. */
static void a_walk_ends_behind_the_rows_of_its_prefix(void **state)
{
	const struct { const char *prefix; size_t first, end; } cases[] = {
		{ "k", 0, ROWS }, { "k0", 0, ROWS }, { "k001", 100, 200 }, { "k0012", 120, 130 }, { "k00123", 123, 124 },
		{ "k02", 2000, ROWS }, { "k00", 0, 1000 }, { "k09", 0, 0 }, { "k001234", 0, 0 }, { "l", 0, 0 }, { "", 0, ROWS }
	};
	const size_t wanted[] = { 0, 1, 10, 50, 101, 1001, 1000000 };

	(void)state;
	for (size_t n = 0; n <= 900; n += 180) {
		put_rows(0, ROWS, 1, n);
		for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
			for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
				begin(str_c(cases[c].prefix));
				scan.prefix = str_c(cases[c].prefix);
				scan.wanted = wanted[w];
				for (size_t row = cases[c].first; row < cases[c].end; row++)
					expect_row(row, n);
				expect_end();
			}
	}
	delete_rows(0, ROWS, 1);
}

static void who_wants_the_rows_of_a_prefix_is_not_read_many_behind_them(void **state)
{
	(void)state;
	put_rows(0, ROWS, 1, 200);
	begin(STR_LIT("k0010"));
	scan.prefix = STR_LIT("k0010");
	scan.wanted = 1001;
	for (size_t row = 100; row < 110; row++)
		expect_row(row, 200);
	expect_end();
	assert_true(scan.size <= 16 * 1024 && scan.n_rows <= 70);
	delete_rows(0, ROWS, 1);
}

static void large_rows_are_read_among_small_ones(void **state)
{
	const size_t large[] = { 4000, 8000, 16000, 17000, 33000, 60000 };

	(void)state;
	put_rows(0, 50, 1, 20);
	for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
		/* The very first row, one on the way, the last one. */
		put_rows(0, 50, 49, large[i]);
		put_rows(20, 21, 1, large[i]);
		begin(STR_LIT(""));
		for (size_t row = 0; row < 50; row++)
			expect_row(row, row == 0 || row == 20 || row == 49 ? large[i] : 20);
		expect_end();
	}
	delete_rows(0, 50, 1);
}

static void a_row_larger_than_any_chunk_is_said_to_be(void **state)
{
	struct str key, value;

	(void)state;
	put_rows(0, 3, 1, 20);
	put_rows(1, 2, 1, VALUE_MAX);
	begin(STR_LIT(""));
	expect_row(0, 20);
	assert_int_equal(store_scan_next(&scan, &key, &value), RC_VALUE_TOO_LARGE);
	delete_rows(0, 3, 1);
}

static void rows_that_come_and_go_between_chunks_are_seen_and_missed(void **state)
{
	size_t row = 0, seen = 0;
	struct str key, value;
	char last[KEY_LEN + 1] = "";
	enum rc rc;

	(void)state;
	put_rows(0, ROWS, 2, 100);
	begin(STR_LIT(""));
	for (; row < 20; row += 2)
		expect_row(row, 100);
	/* Behind what has been read ahead: those that went are not there, those that came are, once. */
	delete_rows(2000, ROWS, 2);
	put_rows(2001, ROWS, 2, 100);
	while ((rc = store_scan_next(&scan, &key, &value)) == RC_OK) {
		assert_true(str_cmp(str_c(last), key) < 0);
		snprintf(last, sizeof last, "%.*s", STR(key));
		row = strtoul(last + 1, NULL, 10);
		assert_true(row < 2000 ? row % 2 == 0 : row % 2 == 1);
		seen++;
	}
	assert_int_equal(rc, RC_KEY_NOT_FOUND);
	assert_int_equal(seen, ROWS / 2 - 10);
	delete_rows(0, ROWS, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_handed_out_once_whatever_is_wanted),
		cmocka_unit_test(a_walk_begins_at_the_first_key_that_is_not_before),
		cmocka_unit_test(who_wants_a_few_rows_is_not_read_many),
		cmocka_unit_test(a_walk_ends_behind_the_rows_of_its_prefix),
		cmocka_unit_test(who_wants_the_rows_of_a_prefix_is_not_read_many_behind_them),
		cmocka_unit_test(large_rows_are_read_among_small_ones),
		cmocka_unit_test(a_row_larger_than_any_chunk_is_said_to_be),
		cmocka_unit_test(rows_that_come_and_go_between_chunks_are_seen_and_missed),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
