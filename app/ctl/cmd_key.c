/*
 * cmd_key.c - tmakvctl key ...: API keys, with which a project's own server comes in.
 */
#include "config.h"

#include <stdio.h>

#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

/* Ask COMMAND about the project that the command line names; ARGS is taken over. */
static enum ctl_exit ask(struct ctl *ctl, const char *command, json_object *args, json_object **result)
{
	ctl_add_str(args, "project", str_c(ctl->words[0]));
	return control_ask(ctl, command, args, result);
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
	const char *name = args_value(ctl, OPTION_NAME);
	json_object *args = ctl_object(), *key;
	enum ctl_exit exit;

	if (name != NULL)
		ctl_add_str(args, "name", str_c(name));
	ctl_add_str(args, "right", args_has(ctl, OPTION_READ_ONLY) ? STR_LIT("read") : STR_LIT("read-write"));
	if ((exit = ask(ctl, "key.create", args, &key)) != CTL_OK)
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
	json_object *result, *keys;
	enum ctl_exit exit = ask(ctl, "key.list", ctl_object(), &result);

	if (exit != CTL_OK)
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
	json_object *args = ctl_object(), *result;
	enum ctl_exit exit;

	ctl_add_str(args, "id", str_c(ctl->words[1]));
	if ((exit = ask(ctl, "key.revoke", args, &result)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, result);
	else
		printf("API key %.*s is revoked.\n", STR(ctl_get_str(result, "id")));
	json_object_put(result);
	return CTL_OK;
}
