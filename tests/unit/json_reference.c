/*
 * json_reference.c - see json_reference.h.
 */
#include "config.h"

#include "json_reference.h"

enum { DEEPEST = 512 };

struct input {
	const unsigned char *p;
	size_t n, at;
};

/* The byte AT stands on, or -1 behind the last. */
static int look(const struct input *in)
{
	return in->at < in->n ? in->p[in->at] : -1;
}

static bool take(struct input *in, int c)
{
	if (look(in) != c)
		return false;
	in->at++;
	return true;
}

static bool take_any(struct input *in, const char *set)
{
	if (look(in) <= 0 || strchr(set, look(in)) == NULL)
		return false;
	in->at++;
	return true;
}

static void ws(struct input *in)
{
	while (take_any(in, " \t\n\r"))
		;
}

/* The least or the greatest code point of N bytes that begin with the HAVE bytes at P. */
static unsigned long code_point(const unsigned char *p, size_t have, size_t n, unsigned char rest)
{
	unsigned long c = n == 2 ? p[0] & 0x1f : n == 3 ? p[0] & 0x0f : p[0] & 0x07;

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((i < have ? p[i] : rest) & 0x3f);
	return c;
}

/* Is there a character of N bytes that begins with the HAVE bytes at P? */
static bool may_begin(const unsigned char *p, size_t have, size_t n)
{
	unsigned long shortest = n == 2 ? 0x80 : n == 3 ? 0x800 : 0x10000;
	unsigned long least = code_point(p, have, n, 0x80), most = code_point(p, have, n, 0xbf);

	for (size_t i = 1; i < have; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return false;
	if (least >= 0xd800 && most <= 0xdfff)
		return false;
	return most >= shortest && least <= 0x10ffff;
}

/* A character beyond ASCII. */
static bool foreign(struct input *in)
{
	const unsigned char *p = in->p + in->at;
	size_t n = p[0] >= 0xf8 || p[0] < 0xc0 ? 0 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (n == 0)
		return false;
	for (size_t have = 1; have <= n; have++) {
		if (look(in) < 0 || !may_begin(p, have, n))
			return false;
		in->at++;
	}
	return true;
}

static bool escape(struct input *in)
{
	if (take_any(in, "\"\\/bfnrt"))
		return true;
	if (!take(in, 'u'))
		return false;
	for (int i = 0; i < 4; i++)
		if (!take_any(in, "0123456789abcdefABCDEF"))
			return false;
	return true;
}

static bool string(struct input *in)
{
	if (!take(in, '"'))
		return false;
	while (look(in) >= 0x20 && look(in) != '"') {
		if (take(in, '\\')) {
			if (!escape(in))
				return false;
		} else if (look(in) >= 0x80) {
			if (!foreign(in))
				return false;
		} else {
			in->at++;
		}
	}
	return take(in, '"');
}

static bool digits(struct input *in)
{
	if (!take_any(in, "0123456789"))
		return false;
	while (take_any(in, "0123456789"))
		;
	return true;
}

static bool number(struct input *in)
{
	take(in, '-');
	if (!take(in, '0') && !digits(in))
		return false;
	if (take(in, '.') && !digits(in))
		return false;
	if (take_any(in, "eE")) {
		take_any(in, "+-");
		return digits(in);
	}
	return true;
}

static bool word(struct input *in, const char *letters)
{
	for (; *letters != '\0'; letters++)
		if (!take(in, *letters))
			return false;
	return true;
}

static bool value(struct input *in, int depth);

static bool array(struct input *in, int depth)
{
	if (depth > DEEPEST || !take(in, '['))
		return false;
	ws(in);
	if (take(in, ']'))
		return true;
	do
		if (!value(in, depth))
			return false;
	while (take(in, ','));
	return take(in, ']');
}

static bool member(struct input *in, int depth)
{
	ws(in);
	if (!string(in))
		return false;
	ws(in);
	return take(in, ':') && value(in, depth);
}

static bool object(struct input *in, int depth)
{
	if (depth > DEEPEST || !take(in, '{'))
		return false;
	ws(in);
	if (take(in, '}'))
		return true;
	do
		if (!member(in, depth))
			return false;
	while (take(in, ','));
	return take(in, '}');
}

/* A value and the white space around it; DEPTH arrays and objects are open. */
static bool value(struct input *in, int depth)
{
	bool ok;

	ws(in);
	switch (look(in)) {
	case '[': ok = array(in, depth + 1); break;
	case '{': ok = object(in, depth + 1); break;
	case '"': ok = string(in); break;
	case 't': ok = word(in, "true"); break;
	case 'f': ok = word(in, "false"); break;
	case 'n': ok = word(in, "null"); break;
	default:  ok = number(in); break;
	}
	if (ok)
		ws(in);
	return ok;
}

bool json_reference(struct str text, size_t *bad_at)
{
	struct input in = { (const unsigned char *)text.p, text.n, 0 };

	if (value(&in, 0) && in.at == in.n)
		return true;
	*bad_at = in.at;
	return false;
}
