/*
 * write.c - put and delete: what runs inside the committer's transaction.
 *
 * Each function checks everything before its first put (store/commit.h says why), and changes
 * record, values, expiry row and usage together or not at all. It may run more than once.
 */
#include "config.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "kv/condition.h"
#include "kv/private.h"

enum rc record_find(struct store_txn *txn, struct str stored, char buf[STORE_INLINE_MAX],
		    struct entry *entry)
{
	size_t n;
	enum rc rc = store_txn_get(txn, STORE_KEYS, stored, buf, STORE_INLINE_MAX, &n);

	if (rc != RC_OK)
		return rc;
	if (!entry_read(str_make(buf, n), entry)) {
		LOG_ERROR("a record cannot be read");
		return RC_INTERNAL;
	}
	return RC_OK;
}

/* Usage is counted for the project, and for the user who wrote the record. */
static enum rc usage_add(struct store_txn *txn, uint32_t project, const struct entry *entry,
			 struct str stored, int sign)
{
	int64_t bytes = sign * entry_bytes(entry, str_skip(stored, KEY_PROJECT_SIZE));
	enum rc rc = store_txn_usage(txn, project, 0, sign, bytes);

	if (rc == RC_OK && entry->owner != 0)
		rc = store_txn_usage(txn, project, entry->owner, sign, bytes);
	return rc;
}

enum rc belongings_erase(struct store_txn *txn, struct str stored, const struct entry *entry)
{
	uint32_t project = store_get_u32(stored.p);
	char value[VALUE_KEY_SIZE], expiry[EXPIRY_KEY_MAX];
	enum rc rc = usage_add(txn, project, entry, stored, -1);

	if (rc == RC_OK && entry->flags & ENTRY_VALUE_OUTSIDE)
		rc = store_txn_del(txn, STORE_VALUES, value_key(project, entry->value_id, PART_VALUE, value));
	/* 25 MB would be logged once more if they were deleted here: the collector does it in slices. */
	if (rc == RC_OK && entry->flags & ENTRY_VALUE_CHUNKED)
		rc = garbage_add(txn, project, entry->value_id);
	if (rc == RC_OK && entry->flags & ENTRY_METADATA_OUTSIDE)
		rc = store_txn_del(txn, STORE_VALUES, value_key(project, entry->value_id, PART_METADATA, value));
	if (rc == RC_OK && entry->expires_at != 0)
		rc = store_txn_del(txn, STORE_EXPIRY, expiry_key(entry->expires_at, stored, expiry));
	return rc;
}

enum rc entry_erase(struct store_txn *txn, struct str stored, const struct entry *entry)
{
	enum rc rc = belongings_erase(txn, stored, entry);

	return rc == RC_OK ? store_txn_del(txn, STORE_KEYS, stored) : rc;
}

/* An upload's last chunk makes it whole, and the entry's own. */
static enum rc upload_adopt(struct store_txn *txn, uint32_t project, const struct entry *entry, struct str last)
{
	char key[CHUNK_KEY_SIZE];
	uint32_t index = (entry->value_len - 1) / KV_CHUNK_SIZE;
	enum rc rc = store_txn_put(txn, STORE_VALUES, chunk_key(project, entry->value_id, index, key), last);

	return rc == RC_OK ? garbage_remove(txn, project, entry->value_id) : rc;
}

enum rc entry_put(struct store_txn *txn, struct str stored, const struct entry *entry,
		  struct str value, struct str metadata)
{
	uint32_t project = store_get_u32(stored.p);
	char part[VALUE_KEY_SIZE], expiry[EXPIRY_KEY_MAX], record[STORE_INLINE_MAX];
	enum rc rc = usage_add(txn, project, entry, stored, 1);

	if (rc == RC_OK && entry->flags & ENTRY_VALUE_OUTSIDE)
		rc = store_txn_put(txn, STORE_VALUES,
				   value_key(project, entry->value_id, PART_VALUE, part), value);
	if (rc == RC_OK && entry->flags & ENTRY_VALUE_CHUNKED)
		rc = upload_adopt(txn, project, entry, value);
	if (rc == RC_OK && entry->flags & ENTRY_METADATA_OUTSIDE)
		rc = store_txn_put(txn, STORE_VALUES,
				   value_key(project, entry->value_id, PART_METADATA, part), metadata);
	if (rc == RC_OK && entry->expires_at != 0)
		rc = store_txn_put(txn, STORE_EXPIRY, expiry_key(entry->expires_at, stored, expiry), STR_LIT(""));
	if (rc == RC_OK)
		rc = store_txn_put(txn, STORE_KEYS, stored, str_make(record, entry_write(entry, record)));
	return rc;
}

