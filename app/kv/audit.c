/*
 * audit.c - tables that change together, compared.
 *
 * A record leads to what belongs to it, and that is looked for; what else there is shows in the numbers of rows.
 * Usage is of so many users as there are, so no table of them is kept here: both sides are summed up, each user's
 * numbers times a random factor of his own. Two sums that are equal are of equal numbers, but for a chance of
 * one in billions.
 *
 * What a deleted project leaves goes table by table (project/reap.c), and its expiry rows when they are due: rows
 * whose project is not in STORE_PROJECTS are not looked at.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/jtext.h"
#include "kv/audit.h"
#include "kv/private.h"

enum { SHOWN_MAX = 20 };

struct usage_sum {
	uint64_t keys, bytes;
};

struct audit {
	struct kv_audit *out;
	struct store *store;
	struct hash_key factor;
	struct usage_sum of_records, of_rows;
	uint32_t *projects;		/* those there are, in their order */
	size_t n_projects;
	uint64_t expiries;		/* rows of theirs */
};

/* What is said of an entry tells its numbers. */
static void fault(struct audit *audit, const char *text, const struct entry *entry)
{
	if (++audit->out->faults <= SHOWN_MAX)
		audit->out->say("%s (version %" PRIu64 ", write %" PRIu64 ", %" PRIu32 " bytes, expires at %" PRId64 ")", text,
				entry->version, entry->writes, entry->value_len, entry->expires_at);
}

static void usage_add(struct audit *audit, struct usage_sum *sum, uint32_t project, uint64_t user, int64_t keys,
		      int64_t bytes)
{
	char who[12];
	struct hash factor;

	store_put_u32(who, project);
	store_put_u64(who + 4, user);
	factor = hash_make(audit->factor, str_make(who, sizeof who));
	sum->keys += factor.a * (uint64_t)keys;
	sum->bytes += factor.b * (uint64_t)bytes;
}

/* --- projects --- */

static void see_project(struct audit *audit, struct str key, struct str value)
{
	uint32_t *projects = realloc(audit->projects, (audit->n_projects + 1) * sizeof *projects);

	(void)value;
	if (projects == NULL)
		abort();
	audit->projects = projects;
	if (key.n == KEY_PROJECT_SIZE)
		projects[audit->n_projects++] = store_get_u32(key.p);
}

