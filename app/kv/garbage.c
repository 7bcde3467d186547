/*
 * garbage.c - chunks of values that no record names: who may still need them, and taking them away.
 *
 * A value in chunks is far too large to come or go with its record in one transaction. So its chunks come
 * before, and go behind; in between a row of STORE_GARBAGE stands for them, written and removed together with
 * what makes it true:
 *
 *     first chunk stored: + row      put: - row, + row of the old value      delete, expiry: + row
 *
 * Chunks are therefore named by a record or by a row, at every moment and after every crash.
 *
 * Somebody may be using them all the same: an upload that is not finished, or a reader whose key was
 * overwritten. Those hold the value's id. Nobody holds anything after a crash, and that is right.
 *
 * The list of holds is shared, under its lock; the collector runs in the committer.
 */
#include "config.h"

#include "kv/private.h"
#include "store/expire.h"

/* ---- rows ---- */

enum rc garbage_add(struct store_txn *txn, uint32_t project, uint64_t id)
{
	char key[GARBAGE_KEY_SIZE];

	return store_txn_put(txn, STORE_GARBAGE, garbage_key(project, id, key), STR_LIT(""));
}

enum rc garbage_remove(struct store_txn *txn, uint32_t project, uint64_t id)
{
	char key[GARBAGE_KEY_SIZE];

	return store_txn_del(txn, STORE_GARBAGE, garbage_key(project, id, key));
}

/* While an upload holds its chunks, only the reaper of deleted projects takes their row. */
enum rc garbage_check(struct store_txn *txn, uint32_t project, uint64_t id)
{
	char key[GARBAGE_KEY_SIZE];
	size_t n;
	enum rc rc = store_txn_size(txn, STORE_GARBAGE, garbage_key(project, id, key), &n);

	return rc == RC_KEY_NOT_FOUND ? RC_PROJECT_UNAVAILABLE : rc;
}

/* ---- holds ---- */

void hold_take(struct kv *kv, struct kv_hold *hold, uint32_t project, uint64_t id)
{
	hold->project = project;
	hold->id = id;
	hold->prev = NULL;
	pthread_mutex_lock(&kv->holds_lock);
	hold->next = kv->holds;
	if (hold->next != NULL)
		hold->next->prev = hold;
	kv->holds = hold;
	pthread_mutex_unlock(&kv->holds_lock);
}

void hold_release(struct kv *kv, struct kv_hold *hold)
{
	if (hold->id == 0)
		return;
	pthread_mutex_lock(&kv->holds_lock);
	if (hold->prev != NULL)
		hold->prev->next = hold->next;
	else
		kv->holds = hold->next;
	if (hold->next != NULL)
		hold->next->prev = hold->prev;
	pthread_mutex_unlock(&kv->holds_lock);
	hold->id = 0;
}

static bool is_held(struct kv *kv, uint32_t project, uint64_t id)
{
	struct kv_hold *hold;

	pthread_mutex_lock(&kv->holds_lock);
	for (hold = kv->holds; hold != NULL; hold = hold->next)
		if (hold->id == id && hold->project == project)
			break;
	pthread_mutex_unlock(&kv->holds_lock);
	return hold != NULL;
}

/* ---- the collector ---- */

/* The chunks of a value, as many as the slice takes; *GONE: all of them. */
static enum rc chunks_erase(struct store_txn *txn, uint32_t project, uint64_t id, struct sweep_slice *slice,
			    bool *gone)
{
	char bytes[VALUE_KEY_SIZE], key[STORE_KEY_MAX];
	struct str chunks = value_key(project, id, PART_CHUNK, bytes);
	size_t n;
	enum rc rc;

	for (*gone = false; sweep_goes_on(slice); sweep_count(slice, KV_CHUNK_SIZE)) {
		rc = store_txn_next(txn, STORE_VALUES, chunks, key, &n);
		if (rc == RC_KEY_NOT_FOUND || (rc == RC_OK && !str_starts(str_make(key, n), chunks))) {
			*gone = true;
			return RC_OK;
		}
		if (rc != RC_OK || (rc = store_txn_del(txn, STORE_VALUES, str_make(key, n))) != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc garbage_erase(struct store_txn *txn, struct kv *kv, uint32_t project, uint64_t id,
			     struct sweep_slice *slice)
{
	bool gone;
	enum rc rc;

	if (is_held(kv, project, id))
		return RC_OK;
	rc = chunks_erase(txn, project, id, slice, &gone);
	if (rc != RC_OK || !gone)
		return rc;
	sweep_count(slice, GARBAGE_KEY_SIZE);
	return garbage_remove(txn, project, id);
}

/*
 * Asked inside the transaction, is_held() cannot miss a reader: it holds first and reads the record again
 * then. If the record names the value still, the row that the collector finds came after the hold.
 */
enum rc collect_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct sweep_slice *slice = arg;
	char row[STORE_KEY_MAX];
	size_t n = 0;
	enum rc rc;

	(void)op;
	sweep_begin(slice);
	while (sweep_goes_on(slice)) {
		char from[STORE_KEY_MAX];

		memcpy(from, row, n);
		rc = store_txn_next(txn, STORE_GARBAGE, str_make(from, n), row, &n);
		if (rc == RC_KEY_NOT_FOUND)
			return RC_OK;
		if (rc == RC_OK)
			rc = garbage_erase(txn, slice->arg, store_get_u32(row),
					   store_get_u64(row + KEY_PROJECT_SIZE), slice);
		if (rc != RC_OK)
			return rc;
		/* On behind it: it is gone, or held. */
		row[n++] = '\0';
	}
	return RC_OK;
}
