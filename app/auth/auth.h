/*
 * auth.h - the room's door: who is asking, and tokens for those who proved it.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/rc.h"
#include "base/str.h"
#include "project/project.h"

struct auth;
struct conf;
struct request;
struct store;

enum caller_kind { CALLER_NOBODY, CALLER_USER, CALLER_API_KEY, CALLER_ADMIN };

/*
 * Who is asking, and in which project. The project is a reference: caller_clear(). An admin belongs to
 * none (NULL) until a door has found the one that the request names.
 */
struct caller {
	enum caller_kind kind;
	const struct project *project;
	uint64_t telegram_id;		/* of a user */
	enum key_right right;		/* of an API key or an admin key */
};

/* What a row of the route table needs. */
enum right {
	RIGHT_NONE,		/* anybody: sign-in, JWKS, preflight */
	RIGHT_KEY,		/* a server of somebody's: any API key, any admin key */
	RIGHT_READ,		/* a project's keys */
	RIGHT_WRITE,
	RIGHT_ADMIN		/* projects themselves */
};

/*
 * auth_open - read the signing keys of STORE, make one when there is none yet.
 * RC_STORE, RC_INTERNAL. Blocks: at start only.
 */
enum rc auth_open(struct auth **auth, struct store *store, const struct conf *conf) MUST_USE;
void auth_close(struct auth *auth);

/*
 * auth_caller - name the caller of REQUEST (API.md 1, table of credentials): a session token,
 * an API key, or `tma <initData>` with X-Project-Id. X-Project-Id that names another project
 * than the credentials do: RC_FORBIDDEN. *CALLER is set on RC_OK only.
 * RC_UNAUTHORIZED (none, or of no known scheme), RC_INVALID_TOKEN, RC_TOKEN_EXPIRED,
 * RC_INVALID_INIT_DATA, RC_INIT_DATA_EXPIRED, RC_BAD_REQUEST (tma without X-Project-Id),
 * RC_PROJECT_UNAVAILABLE (disabled, deleted, unknown).
 */
enum rc auth_caller(struct auth *auth, struct registry *registry, const struct request *request,
		    int64_t now, struct arena *arena, struct caller *caller) MUST_USE;
void caller_clear(struct caller *caller);

/*
 * auth_caller_by_key - the same when the credential is known to be an API key or an admin key.
 * RC_INVALID_TOKEN, RC_PROJECT_UNAVAILABLE, RC_NO_MEMORY.
 */
enum rc auth_caller_by_key(struct registry *registry, struct str text, int64_t now, struct caller *caller) MUST_USE;

/* auth_allows - may CALLER do this at all? RC_FORBIDDEN, RC_READ_ONLY_KEY; access rules come here too. */
enum rc auth_allows(const struct caller *caller, enum right right) MUST_USE;

/*
 * auth_validate - a session for the user of INIT_DATA in PROJECT. *DATA is the reply's data:
 * {"jwt":...,"user":{...}}, in ARENA. Errors as auth_caller's for initData.
 */
enum rc auth_validate(struct auth *auth, struct registry *registry, struct str init_data,
		      struct str project, int64_t now, struct arena *arena,
		      struct str *data) MUST_USE;

/* auth_jwks - the public keys as a JWK set. */
void auth_jwks(struct auth *auth, struct buf *out);

#endif
