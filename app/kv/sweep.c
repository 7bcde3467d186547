/*
 * sweep.c - the room itself, and what takes the expired away (called by store/expire.c).
 */
#include "config.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/metric.h"
#include "kv/private.h"
#include "store/expire.h"

/* What is deleted with ENTRY, roughly. */
static size_t entry_weight(const struct entry *entry)
{
	return STORE_INLINE_MAX + (entry->flags & ENTRY_VALUE_OUTSIDE ? entry->value_len : 0);
}

/* Remove the entry of an expiry row, unless it has been written anew since. */
static enum rc expired_erase(struct store_txn *txn, struct str row, size_t *weight)
{
	struct str stored = str_skip(row, 8);
	char record[STORE_INLINE_MAX];
	struct entry entry;
	size_t n;
	enum rc rc = store_txn_get(txn, STORE_KEYS, stored, record, sizeof record, &n);

	*weight = row.n;
	if (rc != RC_OK && rc != RC_KEY_NOT_FOUND)
		return rc;
	if (rc == RC_OK && entry_read(str_make(record, n), &entry) &&
	    entry.expires_at == (int64_t)store_get_u64(row.p)) {
		*weight = entry_weight(&entry);
		return entry_erase(txn, stored, &entry);
	}
	return store_txn_del(txn, STORE_EXPIRY, row);
}

enum rc sweep_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct sweep_slice *slice = arg;
	uint64_t now = (uint64_t)clock_wall_s();
	char row[STORE_KEY_MAX];
	size_t n, weight;
	enum rc rc;

	(void)op;
	for (sweep_begin(slice); sweep_goes_on(slice); sweep_count(slice, weight)) {
		rc = store_txn_next(txn, STORE_EXPIRY, STR_LIT(""), row, &n);
		if (rc == RC_KEY_NOT_FOUND || (rc == RC_OK && store_get_u64(row) > now))
			break;
		if (rc == RC_OK && slice->removed == 0)
			slice->behind_s = (int64_t)(now - store_get_u64(row));
		if (rc != RC_OK || (rc = expired_erase(txn, str_make(row, n), &weight)) != RC_OK)
			return rc;
	}
	slice->keys = slice->removed;
	return RC_OK;
}

enum rc kv_open(struct kv **out, struct store *store)
{
	static commit_apply *const sweeps[] = { sweep_apply, collect_apply };
	struct kv *kv = calloc(1, sizeof *kv);
	enum rc rc;

	if (kv == NULL)
		return RC_NO_MEMORY;
	kv->store = store;
	pthread_mutex_init(&kv->holds_lock, NULL);
	kv->limiter = limiter_new();
	kv->hot = hot_new(KV_HOT_WINDOW_S * UINT64_C(1000000), clock_mono_us());
	rc = store_meta_random(store, "cursor_key", &kv->cursor_key, sizeof kv->cursor_key);
	if (rc == RC_OK && (kv->limiter == NULL || kv->hot == NULL ||
			    !store_sweeper_start(store, sweeps, sizeof sweeps / sizeof sweeps[0], kv)))
		rc = RC_NO_MEMORY;
	if (rc != RC_OK) {
		kv_close(kv);
		return rc;
	}
	*out = kv;
	return RC_OK;
}

void kv_close(struct kv *kv)
{
	if (kv == NULL)
		return;
	store_sweeper_stop(kv->store);
	limiter_free(kv->limiter);
	hot_free(kv->hot);
	pthread_mutex_destroy(&kv->holds_lock);
	free(kv);
}
