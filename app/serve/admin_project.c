/*
 * admin_project.c - the commands about projects.
 *
 * A bot's secret comes in and goes to project/; no answer ever has it. Runs in the control
 * thread, which may block.
 */
#include "config.h"

#include <openssl/crypto.h>

#include "auth/initdata.h"
#include "base/jdoc.h"
#include "project/rules.h"
#include "serve/admin.h"

/* --- what a project looks like --- */

static void put_limits(struct admin *admin, json_object *object, const struct project *project)
{
	json_object *limits = admin_put_object(admin, object, "limits");

	admin_put_i64(admin, limits, "value_limit", project->value_limit);
	admin_put_i64(admin, limits, "write_limit", project->write_limit);
	admin_put_i64(admin, limits, "min_ttl_s", project->min_ttl_s);
	admin_put_i64(admin, limits, "init_data_age_s", project->init_data_age_s);
	admin_put_i64(admin, limits, "token_life_s", project->token_life_s);
	admin_put_i64(admin, limits, "max_keys", project->max_keys);
	admin_put_i64(admin, limits, "max_bytes", project->max_bytes);
	admin_put_i64(admin, limits, "user_max_keys", project->user_max_keys);
	admin_put_i64(admin, limits, "user_max_bytes", project->user_max_bytes);
	admin_put_i64(admin, limits, "user_rate", project->user_rate);
}

static void put_project(struct admin *admin, json_object *object, const struct project *project)
{
	char name_space[PROJECT_ID_LEN];
	json_object *bots;

	admin_put_str(admin, object, "id", str_c(project->id));
	admin_put_str(admin, object, "namespace_id", project_namespace_id(project->id, name_space));
	admin_put_str(admin, object, "name", str_c(project->name));
	admin_put_str(admin, object, "state", str_c(project->state == PROJECT_ACTIVE ? "active" : "disabled"));
	admin_put_i64(admin, object, "created_at", project->created_at);
	admin_put_i64(admin, object, "not_before", project->not_before);
	bots = admin_put_array(admin, object, "bots");
	for (size_t i = 0; i < project->n_bots; i++)
		admin_put_bot(admin, bots, &project->bots[i]);
	admin_put_signing(admin, object, project);
	put_limits(admin, object, project);
	if (project->rules != NULL)
		admin_put_i64(admin, object, "rules", (int64_t)rules_count(project->rules));
	admin_put_origins(admin, object, project);
}

/* The result is the project as it is now. */
enum rc admin_answer_project(struct admin *admin, struct str id)
{
	const struct project *project = registry_find(admin->app->registry, id);

	if (project == NULL)
		return RC_KEY_NOT_FOUND;
	put_project(admin, admin->result, project);
	project_unref(project);
	return RC_OK;
}

/* --- project.create --- */

/* What is wrong with a name, in words; other outcomes have theirs in the table. */
static enum rc explain_name(struct admin *admin, enum rc rc, struct str name)
{
	if (rc == RC_CONFLICT)
		return admin_fail(admin, rc, "there is a project '%.*s' already", STR(name));
	if (rc == RC_BAD_REQUEST)
		return admin_fail(admin, rc, "a project's name is 1 to %d of a-z, 0-9 and '-', begins and ends with a letter or "
				  "digit, and is not as long as an id (32 or %d)", PROJECT_NAME_MAX, PROJECT_ID_LEN);
	return rc;
}

enum rc admin_project_create(struct admin *admin)
{
	struct bot bots[PROJECT_BOTS_MAX] = { 0 };
	const struct project *project = NULL;
	struct str name;
	size_t n = 0;
	enum rc rc;

	if ((rc = admin_arg(admin, "name", &name)) == RC_OK &&
	    (rc = admin_read_bots(admin, bots, &n)) == RC_OK)
		rc = explain_name(admin, project_create(admin->app->registry, name, bots, n, &project), name);
	if (rc == RC_OK) {
		memcpy(admin->project, project->id, sizeof admin->project);
		put_project(admin, admin->result, project);
		project_unref(project);
	}
	OPENSSL_cleanse(bots, sizeof bots);
	return rc;
}

/* --- the other commands about projects --- */

/* What a walk hands to its visitors. */
struct listing {
	struct admin *admin;
	json_object *array;
};

static void list_project(const struct project *project, void *arg)
{
	struct listing *listing = arg;

	put_project(listing->admin, admin_append(listing->admin, listing->array), project);
}

enum rc admin_project_list(struct admin *admin)
{
	struct listing listing = { admin, admin_put_array(admin, admin->result, "projects") };