static bool is_there(const struct audit *audit, uint32_t project)
{
	size_t low = 0, high = audit->n_projects;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (audit->projects[middle] == project)
			return true;
		if (audit->projects[middle] < project)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* --- a record and its belongings --- */

static bool has_row(struct audit *audit, enum store_table table, struct str key, size_t length)
{
	size_t n;

	return store_size(audit->store, table, key, &n) == RC_OK && n == length;
}

static void part_audit(struct audit *audit, uint32_t project, const struct entry *entry, enum value_part part,
		       size_t length)
{
	char key[VALUE_KEY_SIZE];

	audit->out->values++;
	if (!has_row(audit, STORE_VALUES, value_key(project, entry->value_id, part, key), length))
		fault(audit, "a record without its value", entry);
}

static void chunks_audit(struct audit *audit, uint32_t project, const struct entry *entry)
{
	char key[CHUNK_KEY_SIZE];

	for (uint32_t at = 0, index = 0; at < entry->value_len; at += KV_CHUNK_SIZE, index++) {
		uint32_t rest = entry->value_len - at;

		audit->out->values++;
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

	audit->out->records++;
	if (entry->version > audit->out->newest)
		audit->out->newest = entry->version;
	if (entry->writes == 0)
		fault(audit, "a record without a write", entry);
	if (entry->flags & ENTRY_VALUE_OUTSIDE)
		part_audit(audit, project, entry, PART_VALUE, entry->value_len);
	if (entry->flags & ENTRY_VALUE_CHUNKED)
		chunks_audit(audit, project, entry);
	if (entry->flags & ENTRY_METADATA_OUTSIDE)
		part_audit(audit, project, entry, PART_METADATA, entry->metadata_len);
	if (entry->expires_at != 0) {
		audit->out->expiries++;
		if (!has_row(audit, STORE_EXPIRY, expiry_key(entry->expires_at, stored, key), 0))
			fault(audit, "a record without its expiry row", entry);
	}
	usage_add(audit, &audit->of_records, project, 0, 1, bytes);
	if (entry->owner != 0)
		usage_add(audit, &audit->of_records, project, entry->owner, 1, bytes);
}

/* --- whole tables --- */

/* Call SEE for each row. False when the table cannot be read to its end. */
static bool table_walk(struct audit *audit, enum store_table table,
		       void (*see)(struct audit *, struct str key, struct str value))
{
	void *chunk = aligned_alloc(16, STORE_SCAN_CHUNK);
	struct store_scan scan;
	struct str key, value;
	enum rc rc = RC_NO_MEMORY;

	if (chunk != NULL) {
		store_scan_init(&scan, audit->store, table, STR_LIT(""), chunk);
		while ((rc = store_scan_next(&scan, &key, &value)) == RC_OK)
			see(audit, key, value);
	}
	free(chunk);
	return rc == RC_KEY_NOT_FOUND;
}

static void see_record(struct audit *audit, struct str key, struct str value)
{
	struct entry entry = { .version = 0 };

	if (key.n <= KEY_PROJECT_SIZE || !entry_read(value, &entry))
		fault(audit, "a record that cannot be read", &entry);
	else if (is_there(audit, store_get_u32(key.p)))
		record_audit(audit, key, &entry);
}

/* However many chunks there are: the upload, or the collector, had come so far. */
static void see_garbage(struct audit *audit, struct str key, struct str value)
{
	struct entry entry = { .version = 0 };
	char bytes[VALUE_KEY_SIZE];
	uint64_t chunks = 0;

	if (key.n != GARBAGE_KEY_SIZE || value.n != 0) {
		fault(audit, "a row of garbage that cannot be read", &entry);
		return;
	}
	if (!is_there(audit, store_get_u32(key.p)))
		return;
	audit->out->garbage++;
	entry.version = store_get_u64(key.p + KEY_PROJECT_SIZE);
	if (store_count(audit->store, STORE_VALUES,
			value_key(store_get_u32(key.p), entry.version, PART_CHUNK, bytes), &chunks) != RC_OK)
		fault(audit, "garbage that cannot be read", &entry);
	audit->out->values += chunks;
}

static void see_usage(struct audit *audit, struct str key, struct str value)
{
	struct entry entry = { .version = 0 };

	if (key.n != 12 || value.n != 16)
		fault(audit, "a row of usage that cannot be read", &entry);
	else if (is_there(audit, store_get_u32(key.p))) {
		usage_add(audit, &audit->of_rows, store_get_u32(key.p), store_get_u64(key.p + 4),
			  (int64_t)store_get_u64(value.p), (int64_t)store_get_u64(value.p + 8));
		audit->out->usages++;
	}
}

static void see_expiry(struct audit *audit, struct str key, struct str value)
{
	struct entry entry = { .version = 0 };

	if (key.n <= 8 + KEY_PROJECT_SIZE || value.n != 0)
		fault(audit, "an expiry row that cannot be read", &entry);
	else if (is_there(audit, store_get_u32(key.p + 8)))
		audit->expiries++;
}

static void see_line(struct audit *audit, struct str key, struct str value)
{
	struct entry entry = { .version = 0 };
	size_t bad_at;

	if (key.n != 8 || !jtext_check(value, &bad_at))
		fault(audit, "a line of the audit log that cannot be read", &entry);
}

static void table_audit(struct audit *audit, enum store_table table, const char *name,
			void (*see)(struct audit *, struct str key, struct str value))
{
	if (table_walk(audit, table, see))
		return;
	audit->out->say("the %s cannot be read to their end", name);
	audit->out->faults++;
}

/* Each record has found its own, so a row more belongs to nobody. A chunk that two name is counted twice. */
static void rows_audit(struct audit *audit, const char *name, uint64_t n, uint64_t expected)
{
	if (n == expected)
		return;
	audit->out->say("%s: %" PRIu64 " rows in place of %" PRIu64, name, n, expected);
	audit->out->faults++;
}

/* Their keys only: the values may be large. */
static uint64_t values_count(struct audit *audit)
{
	uint64_t n, sum = 0;
	char project[KEY_PROJECT_SIZE];

	for (size_t i = 0; i < audit->n_projects; i++) {
		store_put_u32(project, audit->projects[i]);
		if (store_count(audit->store, STORE_VALUES, str_make(project, sizeof project), &n) != RC_OK) {
			audit->out->say("the values cannot be read to their end");
			audit->out->faults++;
			break;
		}
		sum += n;
	}
	return sum;
}

static void audit_all(struct audit *audit)
{
	struct kv_audit *out = audit->out;

	table_audit(audit, STORE_PROJECTS, "projects", see_project);
	table_audit(audit, STORE_KEYS, "records", see_record);
	table_audit(audit, STORE_GARBAGE, "rows of garbage", see_garbage);
	rows_audit(audit, "values", values_count(audit), out->values);
	table_audit(audit, STORE_EXPIRY, "expiry rows", see_expiry);
	rows_audit(audit, "expiry rows", audit->expiries, out->expiries);
	table_audit(audit, STORE_USAGE, "rows of usage", see_usage);
	if (store_has_table(audit->store, STORE_AUDIT))
		table_audit(audit, STORE_AUDIT, "lines of the audit log", see_line);
	if (audit->of_records.keys != audit->of_rows.keys || audit->of_records.bytes != audit->of_rows.bytes) {
		out->say("the rows of usage do not tell the keys and bytes that are there");
		out->faults++;
	}
}

bool kv_audit(struct kv_audit *out)
{
	struct audit audit = { .out = out, .store = out->store, .factor = hash_key_new() };

	out->records = out->values = out->garbage = out->expiries = out->usages = out->newest = 0;
	out->faults = 0;
	audit_all(&audit);
	free(audit.projects);
	return out->faults == 0;
}
