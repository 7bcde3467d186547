/*
 * fuzz_jtext.c - the JSON scanner judges as the reference does, and quoting is undone by reading.
 */
#include "config.h"

#include "../unit/json_reference.h"
#include "base/jtext.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str text = str_make(p, n);
	size_t ours = n + 1, theirs = n + 1;

	assert(jtext_check(text, &ours) == json_reference(text, &theirs));
	assert(ours == theirs);

	if (str_is_utf8(text)) {
		struct arena *arena = arena_new(16 * n + 1024);
		struct buf quoted;

		assert(arena != NULL);
		buf_init(&quoted, arena, 6 * n + 2);
		jtext_quote(&quoted, text);
		assert(buf_ok(&quoted));
		assert(quoted.n == jtext_quoted_len(text));
		assert(jtext_check(buf_str(&quoted), &ours));
		arena_free(arena);
	}
	return 0;
}
