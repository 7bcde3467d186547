/*
 * project.h - one Mini App is one project: id, name, bots, limits, state; and the
 * API keys that belong to it. All of them in memory, all changes durable.
 *
 * A struct project is immutable and counted: a change makes a new one with the next
 * generation, so every worker sees it at its next request, and a request under way
 * finishes with the one it began with.
 */
#ifndef PROJECT_PROJECT_H
#define PROJECT_PROJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/rc.h"
#include "base/str.h"
#include "project/bot.h"
#include "project/origin.h"

struct conf;
struct store;
struct registry;
struct rules;

enum { PROJECT_BOTS_MAX = 8, PROJECT_NAME_MAX = 64, PROJECT_TITLE_MAX = 512, PROJECT_ID_LEN = 36, ACCOUNT_ID_LEN = 32 };

enum project_state { PROJECT_ACTIVE, PROJECT_DISABLED };

/*
 * Which signing keys count for a project, by moments in seconds since 1970. All 0: those of all projects, as ever.
 * Else its own keys sign in OWN_FROM <= now, < OWN_UNTIL if that is not 0; and those of all projects still count,
 * though they sign no more, until SHARED_UNTIL.
 */
struct project_keys {
	int64_t own_from, own_until, shared_until;
};

struct project {
	uint32_t number;		/* first part of its keys; never used again */
	uint64_t generation;		/* raised by every change */
	char id[PROJECT_ID_LEN + 1];	/* UUID, lower case */
	char name[PROJECT_NAME_MAX + 1];/* slug: [a-z0-9] and '-', unique */
	char title[PROJECT_TITLE_MAX + 1];	/* as the REST door calls it, where that is no slug; else empty */
	enum project_state state;
	int64_t created_at;
	struct bot bots[PROJECT_BOTS_MAX];
	size_t n_bots;
	int64_t init_data_age_s;
	int64_t token_life_s;
	int64_t write_limit;		/* writes per second and key; 0 = none */
	int64_t value_limit;		/* bytes */
	int64_t min_ttl_s;
	const struct rules *rules;	/* what its users may do; NULL: everything. See project_set_rules() */
	int64_t not_before;		/* tokens and initData of before this moment are refused; 0 = none */
	struct project_keys keys;
	int64_t max_keys, max_bytes;	/* in the project; 0 = no limit */
	int64_t user_max_keys, user_max_bytes;	/* written by one user; 0 = no limit */
	int64_t user_rate;		/* requests of one user per second; 0 = no limit */
	const struct origins *origins;	/* whose pages may ask; NULL: any. A registry's project holds a reference */
};

enum key_right { KEY_READ, KEY_READ_WRITE };

/* No project has this number: a key of it is an admin key, the operator's own. */
enum { CREDENTIAL_ADMIN = 0 };

/* An API key, without the key: that is shown once and kept as SHA-256. */
struct credential {
	char id[17];			/* 16 hex digits, for people to name it by */
	char name[PROJECT_NAME_MAX + 1];/* what it is for; may be empty */
	uint32_t project;
	enum key_right right;
	int64_t created_at;
	int64_t expires_at;		/* 0 = never */
	int64_t last_used_at;		/* 0 = never */
};

/* Every API key begins so; behind it 32 random bytes in base64url. */
#define CREDENTIAL_PREFIX "tmakv_"
enum { CREDENTIAL_LEN = 6 + 43 };

/* registry_open - read all projects and API keys of STORE; defaults come from CONF. */
enum rc registry_open(struct registry **registry, struct store *store, const struct conf *conf) MUST_USE;
void registry_close(struct registry *registry);

/* registry_account - this installation's id as Cloudflare's clients want one: 32 hex digits, made once. */
const char *registry_account(const struct registry *registry);

/*
 * Look-ups. ANY is a UUID, its 32 hex digits, or a name. NULL when there is none. The answer
 * is a reference: project_unref() it. A disabled project is found: ask its state.
 */
const struct project *registry_find(struct registry *registry, struct str any);
const struct project *registry_by_number(struct registry *registry, uint32_t number);
void project_unref(const struct project *project);

