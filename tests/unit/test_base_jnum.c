/*
 * test_base_jnum.c - numbers: integers exactly, doubles in the shortest text that reads the same.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/jnum.h"

static struct jnum num(const char *text)
{
	struct jnum number;

	assert_true(jnum_read(str_c(text), &number));
	return number;
}

static void expect_text(const char *text, const char *expected)
{
	struct jnum number = num(text);
	char out[JNUM_TEXT_MAX];
	struct str written = jnum_write(&number, out);

	assert_true(str_eq(written, str_c(expected)));
}

static void expect_sum(const char *a, const char *b, const char *expected)
{
	struct jnum x = num(a), y = num(b), sum = { .i = 4711 };
	char out[JNUM_TEXT_MAX];

	if (expected == NULL) {
		assert_false(jnum_add(&x, &y, &sum));
		assert_int_equal(sum.i, 4711);
		return;
	}
	assert_true(jnum_add(&x, &y, &sum));
	assert_true(str_eq(jnum_write(&sum, out), str_c(expected)));
}

static void integers_of_64_bits_are_exact(void **state)
{
	(void)state;
	expect_text("0", "0");
	expect_text("-0", "0");
	expect_text("9223372036854775807", "9223372036854775807");
	expect_text("-9223372036854775808", "-9223372036854775808");
	assert_false(num("9223372036854775808").is_int);
	assert_false(num("-9223372036854775809").is_int);
	assert_false(num("1.0").is_int);
	assert_false(num("1e0").is_int);
	expect_sum("9007199254740992", "1", "9007199254740993");
	expect_sum("9223372036854775806", "1", "9223372036854775807");
	expect_sum("9223372036854775807", "1", NULL);
	expect_sum("-9223372036854775808", "-1", NULL);
	expect_sum("-9223372036854775808", "9223372036854775807", "-1");
}

static void all_others_are_doubles(void **state)
{
	(void)state;
	expect_sum("0.1", "0.2", "0.30000000000000004");
	expect_sum("0.5", "1", "1.5");
	expect_sum("1.5", "1.5", "3");
	expect_sum("9223372036854775808", "0", "9.223372036854776e+18");
	expect_sum("1e308", "1e308", NULL);
	expect_sum("-1e308", "-1e308", NULL);
	expect_text("1.50", "1.5");
	expect_text("1e2", "100");
	expect_text("5e-324", "4.94065645841247e-324");
	expect_text("1.7976931348623157e308", "1.7976931348623157e+308");
}

static void what_is_no_number_is_none(void **state)
{
	static const char *const bad[] = { "", "\"1\"", "null", "true", "[1]", "{}", "1e309", "-1e309", "1e999999" };
	char digits[JNUM_LEN_MAX + 2];
	struct jnum number;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(jnum_read(str_c(bad[i]), &number));
	memset(digits, '1', sizeof digits);
	digits[1] = '.';
	assert_true(jnum_read(str_make(digits, JNUM_LEN_MAX), &number));
	assert_false(jnum_read(str_make(digits, JNUM_LEN_MAX + 1), &number));
	/* Only these bytes, whatever stands behind. */
	assert_true(jnum_read(str_make("1.59", 3), &number));
	assert_true(number.d == 1.5);
}

static void a_text_reads_as_the_number_that_wrote_it(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		uint64_t bits = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
		struct jnum number = { .is_int = false }, back;
		char out[JNUM_TEXT_MAX];

		memcpy(&number.d, &bits, sizeof bits);
		if (number.d - number.d != 0)
			continue;	/* not finite */
		assert_true(jnum_read(jnum_write(&number, out), &back));
		assert_int_equal(jnum_compare(&number, &back), 0);
	}
}

static void order_is_exact_between_integers_and_doubles(void **state)
{
	static const char *const rising[] = {
		"-1e300", "-9223372036854775808", "-9223372036854775807", "-1.5", "-1", "-0.5", "0", "5e-324", "1", "1.5",
		"2", "9007199254740992", "9007199254740993", "9223372036854774784.0", "9223372036854775807",
		"9223372036854775808", "1e300",
	};
	enum { N = sizeof rising / sizeof rising[0] };

	(void)state;
	for (int i = 0; i < N; i++) {
		for (int k = 0; k < N; k++) {
			struct jnum a = num(rising[i]), b = num(rising[k]);
			int order = jnum_compare(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
		}
	}
	assert_int_equal(jnum_compare(&(struct jnum){ .is_int = true, .i = 3 }, &(struct jnum){ .d = 3 }), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_of_64_bits_are_exact),
		cmocka_unit_test(all_others_are_doubles),
		cmocka_unit_test(what_is_no_number_is_none),
		cmocka_unit_test(a_text_reads_as_the_number_that_wrote_it),
		cmocka_unit_test(order_is_exact_between_integers_and_doubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
