/*
 * args.c - the command line: words, options, and which command they make.
 *
 * Options may stand anywhere, so all of them are in one table, and each command says
 * which it takes. What a person typed wrongly is only repeated here when it cannot be
 * a secret: the value of an option that does not exist may well be a bot's token.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/table.h"

static const struct {
	const char *name;
	char letter;		/* 0: none */
	const char *value;	/* what it takes, for the help; NULL: nothing */
	const char *help;
} table[OPTION__COUNT] = {
	[OPTION_JSON]           = { "json",           0,   NULL,   "one line of JSON on standard output, for programs" },
	[OPTION_CONTROL]        = { "control",        0,   "PATH", "the control socket of the tmakvd to ask" },
	[OPTION_CONFIG]         = { "config",         'c', "FILE", "tmakvd's configuration, which names its control socket" },
	[OPTION_HELP]           = { "help",           'h', NULL,   "what there is, or what a command does" },
	[OPTION_VERSION]        = { "version",        'V', NULL,   "the version" },
	[OPTION_BOT_TOKEN_FILE] = { "bot-token-file", 0,   "FILE", "a bot, by a file with its token; - is standard input" },
	[OPTION_BOT_ID]         = { "bot-id",         0,   "ID",   "a bot by its id: Telegram's key checks its initData" },
	[OPTION_TEST]           = { "test",           0,   NULL,   "that --bot-id lives in Telegram's test environment" },
	[OPTION_PUBLIC_KEY]     = { "public-key",     0,   "HEX",  "check that --bot-id with this Ed25519 key instead" },
	[OPTION_NAME]           = { "name",           0,   "NAME", "what the key is for" },
	[OPTION_READ_ONLY]      = { "read-only",      0,   NULL,   "the key may read, not write" },
	[OPTION_YES]            = { "yes",            0,   NULL,   "do not ask" },
	[OPTION_PROJECT]        = { "project",        0,   "P",    "the project: its name or id" },
	[OPTION_JWKS]           = { "jwks",           0,   "FILE", "the published keys, as /.well-known/jwks.json answers them" },
	[OPTION_NOW]            = { "now",            0,   "T",    "check as of then, in seconds since 1970" },
	[OPTION_MAX_AGE]        = { "max-age",        0,   "S",    "oldest initData that is accepted, in seconds" },
	[OPTION_VALUE_LIMIT]    = { "value-limit",    0,   "SIZE", "bytes of a value, 1 to 25M, or 'default'" },
	[OPTION_WRITE_LIMIT]    = { "write-limit",    0,   "N",    "writes a second and key, 0 for no limit, or 'default'" },
	[OPTION_OUTPUT]         = { "output",         0,   "FILE", "write to FILE, not to standard output" },
	[OPTION_FILE]           = { "file",           0,   "FILE", "what to write or set is in FILE" },
	[OPTION_INFO]           = { "info",           0,   NULL,   "its metadata and when it expires, not its value" },
	[OPTION_TTL]            = { "ttl",            0,   "S",    "the key expires in S seconds" },
	[OPTION_EXPIRATION]     = { "expiration",     0,   "T",    "the key expires at T, in seconds since 1970" },
	[OPTION_METADATA]       = { "metadata",       0,   "JSON", "what is to be known of the key without its value" },
	[OPTION_PREFIX]         = { "prefix",         0,   "P",    "only keys that begin with P" },
	[OPTION_LIMIT]          = { "limit",          0,   "N",    "so many at most: keys, or lines" },
	[OPTION_CURSOR]         = { "cursor",         0,   "C",    "go on where it stopped" },
	[OPTION_FORMAT]         = { "format",         0,   "F",    "'jsonl', an item a line, or 'wrangler', one array of them" },
	[OPTION_SKIP]           = { "skip",           0,   "N",    "leave out the first N items" },
	[OPTION_KEEP]           = { "keep",           0,   "N",    "delete the oldest finished backups beyond N" },
	[OPTION_PRESET]         = { "preset",         0,   "NAME", "rules made before: 'shared', 'private' or 'private+public'" },
	[OPTION_NONE]           = { "none",           0,   NULL,   "no rules from now on" },
	[OPTION_USER]           = { "user",           0,   "ID",   "a user, by the Telegram id" },
	[OPTION_BYTES]          = { "bytes",          0,   "N",    "for write, how many bytes the value has" },
	[OPTION_EXPIRES_IN]     = { "expires-in",     0,   "D",    "the key is refused after this time: 90d, 12h, 30m or 45s" },
	[OPTION_EXPIRES_AT]     = { "expires-at",     0,   "T",    "the key is refused from T on, in seconds since 1970" },
	[OPTION_AT_ONCE]        = { "at-once",        0,   NULL,   "do not wait until everybody knows the new key" },
	[OPTION_LIST]           = { "list",           0,   NULL,   "show what was revoked, revoke nothing" },
	[OPTION_MAX_KEYS]       = { "max-keys",       0,   "N",    "keys in the project, 0 for no limit" },
	[OPTION_MAX_BYTES]      = { "max-bytes",      0,   "SIZE", "bytes of its keys, values and metadata, 0 for no limit" },
	[OPTION_USER_MAX_KEYS]  = { "user-max-keys",  0,   "N",    "keys that one user may have written, 0 for no limit" },
	[OPTION_USER_MAX_BYTES] = { "user-max-bytes", 0,   "SIZE", "and their bytes, 0 for no limit" },
	[OPTION_USER_RATE]      = { "user-rate",      0,   "N",    "requests a second of one user, 0 for no limit" },
	[OPTION_ADD]            = { "add",            0,   "O",    "let pages of this origin ask: https://shop.example" },
	[OPTION_REMOVE]         = { "remove",         0,   "O",    "let them not ask any more" },
	[OPTION_ANY]            = { "any",            0,   NULL,   "let pages of any origin ask, as at first" },
	[OPTION_SINCE]          = { "since",          0,   "T",    "only what was done from T on, in seconds since 1970" },
	[OPTION_ONCE]           = { "once",           0,   NULL,   "show it once, as text, and end" },
	[OPTION_INTERVAL]       = { "interval",       0,   "S",    "seconds between two looks, 0.2 to 60; default: 1" },
	[OPTION_COUNT]          = { "count",          0,   "N",    "end when it was shown N times" },
	[OPTION_MIN_TTL]        = { "min-ttl",        0,   "S",    "shortest time to live, in seconds, or 'default'" },
};

