/*
 * test_base_jscan.c - JSON in pieces is judged as jtext_check() judges the whole, under every cut.
 *
 * Built twice: with SSE2 and with JTEXT_PORTABLE.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/jscan.h"
#include "json_texts.h"

/* A copy, so that valgrind and ASan see a byte read too far or kept too long. */
static bool add(struct jscan *scan, struct str piece)
{
	char *copy = malloc(piece.n);
	bool ok;

	if (piece.n != 0)
		memcpy(copy, piece.p, piece.n);
	ok = jscan_add(scan, str_make(copy, piece.n));
	free(copy);
	return ok;
}

/* What one judgement is compared with. */
struct verdict {
	bool good;
	size_t bad_at;
};

static struct verdict of_the_whole(struct str text)
{
	struct verdict verdict = { .bad_at = 0 };

	verdict.good = jtext_check(text, &verdict.bad_at);
	return verdict;
}

/* The next N bytes of *LEFT; a piece answers false if the bad byte is in it or before it. */
static void feed(struct jscan *scan, struct verdict expected, struct str text, struct str *left, size_t n)
{
	bool ok = add(scan, str_make(left->p, n));

	*left = str_skip(*left, n);
	if (ok != (expected.good || text.n - left->n <= expected.bad_at))
		fail_msg("%s behind %zu bytes, bad at %zu: %.*s", ok ? "accepted" : "refused", text.n - left->n, scan->bad_at, STR(text));
}

static void finish(struct jscan *scan, struct verdict expected, struct str text)
{
	if (jscan_end(scan) != expected.good || (!expected.good && scan->bad_at != expected.bad_at))
		fail_msg("%s at %zu, the whole at %zu: %.*s", expected.good ? "refused" : "bad", scan->bad_at, expected.bad_at, STR(text));
}

static void try_cuts(struct str text, struct verdict expected, size_t a, size_t b)
{
	struct str left = text;
	struct jscan scan;

	jscan_init(&scan);
	feed(&scan, expected, text, &left, a);
	feed(&scan, expected, text, &left, b - a);
	feed(&scan, expected, text, &left, left.n);
	finish(&scan, expected, text);
}

/* In two, in three, and byte by byte. */
static void try_all_cuts(struct str text)
{
	struct verdict expected = of_the_whole(text);
	struct str left = text;
	struct jscan scan;

	for (size_t b = 0; b <= text.n; b++)
		for (size_t a = 0; a <= b; a++)
			try_cuts(text, expected, a, b);
	jscan_init(&scan);
	while (left.n != 0)
		feed(&scan, expected, text, &left, 1);
	finish(&scan, expected, text);
}

static void try_random_cuts(struct str text)
{
	struct verdict expected = of_the_whole(text);
	uint32_t longest = json_any(3) == 0 ? 3 : 60;
	struct str left = text;
	struct jscan scan;

	jscan_init(&scan);
	while (left.n != 0) {
		size_t n = json_any(longest);

		feed(&scan, expected, text, &left, n < left.n ? n : left.n);
	}
	finish(&scan, expected, text);
}

static void all_that_the_rfc_allows_is_accepted_under_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < json_n_good; i++) {
		assert_true(of_the_whole(json_good[i]).good);
		try_all_cuts(json_good[i]);
	}
}

static void all_else_is_refused_at_the_same_byte_under_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < json_n_bad; i++) {
		assert_false(of_the_whole(json_bad[i].text).good);
		assert_int_equal(of_the_whole(json_bad[i].text).bad_at, json_bad[i].bad_at);
		try_all_cuts(json_bad[i].text);
	}
}

/* Behind a character that has left the quick path, and at every place of a block. */
static void long_strings_are_judged_alike_under_every_cut(void **state)
{
	static const struct str ends[] = {
		STR_LIT("\""), STR_LIT("\xf0\x9f\x98\x80\""), STR_LIT("\xf0\x9f\x98\""), STR_LIT("\\u00e9\""), STR_LIT("\\\"\","), STR_LIT("\xed\xa0\x80\""), STR_LIT("\n\""), STR_LIT(""),
		STR_LIT("\xd0" "0123456789abcdef" "\xb6\""),
	};

	(void)state;
	for (size_t before = 0; before < 18; before++) {
		for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
			struct text text = { .n = 0 };

			json_put(&text, STR_LIT("\"\xd0\xb6"));
			json_put(&text, str_make("\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6", before / 2 * 2));
			json_put(&text, str_make("0123456789abcdefghij", before));
			json_put(&text, ends[i]);
			try_all_cuts(str_make(text.p, text.n));
		}
	}
}

