/*
 * ctl.h - what the files of tmakvctl share.
 *
 * One thread, one command, then it exits: memory is one arena, and when that has
 * no more the program ends. Results go to standard output, sentences about what went
 * wrong to standard error; with --json everything goes to standard output as one line.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "auth/initdata.h"
#include "base/arena.h"
#include "base/str.h"

/* Exit codes, of sysexits.h where it has one. The manual page lists them. */
enum ctl_exit {
	CTL_OK = 0,		/* done; accepted */
	CTL_REFUSED = 1,	/* refused by a check; no such thing; a name is taken */
	CTL_USAGE = 64,		/* the command line, or a file it names */
	CTL_DAMAGED = 65,	/* a backup that did not pass its check */
	CTL_UNAVAILABLE = 69,	/* nobody listens on the control socket */
	CTL_INTERNAL = 70,	/* our mistake, or the server's: its log says more */
	CTL_IO = 74,		/* standard input or output failed */
	CTL_TEMPORARY = 75,	/* stopping, or no space: try again */
	CTL_PERMISSION = 77,	/* not for this user */
	CTL_INTERRUPTED = 130	/* by Ctrl-C, at a place to go on from */
};

/* --- args.c: the command line --- */

/* All options of all commands; the table in args.c says what each is. */
enum ctl_option {
	OPTION_JSON, OPTION_CONTROL, OPTION_CONFIG, OPTION_HELP, OPTION_VERSION,
	OPTION_BOT_TOKEN_FILE, OPTION_BOT_ID, OPTION_TEST, OPTION_PUBLIC_KEY,
	OPTION_NAME, OPTION_READ_ONLY, OPTION_YES,
	OPTION_PROJECT, OPTION_JWKS, OPTION_NOW, OPTION_MAX_AGE,
	OPTION_VALUE_LIMIT, OPTION_WRITE_LIMIT, OPTION_MIN_TTL,
	OPTION_OUTPUT, OPTION_FILE, OPTION_INFO, OPTION_TTL, OPTION_EXPIRATION, OPTION_METADATA,
	OPTION_PREFIX, OPTION_LIMIT, OPTION_CURSOR, OPTION_FORMAT, OPTION_SKIP, OPTION_KEEP,
	OPTION_PRESET, OPTION_NONE, OPTION_USER, OPTION_BYTES,
	OPTION_EXPIRES_IN, OPTION_EXPIRES_AT, OPTION_AT_ONCE, OPTION_LIST,
	OPTION_MAX_KEYS, OPTION_MAX_BYTES, OPTION_USER_MAX_KEYS, OPTION_USER_MAX_BYTES, OPTION_USER_RATE,
	OPTION_ADD, OPTION_REMOVE, OPTION_ANY, OPTION_SINCE,
	OPTION_ONCE, OPTION_INTERVAL, OPTION_COUNT,
	OPTION__COUNT
};

#define OPTION_BIT(option) (UINT64_C(1) << (option))

/* These may stand in every command. */
#define OPTIONS_EVERYWHERE (OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_CONTROL) | \
			    OPTION_BIT(OPTION_CONFIG) | OPTION_BIT(OPTION_HELP) | OPTION_BIT(OPTION_VERSION))

struct ctl_given {
	enum ctl_option option;
	const char *value;	/* NULL when it takes none */
};

struct ctl;

#define ARGUMENTS_ONE_MORE ((size_t)1 << 8)

/* A row of the table in main.c. */
struct ctl_command {
	const char *words;	/* "project create" */
	enum ctl_exit (*run)(struct ctl *ctl);
	uint64_t options;	/* mask of those it takes besides those that all take */
	size_t arguments;	/* how many words stand behind it; with ARGUMENTS_ONE_MORE, or one more */
	const char *usage;	/* what stands behind it */
	const char *summary;	/* a few words, for the list of commands */
	const char *help;	/* sentences, for its own help */
};

struct ctl {
	struct arena *arena;
	const struct ctl_command *command;
	const char **words;		/* what is no option; args_command() cuts the command's off */
	size_t n_words;
	struct ctl_given *given;	/* in the order they were given */
	size_t n_given;
	bool json;
};

/* args_read - take ARGV apart into words and options. */
enum ctl_exit args_read(struct ctl *ctl, int argc, char **argv);

/* args_command - find ctl->command among N COMMANDS, and check its options and its arguments. */
enum ctl_exit args_command(struct ctl *ctl, const struct ctl_command *commands, size_t n);

