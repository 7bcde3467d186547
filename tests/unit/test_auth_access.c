/*
 * test_auth_access.c - what a list shows to a user: just the keys that the rules let them list, in order, over pages;
 * and it walks no others.
 */
#include "config.h"

#include "kv_fixture.h"

#include <stdlib.h>

#include "auth/access.h"
#include "kv/private.h"
#include "rules_reference.h"

enum { PROJECT = 7, NOW = 1000000, KEYS = 80, KEYS_MANY = 3100 };

static struct project project = { .number = PROJECT, .id = REFERENCE_PROJECT };
static char keys[KEYS_MANY][REFERENCE_TEXT];
static size_t n_keys;

static struct caller user(uint64_t id)
{
	return (struct caller){ .kind = CALLER_USER, .project = &project, .telegram_id = id };
}

static void set_rules(const char *json)
{
	char error[RULES_ERROR_MAX];

	rules_unref(project.rules);
	project.rules = NULL;
	if (json != NULL)
		assert_int_equal(rules_read(str_c(json), &project.rules, error), RC_OK);
}

/* All of KEYS, at once as far as that goes: written, or deleted. */
static void change_keys(commit_apply *apply)
{
	static struct kv_put puts[KV_SLICE_ITEMS];
	static struct kv_delete deletes[KV_SLICE_ITEMS];

	for (size_t at = 0; at < n_keys; at += KV_SLICE_ITEMS) {
		struct kv_slice slice = { .puts = puts, .deletes = deletes };
		struct commit_op op;

		for (; slice.n < KV_SLICE_ITEMS && at + slice.n < n_keys; slice.n++) {
			struct str key = str_c(keys[at + slice.n]);

			puts[slice.n] = (struct kv_put){ .kv = kv, .project = PROJECT, .key = key, .value = STR_LIT("1"),
							 .kind = KIND_JSON, .now = NOW };
			deletes[slice.n] = (struct kv_delete){ .kv = kv, .project = PROJECT, .key = key, .now = NOW };
		}
		commit_op_init(&op, apply, &slice, 100, STR_LIT(""));
		assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	}
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Other keys than before, each once, in their order. */
static void put_random_keys(unsigned *seed)
{
	size_t n = 0;

	change_keys(kv_slice_delete_apply);
	for (size_t i = 0; i < KEYS; i++)
		reference_key(keys[i], seed);
	qsort(keys, KEYS, sizeof keys[0], by_bytes);
	for (size_t i = 0; i < KEYS; i++)
		if (n == 0 || strcmp(keys[n - 1], keys[i]) != 0)
			memmove(keys[n++], keys[i], sizeof keys[i]);
	n_keys = n;
	change_keys(kv_slice_put_apply);
}

/* As the doors do it. */
static bool shows(const void *arg, struct str name)
{
	return access_shows(arg, name);
}

/* A page behind AFTER; false when the user may list nothing there. */
static bool page(const struct caller *caller, const char *prefix, struct str after, size_t limit, size_t rows,
		 struct kv_list *list)
{
	struct access_view *view = arena_alloc(arena, sizeof *view);
	struct kv_range *ranges;

	assert_int_equal(access_view(caller, str_c(prefix), arena, view), RC_OK);
	if (view->n == 0)
		return false;
	ranges = arena_alloc(arena, view->n * sizeof *ranges);
	for (size_t i = 0; i < view->n; i++)
		ranges[i] = (struct kv_range){ view->ranges[i].text, view->ranges[i].is_key, view->ranges[i].is_partly };
	*list = (struct kv_list){ .project = PROJECT, .prefix = str_c(prefix), .after = after, .limit = limit,
				  .rows = rows, .now = NOW, .ranges = ranges, .n_ranges = view->n,
				  .shows = shows, .arg = view };
	kv_fixture_list(list);
	return true;
}

/* Every key that begins with PREFIX and may be listed, by asking the reference about each. */
static size_t wanted_keys(const struct reference *reference, const char *prefix, const char **wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < n_keys; i++)
		if (strncmp(keys[i], prefix, strlen(prefix)) == 0 &&
		    reference_ask(reference, keys[i], "12", REFERENCE_PROJECT).operations & RULE_LIST)
			wanted[n++] = keys[i];
	return n;
}

static size_t pages_seen;

/* All pages of a list are WANTED, N names; each but the last is full, or has looked at all the rows it may. */
static void compare_pages(const char *prefix, size_t limit, size_t rows, const char **wanted, size_t n)
{
	const struct caller caller = user(12);
	struct str after = STR_LIT("");
	struct kv_list list = { .complete = false };
	size_t seen = 0;

	while (!list.complete) {
		if (!page(&caller, prefix, after, limit, rows, &list)) {
			assert_int_equal(n, 0);
			return;
		}
		pages_seen++;
		for (size_t i = 0; i < list.n_names; i++, seen++) {
			assert_true(seen < n);
			assert_true(str_eq(page_names[i].name, str_c(wanted[seen])));
		}
		if (!list.complete && !list.out_of_rows) {
			assert_int_equal(list.n_names, limit);
			assert_true(seen < n);
		}
		if (!list.complete)
			assert_true(list.last.n != 0 && str_cmp(list.last, after) > 0);
		after = arena_dup(arena, list.last);
	}
	assert_int_equal(seen, n);
}

