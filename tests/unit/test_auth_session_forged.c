/*
 * test_auth_session_forged.c - headers and signatures that are not ours. Most are rightly
 * signed, so only what they are about can stop them.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "forger.h"

/* --- forged headers --- */

static void only_es256_is_an_algorithm(void **state)
{
	static const char *const algs[] = {
		"\"none\"", "\"None\"", "\"NONE\"", "\"\"", "\"HS256\"", "\"RS256\"", "\"ES384\"", "\"ES512\"", "\"EdDSA\"",
		"\"es256\"", "\"ES256 \"", "\"ES256K\"", "\"ES256\\u0000\"", "[\"ES256\"]", "256", "null", "true"
	};

	(void)state;
	for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++)
		expect(with_header(arena_printf(arena, "{\"alg\":%s,\"typ\":\"JWT\",\"kid\":\"%s\"}", algs[i],
						current()->kid)), "bad_algorithm");
	expect(with_header(arena_printf(arena, "{\"typ\":\"JWT\",\"kid\":\"%s\"}", current()->kid)), "bad_algorithm");
	expect(with_header(header_with(",\"alg\":\"ES256\"")), "malformed");
	expect(with_header(header_with(",\"\\u0061lg\":\"none\"")), "malformed");
}

static void an_unsigned_token_is_refused(void **state)
{
	struct str claims = b64(STR_LIT("{" CLAIMS "," TIMES "}"));
	struct str none = b64(arena_printf(arena, "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"%s\"}", current()->kid));
	struct str es256 = b64(header_with(""));

	(void)state;
	expect(arena_printf(arena, "%.*s.%.*s.", STR(none), STR(claims)), "malformed");
	expect(arena_printf(arena, "%.*s.%.*s", STR(none), STR(claims)), "malformed");
	expect(arena_printf(arena, "%.*s.%.*s.", STR(es256), STR(claims)), "malformed");
	expect(arena_printf(arena, "%.*s.%.*s.AAAA", STR(none), STR(claims)), "bad_algorithm");
	expect(arena_printf(arena, "%.*s.%.*s.AAAA", STR(es256), STR(claims)), "bad_signature");
}

/* HS256 with something public as its key: the classic confusion. */
static void the_public_key_is_no_hmac_secret(void **state)
{
	struct str claims = b64(STR_LIT("{" CLAIMS "," TIMES "}"));
	uint8_t mac[32], *der = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	struct str secrets[4];

	(void)state;
	assert_int_equal(PEM_write_bio_PUBKEY(bio, current()->pkey), 1);
	secrets[0].n = (size_t)BIO_get_mem_data(bio, &pem);
	secrets[0].p = pem;
	secrets[1].n = (size_t)i2d_PUBKEY(current()->pkey, &der);
	secrets[1].p = (const char *)der;
	secrets[2] = str_make(current()->x, sizeof current()->x);
	secrets[3] = STR_LIT("");
	for (size_t i = 0; i < 4; i++) {
		for (int named = 0; named < 2; named++) {
			struct str header = b64(arena_printf(arena, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
							     named ? "HS256" : "ES256", current()->kid));
			struct str text = arena_printf(arena, "%.*s.%.*s", STR(header), STR(claims)), s;

			HMAC(EVP_sha256(), secrets[i].p, (int)secrets[i].n, (const unsigned char *)text.p, text.n, mac, NULL);
			s = b64(str_make(mac, sizeof mac));
			expect(arena_printf(arena, "%.*s.%.*s", STR(text), STR(s)),
			       named ? "bad_algorithm" : "bad_signature");
		}
	}
	OPENSSL_free(der);
	BIO_free(bio);
}

