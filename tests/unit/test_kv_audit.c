/*
 * test_kv_audit.c - a store that fits together passes, and each row that is missing, too many or wrong is found.
 */
#include "config.h"

#include "kv_fixture.h"

#include "kv/audit.h"
#include "kv/private.h"

enum { PROJECT = 7, GONE = 8, NOW = 1000000, CHUNKS = 3 };

/* ---- rows as somebody else would change them ---- */

struct row {
	enum store_table table;
	char key[STORE_KEY_MAX];
	size_t n_key;
	char *value;		/* NULL: delete */
	size_t n_value;
};

static enum rc row_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct row *row = arg;
	struct str key = str_make(row->key, row->n_key);

	(void)op;
	if (row->value == NULL)
		return store_txn_del(txn, row->table, key);
	return store_txn_put(txn, row->table, key, str_make(row->value, row->n_value));
}

static void row_run(const struct row *row)
{
	struct commit_op op;

	commit_op_init(&op, row_apply, (void *)(uintptr_t)row, 1, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
}

static struct row row_of(enum store_table table, struct str key)
{
	struct row row = { .table = table, .n_key = key.n };

	memcpy(row.key, key.p, key.n);
	return row;
}

static void put_row(enum store_table table, struct str key, struct str value)
{
	struct row row = row_of(table, key);

	row.value = (char *)(uintptr_t)value.p;
	row.n_value = value.n;
	row_run(&row);
}

/* All rows of TABLE; to be freed with its values. */
static struct row *rows_of(enum store_table table, size_t *n)
{
	static _Alignas(16) char chunk[STORE_SCAN_CHUNK];
	static char value[1 << 20];
	struct row *rows = NULL;
	struct store_scan scan;
	struct str key, v;

	*n = 0;
	store_scan_init(&scan, fixture.store, table, STR_LIT(""), chunk);
	while (table != STORE_VALUES && store_scan_next(&scan, &key, &v) == RC_OK) {
		rows = realloc(rows, (*n + 1) * sizeof *rows);
		rows[*n] = row_of(table, key);
		assert_int_equal(store_get(fixture.store, table, key, value, sizeof value, &rows[*n].n_value), RC_OK);
		rows[*n].value = malloc(rows[*n].n_value + 1);
		memcpy(rows[*n].value, value, rows[*n].n_value);
		(*n)++;
	}
	return rows;
}

/* ---- a store with something of everything ---- */

static void put_key(const char *key, size_t size, const char *metadata, int64_t expires_at, uint64_t owner)
{
	static char value[KV_CHUNK_SIZE];
	struct kv_put put = { .kv = kv, .project = PROJECT, .key = str_c(key), .kind = KIND_BINARY, .now = NOW,
			      .value = str_make(value, size), .metadata = str_c(metadata), .expires_at = expires_at,
			      .owner = owner };
	struct commit_op op;

	commit_op_init(&op, kv_put_apply, &put, 1, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
}

static void put_large(const char *key, bool finish)
{
	static char piece[KV_CHUNK_SIZE];
	struct kv_put put = { .kv = kv, .project = PROJECT, .key = str_c(key), .kind = KIND_BINARY, .now = NOW };
	struct kv_upload upload;
	struct commit_op op;

	kv_upload_init(&upload, kv, PROJECT, KV_VALUE_MAX, true, arena);
	for (int i = 0; i < CHUNKS; i++)
		assert_int_equal(kv_upload_add(&upload, str_make(piece, sizeof piece)), RC_OK);
	if (finish) {
		kv_upload_finish(&upload, &put);
		commit_op_init(&op, kv_put_apply, &put, 1, STR_LIT(""));
		assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	}
	kv_upload_clear(&upload);
}

static int start(void **state)
{
	char number[4], metadata[900];
	int rc = kv_fixture_start(state);

	store_put_u32(number, PROJECT);
	put_row(STORE_PROJECTS, str_make(number, 4), STR_LIT("{}"));
	memset(metadata, '1', sizeof metadata - 1);
	metadata[sizeof metadata - 1] = '\0';
	put_key("small", 10, "", 0, 0);
	put_key("outside", 5000, "", 4000000000, 42);
	put_key("metadata", 5000, metadata, 0, 43);
	put_key("expires", 10, "1", 4000000001, 0);
	put_large("large", true);
	put_large("left", false);
	return rc;
}

/* ---- auditing ---- */

static size_t said;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	(void)format;
	said++;
}

static struct kv_audit audit(void)
{
	struct kv_audit audit = { .store = fixture.store, .say = say };

	bool fits;

	said = 0;
	fits = kv_audit(&audit);
	assert_int_equal(fits, audit.faults == 0);
	assert_int_equal(said == 0, audit.faults == 0);
	return audit;
}

static void store_that_fits_together_passes(void **state)
{
	struct kv_audit all = audit();

	(void)state;
	assert_int_equal(all.faults, 0);
	assert_int_equal(all.records, 5);
	assert_int_equal(all.expiries, 2);
	assert_int_equal(all.garbage, 1);
	assert_true(all.values >= 3 + 2 * (CHUNKS - 1));
	assert_int_equal(all.usages, 3);
	assert_true(all.newest != 0);
}

static void each_missing_row_is_found(void **state)
{
	static const enum store_table tables[] = { STORE_KEYS, STORE_EXPIRY, STORE_USAGE, STORE_GARBAGE };

	(void)state;
	for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
		size_t n;
		struct row *rows = rows_of(tables[t], &n);

		assert_true(n > 0);
		for (size_t i = 0; i < n; i++) {
			char *value = rows[i].value;

			rows[i].value = NULL;
			row_run(&rows[i]);
			assert_int_not_equal(audit().faults, 0);
			rows[i].value = value;
			row_run(&rows[i]);
			assert_int_equal(audit().faults, 0);
			free(value);
		}
		free(rows);
	}
}

