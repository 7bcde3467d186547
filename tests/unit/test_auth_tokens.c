/*
 * test_auth_tokens.c - the two caches and what they are made of: exact, bounded, forgetful
 * in the right order, and safe with several threads.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>

#include "auth/cache.h"
#include "auth/tokens.h"
#include "base/arena.h"

static bool knows(struct token_cache *cache, struct str text, uint64_t id)
{
	struct token_entry entry = { .telegram_id = 0 };

	if (!token_cache_get(cache, text, &entry))
		return false;
	assert_int_equal(entry.telegram_id, id);
	return true;
}

static void put(struct token_cache *cache, struct str text, uint64_t id)
{
	const struct token_entry entry = { 3, id, 1700000000, 1700086400, 5 };

	token_cache_put(cache, text, &entry);
}

/* --- credentials --- */

static void an_entry_comes_back_as_it_was_put(void **state)
{
	const struct token_entry put_in = { UINT32_MAX, UINT64_MAX, INT64_MIN, INT64_MAX, UINT64_MAX };
	struct token_cache *cache = token_cache_new(100);
	struct token_entry entry;

	(void)state;
	assert_false(token_cache_get(cache, STR_LIT("token"), &entry));
	token_cache_put(cache, STR_LIT("token"), &put_in);
	assert_true(token_cache_get(cache, STR_LIT("token"), &entry));
	assert_int_equal(entry.project, UINT32_MAX);
	assert_true(entry.telegram_id == UINT64_MAX);
	assert_true(entry.issued_at == INT64_MIN && entry.expires_at == INT64_MAX);
	put(cache, STR_LIT("token"), 5);
	assert_true(knows(cache, STR_LIT("token"), 5));
	token_cache_free(cache);
}

static void only_the_whole_text_is_known(void **state)
{
	static const char text[] = "0123456789abcdef0123456789abcdef0123456789";
	struct token_cache *cache = token_cache_new(8);

	(void)state;
	for (size_t n = 1; n < sizeof text; n++) {
		char other[sizeof text];

		put(cache, str_make(text, n), n);
		assert_false(knows(cache, str_make(text, n + 1), 0));
		for (size_t i = 0; i < n; i++) {
			memcpy(other, text, n);
			other[i] ^= 1;
			assert_false(knows(cache, str_make(other, n), 0));
		}
		assert_true(knows(cache, str_make(text, n), n));
	}
	/* Zeros at the end are text like any other. */
	for (size_t n = 1; n <= 7; n++)
		put(cache, str_make("a\0\0\0\0\0\0", n), 100 + n);
	for (size_t n = 1; n <= 7; n++)
		assert_true(knows(cache, str_make("a\0\0\0\0\0\0", n), 100 + n));
	token_cache_free(cache);
}

static void an_empty_or_overlong_text_is_not_remembered(void **state)
{
	static char text[CACHE_KEY_MAX + 1];
	struct token_cache *cache = token_cache_new(8);

	(void)state;
	memset(text, 'x', sizeof text);
	put(cache, str_make(text, 0), 1);
	assert_false(knows(cache, str_make(text, 0), 1));
	put(cache, str_make(text, CACHE_KEY_MAX), 2);
	assert_true(knows(cache, str_make(text, CACHE_KEY_MAX), 2));
	put(cache, str_make(text, CACHE_KEY_MAX + 1), 3);
	assert_false(knows(cache, str_make(text, CACHE_KEY_MAX + 1), 3));
	token_cache_free(cache);
}

static void a_cache_without_room_remembers_nothing(void **state)
{
	struct token_cache *cache = token_cache_new(0);

	(void)state;
	assert_non_null(cache);
	put(cache, STR_LIT("token"), 1);
	assert_false(knows(cache, STR_LIT("token"), 1));
	token_cache_free(cache);
	token_cache_free(NULL);
	validate_cache_free(NULL);
	cache_free(NULL);
}

static void the_least_recently_used_makes_room(void **state)
{
	struct token_cache *cache = token_cache_new(8);		/* one set */

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		put(cache, str_make(&"abcdefgh"[i], 1), i);
	/* "b" is now the one that was left alone for the longest time, then "d". */
	assert_true(knows(cache, STR_LIT("a"), 0));
	put(cache, STR_LIT("c"), 2);
	put(cache, STR_LIT("i"), 8);
	assert_false(knows(cache, STR_LIT("b"), 1));
	put(cache, STR_LIT("j"), 9);
	assert_false(knows(cache, STR_LIT("d"), 3));
	for (uint64_t i = 0; i < 10; i++)
		if (i != 1 && i != 3)
			assert_true(knows(cache, str_make(&"abcdefghij"[i], 1), i));
	token_cache_free(cache);
}

