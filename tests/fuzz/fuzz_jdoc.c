/*
 * fuzz_jdoc.c - documents: only JSON is read, what is written is JSON, and reading it
 * again gives the same; strings come through quoting unchanged.
 */
#include "config.h"

#include "base/jdoc.h"
#include "base/jtext.h"
#include "fuzz.h"

enum { DEPTH = 64 };

/* What was read is written, and read and written again. */
static void write_and_read(json_object *doc, size_t n)
{
	struct arena *arena = arena_new(64 * n + 4096);
	struct str once, twice;
	json_object *again;
	size_t bad_at;

	assert(arena != NULL);
	once = jdoc_text(doc, arena);
	assert(once.p != NULL);
	assert(jtext_check(once, &bad_at));
	again = jdoc_read(once, DEPTH);
	assert(again != NULL);
	assert(json_object_equal(doc, again));
	twice = jdoc_text(again, arena);
	assert(str_eq(once, twice));
	json_object_put(again);
	arena_free(arena);
}

static void ask_members(json_object *doc)
{
	struct str s = { NULL, 0 };
	json_object *part;
	int64_t number;
	bool flag;

	(void)jdoc_str(doc, "a", &s);
	(void)jdoc_i64(doc, "a", &number);
	(void)jdoc_bool(doc, "a", &flag);
	(void)jdoc_array(doc, "a", &part);
	(void)jdoc_object(doc, "a", &part);
	assert(s.p == NULL || str_is_utf8(s));
	assert(s.p == NULL || jdoc_has(doc, "a"));
}

/* Any UTF-8 is the same string again after quoting and reading. */
static void quote_and_read(struct str text)
{
	struct arena *arena = arena_new(32 * text.n + 1024);
	json_object *doc;
	struct buf buf;
	struct str s;

	assert(arena != NULL);
	buf_init(&buf, arena, 6 * text.n + 16);
	buf_add_c(&buf, "{\"a\":");
	jtext_quote(&buf, text);
	buf_add_c(&buf, "}");
	assert(buf_ok(&buf));
	doc = jdoc_read(buf_str(&buf), 1);
	assert(jdoc_str(doc, "a", &s));
	assert(str_eq(s, text));
	json_object_put(doc);
	arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str text = str_make(p, n);
	json_object *doc = jdoc_read(text, DEPTH);
	size_t bad_at;

	if (doc != NULL) {
		assert(jtext_check(text, &bad_at));
		ask_members(doc);
		write_and_read(doc, n);
		json_object_put(doc);
	}
	if (str_is_utf8(text))
		quote_and_read(text);
	return 0;
}
