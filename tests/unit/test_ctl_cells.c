/*
 * test_ctl_cells.c - so many cells and no other number, whatever is to stand in them.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/cells.h"

#define HAN "\xe4\xbd\xa0"		/* two cells */
#define SMILE "\xf0\x9f\x98\x80"	/* two cells */
#define ACUTE "\xcc\x81"		/* combines: none */
#define ZWSP "\xe2\x80\x8b"
#define RLO "\xe2\x80\xae"		/* turns the direction */

static struct arena *arena;

static int start(void **state)
{
	(void)state;
	arena = arena_new(1 << 20);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

typedef void adder(struct buf *out, struct str s, size_t width);

static void expect(adder *add, struct str s, size_t width, const char *expected)
{
	struct buf out;

	buf_init(&out, arena, 4096);
	add(&out, s, width);
	buf_add_char(&out, '\0');
	assert_true(buf_ok(&out));
	assert_string_equal(out.p, expected);
}

static void what_fits_is_as_it_was(void **state)
{
	(void)state;
	expect(cells_add, STR_LIT("abc"), 3, "abc");
	expect(cells_add, STR_LIT(""), 0, "");
	expect(cells_add, STR_LIT(HAN SMILE), 4, HAN SMILE);
	assert_int_equal(cells_width(STR_LIT("a" HAN "\xd0\x90")), 4);
}

static void what_is_cut_says_so(void **state)
{
	(void)state;
	expect(cells_add, STR_LIT("abcd"), 3, "ab>");
	expect(cells_add, STR_LIT("abcd"), 1, ">");
	expect(cells_add, STR_LIT("abcd"), 0, "");
	/* Half of a wide character is none. */
	expect(cells_add, STR_LIT(HAN HAN), 3, HAN ">");
	expect(cells_add, STR_LIT(HAN HAN), 2, ">");
	expect(cells_add_left, STR_LIT(HAN HAN), 2, "> ");
	/* An escape is cut as a whole. */
	expect(cells_add_left, STR_LIT("a\nb"), 3, "a> ");
}

static void edges(void **state)
{
	(void)state;
	expect(cells_add_left, STR_LIT("ab"), 4, "ab  ");
	expect(cells_add_right, STR_LIT("ab"), 4, "  ab");
	expect(cells_add_right, STR_LIT(HAN), 3, " " HAN);
	expect(cells_add_right, STR_LIT("abcde"), 4, "abc>");
	expect(cells_add_right, STR_LIT(HAN HAN), 2, "> ");
	expect(cells_add_left, STR_LIT(""), 2, "  ");
}

static void nothing_steers_the_terminal(void **state)
{
	(void)state;
	expect(cells_add, STR_LIT("\x1b[2J"), 40, "\\x1b[2J");
	expect(cells_add, STR_LIT("a\r\n\tb\x7f\0"), 40, "a\\r\\n\\tb\\x7f\\x00");
	expect(cells_add, STR_LIT("\xc2\x9b""31m"), 40, "\\u009b31m");
	expect(cells_add, STR_LIT("\xff\xe4\xbd"), 40, "\\xff\\xe4\\xbd");
	expect(cells_add, STR_LIT("e" ACUTE ZWSP RLO "\xc2\xad"), 40, "e\\u0301\\u200b\\u202e\\u00ad");
	expect(cells_add, STR_LIT("\xf3\xa0\x80\x81"), 40, "\\U000e0001");
	/* So that what looks like an escape is one. */
	expect(cells_add, STR_LIT("\\x1b"), 40, "\\\\x1b");
}

/* Of every character there is: it has a width, and it is what comes out that has it. */
static void every_character_has_a_width(void **state)
{
	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		char text[4];
		size_t n = 0, width;
		struct buf out;

		if (code >= 0xd800 && code < 0xe000)
			continue;
		if (code < 0x80) {
			text[n++] = (char)code;
		} else if (code < 0x800) {
			text[n++] = (char)(0xc0 | code >> 6);
			text[n++] = (char)(0x80 | (code & 0x3f));
		} else if (code < 0x10000) {
			text[n++] = (char)(0xe0 | code >> 12);
			text[n++] = (char)(0x80 | (code >> 6 & 0x3f));
			text[n++] = (char)(0x80 | (code & 0x3f));
		} else {
			text[n++] = (char)(0xf0 | code >> 18);
			text[n++] = (char)(0x80 | (code >> 12 & 0x3f));
			text[n++] = (char)(0x80 | (code >> 6 & 0x3f));
			text[n++] = (char)(0x80 | (code & 0x3f));
		}
		width = cells_width(str_make(text, n));
		assert_in_range(width, 1, 10);
		arena_reset(arena);
		buf_init(&out, arena, 64);
		cells_add(&out, str_make(text, n), width);
		if (out.p[0] == '\\')
			assert_int_equal(out.n, width);
		else
			assert_true(str_eq(buf_str(&out), str_make(text, n)) && width <= 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_fits_is_as_it_was, start, stop),
		cmocka_unit_test_setup_teardown(what_is_cut_says_so, start, stop),
		cmocka_unit_test_setup_teardown(edges, start, stop),
		cmocka_unit_test_setup_teardown(nothing_steers_the_terminal, start, stop),
		cmocka_unit_test_setup_teardown(every_character_has_a_width, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
