/*
 * admin_key.c - the commands about keys: a project's API keys, and the operator's admin keys.
 *
 * A key goes out once, when it is made. Runs in the control thread, which may block.
 */
#include "config.h"

#include <openssl/crypto.h>

#include "base/jdoc.h"
#include "serve/admin.h"

/* --- what both kinds have in common --- */

static void put_credential(struct admin *admin, json_object *object, const struct credential *credential)
{
	admin_put_str(admin, object, "id", str_c(credential->id));
	admin_put_str(admin, object, "name", str_c(credential->name));
	admin_put_str(admin, object, "right", str_c(credential->right == KEY_READ ? "read" : "read-write"));
	admin_put_i64(admin, object, "created_at", credential->created_at);
	admin_put_i64(admin, object, "expires_at", credential->expires_at);
	admin_put_i64(admin, object, "last_used_at", credential->last_used_at);
}

/* The moment that "expires_at" names, or "expires_in_s" from now on; 0: never. */
static enum rc read_expiry(struct admin *admin, int64_t *expires_at)
{
	int64_t in_s = 0;
	enum rc rc;

	*expires_at = 0;
	if ((rc = admin_arg_i64(admin, "expires_at", 1, INT64_MAX / 2, expires_at)) != RC_OK ||
	    (rc = admin_arg_i64(admin, "expires_in_s", 1, INT32_MAX * INT64_C(2), &in_s)) != RC_OK)
		return rc;
	if (in_s != 0)
		*expires_at = admin->now + in_s;
	if (*expires_at != 0 && *expires_at <= admin->now)
		return admin_fail(admin, RC_BAD_REQUEST, "expires_at: that is over");
	return RC_OK;
}

/* A key of NUMBER, called what the argument "name" says; the result is the key with its text. */
static enum rc create(struct admin *admin, uint32_t number, enum key_right right)
{
	char secret[CREDENTIAL_LEN + 1];
	struct credential credential;
	struct str name = STR_LIT("");
	int64_t expires_at;
	enum rc rc;

	if ((rc = read_expiry(admin, &expires_at)) != RC_OK)
		return rc;
	if (jdoc_has(admin->args, "name") && (rc = admin_arg(admin, "name", &name)) != RC_OK)
		return rc;
	rc = credential_create(admin->app->registry, number, name, right, expires_at, &credential, secret);
	if (rc == RC_BAD_REQUEST)
		return admin_fail(admin, rc, "a key's name has at most %d characters", PROJECT_NAME_MAX);
	if (rc != RC_OK)
		return rc;
	put_credential(admin, admin->result, &credential);
	admin_put_str(admin, admin->result, "key", str_make(secret, CREDENTIAL_LEN));
	OPENSSL_cleanse(secret, sizeof secret);
	return RC_OK;
}

/* What the walk hands to its visitor. */
struct listing {
	struct admin *admin;
	json_object *array;
};

static void list_credential(const struct credential *credential, void *arg)
{
	struct listing *listing = arg;

	put_credential(listing->admin, admin_append(listing->admin, listing->array), credential);
}

static void list(struct admin *admin, uint32_t number)
{
	struct listing listing = { admin, admin_put_array(admin, admin->result, "keys") };

	registry_each_credential(admin->app->registry, number, list_credential, &listing);
}

/* The key that the argument "id" names, which is kept in *ID. */
static enum rc revoke(struct admin *admin, uint32_t number, struct str *id)
{
	enum rc rc;

	if ((rc = admin_arg(admin, "id", id)) != RC_OK ||
	    (rc = credential_revoke(admin->app->registry, number, *id)) != RC_OK)
		return rc;
	admin_put_str(admin, admin->result, "id", *id);
	admin_put_bool(admin, admin->result, "revoked", true);
	return RC_OK;
}

/* --- API keys --- */

static enum rc read_right(struct admin *admin, enum key_right *right)
{
	struct str word;
	enum rc rc;

	if ((rc = admin_arg(admin, "right", &word)) != RC_OK)
		return rc;
	if (str_eq(word, STR_LIT("read")))
		*right = KEY_READ;
	else if (str_eq(word, STR_LIT("read-write")))
		*right = KEY_READ_WRITE;
	else
		return admin_fail(admin, RC_BAD_REQUEST, "right: \"read\" or \"read-write\" is needed");
	return RC_OK;
}

enum rc admin_key_create(struct admin *admin)
{
	const struct project *project;
	enum key_right right = KEY_READ;
	enum rc rc;

	if ((rc = read_right(admin, &right)) != RC_OK || (rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = create(admin, project->number, right);
	admin_put_str(admin, admin->result, "project", str_c(project->name));
	admin_put_str(admin, admin->result, "project_id", str_c(project->id));
	project_unref(project);
	return rc;
}

enum rc admin_key_list(struct admin *admin)
{
	const struct project *project;
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	list(admin, project->number);
	project_unref(project);
	return RC_OK;
}

enum rc admin_key_revoke(struct admin *admin)
{
	const struct project *project;
	struct str id = STR_LIT("");
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = revoke(admin, project->number, &id);
	if (rc == RC_KEY_NOT_FOUND)
		rc = admin_fail(admin, rc, "project '%s' has no API key with the id '%.*s'", project->name, STR(id));
	project_unref(project);
	return rc;
}

/* --- admin keys: all projects, and projects themselves --- */

enum rc admin_admin_key_create(struct admin *admin)
{
	return create(admin, CREDENTIAL_ADMIN, KEY_READ_WRITE);
}

enum rc admin_admin_key_list(struct admin *admin)
{
	list(admin, CREDENTIAL_ADMIN);
	return RC_OK;
}

enum rc admin_admin_key_revoke(struct admin *admin)
{
	struct str id = STR_LIT("");
	enum rc rc = revoke(admin, CREDENTIAL_ADMIN, &id);

	if (rc == RC_KEY_NOT_FOUND)
		return admin_fail(admin, rc, "there is no admin key with the id '%.*s'", STR(id));
	return rc;
}
