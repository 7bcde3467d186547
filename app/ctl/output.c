/*
 * output.c - what tmakvctl says, to people and to programs.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/progress.h"
#include "ctl/table.h"

_Noreturn void ctl_no_memory(void)
{
	fputs("tmakvctl: out of memory\n", stderr);
	exit(CTL_INTERNAL);
}

static void say(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void say(const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof text, format, args);
	progress_hide();
	fputs("tmakvctl: ", stderr);
	table_write(str_c(text), stderr);
	putc('\n', stderr);
}

void ctl_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

/* {"ok":false,...}, as the server would have said it. */
static void say_json(const struct ctl *ctl, const char *code, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

static void say_json(const struct ctl *ctl, const char *code, const char *format, va_list args)
{
	json_object *doc = ctl_object();
	char text[1024];
	struct str line;

	vsnprintf(text, sizeof text, format, args);
	ctl_add(doc, "ok", json_object_new_boolean(false));
	ctl_add_str(doc, "code", str_c(code));
	ctl_add_str(doc, "error", str_is_utf8(str_c(text)) ? str_c(text) : STR_LIT("not a sentence in UTF-8"));
	line = jdoc_text(doc, ctl->arena);
	if (line.p == NULL)
		ctl_no_memory();
	printf("%.*s\n", STR(line));
	json_object_put(doc);
}

enum ctl_exit ctl_fail(const struct ctl *ctl, enum ctl_exit exit, const char *code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (ctl->json)
		say_json(ctl, code, format, args);
	else
		say(format, args);
	va_end(args);
	return exit;
}

enum ctl_exit ctl_usage(const struct ctl *ctl, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (ctl->json)
		say_json(ctl, "usage", format, args);
	else
		say(format, args);
	va_end(args);
	return CTL_USAGE;
}

void ctl_print_json(struct ctl *ctl, json_object *doc)
{
	struct str text = jdoc_text(doc, ctl->arena);

	if (text.p == NULL)
		ctl_no_memory();
	fwrite(text.p, 1, text.n, stdout);
	putchar('\n');
}

void ctl_print(struct str s)
{
	table_write(s, stdout);
}

/* DEL, and U+0080 to U+009F, which terminals obey as well: escaped. All else stays. */
static void print_tamed(struct str text, FILE *out)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i], next = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;

		if (c == 0x7f) {
			fputs("\\u007f", out);
		} else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
			fprintf(out, "\\u%04x", next);
			i++;
		} else {
			putc(c, out);
		}
	}
}

void ctl_print_raw(struct str text, FILE *out)
{
	static int is_terminal = -1;

	if (is_terminal < 0)
		is_terminal = isatty(fileno(out));
	if (is_terminal)
		print_tamed(text, out);
	else if (text.n != 0)
		fwrite(text.p, 1, text.n, out);
}

const char *ctl_text(struct ctl *ctl, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = n < 0 ? NULL : arena_alloc(ctl->arena, (size_t)n + 1);
	if (text == NULL)
		ctl_no_memory();
	va_start(args, format);
	vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return text;
}

const char *ctl_time(struct ctl *ctl, int64_t seconds)
{
	time_t time = (time_t)seconds;
	struct tm tm;
	char text[40];

	if (gmtime_r(&time, &tm) == NULL || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		return ctl_text(ctl, "%" PRId64, seconds);
	return ctl_text(ctl, "%s", text);
}

const char *ctl_duration(struct ctl *ctl, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	size_t i = 0;
	int64_t rest;

	while (i < 3 && seconds < units[i].seconds)
		i++;
	rest = i < 3 ? seconds % units[i].seconds / units[i + 1].seconds : 0;
	if (rest == 0)
		return ctl_text(ctl, "%" PRId64 " %s", seconds / units[i].seconds, units[i].name);
	return ctl_text(ctl, "%" PRId64 " %s %" PRId64 " %s", seconds / units[i].seconds, units[i].name,
			rest, units[i + 1].name);
}

const char *ctl_size(struct ctl *ctl, int64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
	double size = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024)
		return ctl_text(ctl, "%" PRId64 " bytes", bytes);
	for (; size >= 1024 && i + 1 < sizeof units / sizeof units[0]; i++)
		size /= 1024;
	return ctl_text(ctl, "%.1f %s", size, units[i]);
}

json_object *ctl_object(void)
{
	json_object *object = json_object_new_object();

	if (object == NULL)
		ctl_no_memory();
	return object;
}

void ctl_add(json_object *object, const char *name, json_object *value)
{
	if (value == NULL || json_object_object_add(object, name, value) != 0)
		ctl_no_memory();
}

void ctl_add_str(json_object *object, const char *name, struct str value)
{
	if (!jdoc_add_str(object, name, value))
		ctl_no_memory();
}

void ctl_add_i64(json_object *object, const char *name, int64_t value)
{
	if (!jdoc_add_i64(object, name, value))
		ctl_no_memory();
}

struct str ctl_get_str(json_object *object, const char *name)
{
	struct str value = STR_LIT("");

	jdoc_str(object, name, &value);
	return value;
}

int64_t ctl_get_i64(json_object *object, const char *name)
{
	int64_t value = 0;

	jdoc_i64(object, name, &value);
	return value;
}

bool ctl_get_bool(json_object *object, const char *name)
{
	bool value = false;

	jdoc_bool(object, name, &value);
	return value;
}
