/*
 * test_base_jtext.c - what is JSON, what is not and where it stops being it, and quoting.
 *
 * Built twice: with SSE2 and with JTEXT_PORTABLE.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/jtext.h"
#include "json_reference.h"

static const struct str good[] = {
	STR_LIT("null"), STR_LIT("true"), STR_LIT("false"), STR_LIT(" \t\r\n null\n\r\t "),
	STR_LIT("0"), STR_LIT("-0"), STR_LIT("1"), STR_LIT("-1"), STR_LIT("10"), STR_LIT("1234567890"),
	STR_LIT("0.0"), STR_LIT("-0.5"), STR_LIT("1.50"), STR_LIT("0e0"), STR_LIT("0E+1"), STR_LIT("1e-10"),
	STR_LIT("123.456e789"), STR_LIT("123123123123123123123123123123123123"), STR_LIT("1e00001"),
	STR_LIT("\"\""), STR_LIT("\"a\""), STR_LIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uAbC9\""),
	STR_LIT("\"\\ud800\""), STR_LIT("\"\\uDFFF\\uD834\\uDd1e\""), STR_LIT("\"/\x7f'\""),
	STR_LIT("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
	STR_LIT("\"\xef\xbb\xbf\""), STR_LIT("\"\xe2\x80\xa8\xe2\x80\xa9\""),
	STR_LIT("[]"), STR_LIT("[ ]"), STR_LIT("{}"), STR_LIT("{\n}"), STR_LIT("[1]"), STR_LIT("[1,2 , 3]"),
	STR_LIT("[[],{},[[]]]"), STR_LIT("{\"a\":1}"), STR_LIT("{\"a\":{},\"a\" : [ ] }"), STR_LIT("{\"\":0}"),
	STR_LIT("{\"\\u0000\":[null,true,false,\"x\",-1.5e3]}"), STR_LIT("[\"a\",{\"b\":[{\"c\":[]}]}]"),
};

static const struct {
	struct str text;
	size_t bad_at;
} bad[] = {
	/* nothing there, or nothing more */
	{ STR_LIT(""), 0 }, { STR_LIT(" "), 1 }, { STR_LIT("\n\r\t "), 4 },
	{ STR_LIT("["), 1 }, { STR_LIT("{"), 1 }, { STR_LIT("[1"), 2 }, { STR_LIT("[1,"), 3 }, { STR_LIT("{\"a\""), 4 },
	{ STR_LIT("{\"a\":"), 5 }, { STR_LIT("{\"a\":1"), 6 }, { STR_LIT("{\"a\":1,"), 7 }, { STR_LIT("[[]"), 3 },
	{ STR_LIT("\""), 1 }, { STR_LIT("\"a"), 2 }, { STR_LIT("\"\\"), 2 }, { STR_LIT("\"\\\""), 3 },
	{ STR_LIT("\"\\u"), 3 }, { STR_LIT("\"\\u12"), 5 }, { STR_LIT("\"\\u123"), 6 }, { STR_LIT("\"\\u1234"), 7 },
	{ STR_LIT("-"), 1 }, { STR_LIT("1."), 2 }, { STR_LIT("1e"), 2 }, { STR_LIT("1e+"), 3 }, { STR_LIT("-0."), 3 },
	{ STR_LIT("t"), 1 }, { STR_LIT("tru"), 3 }, { STR_LIT("nul"), 3 }, { STR_LIT("fals"), 4 },
	/* numbers */
	{ STR_LIT("01"), 1 }, { STR_LIT("00"), 1 }, { STR_LIT("-01"), 2 }, { STR_LIT("-a"), 1 }, { STR_LIT("+1"), 0 },
	{ STR_LIT(".5"), 0 }, { STR_LIT("-.5"), 1 }, { STR_LIT("[1.]"), 3 }, { STR_LIT("1.e1"), 2 }, { STR_LIT("0.e1"), 2 },
	{ STR_LIT("[1e]"), 3 }, { STR_LIT("1e1.5"), 3 }, { STR_LIT("1ee1"), 2 }, { STR_LIT("1e+-1"), 3 }, { STR_LIT("--1"), 1 },
	{ STR_LIT("0x1f"), 1 }, { STR_LIT("0b1"), 1 }, { STR_LIT("1_000"), 1 }, { STR_LIT("1 000"), 2 }, { STR_LIT("1.2.3"), 3 },
	{ STR_LIT("NaN"), 0 }, { STR_LIT("nan"), 1 }, { STR_LIT("Infinity"), 0 }, { STR_LIT("-Infinity"), 1 }, { STR_LIT("inf"), 0 },
	{ STR_LIT("1f"), 1 }, { STR_LIT("\xef\xbc\x91"), 0 }, { STR_LIT("- 1"), 1 }, { STR_LIT("1\0"), 1 },
	/* words */
	{ STR_LIT("True"), 0 }, { STR_LIT("TRUE"), 0 }, { STR_LIT("tRue"), 1 }, { STR_LIT("nulll"), 4 }, { STR_LIT("truefalse"), 4 },
	{ STR_LIT("undefined"), 0 }, { STR_LIT("a"), 0 }, { STR_LIT("[nul]"), 4 }, { STR_LIT("nu\0l"), 2 },
	/* strings */
	{ STR_LIT("'a'"), 0 }, { STR_LIT("[\"a]"), 4 }, { STR_LIT("\"a\"b"), 3 }, { STR_LIT("\"\t\""), 1 }, { STR_LIT("\"a\nb\""), 2 },
	{ STR_LIT("\"\0\""), 1 }, { STR_LIT("\"\x1f\""), 1 }, { STR_LIT("\"\x01\""), 1 },
	{ STR_LIT("\"\\a\""), 2 }, { STR_LIT("\"\\'\""), 2 }, { STR_LIT("\"\\x41\""), 2 }, { STR_LIT("\"\\0\""), 2 }, { STR_LIT("\"\\\n\""), 2 },
	{ STR_LIT("\"\\U0041\""), 2 }, { STR_LIT("\"\\u004\""), 6 }, { STR_LIT("\"\\u00g0\""), 5 }, { STR_LIT("\"\\u-123\""), 3 },
	{ STR_LIT("\"\\u{41}\""), 3 }, { STR_LIT("\"\\ud800\\u\""), 9 }, { STR_LIT("\"\\\xc3\xa9\""), 2 }, { STR_LIT("\\u0022a\""), 0 },
	/* UTF-8 */
	{ STR_LIT("\xef\xbb\xbf{}"), 0 }, { STR_LIT("\xff\xfe{\0}\0"), 0 }, { STR_LIT("\"\x80\""), 1 }, { STR_LIT("\"\xbf\""), 1 },
	{ STR_LIT("\"\xc0\x80\""), 1 }, { STR_LIT("\"\xc1\xbf\""), 1 }, { STR_LIT("\"\xc3\""), 2 }, { STR_LIT("\"\xc3"), 2 }, { STR_LIT("\"\xc3\xc3\xa9\""), 2 },
	{ STR_LIT("\"\xe0\x80\x80\""), 2 }, { STR_LIT("\"\xe0\x9f\xbf\""), 2 }, { STR_LIT("\"\xed\xa0\x80\""), 2 }, { STR_LIT("\"\xed\xbf\xbf\""), 2 },
	{ STR_LIT("\"\xe2\x28\xa1\""), 2 }, { STR_LIT("\"\xe2\x82\""), 3 }, { STR_LIT("\"\xe2\x82"), 3 }, { STR_LIT("\"\xe2"), 2 },
	{ STR_LIT("\"\xf0\x80\x80\x80\""), 2 }, { STR_LIT("\"\xf0\x8f\xbf\xbf\""), 2 }, { STR_LIT("\"\xf4\x90\x80\x80\""), 2 },
	{ STR_LIT("\"\xf0\x9f\x98\""), 4 }, { STR_LIT("\"\xf0\x9f\x98\x28\""), 4 }, { STR_LIT("\"\xf5\x80\x80\x80\""), 1 },
	{ STR_LIT("\"\xf8\x88\x80\x80\x80\""), 1 }, { STR_LIT("\"\xfe\""), 1 }, { STR_LIT("\"\xff\""), 1 }, { STR_LIT("\"\xe9\""), 2 },
	{ STR_LIT("[\xc3\xa9]"), 1 }, { STR_LIT("{\"\xc3\":1}"), 3 },
	/* arrays and objects */
	{ STR_LIT("]"), 0 }, { STR_LIT("}"), 0 }, { STR_LIT("[1}"), 2 }, { STR_LIT("{\"a\":1]"), 6 }, { STR_LIT("[]]"), 2 }, { STR_LIT("{}}"), 2 },
	{ STR_LIT("[}"), 1 }, { STR_LIT("{]"), 1 }, { STR_LIT("[,]"), 1 }, { STR_LIT("[,1]"), 1 }, { STR_LIT("[1,]"), 3 }, { STR_LIT("[1,,2]"), 3 },
	{ STR_LIT("[1 2]"), 3 }, { STR_LIT("[1:2]"), 2 }, { STR_LIT("[\"a\":1]"), 4 }, { STR_LIT("{,}"), 1 }, { STR_LIT("{\"a\":1,}"), 7 },
	{ STR_LIT("{\"a\":1,,\"b\":2}"), 7 }, { STR_LIT("{\"a\"}"), 4 }, { STR_LIT("{\"a\",1}"), 4 }, { STR_LIT("{\"a\":}"), 5 }, { STR_LIT("{:1}"), 1 },
	{ STR_LIT("{\"a\"::1}"), 5 }, { STR_LIT("{\"a\":1 \"b\":2}"), 7 }, { STR_LIT("{a:1}"), 1 }, { STR_LIT("{'a':1}"), 1 }, { STR_LIT("{1:1}"), 1 },
	{ STR_LIT("{null:1}"), 1 }, { STR_LIT("{[]:1}"), 1 }, { STR_LIT("{\"a\":1:2}"), 6 }, { STR_LIT("{\"a\" b}"), 5 }, { STR_LIT("{\"a\":\"b\"}#"), 9 },
	{ STR_LIT("*"), 0 }, { STR_LIT("(1)"), 0 }, { STR_LIT("<null>"), 0 }, { STR_LIT("[<null>]"), 1 }, { STR_LIT(":"), 0 }, { STR_LIT(","), 0 },
	/* between and behind */
	{ STR_LIT("1 2"), 2 }, { STR_LIT("{}{}"), 2 }, { STR_LIT("[] x"), 3 }, { STR_LIT("1,"), 1 }, { STR_LIT("[1],"), 3 }, { STR_LIT("\"a\" \"b\""), 4 },
	{ STR_LIT("/**/1"), 0 }, { STR_LIT("[1/**/]"), 2 }, { STR_LIT("1 //x"), 2 }, { STR_LIT("#x\n1"), 0 }, { STR_LIT("[\f]"), 1 }, { STR_LIT("\v1"), 0 },
	{ STR_LIT("1\f"), 1 }, { STR_LIT("\xc2\xa0" "1"), 0 }, { STR_LIT("\xe2\x80\xa8" "1"), 0 }, { STR_LIT("\0" "1"), 0 }, { STR_LIT("{}\0"), 2 },
	{ STR_LIT("[1]\x1a"), 3 }, { STR_LIT("\b1"), 0 }, { STR_LIT("1\x80"), 1 }, { STR_LIT("[\x1b]"), 1 },
};

