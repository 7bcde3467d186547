/*
 * admin_project.c - the commands about projects.
 *
 * A bot's secret comes in and goes to project/; no answer ever has it. Runs in the control
 * thread, which may block.
 */
#include "config.h"

#include <openssl/crypto.h>

#include "auth/initdata.h"
#include "base/hex.h"
#include "base/jdoc.h"
#include "project/rules.h"
#include "serve/admin.h"

/* Telegram's ids are whole numbers that every program can read. */
#define TELEGRAM_ID_MAX ((INT64_C(1) << 53) - 1)

/* --- what a project looks like --- */

static const char *environment_of(const struct bot *bot)
{
	if (memcmp(bot->public_key, initdata_key_production, BOT_PUBLIC_KEY_SIZE) == 0)
		return "production";
	if (memcmp(bot->public_key, initdata_key_test, BOT_PUBLIC_KEY_SIZE) == 0)
		return "test";
	return "custom";
}

static void put_bot(struct admin *admin, json_object *array, const struct bot *bot)
{
	json_object *object = admin_append(admin, array);
	char key[2 * BOT_PUBLIC_KEY_SIZE];

	admin_put_i64(admin, object, "id", (int64_t)bot->id);
	admin_put_str(admin, object, "mode", str_c(bot->n_secrets != 0 ? "hmac" : "ed25519"));
	if (bot->n_secrets != 0) {
		admin_put_i64(admin, object, "secrets", (int64_t)bot->n_secrets);
		return;
	}
	hex_encode(bot->public_key, BOT_PUBLIC_KEY_SIZE, key);
	admin_put_str(admin, object, "environment", str_c(environment_of(bot)));
	admin_put_str(admin, object, "public_key", str_make(key, sizeof key));
}

static void put_limits(struct admin *admin, json_object *object, const struct project *project)
{
	json_object *limits = admin_put_object(admin, object, "limits");

	admin_put_i64(admin, limits, "value_limit", project->value_limit);
	admin_put_i64(admin, limits, "write_limit", project->write_limit);
	admin_put_i64(admin, limits, "min_ttl_s", project->min_ttl_s);
	admin_put_i64(admin, limits, "init_data_age_s", project->init_data_age_s);
	admin_put_i64(admin, limits, "token_life_s", project->token_life_s);
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
		put_bot(admin, bots, &project->bots[i]);
	put_limits(admin, object, project);
	if (project->rules != NULL)
		admin_put_i64(admin, object, "rules", (int64_t)rules_count(project->rules));
}

/* The result is the project as it is now. */
static enum rc answer_project(struct admin *admin, struct str id)
{
	const struct project *project = registry_find(admin->app->registry, id);

	if (project == NULL)
		return RC_KEY_NOT_FOUND;
	put_project(admin, admin->result, project);
	project_unref(project);
	return RC_OK;
}

/* --- project.create --- */

static enum rc read_public_key(struct admin *admin, json_object *object, struct bot *bot)
{
	struct str environment = STR_LIT("production"), key;

	if (jdoc_has(object, "public_key")) {
		if (jdoc_has(object, "environment") || !jdoc_str(object, "public_key", &key) ||
		    !hex_decode(key, bot->public_key, BOT_PUBLIC_KEY_SIZE))
			return admin_fail(admin, RC_BAD_REQUEST,
					  "bots: \"public_key\" is 64 hex digits, and stands without \"environment\"");
		return RC_OK;
	}
	if (jdoc_has(object, "environment") && !jdoc_str(object, "environment", &environment))
		environment = STR_LIT("");
	if (str_eq(environment, STR_LIT("production")))
		memcpy(bot->public_key, initdata_key_production, BOT_PUBLIC_KEY_SIZE);
	else if (str_eq(environment, STR_LIT("test")))
		memcpy(bot->public_key, initdata_key_test, BOT_PUBLIC_KEY_SIZE);
	else
		return admin_fail(admin, RC_BAD_REQUEST, "bots: \"environment\" is \"production\" or \"test\"");
	return RC_OK;
}

