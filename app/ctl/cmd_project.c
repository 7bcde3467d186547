/*
 * cmd_project.c - tmakvctl project ...
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

/* --- what a project looks like --- */

static void add_field(struct table *table, const char *name, struct str value)
{
	table_add(table, (const struct str[]){ str_c(name), value });
}

static const char *writes_text(struct ctl *ctl, int64_t limit)
{
	return limit == 0 ? "no limit" : ctl_text(ctl, "%" PRId64 " a second and key", limit);
}

static const char *bytes_text(struct ctl *ctl, int64_t bytes)
{
	return ctl_text(ctl, "%" PRId64 " (%s)", bytes, ctl_size(ctl, bytes));
}

/* A quota; those that are off need no line. */
static void add_quota(struct ctl *ctl, struct table *table, json_object *limits, const char *label, const char *keys,
		      const char *bytes)
{
	int64_t max_keys = ctl_get_i64(limits, keys), max_bytes = ctl_get_i64(limits, bytes);

	if (max_keys != 0 && max_bytes != 0)
		add_field(table, label, str_c(ctl_text(ctl, "%" PRId64 " keys and %s bytes at most", max_keys,
			  bytes_text(ctl, max_bytes))));
	else if (max_keys != 0)
		add_field(table, label, str_c(ctl_text(ctl, "%" PRId64 " keys at most", max_keys)));
	else if (max_bytes != 0)
		add_field(table, label, str_c(ctl_text(ctl, "%s bytes at most", bytes_text(ctl, max_bytes))));
}

static void add_limits(struct ctl *ctl, struct table *table, json_object *limits)
{
	int64_t rate = ctl_get_i64(limits, "user_rate");

	add_field(table, "writes", str_c(writes_text(ctl, ctl_get_i64(limits, "write_limit"))));
	add_field(table, "value", str_c(ctl_text(ctl, "%" PRId64 " bytes at most", ctl_get_i64(limits, "value_limit"))));
	add_field(table, "time to live", str_c(ctl_text(ctl, "%" PRId64 " s at least", ctl_get_i64(limits, "min_ttl_s"))));
	add_field(table, "initData", str_c(ctl_text(ctl, "%s old at most",
		  ctl_duration(ctl, ctl_get_i64(limits, "init_data_age_s")))));
	add_field(table, "token", str_c(ctl_text(ctl, "lives %s", ctl_duration(ctl, ctl_get_i64(limits, "token_life_s")))));
	add_quota(ctl, table, limits, "project", "max_keys", "max_bytes");
	add_quota(ctl, table, limits, "each user", "user_max_keys", "user_max_bytes");
	if (rate != 0)
		add_field(table, "requests", str_c(ctl_text(ctl, "%" PRId64 " a second and user", rate)));
}

/* "any", or all of them. */
static struct str origins_text(struct ctl *ctl, json_object *project)
{
	json_object *origins;
	struct buf buf;

	if (!jdoc_array(project, "origins", &origins) || json_object_array_length(origins) == 0)
		return STR_LIT("any");
	buf_init(&buf, ctl->arena, 16 * 1024);
	for (size_t i = 0; i < json_object_array_length(origins); i++)
		buf_addf(&buf, "%s%s", i == 0 ? "" : ", ", json_object_get_string(json_object_array_get_idx(origins, i)));
	if (!buf_ok(&buf))
		ctl_no_memory();
	return buf_str(&buf);
}

static void add_names(struct ctl *ctl, struct table *table, json_object *project)
{
	add_field(table, "name", ctl_get_str(project, "name"));
	add_field(table, "id", ctl_get_str(project, "id"));
	add_field(table, "namespace id", ctl_get_str(project, "namespace_id"));
	add_field(table, "bots", ctl_bots_text(ctl, project));
}

static struct str signing_text(struct ctl *ctl, json_object *signing)
{
	int64_t from = ctl_get_i64(signing, "own_from"), until = ctl_get_i64(signing, "own_until");

