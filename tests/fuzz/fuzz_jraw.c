/*
 * fuzz_jraw.c - JSON taken apart as a bulk call does it: each part is the text of what a document has in its place,
 * and nothing lies between them but what JSON allows there.
 */
#include "config.h"

#include <string.h>

#include "base/jdoc.h"
#include "base/jraw.h"
#include "base/jtext.h"
#include "fuzz.h"

enum { DEPTH = 64 };

static void is_made_of(struct str s, const char *bytes)
{
	for (size_t i = 0; i < s.n; i++)
		assert(s.p[i] != '\0' && strchr(bytes, s.p[i]) != NULL);
}

/* TEXT read by itself is VALUE. */
static void is_text_of(struct str text, json_object *value)
{
	json_object *doc;
	size_t bad_at;

	assert(jtext_check(text, &bad_at));
	doc = jdoc_read(text, DEPTH);
	assert(json_object_equal(doc, value));
	json_object_put(doc);
}

/* NAME, as it is written, names a member of DOC; answers that. */
static json_object *member_of(json_object *doc, struct str name)
{
	json_object *read = jdoc_read(name, DEPTH), *value = NULL;

	assert(json_object_is_type(read, json_type_string));
	assert(json_object_object_get_ex(doc, json_object_get_string(read), &value));
	json_object_put(read);
	return value;
}

/* The first of those names, as jraw_member() finds it. */
static void is_found(struct str text, struct str name, struct str value)
{
	char plain[64];

	name = jraw_inside(name);
	if (name.n >= sizeof plain || memchr(name.p, '\\', name.n) != NULL)
		return;
	memcpy(plain, name.p, name.n);
	plain[name.n] = '\0';
	assert(jraw_member(text, plain).p == value.p && jraw_member(text, plain).n == value.n);
}

static void walk_it(struct str text, json_object *doc)
{
	struct str name, value;
	struct jraw walk;
	const char *at;
	size_t n = 0;

	if (!jraw_open(&walk, text)) {
		assert(!json_object_is_type(doc, json_type_array) && !json_object_is_type(doc, json_type_object));
		assert(jraw_member(text, "key").n == 0);
		return;
	}
	assert(walk.is_object == json_object_is_type(doc, json_type_object));
	for (at = walk.p; jraw_next(&walk, &name, &value); at = value.p + value.n, n++) {
		is_made_of(str_make(at, (size_t)((name.n != 0 ? name.p : value.p) - at)), " \t\r\n,");
		if (!walk.is_object) {
			assert(name.n == 0);
			is_text_of(value, json_object_array_get_idx(doc, n));
			continue;
		}
		is_made_of(str_make(name.p + name.n, (size_t)(value.p - name.p) - name.n), " \t\r\n:");
		is_text_of(value, member_of(doc, name));
		is_found(text, name, value);
	}
	is_made_of(str_make(at, (size_t)(text.p + text.n - at)), " \t\r\n]}");
	assert(n == (walk.is_object ? (size_t)json_object_object_length(doc) : json_object_array_length(doc)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str text = str_make(p, n);
	json_object *doc = jdoc_read(text, DEPTH);

	if (doc != NULL)
		walk_it(text, doc);
	json_object_put(doc);
	return 0;
}
