/*
 * test_kv_hot.c - what makes a key hot: each change that was made, of whatever kind, and nothing else.
 */
#include "config.h"

#include "kv_fixture.h"

#include "kv/condition.h"
#include "kv/op.h"

enum { PROJECT = 7, OTHER = 8, NOW = 1000000 };

static enum rc run(commit_apply *apply, void *arg)
{
	struct commit_op op;

	commit_op_init(&op, apply, arg, 100, STR_LIT(""));
	return commit_run(fixture.store, &op);
}

static struct kv_put put_of(uint32_t project, const char *key)
{
	return (struct kv_put){ .kv = kv, .project = project, .key = str_c(key), .value = STR_LIT("1"),
				.kind = KIND_JSON, .now = NOW, .write_limit = 1000 };
}

static void put(uint32_t project, const char *key)
{
	struct kv_put put = put_of(project, key);

	assert_int_equal(run(kv_put_apply, &put), RC_OK);
}

static struct kv_delete delete_of(const char *key)
{
	return (struct kv_delete){ .kv = kv, .project = PROJECT, .key = str_c(key), .now = NOW, .write_limit = 1000 };
}

static void change(const char *key, const char *operation)
{
	struct kv_change change = { .kv = kv, .project = PROJECT, .key = str_c(key), .value_limit = 1000,
				    .write_limit = 1000, .now = NOW, .arena = arena };
	const char *why;

	assert_int_equal(kv_op_read(str_c(operation), arena, &change.op, &why), RC_OK);
	assert_int_equal(run(kv_change_apply, &change), RC_OK);
}

static void expect_hot(uint32_t project, const char *key, uint64_t recent, uint64_t writes)
{
	struct kv_hot_key *keys;
	uint64_t span_us;
	size_t n;

	assert_int_equal(kv_hot(kv, arena, &keys, &n, &span_us), RC_OK);
	for (size_t i = 0; i < n; i++)
		if (keys[i].project == project && str_eq(keys[i].key, str_c(key))) {
			assert_int_equal(keys[i].recent, recent);
			assert_int_equal(keys[i].writes, writes);
			return;
		}
	assert_int_equal(recent, 0);
}

static void a_key_is_as_hot_as_it_is_written(void **state)
{
	(void)state;
	put(PROJECT, "cold");
	for (int i = 0; i < 5; i++)
		put(PROJECT, "hot");
	put(OTHER, "hot");
	expect_hot(PROJECT, "cold", 1, 1);
	expect_hot(PROJECT, "hot", 5, 5);
	expect_hot(OTHER, "hot", 1, 1);
}

static void every_kind_of_change_counts(void **state)
{
	struct kv_delete del = delete_of("k");
	struct kv_put many[3];
	struct kv_slice slice = { .puts = many, .n = 3 };

	(void)state;
	put(PROJECT, "k");
	change("k", "{\"op\":\"add\",\"by\":1}");
	change("k", "{\"op\":\"touch\",\"expiration\":null}");
	expect_hot(PROJECT, "k", 3, 3);
	assert_int_equal(run(kv_delete_apply, &del), RC_OK);
	expect_hot(PROJECT, "k", 4, 4);
	for (int i = 0; i < 3; i++)
		many[i] = put_of(PROJECT, "k");
	assert_int_equal(run(kv_slice_put_apply, &slice), RC_OK);
	/* It was made anew, and its counter with it. */
	expect_hot(PROJECT, "k", 7, 3);
}

static void what_is_refused_or_changes_nothing_does_not(void **state)
{
	static const uint64_t never = 1;
	struct kv_condition condition = { .match = { .given = true, .versions = &never, .n = 1 } };
	struct kv_delete missing = delete_of("missing");
	struct kv_put refused = put_of(PROJECT, "k"), limited = put_of(PROJECT, "k");

	(void)state;
	put(PROJECT, "k");
	refused.condition = &condition;
	assert_int_equal(run(kv_put_apply, &refused), RC_PRECONDITION_FAILED);
	limited.write_limit = 1;
	assert_int_equal(run(kv_put_apply, &limited), RC_WRITE_LIMIT);
	assert_int_equal(run(kv_delete_apply, &missing), RC_OK);
	expect_hot(PROJECT, "k", 1, 1);
	expect_hot(PROJECT, "missing", 0, 0);
}

static void a_read_does_not(void **state)
{
	struct kv_entry entry;
	uint64_t wait;

	(void)state;
	put(PROJECT, "k");
	for (int i = 0; i < 10; i++)
		assert_int_equal(kv_get(kv, PROJECT, STR_LIT("k"), NOW, arena, &entry, &wait), RC_OK);
	expect_hot(PROJECT, "k", 1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_STORE(a_key_is_as_hot_as_it_is_written),
		OVER_A_STORE(every_kind_of_change_counts),
		OVER_A_STORE(what_is_refused_or_changes_nothing_does_not),
		OVER_A_STORE(a_read_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
