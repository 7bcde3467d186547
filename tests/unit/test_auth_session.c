/*
 * test_auth_session.c - session tokens of our own, and rightly signed ones whose claims
 * are wrong.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/pem.h>

#include "base/jdoc.h"
#include "forger.h"

/* --- tokens of our own --- */

static const struct session full = {
	.telegram_id = 7387289974, .first_name = STR_LIT("\xd0\x90\"\\\n\x01\xf0\x9f\x98\x80"), .last_name = STR_LIT("L"),
	.username = STR_LIT("u"), .project_id = STR_LIT(PROJECT), .issued_at = NOW, .expires_at = NOW + 86400
};

static void a_made_token_is_accepted(void **state)
{
	struct session read;
	struct str token;

	(void)state;
	assert_int_equal(session_make(&full, current(), "tmakv", arena, &token), RC_OK);
	assert_int_equal(check(token, &read), SESSION_OK);
	assert_int_equal(read.telegram_id, full.telegram_id);
	assert_true(str_eq(read.first_name, full.first_name));
	assert_true(str_eq(read.last_name, full.last_name));
	assert_true(str_eq(read.username, full.username));
	assert_true(str_eq(read.project_id, full.project_id));
	assert_int_equal(read.issued_at, full.issued_at);
	assert_int_equal(read.expires_at, full.expires_at);
}

static void a_made_token_says_exactly_this(void **state)
{
	const struct session least = {
		.telegram_id = 42, .first_name = STR_LIT("Ada"), .project_id = STR_LIT(PROJECT),
		.issued_at = NOW, .expires_at = NOW + 60
	};
	json_object *header, *claims;
	struct str token, text;
	int64_t number;

	(void)state;
	assert_int_equal(session_make(&least, current(), "tmakv", arena, &token), RC_OK);
	header = jdoc_read(part_of(token, 0), 8);
	assert_int_equal(json_object_object_length(header), 3);
	assert_true(jdoc_str(header, "alg", &text) && str_eq(text, STR_LIT("ES256")));
	assert_true(jdoc_str(header, "typ", &text) && str_eq(text, STR_LIT("JWT")));
	assert_true(jdoc_str(header, "kid", &text) && str_eq(text, str_c(current()->kid)));
	claims = jdoc_read(part_of(token, 1), 8);
	assert_int_equal(json_object_object_length(claims), 8);
	assert_true(jdoc_str(claims, "sub", &text) && str_eq(text, STR_LIT("tg_42")));
	assert_true(jdoc_i64(claims, "telegramId", &number) && number == 42);
	assert_true(jdoc_str(claims, "firstName", &text) && str_eq(text, STR_LIT("Ada")));
	assert_true(jdoc_str(claims, "projectId", &text) && str_eq(text, STR_LIT(PROJECT)));
	assert_true(jdoc_str(claims, "aud", &text) && str_eq(text, STR_LIT(PROJECT)));
	assert_true(jdoc_str(claims, "iss", &text) && str_eq(text, STR_LIT("tmakv")));
	assert_true(jdoc_i64(claims, "iat", &number) && number == NOW);
	assert_true(jdoc_i64(claims, "exp", &number) && number == NOW + 60);
	json_object_put(header);
	json_object_put(claims);

	assert_int_equal(session_make(&least, current(), NULL, arena, &token), RC_OK);
	claims = jdoc_read(part_of(token, 1), 8);
	assert_false(jdoc_has(claims, "iss"));
	json_object_put(claims);
	expect(token, "ok");
}

static void the_largest_id_survives(void **state)
{
	struct session session = full, read;
	struct str token;

	(void)state;
	session.telegram_id = (UINT64_C(1) << 53) - 1;
	assert_int_equal(session_make(&session, current(), "tmakv", arena, &token), RC_OK);
	assert_int_equal(check(token, &read), SESSION_OK);
	assert_int_equal(read.telegram_id, (UINT64_C(1) << 53) - 1);
}

static void no_token_is_made_that_would_not_be_accepted(void **state)
{
	static char name[5000];
	struct session session = full, read;
	struct str token = STR_LIT("untouched");
	struct key checking_only = *current();

	(void)state;
	memset(name, 'x', sizeof name);
	session.first_name = str_make(name, 3200);
	assert_int_equal(session_make(&session, current(), "tmakv", arena, &token), RC_INTERNAL);
	assert_true(str_eq(token, STR_LIT("untouched")));
	session.first_name = str_make(name, 2000);
	assert_int_equal(session_make(&session, current(), "tmakv", arena, &token), RC_OK);
	assert_int_equal(check(token, &read), SESSION_OK);
	checking_only.private_pem = NULL;
	assert_int_equal(session_make(&full, &checking_only, "tmakv", arena, &token), RC_INTERNAL);
}

