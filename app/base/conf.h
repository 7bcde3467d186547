/*
 * conf.h - the settings. One table (conf.c) holds each setting's name, type,
 * default, bounds and help; parser, checks and `tmakvd --help` follow from it.
 *
 * The file is lines of `name = value`; lines that begin with '#' are comments,
 * blank lines are fine, a setting named twice is an error. Sizes take K, M, G, T
 * (1024); a value goes to the end of the line, without the white space around it.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct conf {
	/* where things are */
	char *data_dir;			/* databases; a directory of mode 0700 */
	char *log_dir;			/* write-ahead log; empty: DATA_DIR/log */
	char *listen;			/* FastCGI socket: an absolute path */
	int64_t listen_mode;		/* its permissions, octal */
	char *listen_group;		/* its group, the front server's; empty: ours */
	int64_t backlog;		/* connections that wait while nobody accepts */
	char *control;			/* control socket for tmakvctl: an absolute path, 0600 */

	/* the worker pool */
	int64_t workers;		/* event loops; 0 = half the cores, at least one */
	int64_t slow_threads;		/* threads of the slow lane */
	int64_t connections;		/* most connections at once, over all workers */
	int64_t stop_ms;		/* longest time a stop may take for requests in flight */

	/* the store */
	int64_t cache_size;		/* bytes of Berkeley DB cache */
	int64_t checkpoint_size;	/* bytes of log between two checkpoints */
	int64_t checkpoint_s;		/* seconds between two checkpoints */
	int64_t ballast_size;		/* bytes kept to be released when the disk is full */
	int64_t reserve_size;		/* writes are refused below this much free space */

	/* defaults for projects */
	int64_t value_limit;		/* bytes of a value */
	int64_t write_limit;		/* writes per second and key; 0 = none */
	int64_t min_ttl_s;		/* shortest time to live a client may ask for */
	int64_t init_data_age_s;	/* oldest initData that validates */
	int64_t token_life_s;		/* life of a session token */

	/* tokens */
	char *issuer;			/* "iss" of session tokens */
	int64_t signing_key_life_s;	/* age at which another signing key takes over; 0 = by command only */
	int64_t token_cache;		/* verified tokens kept in memory */

	int64_t audit_days;		/* what operators did is kept so long; 0 = for ever */
	char *log_level;		/* error, warn, info, debug */
};

/* What is wrong, for a person: "FILE:LINE: NAME: why". */
struct conf_error {
	char text[512];
};

/*
 * conf_defaults - every setting at its default. Ends the program when there is
 * no memory, like the other functions here: they run at start only.
 */
void conf_defaults(struct conf *conf);

/*
 * conf_read - the settings of FILE over the defaults. On false *ERROR names file,
 * line and setting, and *CONF is left empty.
 */
bool conf_read(struct conf *conf, const char *file, struct conf_error *error);

/*
 * conf_read_text - the same from N bytes of TEXT (no NUL needed), called NAME in errors.
 * This is what the fuzzer calls.
 */
bool conf_read_text(struct conf *conf, const char *name, const char *text, size_t n,
		    struct conf_error *error);

/* conf_read_fd - the same from an open file, called NAME in errors. From its first byte; its offset stays where it is. */
bool conf_read_fd(struct conf *conf, const char *name, int fd, struct conf_error *error);

/* conf_clear - free what the settings hold. */
void conf_clear(struct conf *conf);

/* conf_print - what differs from the defaults, in the lines of a file: reading them gives the same settings. */
void conf_print(const struct conf *conf, FILE *out);

bool conf_is_same(const struct conf *a, const struct conf *b);

/*
 * conf_keep_fixed - CONF keeps the value that RUNNING has of each setting that only a stop and a start can change.
 * Whether one differed; then NAMES, of SIZE bytes, has their names ("listen, backlog").
 */
bool conf_keep_fixed(struct conf *conf, const struct conf *running, char *names, size_t size);

/* What ends a line of conf_print_help() when a reload does not change the setting. */
#define CONF_START_ONLY "; needs a stop and a start"

/* conf_print_help - the table: name, default, help, bounds, and when a change takes effect; one setting a line. */
void conf_print_help(FILE *out);

#endif
