/*
 * cmd_bot.c - tmakvctl bot ...: the bots through which a project's users sign in.
 */
#include "config.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/hex.h"
#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

/* --- what a bot looks like --- */

/* "7342037359 (by its token)" and so on; "none". */
struct str ctl_bots_text(struct ctl *ctl, json_object *project)
{
	json_object *bots;
	struct buf buf;

	if (!jdoc_array(project, "bots", &bots) || json_object_array_length(bots) == 0)
		return STR_LIT("none");
	buf_init(&buf, ctl->arena, 4096);
	for (size_t i = 0; i < json_object_array_length(bots); i++) {
		json_object *bot = json_object_array_get_idx(bots, i);

		buf_addf(&buf, "%s%" PRId64, i == 0 ? "" : ", ", ctl_get_i64(bot, "id"));
		if (!str_eq(ctl_get_str(bot, "mode"), STR_LIT("hmac")))
			buf_addf(&buf, " (by Telegram's key, %.*s)", STR(ctl_get_str(bot, "environment")));
		else if (ctl_get_i64(bot, "secrets") > 1)
			buf_addf(&buf, " (by %" PRId64 " tokens)", ctl_get_i64(bot, "secrets"));
		else
			buf_add_c(&buf, " (by its token)");
	}
	if (!buf_ok(&buf))
		ctl_no_memory();
	return buf_str(&buf);
}

/* "its token", "2 tokens", "Telegram's key (production)". */
static struct str checked_by(struct ctl *ctl, json_object *bot)
{
	int64_t secrets = ctl_get_i64(bot, "secrets");

	if (!str_eq(ctl_get_str(bot, "mode"), STR_LIT("hmac")))
		return str_c(ctl_text(ctl, "Telegram's key (%.*s)", STR(ctl_get_str(bot, "environment"))));
	return secrets > 1 ? str_c(ctl_text(ctl, "%" PRId64 " tokens", secrets)) : STR_LIT("its token");
}

static void print_bots(struct ctl *ctl, json_object *project)
{
	json_object *bots;
	struct table table;

	if (!jdoc_array(project, "bots", &bots) || json_object_array_length(bots) == 0) {
		printf("This project has no bot: tmakvctl bot add PROJECT --bot-token-file FILE\n");
		return;
	}
	table_init(&table, ctl->arena, 2);
	table_add_c(&table, (const char *const[]){ "ID", "CHECKED BY" });
	for (size_t i = 0; i < json_object_array_length(bots); i++) {
		json_object *bot = json_object_array_get_idx(bots, i);

		table_add(&table, (const struct str[]){ str_c(ctl_text(ctl, "%" PRId64, ctl_get_i64(bot, "id"))),
			  checked_by(ctl, bot) });
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

/* What is sent of a bot: its id, and how to check initData for it. */
static void add_bot(json_object *array, const struct bot *bot)
{
	bool by_token = bot->n_secrets != 0;
	char hex[2 * BOT_SECRET_SIZE];
	json_object *object = ctl_object();

	_Static_assert(BOT_SECRET_SIZE == BOT_PUBLIC_KEY_SIZE, "one buffer for both");
	ctl_add_i64(object, "id", (int64_t)bot->id);
	hex_encode(by_token ? bot->secrets[0] : bot->public_key, BOT_SECRET_SIZE, hex);
	ctl_add_str(object, by_token ? "secret" : "public_key", str_make(hex, sizeof hex));
	OPENSSL_cleanse(hex, sizeof hex);
	if (json_object_array_add(array, object) != 0)
		ctl_no_memory();
}

enum ctl_exit input_bots_add(struct ctl *ctl, json_object *args, size_t *n)
{
	json_object *array = json_object_new_array();
	struct bot bots[INPUT_BOTS_MAX];
	enum ctl_exit exit;

	ctl_add(args, "bots", array);
	exit = input_bots(ctl, true, bots, n);
	for (size_t i = 0; exit == CTL_OK && i < *n; i++)
		add_bot(array, &bots[i]);
	OPENSSL_cleanse(bots, sizeof bots);
	return exit;
}

/* --- the commands: each ends with the bots as they are now --- */

/* ARGS is taken over. */
static enum ctl_exit ask(struct ctl *ctl, const char *command, json_object *args)
{
	json_object *result;
	enum ctl_exit exit;

	ctl_add_str(args, "project", str_c(ctl->words[0]));
	if ((exit = control_ask(ctl, command, args, &result)) != CTL_OK)
		return exit;
	if (ctl->json)
		ctl_print_json(ctl, result);
	else
		print_bots(ctl, result);
	json_object_put(result);
	return CTL_OK;
}

enum ctl_exit cmd_bot_list(struct ctl *ctl)
{
	return ask(ctl, "bot.list", ctl_object());
}

/* COMMAND about the bots that the options name; WHICH asks for them. */
static enum ctl_exit ask_bots(struct ctl *ctl, const char *command, const char *which)
{
	json_object *args = ctl_object();
	enum ctl_exit exit;
	size_t n;

	exit = input_bots_add(ctl, args, &n);
	if (exit == CTL_OK && n == 0)
		exit = ctl_usage(ctl, "%s", which);
	if (exit == CTL_OK)
		return ask(ctl, command, args);
	json_object_put(args);
	return exit;
}

enum ctl_exit cmd_bot_add(struct ctl *ctl)
{
	return ask_bots(ctl, "bot.add", "which bot? --bot-token-file or --bot-id says it");
}

enum ctl_exit cmd_bot_set(struct ctl *ctl)
{
	return ask_bots(ctl, "bot.set", "which bot? --bot-token-file says it");
}

/* COMMAND about the bot that the command line names. */
static enum ctl_exit change(struct ctl *ctl, const char *command)
{
	json_object *args;
	uint64_t bot;

	if (!str_to_u64(str_c(ctl->words[1]), 1, TELEGRAM_ID_MAX, &bot))
		return ctl_usage(ctl, "BOT-ID is the number before the colon of the bot's token");
	args = ctl_object();
	ctl_add_i64(args, "bot", (int64_t)bot);
	return ask(ctl, command, args);
}

enum ctl_exit cmd_bot_retire(struct ctl *ctl)
{
	return change(ctl, "bot.retire");
}

enum ctl_exit cmd_bot_remove(struct ctl *ctl)
{
	return change(ctl, "bot.remove");
}
