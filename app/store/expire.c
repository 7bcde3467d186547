/*
 * expire.c - the sweeper: takes away what nobody can see any more.
 *
 * Expired keys are missing to readers at once; their space comes back here, in slices that
 * go through the committer like any write, so that nobody waits long for one. What an expired
 * record consists of is kv/'s business: it hands in the functions. Rows of STORE_RECENT older than
 * a minute go the same way, and those of STORE_AUDIT after a year or so.
 */
#include "config.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/expire.h"
#include "store/private.h"

enum {
	ROUND_MS = 1000,
	BREATH_MS = 5,			/* between two slices when there is more to do */
	/*
	 * And behind a slice that was full by its bytes. Large values must go faster than they can come: uploads
	 * wait in the same queue, so each gets about one chunk stored while a slice of four is taken away.
	 */
	SHORT_BREATH_MS = 1,
	SLICE_COST = 64 * 1024,		/* a slice is a large write */
};

/* One slice; after how many milliseconds the next is due. */
static unsigned slice_run(struct store *store, struct sweep *sweep)
{
	struct sweep_slice slice = {
		.arg = store->sweep_arg,
		.rows = sweep->behind ? SWEEP_SLICE_BEHIND : SWEEP_SLICE,
	};
	struct commit_op op;
	enum rc rc;

	commit_op_init(&op, sweep->apply, &slice, SLICE_COST, STR_LIT(""));
	rc = commit_run(store, &op);
	if (rc != RC_OK && rc != RC_STORE)
		LOG_WARN("a sweep was refused and will be tried again",
			 LOG_STR("code", rc_info(rc)->code));
	if (rc != RC_OK)
		return ROUND_MS;
	/* Here, because a sweep may run twice. */
	metric_add(metric_slot(), METRIC_SWEPT, slice.keys);
	sweep->behind = slice.behind_s > SWEEP_BEHIND_S;
	if (!slice.more)
		return ROUND_MS;
	return slice.bytes >= SWEEP_SLICE_BYTES ? SHORT_BREATH_MS : BREATH_MS;
}

/* ALL of the sweeps, or those that had more; how long to pause. */
static unsigned round_run(struct store *store, bool all)
{
	unsigned pause = ROUND_MS;

	for (size_t i = 0; i < store->n_sweeps; i++) {
		struct sweep *sweep = &store->sweeps[i];

		if (all || sweep->pause < ROUND_MS)
			sweep->pause = slice_run(store, sweep);
		if (sweep->pause < pause)
			pause = sweep->pause;
	}
	return pause;
}

static void *sweeper_run(void *arg)
{
	struct store *store = arg;
	uint64_t all_due_us = 0;
	unsigned pause = ROUND_MS;

	while (helper_sleep(&store->sweeper, pause)) {
		uint64_t now_us = clock_mono_us();
		bool all = now_us >= all_due_us;

		if (atomic_load(&store->failed))
			continue;
		if (all)
			all_due_us = now_us + ROUND_MS * 1000;
		pause = round_run(store, all);
	}
	return NULL;
}

bool store_sweeper_start(struct store *store, commit_apply *const *sweeps, size_t n, void *arg)
{
	assert(n <= SWEEPS_MAX);
	store->sweeps[0].apply = recent_sweep_apply;
	store->sweeps[1].apply = audit_sweep_apply;
	for (size_t i = 0; i < n; i++)
		store->sweeps[2 + i].apply = sweeps[i];
	store->n_sweeps = 2 + n;
	store->sweep_arg = arg;
	return helper_start(&store->sweeper, sweeper_run, store);
}

void store_sweeper_stop(struct store *store)
{
	helper_stop(&store->sweeper);
}
