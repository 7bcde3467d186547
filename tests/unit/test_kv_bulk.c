/*
 * test_kv_bulk.c - slices of many changes: each as if it stood alone, and remembered as one.
 */
#include "config.h"

#include "kv_fixture.h"

enum { PROJECT = 7, NOW = 1000000000, LARGE = 2000 };

static struct kv_put put_rows[KV_SLICE_ITEMS];
static struct kv_delete delete_rows[KV_SLICE_ITEMS];
static char keys[KV_SLICE_ITEMS][16];

/* A slice of N put_rows, each with a value of its own of LENGTH bytes. */
static struct kv_slice slice_of(size_t n, size_t length, int64_t limit)
{
	for (size_t i = 0; i < n; i++) {
		char *value = arena_alloc(arena, length);

		memset(value, 'a' + (int)(i % 26), length);
		snprintf(keys[i], sizeof keys[i], "k%02u", (unsigned)i % 100);
		put_rows[i] = (struct kv_put){ .kv = kv, .project = PROJECT, .key = str_c(keys[i]), .value = str_make(value, length),
					   .kind = KIND_TEXT, .now = NOW, .write_limit = limit };
		delete_rows[i] = (struct kv_delete){ .kv = kv, .project = PROJECT, .key = str_c(keys[i]), .now = NOW,
						 .write_limit = limit };
	}
	return (struct kv_slice){ .puts = put_rows, .deletes = delete_rows, .n = n };
}

static enum rc run(struct commit_op *op, commit_apply *apply, struct kv_slice *slice, struct str id, uint64_t part)
{
	commit_op_init(op, apply, slice, 1000, id);
	commit_op_part(op, part);
	return commit_run(fixture.store, op);
}

static enum rc get(const char *key, struct kv_entry *entry)
{
	uint64_t wait;

	return kv_get(kv, PROJECT, str_c(key), NOW, arena, entry, &wait);
}

static void every_put_of_a_slice_is_there_with_its_own_value(void **state)
{
	struct kv_slice slice = slice_of(KV_SLICE_ITEMS, LARGE, 0);
	struct kv_entry entry;
	struct commit_op op;
	uint64_t before = 0;

	(void)state;
	assert_int_equal(run(&op, kv_slice_put_apply, &slice, STR_LIT(""), 0), RC_OK);
	assert_int_equal(op.answer.writes, 0);
	for (size_t i = 0; i < slice.n; i++) {
		assert_int_equal(get(keys[i], &entry), RC_OK);
		assert_true(str_eq(entry.value, put_rows[i].value));
		assert_int_equal(entry.writes, 1);
		/* Values that lie apart are named by the version: no two may have the same. */
		assert_true(entry.version > before);
		before = entry.version;
	}
	assert_true(op.answer.version >= before);
	assert_true(store_is_flushed(fixture.store, before));
}

static void of_one_key_twice_the_last_counts(void **state)
{
	struct kv_slice slice = slice_of(3, LARGE, 0);
	struct kv_entry entry;
	struct commit_op op;

	(void)state;
	put_rows[2].key = put_rows[0].key;
	assert_int_equal(run(&op, kv_slice_put_apply, &slice, STR_LIT(""), 0), RC_OK);
	assert_int_equal(get("k00", &entry), RC_OK);
	assert_true(str_eq(entry.value, put_rows[2].value));
	assert_int_equal(entry.writes, 2);
}

static void what_is_over_its_limit_is_left_out_and_named(void **state)
{
	struct kv_slice slice = slice_of(5, 10, 1);
	struct kv_entry entry;
	struct commit_op op;

	(void)state;
	put_rows[3].key = put_rows[1].key;
	assert_int_equal(run(&op, kv_slice_put_apply, &slice, STR_LIT(""), 0), RC_OK);
	assert_int_equal(op.answer.writes, 1 << 3);
	assert_int_equal(get("k01", &entry), RC_OK);
	assert_true(str_eq(entry.value, put_rows[1].value));
	assert_int_equal(entry.writes, 1);
	assert_int_equal(get("k04", &entry), RC_OK);

	assert_int_equal(run(&op, kv_slice_delete_apply, &slice, STR_LIT(""), 0), RC_OK);
	assert_int_equal(op.answer.writes, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4);
	assert_int_equal(get("k04", &entry), RC_OK);
}

static void deletes_take_all_and_mind_no_missing_key(void **state)
{
	struct kv_slice slice = slice_of(10, LARGE, 0);
	struct kv_entry entry;
	struct commit_op op;

	(void)state;
	assert_int_equal(run(&op, kv_slice_put_apply, &slice, STR_LIT(""), 0), RC_OK);
	slice = slice_of(20, LARGE, 0);
	assert_int_equal(run(&op, kv_slice_delete_apply, &slice, STR_LIT(""), 0), RC_OK);
	assert_int_equal(op.answer.writes, 0);
	for (size_t i = 0; i < slice.n; i++)
		assert_int_equal(get(keys[i], &entry), RC_KEY_NOT_FOUND);
}

/* nginx repeats a request with the same id: no slice of it may happen twice, and each is told as it was. */
static void a_repeated_request_repeats_no_slice(void **state)
{
	const struct str id = STR_LIT("0123456789abcdef0123456789abcdef");
	struct kv_slice slice = slice_of(4, 10, 1);
	struct kv_entry entry;
	struct commit_op op;

	(void)state;
	put_rows[2].key = put_rows[0].key;
	assert_int_equal(run(&op, kv_slice_put_apply, &slice, id, 0), RC_OK);
	assert_int_equal(op.answer.writes, 1 << 2);
	slice = slice_of(4, 10, 0);
	assert_int_equal(run(&op, kv_slice_put_apply, &slice, id, 0), RC_OK);
	assert_true(op.repeated);
	assert_int_equal(op.answer.writes, 1 << 2);
	assert_int_equal(get("k00", &entry), RC_OK);
	assert_int_equal(entry.writes, 1);
	/* The next slice of it is another. */
	assert_int_equal(run(&op, kv_slice_put_apply, &slice, id, 1), RC_OK);
	assert_false(op.repeated);
	assert_int_equal(get("k00", &entry), RC_OK);
	assert_int_equal(entry.writes, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_STORE(every_put_of_a_slice_is_there_with_its_own_value),
		OVER_A_STORE(of_one_key_twice_the_last_counts),
		OVER_A_STORE(what_is_over_its_limit_is_left_out_and_named),
		OVER_A_STORE(deletes_take_all_and_mind_no_missing_key),
		OVER_A_STORE(a_repeated_request_repeats_no_slice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
