/*
 * test_base_jdoc.c - documents read strictly, and what json-c alone would get wrong.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/jdoc.h"
#include "base/jtext.h"

static json_object *read_c(const char *text)
{
	return jdoc_read(str_c(text), JTEXT_DEPTH);
}

static void is_refused(const char *text)
{
	json_object *doc = read_c(text);

	if (doc != NULL)
		fail_msg("accepted: %s", text);
}

/* TEXT, read and written, is TO. */
static void becomes(struct str text, struct str to)
{
	struct arena *arena = arena_new(1 << 20);
	json_object *doc = jdoc_read(text, JTEXT_DEPTH);
	struct str written;

	assert_non_null(doc);
	written = jdoc_text(doc, arena);
	if (!str_eq(written, to))
		fail_msg("%.*s became %.*s", STR(text), STR(written));
	assert_int_equal(written.p[written.n], 0);
	json_object_put(doc);
	arena_free(arena);
}

static void a_document_is_written_as_it_was_read(void **state)
{
	static const struct { struct str from, to; } table[] = {
		{ STR_LIT("{}"), STR_LIT("{}") }, { STR_LIT(" [ ] "), STR_LIT("[]") },
		{ STR_LIT("[ 1 , \"a\" , null , true , false , { \"b\" : [ ] , \"c\" : { } } ]"),
		  STR_LIT("[1,\"a\",null,true,false,{\"b\":[],\"c\":{}}]") },
		{ STR_LIT("{\"z\":1,\"a\":{\"y\":2},\"m\":[[[]]]}"), STR_LIT("{\"z\":1,\"a\":{\"y\":2},\"m\":[[[]]]}") },
		{ STR_LIT("7"), STR_LIT("7") }, { STR_LIT("-0"), STR_LIT("0") }, { STR_LIT("\"\""), STR_LIT("\"\"") },
		{ STR_LIT("[9223372036854775807,-9223372036854775808]"), STR_LIT("[9223372036854775807,-9223372036854775808]") },
		{ STR_LIT("[9223372036854775808,-9223372036854775809]"), STR_LIT("[9223372036854775808,-9223372036854775809]") },
		{ STR_LIT("[18446744073709551616,1.50,1e3,-2.5E-10,1e999]"), STR_LIT("[18446744073709551616,1.50,1e3,-2.5E-10,1e999]") },
		{ STR_LIT("\"/\\/\""), STR_LIT("\"//\"") },
		{ STR_LIT("\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001F\\u00e9\\u20AC\""),
		  STR_LIT("\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\xc3\xa9\xe2\x82\xac\"") },
		{ STR_LIT("\"\\uD83d\\uDe00x\""), STR_LIT("\"\xf0\x9f\x98\x80x\"") },
		{ STR_LIT("\"\\ud800\\udbff\\udfff\""), STR_LIT("\"\xef\xbf\xbd\xf4\x8f\xbf\xbf\"") },
		{ STR_LIT("\"\\ud83d\""), STR_LIT("\"\xef\xbf\xbd\"") }, { STR_LIT("\"\\ud83dx\\ude00\\n\""), STR_LIT("\"\xef\xbf\xbdx\xef\xbf\xbd\\n\"") },
		{ STR_LIT("\"\\udc00\\udc00\""), STR_LIT("\"\xef\xbf\xbd\xef\xbf\xbd\"") },
		{ STR_LIT("\"\\ud83d\\u0041\""), STR_LIT("\"\xef\xbf\xbd" "A\"") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		becomes(table[i].from, table[i].to);
}

static void what_is_no_json_is_refused(void **state)
{
	static const char *const bad[] = {
		"", " ", "{", "[1,]", "{'a':1}", "NaN", "-01", "2.", "0.e1", "/**/1", "{\"a\":1}x", "\"\t\"", "{a:1}", "[1 2]", "\"\xff\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		is_refused(bad[i]);
	assert_null(jdoc_read(STR_LIT("{}\0"), 8));
}

static void a_name_twice_is_refused_however_it_is_spelt(void **state)
{
	static const char *const bad[] = {
		"{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":1}", "{\"\\u0061\":1,\"a\":1}", "{\"\":1,\"\":2}", "{\"a\":null,\"a\":null}",
		"{\"x\":{\"a\":1,\"b\":{},\"a\":{}}}", "[1,[{\"a\":1,\"b\":2,\"a\":3}]]", "{\"\\/\":1,\"/\":2}", "{\"\\u00e9\":1,\"\xc3\xa9\":2}",
		"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", "{\"\\n\":1,\"\\u000A\":2}", "{\"a\":{\"a\":1},\"b\":[],\"a\":1}",
	};
	static const char *const good[] = {
		"{\"a\":1,\"A\":2}", "{\"a\":{\"a\":{\"a\":1}}}", "[{\"a\":1},{\"a\":2}]", "{\"a\":1,\"a \":2}", "{\"\\u00e9\":1,\"e\\u0301\":2}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		is_refused(bad[i]);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		becomes(str_c(good[i]), i == 4 ? STR_LIT("{\"\xc3\xa9\":1,\"e\xcc\x81\":2}") : str_c(good[i]));
}

/* json-c would end the name at the NUL, so {"a\u0000x"} would answer to "a". */
static void a_name_with_a_nul_is_refused(void **state)
{
	(void)state;
	is_refused("{\"a\\u0000\":1}");
	is_refused("{\"a\":1,\"a\\u0000x\":2}");
	is_refused("{\"\\u0000\":1}");
	is_refused("[{\"b\":{\"\\u0000b\":1}}]");
}

static void depth_is_counted_in_arrays_and_objects(void **state)
{
	static const struct { const char *text; int depth; } table[] = {
		{ "1", 0 }, { "[]", 1 }, { "{\"a\":1}", 1 }, { "[[],[{}]]", 3 }, { "{\"a\":[1,{\"b\":2}],\"c\":3}", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		json_object *doc = jdoc_read(str_c(table[i].text), table[i].depth);

		assert_non_null(doc);
		json_object_put(doc);
		if (table[i].depth > 0)
			assert_null(jdoc_read(str_c(table[i].text), table[i].depth - 1));
	}
}

static void depth_512_is_read_and_written_again(void **state)
{
	char text[2 * JTEXT_DEPTH + 2];

	(void)state;
	memset(text, '[', JTEXT_DEPTH);
	memset(text + JTEXT_DEPTH, ']', JTEXT_DEPTH);
	becomes(str_make(text, 2 * (size_t)JTEXT_DEPTH), str_make(text, 2 * (size_t)JTEXT_DEPTH));
	memset(text, '[', JTEXT_DEPTH + 1);
	memset(text + JTEXT_DEPTH + 1, ']', JTEXT_DEPTH + 1);
	assert_null(jdoc_read(str_make(text, sizeof text), 100000));
}

static void integers_are_those_that_were_written_so_and_fit(void **state)
{
	static const struct { const char *text; int64_t value; } good[] = {
		{ "{\"n\":0}", 0 }, { "{\"n\":-0}", 0 }, { "{\"n\":-1}", -1 }, { "{\"n\":2147483648}", 2147483648 },
		{ "{\"n\":9007199254740993}", 9007199254740993 },
		{ "{\"n\":9223372036854775807}", INT64_MAX }, { "{\"n\":-9223372036854775808}", INT64_MIN },
	};
	static const char *const bad[] = {
		"{\"n\":1.0}", "{\"n\":1e3}", "{\"n\":1E0}", "{\"n\":0.0}", "{\"n\":9223372036854775808}", "{\"n\":-9223372036854775809}",
		"{\"n\":18446744073709551615}", "{\"n\":18446744073709551616}", "{\"n\":99999999999999999999999999}",
		"{\"n\":-99999999999999999999999999}", "{\"n\":\"1\"}", "{\"n\":true}", "{\"n\":null}", "{\"n\":[1]}", "{\"m\":1}", "[1]", "1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		json_object *doc = read_c(good[i].text);
		int64_t value = 77;

		assert_true(jdoc_i64(doc, "n", &value));
		assert_true(value == good[i].value);
		json_object_put(doc);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		json_object *doc = read_c(bad[i]);
		int64_t value = 77;

		assert_non_null(doc);
		if (jdoc_i64(doc, "n", &value) || value != 77)
			fail_msg("taken for an integer: %s", bad[i]);
		json_object_put(doc);
	}
}

static void an_unsigned_integer_of_json_c_is_not_clamped(void **state)
{
	json_object *doc = json_object_new_object();
	int64_t value = 77;

	(void)state;
	json_object_object_add(doc, "n", json_object_new_uint64(UINT64_MAX));
	json_object_object_add(doc, "m", json_object_new_uint64(INT64_MAX));
	assert_false(jdoc_i64(doc, "n", &value));
	assert_int_equal(value, 77);
	assert_true(jdoc_i64(doc, "m", &value));
	assert_true(value == INT64_MAX);
	json_object_put(doc);
}

static void members_are_found_by_name_and_type(void **state)
{
	json_object *doc = read_c("{\"s\":\"a\\u0000b\",\"e\":\"\",\"t\":true,\"f\":false,\"a\":[1],\"o\":{},\"z\":null}");
	json_object *part = NULL;
	struct str s = { NULL, 0 };
	int64_t n;
	bool flag = false;

	(void)state;
	assert_true(jdoc_str(doc, "s", &s) && str_eq(s, STR_LIT("a\0b")));
	assert_true(jdoc_str(doc, "e", &s) && s.n == 0);
	assert_true(jdoc_bool(doc, "t", &flag) && flag);
	assert_true(jdoc_bool(doc, "f", &flag) && !flag);
	assert_true(jdoc_array(doc, "a", &part) && json_object_array_length(part) == 1);
	assert_true(jdoc_object(doc, "o", &part) && json_object_object_length(part) == 0);
	assert_true(jdoc_has(doc, "z") && jdoc_has(doc, "s"));
	assert_false(jdoc_has(doc, "S") || jdoc_has(NULL, "s") || jdoc_has(part, "s"));
	assert_false(jdoc_str(doc, "z", &s) || jdoc_str(doc, "a", &s) || jdoc_str(NULL, "s", &s));
	assert_false(jdoc_bool(doc, "z", &flag) || jdoc_bool(doc, "s", &flag));
	assert_false(jdoc_array(doc, "o", &part) || jdoc_object(doc, "a", &part) || jdoc_i64(doc, "t", &n));
	json_object_put(doc);
}

static void members_are_added(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	json_object *doc = json_object_new_object();

	(void)state;
	assert_true(jdoc_add_str(doc, "s", STR_LIT("a\0\xc3\xa9\"")));
	assert_true(jdoc_add_str(doc, "e", str_make(NULL, 0)));
	assert_true(jdoc_add_i64(doc, "n", INT64_MIN));
	assert_true(jdoc_add_bool(doc, "b", true));
	assert_true(jdoc_add_bool(doc, "b", false));
	assert_true(str_eq(jdoc_text(doc, arena), STR_LIT("{\"s\":\"a\\u0000\xc3\xa9\\\"\",\"e\":\"\",\"n\":-9223372036854775808,\"b\":false}")));
	json_object_put(doc);
	arena_free(arena);
}

static void text_that_does_not_fit_the_arena_is_null(void **state)
{
	struct arena *arena = arena_new(300);
	json_object *doc = json_object_new_array();

	(void)state;
	for (int i = 0; i < 200; i++)
		json_object_array_add(doc, json_object_new_int(i));
	assert_null(jdoc_text(doc, arena).p);
	json_object_put(doc);
	arena_free(arena);
}

/* N times ELEMENT in an array. */
static struct str repeated(char *text, char element, size_t n)
{
	char *to = text;

	for (size_t i = 0; i < n; i++) {
		*to++ = i == 0 ? '[' : ',';
		*to++ = element;
		if (element == '{')
			*to++ = '}';
	}
	*to++ = ']';
	return str_make(text, (size_t)(to - text));
}

/* Comparing each name with each would take minutes here. */
static void two_hundred_thousand_members_are_read_at_once(void **state)
{
	char *text = malloc(8 << 20);
	json_object *doc;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 200000; i++)
		n += (size_t)sprintf(text + n, "%c\"name%d\":1", i == 0 ? '{' : ',', i);
	text[n] = '}';
	doc = jdoc_read(str_make(text, n + 1), 1);
	assert_int_equal(json_object_object_length(doc), 200000);
	json_object_put(doc);
	n += (size_t)sprintf(text + n, ",\"name7\":1}");
	assert_null(jdoc_read(str_make(text, n), 1));
	free(text);
}

static void one_document_cannot_take_all_memory(void **state)
{
	char *text = malloc(16 << 20);
	json_object *doc;

	(void)state;
	doc = jdoc_read(repeated(text, '{', JDOC_CONTAINERS - 1), 2);
	assert_non_null(doc);
	json_object_put(doc);
	assert_null(jdoc_read(repeated(text, '{', JDOC_CONTAINERS), 2));
	doc = jdoc_read(repeated(text, '1', JDOC_VALUES - 1), 2);
	assert_non_null(doc);
	json_object_put(doc);
	assert_null(jdoc_read(repeated(text, '1', JDOC_VALUES), 2));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_is_written_as_it_was_read),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(a_name_twice_is_refused_however_it_is_spelt),
		cmocka_unit_test(a_name_with_a_nul_is_refused),
		cmocka_unit_test(depth_is_counted_in_arrays_and_objects),
		cmocka_unit_test(depth_512_is_read_and_written_again),
		cmocka_unit_test(integers_are_those_that_were_written_so_and_fit),
		cmocka_unit_test(an_unsigned_integer_of_json_c_is_not_clamped),
		cmocka_unit_test(members_are_found_by_name_and_type),
		cmocka_unit_test(members_are_added),
		cmocka_unit_test(text_that_does_not_fit_the_arena_is_null),
		cmocka_unit_test(two_hundred_thousand_members_are_read_at_once),
		cmocka_unit_test(one_document_cannot_take_all_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
