/*
 * commit.h - all changes: queued by anyone, run by one thread, many in one transaction,
 * durable with one flush, and only then told to whoever asked.
 *
 *   commit_submit() --queue--> committer: begin, apply, apply, apply, commit, flush
 *                                   |
 *   commit_client.wake() <----------'  then commit_take() hands the finished ones back
 */
#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/str.h"
#include "store/store.h"

struct commit_client;
struct commit_op;
struct store_txn;

/*
 * A change. It checks everything before its first put or delete: an error answered before
 * that has no effect on its neighbours in the batch; an error after it undoes the batch, which is
 * then run again write by write. So it may run more than once and keeps no state but its ARG and OP,
 * which it sets anew each time. Only its own transaction may be used inside.
 */
typedef enum rc commit_apply(struct store_txn *txn, struct commit_op *op, void *arg);

enum { COMMIT_BATCH_MAX = 256, COMMIT_BATCH_BYTES = 1 << 20, COMMIT_REQUEST_ID = 16 };

/*
 * What is remembered of a write for a minute, so that a repeat of it can be answered the same.
 * The committer sets VERSION before it runs the apply function, which sets WRITES, and MORE where the
 * answer tells more: what it means is known to who asks. Where all of it is 0 its place on disk is saved.
 */
struct commit_answer {
	uint64_t version;
	uint64_t writes;
	uint64_t more[2];
};

struct commit_op {
	/* in */
	commit_apply *apply;
	void *arg;
	size_t cost;				/* bytes, roughly */
	bool has_request_id;
	uint8_t request_id[COMMIT_REQUEST_ID];

	/* out */
	enum rc rc;
	struct commit_answer answer;
	const char *why;			/* a better sentence for an error, and constant; NULL: there is none */
	bool repeated;				/* not run: answered as the first time */

	/* the queue's */
	struct commit_client *client;
	struct commit_op *next;
	struct commit_op *twin;			/* earlier in the batch, with the same request id */
	bool changed;				/* put or deleted something */
	bool undecided;				/* has to be run (again) */
};

/* commit_op_init - REQUEST_ID is the front server's (32 hex digits); anything else is not remembered. */
void commit_op_init(struct commit_op *op, commit_apply *apply, void *arg, size_t cost,
		    struct str request_id);

/*
 * commit_op_part - OP is part I of a request that makes several operations: it is remembered by itself, and
 * recognised when the request is repeated. After commit_op_init().
 */
void commit_op_part(struct commit_op *op, uint64_t i);

/* Somebody who queues writes and is woken when some are finished, or awaited versions are flushed. */
struct commit_client {
	void (*wake)(struct commit_client *);	/* from the committer; must not block */

	/* commit.c's */
	pthread_mutex_t lock;
	struct commit_op *finished, **finished_tail;
	struct commit_client *next;
	_Atomic bool waits_for_flush;
	bool to_wake;
};

void commit_client_open(struct store *store, struct commit_client *client,
			void (*wake)(struct commit_client *));
void commit_client_close(struct store *store, struct commit_client *client);

/* commit_submit - queue the chain FIRST (linked by next), in order. They belong to the committer until commit_take(). */
void commit_submit(struct store *store, struct commit_client *client, struct commit_op *first);

/* commit_take - what has finished, oldest first, linked by next; NULL when nothing has. */
struct commit_op *commit_take(struct commit_client *client);

/*
 * commit_waits - CLIENT wants a wake() after the next flush because replies wait for one. Say it before
 * looking at store_is_flushed(): then no flush can fall between.
 */
void commit_waits(struct commit_client *client, bool waits);

/* commit_run_all - queue the chain FIRST (linked by next), in order, and block until all are finished. Not from an event loop. */
void commit_run_all(struct store *store, struct commit_op *first);

/* commit_run - queue one write and block until it is durable or refused; answers op->rc. Not from an event loop. */
enum rc commit_run(struct store *store, struct commit_op *op) MUST_USE;

/*
 * Inside a commit_apply: reads see what this batch has put already. store_txn_get as store_get().
 * A put or delete that fails undoes the batch; the caller just returns what it was answered.
 */
enum rc store_txn_get(struct store_txn *txn, enum store_table table, struct str key,
		      void *buf, size_t size, size_t *n) MUST_USE;
enum rc store_txn_put(struct store_txn *txn, enum store_table table, struct str key,
		      struct str value) MUST_USE;
/* store_txn_del - RC_OK also when there was none. */
enum rc store_txn_del(struct store_txn *txn, enum store_table table, struct str key) MUST_USE;
/* store_txn_next - the first row with a key >= FROM, its key only (KEY holds STORE_KEY_MAX). RC_KEY_NOT_FOUND at the end. */
enum rc store_txn_next(struct store_txn *txn, enum store_table table, struct str from,
		       char *key, size_t *n_key) MUST_USE;

/* store_txn_size - the length of the row's value; its bytes are not read. RC_KEY_NOT_FOUND. */
enum rc store_txn_size(struct store_txn *txn, enum store_table table, struct str key, size_t *n) MUST_USE;

/* store_txn_usage - add to what PROJECT, or USER in it, has in use (user 0: the project); written once per batch. */
enum rc store_txn_usage(struct store_txn *txn, uint32_t project, uint64_t user,
			int64_t keys, int64_t bytes) MUST_USE;

/* store_txn_usage_read - what is in use by now, with all that this batch has added. */
enum rc store_txn_usage_read(struct store_txn *txn, uint32_t project, uint64_t user, uint64_t *keys,
			     uint64_t *bytes) MUST_USE;

/* store_txn_version - this write's version: greater than all before it, in microseconds since 1970 or so. */
uint64_t store_txn_version(const struct store_txn *txn);

/* store_txn_advance - what follows in this operation is another write, with a version of its own. */
void store_txn_advance(struct store_txn *txn);

/* store_txn_is_full - there is too little space: refuse what grows with RC_STORAGE_FULL. */
bool store_txn_is_full(const struct store_txn *txn);

#endif
