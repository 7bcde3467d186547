/*
 * cmd_audit.c - tmakvctl audit: what operators did, when, from where.
 */
#include "config.h"

#include <inttypes.h>

#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

enum { LINES_MAX = 10000 };
#define SINCE_MAX (INT64_MAX / 2000000)

/* "key 0123456789abcdef", or "uid 0, pid 4711". */
static struct str from_text(struct ctl *ctl, json_object *line)
{
	json_object *from = NULL, *peer;

	jdoc_object(line, "from", &from);
	if (jdoc_object(from, "control", &peer))
		return str_c(ctl_text(ctl, "uid %" PRId64 ", pid %" PRId64, ctl_get_i64(peer, "uid"), ctl_get_i64(peer, "pid")));
	return str_c(ctl_text(ctl, "key %.*s", STR(ctl_get_str(from, "key"))));
}

static struct str args_text(struct ctl *ctl, json_object *line)
{
	json_object *args = NULL;
	struct str text;

	if (!jdoc_object(line, "args", &args) || json_object_object_length(args) == 0)
		return STR_LIT("-");
	text = jdoc_text(args, ctl->arena);
	if (text.p == NULL)
		ctl_no_memory();
	return text;
}

static struct str or_dash(struct str text)
{
	return text.n == 0 ? STR_LIT("-") : text;
}

static void print_lines(struct ctl *ctl, json_object *lines, bool more)
{
	struct table table;

	if (json_object_array_length(lines) == 0) {
		printf("Nothing was done.\n");
		return;
	}
	table_init(&table, ctl->arena, 6);
	table_add_c(&table, (const char *const[]){ "TIME", "FROM", "COMMAND", "OUTCOME", "PROJECT", "ARGUMENTS" });
	for (size_t i = 0; i < json_object_array_length(lines); i++) {
		json_object *line = json_object_array_get_idx(lines, i);

		table_add(&table, (const struct str[]){ ctl_get_str(line, "at"), from_text(ctl, line),
			  ctl_get_str(line, "command"), ctl_get_str(line, "outcome"), or_dash(ctl_get_str(line, "project")),
			  args_text(ctl, line) });
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
	if (more)
		ctl_warn("there are older lines: --limit shows more");
}

enum ctl_exit cmd_audit(struct ctl *ctl)
{
	const char *project = args_value(ctl, OPTION_PROJECT);
	json_object *args = ctl_object(), *result, *lines;
	int64_t since = 0, limit = 100;
	enum ctl_exit exit;

	if ((exit = args_i64(ctl, OPTION_SINCE, 0, SINCE_MAX, &since)) != CTL_OK ||
	    (exit = args_i64(ctl, OPTION_LIMIT, 1, LINES_MAX, &limit)) != CTL_OK) {
		json_object_put(args);
		return exit;
	}
	if (project != NULL)
		ctl_add_str(args, "project", str_c(project));
	ctl_add_i64(args, "since", since);
	ctl_add_i64(args, "limit", limit);
	if ((exit = control_ask(ctl, "audit.list", args, &result)) != CTL_OK)
		return exit;
	if (!jdoc_array(result, "lines", &lines))
		lines = NULL;
	for (size_t i = 0; ctl->json && lines != NULL && i < json_object_array_length(lines); i++)
		ctl_print_json(ctl, json_object_array_get_idx(lines, i));
	if (!ctl->json && lines != NULL)
		print_lines(ctl, lines, ctl_get_bool(result, "more"));
	json_object_put(result);
	return CTL_OK;
}