static void the_kid_names_a_published_key(void **state)
{
	static const char *const kids[] = {
		"\"\"", "\"unknown\"", "7", "null", "[]", "\"../../etc/passwd\"", "\"https://evil.example/key\"",
		"\"' OR 1=1 --\"", "\"`id`\"", "\"a\\r\\nb\"", "\"\\u0000\""
	};
	static char long_kid[2500];
	const struct key *other = key_set_at(keys, 1), *unpublished = key_set_at(foreign, 0);
	struct str header;

	(void)state;
	for (size_t i = 0; i < sizeof kids / sizeof kids[0]; i++)
		expect(with_header(arena_printf(arena, "{\"alg\":\"ES256\",\"kid\":%s}", kids[i])), "unknown_key");
	expect(with_header(STR_LIT("{\"alg\":\"ES256\"}")), "unknown_key");
	memset(long_kid, 'k', sizeof long_kid - 1);
	expect(with_header(arena_printf(arena, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", long_kid)), "unknown_key");
	/* A kid with a NUL and more behind it is another one. */
	expect(with_header(arena_printf(arena, "{\"alg\":\"ES256\",\"kid\":\"%s\\u0000\"}", current()->kid)), "unknown_key");

	/* The other key, under its own name and under the first one's; a key nobody published. */
	header = arena_printf(arena, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", other->kid);
	expect(sign_str(header, STR_LIT("{" CLAIMS "," TIMES "}"), other), "ok");
	expect(sign_str(header, STR_LIT("{" CLAIMS "," TIMES "}"), current()), "bad_signature");
	expect(sign_str(header_with(""), STR_LIT("{" CLAIMS "," TIMES "}"), other), "bad_signature");
	expect(sign_str(header_with(""), STR_LIT("{" CLAIMS "," TIMES "}"), unpublished), "bad_signature");
	header = arena_printf(arena, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", unpublished->kid);
	expect(sign_str(header, STR_LIT("{" CLAIMS "," TIMES "}"), unpublished), "unknown_key");
}

static void keys_in_the_header_are_not_looked_at(void **state)
{
	static const char more[] = ",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"},"
		"\"jku\":\"https://evil.example/jwks.json\",\"x5u\":\"https://evil.example/\",\"x5c\":[\"AA\"]";

	(void)state;
	expect(with_header(header_with(more)), "ok");
	expect(sign_str(header_with(more), STR_LIT("{" CLAIMS "," TIMES "}"), key_set_at(foreign, 0)), "bad_signature");
}

static void extensions_are_refused(void **state)
{
	static const char *const more[] = {
		",\"crit\":[\"exp\"]", ",\"crit\":[]", ",\"crit\":null", ",\"b64\":false", ",\"b64\":true",
		",\"crit\":[\"b64\"],\"b64\":false"
	};

	(void)state;
	for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
		expect(with_header(header_with(more[i])), "critical");
}

static void the_type_is_absent_or_jwt(void **state)
{
	static const struct {
		const char *typ, *word;
	} rows[] = {
		{ "", "ok" }, { ",\"typ\":\"JWT\"", "ok" }, { ",\"typ\":\"jwt\"", "bad_type" }, { ",\"typ\":\"at+jwt\"", "bad_type" },
		{ ",\"typ\":null", "bad_type" }, { ",\"typ\":\"\"", "bad_type" }, { ",\"typ\":[\"JWT\"]", "bad_type" }
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect(with_header(arena_printf(arena, "{\"alg\":\"ES256\",\"kid\":\"%s\"%s}", current()->kid, rows[i].typ)),
		       rows[i].word);
}

/* --- forged signatures --- */

static void signatures_that_are_none_are_refused(void **state)
{
	static const uint8_t n[32] = {
		0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51
	};
	struct str token = good(), raw = part_of(token, 2);
	uint8_t bad[80];

	(void)state;
	expect(token, "ok");
	for (size_t i = 0; i < 64; i++) {
		memcpy(bad, raw.p, 64);
		bad[i] ^= (uint8_t)(1 << i % 8);
		expect(with_signature(token, bad, 64), "bad_signature");
	}
	/* r and s: 0, the order, above the order. */
	for (int which = 0; which < 3; which++) {
		for (int half = 0; half < 2; half++) {
			memcpy(bad, raw.p, 64);
			memcpy(bad + 32 * half, n, 32);
			if (which == 0)
				memset(bad + 32 * half, 0, 32);
			if (which == 2)
				memset(bad + 32 * half, 0xff, 32);
			expect(with_signature(token, bad, 64), "bad_signature");
		}
	}
	memset(bad, 0, sizeof bad);
	expect(with_signature(token, bad, 64), "bad_signature");
	memcpy(bad, raw.p, 64);
	expect(with_signature(token, bad, 63), "bad_signature");
	expect(with_signature(token, bad, 65), "bad_signature");
	expect(with_signature(token, bad, 32), "bad_signature");
	expect(with_signature(token, bad, 1), "bad_signature");
}

static void a_der_signature_is_not_ours(void **state)
{
	struct str token = good(), text;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[160];
	size_t n = sizeof der;

	(void)state;
	text = str_make(token.p, (size_t)((const char *)memrchr(token.p, '.', token.n) - token.p));
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, current()->pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &n, (const unsigned char *)text.p, text.n), 1);
	expect(with_signature(token, der, n), "bad_signature");
	EVP_MD_CTX_free(ctx);
}

/* Anybody can make the twin of a good signature: it says the same, so it is as good. */
static void the_twin_of_a_signature_is_as_good(void **state)
{
	struct str token = good(), raw = part_of(token, 2);
	BIGNUM *s = BN_bin2bn((const uint8_t *)raw.p + 32, 32, NULL), *order = NULL;
	uint8_t twin[64];

	(void)state;
	BN_hex2bn(&order, "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
	assert_int_equal(BN_sub(s, order, s), 1);
	memcpy(twin, raw.p, 32);
	assert_int_equal(BN_bn2binpad(s, twin + 32, 32), 32);
	expect(with_signature(token, twin, 64), "ok");
	BN_free(s);
	BN_free(order);
}

/* Short and long r and s come up in some of these: each is another way to write DER. */
static void every_good_signature_verifies(void **state)
{
	(void)state;
	for (int i = 0; i < 600; i++) {
		arena_reset(arena);
		expect(good(), "ok");
	}
}

static void a_token_has_one_spelling(void **state)
{
	static const char *const behind[] = { ".", ".x", "=", "==", "$$", " ", "\n", "\t", ",", "A", "AAAA", "\xc3\xa9" };
	struct str token = good(), bad;
	char *last;

	(void)state;
	for (size_t i = 0; i < sizeof behind / sizeof behind[0]; i++) {
		bad = arena_printf(arena, "%.*s%s", STR(token), behind[i]);
		assert_int_not_equal(check(bad, &(struct session){ .telegram_id = 0 }), SESSION_OK);
		bad = arena_printf(arena, "%s%.*s", behind[i], STR(token));
		assert_int_not_equal(check(bad, &(struct session){ .telegram_id = 0 }), SESSION_OK);
	}
	assert_int_not_equal(check(str_make(token.p, token.n + 1), &(struct session){ .telegram_id = 0 }), SESSION_OK);
	expect(str_make(token.p, token.n - 1), "bad_signature");
	/* The last letter of a signature carries four bits that count for nothing. */
	bad = arena_dup(arena, token);
	last = (char *)(uintptr_t)bad.p + bad.n - 1;
	for (int i = 1; i < 4; i++) {
		*last = (char)(token.p[token.n - 1] + i);
		expect(bad, "malformed");
	}
	/* Standard base64 in place of base64url. */
	bad = arena_printf(arena, "%.*s+/%.*s", (int)token.n - 2, token.p, 0, "");
	assert_int_not_equal(check(bad, &(struct session){ .telegram_id = 0 }), SESSION_OK);
}

static void anything_short_of_three_parts_is_malformed(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "...", "a", "a.b", "a.b.", ".b.c", "a..c", "e30.e30.e30", "e30", "W10.e30.AAAA", "bnVsbA.e30.AAAA"
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		enum session_reason reason = check(str_c(bad[i]), &(struct session){ .telegram_id = 0 });

		/* An empty object is a header, but of no algorithm. */
		assert_string_equal(session_word(reason), strcmp(bad[i], "e30.e30.e30") == 0 ? "bad_algorithm" : "malformed");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(only_es256_is_an_algorithm, clean),
		cmocka_unit_test_setup(an_unsigned_token_is_refused, clean),
		cmocka_unit_test_setup(the_public_key_is_no_hmac_secret, clean),
		cmocka_unit_test_setup(the_kid_names_a_published_key, clean),
		cmocka_unit_test_setup(keys_in_the_header_are_not_looked_at, clean),
		cmocka_unit_test_setup(extensions_are_refused, clean),
		cmocka_unit_test_setup(the_type_is_absent_or_jwt, clean),
		cmocka_unit_test_setup(signatures_that_are_none_are_refused, clean),
		cmocka_unit_test_setup(a_der_signature_is_not_ours, clean),
		cmocka_unit_test_setup(the_twin_of_a_signature_is_as_good, clean),
		cmocka_unit_test_setup(every_good_signature_verifies, clean),
		cmocka_unit_test_setup(a_token_has_one_spelling, clean),
		cmocka_unit_test_setup(anything_short_of_three_parts_is_malformed, clean),
	};
	int failed;

	if (forger_open() != 0)
		return 99;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	forger_close();
	return failed;
}
