/*
 * conf.c - the table of settings, and the reader, checks and help made from it.
 *
 * A new setting is a field in conf.h, a row here, and its lines in conf/tmakv.conf
 * (a test compares them). Runs at start, in one thread.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/str.h"

/* MIN and MAX bound a number, or the bytes of a text: a text of MIN 0 may be empty. */
enum option_type { OPT_INT, OPT_SIZE, OPT_MODE, OPT_PATH, OPT_TEXT, OPT_LEVEL };

/*
 * When a change takes effect. A reload replaces the server, but the sockets stay as they were made, and the data
 * where they are: whoever moves them must stop the server first.
 */
enum option_use { RELOAD, START };

struct option {
	const char *name;
	enum option_type type;
	enum option_use use;
	size_t where;
	const char *preset;
	uint64_t min, max;
	const char *help;
};

#define K ((uint64_t)1024)
#define M (K * K)
#define G (K * M)
#define T (K * G)
#define WHERE(field) offsetof(struct conf, field)

/* The longest names that the kernel takes for a Unix socket; and, for us, for a directory with what we put into it. */
enum { SOCKET_MAX = 107, PATH_LIMIT = 1023 };

static const struct option options[] = {
	/* name             type        use     where                   default                    min    max         help */
	{ "data_dir",        OPT_PATH,   START,  WHERE(data_dir),        "/var/lib/tmakv",          1,     PATH_LIMIT, "databases, a directory of mode 0700" },
	{ "log_dir",         OPT_PATH,   START,  WHERE(log_dir),         "",                        0,     PATH_LIMIT, "write-ahead log; empty = log/ in data_dir" },
	{ "listen",          OPT_PATH,   START,  WHERE(listen),          "/run/tmakv/tmakv.sock",   1,     SOCKET_MAX, "FastCGI socket for the front server" },
	{ "listen_mode",     OPT_MODE,   START,  WHERE(listen_mode),     "0660",                    0,     0777,       "permissions of the FastCGI socket" },
	{ "listen_group",    OPT_TEXT,   START,  WHERE(listen_group),    "",                        0,     255,        "group of the FastCGI socket; empty = the daemon's" },
	{ "backlog",         OPT_INT,    START,  WHERE(backlog),         "4096",                    1,     65535,      "connections that wait while nobody accepts" },
	{ "control",         OPT_PATH,   START,  WHERE(control),         "/run/tmakv/control.sock", 1,     SOCKET_MAX, "control socket for tmakvctl" },
	{ "workers",         OPT_INT,    RELOAD, WHERE(workers),         "0",                       0,     64,         "event loops; 0 = half the cores" },
	{ "slow_threads",    OPT_INT,    RELOAD, WHERE(slow_threads),    "4",                       1,     32,         "threads for bulk calls and large bodies" },
	{ "connections",     OPT_INT,    RELOAD, WHERE(connections),     "16384",                   16,    1000000,    "most connections at once" },
	{ "stop_ms",         OPT_INT,    RELOAD, WHERE(stop_ms),         "15000",                   100,   600000,     "milliseconds a stop may take" },
	{ "cache_size",      OPT_SIZE,   RELOAD, WHERE(cache_size),      "64M",                     M,     T,          "memory for the database cache" },
	{ "checkpoint_size", OPT_SIZE,   RELOAD, WHERE(checkpoint_size), "32M",                     M,     G,          "log between two checkpoints" },
	{ "checkpoint_s",    OPT_INT,    RELOAD, WHERE(checkpoint_s),    "10",                      1,     3600,       "seconds between two checkpoints" },
	{ "ballast_size",    OPT_SIZE,   RELOAD, WHERE(ballast_size),    "64M",                     0,     16 * G,     "disk space kept to be released when the disk is full" },
	{ "reserve_size",    OPT_SIZE,   RELOAD, WHERE(reserve_size),    "64M",                     0,     K * T,      "writes are refused below this much free space" },
	{ "value_limit",     OPT_SIZE,   RELOAD, WHERE(value_limit),     "131072",                  1,     25 * M,     "bytes of a value" },
	{ "write_limit",     OPT_INT,    RELOAD, WHERE(write_limit),     "1000",                    0,     1000000,    "writes a second and key; 0 = no limit" },
	{ "min_ttl_s",       OPT_INT,    RELOAD, WHERE(min_ttl_s),       "60",                      1,     86400,      "shortest time to live a client may ask for, seconds" },
	{ "init_data_age_s", OPT_INT,    RELOAD, WHERE(init_data_age_s), "86400",                   60,    604800,     "oldest initData that signs in, seconds" },
	{ "token_life_s",    OPT_INT,    RELOAD, WHERE(token_life_s),    "86400",                   60,    2592000,    "life of a session token, seconds" },
	{ "issuer",          OPT_TEXT,   RELOAD, WHERE(issuer),          "tmakv",                   1,     255,        "\"iss\" of session tokens" },
	{ "signing_key_life_s", OPT_INT, RELOAD, WHERE(signing_key_life_s), "7776000",              0,     315360000,  "age at which another key signs tokens, seconds; 0 = by command only" },
	{ "token_cache",     OPT_INT,    RELOAD, WHERE(token_cache),     "16384",                   0,     1000000,    "verified tokens kept in memory" },
	{ "audit_days",      OPT_INT,    RELOAD, WHERE(audit_days),      "365",                     0,     36500,      "days that the audit log is kept; 0 = for ever" },
	{ "log_level",       OPT_LEVEL,  RELOAD, WHERE(log_level),       "info",                    1,     16,         "error, warn, info or debug" },
};
enum { OPTIONS = sizeof options / sizeof options[0] };

