/*
 * test_base_jarray.c - an array's elements one by one are the array.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/jarray.h"

/* The elements joined by '|', and how it ended: '.' the end, '!' bad. */
static const char *taken_apart(const char *text)
{
	static char out[256];
	struct jarray array;
	enum jarray_step step;
	struct str item;
	size_t n = 0;

	jarray_init(&array, str_c(text));
	while ((step = jarray_next(&array, &item)) == JARRAY_ITEM)
		n += (size_t)snprintf(out + n, sizeof out - n, "%.*s|", STR(item));
	snprintf(out + n, sizeof out - n, "%c", step == JARRAY_END ? '.' : '!');
	return out;
}

static void elements_come_one_by_one(void **state)
{
	(void)state;
	assert_string_equal(taken_apart("[]"), ".");
	assert_string_equal(taken_apart(" \t\r\n[ ] \n"), ".");
	assert_string_equal(taken_apart("[1]"), "1|.");
	assert_string_equal(taken_apart("[1,2,3]"), "1|2|3|.");
	assert_string_equal(taken_apart("[ {\"a\":[1,{\"b\":2}]} ,\n[[],[]] , \"x\"]"), "{\"a\":[1,{\"b\":2}]} |[[],[]] |\"x\"|.");
	assert_string_equal(taken_apart("[\"a,b]\",\"\\\"]\",\"\\\\\"]"), "\"a,b]\"|\"\\\"]\"|\"\\\\\"|.");
	assert_string_equal(taken_apart("[{\"k\":\"}]\\\"\"},null]"), "{\"k\":\"}]\\\"\"}|null|.");
}

static void what_is_no_array_or_breaks_off_is_bad(void **state)
{
	static const char *const bad[] = { "", " ", "{}", "1", "\"[]\"", "[", "[1", "[1,", "[1,]", "[,]", "[,1]", "[1 2]x",
		"[\"", "[\"a", "[\"\\", "[{]", "[{\"a\":1]", "[1]]", "[1]x", "[1] [2]", "[]]", "]", "[1,,2]" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *out = taken_apart(bad[i]);

		if (out[strlen(out) - 1] != '!')
			fail_msg("%s: %s", bad[i], out);
	}
}

static void the_end_stays_the_end(void **state)
{
	struct jarray array;
	struct str item;

	(void)state;
	jarray_init(&array, STR_LIT("[1]"));
	assert_int_equal(jarray_next(&array, &item), JARRAY_ITEM);
	assert_int_equal(jarray_next(&array, &item), JARRAY_END);
	assert_int_equal(jarray_next(&array, &item), JARRAY_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_come_one_by_one),
		cmocka_unit_test(what_is_no_array_or_breaks_off_is_bad),
		cmocka_unit_test(the_end_stays_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
