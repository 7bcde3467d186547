/*
 * test_base_str.c - comparing, splitting and reading bytes that carry their length.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"

static const struct str nothing = { NULL, 0 };

static void strings_without_bytes_are_equal_wherever_they_point(void **state)
{
	(void)state;
	assert_true(str_eq(nothing, STR_LIT("")));
	assert_int_equal(str_cmp(nothing, STR_LIT("")), 0);
	assert_true(str_starts(nothing, nothing) && str_starts(STR_LIT("a"), nothing));
	assert_false(str_starts(nothing, STR_LIT("a")));
	assert_true(str_eq_nocase(nothing, STR_LIT("")));
	assert_true(str_eq(str_c(NULL), nothing));
	assert_true(str_is_utf8(nothing));
	assert_null(str_skip(nothing, 0).p);
}

static void a_nul_is_a_byte_like_others(void **state)
{
	(void)state;
	assert_false(str_eq(STR_LIT("a\0b"), STR_LIT("a\0c")));
	assert_true(str_eq(STR_LIT("a\0b"), STR_LIT("a\0b")));
	assert_true(str_cmp(STR_LIT("a\0"), STR_LIT("a")) > 0);
	assert_true(str_starts(STR_LIT("\0x"), STR_LIT("\0")));
	assert_true(str_is_utf8(STR_LIT("\0")));
}

static void order_is_that_of_unsigned_bytes_then_length(void **state)
{
	static const struct str sorted[] = {
		STR_LIT(""), STR_LIT("\0"), STR_LIT("A"), STR_LIT("a"), STR_LIT("aa"), STR_LIT("ab"), STR_LIT("b"), STR_LIT("\x7f"), STR_LIT("\x80"), STR_LIT("\xff"),
	};

	(void)state;
	for (int i = 0; i < 10; i++) {
		for (int k = 0; k < 10; k++) {
			int order = str_cmp(sorted[i], sorted[k]);

			assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
		}
	}
}

static void case_is_ignored_for_ascii_letters_only(void **state)
{
	(void)state;
	assert_true(str_eq_nocase(STR_LIT("Bearer-AZ"), STR_LIT("bEARER-az")));
	assert_false(str_eq_nocase(STR_LIT("bearer"), STR_LIT("bearer ")));
	assert_false(str_eq_nocase(STR_LIT("@[`{"), STR_LIT("`{@[")));
	assert_false(str_eq_nocase(STR_LIT("\xc0"), STR_LIT("\xe0")));
	assert_false(str_eq_nocase(STR_LIT("a\0b"), STR_LIT("a\0c")));
}

static void a_cut_is_at_the_first_place(void **state)
{
	struct str head, tail;

	(void)state;
	assert_true(str_cut(STR_LIT("a=b=c"), '=', &head, &tail));
	assert_true(str_eq(head, STR_LIT("a")) && str_eq(tail, STR_LIT("b=c")));
	assert_true(str_cut(tail, '=', &head, &tail));
	assert_true(str_eq(head, STR_LIT("b")) && str_eq(tail, STR_LIT("c")));
	assert_false(str_cut(tail, '=', &head, &tail));
	assert_true(str_eq(head, STR_LIT("c")) && tail.n == 0);
	assert_true(str_cut(STR_LIT("="), '=', &head, &tail));
	assert_true(head.n == 0 && tail.n == 0);
	assert_true(str_cut(STR_LIT("a\0b"), '\0', &head, &tail));
	assert_true(str_eq(head, STR_LIT("a")) && str_eq(tail, STR_LIT("b")));
	assert_false(str_cut(nothing, '=', &head, &tail));
	assert_true(head.n == 0 && tail.n == 0);
}

static void numbers_are_digits_within_bounds(void **state)
{
	static const struct { struct str s; uint64_t min, max, value; } good[] = {
		{ STR_LIT("0"), 0, 0, 0 }, { STR_LIT("007"), 0, 7, 7 }, { STR_LIT("42"), 42, 42, 42 },
		{ STR_LIT("18446744073709551615"), 0, UINT64_MAX, UINT64_MAX },
		{ STR_LIT("00000000000000000001"), 1, 1, 1 },
	};
	static const struct { struct str s; uint64_t min, max; } bad[] = {
		{ STR_LIT(""), 0, 9 }, { STR_LIT("41"), 42, 50 }, { STR_LIT("51"), 42, 50 }, { STR_LIT("-1"), 0, UINT64_MAX },
		{ STR_LIT("+1"), 0, 9 }, { STR_LIT(" 1"), 0, 9 }, { STR_LIT("1 "), 0, 9 }, { STR_LIT("1\0"), 0, 9 }, { STR_LIT("0x1"), 0, 9 },
		{ STR_LIT("1.0"), 0, 9 }, { STR_LIT("1e1"), 0, 99 }, { STR_LIT("/"), 0, 9 }, { STR_LIT(":"), 0, 99 }, { STR_LIT("\xb2"), 0, UINT64_MAX },
		{ STR_LIT("18446744073709551616"), 0, UINT64_MAX }, { STR_LIT("99999999999999999999"), 0, UINT64_MAX },
		{ STR_LIT("000000000000000000001"), 0, 9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		uint64_t value = 99;

		assert_true(str_to_u64(good[i].s, good[i].min, good[i].max, &value));
		assert_true(value == good[i].value);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint64_t value = 99;

		assert_false(str_to_u64(bad[i].s, bad[i].min, bad[i].max, &value));
		assert_true(value == 99);
	}
}

static void a_number_is_written_as_it_is_read(void **state)
{
	char text[STR_U64_MAX];
	uint64_t value, power = 1;

	(void)state;
	for (size_t n = 1; n <= STR_U64_MAX; n++, power *= 10) {
		for (uint64_t near = power - 1; near <= power + 1; near++) {
			char wanted[STR_U64_MAX + 1];
			size_t length = str_from_u64(near, text);

			assert_int_equal(length, snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)near));
			assert_memory_equal(text, wanted, length);
		}
	}
	assert_int_equal(str_from_u64(UINT64_MAX, text), STR_U64_MAX);
	assert_true(str_to_u64(str_make(text, STR_U64_MAX), 0, UINT64_MAX, &value) && value == UINT64_MAX);
}

/* Encodes as the shortest form would be, surrogates and too large ones included. */
static size_t encode(unsigned long c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static void sizes_may_have_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;		/* 0: refused */
	} cases[] = {
		{ "1", 1 }, { "1023", 1023 }, { "1K", 1024 }, { "1k", 1024 }, { "25M", 26214400 }, { "25m", 26214400 },
		{ "25600K", 26214400 }, { "26214400", 26214400 }, { "26214401", 0 }, { "26M", 0 }, { "25601K", 0 },
		{ "1G", 0 }, { "17592186044416M", 0 }, { "0", 0 }, { "0K", 0 }, { "K", 0 }, { "", 0 }, { "1KB", 0 },
		{ "1 K", 0 }, { "-1", 0 }, { "1.5M", 0 }, { "KK", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t size = 0;

		assert_int_equal(str_to_size(str_c(cases[i].text), 1, 26214400, &size), cases[i].size != 0);
		assert_int_equal(size, cases[i].size);
	}
}