/* Checks a copy that ends where its memory ends, so that valgrind and ASan see a byte read too far. */
static bool check(struct str text, size_t *bad_at)
{
	char *copy = malloc(text.n);
	bool ok;

	if (text.n != 0)
		memcpy(copy, text.p, text.n);
	ok = jtext_check(str_make(copy, text.n), bad_at);
	free(copy);
	return ok;
}

static void all_that_the_rfc_allows_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		size_t bad_at = 12345;

		if (!check(good[i], &bad_at))
			fail_msg("refused at %zu: %.*s", bad_at, STR(good[i]));
		assert_int_equal(bad_at, 12345);
	}
}

static void all_else_is_refused_where_it_goes_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		size_t bad_at = 12345;

		if (check(bad[i].text, &bad_at))
			fail_msg("accepted: row %zu: %.*s", i, STR(bad[i].text));
		if (bad_at != bad[i].bad_at)
			fail_msg("row %zu: %.*s: bad at %zu, not %zu", i, STR(bad[i].text), bad_at, bad[i].bad_at);
	}
}

/* DEPTH opening and closing brackets of a kind. */
static struct str nested(const char *open, const char *inside, const char *close, size_t depth)
{
	size_t open_n = strlen(open), inside_n = strlen(inside), close_n = strlen(close);
	char *text = malloc(depth * (open_n + close_n) + inside_n), *to = text;

