/*
 * test_auth_initdata_traps.c - what implementations get wrong. Each string here is
 * signed by the test itself, so only what it is about can make it pass or fail.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "auth/initdata.h"
#include "maker.h"

static struct maker maker;
static struct arena *arena;
static struct bot bot = { .id = 123456, .n_secrets = 1 };
static const char token[] = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
static struct initdata_user user;

#define assert_reason(got, expected) assert_string_equal(initdata_word(got), expected)

static enum initdata_reason check(struct str raw)
{
	const struct initdata_check against = { &bot, 1, MAKER_NOW, 86400 };

	arena_reset(arena);
	user = (struct initdata_user){ .telegram_id = 0 };
	return initdata_check(raw, &against, arena, &user);
}

static enum initdata_reason check_c(const char *raw)
{
	return check(str_c(raw));
}

/* A good one, signed by SECRET. */
static struct str good_by(const uint8_t secret[32])
{
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_hash(&maker, secret);
	return maker_write(&maker);
}

/* A good one and a field more, signed. */
static struct str good_with(const char *name, struct str value)
{
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_add_str(&maker, str_c(name), value);
	maker_hash(&maker, bot.secrets[0]);
	return maker_write(&maker);
}

/* MAKER's text with FROM replaced by TO, once, in a place of its own. */
static struct str with_change(const char *from, const char *to)
{
	static char changed[MAKER_TEXT];
	struct str raw = maker_write(&maker);
	char *at;

	maker.text[raw.n] = '\0';
	at = strstr(maker.text, from);
	assert_non_null(at);
	snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - maker.text), maker.text, to, at + strlen(from));
	return str_c(changed);
}

/* --- keys --- */

