/*
 * record.c - projects and API keys as the JSON records that the store keeps.
 *
 * A limit is written only when it is the project's own, so that a changed default in the
 * configuration reaches every project that set none.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <stddef.h>

#include "base/hex.h"
#include "base/jdoc.h"
#include "base/log.h"
#include "project/private.h"
#include "project/rules.h"

enum { RECORD_DEPTH = 8 };

static bool copy_text(json_object *doc, const char *name, char *out, size_t size)
{
	struct str text;

	if (!jdoc_str(doc, name, &text) || text.n >= size || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

/* ---- limits: one table for both ways ---- */

static const struct limit {
	const char *name;
	size_t offset;
} limits[] = {
	{ "init_data_age_s", offsetof(struct project, init_data_age_s) },
	{ "token_life_s",    offsetof(struct project, token_life_s) },
	{ "write_limit",     offsetof(struct project, write_limit) },
	{ "value_limit",     offsetof(struct project, value_limit) },
	{ "min_ttl_s",       offsetof(struct project, min_ttl_s) },
	{ "not_before",      offsetof(struct project, not_before) },
	{ "own_keys_from",     offsetof(struct project, keys.own_from) },
	{ "own_keys_until",    offsetof(struct project, keys.own_until) },
	{ "shared_keys_until", offsetof(struct project, keys.shared_until) },
	{ "max_keys",        offsetof(struct project, max_keys) },
	{ "max_bytes",       offsetof(struct project, max_bytes) },
	{ "user_max_keys",   offsetof(struct project, user_max_keys) },
	{ "user_max_bytes",  offsetof(struct project, user_max_bytes) },
	{ "user_rate",       offsetof(struct project, user_rate) },
};
enum { N_LIMITS = sizeof limits / sizeof limits[0] };

static int64_t limit_get(const struct project *project, const struct limit *limit)
{
	int64_t value;

	memcpy(&value, (const char *)project + limit->offset, sizeof value);
	return value;
}

static void limit_set(struct project *project, const struct limit *limit, int64_t value)
{
	memcpy((char *)project + limit->offset, &value, sizeof value);
}

/* ---- bots ---- */

static bool bot_from_json(json_object *doc, struct bot *bot)
{
	json_object *secrets;
	struct str key;
	int64_t id;

	*bot = (struct bot){ 0 };
	if (!jdoc_i64(doc, "id", &id) || id < 0 || !jdoc_array(doc, "secrets", &secrets) ||
	    json_object_array_length(secrets) > BOT_SECRETS_MAX)
		return false;
	bot->id = (uint64_t)id;
	for (; bot->n_secrets < json_object_array_length(secrets); bot->n_secrets++) {
		json_object *secret = json_object_array_get_idx(secrets, bot->n_secrets);
		struct str text = str_make(json_object_get_string(secret),
					   (size_t)json_object_get_string_len(secret));

		if (!hex_decode(text, bot->secrets[bot->n_secrets], BOT_SECRET_SIZE))
			return false;
	}
	return jdoc_str(doc, "public_key", &key) && hex_decode(key, bot->public_key, BOT_PUBLIC_KEY_SIZE);
}