/* --- words and options --- */

static bool by_name(struct str name, enum ctl_option *option)
{
	for (size_t i = 0; i < OPTION__COUNT; i++)
		if (str_eq(name, str_c(table[i].name))) {
			*option = (enum ctl_option)i;
			return true;
		}
	return false;
}

static bool by_letter(char letter, enum ctl_option *option)
{
	for (size_t i = 0; i < OPTION__COUNT; i++)
		if (table[i].letter == letter) {
			*option = (enum ctl_option)i;
			return true;
		}
	return false;
}

static enum ctl_exit unknown_option(const struct ctl *ctl, struct str name)
{
	const char *names[OPTION__COUNT], *near;
	char text[40];

	for (size_t i = 0; i < OPTION__COUNT; i++)
		names[i] = table[i].name;
	if (name.n >= sizeof text)
		return ctl_usage(ctl, "there is no such option; see tmakvctl --help");
	snprintf(text, sizeof text, "%.*s", STR(name));
	near = nearest(text, names, OPTION__COUNT);
	if (near == NULL)
		return ctl_usage(ctl, "there is no option --%s; see tmakvctl --help", text);
	return ctl_usage(ctl, "there is no option --%s; did you mean --%s?", text, near);
}

static void give(struct ctl *ctl, enum ctl_option option, const char *value)
{
	ctl->given[ctl->n_given++] = (struct ctl_given){ option, value };
	if (option == OPTION_JSON)
		ctl->json = true;
}

