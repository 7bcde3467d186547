/*
 * test_faults_store.c - each call of Berkeley DB that a request makes fails in turn, with each error.
 *
 *   DB_LOCK_DEADLOCK, DB_LOCK_NOTGRANTED   tried again: nobody hears of it
 *   ENOSPC                                 507, or tried again; nothing has changed, the store goes on
 *   ENOMEM                                 503; nothing has changed, the store goes on
 *   EIO, DB_RUNRECOVERY                    503, nothing is acknowledged, the store is opened anew: everything is there
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faulty.h"
#include "store/private.h"

/* ---- calls that fail ---- */

enum kind { TAKES_LOCK, TAKES_NONE, ENDS };	/* an end happens, whatever it answers */

static _Atomic bool armed, for_ever;
static _Atomic long left;		/* calls that still succeed */
static int error_now;
static const char *_Atomic hit;		/* the call that failed; NULL: none */
static _Atomic enum kind hit_kind;

/* 0, or what the call is to answer in place of being made. */
static int fault(const char *name, enum kind kind)
{
	if (!armed || (!for_ever && atomic_fetch_sub(&left, 1) != 0))
		return 0;
	hit_kind = kind;
	hit = name;
	/* These come from a lock that is asked for. */
	if (kind != TAKES_LOCK && (error_now == DB_LOCK_DEADLOCK || error_now == DB_LOCK_NOTGRANTED))
		return 0;
	return error_now;
}

static int (*real_get)(DB *, DB_TXN *, DBT *, DBT *, u_int32_t);
static int (*real_put)(DB *, DB_TXN *, DBT *, DBT *, u_int32_t);
static int (*real_del)(DB *, DB_TXN *, DBT *, u_int32_t);
static int (*real_cursor)(DB *, DB_TXN *, DBC **, u_int32_t);
static int (*real_cursor_get)(DBC *, DBT *, DBT *, u_int32_t);
static int (*real_cursor_close)(DBC *);
static int (*real_txn_begin)(DB_ENV *, DB_TXN *, DB_TXN **, u_int32_t);
static int (*real_commit)(DB_TXN *, u_int32_t);
static int (*real_abort)(DB_TXN *);
static int (*real_log_flush)(DB_ENV *, const DB_LSN *);

static int faulty_get(DB *db, DB_TXN *txn, DBT *key, DBT *value, u_int32_t flags)
{
	int error = fault("get", TAKES_LOCK);

	return error != 0 ? error : real_get(db, txn, key, value, flags);
}

static int faulty_put(DB *db, DB_TXN *txn, DBT *key, DBT *value, u_int32_t flags)
{
	int error = fault("put", TAKES_LOCK);

	return error != 0 ? error : real_put(db, txn, key, value, flags);
}

static int faulty_del(DB *db, DB_TXN *txn, DBT *key, u_int32_t flags)
{
	int error = fault("del", TAKES_LOCK);

	return error != 0 ? error : real_del(db, txn, key, flags);
}

static int faulty_cursor_get(DBC *cursor, DBT *key, DBT *value, u_int32_t flags)
{
	int error = fault("cursor get", TAKES_LOCK);

	return error != 0 ? error : real_cursor_get(cursor, key, value, flags);
}

static int faulty_cursor_close(DBC *cursor)
{
	int error = fault("cursor close", ENDS), closed = real_cursor_close(cursor);

	return error != 0 ? error : closed;
}

static int faulty_cursor(DB *db, DB_TXN *txn, DBC **cursor, u_int32_t flags)
{
	int error = fault("cursor", TAKES_NONE);

	/* Closed cursors are used again, as they were left. */
	if (error == 0 && (error = real_cursor(db, txn, cursor, flags)) == 0 && (*cursor)->get != faulty_cursor_get) {
		real_cursor_get = (*cursor)->get;
		real_cursor_close = (*cursor)->close;
		(*cursor)->get = faulty_cursor_get;
		(*cursor)->close = faulty_cursor_close;
	}
	return error;
}

/* A commit that fails is an abort. */
static int faulty_commit(DB_TXN *txn, u_int32_t flags)
{
	int error = fault("commit", ENDS);

	if (error == 0)
		return real_commit(txn, flags);
	real_abort(txn);
	return error;
}

static int faulty_abort(DB_TXN *txn)
{
	int error = fault("abort", ENDS), aborted = real_abort(txn);

	return error != 0 ? error : aborted;
}

static int faulty_txn_begin(DB_ENV *env, DB_TXN *parent, DB_TXN **txn, u_int32_t flags)
{
	int error = fault("txn_begin", TAKES_NONE);

	if (error == 0 && (error = real_txn_begin(env, parent, txn, flags)) == 0 &&
	    (*txn)->commit != faulty_commit) {
		real_commit = (*txn)->commit;
		real_abort = (*txn)->abort;
		(*txn)->commit = faulty_commit;
		(*txn)->abort = faulty_abort;
	}
	return error;
}

static int faulty_log_flush(DB_ENV *env, const DB_LSN *lsn)
{
	int error = fault("log_flush", TAKES_NONE);

	return error != 0 ? error : real_log_flush(env, lsn);
}

