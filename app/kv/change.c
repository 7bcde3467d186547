/*
 * change.c - atomic changes: read, compute and put inside the committer's transaction.
 *
 * Memory comes from the request's arena: the thread that owns the call leaves it alone between call_commit() and the
 * call's end (a parked connection that hangs up is only marked; the slow lane waits in commit_run()). All of it is
 * taken before the first put, and what a run has taken a second run uses again.
 */
#include "config.h"

#include "base/jraw.h"
#include "kv/op_private.h"
#include "kv/private.h"

/* The value as it is, in memory; *ENTRY is not chunked. */
static enum rc value_get(struct store_txn *txn, struct kv_change *change, const struct entry *entry, struct str *value)
{
	char key[VALUE_KEY_SIZE];
	size_t n;
	enum rc rc;

	*value = entry->value;
	if ((entry->flags & ENTRY_VALUE_OUTSIDE) == 0)
		return RC_OK;
	if (change->room_size < entry->value_len) {
		change->room = arena_alloc(change->arena, entry->value_len);
		change->room_size = change->room == NULL ? 0 : entry->value_len;
		if (change->room == NULL)
			return RC_NO_MEMORY;
	}
	rc = store_txn_get(txn, STORE_VALUES, value_key(change->project, entry->value_id, PART_VALUE, key), change->room,
			   change->room_size, &n);
	*value = str_make(change->room, n);
	return rc == RC_KEY_NOT_FOUND || (rc == RC_OK && n != entry->value_len) ? RC_INTERNAL : rc;
}

/* Metadata that lies outside is put again with the value, under its new id. */
static enum rc metadata_get(struct store_txn *txn, struct kv_change *change, const struct entry *entry,
			    struct str *metadata)
{
	char key[VALUE_KEY_SIZE];
	size_t n;
	enum rc rc;

	*metadata = entry->metadata;
	if ((entry->flags & ENTRY_METADATA_OUTSIDE) == 0)
		return RC_OK;
	if (change->room_metadata == NULL)
		change->room_metadata = arena_alloc(change->arena, KV_METADATA_MAX);
	if (change->room_metadata == NULL)
		return RC_NO_MEMORY;
	rc = store_txn_get(txn, STORE_VALUES, value_key(change->project, entry->value_id, PART_METADATA, key),
			   change->room_metadata, KV_METADATA_MAX, &n);
	*metadata = str_make(change->room_metadata, n);
	return rc == RC_KEY_NOT_FOUND || (rc == RC_OK && n != entry->metadata_len) ? RC_INTERNAL : rc;
}

/* Whether an operation can be done on what is stored. */
static enum rc entry_check(const struct entry *entry, struct commit_op *op)
{
	if (entry->flags & ENTRY_VALUE_CHUNKED || entry->value_len > KV_CHUNK_SIZE) {
		op->why = "the stored value is larger than 262144 bytes: too large to be changed in place";
		return RC_VALUE_TOO_LARGE;
	}
	if (entry->kind != KIND_JSON) {
		op->why = "the stored value is not JSON";
		return RC_BAD_REQUEST;
	}
	return RC_OK;
}

/* Empty, with the room that a run before has left there. */
static void out_begin(struct kv_change *change, size_t value_len)
{
	struct buf *out = &change->out;

	if (out->arena == NULL)
		buf_init(out, change->arena, 0);
	out->n = 0;
	out->failed = out->lacked_memory = false;
	/* What is larger is too large; a list may be longer before it is cut. */
	out->max = value_len + change->value_limit;
}

/* What the value becomes, in change->out. */
static enum rc compute(struct kv_change *change, struct commit_op *op, struct str value, struct op_result *result)
{
	enum rc rc;

	*result = (struct op_result){ .unchanged = false };
	out_begin(change, value.n);
	rc = op_run(change, jraw_trim(value), result);
	op->why = result->why;
	if (rc != RC_OK)
		return rc;
	if (change->out.lacked_memory)
		return RC_NO_MEMORY;
	if (buf_ok(&change->out) && change->out.n <= change->value_limit && change->out.n <= KV_CHUNK_SIZE)
		return RC_OK;
	op->why = "the value would become larger than allowed here";
	return RC_VALUE_TOO_LARGE;
}

/* What change->out has, for the place of OLD (NULL: of nothing), with all that OLD had besides. */
static struct entry change_entry(const struct kv_change *change, const struct entry *old, struct str metadata,
				 const struct commit_op *op)
{
	struct entry entry = {
		.kind = KIND_JSON,
		.value_len = (uint32_t)change->out.n,
		.metadata_len = (uint32_t)metadata.n,
		.version = op->answer.version,
		.writes = old != NULL ? old->writes + 1 : 1,
		.owner = old != NULL ? old->owner : change->owner,
		.expires_at = old != NULL ? old->expires_at : 0,
		.value_id = op->answer.version,
		.metadata = metadata,
		.value = buf_str(&change->out),
	};

	entry_place(&entry);
	return entry;
}

