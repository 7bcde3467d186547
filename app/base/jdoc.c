/*
 * jdoc.c - JSON text to json-c documents and back.
 *
 * json-c holds the documents, but neither its parser nor its printer runs here.
 * Its parser takes the last of two members with one name, turns a number beyond
 * 64 bits into the nearest one that fits, ends a name at its first NUL, and makes
 * an array of 32 places out of each "[]". So the text is checked by jtext.c first,
 * and what is known to be JSON is then simple to read. Its printer does not notice
 * that memory ran out in the middle.
 *
 * No state: any thread.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/jdoc.h"
#include "base/jtext.h"

enum { FIRST_ARRAY = 4 };

/* Room for one text that must be made before json-c copies it. */
struct scratch {
	char *p;
	size_t n, size;
};

struct reader {
	const char *p, *end;
	int max_depth, depth;
	size_t values, containers;		/* seen so far */
	struct scratch name, value;		/* of the member being read */
	json_object *root;
	json_object *open[JTEXT_DEPTH];		/* the arrays and objects around P */
};

static bool scratch_reserve(struct scratch *scratch, size_t size)
{
	char *p;

	scratch->n = 0;
	if (size <= scratch->size)
		return true;
	p = realloc(scratch->p, size);
	if (p == NULL)
		return false;
	scratch->p = p;
	scratch->size = size;
	return true;
}