	if (from == 0)
		return STR_LIT("the keys of all projects");
	if (until == 0)
		return str_c(ctl_text(ctl, "keys of its own, from %s on", ctl_time(ctl, from)));
	return str_c(ctl_text(ctl, "the keys of all projects, from %s on", ctl_time(ctl, until)));
}

/* What is in use, and of how much, where there is a quota. */
static void add_usage(struct ctl *ctl, struct table *table, json_object *project, const char *keys, const char *bytes)
{
	json_object *usage, *limits = NULL;
	int64_t max_keys, max_bytes;

	if (!jdoc_object(project, "usage", &usage))
		return;
	jdoc_object(project, "limits", &limits);
	max_keys = ctl_get_i64(limits, keys);
	max_bytes = ctl_get_i64(limits, bytes);
	add_field(table, "keys in use", str_c(max_keys == 0 ? ctl_text(ctl, "%" PRId64, ctl_get_i64(usage, "keys")) :
		  ctl_text(ctl, "%" PRId64 " of %" PRId64, ctl_get_i64(usage, "keys"), max_keys)));
	add_field(table, "bytes in use", str_c(max_bytes == 0 ? bytes_text(ctl, ctl_get_i64(usage, "bytes")) :
		  ctl_text(ctl, "%s of %s", bytes_text(ctl, ctl_get_i64(usage, "bytes")), bytes_text(ctl, max_bytes))));
}

