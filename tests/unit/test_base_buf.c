/*
 * test_base_buf.c - text that grows up to its maximum, and not a byte further.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static struct arena *arena;

static struct buf fresh(size_t max)
{
	struct buf buf;

	arena_reset(arena);
	buf_init(&buf, arena, max);
	return buf;
}

static void what_is_added_stands_there_in_order(void **state)
{
	struct buf buf = fresh(1000);

	(void)state;
	assert_true(buf_ok(&buf) && buf_str(&buf).n == 0);
	buf_add(&buf, STR_LIT("a\0b"));
	buf_add(&buf, str_make(NULL, 0));
	buf_add_c(&buf, "cd");
	buf_add_char(&buf, 'e');
	buf_add_u64(&buf, 0);
	buf_add_u64(&buf, 10);
	buf_add_u64(&buf, UINT64_MAX);
	buf_addf(&buf, "<%s %d>", "x", -1);
	assert_true(buf_ok(&buf));
	assert_true(str_eq(buf_str(&buf), STR_LIT("a\0bcde01018446744073709551615<x -1>")));
}

static void growing_keeps_what_was_there(void **state)
{
	struct buf buf = fresh(1 << 20);

	(void)state;
	for (int i = 0; i < 20000; i++)
		buf_add_u64(&buf, (uint64_t)i % 10);
	assert_true(buf_ok(&buf));
	assert_int_equal(buf.n, 20000);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(buf.p[i], '0' + i % 10);
}

static void it_takes_its_maximum_and_no_more(void **state)
{
	static const size_t maxima[] = { 0, 1, 5, 255, 256, 257, 1000, 4096 };

	(void)state;
	for (size_t i = 0; i < sizeof maxima / sizeof maxima[0]; i++) {
		for (int whole = 0; whole < 2; whole++) {
			struct buf buf = fresh(maxima[i]);
			char text[4096];

			memset(text, 'x', sizeof text);
			if (whole)
				buf_add(&buf, str_make(text, maxima[i]));
			else
				for (size_t n = 0; n < maxima[i]; n++)
					buf_add_char(&buf, 'x');
			assert_true(buf_ok(&buf));
			assert_int_equal(buf.n, maxima[i]);
			buf_add(&buf, STR_LIT(""));
			assert_true(buf_ok(&buf));
			buf_add_char(&buf, 'y');
			assert_false(buf_ok(&buf));
		}
	}
}

static void formatted_text_may_fill_it_to_the_last_byte(void **state)
{
	static const char text[] = "12345678901234567890123456789012345678901234567890";

	(void)state;
	for (size_t max = 0; max < 50; max++) {
		struct buf buf = fresh(max);

		buf_addf(&buf, "%.*s", (int)max, text);
		assert_true(buf_ok(&buf));
		assert_true(str_eq(buf_str(&buf), str_make(text, max)));
		buf = fresh(max);
		buf_addf(&buf, "%.*s", (int)max + 1, text);
		assert_false(buf_ok(&buf));
	}
	/* The same at the end of what it has taken from the arena so far. */
	for (size_t n = 250; n < 260; n++) {
		struct buf buf = fresh(1000);

		for (size_t i = 0; i < n; i++)
			buf_add_char(&buf, 'x');
		buf_addf(&buf, "%s", "");
		buf_addf(&buf, "%d", 123);
		assert_true(buf_ok(&buf));
		assert_true(buf.n == n + 3 && memcmp(buf.p + n, "123", 3) == 0);
	}
}

/* vsnprintf() ends with a NUL, and the byte behind may be somebody else's. */
static void formatted_text_does_not_write_behind_its_end(void **state)
{
	struct buf buf = fresh(256);
	char *neighbour;

	(void)state;
	for (int i = 0; i < 253; i++)
		buf_add_char(&buf, 'x');
	neighbour = arena_alloc(arena, 1);
	*neighbour = '!';
	buf_addf(&buf, "%d", 123);
	assert_true(buf_ok(&buf) && buf.n == 256);
	assert_int_equal(*neighbour, '!');
}

static void an_error_sticks(void **state)
{
	struct buf buf = fresh(5);

	(void)state;
	buf_add_c(&buf, "123456");
	assert_false(buf_ok(&buf));
	buf_add_char(&buf, 'x');
	buf_addf(&buf, "y");
	buf_add_u64(&buf, 1);
	assert_false(buf_ok(&buf));
	assert_int_equal(buf.n, 0);
}

static void the_arenas_ceiling_ends_it_too(void **state)
{
	struct arena *small = arena_new(1000);
	struct buf buf;

	(void)state;
	buf_init(&buf, small, SIZE_MAX);
	for (int i = 0; i < 1000; i++)
		buf_add_char(&buf, 'x');
	assert_false(buf_ok(&buf));
	assert_true(buf.n >= 256);
	arena_free(small);
}

static void a_piece_of_itself_may_be_added(void **state)
{
	struct buf buf = fresh(1000);

	(void)state;
	buf_add_c(&buf, "abc");
	for (int i = 0; i < 8; i++)
		buf_add(&buf, buf_str(&buf));
	assert_true(buf_ok(&buf) && buf.n == 768);
	for (size_t i = 0; i < buf.n; i++)
		assert_int_equal(buf.p[i], "abc"[i % 3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_stands_there_in_order),
		cmocka_unit_test(growing_keeps_what_was_there),
		cmocka_unit_test(it_takes_its_maximum_and_no_more),
		cmocka_unit_test(formatted_text_may_fill_it_to_the_last_byte),
		cmocka_unit_test(formatted_text_does_not_write_behind_its_end),
		cmocka_unit_test(an_error_sticks),
		cmocka_unit_test(the_arenas_ceiling_ends_it_too),
		cmocka_unit_test(a_piece_of_itself_may_be_added),
	};
	int failed;

	arena = arena_new(1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