/* Into the handles of the open store. */
static void stand_between(struct store *store)
{
	for (int table = 0; table < STORE__TABLES; table++) {
		DB *db = store->db[table];

		if (db->get == faulty_get)
			return;
		real_get = db->get;
		real_put = db->put;
		real_del = db->del;
		real_cursor = db->cursor;
		db->get = faulty_get;
		db->put = faulty_put;
		db->del = faulty_del;
		db->cursor = faulty_cursor;
	}
	real_txn_begin = store->env->txn_begin;
	real_log_flush = store->env->log_flush;
	store->env->txn_begin = faulty_txn_begin;
	store->env->log_flush = faulty_log_flush;
}

/* ---- each in turn ---- */

/* Whether STATUS is what DEED may answer when the call that is `hit` failed, and whether the store may have FAILED. */
static bool is_right(const struct deed *deed, int status, bool failed)
{
	/* An answer that has begun can only be broken off. */
	bool good = status == deed->good, broken_off = status == 0 && !deed->writes;

	/* What could not be undone must be recovered from. */
	if (strcmp(hit, "abort") == 0 && error_now != DB_LOCK_DEADLOCK && error_now != DB_LOCK_NOTGRANTED)
		return failed && status == 503;
	switch (error_now) {
	case DB_LOCK_DEADLOCK:
	case DB_LOCK_NOTGRANTED:
		return good && !failed;
	case ENOSPC:
		return (good || broken_off || status == 507) && !failed;
	case ENOMEM:
		/* Behind a flush that failed nobody knows what is on disk. */
		if (strcmp(hit, "log_flush") == 0)
			return failed && status == 503;
		return (good || broken_off || status == 503) && !failed;
	default:
		return (broken_off || status == 503) && failed;
	}
}

/* Call N (from 0) of DEED fails. False when it has fewer. */
static bool fail_one(const struct deed *deed, long n)
{
	bool failed;
	int status;

	stand_between(faulty_store());
	faulty_prepare(deed);
	hit = NULL;
	left = n;
	armed = true;
	status = deed->act();
	armed = false;
	failed = faulty_has_failed();
	if (getenv("TMAKV_FAULT_VERBOSE") != NULL && hit != NULL)
		printf("%s, call %ld (%s), %s: %d%s\n", deed->name, n, hit, db_strerror(error_now), status,
		       failed ? ", failed" : "");
	if (hit == NULL ? status != deed->good || failed : !is_right(deed, status, failed))
		fail_msg("%s, call %ld (%s), %s: answered %d%s", deed->name, n, hit == NULL ? "none" : hit,
			 db_strerror(error_now), status, failed ? ", and the store has failed" : "");
	if (failed)
		faulty_restart();
	if (!faulty_check(deed, status))
		fail_msg("%s, call %ld (%s), %s", deed->name, n, hit == NULL ? "none" : hit, db_strerror(error_now));
	return hit != NULL;
}

/* Every STEP-th call from FIRST on, or all of them when there is time: a store that fails is opened anew, which takes its time. */
static void calls_fail_with(int error, long first, long step)
{
	const bool all = getenv("TMAKV_FAULTS_ALL") != NULL;
	const char *only = getenv("TMAKV_FAULT_DEED");

	error_now = error;
	for (size_t i = 0; i < faulty_n_deeds; i++) {
		const struct deed *deed = &faulty_deeds[i];
		long n = all ? 0 : first;

		if (only != NULL && strcmp(only, deed->name) != 0)
			continue;
		while (fail_one(deed, n))
			assert_true((n += all ? 1 : step) < 1000);
		if (error == DB_LOCK_DEADLOCK)
			printf("%s: %ld calls\n", deed->name, n);
	}
}

static void a_lost_lock_is_not_heard_of(void **state)
{
	(void)state;
	calls_fail_with(DB_LOCK_DEADLOCK, 0, 1);
	calls_fail_with(DB_LOCK_NOTGRANTED, 0, 1);
}

static void a_full_disk_changes_nothing(void **state)
{
	(void)state;
	calls_fail_with(ENOSPC, 0, 1);
}

static void want_of_memory_changes_nothing(void **state)
{
	(void)state;
	calls_fail_with(ENOMEM, 0, 1);
}

static void a_disk_that_fails_acknowledges_nothing(void **state)
{
	(void)state;
	calls_fail_with(EIO, 0, 2);
}

static void a_panic_acknowledges_nothing(void **state)
{
	(void)state;
	calls_fail_with(DB_RUNRECOVERY, 1, 2);
}

/* One that has no memory for anything is wedged, and better started anew. */
static void a_store_that_never_has_memory_fails_in_the_end(void **state)
{
	const struct deed *get = &faulty_deeds[0];
	int n = 0;

	(void)state;
	faulty_prepare(get);
	stand_between(faulty_store());
	error_now = ENOMEM;
	for_ever = armed = true;
	while (!faulty_has_failed() && n++ < 1000)
		assert_int_equal(get->act(), 503);
	for_ever = armed = false;
	assert_in_range(n, 10, 999);
	faulty_restart();
	assert_int_equal(get->act(), 200);
}

static int start(void **state)
{
	(void)state;
	faulty_start();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	armed = for_ever = false;
	faulty_stop();
	return 0;
}

#define OVER_A_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_SERVER(a_lost_lock_is_not_heard_of),
		OVER_A_SERVER(a_full_disk_changes_nothing),
		OVER_A_SERVER(want_of_memory_changes_nothing),
		OVER_A_SERVER(a_disk_that_fails_acknowledges_nothing),
		OVER_A_SERVER(a_panic_acknowledges_nothing),
		OVER_A_SERVER(a_store_that_never_has_memory_fails_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
