/*
 * test_kv_quota.c - how much a project, or a user of it, may keep; to the key and to the byte.
 */
#include "config.h"

#include "kv_fixture.h"

enum { PROJECT = 7, ANNA = 100, BEN = 200, NOW = 1000000 };

static struct kv_quota quota;

static enum rc put_by(uint64_t owner, const char *key, size_t n_value, int64_t expires_at)
{
	static char bytes[4096];
	struct kv_put put = {
		.kv = kv, .project = PROJECT, .key = str_c(key), .value = str_make(bytes, n_value), .kind = KIND_BINARY,
		.owner = owner, .now = NOW, .quota = quota, .expires_at = expires_at
	};
	struct commit_op op;

	commit_op_init(&op, kv_put_apply, &put, 100, STR_LIT(""));
	return commit_run(fixture.store, &op);
}

static enum rc put(uint64_t owner, const char *key, size_t n_value)
{
	return put_by(owner, key, n_value, 0);
}

static void delete(const char *key)
{
	struct kv_delete del = { .kv = kv, .project = PROJECT, .key = str_c(key), .now = NOW };
	struct commit_op op;

	commit_op_init(&op, kv_delete_apply, &del, 100, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
}

static void expect_usage(uint64_t user, uint64_t keys, uint64_t bytes)
{
	char key[12], row[16] = { 0 };
	size_t n;

	store_put_u32(key, PROJECT);
	store_put_u64(key + 4, user);
	(void)!store_get(fixture.store, STORE_USAGE, str_make(key, sizeof key), row, sizeof row, &n);
	assert_int_equal(store_get_u64(row), keys);
	assert_int_equal(store_get_u64(row + 8), bytes);
}

static void so_many_keys_and_no_more(void **state)
{
	(void)state;
	quota = (struct kv_quota){ .max_keys = 2 };
	assert_int_equal(put(ANNA, "a", 1), RC_OK);
	assert_int_equal(put(0, "b", 1), RC_OK);
	assert_int_equal(put(ANNA, "c", 1), RC_QUOTA_KEYS);
	assert_int_equal(put(0, "c", 1), RC_QUOTA_KEYS);
	/* Bytes are another matter. */
	assert_int_equal(put(BEN, "a", 4000), RC_OK);
	delete("b");
	assert_int_equal(put(BEN, "c", 1), RC_OK);
	assert_int_equal(put(BEN, "d", 1), RC_QUOTA_KEYS);
	expect_usage(0, 2, 4003);
}

static void so_many_bytes_and_no_more(void **state)
{
	(void)state;
	quota = (struct kv_quota){ .max_bytes = 1000 };
	assert_int_equal(put(ANNA, "a", 1000), RC_QUOTA_BYTES);
	assert_int_equal(put(ANNA, "a", 999), RC_OK);
	assert_int_equal(put(ANNA, "b", 0), RC_QUOTA_BYTES);
	assert_int_equal(put(ANNA, "a", 999), RC_OK);
	assert_int_equal(put(ANNA, "a", 1000), RC_QUOTA_BYTES);
	assert_int_equal(put(ANNA, "a", 500), RC_OK);
	assert_int_equal(put(0, "b", 499), RC_QUOTA_BYTES);
	assert_int_equal(put(0, "b", 498), RC_OK);
	expect_usage(0, 2, 1000);
}

static void a_user_pays_for_what_that_user_wrote_last(void **state)
{
	(void)state;
	quota = (struct kv_quota){ .user_max_keys = 2, .user_max_bytes = 100 };
	assert_int_equal(put(ANNA, "a", 49), RC_OK);
	assert_int_equal(put(ANNA, "b", 49), RC_OK);
	assert_int_equal(put(ANNA, "c", 0), RC_QUOTA_USER_KEYS);
	assert_int_equal(put(ANNA, "b", 50), RC_QUOTA_USER_BYTES);
	assert_int_equal(put(BEN, "c", 49), RC_OK);
	/* It takes from Anna's, and gives to Ben's. */
	assert_int_equal(put(BEN, "a", 51), RC_QUOTA_USER_BYTES);
	assert_int_equal(put(BEN, "a", 49), RC_OK);
	expect_usage(ANNA, 1, 50);
	expect_usage(BEN, 2, 100);
	assert_int_equal(put(BEN, "b", 0), RC_QUOTA_USER_KEYS);
	assert_int_equal(put(ANNA, "d", 49), RC_OK);
	/* A server has no quota of its own, and takes over what it writes. */
	assert_int_equal(put(0, "e", 4000), RC_OK);
	assert_int_equal(put(0, "a", 4000), RC_OK);
	expect_usage(BEN, 1, 50);
	assert_int_equal(put(BEN, "b", 0), RC_OK);
}

static void whoever_has_too_much_can_get_out_of_it(void **state)
{
	(void)state;
	quota = (struct kv_quota){ 0 };
	for (int i = 0; i < 10; i++)
		assert_int_equal(put(ANNA, (char[]){ (char)('a' + i), 0 }, 99), RC_OK);
	quota = (struct kv_quota){ .max_keys = 3, .max_bytes = 300, .user_max_keys = 2, .user_max_bytes = 200 };
	assert_int_equal(put(ANNA, "a", 99), RC_OK);
	assert_int_equal(put(ANNA, "a", 98), RC_OK);
	assert_int_equal(put(ANNA, "a", 99), RC_QUOTA_BYTES);
	assert_int_equal(put(ANNA, "x", 0), RC_QUOTA_KEYS);
	for (int i = 0; i < 8; i++)
		delete((char[]){ (char)('a' + i), 0 });
	assert_int_equal(put(ANNA, "x", 0), RC_QUOTA_USER_KEYS);
	assert_int_equal(put(0, "x", 99), RC_OK);
	expect_usage(0, 3, 300);
}

/* What has expired takes room until it is swept; in its own place it can be written anew. */
static void what_has_expired_is_written_over_in_its_own_room(void **state)
{
	(void)state;
	quota = (struct kv_quota){ .max_keys = 1, .max_bytes = 100 };
	assert_int_equal(put_by(ANNA, "a", 99, NOW - 1), RC_OK);
	assert_int_equal(put(ANNA, "b", 0), RC_QUOTA_KEYS);
	assert_int_equal(put(ANNA, "a", 99), RC_OK);
	expect_usage(0, 1, 100);
}

/* --- in one batch --- */

struct many {
	struct kv_put put[64];
	struct commit_op op[64];
	char name[64][24];
};

static void racing(struct many *many, size_t n, uint64_t owners)
{
	for (size_t i = 0; i < n; i++) {
		snprintf(many->name[i], sizeof many->name[i], "r%02zu", i);
		many->put[i] = (struct kv_put){
			.kv = kv, .project = PROJECT, .key = str_c(many->name[i]), .value = STR_LIT("1234567"),
			.kind = KIND_JSON, .owner = owners == 0 ? 0 : 1 + i % owners, .now = NOW, .quota = quota
		};
		commit_op_init(&many->op[i], kv_put_apply, &many->put[i], 100, STR_LIT(""));
		many->op[i].next = i + 1 < n ? &many->op[i + 1] : NULL;
	}
	commit_run_all(fixture.store, &many->op[0]);
}

static size_t count(const struct many *many, size_t n, enum rc rc)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += many->op[i].rc == rc;
	return found;
}

