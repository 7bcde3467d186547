/*
 * expire.c - the sweeper: takes away what nobody can see any more.
 *
 * Expired keys are missing to readers at once; their space comes back here, in slices that
 * go through the committer like any write, so that nobody waits long for one. What an expired
 * record consists of is kv/'s business: it hands in the function. Rows of STORE_RECENT older than
 * a minute go the same way.
 */
#include "config.h"

#include "base/log.h"
#include "store/expire.h"
#include "store/private.h"

enum {
	ROUND_MS = 1000,
	BREATH_MS = 5,			/* between two slices when there is more to do */
	SLICE_COST = 64 * 1024,		/* a slice is a large write */
};

/* One slice; how much it removed. */
static size_t slice_run(struct store *store, commit_apply *apply, struct sweep_slice *slice, void *arg)
{
	struct commit_op op;
	enum rc rc;

	commit_op_init(&op, apply, arg, SLICE_COST, STR_LIT(""));
	rc = commit_run(store, &op);
	if (rc != RC_OK) {
		if (rc != RC_STORE)
			LOG_WARN("a sweep was refused and will be tried again",
				 LOG_STR("code", rc_info(rc)->code));
		return 0;
	}
	return slice->removed;
}

static void *sweeper_run(void *arg)
{
	struct store *store = arg;
	unsigned pause = ROUND_MS;

	while (helper_sleep(&store->sweeper, pause)) {
		struct sweep_slice expired = { .arg = store->sweep_arg }, recent = { 0 };

		if (atomic_load(&store->failed))
			continue;
		slice_run(store, store->sweep, &expired, &expired);
		slice_run(store, recent_sweep_apply, &recent, &recent);
		pause = expired.removed >= SWEEP_SLICE || recent.removed >= SWEEP_SLICE ? BREATH_MS : ROUND_MS;
	}
	return NULL;
}

bool store_sweeper_start(struct store *store, commit_apply *sweep, void *arg)
{
	store->sweep = sweep;
	store->sweep_arg = arg;
	return helper_start(&store->sweeper, sweeper_run, store);
}

void store_sweeper_stop(struct store *store)
{
	helper_stop(&store->sweeper);
}