static void a_list_is_the_keys_that_the_reference_would_list(void **state)
{
	static char json[RULES_TEXT_MAX];
	static struct reference reference;
	const char *prefixes[] = { "", "a", "a:", "b:", "12:", "1", ":", "a:b", "ab:12", "zz", "12:12:" }, *wanted[KEYS];
	size_t rounds = reference_rounds(60), listed = 0;
	unsigned seed = 7;

	(void)state;
	for (size_t round = 0; round < rounds; round++) {
		if (round % 10 == 0)
			put_random_keys(&seed);
		reference_random(&reference, 1 + round % 12, &seed);
		reference_json(&reference, json, sizeof json);
		set_rules(json);
		for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
			size_t n = wanted_keys(&reference, prefixes[i], wanted);

			compare_pages(prefixes[i], 1 + (size_t)rand_r(&seed) % 7, KV_LIST_ROWS, wanted, n);
			compare_pages(prefixes[i], 1 + (size_t)rand_r(&seed) % 100, 1 + (size_t)rand_r(&seed) % 9, wanted, n);
			/* A range's end and the page's at one place. */
			if (n != 0)
				compare_pages(prefixes[i], n, KV_LIST_ROWS, wanted, n);
			listed += n;
			arena_reset(arena);
		}
	}
	assert_true(listed > rounds && pages_seen > 10 * rounds);
}

/* Between the user's two ranges lie more rows than a page may look at. */
static void keys_of_others_are_not_walked(void **state)
{
	const struct caller caller = user(12);
	struct kv_list list;

	(void)state;
	change_keys(kv_slice_delete_apply);
	for (n_keys = 0; n_keys < 3000; n_keys++)
		snprintf(keys[n_keys], sizeof keys[n_keys], "other:%04zu:x", n_keys);
	strcpy(keys[n_keys++], "aaa:12:x");
	strcpy(keys[n_keys++], "public:z");
	strcpy(keys[n_keys++], "public:z:deep");
	change_keys(kv_slice_put_apply);
	set_rules("{\"version\":1,\"rules\":[{\"match\":\"aaa:{telegramId}:**\",\"allow\":[\"list\"]},"
		  "{\"match\":\"other:0007:*\",\"allow\":[\"list\"]},{\"match\":\"public:*\",\"allow\":[\"list\"]},"
		  "{\"match\":\"other:**\",\"allow\":[\"read\",\"write\",\"delete\"]}]}");
	assert_true(page(&caller, "", STR_LIT(""), 10, 8, &list));
	assert_true(list.complete);
	assert_int_equal(list.n_names, 3);
	assert_true(str_eq(page_names[0].name, STR_LIT("aaa:12:x")));
	assert_true(str_eq(page_names[1].name, STR_LIT("other:0007:x")));
	assert_true(str_eq(page_names[2].name, STR_LIT("public:z")));
	assert_false(page(&caller, "zz", STR_LIT(""), 10, 8, &list));
	assert_true(page(&caller, "other:0007:", STR_LIT(""), 10, 8, &list));
	assert_int_equal(list.n_names, 1);
	assert_false(page(&caller, "other:0008", STR_LIT(""), 10, 8, &list));
	arena_reset(arena);
}

static void rules_bind_users_only(void **state)
{
	struct caller caller = user(12);

	(void)state;
	set_rules("{\"version\":1,\"rules\":[{\"match\":\"a:*\",\"allow\":[\"read\",\"write\"],\"maxBytes\":9}]}");
	assert_true(access_is_bound(&caller));
	assert_int_equal(access_find(&caller, STR_LIT("a:b")).operations, RULE_READ | RULE_WRITE);
	assert_int_equal(access_find(&caller, STR_LIT("a:b")).max_bytes, 9);
	assert_int_equal(access_find(&caller, STR_LIT("a")).operations, 0);
	caller.kind = CALLER_API_KEY;
	assert_false(access_is_bound(&caller));
	assert_int_equal(access_find(&caller, STR_LIT("a")).operations, RULE_ALL);
	assert_int_equal(access_find(&caller, STR_LIT("a:b")).max_bytes, 0);
	caller.kind = CALLER_ADMIN;
	assert_int_equal(access_find(&caller, STR_LIT("a")).operations, RULE_ALL);
	caller = user(12);
	set_rules(NULL);
	assert_false(access_is_bound(&caller));
	assert_int_equal(access_find(&caller, STR_LIT("a")).operations, RULE_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_the_keys_that_the_reference_would_list),
		cmocka_unit_test(keys_of_others_are_not_walked),
		cmocka_unit_test(rules_bind_users_only),
	};

	return cmocka_run_group_tests(tests, kv_fixture_start, kv_fixture_stop);
}
