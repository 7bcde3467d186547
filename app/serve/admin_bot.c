/*
 * admin_bot.c - a project's bots: as a command names them, as an answer shows them, and the commands that change them.
 *
 * A bot's secret comes in and goes to project/; no answer ever has it. Runs in the control thread, which may block.
 */
#include "config.h"

#include <openssl/crypto.h>

#include "auth/initdata.h"
#include "base/hex.h"
#include "base/jdoc.h"
#include "serve/admin.h"

/* --- shown --- */

static const char *environment_of(const struct bot *bot)
{
	if (memcmp(bot->public_key, initdata_key_production, BOT_PUBLIC_KEY_SIZE) == 0)
		return "production";
	if (memcmp(bot->public_key, initdata_key_test, BOT_PUBLIC_KEY_SIZE) == 0)
		return "test";
	return "custom";
}

void admin_put_bot(struct admin *admin, json_object *array, const struct bot *bot)
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

/* --- read --- */

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

/* Why a bot cannot be added, or changed. */
static enum rc explain(struct admin *admin, enum bots_reason why, uint64_t id)
{
	unsigned long long bot = id;

	switch (why) {
	case BOTS_FULL:
		return admin_fail(admin, RC_BAD_REQUEST, "bots: a project has at most %d", PROJECT_BOTS_MAX);
	case BOTS_SECRETS_FULL:
		return admin_fail(admin, RC_BAD_REQUEST, "bots: more than %d tokens of bot %llu", BOT_SECRETS_MAX, bot);
	case BOTS_SAME_SECRET:
		return admin_fail(admin, RC_BAD_REQUEST, "bots: the same token of bot %llu twice", bot);
	case BOTS_HAS_SECRET:
		return admin_fail(admin, RC_BAD_REQUEST, "bots: bot %llu is there already, with its token", bot);
	case BOTS_SAME_BOT:
		return admin_fail(admin, RC_BAD_REQUEST, "bots: bot %llu is there already", bot);
	case BOTS_ONE_SECRET:
		return admin_fail(admin, RC_BAD_REQUEST, "bot %llu has no older token: there is nothing to retire", bot);
	case BOTS_UNKNOWN:
		return admin_fail(admin, RC_KEY_NOT_FOUND, "this project has no bot %llu", bot);
	case BOTS_OK:
		break;
	}
	return RC_OK;
}

/* To a list that is being made. Whoever gives one bot in both ways has made a mistake. */
static enum rc add_bot(struct admin *admin, struct bot *bots, size_t *n, const struct bot *bot)
{
	for (size_t i = 0; i < *n; i++)
		if (bots[i].id == bot->id && (bots[i].n_secrets == 0 || bot->n_secrets == 0))
			return admin_fail(admin, RC_BAD_REQUEST, "bots: bot %llu stands there twice, once without its token",
					  (unsigned long long)bot->id);
	return explain(admin, bots_add(bots, n, bot), bot->id);
}

enum rc admin_read_bots(struct admin *admin, struct bot *bots, size_t *n)
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

/* --- the commands --- */

/* The result is the project's bots as they are now. */
static enum rc answer_bots(struct admin *admin, struct str id)
{
	const struct project *project = registry_find(admin->app->registry, id);
	json_object *bots = admin_put_array(admin, admin->result, "bots");

	if (project == NULL)
		return RC_KEY_NOT_FOUND;
	admin_put_str(admin, admin->result, "project", str_c(project->name));
	for (size_t i = 0; i < project->n_bots; i++)
		admin_put_bot(admin, bots, &project->bots[i]);
	project_unref(project);
	return RC_OK;
}

enum rc admin_bot_list(struct admin *admin)
{
	const struct project *project;
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = answer_bots(admin, str_c(project->id));
	project_unref(project);
	return rc;
}

/* The bots of the argument "bots" to those of the project, by RUN: all of them fit, or none is changed. */
static enum rc take_bots(struct admin *admin, enum rc (*run)(struct registry *, struct str, const struct bot *, size_t,
							      enum bots_reason *, uint64_t *))
{
	struct bot bots[PROJECT_BOTS_MAX] = { 0 };
	enum bots_reason why = BOTS_OK;
	const struct project *project;
	uint64_t id = 0;
	size_t n = 0;
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = admin_read_bots(admin, bots, &n);
	if (rc == RC_OK && n == 0)
		rc = admin_fail(admin, RC_BAD_REQUEST, "bots: none is named");
	if (rc == RC_OK)
		rc = run(admin->app->registry, str_c(project->id), bots, n, &why, &id);
	if (why != BOTS_OK)
		rc = explain(admin, why, id);
	if (rc == RC_OK)
		rc = answer_bots(admin, str_c(project->id));
	OPENSSL_cleanse(bots, sizeof bots);
	project_unref(project);
	return rc;
}

enum rc admin_bot_add(struct admin *admin)
{
	return take_bots(admin, project_add_bots);
}

enum rc admin_bot_set(struct admin *admin)
{
	return take_bots(admin, project_set_bots);
}

/* A change of the bot that the argument "bot" names. */
static enum rc change(struct admin *admin, enum rc (*run)(struct registry *, struct str, uint64_t, enum bots_reason *))
{
	const struct project *project;
	enum bots_reason why = BOTS_OK;
	int64_t bot = 0;
	enum rc rc;

	if ((rc = admin_arg_i64(admin, "bot", 1, TELEGRAM_ID_MAX, &bot)) != RC_OK ||
	    (rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = run(admin->app->registry, str_c(project->id), (uint64_t)bot, &why);
	if (why != BOTS_OK)
		rc = explain(admin, why, (uint64_t)bot);
	if (rc == RC_OK)
		rc = answer_bots(admin, str_c(project->id));
	project_unref(project);
	return rc;
}

enum rc admin_bot_retire(struct admin *admin)
{
	return change(admin, project_retire_secret);
}

enum rc admin_bot_remove(struct admin *admin)
{
	return change(admin, project_remove_bot);
}
