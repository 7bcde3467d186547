/*
 * test_kv_condition.c - a change whose condition does not hold changes nothing, and counts nothing.
 */
#include "config.h"

#include "kv_fixture.h"

#include "kv/condition.h"
#include "kv/private.h"

enum { PROJECT = 7, NOW = 1000000 };

static struct kv_versions any(void)
{
	return (struct kv_versions){ .given = true, .any = true };
}

static struct kv_versions one(const uint64_t *version)
{
	return (struct kv_versions){ .given = true, .versions = version, .n = 1 };
}

/* Answers the key's version: the new one, or the one that stood in the way. */
static enum rc put_at(const struct kv_condition *condition, const char *value, int64_t expires_at, int64_t limit,
		      int64_t now, uint64_t *version)
{
	struct kv_put put = { .kv = kv, .project = PROJECT, .key = STR_LIT("k"), .value = str_c(value),
			      .kind = KIND_JSON, .expires_at = expires_at, .now = now, .write_limit = limit,
			      .condition = condition };
	struct commit_op op;

	commit_op_init(&op, kv_put_apply, &put, 10, STR_LIT(""));
	(void)!commit_run(fixture.store, &op);
	*version = op.answer.version;
	return op.rc;
}

static enum rc put(const struct kv_condition *condition, const char *value, uint64_t *version)
{
	return put_at(condition, value, 0, 1000, NOW, version);
}

static enum rc del(const struct kv_condition *condition)
{
	struct kv_delete del = { .kv = kv, .project = PROJECT, .key = STR_LIT("k"), .now = NOW, .write_limit = 1000,
				 .condition = condition };
	struct commit_op op;

	commit_op_init(&op, kv_delete_apply, &del, 10, STR_LIT(""));
	return commit_run(fixture.store, &op);
}

static struct kv_entry entry_at(int64_t now)
{
	struct kv_entry entry = { .size = 0 };
	uint64_t wait;

	if (kv_get(kv, PROJECT, STR_LIT("k"), now, arena, &entry, &wait) != RC_OK)
		entry = (struct kv_entry){ .version = 0 };
	return entry;
}

static void conditions_are_judged_in_their_order(void **state)
{
	const uint64_t list[] = { 5, 7 };
	const struct kv_versions none = { .given = false }, empty = { .given = true },
				 two = { .given = true, .versions = list, .n = 2 };
	const struct {
		struct kv_condition condition;
		enum kv_verdict of_0, of_5, of_6;
	} rows[] = {
		{ { none, none },   KV_HOLDS,       KV_HOLDS,   KV_HOLDS },
		{ { any(), none },  KV_MATCHES_NOT, KV_HOLDS,   KV_HOLDS },
		{ { two, none },    KV_MATCHES_NOT, KV_HOLDS,   KV_MATCHES_NOT },
		/* Well-formed tags that name no version. */
		{ { empty, none },  KV_MATCHES_NOT, KV_MATCHES_NOT, KV_MATCHES_NOT },
		{ { none, any() },  KV_HOLDS,       KV_MATCHES, KV_MATCHES },
		{ { none, two },    KV_HOLDS,       KV_MATCHES, KV_HOLDS },
		{ { none, empty },  KV_HOLDS,       KV_HOLDS,   KV_HOLDS },
		{ { two, any() },   KV_MATCHES_NOT, KV_MATCHES, KV_MATCHES_NOT },
		{ { any(), two },   KV_MATCHES_NOT, KV_MATCHES, KV_HOLDS },
	};

	(void)state;
	assert_int_equal(kv_condition_check(NULL, 5), KV_HOLDS);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(kv_condition_check(&rows[i].condition, 0), rows[i].of_0);
		assert_int_equal(kv_condition_check(&rows[i].condition, 5), rows[i].of_5);
		assert_int_equal(kv_condition_check(&rows[i].condition, 6), rows[i].of_6);
	}
}