	for (size_t i = 0; i < depth; i++, to += open_n)
		memcpy(to, open, open_n);
	memcpy(to, inside, inside_n);
	to += inside_n;
	for (size_t i = 0; i < depth; i++, to += close_n)
		memcpy(to, close, close_n);
	return str_make(text, (size_t)(to - text));
}

static void nesting_of_512_is_accepted_and_of_513_refused(void **state)
{
	static const struct { const char *open, *inside, *close; } kinds[] = {
		{ "[", "", "]" }, { "[", "7", "]" }, { "{\"a\":", "{}", "}" }, { "[{\"a\":", "1", "}]" }, { "[0,", "1", ",2]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		size_t levels = i == 3 ? 2 : 1, depth = (JTEXT_DEPTH - (i == 2)) / levels, bad_at = 0;
		size_t open_n = strlen(kinds[i].open);
		struct str text = nested(kinds[i].open, kinds[i].inside, kinds[i].close, depth);

		assert_true(jtext_check(text, &bad_at));
		free((void *)(uintptr_t)text.p);
		text = nested(kinds[i].open, kinds[i].inside, kinds[i].close, depth + 1);
		assert_false(jtext_check(text, &bad_at));
		assert_int_equal(bad_at, i == 2 ? (depth + 1) * open_n : depth * open_n);
		free((void *)(uintptr_t)text.p);
	}
}

static void a_million_brackets_are_refused_at_the_513th(void **state)
{
	struct str text = nested("[", "", "", 1000000);
	size_t bad_at;

	(void)state;
	assert_false(jtext_check(text, &bad_at));
	assert_int_equal(bad_at, JTEXT_DEPTH);
	free((void *)(uintptr_t)text.p);
}

/* Blocks of 8 and 16 bytes must not hide a byte, wherever it stands in them. */
static void a_bad_byte_is_found_at_every_place_of_a_string(void **state)
{
	static const char bytes[] = { 0x00, 0x1f, 0x0a, (char)0x80, (char)0xff, (char)0xc0 };
	char text[72];

	(void)state;
	for (size_t n = 3; n < sizeof text; n++) {
		for (size_t at = 1; at < n - 1; at++) {
			for (size_t k = 0; k < sizeof bytes; k++) {
				size_t bad_at;

				memset(text, 'a', n);
				text[0] = text[n - 1] = '"';
				assert_true(check(str_make(text, n), &bad_at));
				text[at] = bytes[k];
				assert_false(check(str_make(text, n), &bad_at));
				assert_int_equal(bad_at, at);
			}
		}
	}
}

static void a_quote_or_escape_is_seen_at_every_place_of_a_string(void **state)
{
	char text[72];
	size_t bad_at;

	(void)state;
	for (size_t n = 4; n < sizeof text; n++) {
		for (size_t at = 1; at < n - 2; at++) {
			memset(text, 0x7f, n);
			text[0] = text[n - 1] = '"';
			memcpy(text + at, "\xc3\xa9", 2);
			assert_true(check(str_make(text, n), &bad_at));
			memcpy(text + at, "\\n", 2);
			assert_true(check(str_make(text, n), &bad_at));
			memcpy(text + at, "\\m", 2);
			assert_false(check(str_make(text, n), &bad_at));
			assert_int_equal(bad_at, at + 1);
			memcpy(text + at, "\",", 2);
			assert_false(check(str_make(text, n), &bad_at));
			assert_int_equal(bad_at, at + 1);
		}
	}
}

/* --- against the reference --- */

static uint64_t seed = 2026;

static uint32_t any(uint32_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

/* One of these, chosen at random, is the next piece of a text. */
static const struct str pieces[] = {
	STR_LIT("\""), STR_LIT("\""), STR_LIT("["), STR_LIT("]"), STR_LIT("{"), STR_LIT("}"), STR_LIT(","), STR_LIT(":"), STR_LIT(" "), STR_LIT("\n"),
	STR_LIT("\\"), STR_LIT("\\n"), STR_LIT("\\u00e9"), STR_LIT("\\ud800"), STR_LIT("\\u12"), STR_LIT("0"), STR_LIT("-"), STR_LIT("."), STR_LIT("e"),
	STR_LIT("E+"), STR_LIT("12"), STR_LIT("1234567890123456789"), STR_LIT("0.5"), STR_LIT("-7e1"), STR_LIT("true"), STR_LIT("false"), STR_LIT("null"),
	STR_LIT("tru"), STR_LIT("abcdefgh"), STR_LIT("\"abcdefghijklmnop\""), STR_LIT("\"a\":"), STR_LIT("[]"), STR_LIT("{}"), STR_LIT("\t"), STR_LIT("\x01"),
	STR_LIT("\xc3\xa9"), STR_LIT("\xe2\x82\xac"), STR_LIT("\xf0\x9f\x98\x80"), STR_LIT("\xf0\x9f\x98\x80\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6"),
	STR_LIT("\x80"), STR_LIT("\xc3"), STR_LIT("\xe0\x80"), STR_LIT("\xed\xa0"), STR_LIT("\xf4\x90"), STR_LIT("\xff"), STR_LIT("\x7f"), STR_LIT("\0"), STR_LIT("\f"),
};

enum { LONGEST = 4096 };

struct text {
	char p[LONGEST];
	size_t n;
};

static void put(struct text *text, struct str s)
{
	if (s.n <= LONGEST - text->n) {
		memcpy(text->p + text->n, s.p, s.n);
		text->n += s.n;
	}
}

static void put_piece(struct text *text)
{
	put(text, pieces[any(sizeof pieces / sizeof pieces[0])]);
}

static void put_space(struct text *text)
{
	while (any(6) == 0)
		put(text, str_make(&" \t\n\r"[any(4)], 1));
}

static void put_string(struct text *text)
{
	static const struct str inside[] = {
		STR_LIT("a"), STR_LIT("word and word"), STR_LIT("\xd0\xb6"), STR_LIT("\xe2\x82\xac"), STR_LIT("\xf0\x9f\x98\x80"), STR_LIT("\\\""),
		STR_LIT("\\\\"), STR_LIT("\\u0000"), STR_LIT("\xed\x9f\xbf"), STR_LIT("\xf4\x8f\xbf\xbf"), STR_LIT("\xe0\xa0\x80"), STR_LIT("'"),
	};

	put(text, STR_LIT("\""));
	for (uint32_t n = any(12); n > 0; n--)
		put(text, inside[any(12)]);
	put(text, STR_LIT("\""));
}

static void put_number(struct text *text)
{
	static const char *const ends[] = { "", "", ".5", ".0625", "e7", "E-12", "e+0", ".123456789012345678e1" };

	put(text, any(3) == 0 ? STR_LIT("-") : STR_LIT(""));
	put(text, any(4) == 0 ? STR_LIT("0") : str_make("918273645546372819", 1 + any(18)));
	put(text, str_c(ends[any(8)]));
}

/* A value that is JSON, unless it grew too long. */
static void put_value(struct text *text, int depth)
{
	uint32_t kind = any(depth > 6 ? 3 : 6), n = any(5);

	put_space(text);
	if (kind == 0) {
		put(text, str_c(n == 0 ? "true" : n == 1 ? "false" : "null"));
	} else if (kind == 1) {
		put_number(text);
	} else if (kind == 2) {
		put_string(text);
	} else {
		put(text, kind == 3 ? STR_LIT("{") : STR_LIT("["));
		put_space(text);
		for (uint32_t i = 0; i < n; i++) {
			put(text, i == 0 ? STR_LIT("") : STR_LIT(","));
			put_space(text);
			if (kind == 3) {
				put_string(text);
				put_space(text);
				put(text, STR_LIT(":"));
			}
			put_value(text, depth + 1);
		}
		put(text, kind == 3 ? STR_LIT("}") : STR_LIT("]"));
	}
	put_space(text);
}

/* One byte is replaced, removed, or a piece put before it. */
static void damage(struct text *text)
{
	struct text tail;
	size_t at;

	if (text->n == 0)
		return;
	at = any((uint32_t)text->n);
	tail.n = text->n - at - 1;
	memcpy(tail.p, text->p + at + 1, tail.n);
	text->n = at;
	switch (any(3)) {
	case 0:
		put_piece(text);
		put(text, str_make(&"0123456789abcdef"[any(16)], 1));
		break;
	case 1:
		put(text, str_make((const char[]){ (char)any(256) }, 1));
		break;
	default:
		break;
	}
	put(text, str_make(tail.p, tail.n));
}

static void agrees_with_the_reference(const struct text *text)
{
	struct str s = str_make(text->p, text->n);
	size_t ours = 0, theirs = 0;
	bool ok = check(s, &ours);

	if (ok != json_reference(s, &theirs) || ours != theirs)
		fail_msg("%s at %zu, the reference says %zu: %.*s", ok ? "accepted" : "refused", ours, theirs, STR(s));
}

static void the_tables_agree_with_the_reference(void **state)
{
	size_t bad_at;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(json_reference(good[i], &bad_at));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(json_reference(bad[i].text, &bad_at));
		assert_int_equal(bad_at, bad[i].bad_at);
	}
}

static void values_made_at_random_are_accepted(void **state)
{
	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct text text = { .n = 0 };
		size_t bad_at;

		put_value(&text, 0);
		if (text.n < LONGEST - 100 && !check(str_make(text.p, text.n), &bad_at))
			fail_msg("refused at %zu: %.*s", bad_at, (int)text.n, text.p);
	}
}

