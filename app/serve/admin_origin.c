/*
 * admin_origin.c - project.origins: whose pages may use a project.
 *
 * The new list is the old one, or with "any" none, without what "remove" names and with what "add" names. Runs in the
 * control thread, so no two of these meet half way.
 */
#include "config.h"

#include "base/jdoc.h"
#include "serve/admin.h"

/* Twice: what is there, and what comes. */
struct origin_list {
	struct str at[2 * ORIGINS_MAX];
	size_t n;
};

static size_t place_of(const struct origin_list *list, struct str origin)
{
	size_t i = 0;

	while (i < list->n && !str_eq(list->at[i], origin))
		i++;
	return i;
}

/* The strings of the argument NAME; *N is 0 when it is absent. */
static enum rc read_origins(struct admin *admin, const char *name, struct str out[ORIGINS_MAX], size_t *n)
{
	json_object *array;

	*n = 0;
	if (!jdoc_has(admin->args, name))
		return RC_OK;
	if (!jdoc_array(admin->args, name, &array) || json_object_array_length(array) > ORIGINS_MAX)
		return admin_fail(admin, RC_BAD_REQUEST, "%s: an array of at most %d origins is needed", name, ORIGINS_MAX);
	for (; *n < json_object_array_length(array); ++*n) {
		json_object *text = json_object_array_get_idx(array, *n);

		if (!json_object_is_type(text, json_type_string))
			return admin_fail(admin, RC_BAD_REQUEST, "%s: an origin is a string", name);
		out[*n] = str_make(json_object_get_string(text), (size_t)json_object_get_string_len(text));
	}
	return RC_OK;
}

static enum rc take_away(struct admin *admin, struct origin_list *list)
{
	struct str remove[ORIGINS_MAX];
	size_t n;
	enum rc rc = read_origins(admin, "remove", remove, &n);

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		size_t at = place_of(list, remove[i]);

		if (at == list->n)
			return admin_fail(admin, RC_KEY_NOT_FOUND, "'%.*s' is not on the list", STR(remove[i]));
		list->at[at] = list->at[--list->n];
	}
	return rc;
}

static enum rc add(struct admin *admin, struct origin_list *list)
{
	struct str more[ORIGINS_MAX];
	size_t n;
	enum rc rc = read_origins(admin, "add", more, &n);

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		if (!origin_check(more[i]))
			return admin_fail(admin, RC_BAD_REQUEST, "'%.*s' is no origin as browsers send it: "
					  "scheme://host or scheme://host:port, in lower case, with nothing behind it",
					  STR(more[i]));
		if (place_of(list, more[i]) == list->n)
			list->at[list->n++] = more[i];
	}
	if (rc == RC_OK && list->n > ORIGINS_MAX)
		return admin_fail(admin, RC_BAD_REQUEST, "a project has at most %d origins", ORIGINS_MAX);
	return rc;
}

static enum rc change(struct admin *admin, const struct project *project)
{
	struct origin_list list = { .n = 0 };
	const struct origins *origins;
	bool any = false;
	enum rc rc;

	(void)jdoc_bool(admin->args, "any", &any);
	for (; !any && list.n < origins_count(project->origins); list.n++)
		list.at[list.n] = origins_at(project->origins, list.n);
	if ((rc = take_away(admin, &list)) != RC_OK || (rc = add(admin, &list)) != RC_OK)
		return rc;
	/* None would mean any: nobody must open a project by taking something away. */
	if (list.n == 0 && !any)
		return admin_fail(admin, RC_BAD_REQUEST, "no origin would be left, and that means any: say so");
	if ((rc = origins_new(list.at, list.n, &origins)) != RC_OK)
		return rc;
	rc = project_set_origins(admin->app->registry, str_c(project->id), origins);
	origins_unref(origins);
	return rc;
}

enum rc admin_project_origins(struct admin *admin)
{
	const struct project *project;
	enum rc rc = admin_find(admin, &project);

	if (rc != RC_OK)
		return rc;
	rc = change(admin, project);
	if (rc == RC_OK)
		rc = admin_answer_project(admin, str_c(project->id));
	project_unref(project);
	return rc;
}

void admin_put_origins(struct admin *admin, json_object *object, const struct project *project)
{
	json_object *array = admin_put_array(admin, object, "origins");

	for (size_t i = 0; i < origins_count(project->origins); i++)
		admin_append_str(admin, array, origins_at(project->origins, i));
}
