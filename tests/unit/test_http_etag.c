/*
 * test_http_etag.c - lists of entity tags as RFC 9110 writes them, and what is none.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/etag.h"

/* "s(a)w(b)$" for "a", W/"b"; '!' in place of '$' where it breaks off. */
static void expect_tags(const char *text, const char *expected)
{
	struct str list = str_c(text);
	struct etag tag;
	enum etag_step step;
	char out[256] = "";
	size_t n = 0;

	while ((step = etag_next(&list, &tag)) == ETAG_NEXT)
		n += (size_t)snprintf(out + n, sizeof out - n, "%c(%.*s)", tag.weak ? 'w' : 's', STR(tag.opaque));
	snprintf(out + n, sizeof out - n, "%c", step == ETAG_END ? '$' : '!');
	assert_string_equal(out, expected);
}

static void tags_come_one_by_one(void **state)
{
	(void)state;
	expect_tags("\"1\"", "s(1)$");
	expect_tags("W/\"1\"", "w(1)$");
	expect_tags("\"\"", "s()$");
	expect_tags("\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", "s(xyzzy)s(r2d2xxxx)s(c3piozzzz)$");
	expect_tags("W/\"a\",\"b\"", "w(a)s(b)$");
	expect_tags("\"a,b\",\"c\\\"", "s(a,b)s(c\\)$");
	expect_tags("\"\xc3\xa9\x80!\"", "s(\xc3\xa9\x80!)$");
}

static void empty_elements_and_white_space_are_passed_over(void **state)
{
	(void)state;
	expect_tags(" \t\"1\" \t", "s(1)$");
	expect_tags(", ,\"1\" , ,\t\"2\",", "s(1)s(2)$");
	expect_tags("", "$");
	expect_tags(" , ", "$");
}

static void what_is_no_tag_is_malformed(void **state)
{
	static const char *const bad[] = {
		"1", "\"1", "1\"", "\"", "W/1", "w/\"1\"", "W / \"1\"", "W/ \"1\"", "W", "W/", "'1'", "*", "\"a b\"",
		"\"a\x01\"", "\"a\x7f\"", "\"a\tb\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		expect_tags(bad[i], "!");
	expect_tags("\"1\" \"2\"", "!");
	expect_tags("\"1\"W/\"2\"", "!");
	expect_tags("\"1\", *", "s(1)!");
	expect_tags("\"1\", 2", "s(1)!");
}

static void a_star_alone_is_any(void **state)
{
	(void)state;
	assert_true(etag_is_any(STR_LIT("*")));
	assert_true(etag_is_any(STR_LIT("\t * ")));
	assert_false(etag_is_any(STR_LIT("**")));
	assert_false(etag_is_any(STR_LIT("*,")));
	assert_false(etag_is_any(STR_LIT("\"*\"")));
	assert_false(etag_is_any(STR_LIT("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_come_one_by_one),
		cmocka_unit_test(empty_elements_and_white_space_are_passed_over),
		cmocka_unit_test(what_is_no_tag_is_malformed),
		cmocka_unit_test(a_star_alone_is_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
