/*
 * fuzz_session.c - session tokens. The first byte says what the rest is: 't' a token; 'p' a
 * payload, which is signed here; 'h' a header and, behind a line feed, a payload, signed.
 */
#include "config.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>

#include "auth/session.h"
#include "base/b64.h"
#include "fuzz.h"

enum { NOW = 1700000000 };

/* The example key of RFC 7515 A.3. */
#define KID "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
static const char record[] = "{\"kid\":\"" KID "\",\"state\":\"current\",\"created_at\":1,"
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
	"\"private_pem\":\"-----BEGIN PRIVATE KEY-----\\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\\n"
	"H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\\n"
	"7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\\n"
	"-----END PRIVATE KEY-----\\n\"}";

static struct arena *arena;
static struct key_set *keys;

static void check(struct str token)
{
	struct session session = { .telegram_id = 0 };
	enum session_reason reason = session_check(token, keys, "tmakv", NOW, arena, &session);

	assert((reason == SESSION_OK) == (session.telegram_id != 0));
	assert(reason != SESSION_NO_MEMORY);
	if (reason == SESSION_OK) {
		assert(session.expires_at > NOW && session.issued_at <= NOW + SESSION_SKEW_S);
		assert(session.project_id.n == 36);
		assert(str_is_utf8(session.first_name) && str_is_utf8(session.last_name) && str_is_utf8(session.username));
	}
}

static struct str b64(struct str s)
{
	char *out = arena_alloc(arena, B64URL_LEN(s.n) + 1);

	return str_make(out, b64url_encode((const uint8_t *)s.p, s.n, out));
}

static void sign_and_check(struct str header, struct str payload)
{
	struct str h = b64(header), p = b64(payload), text, s;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[160], raw[64];
	const uint8_t *q = der;
	size_t n = sizeof der;
	ECDSA_SIG *sig;

	text = arena_printf(arena, "%.*s.%.*s", STR(h), STR(p));
	assert(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key_set_current(keys, KEY_SHARED, NOW)->pkey) == 1);
	assert(EVP_DigestSign(ctx, der, &n, (const unsigned char *)text.p, text.n) == 1);
	EVP_MD_CTX_free(ctx);
	sig = d2i_ECDSA_SIG(NULL, &q, (long)n);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	s = b64(str_make(raw, sizeof raw));
	check(arena_printf(arena, "%.*s.%.*s", STR(text), STR(s)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str rest, header = STR_LIT("{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" KID "\"}");

	if (arena == NULL) {
		arena = arena_new(1 << 20);
		keys = key_set_new();
		assert(key_read(keys, str_make(record, sizeof record - 1)) == RC_OK);
	}
	if (n == 0 || n > 3 * SESSION_TOKEN_MAX)
		return 0;
	arena_reset(arena);
	rest = str_make(p + 1, n - 1);
	switch (p[0]) {
	case 't':
		check(rest);
		break;
	case 'h':
		str_cut(rest, '\n', &header, &rest);
		/* fall through */
	case 'p':
		sign_and_check(header, rest);
		break;
	}
	return 0;
}
