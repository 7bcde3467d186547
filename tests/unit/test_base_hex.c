/*
 * test_base_hex.c - hexadecimal digits, there and back.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"

static void every_byte_goes_there_and_back(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		uint8_t byte = (uint8_t)i, back = (uint8_t)~byte;
		char text[2];

		hex_encode(&byte, 1, text);
		assert_true(hex_decode(str_make(text, 2), &back, 1));
		assert_int_equal(back, byte);
	}
}

static void digits_are_written_small_and_read_in_both_cases(void **state)
{
	static const uint8_t bytes[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	uint8_t back[8];
	char text[16];

	(void)state;
	hex_encode(bytes, 8, text);
	assert_memory_equal(text, "0123456789abcdef", 16);
	assert_true(hex_decode(STR_LIT("0123456789aBcDEF"), back, 8));
	assert_memory_equal(back, bytes, 8);
	assert_true(hex_decode(STR_LIT(""), back, 0));
}

static void nothing_but_digits_in_the_right_number_is_read(void **state)
{
	static const struct str bad[] = {
		STR_LIT(""), STR_LIT("0"), STR_LIT("012"), STR_LIT("01234"), STR_LIT("0g12"), STR_LIT("g012"), STR_LIT(" 012"), STR_LIT("01:2"),
		STR_LIT("0/12"), STR_LIT("@012"), STR_LIT("`012"), STR_LIT("G012"), STR_LIT("01\0\0"), STR_LIT("01\xc3\xa9"), STR_LIT("012345"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint8_t back[3];

		assert_false(hex_decode(bad[i], back, 2));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_goes_there_and_back),
		cmocka_unit_test(digits_are_written_small_and_read_in_both_cases),
		cmocka_unit_test(nothing_but_digits_in_the_right_number_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
