/*
 * scan.c - a walk over a table, in chunks.
 *
 * The cursor lives only while a chunk is copied out of the pages, so a slow reader holds no
 * lock that the committer waits for. Between two chunks keys may come and go: the walk goes on
 * behind the last key that was read.
 */
#include "config.h"

#include <assert.h>

#include "store/private.h"

/*
 * What is copied and not looked at is lost, and so is a second read when the first was too small: that costs as
 * much as fifty rows. So a walk begins with some hundred names, or fifty with values of 200 bytes, and with half
 * of that when fewer are wanted. Berkeley DB copies whole pages: it wants room for two at least, so that one fits
 * with the table of its rows, and multiples of 1,024.
 */
enum {
	CHUNK_TRIES = 1000,
	CHUNK_UNIT = 1024,
	CHUNK_MIN = 2 * PAGE_SIZE_BYTES,
	FIRST_CHUNK = 2 * CHUNK_MIN,
	FEW_ROWS = 30,
	ROW_OVERHEAD = 24		/* bytes of a chunk that a row takes besides key and value */
};

void store_scan_init(struct store_scan *scan, struct store *store, enum store_table table,
		     struct str from, void *chunk)
{
	assert(from.n <= STORE_KEY_MAX);
	*scan = (struct store_scan){ .store = store, .table = table, .chunk = chunk, .n_from = from.n };
	if (from.n != 0)
		memcpy(scan->from, from.p, from.n);
}

/* Twice the last chunk, or what the wanted rows need when they are like those seen so far. */
static size_t next_size(const struct store_scan *scan)
{
	size_t size = scan->size * 2 < STORE_SCAN_CHUNK ? scan->size * 2 : STORE_SCAN_CHUNK, enough;

	if (scan->n_rows == 0)
		return scan->wanted != 0 && scan->wanted <= FEW_ROWS ? CHUNK_MIN : FIRST_CHUNK;
	if (scan->wanted <= scan->n_rows)
		return size;
	enough = (scan->wanted - scan->n_rows) * (scan->n_bytes / scan->n_rows + 1) + PAGE_SIZE_BYTES;
	enough = enough < CHUNK_MIN ? CHUNK_MIN : enough - enough % CHUNK_UNIT;
	return enough < size ? enough : size;
}

/*
 * What is in the chunk. Its table stands at its end and grows downwards: four numbers a row, and -1 behind the last.
 * The next chunk begins at the smallest key behind the last one: that is the last one and a NUL, in an order of bytes
 * where the shorter comes first.
 */
static void chunk_count(struct store_scan *scan)
{
	const u_int32_t *row = (const u_int32_t *)(const void *)(scan->chunk + scan->size) - 1;
	struct str last = STR_LIT("");

	for (; *row != (u_int32_t)-1; row -= 4) {
		last = str_make(scan->chunk + row[0], row[-1]);
		scan->n_rows++;
		scan->n_bytes += row[-1] + row[-3] + ROW_OVERHEAD;
	}
	assert(last.n < STORE_KEY_MAX);
	memcpy(scan->from, last.p, last.n);
	scan->from[last.n] = '\0';
	scan->n_from = last.n + 1;
	scan->is_inside = str_starts(last, scan->prefix);
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
	chunk_count(scan);
	return RC_OK;
}

/* A chunk; as large a one as can be when not even one row has room. */
static enum rc chunk_read(struct store_scan *scan)
{
	enum rc rc = RC_BUSY;

	if (atomic_load_explicit(&scan->store->failed, memory_order_relaxed))
		return RC_STORE;
	scan->size = next_size(scan);
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
static inline bool chunk_next(struct store_scan *scan, struct str *key, struct str *value)
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

/* Whether the walk has left its prefix: every row is asked only when the last of its chunk has. */
static inline bool is_outside(const struct store_scan *scan, struct str key)
{
	return !scan->is_inside && !str_starts(key, scan->prefix);
}

enum rc store_scan_next(struct store_scan *scan, struct str *key, struct str *value)
{
	enum rc rc;

	while (!chunk_next(scan, key, value)) {
		if (scan->ended)
			return RC_KEY_NOT_FOUND;
		if ((rc = chunk_read(scan)) != RC_OK) {
			scan->ended = rc == RC_KEY_NOT_FOUND;
			return rc;
		}
	}
	if (!is_outside(scan, *key))
		return RC_OK;
	scan->ended = true;
	scan->position = NULL;
	return RC_KEY_NOT_FOUND;
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
