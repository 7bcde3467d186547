/*
 * test_kv_keys.c - reading and writing keys over a real store: record, value, expiry row, usage
 * and counter change together; lists page without loss.
 */
#include "config.h"

#include "kv_fixture.h"

#include "kv/private.h"

enum { PROJECT = 7, NOW = 1000000 };

static struct kv_put put_of(struct str key, struct str value)
{
	return (struct kv_put){ .kv = kv, .project = PROJECT, .key = key, .value = value,
				.kind = KIND_JSON, .now = NOW, .write_limit = 1000 };
}

static enum rc put_run(struct kv_put *put)
{
	struct commit_op op;

	commit_op_init(&op, kv_put_apply, put, put->value.n, STR_LIT(""));
	return commit_run(fixture.store, &op);
}

static enum rc put(const char *key, const char *value)
{
	struct kv_put put = put_of(str_c(key), str_c(value));

	return put_run(&put);
}

static enum rc del(const char *key)
{
	struct kv_delete del = { .kv = kv, .project = PROJECT, .key = str_c(key), .now = NOW, .write_limit = 1000 };
	struct commit_op op;

	commit_op_init(&op, kv_delete_apply, &del, 10, STR_LIT(""));
	return commit_run(fixture.store, &op);
}

static enum rc get(const char *key, int64_t now, struct kv_entry *entry)
{
	uint64_t wait;

	return kv_get(kv, PROJECT, str_c(key), now, arena, entry, &wait);
}

static void usage(uint32_t project, uint64_t user, uint64_t *keys, uint64_t *bytes)
{
	char key[12], row[16] = { 0 };
	size_t n;

	store_put_u32(key, project);
	store_put_u64(key + 4, user);
	(void)!store_get(fixture.store, STORE_USAGE, str_make(key, sizeof key), row, sizeof row, &n);
	*keys = store_get_u64(row);
	*bytes = store_get_u64(row + 8);
}

static size_t rows_in(enum store_table table)
{
	struct store_scan scan;
	struct str key, value;
	size_t n = 0;
	enum rc rc;

	store_scan_init(&scan, fixture.store, table, STR_LIT(""), arena_alloc(arena, STORE_SCAN_CHUNK));
	while ((rc = store_scan_next(&scan, &key, &value)) == RC_OK)
		n++;
	/* A row larger than a chunk is a row as well; these tests have one at most. */
	return n + (rc == RC_VALUE_TOO_LARGE);
}

static void keys_have_1_to_512_bytes_of_utf8(void **state)
{
	char long_key[513];

	(void)state;
	memset(long_key, 'a', sizeof long_key);
	assert_int_equal(key_check(STR_LIT("")), RC_BAD_KEY);
	assert_int_equal(key_check(STR_LIT("a")), RC_OK);
	assert_int_equal(key_check(str_make(long_key, 512)), RC_OK);
	assert_int_equal(key_check(str_make(long_key, 513)), RC_KEY_TOO_LONG);
	assert_int_equal(key_check(STR_LIT(".")), RC_BAD_KEY);
	assert_int_equal(key_check(STR_LIT("..")), RC_BAD_KEY);
	assert_int_equal(key_check(STR_LIT("...")), RC_OK);
	assert_int_equal(key_check(STR_LIT("a\0b")), RC_BAD_KEY);
	assert_int_equal(key_check(STR_LIT("\xff")), RC_BAD_KEY);
	assert_int_equal(key_check(STR_LIT("\xf0\x9f\x98\x80/ :")), RC_OK);
}

static void a_value_of_every_size_comes_back_as_it_was(void **state)
{
	static char bytes[140000];
	const size_t sizes[] = { 0, 1, 953, 954, 955, 1006, 4096, 131072 };

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 31);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct kv_put p = put_of(STR_LIT("key"), str_make(bytes + i, sizes[i]));
		struct kv_entry entry;

		assert_int_equal(put_run(&p), RC_OK);
		assert_int_equal(get("key", NOW, &entry), RC_OK);
		assert_true(str_eq(entry.value, p.value));
		assert_int_equal(entry.writes, i + 1);
		/* What the last one left outside is gone. */
		assert_int_equal(rows_in(STORE_VALUES), sizes[i] > 954);
	}
	assert_int_equal(del("key"), RC_OK);
	assert_int_equal(rows_in(STORE_VALUES), 0);
	assert_int_equal(rows_in(STORE_KEYS), 0);
}

