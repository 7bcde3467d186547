/*
 * help.c - what tmakvctl says of itself: its commands, and each of them with its options and an example.
 *
 * All of it fits into 80 columns: the texts are broken here, wherever their own lines end.
 */
#include "config.h"

#include <stdio.h>

#include "ctl/ctl.h"

enum { WIDTH = 79 };

/* One for each command; a test looks for those that have none. */
static const struct { const char *words, *example; } examples[] = {
	{ "project create",     "project create shop --bot-token-file shop.token" },
	{ "project list",       "project list --json" },
	{ "project show",       "project show shop" },
	{ "project rename",     "project rename shop store" },
	{ "project disable",    "project disable shop" },
	{ "project enable",     "project enable shop" },
	{ "project limit",      "project limit shop --value-limit 1M --user-rate 20" },
	{ "project origins",    "project origins shop --add https://shop.example" },
	{ "project usage",      "project usage shop --user 279058397" },
	{ "project delete",     "project delete shop" },
	{ "project signing",    "project signing shop own" },
	{ "rules set",          "rules set shop --preset private" },
	{ "rules show",         "rules show shop >shop.rules" },
	{ "rules test",         "rules test shop --user 279058397 write user:279058397:cart" },
	{ "bot list",           "bot list shop" },
	{ "bot add",            "bot add shop --bot-token-file new.token" },
	{ "bot set",            "bot set shop --bot-token-file shop.token" },
	{ "bot retire",         "bot retire shop 7342037359" },
	{ "bot remove",         "bot remove shop 7342037359" },
	{ "revoke",             "revoke shop --user 279058397" },
	{ "signing-key list",   "signing-key list" },
	{ "signing-key rotate", "signing-key rotate" },
	{ "signing-key remove", "signing-key remove -- KID" },
	{ "key create",         "key create shop --name backend --expires-in 90d >backend.key" },
	{ "key list",           "key list shop" },
	{ "key revoke",         "key revoke shop KEY-ID" },
	{ "admin-key create",   "admin-key create --name panel >panel.key" },
	{ "admin-key list",     "admin-key list" },
	{ "admin-key revoke",   "admin-key revoke KEY-ID" },
	{ "kv get",             "kv get shop user:7:cart" },
	{ "kv put",             "kv put shop banner --file banner.json --ttl 3600" },
	{ "kv delete",          "kv delete shop user:7:cart" },
	{ "kv list",            "kv list shop --prefix user:7: --limit 20" },
	{ "kv count",           "kv count shop --prefix user:7:" },
	{ "kv bulk-put",        "kv bulk-put shop items.json" },
	{ "kv bulk-delete",     "kv bulk-delete shop names.json" },
	{ "export",             "export shop --output shop.jsonl" },
	{ "import",             "import shop shop.jsonl" },
	{ "backup",             "backup /backup --keep 14" },
	{ "audit",              "audit --project shop --limit 20" },
	{ "status",             "status" },
	{ "metrics",            "metrics" },
	{ "top",                "top --project shop" },
	{ "check-initdata",     "check-initdata --project shop <initdata" },
	{ "check-jwt",          "check-jwt --jwks jwks.json --project ID <token" },
};

static const char *example_of(const struct ctl_command *command)
{
	for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
		if (strcmp(examples[i].words, command->words) == 0)
			return examples[i].example;
	return NULL;
}

/* ---- lines ---- */

/* How long the first word of TEXT is. A group in brackets is one, unless it is longer than a line. */
static size_t word_length(const char *text, size_t most)
{
	size_t depth = 0, n = 0;

	for (; text[n] != '\0' && text[n] != '\n' && (text[n] != ' ' || depth > 0); n++) {
		if (text[n] == '[' || text[n] == '(')
			depth++;
		else if ((text[n] == ']' || text[n] == ')') && depth > 0)
			depth--;
	}
	return n <= most ? n : strcspn(text, " \n");
}

void help_wrap(const char *text, size_t column, size_t indent)
{
	bool begins = true;

	for (;;) {
		size_t n;

		text += strspn(text, " \n");
		n = word_length(text, WIDTH - indent);
		if (n == 0)
			break;
		if (!begins && column + 1 + n > WIDTH) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (!begins) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)n, text);
		column += n;
		text += n;
		begins = false;
	}
	putchar('\n');
}

/* ---- what is asked about ---- */

static void print_commands(const struct ctl_command *commands, size_t n, struct str noun)
{
	for (size_t i = 0; i < n; i++)
		if (str_starts(str_c(commands[i].words), noun))
			printf("  %-18s  %s\n", commands[i].words, commands[i].summary);
}

void help_print_all(const struct ctl_command *commands, size_t n, struct str noun)
{
	printf("usage: tmakvctl %.*s%s [OPTION]...\n", STR(noun), noun.n == 0 ? "COMMAND" : "VERB");
	help_wrap("Administrates tmakvd, the key-value store for Telegram Mini Apps, over its control socket.", 0, 0);
	printf("\nCommands (tmakvctl %.*s%s --help says more):\n", STR(noun), noun.n == 0 ? "COMMAND" : "VERB");
	print_commands(commands, n, noun);
	printf("\nOptions of all commands:\n");
	args_print_options(OPTIONS_EVERYWHERE);
	putchar('\n');
	help_wrap("Exit status: 0 done or accepted, 1 refused or not found, 64 usage, 65 a damaged backup, 69 no server, "
		  "70 internal, 74 input or output, 75 try again, 77 not permitted. See tmakvctl(8).", 0, 0);
}

void help_print_command(const struct ctl_command *command)
{
	const char *example = example_of(command);

	printf("usage: tmakvctl %s", command->words);
	if (command->usage[0] == '\0') {
		putchar('\n');
	} else {
		putchar(' ');
		help_wrap(command->usage, strlen("usage: tmakvctl ") + strlen(command->words) + 1, 7);
	}
	putchar('\n');
	help_wrap(command->help, 0, 0);
	printf("\nOptions:\n");
	if (command->options != 0)
		args_print_options(command->options);
	args_print_options(OPTIONS_EVERYWHERE);
	if (example != NULL)
		printf("\nExample: tmakvctl %s\n", example);
}
