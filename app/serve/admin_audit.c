/*
 * admin_audit.c - audit.list: what operators did.
 */
#include "config.h"

#include "base/jdoc.h"
#include "project/audit.h"
#include "serve/admin.h"

enum { LINES_DEFAULT = 100, LINES_MAX = 10000 };

/* The id of the project that the argument names. One that is gone is named by its id. */
static enum rc read_project(struct admin *admin, const char **id)
{
	const struct project *project;
	struct str any;
	enum rc rc;

	*id = NULL;
	if (!jdoc_has(admin->args, "project"))
		return RC_OK;
	if ((rc = admin_arg(admin, "project", &any)) != RC_OK)
		return rc;
	project = registry_find(admin->app->registry, any);
	*id = arena_dup(admin->arena, project != NULL ? str_c(project->id) : any).p;
	project_unref(project);
	if (*id == NULL)
		return RC_NO_MEMORY;
	return strlen(*id) == PROJECT_ID_LEN ? RC_OK :
		admin_fail(admin, RC_KEY_NOT_FOUND, "there is no project '%.*s'; one that was deleted is known by its id only",
			   STR(any));
}

enum rc admin_audit_list(struct admin *admin)
{
	struct audit_query query = { .now = admin->now };
	int64_t limit = LINES_DEFAULT;
	json_object *lines;
	bool more;
	enum rc rc;

	if ((rc = admin_arg_i64(admin, "since", 0, INT64_MAX / 2000000, &query.since)) != RC_OK ||
	    (rc = admin_arg_i64(admin, "limit", 1, LINES_MAX, &limit)) != RC_OK ||
	    (rc = read_project(admin, &query.project)) != RC_OK)
		return rc;
	query.limit = (size_t)limit;
	lines = admin_put_array(admin, admin->result, "lines");
	if (lines == NULL)
		return RC_NO_MEMORY;
	rc = audit_read(admin->app->store, &query, lines, &more);
	if (rc == RC_OK)
		admin_put_bool(admin, admin->result, "more", more);
	return rc;
}