/* args_has - whether the option was given. args_value - its value, the last one given; NULL when it was not. */
bool args_has(const struct ctl *ctl, enum ctl_option option);
const char *args_value(const struct ctl *ctl, enum ctl_option option);

/* args_i64 - the option's value as a whole number from MIN to MAX; VALUE stays as it is when it was not given. */
enum ctl_exit args_i64(struct ctl *ctl, enum ctl_option option, int64_t min, int64_t max, int64_t *value);

/* args_size - the same with K, M and so on behind it. */
enum ctl_exit args_size(struct ctl *ctl, enum ctl_option option, int64_t min, int64_t max, int64_t *value);

/* args_duration - the same in seconds, with s, m, h or d behind it: minutes, hours, days. */
enum ctl_exit args_duration(struct ctl *ctl, enum ctl_option option, int64_t min, int64_t max, int64_t *seconds);

/* args_print_options - the help of the options in MASK. */
void args_print_options(uint64_t mask);

/*
 * nearest - which of the N words of WORDS may have been meant by WORD; NULL when none is near.
 * Letters that are missing, too many, wrong, or swapped with their neighbour count one each.
 */
const char *nearest(const char *word, const char *const *words, size_t n);

/* --- help.c --- */

/* help_wrap - TEXT in lines of less than 80 letters; the first one begins in COLUMN, the others in INDENT. */
void help_wrap(const char *text, size_t column, size_t indent);

/* help_print_all - the help of the whole program, or of those of N COMMANDS that begin with NOUN. */
void help_print_all(const struct ctl_command *commands, size_t n, struct str noun);

/* help_print_command - what one does, with all its options. */
void help_print_command(const struct ctl_command *command);

/* --- output.c --- */

