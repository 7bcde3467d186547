/*
 * cmd_rules.c - tmakvctl rules ...
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/jdoc.h"
#include "ctl/ctl.h"

enum { DOCUMENT_MAX = 16 * 1024, TEXT_MAX = 64 * 1024 };

/* --- presets --- */

static const struct {
	const char *name, *rules;
} presets[] = {
	{ "shared",
	  "{ \"version\": 1, \"rules\": [\n"
	  "  { \"match\": \"**\", \"allow\": [\"read\", \"write\", \"delete\", \"list\"] } ] }\n" },
	{ "private",
	  "{ \"version\": 1, \"rules\": [\n"
	  "  { \"match\": \"user:{telegramId}:**\", \"allow\": [\"read\", \"write\", \"delete\", \"list\"] } ] }\n" },
	{ "private+public",
	  "{ \"version\": 1, \"rules\": [\n"
	  "  { \"match\": \"user:{telegramId}:**\", \"allow\": [\"read\", \"write\", \"delete\", \"list\"] },\n"
	  "  { \"match\": \"public:**\", \"allow\": [\"read\", \"list\"] } ] }\n" },
};
enum { PRESETS = sizeof presets / sizeof presets[0] };

static enum ctl_exit read_preset(struct ctl *ctl, struct str *text)
{
	const char *name = args_value(ctl, OPTION_PRESET);

	for (size_t i = 0; i < PRESETS; i++)
		if (strcmp(presets[i].name, name) == 0) {
			*text = str_c(presets[i].rules);
			return CTL_OK;
		}
	return ctl_usage(ctl, "there is no preset of this name; there are shared, private and private+public");
}

/* --- rules set, rules show --- */

/* The document that the options name; .p is NULL for --none. */
static enum ctl_exit read_document(struct ctl *ctl, struct str *text)
{
	int n = args_has(ctl, OPTION_FILE) + args_has(ctl, OPTION_PRESET) + args_has(ctl, OPTION_NONE);

	if (n != 1)
		return ctl_usage(ctl, "one of --file FILE, --preset NAME and --none is needed");
	*text = str_make(NULL, 0);
	if (args_has(ctl, OPTION_PRESET))
		return read_preset(ctl, text);
	/* One byte too many is enough for the server to say so. */
	return args_has(ctl, OPTION_FILE) ? input_file(ctl, args_value(ctl, OPTION_FILE), DOCUMENT_MAX + 2, text) : CTL_OK;
}

static void print_set(json_object *result)
{
	int64_t n = ctl_get_i64(result, "count"), max_keys = ctl_get_i64(result, "max_keys");

	printf("Project ");
	ctl_print(ctl_get_str(result, "name"));
	if (n < 0) {
		printf(" has no access rules now: every signed-in user reaches every key.\n");
		return;
	}
	printf(" has %" PRId64 " access rule%s now", n, n == 1 ? "" : "s");
	if (max_keys != 0)
		printf(", and each user may own %" PRId64 " keys", max_keys);
	printf(".\n");
}

enum ctl_exit cmd_rules_set(struct ctl *ctl)
{
	json_object *args = ctl_object(), *result;
	struct str text;
	enum ctl_exit exit = read_document(ctl, &text);

	if (exit == CTL_OK && text.p != NULL && !str_is_utf8(text))
		exit = ctl_usage(ctl, "the rules are not UTF-8");
	if (exit != CTL_OK) {
		json_object_put(args);
		return exit;
	}
	ctl_add_str(args, "project", str_c(ctl->words[0]));
	if (text.p != NULL)
		ctl_add_str(args, "rules", text);
	if ((exit = control_ask(ctl, "rules.set", args, &result)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, result);
	else
		print_set(result);
	json_object_put(result);
	return CTL_OK;
}

enum ctl_exit cmd_rules_show(struct ctl *ctl)
{
	json_object *args = ctl_object(), *result;
	struct str text;
	enum ctl_exit exit;

