/*
 * test_base_jraw.c - JSON taken apart byte for byte.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/jraw.h"

static void expect_parts(const char *text, const char *expected)
{
	char out[512] = "";
	struct str name, value;
	struct jraw walk;
	size_t n = 0;

	assert_true(jraw_open(&walk, str_c(text)));
	while (jraw_next(&walk, &name, &value))
		n += (size_t)snprintf(out + n, sizeof out - n, "%.*s=%.*s|", STR(name), STR(value));
	assert_string_equal(out, expected);
}

static void parts_come_out_as_they_are_written(void **state)
{
	struct jraw walk;

	(void)state;
	expect_parts("{}", "");
	expect_parts(" [ ] ", "");
	expect_parts("{\"a\":1,\"\\u0062\\\"\":{\"c\":[1,2]},\"d\":\"}\"}", "\"a\"=1|\"\\u0062\\\"\"={\"c\":[1,2]}|\"d\"=\"}\"|");
	expect_parts(" { \"a\" : -0.0e5 , \"b\" : null } ", "\"a\"=-0.0e5|\"b\"=null|");
	expect_parts("[1,\"]\",[[]],{\"a\":[]},\"\\\\\"]", "=1|=\"]\"|=[[]]|={\"a\":[]}|=\"\\\\\"|");
	assert_false(jraw_open(&walk, STR_LIT("\"a\"")));
	assert_false(jraw_open(&walk, STR_LIT("")));
}

static void a_member_is_found_by_its_name(void **state)
{
	struct str text = STR_LIT("{\"x\":{\"value\":0},\"value\":\"a\\n\",\"n\":null}");

	(void)state;
	assert_true(str_eq(jraw_member(text, "value"), STR_LIT("\"a\\n\"")));
	assert_true(str_eq(jraw_inside(jraw_member(text, "value")), STR_LIT("a\\n")));
	assert_true(str_eq(jraw_member(text, "n"), STR_LIT("null")));
	assert_int_equal(jraw_inside(jraw_member(text, "n")).n, 0);
	assert_int_equal(jraw_member(text, "y").n, 0);
	assert_int_equal(jraw_member(STR_LIT("[1]"), "y").n, 0);
}

static void strings_are_read_with_their_escapes(void **state)
{
	static const struct { const char *text, *plain; } rows[] = {
		{ "\"\"", "" },
		{ "\"abc\"", "abc" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
		{ "\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!" },
		{ "\"\\ud83dx\"", "\xed\xa0\xbdx" },
		{ "\"\\ud83d\\u0041\"", "\xed\xa0\xbd" "A" },
		{ "\"\\ude00\"", "\xed\xb8\x80" },
	};
	char out[64];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct str text = str_c(rows[i].text), plain = str_c(rows[i].plain);

		assert_true(jraw_decode(text, out, sizeof out, &n));
		assert_true(str_eq(str_make(out, n), plain));
		assert_true(jraw_decode(text, out, plain.n, &n));
		assert_true(plain.n == 0 || !jraw_decode(text, out, plain.n - 1, &n));
		assert_true(jraw_is(text, plain));
		assert_false(jraw_is(text, STR_LIT("another")));
		assert_true(plain.n == 0 || !jraw_is(text, str_make(plain.p, plain.n - 1)));
	}
	assert_false(jraw_decode(STR_LIT("12"), out, sizeof out, &n));
	assert_false(jraw_is(STR_LIT("12"), STR_LIT("")));
	assert_true(jraw_is(STR_LIT("\"a\\u0000b\""), STR_LIT("a\0b")));
	assert_true(str_eq(jraw_trim(STR_LIT(" \t\r\n1 \n")), STR_LIT("1")));
}

static void expect_elements(const char *inside, size_t max, size_t n, const char *left)
{
	const char *p = inside;

	assert_int_equal(jraw_elements(&p, inside + strlen(inside), max), n);
	assert_string_equal(p, left);
}

static void elements_are_counted_and_passed_over(void **state)
{
	(void)state;
	expect_elements("", SIZE_MAX, 0, "");
	expect_elements(" \n", SIZE_MAX, 0, "");
	expect_elements("1", SIZE_MAX, 1, "");
	expect_elements(" 1 , \",\" ,[2,3] ,{\"a\":[4,5]} ", SIZE_MAX, 4, "");
	expect_elements("1,\"\\\",\\\\\",[[],{}],4", 2, 2, "[[],{}],4");
	expect_elements("1,2", 0, 0, "1,2");
	expect_elements("1,2", 2, 2, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_come_out_as_they_are_written),
		cmocka_unit_test(a_member_is_found_by_its_name),
		cmocka_unit_test(elements_are_counted_and_passed_over),
		cmocka_unit_test(strings_are_read_with_their_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
