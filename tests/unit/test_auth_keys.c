/*
 * test_auth_keys.c - keys made, published, read back; foreign JWK sets; records.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/pem.h>

#include "auth/keys.h"
#include "base/b64.h"
#include "base/jdoc.h"

/* The example key of RFC 7515 A.3. Its thumbprint was computed with two other programs. */
#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define THUMBPRINT "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
#define GOOD "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\""
#define PEM "-----BEGIN PRIVATE KEY-----\\n" \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\\n" \
	"H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\\n" \
	"7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\\n" \
	"-----END PRIVATE KEY-----\\n"

static struct arena *arena;

static int clean(void **state)
{
	(void)state;
	arena_reset(arena);
	return 0;
}

static struct str jwks_of(const struct key_set *set)
{
	struct buf buf;

	buf_init(&buf, arena, 65536);
	key_set_write_jwks(set, KEY_SHARED, true, &buf);
	assert_true(buf_ok(&buf));
	return buf_str(&buf);
}

static struct key_set *read_c(const char *text)
{
	return key_set_read_jwks(str_c(text));
}

/* --- thumbprints --- */

static void the_kid_is_the_thumbprint(void **state)
{
	struct key_set *set = key_set_new();

	(void)state;
	assert_int_equal(key_read(set, STR_LIT("{\"kid\":\"" THUMBPRINT "\",\"state\":\"old\",\"created_at\":5,"
						"\"x\":\"" X "\",\"y\":\"" Y "\"}")), RC_OK);
	assert_string_equal(key_set_at(set, 0)->kid, THUMBPRINT);
	assert_int_equal(key_set_at(set, 0)->project, KEY_SHARED);
	assert_int_equal(key_set_at(set, 0)->created_at, 5);
	assert_null(key_set_at(set, 0)->private_pem);
	assert_non_null(key_set_find(set, STR_LIT(THUMBPRINT)));
	assert_null(key_set_find(set, STR_LIT("")));
	assert_null(key_set_find(set, str_make(THUMBPRINT, KEY_ID_LEN - 1)));
	assert_null(key_set_find(set, str_make(THUMBPRINT, KEY_ID_LEN + 1)));
	key_set_unref(set);
}

static void every_made_key_is_another(void **state)
{
	struct key_set *set = key_set_new();

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(key_set_generate(set, KEY_SHARED, 100 + i, 200, 60), RC_OK);
	assert_int_equal(key_set_count(set), 3);
	for (size_t i = 0; i < 3; i++) {
		const struct key *key = key_set_at(set, i);

		assert_int_equal(strlen(key->kid), KEY_ID_LEN);
		assert_ptr_equal(key_set_find(set, str_c(key->kid)), key);
		assert_int_equal(key->created_at, 100 + i);
		assert_non_null(strstr(key->private_pem, "-----BEGIN PRIVATE KEY-----"));
	}
	key_set_unref(set);
}

static struct key_set *set_of_three(void)
{
	struct key_set *set = key_set_new();

	/* In another order than that of their turns. */
	assert_int_equal(key_set_generate(set, 7, 100, 2000, 60), RC_OK);
	assert_int_equal(key_set_generate(set, 7, 90, 1000, 50), RC_OK);
	assert_int_equal(key_set_generate(set, 7, 80, 3000, 70), RC_OK);
	return set;
}

static void the_key_whose_turn_came_last_signs(void **state)
{
	static const struct {
		int64_t now;
		int64_t signs;		/* the one of this moment */
		enum key_state states[3];
	} rows[] = {
		/* Before all their turns the first one signs: there is no other. */
		{ 0, 1000, { KEY_NEXT, KEY_CURRENT, KEY_NEXT } },
		{ 1000, 1000, { KEY_NEXT, KEY_CURRENT, KEY_NEXT } },
		{ 1999, 1000, { KEY_NEXT, KEY_CURRENT, KEY_NEXT } },
		{ 2000, 2000, { KEY_CURRENT, KEY_OLD, KEY_NEXT } },
		{ 2999, 2000, { KEY_CURRENT, KEY_OLD, KEY_NEXT } },
		{ 3000, 3000, { KEY_OLD, KEY_OLD, KEY_CURRENT } },
		{ INT64_MAX, 3000, { KEY_OLD, KEY_OLD, KEY_CURRENT } },
	};
	struct key_set *set = set_of_three();

	(void)state;
	assert_null(key_set_current(set, KEY_SHARED, 1000));
	assert_null(key_set_current(set, 8, 1000));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(key_set_current(set, 7, rows[i].now)->activates_at, rows[i].signs);
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(key_set_state(set, key_set_at(set, k), rows[i].now), rows[i].states[k]);
	}
	key_set_unref(set);
}