static void damaged_values_are_judged_as_the_reference_does(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct text text = { .n = 0 };

		put_value(&text, 3);
		for (uint32_t n = any(3); n < 3; n++) {
			damage(&text);
			agrees_with_the_reference(&text);
		}
	}
}

static void pieces_at_random_are_judged_as_the_reference_does(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct text text = { .n = 0 };

		if (any(2) == 0)
			put(&text, STR_LIT("\""));
		for (uint32_t n = any(12); n > 0; n--)
			put_piece(&text);
		agrees_with_the_reference(&text);
	}
}

/* All that three bytes can do at the end of a block of 16, behind a character that has left the scanner's quick path. */
static void every_three_bytes_of_a_string_are_judged_as_the_reference_does(void **state)
{
	static const unsigned char edges[] = {
		0x00, 0x1f, 0x20, '"', '\\', 'n', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
		0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
	};
	enum { N = sizeof edges };

	(void)state;
	for (size_t before = 12; before < 17; before++) {
		for (size_t i = 0; i < N * N * N * 4; i++) {
			struct text text = { .n = 0 };
			const char tail[] = { (char)edges[i / 4 % N], (char)edges[i / 4 / N % N], (char)edges[i / 4 / N / N], '"' };

			put(&text, STR_LIT("\"\xd0\xb6"));
			put(&text, str_make("0123456789abcdefgh", before));
			put(&text, str_make(tail, 4));
			/* Some text behind it, so that there are blocks to look at. */
			put(&text, str_make("\x80\xbf\x80 \"               \"", i % 4 * 6));
			agrees_with_the_reference(&text);
		}
	}
}

