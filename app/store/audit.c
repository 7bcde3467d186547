/*
 * audit.c - for the sweeper: takes away rows of STORE_AUDIT that are older than the setting audit_days.
 *
 * What is in the rows is project/audit.c's business; that they begin with their time is enough to know here.
 */
#include "config.h"

#include "base/clock.h"
#include "store/expire.h"
#include "store/private.h"

enum { ROW_BYTES = 512 };	/* roughly */

enum rc audit_sweep_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	uint64_t now = clock_wall_us(), keep = txn->store->audit_keep_us;
	struct sweep_slice *slice = arg;
	char key[STORE_KEY_MAX];
	size_t n;
	enum rc rc;

	(void)op;
	for (sweep_begin(slice); keep != 0 && sweep_goes_on(slice); sweep_count(slice, ROW_BYTES)) {
		rc = store_txn_next(txn, STORE_AUDIT, STR_LIT(""), key, &n);
		if (rc == RC_KEY_NOT_FOUND || (rc == RC_OK && n == 8 && store_get_u64(key) + keep > now))
			return RC_OK;
		if (rc != RC_OK || (rc = store_txn_del(txn, STORE_AUDIT, str_make(key, n))) != RC_OK)
			return rc;
	}
	return RC_OK;
}