static enum rc read_bot(struct admin *admin, json_object *object, struct bot *bot)
{
	struct str secret;
	int64_t id;
	enum rc rc;

	if (!json_object_is_type(object, json_type_object))
		return admin_fail(admin, RC_BAD_REQUEST, "bots: an array of objects is needed");
	if ((rc = admin_knows_only(admin, object, "id secret environment public_key")) != RC_OK)
		return rc;
	if (!jdoc_i64(object, "id", &id) || id < 1 || id > TELEGRAM_ID_MAX)
		return admin_fail(admin, RC_BAD_REQUEST, "bots: \"id\" is the number before the colon of the bot's token");
	bot->id = (uint64_t)id;
	if (jdoc_has(object, "secret")) {
		if (!jdoc_str(object, "secret", &secret) || !hex_decode(secret, bot->secrets[0], BOT_SECRET_SIZE))
			return admin_fail(admin, RC_BAD_REQUEST, "bots: \"secret\" is 64 hex digits");
		bot->n_secrets = 1;
	}
	return read_public_key(admin, object, bot);
}

/* A second secret of a bot that is there already: its token is being changed. */
static enum rc merge_bot(struct admin *admin, struct bot *bot, const struct bot *more)
{
	if (bot->n_secrets == 0 || more->n_secrets == 0)
		return admin_fail(admin, RC_BAD_REQUEST, "bots: bot %llu stands there twice, once without its token",
				  (unsigned long long)bot->id);
	if (bot->n_secrets == BOT_SECRETS_MAX)
		return admin_fail(admin, RC_BAD_REQUEST, "bots: more than %d tokens of bot %llu",
				  BOT_SECRETS_MAX, (unsigned long long)bot->id);
	if (CRYPTO_memcmp(bot->secrets[0], more->secrets[0], BOT_SECRET_SIZE) == 0)
		return admin_fail(admin, RC_BAD_REQUEST, "bots: the same token of bot %llu twice",
				  (unsigned long long)bot->id);
	memcpy(bot->secrets[bot->n_secrets++], more->secrets[0], BOT_SECRET_SIZE);
	return RC_OK;
}

static enum rc add_bot(struct admin *admin, struct bot *bots, size_t *n, const struct bot *bot)
{
	for (size_t i = 0; i < *n; i++)
		if (bots[i].id == bot->id)
			return merge_bot(admin, &bots[i], bot);
	if (*n == PROJECT_BOTS_MAX)
		return admin_fail(admin, RC_BAD_REQUEST, "bots: a project has at most %d", PROJECT_BOTS_MAX);
	bots[(*n)++] = *bot;
	return RC_OK;
}

static enum rc read_bots(struct admin *admin, struct bot *bots, size_t *n)
{
	json_object *array;
	enum rc rc = RC_OK;

	if (!jdoc_has(admin->args, "bots"))
		return RC_OK;
	if (!jdoc_array(admin->args, "bots", &array))
		return admin_fail(admin, RC_BAD_REQUEST, "bots: an array is needed");
	for (size_t i = 0; rc == RC_OK && i < json_object_array_length(array); i++) {
		struct bot bot = { 0 };

		rc = read_bot(admin, json_object_array_get_idx(array, i), &bot);
		if (rc == RC_OK)
			rc = add_bot(admin, bots, n, &bot);
		OPENSSL_cleanse(&bot, sizeof bot);
	}
	return rc;
}

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
	    (rc = read_bots(admin, bots, &n)) == RC_OK)
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
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = registry_usage(admin->app->registry, project->number, &keys, &bytes);
	if (rc == RC_OK) {
		put_project(admin, admin->result, project);
		usage = admin_put_object(admin, admin->result, "usage");
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
		rc = answer_project(admin, id);
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
		rc = answer_project(admin, id);
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
	    (rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	id = str_c(project->id);
	rc = project_set_limits(admin->app->registry, id, &limits);
	if (rc == RC_OK)
		rc = answer_project(admin, id);
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
