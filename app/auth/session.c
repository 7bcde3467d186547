/*
 * session.c - our session token: made by libjwt, read by ourselves.
 *
 * The only file that includes <jwt.h>. libjwt writes good tokens, but as a reader it
 * forgives: foreign bytes in the signature, "crit", HS256 under the public key's text, an
 * expiry that is no number. Here a token has exactly one spelling, the algorithm is ours and
 * not the token's choice, and every claim has its type, or the token is refused.
 *
 * Pure but for the randomness in a signature: any thread.
 */
#include "config.h"

#include <errno.h>
#include <jwt.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "auth/initdata.h"
#include "auth/session.h"
#include "base/b64.h"
#include "base/jdoc.h"
#include "base/jtext.h"

enum {
	COORDINATE_SIZE = 32,
	SIGNATURE_SIZE = 2 * COORDINATE_SIZE,
	/* A SEQUENCE of two INTEGERs of at most 33 bytes. */
	DER_MAX = 2 + 2 * (2 + 1 + COORDINATE_SIZE),
	PROJECT_ID_SIZE = 36,
	JSON_DEPTH = 8
};

/* The order of P-256: r and s of a signature lie between 0 and this, both left out. */
static const uint8_t group_order[COORDINATE_SIZE] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51
};

/* --- making --- */

static void add_name(struct buf *buf, const char *claim, struct str name)
{
	if (name.n == 0)
		return;
	buf_addf(buf, ",\"%s\":", claim);
	jtext_quote(buf, name);
}

/* As JSON text and not claim by claim: libjwt's numbers are longs, too short for an id on some machines. */
static void write_claims(struct buf *buf, const struct session *session, const char *issuer)
{
	buf_addf(buf, "{\"sub\":\"tg_%llu\",\"telegramId\":%llu",
		 (unsigned long long)session->telegram_id, (unsigned long long)session->telegram_id);
	buf_add_c(buf, ",\"firstName\":");
	jtext_quote(buf, session->first_name);
	add_name(buf, "lastName", session->last_name);
	add_name(buf, "username", session->username);
	add_name(buf, "projectId", session->project_id);
	add_name(buf, "aud", session->project_id);
	add_name(buf, "iss", str_c(issuer));
	buf_addf(buf, ",\"iat\":%lld,\"exp\":%lld}",
		 (long long)session->issued_at, (long long)session->expires_at);
	buf_add_char(buf, '\0');
}

enum rc session_make(const struct session *session, const struct key *key, const char *issuer,
		     struct arena *arena, struct str *token)
{
	struct buf claims;
	struct str copy;
	char *text = NULL;
	jwt_t *jwt = NULL;
	enum rc rc = RC_INTERNAL;

	buf_init(&claims, arena, 2 * SESSION_TOKEN_MAX);
	write_claims(&claims, session, issuer);
	if (!buf_ok(&claims))
		return RC_NO_MEMORY;
	if (key->private_pem == NULL || jwt_new(&jwt) != 0)
		return RC_INTERNAL;
	if (jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)key->private_pem,
			(int)strlen(key->private_pem)) != 0 ||
	    jwt_add_header(jwt, "kid", key->kid) != 0 ||
	    jwt_add_grants_json(jwt, claims.p) != 0 ||
	    (text = jwt_encode_str(jwt)) == NULL || strlen(text) > SESSION_TOKEN_MAX)
		goto out;
	copy = arena_dup(arena, str_c(text));
	rc = copy.p == NULL ? RC_NO_MEMORY : RC_OK;
	if (rc == RC_OK)
		*token = copy;
out:
	ERR_clear_error();
	free(text);
	jwt_free(jwt);
	return rc;
}

/* --- reading --- */

/* The three parts of a token. */
struct parts {
	struct str header, payload, signature;
	struct str signed_text;		/* the first two with their dot */
};

static bool split(struct str token, struct parts *parts)
{
	struct str rest;

	if (!str_cut(token, '.', &parts->header, &rest) ||
	    !str_cut(rest, '.', &parts->payload, &parts->signature))
		return false;
	parts->signed_text = str_make(token.p, parts->header.n + 1 + parts->payload.n);
	/* A third dot is no letter of base64url. */
	return parts->header.n != 0 && parts->payload.n != 0 && parts->signature.n != 0;
}

