/*
 * test_auth_initdata.c - recorded initData of other libraries' tests, then the order of
 * the checks, their limits, several bots, and short memory.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "auth/initdata.h"
#include "base/hex.h"
#include "maker.h"

static struct maker maker;
static struct arena *arena;
static const char token[] = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

/* RAW against BOTS at NOW. */
static enum initdata_reason check_at(struct str raw, const struct bot *bots, size_t n_bots, int64_t now,
				     int64_t max_age_s, struct initdata_user *user)
{
	const struct initdata_check check = { bots, n_bots, now, max_age_s };

	arena_reset(arena);
	return initdata_check(raw, &check, arena, user);
}

static struct bot bot_with_token(const char *bot_token)
{
	struct bot bot = { .id = 123456, .n_secrets = 1 };

	maker_secret(bot_token, bot.secrets[0]);
	return bot;
}

/* What MAKER holds, against the usual bot at the usual time. */
static enum initdata_reason check_made(struct initdata_user *user)
{
	const struct bot bot = bot_with_token(token);

	return check_at(maker_write(&maker), &bot, 1, MAKER_NOW, 86400, user);
}

static void sign_made(void)
{
	const struct bot bot = bot_with_token(token);

	maker_hash(&maker, bot.secrets[0]);
}

#define assert_reason(got, expected) assert_string_equal(initdata_word(got), expected)

/* --- recorded strings --- */

static json_object *member(json_object *object, const char *name)
{
	json_object *value;

	assert_true(json_object_object_get_ex(object, name, &value));
	return value;
}

static const char *text_of(json_object *object, const char *name)
{
	return json_object_get_string(member(object, name));
}

/* How many were replayed in each mode. */
struct replayed {
	size_t hmac, ed25519;
};

/* HOLDS: whether the signature is good in this mode. What else is expected stands in EXPECT. */
static void expect_outcome(json_object *vector, bool holds, const char *bad, const struct bot *bot)
{
	json_object *expect = member(vector, "expect");
	const char *strict = text_of(expect, "strict"), *reason = text_of(expect, "reason");
	struct str raw = str_c(text_of(vector, "init_data"));
	struct initdata_user user = { .telegram_id = 0 };
	enum initdata_reason got = check_at(raw, bot, 1, json_object_get_int64(member(vector, "now")),
					    json_object_get_int64(member(vector, "max_age")), &user);

	/* "depends": on the mode, and the signature is all that it depends on. */
	if (strcmp(strict, "depends") == 0)
		reason = holds ? "ok" : bad;
	else if (strcmp(strict, "accept") == 0)
		reason = "ok";
	else
		assert_string_equal(strict, "reject");
	if (strcmp(initdata_word(got), reason) != 0)
		print_error("%s\n", text_of(vector, "id"));
	assert_reason(got, reason);
	if (member(expect, "user_id") != NULL)
		assert_int_equal(user.telegram_id, json_object_get_int64(member(expect, "user_id")));
	assert_int_equal(user.telegram_id != 0, got == INITDATA_OK);
}

static void replay(json_object *vector, struct replayed *replayed)
{
	json_object *expect = member(vector, "expect");
	json_object *hmac = member(expect, "hmac"), *ed25519 = member(expect, "ed25519");
	struct bot bot = { .id = (uint64_t)json_object_get_int64(member(vector, "bot_id")) };

	assert_true(hmac != NULL || ed25519 != NULL);
	if (ed25519 != NULL) {
		const char *key = text_of(vector, "public_key_hex"), *env = text_of(vector, "environment");

		assert_true(hex_decode(str_c(key), bot.public_key, sizeof bot.public_key));
		if (strcmp(env, "production") == 0)
			assert_memory_equal(bot.public_key, initdata_key_production, sizeof bot.public_key);
		else if (strcmp(env, "test") == 0)
			assert_memory_equal(bot.public_key, initdata_key_test, sizeof bot.public_key);
		expect_outcome(vector, json_object_get_boolean(ed25519), "bad_signature", &bot);
		replayed->ed25519++;
	}
	if (hmac != NULL) {
		uint8_t secret[BOT_SECRET_SIZE];
		uint64_t id;

		bot.n_secrets = 1;
		maker_secret(text_of(vector, "bot_token"), bot.secrets[0]);
		/* Some of the published tokens are none; for all others our derivation is the same. */
		if (initdata_secret(str_c(text_of(vector, "bot_token")), secret, &id)) {
			assert_memory_equal(secret, bot.secrets[0], sizeof secret);
			assert_int_not_equal(id, 0);
		}
		expect_outcome(vector, json_object_get_boolean(hmac), "bad_hash", &bot);
		replayed->hmac++;
	}
}

