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

/*
 * What is copied and not looked at is lost, so a walk begins with little: some hundred names, or fifty
 * with values of 200 bytes. Less would save as much as a second read costs. Berkeley DB wants room for
 * two pages at least, so that one fits with the table of its rows, and multiples of 1,024.
 */
enum { CHUNK_TRIES = 1000, CHUNK_UNIT = 8 * 1024, FIRST_CHUNK = 2 * CHUNK_UNIT };

void store_scan_init(struct store_scan *scan, struct store *store, enum store_table table,
		     struct str from, void *chunk)
{
	assert(from.n <= STORE_KEY_MAX);
	*scan = (struct store_scan){
		.store = store, .table = table, .chunk = chunk, .size = FIRST_CHUNK, .n_from = from.n
	};
	if (from.n != 0)
		memcpy(scan->from, from.p, from.n);
}

/* One attempt to copy a chunk, from scan->from on. */
static enum rc chunk_try(struct store_scan *scan)
{
	DB *db = scan->store->db[scan->table];
	char from[STORE_KEY_MAX];
	DBT k = store_dbt_out(from, sizeof from), v = store_dbt_out(scan->chunk, scan->size);
	DBC *cursor = NULL;
	enum rc rc = store_rc(scan->store, db->cursor(db, NULL, &cursor, 0)), closed;

	if (rc != RC_OK)
		return rc;
	memcpy(from, scan->from, scan->n_from);
	k.size = (u_int32_t)scan->n_from;
	rc = store_rc(scan->store, cursor->get(cursor, &k, &v, DB_SET_RANGE | DB_MULTIPLE_KEY));
	closed = store_rc(scan->store, cursor->close(cursor));
	if (closed != RC_OK || rc != RC_OK)
		return closed != RC_OK ? closed : rc;
	DB_MULTIPLE_INIT(scan->position, &v);
	return RC_OK;
}

/* A chunk; a larger one at once when not even one row has room. */
static enum rc chunk_read(struct store_scan *scan)
{
	enum rc rc = RC_BUSY;

	if (atomic_load_explicit(&scan->store->failed, memory_order_relaxed))
		return RC_STORE;
	for (int i = 0; i < CHUNK_TRIES && rc == RC_BUSY; i++) {
		rc = chunk_try(scan);
		if (rc == RC_VALUE_TOO_LARGE && scan->size < STORE_SCAN_CHUNK) {
			scan->size = STORE_SCAN_CHUNK;
			rc = RC_BUSY;
		}
	}
	return rc == RC_BUSY ? RC_STORE : rc;
}

/* The next row of the chunk; false at its end. */
static bool chunk_next(struct store_scan *scan, struct str *key, struct str *value)
{
	DBT v = { .data = scan->chunk };	/* all that the macro asks for */
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

/* Twice the last chunk, or what the wanted rows need when they are like those seen so far. */
static size_t next_size(const struct store_scan *scan)
{
	size_t size = scan->size * 2 < STORE_SCAN_CHUNK ? scan->size * 2 : STORE_SCAN_CHUNK, enough;

	if (scan->wanted <= scan->n_rows)
		return size;
	enough = (scan->wanted - scan->n_rows) * (scan->n_bytes / scan->n_rows) + CHUNK_UNIT;
	enough -= enough % CHUNK_UNIT;
	return enough < size ? enough : size;
}

/*
 * The next chunk begins at the smallest key behind the last one: that is the last one and a
 * NUL, in an order of bytes where the shorter comes first.
 */
static void pass(struct store_scan *scan)
{
	if (scan->row.p == NULL)
		return;
	assert(scan->row.n < STORE_KEY_MAX);
	memcpy(scan->from, scan->row.p, scan->row.n);
	scan->from[scan->row.n] = '\0';
	scan->n_from = scan->row.n + 1;
	scan->row.p = NULL;
	scan->n_bytes += scan->size;
	scan->size = next_size(scan);
}

enum rc store_scan_next(struct store_scan *scan, struct str *key, struct str *value)
{
	enum rc rc;

	while (!chunk_next(scan, key, value)) {
		pass(scan);
		if ((rc = chunk_read(scan)) != RC_OK)
			return rc;
	}
	scan->row = *key;
	scan->n_rows++;
	return RC_OK;
}

/* The cursor's rows while they begin with PREFIX. */
static enum rc cursor_count(struct store *store, DBC *cursor, struct str prefix, uint64_t *n)
{
	char key[STORE_KEY_MAX];
	DBT k = store_dbt_out(key, sizeof key), v = { .flags = DB_DBT_USERMEM | DB_DBT_PARTIAL };
	enum rc rc;

	if (prefix.n != 0)
		memcpy(key, prefix.p, prefix.n);
	k.size = (u_int32_t)prefix.n;
	rc = store_rc(store, cursor->get(cursor, &k, &v, DB_SET_RANGE));
	for (*n = 0; rc == RC_OK && str_starts(str_make(key, k.size), prefix); (*n)++)
		rc = store_rc(store, cursor->get(cursor, &k, &v, DB_NEXT));
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

enum rc store_count(struct store *store, enum store_table table, struct str prefix, uint64_t *n)
{
	DB *db = store->db[table];
	DBC *cursor = NULL;
	enum rc rc = store_rc(store, db->cursor(db, NULL, &cursor, 0)), closed;

	if (rc != RC_OK)
		return rc;
	rc = cursor_count(store, cursor, prefix, n);
	closed = store_rc(store, cursor->close(cursor));
	return rc == RC_OK ? closed : rc;
}