static void a_put_happens_only_when_its_condition_holds(void **state)
{
	const struct kv_condition exists = { .match = any() }, missing = { .none_match = any() };
	uint64_t first, second, found;
	struct kv_entry entry;

	(void)state;
	assert_int_equal(put(&exists, "0", &found), RC_PRECONDITION_FAILED);
	assert_int_equal(found, 0);
	assert_int_equal(put(&missing, "1", &first), RC_OK);
	assert_int_equal(put(&missing, "2", &found), RC_PRECONDITION_FAILED);
	assert_int_equal(found, first);
	assert_int_equal(put(&(struct kv_condition){ .match = one(&first) }, "3", &second), RC_OK);
	assert_int_equal(put(&(struct kv_condition){ .match = one(&first) }, "4", &found), RC_PRECONDITION_FAILED);
	assert_int_equal(found, second);
	assert_int_equal(put(&(struct kv_condition){ .none_match = one(&second) }, "5", &found), RC_PRECONDITION_FAILED);
	entry = entry_at(NOW);
	assert_true(str_eq(entry.value, STR_LIT("3")));
	assert_int_equal(entry.version, second);
	assert_int_equal(entry.writes, 2);
	assert_int_equal(put(&(struct kv_condition){ .none_match = one(&first) }, "6", &found), RC_OK);
}

static void a_delete_happens_only_when_its_condition_holds(void **state)
{
	const struct kv_condition exists = { .match = any() }, missing = { .none_match = any() };
	uint64_t first, second;

	(void)state;
	assert_int_equal(del(&exists), RC_PRECONDITION_FAILED);
	assert_int_equal(del(&missing), RC_OK);
	assert_int_equal(put(NULL, "1", &first), RC_OK);
	assert_int_equal(put(NULL, "2", &second), RC_OK);
	assert_int_equal(del(&missing), RC_PRECONDITION_FAILED);
	assert_int_equal(del(&(struct kv_condition){ .match = one(&first) }), RC_PRECONDITION_FAILED);
	assert_int_equal(entry_at(NOW).version, second);
	assert_int_equal(del(&(struct kv_condition){ .match = one(&second) }), RC_OK);
	assert_int_equal(entry_at(NOW).version, 0);
}

static void an_expired_key_is_missing_to_a_condition(void **state)
{
	const struct kv_condition exists = { .match = any() }, missing = { .none_match = any() };
	uint64_t version, found;

	(void)state;
	assert_int_equal(put_at(NULL, "1", NOW + 60, 1000, NOW, &version), RC_OK);
	assert_int_equal(put_at(&missing, "2", 0, 1000, NOW + 59, &found), RC_PRECONDITION_FAILED);
	assert_int_equal(put_at(&exists, "2", 0, 1000, NOW + 60, &found), RC_PRECONDITION_FAILED);
	assert_int_equal(found, 0);
	assert_int_equal(put_at(&(struct kv_condition){ .match = one(&version) }, "2", 0, 1000, NOW + 60, &found),
			 RC_PRECONDITION_FAILED);
	assert_int_equal(put_at(&missing, "2", 0, 1000, NOW + 60, &found), RC_OK);
	assert_int_equal(entry_at(NOW + 60).writes, 1);
}

static void what_is_refused_counts_for_no_limit(void **state)
{
	const struct kv_condition missing = { .none_match = any() };
	uint64_t version;

	(void)state;
	assert_int_equal(put_at(NULL, "1", 0, 2, NOW, &version), RC_OK);
	for (int i = 0; i < 10; i++)
		assert_int_equal(put_at(&missing, "2", 0, 2, NOW, &version), RC_PRECONDITION_FAILED);
	assert_int_equal(put_at(NULL, "3", 0, 2, NOW, &version), RC_OK);
	assert_int_equal(put_at(NULL, "4", 0, 2, NOW, &version), RC_WRITE_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_are_judged_in_their_order),
		OVER_A_STORE(a_put_happens_only_when_its_condition_holds),
		OVER_A_STORE(a_delete_happens_only_when_its_condition_holds),
		OVER_A_STORE(an_expired_key_is_missing_to_a_condition),
		OVER_A_STORE(what_is_refused_counts_for_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