/* What jtext_quote makes of S; the caller frees the arena. */
static struct str quoted(struct arena *arena, struct str s)
{
	struct buf buf;

	buf_init(&buf, arena, 1 << 20);
	jtext_quote(&buf, s);
	assert_true(buf_ok(&buf));
	assert_int_equal(buf.n, jtext_quoted_len(s));
	return buf_str(&buf);
}

static void quoting_escapes_what_must_be_and_nothing_else(void **state)
{
	static const struct { struct str from, to; } table[] = {
		{ STR_LIT(""), STR_LIT("\"\"") }, { STR_LIT("a"), STR_LIT("\"a\"") },
		{ STR_LIT("\"\\/"), STR_LIT("\"\\\"\\\\/\"") },
		{ STR_LIT("\b\f\n\r\t"), STR_LIT("\"\\b\\f\\n\\r\\t\"") },
		{ STR_LIT("\0\x01\x1f\x7f"), STR_LIT("\"\\u0000\\u0001\\u001f\x7f\"") },
		{ STR_LIT("\xc3\xa9\xf0\x9f\x98\x80"), STR_LIT("\"\xc3\xa9\xf0\x9f\x98\x80\"") },
		{ STR_LIT("0123456789abcdef0123456789abcde\n\xc3\xa9 0123456789abcdef\"x"),
		  STR_LIT("\"0123456789abcdef0123456789abcde\\n\xc3\xa9 0123456789abcdef\\\"x\"") },
	};
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct str text = quoted(arena, table[i].from);
		size_t bad_at;

		assert_int_equal(text.n, table[i].to.n);
		assert_memory_equal(text.p, table[i].to.p, text.n);
		assert_true(jtext_check(text, &bad_at));
	}
	arena_free(arena);
}

