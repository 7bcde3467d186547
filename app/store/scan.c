/*
 * scan.c - a walk over a table, in chunks.
 *
 * The cursor lives only while a chunk is copied out of the pages, so a slow reader holds no
 * lock that the committer waits for. Between two chunks keys may come and go: the walk goes on
 * behind the last key it handed out.
 */
#include "config.h"

#include <assert.h>

#include "store/private.h"

enum { CHUNK_TRIES = 1000 };

void store_scan_init(struct store_scan *scan, struct store *store, enum store_table table,
		     struct str from, void *chunk)
{
	assert(from.n <= STORE_KEY_MAX);
	*scan = (struct store_scan){ .store = store, .table = table, .chunk = chunk, .n_last = from.n };
	if (from.n != 0)
		memcpy(scan->last, from.p, from.n);
}

/* One attempt to copy a chunk, from scan->last on. */
static enum rc chunk_try(struct store_scan *scan)
{
	DB *db = scan->store->db[scan->table];
	char from[STORE_KEY_MAX];
	DBT k = store_dbt_out(from, sizeof from), v = store_dbt_out(scan->chunk, STORE_SCAN_CHUNK);
	DBC *cursor = NULL;
	enum rc rc = store_rc(scan->store, db->cursor(db, NULL, &cursor, 0)), closed;

	if (rc != RC_OK)
		return rc;
	memcpy(from, scan->last, scan->n_last);
	k.size = (u_int32_t)scan->n_last;
	rc = store_rc(scan->store, cursor->get(cursor, &k, &v, DB_SET_RANGE | DB_MULTIPLE_KEY));
	closed = store_rc(scan->store, cursor->close(cursor));
	if (rc != RC_OK)
		return rc;
	DB_MULTIPLE_INIT(scan->position, &v);
	return closed;
}

static enum rc chunk_read(struct store_scan *scan)
{
	enum rc rc = RC_BUSY;

	if (atomic_load_explicit(&scan->store->failed, memory_order_relaxed))
		return RC_STORE;
	for (int i = 0; i < CHUNK_TRIES && rc == RC_BUSY; i++)
		rc = chunk_try(scan);
	return rc == RC_BUSY ? RC_STORE : rc;
}

/* The next row of the chunk; false at its end. */
static bool chunk_next(struct store_scan *scan, struct str *key, struct str *value)
{
	DBT v = store_dbt_out(scan->chunk, STORE_SCAN_CHUNK);
	u_int32_t n_key, n_value;
	void *k, *d;

	if (scan->position == NULL)
		return false;
	DB_MULTIPLE_KEY_NEXT(scan->position, &v, k, n_key, d, n_value);
	if (scan->position == NULL)
		return false;
	*key = str_make(k, n_key);
	*value = str_make(d, n_value);
	return true;
}

/*
 * The next chunk begins at the smallest key behind the last one: that is the last one and a
 * NUL, in an order of bytes where the shorter comes first.
 */
static void pass(struct store_scan *scan, struct str key)
{
	assert(key.n < STORE_KEY_MAX);
	memcpy(scan->last, key.p, key.n);
	scan->last[key.n] = '\0';
	scan->n_last = key.n + 1;
}

enum rc store_scan_next(struct store_scan *scan, struct str *key, struct str *value)
{
	enum rc rc;

	while (!chunk_next(scan, key, value))
		if ((rc = chunk_read(scan)) != RC_OK)
			return rc;
	pass(scan, *key);
	return RC_OK;
}
