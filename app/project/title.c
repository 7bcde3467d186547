/*
 * title.c - what projects are called: a name, and for the REST door a title.
 *
 * A name is a slug and stands in commands, paths and projectId. A title is what a person writes
 * (`wrangler kv namespace create "My shop"`); the name is made of it. Both belong to one project only.
 */
#include "config.h"

#include <stdio.h>

#include "project/private.h"

static bool is_slug(struct str name)
{
	if (name.n == 0 || name.n > PROJECT_NAME_MAX || name.p[0] == '-' || name.p[name.n - 1] == '-')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	return true;
}

/* A slug that cannot be taken for an id. */
static bool is_name(struct str name)
{
	return is_slug(name) && name.n != 32 && name.n != PROJECT_ID_LEN;
}

static bool is_free(struct registry *registry, struct str name)
{
	const struct project *other = registry_find(registry, name);

	project_unref(other);
	return other == NULL;
}

/* ---- what the REST door calls it ---- */

struct str project_title(const struct project *project)
{
	return str_c(project->title[0] != '\0' ? project->title : project->name);
}

struct str project_namespace_id(const char *id, char out[PROJECT_ID_LEN])
{
	size_t n = 0;

	for (; *id != '\0'; id++)
		if (*id != '-')
			out[n++] = *id;
	return str_make(out, n);
}

struct title_search {
	struct str title;
	uint32_t except;	/* a project's own title is no other's */
	bool found;
};

static void title_compare(const struct project *project, void *arg)
{
	struct title_search *search = arg;

	if (project->number != search->except && str_eq(project_title(project), search->title))
		search->found = true;
}

/* Whether a project but number EXCEPT is called TITLE. */
static bool title_is_taken(struct registry *registry, struct str title, uint32_t except)
{
	struct title_search search = { .title = title, .except = except };

	registry_each_project(registry, title_compare, &search);
	return search.found;
}

/*
 * The letters and digits of TITLE in lower case, with one '-' for whatever stands between them; room is
 * left for a number behind it.
 */
static size_t slug_of(struct str title, char out[PROJECT_NAME_MAX + 1])
{
	enum { ROOM = PROJECT_NAME_MAX - 12 };
	size_t n = 0;

	for (size_t i = 0; i < title.n && n < ROOM; i++) {
		char c = title.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			out[n++] = c;
		else if (n != 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n != 0 && out[n - 1] == '-')
		n--;
	if (n == 0) {
		memcpy(out, "project", 7);
		n = 7;
	}
	out[n] = '\0';
	return n;
}

/* A free name for TITLE: its slug, or that with a number behind it. CURRENT is the project's own, and free. */
static void name_for(struct registry *registry, struct str title, const char *current,
		     char out[PROJECT_NAME_MAX + 1])
{
	size_t n = slug_of(title, out);

	for (unsigned i = 2; !is_name(str_c(out)) ||
			     (!str_eq(str_c(out), str_c(current)) && !is_free(registry, str_c(out))); i++)
		snprintf(out + n, PROJECT_NAME_MAX + 1 - n, "-%u", i);
}

enum rc project_title_set(struct registry *registry, struct project *project, struct str title)
{
	char name[PROJECT_NAME_MAX + 1];

	if (title.n == 0 || title.n > PROJECT_TITLE_MAX || !str_is_utf8(title) ||
	    memchr(title.p, '\0', title.n) != NULL)
		return RC_BAD_TITLE;
	if (title_is_taken(registry, title, project->number))
		return RC_CONFLICT;
	name_for(registry, title, project->name, name);
	memset(project->name, 0, sizeof project->name);
	memcpy(project->name, name, strlen(name));
	memset(project->title, 0, sizeof project->title);
	if (!str_eq(title, str_c(name)))
		memcpy(project->title, title.p, title.n);
	return RC_OK;
}

/* ---- setting them ---- */

enum rc project_name_set(struct registry *registry, struct project *project, struct str name)
{
	if (!is_name(name))
		return RC_BAD_REQUEST;
	if (!str_eq(str_c(project->name), name) &&
	    (!is_free(registry, name) || title_is_taken(registry, name, project->number)))
		return RC_CONFLICT;
	memset(project->name, 0, sizeof project->name);
	memcpy(project->name, name.p, name.n);
	memset(project->title, 0, sizeof project->title);
	return RC_OK;
}