static void of_two_turns_at_one_time_the_younger_key_has_it(void **state)
{
	struct key_set *set = key_set_new();

	(void)state;
	assert_int_equal(key_set_generate(set, KEY_SHARED, 11, 1000, 60), RC_OK);
	assert_int_equal(key_set_generate(set, KEY_SHARED, 10, 1000, 60), RC_OK);
	assert_int_equal(key_set_current(set, KEY_SHARED, 1000)->created_at, 11);
	key_set_unref(set);
}

static void a_key_is_needed_until_its_last_token_ends(void **state)
{
	struct key_set *set = set_of_three();

	(void)state;
	assert_int_equal(key_set_ends_at(set, key_set_at(set, 0)), 3000 + 60 + KEY_GRACE_S);
	assert_int_equal(key_set_ends_at(set, key_set_at(set, 1)), 2000 + 50 + KEY_GRACE_S);
	assert_int_equal(key_set_ends_at(set, key_set_at(set, 2)), 0);
	key_set_outlive(set, key_set_at(set, 0), 90);
	assert_int_equal(key_set_ends_at(set, key_set_at(set, 0)), 3000 + 90 + KEY_GRACE_S);
	/* A key of somebody else is no successor. */
	assert_int_equal(key_set_generate(set, 8, 0, 4000, 60), RC_OK);
	assert_int_equal(key_set_ends_at(set, key_set_at(set, 2)), 0);
	key_set_unref(set);
}

static void a_copy_has_all_but_one(void **state)
{
	struct key_set *set = set_of_three(), *copy = key_set_copy(set, key_set_at(set, 1)), *all;

	(void)state;
	assert_int_equal(key_set_count(copy), 2);
	assert_string_equal(key_set_at(copy, 0)->kid, key_set_at(set, 0)->kid);
	assert_string_equal(key_set_at(copy, 1)->kid, key_set_at(set, 2)->kid);
	key_set_set_generation(set, 9);
	all = key_set_copy(set, NULL);
	assert_int_equal(key_set_generation(all), 9);
	key_set_unref(set);
	/* It is whole without the one it was made of. */
	assert_int_equal(key_set_count(all), 3);
	assert_non_null(strstr(key_set_at(all, 1)->private_pem, "PRIVATE KEY"));
	assert_int_equal(EVP_PKEY_eq(key_set_at(all, 0)->pkey, key_set_at(copy, 0)->pkey), 1);
	key_set_unref(all);
	key_set_unref(copy);
}

static void each_sees_its_own_keys_and_those_of_all(void **state)
{
	struct key_set *set = set_of_three();
	struct buf buf;

	(void)state;
	assert_int_equal(key_set_generate(set, KEY_SHARED, 1, 1, 60), RC_OK);
	for (int row = 0; row < 4; row++) {
		static const struct { uint32_t project; bool with_shared; size_t n; } rows[] = {
			{ KEY_SHARED, true, 1 }, { 7, false, 3 }, { 7, true, 4 }, { 8, false, 0 }
		};
		struct key_set *read;

		buf_init(&buf, arena, 65536);
		key_set_write_jwks(set, rows[row].project, rows[row].with_shared, &buf);
		read = key_set_read_jwks(buf_str(&buf));
		assert_non_null(read);
		assert_int_equal(key_set_count(read), rows[row].n);
		key_set_unref(read);
	}
	key_set_unref(set);
}

/* --- JWK sets --- */

static void a_jwk_set_is_read_as_it_was_written(void **state)
{
	struct key_set *set = key_set_new(), *copy;
	struct str text;

	(void)state;
	assert_true(str_eq(jwks_of(set), STR_LIT("{\"keys\":[]}")));
	assert_int_equal(key_set_generate(set, KEY_SHARED, 1, 1, 60), RC_OK);
	assert_int_equal(key_set_generate(set, KEY_SHARED, 2, 2, 60), RC_OK);
	text = jwks_of(set);
	copy = key_set_read_jwks(text);
	assert_non_null(copy);
	assert_int_equal(key_set_count(copy), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(key_set_at(copy, i)->kid, key_set_at(set, i)->kid);
		assert_int_equal(EVP_PKEY_eq(key_set_at(copy, i)->pkey, key_set_at(set, i)->pkey), 1);
		assert_null(key_set_at(copy, i)->private_pem);
	}
	assert_true(str_eq(jwks_of(copy), text));
	key_set_unref(copy);
	key_set_unref(set);
}