	ctl_add_str(args, "project", str_c(ctl->words[0]));
	if ((exit = control_ask(ctl, "rules.show", args, &result)) != CTL_OK)
		return exit;
	text = ctl_get_str(result, "rules");
	if (ctl->json) {
		ctl_print_json(ctl, result);
	} else if (ctl_get_i64(result, "count") < 0) {
		ctl_warn("This project has no access rules: every signed-in user reaches every key.");
	} else {
		ctl_print_raw(text, stdout);
		if (text.n != 0 && text.p[text.n - 1] != '\n')
			printf("\n");
	}
	json_object_put(result);
	return CTL_OK;
}

/* --- rules test --- */

/* "rule 2 'user:{telegramId}:**'", and so on, of those that grant it or of those that do not. */
static void add_rules(struct buf *buf, json_object *result, bool grant)
{
	json_object *rules;
	const char *between = "";

	if (!jdoc_array(result, "rules", &rules))
		return;
	for (size_t i = 0; i < json_object_array_length(rules); i++) {
		json_object *rule = json_object_array_get_idx(rules, i);

		if (ctl_get_bool(rule, "grants") != grant)
			continue;
		buf_addf(buf, "%srule %" PRId64 " '%.*s'", between, ctl_get_i64(rule, "rule"), STR(ctl_get_str(rule, "match")));
		between = ", ";
	}
}

static void add_ranges(struct buf *buf, json_object *result)
{
	json_object *ranges;

	if (!jdoc_array(result, "ranges", &ranges))
		return;
	for (size_t i = 0; i < json_object_array_length(ranges); i++) {
		json_object *range = json_object_array_get_idx(ranges, i);
		struct str begin = ctl_get_str(range, "begin");

		buf_add_c(buf, i == 0 ? "" : ", ");
		if (!jdoc_has(range, "begin"))
			buf_addf(buf, "the key '%.*s'", STR(ctl_get_str(range, "key")));
		else if (begin.n == 0)
			buf_addf(buf, "%s keys", ctl_get_bool(range, "filtered") ? "some" : "all");
		else
			buf_addf(buf, "%skeys that begin with '%.*s'", ctl_get_bool(range, "filtered") ? "some of the " : "",
				 STR(begin));
	}
}

/* One sentence: the answer, and why. */
static void explain(struct ctl *ctl, struct buf *buf, json_object *result)
{
	struct str reason = ctl_get_str(result, "reason");
	int64_t max_bytes = ctl_get_i64(result, "max_bytes");
	bool is_list = jdoc_has(result, "ranges");

	buf_add_c(buf, ctl_get_bool(result, "allowed") ? "allowed: " : "denied: ");
	if (str_eq(reason, STR_LIT("no_rules"))) {
		buf_add_c(buf, "the project has no access rules");
	} else if (str_eq(reason, STR_LIT("no_match"))) {
		buf_addf(buf, "no rule %s", is_list ? "grants list on keys that begin so" : "matches the key");
	} else if (str_eq(reason, STR_LIT("not_granted"))) {
		add_rules(buf, result, false);
		buf_addf(buf, " matches, but none grants %s", ctl->words[1]);
	} else if (is_list) {
		buf_add_c(buf, "the list walks ");
		add_ranges(buf, result);
	} else {
		add_rules(buf, result, true);
		if (str_eq(reason, STR_LIT("too_large")) && max_bytes == 0)
			buf_add_c(buf, " grants it, but the value is larger than the project's limit");
		else if (max_bytes != 0)
			buf_addf(buf, "%s of at most %" PRId64 " bytes", str_eq(reason, STR_LIT("too_large")) ?
				 " grants values, but" : ", values", max_bytes);
	}
}

enum ctl_exit cmd_rules_test(struct ctl *ctl)
{
	json_object *args, *result;
	int64_t user = 0, bytes = -1;
	enum ctl_exit exit;
	struct buf buf;
	bool allowed;

	if ((exit = args_i64(ctl, OPTION_USER, 1, TELEGRAM_ID_MAX, &user)) != CTL_OK ||
	    (exit = args_size(ctl, OPTION_BYTES, 0, INT64_C(25) << 20, &bytes)) != CTL_OK)
		return exit;
	if (user == 0)
		return ctl_usage(ctl, "--user ID is needed: the Telegram id of the user who asks");
	args = ctl_object();
	ctl_add_str(args, "project", str_c(ctl->words[0]));
	ctl_add_str(args, "operation", str_c(ctl->words[1]));
	ctl_add_str(args, "key", str_c(ctl->words[2]));
	ctl_add_i64(args, "user", user);
	if (bytes >= 0)
		ctl_add_i64(args, "bytes", bytes);
	if ((exit = control_ask(ctl, "rules.test", args, &result)) != CTL_OK)
		return exit;
	allowed = ctl_get_bool(result, "allowed");
	buf_init(&buf, ctl->arena, TEXT_MAX);
	explain(ctl, &buf, result);
	if (!buf_ok(&buf))
		ctl_no_memory();
	if (ctl->json) {
		ctl_print_json(ctl, result);
	} else {
		ctl_print(buf_str(&buf));
		printf("\n");
	}
	json_object_put(result);
	return allowed ? CTL_OK : CTL_REFUSED;
}