/* Their rows are walked by their keys. */
static enum rc next_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct row *row = arg;
	char from[STORE_KEY_MAX];
	size_t n = row->n_key;

	(void)op;
	memcpy(from, row->key, n);
	return store_txn_next(txn, STORE_VALUES, str_make(from, n), row->key, &row->n_key);
}

static void each_missing_or_short_value_is_found(void **state)
{
	static char value[1 << 20];
	struct row row = { .table = STORE_VALUES };
	struct commit_op op;
	int n = 0;

	(void)state;
	for (;; n++) {
		commit_op_init(&op, next_apply, &row, 1, STR_LIT(""));
		if (commit_run(fixture.store, &op) != RC_OK)
			break;
		assert_int_equal(store_get(fixture.store, STORE_VALUES, str_make(row.key, row.n_key), value, sizeof value,
					   &row.n_value), RC_OK);
		row.value = NULL;
		row_run(&row);
		/* Of what is garbage nobody knows how much there was. */
		if (audit().faults == 0)
			assert_true(row.n_value == KV_CHUNK_SIZE);
		row.value = value;
		row.n_value--;
		row_run(&row);
		if (audit().faults == 0)
			assert_true(row.n_value + 1 == KV_CHUNK_SIZE);
		row.n_value++;
		row_run(&row);
		assert_int_equal(audit().faults, 0);
		row.key[row.n_key++] = '\0';
	}
	assert_true(n >= 3 + CHUNKS);
}

static void rows_of_nobody_are_found(void **state)
{
	static const enum store_table tables[] = { STORE_VALUES, STORE_EXPIRY, STORE_USAGE, STORE_GARBAGE, STORE_KEYS };
	char bytes[16] = { 0 };

	(void)state;
	for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
		char key[40] = { 0 };
		size_t n = tables[t] == STORE_EXPIRY ? 20 : 12;
		struct row row;

		store_put_u32(key + (tables[t] == STORE_EXPIRY ? 8 : 0), PROJECT);
		store_put_u64(key + (tables[t] == STORE_EXPIRY ? 12 : 4), 99);
		bytes[7] = 1;
		put_row(tables[t], str_make(key, n), str_make(bytes, tables[t] == STORE_EXPIRY ? 0 : sizeof bytes));
		assert_int_not_equal(audit().faults, 0);
		row = row_of(tables[t], str_make(key, n));
		row_run(&row);
		assert_int_equal(audit().faults, 0);
	}
}

static void wrong_usage_is_found(void **state)
{
	size_t n;
	struct row *rows = rows_of(STORE_USAGE, &n);

	(void)state;
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		for (size_t byte = 0; byte < 16; byte++) {
			rows[i].value[byte] ^= 1;
			row_run(&rows[i]);
			assert_int_not_equal(audit().faults, 0);
			rows[i].value[byte] ^= 1;
		}
		row_run(&rows[i]);
	}
	/* Two users' rows, exchanged. */
	put_row(STORE_USAGE, str_make(rows[1].key, 12), str_make(rows[2].value, 16));
	put_row(STORE_USAGE, str_make(rows[2].key, 12), str_make(rows[1].value, 16));
	assert_int_not_equal(audit().faults, 0);
	for (size_t i = 0; i < n; i++)
		free(rows[i].value);
	free(rows);
}

static void what_a_deleted_project_leaves_is_no_fault(void **state)
{
	char key[20] = { 0 };

	(void)state;
	store_put_u32(key + 8, GONE);
	put_row(STORE_EXPIRY, str_make(key, sizeof key), STR_LIT(""));
	store_put_u32(key, GONE);
	put_row(STORE_VALUES, str_make(key, 13), STR_LIT("x"));
	put_row(STORE_USAGE, str_make(key, 12), STR_LIT("0123456789abcdef"));
	assert_int_equal(audit().faults, 0);
}

#define WITH_EVERYTHING(test) cmocka_unit_test_setup_teardown(test, start, kv_fixture_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EVERYTHING(store_that_fits_together_passes),
		WITH_EVERYTHING(each_missing_row_is_found),
		WITH_EVERYTHING(each_missing_or_short_value_is_found),
		WITH_EVERYTHING(rows_of_nobody_are_found),
		WITH_EVERYTHING(wrong_usage_is_found),
		WITH_EVERYTHING(what_a_deleted_project_leaves_is_no_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
