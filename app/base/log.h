/*
 * log.h - one JSON object a line on standard error, each in one write().
 *
 * A line has a time (RFC 3339, milliseconds, UTC), a level, a fixed sentence and
 * named fields. Never a key, a value, a token, a secret or initData: fields are
 * for numbers, our own words, file names, and errors of the system.
 * `error`: someone must act; `warn`: we coped; `info`: life cycle; `debug`: all else.
 * Any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
	const char *name;
	enum { LOG_FIELD_I64, LOG_FIELD_U64, LOG_FIELD_STR } type;
	union {
		int64_t i64;
		uint64_t u64;
		const char *c;
	};
};

#define LOG_I64(field, value) { .name = (field), .type = LOG_FIELD_I64, .i64 = (int64_t)(value) }
#define LOG_U64(field, value) { .name = (field), .type = LOG_FIELD_U64, .u64 = (uint64_t)(value) }
#define LOG_STR(field, value) { .name = (field), .type = LOG_FIELD_STR, .c = (value) }
/* The text of a system error number. */
#define LOG_ERRNO(number)     { .name = "error", .type = LOG_FIELD_STR, .c = log_strerror(number) }

/*
 * LOG_ERROR("sentence", LOG_STR("path", path), LOG_ERRNO(errno)) and so on; the
 * fields are not evaluated when the level is off.
 */
#define LOG_AT(level, ...) \
	do { \
		if (log_is_on(level)) \
			LOG_AT_(level, __VA_ARGS__, { .name = NULL }); \
	} while (0)
#define LOG_AT_(level, sentence, ...) \
	log_write(level, sentence, (const struct log_field[]){ __VA_ARGS__ })
#define LOG_ERROR(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define LOG_WARN(...)  LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define LOG_INFO(...)  LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_DEBUG(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * log_open - what to write from now on; before there are threads. PROGRAM stands in
 * each line ("tmakvd", "tmakvd server") and is not copied. When standard error is the
 * journal (JOURNAL_STREAM names it), lines carry journald's <N> prefix.
 */
void log_open(const char *program, enum log_level level);

bool log_is_on(enum log_level level);

/* log_level_read - "error", "warn", "info", "debug". */
bool log_level_read(const char *word, enum log_level *level);

/*
 * log_write - FIELDS end with one whose name is NULL. Use the macros. Long strings
 * are cut, bytes that are no UTF-8 become U+FFFD, and fields for which the line has
 * no room are left out, with "cut":true in their place. errno stays as it was.
 */
void log_write(enum log_level level, const char *sentence, const struct log_field *fields);

/* log_strerror - as strerror(), but safe in any thread; valid until this thread's next call. */
const char *log_strerror(int number);

#endif