static void a_published_key_has_exactly_these_members(void **state)
{
	struct key_set *set = read_c("{\"keys\":[{" GOOD ",\"kid\":\"" THUMBPRINT "\"}]}");

	(void)state;
	assert_true(str_eq(jwks_of(set), STR_LIT("{\"keys\":[{" "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X
		"\",\"y\":\"" Y "\",\"kid\":\"" THUMBPRINT "\",\"use\":\"sig\",\"alg\":\"ES256\"}]}")));
	key_set_unref(set);
}

/* Coordinates that begin with zero bytes keep their length: 1 in 256 keys has one. */
static void short_coordinates_are_padded(void **state)
{
	bool seen = false;

	(void)state;
	for (int i = 0; i < 4000 && !seen; i++) {
		struct key_set *set = key_set_new(), *copy;

		assert_int_equal(key_set_generate(set, KEY_SHARED, 1, 1, 60), RC_OK);
		if (key_set_at(set, 0)->x[0] == 0 || key_set_at(set, 0)->y[0] == 0) {
			seen = true;
			copy = key_set_read_jwks(jwks_of(set));
			assert_int_equal(key_set_count(copy), 1);
			assert_int_equal(EVP_PKEY_eq(key_set_at(copy, 0)->pkey, key_set_at(set, 0)->pkey), 1);
			key_set_unref(copy);
		}
		key_set_unref(set);
	}
	assert_true(seen);
}

static void keys_that_are_not_for_us_are_passed_over(void **state)
{
	static const struct {
		const char *jwk;
		size_t n;
	} rows[] = {
		{ "{" GOOD ",\"kid\":\"a\"}", 1 },
		{ "{" GOOD ",\"kid\":\"a\",\"alg\":\"ES256\",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"]}", 1 },
		{ "{" GOOD ",\"kid\":\"a\",\"x5c\":[\"...\"],\"extra\":{\"y\":1}}", 1 },
		{ "{" GOOD "}", 0 },					/* our tokens name their key */
		{ "{" GOOD ",\"kid\":7}", 0 }, { "{" GOOD ",\"kid\":\"\"}", 0 },
		{ "{" GOOD ",\"kid\":\"a\\u0000b\"}", 0 }, { "{" GOOD ",\"kid\":\"../etc\"}", 0 },
		{ "{" GOOD ",\"kid\":\"0123456789012345678901234567890123456789012\"}", 1 },
		{ "{" GOOD ",\"kid\":\"01234567890123456789012345678901234567890123\"}", 0 },
		{ "{" GOOD ",\"kid\":\"a\",\"alg\":\"ES384\"}", 0 }, { "{" GOOD ",\"kid\":\"a\",\"alg\":\"es256\"}", 0 },
		{ "{" GOOD ",\"kid\":\"a\",\"alg\":null}", 0 }, { "{" GOOD ",\"kid\":\"a\",\"use\":\"enc\"}", 0 },
		{ "{" GOOD ",\"kid\":\"a\",\"key_ops\":[\"sign\"]}", 0 }, { "{" GOOD ",\"kid\":\"a\",\"key_ops\":\"verify\"}", 0 },
		{ "{" GOOD ",\"kid\":\"a\",\"d\":\"AAAA\"}", 0 },	/* a private key is not to be had from here */
		{ "{\"kty\":\"RSA\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X "\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "A\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "=\",\"y\":\"" Y "\",\"kid\":\"a\"}", 0 },
		/* 31 bytes; 33 bytes; not canonical; off the curve; nothing. */
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"" Y "\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AH_Nzidw9sRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRF\",\"y\":\"" Y "\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV\",\"y\":\"" Y "\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEQ\",\"y\":\"" Y "\",\"kid\":\"a\"}", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"kid\":\"a\"}", 0 },
		{ "7", 0 }, { "null", 0 }, { "[]", 0 }, { "{}", 0 },
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct key_set *set;

		snprintf(text, sizeof text, "{\"keys\":[%s]}", rows[i].jwk);
		set = read_c(text);
		assert_non_null(set);
		if (key_set_count(set) != rows[i].n)
			print_error("%s\n", rows[i].jwk);
		assert_int_equal(key_set_count(set), rows[i].n);
		key_set_unref(set);
	}
}

