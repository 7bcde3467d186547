/*
 * test_kv_list.c - what a page of names costs, in pages of the tables looked at: the same wherever it is in the
 * list, and nothing of the values.
 */
#include "config.h"

#include "kv_fixture.h"

#include <db.h>

#include "kv/private.h"
#include "store/private.h"

enum { PROJECT = 7, NOW = 1000000, KEYS = 20000, PAGE = 1000 };

static struct kv_put put_of(struct str key, struct str value)
{
	return (struct kv_put){ .kv = kv, .project = PROJECT, .key = key, .value = value,
				.kind = KIND_BINARY, .now = NOW };
}

static void put_slice(struct kv_slice *slice)
{
	struct commit_op op;

	commit_op_init(&op, kv_slice_put_apply, slice, 1000, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	assert_int_equal(op.answer.writes, 0);
}

/* N keys in order under PREFIX, with values of SIZE bytes. */
static void put_many(const char *prefix, size_t n, size_t size)
{
	static char value[131072], keys[KV_SLICE_ITEMS][32];
	static struct kv_put puts[KV_SLICE_ITEMS];
	struct kv_slice slice = { .puts = puts };
	size_t at_once = size > 1000 ? 1 : KV_SLICE_ITEMS;

	for (size_t i = 0; i < n; i += slice.n) {
		slice.n = n - i < at_once ? n - i : at_once;
		for (size_t k = 0; k < slice.n; k++) {
			snprintf(keys[k], sizeof keys[k], "%s%08u", prefix, (unsigned)(i + k));
			puts[k] = put_of(str_c(keys[k]), str_make(value, size));
		}
		put_slice(&slice);
	}
}

/* Pages of TABLE that were asked for, in the cache or not, since the start. */
static size_t looks_at(enum store_table table)
{
	const char *file, *name;
	DB_MPOOL_FSTAT **stats = NULL, **stat;
	DB_ENV *env = fixture.store->env;
	size_t looks = 0;

	assert_int_equal(fixture.store->db[table]->get_dbname(fixture.store->db[table], &file, &name), 0);
	assert_int_equal(env->memp_stat(env, NULL, &stats, 0), 0);
	for (stat = stats; stat != NULL && *stat != NULL; stat++)
		if (strcmp((*stat)->file_name, file) == 0)
			looks += (size_t)((*stat)->st_cache_hit + (*stat)->st_cache_miss);
	free(stats);
	return looks;
}

static struct kv_list list(const char *prefix, struct str after)
{
	struct kv_list list = { .project = PROJECT, .prefix = str_c(prefix), .after = after,
				.limit = PAGE, .rows = KV_LIST_ROWS, .now = NOW };

	kv_fixture_list(&list);
	return list;
}

static void the_last_page_costs_no_more_than_the_first(void **state)
{
	size_t first = 0, least = SIZE_MAX, most = 0;
	struct str after = STR_LIT("");

	(void)state;
	put_many("user:", KEYS, 200);
	for (size_t page = 0; page < KEYS / PAGE; page++) {
		size_t before = looks_at(STORE_KEYS), looks;
		struct kv_list found = list("user:", after);

		looks = looks_at(STORE_KEYS) - before;
		assert_int_equal(found.n_names, PAGE);
		assert_int_equal(found.complete, page == KEYS / PAGE - 1);
		first = page == 0 ? looks : first;
		least = looks < least ? looks : least;
		most = looks > most ? looks : most;
		after = found.complete ? after : arena_dup(arena, found.last);
	}
	/* 290 bytes a row: some 75 pages of the table, and as many looks again on the way down to each chunk. */
	assert_true(first >= 60 && first <= 200);
	assert_true(most <= least + least / 4);
	arena_reset(arena);
}

static void a_page_never_looks_at_values(void **state)
{
	struct kv_entry entry;
	struct kv_list found;
	size_t before;
	uint64_t wait;

	(void)state;
	put_many("big:", 20, 131072);
	put_many("middle:", 20, 5000);
	kv_fixture_reopen();
	before = looks_at(STORE_VALUES);	/* what opening takes */
	found = list("big:", STR_LIT(""));
	assert_int_equal(found.n_names, 20);
	found = list("middle:", STR_LIT(""));
	assert_int_equal(found.n_names, 20);
	assert_int_equal(looks_at(STORE_VALUES), before);
	/* This would be seen. */
	assert_int_equal(kv_get(kv, PROJECT, STR_LIT("middle:00000000"), NOW, arena, &entry, &wait), RC_OK);
	assert_int_equal(entry.value.n, 5000);
	assert_true(looks_at(STORE_VALUES) > before);
	arena_reset(arena);
}

static void a_list_of_a_few_names_looks_at_a_few_pages(void **state)
{
	size_t before;
	struct kv_list found;

	(void)state;
	put_many("few:", 10, 200);
	before = looks_at(STORE_KEYS);
	found = list("few:", STR_LIT(""));
	assert_int_equal(found.n_names, 10);
	assert_true(found.complete);
	assert_true(looks_at(STORE_KEYS) - before <= 12);
	arena_reset(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_page_costs_no_more_than_the_first),
		cmocka_unit_test(a_page_never_looks_at_values),
		cmocka_unit_test(a_list_of_a_few_names_looks_at_a_few_pages),
	};

	return cmocka_run_group_tests(tests, kv_fixture_start, kv_fixture_stop);
}