static void metadata_of_every_size_comes_back_with_get_and_list(void **state)
{
	static char text[1024];
	const size_t sizes[] = { 1, 511, 512, 513, 1024 };

	(void)state;
	memset(text, '7', sizeof text);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct kv_put p = put_of(STR_LIT("key"), STR_LIT("1"));
		struct kv_list list = { .project = PROJECT, .limit = 10, .rows = 100, .now = NOW };
		struct kv_entry entry;

		p.metadata = str_make(text, sizes[i]);
		assert_int_equal(put_run(&p), RC_OK);
		assert_int_equal(get("key", NOW, &entry), RC_OK);
		assert_true(str_eq(entry.metadata, p.metadata));
		kv_fixture_list(&list);
		assert_int_equal(list.n_names, 1);
		assert_true(str_eq(page_names[0].metadata, p.metadata));
	}
}

static void the_counter_begins_at_one_and_goes_with_the_key(void **state)
{
	struct kv_entry entry;

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(put("k", "1"), RC_OK);
		assert_int_equal(get("k", NOW, &entry), RC_OK);
		assert_int_equal(entry.writes, i);
	}
	assert_int_equal(del("k"), RC_OK);
	assert_int_equal(get("k", NOW, &entry), RC_KEY_NOT_FOUND);
	assert_int_equal(put("k", "1"), RC_OK);
	assert_int_equal(get("k", NOW, &entry), RC_OK);
	assert_int_equal(entry.writes, 1);
}

static void the_counter_survives_a_restart(void **state)
{
	struct kv_entry entry;

	(void)state;
	assert_int_equal(put("k", "1"), RC_OK);
	assert_int_equal(put("k", "2"), RC_OK);
	kv_close(kv);
	store_close(fixture.store);
	fixture_open(&fixture);
	assert_int_equal(kv_open(&kv, fixture.store), RC_OK);
	assert_int_equal(get("k", NOW, &entry), RC_OK);
	assert_int_equal(entry.writes, 2);
}

static void an_expired_key_is_missing_at_the_second(void **state)
{
	struct kv_put p = put_of(STR_LIT("k"), STR_LIT("1"));
	struct kv_list list = { .project = PROJECT, .limit = 10, .rows = 100, .now = NOW + 60 };
	struct kv_entry entry;

	(void)state;
	p.expires_at = NOW + 60;
	assert_int_equal(put_run(&p), RC_OK);
	assert_int_equal(get("k", NOW + 59, &entry), RC_OK);
	assert_int_equal(entry.expires_at, NOW + 60);
	assert_int_equal(get("k", NOW + 60, &entry), RC_KEY_NOT_FOUND);
	kv_fixture_list(&list);
	assert_int_equal(list.n_names, 0);
	assert_true(list.complete);
}

static void a_put_over_an_expired_key_starts_its_counter_again(void **state)
{
	struct kv_put p = put_of(STR_LIT("k"), STR_LIT("1"));
	struct kv_entry entry;

	(void)state;
	p.expires_at = NOW + 60;
	assert_int_equal(put_run(&p), RC_OK);
	assert_int_equal(put_run(&p), RC_OK);
	p.now = NOW + 60;
	p.expires_at = 0;
	assert_int_equal(put_run(&p), RC_OK);
	assert_int_equal(get("k", NOW + 60, &entry), RC_OK);
	assert_int_equal(entry.writes, 1);
	assert_int_equal(rows_in(STORE_EXPIRY), 0);
}

