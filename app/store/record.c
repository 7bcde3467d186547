/*
 * record.c - single records: read by anyone, changed inside the committer's transaction.
 *
 * A read takes no transaction: Berkeley DB locks the page for the length of the copy. It can
 * lose a lock to the committer all the same, and then tries again here.
 */
#include "config.h"

#include <assert.h>

#include "base/clock.h"
#include "store/private.h"

enum { READ_TRIES = 1000 };

enum rc store_get(struct store *store, enum store_table table, struct str key,
		  void *buf, size_t size, size_t *n)
{
	DB *db = store->db[table];
	enum rc rc = RC_BUSY;

	if (atomic_load_explicit(&store->failed, memory_order_relaxed))
		return RC_STORE;
	for (int i = 0; i < READ_TRIES && rc == RC_BUSY; i++) {
		DBT k = store_dbt_in(key), v = store_dbt_out(buf, size);

		rc = store_rc(store, db->get(db, NULL, &k, &v, 0));
		*n = v.size;
	}
	return rc == RC_BUSY ? RC_STORE : rc;
}

enum rc store_size(struct store *store, enum store_table table, struct str key, size_t *n)
{
	enum rc rc = store_get(store, table, key, NULL, 0, n);

	return rc == RC_VALUE_TOO_LARGE ? RC_OK : rc;
}

bool store_is_flushed(const struct store *store, uint64_t version)
{
	return atomic_load(&store->flushed) >= version;
}

uint64_t store_in_flight(const struct store *store)
{
	return atomic_load(&store->committing);
}

bool store_waits_for_space(const struct store *store)
{
	return atomic_load(&store->flush_waits);
}

void flush_sleep(struct store *store, unsigned ms)
{
	clock_cond_wait(&store->flush_done, &store->flush_lock, clock_mono_us() + (uint64_t)ms * 1000);
}

enum rc store_wait(struct store *store, uint64_t version)
{
	uint64_t began = clock_mono_us();
	bool gave_up = false;

	if (store_is_flushed(store, version))
		return RC_OK;
	pthread_mutex_lock(&store->flush_lock);
	while (!store_is_flushed(store, version) && !atomic_load(&store->failed) && !gave_up) {
		flush_sleep(store, 1000);	/* and no longer: somebody may have to give up */
		gave_up = store_waits_for_space(store) && clock_mono_us() - began > STORE_SPACE_WAIT_US;
	}
	pthread_mutex_unlock(&store->flush_lock);
	if (store_is_flushed(store, version))
		return RC_OK;
	return gave_up ? RC_UNAVAILABLE : RC_STORE;
}

/* ---- inside a transaction ---- */

/*
 * What is written is nearly always the row that was read just before, so the transaction has a cursor on it: put, del
 * and another get find it there without another search.
 */
static void place_keep(struct store_txn *txn, struct str key)
{
	assert(key.n <= STORE_KEY_MAX);
	txn->placed = true;
	txn->n_place_key = key.n;
	memcpy(txn->place_key, key.p, key.n);
}

static bool is_placed(const struct store_txn *txn, enum store_table table, struct str key)
{
	return txn->placed && table == STORE_KEYS && str_eq(key, str_make(txn->place_key, txn->n_place_key));
}

/* The row of KEY in STORE_KEYS, and the cursor on it. */
static enum rc place_get(struct store_txn *txn, struct str key, DBT *value)
{
	DB *db = txn->store->db[STORE_KEYS];
	DBT k = store_dbt_in(key), none = { .flags = DB_DBT_USERMEM | DB_DBT_PARTIAL };
	enum rc rc;

	if (txn->place == NULL && (rc = store_rc(txn->store, db->cursor(db, txn->txn, &txn->place, 0))) != RC_OK)
		return rc;
	if (is_placed(txn, STORE_KEYS, key))
		return store_rc(txn->store, txn->place->get(txn->place, &none, value, DB_CURRENT | DB_RMW));
	txn->placed = false;
	rc = store_rc(txn->store, txn->place->get(txn->place, &k, value, DB_SET | DB_RMW));
	if (rc == RC_OK)
		place_keep(txn, key);
	return rc;
}

enum rc record_leave(struct store_txn *txn)
{
	DBC *place = txn->place;

	txn->place = NULL;
	txn->placed = false;
	return place == NULL ? RC_OK : store_rc(txn->store, place->close(place));
}

enum rc store_txn_get(struct store_txn *txn, enum store_table table, struct str key,
		      void *buf, size_t size, size_t *n)
{
	DB *db = txn->store->db[table];
	DBT k = store_dbt_in(key), v = store_dbt_out(buf, size);
	enum rc rc;

	if (table == STORE_KEYS)
		rc = place_get(txn, key, &v);
	else
		rc = store_rc(txn->store, db->get(db, txn->txn, &k, &v, DB_RMW));
	*n = v.size;
	return rc;
}

enum rc store_txn_put(struct store_txn *txn, enum store_table table, struct str key, struct str value)
{
	DB *db = txn->store->db[table];
	DBT k = store_dbt_in(key), v = store_dbt_in(value);

	assert(key.n <= STORE_KEY_MAX);
	txn->changed = true;
	if (is_placed(txn, table, key))
		return store_rc(txn->store, txn->place->put(txn->place, &k, &v, DB_CURRENT));
	return store_rc(txn->store, db->put(db, txn->txn, &k, &v, 0));
}

