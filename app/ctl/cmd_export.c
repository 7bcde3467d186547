/*
 * cmd_export.c - tmakvctl export: all keys of a project, with their values, as a stream.
 *
 * A page of names, then their values in one request; what cannot be had in one is asked for in halves. A value
 * comes as base64 and leaves as text where it is UTF-8 (and not mostly escapes). Keys and metadata are passed on
 * as they are written (jraw.h). A page is written whole or not at all where the output can be cut back, so a
 * cursor is where to go on.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/b64.h"
#include "base/jraw.h"
#include "base/jtext.h"
#include "ctl/progress.h"
#include "ctl/remote.h"
#include "ctl/stop.h"

enum {
	PAGE = 100,			/* what the server gives the values of in one request */
	PAGE_ARENA = 4 << 20,
	CURSOR_MAX = 1023,
	TEXT_MAX = 64 << 20,		/* escapes make control characters six times longer: an import must take the item */
	OUT_BUFFER = 1 << 20
};

struct export {
	struct ctl *ctl;
	struct remote remote;
	struct progress progress;
	const char *prefix;
	bool as_array;			/* wrangler's bulk format, else JSON lines */

	struct arena *page;		/* of the page under way: names and cursors */
	struct str names[PAGE];		/* with their quotes */
	size_t n_names;
	char cursor[CURSOR_MAX + 1];	/* where the page under way begins; "" = the first */
	char next[CURSOR_MAX + 1];	/* and the one behind it; "" = there is none */

	FILE *out;
	off_t begun;			/* of the output: where the page begins; -1: it cannot be cut back */
	bool continues;			/* there are items in the array already */
	uint64_t n_keys, n_bytes;
};

/* --- the output --- */

/* S, which is UTF-8, as a JSON string. */
static void write_string(FILE *out, struct str s)
{
	size_t plain = 0;

	putc('"', out);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		ctl_print_raw(str_make(s.p + plain, i - plain), out);
		plain = i + 1;
		if (c == '\n')
			fputs("\\n", out);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			fprintf(out, "\\%c", c);
	}
	ctl_print_raw(str_skip(s, plain), out);
	putc('"', out);
}

/* The value: TEXT is it in base64, and may be overwritten. */
static enum ctl_exit write_value(struct export *export, struct str text)
{
	struct str before = text;
	uint8_t *bytes = arena_alloc(export->remote.arena, B64_ROOM(text.n) + 1);
	size_t n;

	if (bytes == NULL)
		ctl_no_memory();
	if (!b64_decode(text, bytes, &n))
		return ctl_fail(export->ctl, CTL_INTERNAL, "internal", "a value that came is not base64");
	export->n_bytes += n;
	if (str_is_utf8(str_make(bytes, n)) && jtext_quoted_len(str_make(bytes, n)) <= TEXT_MAX)
		write_string(export->out, str_make(bytes, n));
	else
		fprintf(export->out, "\"%.*s\",\"base64\":true", STR(before));
	return CTL_OK;
}

/* One key: NAME with its quotes, and {"value":...,"metadata":...,"expiration":...}. */
static enum ctl_exit write_item(struct export *export, struct str name, struct str got)
{
	struct str metadata = jraw_member(got, "metadata"), expiration = jraw_member(got, "expiration");
	enum ctl_exit exit;

	if (export->as_array)
		fputs(export->continues ? ",\n" : "[\n", export->out);
	export->continues = true;
	fputs("{\"key\":", export->out);
	ctl_print_raw(name, export->out);
	fputs(",\"value\":", export->out);
	if ((exit = write_value(export, jraw_inside(jraw_member(got, "value")))) != CTL_OK)
		return exit;
	if (expiration.n != 0 && !str_eq(expiration, STR_LIT("null")))
		fprintf(export->out, ",\"expiration\":%.*s", STR(expiration));
	if (metadata.n != 0 && !str_eq(metadata, STR_LIT("null"))) {
		fputs(",\"metadata\":", export->out);
		ctl_print_raw(metadata, export->out);
	}
	fputs(export->as_array ? "}" : "}\n", export->out);
	export->n_keys++;
	return CTL_OK;
}

static enum ctl_exit out_failed(struct export *export)
{
	return ctl_fail(export->ctl, CTL_IO, "io", "the output cannot be written: %s", strerror(errno));
}

/* --- values --- */

/* Ask for the values of N names from AT on. *TOO_MUCH: not in one answer. */
static enum ctl_exit get_values(struct export *export, size_t at, size_t n, bool *too_much)
{
	struct remote *remote = &export->remote;
	struct fcgi_request request;
	struct fcgi_answer answer;
	struct str name, got;
	struct buf uri, body;
	struct jraw walk;
	size_t bad_at;
	enum ctl_exit exit;

