/*
 * test_base_arena.c - memory that is handed out up to a ceiling and given back whole.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void pieces_are_aligned_and_do_not_overlap(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	unsigned char *pieces[300];

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		pieces[i] = arena_alloc(arena, i);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		memset(pieces[i], (int)(i & 0xff), i);
	}
	for (size_t i = 0; i < 300; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal(pieces[i][k], i & 0xff);
	arena_free(arena);
}

static void the_ceiling_counts_what_was_asked_for(void **state)
{
	struct arena *arena = arena_new(10000);

	(void)state;
	assert_non_null(arena_alloc(arena, 1));
	assert_non_null(arena_alloc(arena, 9998));
	assert_int_equal(arena_used(arena), 9999);
	assert_null(arena_alloc(arena, 2));
	assert_int_equal(arena_used(arena), 9999);
	assert_non_null(arena_alloc(arena, 1));
	assert_null(arena_alloc(arena, 1));
	assert_non_null(arena_alloc(arena, 0));
	arena_reset(arena);
	assert_int_equal(arena_used(arena), 0);
	assert_null(arena_alloc(arena, 10001));
	assert_non_null(arena_alloc(arena, 10000));
	arena_free(arena);
}

/* With no ceiling to speak of, rounding up must not wrap around. */
static void a_size_that_cannot_be_is_refused(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);

	(void)state;
	for (size_t less = 0; less < 100; less++)
		assert_null(arena_alloc(arena, SIZE_MAX - less));
	assert_null(arena_alloc(arena, (size_t)PTRDIFF_MAX));
	assert_null(arena_zero(arena, SIZE_MAX));
	assert_null(arena_dup(arena, str_make("x", SIZE_MAX)).p);
	assert_null(arena_dup(arena, str_make("x", SIZE_MAX - 1)).p);
	assert_int_equal(arena_used(arena), 0);
	assert_non_null(arena_alloc(arena, 100));
	arena_free(arena);
}

static void a_reset_arena_is_as_new(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	void *first = arena_alloc(arena, 1);

	(void)state;
	arena_reset(arena);
	for (int i = 0; i < 100; i++) {
		/* The block that was there from the start is used again. */
		assert_ptr_equal(arena_alloc(arena, 1), first);
		for (size_t n = 1; n < 100000; n *= 3) {
			char *piece = arena_zero(arena, n);

			assert_non_null(piece);
			assert_int_equal(piece[0] | piece[n - 1], 0);
			memset(piece, 0xff, n);
		}
		arena_reset(arena);
	}
	arena_free(arena);
	arena_free(NULL);
}

static void copies_end_with_a_nul_that_does_not_count(void **state)
{
	struct arena *arena = arena_new(100);
	struct str s = arena_dup(arena, STR_LIT("a\0b"));

	(void)state;
	assert_true(str_eq(s, STR_LIT("a\0b")));
	assert_int_equal(s.p[3], 0);
	s = arena_dup(arena, str_make(NULL, 0));
	assert_non_null(s.p);
	assert_true(s.n == 0 && s.p[0] == '\0');
	arena_reset(arena);
	assert_non_null(arena_dup(arena, str_make("0123456789012345678901234567890123456789012345678901234567890123456789"
						  "01234567890123456789012345678", 99)).p);
	arena_reset(arena);
	assert_null(arena_dup(arena, str_make("0123456789012345678901234567890123456789012345678901234567890123456789"
					      "012345678901234567890123456789", 100)).p);
	arena_free(arena);
}

static void formatted_text_fits_or_is_null(void **state)
{
	struct arena *arena = arena_new(10);
	struct str s = arena_printf(arena, "%s-%d", "abcdef", 42);

	(void)state;
	assert_true(str_eq(s, STR_LIT("abcdef-42")));
	assert_int_equal(s.p[9], 0);
	arena_reset(arena);
	assert_null(arena_printf(arena, "%s-%d", "abcdefg", 42).p);
	assert_true(arena_printf(arena, "%s", "").n == 0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_do_not_overlap),
		cmocka_unit_test(the_ceiling_counts_what_was_asked_for),
		cmocka_unit_test(a_size_that_cannot_be_is_refused),
		cmocka_unit_test(a_reset_arena_is_as_new),
		cmocka_unit_test(copies_end_with_a_nul_that_does_not_count),
		cmocka_unit_test(formatted_text_fits_or_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
