/*
 * cmd_revoke.c - tmakvctl revoke: what users have by now is worth nothing any more.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

static void print_users(struct ctl *ctl, json_object *users)
{
	struct table table;

	table_init(&table, ctl->arena, 2);
	table_add_c(&table, (const char *const[]){ "USER", "REVOKED BEFORE" });
	for (size_t i = 0; i < json_object_array_length(users); i++) {
		json_object *user = json_object_array_get_idx(users, i);

		table_add(&table, (const struct str[]){ str_c(ctl_text(ctl, "%" PRId64, ctl_get_i64(user, "user"))),
			  str_c(ctl_time(ctl, ctl_get_i64(user, "not_before"))) });
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

static void print_marks(struct ctl *ctl, json_object *marks)
{
	int64_t not_before = ctl_get_i64(marks, "not_before"), count = ctl_get_i64(marks, "count");
	json_object *users;

	if (not_before != 0)
		printf("Of all users, what was signed before %s.\n", ctl_time(ctl, not_before));
	if (not_before == 0 && count == 0)
		printf("Nothing is revoked.\n");
	if (count != 0 && jdoc_array(marks, "users", &users)) {
		print_users(ctl, users);
		if (count > (int64_t)json_object_array_length(users))
			printf("%" PRId64 " in all.\n", count);
	}
}

/* ARGS is taken over. */
static enum ctl_exit list(struct ctl *ctl, json_object *args)
{
	json_object *marks;
	enum ctl_exit exit = control_ask(ctl, "revoke.list", args, &marks);

	if (exit != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, marks);
	else
		print_marks(ctl, marks);
	json_object_put(marks);
	return CTL_OK;
}

static void print_done(struct ctl *ctl, json_object *done, int64_t user)
{
	const char *whose = user == 0 ? "all users" : ctl_text(ctl, "user %" PRId64, user);

	printf("Tokens and initData of %s of project %.*s from before %s are refused.\n", whose,
	       STR(ctl_get_str(done, "project")), ctl_time(ctl, ctl_get_i64(done, "not_before")));
}

enum ctl_exit cmd_revoke(struct ctl *ctl)
{
	json_object *args, *done;
	enum ctl_exit exit;
	int64_t user = 0;

	if ((exit = args_i64(ctl, OPTION_USER, 1, TELEGRAM_ID_MAX, &user)) != CTL_OK)
		return exit;
	if (user != 0 && args_has(ctl, OPTION_LIST))
		return ctl_usage(ctl, "--user or --list, not both");
	args = ctl_object();
	ctl_add_str(args, "project", str_c(ctl->words[0]));
	if (args_has(ctl, OPTION_LIST))
		return list(ctl, args);
	if (user != 0)
		ctl_add_i64(args, "user", user);
	if ((exit = control_ask(ctl, "revoke", args, &done)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, done);
	else
		print_done(ctl, done, user);
	json_object_put(done);
	return CTL_OK;
}