/* The JSON object that PART holds into *DOC, for json_object_put() whatever the answer. */
static enum session_reason read_part(struct str part, uint8_t *scratch, json_object **doc)
{
	size_t n;

	if (!b64url_decode(part, scratch, &n))
		return SESSION_MALFORMED;
	*doc = jdoc_read(str_make(scratch, n), JSON_DEPTH);
	if (*doc == NULL && jdoc_lacked_memory())
		return SESSION_NO_MEMORY;
	return json_object_is_type(*doc, json_type_object) ? SESSION_OK : SESSION_MALFORMED;
}

/* Whether the member NAME is absent, or the string VALUE. */
static bool absent_or(json_object *doc, const char *name, struct str value)
{
	struct str text;

	return !jdoc_has(doc, name) || (jdoc_str(doc, name, &text) && str_eq(text, value));
}

/* What the header says, and which key it names. jwk, jku, x5u and the like are not looked at. */
static enum session_reason check_header(json_object *header, const struct key_set *keys,
					const struct key **key)
{
	struct str text;

	if (!absent_or(header, "typ", STR_LIT("JWT")))
		return SESSION_BAD_TYPE;
	if (!jdoc_str(header, "alg", &text) || !str_eq(text, STR_LIT("ES256")))
		return SESSION_BAD_ALGORITHM;
	/* "b64" changes what is signed. It has to be in "crit", but a reader must not count on that. */
	if (jdoc_has(header, "crit") || jdoc_has(header, "b64"))
		return SESSION_CRITICAL;
	if (!jdoc_str(header, "kid", &text) || (*key = key_set_find(keys, text)) == NULL)
		return SESSION_UNKNOWN_KEY;
	return SESSION_OK;
}

/* 0 < NUMBER < the order of the group; both are public. */
static bool is_in_range(const uint8_t number[COORDINATE_SIZE])
{
	static const uint8_t zero[COORDINATE_SIZE];

	return memcmp(number, zero, COORDINATE_SIZE) != 0 &&
		memcmp(number, group_order, COORDINATE_SIZE) < 0;
}

/* NUMBER as a DER INTEGER: as short as it gets, and not negative. Answers its end. */
static uint8_t *write_integer(const uint8_t number[COORDINATE_SIZE], uint8_t *to)
{
	size_t skip = 0, n;
	bool pad;

	while (skip < COORDINATE_SIZE - 1 && number[skip] == 0)
		skip++;
	n = COORDINATE_SIZE - skip;
	pad = (number[skip] & 0x80) != 0;
	*to++ = 0x02;
	*to++ = (uint8_t)(n + pad);
	if (pad)
		*to++ = 0;
	memcpy(to, number + skip, n);
	return to + n;
}

/* r and s, one behind the other as JWS has them, in the form that OpenSSL reads. Answers its length. */
static size_t write_der(const uint8_t signature[SIGNATURE_SIZE], uint8_t der[DER_MAX])
{
	uint8_t *end = write_integer(signature, der + 2);

	end = write_integer(signature + COORDINATE_SIZE, end);
	der[0] = 0x30;
	der[1] = (uint8_t)(end - der - 2);
	return (size_t)(end - der);
}

/* That there was no memory to find out is told by errno: OpenSSL's own errors need some, too. */
static enum session_reason verify(const struct key *key, const uint8_t *der, size_t n_der, struct str text)
{
	EVP_MD_CTX *ctx;
	bool good;

	errno = 0;
	ctx = EVP_MD_CTX_new();
	good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
		EVP_DigestVerify(ctx, der, n_der, (const unsigned char *)text.p, text.n) == 1;

	if (!good)
		ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	if (good)
		return SESSION_OK;
	return errno == ENOMEM ? SESSION_NO_MEMORY : SESSION_BAD_SIGNATURE;
}

