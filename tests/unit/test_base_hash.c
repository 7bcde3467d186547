/*
 * test_base_hash.c - the keyed hash is SipHash, as OpenSSL computes it too.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/hash.h"

/* Little-endian, whatever the machine. */
static void put_word(unsigned char *to, uint64_t word)
{
	for (int i = 0; i < 8; i++)
		to[i] = (unsigned char)(word >> (8 * i));
}

static void every_length_hashes_as_in_openssl(void **state)
{
	const struct hash_key key = { 0x0706050403020100, 0xffeeddccbbaa9988 };
	unsigned char key_bytes[16], ours[16], theirs[16];
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	char text[300];

	(void)state;
	assert_non_null(ctx);
	put_word(key_bytes, key.k0);
	put_word(key_bytes + 8, key.k1);
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i * 167 + 13);
	for (size_t n = 0; n <= sizeof text; n++) {
		struct hash hash = hash_make(key, str_make(text, n));
		size_t size = 0;

		assert_int_equal(EVP_MAC_init(ctx, key_bytes, sizeof key_bytes, NULL), 1);
		assert_int_equal(EVP_MAC_update(ctx, (const unsigned char *)text, n), 1);
		assert_int_equal(EVP_MAC_final(ctx, theirs, &size, sizeof theirs), 1);
		assert_int_equal(size, 16);
		put_word(ours, hash.a);
		put_word(ours + 8, hash.b);
		assert_memory_equal(ours, theirs, 16);
	}
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

static void the_empty_string_may_point_nowhere(void **state)
{
	const struct hash_key key = { 1, 2 };

	(void)state;
	assert_true(hash_eq(hash_make(key, str_make(NULL, 0)), hash_make(key, STR_LIT(""))));
}

static void hashes_differ_by_text_and_key(void **state)
{
	struct hash_key key = hash_key_new(), other = hash_key_new();

	(void)state;
	assert_memory_not_equal(&key, &other, sizeof key);
	assert_true(hash_eq(hash_make(key, STR_LIT("a")), hash_make(key, STR_LIT("a"))));
	assert_false(hash_eq(hash_make(key, STR_LIT("a")), hash_make(key, STR_LIT("b"))));
	assert_false(hash_eq(hash_make(key, STR_LIT("a")), hash_make(key, STR_LIT("a\0"))));
	assert_false(hash_eq(hash_make(key, STR_LIT("a")), hash_make(other, STR_LIT("a"))));
	assert_false(hash_eq((struct hash){ 1, 2 }, (struct hash){ 1, 3 }));
	assert_false(hash_eq((struct hash){ 1, 2 }, (struct hash){ 3, 2 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_hashes_as_in_openssl),
		cmocka_unit_test(the_empty_string_may_point_nowhere),
		cmocka_unit_test(hashes_differ_by_text_and_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