static void the_second_key_of_one_kid_is_refused(void **state)
{
	struct key_set *made = key_set_new(), *set;
	struct str one;

	(void)state;
	assert_int_equal(key_set_generate(made, KEY_SHARED, 1, 1, 60), RC_OK);
	one = jwks_of(made);
	/* The example key first, then the made one under the same name. */
	{
		struct str kid = arena_printf(arena, "%s", key_set_at(made, 0)->kid);
		struct str text = arena_printf(arena, "{\"keys\":[{" GOOD ",\"kid\":\"%s\"},%.*s]}", kid.p,
					       (int)(one.n - 11), one.p + 9);

		set = key_set_read_jwks(text);
		assert_non_null(set);
		assert_int_equal(key_set_count(set), 1);
		assert_int_equal(EVP_PKEY_eq(key_set_at(set, 0)->pkey, key_set_at(made, 0)->pkey), 0);
	}
	key_set_unref(set);
	key_set_unref(made);
}

static void a_text_that_is_no_jwk_set_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "{}", "[]", "null", "{\"keys\":{}}", "{\"keys\":null}", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}",
		"{\"data\":{\"keys\":[]}}", "{\"keys\":[{\"kid\":\"a\",\"kid\":\"b\"}]}"
	};
	struct key_set *set;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_null(read_c(bad[i]));
	set = read_c(" { \"keys\" : [ ] , \"more\" : 1 } ");
	assert_non_null(set);
	assert_int_equal(key_set_count(set), 0);
	key_set_unref(set);
}

/* --- records --- */

static void a_record_is_read_as_it_was_written(void **state)
{
	struct key_set *set = key_set_new(), *copy = key_set_new();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct key *key, *read;
		struct str record;

		assert_int_equal(key_set_generate(set, i == 0 ? KEY_SHARED : UINT32_MAX, 1700000000 + (int64_t)i,
						  1700000960, 86400 * (int64_t)i), RC_OK);
		key = key_set_at(set, i);
		record = key_write(key, arena);
		assert_non_null(record.p);
		assert_int_equal(key_read(copy, record), RC_OK);
		assert_int_equal(key_read(copy, record), RC_CONFLICT);
		read = key_set_at(copy, i);
		assert_string_equal(read->kid, key->kid);
		assert_string_equal(read->private_pem, key->private_pem);
		assert_int_equal(read->project, key->project);
		assert_int_equal(read->activates_at, key->activates_at);
		assert_int_equal(read->life_s, key->life_s);
		assert_int_equal(read->created_at, key->created_at);
		assert_int_equal(EVP_PKEY_eq(read->pkey, key->pkey), 1);
	}
	assert_int_equal(key_set_count(copy), 3);
	key_set_unref(set);
	key_set_unref(copy);
}

static void a_record_without_its_private_half_stays_so(void **state)
{
	struct key_set *set = read_c("{\"keys\":[{" GOOD ",\"kid\":\"" THUMBPRINT "\"}]}"), *copy = key_set_new();
	struct str record = key_write(key_set_at(set, 0), arena);

	(void)state;
	assert_int_equal(key_read(copy, record), RC_OK);
	assert_null(key_set_at(copy, 0)->private_pem);
	assert_int_equal(EVP_PKEY_eq(key_set_at(copy, 0)->pkey, key_set_at(set, 0)->pkey), 1);
	key_set_unref(set);
	key_set_unref(copy);
}