static void nesting_of_512_is_accepted_and_of_513_refused(void **state)
{
	(void)state;
	for (size_t depth = JTEXT_DEPTH - 1; depth <= JTEXT_DEPTH + 1; depth++) {
		for (int kind = 0; kind < 3; kind++) {
			struct text text = { .n = 0 };
			struct verdict verdict;

			for (size_t i = 0; i < depth; i++)
				json_put(&text, kind == 0 || (kind == 2 && i % 3 != 0) ? STR_LIT("[") : STR_LIT("{\"\":"));
			json_put(&text, STR_LIT("0"));
			for (size_t i = depth; i-- > 0; )
				json_put(&text, kind == 0 || (kind == 2 && i % 3 != 0) ? STR_LIT("]") : STR_LIT("}"));
			verdict = of_the_whole(str_make(text.p, text.n));
			assert_int_equal(verdict.good, depth <= JTEXT_DEPTH);
			for (int i = 0; i < 20; i++)
				try_random_cuts(str_make(text.p, text.n));
			/* The wrong bracket closes each depth. */
			for (size_t i = 0; i < depth; i++) {
				char *at = &text.p[text.n - 1 - i], was = *at;

				*at = was == '}' ? ']' : '}';
				try_random_cuts(str_make(text.p, text.n));
				*at = was;
			}
		}
	}
}

static void values_made_at_random_are_judged_alike(void **state)
{
	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct text text = { .n = 0 };

		json_put_value(&text, 0);
		try_random_cuts(str_make(text.p, text.n));
	}
}

static void damaged_values_are_judged_alike(void **state)
{
	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct text text = { .n = 0 };

		json_put_value(&text, 3);
		for (uint32_t n = json_any(3); n < 3; n++) {
			json_damage(&text);
			try_random_cuts(str_make(text.p, text.n));
			if (text.n < 24)
				try_all_cuts(str_make(text.p, text.n));
		}
	}
}

static void pieces_at_random_are_judged_alike(void **state)
{
	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct text text = { .n = 0 };

		for (uint32_t n = json_any(12); n > 0; n--)
			json_put_piece(&text);
		try_random_cuts(str_make(text.p, text.n));
	}
}

static void what_was_refused_stays_refused_at_its_place(void **state)
{
	struct jscan scan;

	(void)state;
	jscan_init(&scan);
	assert_true(add(&scan, STR_LIT("[1")));
	assert_true(add(&scan, STR_LIT("")));
	assert_false(add(&scan, STR_LIT("}2]")));
	assert_int_equal(scan.bad_at, 2);
	assert_false(add(&scan, STR_LIT("]")));
	assert_false(add(&scan, STR_LIT("")));
	assert_false(jscan_end(&scan));
	assert_false(jscan_end(&scan));
	assert_int_equal(scan.bad_at, 2);
}

static void nothing_at_all_is_no_json(void **state)
{
	struct jscan scan;

	(void)state;
	jscan_init(&scan);
	assert_true(add(&scan, STR_LIT("")));
	assert_false(jscan_end(&scan));
	assert_int_equal(scan.bad_at, 0);
	/* An end is an end. */
	assert_false(add(&scan, STR_LIT("1")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_the_rfc_allows_is_accepted_under_every_cut),
		cmocka_unit_test(all_else_is_refused_at_the_same_byte_under_every_cut),
		cmocka_unit_test(long_strings_are_judged_alike_under_every_cut),
		cmocka_unit_test(nesting_of_512_is_accepted_and_of_513_refused),
		cmocka_unit_test(values_made_at_random_are_judged_alike),
		cmocka_unit_test(damaged_values_are_judged_alike),
		cmocka_unit_test(pieces_at_random_are_judged_alike),
		cmocka_unit_test(what_was_refused_stays_refused_at_its_place),
		cmocka_unit_test(nothing_at_all_is_no_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