static void every_byte_below_128_can_be_quoted_at_every_place(void **state)
{
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	for (unsigned char c = 0; c < 0x80; c++) {
		for (size_t at = 0; at < 40; at++) {
			char text[40];
			size_t bad_at;

			memset(text, 'x', sizeof text);
			text[at] = (char)c;
			assert_true(jtext_check(quoted(arena, str_make(text, sizeof text)), &bad_at));
			arena_reset(arena);
		}
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_the_rfc_allows_is_accepted),
		cmocka_unit_test(all_else_is_refused_where_it_goes_wrong),
		cmocka_unit_test(nesting_of_512_is_accepted_and_of_513_refused),
		cmocka_unit_test(a_million_brackets_are_refused_at_the_513th),
		cmocka_unit_test(a_bad_byte_is_found_at_every_place_of_a_string),
		cmocka_unit_test(a_quote_or_escape_is_seen_at_every_place_of_a_string),
		cmocka_unit_test(the_tables_agree_with_the_reference),
		cmocka_unit_test(values_made_at_random_are_accepted),
		cmocka_unit_test(damaged_values_are_judged_as_the_reference_does),
		cmocka_unit_test(pieces_at_random_are_judged_as_the_reference_does),
		cmocka_unit_test(every_three_bytes_of_a_string_are_judged_as_the_reference_does),
		cmocka_unit_test(quoting_escapes_what_must_be_and_nothing_else),
		cmocka_unit_test(every_byte_below_128_can_be_quoted_at_every_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
