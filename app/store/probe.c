/*
 * probe.c - does the store write, and does the disk take it? For those who must know it before somebody needs it.
 *
 * Where writes are flushed all the time, that answers it. Where they are not, a probe goes through the committer like
 * any write: a record in the log that says nothing and changes no page, and its flush. One at a time, however
 * many ask.
 *
 * Any thread asks; the probe is run and finished by the committer.
 */
#include "config.h"

#include "base/clock.h"
#include "store/private.h"

/* As a commit_apply. Berkeley DB's own kind of record that recovery passes over. */
static enum rc probe_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct store *store = arg;
	enum rc rc;

	(void)op;
	if (store_txn_is_full(txn))
		return RC_STORAGE_FULL;
	rc = store_rc(store, store->env->log_printf(store->env, NULL, "probe"));
	txn->changed = rc == RC_OK;
	return rc;
}

/* It has ended, well or not: store->synced_at_us and the flags say which. */
static void probe_wake(struct commit_client *client)
{
	struct probe *probe = (struct probe *)(void *)client;

	if (commit_take(client) != NULL)
		atomic_store(&probe->is_under_way, false);
}

void probe_open(struct store *store)
{
	commit_client_open(store, &store->probe.client, probe_wake);
	/* Whoever has come so far has written. */
	atomic_store(&store->synced_at_us, clock_mono_us());
}

void probe_close(struct store *store)
{
	commit_client_close(store, &store->probe.client);
}

enum rc store_takes_writes(const struct store *store)
{
	if (atomic_load(&store->failed))
		return RC_STORE;
	return atomic_load(&store->full) ? RC_STORAGE_FULL : RC_OK;
}

bool store_has_synced(const struct store *store, uint64_t since_us)
{
	return atomic_load(&store->synced_at_us) >= since_us;
}

void store_probe(struct store *store)
{
	struct probe *probe = &store->probe;

	if (atomic_exchange(&probe->is_under_way, true))
		return;
	commit_op_init(&probe->op, probe_apply, store, 0, STR_LIT(""));
	commit_submit(store, &probe->client, &probe->op);
}

bool store_await_sync(struct store *store, uint64_t since_us, uint64_t until_us)
{
	pthread_mutex_lock(&store->flush_lock);
	while (!store_has_synced(store, since_us) && store_takes_writes(store) == RC_OK && clock_mono_us() < until_us)
		flush_sleep(store, 100);	/* and no longer: nobody says when there will be no flush */
	pthread_mutex_unlock(&store->flush_lock);
	return store_has_synced(store, since_us);
}