enum rc store_txn_del(struct store_txn *txn, enum store_table table, struct str key)
{
	DB *db = txn->store->db[table];
	DBT k = store_dbt_in(key);
	enum rc rc;

	txn->changed = true;
	if (is_placed(txn, table, key)) {
		txn->placed = false;
		return store_rc(txn->store, txn->place->del(txn->place, 0));
	}
	rc = store_rc(txn->store, db->del(db, txn->txn, &k, 0));
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

enum rc store_txn_next(struct store_txn *txn, enum store_table table, struct str from,
		       char *key, size_t *n_key)
{
	DB *db = txn->store->db[table];
	DBT k = store_dbt_out(key, STORE_KEY_MAX), v = { .flags = DB_DBT_USERMEM | DB_DBT_PARTIAL };
	DBC *cursor = NULL;
	enum rc rc = store_rc(txn->store, db->cursor(db, txn->txn, &cursor, 0)), closed;

	if (rc != RC_OK)
		return rc;
	memcpy(key, from.p, from.n);
	k.size = (u_int32_t)from.n;
	rc = store_rc(txn->store, cursor->get(cursor, &k, &v, DB_SET_RANGE));
	*n_key = k.size;
	closed = store_rc(txn->store, cursor->close(cursor));
	return closed == RC_OK ? rc : closed;
}

enum rc store_txn_size(struct store_txn *txn, enum store_table table, struct str key, size_t *n)
{
	enum rc rc = store_txn_get(txn, table, key, NULL, 0, n);

	return rc == RC_VALUE_TOO_LARGE ? RC_OK : rc;
}

bool store_txn_is_full(const struct store_txn *txn)
{
	return atomic_load_explicit(&txn->store->full, memory_order_relaxed);
}

uint64_t store_txn_version(const struct store_txn *txn)
{
	return txn->version;
}

/* ---- usage: what is in use, added up over a batch ---- */

static uint64_t add_down_to_zero(uint64_t have, int64_t more)
{
	return more < 0 && (uint64_t)-more > have ? 0 : have + (uint64_t)more;
}

enum { USAGE_KEY_SIZE = 12 };

static struct str usage_key(uint32_t project, uint64_t user, char out[USAGE_KEY_SIZE])
{
	store_put_u32(out, project);
	store_put_u64(out + 4, user);
	return str_make(out, USAGE_KEY_SIZE);
}

/* The row with what USAGE adds to it. */
static enum rc usage_sum(struct store_txn *txn, const struct txn_usage *usage, uint64_t *keys, uint64_t *bytes)
{
	char key[USAGE_KEY_SIZE], row[16] = { 0 };
	size_t n;
	enum rc rc = store_txn_get(txn, STORE_USAGE, usage_key(usage->project, usage->user, key), row, sizeof row, &n);

	if (rc != RC_OK && rc != RC_KEY_NOT_FOUND)
		return rc;
	*keys = add_down_to_zero(store_get_u64(row), usage->keys);
	*bytes = add_down_to_zero(store_get_u64(row + 8), usage->bytes);
	return RC_OK;
}

static enum rc usage_row_add(struct store_txn *txn, const struct txn_usage *usage)
{
	char bytes_of_key[USAGE_KEY_SIZE], row[16];
	struct str key = usage_key(usage->project, usage->user, bytes_of_key);
	uint64_t keys, bytes;
	enum rc rc;

	if (usage->keys == 0 && usage->bytes == 0)
		return RC_OK;
	if ((rc = usage_sum(txn, usage, &keys, &bytes)) != RC_OK)
		return rc;
	if (keys == 0 && bytes == 0)
		return store_txn_del(txn, STORE_USAGE, key);
	store_put_u64(row, keys);
	store_put_u64(row + 8, bytes);
	return store_txn_put(txn, STORE_USAGE, key, str_make(row, sizeof row));
}

enum rc record_write_usage(struct store_txn *txn)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < txn->n_usage && rc == RC_OK; i++)
		rc = usage_row_add(txn, &txn->usage[i]);
	txn->n_usage = 0;
	return rc;
}

/* What this batch has added so far; NULL: nothing, or it is in the row already. */
static struct txn_usage *usage_find(struct store_txn *txn, uint32_t project, uint64_t user)
{
	for (size_t i = 0; i < txn->n_usage; i++)
		if (txn->usage[i].project == project && txn->usage[i].user == user)
			return &txn->usage[i];
	return NULL;
}

enum rc store_txn_usage_read(struct store_txn *txn, uint32_t project, uint64_t user, uint64_t *keys, uint64_t *bytes)
{
	const struct txn_usage none = { .project = project, .user = user }, *usage = usage_find(txn, project, user);

	return usage_sum(txn, usage == NULL ? &none : usage, keys, bytes);
}

enum rc store_txn_usage(struct store_txn *txn, uint32_t project, uint64_t user, int64_t keys, int64_t bytes)
{
	struct txn_usage *usage = usage_find(txn, project, user);
	enum rc rc;

	if (usage != NULL) {
		usage->keys += keys;
		usage->bytes += bytes;
		return RC_OK;
	}
	if (txn->n_usage == COMMIT_USAGE_MAX && (rc = record_write_usage(txn)) != RC_OK)
		return rc;
	txn->usage[txn->n_usage++] = (struct txn_usage){ project, user, keys, bytes };
	return RC_OK;
}
