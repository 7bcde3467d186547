/*
 * bulk.c - many changes that one request asks for, a slice of them in each operation of the committer.
 *
 * A slice is small enough that nobody waits long behind it. Each of its changes counts against its own key's
 * write limit; those that are over it are left out and named in the answer, all others are made together.
 */
#include "config.h"

#include <assert.h>

#include "kv/private.h"

static enum rc slice_run(struct store_txn *txn, struct commit_op *op, struct kv_slice *slice,
			 enum rc (*one)(struct store_txn *, struct kv_slice *, size_t))
{
	assert(slice->n <= KV_SLICE_ITEMS);
	for (size_t i = 0; i < slice->n; i++) {
		enum rc rc = one(txn, slice, i);

		if (rc == RC_WRITE_LIMIT)
			op->answer.writes |= UINT64_C(1) << i;
		else if (rc != RC_OK)
			return rc;
		/* Each has its own version: values that lie apart are named by it. */
		store_txn_advance(txn);
	}
	op->answer.version = store_txn_version(txn);
	return RC_OK;
}

static enum rc put_at(struct store_txn *txn, struct kv_slice *slice, size_t i)
{
	struct commit_answer answer;

	return put_one(txn, &slice->puts[i], &answer);
}

static enum rc delete_at(struct store_txn *txn, struct kv_slice *slice, size_t i)
{
	struct commit_answer answer;

	return delete_one(txn, &slice->deletes[i], &answer);
}

enum rc kv_slice_put_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	return slice_run(txn, op, arg, put_at);
}

enum rc kv_slice_delete_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	return slice_run(txn, op, arg, delete_at);
}