/* --- bounds --- */

static void nothing(struct str value, void *arg)
{
	(void)value;
	(void)arg;
}

static void a_cache_holds_so_many_entries_and_no_more(void **state)
{
	enum { ENTRIES = 1000 };
	struct cache *cache = cache_new(ENTRIES, 64);
	size_t found = 0;
	char key[32];

	(void)state;
	for (int i = 0; i < 20 * ENTRIES; i++) {
		int n = snprintf(key, sizeof key, "user number %d", i);

		cache_put(cache, str_make(key, (size_t)n), STR_LIT("v"));
		/* The newest one is there whatever happens. */
		assert_true(cache_get(cache, str_make(key, (size_t)n), nothing, NULL));
	}
	assert_true(cache_count(cache) <= ENTRIES);
	assert_true(cache_count(cache) > ENTRIES * 95 / 100);
	cache_free(cache);

	/* Half full: keys that look alike spread well, so that few have to go. */
	cache = cache_new(ENTRIES, 64);
	for (int i = 0; i < ENTRIES / 2; i++)
		cache_put(cache, str_make(key, (size_t)snprintf(key, sizeof key, "user number %d", i)), STR_LIT("v"));
	for (int i = 0; i < ENTRIES / 2; i++)
		found += cache_get(cache, str_make(key, (size_t)snprintf(key, sizeof key, "user number %d", i)), nothing, NULL);
	assert_true(found > ENTRIES / 2 * 95 / 100);
	cache_free(cache);
}

static void a_cache_holds_so_many_bytes_and_no_more(void **state)
{
	enum { ENTRIES = 64, BYTES = 100 };
	static char text[5000];
	struct cache *cache = cache_new(ENTRIES, BYTES);
	char key[32];

	(void)state;
	memset(text, 'v', sizeof text);
	for (int i = 0; i < 2000; i++) {
		int n = snprintf(key, sizeof key, "%d", i);

		cache_put(cache, str_make(key, (size_t)n), str_make(text, (size_t)i * 37 % 790));
		assert_true(cache_bytes(cache) <= (size_t)ENTRIES * BYTES);
	}
	cache_free(cache);

	/* One that is larger than its whole set is kept, alone. */
	cache = cache_new(8, BYTES);
	cache_put(cache, STR_LIT("a"), str_make(text, 10));
	cache_put(cache, STR_LIT("b"), str_make(text, 10));
	cache_put(cache, STR_LIT("large"), str_make(text, sizeof text));
	assert_int_equal(cache_count(cache), 1);
	assert_true(cache_get(cache, STR_LIT("large"), nothing, NULL));
	cache_put(cache, STR_LIT("a"), str_make(text, 10));
	assert_int_equal(cache_count(cache), 1);
	assert_true(cache_get(cache, STR_LIT("a"), nothing, NULL));
	/* The same key again takes no place of its own. */
	for (int i = 0; i < 8; i++)
		cache_put(cache, STR_LIT("a"), str_make(text, 10));
	assert_int_equal(cache_count(cache), 1);
	assert_int_equal(cache_bytes(cache), 11);
	/* Exactly full, and one byte more. */
	for (int i = 0; i < 8; i++)
		cache_put(cache, str_make(&"12345678"[i], 1), str_make(text, BYTES - 1));
	assert_int_equal(cache_count(cache), 8);
	cache_put(cache, STR_LIT("8"), str_make(text, BYTES));
	assert_int_equal(cache_count(cache), 7);
	cache_free(cache);
}

/* --- threads --- */

enum { THREADS = 4, ROUNDS = 20000, TEXTS = 200 };

struct worker {
	pthread_t thread;
	struct token_cache *cache;
	unsigned seed;
	size_t hits;
	bool wrong;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	char text[600];

	memset(text, 'x', sizeof text);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned which = (unsigned)rand_r(&worker->seed) % TEXTS;
		struct str key = str_make(text, 100 + which % 400);
		struct token_entry entry = { which, which, which, which, which };