enum rc limit_ask(struct kv *kv, struct str stored, int64_t limit, bool *counted)
{
	kv->now_us = clock_mono_us();
	if (*counted || limiter_ask(kv->limiter, stored, (uint64_t)limit, kv->now_us)) {
		*counted = true;
		return RC_OK;
	}
	metric_add(metric_slot(), METRIC_WRITE_LIMITED, 1);
	return RC_WRITE_LIMIT;
}

/* In a batch that is undone and run again a write makes its key hotter twice; that is rare, and nothing depends on it. */
enum rc write_settle(struct kv *kv, struct str stored, enum rc rc, uint64_t writes, bool *counted)
{
	if (rc == RC_OK)
		hot_add(kv->hot, stored, writes, kv->now_us);
	if (rc != RC_OK && rc != RC_BUSY && *counted) {
		limiter_give_back(kv->limiter, stored);
		*counted = false;
	}
	return rc;
}

enum rc condition_ask(const struct kv_condition *condition, const struct entry *entry,
		      struct commit_answer *answer)
{
	uint64_t version = entry != NULL ? entry->version : 0;

	if (kv_condition_check(condition, version) == KV_HOLDS)
		return RC_OK;
	answer->version = version;
	return RC_PRECONDITION_FAILED;
}

/* ---- put ---- */

/* Whether the value is what entry_make() takes it for: one piece, or an upload whose chunks are there. */
static enum rc value_check(struct store_txn *txn, const struct kv_put *put)
{
	if (put->value.n > KV_CHUNK_SIZE)
		return RC_VALUE_TOO_LARGE;
	return put->upload_id == 0 ? RC_OK : garbage_check(txn, put->project, put->upload_id);
}

static void entry_make(const struct kv_put *put, uint64_t version, uint64_t writes, struct entry *entry)
{
	*entry = (struct entry){
		.kind = (uint8_t)put->kind,
		.value_len = (uint32_t)(put->upload_id != 0 ? put->upload_size : put->value.n),
		.metadata_len = (uint32_t)put->metadata.n,
		.version = version,
		.writes = writes,
		.owner = put->owner,
		.expires_at = put->expires_at,
		/* Fresh at every write: a reader of the old one reads again. */
		.value_id = put->upload_id != 0 ? put->upload_id : version,
		.metadata = put->metadata,
		.value = put->value,
	};
	entry_place(entry);
}

enum rc put_one(struct store_txn *txn, struct kv_put *put, struct commit_answer *answer)
{
	char key[KEY_STORED_MAX], old_record[STORE_INLINE_MAX];
	struct str stored = key_stored(put->project, put->key, key);
	struct entry old, entry;
	bool there, alive;
	enum rc rc = record_find(txn, stored, old_record, &old);

	if (rc != RC_OK && rc != RC_KEY_NOT_FOUND)
		return rc;
	there = rc == RC_OK;
	alive = there && !entry_is_expired(&old, put->now);
	if ((rc = condition_ask(put->condition, alive ? &old : NULL, answer)) != RC_OK)
		return rc;
	if (store_txn_is_full(txn))
		return RC_STORAGE_FULL;
	if ((rc = value_check(txn, put)) != RC_OK)
		return rc;
	entry_make(put, store_txn_version(txn), alive ? old.writes + 1 : 1, &entry);
	if ((rc = quota_check(txn, &put->quota, stored, there ? &old : NULL, &entry)) != RC_OK ||
	    (rc = limit_ask(put->kv, stored, put->write_limit, &put->counted)) != RC_OK)
		return rc;
	answer->writes = entry.writes;
	rc = there ? belongings_erase(txn, stored, &old) : RC_OK;
	if (rc == RC_OK)
		rc = entry_put(txn, stored, &entry, put->value, put->metadata);
	return write_settle(put->kv, stored, rc, entry.writes, &put->counted);
}

enum rc kv_put_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	return put_one(txn, arg, &op->answer);
}

/* ---- delete ---- */

enum rc delete_one(struct store_txn *txn, struct kv_delete *del, struct commit_answer *answer)
{
	char key[KEY_STORED_MAX], record[STORE_INLINE_MAX];
	struct str stored = key_stored(del->project, del->key, key);
	struct entry entry;
	enum rc rc = record_find(txn, stored, record, &entry);

	/* The dead are the sweeper's. */
	if (rc == RC_KEY_NOT_FOUND || (rc == RC_OK && entry_is_expired(&entry, del->now)))
		return condition_ask(del->condition, NULL, answer);
	if (rc != RC_OK || (rc = condition_ask(del->condition, &entry, answer)) != RC_OK ||
	    (rc = limit_ask(del->kv, stored, del->write_limit, &del->counted)) != RC_OK)
		return rc;
	answer->writes = entry.writes + 1;
	return write_settle(del->kv, stored, entry_erase(txn, stored, &entry), answer->writes, &del->counted);
}

enum rc kv_delete_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	return delete_one(txn, arg, &op->answer);
}
