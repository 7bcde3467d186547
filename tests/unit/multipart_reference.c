/*
 * multipart_reference.c - see multipart_reference.h.
 */
#include "config.h"

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "multipart_reference.h"

/* --- what came out --- */

static void write_bytes(struct parts *parts, const void *p, size_t n)
{
	if (parts->room - parts->n < n) {
		parts->room = parts->room * 2 + n;
		parts->p = realloc(parts->p, parts->room);
		assert(parts->p != NULL);
	}
	if (n != 0)
		memcpy(parts->p + parts->n, p, n);
	parts->n += n;
}

static enum rc on_part(void *arg, struct str name, bool has_filename)
{
	struct parts *parts = arg;
	char head[40];

	assert(parts->whole == parts->n && parts->name_end == 0);
	write_bytes(parts, head, (size_t)snprintf(head, sizeof head, "%s %zu ", has_filename ? "file" : "name", name.n));
	write_bytes(parts, name.p, name.n);
	parts->name_end = parts->n;
	return RC_OK;
}

static enum rc on_data(void *arg, struct str piece)
{
	struct parts *parts = arg;

	assert(parts->name_end != 0 && piece.n != 0);
	write_bytes(parts, piece.p, piece.n);
	return RC_OK;
}

static enum rc on_end(void *arg)
{
	struct parts *parts = arg;
	char tail[40];

	assert(parts->name_end != 0);
	write_bytes(parts, tail, (size_t)snprintf(tail, sizeof tail, " %zu\n", parts->n - parts->name_end));
	parts->whole = parts->n;
	parts->name_end = 0;
	parts->count++;
	return RC_OK;
}

const struct multipart_events parts_events = { on_part, on_data, on_end };

void parts_clear(struct parts *parts)
{
	free(parts->p);
	*parts = (struct parts){ .p = NULL };
}

bool parts_agree(const struct parts *a, const struct parts *b, bool well)
{
	return a->count == b->count && str_eq(str_make(a->p, a->whole), str_make(b->p, b->whole)) &&
		(!well || (a->whole == a->n && b->whole == b->n));
}

/* --- one header line --- */

/* Read from the front; P ends with NUL, and no other is in it. */
struct cursor {
	const char *p;
};

static void ws(struct cursor *at)
{
	at->p += strspn(at->p, " \t");
}

static bool take(struct cursor *at, char c)
{
	if (*at->p != c)
		return false;
	at->p++;
	return true;
}

static const char token_bytes[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static struct str token(struct cursor *at)
{
	struct str s = str_make(at->p, strspn(at->p, token_bytes));

	at->p += s.n;
	return s;
}

/* What is in quotes, from behind the first to behind the last; false when the last is missing. */
static bool quoted(struct cursor *at, struct str *s)
{
	const char *start = at->p;

	while (*at->p != '"') {
		/* A backslash before the last quote is itself. */
		if (*at->p == '\\' && at->p[1] != '\0' && at->p[2] != '\0')
			at->p++;
		if (*at->p == '\0')
			return false;
		at->p++;
	}
	*s = str_make(start, (size_t)(at->p++ - start));
	return true;
}

static const char malformed[] = "the header of a part cannot be read";
static const char no_name[] = "a part has no name";

struct head {
	struct str name;
	bool disposed, named, file;
};

static const char *disposition(struct cursor *at, struct head *head)
{
	size_t word;

	if (head->disposed)
		return malformed;
	head->disposed = true;
	word = strcspn(at->p, ";");
	while (word > 0 && (at->p[word - 1] == ' ' || at->p[word - 1] == '\t'))
		word--;
	if (!str_eq_nocase(str_make(at->p, word), STR_LIT("form-data")))
		return no_name;
	at->p += word;
	for (;;) {
		struct str name, value;
		bool in_quotes;

		ws(at);
		if (*at->p == '\0')
			return NULL;
		if (!take(at, ';'))
			return malformed;
		ws(at);
		if (*at->p == ';' || *at->p == '\0')
			continue;
		name = token(at);
		ws(at);
		if (name.n == 0 || !take(at, '='))
			return malformed;
		ws(at);
		in_quotes = take(at, '"');
		if (in_quotes) {
			if (!quoted(at, &value))
				return malformed;
		} else {
			value = str_make(at->p, strcspn(at->p, "; \t\""));
			if (value.n == 0)
				return malformed;
			at->p += value.n;
		}
		if (str_eq_nocase(name, STR_LIT("name"))) {
			if (head->named || (!in_quotes && strspn(value.p, token_bytes) < value.n))
				return malformed;
			head->named = true;
			head->name = value;
		}
		if (str_eq_nocase(name, STR_LIT("filename")) || str_eq_nocase(name, STR_LIT("filename*")))
			head->file = true;
	}
}

static const char *header_line(struct cursor *at, struct head *head)
{
	struct str name = token(at);

	if (name.n == 0 || !take(at, ':'))
		return malformed;
	ws(at);
	if (str_eq_nocase(name, STR_LIT("Content-Disposition")))
		return disposition(at, head);
	if (str_eq_nocase(name, STR_LIT("Content-Transfer-Encoding"))) {
		if (!str_eq_nocase(str_c(at->p), STR_LIT("7bit")) && !str_eq_nocase(str_c(at->p), STR_LIT("8bit")) &&
		    !str_eq_nocase(str_c(at->p), STR_LIT("binary")))
			return "a part has a Content-Transfer-Encoding; send its bytes as they are";
	}
	return NULL;
}

/* The name as it was meant, into OUT. */
static size_t meaning(struct str s, char *out)
{
	static const struct { const char *written; char meant; } forms[] = {
		{ "%22", '"' }, { "%0d", '\r' }, { "%0D", '\r' }, { "%0a", '\n' }, { "%0A", '\n' }, { "\\\"", '"' }, { "\\\\", '\\' },
	};
	size_t n = 0;

	while (s.n != 0) {
		char meant = s.p[0];
		size_t skip = 1;

		for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++)
			if (str_starts(s, str_c(forms[k].written))) {
				meant = forms[k].meant;
				skip = strlen(forms[k].written);
			}
		out[n++] = meant;
		s = str_skip(s, skip);
	}
	return n;
}