	registry_each_project(admin->app->registry, list_project, &listing);
	return RC_OK;
}

enum rc admin_project_show(struct admin *admin)
{
	const struct project *project;
	uint64_t keys, bytes;
	json_object *usage;
	int64_t user = 0;
	enum rc rc;

	if ((rc = admin_arg_i64(admin, "user", 1, TELEGRAM_ID_MAX, &user)) != RC_OK ||
	    (rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = registry_usage(admin->app->registry, project->number, (uint64_t)user, &keys, &bytes);
	if (rc == RC_OK) {
		put_project(admin, admin->result, project);
		usage = admin_put_object(admin, admin->result, "usage");
		if (user != 0)
			admin_put_i64(admin, usage, "user", user);
		admin_put_i64(admin, usage, "keys", (int64_t)keys);
		admin_put_i64(admin, usage, "bytes", (int64_t)bytes);
	}
	project_unref(project);
	return rc;
}

enum rc admin_project_rename(struct admin *admin)
{
	const struct project *project;
	struct str id, name;
	enum rc rc;

	if ((rc = admin_arg(admin, "name", &name)) != RC_OK ||
	    (rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	id = str_c(project->id);
	rc = explain_name(admin, project_rename(admin->app->registry, id, name), name);
	if (rc == RC_OK)
		rc = admin_answer_project(admin, id);
	project_unref(project);
	return rc;
}

static enum rc set_state(struct admin *admin, enum project_state state)
{
	const struct project *project;
	struct str id;
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	id = str_c(project->id);
	rc = project_set_state(admin->app->registry, id, state);
	if (rc == RC_OK)
		rc = admin_answer_project(admin, id);
	project_unref(project);
	return rc;
}

enum rc admin_project_disable(struct admin *admin)
{
	return set_state(admin, PROJECT_DISABLED);
}

enum rc admin_project_enable(struct admin *admin)
{
	return set_state(admin, PROJECT_ACTIVE);
}

/* A limit of its own, "default", or absent. */
static enum rc read_limit(struct admin *admin, const char *name, int64_t min, int64_t max, int64_t *limit)
{
	struct str word;

	*limit = PROJECT_LIMIT_KEEP;
	if (jdoc_str(admin->args, name, &word) && str_eq(word, STR_LIT("default"))) {
		*limit = PROJECT_LIMIT_DEFAULT;
		return RC_OK;
	}
	return admin_arg_i64(admin, name, min, max, limit);
}

enum rc admin_project_limit(struct admin *admin)
{
	const struct project *project;
	struct project_limits limits;
	struct str id;
	enum rc rc;

	if ((rc = read_limit(admin, "value_limit", 1, PROJECT_VALUE_LIMIT_MAX, &limits.value_limit)) != RC_OK ||
	    (rc = read_limit(admin, "write_limit", 0, PROJECT_WRITE_LIMIT_MAX, &limits.write_limit)) != RC_OK ||
	    (rc = read_limit(admin, "min_ttl_s", 1, PROJECT_MIN_TTL_MAX, &limits.min_ttl_s)) != RC_OK ||
	    (rc = read_limit(admin, "max_keys", 0, PROJECT_QUOTA_MAX, &limits.max_keys)) != RC_OK ||
	    (rc = read_limit(admin, "max_bytes", 0, PROJECT_QUOTA_MAX, &limits.max_bytes)) != RC_OK ||
	    (rc = read_limit(admin, "user_max_keys", 0, PROJECT_QUOTA_MAX, &limits.user_max_keys)) != RC_OK ||
	    (rc = read_limit(admin, "user_max_bytes", 0, PROJECT_QUOTA_MAX, &limits.user_max_bytes)) != RC_OK ||
	    (rc = read_limit(admin, "user_rate", 0, PROJECT_USER_RATE_MAX, &limits.user_rate)) != RC_OK ||
	    (rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	id = str_c(project->id);
	rc = project_set_limits(admin->app->registry, id, &limits);
	if (rc == RC_OK)
		rc = admin_answer_project(admin, id);
	project_unref(project);
	return rc;
}

enum rc admin_project_delete(struct admin *admin)
{
	const struct project *project;
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = project_delete(admin->app->registry, str_c(project->id));
	if (rc == RC_OK) {
		admin_put_str(admin, admin->result, "id", str_c(project->id));
		admin_put_str(admin, admin->result, "name", str_c(project->name));
		admin_put_bool(admin, admin->result, "deleted", true);
	}
	project_unref(project);
	return rc;
}