static void libjwt_agrees_on_good_tokens(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str tokens[2];
	jwt_t *jwt = NULL;
	char *pem;
	long n;

	(void)state;
	assert_int_equal(PEM_write_bio_PUBKEY(bio, current()->pkey), 1);
	n = BIO_get_mem_data(bio, &pem);
	tokens[0] = good();
	assert_int_equal(session_make(&full, current(), "tmakv", arena, &tokens[1]), RC_OK);
	for (size_t i = 0; i < 2; i++) {
		struct session session;

		assert_int_equal(check(tokens[i], &session), SESSION_OK);
		assert_int_equal(jwt_decode(&jwt, tokens[i].p, (const unsigned char *)pem, (int)n), 0);
		assert_int_equal(jwt_get_alg(jwt), JWT_ALG_ES256);
		assert_int_equal((uint64_t)jwt_get_grant_int(jwt, "telegramId"), session.telegram_id);
		assert_int_equal(jwt_get_grant_int(jwt, "exp"), session.expires_at);
		assert_true(str_eq(str_c(jwt_get_grant(jwt, "firstName")), session.first_name));
		jwt_free(jwt);
	}
	BIO_free(bio);
}

/* --- claims --- */

static void claims_have_their_types_and_agree(void **state)
{
#define ID(sub, id) "{\"sub\":" sub ",\"telegramId\":" id ",\"firstName\":\"Ada\",\"projectId\":\"" PROJECT "\"," TIMES "}"
#define PID(id) "{\"sub\":\"tg_42\",\"telegramId\":42,\"firstName\":\"Ada\",\"projectId\":" id "," TIMES "}"
#define NAME(name) "{\"sub\":\"tg_42\",\"telegramId\":42,\"projectId\":\"" PROJECT "\"," name TIMES "}"
#define TIME(times) "{" CLAIMS times "}"
	static const struct {
		const char *payload, *word;
	} rows[] = {
		{ "{" CLAIMS "," TIMES "}", "ok" },
		{ "{" CLAIMS "," TIMES ",\"extra\":[{}]}", "ok" },
		{ ID("\"tg_42\"", "43"), "bad_claims" }, { ID("\"tg_042\"", "42"), "bad_claims" },
		{ ID("\"42\"", "42"), "bad_claims" }, { ID("\"tg_\"", "42"), "bad_claims" }, { ID("\"TG_42\"", "42"), "bad_claims" },
		{ ID("\"tg_42 \"", "42"), "bad_claims" }, { ID("\"tg_42\\u0000\"", "42"), "bad_claims" },
		{ ID("\"tg_+42\"", "42"), "bad_claims" }, { ID("42", "42"), "bad_claims" }, { ID("\"tg_42\"", "\"42\""), "bad_claims" },
		{ ID("\"tg_42\"", "42.0"), "bad_claims" }, { ID("\"tg_42\"", "null"), "bad_claims" },
		{ ID("\"tg_0\"", "0"), "bad_claims" }, { ID("\"tg_-1\"", "-1"), "bad_claims" },
		{ ID("\"tg_9007199254740992\"", "9007199254740992"), "bad_claims" },
		{ ID("\"tg_18446744073709551658\"", "42"), "bad_claims" },
		{ "{\"telegramId\":42,\"firstName\":\"Ada\",\"projectId\":\"" PROJECT "\"," TIMES "}", "bad_claims" },
		{ "{\"sub\":\"tg_42\",\"firstName\":\"Ada\",\"projectId\":\"" PROJECT "\"," TIMES "}", "bad_claims" },

		{ NAME(""), "bad_claims" }, { NAME("\"firstName\":7,"), "bad_claims" }, { NAME("\"firstName\":null,"), "bad_claims" },
		{ NAME("\"firstName\":\"A\\u0000B\","), "bad_claims" },
		{ NAME("\"firstName\":\"A\",\"lastName\":7,"), "bad_claims" },
		{ NAME("\"firstName\":\"A\",\"lastName\":null,"), "bad_claims" },
		{ NAME("\"firstName\":\"A\",\"lastName\":\"\\u0000\","), "bad_claims" },
		{ NAME("\"firstName\":\"A\",\"username\":[],"), "bad_claims" },
		{ NAME("\"firstName\":\"A\",\"username\":\"\\u0000\","), "bad_claims" },
		{ NAME("\"firstName\":\"A\",\"lastName\":\"\",\"username\":\"\","), "ok" },

		{ PID("\"\""), "bad_claims" }, { PID("\"../../etc\""), "bad_claims" }, { PID("7"), "bad_claims" }, { PID("null"), "bad_claims" },
		{ PID("\"0B9D3C5E-7A1F-4C2D-8E6B-5F4A3B2C1D0E\""), "bad_claims" },
		{ PID("\"0b9d3c5e7a1f4c2d8e6b5f4a3b2c1d0e\""), "bad_claims" },
		{ PID("\"0b9d3c5e-7a1f-4c2d-8e6b-5f4a3b2c1d0\""), "bad_claims" },
		{ PID("\"0b9d3c5e-7a1f-4c2d-8e6b-5f4a3b2c1d0ef\""), "bad_claims" },
		{ PID("\"0b9d3c5e-7a1f-4c2d-8e6b-5f4a3b2c1d0g\""), "bad_claims" },
		{ PID("\"0b9d3c5e-7a1f-4c2d-8e6b05f4a3b2c1d0e\""), "bad_claims" },
		{ PID("\"-b9d3c5e-7a1f-4c2d-8e6b-5f4a3b2c1d0e\""), "bad_claims" },
		{ "{\"sub\":\"tg_42\",\"telegramId\":42,\"firstName\":\"Ada\"," TIMES "}", "bad_claims" },

		{ TIME(",\"iat\":1700000000"), "bad_claims" }, { TIME(",\"exp\":1700086400"), "bad_claims" },
		{ TIME(",\"iat\":\"1700000000\",\"exp\":1700086400"), "bad_claims" },
		{ TIME(",\"iat\":1700000000,\"exp\":\"1700086400\""), "bad_claims" },
		{ TIME(",\"iat\":1700000000,\"exp\":1700086400.5"), "bad_claims" },
		{ TIME(",\"iat\":1700000000,\"exp\":1e30"), "bad_claims" }, { TIME(",\"iat\":1700000000,\"exp\":null"), "bad_claims" },
		{ TIME(",\"iat\":1700000000,\"exp\":9223372036854775808"), "bad_claims" },
		{ TIME(",\"iat\":-1,\"exp\":1700086400"), "bad_claims" }, { TIME(",\"iat\":1,\"exp\":-1"), "bad_claims" },
		{ TIME(",\"iat\":1700000000,\"exp\":9223372036854775807"), "ok" },
		{ TIME(",\"iat\":1700000000,\"exp\":1700086400,\"nbf\":\"0\""), "bad_claims" },
		{ TIME(",\"iat\":1700000000,\"exp\":1700086400,\"nbf\":null"), "bad_claims" },

		{ TIME(",\"iat\":1700000000,\"exp\":1700000001"), "ok" },
		{ TIME(",\"iat\":1700000000,\"exp\":1700000000"), "expired" },
		{ TIME(",\"iat\":1699999000,\"exp\":1699999999"), "expired" }, { TIME(",\"iat\":0,\"exp\":0"), "expired" },
		{ TIME(",\"iat\":1700000060,\"exp\":1700086400"), "ok" },
		{ TIME(",\"iat\":1700000061,\"exp\":1700086400"), "future" },
		{ TIME(",\"iat\":9223372036854775807,\"exp\":9223372036854775807"), "future" },
		{ TIME("," TIMES ",\"nbf\":1700000060"), "ok" }, { TIME("," TIMES ",\"nbf\":1700000061"), "future" },
		{ TIME("," TIMES ",\"nbf\":0"), "ok" },

		{ TIME("," TIMES ",\"iss\":\"tmakv\",\"aud\":\"" PROJECT "\""), "ok" },
		{ TIME("," TIMES ",\"iss\":\"other\""), "wrong_issuer" }, { TIME("," TIMES ",\"iss\":\"\""), "wrong_issuer" },
		{ TIME("," TIMES ",\"iss\":null"), "wrong_issuer" }, { TIME("," TIMES ",\"iss\":[\"tmakv\"]"), "wrong_issuer" },
		{ TIME("," TIMES ",\"aud\":\"1b9d3c5e-7a1f-4c2d-8e6b-5f4a3b2c1d0e\""), "wrong_audience" },
		{ TIME("," TIMES ",\"aud\":[\"" PROJECT "\"]"), "wrong_audience" }, { TIME("," TIMES ",\"aud\":null"), "wrong_audience" },

		{ "{" CLAIMS "," TIMES ",\"exp\":1800000000}", "malformed" },
		{ "{" CLAIMS "," TIMES ",\"telegramId\":43}", "malformed" },
		{ "{" CLAIMS "," TIMES ",\"s\\u0075b\":\"tg_43\"}", "malformed" },
		{ "[]", "malformed" }, { "null", "malformed" }, { "\"x\"", "malformed" }, { "not JSON", "malformed" },
		{ "{" CLAIMS "," TIMES "}x", "malformed" }, { "{" CLAIMS "," TIMES ",}", "malformed" }, { "{}", "bad_claims" },
		{ "{" CLAIMS "," TIMES ",\"x\":[[[[[[[[]]]]]]]]}", "malformed" },
		{ "{" CLAIMS "," TIMES ",\"x\":\"\xff\"}", "malformed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		arena_reset(arena);
		expect(with_payload(rows[i].payload), rows[i].word);
	}
	expect(sign_str(header_with(""), str_make("{" CLAIMS "," TIMES "}\0", sizeof("{" CLAIMS "," TIMES "}")), current()),
	       "malformed");
}

static void without_an_issuer_none_is_asked_for(void **state)
{
	struct str token = with_payload("{" CLAIMS "," TIMES ",\"iss\":\"other\"}");
	struct session session;

	(void)state;
	assert_int_equal(session_check(token, keys, NULL, NOW, arena, &session), SESSION_OK);
	expect(token, "wrong_issuer");
}

/* --- sizes, memory, words --- */

static void four_kilobytes_are_the_limit(void **state)
{
	static char filler[8192];

	(void)state;
	memset(filler, 'x', sizeof filler);
	for (size_t n = 2600; ; n++) {
		struct str token;

		arena_reset(arena);
		token = with_payload(arena_printf(arena, "{" CLAIMS "," TIMES ",\"x\":\"%.*s\"}", (int)n, filler).p);
		if (token.n > SESSION_TOKEN_MAX) {
			assert_true(token.n <= SESSION_TOKEN_MAX + 2);
			expect(token, "too_large");
			break;
		}
		if (token.n >= SESSION_TOKEN_MAX - 2)
			expect(token, "ok");
	}
	arena_reset(arena);
	expect(with_payload(arena_printf(arena, "{" CLAIMS "," TIMES ",\"x\":\"%.*s\"}", 8000, filler).p), "too_large");
}

static void short_memory_is_said(void **state)
{
	struct str token = good();
	struct session session;
	size_t ceiling = 0;

	(void)state;
	for (;; ceiling += 16) {
		struct arena *small = arena_new(ceiling);
		enum session_reason reason = session_check(token, keys, NULL, NOW, small, &session);

		arena_free(small);
		if (reason == SESSION_OK)
			break;
		assert_int_equal(reason, SESSION_NO_MEMORY);
		assert_true(ceiling < 8192);
	}
	for (ceiling = 0; ; ceiling += 16) {
		struct arena *small = arena_new(ceiling);
		enum rc rc = session_make(&full, current(), "tmakv", small, &token);

		arena_free(small);
		if (rc == RC_OK)
			break;
		assert_int_equal(rc, RC_NO_MEMORY);
		assert_true(ceiling < 8192);
	}
}

static void every_reason_has_its_words(void **state)
{
	(void)state;
	for (enum session_reason reason = SESSION_OK; reason < SESSION__COUNT; reason++) {
		enum rc rc = session_rc(reason);

		assert_non_null(session_word(reason));
		assert_non_null(session_explain(reason));
		assert_int_equal(rc, reason == SESSION_OK ? RC_OK : reason == SESSION_EXPIRED ? RC_TOKEN_EXPIRED :
				 reason == SESSION_NO_MEMORY ? RC_NO_MEMORY : RC_INVALID_TOKEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_made_token_is_accepted, clean),
		cmocka_unit_test_setup(a_made_token_says_exactly_this, clean),
		cmocka_unit_test_setup(the_largest_id_survives, clean),
		cmocka_unit_test_setup(no_token_is_made_that_would_not_be_accepted, clean),
		cmocka_unit_test_setup(libjwt_agrees_on_good_tokens, clean),
		cmocka_unit_test_setup(claims_have_their_types_and_agree, clean),
		cmocka_unit_test_setup(without_an_issuer_none_is_asked_for, clean),
		cmocka_unit_test_setup(four_kilobytes_are_the_limit, clean),
		cmocka_unit_test_setup(short_memory_is_said, clean),
		cmocka_unit_test_setup(every_reason_has_its_words, clean),
	};
	int failed;

	if (forger_open() != 0)
		return 99;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	forger_close();
	return failed;
}
