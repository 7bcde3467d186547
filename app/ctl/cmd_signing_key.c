/*
 * cmd_signing_key.c - tmakvctl signing-key ...: the keys that sign session tokens.
 */
#include "config.h"

#include <stdio.h>

#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

static struct str owner_of(json_object *key)
{
	struct str project = ctl_get_str(key, "project");

	return project.n == 0 ? STR_LIT("all") : project;
}

static struct str time_or(struct ctl *ctl, json_object *key, const char *name, const char *none)
{
	int64_t at = ctl_get_i64(key, name);

	return str_c(at == 0 ? none : ctl_time(ctl, at));
}

static void print_keys(struct ctl *ctl, json_object *keys)
{
	struct table table;

	table_init(&table, ctl->arena, 5);
	table_add_c(&table, (const char *const[]){ "KID", "PROJECT", "STATE", "SIGNS FROM", "PUBLISHED UNTIL" });
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		json_object *key = json_object_array_get_idx(keys, i);

		table_add(&table, (const struct str[]){ ctl_get_str(key, "kid"), owner_of(key), ctl_get_str(key, "state"),
			  time_or(ctl, key, "activates_at", "-"), time_or(ctl, key, "ends_at", "-") });
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

/* {"project":...} if the command line has one. */
static json_object *project_args(struct ctl *ctl)
{
	const char *project = args_value(ctl, OPTION_PROJECT);
	json_object *args = ctl_object();

	if (project != NULL)
		ctl_add_str(args, "project", str_c(project));
	return args;
}

enum ctl_exit cmd_signing_key_list(struct ctl *ctl)
{
	json_object *result, *keys;
	enum ctl_exit exit = control_ask(ctl, "signing-key.list", project_args(ctl), &result);

	if (exit != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, result);
	else if (!jdoc_array(result, "keys", &keys) || json_object_array_length(keys) == 0)
		printf("This project has no signing keys of its own; those of all projects sign for it.\n");
	else
		print_keys(ctl, keys);
	json_object_put(result);
	return CTL_OK;
}

enum ctl_exit cmd_signing_key_rotate(struct ctl *ctl)
{
	json_object *args = project_args(ctl), *key;
	bool at_once = args_has(ctl, OPTION_AT_ONCE);
	enum ctl_exit exit;

	ctl_add(args, "at_once", json_object_new_boolean(at_once));
	if ((exit = control_ask(ctl, "signing-key.rotate", args, &key)) != CTL_OK)
		return exit;
	if (at_once)
		ctl_warn("warning: a back end that checks tokens itself does not know this key until it fetches the keys "
			 "again: it may refuse new tokens for up to 5 minutes, 15 where it does not look when it meets an "
			 "unknown key. The old key counts until 'signing-key remove'");
	if (ctl->json)
		ctl_print_json(ctl, key);
	else
		printf("Signing key %.*s is published, and signs from %s on.\n", STR(ctl_get_str(key, "kid")),
		       ctl_time(ctl, ctl_get_i64(key, "activates_at")));
	json_object_put(key);
	return CTL_OK;
}

enum ctl_exit cmd_signing_key_remove(struct ctl *ctl)
{
	json_object *args = ctl_object(), *key;
	enum ctl_exit exit;

	ctl_add_str(args, "kid", str_c(ctl->words[0]));
	if ((exit = control_ask(ctl, "signing-key.remove", args, &key)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, key);
	else
		printf("Signing key %.*s is gone: tokens that it signed are refused here. Back ends that check them "
		       "themselves follow within 15 minutes.\n", STR(ctl_get_str(key, "kid")));
	json_object_put(key);
	return CTL_OK;
}