	arena_reset(remote->arena);
	remote_uri(remote, &uri, "bulk/get");
	buf_init(&body, remote->arena, PAGE_ARENA);
	buf_add_c(&body, "{\"type\":\"base64\",\"withMetadata\":true,\"keys\":[");
	for (size_t i = at; i < at + n; i++) {
		if (i != at)
			buf_add_char(&body, ',');
		buf_add(&body, export->names[i]);
	}
	buf_add_c(&body, "]}");
	if (!buf_ok(&body))
		ctl_no_memory();
	request = remote_request(remote, "POST", &uri);
	request.content_type = STR_LIT("application/json");
	request.body = buf_str(&body);
	if ((exit = remote_ask(remote, &request, &answer)) != CTL_OK)
		return exit;
	*too_much = answer.status == 413 && n > 1;
	if (*too_much)
		return CTL_OK;
	if (answer.status != 200)
		return remote_refused(remote, &answer);
	if (!jtext_check(answer.body, &bad_at) ||
	    !jraw_open(&walk, jraw_member(jraw_member(answer.body, "result"), "values")))
		return ctl_fail(export->ctl, CTL_INTERNAL, "internal", "values that came are not JSON");
	while (exit == CTL_OK && jraw_next(&walk, &name, &got))
		if (!str_eq(got, STR_LIT("null")))	/* deleted or expired since it was listed */
			exit = write_item(export, name, got);
	return exit;
}

/* The same, in as many requests as it takes. */
static enum ctl_exit write_values(struct export *export, size_t at, size_t n)
{
	enum ctl_exit exit = CTL_OK;
	bool too_much = false;

	if (n != 0)
		exit = get_values(export, at, n, &too_much);
	if (exit != CTL_OK || !too_much)
		return exit;
	exit = write_values(export, at, n / 2);
	return exit == CTL_OK ? write_values(export, at + n / 2, n - n / 2) : exit;
}

/* --- pages --- */

static struct str keep(struct export *export, struct str s)
{
	s = arena_dup(export->page, s);
	if (s.p == NULL)
		ctl_no_memory();
	return s;
}

/* The names of the page under way, and where the next one begins. */
static enum ctl_exit read_names(struct export *export)
{
	struct str keys, cursor, name, item;
	struct jraw walk;
	size_t n;
	enum ctl_exit exit;

	arena_reset(export->remote.arena);
	exit = remote_page(&export->remote, export->prefix, export->cursor, PAGE, &keys, &cursor, &n);
	if (exit != CTL_OK)
		return exit;
	if (cursor.n > CURSOR_MAX)
		return ctl_fail(export->ctl, CTL_INTERNAL, "internal", "a cursor that came is too long");
	memcpy(export->next, cursor.p, cursor.n);
	export->next[cursor.n] = '\0';
	arena_reset(export->page);
	export->n_names = 0;
	if (jraw_open(&walk, keys))
		while (export->n_names < PAGE && jraw_next(&walk, &name, &item))
			export->names[export->n_names++] = keep(export, jraw_member(item, "name"));
	return CTL_OK;
}

/* What a page that was not finished has left in the output goes away, where that can be done. */
static void cut_back(struct export *export)
{
	fflush(export->out);
	if (export->begun >= 0 && ftruncate(fileno(export->out), export->begun) == 0)
		fseeko(export->out, export->begun, SEEK_SET);
}

static enum ctl_exit write_pages(struct export *export)
{
	enum ctl_exit exit = CTL_OK;

	do {
		if (fflush(export->out) != 0)
			return out_failed(export);
		if (export->begun >= 0)
			export->begun = ftello(export->out);
		if ((exit = read_names(export)) == CTL_OK)
			exit = write_values(export, 0, export->n_names);
		if (exit == CTL_OK && ferror(export->out) != 0)
			exit = out_failed(export);
		if (exit != CTL_OK) {
			cut_back(export);
			return exit;
		}
		memcpy(export->cursor, export->next, sizeof export->cursor);
		progress_step(&export->progress, export->n_keys, export->prefix == NULL ? (uint64_t)export->remote.keys : 0,
			      export->n_bytes, export->n_keys, export->prefix == NULL ? (uint64_t)export->remote.keys : 0);
	} while (export->cursor[0] != '\0' && !stop_wanted());
	return CTL_OK;
}

static void say_done(struct export *export)
{
	json_object *doc;

	if (export->ctl->json) {
		doc = ctl_object();
		ctl_add_i64(doc, "exported", (int64_t)export->n_keys);
		ctl_add_i64(doc, "bytes", (int64_t)export->n_bytes);
		ctl_print_json(export->ctl, doc);
		json_object_put(doc);
	} else if (export->out != stdout || isatty(STDERR_FILENO)) {
		fprintf(stderr, "%" PRIu64 " %s of project %.*s exported.\n", export->n_keys,
			export->n_keys == 1 ? "key" : "keys", STR(export->remote.project));
	}
}

