/*
 * admin_revoke.c - the commands about sign-ins that count no more. Runs in the control thread, which may block.
 */
#include "config.h"

#include "auth/initdata.h"
#include "serve/admin.h"

/* A list of thousands is for nobody to read, and an answer has a limit. */
enum { LIST_MAX = 1000 };

enum rc admin_revoke(struct admin *admin)
{
	const struct project *project;
	/* What was signed in this very second is of before it, too. */
	int64_t user = 0, not_before = admin->now + 1;
	enum rc rc;

	if ((rc = admin_arg_i64(admin, "user", 1, TELEGRAM_ID_MAX, &user)) != RC_OK ||
	    (rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = project_revoke(admin->app->registry, str_c(project->id), (uint64_t)user, not_before);
	if (rc == RC_OK) {
		admin_put_str(admin, admin->result, "project", str_c(project->name));
		if (user != 0)
			admin_put_i64(admin, admin->result, "user", user);
		admin_put_i64(admin, admin->result, "not_before", not_before);
	}
	project_unref(project);
	return rc;
}

struct listing {
	struct admin *admin;
	json_object *array;
	size_t n;
};

static void list_mark(const struct mark *mark, void *arg)
{
	struct listing *listing = arg;
	json_object *object;

	if (listing->n++ >= LIST_MAX)
		return;
	object = admin_append(listing->admin, listing->array);
	admin_put_i64(listing->admin, object, "user", (int64_t)mark->user);
	admin_put_i64(listing->admin, object, "not_before", mark->not_before);
}

enum rc admin_revoke_list(struct admin *admin)
{
	struct listing listing = { .admin = admin };
	const struct project *project;
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	admin_put_i64(admin, admin->result, "not_before", project->not_before);
	listing.array = admin_put_array(admin, admin->result, "users");
	registry_each_mark(admin->app->registry, project->number, list_mark, &listing);
	admin_put_i64(admin, admin->result, "count", (int64_t)listing.n);
	project_unref(project);
	return RC_OK;
}