static void only_the_right_derivation_of_the_key_verifies(void **state)
{
	uint8_t secret[32], other[32];
	char hex[65];

	(void)state;
	assert_reason(check(good_by(bot.secrets[0])), "ok");

	/* The arguments of the HMAC swapped. */
	HMAC(EVP_sha256(), token, (int)strlen(token), (const unsigned char *)"WebAppData", 10, secret, NULL);
	assert_reason(check(good_by(secret)), "bad_hash");

	/* The Login Widget's key. */
	SHA256((const unsigned char *)token, strlen(token), secret);
	assert_reason(check(good_by(secret)), "bad_hash");

	/* The token itself, and what an empty token makes. */
	memcpy(secret, token, sizeof secret);
	assert_reason(check(good_by(secret)), "bad_hash");
	maker_secret("", secret);
	assert_reason(check(good_by(secret)), "bad_hash");
	memset(secret, 0, sizeof secret);
	assert_reason(check(good_by(secret)), "bad_hash");

	/* The key as hexadecimal text. */
	for (size_t i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", bot.secrets[0][i]);
	maker_init(&maker);
	maker_add_usual(&maker);
	{
		static char text[MAKER_TEXT];
		size_t n = maker_signed_text(&maker, "", NULL, NULL, text);

		HMAC(EVP_sha256(), hex, 64, (const unsigned char *)text, n, other, NULL);
	}
	for (size_t i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", other[i]);
	maker_add(&maker, "hash", hex);
	assert_reason(check(maker_write(&maker)), "bad_hash");
}

/* --- what is signed --- */

static void the_signature_field_stays_in_what_is_hashed(void **state)
{
	(void)state;
	assert_reason(check(good_with("signature", STR_LIT("anything at all"))), "ok");
	assert_reason(check(good_with("signature", STR_LIT(""))), "ok");

	/* Signed as if it were not there. */
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_hash(&maker, bot.secrets[0]);
	maker_add(&maker, "signature", "anything");
	assert_reason(check(maker_write(&maker)), "bad_hash");
}

static void unknown_and_empty_fields_are_signed_too(void **state)
{
	(void)state;
	assert_reason(check(good_with("never_heard_of", STR_LIT("x"))), "ok");
	assert_reason(check(with_change("never_heard_of=x&", "")), "bad_hash");
	assert_reason(check(good_with("start_param", STR_LIT(""))), "ok");
	assert_reason(check(with_change("start_param=&", "")), "bad_hash");
	(void)good_by(bot.secrets[0]);
	assert_reason(check(with_change("&auth_date", "&extra=1&auth_date")), "bad_hash");
}

static void fields_are_sorted_by_name_and_not_as_whole_lines(void **state)
{
	(void)state;
	/* "a=" stands behind "a1=" in a sort of lines, because '=' stands behind '1'. */
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_add(&maker, "chat1", "x");
	maker_add(&maker, "chat", "y");
	maker_add(&maker, "chat_", "z");
	maker_hash(&maker, bot.secrets[0]);
	assert_reason(check(maker_write(&maker)), "ok");
}

static void many_fields_in_any_order_are_sorted(void **state)
{
	static char names[61][16];

	(void)state;
	maker_init(&maker);
	maker_add_usual(&maker);
	for (size_t i = 0; i < 61; i++) {
		snprintf(names[i], sizeof names[i], "f%zu", i * 37 % 61);
		maker_add(&maker, names[i], "x");
	}
	maker_hash(&maker, bot.secrets[0]);
	assert_reason(check(maker_write(&maker)), "ok");
}

static void json_is_never_written_anew(void **state)
{
	(void)state;
	maker_init(&maker);
	maker_add(&maker, "auth_date", "1700000000");
	maker_add(&maker, "user", " { \"first_name\" : \"\\u0041\", \"photo_url\":\"https:\\/\\/t.me\", \"id\" : 42 } ");
	maker_hash(&maker, bot.secrets[0]);
	assert_reason(check(maker_write(&maker)), "ok");
	assert_true(str_eq(user.first_name, STR_LIT("A")));
}

/* --- percent-encoding --- */

static void a_plus_is_a_space_once(void **state)
{
	(void)state;
	(void)good_with("start_param", STR_LIT("a b+c"));
	assert_reason(check(maker_write(&maker)), "ok");
	assert_reason(check(with_change("a%20b%2Bc", "a+b%2Bc")), "ok");
	assert_reason(check(with_change("a%20b%2Bc", "a+b+c")), "bad_hash");
	assert_reason(check(with_change("a%20b%2Bc", "a%20b%2bc")), "ok");
}

static void text_is_decoded_exactly_once(void **state)
{
	(void)state;
	(void)good_with("start_param", STR_LIT("100%25"));
	assert_reason(check(maker_write(&maker)), "ok");
	/* Once too often. */
	assert_reason(check(with_change("100%2525", "100%25")), "bad_hash");
	/* Encoded once too often. */
	assert_reason(check(with_change("100%2525", "100%252525")), "bad_hash");
	(void)good_by(bot.secrets[0]);
	assert_reason(check(with_change("%7B", "%257B")), "bad_hash");
	/* Not encoded at all, but for what would part it. */
	assert_reason(check(with_change("%7B%22id%22", "{\"id\"")), "ok");
}

static void broken_percent_signs_are_refused(void **state)
{
	static const char *const bad[] = {
		"a=%", "a=%4", "a=%zz", "a=%4g", "a=%g4", "a=%%41", "%=a", "a%4=1", "a=% 1", "a=x%-1", "a=%+1"
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *exact = malloc(strlen(bad[i]));	/* so that a sanitizer sees a step too far */

		memcpy(exact, bad[i], strlen(bad[i]));
		assert_reason(check(str_make(exact, strlen(bad[i]))), "malformed");
		free(exact);
	}
}

/* --- one text, two readings --- */

static void a_name_may_stand_there_once(void **state)
{
	static const struct {
		const char *at, *instead;
	} rows[] = {
		{ "user=", "user=%7B%22id%22%3A666%2C%22first_name%22%3A%22Eve%22%7D&user=" },
		{ "&auth_date", "&user=%7B%22id%22%3A666%2C%22first_name%22%3A%22Eve%22%7D&auth_date" },
		{ "&hash=", "&auth_date=1&hash=" },
		{ "&hash=", "&hash=00&hash=" },
		{ "&hash=", "&us%65r=&hash=" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		(void)good_by(bot.secrets[0]);
		assert_reason(check(with_change(rows[i].at, rows[i].instead)), "duplicate_key");
		assert_int_equal(user.telegram_id, 0);
	}
}

static void two_lines_do_not_merge_into_one_value(void **state)
{
	(void)state;
	/* Signed: auth_date=..., chat_type=x, user=... Sent: the second hides in the first. */
	maker_init(&maker);
	maker_add(&maker, "auth_date", "1700000000");
	maker_add(&maker, "chat_type", "x");
	maker_add(&maker, "user", "{\"id\":42,\"first_name\":\"Ada\"}");
	maker_hash(&maker, bot.secrets[0]);
	assert_reason(check(maker_write(&maker)), "ok");
	assert_reason(check(with_change("&chat_type=x", "%0Achat_type=x")), "malformed");
	assert_reason(check(with_change("&chat_type=x", "%0Achat_type%3Dx")), "malformed");
	assert_reason(check(with_change("&chat_type=x", "\nchat_type=x")), "malformed");
}

static void no_name_hides_an_equals_sign(void **state)
{
	(void)state;
	(void)good_by(bot.secrets[0]);
	/* Gives the same signed text, without a field called user. */
	assert_reason(check(with_change("user=%7B%22id", "user%3D%7B%22=id")), "malformed");
}

static void control_bytes_are_refused_wherever_they_are(void **state)
{
	char raw[64];

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool control = c < 0x20 || c == 0x7f;

		snprintf(raw, sizeof raw, "a=%%%02X", c);
		assert_reason(check_c(raw), control || c >= 0x80 ? "malformed" : "missing_hash");
		if (c == '&' || c == '=' || c == '%' || c == '+')
			continue;
		memcpy(raw, "a=?b", 4);
		raw[2] = (char)c;
		assert_reason(check(str_make(raw, 4)), control || c >= 0x80 ? "malformed" : "missing_hash");
	}
	assert_reason(check(good_with("start_param", str_make("x\0y", 3))), "malformed");
	/* C1 control characters are characters, not bytes that could part something. */
	assert_reason(check_c("a=%C2%85"), "missing_hash");
}

static void only_utf8_is_read(void **state)
{
	static const char *const bad[] = {
		"a=%C0%AF", "a=%E0%80%80", "a=%ED%A0%80", "a=%F4%90%80%80", "a=%C3", "a=%C3&b=%A9", "a=%80", "a=\xff"
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_reason(check_c(bad[i]), "malformed");
}

/* --- hash --- */

static void a_hash_is_sixty_four_hexadecimal_digits(void **state)
{
	static const struct {
		const char *format, *reason;
	} rows[] = {
		{ "%.64s", "ok" }, { "%.63s", "bad_hash" }, { "%.62s", "bad_hash" }, { "%.64s0", "bad_hash" },
		{ "%.64s00", "bad_hash" }, { "%%20%.64s", "bad_hash" }, { "%.64s+", "bad_hash" },
		{ "0x%.62s", "bad_hash" }, { "g%.63s", "bad_hash" }, { "%.0s", "bad_hash" },
		{ "%.0s0000000000000000000000000000000000000000000000000000000000000000", "bad_hash" },
	};
	char hash[65] = "", sent[128];
	struct str raw;

	(void)state;
	(void)good_by(bot.secrets[0]);
	memcpy(hash, maker.pairs[2].value.p, 64);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		#pragma GCC diagnostic push
		#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(sent, sizeof sent, rows[i].format, hash);
		#pragma GCC diagnostic pop
		assert_reason(check(with_change(hash, sent)), rows[i].reason);
	}
	/* Each digit counts, and its case does not. */
	for (size_t i = 0; i < 64; i++) {
		memcpy(sent, hash, sizeof hash);
		sent[i] = sent[i] == '0' ? '1' : '0';
		assert_reason(check(with_change(hash, sent)), "bad_hash");
	}
	for (size_t i = 0; i < 64; i++)
		sent[i] = hash[i] >= 'a' ? (char)(hash[i] - 'a' + 'A') : hash[i];
	assert_reason(check(with_change(hash, sent)), "ok");
	raw = with_change("&hash=", "&hush=");
	assert_reason(check(raw), "missing_hash");
}

/* --- auth_date --- */

static void auth_date_is_digits_and_nothing_else(void **state)
{
	static const struct {
		const char *value, *reason;
	} rows[] = {
		{ "1700000000", "ok" }, { "000001700000000", "ok" }, { "0000001700000000", "bad_auth_date" },
		{ "", "bad_auth_date" }, { "1700000000x", "bad_auth_date" }, { " 1700000000", "bad_auth_date" },
		{ "1700000000 ", "bad_auth_date" }, { "+1700000000", "bad_auth_date" }, { "-1", "bad_auth_date" },
		{ "1700000000.0", "bad_auth_date" }, { "1.7e9", "bad_auth_date" }, { "0x6553f100", "bad_auth_date" },
		{ "1700000000000", "future" }, { "999999999999999", "future" },
		{ "9223372036854775808", "bad_auth_date" }, { "18446744073709551617", "bad_auth_date" },
		{ "0", "expired" }, { "\xd9\xa1\xd9\xa7", "bad_auth_date" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		maker_init(&maker);
		maker_add(&maker, "user", "{\"id\":42,\"first_name\":\"Ada\"}");
		maker_add(&maker, "auth_date", rows[i].value);
		maker_hash(&maker, bot.secrets[0]);
		assert_reason(check(maker_write(&maker)), rows[i].reason);
	}
}

/* --- user --- */

static void a_user_is_an_object_with_an_id_and_a_name(void **state)
{
	static const struct {
		const char *json;
		uint64_t id;		/* 0: refused */
	} rows[] = {
		{ "{\"id\":1,\"first_name\":\"A\"}", 1 },
		{ "{\"id\":2147483647,\"first_name\":\"A\"}", 2147483647 },
		{ "{\"id\":2147483648,\"first_name\":\"A\"}", 2147483648 },
		{ "{\"id\":7387289974,\"first_name\":\"A\"}", 7387289974 },
		{ "{\"id\":9007199254740991,\"first_name\":\"A\"}", 9007199254740991 },
		{ "{\"id\":9007199254740992,\"first_name\":\"A\"}", 0 },
		{ "{\"id\":18446744073709551617,\"first_name\":\"A\"}", 0 },
		{ "{\"id\":0,\"first_name\":\"A\"}", 0 }, { "{\"id\":-1,\"first_name\":\"A\"}", 0 },
		{ "{\"id\":\"42\",\"first_name\":\"A\"}", 0 }, { "{\"id\":42.0,\"first_name\":\"A\"}", 0 },
		{ "{\"id\":4e1,\"first_name\":\"A\"}", 0 }, { "{\"id\":null,\"first_name\":\"A\"}", 0 },
		{ "{\"id\":true,\"first_name\":\"A\"}", 0 }, { "{\"first_name\":\"A\"}", 0 },
		{ "{\"id\":42}", 0 }, { "{\"id\":42,\"first_name\":\"\"}", 0 }, { "{\"id\":42,\"first_name\":7}", 0 },
		{ "{\"id\":42,\"first_name\":null}", 0 },
		{ "{\"id\":42,\"first_name\":\"A\\u0000B\"}", 0 },
		{ "{\"id\":42,\"first_name\":\"A\",\"last_name\":\"A\\u0000B\"}", 0 },
		{ "{\"id\":42,\"first_name\":\"A\",\"username\":\"\\u0000\"}", 0 },
		{ "{\"id\":42,\"id\":43,\"first_name\":\"A\"}", 0 }, { "{\"id\":42,\"\\u0069d\":43,\"first_name\":\"A\"}", 0 },
		{ "", 0 }, { "null", 0 }, { "[]", 0 }, { "42", 0 }, { "\"{}\"", 0 }, { "{}", 0 },
		{ "[{\"id\":42,\"first_name\":\"A\"}]", 0 },
		{ "{\"id\":42,\"first_name\":\"A\"}x", 0 }, { "{\"id\":42,\"first_name\":\"A\",}", 0 },
		{ "{'id':42,'first_name':'A'}", 0 }, { "{\"id\":042,\"first_name\":\"A\"}", 0 },
		{ "{\"id\":42,\"first_name\":\"A\",\"x\":NaN}", 0 }, { "{\"id\":42,\"first_name\":\"A\"/**/}", 0 },
		{ "{\"id\":42,\"first_name\":\"A\",\"x\":[[[[[[[]]]]]]]}", 42 },
		{ "{\"id\":42,\"first_name\":\"A\",\"x\":[[[[[[[[]]]]]]]]}", 0 },
		{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		maker_init(&maker);
		maker_add(&maker, "auth_date", "1700000000");
		maker_add(&maker, "user", rows[i].json);
		maker_hash(&maker, bot.secrets[0]);
		assert_reason(check(maker_write(&maker)), rows[i].id == 0 ? "bad_user" : "ok");
		assert_int_equal(user.telegram_id, rows[i].id);
	}
}

static void surrogates_become_characters(void **state)
{
	(void)state;
	maker_init(&maker);
	maker_add(&maker, "auth_date", "1700000000");
	maker_add(&maker, "user", "{\"id\":1,\"first_name\":\"\\ud83c\\uddfa\",\"last_name\":\"x\\ud83cy\"}");
	maker_hash(&maker, bot.secrets[0]);
	assert_reason(check(maker_write(&maker)), "ok");
	assert_true(str_eq(user.first_name, STR_LIT("\xf0\x9f\x87\xba")));
	assert_true(str_eq(user.last_name, STR_LIT("x\xef\xbf\xbdy")));
}

/* --- Ed25519 --- */

static void third_party_signatures_hold_for_one_bot_and_one_environment(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct bot known = bot;
	struct str raw, changed;
	size_t n = sizeof bot.public_key;

	(void)state;
	bot.n_secrets = 0;
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, bot.public_key, &n), 1);
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_signature(&maker, key, 123456);
	/* Neither field is signed, so the hash may be anything. */
	maker_add(&maker, "hash", "anything");
	raw = maker_write(&maker);
	assert_reason(check(raw), "ok");
	changed = with_change("&hash=anything", "");
	assert_reason(check(changed), "ok");
	assert_reason(check(with_change("Ada", "Eve")), "bad_signature");
	assert_reason(check(with_change("signature=", "signature=A")), "bad_signature");
	assert_reason(check(with_change("&hash=", "==&hash=")), "bad_signature");
	assert_reason(check(with_change("&hash=", "&extra=1&hash=")), "bad_signature");
	assert_reason(check(with_change("signature=", "sign=")), "missing_signature");
	bot.id = 123457;
	assert_reason(check(maker_write(&maker)), "bad_signature");
	bot.id = 123456;
	memcpy(bot.public_key, initdata_key_test, sizeof bot.public_key);
	assert_reason(check(maker_write(&maker)), "bad_signature");
	bot = known;
	EVP_PKEY_free(key);
}

static void a_signature_has_one_spelling(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct bot known = bot;
	char last[2] = "", from[8], to[8];
	size_t n = sizeof bot.public_key;

	(void)state;
	bot.n_secrets = 0;
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, bot.public_key, &n), 1);
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_signature(&maker, key, 123456);
	maker_add(&maker, "hash", "");
	/* The last letter carries four bits that count for nothing: A, Q, g or w. */
	last[0] = maker.pairs[2].value.p[85];
	snprintf(from, sizeof from, "%s&has", last);
	snprintf(to, sizeof to, "%c&has", last[0] + 1);
	assert_reason(check(maker_write(&maker)), "ok");
	assert_reason(check(with_change(from, to)), "bad_signature");
	bot = known;
	EVP_PKEY_free(key);
}

