/*
 * jraw.c - see jraw.h. Pure.
 */
#include "config.h"

#include "base/jraw.h"

/* What ends a run of ordinary bytes. */
enum { PLAIN, QUOTE, OPEN, CLOSE, BETWEEN };
static const unsigned char classes[256] = {
	['"'] = QUOTE, ['{'] = OPEN, ['['] = OPEN, ['}'] = CLOSE, [']'] = CLOSE,
	[' '] = BETWEEN, ['\n'] = BETWEEN, ['\t'] = BETWEEN, ['\r'] = BETWEEN, [','] = BETWEEN, [':'] = BETWEEN,
};

static int class_of(char c)
{
	return classes[(unsigned char)c];
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

const char *jraw_skip(const char *p, const char *end)
{
	while (p < end && class_of(*p) == BETWEEN)
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

/* Behind the array or object that begins at P. */
static const char *container_end(const char *p, const char *end)
{
	size_t depth = 0;

	while (p < end) {
		switch (class_of(*p)) {
		case QUOTE:
			p = string_end(p, end);
			continue;
		case OPEN:
			depth++;
			break;
		case CLOSE:
			if (--depth == 0)
				return p + 1;
			break;
		default:
			break;
		}
		p++;
	}
	return end;
}

const char *jraw_end(const char *p, const char *end)
{
	if (p == end)
		return end;
	if (*p == '"')
		return string_end(p, end);
	if (class_of(*p) == OPEN)
		return container_end(p, end);
	while (p < end && class_of(*p) == PLAIN)
		p++;
	return p;
}

size_t jraw_elements(const char **p, const char *end, size_t max)
{
	const char *q = jraw_skip(*p, end);
	size_t n = 0;

	if (q == end)
		max = 0;
	while (n < max) {
		const char *comma = q;

		while (comma < end && *comma != ',') {
			int class = class_of(*comma);

			comma = class == QUOTE ? string_end(comma, end) :
				class == OPEN ? container_end(comma, end) : comma + 1;
		}
		n++;
		q = comma;
		if (comma == end)
			break;
		q++;
	}
	*p = q;
	return n;
}

bool jraw_open(struct jraw *walk, struct str text)
{
	const char *end = text.p + text.n, *p = jraw_skip(text.p, end);

	if (p == end || (*p != '{' && *p != '['))
		return false;
	*walk = (struct jraw){ p + 1, end, *p == '{' };
	return true;
}

/* The text of what begins here. */
static struct str take(struct jraw *walk)
{
	const char *begin = walk->p;

	walk->p = jraw_end(begin, walk->end);
	return str_make(begin, (size_t)(walk->p - begin));
}

bool jraw_next(struct jraw *walk, struct str *name, struct str *value)
{
	*name = STR_LIT("");
	walk->p = jraw_skip(walk->p, walk->end);
	if (walk->p == walk->end || *walk->p == '}' || *walk->p == ']')
		return false;
	if (walk->is_object) {
		*name = take(walk);
		walk->p = jraw_skip(walk->p, walk->end);
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

struct str jraw_trim(struct str text)
{
	while (text.n != 0 && is_space(*text.p))
		text = str_skip(text, 1);
	while (text.n != 0 && is_space(text.p[text.n - 1]))
		text.n--;
	return text;
}

/* ---- what a string says ---- */

static uint32_t hex4(const char *p)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];

		value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

/* The character of the \u that P points behind, and of its other half; *P behind them. */
static uint32_t take_u(const char **p, const char *end)
{
	uint32_t c = hex4(*p), low;

	*p += 4;
	if (c < 0xd800 || c > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return c;
	low = hex4(*p + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return c;
	*p += 6;
	return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

static size_t utf8_write(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* What stands at *P, a character or an escape, as bytes; *P behind it. */
static size_t take_char(const char **p, const char *end, char out[4])
{
	static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
	const char *found;
	char c = *(*p)++;

	if (c != '\\' || *p == end) {
		out[0] = c;
		return 1;
	}
	c = *(*p)++;
	if (c == 'u' && end - *p >= 4)
		return utf8_write(take_u(p, end), out);
	found = strchr(letters, c);
	out[0] = c != '\0' && found != NULL ? controls[found - letters] : c;
	return 1;
}

bool jraw_decode(struct str text, char *out, size_t size, size_t *n)
{
	struct str inside = jraw_inside(text);
	const char *p = inside.p, *end = p + inside.n, *plain;
	char bytes[4];

	if (text.n < 2 || *text.p != '"')
		return false;
	for (*n = 0; p < end; *n += (size_t)(p - plain)) {
		for (plain = p; p < end && *p != '\\'; p++)
			;
		if ((size_t)(p - plain) > size - *n)
			return false;
		memcpy(out + *n, plain, (size_t)(p - plain));
		if (p < end) {
			size_t at = *n + (size_t)(p - plain), more = take_char(&p, end, bytes);

			if (more > size - at)
				return false;
			memcpy(out + at, bytes, more);
			*n = at + more;
			plain = p;
		}
	}
	return true;
}

bool jraw_is(struct str text, struct str plain)
{
	struct str inside = jraw_inside(text);
	const char *p = inside.p, *end = p + inside.n;
	char bytes[4];

	if (text.n < 2 || *text.p != '"')
		return false;
	/* An escape is longer than what it stands for. */
	if (inside.n <= plain.n)
		return str_eq(inside, plain);
	while (p < end) {
		size_t n;

		if (*p != '\\') {
			if (plain.n == 0 || *plain.p != *p++)
				return false;
			plain = str_skip(plain, 1);
			continue;
		}
		n = take_char(&p, end, bytes);
		if (n > plain.n || memcmp(plain.p, bytes, n) != 0)
			return false;
		plain = str_skip(plain, n);
	}
	return plain.n == 0;
}
