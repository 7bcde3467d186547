/*
 * admin_signing_key.c - the commands about the keys that sign session tokens, and which of them sign for a project.
 *
 * Only public names and times go out. Runs in the control thread, which may block.
 */
#include "config.h"

#include "base/jdoc.h"
#include "serve/admin.h"

/* --- what a key looks like --- */

static const char *const state_words[] = { [KEY_NEXT] = "next", [KEY_CURRENT] = "current", [KEY_OLD] = "old" };

static void put_key(struct admin *admin, json_object *object, const struct auth_key *key)
{
	const struct project *owner = registry_by_number(admin->app->registry, key->project);

	admin_put_str(admin, object, "kid", str_c(key->kid));
	admin_put_str(admin, object, "state", str_c(state_words[key->state]));
	admin_put_str(admin, object, "project", str_c(owner == NULL ? "" : owner->name));
	admin_put_i64(admin, object, "created_at", key->created_at);
	admin_put_i64(admin, object, "activates_at", key->activates_at);
	admin_put_i64(admin, object, "ends_at", key->ends_at);
	project_unref(owner);
}

void admin_put_signing(struct admin *admin, json_object *object, const struct project *project)
{
	const struct project_keys *keys = &project->keys;
	json_object *signing = admin_put_object(admin, object, "signing");
	bool own = keys->own_from != 0 && keys->own_until == 0;

	admin_put_str(admin, signing, "keys", str_c(own ? "own" : "shared"));
	if (keys->own_from == 0)
		return;
	admin_put_i64(admin, signing, "own_from", keys->own_from);
	admin_put_i64(admin, signing, "own_until", keys->own_until);
	admin_put_i64(admin, signing, "shared_until", keys->shared_until);
}

/* --- the commands --- */

struct listing {
	struct admin *admin;
	json_object *array;
};

static void list_key(const struct auth_key *key, void *arg)
{
	struct listing *listing = arg;

	put_key(listing->admin, admin_append(listing->admin, listing->array), key);
}

/* The number of the project that the argument names, or ABSENT. */
static enum rc owner_of(struct admin *admin, uint32_t absent, uint32_t *number)
{
	const struct project *project;
	enum rc rc;

	*number = absent;
	if (!jdoc_has(admin->args, "project"))
		return RC_OK;
	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	*number = project->number;
	project_unref(project);
	return RC_OK;
}

enum rc admin_signing_key_list(struct admin *admin)
{
	struct listing listing = { admin, admin_put_array(admin, admin->result, "keys") };
	uint32_t number;
	enum rc rc = owner_of(admin, AUTH_ALL_KEYS, &number);

	if (rc == RC_OK)
		auth_each_key(admin->app->auth, number, admin->now, list_key, &listing);
	return rc;
}

enum rc admin_signing_key_rotate(struct admin *admin)
{
	struct auth_key key;
	bool at_once = false;
	uint32_t number;
	enum rc rc;

	if (jdoc_has(admin->args, "at_once") && !jdoc_bool(admin->args, "at_once", &at_once))
		return admin_fail(admin, RC_BAD_REQUEST, "at_once: true or false is needed");
	if ((rc = owner_of(admin, KEY_SHARED, &number)) != RC_OK)
		return rc;
	rc = auth_rotate(admin->app->auth, admin->app->registry, number, at_once, admin->now, &key);
	switch (rc) {
	case RC_OK:
		put_key(admin, admin->result, &key);
		return RC_OK;
	case RC_CONFLICT:
		return admin_fail(admin, rc, "the next key is published already and signs within %d minutes",
				  KEY_PUBLISH_S / 60);
	case RC_RATE_LIMIT:
		return admin_fail(admin, RC_UNAVAILABLE, "there are %d keys that tokens still need: try again when the first of "
				  "them is gone, or remove one", AUTH_KEYS_MAX);
	case RC_KEY_NOT_FOUND:
		return admin_fail(admin, rc, "this project has no keys of its own: 'tmakvctl project signing PROJECT own' makes one");
	default:
		return rc;
	}
}

enum rc admin_signing_key_remove(struct admin *admin)
{
	struct auth_key key;
	struct str kid;
	enum rc rc;

	if ((rc = admin_arg(admin, "kid", &kid)) != RC_OK)
		return rc;
	rc = auth_remove_key(admin->app->auth, admin->app->registry, kid, admin->now, &key);
	if (rc == RC_OK)
		put_key(admin, admin->result, &key);
	if (rc == RC_KEY_NOT_FOUND)
		return admin_fail(admin, rc, "there is no signing key '%.*s'", (int)(kid.n < 64 ? kid.n : 64), kid.p);
	if (rc == RC_CONFLICT)
		return admin_fail(admin, rc, "no other key can sign in its place: 'signing-key rotate --at-once' makes one");
	return rc;
}

enum rc admin_project_signing(struct admin *admin)
{
	const struct project *project;
	struct str word;
	enum rc rc;

	if ((rc = admin_arg(admin, "signing", &word)) != RC_OK)
		return rc;
	if (!str_eq(word, STR_LIT("own")) && !str_eq(word, STR_LIT("shared")))
		return admin_fail(admin, RC_BAD_REQUEST, "signing: \"own\" or \"shared\" is needed");
	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = auth_set_signing(admin->app->auth, admin->app->registry, str_c(project->id), str_eq(word, STR_LIT("own")),
			      admin->now);
	project_unref(project);
	if (rc != RC_OK || (rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	admin_put_str(admin, admin->result, "id", str_c(project->id));
	admin_put_str(admin, admin->result, "name", str_c(project->name));
	admin_put_signing(admin, admin->result, project);
	project_unref(project);
	return RC_OK;
}