static void sweep(struct sweep_slice *slice)
{
	struct commit_op op;

	slice->arg = kv;
	commit_op_init(&op, sweep_apply, slice, 1000, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
}

static void the_sweeper_takes_everything_of_an_expired_key(void **state)
{
	static char big[2000];
	struct kv_put p = put_of(STR_LIT("k"), str_make(big, sizeof big));
	struct sweep_slice slice;
	uint64_t keys, bytes;

	(void)state;
	p.expires_at = NOW + 1;		/* long past on the wall's clock */
	p.owner = 42;
	assert_int_equal(put_run(&p), RC_OK);
	usage(PROJECT, 42, &keys, &bytes);
	assert_int_equal(keys, 1);
	assert_int_equal(bytes, sizeof big + 1);
	sweep(&slice);
	assert_int_equal(slice.removed, 1);
	assert_int_equal(rows_in(STORE_KEYS) + rows_in(STORE_VALUES) + rows_in(STORE_EXPIRY) +
			 rows_in(STORE_USAGE), 0);
	sweep(&slice);
	assert_int_equal(slice.removed, 0);
}

static void the_sweeper_spares_a_key_that_was_written_anew(void **state)
{
	struct kv_put p = put_of(STR_LIT("k"), STR_LIT("1"));
	struct sweep_slice slice;
	struct kv_entry entry;

	(void)state;
	p.expires_at = INT64_C(1) << 40;
	assert_int_equal(put_run(&p), RC_OK);
	sweep(&slice);
	assert_int_equal(slice.removed, 0);
	assert_int_equal(get("k", NOW, &entry), RC_OK);
}

static void usage_follows_every_change_and_owner(void **state)
{
	struct kv_put p = put_of(STR_LIT("key"), STR_LIT("12345"));
	uint64_t keys, bytes;

	(void)state;
	p.owner = 1;
	assert_int_equal(put_run(&p), RC_OK);
	p.owner = 2;
	p.value = STR_LIT("1");
	assert_int_equal(put_run(&p), RC_OK);
	usage(PROJECT, 1, &keys, &bytes);
	assert_int_equal(keys + bytes, 0);
	usage(PROJECT, 2, &keys, &bytes);
	assert_int_equal(keys, 1);
	assert_int_equal(bytes, 4);
	usage(PROJECT, 0, &keys, &bytes);
	assert_int_equal(keys, 1);
	assert_int_equal(bytes, 4);
	assert_int_equal(del("key"), RC_OK);
	assert_int_equal(rows_in(STORE_USAGE), 0);
}

static void projects_do_not_see_each_other(void **state)
{
	struct kv_put p = put_of(STR_LIT("k"), STR_LIT("1"));
	struct kv_list list = { .project = PROJECT, .limit = 10, .rows = 100, .now = NOW };
	struct kv_entry entry;

	(void)state;
	for (uint32_t other = PROJECT - 1; other <= PROJECT + 1; other += 2) {
		p.project = other;
		assert_int_equal(put_run(&p), RC_OK);
	}
	assert_int_equal(get("k", NOW, &entry), RC_KEY_NOT_FOUND);
	kv_fixture_list(&list);
	assert_int_equal(list.n_names, 0);
	assert_true(list.complete);
}

static void the_write_limit_refuses_and_keeps_the_old_value(void **state)
{
	struct kv_put p = put_of(STR_LIT("k"), STR_LIT("1"));
	struct kv_entry entry;
	enum rc rc = RC_OK;
	int passed = 0;

	(void)state;
	p.write_limit = 5;
	while (passed < 50 && (rc = put_run(&p)) == RC_OK) {
		passed++;
		p.counted = false;	/* the next one is another write */
	}
	/* Five in the window; a slow machine may have opened a second one meanwhile. */
	assert_int_equal(rc, RC_WRITE_LIMIT);
	assert_int_equal(passed % 5, 0);
	assert_int_equal(get("k", NOW, &entry), RC_OK);
	assert_int_equal(entry.writes, passed);
}

/* A batch that was undone runs again: that is the same write, and counts once. */
static void a_write_that_runs_again_counts_once(void **state)
{
	struct kv_put p = put_of(STR_LIT("k"), STR_LIT("1"));

	(void)state;
	p.write_limit = 2;
	for (int i = 0; i < 10; i++)
		assert_int_equal(put_run(&p), RC_OK);
	p.counted = false;
	assert_int_equal(put_run(&p), RC_OK);
}

static void a_delete_of_a_missing_key_costs_no_write(void **state)
{
	struct kv_delete d = { .kv = kv, .project = PROJECT, .key = STR_LIT("none"), .now = NOW, .write_limit = 1 };
	struct commit_op op;

	(void)state;
	d.kv = kv;
	for (int i = 0; i < 3; i++) {
		commit_op_init(&op, kv_delete_apply, &d, 10, STR_LIT(""));
		assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	}
}

/* All names under PREFIX, page by page, into OUT; how many. */
static size_t list_all(struct str prefix, size_t limit, size_t rows, int64_t now, char out[][16], size_t room)
{
	struct kv_list list = { .project = PROJECT, .prefix = prefix, .limit = limit, .rows = rows, .now = now };
	char after[KV_KEY_MAX];
	size_t n = 0;

	do {
		arena_reset(arena);
		kv_fixture_list(&list);
		assert_true(list.n_names <= limit);
		for (size_t i = 0; i < list.n_names; i++) {
			assert_true(n < room);
			snprintf(out[n++], 16, "%.*s", STR(page_names[i].name));
		}
		assert_true(list.complete || list.last.n > 0);
		memcpy(after, list.last.p, list.last.n);
		list.after = str_make(after, list.last.n);
	} while (!list.complete);
	return n;
}

static void pages_of_every_size_give_all_names_in_order(void **state)
{
	static char names[600][16];
	const size_t limits[] = { 1, 2, 299, 300, 301, 1000 };
	char key[16];

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct kv_put p;

		snprintf(key, sizeof key, "n:%03d", i);
		p = put_of(str_c(key), STR_LIT("1"));
		p.expires_at = i % 3 == 0 ? NOW + 5 : 0;
		assert_int_equal(put_run(&p), RC_OK);
	}
	assert_int_equal(put("m", "1"), RC_OK);
	assert_int_equal(put("o", "1"), RC_OK);
	for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++)
		for (size_t rows = 7; rows < 1000; rows *= 5) {
			assert_int_equal(list_all(STR_LIT("n:"), limits[l], rows, NOW, names, 600), 300);
			for (int i = 0; i < 300; i++) {
				snprintf(key, sizeof key, "n:%03d", i);
				assert_string_equal(names[i], key);
			}
			assert_int_equal(list_all(STR_LIT("n:"), limits[l], rows, NOW + 5, names, 600), 200);
		}
	assert_int_equal(list_all(STR_LIT(""), 1000, 5000, NOW, names, 600), 302);
	assert_int_equal(list_all(STR_LIT("n:1"), 1000, 5000, NOW, names, 600), 100);
	assert_int_equal(list_all(STR_LIT("x"), 1000, 5000, NOW, names, 600), 0);
}

