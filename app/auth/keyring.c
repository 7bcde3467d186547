/*
 * keyring.c - see keyring.h.
 *
 * LOCK guards the pointer, for as long as taking a reference takes; CHANGE is held over a whole change, with its
 * write to the disk. The generation stands beside the set as well, so that who only compares it takes no lock.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

#include "auth/keyring.h"
#include "base/log.h"
#include "store/commit.h"
#include "store/store.h"

enum { RECORD_ARENA = 64 * 1024 };

struct keyring {
	struct store *store;
	pthread_mutex_t lock, change;
	struct key_set *set;
	_Atomic uint64_t generation;
};

/* --- the set of this moment --- */

struct key_set *keyring_take(struct keyring *ring)
{
	struct key_set *set;

	pthread_mutex_lock(&ring->lock);
	set = key_set_ref(ring->set);
	pthread_mutex_unlock(&ring->lock);
	return set;
}

uint64_t keyring_generation(const struct keyring *ring)
{
	return atomic_load_explicit(&ring->generation, memory_order_acquire);
}

/* SET from now on, of the next generation when what is remembered of tokens may be wrong. */
static void show(struct keyring *ring, struct key_set *set, bool renew)
{
	struct key_set *old;

	key_set_set_generation(set, keyring_generation(ring) + renew);
	pthread_mutex_lock(&ring->lock);
	old = ring->set;
	ring->set = set;
	atomic_store(&ring->generation, key_set_generation(set));
	pthread_mutex_unlock(&ring->lock);
	key_set_unref(old);
}

void keyring_lock(struct keyring *ring)
{
	pthread_mutex_lock(&ring->change);
}

void keyring_unlock(struct keyring *ring)
{
	pthread_mutex_unlock(&ring->change);
}

/* --- rows --- */

struct key_row {
	struct str kid, record;		/* without a record it goes */
};

static enum rc row_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct key_row *row = arg;

	(void)op;
	if (row->record.n == 0)
		return store_txn_del(txn, STORE_SIGNING_KEYS, row->kid);
	return store_txn_put(txn, STORE_SIGNING_KEYS, row->kid, row->record);
}

static enum rc row_run(struct store *store, struct key_row *row)
{
	struct commit_op op;

	commit_op_init(&op, row_apply, row, 1024, STR_LIT(""));
	return commit_run(store, &op);
}

/* KEY into the store; back when it is durable. */
static enum rc row_put(struct store *store, const struct key *key)
{
	struct arena *arena = arena_new(RECORD_ARENA);
	struct key_row row = { .kid = str_c(key->kid) };
	enum rc rc = RC_INTERNAL;

	if (arena == NULL)
		return rc;
	row.record = key_write(key, arena);
	if (row.record.p != NULL) {
		rc = row_run(store, &row);
		OPENSSL_cleanse((void *)(uintptr_t)row.record.p, row.record.n);
	}
	arena_free(arena);
	return rc;
}

/* One row of the store; both strings are its. */
static enum rc add_stored_key(struct key_set *keys, struct str kid, struct str record)
{
	if (key_read(keys, record) == RC_OK && key_set_find(keys, kid) != NULL)
		return RC_OK;
	/* Going on without it would refuse good tokens, and sign with a key that others do not expect. */
	LOG_ERROR("a signing key in the store cannot be read", LOG_U64("keys_before", key_set_count(keys)));
	return RC_INTERNAL;
}

static enum rc read_keys(struct key_set *keys, struct store *store)
{
	void *chunk = malloc(STORE_SCAN_CHUNK);
	struct store_scan scan;
	struct str kid, record;
	enum rc rc = RC_INTERNAL;

