/*
 * cmd_key.c - tmakvctl key ...: API keys, with which a project's own server comes in; and tmakvctl admin-key ...:
 * the operator's keys, for all projects.
 */
#include "config.h"

#include <stdio.h>

#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

/* --- what both kinds have in common --- */

/*
 * The key is all that goes to standard output, so that `tmakvctl key create shop >file` is
 * what it looks like; what a person should know goes beside it.
 */
static void print_new_key(json_object *key, const char *whose)
{
	fprintf(stderr, "%s. It is shown this once and kept nowhere:\n", whose);
	fflush(stderr);
	printf("%.*s\n", STR(ctl_get_str(key, "key")));
}

static void print_keys(struct ctl *ctl, json_object *keys)
{
	size_t n = json_object_array_length(keys);
	struct table table;

	table_init(&table, ctl->arena, 6);
	table_add_c(&table, (const char *const[]){ "ID", "RIGHT", "CREATED", "EXPIRES", "LAST USED", "NAME" });
	for (size_t i = 0; i < n; i++) {
		json_object *key = json_object_array_get_idx(keys, i);
		int64_t expires_at = ctl_get_i64(key, "expires_at"), last_used_at = ctl_get_i64(key, "last_used_at");

		table_add(&table, (const struct str[]){ ctl_get_str(key, "id"), ctl_get_str(key, "right"),
			  str_c(ctl_time(ctl, ctl_get_i64(key, "created_at"))),
			  str_c(expires_at == 0 ? "never" : ctl_time(ctl, expires_at)),
			  str_c(last_used_at == 0 ? "never" : ctl_time(ctl, last_used_at)), ctl_get_str(key, "name") });
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

/* Ask COMMAND for a list, and print it; NONE is said of an empty one. ARGS is taken over. */
static enum ctl_exit list(struct ctl *ctl, const char *command, json_object *args, const char *none)
{
	json_object *result, *keys;
	enum ctl_exit exit = control_ask(ctl, command, args, &result);

	if (exit != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, result);
	else if (!jdoc_array(result, "keys", &keys) || json_object_array_length(keys) == 0)
		printf("%s\n", none);
	else
		print_keys(ctl, keys);
	json_object_put(result);
	return CTL_OK;
}

static enum ctl_exit revoke(struct ctl *ctl, const char *command, json_object *args, const char *kind)
{
	json_object *result;
	enum ctl_exit exit = control_ask(ctl, command, args, &result);

	if (exit != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, result);
	else
		printf("%s %.*s is revoked.\n", kind, STR(ctl_get_str(result, "id")));
	json_object_put(result);
	return CTL_OK;
}

#define EXPIRES_MAX (INT64_C(100) * 365 * 86400)

/* {"name":...} and when it expires, as far as the command line has them. */
static enum ctl_exit new_key_args(struct ctl *ctl, json_object *args)
{
	const char *name = args_value(ctl, OPTION_NAME);
	int64_t in_s = 0, at = 0;
	enum ctl_exit exit;

	if (args_has(ctl, OPTION_EXPIRES_IN) && args_has(ctl, OPTION_EXPIRES_AT))
		return ctl_usage(ctl, "--expires-in or --expires-at, not both");
	if ((exit = args_duration(ctl, OPTION_EXPIRES_IN, 1, EXPIRES_MAX, &in_s)) != CTL_OK ||
	    (exit = args_i64(ctl, OPTION_EXPIRES_AT, 1, INT64_MAX / 2, &at)) != CTL_OK)
		return exit;
	if (name != NULL)
		ctl_add_str(args, "name", str_c(name));
	if (in_s != 0)
		ctl_add_i64(args, "expires_in_s", in_s);
	if (at != 0)
		ctl_add_i64(args, "expires_at", at);
	return CTL_OK;
}

/* --- API keys --- */

enum ctl_exit cmd_key_create(struct ctl *ctl)
{
	json_object *args = ctl_object(), *key;
	bool read_only = args_has(ctl, OPTION_READ_ONLY);
	enum ctl_exit exit;

	if ((exit = new_key_args(ctl, args)) != CTL_OK) {
		json_object_put(args);
		return exit;
	}
	ctl_add_str(args, "project", str_c(ctl->words[0]));
	ctl_add_str(args, "right", read_only ? STR_LIT("read") : STR_LIT("read-write"));
	if ((exit = control_ask(ctl, "key.create", args, &key)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, key);
	else
		print_new_key(key, ctl_text(ctl, "API key %.*s of project %.*s, to %s", STR(ctl_get_str(key, "id")),
			      STR(ctl_get_str(key, "project")), read_only ? "read" : "read and write"));
	json_object_put(key);
	return CTL_OK;
}

enum ctl_exit cmd_key_list(struct ctl *ctl)
{
	json_object *args = ctl_object();

	ctl_add_str(args, "project", str_c(ctl->words[0]));
	return list(ctl, "key.list", args, "This project has no API key: tmakvctl key create makes one.");
}

enum ctl_exit cmd_key_revoke(struct ctl *ctl)
{
	json_object *args = ctl_object();

	ctl_add_str(args, "project", str_c(ctl->words[0]));
	ctl_add_str(args, "id", str_c(ctl->words[1]));
	return revoke(ctl, "key.revoke", args, "API key");
}

/* --- admin keys --- */

enum ctl_exit cmd_admin_key_create(struct ctl *ctl)
{
	json_object *args = ctl_object(), *key;
	enum ctl_exit exit;

	if ((exit = new_key_args(ctl, args)) != CTL_OK) {
		json_object_put(args);
		return exit;
	}
	if ((exit = control_ask(ctl, "admin-key.create", args, &key)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, key);
	else
		print_new_key(key, ctl_text(ctl, "Admin key %.*s, for all projects, to read, write, make and delete",
					    STR(ctl_get_str(key, "id"))));
	json_object_put(key);
	return CTL_OK;
}

enum ctl_exit cmd_admin_key_list(struct ctl *ctl)
{
	return list(ctl, "admin-key.list", NULL, "There is no admin key: tmakvctl admin-key create makes one.");
}

enum ctl_exit cmd_admin_key_revoke(struct ctl *ctl)
{
	json_object *args = ctl_object();

	ctl_add_str(args, "id", str_c(ctl->words[0]));
	return revoke(ctl, "admin-key.revoke", args, "Admin key");
}
