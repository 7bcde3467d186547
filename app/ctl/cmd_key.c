/*
 * cmd_key.c - tmakvctl key ...: API keys, with which a project's own server comes in.
 */
#include "config.h"

#include <stdio.h>

#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

/* {"project":...}, with one more argument if VALUE is not NULL; NULL when reported. */
static json_object *project_args(struct ctl *ctl, const char *name, const char *value)
{
	json_object *args;

	if (!str_is_utf8(str_c(ctl->words[0])) || (value != NULL && !str_is_utf8(str_c(value)))) {
		ctl_usage(ctl, "a name must be UTF-8");
		return NULL;
	}
	args = ctl_object();
	ctl_add_str(args, "project", str_c(ctl->words[0]));
	if (value != NULL)
		ctl_add_str(args, name, str_c(value));
	return args;
}

/*
 * The key is all that goes to standard output, so that `tmakvctl key create shop >file` is
 * what it looks like; what a person should know goes beside it.
 */
static void print_new_key(json_object *key)
{
	bool read_only = str_eq(ctl_get_str(key, "right"), STR_LIT("read"));

	fprintf(stderr, "API key %.*s of project %.*s, to %s. It is shown this once and kept nowhere:\n",
		STR(ctl_get_str(key, "id")), STR(ctl_get_str(key, "project")), read_only ? "read" : "read and write");
	fflush(stderr);
	printf("%.*s\n", STR(ctl_get_str(key, "key")));
}

enum ctl_exit cmd_key_create(struct ctl *ctl)
{
	json_object *args = project_args(ctl, "name", args_value(ctl, OPTION_NAME)), *key;
	enum ctl_exit exit;

	if (args == NULL)
		return CTL_USAGE;
	ctl_add_str(args, "right", args_has(ctl, OPTION_READ_ONLY) ? STR_LIT("read") : STR_LIT("read-write"));
	if ((exit = control_ask(ctl, "key.create", args, &key)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, key);
	else
		print_new_key(key);
	json_object_put(key);
	return CTL_OK;
}

static void print_list(struct ctl *ctl, json_object *keys)
{
	size_t n = json_object_array_length(keys);
	struct table table;

	if (n == 0) {
		printf("This project has no API key: tmakvctl key create makes one.\n");
		return;
	}
	table_init(&table, ctl->arena, 5);
	table_add_c(&table, (const char *const[]){ "ID", "RIGHT", "CREATED", "EXPIRES", "NAME" });
	for (size_t i = 0; i < n; i++) {
		json_object *key = json_object_array_get_idx(keys, i);
		int64_t expires_at = ctl_get_i64(key, "expires_at");

		table_add(&table, (const struct str[]){ ctl_get_str(key, "id"), ctl_get_str(key, "right"),
			  str_c(ctl_time(ctl, ctl_get_i64(key, "created_at"))),
			  str_c(expires_at == 0 ? "never" : ctl_time(ctl, expires_at)), ctl_get_str(key, "name") });
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

enum ctl_exit cmd_key_list(struct ctl *ctl)
{
	json_object *args = project_args(ctl, NULL, NULL), *result, *keys;
	enum ctl_exit exit;

	if (args == NULL)
		return CTL_USAGE;
	if ((exit = control_ask(ctl, "key.list", args, &result)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, result);
	else if (jdoc_array(result, "keys", &keys))
		print_list(ctl, keys);
	json_object_put(result);
	return CTL_OK;
}

enum ctl_exit cmd_key_revoke(struct ctl *ctl)
{
	json_object *args = project_args(ctl, "id", ctl->words[1]), *result;
	enum ctl_exit exit;

	if (args == NULL)
		return CTL_USAGE;
	if ((exit = control_ask(ctl, "key.revoke", args, &result)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, result);
	else
		printf("API key %.*s is revoked.\n", STR(ctl_get_str(result, "id")));
	json_object_put(result);
	return CTL_OK;
}
