/*
 * test_base_utf8.c - UTF-8 in pieces is judged as str_is_utf8() judges the whole.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/utf8.h"

/* A copy, so that valgrind and ASan see a byte read too far or kept too long. */
static bool add(struct utf8_scan *scan, const char *p, size_t n)
{
	char *copy = malloc(n);
	bool ok;

	if (n != 0)
		memcpy(copy, p, n);
	ok = utf8_scan_add(scan, str_make(copy, n));
	free(copy);
	return ok;
}

/* In three pieces, cut at A and at B. */
static bool judge(struct str text, size_t a, size_t b)
{
	struct utf8_scan scan;
	bool ok;

	utf8_scan_init(&scan);
	ok = add(&scan, text.p, a);
	ok = add(&scan, text.p + a, b - a) && ok;
	ok = add(&scan, text.p + b, text.n - b) && ok;
	assert_true(ok || !utf8_scan_end(&scan));
	return utf8_scan_end(&scan);
}

static void judge_all_cuts(struct str text, bool expected)
{
	assert_int_equal(str_is_utf8(text), expected);
	for (size_t b = 0; b <= text.n; b++)
		for (size_t a = 0; a <= b; a++)
			if (judge(text, a, b) != expected)
				fail_msg("cut at %zu and %zu: %.*s", a, b, STR(text));
}

static void well_formed_text_is_accepted_under_every_cut(void **state)
{
	static const struct str good[] = {
		STR_LIT(""), STR_LIT("a"), STR_LIT("\0"), STR_LIT("plain words, more than a block of sixteen"),
		STR_LIT("\xc2\x80\xdf\xbf\xe0\xa0\x80\xec\x80\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf1\x80\x80\x80\xf4\x8f\xbf\xbf"),
		STR_LIT("fifteen bytes..\xd0\xb6" "and fifteen more\xf0\x9f\x98\x80" "."), STR_LIT("\xef\xbb\xbf" "a mark"),
		STR_LIT("\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		judge_all_cuts(good[i], true);
}

static void all_else_is_refused_under_every_cut(void **state)
{
	static const struct str bad[] = {
		STR_LIT("\x80"), STR_LIT("\xbf"), STR_LIT("\xc0\x80"), STR_LIT("\xc1\xbf"), STR_LIT("\xc3"), STR_LIT("\xc3("), STR_LIT("\xc3\xc3\xa9"),
		STR_LIT("\xe0\x80\x80"), STR_LIT("\xe0\x9f\xbf"), STR_LIT("\xed\xa0\x80"), STR_LIT("\xed\xbf\xbf"), STR_LIT("\xe2\x82"), STR_LIT("\xe2\x28\xa1"),
		STR_LIT("\xf0\x80\x80\x80"), STR_LIT("\xf0\x8f\xbf\xbf"), STR_LIT("\xf4\x90\x80\x80"), STR_LIT("\xf0\x9f\x98"), STR_LIT("\xf0\x9f\x98\x28"),
		STR_LIT("\xf5\x80\x80\x80"), STR_LIT("\xf8\x88\x80\x80\x80"), STR_LIT("\xfe"), STR_LIT("\xff"), STR_LIT("abc\xff" "abcdefghijklmnopqrstuvwxyz0123456789"),
		STR_LIT("abcdefghijklmnopqrstuvwxyz012345\xd0"), STR_LIT("\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xd0\xb6 and more words behind it"),
		/* A block of ASCII between the halves of a character. */
		STR_LIT("\xd0" "0123456789abcdef" "\xb6"), STR_LIT("0123456789abcde\xd0" "0123456789abcdef" "\xb6 and more"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		judge_all_cuts(bad[i], false);
}

/* All four bytes of the kinds that matter, inside a block and at its edge. */
static void every_four_bytes_are_judged_as_the_whole_text_is(void **state)
{
	static const char edges[] = {
		0x00, 0x7f, (char)0x80, (char)0x8f, (char)0x90, (char)0x9f, (char)0xa0, (char)0xbf, (char)0xc1, (char)0xc2, (char)0xdf,
		(char)0xe0, (char)0xe1, (char)0xed, (char)0xee, (char)0xf0, (char)0xf1, (char)0xf4, (char)0xf5, (char)0xff,
	};
	enum { N = sizeof edges };

	(void)state;
	for (size_t i = 0; i < N * N * N * N; i++) {
		char text[36];
		struct str s = str_make(text + 20 - i % 17, 16);

		memset(text, 'a', sizeof text);
		for (size_t k = 0, rest = i; k < 4; k++, rest /= N)
			text[20 + k] = edges[rest % N];
		s.n = (size_t)(text + sizeof text - s.p);
		assert_int_equal(judge(s, i % 17 + i % 4, i % 17 + 4), str_is_utf8(s));
		s.n = (size_t)(text + 24 - s.p);
		assert_int_equal(judge(s, i % 17, i % 17 + i % 5), str_is_utf8(s));
	}
}

static void what_was_refused_stays_refused(void **state)
{
	struct utf8_scan scan;

	(void)state;
	utf8_scan_init(&scan);
	assert_true(utf8_scan_end(&scan));
	assert_false(add(&scan, "\xc3(", 2));
	assert_false(add(&scan, "", 0));
	assert_false(add(&scan, "plain words, more than a block", 30));
	assert_false(add(&scan, "\xa9", 1));
	assert_false(utf8_scan_end(&scan));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_text_is_accepted_under_every_cut),
		cmocka_unit_test(all_else_is_refused_under_every_cut),
		cmocka_unit_test(every_four_bytes_are_judged_as_the_whole_text_is),
		cmocka_unit_test(what_was_refused_stays_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
