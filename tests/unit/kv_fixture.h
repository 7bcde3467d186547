/*
 * kv_fixture.h - keys over a store of their own, for tests of kv/; one set for each program.
 *
 * The sweeper works by the clock on the wall and when it likes: it is stopped, and a test that wants something
 * swept does it itself.
 */
#ifndef TESTS_UNIT_KV_FIXTURE_H
#define TESTS_UNIT_KV_FIXTURE_H

#include "store_fixture.h"

#include "kv/kv.h"
#include "store/expire.h"

static struct fixture fixture;
static struct kv *kv;
static struct arena *arena;

static inline void kv_fixture_open(void)
{
	assert_int_equal(kv_open(&kv, fixture.store), RC_OK);
	store_sweeper_stop(fixture.store);
}

static inline int kv_fixture_start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	kv_fixture_open();
	arena = arena_new(64 << 20);
	return 0;
}

static inline int kv_fixture_stop(void **state)
{
	(void)state;
	arena_free(arena);
	kv_close(kv);
	fixture_stop(&fixture);
	return 0;
}

/* kv_fixture_reopen - the store as it is after a start: nothing of it is in memory. */
static inline void kv_fixture_reopen(void)
{
	kv_close(kv);
	store_close(fixture.store);
	fixture_open(&fixture);
	kv_fixture_open();
}

/* The names of the page that kv_fixture_list() read last, in ARENA. */
static struct kv_name *page_names;

static inline struct str kv_fixture_copy(struct str s)
{
	return s.n == 0 ? s : arena_dup(arena, s);
}

static inline void kv_fixture_take(void *to, const struct kv_name *name)
{
	const struct kv_list *list = to;

	assert_true(list->n_names < list->limit);
	page_names[list->n_names] = (struct kv_name){
		kv_fixture_copy(name->name), kv_fixture_copy(name->metadata), name->expires_at
	};
}

/* kv_fixture_list - a page, which must succeed. */
static inline void kv_fixture_list(struct kv_list *list)
{
	page_names = arena_alloc(arena, list->limit * sizeof *page_names);
	list->take = kv_fixture_take;
	list->to = list;
	assert_int_equal(kv_list(kv, list, arena), RC_OK);
}

#define OVER_A_STORE(test) cmocka_unit_test_setup_teardown(test, kv_fixture_start, kv_fixture_stop)

#endif
