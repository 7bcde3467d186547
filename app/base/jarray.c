/*
 * jarray.c - taking a JSON array apart.
 *
 * Brackets are counted, strings are passed over; nothing else is understood. Pure, any thread.
 */
#include "config.h"

#include "base/jarray.h"

void jarray_init(struct jarray *array, struct str text)
{
	*array = (struct jarray){ .p = text.p, .end = text.p + text.n };
}

static void skip_space(struct jarray *array)
{
	while (array->p < array->end && (*array->p == ' ' || *array->p == '\n' || *array->p == '\t' || *array->p == '\r'))
		array->p++;
}

/* Take C if it is next. */
static bool take(struct jarray *array, char c)
{
	skip_space(array);
	if (array->p == array->end || *array->p != c)
		return false;
	array->p++;
	return true;
}

/* Behind the string whose opening quote is at P; NULL when it does not end. */
static const char *string_end(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p++;
	}
	return NULL;
}

/* Behind the value at P: at what separates it from the next; NULL when it does not end. */
static const char *value_end(const char *p, const char *end)
{
	size_t depth = 0;

	while (p < end) {
		switch (*p) {
		case '"':
			p = string_end(p, end);
			if (p == NULL)
				return NULL;
			continue;
		case '[':
		case '{':
			depth++;
			break;
		case ']':
		case '}':
			if (depth == 0)
				return p;
			depth--;
			break;
		case ',':
			if (depth == 0)
				return p;
			break;
		}
		p++;
	}
	return NULL;
}

static enum jarray_step finish(struct jarray *array)
{
	array->ended = true;
	skip_space(array);
	return array->p == array->end ? JARRAY_END : JARRAY_BAD;
}

enum jarray_step jarray_next(struct jarray *array, struct str *item)
{
	const char *start, *stop;

	if (array->ended)
		return JARRAY_END;
	if (!array->begun) {
		if (!take(array, '['))
			return JARRAY_BAD;
		array->begun = true;
		if (take(array, ']'))
			return finish(array);
	} else if (!take(array, ',')) {
		return take(array, ']') ? finish(array) : JARRAY_BAD;
	}
	skip_space(array);
	start = array->p;
	stop = value_end(start, array->end);
	if (stop == NULL || stop == start)
		return JARRAY_BAD;
	array->p = stop;
	*item = str_make(start, (size_t)(stop - start));
	return JARRAY_ITEM;
}