/* The option ARGV[*I] begins; *I moves to its last word. */
static enum ctl_exit read_option(struct ctl *ctl, int argc, char **argv, int *i)
{
	const char *arg = argv[*i];
	struct str name, value;
	enum ctl_option option;
	bool has_value = str_cut(str_c(arg + 1 + (arg[1] == '-')), '=', &name, &value);

	if (arg[1] != '-') {
		if (!by_letter(arg[1], &option))
			return ctl_usage(ctl, "there is no option -%c; see tmakvctl --help", arg[1]);
		if (arg[2] != '\0')
			return ctl_usage(ctl, "-%c stands alone, its value is the next word", arg[1]);
		name = str_c(table[option].name);
		has_value = false;
	} else if (!by_name(name, &option)) {
		return unknown_option(ctl, name);
	}
	if (table[option].value == NULL) {
		if (has_value)
			return ctl_usage(ctl, "--%s takes no value", table[option].name);
		give(ctl, option, NULL);
		return CTL_OK;
	}
	if (has_value) {
		give(ctl, option, value.p);
		return CTL_OK;
	}
	/* "--control --json" is a value forgotten; who means it writes "--control=--json". */
	if (*i + 1 == argc || strncmp(argv[*i + 1], "--", 2) == 0)
		return ctl_usage(ctl, "--%s needs a value: --%s %s", table[option].name, table[option].name,
				 table[option].value);
	give(ctl, option, argv[++*i]);
	return CTL_OK;
}

enum ctl_exit args_read(struct ctl *ctl, int argc, char **argv)
{
	bool only_words = false;
	enum ctl_exit exit;

	ctl->words = arena_zero(ctl->arena, (size_t)argc * sizeof ctl->words[0]);
	ctl->given = arena_zero(ctl->arena, (size_t)argc * sizeof ctl->given[0]);
	if (ctl->words == NULL || ctl->given == NULL)
		ctl_no_memory();
	/* Known before the first mistake, which is then told as JSON. */
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		ctl->json = ctl->json || strcmp(argv[i], "--json") == 0;
	for (int i = 1; i < argc; i++) {
		if (only_words || argv[i][0] != '-' || argv[i][1] == '\0')
			ctl->words[ctl->n_words++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			only_words = true;
		else if ((exit = read_option(ctl, argc, argv, &i)) != CTL_OK)
			return exit;
	}
	return CTL_OK;
}

bool args_has(const struct ctl *ctl, enum ctl_option option)
{
	for (size_t i = 0; i < ctl->n_given; i++)
		if (ctl->given[i].option == option)
			return true;
	return false;
}

const char *args_value(const struct ctl *ctl, enum ctl_option option)
{
	const char *value = NULL;

	for (size_t i = 0; i < ctl->n_given; i++)
		if (ctl->given[i].option == option)
			value = ctl->given[i].value;
	return value;
}

enum ctl_exit args_i64(struct ctl *ctl, enum ctl_option option, int64_t min, int64_t max, int64_t *value)
{
	const char *text = args_value(ctl, option);
	uint64_t number;

	if (text == NULL)
		return CTL_OK;
	if (!str_to_u64(str_c(text), (uint64_t)min, (uint64_t)max, &number))
		return ctl_usage(ctl, "--%s needs a whole number from %" PRId64 " to %" PRId64,
				 table[option].name, min, max);
	*value = (int64_t)number;
	return CTL_OK;
}

enum ctl_exit args_size(struct ctl *ctl, enum ctl_option option, int64_t min, int64_t max, int64_t *value)
{
	const char *text = args_value(ctl, option);
	uint64_t number;

	if (text == NULL)
		return CTL_OK;
	if (!str_to_size(str_c(text), (uint64_t)min, (uint64_t)max, &number))
		return ctl_usage(ctl, "--%s needs a size from %" PRId64 " to %" PRId64 " bytes; K and M stand for their 1024",
				 table[option].name, min, max);
	*value = (int64_t)number;
	return CTL_OK;
}

/* How many seconds a letter stands for; 0: it is none. */
static int64_t seconds_of(char unit)
{
	switch (unit) {
	case 's': return 1;
	case 'm': return 60;
	case 'h': return 3600;
	case 'd': return 86400;
	default:  return 0;
	}
}

enum ctl_exit args_duration(struct ctl *ctl, enum ctl_option option, int64_t min, int64_t max, int64_t *seconds)
{
	const char *text = args_value(ctl, option);
	struct str number;
	int64_t unit;
	uint64_t n;