static void a_record_that_disagrees_with_itself_is_refused(void **state)
{
#define RECORD(kid, key_state, more) "{\"kid\":\"" kid "\",\"state\":\"" key_state "\",\"created_at\":5," \
		"\"x\":\"" X "\",\"y\":\"" Y "\"" more "}"
	static const struct {
		const char *record;
		enum rc rc;
	} rows[] = {
		{ RECORD(THUMBPRINT, "current", ",\"private_pem\":\"" PEM "\""), RC_OK },
		{ RECORD("pKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U", "current", ""), RC_BAD_REQUEST },
		{ RECORD("", "current", ""), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "CURRENT", ""), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"private_pem\":\"\""), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"private_pem\":null"), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"private_pem\":\"-----BEGIN PRIVATE KEY-----\""), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"private_pem\":\"" PEM "\\u0000\""), RC_BAD_REQUEST },
		{ "{\"kid\":\"" THUMBPRINT "\",\"state\":\"old\",\"x\":\"" X "\",\"y\":\"" Y "\"}", RC_BAD_REQUEST },
		{ "{\"kid\":\"" THUMBPRINT "\",\"state\":\"old\",\"created_at\":5,\"x\":\"" Y "\",\"y\":\"" X "\"}", RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"project\":-1"), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"project\":4294967296"), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"project\":\"1\""), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"activates_at\":null"), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"life_s\":-1"), RC_BAD_REQUEST },
		{ RECORD(THUMBPRINT, "current", ",\"life_s\":2592001"), RC_BAD_REQUEST },
		{ "", RC_BAD_REQUEST }, { "[]", RC_BAD_REQUEST }, { "{}", RC_BAD_REQUEST },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct key_set *set = key_set_new();

		if (key_read(set, str_c(rows[i].record)) != rows[i].rc)
			print_error("row %zu\n", i);
		key_set_unref(set);
		set = key_set_new();
		assert_int_equal(key_read(set, str_c(rows[i].record)), rows[i].rc);
		assert_int_equal(key_set_count(set), rows[i].rc == RC_OK);
		key_set_unref(set);
	}
}

/* As they were when there was one key and no moments: it signs, and its tokens may live as long as any could. */
static void a_record_without_moments_is_read(void **state)
{
	static const struct {
		const char *record;
		int64_t activates_at;
	} rows[] = {
		{ RECORD(THUMBPRINT, "current", ""), 5 }, { RECORD(THUMBPRINT, "old", ""), 5 },
		{ RECORD(THUMBPRINT, "next", ""), 5 + KEY_PUBLISH_S },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct key_set *set = key_set_new();

		assert_int_equal(key_read(set, str_c(rows[i].record)), RC_OK);
		assert_int_equal(key_set_at(set, 0)->activates_at, rows[i].activates_at);
		assert_int_equal(key_set_at(set, 0)->project, KEY_SHARED);
		assert_int_equal(key_set_at(set, 0)->life_s, 30 * 86400);
		key_set_unref(set);
	}
}

/* The private half of another key, under this one's coordinates and name. */
static void a_private_half_must_fit_the_public_one(void **state)
{
	struct key_set *made = key_set_new(), *set = key_set_new();
	struct str record;
	char *x;

	(void)state;
	assert_int_equal(key_set_generate(made, KEY_SHARED, 5, 5, 60), RC_OK);
	record = arena_dup(arena, key_write(key_set_at(made, 0), arena));
	x = memmem(record.p, record.n, "\"x\":\"", 5);
	assert_non_null(x);
	memcpy(x + 5, X, 43);
	x = memmem(record.p, record.n, "\"y\":\"", 5);
	memcpy(x + 5, Y, 43);
	x = memmem(record.p, record.n, "\"kid\":\"", 7);
	memcpy(x + 7, THUMBPRINT, 43);
	assert_int_equal(key_read(set, record), RC_BAD_REQUEST);
	key_set_unref(made);
	key_set_unref(set);
}

/* A point has 32 bytes a coordinate on this curve too; only its name tells them apart. */
static void a_key_of_another_curve_is_refused(void **state)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	struct key_set *set = key_set_new();
	char text[256], x[44] = "", y[44] = "", kid[44] = "";
	uint8_t point[65], digest[32];
	BIO *bio = BIO_new(BIO_s_mem());
	json_object *doc = json_object_new_object();
	size_t n;
	char *pem;

	(void)state;
	assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, "encoded-pub-key", point, sizeof point, &n), 1);
	assert_int_equal(n, 65);
	b64url_encode(point + 1, 32, x);
	b64url_encode(point + 33, 32, y);
	snprintf(text, sizeof text, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
	assert_int_equal(EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL), 1);
	b64url_encode(digest, 32, kid);
	assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	n = (size_t)BIO_get_mem_data(bio, &pem);
	jdoc_add_str(doc, "kid", str_c(kid));
	jdoc_add_str(doc, "state", STR_LIT("old"));
	jdoc_add_i64(doc, "created_at", 1);
	jdoc_add_str(doc, "x", str_c(x));
	jdoc_add_str(doc, "y", str_c(y));
	jdoc_add_str(doc, "private_pem", str_make(pem, n));
	assert_int_equal(key_read(set, jdoc_text(doc, arena)), RC_BAD_REQUEST);
	json_object_put(doc);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	key_set_unref(set);
}

