/*
 * commit.c - the committer: the one thread that writes.
 *
 *   take what is queued -> one transaction -> commit without sync -> one flush -> tell everybody
 *
 * One writer means no deadlocks between writers, one sequence of versions, and a hot key that is
 * as fast as many keys; one flush for all who wait is what makes durable writes cheap (the notes'
 * figures: 1.2x of a transaction per write). Nothing is ever answered before its flush.
 *
 * Shared with other threads: the queue (queue_lock), the clients' finished lists (their lock),
 * and the versions, which are atomics read by everybody.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/private.h"

enum {
	BATCH_TRIES = 1000,		/* each lost to a reader, who holds a lock for microseconds */
	SPACE_PAUSE_MS = 100		/* between two looks whether a full disk has space again */
};

/* ---- the queue ---- */

void commit_op_init(struct commit_op *op, commit_apply *apply, void *arg, size_t cost,
		    struct str request_id)
{
	*op = (struct commit_op){ .apply = apply, .arg = arg, .cost = cost, .rc = RC_STORE };
	op->has_request_id = hex_decode(request_id, op->request_id, sizeof op->request_id);
}

void commit_op_part(struct commit_op *op, uint64_t i)
{
	uint64_t low;

	/* Ids are random: one more or less is nobody's. */
	memcpy(&low, op->request_id + sizeof op->request_id - sizeof low, sizeof low);
	low += i + 1;
	memcpy(op->request_id + sizeof op->request_id - sizeof low, &low, sizeof low);
}

void commit_submit(struct store *store, struct commit_client *client, struct commit_op *first)
{
	struct commit_op **tail = &first;
	uint64_t n = 0;

	for (; *tail != NULL; tail = &(*tail)->next, n++)
		(*tail)->client = client;
	if (n == 0)
		return;
	atomic_fetch_add_explicit(&store->queued, n, memory_order_relaxed);
	pthread_mutex_lock(&store->queue_lock);
	*store->queue_tail = first;
	store->queue_tail = tail;
	pthread_cond_signal(&store->queue_filled);
	pthread_mutex_unlock(&store->queue_lock);
}

/* Cut a batch off the queue's head; NULL when it is empty. The queue's lock is held. */
static struct commit_op *batch_cut(struct store *store)
{
	struct commit_op *first = store->queue, **end;
	size_t n = 0, cost = 0;

	for (end = &store->queue; *end != NULL && n < COMMIT_BATCH_MAX; end = &(*end)->next, n++) {
		cost += (*end)->cost;
		if (n > 0 && cost > COMMIT_BATCH_BYTES)
			break;
	}
	if (first != NULL) {
		store->queue = *end;
		if (store->queue == NULL)
			store->queue_tail = &store->queue;
		*end = NULL;
	}
	atomic_fetch_sub_explicit(&store->queued, n, memory_order_relaxed);
	return first;
}

/* The next batch; NULL when the queue is empty and will stay so. */
static struct commit_op *batch_take(struct store *store)
{
	struct commit_op *first;

	pthread_mutex_lock(&store->queue_lock);
	while (store->queue == NULL && !store->stop)
		pthread_cond_wait(&store->queue_filled, &store->queue_lock);
	first = batch_cut(store);
	pthread_mutex_unlock(&store->queue_lock);
	return first;
}

/* ---- repeats ---- */

static struct commit_op *twin_find(struct commit_op *first, const struct commit_op *op)
{
	for (struct commit_op *other = first; other != op; other = other->next)
		if (other->has_request_id &&
		    memcmp(other->request_id, op->request_id, COMMIT_REQUEST_ID) == 0)
			return other;
	return NULL;
}

/* Mark what has to be run: not what was answered before, nor what stands in the batch twice. */
static void batch_prepare(struct store *store, struct commit_op *first)
{
	for (struct commit_op *op = first; op != NULL; op = op->next) {
		op->repeated = op->has_request_id &&
			       recent_find(store->recent, op->request_id, &op->answer);
		op->twin = op->has_request_id && !op->repeated ? twin_find(first, op) : NULL;
		op->undecided = !op->repeated && op->twin == NULL;
		op->changed = false;
		if (op->repeated)
			op->rc = RC_OK;
	}
}

/* A twin is answered as the first of them was. */
static void batch_settle(struct commit_op *first)
{
	uint64_t repeats = 0;

	for (struct commit_op *op = first; op != NULL; op = op->next) {
		if (op->twin != NULL) {
			op->rc = op->twin->rc;
			op->answer = op->twin->answer;
			op->why = op->twin->why;
			op->repeated = op->rc == RC_OK;
		}
		repeats += op->repeated;
	}
	if (repeats != 0)
		metric_add(metric_slot(), METRIC_REPEATS, repeats);
}

