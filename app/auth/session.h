/*
 * session.h - our session token: a JWT (RFC 7519), signed ES256. See API.md 1.2.
 */
#ifndef AUTH_SESSION_H
#define AUTH_SESSION_H

#include <stdint.h>

#include "auth/keys.h"
#include "base/arena.h"
#include "base/rc.h"
#include "base/str.h"

enum { SESSION_TOKEN_MAX = 4096, SESSION_SKEW_S = 60 };

struct session {
	uint64_t telegram_id;
	struct str first_name, last_name, username;	/* the last two empty when absent */
	struct str project_id;				/* UUID as 36 characters, lower case */
	int64_t issued_at, expires_at;			/* seconds since 1970 */
	uint32_t signer;	/* read only: whose key signed it, as in struct key; whether it may is the caller's to ask */
};

/* The step that failed; SESSION_OK is none. */
enum session_reason {
	SESSION_OK,
	SESSION_TOO_LARGE,
	SESSION_MALFORMED,	/* not three canonical base64url parts of JSON objects, or a member twice */
	SESSION_BAD_TYPE,	/* typ */
	SESSION_BAD_ALGORITHM,
	SESSION_CRITICAL,	/* crit, or b64 without it */
	SESSION_UNKNOWN_KEY,	/* kid */
	SESSION_BAD_SIGNATURE,
	SESSION_BAD_CLAIMS,	/* missing, of the wrong type, or disagreeing */
	SESSION_WRONG_ISSUER,
	SESSION_WRONG_AUDIENCE,
	SESSION_EXPIRED,
	SESSION_FUTURE,		/* iat or nbf ahead of the clock */
	SESSION_WRONG_PROJECT,	/* tmakvctl check-jwt only: right token, other project */
	SESSION_NO_MEMORY,
	SESSION__COUNT
};

/*
 * session_make - a token for SESSION, signed by KEY (which has its private half), in
 * ARENA, made by libjwt. An ISSUER that is NULL or empty is left out. RC_INTERNAL when
 * libjwt will not, or names so long that the token would not be accepted; RC_NO_MEMORY.
 */
enum rc session_make(const struct session *session, const struct key *key, const char *issuer,
		     struct arena *arena, struct str *token) MUST_USE;

/*
 * session_check - TOKEN against the published KEYS at the time NOW. ISSUER may be NULL:
 * then "iss" is not looked at. On SESSION_OK *SESSION is set, its strings in ARENA.
 * Signature by OpenSSL with the key parsed once; libjwt's reader is not strict enough.
 */
enum session_reason session_check(struct str token, const struct key_set *keys, const char *issuer,
				  int64_t now, struct arena *arena, struct session *session);

const char *session_word(enum session_reason reason);		/* "bad_signature" ... */
const char *session_explain(enum session_reason reason);	/* a sentence */
enum rc session_rc(enum session_reason reason);		/* RC_TOKEN_EXPIRED; RC_NO_MEMORY; RC_INVALID_TOKEN for all else */

#endif
