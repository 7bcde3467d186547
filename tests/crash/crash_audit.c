/*
 * crash_audit.c - does everything in a data directory belong together?
 *
 *     crash_audit DATA_DIRECTORY
 *
 * Opens it as the server would, recovery included, and compares tables that change together: each record
 * has its values and its expiry row, no value and no expiry row is without a record, the usage rows
 * add up. Chunks of a value belong to a record, or to a row of garbage that waits for the collector. No server may run on the directory: give it a copy.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "kv/private.h"
#include "store/store.h"

enum { USERS_MAX = 64, SHOWN_MAX = 20 };

/* What a project, or a user in it, has in use by the records. */
struct usage {
	uint32_t project;
	uint64_t user;
	int64_t keys, bytes;
};

struct audit {
	struct store *store;
	struct usage usage[USERS_MAX];
	size_t n_usage;
	uint64_t records, values, expiries;	/* as the records have them */
	uint64_t garbage;			/* values in chunks that no record names */
	uint64_t newest;			/* version */
	size_t faults;
};

static void fault(struct audit *audit, const char *text, const struct entry *entry)
{
	if (++audit->faults <= SHOWN_MAX)
		printf("%s (version %" PRIu64 ", write %" PRIu64 ", %" PRIu32 " bytes, expires at %" PRId64 ")\n", text,
		       entry->version, entry->writes, entry->value_len, entry->expires_at);
}

static struct usage *usage_of(struct audit *audit, uint32_t project, uint64_t user)
{
	for (size_t i = 0; i < audit->n_usage; i++)
		if (audit->usage[i].project == project && audit->usage[i].user == user)
			return &audit->usage[i];
	if (audit->n_usage == USERS_MAX) {
		fprintf(stderr, "crash_audit: more users than it can take\n");
		exit(99);
	}
	audit->usage[audit->n_usage] = (struct usage){ .project = project, .user = user };
	return &audit->usage[audit->n_usage++];
}

static void usage_add(struct audit *audit, uint32_t project, uint64_t user, int64_t bytes)
{
	struct usage *usage = usage_of(audit, project, user);

	usage->keys++;
	usage->bytes += bytes;
}

/* --- a record and its belongings --- */

static bool has_row(struct audit *audit, enum store_table table, struct str key, size_t length)
{
	static char buf[32 << 20];
	size_t n;

	return store_get(audit->store, table, key, buf, sizeof buf, &n) == RC_OK && n == length;
}

static void part_audit(struct audit *audit, uint32_t project, const struct entry *entry,
		       enum value_part part, size_t length)
{
	char key[VALUE_KEY_SIZE];

	audit->values++;
	if (!has_row(audit, STORE_VALUES, value_key(project, entry->value_id, part, key), length))
		fault(audit, "a record without its value", entry);
}

static void chunks_audit(struct audit *audit, uint32_t project, const struct entry *entry)
{
	char key[CHUNK_KEY_SIZE];

	for (uint32_t at = 0, index = 0; at < entry->value_len; at += KV_CHUNK_SIZE, index++) {
		uint32_t rest = entry->value_len - at;

		audit->values++;
		if (!has_row(audit, STORE_VALUES, chunk_key(project, entry->value_id, index, key),
			     rest < KV_CHUNK_SIZE ? rest : KV_CHUNK_SIZE))
			fault(audit, "a record without a chunk of its value", entry);
	}
}

