/*
 * expire.c - the sweeper: takes away what nobody can see any more.
 *
 * Expired keys are missing to readers at once; their space comes back here, in slices that
 * go through the committer like any write, so that nobody waits long for one. What an expired
 * record consists of is kv/'s business: it hands in the functions. Rows of STORE_RECENT older than
 * a minute go the same way.
 */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "store/expire.h"
#include "store/private.h"

enum {
	ROUND_MS = 1000,
	BREATH_MS = 5,			/* between two slices when there is more to do */
	SLICE_COST = 64 * 1024,		/* a slice is a large write */
};

/* One slice. True when there is more to do at once. */
static bool slice_run(struct store *store, commit_apply *sweep, void *arg)
{
	struct sweep_slice slice = { .arg = arg };
	struct commit_op op;
	enum rc rc;

	commit_op_init(&op, sweep, &slice, SLICE_COST, STR_LIT(""));
	rc = commit_run(store, &op);
	if (rc != RC_OK && rc != RC_STORE)
		LOG_WARN("a sweep was refused and will be tried again",
			 LOG_STR("code", rc_info(rc)->code));
	return rc == RC_OK && slice.more;
}

static bool round_run(struct store *store)
{
	bool more = slice_run(store, recent_sweep_apply, NULL);

	for (size_t i = 0; i < store->n_sweeps; i++)
		more |= slice_run(store, store->sweeps[i], store->sweep_arg);
	return more;
}

static void *sweeper_run(void *arg)
{
	struct store *store = arg;
	unsigned pause = ROUND_MS;

	while (helper_sleep(&store->sweeper, pause))
		if (!atomic_load(&store->failed))
			pause = round_run(store) ? BREATH_MS : ROUND_MS;
	return NULL;
}

bool store_sweeper_start(struct store *store, commit_apply *const *sweeps, size_t n, void *arg)
{
	assert(n <= SWEEPS_MAX);
	memcpy(store->sweeps, sweeps, n * sizeof *sweeps);
	store->n_sweeps = n;
	store->sweep_arg = arg;
	return helper_start(&store->sweeper, sweeper_run, store);
}

void store_sweeper_stop(struct store *store)
{
	helper_stop(&store->sweeper);
}