static void a_locked_private_key_asks_nobody_for_its_phrase(void **state)
{
	struct key_set *made = key_set_new(), *set = key_set_new();
	BIO *bio = BIO_new(BIO_s_mem());
	json_object *doc = json_object_new_object();
	const struct key *key;
	char *pem;
	long n;

	(void)state;
	assert_int_equal(key_set_generate(made, KEY_SHARED, 5, 5, 60), RC_OK);
	key = key_set_at(made, 0);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, EVP_aes_128_cbc(), "phrase", 6, NULL, NULL), 1);
	n = BIO_get_mem_data(bio, &pem);
	{
		json_object *good = jdoc_read(key_write(key, arena), 2);

		json_object_object_foreach(good, name, value)
			json_object_object_add(doc, name, json_object_get(value));
		json_object_put(good);
	}
	assert_true(jdoc_add_str(doc, "private_pem", str_make(pem, (size_t)n)));
	assert_int_equal(key_read(set, jdoc_text(doc, arena)), RC_BAD_REQUEST);
	BIO_free(bio);
	json_object_put(doc);
	key_set_unref(made);
	key_set_unref(set);
}

static void short_memory_gives_no_record(void **state)
{
	struct key_set *set = key_set_new();
	struct arena *small = arena_new(64);

	(void)state;
	assert_int_equal(key_set_generate(set, KEY_SHARED, 5, 5, 60), RC_OK);
	assert_null(key_write(key_set_at(set, 0), small).p);
	arena_free(small);
	key_set_unref(set);
	key_set_unref(NULL);
}

static void a_set_lives_as_long_as_somebody_holds_it(void **state)
{
	struct key_set *set = key_set_new();

	(void)state;
	assert_int_equal(key_set_generate(set, KEY_SHARED, 5, 5, 60), RC_OK);
	assert_ptr_equal(key_set_ref(set), set);
	key_set_unref(set);
	assert_int_equal(key_set_count(set), 1);
	assert_non_null(key_set_current(set, KEY_SHARED, 5)->private_pem);
	key_set_unref(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_kid_is_the_thumbprint, clean),
		cmocka_unit_test_setup(every_made_key_is_another, clean),
		cmocka_unit_test_setup(the_key_whose_turn_came_last_signs, clean),
		cmocka_unit_test_setup(of_two_turns_at_one_time_the_younger_key_has_it, clean),
		cmocka_unit_test_setup(a_key_is_needed_until_its_last_token_ends, clean),
		cmocka_unit_test_setup(a_copy_has_all_but_one, clean),
		cmocka_unit_test_setup(each_sees_its_own_keys_and_those_of_all, clean),
		cmocka_unit_test_setup(a_jwk_set_is_read_as_it_was_written, clean),
		cmocka_unit_test_setup(a_published_key_has_exactly_these_members, clean),
		cmocka_unit_test_setup(short_coordinates_are_padded, clean),
		cmocka_unit_test_setup(keys_that_are_not_for_us_are_passed_over, clean),
		cmocka_unit_test_setup(the_second_key_of_one_kid_is_refused, clean),
		cmocka_unit_test_setup(a_text_that_is_no_jwk_set_is_refused, clean),
		cmocka_unit_test_setup(a_record_is_read_as_it_was_written, clean),
		cmocka_unit_test_setup(a_record_without_its_private_half_stays_so, clean),
		cmocka_unit_test_setup(a_record_that_disagrees_with_itself_is_refused, clean),
		cmocka_unit_test_setup(a_record_without_moments_is_read, clean),
		cmocka_unit_test_setup(a_private_half_must_fit_the_public_one, clean),
		cmocka_unit_test_setup(a_key_of_another_curve_is_refused, clean),
		cmocka_unit_test_setup(a_locked_private_key_asks_nobody_for_its_phrase, clean),
		cmocka_unit_test_setup(short_memory_gives_no_record, clean),
		cmocka_unit_test_setup(a_set_lives_as_long_as_somebody_holds_it, clean),
	};
	int failed;

	arena = arena_new(1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
