/*
 * reap.c - the data of deleted projects is taken away in the background.
 *
 * Deleting a project marks its number in STORE_META; nobody can reach its keys from then on. A
 * thread removes them table by table, in small slices, and the mark last: a crash half way only
 * means that it goes on at the next start. Expiry rows that point at nothing are the sweeper's.
 */
#include "config.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "project/private.h"

enum {
	SLICE = 200,		/* rows deleted in one go, */
	SLICE_BYTES = 1 << 20,	/* or so many bytes of them: what is deleted is logged */
	SLICE_COST = 64 * 1024,
	GRACE_S = 5,		/* requests that began before the deletion have ended by then */
	BREATH_MS = 2
};

struct str reap_key(uint32_t number, char out[REAP_KEY_SIZE])
{
	memcpy(out, REAP_PREFIX, sizeof REAP_PREFIX - 1);
	store_put_u32(out + sizeof REAP_PREFIX - 1, number);
	return str_make(out, REAP_KEY_SIZE);
}

struct reap_slice {
	enum store_table table;
	char project[4];
	size_t removed;
	bool more;		/* it ended because it was full */
};

static enum rc reap_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct reap_slice *slice = arg;
	struct str project = str_make(slice->project, sizeof slice->project);
	size_t n, n_value, bytes = 0;
	char key[STORE_KEY_MAX];
	enum rc rc;

	(void)op;
	slice->more = false;
	slice->removed = 0;
	for (; slice->removed < SLICE && bytes < SLICE_BYTES; slice->removed++, bytes += n + n_value) {
		rc = store_txn_next(txn, slice->table, project, key, &n);
		if (rc == RC_KEY_NOT_FOUND || (rc == RC_OK && !str_starts(str_make(key, n), project)))
			return RC_OK;
		if (rc != RC_OK ||
		    (rc = store_txn_size(txn, slice->table, str_make(key, n), &n_value)) != RC_OK ||
		    (rc = store_txn_del(txn, slice->table, str_make(key, n))) != RC_OK)
			return rc;
	}
	slice->more = true;
	return RC_OK;
}

static enum rc unmark_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct reap_slice *slice = arg;
	char mark[REAP_KEY_SIZE];

	(void)op;
	return store_txn_del(txn, STORE_META, reap_key(store_get_u32(slice->project), mark));
}

/* Sleep, or be woken to stop. False: stop. */
static bool reaper_sleep(struct registry *registry, long ms)
{
	uint64_t until_us = clock_mono_us() + (uint64_t)ms * 1000;
	bool stop;

	pthread_mutex_lock(&registry->reap_lock);
	while (!registry->reap_stop && clock_cond_wait(&registry->reap_wake, &registry->reap_lock, until_us))
		;
	stop = registry->reap_stop;
	pthread_mutex_unlock(&registry->reap_lock);
	return !stop;
}

/* Everything of one project. False: told to stop, or refused for now. */
static bool reap_project(struct registry *registry, const char number[4])
{
	/* The garbage first: an upload that is still under way finds its row gone, and ends. */
	static const enum store_table tables[] = {
		STORE_KEYS, STORE_GARBAGE, STORE_VALUES, STORE_USAGE, STORE_MARKS
	};
	struct reap_slice slice;
	struct commit_op op;

	memcpy(slice.project, number, sizeof slice.project);
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		slice.table = tables[i];
		do {
			commit_op_init(&op, reap_apply, &slice, SLICE_COST, STR_LIT(""));
			if (commit_run(registry->store, &op) != RC_OK)
				return false;
			metric_add(metric_slot(), METRIC_REAPED, slice.removed);
			if (!reaper_sleep(registry, BREATH_MS))
				return false;
		} while (slice.more);
	}
	commit_op_init(&op, unmark_apply, &slice, SLICE_COST, STR_LIT(""));
	if (commit_run(registry->store, &op) != RC_OK)
		return false;
	LOG_INFO("the data of a deleted project is gone", LOG_U64("number", store_get_u32(number)));
	return true;
}

/* The number behind the first mark; false when there is none. */
static bool next_mark(struct registry *registry, char number[4])
{
	static _Alignas(16) char chunk[STORE_SCAN_CHUNK];	/* the reaper's alone */
	const struct str prefix = STR_LIT(REAP_PREFIX);
	struct store_scan scan;
	struct str key, value;

	store_scan_init(&scan, registry->store, STORE_META, prefix, chunk);
	if (store_scan_next(&scan, &key, &value) != RC_OK || key.n != REAP_KEY_SIZE ||
	    !str_starts(key, prefix))
		return false;
	memcpy(number, key.p + prefix.n, 4);
	return true;
}

static bool reaper_wait(struct registry *registry)
{
	bool stop;

	pthread_mutex_lock(&registry->reap_lock);
	while (!registry->reap_due && !registry->reap_stop)
		pthread_cond_wait(&registry->reap_wake, &registry->reap_lock);
	registry->reap_due = false;
	stop = registry->reap_stop;
	pthread_mutex_unlock(&registry->reap_lock);
	return !stop;
}

static void *reaper_run(void *arg)
{
	struct registry *registry = arg;
	char number[4];

	while (reaper_wait(registry)) {
		if (!reaper_sleep(registry, GRACE_S * 1000L))
			break;
		while (next_mark(registry, number) && reap_project(registry, number))
			;
	}
	return NULL;
}

bool reaper_start(struct registry *registry)
{
	clock_cond_init(&registry->reap_wake);
	pthread_mutex_init(&registry->reap_lock, NULL);
	registry->reap_due = true;	/* look once for what an earlier run left */
	registry->reaper_runs = pthread_create(&registry->reaper, NULL, reaper_run, registry) == 0;
	return registry->reaper_runs;
}

void reaper_wake(struct registry *registry)
{
	pthread_mutex_lock(&registry->reap_lock);
	registry->reap_due = true;
	pthread_cond_signal(&registry->reap_wake);
	pthread_mutex_unlock(&registry->reap_lock);
}

void reaper_stop(struct registry *registry)
{
	if (!registry->reaper_runs)
		return;
	pthread_mutex_lock(&registry->reap_lock);
	registry->reap_stop = true;
	pthread_cond_signal(&registry->reap_wake);
	pthread_mutex_unlock(&registry->reap_lock);
	pthread_join(registry->reaper, NULL);
	registry->reaper_runs = false;
	pthread_mutex_destroy(&registry->reap_lock);
	pthread_cond_destroy(&registry->reap_wake);
}
