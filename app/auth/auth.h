/*
 * auth.h - the room's door: who is asking, and tokens for those who proved it.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <stdint.h>

#include "auth/keys.h"
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
	char key_id[17];		/* and its id */
};

/* What a row of the route table needs. What changes something comes last. */
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

/* auth_allows - may CALLER do this at all? RC_FORBIDDEN, RC_READ_ONLY_KEY. With which keys is access.h's to say. */
enum rc auth_allows(const struct caller *caller, enum right right) MUST_USE;

/* auth_rate - is this request within the rate that CALLER's project gives each of its users? RC_RATE_LIMIT. Counts it. */
enum rc auth_rate(struct auth *auth, const struct caller *caller) MUST_USE;

/*
 * auth_validate - a session for the user of INIT_DATA in PROJECT. *DATA is the reply's data:
 * {"jwt":...,"user":{...}}, in ARENA. Errors as auth_caller's for initData.
 */
enum rc auth_validate(struct auth *auth, struct registry *registry, struct str init_data,
		      struct str project, int64_t now, struct arena *arena,
		      struct str *data) MUST_USE;

/*
 * auth_jwks - the public keys of all projects as a JWK set. auth_project_jwks - those that count for one: its own,
 * or those of all, or while it changes from one to the other both. RC_PROJECT_UNAVAILABLE.
 */
void auth_jwks(struct auth *auth, struct buf *out);
enum rc auth_project_jwks(struct auth *auth, struct registry *registry, struct str project, int64_t now,
			  struct buf *out) MUST_USE;

/*
 * Signing keys (rotate.c). All of it blocks until it is durable, and holds for every thread's next request.
 * RC_STORE, RC_STORAGE_FULL, RC_INTERNAL.
 */
struct auth_key {
	char kid[KEY_ID_LEN + 1];
	enum key_state state;
	uint32_t project;		/* KEY_SHARED: of all projects */
	int64_t created_at, activates_at;
	int64_t ends_at;		/* 0 while no other follows it */
};
#define AUTH_ALL_KEYS UINT32_MAX
enum { AUTH_KEYS_MAX = 48 };		/* of one owner; what is published stays short */

/* auth_each_key - the keys of PROJECT (a number, KEY_SHARED, AUTH_ALL_KEYS); what CALL is handed is valid inside it only. */
void auth_each_key(struct auth *auth, uint32_t project, int64_t now,
		   void (*call)(const struct auth_key *, void *arg), void *arg);

/*
 * auth_rotate - another key: it signs when it has been published for long enough, or AT_ONCE. *MADE (NULL: not asked
 * for) is it. RC_CONFLICT: the next one is waiting already; RC_RATE_LIMIT: AUTH_KEYS_MAX; RC_KEY_NOT_FOUND: the
 * project has no keys of its own.
 */
enum rc auth_rotate(struct auth *auth, struct registry *registry, uint32_t project, bool at_once, int64_t now,
		    struct auth_key *made) MUST_USE;

/*
 * auth_remove_key - what KID has signed is refused from now on. RC_KEY_NOT_FOUND; RC_CONFLICT: no other one of its
 * owner has been published long enough to sign.
 */
enum rc auth_remove_key(struct auth *auth, struct registry *registry, struct str kid, int64_t now,
			struct auth_key *removed) MUST_USE;

/* auth_set_signing - the project ANY signs with keys of its OWN, or with those of all, as soon as no good token is lost by it. */
enum rc auth_set_signing(struct auth *auth, struct registry *registry, struct str any, bool own, int64_t now) MUST_USE;

/* auth_tend - what is due by NOW: keys made by age, keys dropped that nobody needs. Where it fails, the next call goes on. */
void auth_tend(struct auth *auth, struct registry *registry, int64_t now);

#endif
