/*
 * meta.c - what is made once for a data directory and then stays.
 */
#include "config.h"

#include "base/log.h"
#include "base/rand.h"
#include "store/private.h"

struct meta_row {
	struct str name, value;
};

static enum rc meta_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct meta_row *row = arg;

	(void)op;
	return store_txn_put(txn, STORE_META, row->name, row->value);
}

enum rc store_meta_random(struct store *store, const char *name, void *out, size_t n)
{
	struct meta_row row = { str_c(name), str_make(out, n) };
	struct commit_op op;
	size_t n_read;
	enum rc rc = store_get(store, STORE_META, row.name, out, n, &n_read);

	if (rc == RC_KEY_NOT_FOUND) {
		rand_bytes(out, n);
		commit_op_init(&op, meta_apply, &row, n, STR_LIT(""));
		return commit_run(store, &op);
	}
	if ((rc == RC_OK && n_read != n) || rc == RC_VALUE_TOO_LARGE) {
		LOG_ERROR("a row of the store's own is not what was put there", LOG_STR("row", name));
		return RC_INTERNAL;
	}
	return rc;
}

enum rc store_meta_write(struct store *store, const char *name, struct str value)
{
	struct meta_row row = { str_c(name), value };
	struct commit_op op;

	commit_op_init(&op, meta_apply, &row, value.n, STR_LIT(""));
	return commit_run(store, &op);
}
