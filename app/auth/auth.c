/*
 * auth.c - opening and closing the room, and the judgements its ways in have in common.
 *
 * Any thread, once open.
 */
#include "config.h"

#include <stdlib.h>

#include "auth/private.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/metric.h"

/* Answers to validate are of use for a minute only, so fewer of them are kept than of tokens. */
enum { TOKENS_PER_ANSWER = 4 };

/* --- opening --- */

/* Everything that only needs memory; false without it. */
static bool prepare(struct auth *auth, const struct conf *conf)
{
	size_t entries = conf->token_cache < 0 ? 0 : (size_t)conf->token_cache;
	bool named = conf->issuer != NULL && conf->issuer[0] != '\0';

	auth->issuer = named ? strdup(conf->issuer) : NULL;
	auth->key_life_s = conf->signing_key_life_s;
	auth->token_life_s = conf->token_life_s;
	auth->tokens = token_cache_new(entries);
	auth->answers = validate_cache_new(entries / TOKENS_PER_ANSWER);
	auth->rate = rate_new();
	return (auth->issuer != NULL || !named) && auth->tokens != NULL && auth->answers != NULL &&
	       auth->rate != NULL;
}

enum rc auth_open(struct auth **out, struct store *store, const struct conf *conf)
{
	struct auth *auth = calloc(1, sizeof *auth);
	enum rc rc = RC_INTERNAL;

	if (auth == NULL || !prepare(auth, conf))
		goto out;
	rc = keyring_open(&auth->ring, store, conf->token_life_s, clock_wall_s());
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
	rate_free(auth->rate);
	validate_cache_free(auth->answers);
	token_cache_free(auth->tokens);
	keyring_close(auth->ring);
	free(auth->issuer);
	free(auth);
}

void auth_jwks(struct auth *auth, struct buf *out)
{
	struct key_set *keys = keyring_take(auth->ring);

	key_set_write_jwks(keys, KEY_SHARED, true, out);
	key_set_unref(keys);
}

enum rc auth_project_jwks(struct auth *auth, struct registry *registry, struct str any, int64_t now, struct buf *out)
{
	const struct project *project = auth_live_project(registry_find(registry, any));
	struct key_set *keys;

	if (project == NULL)
		return RC_PROJECT_UNAVAILABLE;
	keys = keyring_take(auth->ring);
	key_set_write_jwks(keys, project->number, auth_key_counts_until(project, KEY_SHARED, now) > now, out);
	key_set_unref(keys);
	project_unref(project);
	return RC_OK;
}

enum rc auth_rate(struct auth *auth, const struct caller *caller)
{
	if (caller->kind != CALLER_USER || caller->project->user_rate == 0 ||
	    rate_ask(auth->rate, caller->project->number, caller->telegram_id, (uint64_t)caller->project->user_rate,
		     clock_mono_us()))
		return RC_OK;
	metric_add(metric_slot(), METRIC_RATE_LIMITED, 1);
	return RC_RATE_LIMIT;
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
