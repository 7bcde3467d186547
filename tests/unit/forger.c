/*
 * forger.c - see forger.h.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>

#include "base/b64.h"
#include "forger.h"

struct arena *arena;
struct key_set *keys, *foreign;

int forger_open(void)
{
	arena = arena_new(8 << 20);
	keys = key_set_new();
	foreign = key_set_new();
	if (key_set_generate(keys, KEY_SHARED, 2, 2, 86400) != RC_OK ||
	    key_set_generate(keys, KEY_SHARED, 1, 1, 86400) != RC_OK ||
	    key_set_generate(foreign, KEY_SHARED, 3, 3, 86400) != RC_OK)
		return 99;
	return 0;
}

void forger_close(void)
{
	key_set_unref(keys);
	key_set_unref(foreign);
	arena_free(arena);
}

int clean(void **state)
{
	(void)state;
	arena_reset(arena);
	return 0;
}

struct str b64(struct str s)
{
	char *out = arena_alloc(arena, B64URL_LEN(s.n) + 1);

	return str_make(out, b64url_encode((const uint8_t *)s.p, s.n, out));
}

/* r and s, 32 bytes each, of ECDSA over TEXT. */
static void ecdsa(EVP_PKEY *pkey, struct str text, uint8_t out[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[160];
	const uint8_t *p = der;
	size_t n = sizeof der;
	ECDSA_SIG *sig;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &n, (const unsigned char *)text.p, text.n), 1);
	sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32), 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

struct str sign_str(struct str header, struct str payload, const struct key *key)
{
	struct str h = b64(header), p = b64(payload);
	struct str text = arena_printf(arena, "%.*s.%.*s", STR(h), STR(p)), s;
	uint8_t signature[64];

	ecdsa(key->pkey, text, signature);
	s = b64(str_make(signature, sizeof signature));
	return arena_printf(arena, "%.*s.%.*s", STR(text), STR(s));
}

const struct key *current(void)
{
	return key_set_current(keys, KEY_SHARED, NOW);
}

struct str header_with(const char *more)
{
	return arena_printf(arena, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"%s}", current()->kid, more);
}

struct str with_header(struct str header)
{
	return sign_str(header, STR_LIT("{" CLAIMS "," TIMES "}"), current());
}

struct str with_payload(const char *payload)
{
	return sign_str(header_with(""), str_c(payload), current());
}

struct str good(void)
{
	return with_payload("{" CLAIMS "," TIMES "}");
}

enum session_reason check(struct str token, struct session *session)
{
	return session_check(token, keys, "tmakv", NOW, arena, session);
}

void expect(struct str token, const char *word)
{
	struct session session = { .telegram_id = 7 };
	enum session_reason reason = check(token, &session);

	if (strcmp(session_word(reason), word) != 0)
		print_error("%.*s\n", STR(token));
	assert_string_equal(session_word(reason), word);
	assert_int_equal(session.telegram_id, reason == SESSION_OK ? 42 : 7);
}

struct str part_of(struct str token, int i)
{
	struct str part, rest = token;
	uint8_t *out;
	size_t n;

	do
		str_cut(rest, '.', &part, &rest);
	while (i-- > 0);
	out = arena_alloc(arena, B64URL_ROOM(part.n));
	assert_true(b64url_decode(part, out, &n));
	return str_make(out, n);
}

struct str with_signature(struct str token, const void *signature, size_t n)
{
	struct str s = b64(str_make(signature, n));
	size_t head = (size_t)((const char *)memrchr(token.p, '.', token.n) - token.p);

	return arena_printf(arena, "%.*s.%.*s", (int)head, token.p, STR(s));
}
