/*
 * project.c - making, renaming, switching off and deleting projects.
 *
 * A change is durable before it is shown: one write through the committer under registry->change,
 * then the new struct project takes the old one's place.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "project/private.h"

enum { CHANGE_ARENA = 256 * 1024, CHANGE_COST = 4096 };

/* ---- the write ---- */

struct project_write {
	uint32_t number;
	struct str record;
	bool fresh;		/* a new project: its number must be one that was never used */
};

static enum rc project_write_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct project_write *write = arg;
	char number[4], next[4];
	enum rc rc = RC_OK;

	(void)op;
	store_put_u32(number, write->number);
	store_put_u32(next, write->number + 1);
	if (write->fresh)
		rc = store_txn_put(txn, STORE_META, STR_LIT("next_project"), str_make(next, sizeof next));
	if (rc == RC_OK)
		rc = store_txn_put(txn, STORE_PROJECTS, str_make(number, sizeof number), write->record);
	return rc;
}

/* Make PROJECT durable, then show it. Under registry->change. */
static enum rc project_put(struct registry *registry, const struct project *project, bool fresh)
{
	struct arena *arena = arena_new(CHANGE_ARENA);
	struct project_box *box = box_new(project);
	struct project_write write = { .number = project->number, .fresh = fresh };
	struct commit_op op;
	enum rc rc = RC_NO_MEMORY;

	if (arena != NULL && box != NULL) {
		write.record = project_to_json(project, &registry->defaults, arena);
		/* What is durable must be shown: that may need memory as well, which is asked for before. */
		if (write.record.p != NULL && registry_room(registry, project->number) == RC_OK) {
			commit_op_init(&op, project_write_apply, &write, CHANGE_COST, STR_LIT(""));
			rc = commit_run(registry->store, &op);
			OPENSSL_cleanse((char *)(uintptr_t)write.record.p, write.record.n);
		}
	}
	arena_free(arena);
	if (rc == RC_OK)
		rc = registry_show(registry, project->number, box);
	if (rc != RC_OK && box != NULL)
		project_unref(&box->project);
	return rc;
}

static enum rc next_number(struct registry *registry, uint32_t *number)
{
	char next[4];
	size_t n;
	enum rc rc = store_get(registry->store, STORE_META, STR_LIT("next_project"), next, sizeof next, &n);

	if (rc == RC_KEY_NOT_FOUND) {
		*number = 1;
		return RC_OK;
	}
	if (rc == RC_OK)
		*number = store_get_u32(next);
	return rc;
}

/* NAME is set by SET: as tmakvctl means it, or as the REST door does. */
static enum rc create(struct registry *registry,
		      enum rc (*set)(struct registry *, struct project *, struct str), struct str name,
		      const struct bot *bots, size_t n_bots, const struct project **out)
{
	struct project project = registry->defaults;
	enum rc rc;

	if (n_bots > PROJECT_BOTS_MAX)
		return RC_BAD_REQUEST;
	pthread_mutex_lock(&registry->change);
	if ((rc = next_number(registry, &project.number)) == RC_OK &&
	    (rc = set(registry, &project, name)) == RC_OK) {
		rand_uuid(project.id);
		project.generation = 1;
		project.created_at = clock_wall_s();
		for (; project.n_bots < n_bots; project.n_bots++)
			project.bots[project.n_bots] = bots[project.n_bots];
		rc = project_put(registry, &project, true);
	}
	pthread_mutex_unlock(&registry->change);
	if (rc == RC_OK)
		*out = registry_by_number(registry, project.number);
	OPENSSL_cleanse(&project, sizeof project);
	return rc;
}

enum rc project_create(struct registry *registry, struct str name, const struct bot *bots,
		       size_t n_bots, const struct project **out)
{
	return create(registry, project_name_set, name, bots, n_bots, out);
}

enum rc project_create_titled(struct registry *registry, struct str title, const struct project **out)
{
	return create(registry, project_title_set, title, NULL, 0, out);
}

enum rc project_edit(struct registry *registry, struct str any,
		     enum rc (*edit)(struct registry *, struct project *, const void *), const void *arg)
{
	const struct project *old;
	struct project project;
	enum rc rc = RC_KEY_NOT_FOUND;

	pthread_mutex_lock(&registry->change);
	old = registry_find(registry, any);
	if (old != NULL) {
		project = *old;
		project.generation++;
		rc = edit(registry, &project, arg);
		if (rc == RC_OK)
			rc = project_put(registry, &project, false);
		OPENSSL_cleanse(&project, sizeof project);
	}
	pthread_mutex_unlock(&registry->change);
	project_unref(old);
	return rc;
}

static enum rc edit_name(struct registry *registry, struct project *project, const void *arg)
{
	return project_name_set(registry, project, *(const struct str *)arg);
}

static enum rc edit_title(struct registry *registry, struct project *project, const void *arg)
{
	return project_title_set(registry, project, *(const struct str *)arg);
}

enum rc project_rename(struct registry *registry, struct str any, struct str name)
{
	return project_edit(registry, any, edit_name, &name);
}

enum rc project_retitle(struct registry *registry, struct str any, struct str title)
{
	return project_edit(registry, any, edit_title, &title);
}

static enum rc edit_state(struct registry *registry, struct project *project, const void *arg)
{
	(void)registry;
	project->state = *(const enum project_state *)arg;
	return RC_OK;
}