static void a_full_page_is_incomplete_only_when_more_follows(void **state)
{
	struct kv_list list = { .project = PROJECT, .limit = 2, .rows = 100, .now = NOW };

	(void)state;
	assert_int_equal(put("a", "1"), RC_OK);
	assert_int_equal(put("b", "1"), RC_OK);
	kv_fixture_list(&list);
	assert_true(list.complete);
	assert_int_equal(put("c", "1"), RC_OK);
	kv_fixture_list(&list);
	assert_false(list.complete);
	assert_true(str_eq(list.last, STR_LIT("b")));
}

static void a_truncated_record_is_not_read(void **state)
{
	struct entry entry = { .kind = KIND_JSON, .value_len = 3, .value = STR_LIT("123") }, back;
	char raw[STORE_INLINE_MAX];
	size_t n;

	(void)state;
	entry_place(&entry);
	n = entry_write(&entry, raw);
	assert_true(entry_read(str_make(raw, n), &back));
	for (size_t shorter = 0; shorter < n; shorter++)
		assert_false(entry_read(str_make(raw, shorter), &back));
	raw[0] = 2;
	assert_false(entry_read(str_make(raw, n), &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_have_1_to_512_bytes_of_utf8),
		cmocka_unit_test(a_truncated_record_is_not_read),
		OVER_A_STORE(a_value_of_every_size_comes_back_as_it_was),
		OVER_A_STORE(metadata_of_every_size_comes_back_with_get_and_list),
		OVER_A_STORE(the_counter_begins_at_one_and_goes_with_the_key),
		OVER_A_STORE(the_counter_survives_a_restart),
		OVER_A_STORE(an_expired_key_is_missing_at_the_second),
		OVER_A_STORE(a_put_over_an_expired_key_starts_its_counter_again),
		OVER_A_STORE(the_sweeper_takes_everything_of_an_expired_key),
		OVER_A_STORE(the_sweeper_spares_a_key_that_was_written_anew),
		OVER_A_STORE(usage_follows_every_change_and_owner),
		OVER_A_STORE(projects_do_not_see_each_other),
		OVER_A_STORE(the_write_limit_refuses_and_keeps_the_old_value),
		OVER_A_STORE(a_write_that_runs_again_counts_once),
		OVER_A_STORE(a_delete_of_a_missing_key_costs_no_write),
		OVER_A_STORE(pages_of_every_size_give_all_names_in_order),
		OVER_A_STORE(a_full_page_is_incomplete_only_when_more_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
