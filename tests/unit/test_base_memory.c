/*
 * test_base_memory.c - what happens when memory runs out: each allocation fails in turn.
 *
 * This program's malloc() stands before the C library's, so the allocations of json-c
 * are counted as well. Sanitizers bring their own malloc: then there is nothing to test.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/jdoc.h"
#include "base/metric.h"

#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define OTHER_MALLOC 1
#endif
#elif defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define OTHER_MALLOC 1
#endif

#if defined OTHER_MALLOC || !defined __GLIBC__
int main(void)
{
	return 77;
}
#else

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static long left = -1;	/* allocations that may still succeed; below 0 no end */
static bool only_one;	/* after one that failed, all succeed again */
static bool failed;	/* one was refused */
static long alive;	/* pieces not yet freed */

static bool may_allocate(void)
{
	if (left > 0)
		left--;
	else if (left == 0) {
		failed = true;
		if (only_one)
			left = -1;
		errno = ENOMEM;
		return false;
	}
	return true;
}

static void *counted(void *p)
{
	alive += p != NULL;
	return p;
}

void *malloc(size_t n)
{
	return may_allocate() ? counted(__libc_malloc(n)) : NULL;
}

void *calloc(size_t n, size_t size)
{
	return may_allocate() ? counted(__libc_calloc(n, size)) : NULL;
}

void *realloc(void *p, size_t n)
{
	void *moved = may_allocate() ? __libc_realloc(p, n) : NULL;

	if (p == NULL)
		counted(moved);
	return moved;
}

void *aligned_alloc(size_t alignment, size_t n)
{
	return may_allocate() ? counted(__libc_memalign(alignment, n)) : NULL;
}

void __libc_free(void *p);

void free(void *p)
{
	alive -= p != NULL;
	__libc_free(p);
}

/* json-c loses the name of a member when the object's table cannot grow. */
enum { NOTHING_LOST = 0, JSON_C_LOSES_A_NAME = 1 };

/*
 * Runs WORK again and again, and each time one allocation more succeeds before the one
 * that fails, alone or with all that follow. WORK may answer false then, but must give
 * back what it took, except for so many pieces.
 */
static void fail_each(bool (*work)(void), long lost)
{
	for (int i = 0; i < 2; i++) {
		long n = 0;

		only_one = i == 1;
		do {
			long before = alive;
			bool done;

			assert_true(n < 1000);
			failed = false;
			left = n++;
			done = work();
			left = -1;
			assert_in_range(alive - before, 0, failed ? lost : 0);
			assert_true(done || failed);
		} while (failed);
		assert_true(n > 1);
	}
}

static bool use_arena(void)
{
	struct arena *arena = arena_new(1 << 20);
	bool ok;

	if (arena == NULL)
		return false;
	ok = arena_alloc(arena, 100) != NULL && arena_alloc(arena, 100000) != NULL &&
	     arena_dup(arena, STR_LIT("abc")).p != NULL && arena_zero(arena, 9000) != NULL &&
	     arena_printf(arena, "%9000d", 1).p != NULL;
	if (ok)
		assert_int_equal(arena_used(arena), 100 + 100000 + 4 + 9000 + 9001);
	arena_reset(arena);
	arena_free(arena);
	return ok;
}

static bool use_buf(void)
{
	struct arena *arena = arena_new(1 << 20);
	struct buf buf;
	bool ok;

	if (arena == NULL)
		return false;
	buf_init(&buf, arena, 100000);
	for (int i = 0; i < 10000; i++)
		buf_add_u64(&buf, 7);
	ok = buf_ok(&buf);
	assert_true(!ok || buf.n == 10000);
	arena_free(arena);
	return ok;
}

static const char document[] =
	"{\"name\":\"with \\u00e9scape\",\"plain\":\"text\",\"list\":[1,-2.5,true,null,[[]],{},12345678901234567890123],"
	"\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9,\"10\":10,\"11\":11,\"12\":12,\"13\":{\"a\":{}},"
	"\"\\n\":\"a string that is long enough to need memory of its own\"}";

static bool read_document(void)
{
	json_object *doc = jdoc_read(str_make(document, sizeof document - 1), 8);

	json_object_put(doc);
	return doc != NULL;
}

/* Text is whole or NULL: never one with something missing. */
static bool write_document(void)
{
	static const char expected[] =
		"{\"name\":\"with \xc3\xa9scape\",\"plain\":\"text\",\"list\":[1,-2.5,true,null,[[]],{},12345678901234567890123],"
		"\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9,\"10\":10,\"11\":11,\"12\":12,\"13\":{\"a\":{}},"
		"\"\\n\":\"a string that is long enough to need memory of its own\"}";
	long rest = left;
	json_object *doc;
	struct arena *arena;
	struct str text;

	left = -1;
	doc = jdoc_read(str_make(document, sizeof document - 1), 8);
	arena = arena_new(1 << 20);
	left = rest;
	text = jdoc_text(doc, arena);
	if (text.p != NULL)
		assert_true(str_eq(text, str_make(expected, sizeof expected - 1)));
	json_object_put(doc);
	arena_free(arena);
	return text.p != NULL;
}

static bool add_members(void)
{
	json_object *doc = json_object_new_object();
	struct str s;
	int64_t n;
	bool ok, flag;

	if (doc == NULL)
		return false;
	ok = jdoc_add_str(doc, "s", STR_LIT("text"));
	assert_true(ok == jdoc_str(doc, "s", &s) && ok == jdoc_has(doc, "s"));
	ok = ok && jdoc_add_i64(doc, "n", 1);
	assert_true(ok == jdoc_i64(doc, "n", &n) && ok == jdoc_has(doc, "n"));
	ok = ok && jdoc_add_bool(doc, "b", true);
	assert_true(ok == jdoc_bool(doc, "b", &flag) && ok == jdoc_has(doc, "b"));
	/* Beyond the 16 places that an object begins with. */
	for (char name[] = "a"; ok && name[0] < 'z'; name[0]++)
		ok = jdoc_add_i64(doc, name, 1);
	json_object_put(doc);
	return ok;
}

static void an_arena_without_memory_answers_null(void **state)
{
	(void)state;
	fail_each(use_arena, NOTHING_LOST);
}

static void a_buffer_without_memory_says_so(void **state)
{
	(void)state;
	fail_each(use_buf, NOTHING_LOST);
}

static void a_document_without_memory_is_null_and_nothing_leaks(void **state)
{
	(void)state;
	fail_each(read_document, JSON_C_LOSES_A_NAME);
}

static void a_text_without_memory_is_null_not_half(void **state)
{
	(void)state;
	fail_each(write_document, NOTHING_LOST);
}

static void members_without_memory_are_not_added(void **state)
{
	(void)state;
	fail_each(add_members, JSON_C_LOSES_A_NAME);
}

static void a_thread_without_memory_counts_in_the_spare_slot(void **state)
{
	uint64_t before = metric_sum(METRIC_READS);

	(void)state;
	left = 0;
	only_one = true;
	metric_add(metric_slot(), METRIC_READS, 3);
	left = -1;
	assert_int_equal(metric_sum(METRIC_READS) - before, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_without_memory_answers_null),
		cmocka_unit_test(a_buffer_without_memory_says_so),
		cmocka_unit_test(a_document_without_memory_is_null_and_nothing_leaks),
		cmocka_unit_test(a_text_without_memory_is_null_not_half),
		cmocka_unit_test(members_without_memory_are_not_added),
		cmocka_unit_test(a_thread_without_memory_counts_in_the_spare_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