/* The quota of the user who owns the key may be another's than the one who asks. */
static enum rc quota_ask(struct store_txn *txn, const struct kv_change *change, struct str stored,
			 const struct entry *there, const struct entry *entry, struct commit_op *op)
{
	enum rc rc = quota_check(txn, &change->quota, stored, there, entry);

	if ((rc == RC_QUOTA_USER_KEYS || rc == RC_QUOTA_USER_BYTES) && entry->owner != change->owner)
		op->why = "the user whose key this is has no room left for it";
	return rc;
}

/* THERE: what the key has, dead or alive, or NULL; ALIVE: the same, NULL when it is dead. */
static enum rc value_change(struct store_txn *txn, struct kv_change *change, struct commit_op *op, struct str stored,
			    const struct entry *there, const struct entry *alive)
{
	struct str value = STR_LIT(""), metadata = STR_LIT("");
	struct op_result result;
	struct entry entry;
	enum rc rc = alive != NULL ? entry_check(alive, op) : RC_OK;

	if (rc == RC_OK && alive != NULL)
		rc = value_get(txn, change, alive, &value);
	if (rc == RC_OK && alive != NULL)
		rc = metadata_get(txn, change, alive, &metadata);
	if (rc == RC_OK)
		rc = compute(change, op, value, &result);
	if (rc != RC_OK)
		return rc;
	memcpy(op->answer.more, result.more, sizeof result.more);
	if (result.unchanged) {
		op->answer.version = alive->version;
		op->answer.writes = alive->writes;
		return RC_OK;
	}
	if (store_txn_is_full(txn))
		return RC_STORAGE_FULL;
	entry = change_entry(change, alive, metadata, op);
	if ((rc = quota_ask(txn, change, stored, there, &entry, op)) != RC_OK ||
	    (rc = limit_ask(change->kv, stored, change->write_limit, &change->counted)) != RC_OK)
		return rc;
	op->answer.writes = entry.writes;
	rc = there != NULL ? belongings_erase(txn, stored, there) : RC_OK;
	if (rc == RC_OK)
		rc = entry_put(txn, stored, &entry, entry.value, metadata);
	return write_settle(change->kv, stored, rc, entry.writes, &change->counted);
}

/* A new expiry: only the record and its row in STORE_EXPIRY; the value stays where it is, whatever its size. */
static enum rc expiry_move(struct store_txn *txn, struct kv_change *change, struct str stored, const struct entry *old,
			   struct commit_op *op)
{
	char expiry[EXPIRY_KEY_MAX], record[STORE_INLINE_MAX];
	struct entry entry = *old;
	enum rc rc = RC_OK;

	entry.version = op->answer.version;
	entry.writes = op->answer.writes = old->writes + 1;
	entry.expires_at = change->expires_at;
	if (old->expires_at != 0)
		rc = store_txn_del(txn, STORE_EXPIRY, expiry_key(old->expires_at, stored, expiry));
	if (rc == RC_OK && entry.expires_at != 0)
		rc = store_txn_put(txn, STORE_EXPIRY, expiry_key(entry.expires_at, stored, expiry), STR_LIT(""));
	if (rc == RC_OK)
		rc = store_txn_put(txn, STORE_KEYS, stored, str_make(record, entry_write(&entry, record)));
	return rc;
}

static enum rc touch(struct store_txn *txn, struct kv_change *change, struct commit_op *op, struct str stored,
		     const struct entry *alive)
{
	enum rc rc;

	if (alive == NULL)
		return RC_KEY_NOT_FOUND;
	if (store_txn_is_full(txn))
		return RC_STORAGE_FULL;
	if ((rc = limit_ask(change->kv, stored, change->write_limit, &change->counted)) != RC_OK)
		return rc;
	op->answer.more[0] = (uint64_t)change->expires_at;
	op->answer.more[1] = 1;
	rc = expiry_move(txn, change, stored, alive, op);
	return write_settle(change->kv, stored, rc, op->answer.writes, &change->counted);
}

enum rc kv_change_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct kv_change *change = arg;
	char key[KEY_STORED_MAX], record[STORE_INLINE_MAX];
	struct str stored = key_stored(change->project, change->key, key);
	const struct entry *there, *alive;
	struct entry old;
	enum rc rc = record_find(txn, stored, record, &old);

	if (rc != RC_OK && rc != RC_KEY_NOT_FOUND)
		return rc;
	there = rc == RC_OK ? &old : NULL;
	alive = there != NULL && !entry_is_expired(&old, change->now) ? &old : NULL;
	if ((rc = condition_ask(change->condition, alive, &op->answer)) != RC_OK)
		return rc;
	if (change->op.kind == KV_TOUCH)
		return touch(txn, change, op, stored, alive);
	return value_change(txn, change, op, stored, there, alive);
}