static void writes_of_one_batch_see_each_other(void **state)
{
	static struct many many;

	(void)state;
	quota = (struct kv_quota){ .max_keys = 5, .max_bytes = 1000000 };
	racing(&many, 64, 0);
	assert_int_equal(count(&many, 64, RC_OK), 5);
	assert_int_equal(count(&many, 64, RC_QUOTA_KEYS), 59);
	expect_usage(0, 5, 50);
	/* Overwriting all five at once is fine. */
	racing(&many, 5, 0);
	assert_int_equal(count(&many, 5, RC_OK), 5);
	quota = (struct kv_quota){ .max_bytes = 155 };
	racing(&many, 64, 0);
	assert_int_equal(count(&many, 64, RC_OK), 15);
	expect_usage(0, 15, 150);
	/* Three users: those that stand there go over to them, and others come, up to four each. */
	quota = (struct kv_quota){ .user_max_keys = 4 };
	racing(&many, 64, 3);
	assert_int_equal(count(&many, 64, RC_OK), 12);
	assert_int_equal(count(&many, 64, RC_QUOTA_USER_KEYS), 52);
	for (uint64_t user = 1; user <= 3; user++)
		expect_usage(user, 4, 40);
}

static void a_slice_over_the_quota_writes_nothing(void **state)
{
	static struct many many;
	struct kv_slice slice = { .puts = many.put, .n = 8 };
	struct commit_op op;

	(void)state;
	quota = (struct kv_quota){ .max_keys = 7 };
	racing(&many, 2, 0);
	for (size_t i = 0; i < 8; i++) {
		snprintf(many.name[i], sizeof many.name[i], "s%02zu", i);
		many.put[i] = many.put[0];
		many.put[i].key = str_c(many.name[i]);
	}
	commit_op_init(&op, kv_slice_put_apply, &slice, 100, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_QUOTA_KEYS);
	expect_usage(0, 2, 20);
	slice.n = 5;
	commit_op_init(&op, kv_slice_put_apply, &slice, 100, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	expect_usage(0, 7, 70);
}

static void a_large_value_that_is_hopeless_is_refused_before_it_is_taken_in(void **state)
{
	struct kv_put large = {
		.kv = kv, .project = PROJECT, .key = STR_LIT("a"), .owner = ANNA, .now = NOW,
		.quota = { .max_bytes = 2000, .user_max_bytes = 1000 }
	};

	(void)state;
	quota = (struct kv_quota){ 0 };
	assert_int_equal(kv_quota_early(&large, 1000, arena), RC_OK);
	assert_int_equal(kv_quota_early(&large, 1001, arena), RC_QUOTA_USER_BYTES);
	assert_int_equal(kv_quota_early(&large, 2001, arena), RC_QUOTA_BYTES);
	assert_int_equal(put(ANNA, "a", 3000), RC_OK);
	assert_int_equal(kv_quota_early(&large, 3000, arena), RC_OK);
	assert_int_equal(kv_quota_early(&large, 3001, arena), RC_QUOTA_BYTES);
	large.owner = 0;
	large.quota.max_bytes = 0;
	assert_int_equal(kv_quota_early(&large, 1 << 20, arena), RC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_STORE(so_many_keys_and_no_more),
		OVER_A_STORE(so_many_bytes_and_no_more),
		OVER_A_STORE(a_user_pays_for_what_that_user_wrote_last),
		OVER_A_STORE(whoever_has_too_much_can_get_out_of_it),
		OVER_A_STORE(what_has_expired_is_written_over_in_its_own_room),
		OVER_A_STORE(writes_of_one_batch_see_each_other),
		OVER_A_STORE(a_slice_over_the_quota_writes_nothing),
		OVER_A_STORE(a_large_value_that_is_hopeless_is_refused_before_it_is_taken_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
