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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_come_out_as_they_are_written),
		cmocka_unit_test(a_member_is_found_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