static void every_code_point_is_utf8_but_surrogates(void **state)
{
	(void)state;
	for (unsigned long c = 0; c < 0x120000; c++) {
		bool right = c < 0xd800 || (c > 0xdfff && c <= 0x10ffff);
		char bytes[4];
		size_t n = encode(c, bytes);

		assert_int_equal(str_utf8_char(str_make(bytes, n)), right ? n : 0);
		assert_true(str_is_utf8(str_make(bytes, n)) == right);
		if (n > 1)
			assert_false(str_is_utf8(str_make(bytes, n - 1)));
	}
}

static void what_only_looks_like_utf8_is_refused(void **state)
{
	static const struct str bad[] = {
		STR_LIT("\x80"), STR_LIT("\xbf"), STR_LIT("\xc0\x80"), STR_LIT("\xc1\xbf"), STR_LIT("\xc3"), STR_LIT("\xc3("), STR_LIT("\xe0\x80\x80"),
		STR_LIT("\xe0\x9f\xbf"), STR_LIT("\xe2\x82"), STR_LIT("\xe2(\xa1"), STR_LIT("\xed\xa0\x80"), STR_LIT("\xf0\x80\x80\x80"), STR_LIT("\xf0\x8f\xbf\xbf"),
		STR_LIT("\xf0\x9f\x98("), STR_LIT("\xf4\x90\x80\x80"), STR_LIT("\xf5\x80\x80\x80"), STR_LIT("\xf8\x88\x80\x80\x80"), STR_LIT("\xfe"), STR_LIT("\xff"),
		STR_LIT("ok\xc3\xa9 then \xe9"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(str_is_utf8(bad[i]));
	assert_int_equal(str_utf8_char(nothing), 0);
	assert_int_equal(str_utf8_char(STR_LIT("\xc3\xa9x")), 2);
	assert_int_equal(str_utf8_char(STR_LIT("x\xff")), 1);
}

static void only_spaces_and_tabs_around_a_text_are_trimmed(void **state)
{
	(void)state;
	assert_true(str_eq(str_trim(STR_LIT(" \t a b\t ")), STR_LIT("a b")));
	assert_true(str_eq(str_trim_front(STR_LIT(" \t a b\t ")), STR_LIT("a b\t ")));
	assert_true(str_eq(str_trim(STR_LIT("\na\r")), STR_LIT("\na\r")));
	assert_int_equal(str_trim(STR_LIT(" \t ")).n, 0);
	assert_int_equal(str_trim(STR_LIT("")).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_without_bytes_are_equal_wherever_they_point),
		cmocka_unit_test(a_nul_is_a_byte_like_others),
		cmocka_unit_test(order_is_that_of_unsigned_bytes_then_length),
		cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
		cmocka_unit_test(a_cut_is_at_the_first_place),
		cmocka_unit_test(numbers_are_digits_within_bounds),
		cmocka_unit_test(a_number_is_written_as_it_is_read),
		cmocka_unit_test(sizes_may_have_a_unit),
		cmocka_unit_test(every_code_point_is_utf8_but_surrogates),
		cmocka_unit_test(what_only_looks_like_utf8_is_refused),
		cmocka_unit_test(only_spaces_and_tabs_around_a_text_are_trimmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