static void recorded_strings_are_judged_as_recorded(void **state)
{
	const char *top = getenv("top_srcdir");
	struct replayed replayed = { 0, 0 };
	json_object *doc, *vectors;
	char path[4096];

	(void)state;
	snprintf(path, sizeof path, "%s/tests/data/initdata.json", top == NULL ? "." : top);
	doc = json_object_from_file(path);
	assert_non_null(doc);
	vectors = member(doc, "vectors");
	assert_int_equal(json_object_array_length(vectors), json_object_get_int64(member(doc, "count")));
	for (size_t i = 0; i < json_object_array_length(vectors); i++)
		replay(json_object_array_get_idx(vectors, i), &replayed);
	assert_int_equal(replayed.hmac, 35);
	assert_int_equal(replayed.ed25519, 13);
	json_object_put(doc);
}

/* --- what comes out --- */

static void names_are_handed_out(void **state)
{
	struct initdata_user user;

	(void)state;
	maker_init(&maker);
	maker_add(&maker, "auth_date", "1700000000");
	maker_add(&maker, "user", "{\"id\":7387289974,\"first_name\":\"\xd0\x90\xd1\x80\\ud83d\\ude00\","
		  "\"last_name\":\"O\\/'B\",\"username\":\"ada\",\"is_premium\":true}");
	sign_made();
	assert_reason(check_made(&user), "ok");
	assert_int_equal(user.telegram_id, 7387289974);
	assert_int_equal(user.auth_date, MAKER_NOW);
	assert_true(str_eq(user.first_name, STR_LIT("\xd0\x90\xd1\x80\xf0\x9f\x98\x80")));
	assert_true(str_eq(user.last_name, STR_LIT("O/'B")));
	assert_true(str_eq(user.username, STR_LIT("ada")));
}

static void names_of_other_types_count_as_absent(void **state)
{
	struct initdata_user user;

	(void)state;
	maker_init(&maker);
	maker_add(&maker, "auth_date", "1700000000");
	maker_add(&maker, "user", "{\"id\":1,\"first_name\":\"A\",\"last_name\":null,\"username\":7}");
	sign_made();
	assert_reason(check_made(&user), "ok");
	assert_int_equal(user.last_name.n, 0);
	assert_int_equal(user.username.n, 0);
}

static void a_refused_string_leaves_the_user_alone(void **state)
{
	struct initdata_user user = { .telegram_id = 99 };

	(void)state;
	maker_init(&maker);
	maker_add(&maker, "auth_date", "1700000000");
	maker_add(&maker, "user", "{\"id\":1,\"first_name\":\"\"}");
	sign_made();
	assert_reason(check_made(&user), "bad_user");
	assert_int_equal(user.telegram_id, 99);
}

/* --- order and limits --- */

