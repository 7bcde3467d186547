/*
 * log.c - one line of JSON for one thing that happened.
 *
 * A line is put together on the caller's stack and leaves in one write(), so any
 * thread may log at any time and lines never mix: that is what the kernel promises
 * for pipes up to 4096 bytes, and for the journal's socket. What log_open() sets
 * is only read afterwards.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/log.h"
#include "base/str.h"

enum {
	LINE_SIZE = 4096,
	TAIL_SIZE = 16,		/* kept free for what ends a line: ,"cut":true} LF */
	STRING_MAX = 512,	/* bytes of a string that are shown */
};

struct line {
	size_t n;
	bool full;
	char text[LINE_SIZE];
};

static const char *program = "tmakv";
static enum log_level most = LOG_LEVEL_INFO;
static bool to_journal;

static const struct {
	const char *word;
	int priority;		/* as syslog counts */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN]  = { "warn", 4 },
	[LOG_LEVEL_INFO]  = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

/* JOURNAL_STREAM is "device:inode" of the journal's stream; our standard error may be another file by now. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[48];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, ours) == 0;
}

void log_open(const char *name, enum log_level level)
{
	program = name;
	most = level;
	to_journal = stderr_is_journal();
}

bool log_is_on(enum log_level level)
{
	return level <= most;
}

bool log_level_read(const char *word, enum log_level *level)
{
	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		if (strcmp(word, levels[i].word) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static void add(struct line *line, struct str s)
{
	if (line->full || s.n > LINE_SIZE - TAIL_SIZE - line->n) {
		line->full = true;
		return;
	}
	memcpy(line->text + line->n, s.p, s.n);
	line->n += s.n;
}

static void add_char(struct line *line, struct str c)
{
	static const char replacement[] = "\xef\xbf\xbd";
	unsigned char byte = (unsigned char)c.p[0];

	if (c.n == 0) {
		add(line, str_c(replacement));
	} else if (byte == '"' || byte == '\\') {
		add(line, str_make((const char[]){ '\\', (char)byte }, 2));
	} else if (byte < 0x20 || byte == 0x7f) {
		char text[6] = { '\\', 'u', '0', '0' };

		hex_encode(&byte, 1, text + 4);
		add(line, str_make(text, sizeof text));
	} else {
		add(line, c);
	}
}

static void add_string(struct line *line, const char *c)
{
	struct str s = c == NULL ? STR_LIT("(null)") : str_make(c, strnlen(c, STRING_MAX + 1));
	size_t shown = 0;

	add(line, STR_LIT("\""));
	while (s.n != 0) {
		size_t n = str_utf8_char(s);

		shown += n == 0 ? 1 : n;
		if (shown > STRING_MAX) {
			add(line, STR_LIT("..."));
			break;
		}
		add_char(line, str_make(s.p, n));
		s = str_skip(s, n == 0 ? 1 : n);
	}
	add(line, STR_LIT("\""));
}

static void add_value(struct line *line, const struct log_field *field)
{
	char number[24];

	switch (field->type) {
	case LOG_FIELD_I64:
		snprintf(number, sizeof number, "%" PRId64, field->i64);
		add(line, str_c(number));
		break;
	case LOG_FIELD_U64:
		snprintf(number, sizeof number, "%" PRIu64, field->u64);
		add(line, str_c(number));
		break;
	case LOG_FIELD_STR:
		add_string(line, field->c);
		break;
	}
}

/* A field stands in the line whole or not at all. */
static void add_field(struct line *line, const struct log_field *field)
{
	size_t before = line->n;

	add(line, STR_LIT(","));
	add_string(line, field->name);
	add(line, STR_LIT(":"));
	add_value(line, field);
	if (line->full)
		line->n = before;
}

static void add_start(struct line *line, enum log_level level)
{
	char text[96];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	if (to_journal) {
		snprintf(text, sizeof text, "<%d>", levels[level].priority);
		add(line, str_c(text));
	}
	snprintf(text, sizeof text, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\"",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 now.tv_nsec / 1000000, levels[level].word);
	add(line, str_c(text));
}

void log_write(enum log_level level, const char *sentence, const struct log_field *fields)
{
	int saved = errno;
	struct line line;

	line.n = 0;
	line.full = false;
	add_start(&line, level);
	add_field(&line, &(struct log_field)LOG_STR("program", program));
	add_field(&line, &(struct log_field)LOG_STR("msg", sentence));
	for (; fields->name != NULL; fields++)
		add_field(&line, fields);

	/* The room for this was kept free. */
	if (line.full) {
		memcpy(line.text + line.n, ",\"cut\":true", 11);
		line.n += 11;
	}
	memcpy(line.text + line.n, "}\n", 2);
	line.n += 2;

	/* A log that cannot be written has nobody to tell. */
	while (write(STDERR_FILENO, line.text, line.n) < 0 && errno == EINTR)
		;
	errno = saved;
}

const char *log_strerror(int number)
{
	static _Thread_local char text[128];

	return strerror_r(number, text, sizeof text);
}