static void record_audit(struct audit *audit, struct str stored, const struct entry *entry)
{
	uint32_t project = store_get_u32(stored.p);
	int64_t bytes = entry_bytes(entry, str_skip(stored, KEY_PROJECT_SIZE));
	char key[EXPIRY_KEY_MAX];

	audit->records++;
	if (entry->version > audit->newest)
		audit->newest = entry->version;
	if (entry->writes == 0)
		fault(audit, "a record without a write", entry);
	if (entry->flags & ENTRY_VALUE_OUTSIDE)
		part_audit(audit, project, entry, PART_VALUE, entry->value_len);
	if (entry->flags & ENTRY_VALUE_CHUNKED)
		chunks_audit(audit, project, entry);
	if (entry->flags & ENTRY_METADATA_OUTSIDE)
		part_audit(audit, project, entry, PART_METADATA, entry->metadata_len);
	if (entry->expires_at != 0) {
		audit->expiries++;
		if (!has_row(audit, STORE_EXPIRY, expiry_key(entry->expires_at, stored, key), 0))
			fault(audit, "a record without its expiry row", entry);
	}
	usage_add(audit, project, 0, bytes);
	if (entry->owner != 0)
		usage_add(audit, project, entry->owner, bytes);
}

/* --- rows by their keys --- */

/* Rows of STORE_VALUES from KEY on that begin with its first N_PREFIX bytes: their values may be large, so only keys are read. */
struct key_walk {
	size_t n_prefix;
	char key[STORE_KEY_MAX];
	size_t n_key;
	uint64_t rows;
	bool ended;
};

enum { WALK_SLICE = 10000 };

static enum rc key_walk_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct key_walk *walk = arg, begun = *walk;
	char from[STORE_KEY_MAX];
	enum rc rc = RC_OK;

	(void)op;
	for (int i = 0; i < WALK_SLICE && rc == RC_OK; i++) {
		memcpy(from, walk->key, walk->n_key);
		rc = store_txn_next(txn, STORE_VALUES, str_make(from, walk->n_key), walk->key, &walk->n_key);
		if (rc == RC_KEY_NOT_FOUND || (rc == RC_OK && memcmp(walk->key, begun.key, walk->n_prefix) != 0)) {
			walk->ended = true;
			return RC_OK;
		}
		walk->rows += rc == RC_OK;
		walk->key[walk->n_key++] = '\0';
	}
	if (rc != RC_OK)
		*walk = begun;
	return rc;
}

/* False when they cannot be read to their end. */
static bool rows_count(struct audit *audit, struct str prefix, uint64_t *n)
{
	struct key_walk walk = { .n_prefix = prefix.n, .n_key = prefix.n };
	enum rc rc = RC_OK;

	memcpy(walk.key, prefix.p, prefix.n);
	while (!walk.ended && rc == RC_OK) {
		struct commit_op op;

		commit_op_init(&op, key_walk_apply, &walk, 1, STR_LIT(""));
		rc = commit_run(audit->store, &op);
	}
	*n = walk.rows;
	return rc == RC_OK;
}

/* --- whole tables --- */

/* Call SEE for each row. False when the table cannot be read to its end. */
static bool table_walk(struct audit *audit, enum store_table table,
		       void (*see)(struct audit *, struct str key, struct str value))
{
	void *chunk = aligned_alloc(16, STORE_SCAN_CHUNK);
	struct store_scan scan;
	struct str key, value;
	enum rc rc;

	store_scan_init(&scan, audit->store, table, STR_LIT(""), chunk);
	while ((rc = store_scan_next(&scan, &key, &value)) == RC_OK)
		see(audit, key, value);
	free(chunk);
	return rc == RC_KEY_NOT_FOUND;
}

static void see_record(struct audit *audit, struct str key, struct str value)
{
	struct entry entry = { .version = 0 };

	if (key.n <= KEY_PROJECT_SIZE || !entry_read(value, &entry))
		fault(audit, "a record that cannot be read", &entry);
	else
		record_audit(audit, key, &entry);
}

