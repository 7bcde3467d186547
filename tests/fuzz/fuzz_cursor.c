/*
 * fuzz_cursor.c - cursors: only what was written for this very list is read, and it is the name it was made of.
 *
 * The text is the list's prefix, LF, and what stands for the cursor.
 */
#include "config.h"

#include "fuzz.h"
#include "kv/private.h"

static const struct kv kv = { .cursor_key = { 1, 2 } };

/* As kv_cursor_write() makes it for a page that ended with LAST. */
static struct str cursor_of(struct kv_list list, struct str last, struct arena *arena)
{
	struct buf out;

	list.last = last;
	buf_init(&out, arena, KV_CURSOR_MAX);
	kv_cursor_write(&kv, &list, &out);
	assert(buf_ok(&out));
	return buf_str(&out);
}

/* What comes in from outside: the corpus has some that are good. */
static void read_it(struct kv_list list, struct str text, struct arena *arena)
{
	enum rc rc = kv_cursor_read(&kv, text, arena, &list);

	assert(rc == RC_OK || rc == RC_BAD_CURSOR);
	if (rc != RC_OK) {
		assert(list.after.n == 0);
		return;
	}
	assert(key_check(list.after) == RC_OK);
	assert(str_eq(cursor_of(list, list.after, arena), text));
}

/* There and back; in another list it means nothing. */
static void write_it(struct kv_list list, struct str last, struct arena *arena)
{
	struct str text = cursor_of(list, last, arena);
	struct kv_list other = list;

	assert(kv_cursor_read(&kv, text, arena, &list) == RC_OK && str_eq(list.after, last));
	other.project++;
	assert(kv_cursor_read(&kv, text, arena, &other) == RC_BAD_CURSOR);
	other.project--;
	other.prefix = other.prefix.n != 0 ? str_skip(other.prefix, 1) : STR_LIT("x");
	assert(kv_cursor_read(&kv, text, arena, &other) == RC_BAD_CURSOR && other.after.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *arena = arena_new(64 * 1024 + 8 * n);
	struct kv_list list = { .project = 7 };
	struct str text;

	assert(arena != NULL);
	str_cut(str_make(p, n), '\n', &list.prefix, &text);
	if (list.prefix.n <= KV_KEY_MAX) {
		read_it(list, text, arena);
		if (key_check(text) == RC_OK)
			write_it(list, text, arena);
	}
	arena_free(arena);
	return 0;
}