static void put_char(struct scratch *to, uint32_t c)
{
	if (c < 0x80) {
		to->p[to->n++] = (char)c;
		return;
	}
	if (c < 0x800) {
		to->p[to->n++] = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			to->p[to->n++] = (char)(0xe0 | c >> 12);
		} else {
			to->p[to->n++] = (char)(0xf0 | c >> 18);
			to->p[to->n++] = (char)(0x80 | (c >> 12 & 0x3f));
		}
		to->p[to->n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	to->p[to->n++] = (char)(0x80 | (c & 0x3f));
}

/* The four digits behind "\u". */
static uint32_t hex4(const char *p)
{
	uint8_t pair[2];

	return hex_decode(str_make(p, 4), pair, 2) ? (uint32_t)pair[0] << 8 | pair[1] : 0;
}

/*
 * The character that "\u" at P (behind the backslash) stands for; *USED is how much
 * text that is. Half a surrogate pair has no UTF-8 and becomes U+FFFD.
 */
static uint32_t unicode_escape(const char *p, const char *end, size_t *used)
{
	uint32_t c = hex4(p + 1), low;

	*used = 5;
	if (c < 0xd800 || c > 0xdfff)
		return c;
	if (c > 0xdbff || end - p < 11 || p[5] != '\\' || p[6] != 'u')
		return 0xfffd;
	low = hex4(p + 7);
	if (low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	*used = 11;
	return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

/* The inside of a string, without its escapes; TO has room for RAW.n. */
static void unescape(struct scratch *to, struct str raw)
{
	const char *p = raw.p, *end = raw.p + raw.n;

	while (p < end) {
		const char *stop = memchr(p, '\\', (size_t)(end - p));
		size_t n = (size_t)((stop == NULL ? end : stop) - p), used = 1;

		memcpy(to->p + to->n, p, n);
		to->n += n;
		if (stop == NULL)
			return;
		p = stop + 1;
		switch (*p) {
		case 'b': put_char(to, '\b'); break;
		case 'f': put_char(to, '\f'); break;
		case 'n': put_char(to, '\n'); break;
		case 'r': put_char(to, '\r'); break;
		case 't': put_char(to, '\t'); break;
		case 'u': put_char(to, unicode_escape(p, end, &used)); break;
		default:  put_char(to, (unsigned char)*p); break;
		}
		p += used;
	}
}

/* The inside of the string at P, as it is written; P moves behind its closing quote. */
static struct str raw_string(struct reader *r)
{
	const char *start = r->p + 1, *quote = memchr(start, '"', (size_t)(r->end - start));

	if (memchr(start, '\\', (size_t)(quote - start)) != NULL)
		for (quote = start; *quote != '"'; quote++)
			if (*quote == '\\')
				quote++;
	r->p = quote + 1;
	return str_make(start, (size_t)(quote - start));
}

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

/* A member's name into R->name, as the C string that json-c wants, and its colon. */
static bool read_name(struct reader *r)
{
	struct str raw;

	skip_space(r);
	raw = raw_string(r);
	if (!scratch_reserve(&r->name, raw.n + 1))
		return false;
	unescape(&r->name, raw);
	r->name.p[r->name.n] = '\0';
	skip_space(r);
	r->p++;
	return memchr(r->name.p, '\0', r->name.n) == NULL;
}

static json_object *read_string(struct reader *r)
{
	struct str raw = raw_string(r);

	if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
		return json_object_new_string_len(raw.p, (int)raw.n);
	if (!scratch_reserve(&r->value, raw.n))
		return NULL;
	unescape(&r->value, raw);
	return json_object_new_string_len(r->value.p, (int)r->value.n);
}

static bool is_number_char(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* An integer that fits is one; all else is a double that keeps its text. */
static json_object *read_number(struct reader *r)
{
	const uint64_t most = INT64_MAX;
	struct str text = str_make(r->p, 0);
	bool negative = *r->p == '-';
	uint64_t value;

	while (r->p < r->end && is_number_char(*r->p))
		r->p++;
	text.n = (size_t)(r->p - text.p);
	if (str_to_u64(str_skip(text, negative), 0, most + negative, &value)) {
		if (!negative)
			return json_object_new_int64((int64_t)value);
		return json_object_new_int64(value > most ? INT64_MIN : -(int64_t)value);
	}
	if (!scratch_reserve(&r->value, text.n + 1))
		return NULL;
	memcpy(r->value.p, text.p, text.n);
	r->value.p[text.n] = '\0';
	return json_object_new_double_s(strtod(r->value.p, NULL), r->value.p);
}

/* The value at P; of an array or object only its opening bracket. False when memory or its share is used up. */
static bool read_value(struct reader *r, json_object **value)
{
	char c = *r->p;

	if (++r->values > JDOC_VALUES)
		return false;
	switch (c) {
	case '{':
	case '[':
		if (++r->containers > JDOC_CONTAINERS || r->depth == r->max_depth)
			return false;
		r->p++;
		*value = c == '{' ? json_object_new_object() : json_object_new_array_ext(FIRST_ARRAY);
		break;
	case '"':
		*value = read_string(r);
		break;
	case 't':
	case 'f':
		r->p += c == 't' ? 4 : 5;
		*value = json_object_new_boolean(c == 't');
		break;
	case 'n':
		r->p += 4;
		*value = NULL;		/* what json-c calls null */
		return true;
	default:
		*value = read_number(r);
		break;
	}
	return *value != NULL;
}

/* VALUE becomes a part of what is open. False, and still the caller's, when its name is taken or memory ran out. */
static bool attach(struct reader *r, json_object *value)
{
	json_object *parent;

	if (r->depth == 0) {
		r->root = value;
		return true;
	}
	parent = r->open[r->depth - 1];
	if (json_object_is_type(parent, json_type_array))
		return json_object_array_add(parent, value) == 0;
	if (json_object_object_get_ex(parent, r->name.p, NULL))
		return false;
	return json_object_object_add_ex(parent, r->name.p, value, JSON_C_OBJECT_ADD_KEY_IS_NEW) == 0;
}

/* The text is known to be JSON, so only what else may be wrong is looked at. */
static bool read_text(struct reader *r)
{
	for (;;) {
		json_object *value;
		bool opens;

		if (r->depth > 0 && json_object_is_type(r->open[r->depth - 1], json_type_object) &&
		    !read_name(r))
			return false;
		skip_space(r);
		opens = *r->p == '[' || *r->p == '{';
		if (!read_value(r, &value))
			return false;
		if (!attach(r, value)) {
			json_object_put(value);
			return false;
		}
		if (opens) {
			r->open[r->depth++] = value;
			skip_space(r);
			if (*r->p != ']' && *r->p != '}')
				continue;
		}
		for (;;) {
			if (r->depth == 0)
				return true;
			skip_space(r);
			if (*r->p++ == ',')
				break;
			r->depth--;
		}
	}
}

json_object *jdoc_read(struct str text, int depth)
{
	struct reader r;
	size_t bad_at;
	bool ok;

	errno = 0;
	if (text.n > INT_MAX || !jtext_check(text, &bad_at))
		return NULL;
	memset(&r, 0, offsetof(struct reader, open));
	r.p = text.p;
	r.end = text.p + text.n;
	r.max_depth = depth;
	ok = read_text(&r);
	free(r.name.p);
	free(r.value.p);
	if (ok)
		return r.root;
	json_object_put(r.root);
	return NULL;
}

/* Whoever allocates for us, json-c too, leaves it in errno; nothing else of what runs there says this. */
bool jdoc_lacked_memory(void)
{
	return errno == ENOMEM;
}

static void write_value(struct buf *buf, json_object *value);

static void write_object(struct buf *buf, json_object *object)
{
	char before = '{';

	json_object_object_foreach(object, name, value) {
		buf_add_char(buf, before);
		jtext_quote(buf, str_c(name));
		buf_add_char(buf, ':');
		write_value(buf, value);
		before = ',';
	}
	buf_add_c(buf, before == '{' ? "{}" : "}");
}

static void write_array(struct buf *buf, json_object *array)
{
	size_t n = json_object_array_length(array);

	buf_add_char(buf, '[');
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			buf_add_char(buf, ',');
		write_value(buf, json_object_array_get_idx(array, i));
	}
	buf_add_char(buf, ']');
}

/* A number, as json-c keeps or makes its text; it has none when there was no memory. */
static void write_number(struct buf *buf, json_object *number)
{
	size_t n = 0;
	const char *text = json_object_to_json_string_length(number, JSON_C_TO_STRING_PLAIN, &n);

	if (text == NULL || n == 0)
		buf->failed = true;
	else
		buf_add(buf, str_make(text, n));
}

/* As deep as the document: jdoc_read lets no more than JTEXT_DEPTH levels in. */
static void write_value(struct buf *buf, json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		buf_add_c(buf, "null");
		break;
	case json_type_boolean:
		buf_add_c(buf, json_object_get_boolean(value) ? "true" : "false");
		break;
	case json_type_string:
		jtext_quote(buf, str_make(json_object_get_string(value),
					  (size_t)json_object_get_string_len(value)));
		break;
	case json_type_object:
		write_object(buf, value);
		break;
	case json_type_array:
		write_array(buf, value);
		break;
	case json_type_int:
	case json_type_double:
		write_number(buf, value);
		break;
	}
}

struct str jdoc_text(json_object *doc, struct arena *arena)
{
	struct buf buf;

	buf_init(&buf, arena, SIZE_MAX);
	write_value(&buf, doc);
	buf_add_char(&buf, '\0');
	return buf_ok(&buf) ? str_make(buf.p, buf.n - 1) : str_make(NULL, 0);
}

/* The member NAME of OBJECT if it has that type. */
static json_object *member(json_object *object, const char *name, enum json_type type)
{
	json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

bool jdoc_str(json_object *object, const char *name, struct str *out)
{
	json_object *value = member(object, name, json_type_string);

	if (value == NULL)
		return false;
	*out = str_make(json_object_get_string(value), (size_t)json_object_get_string_len(value));
	return true;
}

bool jdoc_i64(json_object *object, const char *name, int64_t *out)
{
	json_object *value = member(object, name, json_type_int);

	/* jdoc_read makes no such integer, but json_object_new_uint64() does. */
	if (value == NULL || json_object_get_uint64(value) > INT64_MAX)
		return false;
	*out = json_object_get_int64(value);
	return true;
}

bool jdoc_bool(json_object *object, const char *name, bool *out)
{
	json_object *value = member(object, name, json_type_boolean);

	if (value == NULL)
		return false;
	*out = json_object_get_boolean(value);
	return true;
}

bool jdoc_array(json_object *object, const char *name, json_object **out)
{
	json_object *value = member(object, name, json_type_array);

	if (value == NULL)
		return false;
	*out = value;
	return true;
}

bool jdoc_object(json_object *object, const char *name, json_object **out)
{
	json_object *value = member(object, name, json_type_object);

	if (value == NULL)
		return false;
	*out = value;
	return true;
}

bool jdoc_has(json_object *object, const char *name)
{
	return json_object_is_type(object, json_type_object) &&
	       json_object_object_get_ex(object, name, NULL);
}

bool jdoc_add(json_object *object, const char *name, json_object *value)
{
	if (object != NULL && value != NULL && json_object_object_add(object, name, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

bool jdoc_add_str(json_object *object, const char *name, struct str s)
{
	return s.n <= INT_MAX && jdoc_add(object, name, json_object_new_string_len(s.n == 0 ? "" : s.p, (int)s.n));
}

bool jdoc_add_i64(json_object *object, const char *name, int64_t value)
{
	return jdoc_add(object, name, json_object_new_int64(value));
}

bool jdoc_add_bool(json_object *object, const char *name, bool value)
{
	return jdoc_add(object, name, json_object_new_boolean(value));
}
