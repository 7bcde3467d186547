/*
 * test_base_jmerge.c - merge patches: the cases of RFC 7396, random documents against an obvious evaluator over
 * json-c's, names twice and escaped, depth, and that what is not named comes out byte for byte.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "base/jmerge.h"
#include "base/jtext.h"

static struct arena *arena;

static int start(void **state)
{
	(void)state;
	arena = arena_new(64 << 20);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

/* The result, with a NUL behind it. It is applied twice: a merge that runs again must come out the same. */
static const char *merge(struct str target, struct str patch)
{
	struct jmerge *merge = NULL;
	struct buf once, out;
	size_t bad_at;

	assert_int_equal(jmerge_read(patch, arena, &merge), RC_OK);
	buf_init(&once, arena, 1 << 20);
	buf_init(&out, arena, 1 << 20);
	jmerge_apply(merge, target, &once);
	jmerge_apply(merge, target, &out);
	assert_true(buf_ok(&out));
	assert_true(str_eq(buf_str(&once), buf_str(&out)));
	assert_true(jtext_check(buf_str(&out), &bad_at));
	buf_add_char(&out, '\0');
	return out.p;
}

static void expect(const char *target, const char *patch, const char *expected)
{
	assert_string_equal(merge(str_c(target), str_c(patch)), expected);
}

