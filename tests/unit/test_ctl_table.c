/*
 * test_ctl_table.c - columns line up, and nothing reaches a terminal that could steer it.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/table.h"

static void expect_printed(const struct table *table, const char *expected)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	table_print(table, out);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct table table;

	(void)state;
	table_init(&table, arena, 3);
	table_add_c(&table, (const char *const[]){ "NAME", "N", "STATE" });
	table_add_c(&table, (const char *const[]){ "a-long-name", "12", "on" });
	table_add_c(&table, (const char *const[]){ "b", "1234", "off" });
	expect_printed(&table, "NAME         N     STATE\n"
			       "a-long-name  12    on\n"
			       "b            1234  off\n");
	arena_free(arena);
}

static void numbers_stand_at_the_right_edge(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct table table;

	(void)state;
	table_init(&table, arena, 3);
	table_right(&table, 1);
	table_add_c(&table, (const char *const[]){ "C", "VALUE", "WHAT" });
	table_add_c(&table, (const char *const[]){ "reads", "7", "keys" });
	expect_printed(&table, "C      VALUE  WHAT\n"
			       "reads      7  keys\n");
	arena_free(arena);
}

static void empty_cells_leave_no_spaces_at_the_end(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct table table;

	(void)state;
	table_init(&table, arena, 3);
	table_add_c(&table, (const char *const[]){ "aa", "bb", "cc" });
	table_add_c(&table, (const char *const[]){ "a", "", "" });
	table_add_c(&table, (const char *const[]){ "a", "", "c" });
	table_add_c(&table, (const char *const[]){ "", "", "" });
	expect_printed(&table, "aa  bb  cc\n"
			       "a\n"
			       "a       c\n"
			       "\n");
	arena_free(arena);
}

static void a_character_of_many_bytes_is_one_wide(void **state)
{
	(void)state;
	assert_int_equal(table_width(STR_LIT("")), 0);
	assert_int_equal(table_width(STR_LIT("abc")), 3);
	assert_int_equal(table_width(STR_LIT("\xd0\x90\xd0\xbb\xd1\x8f")), 3);
	assert_int_equal(table_width(STR_LIT("\xf0\x9f\x98\x80x")), 2);
	/* Bytes that are no character count one each: that is how they come out. */
	assert_int_equal(table_width(STR_LIT("\xff\xd0")), 2);
}

static void control_characters_come_out_as_question_marks(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct table table;

	(void)state;
	table_init(&table, arena, 1);
	table_add_c(&table, (const char *const[]){ "a\x1b[31mb\nc\td\x7f" });
	table_add_c(&table, (const char *const[]){ "\xc2\x9b""31m\xff\xd0\x90\xc2\xa0." });
	expect_printed(&table, "a?[31mb?c?d?\n"
			       "?31m?\xd0\x90\xc2\xa0.\n");
	arena_free(arena);
}

static void a_row_without_memory_is_noticed(void **state)
{
	struct arena *arena = arena_new(64);
	struct table table;

	(void)state;
	table_init(&table, arena, 8);
	table_add_c(&table, (const char *const[]){ "1", "2", "3", "4", "5", "6", "7", "8" });
	assert_true(table.failed);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(numbers_stand_at_the_right_edge),
		cmocka_unit_test(empty_cells_leave_no_spaces_at_the_end),
		cmocka_unit_test(a_character_of_many_bytes_is_one_wide),
		cmocka_unit_test(control_characters_come_out_as_question_marks),
		cmocka_unit_test(a_row_without_memory_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
