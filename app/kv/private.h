/*
 * private.h - what the files of kv/ share.
 */
#ifndef KV_PRIVATE_H
#define KV_PRIVATE_H

#include "base/hash.h"
#include "kv/entry.h"
#include "kv/kv.h"
#include "kv/limit.h"

struct kv {
	struct store *store;
	struct limiter *limiter;	/* the committer's */
	struct hash_key cursor_key;	/* kept in the store: cursors outlive a restart */
};

/* A key as it is stored: the project's number in front keeps projects apart and in one piece. */
enum { KEY_PROJECT_SIZE = 4, KEY_STORED_MAX = KEY_PROJECT_SIZE + KV_KEY_MAX };

/* key_stored - PROJECT and KEY in OUT; KEY has at most KV_KEY_MAX bytes. */
struct str key_stored(uint32_t project, struct str key, char out[KEY_STORED_MAX]);

/* What an entry keeps in STORE_VALUES, by part. */
enum value_part { PART_VALUE, PART_METADATA };
enum { VALUE_KEY_SIZE = KEY_PROJECT_SIZE + 8 + 1 };
struct str value_key(uint32_t project, uint64_t id, enum value_part part, char out[VALUE_KEY_SIZE]);

/* An entry's row in STORE_EXPIRY. */
enum { EXPIRY_KEY_MAX = 8 + KEY_STORED_MAX };
struct str expiry_key(int64_t expires_at, struct str stored, char out[EXPIRY_KEY_MAX]);

/*
 * entry_erase - take an entry away with all that belongs to it: record, values, expiry row, usage.
 * STORED is its key, ENTRY what is stored under it.
 */
enum rc entry_erase(struct store_txn *txn, struct str stored, const struct entry *entry) MUST_USE;

/*
 * put_one, delete_one - one change inside a transaction, as kv_put_apply and kv_delete_apply make it; *WRITES is the
 * key's counter behind it. Nothing has changed when it answers RC_WRITE_LIMIT or RC_STORAGE_FULL.
 */
enum rc put_one(struct store_txn *txn, struct kv_put *put, uint64_t *writes) MUST_USE;
enum rc delete_one(struct store_txn *txn, struct kv_delete *del, uint64_t *writes) MUST_USE;

/* sweep_apply - for the sweeper: a slice of what has expired. */
commit_apply sweep_apply;

#endif