enum { FILE_MAX = 1024 * 1024, SHOWN = 64 };

/* The text being read, and where an error would be. */
struct reading {
	struct conf *conf;
	const char *name;
	size_t line;
	size_t seen[OPTIONS];		/* the line each setting stood in; 0 = not yet */
	struct conf_error *error;
};

static bool refuse(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The error of this line; always false. */
static bool refuse(struct reading *r, const char *format, ...)
{
	size_t size = sizeof r->error->text, n;
	va_list args;

	n = (size_t)snprintf(r->error->text, size, "%.200s:%zu: ", r->name, r->line);
	va_start(args, format);
	vsnprintf(r->error->text + n, size - n, format, args);
	va_end(args);
	return false;
}

/* S cut to what an error may show, at the end of a character. */
static struct str shown(struct str s)
{
	size_t n = s.n;

	if (n > SHOWN)
		for (n = SHOWN; n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80; n--)
			;
	return str_make(s.p, n);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct str trim(struct str s)
{
	while (s.n != 0 && is_space(s.p[0]))
		s = str_skip(s, 1);
	while (s.n != 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

static int64_t *number_at(struct conf *conf, const struct option *option)
{
	return (int64_t *)(void *)((char *)conf + option->where);
}

static char **text_at(struct conf *conf, const struct option *option)
{
	return (char **)(void *)((char *)conf + option->where);
}

static bool is_number(const struct option *option)
{
	return option->type == OPT_INT || option->type == OPT_SIZE || option->type == OPT_MODE;
}

static bool mode_read(struct str s, uint64_t *out)
{
	uint64_t mode = 0;

	if (s.n == 0 || s.n > 4)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '7')
			return false;
		mode = mode * 8 + (uint64_t)(s.p[i] - '0');
	}
	*out = mode;
	return true;
}

/* A size as a person would write it: the largest unit that divides it. */
static const char *size_print(uint64_t size, char text[24])
{
	static const char *const letters[] = { "", "K", "M", "G", "T" };
	size_t i = 0;

	while (size != 0 && size % K == 0 && i + 1 < sizeof letters / sizeof letters[0]) {
		size /= K;
		i++;
	}
	snprintf(text, 24, "%" PRIu64 "%s", size, letters[i]);
	return text;
}

static bool set_number(struct reading *r, const struct option *option, struct str value)
{
	char min[24], max[24];
	uint64_t number;
	bool ok;

	switch (option->type) {
	case OPT_SIZE:
		ok = str_to_size(value, 0, INT64_MAX, &number);
		break;
	case OPT_MODE:
		ok = mode_read(value, &number);
		break;
	default:
		ok = str_to_u64(value, 0, INT64_MAX, &number);
		break;
	}
	if (ok && number >= option->min && number <= option->max) {
		*number_at(r->conf, option) = (int64_t)number;
		return true;
	}
	value = shown(value);
	if (option->type == OPT_SIZE)
		return refuse(r, "%s: '%.*s' is not a size from %s to %s (bytes, or with K, M, G, T)", option->name,
			      STR(value), size_print(option->min, min), size_print(option->max, max));
	if (option->type == OPT_MODE)
		return refuse(r, "%s: '%.*s' is not a mode of octal digits, such as 0660", option->name, STR(value));
	return refuse(r, "%s: '%.*s' is not a whole number from %" PRIu64 " to %" PRIu64, option->name,
		      STR(value), option->min, option->max);
}

/* What is wrong with VALUE, or NULL. */
static const char *text_fault(const struct option *option, const char *value)
{
	enum log_level level;

	if (option->type == OPT_PATH && value[0] != '\0' && value[0] != '/')
		return "is not an absolute path";
	if (option->type == OPT_LEVEL && !log_level_read(value, &level))
		return "is not one of error, warn, info, debug";
	return NULL;
}

static bool set_text(struct reading *r, const struct option *option, struct str value)
{
	const char *fault;
	char *copy;

	if (value.n == 0 && option->min > 0)
		return refuse(r, "%s: must not be empty", option->name);
	if (value.n > option->max)
		return refuse(r, "%s: %zu bytes are too long, at most %" PRIu64 " are possible", option->name, value.n, option->max);
	copy = strndup(value.n == 0 ? "" : value.p, value.n);
	if (copy == NULL)
		abort();
	fault = text_fault(option, copy);
	if (fault != NULL) {
		free(copy);
		value = shown(value);
		return refuse(r, "%s: '%.*s' %s", option->name, STR(value), fault);
	}
	free(*text_at(r->conf, option));
	*text_at(r->conf, option) = copy;
	return true;
}

static bool set(struct reading *r, const struct option *option, struct str value)
{
	return is_number(option) ? set_number(r, option, value) : set_text(r, option, value);
}

/* How many letters must be added, removed or replaced to make one of the other. */
static size_t distance(struct str a, struct str b)
{
	size_t row[SHOWN + 1];

	for (size_t k = 0; k <= b.n; k++)
		row[k] = k;
	for (size_t i = 0; i < a.n; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t k = 0; k < b.n; k++) {
			size_t best = corner + (a.p[i] != b.p[k]);

			corner = row[k + 1];
			if (corner + 1 < best)
				best = corner + 1;
			if (row[k] + 1 < best)
				best = row[k] + 1;
			row[k + 1] = best;
		}
	}
	return row[b.n];
}

/* There is no setting NAME: say so, and which one may have been meant. */
static bool refuse_name(struct reading *r, struct str name)
{
	const char *nearest = NULL;
	size_t best = name.n / 2 + 1;

	name = shown(name);
	for (size_t i = 0; i < OPTIONS; i++) {
		size_t d = distance(name, str_c(options[i].name));

		if (d < best) {
			best = d;
			nearest = options[i].name;
		}
	}
	if (nearest == NULL)
		return refuse(r, "%.*s: there is no such setting", STR(name));
	return refuse(r, "%.*s: there is no such setting; did you mean '%s'?", STR(name), nearest);
}

/* White space and then '#': meant as a comment, but values go to the end of the line. */
static bool has_comment(struct str value)
{
	for (size_t i = 1; i < value.n; i++)
		if (value.p[i] == '#' && is_space(value.p[i - 1]))
			return true;
	return false;
}

static bool is_text(struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if (((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
			return false;
	return str_is_utf8(line);
}

static bool read_setting(struct reading *r, struct str name, struct str value)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		if (!str_eq(name, str_c(options[i].name)))
			continue;
		if (r->seen[i] != 0)
			return refuse(r, "%s: stands in line %zu already", options[i].name, r->seen[i]);
		r->seen[i] = r->line;
		if (has_comment(value))
			return refuse(r, "%s: a comment needs a line of its own", options[i].name);
		return set(r, &options[i], value);
	}
	return refuse_name(r, name);
}

static bool read_line(struct reading *r, struct str line)
{
	struct str name, value;

	line = trim(line);
	if (!is_text(line))
		return refuse(r, "not a line of text (UTF-8 without control characters)");
	if (line.n == 0 || line.p[0] == '#')
		return true;
	if (!str_cut(line, '=', &name, &value)) {
		line = shown(line);
		return refuse(r, "'%.*s' is not 'name = value'", STR(line));
	}
	return read_setting(r, trim(name), trim(value));
}

void conf_defaults(struct conf *conf)
{
	struct conf_error error;
	struct reading r = { .conf = conf, .name = "default", .error = &error };

	memset(conf, 0, sizeof *conf);
	for (size_t i = 0; i < OPTIONS; i++)
		if (!set(&r, &options[i], str_c(options[i].preset)))
			abort();	/* our own table, and a test reads it */
}

bool conf_read_text(struct conf *conf, const char *name, const char *text, size_t n,
		    struct conf_error *error)
{
	struct reading r = { .conf = conf, .name = name, .error = error };
	struct str rest = str_make(text, n);

	conf_defaults(conf);
	while (rest.n != 0) {
		struct str line;

		r.line++;
		str_cut(rest, '\n', &line, &rest);
		if (!read_line(&r, line)) {
			conf_clear(conf);
			return false;
		}
	}
	return true;
}

/* The bytes of the file open as FD, from its first, to be freed; NULL and errno when it cannot be read. */
static char *fd_read(int fd, size_t *n)
{
	char *text = malloc(FILE_MAX + 1);
	ssize_t got;

	if (text == NULL)
		abort();
	*n = 0;
	while ((got = pread(fd, text + *n, FILE_MAX + 1 - *n, (off_t)*n)) > 0 || (got < 0 && errno == EINTR))
		*n += got < 0 ? 0 : (size_t)got;
	if (got == 0 && *n <= FILE_MAX)
		return text;
	free(text);
	errno = got < 0 ? errno : EFBIG;
	return NULL;
}

/* The bytes of FILE, to be freed; NULL and errno when it cannot be read. */
static char *file_read(const char *file, size_t *n)
{
	FILE *in = fopen(file, "re");
	char *text = NULL;
	int why;

	if (in == NULL)
		return NULL;
	text = malloc(FILE_MAX + 1);
	if (text == NULL)
		abort();
	*n = fread(text, 1, FILE_MAX + 1, in);
	why = ferror(in) != 0 ? errno : *n > FILE_MAX ? EFBIG : 0;
	fclose(in);
	if (why != 0) {
		free(text);
		errno = why;
		return NULL;
	}
	return text;
}

/* The settings of TEXT, which is freed. NULL: errno says why it could not be read. */
static bool take_text(struct conf *conf, const char *name, char *text, size_t n, struct conf_error *error)
{
	bool ok;

	if (text == NULL) {
		snprintf(error->text, sizeof error->text, "%.200s: %s", name, log_strerror(errno));
		memset(conf, 0, sizeof *conf);
		return false;
	}
	ok = conf_read_text(conf, name, text, n, error);
	free(text);
	return ok;
}

bool conf_read(struct conf *conf, const char *file, struct conf_error *error)
{
	size_t n = 0;
	char *text = file_read(file, &n);

	return take_text(conf, file, text, n, error);
}

bool conf_read_fd(struct conf *conf, const char *name, int fd, struct conf_error *error)
{
	size_t n = 0;
	char *text = fd_read(fd, &n);

	return take_text(conf, name, text, n, error);
}

/* The value of OPTION as it stands in a file. */
static const char *value_print(const struct conf *conf, const struct option *option, char number[24])
{
	/* Neither is changed. */
	struct conf *from = (struct conf *)(uintptr_t)conf;

	if (!is_number(option))
		return *text_at(from, option);
	if (option->type == OPT_SIZE)
		return size_print((uint64_t)*number_at(from, option), number);
	snprintf(number, 24, option->type == OPT_MODE ? "%04" PRIo64 : "%" PRId64, *number_at(from, option));
	return number;
}

static bool is_same(const struct conf *a, const struct conf *b, const struct option *option)
{
	char one[24], other[24];

	return strcmp(value_print(a, option, one), value_print(b, option, other)) == 0;
}

bool conf_is_same(const struct conf *a, const struct conf *b)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (!is_same(a, b, &options[i]))
			return false;
	return true;
}

void conf_print(const struct conf *conf, FILE *out)
{
	struct conf presets;
	char number[24];

	conf_defaults(&presets);
	for (size_t i = 0; i < OPTIONS; i++)
		if (!is_same(conf, &presets, &options[i]))
			fprintf(out, "%s = %s\n", options[i].name, value_print(conf, &options[i], number));
	conf_clear(&presets);
}

/* TO gets the value that FROM has. */
static void copy_value(struct conf *to, const struct conf *from, const struct option *option)
{
	struct conf_error error;
	struct reading r = { .conf = to, .name = "", .error = &error };
	char number[24];

	if (!set(&r, option, str_c(value_print(from, option, number))))
		abort();	/* it was set there once */
}

bool conf_keep_fixed(struct conf *conf, const struct conf *running, char *names, size_t size)
{
	size_t n = 0;

	names[0] = '\0';
	for (size_t i = 0; i < OPTIONS; i++) {
		if (options[i].use != START || is_same(conf, running, &options[i]))
			continue;
		if (n < size)
			n += (size_t)snprintf(names + n, size - n, "%s%s", n == 0 ? "" : ", ", options[i].name);
		copy_value(conf, running, &options[i]);
	}
	return n != 0;
}

void conf_clear(struct conf *conf)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (!is_number(&options[i]))
			free(*text_at(conf, &options[i]));
	memset(conf, 0, sizeof *conf);
}

void conf_print_help(FILE *out)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *option = &options[i];
		char min[24], max[24], bounds[64] = "";

		if (option->type == OPT_SIZE)
			snprintf(bounds, sizeof bounds, " (%s to %s)", size_print(option->min, min),
				 size_print(option->max, max));
		else if (option->type == OPT_INT)
			snprintf(bounds, sizeof bounds, " (%" PRIu64 " to %" PRIu64 ")", option->min, option->max);
		fprintf(out, "  %-15s = %-24s %s%s%s\n", option->name, option->preset, option->help, bounds,
			option->use == START ? CONF_START_ONLY : "");
	}
}