/* Header lines without the empty one, and the part begins. */
static const char *header(struct str lines, struct parts *parts)
{
	char *copy = malloc(lines.n + 1), *name = malloc(lines.n + 1), *line = copy;
	const char *problem = NULL;
	struct head head = { .disposed = false };
	size_t n;

	assert(copy != NULL && name != NULL);
	memcpy(copy, lines.p, lines.n);
	copy[lines.n] = '\0';
	while (*line != '\0' && problem == NULL) {
		char *end = strstr(line, "\r\n");
		struct cursor at = { line };

		while (end[2] == ' ' || end[2] == '\t') {
			end[0] = end[1] = ' ';
			end = strstr(end, "\r\n");
		}
		*end = '\0';
		for (char *last = end; last > line && (last[-1] == ' ' || last[-1] == '\t'); )
			*--last = '\0';
		problem = header_line(&at, &head);
		line = end + 2;
	}
	if (problem == NULL && !head.named)
		problem = no_name;
	if (problem == NULL) {
		n = meaning(head.name, name);
		if (n > 1024)
			problem = "the name of a part has more than 1024 bytes";
		else if (!str_is_utf8(str_make(name, n)))
			problem = "the name of a part is not UTF-8";
		else
			assert(on_part(parts, str_make(name, n), head.file) == RC_OK);
	}
	free(copy);
	free(name);
	return problem;
}

/* --- the body --- */

static bool stands_at(struct str body, size_t at, struct str s)
{
	return at <= body.n && str_starts(str_skip(body, at), s);
}

static const char bare[] = "a line does not end with CR LF";
static const char no_closing[] = "the body ends before its closing boundary";

/* Header lines from *AT on; *AT moves behind the empty one. */
static const char *read_header(struct str body, size_t *at, struct parts *parts)
{
	size_t start = *at;

	for (size_t i = start; i < body.n; i++) {
		bool behind_cr = i > start && body.p[i - 1] == '\r';
		char c = body.p[i];

		if ((c == '\n') != behind_cr)
			return bare;
		if (c >= 0 && c < ' ' && c != '\t' && c != '\r' && c != '\n')
			return malformed;
		if (i - start == 8192 + 2)
			return "the header of a part has more than 8192 bytes";
		if (c == '\n' && (i == start + 1 || stands_at(body, i - 3, STR_LIT("\r\n\r\n")))) {
			*at = i + 1;
			return header(str_make(body.p + start, i - 1 - start), parts);
		}
	}
	return no_closing;
}

enum kind { NONE, NEXT, CLOSING };

/* What stands at a line's beginning. */
static enum kind kind_at(struct str boundary, struct str body, size_t at)
{
	if (!stands_at(body, at, STR_LIT("--")) || !stands_at(body, at + 2, boundary))
		return NONE;
	at += 2 + boundary.n;
	if (stands_at(body, at, STR_LIT("--")))
		return CLOSING;
	return at < body.n && strchr(" \t\r\n", body.p[at]) != NULL && body.p[at] != '\0' ? NEXT : NONE;
}

/* From behind the boundary to behind the line's end. */
static const char *line_end(struct str body, size_t *at, enum kind kind)
{
	while (*at < body.n && (body.p[*at] == ' ' || body.p[*at] == '\t'))
		++*at;
	if (*at == body.n)
		return kind == CLOSING ? NULL : no_closing;
	if (body.p[*at] == '\n')
		return bare;
	if (body.p[*at] != '\r')
		return "something stands behind a boundary";
	if (*at + 1 == body.n)
		return kind == CLOSING ? bare : no_closing;
	if (body.p[*at + 1] != '\n')
		return bare;
	*at += 2;
	return NULL;
}

static const char *read_body(struct str boundary, struct str body, struct parts *parts)
{
	size_t from = 0, at = 0, count = 0;
	const char *problem;
	bool in_part = false;

	while (at < body.n) {
		bool line = at == from || (at >= from + 2 && stands_at(body, at - 2, STR_LIT("\r\n")));
		enum kind kind = line ? kind_at(boundary, body, at) : NONE;
		size_t behind = at + 2 + boundary.n + (kind == CLOSING ? 2 : 0);

		if (kind == NONE) {
			at++;
			continue;
		}
		problem = line_end(body, &behind, kind);
		if (problem != NULL && kind != CLOSING)
			return problem;
		if (in_part) {
			if (at > from + 2)
				assert(on_data(parts, str_make(body.p + from, at - 2 - from)) == RC_OK);
			assert(on_end(parts) == RC_OK);
		}
		if (kind == CLOSING)
			return problem;
		if (count++ == 2000)
			return "there are more than 2000 parts";
		problem = read_header(body, &behind, parts);
		if (problem != NULL)
			return problem;
		in_part = true;
		from = at = behind;
	}
	return no_closing;
}

enum rc multipart_reference(struct str boundary, struct str body, struct parts *parts, const char **problem)
{
	const char *said = read_body(boundary, body, parts);

	*problem = said == NULL ? "" : said;
	return said == NULL ? RC_OK : RC_BAD_REQUEST;
}