static void print_project(struct ctl *ctl, json_object *project)
{
	json_object *part;
	struct table table;
	int64_t not_before = ctl_get_i64(project, "not_before");

	table_init(&table, ctl->arena, 2);
	add_names(ctl, &table, project);
	add_field(&table, "state", ctl_get_str(project, "state"));
	add_field(&table, "access rules", str_c(jdoc_has(project, "rules") ?
		  ctl_text(ctl, "%" PRId64 ", see tmakvctl rules show", ctl_get_i64(project, "rules")) :
		  "none: every signed-in user reaches every key"));
	add_field(&table, "created", str_c(ctl_time(ctl, ctl_get_i64(project, "created_at"))));
	if (jdoc_object(project, "signing", &part))
		add_field(&table, "signed with", signing_text(ctl, part));
	if (not_before != 0)
		add_field(&table, "revoked", str_c(ctl_text(ctl, "all that was signed before %s", ctl_time(ctl, not_before))));
	add_field(&table, "origins", origins_text(ctl, project));
	if (jdoc_object(project, "limits", &part))
		add_limits(ctl, &table, part);
	add_usage(ctl, &table, project, "max_keys", "max_bytes");
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

/* Ask COMMAND for the project that the command line names, with one more argument if there is one. */
static enum ctl_exit ask_project(struct ctl *ctl, const char *command, const char *name, const char *value,
				 json_object **result)
{
	json_object *args = ctl_object();

	ctl_add_str(args, "project", str_c(ctl->words[0]));
	if (value != NULL)
		ctl_add_str(args, name, str_c(value));
	return control_ask(ctl, command, args, result);
}

/* --- the commands --- */

/* What a person needs of a new project, and what to do with it. */
static void print_new_project(struct ctl *ctl, json_object *project, bool has_bots)
{
	struct str name = ctl_get_str(project, "name");
	struct table table;

	table_init(&table, ctl->arena, 2);
	add_names(ctl, &table, project);
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
	printf("\nNext:\n");
	if (has_bots)
		printf("  sign users in       POST /sdk/v1/auth/validate with projectId \"%.*s\", or its id\n"
		       "  when that fails     tmakvctl check-initdata --project %.*s <file-with-initData\n",
		       STR(name), STR(name));
	printf("  for your server     tmakvctl key create %.*s\n", STR(name));
}

enum ctl_exit cmd_project_create(struct ctl *ctl)
{
	json_object *args = ctl_object(), *project;
	enum ctl_exit exit;
	size_t n;

	if ((exit = input_bots_add(ctl, args, &n)) != CTL_OK) {
		json_object_put(args);
		return exit;
	}
	ctl_add_str(args, "name", str_c(ctl->words[0]));
	if ((exit = control_ask(ctl, "project.create", args, &project)) != CTL_OK)
		return exit;
	if (n == 0)
		ctl_warn("warning: without a bot nobody can sign in to this project; API keys work");
	if (ctl->json)
		ctl_print_json(ctl, project);
	else
		print_new_project(ctl, project, n != 0);
	if (!ctl->json && n != 0)
		ctl_warn("without access rules every user who signs in reaches every key: see tmakvctl rules set %.*s "
			 "--preset private (or private+public, shared)", STR(ctl_get_str(project, "name")));
	json_object_put(project);
	return CTL_OK;
}

static void print_list(struct ctl *ctl, json_object *projects)
{
	size_t n = json_object_array_length(projects);
	struct table table;

	if (n == 0) {
		printf("There is no project yet: tmakvctl project create NAME --bot-token-file FILE\n");
		return;
	}
	table_init(&table, ctl->arena, 5);
	table_add_c(&table, (const char *const[]){ "NAME", "ID", "STATE", "CREATED", "BOTS" });
	for (size_t i = 0; i < n; i++) {
		json_object *project = json_object_array_get_idx(projects, i);

		table_add(&table, (const struct str[]){ ctl_get_str(project, "name"), ctl_get_str(project, "id"),
			  ctl_get_str(project, "state"), str_c(ctl_time(ctl, ctl_get_i64(project, "created_at"))),
			  ctl_bots_text(ctl, project) });
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

enum ctl_exit cmd_project_list(struct ctl *ctl)
{
	json_object *result, *projects;
	enum ctl_exit exit = control_ask(ctl, "project.list", NULL, &result);

	if (exit != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, result);
	else if (jdoc_array(result, "projects", &projects))
		print_list(ctl, projects);
	json_object_put(result);
	return CTL_OK;
}

enum ctl_exit cmd_project_show(struct ctl *ctl)
{
	json_object *project;
	enum ctl_exit exit = ask_project(ctl, "project.show", NULL, NULL, &project);

	if (exit != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, project);
	else
		print_project(ctl, project);
	json_object_put(project);
	return CTL_OK;
}

/* A change of which a person is told in one sentence: "Project NAME " and WHAT. */
static enum ctl_exit change(struct ctl *ctl, const char *command, const char *arg, const char *value, const char *what)
{
	json_object *project;
	enum ctl_exit exit = ask_project(ctl, command, arg, value, &project);

	if (exit != CTL_OK)
		return exit;
	if (ctl->json) {
		ctl_print_json(ctl, project);
	} else {
		printf("Project ");
		ctl_print(ctl_get_str(project, "name"));
		printf(" (%.*s) %s.\n", STR(ctl_get_str(project, "id")), what);
	}
	json_object_put(project);
	return CTL_OK;
}

enum ctl_exit cmd_project_rename(struct ctl *ctl)
{
	return change(ctl, "project.rename", "name", ctl->words[1], "has this name now; its id is the same");
}

enum ctl_exit cmd_project_disable(struct ctl *ctl)
{
	return change(ctl, "project.disable", NULL, NULL, "is disabled: all of its requests are refused, its data stays");
}

enum ctl_exit cmd_project_enable(struct ctl *ctl)
{
	return change(ctl, "project.enable", NULL, NULL, "is enabled");
}

enum ctl_exit cmd_project_signing(struct ctl *ctl)
{
	json_object *project;
	struct str words;
	enum ctl_exit exit = ask_project(ctl, "project.signing", "signing", ctl->words[1], &project);

	if (exit != CTL_OK)
		return exit;
	if (ctl->json) {
		ctl_print_json(ctl, project);
	} else {
		json_object *signing = NULL;

		jdoc_object(project, "signing", &signing);
		words = signing_text(ctl, signing);
		printf("Tokens of project %.*s are signed with %.*s.\n", STR(ctl_get_str(project, "name")), STR(words));
		printf("What checks them is at /p/%.*s/.well-known/jwks.json.\n", STR(ctl_get_str(project, "id")));
	}
	json_object_put(project);
	return CTL_OK;
}

/* --- limits --- */

#define VALUE_LIMIT_MAX (INT64_C(25) << 20)
#define QUOTA_MAX ((INT64_C(1) << 53) - 1)
enum { WRITE_LIMIT_MAX = 1000000, MIN_TTL_MAX = 86400, USER_RATE_MAX = 1000000 };

static const struct limit {
	enum ctl_option option;
	enum ctl_exit (*read)(struct ctl *ctl, enum ctl_option option, int64_t min, int64_t max, int64_t *value);
	int64_t min, max;
	const char *name;	/* to the server */
} limits[] = {
	{ OPTION_VALUE_LIMIT, args_size, 1, VALUE_LIMIT_MAX, "value_limit" },
	{ OPTION_WRITE_LIMIT, args_i64,  0, WRITE_LIMIT_MAX, "write_limit" },
	{ OPTION_MIN_TTL,     args_i64,  1, MIN_TTL_MAX,     "min_ttl_s" },
	{ OPTION_MAX_KEYS,       args_i64,  0, QUOTA_MAX,     "max_keys" },
	{ OPTION_MAX_BYTES,      args_size, 0, QUOTA_MAX,     "max_bytes" },
	{ OPTION_USER_MAX_KEYS,  args_i64,  0, QUOTA_MAX,     "user_max_keys" },
	{ OPTION_USER_MAX_BYTES, args_size, 0, QUOTA_MAX,     "user_max_bytes" },
	{ OPTION_USER_RATE,      args_i64,  0, USER_RATE_MAX, "user_rate" },
};
enum { LIMITS = sizeof limits / sizeof limits[0] };

/* What the options ask for; *N is how many there are. */
static enum ctl_exit add_wishes(struct ctl *ctl, json_object *args, size_t *n)
{
	enum ctl_exit exit;

	*n = 0;
	for (size_t i = 0; i < LIMITS; i++) {
		int64_t value = 0;

		if (!args_has(ctl, limits[i].option))
			continue;
		(*n)++;
		if (strcmp(args_value(ctl, limits[i].option), "default") == 0) {
			ctl_add_str(args, limits[i].name, STR_LIT("default"));
			continue;
		}
		if ((exit = limits[i].read(ctl, limits[i].option, limits[i].min, limits[i].max, &value)) != CTL_OK)
			return exit;
		ctl_add_i64(args, limits[i].name, value);
	}
	return CTL_OK;
}

static void print_limits(struct ctl *ctl, json_object *project)
{
	json_object *part;
	struct table table;

	table_init(&table, ctl->arena, 2);
	if (jdoc_object(project, "limits", &part))
		add_limits(ctl, &table, part);
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

/* Both ways end with the limits as they are now. */
enum ctl_exit cmd_project_limit(struct ctl *ctl)
{
	json_object *args = ctl_object(), *project;
	enum ctl_exit exit;
	size_t n;

	if ((exit = add_wishes(ctl, args, &n)) != CTL_OK) {
		json_object_put(args);
		return exit;
	}
	ctl_add_str(args, "project", str_c(ctl->words[0]));
	if ((exit = control_ask(ctl, n == 0 ? "project.show" : "project.limit", args, &project)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, project);
	else
		print_limits(ctl, project);
	json_object_put(project);
	return CTL_OK;
}

/* --- origins --- */

/* The values of OPTION, all that were given. */
static json_object *values_of(const struct ctl *ctl, enum ctl_option option)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < ctl->n_given; i++)
		if (ctl->given[i].option == option &&
		    json_object_array_add(array, json_object_new_string(ctl->given[i].value)) != 0)
			ctl_no_memory();
	return array;
}

/* Both ways end with the origins as they are now. */
enum ctl_exit cmd_project_origins(struct ctl *ctl)
{
	bool any = args_has(ctl, OPTION_ANY);
	json_object *args = ctl_object(), *project;
	bool asks = !any && !args_has(ctl, OPTION_ADD) && !args_has(ctl, OPTION_REMOVE);
	enum ctl_exit exit;

	ctl_add_str(args, "project", str_c(ctl->words[0]));
	if (!asks) {
		ctl_add(args, "any", json_object_new_boolean(any));
		ctl_add(args, "remove", values_of(ctl, OPTION_REMOVE));
		ctl_add(args, "add", values_of(ctl, OPTION_ADD));
	}
	if ((exit = control_ask(ctl, asks ? "project.show" : "project.origins", args, &project)) != CTL_OK)
		return exit;
	if (ctl->json) {
		ctl_print_json(ctl, project);
	} else {
		ctl_print(origins_text(ctl, project));
		putchar('\n');
	}
	json_object_put(project);
	return CTL_OK;
}

/* --- usage --- */

enum ctl_exit cmd_project_usage(struct ctl *ctl)
{
	bool of_user = args_has(ctl, OPTION_USER);
	json_object *args = ctl_object(), *project, *usage;
	struct table table;
	enum ctl_exit exit;
	int64_t user = 0;

	if ((exit = args_i64(ctl, OPTION_USER, 1, TELEGRAM_ID_MAX, &user)) != CTL_OK) {
		json_object_put(args);
		return exit;
	}
	ctl_add_str(args, "project", str_c(ctl->words[0]));
	if (of_user)
		ctl_add_i64(args, "user", user);
	if ((exit = control_ask(ctl, "project.show", args, &project)) != CTL_OK)
		return exit;
	if (ctl->json && jdoc_object(project, "usage", &usage)) {
		ctl_print_json(ctl, usage);
	} else {
		table_init(&table, ctl->arena, 2);
		add_usage(ctl, &table, project, of_user ? "user_max_keys" : "max_keys", of_user ? "user_max_bytes" : "max_bytes");
		if (table.failed)
			ctl_no_memory();
		table_print(&table, stdout);
	}
	json_object_put(project);
	return CTL_OK;
}

/* --- deleting --- */

/* The person at the terminal types the name, so that nothing is deleted by a slip. */
static enum ctl_exit confirm(struct ctl *ctl, json_object *project)
{
	struct str name = ctl_get_str(project, "name");
	json_object *usage = NULL;
	char line[256];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || ctl->json)
		return ctl_usage(ctl, "deleting a project cannot be undone: where nobody can be asked, say --yes");
	jdoc_object(project, "usage", &usage);
	fprintf(stderr, "This deletes project %.*s, its API keys and its %" PRId64 " keys (%s). It cannot be undone.\n"
		"Type the project's name to go on: ", STR(name), ctl_get_i64(usage, "keys"),
		ctl_size(ctl, ctl_get_i64(usage, "bytes")));
	if (fgets(line, sizeof line, stdin) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!str_eq(str_c(line), name))
		return ctl_fail(ctl, CTL_REFUSED, "not_confirmed", "that is not its name; nothing was deleted");
	return CTL_OK;
}

enum ctl_exit cmd_project_delete(struct ctl *ctl)
{
	json_object *project;
	enum ctl_exit exit;

	if (!args_has(ctl, OPTION_YES)) {
		if ((exit = ask_project(ctl, "project.show", NULL, NULL, &project)) != CTL_OK)
			return exit;
		exit = confirm(ctl, project);
		/* What was confirmed is this project, and not another that takes its name meanwhile. */
		if (exit == CTL_OK)
			ctl->words[0] = arena_dup(ctl->arena, ctl_get_str(project, "id")).p;
		json_object_put(project);
		if (exit != CTL_OK)
			return exit;
	}
	return change(ctl, "project.delete", NULL, NULL, "is deleted, with its API keys and its data");
}
