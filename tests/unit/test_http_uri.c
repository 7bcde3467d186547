/*
 * test_http_uri.c - percent-decoding and query strings.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/uri.h"

enum { CEILING = 64 };

static int set_up(void **state)
{
	*state = arena_new(CEILING);
	return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	arena_free(*state);
	return 0;
}

static void assert_decodes(struct arena *arena, struct str raw, struct str expected)
{
	struct str out;

	arena_reset(arena);
	assert_int_equal(uri_decode(raw, arena, &out), RC_OK);
	assert_true(str_eq(out, expected));
}

static void escapes_become_their_bytes(void **state)
{
	assert_decodes(*state, STR_LIT("a%2Fb"), STR_LIT("a/b"));
	assert_decodes(*state, STR_LIT("a%2fb"), STR_LIT("a/b"));
	assert_decodes(*state, STR_LIT("%D0%BF%d1%80"), STR_LIT("\xd0\xbf\xd1\x80"));
	assert_decodes(*state, STR_LIT("%20%25"), STR_LIT(" %"));
	assert_decodes(*state, STR_LIT("a%00b"), STR_LIT("a\0b"));
	assert_decodes(*state, STR_LIT("%ff"), STR_LIT("\xff"));
}

static void decoding_happens_once(void **state)
{
	assert_decodes(*state, STR_LIT("a%252Fb"), STR_LIT("a%2Fb"));
}

static void a_plus_in_a_path_stays_a_plus(void **state)
{
	assert_decodes(*state, STR_LIT("a+b%2B"), STR_LIT("a+b+"));
}

static void what_needs_no_decoding_is_not_copied(void **state)
{
	const struct str raw = STR_LIT("user:1/profile");
	struct str out;

	assert_int_equal(uri_decode(raw, *state, &out), RC_OK);
	assert_ptr_equal(out.p, raw.p);
	assert_int_equal(arena_used(*state), 0);
	assert_int_equal(uri_decode(str_make(NULL, 0), *state, &out), RC_OK);
	assert_int_equal(out.n, 0);
}

static void bad_escapes_are_refused(void **state)
{
	static const char *const bad[] = { "%", "%2", "a%", "a%2", "%zz", "%2z", "%z2", "%%41", "%+1", "% 1" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct str out;

		arena_reset(*state);
		assert_int_equal(uri_decode(str_c(bad[i]), *state, &out), RC_BAD_REQUEST);
	}
}

static void an_escape_ends_where_its_text_ends(void **state)
{
	struct str out;

	assert_int_equal(uri_decode(str_make("%41", 2), *state, &out), RC_BAD_REQUEST);
	assert_int_equal(uri_decode(str_make("%41", 3), *state, &out), RC_OK);
}

static void an_arena_that_is_full_says_so(void **state)
{
	char raw[CEILING + 1];
	struct str out;

	memset(raw, 'a', sizeof raw);
	raw[0] = '%';
	assert_int_equal(uri_decode(str_make(raw, sizeof raw), *state, &out), RC_NO_MEMORY);
	assert_int_equal(uri_decode(str_make(raw, CEILING), *state, &out), RC_OK);
	assert_int_equal(out.n, CEILING - 2);
}

static void assert_parameter(struct arena *arena, const char *query, const char *name,
			     const char *expected)
{
	struct str out;

	arena_reset(arena);
	assert_int_equal(uri_parameter(str_c(query), name, arena, &out), RC_OK);
	assert_true(str_eq(out, str_c(expected)));
}

static void parameters_are_found_by_their_whole_name(void **state)
{
	assert_parameter(*state, "prefix=a&limit=10&cursor=c", "prefix", "a");
	assert_parameter(*state, "prefix=a&limit=10&cursor=c", "limit", "10");
	assert_parameter(*state, "prefix=a&limit=10&cursor=c", "cursor", "c");
	assert_parameter(*state, "limits=1&limi=2&xlimit=3", "limit", "");
	assert_parameter(*state, "a=limit=5", "limit", "");
	assert_parameter(*state, "a=b=c", "a", "b=c");
}

static void absent_and_empty_parameters_are_alike(void **state)
{
	assert_parameter(*state, "", "limit", "");
	assert_parameter(*state, "limit", "limit", "");
	assert_parameter(*state, "limit=", "limit", "");
	assert_parameter(*state, "&&=&limit=&", "limit", "");
}

static void of_a_repeated_parameter_the_first_counts(void **state)
{
	assert_parameter(*state, "limit=1&limit=2", "limit", "1");
	assert_parameter(*state, "limit=&limit=2", "limit", "");
}

static void parameters_are_decoded_as_forms_are(void **state)
{
	assert_parameter(*state, "prefix=a+b%2Bc%26d", "prefix", "a b+c&d");
	assert_parameter(*state, "prefix=a+b", "prefix", "a b");
}

static void only_the_asked_parameter_is_decoded(void **state)
{
	struct str out;

	assert_parameter(*state, "x=%zz&limit=1", "limit", "1");
	assert_int_equal(uri_parameter(STR_LIT("x=%zz&limit=1"), "x", *state, &out), RC_BAD_REQUEST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(escapes_become_their_bytes),
		TEST(decoding_happens_once),
		TEST(a_plus_in_a_path_stays_a_plus),
		TEST(what_needs_no_decoding_is_not_copied),
		TEST(bad_escapes_are_refused),
		TEST(an_escape_ends_where_its_text_ends),
		TEST(an_arena_that_is_full_says_so),
		TEST(parameters_are_found_by_their_whole_name),
		TEST(absent_and_empty_parameters_are_alike),
		TEST(of_a_repeated_parameter_the_first_counts),
		TEST(parameters_are_decoded_as_forms_are),
		TEST(only_the_asked_parameter_is_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