static void the_first_failing_step_answers(void **state)
{
	static char long_text[INITDATA_MAX + 2];
	const struct bot bot = bot_with_token(token);
	struct initdata_user user;

	(void)state;
	/* Too large and malformed. */
	memset(long_text, '&', sizeof long_text);
	assert_reason(check_at(str_make(long_text, INITDATA_MAX + 1), &bot, 1, 0, 1, &user), "too_large");
	assert_reason(check_at(str_make(long_text, INITDATA_MAX), &bot, 1, 0, 1, &user), "malformed");
	/* Malformed at its end, with a name twice before. */
	assert_reason(check_at(STR_LIT("a=1&a=2&b"), &bot, 1, 0, 1, &user), "malformed");
	/* A name twice and too many fields. */
	memset(long_text, 0, sizeof long_text);
	for (size_t i = 0; i < 70; i++)
		sprintf(long_text + strlen(long_text), "f%zu=%zu&", i % 69, i);
	assert_reason(check_at(str_make(long_text, strlen(long_text) - 1), &bot, 1, 0, 1, &user), "duplicate_key");
	/* Too many fields, no hash. */
	memset(long_text, 0, sizeof long_text);
	for (size_t i = 0; i < 65; i++)
		sprintf(long_text + strlen(long_text), "f%zu=&", i);
	assert_reason(check_at(str_make(long_text, strlen(long_text) - 1), &bot, 1, 0, 1, &user), "too_many_fields");
	/* No hash, no auth_date, no user. */
	assert_reason(check_at(STR_LIT("a=1"), &bot, 1, 0, 1, &user), "missing_hash");
	assert_reason(check_at(STR_LIT("a=1&hash="), &bot, 1, 0, 1, &user), "bad_hash");
	maker_init(&maker);
	maker_add(&maker, "a", "1");
	sign_made();
	assert_reason(check_made(&user), "missing_auth_date");
	maker_init(&maker);
	maker_add(&maker, "auth_date", "1x");
	sign_made();
	assert_reason(check_made(&user), "bad_auth_date");
	maker_init(&maker);
	maker_add(&maker, "auth_date", "1");
	sign_made();
	assert_reason(check_made(&user), "expired");
	maker_init(&maker);
	maker_add(&maker, "auth_date", "1700000000");
	sign_made();
	assert_reason(check_made(&user), "missing_user");
}

static void sixty_four_fields_are_fine_and_one_more_is_not(void **state)
{
	static char names[80][8];
	struct initdata_user user;

	(void)state;
	for (size_t n = 64; n <= 65; n++) {
		maker_init(&maker);
		maker_add_usual(&maker);
		for (size_t i = 0; i < n - 3; i++) {
			sprintf(names[i], "f%zu", i);
			maker_add(&maker, names[i], "x");
		}
		sign_made();
		assert_reason(check_made(&user), n == 64 ? "ok" : "too_many_fields");
	}
}

static void eight_kilobytes_are_fine_and_one_byte_more_is_not(void **state)
{
	static char filler[INITDATA_MAX + 1];
	struct initdata_user user;
	size_t n;

	(void)state;
	memset(filler, 'x', INITDATA_MAX);
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_add_str(&maker, STR_LIT("filler"), str_make(filler, 0));
	sign_made();
	n = INITDATA_MAX - maker_write(&maker).n;
	for (size_t more = 0; more <= 1; more++) {
		maker_init(&maker);
		maker_add_usual(&maker);
		maker_add_str(&maker, STR_LIT("filler"), str_make(filler, n + more));
		sign_made();
		assert_int_equal(maker_write(&maker).n, INITDATA_MAX + more);
		assert_reason(check_made(&user), more == 0 ? "ok" : "too_large");
	}
}

static void a_name_has_up_to_sixty_four_letters(void **state)
{
	static const struct {
		const char *name, *reason;
	} rows[] = {
		{ "a", "ok" }, { "_9", "ok" }, { "", "malformed" }, { "A", "malformed" }, { "a-b", "malformed" },
		{ "a b", "malformed" }, { "\xc3\xa9", "malformed" }, { "a.b", "malformed" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ok" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "malformed" },
	};
	struct initdata_user user;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		maker_init(&maker);
		maker_add_usual(&maker);
		maker_add(&maker, rows[i].name, "x");
		sign_made();
		assert_reason(check_made(&user), rows[i].reason);
	}
}

