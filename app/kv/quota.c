/*
 * quota.c - how much a project, or one user of it, may keep.
 *
 * Held in the committer, against the usage rows and what the batch has added to them: so it is exact, whoever else
 * writes at the same time. What takes no more room than before always passes, also where a quota was lowered below
 * what is there: people must be able to get out of it.
 *
 * A record counts for the user who wrote it last. Overwriting another's gives that one room, and takes ours.
 */
#include "config.h"

#include "kv/private.h"

/* What is there, what comes on top, what is allowed. */
struct demand {
	int64_t keys, bytes;			/* more than now */
	uint64_t max_keys, max_bytes;		/* 0: no limit */
	enum rc keys_rc, bytes_rc;		/* to be answered when it is too much */
};

static bool is_too_much(uint64_t have, int64_t more, uint64_t max)
{
	return max != 0 && more > 0 && (have >= max || (uint64_t)more > max - have);
}

static enum rc demand_check(struct store_txn *txn, uint32_t project, uint64_t user, const struct demand *demand)
{
	uint64_t keys, bytes;
	enum rc rc;

	if ((demand->max_keys == 0 || demand->keys <= 0) && (demand->max_bytes == 0 || demand->bytes <= 0))
		return RC_OK;
	if ((rc = store_txn_usage_read(txn, project, user, &keys, &bytes)) != RC_OK)
		return rc;
	if (is_too_much(keys, demand->keys, demand->max_keys))
		return demand->keys_rc;
	return is_too_much(bytes, demand->bytes, demand->max_bytes) ? demand->bytes_rc : RC_OK;
}

static bool is_set(const struct kv_quota *quota)
{
	return (quota->max_keys | quota->max_bytes | quota->user_max_keys | quota->user_max_bytes) != 0;
}

enum rc quota_check(struct store_txn *txn, const struct kv_quota *quota, struct str stored, const struct entry *old,
		    const struct entry *entry)
{
	uint32_t project = store_get_u32(stored.p);
	struct str key = str_skip(stored, KEY_PROJECT_SIZE);
	int64_t bytes = entry_bytes(entry, key), old_bytes = old == NULL ? 0 : entry_bytes(old, key);
	bool own = old != NULL && old->owner == entry->owner;
	const struct demand of_all = {
		old == NULL, bytes - old_bytes, quota->max_keys, quota->max_bytes, RC_QUOTA_KEYS, RC_QUOTA_BYTES
	}, of_user = {
		!own, own ? bytes - old_bytes : bytes, quota->user_max_keys, quota->user_max_bytes,
		RC_QUOTA_USER_KEYS, RC_QUOTA_USER_BYTES
	};
	enum rc rc;

	if (!is_set(quota))
		return RC_OK;
	rc = demand_check(txn, project, 0, &of_all);
	if (rc == RC_OK && entry->owner != 0)
		rc = demand_check(txn, project, entry->owner, &of_user);
	return rc;
}

/* Whether SIZE bytes are no more than what stands there now. */
static bool takes_no_more(const struct kv_put *put, uint64_t size, struct arena *arena)
{
	struct kv_entry entry;
	uint64_t version;

	return kv_get_head(put->kv, put->project, put->key, put->now, arena, &entry, &version) == RC_OK &&
	       entry.size + entry.metadata.n >= size;
}

enum rc kv_quota_early(const struct kv_put *put, uint64_t size, struct arena *arena)
{
	const struct kv_quota *quota = &put->quota;
	enum rc rc = RC_OK;

	if (quota->max_bytes != 0 && size > quota->max_bytes)
		rc = RC_QUOTA_BYTES;
	else if (put->owner != 0 && quota->user_max_bytes != 0 && size > quota->user_max_bytes)
		rc = RC_QUOTA_USER_BYTES;
	return rc == RC_OK || takes_no_more(put, size, arena) ? RC_OK : rc;
}