	if (text == NULL)
		return CTL_OK;
	number = str_c(text);
	unit = number.n == 0 ? 0 : seconds_of(number.p[number.n - 1]);
	if (number.n != 0)
		number.n--;
	if (unit == 0 || !str_to_u64(number, 1, (uint64_t)(max / unit), &n) || (int64_t)n * unit < min)
		return ctl_usage(ctl, "--%s needs a time like 90d, 12h, 30m or 45s, from %s to %s", table[option].name,
				 ctl_duration(ctl, min), ctl_duration(ctl, max));
	*seconds = (int64_t)n * unit;
	return CTL_OK;
}

void args_print_options(uint64_t mask)
{
	char name[40];

	for (size_t i = 0; i < OPTION__COUNT; i++) {
		const char *value = table[i].value;
		const char letter[] = { '-', table[i].letter, ',', ' ', '\0' };

		if ((mask & OPTION_BIT(i)) == 0)
			continue;
		snprintf(name, sizeof name, "%s--%s%s%s", table[i].letter != 0 ? letter : "", table[i].name,
			 value != NULL ? " " : "", value != NULL ? value : "");
		printf("  %-21s  ", name);
		help_wrap(table[i].help, 25, 25);
	}
}

/* --- which command --- */

enum { COMMANDS_MAX = 128 };

/* Whether the words begin with COMMAND's; *N is how many those are. */
static bool begins_with(const struct ctl *ctl, const char *command, size_t *n)
{
	struct str rest = str_c(command), word;

	for (*n = 0; rest.n != 0; (*n)++) {
		str_cut(rest, ' ', &word, &rest);
		if (*n == ctl->n_words || !str_eq(word, str_c(ctl->words[*n])))
			return false;
	}
	return true;
}

/* No command has these words: say which may have been meant. */
static enum ctl_exit unknown_command(struct ctl *ctl, const struct ctl_command *commands, size_t n)
{
	const char *names[COMMANDS_MAX], *near, *typed;
	size_t n_names = 0;

	for (size_t i = 0; i < n && n_names < COMMANDS_MAX; i++)
		names[n_names++] = commands[i].words;
	typed = ctl->n_words > 1 ? ctl_text(ctl, "%.40s %.40s", ctl->words[0], ctl->words[1]) : ctl->words[0];
	near = nearest(typed, names, n_names);
	if (near == NULL)
		near = nearest(ctl->words[0], names, n_names);
	if (near == NULL)
		return ctl_usage(ctl, "there is no such command; see tmakvctl --help");
	return ctl_usage(ctl, "there is no such command; did you mean 'tmakvctl %s'?", near);
}

/* The first word is one that commands begin with, and the second is none of theirs. */
static bool is_noun(const struct ctl *ctl, const struct ctl_command *commands, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str noun, verb;

		if (str_cut(str_c(commands[i].words), ' ', &noun, &verb) && str_eq(noun, str_c(ctl->words[0])))
			return true;
	}
	return false;
}

static enum ctl_exit unknown_verb(struct ctl *ctl, const struct ctl_command *commands, size_t n)
{
	const char *verbs[COMMANDS_MAX], *list = "", *near = NULL;
	size_t n_verbs = 0;