/* ctl_fail - say what went wrong, to programs with the word CODE; answers EXIT. */
enum ctl_exit ctl_fail(const struct ctl *ctl, enum ctl_exit exit, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ctl_usage - the same for a mistake on the command line. */
enum ctl_exit ctl_usage(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ctl_warn - a sentence on standard error, whatever the outcome. */
void ctl_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ctl_print_json - DOC as a line on standard output. */
void ctl_print_json(struct ctl *ctl, json_object *doc);

/* ctl_print - S on standard output, control characters as '?': what came from elsewhere must not reach a terminal raw. */
void ctl_print(struct str s);

/*
 * ctl_print_raw - TEXT, which is JSON or a part of one of its strings, byte for byte; but where the program's output
 * is a terminal, the control characters that JSON lets through are escaped. OUT is the same in all calls.
 */
void ctl_print_raw(struct str text, FILE *out);

/* ctl_text - a formatted string in the arena. */
const char *ctl_text(struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For people: "2026-11-23 19:49:33 UTC"; "3 h 12 min"; "1.5 MiB". */
const char *ctl_time(struct ctl *ctl, int64_t seconds);
const char *ctl_duration(struct ctl *ctl, int64_t seconds);
const char *ctl_size(struct ctl *ctl, int64_t bytes);

/* ctl_no_memory - end the program. */
_Noreturn void ctl_no_memory(void);

/* ctl_bots_text - the member "bots" of PROJECT: "7342037359 (by its token)" and so on; "none". */
struct str ctl_bots_text(struct ctl *ctl, json_object *project);

/* Documents to send: these end the program when there is no memory. */
json_object *ctl_object(void);
void ctl_add(json_object *object, const char *name, json_object *value);
void ctl_add_str(json_object *object, const char *name, struct str value);
void ctl_add_i64(json_object *object, const char *name, int64_t value);

/* Documents that came: empty, 0 or false when there is no such member. */
struct str ctl_get_str(json_object *object, const char *name);
int64_t ctl_get_i64(json_object *object, const char *name);
bool ctl_get_bool(json_object *object, const char *name);

/* --- input.c --- */

/* input_read - all of FD, MAX bytes at most (the rest is left out), without one line end at its end. */
enum ctl_exit input_read(struct ctl *ctl, int fd, const char *name, size_t max, struct str *out);

/* input_bytes - all of FD to the byte; more than MAX: CTL_USAGE. */
enum ctl_exit input_bytes(struct ctl *ctl, int fd, const char *name, size_t max, struct str *out);

/* input_file - the same as input_read() of a file. */
enum ctl_exit input_file(struct ctl *ctl, const char *file, size_t max, struct str *out);

/*
 * input_bots - the bots that the options name, in their order; BOTS has room for INPUT_BOTS_MAX.
 * Tokens are read here and do not leave: only what is derived from them does. "-" is standard
 * input, where that is free for it.
 */
enum { INPUT_BOTS_MAX = 16 };
enum ctl_exit input_bots(struct ctl *ctl, bool stdin_is_free, struct bot *bots, size_t *n);

/* input_bots_add - the same, as the argument "bots" of a command; *N (NULL: not asked for) is how many. */
enum ctl_exit input_bots_add(struct ctl *ctl, json_object *args, size_t *n);

/* --- control_client.c --- */

/*
 * control_ask - send COMMAND with ARGS (taken over; NULL = none) to tmakvd. On CTL_OK *RESULT is to be
 * released; anything else has been reported.
 */
enum ctl_exit control_ask(struct ctl *ctl, const char *command, json_object *args, json_object **result);

/*
 * For those who ask by themselves: control_path - where tmakvd listens; control_line - COMMAND and ARGS (taken over; NULL =
 * none) as the line to send; control_report - say what the answer DOC says went wrong.
 */
enum ctl_exit control_path(struct ctl *ctl, const char **path);
struct str control_line(struct ctl *ctl, const char *command, json_object *args);
enum ctl_exit control_report(struct ctl *ctl, json_object *doc);

/*
 * control_open - a connection to tmakvd that speaks FastCGI as the operator; *ACCOUNT is the installation's id.
 * A server that is ending is waited for, half a minute at most, and one that is gone when it WAS_OPEN before.
 */
enum ctl_exit control_open(struct ctl *ctl, bool was_open, int *fd, struct str *account);

/* --- the commands: cmd_*.c --- */

enum ctl_exit cmd_project_create(struct ctl *ctl), cmd_project_list(struct ctl *ctl);
enum ctl_exit cmd_project_show(struct ctl *ctl), cmd_project_rename(struct ctl *ctl);
enum ctl_exit cmd_project_disable(struct ctl *ctl), cmd_project_enable(struct ctl *ctl);
enum ctl_exit cmd_project_delete(struct ctl *ctl), cmd_project_limit(struct ctl *ctl);
enum ctl_exit cmd_rules_set(struct ctl *ctl), cmd_rules_show(struct ctl *ctl), cmd_rules_test(struct ctl *ctl);
enum ctl_exit cmd_project_origins(struct ctl *ctl), cmd_project_usage(struct ctl *ctl);
enum ctl_exit cmd_key_create(struct ctl *ctl), cmd_key_list(struct ctl *ctl), cmd_key_revoke(struct ctl *ctl);
enum ctl_exit cmd_project_signing(struct ctl *ctl);
enum ctl_exit cmd_bot_list(struct ctl *ctl), cmd_bot_add(struct ctl *ctl), cmd_bot_set(struct ctl *ctl);
enum ctl_exit cmd_bot_retire(struct ctl *ctl), cmd_bot_remove(struct ctl *ctl);
enum ctl_exit cmd_revoke(struct ctl *ctl);
enum ctl_exit cmd_signing_key_list(struct ctl *ctl), cmd_signing_key_rotate(struct ctl *ctl);
enum ctl_exit cmd_signing_key_remove(struct ctl *ctl);
enum ctl_exit cmd_admin_key_create(struct ctl *ctl), cmd_admin_key_list(struct ctl *ctl);
enum ctl_exit cmd_admin_key_revoke(struct ctl *ctl);
enum ctl_exit cmd_kv_get(struct ctl *ctl), cmd_kv_put(struct ctl *ctl), cmd_kv_delete(struct ctl *ctl);
enum ctl_exit cmd_kv_list(struct ctl *ctl), cmd_kv_count(struct ctl *ctl);
enum ctl_exit cmd_kv_bulk_put(struct ctl *ctl), cmd_kv_bulk_delete(struct ctl *ctl);
enum ctl_exit cmd_export(struct ctl *ctl), cmd_import(struct ctl *ctl);
enum ctl_exit cmd_backup(struct ctl *ctl);
enum ctl_exit cmd_audit(struct ctl *ctl);
enum ctl_exit cmd_status(struct ctl *ctl), cmd_metrics(struct ctl *ctl);
enum ctl_exit cmd_top(struct ctl *ctl);
enum ctl_exit cmd_check_initdata(struct ctl *ctl), cmd_check_jwt(struct ctl *ctl);

#endif