enum rc project_set_state(struct registry *registry, struct str any, enum project_state state)
{
	return project_edit(registry, any, edit_state, &state);
}

static enum rc edit_keys(struct registry *registry, struct project *project, const void *arg)
{
	(void)registry;
	project->keys = *(const struct project_keys *)arg;
	return RC_OK;
}

enum rc project_set_keys(struct registry *registry, struct str any, const struct project_keys *keys)
{
	return project_edit(registry, any, edit_keys, keys);
}

/* LIMIT as it is asked for: from MIN to MAX, PRESET, or left alone. False when it can be none of these. */
static bool limit_change(int64_t *limit, int64_t wanted, int64_t min, int64_t max, int64_t preset)
{
	if (wanted == PROJECT_LIMIT_KEEP)
		return true;
	if (wanted != PROJECT_LIMIT_DEFAULT && (wanted < min || wanted > max))
		return false;
	*limit = wanted == PROJECT_LIMIT_DEFAULT ? preset : wanted;
	return true;
}

static enum rc edit_limits(struct registry *registry, struct project *project, const void *arg)
{
	const struct project *presets = &registry->defaults;
	const struct project_limits *limits = arg;

	if (limit_change(&project->value_limit, limits->value_limit, 1, PROJECT_VALUE_LIMIT_MAX, presets->value_limit) &&
	    limit_change(&project->write_limit, limits->write_limit, 0, PROJECT_WRITE_LIMIT_MAX, presets->write_limit) &&
	    limit_change(&project->min_ttl_s, limits->min_ttl_s, 1, PROJECT_MIN_TTL_MAX, presets->min_ttl_s) &&
	    limit_change(&project->max_keys, limits->max_keys, 0, PROJECT_QUOTA_MAX, 0) &&
	    limit_change(&project->max_bytes, limits->max_bytes, 0, PROJECT_QUOTA_MAX, 0) &&
	    limit_change(&project->user_max_keys, limits->user_max_keys, 0, PROJECT_QUOTA_MAX, 0) &&
	    limit_change(&project->user_max_bytes, limits->user_max_bytes, 0, PROJECT_QUOTA_MAX, 0) &&
	    limit_change(&project->user_rate, limits->user_rate, 0, PROJECT_USER_RATE_MAX, 0))
		return RC_OK;
	return RC_BAD_REQUEST;
}

enum rc project_set_limits(struct registry *registry, struct str any, const struct project_limits *limits)
{
	return project_edit(registry, any, edit_limits, limits);
}

static enum rc edit_rules(struct registry *registry, struct project *project, const void *arg)
{
	(void)registry;
	project->rules = arg;
	return RC_OK;
}

enum rc project_set_rules(struct registry *registry, struct str any, const struct rules *rules)
{
	return project_edit(registry, any, edit_rules, rules);
}

static enum rc edit_origins(struct registry *registry, struct project *project, const void *arg)
{
	(void)registry;
	/* Borrowed: what is shown takes a reference of its own. */
	project->origins = arg;
	return RC_OK;
}

enum rc project_set_origins(struct registry *registry, struct str any, const struct origins *origins)
{
	return project_edit(registry, any, edit_origins, origins);
}

/* ---- delete ---- */

struct project_removal {
	uint32_t number;
	const struct credential_row *credentials;	/* all of the registry's */
	size_t n_credentials;
};

/* The project and its API keys go at once; a mark makes sure that its data follows. */
static enum rc project_removal_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct project_removal *removal = arg;
	char number[4], mark[REAP_KEY_SIZE];
	enum rc rc;

	(void)op;
	store_put_u32(number, removal->number);
	rc = store_txn_put(txn, STORE_META, reap_key(removal->number, mark), STR_LIT(""));
	for (size_t i = 0; i < removal->n_credentials && rc == RC_OK; i++)
		if (removal->credentials[i].credential.project == removal->number)
			rc = store_txn_del(txn, STORE_CREDENTIALS,
					   str_make(removal->credentials[i].digest, SHA256_SIZE));
	if (rc == RC_OK)
		rc = store_txn_del(txn, STORE_PROJECTS, str_make(number, sizeof number));
	return rc;
}

static enum rc credentials_forget(struct registry *registry, uint32_t project)
{
	size_t kept = 0;
	enum rc rc;

	pthread_rwlock_wrlock(&registry->lock);
	for (size_t i = 0; i < registry->n_credentials; i++)
		if (registry->credentials[i].credential.project != project)
			registry->credentials[kept++] = registry->credentials[i];
	registry->n_credentials = kept;
	rc = registry_index(registry);
	pthread_rwlock_unlock(&registry->lock);
	return rc;
}

enum rc project_delete(struct registry *registry, struct str any)
{
	const struct project *project;
	struct commit_op op;
	enum rc rc = RC_KEY_NOT_FOUND;

	pthread_mutex_lock(&registry->change);
	project = registry_find(registry, any);
	if (project != NULL) {
		struct project_removal removal = {
			project->number, registry->credentials, registry->n_credentials
		};

		commit_op_init(&op, project_removal_apply, &removal, CHANGE_COST, STR_LIT(""));
		rc = commit_run(registry->store, &op);
		if (rc == RC_OK)
			rc = registry_show(registry, project->number, NULL);
		if (rc == RC_OK)
			rc = credentials_forget(registry, project->number);
	}
	pthread_mutex_unlock(&registry->change);
	project_unref(project);
	if (rc == RC_OK)
		reaper_wake(registry);
	return rc;
}
