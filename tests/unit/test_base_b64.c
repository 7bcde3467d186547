/*
 * test_base_b64.c - base64url: one text for one value; base64: padding or none.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
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

static const struct { struct str bytes, text; } standard[] = {
	/* RFC 4648 section 10 */
	{ STR_LIT(""), STR_LIT("") }, { STR_LIT("f"), STR_LIT("Zg==") }, { STR_LIT("fo"), STR_LIT("Zm8=") }, { STR_LIT("foo"), STR_LIT("Zm9v") },
	{ STR_LIT("foob"), STR_LIT("Zm9vYg==") }, { STR_LIT("fooba"), STR_LIT("Zm9vYmE=") }, { STR_LIT("foobar"), STR_LIT("Zm9vYmFy") },
	{ STR_LIT("\0"), STR_LIT("AA==") }, { STR_LIT("\xff\xff\xff"), STR_LIT("////") }, { STR_LIT("\xfb\xef\xbe"), STR_LIT("++++") },
};

static void the_rfcs_padded_vectors_hold_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++) {
		struct str bytes = standard[i].bytes, text = standard[i].text;
		uint8_t back[16];
		char out[16];
		size_t n = 99;

		assert_int_equal(B64_LEN(bytes.n), text.n);
		assert_int_equal(b64_encode((const uint8_t *)bytes.p, bytes.n, out), text.n);
		assert_memory_equal(out, text.p, text.n);
		assert_true(b64_decode(text, back, &n));
		assert_true(n == bytes.n && n <= B64_ROOM(text.n));
		assert_memory_equal(back, bytes.p, n);
	}
}

/* Into memory of its own, and over the text itself, which ends where its memory ends. */
static void assert_reads(const char *text, size_t text_n, const uint8_t *bytes, size_t len)
{
	uint8_t *back = malloc(B64_ROOM(text_n)), *same = malloc(text_n);
	size_t n = 99;

	assert_true(b64_decode(str_make(text, text_n), back, &n));
	assert_true(n == len && n <= B64_ROOM(text_n));
	assert_memory_equal(back, bytes, n);
	if (text_n != 0)
		memcpy(same, text, text_n);
	n = 99;
	assert_true(b64_decode(str_make(same, text_n), same, &n));
	assert_true(n == len && n <= text_n);
	assert_memory_equal(same, bytes, n);
	free(back);
	free(same);
}

static void every_length_is_read_with_padding_and_without_and_in_place(void **state)
{
	uint8_t bytes[200];
	char text[B64_LEN(200)];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 151 + 7);
	for (size_t len = 0; len <= sizeof bytes; len++) {
		size_t written = b64_encode(bytes, len, text);

		assert_int_equal(written, B64_LEN(len));
		assert_reads(text, written, bytes, len);
		assert_reads(text, B64URL_LEN(len), bytes, len);
	}
}

/* Of all texts of two letters in front of "==" or nothing, only those are read that would be written so. */
static void a_value_has_two_texts_with_padding_and_without(void **state)
{
	unsigned good = 0;

	(void)state;
	for (unsigned i = 0; i < 256 * 256; i++) {
		const char text[4] = { (char)(i & 0xff), (char)(i >> 8), '=', '=' };
		uint8_t bytes[B64_ROOM(4)];
		char again[B64_LEN(1)];
		size_t n = 0;
		bool padded = b64_decode(str_make(text, 4), bytes, &n), bare = b64_decode(str_make(text, 2), bytes, &n);

		assert_int_equal(padded, bare);
		if (padded) {
			good++;
			assert_true(n == 1 && b64_encode(bytes, n, again) == 4);
			assert_memory_equal(again, text, 4);
		}
	}
	assert_int_equal(good, 256);
}

/* Wherever it stands: in a whole four, and in the two or three letters behind them. */
static void a_foreign_byte_is_refused_at_every_place(void **state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	(void)state;
	for (size_t len = 2; len < 12; len++) {
		for (size_t at = 0; at < len && len % 4 != 1; at++) {
			for (int c = 0; c < 256; c++) {
				char text[12];
				uint8_t bytes[B64_ROOM(12)];
				size_t n = 99;
				bool letter = c != 0 && strchr(letters, c) != NULL;
				bool free_bits = at + 1 == len && len % 4 != 0;

				memset(text, 'A', sizeof text);
				text[at] = (char)c;
				if (!free_bits && !(c == '=' && len % 4 == 0 && at + 1 == len))
					assert_int_equal(b64_decode(str_make(text, len), bytes, &n), letter);
				else if (!letter && c != '=')
					assert_false(b64_decode(str_make(text, len), bytes, &n));
			}
		}
	}
}

static void what_is_no_base64_is_refused(void **state)
{
	static const struct str bad[] = {
		/* padding: not what the length asks for, or not at the end */
		STR_LIT("="), STR_LIT("=="), STR_LIT("==="), STR_LIT("===="), STR_LIT("A==="), STR_LIT("Zg="), STR_LIT("Zg==="), STR_LIT("Zm8=="), STR_LIT("Zm9v="),
		STR_LIT("Zm9v=="), STR_LIT("Zm9v===="), STR_LIT("Zg==Zg=="), STR_LIT("Zg==Zm9v"), STR_LIT("Z=g="), STR_LIT("=Zg="), STR_LIT("Zm9vZg="), STR_LIT("Zm9vZm8=="),
		/* length */
		STR_LIT("A"), STR_LIT("AAAAA"),
		/* foreign bytes */
		STR_LIT("Zm9-"), STR_LIT("Zm9_"), STR_LIT("Zm 9"), STR_LIT("Zm9v\n"), STR_LIT("Zm9v\r\nZm9v"), STR_LIT(" Zg=="), STR_LIT("Zg== "), STR_LIT("Zm\0v"), STR_LIT("Zm9\xff"),
		/* unused bits */
		STR_LIT("Zh"), STR_LIT("Zh=="), STR_LIT("Zm9"), STR_LIT("Zm9="), STR_LIT("Zm9vYh=="), STR_LIT("/////x=="),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint8_t bytes[16];
		size_t n = 99;

		if (b64_decode(bad[i], bytes, &n))
			fail_msg("accepted: %.*s", STR(bad[i]));
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
		cmocka_unit_test(the_rfcs_padded_vectors_hold_both_ways),
		cmocka_unit_test(every_length_is_read_with_padding_and_without_and_in_place),
		cmocka_unit_test(a_value_has_two_texts_with_padding_and_without),
		cmocka_unit_test(a_foreign_byte_is_refused_at_every_place),
		cmocka_unit_test(what_is_no_base64_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