/* ---- one transaction ---- */

static uint64_t next_version(struct store *store)
{
	uint64_t now = clock_wall_us();

	store->last_version = now > store->last_version ? now : store->last_version + 1;
	return store->last_version;
}

void store_txn_advance(struct store_txn *txn)
{
	txn->version = next_version(txn->store);
}

/*
 * Run one write. RC_OK: it is decided, whatever it decided. Anything else: it changed something
 * and failed, or lost a lock; the transaction must not be committed.
 */
static enum rc op_run(struct store_txn *txn, struct commit_op *op)
{
	enum rc rc;

	txn->changed = false;
	txn->version = next_version(txn->store);
	op->answer = (struct commit_answer){ .version = txn->version };
	op->why = NULL;
	rc = op->apply(txn, op, op->arg);
	if (rc == RC_BUSY || rc == RC_STORE || (rc != RC_OK && txn->changed))
		return rc;
	op->rc = rc;
	op->changed = txn->changed;
	return RC_OK;
}

static enum rc ops_run(struct store_txn *txn, struct commit_op *first, const struct commit_op *end)
{
	for (struct commit_op *op = first; op != end; op = op->next) {
		enum rc rc = op->undecided ? op_run(txn, op) : RC_OK;

		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static bool any_changed(const struct commit_op *first, const struct commit_op *end)
{
	for (const struct commit_op *op = first; op != end; op = op->next)
		if (op->undecided && op->changed)
			return true;
	return false;
}

/* Whether there is anything to see of it, and anything to do for a checkpoint: not of a probe alone. */
static bool any_kept(const struct store *store, const struct commit_op *first, const struct commit_op *end)
{
	return first != &store->probe.op || any_changed(first->next, end);
}

/* TO_CHECKPOINT is set behind it: a checkpoint that is taken until then may not have it. */
static enum rc txn_commit(struct store *store, struct store_txn *txn, bool kept)
{
	enum rc rc;

	/* Before the commit, so that whoever sees an effect knows what to wait for. */
	if (kept)
		atomic_store(&store->committing, store->last_version);
	rc = store_rc(store, txn->txn->commit(txn->txn, DB_TXN_NOSYNC));
	if (kept)
		atomic_store(&store->to_checkpoint, true);
	return rc;
}

/*
 * Everything undecided from FIRST up to END in one transaction, with its counters and the answers
 * to remember. RC_OK: committed, or there was nothing to commit. Else nothing of it happened.
 */
static enum rc txn_try(struct store *store, struct commit_op *first, struct commit_op *end)
{
	struct store_txn txn = { .store = store, .usage = store->usage };
	bool changed;
	enum rc rc, left;
	int error;

	/* What could not be undone is in the pages still: nothing may be logged on top of it. */
	if (atomic_load(&store->failed))
		return RC_STORE;
	rc = store_rc(store, store->env->txn_begin(store->env, NULL, &txn.txn, 0));
	if (rc != RC_OK)
		return rc;
	rc = ops_run(&txn, first, end);
	changed = rc == RC_OK && any_changed(first, end);
	if (changed && (rc = record_write_usage(&txn)) == RC_OK)
		rc = recent_write(&txn, first, end);
	left = record_leave(&txn);
	rc = rc == RC_OK ? left : rc;
	if (changed && rc == RC_OK)
		return txn_commit(store, &txn, any_kept(store, first, end));
	error = txn.txn->abort(txn.txn);
	if (error == 0)
		return rc;
	/* Whatever it is: what was not undone has to be recovered from. */
	return store_rc(store, error) == RC_STORE ? RC_STORE : store_fail(store, error);
}

/* Again and again while a reader stands in the way: it holds a lock for microseconds. */
static enum rc txn_run(struct store *store, struct commit_op *first, struct commit_op *end)
{
	enum rc rc = txn_try(store, first, end);

	for (int i = 0; i < BATCH_TRIES && rc == RC_BUSY; i++) {
		metric_add(metric_slot(), METRIC_BATCH_RETRIES, 1);
		rc = txn_try(store, first, end);
	}
	return rc == RC_BUSY ? RC_UNAVAILABLE : rc;
}

/* One transaction for all; when one of them spoils it, one for each. */
static void batch_run(struct store *store, struct commit_op *first)
{
	if (txn_run(store, first, NULL) == RC_OK)
		return;
	for (struct commit_op *op = first; op != NULL; op = op->next) {
		enum rc rc;

		if (!op->undecided)
			continue;
		rc = txn_run(store, op, op->next);
		if (rc != RC_OK) {
			op->rc = rc;
			op->changed = false;
		}
	}
}

/* ---- telling ---- */

static void op_finish(struct commit_op *op)
{
	struct commit_client *client = op->client;

	op->next = NULL;
	pthread_mutex_lock(&client->lock);
	*client->finished_tail = op;
	client->finished_tail = &op->next;
	client->to_wake = true;
	pthread_mutex_unlock(&client->lock);
}

/* Everybody with a finished write, and everybody whose replies waited for this flush. */
static void clients_wake(struct store *store)
{
	pthread_mutex_lock(&store->clients_lock);
	for (struct commit_client *client = store->clients; client != NULL; client = client->next) {
		bool wake = atomic_load(&client->waits_for_flush);

		pthread_mutex_lock(&client->lock);
		wake |= client->to_wake;
		client->to_wake = false;
		pthread_mutex_unlock(&client->lock);
		if (wake)
			client->wake(client);
	}
	pthread_mutex_unlock(&store->clients_lock);
	pthread_mutex_lock(&store->flush_lock);
	pthread_cond_broadcast(&store->flush_done);
	pthread_mutex_unlock(&store->flush_lock);
}

/* The ops are their owners' again the moment they are finished: nothing looks at them behind it. */
static void batch_finish(struct store *store, struct commit_op *first)
{
	while (first != NULL) {
		struct commit_op *next = first->next;

		op_finish(first);
		first = next;
	}
	clients_wake(store);
}

/* ---- the flush ---- */

static bool out_of_space(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

/* Those that have been answered before are so again; nothing else can be done now. */
static void batch_refuse(struct store *store, struct commit_op *first)
{
	batch_prepare(store, first);
	for (struct commit_op *op = first; op != NULL; op = op->next) {
		if (op->undecided)
			op->rc = RC_STORAGE_FULL;
		op->undecided = false;
	}
	batch_settle(first);
	batch_finish(store, first);
}

/*
 * A flush waits for space: refuse what has been queued meanwhile, and make room, and see again soon. False when
 * the store is to be closed.
 */
static bool space_wait(struct store *store)
{
	struct commit_op *batch;
	bool stop;

	if (!atomic_exchange(&store->flush_waits, true)) {
		atomic_store(&store->full, true);
		LOG_ERROR("the disk is full: writes wait and others are refused until there is space",
			  LOG_STR("path", store->log_dir));
		ballast_release(store);
	} else {
		usleep(SPACE_PAUSE_MS * 1000);
	}
	pthread_mutex_lock(&store->queue_lock);
	batch = batch_cut(store);
	stop = store->stop;
	pthread_mutex_unlock(&store->queue_lock);
	if (batch != NULL)
		batch_refuse(store, batch);
	return !stop;
}

/*
 * On a full disk the same flush succeeds once there is space, so its writes stay parked while it is tried again,
 * as long as it takes: a server that ended here could not recover either. Any other error is the end: a second
 * fsync after a failed one would lie.
 */
static enum rc flush(struct store *store)
{
	uint64_t began = clock_mono_us(), took;
	int error = store->env->log_flush(store->env, NULL);

	while (out_of_space(error) && space_wait(store))
		error = store->env->log_flush(store->env, NULL);
	atomic_store(&store->flush_waits, false);
	took = clock_mono_us() - began;
	metric_add(metric_slot(), METRIC_BATCHES, 1);
	metric_add(metric_slot(), METRIC_FLUSH_US, took);
	metric_observe(metric_slot(), METRIC_FLUSHES, took);
	if (error != 0) {
		atomic_store(&store->failed, true);
		LOG_ERROR("a flush failed: stopping, to recover from what is on disk",
			  LOG_STR("error", db_strerror(error)));
		return RC_STORE;
	}
	atomic_store(&store->synced_at_us, clock_mono_us());
	position_note(store);
	return RC_OK;
}

static bool batch_changed(const struct commit_op *first)
{
	for (; first != NULL; first = first->next)
		if (first->undecided && first->changed)
			return true;
	return false;
}

/* Durable, or all of them told that they are not. */
static void batch_flush(struct store *store, struct commit_op *first)
{
	uint64_t changes = 0;
	enum rc rc = batch_changed(first) ? flush(store) : RC_OK;

	for (struct commit_op *op = first; op != NULL; op = op->next) {
		if (rc != RC_OK || atomic_load(&store->failed)) {
			op->rc = RC_STORE;
		} else if (op->undecided && op->changed) {
			changes += op != &store->probe.op;
			if (op->has_request_id)
				recent_add(store->recent, op->request_id, &op->answer);
		}
	}
	metric_add(metric_slot(), METRIC_WRITES, changes);
	if (changes != 0)
		metric_observe(metric_slot(), METRIC_BATCH_SIZES, changes);
	if (rc == RC_OK)
		atomic_store(&store->flushed, atomic_load(&store->committing));
}

static void *committer_run(void *arg)
{
	struct store *store = arg;
	struct commit_op *batch;

	while ((batch = batch_take(store)) != NULL) {
		batch_prepare(store, batch);
		if (!atomic_load(&store->failed))
			batch_run(store, batch);
		batch_flush(store, batch);
		batch_settle(batch);
		batch_finish(store, batch);
	}
	return NULL;
}

bool committer_start(struct store *store)
{
	store->usage = calloc(COMMIT_USAGE_MAX, sizeof *store->usage);
	probe_open(store);
	store->committer_runs = store->usage != NULL &&
				pthread_create(&store->committer, NULL, committer_run, store) == 0;
	return store->committer_runs;
}

void committer_stop(struct store *store)
{
	if (store->committer_runs) {
		pthread_mutex_lock(&store->queue_lock);
		store->stop = true;
		pthread_cond_signal(&store->queue_filled);
		pthread_mutex_unlock(&store->queue_lock);
		pthread_join(store->committer, NULL);
		store->committer_runs = false;
		probe_close(store);
	}
	free(store->usage);
	store->usage = NULL;
}

/* ---- clients ---- */

void commit_client_open(struct store *store, struct commit_client *client,
			void (*wake)(struct commit_client *))
{
	*client = (struct commit_client){ .wake = wake };
	client->finished_tail = &client->finished;
	pthread_mutex_init(&client->lock, NULL);
	pthread_mutex_lock(&store->clients_lock);
	client->next = store->clients;
	store->clients = client;
	pthread_mutex_unlock(&store->clients_lock);
}

void commit_client_close(struct store *store, struct commit_client *client)
{
	struct commit_client **at = &store->clients;

	pthread_mutex_lock(&store->clients_lock);
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	pthread_mutex_unlock(&store->clients_lock);
	pthread_mutex_destroy(&client->lock);
}

struct commit_op *commit_take(struct commit_client *client)
{
	struct commit_op *finished;

	pthread_mutex_lock(&client->lock);
	finished = client->finished;
	client->finished = NULL;
	client->finished_tail = &client->finished;
	pthread_mutex_unlock(&client->lock);
	return finished;
}

void commit_waits(struct commit_client *client, bool waits)
{
	atomic_store(&client->waits_for_flush, waits);
}

/* A client that sleeps until its writes are finished. */
struct sleeper {
	struct commit_client client;
	pthread_mutex_t lock;
	pthread_cond_t finished;
	bool woken;
};

static void sleeper_wake(struct commit_client *client)
{
	struct sleeper *sleeper = (struct sleeper *)client;

	pthread_mutex_lock(&sleeper->lock);
	sleeper->woken = true;
	pthread_cond_signal(&sleeper->finished);
	pthread_mutex_unlock(&sleeper->lock);
}

static void sleep_until_woken(struct sleeper *sleeper)
{
	pthread_mutex_lock(&sleeper->lock);
	while (!sleeper->woken)
		pthread_cond_wait(&sleeper->finished, &sleeper->lock);
	sleeper->woken = false;
	pthread_mutex_unlock(&sleeper->lock);
}

void commit_run_all(struct store *store, struct commit_op *first)
{
	struct sleeper sleeper = { .woken = false };
	size_t left = 0;

	for (const struct commit_op *op = first; op != NULL; op = op->next)
		left++;
	pthread_mutex_init(&sleeper.lock, NULL);
	pthread_cond_init(&sleeper.finished, NULL);
	commit_client_open(store, &sleeper.client, sleeper_wake);
	commit_submit(store, &sleeper.client, first);
	while (left != 0) {
		sleep_until_woken(&sleeper);
		for (const struct commit_op *op = commit_take(&sleeper.client); op != NULL; op = op->next)
			left--;
	}
	commit_client_close(store, &sleeper.client);
	pthread_mutex_destroy(&sleeper.lock);
	pthread_cond_destroy(&sleeper.finished);
}

enum rc commit_run(struct store *store, struct commit_op *op)
{
	op->next = NULL;
	commit_run_all(store, op);
	return op->rc;
}