	if (chunk == NULL)
		return rc;
	store_scan_init(&scan, store, STORE_SIGNING_KEYS, STR_LIT(""), chunk);
	while ((rc = store_scan_next(&scan, &kid, &record)) == RC_OK)
		if ((rc = add_stored_key(keys, kid, record)) != RC_OK)
			break;
	OPENSSL_cleanse(chunk, STORE_SCAN_CHUNK);
	free(chunk);
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

/* --- changes: the new set first, for want of memory must not come behind the write --- */

enum rc keyring_make(struct keyring *ring, uint32_t project, int64_t now, int64_t activates_at, int64_t life_s,
		     char kid[KEY_ID_LEN + 1])
{
	struct key_set *set = key_set_copy(ring->set, NULL);
	const struct key *key;
	enum rc rc = RC_INTERNAL;

	if (set == NULL || (rc = key_set_generate(set, project, now, activates_at, life_s)) != RC_OK)
		goto out;
	key = key_set_at(set, key_set_count(set) - 1);
	if ((rc = row_put(ring->store, key)) != RC_OK)
		goto out;
	if (kid != NULL)
		memcpy(kid, key->kid, sizeof key->kid);
	LOG_INFO("made a signing key", LOG_STR("kid", key->kid), LOG_U64("project", project),
		 LOG_I64("activates_at", activates_at));
	show(ring, set, false);
	return RC_OK;
out:
	key_set_unref(set);
	return rc;
}

enum rc keyring_drop(struct keyring *ring, struct str kid, bool at_once)
{
	const struct key *key = key_set_find(ring->set, kid);
	struct key_set *set;
	struct key_row row = { .record = STR_LIT("") };
	enum rc rc;

	if (key == NULL)
		return RC_KEY_NOT_FOUND;
	if ((set = key_set_copy(ring->set, key)) == NULL)
		return RC_INTERNAL;
	row.kid = str_c(key->kid);
	if ((rc = row_run(ring->store, &row)) != RC_OK) {
		key_set_unref(set);
		return rc;
	}
	LOG_INFO("a signing key is gone", LOG_STR("kid", key->kid), LOG_U64("project", key->project));
	show(ring, set, at_once);
	return RC_OK;
}

enum rc keyring_outlive(struct keyring *ring, struct str kid, int64_t life_s)
{
	struct key_set *set = key_set_copy(ring->set, NULL);
	const struct key *key = set == NULL ? NULL : key_set_find(set, kid);
	enum rc rc = set == NULL ? RC_INTERNAL : RC_KEY_NOT_FOUND;

	if (key != NULL) {
		key_set_outlive(set, key, life_s);
		rc = row_put(ring->store, key);
	}
	if (rc == RC_OK)
		show(ring, set, false);
	else
		key_set_unref(set);
	return rc;
}

enum rc keyring_renew(struct keyring *ring)
{
	struct key_set *set = key_set_copy(ring->set, NULL);

	if (set == NULL)
		return RC_INTERNAL;
	show(ring, set, true);
	return RC_OK;
}

/* --- opening --- */

enum rc keyring_open(struct keyring **out, struct store *store, int64_t life_s, int64_t now)
{
	struct keyring *ring = calloc(1, sizeof *ring);
	enum rc rc = RC_INTERNAL;

	if (ring == NULL)
		return rc;
	ring->store = store;
	pthread_mutex_init(&ring->lock, NULL);
	pthread_mutex_init(&ring->change, NULL);
	if ((ring->set = key_set_new()) != NULL)
		rc = read_keys(ring->set, store);
	/* It may sign at once: nobody has fetched a set without it yet. */
	if (rc == RC_OK && key_set_current(ring->set, KEY_SHARED, now) == NULL)
		rc = keyring_make(ring, KEY_SHARED, now, now, life_s, NULL);
	if (rc == RC_OK)
		*out = ring;
	else
		keyring_close(ring);
	return rc;
}

void keyring_close(struct keyring *ring)
{
	if (ring == NULL)
		return;
	key_set_unref(ring->set);
	pthread_mutex_destroy(&ring->lock);
	pthread_mutex_destroy(&ring->change);
	free(ring);
}