static void the_whole_launch_fragment_is_not_initdata(void **state)
{
	(void)state;
	assert_reason(check_c("tgWebAppData=user%3D1&tgWebAppVersion=8.0"), "malformed");
	assert_non_null(strstr(initdata_explain(INITDATA_MALFORMED), "tgWebAppData"));
	assert_reason(check_c(""), "malformed");
	assert_reason(check_c("&"), "malformed");
	assert_reason(check_c("a=1&"), "malformed");
	assert_reason(check_c("&a=1"), "malformed");
	assert_reason(check_c("a=1&&b=2"), "malformed");
	assert_reason(check_c("="), "malformed");
	assert_reason(check_c("a=&b=&c="), "missing_hash");
	assert_reason(check_c("{\"user\":1}"), "malformed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_right_derivation_of_the_key_verifies),
		cmocka_unit_test(the_signature_field_stays_in_what_is_hashed),
		cmocka_unit_test(unknown_and_empty_fields_are_signed_too),
		cmocka_unit_test(fields_are_sorted_by_name_and_not_as_whole_lines),
		cmocka_unit_test(many_fields_in_any_order_are_sorted),
		cmocka_unit_test(json_is_never_written_anew),
		cmocka_unit_test(a_plus_is_a_space_once),
		cmocka_unit_test(text_is_decoded_exactly_once),
		cmocka_unit_test(broken_percent_signs_are_refused),
		cmocka_unit_test(a_name_may_stand_there_once),
		cmocka_unit_test(two_lines_do_not_merge_into_one_value),
		cmocka_unit_test(no_name_hides_an_equals_sign),
		cmocka_unit_test(control_bytes_are_refused_wherever_they_are),
		cmocka_unit_test(only_utf8_is_read),
		cmocka_unit_test(a_hash_is_sixty_four_hexadecimal_digits),
		cmocka_unit_test(auth_date_is_digits_and_nothing_else),
		cmocka_unit_test(a_user_is_an_object_with_an_id_and_a_name),
		cmocka_unit_test(surrogates_become_characters),
		cmocka_unit_test(third_party_signatures_hold_for_one_bot_and_one_environment),
		cmocka_unit_test(a_signature_has_one_spelling),
		cmocka_unit_test(the_whole_launch_fragment_is_not_initdata),
	};
	int failed;

	maker_secret(token, bot.secrets[0]);
	arena = arena_new(1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
