/*
 * fuzz_patch.c - changes of values: a stored value, a NUL, and what is to become of it, as an operation and as a merge
 * patch. Whatever both are: what comes out is JSON, the same again when it is run again, and a refusal has a sentence.
 */
#include "config.h"

#include <string.h>

#include "base/jraw.h"
#include "base/jtext.h"
#include "fuzz.h"
#include "kv/op_private.h"

static void run(struct kv_change *change, struct str value)
{
	struct op_result result = { .unchanged = false }, again = { .unchanged = false };
	struct buf once;
	size_t bad_at;
	enum rc rc;

	buf_init(&change->out, change->arena, 1 << 20);
	rc = op_run(change, value, &result);
	assert(rc == RC_OK || rc == RC_BAD_REQUEST || rc == RC_NO_MEMORY);
	assert((rc == RC_BAD_REQUEST) == (result.why != NULL));
	once = change->out;
	if (rc != RC_OK || !buf_ok(&once))
		return;
	assert(result.unchanged == (once.n == 0));
	assert(result.unchanged || jtext_check(buf_str(&once), &bad_at));
	buf_init(&change->out, change->arena, 1 << 20);
	assert(op_run(change, value, &again) == RC_OK);
	assert(str_eq(buf_str(&once), buf_str(&change->out)));
	assert(result.unchanged == again.unchanged && memcmp(result.more, again.more, sizeof result.more) == 0);
}

static void change(struct arena *arena, struct str value, struct str text, bool is_merge)
{
	struct kv_change change = { .value_limit = 1 << 20, .arena = arena };
	const char *why = NULL;
	enum rc rc = is_merge ? kv_merge_read(text, arena, &change.op, &why) :
				kv_op_read(text, arena, &change.op, &why);

	assert(rc == RC_OK || rc == RC_BAD_REQUEST || rc == RC_NO_MEMORY);
	assert((rc == RC_BAD_REQUEST) == (why != NULL));
	if (rc == RC_OK && change.op.kind != KV_TOUCH)
		run(&change, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str value, text;
	struct arena *arena;
	size_t bad_at;

	(void)str_cut(str_make(p, n), '\0', &value, &text);
	if (!jtext_check(text, &bad_at) || (value.n != 0 && !jtext_check(value, &bad_at)))
		return 0;
	arena = arena_new(16 << 20);
	assert(arena != NULL);
	change(arena, jraw_trim(value), text, false);
	change(arena, jraw_trim(value), text, true);
	arena_free(arena);
	return 0;
}