	for (size_t i = 0; i < n && n_verbs < COMMANDS_MAX; i++) {
		struct str noun, verb;

		if (!str_cut(str_c(commands[i].words), ' ', &noun, &verb) || !str_eq(noun, str_c(ctl->words[0])))
			continue;
		verbs[n_verbs++] = verb.p;
		list = ctl_text(ctl, "%s%s%s", list, n_verbs > 1 ? ", " : "", verb.p);
	}
	if (ctl->n_words > 1)
		near = nearest(ctl->words[1], verbs, n_verbs);
	if (near != NULL)
		return ctl_usage(ctl, "there is no such command; did you mean 'tmakvctl %s %s'?", ctl->words[0], near);
	return ctl_usage(ctl, "'%s' takes one of: %s", ctl->words[0], list);
}

#define NAMES (OPTION_BIT(OPTION_NAME) | OPTION_BIT(OPTION_PROJECT) | OPTION_BIT(OPTION_PREFIX) | \
	       OPTION_BIT(OPTION_METADATA) | OPTION_BIT(OPTION_CURSOR) | OPTION_BIT(OPTION_ADD) | OPTION_BIT(OPTION_REMOVE))

/* What goes to the server as JSON: all words are names of something. */
static bool names_are_utf8(const struct ctl *ctl)
{
	for (size_t i = 0; i < ctl->n_words; i++)
		if (!str_is_utf8(str_c(ctl->words[i])))
			return false;
	for (size_t i = 0; i < ctl->n_given; i++)
		if ((OPTION_BIT(ctl->given[i].option) & NAMES) != 0 && !str_is_utf8(str_c(ctl->given[i].value)))
			return false;
	return true;
}

enum ctl_exit args_command(struct ctl *ctl, const struct ctl_command *commands, size_t n)
{
	const struct ctl_command *command = NULL;
	size_t n_words, least;

	for (size_t i = 0; i < n && command == NULL; i++)
		if (begins_with(ctl, commands[i].words, &n_words))
			command = &commands[i];
	if (command == NULL)
		return is_noun(ctl, commands, n) ? unknown_verb(ctl, commands, n)
						 : unknown_command(ctl, commands, n);
	ctl->command = command;
	ctl->words += n_words;
	ctl->n_words -= n_words;
	if (args_has(ctl, OPTION_HELP))
		return CTL_OK;
	if (!names_are_utf8(ctl))
		return ctl_usage(ctl, "a name must be UTF-8");
	for (size_t i = 0; i < ctl->n_given; i++)
		if ((OPTION_BIT(ctl->given[i].option) & (command->options | OPTIONS_EVERYWHERE)) == 0)
			return ctl_usage(ctl, "'%s' takes no option --%s; see tmakvctl %s --help", command->words,
					 table[ctl->given[i].option].name, command->words);
	least = command->arguments & ~ARGUMENTS_ONE_MORE;
	if (ctl->n_words < least || ctl->n_words > least + (command->arguments != least))
		return ctl_usage(ctl, "%s; usage: tmakvctl %s%s%s",
				 ctl->n_words < least ? "something is missing" : "there is a word too many",
				 command->words, command->usage[0] == '\0' ? "" : " ", command->usage);
	return CTL_OK;
}

/* --- the nearest word --- */

enum { NEAREST_MAX = 40 };

/* How many letters must be added, removed, replaced or swapped with their neighbour. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	size_t n_a = strlen(a), n_b = strlen(b);

	for (size_t k = 0; k <= n_b; k++)
		above[k] = k;
	for (size_t i = 1; i <= n_a; i++) {
		row[0] = i;
		for (size_t k = 1; k <= n_b; k++) {
			size_t best = above[k - 1] + (a[i - 1] != b[k - 1]);

			if (above[k] + 1 < best)
				best = above[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] && before[k - 2] + 1 < best)
				best = before[k - 2] + 1;
			row[k] = best;
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[n_b];
}

const char *nearest(const char *word, const char *const *words, size_t n)
{
	const char *near = NULL;
	/* A third of the letters wrong, at least one: beyond that it is a guess. */
	size_t length = strlen(word), best = (length < 6 ? 2 : length / 3) + 1;

	if (length == 0 || length > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t d = strlen(words[i]) > NEAREST_MAX ? best : distance(word, words[i]);

		if (d < best) {
			best = d;
			near = words[i];
		}
	}
	return near;
}