/* project_is_called - whether registry_find(ANY) would find PROJECT. It takes a reference for granted, and no lock. */
bool project_is_called(const struct project *project, struct str any);

/* registry_credential - the API key with this text. RC_INVALID_TOKEN: unknown, revoked or expired; RC_NO_MEMORY. */
enum rc registry_credential(struct registry *registry, struct str api_key, int64_t now,
			    struct credential *out) MUST_USE;

/*
 * registry_not_before - the user's own revocation mark, seconds since 1970; 0 = none. From memory: no token and no
 * initData of before it counts.
 */
int64_t registry_not_before(struct registry *registry, uint32_t project, uint64_t telegram_id);

/* registry_each_mark - the marks of a project's users, in no order; what CALL is handed is valid inside it only. */
struct mark {
	uint32_t project;
	uint64_t user;
	int64_t not_before;
};
void registry_each_mark(struct registry *registry, uint32_t project,
			void (*call)(const struct mark *, void *arg), void *arg);

/*
 * registry_tend - what is due by NOW in the background: marks that are older than anything they could refuse go, and
 * the last uses of API keys become durable, with ALL even those of a moment ago. Blocks; one thread at a time.
 */
void registry_tend(struct registry *registry, int64_t now, bool all);

/*
 * Changes, from the control socket: they block until they are durable.
 * RC_CONFLICT: the name is taken. RC_BAD_REQUEST: the name is no slug, too many bots.
 * RC_KEY_NOT_FOUND: no such project or API key. RC_STORAGE_FULL, RC_STORE.
 */
enum rc project_create(struct registry *registry, struct str name, const struct bot *bots,
		       size_t n_bots, const struct project **out) MUST_USE;
enum rc project_rename(struct registry *registry, struct str any, struct str name) MUST_USE;

/*
 * The same for whoever speaks of namespaces and titles. A title is free text, and the project's name is
 * made of it: "My shop" is the project my-shop. RC_BAD_TITLE: empty, too long, not UTF-8; RC_CONFLICT: there
 * is one of this title.
 */
enum rc project_create_titled(struct registry *registry, struct str title, const struct project **out) MUST_USE;
enum rc project_retitle(struct registry *registry, struct str any, struct str title) MUST_USE;

/* project_title - its title; where it has none of its own, its name. */
struct str project_title(const struct project *project);

/* project_namespace_id - ID, a project's UUID, as Cloudflare writes a namespace's: its 32 hex digits; into OUT. */
struct str project_namespace_id(const char *id, char out[PROJECT_ID_LEN]);

enum rc project_set_state(struct registry *registry, struct str any, enum project_state state) MUST_USE;

/*
 * project_set_limits - the limits that an operator sets for one project. Each is kept as it is, follows the
 * configuration again, or is the project's own from now on; RC_BAD_REQUEST when it cannot be.
 */
#define PROJECT_VALUE_LIMIT_MAX (INT64_C(25) << 20)
#define PROJECT_QUOTA_MAX ((INT64_C(1) << 53) - 1)
enum { PROJECT_WRITE_LIMIT_MAX = 1000000, PROJECT_MIN_TTL_MAX = 86400, PROJECT_USER_RATE_MAX = 1000000 };
enum { PROJECT_LIMIT_KEEP = -1, PROJECT_LIMIT_DEFAULT = -2 };

struct project_limits {
	int64_t value_limit;		/* bytes, from 1 */
	int64_t write_limit;		/* writes a second and key; 0 = none */
	int64_t min_ttl_s;		/* from 1 */
	int64_t max_keys, max_bytes;	/* these and those below: 0 = none, which is the default */
	int64_t user_max_keys, user_max_bytes;
	int64_t user_rate;		/* requests a second and user */
};

enum rc project_set_limits(struct registry *registry, struct str any, const struct project_limits *limits) MUST_USE;

/*
 * project_set_rules - RULES from now on, of which the project takes a reference; NULL: none. The references are those of
 * the projects that the registry holds: a struct project that is being made or changed borrows them.
 */
enum rc project_set_rules(struct registry *registry, struct str any, const struct rules *rules) MUST_USE;