/* However many chunks there are: the upload, or the collector, had come so far. */
static void see_garbage(struct audit *audit, struct str key, struct str value)
{
	struct entry entry = { .version = 0 };
	char bytes[VALUE_KEY_SIZE];
	uint64_t chunks;

	audit->garbage++;
	if (key.n != GARBAGE_KEY_SIZE || value.n != 0) {
		fault(audit, "a row of garbage that cannot be read", &entry);
		return;
	}
	entry.version = store_get_u64(key.p + KEY_PROJECT_SIZE);
	if (!rows_count(audit, value_key(store_get_u32(key.p), entry.version, PART_CHUNK, bytes), &chunks))
		fault(audit, "garbage that cannot be read", &entry);
	audit->values += chunks;
}

/* Rows of the table that is walked: each record has found its own, so a row more belongs to nobody. */
static uint64_t rows;

static void see_row(struct audit *audit, struct str key, struct str value)
{
	(void)audit;
	(void)key;
	(void)value;
	rows++;
}

static void see_usage(struct audit *audit, struct str key, struct str value)
{
	struct usage *usage = usage_of(audit, store_get_u32(key.p), store_get_u64(key.p + 4));
	int64_t keys = (int64_t)store_get_u64(value.p), bytes = (int64_t)store_get_u64(value.p + 8);

	rows++;
	if (usage->keys != keys || usage->bytes != bytes) {
		printf("usage says %" PRId64 " keys, %" PRId64 " bytes in place of %" PRId64 ", %" PRId64 "\n",
		       keys, bytes, usage->keys, usage->bytes);
		audit->faults++;
	}
}

static void table_audit(struct audit *audit, enum store_table table, const char *name,
			void (*see)(struct audit *, struct str key, struct str value), const uint64_t *expected)
{
	bool whole;

	rows = 0;
	whole = table_walk(audit, table, see);
	if (!whole || (expected != NULL && rows != *expected)) {
		printf("%s: %" PRIu64 " rows in place of %" PRIu64 "%s\n", name, rows,
		       expected == NULL ? 0 : *expected, whole ? "" : ", and it cannot be read to its end");
		audit->faults++;
	}
}

/* A chunk that a record and a row of garbage both name is counted twice here, and so found as well. */
static void values_audit(struct audit *audit)
{
	uint64_t n;

	if (!rows_count(audit, STR_LIT(""), &n) || n != audit->values) {
		printf("values: %" PRIu64 " rows in place of %" PRIu64 "\n", n, audit->values);
		audit->faults++;
	}
}

static void audit_all(struct audit *audit)
{
	uint64_t users;

	table_audit(audit, STORE_KEYS, "records", see_record, NULL);
	table_audit(audit, STORE_GARBAGE, "garbage", see_garbage, NULL);
	values_audit(audit);
	table_audit(audit, STORE_EXPIRY, "expiry rows", see_row, &audit->expiries);
	users = audit->n_usage;
	table_audit(audit, STORE_USAGE, "usage rows", see_usage, &users);
	if (audit->newest > clock_wall_us()) {
		printf("a version of the future: %" PRIu64 "\n", audit->newest);
		audit->faults++;
	}
}

int main(int argc, char **argv)
{
	static struct audit audit;
	struct conf conf;

	if (argc != 2) {
		fprintf(stderr, "usage: crash_audit DATA_DIRECTORY\n");
		return 64;
	}
	log_open("crash_audit", LOG_LEVEL_ERROR);
	conf_defaults(&conf);
	free(conf.data_dir);
	conf.data_dir = strdup(argv[1]);
	conf.ballast_size = conf.reserve_size = 0;
	if (store_open(&audit.store, &conf) != STORE_OPENED) {
		printf("%s cannot be opened\n", argv[1]);
		return 1;
	}
	audit_all(&audit);
	printf("%" PRIu64 " records, %" PRIu64 " values apart, %" PRIu64 " of garbage, %" PRIu64 " expiry rows, %zu usage rows: %zu faults\n",
	       audit.records, audit.values, audit.garbage, audit.expiries, audit.n_usage, audit.faults);
	store_close(audit.store);
	conf_clear(&conf);
	return audit.faults == 0 ? 0 : 1;
}