static void age_is_counted_to_the_second(void **state)
{
	static const struct {
		int64_t now;
		const char *reason;
	} rows[] = {
		{ MAKER_NOW - 61, "future" }, { MAKER_NOW - 60, "ok" }, { MAKER_NOW, "ok" },
		{ MAKER_NOW + 300, "ok" }, { MAKER_NOW + 301, "expired" },
	};
	const struct bot bot = bot_with_token(token);
	struct initdata_user user;

	(void)state;
	maker_init(&maker);
	maker_add_usual(&maker);
	sign_made();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_reason(check_at(maker_write(&maker), &bot, 1, rows[i].now, 300, &user), rows[i].reason);
}

/* --- several bots --- */

static void any_secret_of_any_bot_will_do(void **state)
{
	struct bot bots[3];
	struct initdata_user user;
	struct str raw;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		bots[i] = bot_with_token("1:other");
	maker_init(&maker);
	maker_add_usual(&maker);
	sign_made();
	raw = maker_write(&maker);
	assert_reason(check_at(raw, bots, 3, MAKER_NOW, 1, &user), "bad_hash");
	maker_secret(token, bots[2].secrets[1]);
	/* It is there, but not counted. */
	assert_reason(check_at(raw, bots, 3, MAKER_NOW, 1, &user), "bad_hash");
	bots[2].n_secrets = 2;
	assert_reason(check_at(raw, bots, 3, MAKER_NOW, 1, &user), "ok");
	assert_reason(check_at(raw, bots, 2, MAKER_NOW, 1, &user), "bad_hash");
}

static void nothing_is_genuine_without_bots(void **state)
{
	struct initdata_user user;

	(void)state;
	maker_init(&maker);
	maker_add_usual(&maker);
	sign_made();
	assert_reason(check_at(maker_write(&maker), NULL, 0, MAKER_NOW, 1, &user), "missing_signature");
	maker_add(&maker, "signature", "");
	assert_reason(check_at(maker_write(&maker), NULL, 0, MAKER_NOW, 1, &user), "bad_signature");
}

static EVP_PKEY *ed25519_key(struct bot *bot)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t n = sizeof bot->public_key;

	assert_non_null(key);
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, bot->public_key, &n), 1);
	return key;
}

static void a_bot_with_a_secret_never_falls_back_to_the_signature(void **state)
{
	struct bot bots[2] = { { .id = 77 }, bot_with_token(token) };
	EVP_PKEY *key = ed25519_key(&bots[0]);
	struct initdata_user user;
	struct str raw;

	(void)state;
	memcpy(bots[1].public_key, bots[0].public_key, sizeof bots[1].public_key);
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_signature(&maker, key, 123456);
	raw = maker_write(&maker);
	/* The second bot's signature, and no hash: its secret is what counts. */
	assert_reason(check_at(raw, &bots[1], 1, MAKER_NOW, 1, &user), "missing_hash");
	assert_reason(check_at(raw, bots, 2, MAKER_NOW, 1, &user), "missing_hash");
	bots[1].n_secrets = 0;
	assert_reason(check_at(raw, bots, 2, MAKER_NOW, 1, &user), "ok");
	assert_reason(check_at(raw, bots, 1, MAKER_NOW, 1, &user), "bad_signature");
	EVP_PKEY_free(key);
}

static void a_bot_without_a_secret_is_found_beside_one_with(void **state)
{
	struct bot bots[2] = { bot_with_token(token), { .id = 77 } };
	EVP_PKEY *key = ed25519_key(&bots[1]);
	struct initdata_user user;

	(void)state;
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_signature(&maker, key, 77);
	/* Its hash is of a secret that we do not have. */
	maker_add(&maker, "hash", "00");
	assert_reason(check_at(maker_write(&maker), bots, 2, MAKER_NOW, 1, &user), "ok");
	bots[1].id = 78;
	assert_reason(check_at(maker_write(&maker), bots, 2, MAKER_NOW, 1, &user), "bad_hash");
	EVP_PKEY_free(key);
}