/* project_set_keys - see struct project_keys. For auth/, whose keys these are. */
enum rc project_set_keys(struct registry *registry, struct str any, const struct project_keys *keys) MUST_USE;

/*
 * project_revoke - what the user (0: every user) of a project got before NOT_BEFORE is refused from the next request
 * on. A mark only moves on. RC_KEY_NOT_FOUND, RC_STORAGE_FULL, RC_STORE, RC_NO_MEMORY.
 */
enum rc project_revoke(struct registry *registry, struct str any, uint64_t telegram_id, int64_t not_before) MUST_USE;

/*
 * Bots of a project, as they are from the next request on. What is in the way is said in *WHY.
 * project_add_bots - all N of BOTS, or none; a bot that is there already gets a second secret, or its first. *ID is the
 * one that is in the way.
 * project_set_bots - the same, but a secret may be there already: it becomes the bot's newest one, and of more than
 * two the oldest goes. A project that has the bots like that is left as it is, with its generation.
 * project_retire_secret - of the two secrets of a bot the older one goes.
 * project_remove_bot - the bot and its secrets.
 * RC_BAD_REQUEST with *WHY; RC_KEY_NOT_FOUND: no such project, or with *WHY no such bot.
 */
enum bots_reason {
	BOTS_OK,
	BOTS_FULL,		/* PROJECT_BOTS_MAX */
	BOTS_SECRETS_FULL,	/* BOT_SECRETS_MAX */
	BOTS_SAME_SECRET,
	BOTS_HAS_SECRET,	/* it is checked by its token: it cannot be by its id alone, too */
	BOTS_SAME_BOT,		/* by its id alone, a second time */
	BOTS_ONE_SECRET,	/* nothing to retire */
	BOTS_UNKNOWN
};
enum rc project_add_bots(struct registry *registry, struct str any, const struct bot *bots, size_t n,
			 enum bots_reason *why, uint64_t *id) MUST_USE;
enum rc project_set_bots(struct registry *registry, struct str any, const struct bot *bots, size_t n,
			 enum bots_reason *why, uint64_t *id) MUST_USE;
enum rc project_retire_secret(struct registry *registry, struct str any, uint64_t bot, enum bots_reason *why) MUST_USE;
enum rc project_remove_bot(struct registry *registry, struct str any, uint64_t bot, enum bots_reason *why) MUST_USE;

/* bots_add - the rule of project_add_bots() for a list that is being made: BOTS has room for PROJECT_BOTS_MAX. */
enum bots_reason bots_add(struct bot *bots, size_t *n, const struct bot *bot);

/* project_set_origins - ORIGINS take the place of those that it has; NULL: any. */
enum rc project_set_origins(struct registry *registry, struct str any, const struct origins *origins) MUST_USE;

/* project_delete - the project, its API keys and all its data. Unknown from then on; its number is never used again. */
enum rc project_delete(struct registry *registry, struct str any) MUST_USE;

/*
 * credential_create - a key of the project with this number, or of CREDENTIAL_ADMIN. *SECRET (CREDENTIAL_LEN
 * bytes and a NUL) is its text: it is nowhere else. It is refused from EXPIRES_AT on (0: never).
 */
enum rc credential_create(struct registry *registry, uint32_t project, struct str name,
			  enum key_right right, int64_t expires_at, struct credential *out,
			  char secret[CREDENTIAL_LEN + 1]) MUST_USE;
enum rc credential_revoke(struct registry *registry, uint32_t project, struct str id) MUST_USE;

/* Walks: CALL gets each in the order they were created; what it is handed is valid inside it only. */
void registry_each_project(struct registry *registry,
			   void (*call)(const struct project *, void *arg), void *arg);
void registry_each_credential(struct registry *registry, uint32_t project,
			      void (*call)(const struct credential *, void *arg), void *arg);

/* registry_usage - keys and bytes in use by a project, or by one USER of it (0: all of it). */
enum rc registry_usage(struct registry *registry, uint32_t project, uint64_t user, uint64_t *keys,
		       uint64_t *bytes) MUST_USE;

#endif
