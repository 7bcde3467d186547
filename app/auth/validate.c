/*
 * validate.c - initData in, a session out.
 *
 * Clients validate in loops and after every reload, so the same initData is answered with
 * the same token for a minute: signing costs a hundred times what looking it up does.
 * Any thread.
 */
#include "config.h"

#include "auth/private.h"
#include "auth/session.h"
#include "base/jtext.h"

/* One question that is under way. */
struct validation {
	struct auth *auth;
	struct registry *registry;
	const struct project *project;
	struct str init_data;
	int64_t now;
	struct arena *arena;
};

static void add_name(struct buf *buf, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	buf_addf(buf, ",\"%s\":", name);
	jtext_quote(buf, value);
}

static enum rc write_data(const struct initdata_user *user, struct str token, struct arena *arena,
			  struct str *data)
{
	struct buf buf;

	buf_init(&buf, arena, SESSION_TOKEN_MAX + 8 * INITDATA_MAX);
	buf_add_c(&buf, "{\"jwt\":\"");
	buf_add(&buf, token);
	buf_add_c(&buf, "\",\"user\":{\"telegramId\":");
	buf_add_u64(&buf, user->telegram_id);
	add_name(&buf, "firstName", user->first_name);
	add_name(&buf, "lastName", user->last_name);
	add_name(&buf, "username", user->username);
	buf_add_c(&buf, "}}");
	if (!buf_ok(&buf))
		return RC_NO_MEMORY;
	*data = buf_str(&buf);
	return RC_OK;
}

/* A token for USER by KEY, and the reply's data around it. */
static enum rc sign_with(const struct validation *v, const struct key *key, const struct initdata_user *user,
			 struct str *data)
{
	const struct session session = {
		.telegram_id = user->telegram_id,
		.first_name = user->first_name,
		.last_name = user->last_name,
		.username = user->username,
		.project_id = str_c(v->project->id),
		.issued_at = v->now,
		.expires_at = v->now + v->project->token_life_s,
	};
	struct str token;
	enum rc rc = session_make(&session, key, v->auth->issuer, v->arena, &token);

	return rc == RC_OK ? write_data(user, token, v->arena, data) : rc;
}

/* By the key whose turn it is; *GENERATION is that of the keys. */
static enum rc sign(const struct validation *v, const struct initdata_user *user, struct str *data, uint64_t *generation)
{
	struct key_set *keys = keyring_take(v->auth->ring);
	const struct key *key = auth_signer(keys, v->project, v->now);
	enum rc rc = key == NULL ? RC_INTERNAL : sign_with(v, key, user, data);

	*generation = key_set_generation(keys);
	key_set_unref(keys);
	return rc;
}

/* The answer of less than a minute ago. A token of before a mark, or of keys that were changed since, has to be made anew. */
static bool find_answer(const struct validation *v, struct validate_entry *entry)
{
	return validate_cache_get(v->auth->answers, v->project->number, v->project->generation,
				  v->init_data, v->now, v->arena, entry) &&
		entry->keys == keyring_generation(v->auth->ring) &&
		!auth_is_revoked(v->registry, v->project, entry->telegram_id, entry->made_at);
}

static enum rc answer(const struct validation *v, struct str *data)
{
	struct validate_entry entry;
	struct initdata_user user;
	uint64_t generation;
	enum rc rc;

	if (find_answer(v, &entry)) {
		rc = auth_recheck_init_data(v->registry, v->project, entry.telegram_id,
					    entry.auth_date, v->now);
		if (rc == RC_OK)
			*data = entry.reply;
		return rc;
	}
	if ((rc = auth_check_init_data(v->project, v->init_data, v->now, v->arena, &user)) != RC_OK ||
	    (rc = auth_recheck_init_data(v->registry, v->project, user.telegram_id, user.auth_date,
					 v->now)) != RC_OK ||
	    (rc = sign(v, &user, data, &generation)) != RC_OK)
		return rc;
	entry = (struct validate_entry){ user.telegram_id, user.auth_date, v->now, *data, generation };
	validate_cache_put(v->auth->answers, v->project->number, v->project->generation,
			   v->init_data, &entry);
	return RC_OK;
}

enum rc auth_validate(struct auth *auth, struct registry *registry, struct str init_data,
		      struct str project, int64_t now, struct arena *arena, struct str *data)
{
	struct validation v = { auth, registry, NULL, init_data, now, arena };
	enum rc rc;

	v.project = auth_live_project(registry_find(registry, project));
	if (v.project == NULL) {
		auth_feign_check(init_data, now, arena);
		return RC_PROJECT_UNAVAILABLE;
	}
	rc = answer(&v, data);
	project_unref(v.project);
	return rc;
}