static void the_cases_of_the_rfc(void **state)
{
	(void)state;
	expect("{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
	expect("{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}");
	expect("{\"a\":\"b\"}", "{\"a\":null}", "{}");
	expect("{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}");
	expect("{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
	expect("{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}");
	expect("{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}");
	expect("{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}");
	expect("[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]");
	expect("{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]");
	expect("{\"a\":\"foo\"}", "null", "null");
	expect("{\"a\":\"foo\"}", "\"bar\"", "\"bar\"");
	expect("{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}");
	expect("[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}");
	expect("{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}");
	/* And its example. */
	expect("{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},"
	       "\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}",
	       "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\",\"author\":{\"familyName\":null},\"tags\":[\"example\"]}",
	       "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],"
	       "\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}");
}

static void nothing_becomes_what_the_patch_adds(void **state)
{
	(void)state;
	expect("", "{\"a\":{\"b\":1,\"c\":null},\"d\":[null]}", "{\"a\":{\"b\":1},\"d\":[null]}");
	expect("", "{}", "{}");
	expect("", " 7 ", "7");
}

static void what_is_not_named_comes_out_byte_for_byte(void **state)
{
	(void)state;
	expect(" { \"a\" : 1.50 , \"b\\u0020\" : [ 1 , 2e0 ] , \"c\" : { \"d\" : -0.0 , \"e\" : \"\\u00e9\\/\" } } ",
	       "{\"c\":{\"x\":1E2}}",
	       "{\"a\" : 1.50 , \"b\\u0020\" : [ 1 , 2e0 ],\"c\":{\"d\" : -0.0 , \"e\" : \"\\u00e9\\/\",\"x\":1E2}}");
}

static void names_are_compared_as_what_they_say(void **state)
{
	(void)state;
	expect("{\"\\u0061\":1,\"b\":2}", "{\"a\":3,\"\\u0062\":null}", "{\"\\u0061\":3}");
	expect("{\"\xf0\x9f\x98\x80\":1}", "{\"\\ud83d\\ude00\":null}", "{}");
	expect("{\"\\ud83d\":1}", "{\"\\ud83e\":null}", "{\"\\ud83d\":1}");
	expect("{\"a\\u0000b\":1}", "{\"a\\u0000c\":2}", "{\"a\\u0000b\":1,\"a\\u0000c\":2}");
	expect("{\"\":1,\"\\\"\":2}", "{\"\":null,\"\\u0022\":3}", "{\"\\\"\":3}");
	expect("{\"\\u0041\\u0041\\u0041\\u0041\":1}", "{\"A\":2}", "{\"\\u0041\\u0041\\u0041\\u0041\":1,\"A\":2}");
}

static void of_a_name_twice_the_last_counts(void **state)
{
	(void)state;
	expect("{}", "{\"a\":1,\"a\":{\"b\":2},\"a\":3}", "{\"a\":3}");
	expect("{\"a\":0}", "{\"a\":1,\"\\u0061\":null}", "{}");
	expect("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":null}", "{\"b\":2}");
	expect("{\"a\":{\"x\":1},\"a\":{\"y\":2}}", "{\"a\":{\"z\":3}}", "{\"a\":{\"x\":1,\"z\":3},\"a\":{\"y\":2,\"z\":3}}");
	expect("{\"b\":1,\"b\":2}", "{\"a\":1}", "{\"b\":1,\"b\":2,\"a\":1}");
}

/* ---- random documents ---- */

static unsigned seed = 1;

static unsigned dice(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static json_object *random_value(int depth)
{
	unsigned kind = dice(depth > 0 ? 8 : 4);
	json_object *value;

	if (kind < 4)
		return kind == 0 ? NULL : kind == 1 ? json_object_new_int((int)dice(5)) :
		       kind == 2 ? json_object_new_string("s\n\"") : json_object_new_boolean(1);
	value = kind == 4 ? json_object_new_array() : json_object_new_object();
	for (unsigned i = dice(5); i != 0; i--) {
		static const char *const ends[] = { "", "\"", "\xc3\xa9" };
		char name[8];

		snprintf(name, sizeof name, "%c%s", 'a' + (int)dice(4), ends[dice(3)]);
		if (kind == 4)
			json_object_array_add(value, random_value(depth - 1));
		else
			json_object_object_add(value, name, random_value(depth - 1));
	}
	return value;
}

/* The pseudocode of RFC 7396, word for word. Answers a document of its own. */
static json_object *reference(json_object *target, json_object *patch)
{
	json_object *result = NULL;

	if (!json_object_is_type(patch, json_type_object)) {
		json_object_deep_copy(patch, &result, NULL);
		return result;
	}
	if (json_object_is_type(target, json_type_object))
		json_object_deep_copy(target, &result, NULL);
	else
		result = json_object_new_object();
	json_object_object_foreach(patch, name, value) {
		if (value == NULL)
			json_object_object_del(result, name);
		else
			json_object_object_add(result, name, reference(json_object_object_get(result, name), value));
	}
	return result;
}

static void random_documents_become_what_an_obvious_evaluator_makes_of_them(void **state)
{
	static const int styles[] = { JSON_C_TO_STRING_PLAIN, JSON_C_TO_STRING_SPACED, JSON_C_TO_STRING_PRETTY };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		json_object *target = random_value(4), *patch = random_value(4), *expected = reference(target, patch), *result;
		char *text = strdup(json_object_to_json_string_ext(target, styles[i % 3]));

		result = json_tokener_parse(merge(str_c(text), str_c(json_object_to_json_string_ext(patch, styles[i / 3 % 3]))));
		if (!json_object_equal(result, expected))
			fail_msg("%s + %s", text, json_object_to_json_string(patch));
		json_object_put(target);
		json_object_put(patch);
		json_object_put(expected);
		json_object_put(result);
		free(text);
		arena_reset(arena);
	}
}

/* ---- bounds ---- */

static void repeat(struct buf *buf, const char *text, size_t n)
{
	while (n-- != 0)
		buf_add_c(buf, text);
}

static void objects_nest_as_deep_as_json_may(void **state)
{
	struct buf target, patch, expected;

	(void)state;
	buf_init(&target, arena, 1 << 20);
	buf_init(&patch, arena, 1 << 20);
	buf_init(&expected, arena, 1 << 20);
	repeat(&target, "{\"a\":", 511);
	repeat(&patch, "{\"a\":", 511);
	repeat(&expected, "{\"a\":", 511);
	buf_add_c(&target, "{\"x\":1}");
	buf_add_c(&patch, "{\"y\":2}");
	buf_add_c(&expected, "{\"x\":1,\"y\":2}");
	repeat(&target, "}", 511);
	repeat(&patch, "}", 511);
	repeat(&expected, "}", 511);
	buf_add_char(&expected, '\0');
	assert_string_equal(merge(buf_str(&target), buf_str(&patch)), expected.p);
	buf_add_char(&patch, '\0');
	patch.n--;
	assert_string_equal(merge(STR_LIT("[]"), buf_str(&patch)), patch.p);
}

static void a_patch_has_at_most_1024_members(void **state)
{
	(void)state;
	for (size_t n = JMERGE_MEMBERS; n <= JMERGE_MEMBERS + 1; n++) {
		struct jmerge *merge = NULL;
		struct buf patch;

		buf_init(&patch, arena, 1 << 20);
		buf_add_c(&patch, "{\"o\":{");
		for (size_t i = 2; i <= n; i++)
			buf_addf(&patch, "%s\"%zu\":1", i == 2 ? "" : ",", i);
		buf_add_c(&patch, "}}");
		assert_int_equal(jmerge_read(buf_str(&patch), arena, &merge),
				 n == JMERGE_MEMBERS ? RC_OK : RC_BAD_REQUEST);
	}
}

static void what_does_not_fit_is_noticed_and_no_more_is_done(void **state)
{
	struct str target = STR_LIT("{\"a\":{\"b\":{\"c\":[1,2,3]}},\"d\":4}"), patch = STR_LIT("{\"a\":{\"b\":{\"e\":5}}}");
	struct jmerge *merge = NULL;

	(void)state;
	assert_int_equal(jmerge_read(patch, arena, &merge), RC_OK);
	for (size_t max = 0; max <= target.n + patch.n; max++) {
		struct buf out;

		buf_init(&out, arena, max);
		jmerge_apply(merge, target, &out);
		assert_int_equal(buf_ok(&out), max >= target.n + sizeof ",\"e\":5" - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_cases_of_the_rfc, start, stop),
		cmocka_unit_test_setup_teardown(nothing_becomes_what_the_patch_adds, start, stop),
		cmocka_unit_test_setup_teardown(what_is_not_named_comes_out_byte_for_byte, start, stop),
		cmocka_unit_test_setup_teardown(names_are_compared_as_what_they_say, start, stop),
		cmocka_unit_test_setup_teardown(of_a_name_twice_the_last_counts, start, stop),
		cmocka_unit_test_setup_teardown(random_documents_become_what_an_obvious_evaluator_makes_of_them, start, stop),
		cmocka_unit_test_setup_teardown(objects_nest_as_deep_as_json_may, start, stop),
		cmocka_unit_test_setup_teardown(a_patch_has_at_most_1024_members, start, stop),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_noticed_and_no_more_is_done, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