static enum session_reason check_signature(const struct parts *parts, const struct key *key)
{
	uint8_t signature[B64URL_ROOM(B64URL_LEN(SIGNATURE_SIZE))], der[DER_MAX];
	size_t n;

	if (parts->signature.n != B64URL_LEN(SIGNATURE_SIZE))
		return SESSION_BAD_SIGNATURE;
	if (!b64url_decode(parts->signature, signature, &n) || n != SIGNATURE_SIZE)
		return SESSION_MALFORMED;
	if (!is_in_range(signature) || !is_in_range(signature + COORDINATE_SIZE))
		return SESSION_BAD_SIGNATURE;
	return verify(key, der, write_der(signature, der), parts->signed_text);
}

/* The string NAME without a NUL inside. */
static bool read_text(json_object *claims, const char *name, struct str *out)
{
	return jdoc_str(claims, name, out) && (out->n == 0 || memchr(out->p, '\0', out->n) == NULL);
}

/* The same, but it may be absent: then it is empty. */
static bool read_optional(json_object *claims, const char *name, struct str *out)
{
	*out = STR_LIT("");
	return !jdoc_has(claims, name) || read_text(claims, name, out);
}

/* A UUID as we write it: 36 characters, lower case. */
static bool is_project_id(struct str id)
{
	if (id.n != PROJECT_ID_SIZE)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}

/* "sub" is "tg_" and the id of "telegramId", in no other spelling. */
static bool read_subject(json_object *claims, uint64_t *telegram_id)
{
	struct str sub;
	uint64_t named;
	int64_t id;

	if (!jdoc_str(claims, "sub", &sub) || !str_starts(sub, STR_LIT("tg_")) ||
	    !jdoc_i64(claims, "telegramId", &id))
		return false;
	sub = str_skip(sub, 3);
	if (!str_to_u64(sub, 1, TELEGRAM_ID_MAX, &named) || named != (uint64_t)id || sub.p[0] == '0')
		return false;
	*telegram_id = named;
	return true;
}

/* *SESSION from CLAIMS, into which its strings point; *NBF is 0 when there is none. */
static bool read_claims(json_object *claims, struct session *session, int64_t *nbf)
{
	*nbf = 0;
	return read_subject(claims, &session->telegram_id) &&
		read_text(claims, "firstName", &session->first_name) &&
		read_optional(claims, "lastName", &session->last_name) &&
		read_optional(claims, "username", &session->username) &&
		jdoc_str(claims, "projectId", &session->project_id) &&
		is_project_id(session->project_id) &&
		jdoc_i64(claims, "iat", &session->issued_at) && session->issued_at >= 0 &&
		jdoc_i64(claims, "exp", &session->expires_at) && session->expires_at >= 0 &&
		(!jdoc_has(claims, "nbf") || jdoc_i64(claims, "nbf", nbf));
}

static bool keep_strings(struct session *session, struct arena *arena)
{
	session->first_name = arena_dup(arena, session->first_name);
	session->last_name = arena_dup(arena, session->last_name);
	session->username = arena_dup(arena, session->username);
	session->project_id = arena_dup(arena, session->project_id);
	return session->first_name.p != NULL && session->last_name.p != NULL &&
		session->username.p != NULL && session->project_id.p != NULL;
}

static enum session_reason check_claims(json_object *claims, const char *issuer, int64_t now,
					struct arena *arena, struct session *session)
{
	int64_t nbf;

	if (!read_claims(claims, session, &nbf))
		return SESSION_BAD_CLAIMS;
	if (issuer != NULL && !absent_or(claims, "iss", str_c(issuer)))
		return SESSION_WRONG_ISSUER;
	if (!absent_or(claims, "aud", session->project_id))
		return SESSION_WRONG_AUDIENCE;
	if (session->expires_at <= now)
		return SESSION_EXPIRED;
	if (session->issued_at > now + SESSION_SKEW_S || nbf > now + SESSION_SKEW_S)
		return SESSION_FUTURE;
	return keep_strings(session, arena) ? SESSION_OK : SESSION_NO_MEMORY;
}

