/*
 * private.h - what the files of kv/ share.
 */
#ifndef KV_PRIVATE_H
#define KV_PRIVATE_H

#include <pthread.h>

#include "base/hash.h"
#include "base/hot.h"
#include "base/limit.h"
#include "kv/entry.h"
#include "kv/kv.h"

struct kv_condition;

struct kv {
	struct store *store;
	struct limiter *limiter;	/* the committer's */
	struct hot *hot;		/* filled by the committer */
	uint64_t now_us;		/* the committer's: when a write was asked for last */
	struct hash_key cursor_key;	/* kept in the store: cursors outlive a restart */
	pthread_mutex_t holds_lock;
	struct kv_hold *holds;		/* a few: one for each large value that is under way */
};

/* A key as it is stored: the project's number in front keeps projects apart and in one piece. */
enum { KEY_PROJECT_SIZE = 4, KEY_STORED_MAX = KEY_PROJECT_SIZE + KV_KEY_MAX };

/* key_stored - PROJECT and KEY in OUT; KEY has at most KV_KEY_MAX bytes. */
struct str key_stored(uint32_t project, struct str key, char out[KEY_STORED_MAX]);

/* What an entry keeps in STORE_VALUES, by part. */
enum value_part { PART_VALUE, PART_METADATA, PART_CHUNK };
enum { VALUE_KEY_SIZE = KEY_PROJECT_SIZE + 8 + 1 };
struct str value_key(uint32_t project, uint64_t id, enum value_part part, char out[VALUE_KEY_SIZE]);

/* The rows of a value in chunks, and its row in STORE_GARBAGE: the project and the value id that they begin with. */
enum { CHUNK_KEY_SIZE = VALUE_KEY_SIZE + 4, GARBAGE_KEY_SIZE = KEY_PROJECT_SIZE + 8 };
struct str chunk_key(uint32_t project, uint64_t id, uint32_t index, char out[CHUNK_KEY_SIZE]);
struct str garbage_key(uint32_t project, uint64_t id, char out[GARBAGE_KEY_SIZE]);

/* An entry's row in STORE_EXPIRY. */
enum { EXPIRY_KEY_MAX = 8 + KEY_STORED_MAX };
struct str expiry_key(int64_t expires_at, struct str stored, char out[EXPIRY_KEY_MAX]);

/*
 * entry_erase - take an entry away with all that belongs to it: record, values, expiry row, usage.
 * STORED is its key, ENTRY what is stored under it.
 */
enum rc entry_erase(struct store_txn *txn, struct str stored, const struct entry *entry) MUST_USE;

/*
 * quota_check - may ENTRY take the place of OLD (NULL: nothing is there) under STORED? An expired record that is not
 * swept yet is there. RC_QUOTA_KEYS, RC_QUOTA_BYTES, RC_QUOTA_USER_KEYS, RC_QUOTA_USER_BYTES. Before the first put.
 */
enum rc quota_check(struct store_txn *txn, const struct kv_quota *quota, struct str stored, const struct entry *old,
		    const struct entry *entry) MUST_USE;

/*
 * put_one, delete_one - one change inside a transaction, as kv_put_apply and kv_delete_apply make it; ANSWER gets the
 * key's counter behind it. Nothing has changed when it answers RC_PRECONDITION_FAILED, RC_WRITE_LIMIT, RC_QUOTA_... or
 * RC_STORAGE_FULL.
 */
enum rc put_one(struct store_txn *txn, struct kv_put *put, struct commit_answer *answer) MUST_USE;
enum rc delete_one(struct store_txn *txn, struct kv_delete *del, struct commit_answer *answer) MUST_USE;

/*
 * write.c: the steps of a change, for those that do more than a put.
 *
 * record_find      - the record under STORED, dead or alive; RC_KEY_NOT_FOUND when there is none.
 * condition_ask    - CONDITION of the key as it is: ENTRY, or NULL for none. When it does not hold, ANSWER has its version.
 * belongings_erase - all that an entry keeps elsewhere.
 * entry_put        - the record, and all that it keeps elsewhere.
 * limit_ask        - ask once: a write that runs again, because the batch was undone, has been counted already.
 * write_settle     - RC is how the write ended. One that happened is the key's WRITES-th, and makes it hotter; one that did
 *                    not is not counted against the limit. RC_BUSY: it will be run again.
 */
enum rc record_find(struct store_txn *txn, struct str stored, char buf[STORE_INLINE_MAX],
		    struct entry *entry) MUST_USE;
enum rc condition_ask(const struct kv_condition *condition, const struct entry *entry,
		      struct commit_answer *answer) MUST_USE;
enum rc belongings_erase(struct store_txn *txn, struct str stored, const struct entry *entry) MUST_USE;
enum rc entry_put(struct store_txn *txn, struct str stored, const struct entry *entry,
		  struct str value, struct str metadata) MUST_USE;
enum rc limit_ask(struct kv *kv, struct str stored, int64_t limit, bool *counted) MUST_USE;
enum rc write_settle(struct kv *kv, struct str stored, enum rc rc, uint64_t writes, bool *counted) MUST_USE;

/* sweep_apply - for the sweeper: a slice of what has expired. */
commit_apply sweep_apply;

/* read.c: what kv_get() and a reader have in common */

enum { GET_TRIES = 100 };	/* each lost to a newer write of the same key */

/* record_get - the record of STORED, read into BUF; RC_KEY_NOT_FOUND when missing or expired. */
enum rc record_get(struct kv *kv, struct str stored, int64_t now, char buf[STORE_INLINE_MAX],
		   struct entry *entry) MUST_USE;

/*
 * parts_get - fetch those PARTS (flags of entry.h) that lie outside, in one row each. RC_KEY_NOT_FOUND: a
 * newer write took one away, read the record again.
 */
enum rc parts_get(struct kv *kv, uint32_t project, unsigned parts, struct entry *entry,
		  struct arena *arena) MUST_USE;

void entry_show(const struct entry *entry, struct kv_entry *out);

/*
 * garbage.c: chunks that belong to no record (yet, or any more) have a row in STORE_GARBAGE, in the same
 * transaction that makes it so. The collector takes away those that nobody holds.
 */
enum rc garbage_add(struct store_txn *txn, uint32_t project, uint64_t id) MUST_USE;
enum rc garbage_remove(struct store_txn *txn, uint32_t project, uint64_t id) MUST_USE;

/* garbage_check - RC_OK; RC_PROJECT_UNAVAILABLE when an upload has lost its row: its project was deleted. */
enum rc garbage_check(struct store_txn *txn, uint32_t project, uint64_t id) MUST_USE;

/* hold_take - HOLD holds nothing before; it stays where it is until hold_release(). Any thread. */
void hold_take(struct kv *kv, struct kv_hold *hold, uint32_t project, uint64_t id);
void hold_release(struct kv *kv, struct kv_hold *hold);

/* collect_apply - for the sweeper: a slice of the garbage that nobody holds. */
commit_apply collect_apply;

#endif