/* --- the rest --- */

static void a_bot_token_has_a_number_and_letters(void **state)
{
	static const char *const bad[] = {
		"", ":", "1:", ":A", "a:A", "1;A", "0:A", "-1:A", "1:A B", "1:A\n", "1:A:B", " 1:A",
		"1:\xc3\xa9", "99999999999999999999999:A"
	};
	uint8_t secret[BOT_SECRET_SIZE], other[BOT_SECRET_SIZE];
	uint64_t id = 5;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(initdata_secret(str_c(bad[i]), secret, &id));
	assert_false(initdata_secret(str_make("1:A\0B", 5), secret, &id));
	assert_int_equal(id, 5);
	assert_true(initdata_secret(STR_LIT("1:A"), secret, &id));
	assert_int_equal(id, 1);
	assert_true(initdata_secret(str_c(token), secret, &id));
	assert_int_equal(id, 123456);
	maker_secret(token, other);
	assert_memory_equal(secret, other, sizeof secret);
}

static void short_memory_is_said_and_nothing_else(void **state)
{
	const struct bot bot = bot_with_token(token);
	const struct initdata_check check = { &bot, 1, MAKER_NOW, 1 };
	struct initdata_user user;
	struct str raw;
	size_t ceiling = 0;

	(void)state;
	maker_init(&maker);
	maker_add_usual(&maker);
	sign_made();
	raw = maker_write(&maker);
	for (;; ceiling += 16) {
		struct arena *small = arena_new(ceiling);
		enum initdata_reason reason = initdata_check(raw, &check, small, &user);

		arena_free(small);
		if (reason == INITDATA_OK)
			break;
		assert_reason(reason, "no_memory");
		assert_true(ceiling < 16384);
	}
	assert_true(ceiling > raw.n);
}

static void every_reason_has_its_words(void **state)
{
	(void)state;
	for (enum initdata_reason reason = INITDATA_OK; reason < INITDATA__COUNT; reason++) {
		assert_non_null(initdata_word(reason));
		assert_non_null(initdata_explain(reason));
		if (reason == INITDATA_OK)
			assert_int_equal(initdata_rc(reason), RC_OK);
		else if (reason == INITDATA_EXPIRED)
			assert_int_equal(initdata_rc(reason), RC_INIT_DATA_EXPIRED);
		else if (reason == INITDATA_NO_MEMORY)
			assert_int_equal(initdata_rc(reason), RC_NO_MEMORY);
		else
			assert_int_equal(initdata_rc(reason), RC_INVALID_INIT_DATA);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_strings_are_judged_as_recorded),
		cmocka_unit_test(names_are_handed_out),
		cmocka_unit_test(names_of_other_types_count_as_absent),
		cmocka_unit_test(a_refused_string_leaves_the_user_alone),
		cmocka_unit_test(the_first_failing_step_answers),
		cmocka_unit_test(sixty_four_fields_are_fine_and_one_more_is_not),
		cmocka_unit_test(eight_kilobytes_are_fine_and_one_byte_more_is_not),
		cmocka_unit_test(a_name_has_up_to_sixty_four_letters),
		cmocka_unit_test(age_is_counted_to_the_second),
		cmocka_unit_test(any_secret_of_any_bot_will_do),
		cmocka_unit_test(nothing_is_genuine_without_bots),
		cmocka_unit_test(a_bot_with_a_secret_never_falls_back_to_the_signature),
		cmocka_unit_test(a_bot_without_a_secret_is_found_beside_one_with),
		cmocka_unit_test(a_bot_token_has_a_number_and_letters),
		cmocka_unit_test(short_memory_is_said_and_nothing_else),
		cmocka_unit_test(every_reason_has_its_words),
	};
	int failed;

	arena = arena_new(1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
