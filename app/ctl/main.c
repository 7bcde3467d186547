/*
 * main.c - tmakvctl: the table of its commands.
 *
 * A new command is a row here, its example in help.c, a function in the cmd_*.c of its noun, a row in the server's
 * table (serve/admin.c) if the server answers it, and its lines in tmakvctl.8.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/ctl.h"

enum { ARENA_CEILING = 256 * 1024 * 1024 };

#define BOTS (OPTION_BIT(OPTION_BOT_TOKEN_FILE) | OPTION_BIT(OPTION_BOT_ID) | \
	      OPTION_BIT(OPTION_TEST) | OPTION_BIT(OPTION_PUBLIC_KEY))

#define QUOTAS (OPTION_BIT(OPTION_MAX_KEYS) | OPTION_BIT(OPTION_MAX_BYTES) | OPTION_BIT(OPTION_USER_MAX_KEYS) | \
		OPTION_BIT(OPTION_USER_MAX_BYTES) | OPTION_BIT(OPTION_USER_RATE))

static const struct ctl_command commands[] = {
	{ "project create", cmd_project_create, BOTS, 1,
	  "NAME [--bot-token-file FILE]... [--bot-id ID [--test | --public-key HEX]]...",
	  "make a project for a Mini App",
	  "Makes a project. NAME is a-z, 0-9 and '-'. Users sign in through the project's bots:\n"
	  "give each with a file that holds its token (of which only what checks initData is kept),\n"
	  "or with its id alone. Two files with tokens of one bot are fine while the token changes.\n"
	  "Without a bot only API keys work." },
	{ "project list", cmd_project_list, 0, 0, "", "list all projects",
	  "Lists all projects, oldest first." },
	{ "project show", cmd_project_show, 0, 1, "PROJECT", "show one, with what it uses",
	  "Shows a project: its ids, bots, limits, and the keys and bytes it has in use.\n"
	  "PROJECT is a name, a UUID or its 32 digits, here and everywhere else." },
	{ "project rename", cmd_project_rename, 0, 2, "PROJECT NEW-NAME", "give it another name",
	  "Gives a project another name. Its id, keys and tokens stay as they are; whoever signs in\n"
	  "with the old name as projectId has to be told." },
	{ "project disable", cmd_project_disable, 0, 1, "PROJECT", "refuse all of its requests",
	  "Refuses all requests of a project from now on, sign-ins too. Its data stays." },
	{ "project enable", cmd_project_enable, 0, 1, "PROJECT", "accept them again",
	  "Accepts the requests of a disabled project again." },
	{ "project limit", cmd_project_limit,
	  OPTION_BIT(OPTION_VALUE_LIMIT) | OPTION_BIT(OPTION_WRITE_LIMIT) | OPTION_BIT(OPTION_MIN_TTL) | QUOTAS, 1,
	  "PROJECT [--value-limit SIZE] [--write-limit N] [--min-ttl S] "
	  "[--max-keys N] [--max-bytes SIZE] [--user-max-keys N] [--user-max-bytes SIZE] [--user-rate N]",
	  "show or set its limits",
	  "Sets limits of one project, from its next request on, and shows them; without options it only\n"
	  "shows them. With 'default' it follows the configuration again. The last five are off at first,\n"
	  "and 0 is off." },
	{ "project origins", cmd_project_origins,
	  OPTION_BIT(OPTION_ADD) | OPTION_BIT(OPTION_REMOVE) | OPTION_BIT(OPTION_ANY), 1,
	  "PROJECT [--add O]... [--remove O]... [--any]", "show or set whose pages may ask",
	  "Lists the origins whose pages may use a project, at most 32: https://shop.example. Pages of\n"
	  "all others are refused from the next request on; servers send no origin, and pass. Without a\n"
	  "list any page may ask; --any goes back to that." },
	{ "project usage", cmd_project_usage, OPTION_BIT(OPTION_USER), 1, "PROJECT [--user ID]",
	  "what it, or one user, has in use",
	  "Shows the keys and bytes that a project has in use, or those that one user has written." },
	{ "project delete", cmd_project_delete, OPTION_BIT(OPTION_YES), 1, "PROJECT [--yes]",
	  "delete it, with all its data",
	  "Deletes a project, its API keys and all its data. This cannot be undone, so the name has\n"
	  "to be typed once more, or --yes said where there is no terminal." },
	{ "rules set", cmd_rules_set, OPTION_BIT(OPTION_FILE) | OPTION_BIT(OPTION_PRESET) | OPTION_BIT(OPTION_NONE), 1,
	  "PROJECT (--file FILE | --preset NAME | --none)", "say which keys its users reach",
	  "Sets a project's access rules, from its next request on. They bind the users who sign in, not API\n"
	  "keys. 'shared' lets every user reach every key; 'private' those that begin with user:<their id>:\n"
	  "alone; 'private+public' also lets all read and list those that begin with public:. Without rules\n"
	  "every user reaches every key." },
	{ "rules show", cmd_rules_show, 0, 1, "PROJECT", "show its access rules",
	  "Writes a project's access rules to standard output, as they were set." },
	{ "rules test", cmd_rules_test, OPTION_BIT(OPTION_USER) | OPTION_BIT(OPTION_BYTES), 3,
	  "PROJECT --user ID OPERATION KEY [--bytes N]", "may this user do that, and why",
	  "Says whether a user may read, write, delete or list a key, and which rule grants it or what is in\n"
	  "the way. Of list, KEY is the prefix, '' for none, and the answer is where it would look." },
	{ "project signing", cmd_project_signing, 0, 2, "PROJECT own|shared", "which keys sign its tokens",
	  "Lets a project have signing keys of its own, so that its tokens are worth nothing to the back\n"
	  "ends of other projects; or lets it use those of all projects again. Before 'own', set jwksUrl in\n"
	  "its back end to /p/PROJECT/.well-known/jwks.json, which answers the right keys all the time." },
	{ "bot list", cmd_bot_list, 0, 1, "PROJECT", "list a project's bots",
	  "Lists the bots through which a project's users sign in, and by what their initData is checked." },
	{ "bot add", cmd_bot_add, BOTS, 1,
	  "PROJECT [--bot-token-file FILE]... [--bot-id ID [--test | --public-key HEX]]...",
	  "add a bot, or a bot's new token",
	  "Adds bots to a project, up to 8; as for 'project create'. A bot that is there already gets a\n"
	  "second token, which counts beside the first until 'bot retire' drops that one." },
	{ "bot set", cmd_bot_set, OPTION_BIT(OPTION_BOT_TOKEN_FILE), 1, "PROJECT --bot-token-file FILE...",
	  "say which token a bot has now",
	  "Sees to it that a project has these bots, with these tokens as their newest; nothing changes\n"
	  "when it is so already. A bot's token before counts on until it changes again, or 'bot retire'." },
	{ "bot retire", cmd_bot_retire, 0, 2, "PROJECT BOT-ID", "drop a bot's older token",
	  "Refuses initData that was signed with the older of a bot's two tokens from now on." },
	{ "bot remove", cmd_bot_remove, 0, 2, "PROJECT BOT-ID", "nobody signs in through it any more",
	  "Refuses initData of a bot from now on. Tokens that its users have stay good: see 'revoke'." },
	{ "revoke", cmd_revoke, OPTION_BIT(OPTION_USER) | OPTION_BIT(OPTION_LIST), 1, "PROJECT [--user ID | --list]",
	  "refuse what users have by now",
	  "Refuses all tokens and all initData that the users of a project, or one of them, have by now.\n"
	  "Who opens the Mini App again signs in again. With --list it shows what was revoked." },
	{ "signing-key list", cmd_signing_key_list, OPTION_BIT(OPTION_PROJECT), 0, "[--project P]",
	  "list the keys that sign tokens",
	  "Lists the keys that sign session tokens, or a project's own: which is next, current or old, and\n"
	  "until when an old one is published." },
	{ "signing-key rotate", cmd_signing_key_rotate, OPTION_BIT(OPTION_PROJECT) | OPTION_BIT(OPTION_AT_ONCE), 0,
	  "[--project P] [--at-once]", "let another key sign tokens",
	  "Makes a signing key and publishes it. It signs 16 minutes later, when whoever checks tokens knows\n"
	  "it, and the key before it stays for as long as its tokens live: no good token is refused." },
	{ "signing-key remove", cmd_signing_key_remove, 0, 1, "KID", "a key that was stolen is none any more",
	  "Takes a signing key away: what it signed is refused from now on, by back ends when they fetch the\n"
	  "keys again, in 15 minutes at the latest. KID is what 'signing-key list' shows." },
	{ "key create", cmd_key_create,
	  OPTION_BIT(OPTION_NAME) | OPTION_BIT(OPTION_READ_ONLY) | OPTION_BIT(OPTION_EXPIRES_IN) | OPTION_BIT(OPTION_EXPIRES_AT),
	  1, "PROJECT [--name NAME] [--read-only] [--expires-in D | --expires-at T]", "make an API key for a server",
	  "Makes an API key, with which a project's own server reads and writes. The key alone goes\n"
	  "to standard output, this once: it is not stored and cannot be shown again." },
	{ "key list", cmd_key_list, 0, 1, "PROJECT", "list a project's API keys",
	  "Lists a project's API keys: their ids and names, not the keys; and when each was last used." },
	{ "key revoke", cmd_key_revoke, 0, 2, "PROJECT KEY-ID", "make an API key useless",
	  "Refuses an API key from now on. KEY-ID is what 'key list' shows." },
	{ "admin-key create", cmd_admin_key_create,
	  OPTION_BIT(OPTION_NAME) | OPTION_BIT(OPTION_EXPIRES_IN) | OPTION_BIT(OPTION_EXPIRES_AT), 0,
	  "[--name NAME] [--expires-in D | --expires-at T]",
	  "make a key for all projects",
	  "Makes an admin key, with which the REST door reads and writes every project, and makes,\n"
	  "renames and deletes projects. The key alone goes to standard output, this once." },
	{ "admin-key list", cmd_admin_key_list, 0, 0, "", "list the admin keys",
	  "Lists the admin keys: their ids and names, not the keys; and when each was last used." },
	{ "admin-key revoke", cmd_admin_key_revoke, 0, 1, "KEY-ID", "make an admin key useless",
	  "Refuses an admin key from now on. KEY-ID is what 'admin-key list' shows." },
	{ "kv get", cmd_kv_get, OPTION_BIT(OPTION_OUTPUT) | OPTION_BIT(OPTION_INFO), 2,
	  "PROJECT KEY [--output FILE | --info]", "read a value",
	  "Writes a key's value to standard output, or to a file, byte for byte with nothing added." },
	{ "kv put", cmd_kv_put,
	  OPTION_BIT(OPTION_FILE) | OPTION_BIT(OPTION_TTL) | OPTION_BIT(OPTION_EXPIRATION) | OPTION_BIT(OPTION_METADATA), 2,
	  "PROJECT KEY [--file FILE] [--ttl S | --expiration T] [--metadata JSON]", "write a value",
	  "Writes a value, which comes from standard input or a file, byte for byte: any bytes, a line end\n"
	  "at the end included. It takes the place of the key's value, metadata and expiry." },
	{ "kv delete", cmd_kv_delete, 0, 2, "PROJECT KEY", "delete a key",
	  "Deletes a key. One that is not there is fine." },
	{ "kv list", cmd_kv_list,
	  OPTION_BIT(OPTION_PREFIX) | OPTION_BIT(OPTION_LIMIT) | OPTION_BIT(OPTION_CURSOR), 1,
	  "PROJECT [--prefix P] [--limit N] [--cursor C]", "list keys",
	  "Lists keys in the order of their bytes, with their metadata and when they expire. With --limit\n"
	  "it stops there and says how to go on." },
	{ "kv count", cmd_kv_count, OPTION_BIT(OPTION_PREFIX), 1, "PROJECT [--prefix P]", "count keys",
	  "Says how many keys there are, or how many begin with a prefix." },
	{ "kv bulk-put", cmd_kv_bulk_put, OPTION_BIT(OPTION_SKIP), 2, "PROJECT FILE|- [--skip N]",
	  "write many keys from a file",
	  "Writes the items of a file, one array as wrangler's 'kv bulk put' takes it, or an item a line:\n"
	  "{\"key\":..,\"value\":..} with \"base64\":true, \"expiration\":T, \"expiration_ttl\":S, \"metadata\":.. as needed." },
	{ "kv bulk-delete", cmd_kv_bulk_delete, OPTION_BIT(OPTION_SKIP), 2, "PROJECT FILE|- [--skip N]",
	  "delete many keys from a file",
	  "Deletes the keys that a file names, as one array or a line each: \"name\" or {\"name\":\"name\"}." },
	{ "export", cmd_export,
	  OPTION_BIT(OPTION_PREFIX) | OPTION_BIT(OPTION_FORMAT) | OPTION_BIT(OPTION_OUTPUT) | OPTION_BIT(OPTION_CURSOR), 1,
	  "PROJECT [--prefix P] [--format jsonl|wrangler] [--output FILE] [--cursor C]", "write all keys to a file",
	  "Writes every key with its value, metadata and expiry. What is no text is in base64. When it is\n"
	  "stopped, it says the cursor to go on from; with --output it then writes behind what is there." },
	{ "import", cmd_import, OPTION_BIT(OPTION_SKIP), 1 | ARGUMENTS_ONE_MORE, "PROJECT [FILE] [--skip N]",
	  "read keys from a file",
	  "Writes what an export has written, in either format, from a file or standard input. Items that\n"
	  "have expired since are left out. When it is stopped, it says how many items to skip to go on." },
	{ "backup", cmd_backup, OPTION_BIT(OPTION_KEEP), 1, "DIR [--keep N]", "copy everything, while it is in use",
	  "Copies all projects, API keys, keys and values into a new folder of DIR, named by the time, and checks\n"
	  "it. Only a folder with its final name is a backup. 'tmakvd --restore' puts one back." },
	{ "audit", cmd_audit, OPTION_BIT(OPTION_PROJECT) | OPTION_BIT(OPTION_SINCE) | OPTION_BIT(OPTION_LIMIT), 0,
	  "[--project P] [--since T] [--limit N]", "what operators did, when, from where",
	  "Shows what was changed over the control socket and with admin keys, the newest last: 100 lines, or\n"
	  "as many as --limit says. A line that says 'started' is of a change that was cut short. With --json it\n"
	  "is a document a line." },
	{ "status", cmd_status, 0, 0, "", "is the server well, what has it done",
	  "Shows the server's state, the settings that matter, and everything that it counts." },
	{ "metrics", cmd_metrics, 0, 0, "", "all that is counted, as Prometheus reads it",
	  "Prints what /metrics of the operator's listener answers, for those who do not have it. The\n"
	  "numbers are explained in tmakv-metrics(7)." },
	{ "top", cmd_top,
	  OPTION_BIT(OPTION_ONCE) | OPTION_BIT(OPTION_INTERVAL) | OPTION_BIT(OPTION_COUNT) | OPTION_BIT(OPTION_PROJECT), 0,
	  "[--project P] [--interval S] [--once | --count N]", "what is the server doing now, live",
	  "Shows, once a second, requests by kind and how long they took, the committer's queue, the caches, what\n"
	  "each project asks for, and the keys that are written most with their write counters. On a terminal 'h'\n"
	  "explains it and 'q' quits. Elsewhere it is plain text; with --json a document a line." },
	{ "check-initdata", cmd_check_initdata,
	  OPTION_BIT(OPTION_PROJECT) | BOTS | OPTION_BIT(OPTION_NOW) | OPTION_BIT(OPTION_MAX_AGE), 0,
	  "(--project P | --bot-token-file FILE | --bot-id ID [--test | --public-key HEX]) "
	  "[--now T] [--max-age S] <INITDATA",
	  "does this initData sign in, and if not, why",
	  "Reads initData from standard input, as Telegram.WebApp.initData has it, and says whether it\n"
	  "would sign in, or at which step it fails. With --project the server checks, with that\n"
	  "project's bots; else it is checked here, without a server, by the same code." },
	{ "check-jwt", cmd_check_jwt,
	  OPTION_BIT(OPTION_JWKS) | OPTION_BIT(OPTION_PROJECT) | OPTION_BIT(OPTION_NOW), 0,
	  "--jwks FILE --project ID [--now T] <TOKEN",
	  "is this session token good, and if not, why",
	  "Reads a session token from standard input and says whether it is good for the project with\n"
	  "this id, or at which step it fails. Needs the published keys but no server, and knows\n"
	  "nothing of projects that were disabled or sign-ins that were revoked." },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* Whatever is asked about: a command, a noun, or everything. */
