/*
 * jraw.c - see jraw.h. Pure.
 */
#include "config.h"

#include "base/jraw.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static const char *skip(const char *p, const char *end)
{
	while (p < end && (is_space(*p) || *p == ',' || *p == ':'))
		p++;
	return p;
}

/* Behind the string that begins at P. */
static const char *string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : end;
}

/* Behind the value that begins at P. */
static const char *value_end(const char *p, const char *end)
{
	size_t depth = 0;

	while (p < end) {
		switch (*p) {
		case '"':
			p = string_end(p, end);
			break;
		case '{':
		case '[':
			depth++;
			p++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return p;
			depth--;
			p++;
			break;
		default:
			if (depth == 0 && (is_space(*p) || *p == ','))
				return p;
			p++;
			continue;
		}
		if (depth == 0)
			return p;
	}
	return end;
}

bool jraw_open(struct jraw *walk, struct str text)
{
	const char *end = text.p + text.n, *p = skip(text.p, end);

	if (p == end || (*p != '{' && *p != '['))
		return false;
	*walk = (struct jraw){ p + 1, end, *p == '{' };
	return true;
}

/* The text of what begins here. */
static struct str take(struct jraw *walk)
{
	const char *begin = walk->p;

	walk->p = value_end(begin, walk->end);
	return str_make(begin, (size_t)(walk->p - begin));
}

bool jraw_next(struct jraw *walk, struct str *name, struct str *value)
{
	*name = STR_LIT("");
	walk->p = skip(walk->p, walk->end);
	if (walk->p == walk->end || *walk->p == '}' || *walk->p == ']')
		return false;
	if (walk->is_object) {
		*name = take(walk);
		walk->p = skip(walk->p, walk->end);
	}
	*value = take(walk);
	return true;
}

struct str jraw_inside(struct str text)
{
	if (text.n < 2 || text.p[0] != '"')
		return STR_LIT("");
	return str_make(text.p + 1, text.n - 2);
}

struct str jraw_member(struct str text, const char *name)
{
	struct str found, value;
	struct jraw walk;

	if (!jraw_open(&walk, text) || !walk.is_object)
		return STR_LIT("");
	while (jraw_next(&walk, &found, &value))
		if (str_eq(jraw_inside(found), str_c(name)))
			return value;
	return STR_LIT("");
}
