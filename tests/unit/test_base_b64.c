/*
 * test_base_b64.c - base64url: one text for one value.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/b64.h"

static const struct { struct str bytes, text; } vectors[] = {
	/* RFC 4648 section 10, without padding */
	{ STR_LIT(""), STR_LIT("") }, { STR_LIT("f"), STR_LIT("Zg") }, { STR_LIT("fo"), STR_LIT("Zm8") }, { STR_LIT("foo"), STR_LIT("Zm9v") },
	{ STR_LIT("foob"), STR_LIT("Zm9vYg") }, { STR_LIT("fooba"), STR_LIT("Zm9vYmE") }, { STR_LIT("foobar"), STR_LIT("Zm9vYmFy") },
	{ STR_LIT("\0"), STR_LIT("AA") }, { STR_LIT("\xff\xff\xff"), STR_LIT("____") }, { STR_LIT("\xfb\xef\xbe"), STR_LIT("----") },
};

static void the_rfcs_vectors_hold_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct str bytes = vectors[i].bytes, text = vectors[i].text;
		uint8_t back[16];
		char out[16];
		size_t n = 99;

		assert_int_equal(B64URL_LEN(bytes.n), text.n);
		assert_int_equal(b64url_encode((const uint8_t *)bytes.p, bytes.n, out), text.n);
		assert_memory_equal(out, text.p, text.n);
		assert_true(b64url_decode(text, back, &n));
		assert_true(n == bytes.n && n <= B64URL_ROOM(text.n));
		assert_memory_equal(back, bytes.p, n);
	}
}

static void every_length_goes_there_and_back(void **state)
{
	uint8_t bytes[200], back[B64URL_ROOM(B64URL_LEN(200))];
	char text[B64URL_LEN(200)];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 151 + 7);
	for (size_t len = 0; len <= sizeof bytes; len++) {
		size_t n = 0, written = b64url_encode(bytes, len, text);

		assert_int_equal(written, B64URL_LEN(len));
		assert_true(b64url_decode(str_make(text, written), back, &n));
		assert_true(n == len && n <= B64URL_ROOM(written));
		assert_memory_equal(back, bytes, n);
	}
}

/* Of all texts of two and three letters, only those are read that would be written so. */
static void a_value_has_one_text(void **state)
{
	unsigned good = 0;

	(void)state;
	for (unsigned i = 0; i < 256 * 256; i++) {
		const char text[3] = { (char)(i & 0xff), (char)(i >> 8), 'A' };
		uint8_t bytes[B64URL_ROOM(3)];
		char again[B64URL_LEN(B64URL_ROOM(3))];
		size_t n = 0;

		if (b64url_decode(str_make(text, 2), bytes, &n)) {
			good++;
			assert_true(n == 1 && b64url_encode(bytes, n, again) == 2);
			assert_memory_equal(again, text, 2);
		}
		if (b64url_decode(str_make(text, 3), bytes, &n)) {
			assert_true(n == 2 && b64url_encode(bytes, n, again) == 3);
			assert_memory_equal(again, text, 3);
		}
	}
	assert_int_equal(good, 256);
}

static void what_is_no_base64url_is_refused(void **state)
{
	static const struct str bad[] = {
		STR_LIT("A"), STR_LIT("AAAAA"), STR_LIT("Zg=="), STR_LIT("Zm8="), STR_LIT("=") , STR_LIT("Zm9+"), STR_LIT("Zm9/"), STR_LIT("Zm 9"), STR_LIT("Zm9v\n"),
		STR_LIT("Zh"), STR_LIT("Zm9"), STR_LIT("Zm9vYh"), STR_LIT("Zm\0v"), STR_LIT("Zm9\xff"), STR_LIT("Zm9v.Zm9v"), STR_LIT("[[[["), STR_LIT("``@@"), STR_LIT("//::"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint8_t bytes[16];
		size_t n = 99;

		assert_false(b64url_decode(bad[i], bytes, &n));
		assert_int_equal(n, 99);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rfcs_vectors_hold_both_ways),
		cmocka_unit_test(every_length_goes_there_and_back),
		cmocka_unit_test(a_value_has_one_text),
		cmocka_unit_test(what_is_no_base64url_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