		snprintf(text, 16, "text %u", which);
		text[15] = 'x';
		if (token_cache_get(worker->cache, key, &entry)) {
			worker->hits++;
			worker->wrong = worker->wrong || entry.project != which || entry.expires_at != (int64_t)which;
		} else {
			token_cache_put(worker->cache, key, &entry);
		}
	}
	return NULL;
}

static void several_threads_see_each_others_entries_whole(void **state)
{
	struct token_cache *cache = token_cache_new(128);	/* fewer than there are texts, so that some go */
	struct worker workers[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .cache = cache, .seed = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_false(workers[i].wrong);
		assert_true(workers[i].hits > 0);
	}
	token_cache_free(cache);
}

/* --- answers to validate --- */

static void an_answer_is_good_for_sixty_seconds(void **state)
{
	struct validate_cache *cache = validate_cache_new(100);
	struct arena *arena = arena_new(4096);
	const struct validate_entry answer = { 42, 1699999990, 1700000000, STR_LIT("{\"jwt\":\"...\"}"), 7 };
	struct validate_entry entry;

	(void)state;
	assert_false(validate_cache_get(cache, 7, 1, STR_LIT("data"), 1700000000, arena, &entry));
	validate_cache_put(cache, 7, 1, STR_LIT("data"), &answer);
	for (int64_t later = 0; later < VALIDATE_CACHE_S; later += 59) {
		assert_true(validate_cache_get(cache, 7, 1, STR_LIT("data"), 1700000000 + later, arena, &entry));
		assert_int_equal(entry.telegram_id, 42);
		assert_int_equal(entry.auth_date, 1699999990);
		assert_int_equal(entry.made_at, 1700000000);
		assert_true(str_eq(entry.reply, answer.reply));
	}
	assert_false(validate_cache_get(cache, 7, 1, STR_LIT("data"), 1700000060, arena, &entry));
	assert_false(validate_cache_get(cache, 7, 1, STR_LIT("data"), 1699999999, arena, &entry));
	validate_cache_free(cache);
	arena_free(arena);
}

static void an_answer_belongs_to_one_project_generation_and_text(void **state)
{
	struct validate_cache *cache = validate_cache_new(100);
	struct arena *arena = arena_new(4096);
	const struct validate_entry answer = { 42, 1, 1, STR_LIT("reply"), 0 };
	struct validate_entry entry;

	(void)state;
	validate_cache_put(cache, 7, 1, STR_LIT("data"), &answer);
	assert_false(validate_cache_get(cache, 8, 1, STR_LIT("data"), 1, arena, &entry));
	assert_false(validate_cache_get(cache, 7, 2, STR_LIT("data"), 1, arena, &entry));
	assert_false(validate_cache_get(cache, 7, 1, STR_LIT("datb"), 1, arena, &entry));
	assert_false(validate_cache_get(cache, 7, 1, STR_LIT("data "), 1, arena, &entry));
	assert_false(validate_cache_get(cache, 1, 7, STR_LIT("data"), 1, arena, &entry));
	assert_true(validate_cache_get(cache, 7, 1, STR_LIT("data"), 1, arena, &entry));
	validate_cache_free(cache);
	arena_free(arena);
}

static void an_answer_that_does_not_fit_is_not_found(void **state)
{
	struct validate_cache *cache = validate_cache_new(8);
	struct arena *arena = arena_new(8);
	const struct validate_entry answer = { 42, 1, 1, STR_LIT("a reply of some length"), 0 };
	struct validate_entry entry;

	(void)state;
	validate_cache_put(cache, 7, 1, STR_LIT("data"), &answer);
	assert_false(validate_cache_get(cache, 7, 1, STR_LIT("data"), 1, arena, &entry));
	validate_cache_free(cache);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_comes_back_as_it_was_put),
		cmocka_unit_test(only_the_whole_text_is_known),
		cmocka_unit_test(an_empty_or_overlong_text_is_not_remembered),
		cmocka_unit_test(a_cache_without_room_remembers_nothing),
		cmocka_unit_test(the_least_recently_used_makes_room),
		cmocka_unit_test(a_cache_holds_so_many_entries_and_no_more),
		cmocka_unit_test(a_cache_holds_so_many_bytes_and_no_more),
		cmocka_unit_test(several_threads_see_each_others_entries_whole),
		cmocka_unit_test(an_answer_is_good_for_sixty_seconds),
		cmocka_unit_test(an_answer_belongs_to_one_project_generation_and_text),
		cmocka_unit_test(an_answer_that_does_not_fit_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