/* VALUE is ARRAY's from now on, or gone. False without memory, for either of them too. */
static bool append(json_object *array, json_object *value)
{
	if (array != NULL && value != NULL && json_object_array_add(array, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

/* NULL without memory: a record must never lack a part. */
static json_object *bot_to_json(const struct bot *bot)
{
	json_object *doc = json_object_new_object(), *secrets = json_object_new_array();
	bool good = jdoc_add_i64(doc, "id", (int64_t)bot->id);
	char digits[2 * BOT_SECRET_SIZE];

	for (size_t i = 0; i < bot->n_secrets; i++) {
		hex_encode(bot->secrets[i], BOT_SECRET_SIZE, digits);
		good &= append(secrets, json_object_new_string_len(digits, sizeof digits));
	}
	good &= jdoc_add(doc, "secrets", secrets);
	hex_encode(bot->public_key, BOT_PUBLIC_KEY_SIZE, digits);
	good &= jdoc_add_str(doc, "public_key", str_make(digits, sizeof digits));
	OPENSSL_cleanse(digits, sizeof digits);
	if (good)
		return doc;
	json_object_put(doc);
	return NULL;
}

static bool bots_from_json(json_object *doc, struct project *project)
{
	json_object *bots;

	if (!jdoc_array(doc, "bots", &bots) || json_object_array_length(bots) > PROJECT_BOTS_MAX)
		return false;
	for (; project->n_bots < json_object_array_length(bots); project->n_bots++)
		if (!bot_from_json(json_object_array_get_idx(bots, project->n_bots),
				   &project->bots[project->n_bots]))
			return false;
	return true;
}

/* ---- access rules ---- */

/* The document as it was set. Rules that cannot be read are an error: without them everything would be open. */
static bool rules_from_json(json_object *doc, struct project *project)
{
	char error[RULES_ERROR_MAX];
	struct str text;

	if (!jdoc_has(doc, "rules"))
		return true;
	if (jdoc_str(doc, "rules", &text) && rules_read(text, &project->rules, error) == RC_OK)
		return true;
	LOG_ERROR("the access rules of a project cannot be read", LOG_STR("project", project->id));
	return false;
}

/* ---- origins ---- */

static bool origins_from_json(json_object *doc, struct project *project)
{
	struct str list[ORIGINS_MAX];
	json_object *array;
	size_t n = 0;

	if (!jdoc_has(doc, "origins"))
		return true;
	if (!jdoc_array(doc, "origins", &array) || json_object_array_length(array) > ORIGINS_MAX)
		return false;
	for (; n < json_object_array_length(array); n++) {
		json_object *text = json_object_array_get_idx(array, n);

		list[n] = str_make(json_object_get_string(text), (size_t)json_object_get_string_len(text));
		if (!json_object_is_type(text, json_type_string) || !origin_check(list[n]))
			return false;
	}
	return origins_new(list, n, &project->origins) == RC_OK;
}

/* Written only when there are any. */
static bool origins_to_json(json_object *doc, const struct origins *origins)
{
	json_object *array;
	bool good = true;

	if (origins == NULL)
		return true;
	array = json_object_new_array();
	for (size_t i = 0; i < origins_count(origins); i++) {
		struct str origin = origins_at(origins, i);

		good &= append(array, json_object_new_string_len(origin.p, (int)origin.n));
	}
	return jdoc_add(doc, "origins", array) && good;
}

/* ---- projects ---- */

static bool project_fill(json_object *doc, struct project *project)
{
	int64_t generation;
	bool disabled;

	if (!copy_text(doc, "id", project->id, sizeof project->id) ||
	    !copy_text(doc, "name", project->name, sizeof project->name) ||
	    (jdoc_has(doc, "title") && !copy_text(doc, "title", project->title, sizeof project->title)) ||
	    !jdoc_bool(doc, "disabled", &disabled) ||
	    !jdoc_i64(doc, "generation", &generation) ||
	    !jdoc_i64(doc, "created_at", &project->created_at))
		return false;
	project->state = disabled ? PROJECT_DISABLED : PROJECT_ACTIVE;
	project->generation = (uint64_t)generation;
	for (size_t i = 0; i < N_LIMITS; i++) {
		int64_t value;

		if (jdoc_i64(doc, limits[i].name, &value))
			limit_set(project, &limits[i], value);
	}
	return bots_from_json(doc, project) && origins_from_json(doc, project) && rules_from_json(doc, project);
}

bool project_from_json(struct str json, uint32_t number, const struct project *defaults,
		       struct project *project)
{
	json_object *doc = jdoc_read(json, RECORD_DEPTH);
	bool good;

	*project = *defaults;
	project->number = number;
	good = doc != NULL && project_fill(doc, project);
	if (!good)
		origins_unref(project->origins);
	json_object_put(doc);
	return good;
}

struct str project_to_json(const struct project *project, const struct project *defaults,
			   struct arena *arena)
{
	json_object *doc = json_object_new_object(), *bots = json_object_new_array();
	struct str text;
	bool good;

	good = jdoc_add_str(doc, "id", str_c(project->id)) &&
	       jdoc_add_str(doc, "name", str_c(project->name)) &&
	       (project->title[0] == '\0' || jdoc_add_str(doc, "title", str_c(project->title))) &&
	       jdoc_add_bool(doc, "disabled", project->state == PROJECT_DISABLED) &&
	       jdoc_add_i64(doc, "generation", (int64_t)project->generation) &&
	       jdoc_add_i64(doc, "created_at", project->created_at);
	for (size_t i = 0; i < N_LIMITS; i++)
		if (limit_get(project, &limits[i]) != limit_get(defaults, &limits[i]))
			good &= jdoc_add_i64(doc, limits[i].name, limit_get(project, &limits[i]));
	for (size_t i = 0; i < project->n_bots; i++)
		good &= append(bots, bot_to_json(&project->bots[i]));
	good &= jdoc_add(doc, "bots", bots);
	if (project->rules != NULL)
		good &= jdoc_add_str(doc, "rules", rules_text(project->rules));
	good &= origins_to_json(doc, project->origins);
	text = good ? jdoc_text(doc, arena) : str_make(NULL, 0);
	json_object_put(doc);
	return text;
}

/* ---- API keys ---- */

static bool credential_fill(json_object *doc, struct credential *credential)
{
	int64_t project;
	struct str right;

	if (!copy_text(doc, "id", credential->id, sizeof credential->id) ||
	    !copy_text(doc, "name", credential->name, sizeof credential->name) ||
	    !jdoc_i64(doc, "project", &project) || project < 0 || project > UINT32_MAX ||
	    !jdoc_str(doc, "right", &right) ||
	    !jdoc_i64(doc, "created_at", &credential->created_at) ||
	    !jdoc_i64(doc, "expires_at", &credential->expires_at))
		return false;
	if (jdoc_has(doc, "last_used_at") && !jdoc_i64(doc, "last_used_at", &credential->last_used_at))
		return false;
	credential->project = (uint32_t)project;
	credential->right = str_eq(right, STR_LIT("read-write")) ? KEY_READ_WRITE : KEY_READ;
	return true;
}

bool credential_from_json(struct str json, struct credential *credential)
{
	json_object *doc = jdoc_read(json, RECORD_DEPTH);
	bool good;

	*credential = (struct credential){ 0 };
	good = doc != NULL && credential_fill(doc, credential);
	json_object_put(doc);
	return good;
}

struct str credential_to_json(const struct credential *credential, struct arena *arena)
{
	json_object *doc = json_object_new_object();
	struct str right = credential->right == KEY_READ_WRITE ? STR_LIT("read-write") : STR_LIT("read"), text;
	bool good;

	good = jdoc_add_str(doc, "id", str_c(credential->id)) &&
	       jdoc_add_str(doc, "name", str_c(credential->name)) &&
	       jdoc_add_i64(doc, "project", credential->project) &&
	       jdoc_add_str(doc, "right", right) &&
	       jdoc_add_i64(doc, "created_at", credential->created_at) &&
	       jdoc_add_i64(doc, "expires_at", credential->expires_at) &&
	       (credential->last_used_at == 0 || jdoc_add_i64(doc, "last_used_at", credential->last_used_at));
	text = good ? jdoc_text(doc, arena) : str_make(NULL, 0);
	json_object_put(doc);
	return text;
}
