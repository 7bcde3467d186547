/*
 * hot.c - which keys are written most just now. The committer counts (write.c), anyone may look.
 *
 * For the operator alone: keys go to no log and to no metric.
 */
#include "config.h"

#include "base/clock.h"
#include "kv/private.h"

/* What base/hot.h calls a key is a stored one, with its project in front. */
static void show(const struct hot_key *hot, struct kv_hot_key *out)
{
	*out = (struct kv_hot_key){
		.project = store_get_u32(hot->key),
		.key = str_skip(str_make(hot->key, hot->n), KEY_PROJECT_SIZE),
		.recent = hot->count,
		.writes = hot->value,
	};
}

enum rc kv_hot(struct kv *kv, struct arena *arena, struct kv_hot_key **keys, size_t *n, uint64_t *span_us)
{
	struct hot_key *found = arena_alloc(arena, HOT_READ_MAX * sizeof *found);
	struct kv_hot_key *out = arena_alloc(arena, HOT_READ_MAX * sizeof *out);
	uint64_t total;

	_Static_assert((int)KEY_STORED_MAX <= (int)HOT_KEY_MAX, "every key can be counted");
	if (found == NULL || out == NULL)
		return RC_NO_MEMORY;
	*n = hot_read(kv->hot, clock_mono_us(), found, span_us, &total);
	for (size_t i = 0; i < *n; i++)
		show(&found[i], &out[i]);
	*keys = out;
	return RC_OK;
}