enum session_reason session_check(struct str token, const struct key_set *keys, const char *issuer,
				  int64_t now, struct arena *arena, struct session *session)
{
	json_object *header = NULL, *claims = NULL;
	enum session_reason reason;
	const struct key *key;
	struct session found;
	struct parts parts;
	uint8_t *scratch;

	if (token.n > SESSION_TOKEN_MAX)
		return SESSION_TOO_LARGE;
	if ((scratch = arena_alloc(arena, B64URL_ROOM(token.n))) == NULL)
		return SESSION_NO_MEMORY;
	if (!split(token, &parts))
		return SESSION_MALFORMED;
	/* The claims are not even taken for JSON before their signature holds. */
	if ((reason = read_part(parts.header, scratch, &header)) != SESSION_OK ||
	    (reason = check_header(header, keys, &key)) != SESSION_OK ||
	    (reason = check_signature(&parts, key)) != SESSION_OK ||
	    (reason = read_part(parts.payload, scratch, &claims)) != SESSION_OK)
		goto out;
	found.signer = key->project;
	reason = check_claims(claims, issuer, now, arena, &found);
	if (reason == SESSION_OK)
		*session = found;
out:
	json_object_put(claims);
	json_object_put(header);
	return reason;
}

/* --- words --- */

static const struct {
	const char *word, *sentence;
	enum rc rc;
} reasons[SESSION__COUNT] = {
	[SESSION_OK] = { "ok", "signed by a published key, and in force", RC_OK },
	[SESSION_TOO_LARGE] = { "too_large", "longer than 4096 bytes", RC_INVALID_TOKEN },
	[SESSION_MALFORMED] = { "malformed",
		"not three parts of base64url without padding that hold JSON objects, or a member twice in one; "
		"was it cut or wrapped on its way?", RC_INVALID_TOKEN },
	[SESSION_BAD_TYPE] = { "bad_type", "the header's \"typ\" is not JWT", RC_INVALID_TOKEN },
	[SESSION_BAD_ALGORITHM] = { "bad_algorithm",
		"the header's \"alg\" is not ES256, the only one we sign with", RC_INVALID_TOKEN },
	[SESSION_CRITICAL] = { "critical",
		"the header asks for an extension (\"crit\", \"b64\"); we have none", RC_INVALID_TOKEN },
	[SESSION_UNKNOWN_KEY] = { "unknown_key",
		"the header's \"kid\" is none of the published keys: another server's token, or one older than "
		"the last change of keys", RC_INVALID_TOKEN },
	[SESSION_BAD_SIGNATURE] = { "bad_signature",
		"the signature does not fit what is signed, or the key that is named", RC_INVALID_TOKEN },
	[SESSION_BAD_CLAIMS] = { "bad_claims",
		"a claim is missing, is of the wrong type, or contradicts another: sub, telegramId, firstName, "
		"projectId, iat, exp", RC_INVALID_TOKEN },
	[SESSION_WRONG_ISSUER] = { "wrong_issuer",
		"\"iss\" names another server; was the setting \"issuer\" changed?", RC_INVALID_TOKEN },
	[SESSION_WRONG_AUDIENCE] = { "wrong_audience",
		"\"aud\" is not the project that \"projectId\" names", RC_INVALID_TOKEN },
	[SESSION_EXPIRED] = { "expired", "its time is over: \"exp\" has come", RC_TOKEN_EXPIRED },
	[SESSION_FUTURE] = { "future",
		"\"iat\" or \"nbf\" is more than a minute ahead of this machine's clock; is the clock right?",
		RC_INVALID_TOKEN },
	[SESSION_WRONG_PROJECT] = { "wrong_project",
		"a good token, but of another project", RC_INVALID_TOKEN },
	[SESSION_NO_MEMORY] = { "no_memory", "there was no memory to check it", RC_NO_MEMORY },
};

const char *session_word(enum session_reason reason)
{
	return reasons[reason].word;
}

const char *session_explain(enum session_reason reason)
{
	return reasons[reason].sentence;
}

enum rc session_rc(enum session_reason reason)
{
	return reasons[reason].rc;
}