static enum ctl_exit finish(struct export *export, enum ctl_exit exit)
{
	bool whole = exit == CTL_OK && export->cursor[0] == '\0';

	if (whole && export->as_array)
		fputs(export->continues ? "\n]\n" : "[]\n", export->out);
	if (fflush(export->out) != 0 && exit == CTL_OK) {
		exit = out_failed(export);
		whole = false;
	}
	progress_end(&export->progress);
	if (whole) {
		say_done(export);
		return CTL_OK;
	}
	if (exit == CTL_OK)
		exit = ctl_fail(export->ctl, CTL_INTERRUPTED, "interrupted", "stopped; keys exported: %" PRIu64,
				export->n_keys);
	if (export->cursor[0] != '\0')
		ctl_warn("to go on, say the same again with --cursor %s", export->cursor);
	return exit;
}

/* --- the file --- */

/* Behind what is there: that must be the beginning of an export. */
static enum ctl_exit continue_file(struct export *export, int fd, off_t size)
{
	char end[2] = "";

	if (size == 0)
		export->continues = false;
	if (!export->as_array || size < 2)
		return CTL_OK;
	if (pread(fd, end, sizeof end, size - 2) != sizeof end)
		return out_failed(export);
	if (memcmp(end, "]\n", 2) == 0)
		return ctl_usage(export->ctl, "%s is a whole export already; without --cursor it is written anew",
				 args_value(export->ctl, OPTION_OUTPUT));
	export->continues = size > 2;
	return CTL_OK;
}

static enum ctl_exit open_output(struct export *export)
{
	const char *file = args_value(export->ctl, OPTION_OUTPUT);
	bool resumed = export->cursor[0] != '\0';
	struct stat st;
	int fd = STDOUT_FILENO;
	enum ctl_exit exit = CTL_OK;

	export->begun = -1;
	export->out = stdout;
	export->continues = resumed;
	if (file != NULL) {
		/* Values are in it: others need not read them. */
		fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | (resumed ? 0 : O_TRUNC), 0600);
		if (fd < 0 || (export->out = fdopen(fd, "r+")) == NULL)
			return ctl_fail(export->ctl, errno == EACCES ? CTL_PERMISSION : CTL_IO, "file", "%s cannot be written: %s",
					file, strerror(errno));
	}
	setvbuf(export->out, NULL, _IOFBF, OUT_BUFFER);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		export->begun = file != NULL ? st.st_size : lseek(fd, 0, SEEK_CUR);
		if (file != NULL && fseeko(export->out, st.st_size, SEEK_SET) != 0)
			return out_failed(export);
		if (file != NULL && resumed)
			exit = continue_file(export, fd, st.st_size);
	}
	return exit;
}

static enum ctl_exit read_options(struct export *export)
{
	const char *format = args_value(export->ctl, OPTION_FORMAT), *cursor = args_value(export->ctl, OPTION_CURSOR);

	export->prefix = args_value(export->ctl, OPTION_PREFIX);
	if (cursor != NULL && strlen(cursor) > CURSOR_MAX)
		return ctl_usage(export->ctl, "--cursor is what an export said when it stopped");
	if (cursor != NULL)
		strcpy(export->cursor, cursor);
	export->as_array = format != NULL && strcmp(format, "wrangler") == 0;
	if (format != NULL && !export->as_array && strcmp(format, "jsonl") != 0)
		return ctl_usage(export->ctl, "--format is 'jsonl' or 'wrangler'");
	if (export->ctl->json && args_value(export->ctl, OPTION_OUTPUT) == NULL)
		return ctl_usage(export->ctl, "with --json, standard output is for the answer: name a file with --output");
	return CTL_OK;
}

enum ctl_exit cmd_export(struct ctl *ctl)
{
	struct export *export = arena_zero(ctl->arena, sizeof *export);
	enum ctl_exit exit;

	if (export == NULL || (export->page = arena_new(PAGE_ARENA)) == NULL)
		ctl_no_memory();
	export->ctl = ctl;
	if ((exit = read_options(export)) == CTL_OK) {
		if ((exit = remote_open(&export->remote, ctl, ctl->words[0])) == CTL_OK &&
		    (exit = open_output(export)) == CTL_OK) {
			stop_catch(false);
			progress_begin(&export->progress, ctl);
			exit = finish(export, write_pages(export));
		}
		remote_close(&export->remote);
		if (export->out != NULL && export->out != stdout && fclose(export->out) != 0 && exit == CTL_OK)
			exit = out_failed(export);
	}
	arena_free(export->page);
	return exit;
}