static enum ctl_exit help(struct ctl *ctl)
{
	enum ctl_exit exit;

	for (size_t i = 0; ctl->n_words == 1 && i < COMMANDS; i++) {
		struct str noun = str_c(ctl_text(ctl, "%.40s ", ctl->words[0]));

		if (str_starts(str_c(commands[i].words), noun)) {
			help_print_all(commands, COMMANDS, noun);
			return CTL_OK;
		}
	}
	if (ctl->n_words == 0) {
		help_print_all(commands, COMMANDS, STR_LIT(""));
		return CTL_OK;
	}
	if ((exit = args_command(ctl, commands, COMMANDS)) != CTL_OK)
		return exit;
	help_print_command(ctl->command);
	return CTL_OK;
}

static enum ctl_exit run(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_exit exit;

	if ((exit = args_read(ctl, argc, argv)) != CTL_OK)
		return exit;
	if (args_has(ctl, OPTION_VERSION)) {
		printf("tmakvctl %s\n", PACKAGE_VERSION);
		return CTL_OK;
	}
	if (ctl->n_words > 0 && strcmp(ctl->words[0], "help") == 0) {
		ctl->given[ctl->n_given++] = (struct ctl_given){ OPTION_HELP, NULL };
		ctl->words++;
		ctl->n_words--;
	}
	if (args_has(ctl, OPTION_HELP))
		return help(ctl);
	if (ctl->n_words == 0)
		return ctl_usage(ctl, "what is to be done? 'tmakvctl --help' lists the commands");
	if ((exit = args_command(ctl, commands, COMMANDS)) != CTL_OK)
		return exit;
	return ctl->command->run(ctl);
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .arena = arena_new(ARENA_CEILING) };
	enum ctl_exit exit;

	if (ctl.arena == NULL)
		ctl_no_memory();
	exit = run(&ctl, argc, argv);
	arena_free(ctl.arena);
	/* An answer that did not get out is no success: an API key may have been in it. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "tmakvctl: standard output cannot be written: %s\n", strerror(errno));
		return CTL_IO;
	}
	return exit;
}
