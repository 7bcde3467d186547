/*
 * auth.c - opening and closing the room, and the judgements its ways in have in common.
 *
 * The signing keys are records of the store. The first start makes one; it may sign at
 * once, because nobody has fetched a set without it yet. Any thread, once open.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "auth/private.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "store/commit.h"
#include "store/store.h"

enum {
	RECORD_ARENA = 64 * 1024,
	/* Answers to validate are of use for a minute only, so fewer of them are kept than of tokens. */
	TOKENS_PER_ANSWER = 4
};

/* --- signing keys --- */

/* One row of the store; both strings are its. */
static enum rc add_stored_key(struct key_set *keys, struct str kid, struct str record)
{
	if (key_read(keys, record) == RC_OK && key_set_find(keys, kid) != NULL)
		return RC_OK;
	/* Going on without it would refuse good tokens, and sign with a key that others do not expect. */
	LOG_ERROR("a signing key in the store cannot be read", LOG_U64("keys_before", key_set_count(keys)));
	return RC_INTERNAL;
}

static enum rc read_keys(struct key_set *keys, struct store *store)
{
	void *chunk = malloc(STORE_SCAN_CHUNK);
	struct store_scan scan;
	struct str kid, record;
	enum rc rc = RC_INTERNAL;

	if (chunk == NULL)
		return rc;
	store_scan_init(&scan, store, STORE_SIGNING_KEYS, STR_LIT(""), chunk);
	while ((rc = store_scan_next(&scan, &kid, &record)) == RC_OK)
		if ((rc = add_stored_key(keys, kid, record)) != RC_OK)
			break;
	OPENSSL_cleanse(chunk, STORE_SCAN_CHUNK);
	free(chunk);
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

struct key_row {
	struct str kid, record;
};

static enum rc put_key(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct key_row *row = arg;

	(void)op;
	return store_txn_put(txn, STORE_SIGNING_KEYS, row->kid, row->record);
}

/* KEY into the store; back when it is durable. */
static enum rc keep_key(struct store *store, const struct key *key)
{
	struct arena *arena = arena_new(RECORD_ARENA);
	struct key_row row = { .kid = str_c(key->kid) };
	struct commit_op op;
	enum rc rc = RC_INTERNAL;

	if (arena == NULL)
		return rc;
	row.record = key_write(key, arena);
	if (row.record.p != NULL) {
		commit_op_init(&op, put_key, &row, row.record.n, STR_LIT(""));
		rc = commit_run(store, &op);
		OPENSSL_cleanse((void *)(uintptr_t)row.record.p, row.record.n);
	}
	arena_free(arena);
	return rc;
}

static enum rc make_key(struct key_set *keys, struct store *store)
{
	enum rc rc;

	if ((rc = key_set_generate(keys, KEY_CURRENT, clock_wall_s())) != RC_OK ||
	    (rc = keep_key(store, key_set_at(keys, key_set_count(keys) - 1))) != RC_OK)
		return rc;
	LOG_INFO("made a signing key", LOG_STR("kid", key_set_current(keys)->kid));
	return RC_OK;
}

/* --- opening --- */

/* Everything that only needs memory; false without it. */
static bool prepare(struct auth *auth, const struct conf *conf)
{
	size_t entries = conf->token_cache < 0 ? 0 : (size_t)conf->token_cache;
	bool named = conf->issuer != NULL && conf->issuer[0] != '\0';

	auth->issuer = named ? strdup(conf->issuer) : NULL;
	auth->keys = key_set_new();
	auth->tokens = token_cache_new(entries);
	auth->answers = validate_cache_new(entries / TOKENS_PER_ANSWER);
	return (auth->issuer != NULL || !named) && auth->keys != NULL && auth->tokens != NULL &&
		auth->answers != NULL;
}

enum rc auth_open(struct auth **out, struct store *store, const struct conf *conf)
{
	struct auth *auth = calloc(1, sizeof *auth);
	enum rc rc = RC_INTERNAL;

	if (auth == NULL || !prepare(auth, conf))
		goto out;
	rc = read_keys(auth->keys, store);
	if (rc == RC_OK && key_set_current(auth->keys) == NULL)
		rc = make_key(auth->keys, store);
out:
	if (rc == RC_OK)
		*out = auth;
	else
		auth_close(auth);
	return rc;
}

void auth_close(struct auth *auth)
{
	if (auth == NULL)
		return;
	validate_cache_free(auth->answers);
	token_cache_free(auth->tokens);
	key_set_unref(auth->keys);
	free(auth->issuer);
	free(auth);
}

void auth_jwks(struct auth *auth, struct buf *out)
{
	key_set_write_jwks(auth->keys, out);
}

/* --- judgements --- */

const struct project *auth_live_project(const struct project *project)
{
	if (project == NULL || project->state == PROJECT_ACTIVE)
		return project;
	project_unref(project);
	return NULL;
}

bool auth_is_revoked(struct registry *registry, const struct project *project,
		     uint64_t telegram_id, int64_t issued_at)
{
	return issued_at < project->not_before ||
		issued_at < registry_not_before(registry, project->number, telegram_id);
}

enum rc auth_check_init_data(const struct project *project, struct str raw, int64_t now,
			     struct arena *arena, struct initdata_user *user)
{
	const struct initdata_check check = {
		.bots = project->bots, .n_bots = project->n_bots,
		.now = now, .max_age_s = project->init_data_age_s
	};
	enum initdata_reason reason = initdata_check(raw, &check, arena, user);

	if (reason != INITDATA_OK)
		LOG_DEBUG("initData refused", LOG_STR("project", project->id),
			  LOG_STR("reason", initdata_word(reason)));
	return initdata_rc(reason);
}

enum rc auth_recheck_init_data(struct registry *registry, const struct project *project,
			       uint64_t telegram_id, int64_t auth_date, int64_t now)
{
	if (auth_date > now + INITDATA_SKEW_S)
		return RC_INVALID_INIT_DATA;
	if (now - auth_date > project->init_data_age_s)
		return RC_INIT_DATA_EXPIRED;
	if (auth_is_revoked(registry, project, telegram_id, auth_date))
		return RC_INVALID_INIT_DATA;
	return RC_OK;
}

void auth_feign_check(struct str raw, int64_t now, struct arena *arena)
{
	/* Anybody can compute with this secret; what comes of it is not looked at. */
	static const struct bot nobody = { .id = 1, .n_secrets = 1 };
	const struct initdata_check check = { .bots = &nobody, .n_bots = 1, .now = now };
	struct initdata_user user;

	(void)initdata_check(raw, &check, arena, &user);
}
