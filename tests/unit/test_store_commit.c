/*
 * test_store_commit.c - the committer's promises: all or nothing, one neighbour's error is not
 * another's, nothing is told before it is synced, a repeat is answered as the first time.
 */
#include "config.h"

#include "store_fixture.h"

#include <db.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "store/commit.h"

/* ---- a sync that can be held back: below everything, so nothing can go round it ---- */

static pthread_mutex_t sync_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sync_change = PTHREAD_COND_INITIALIZER;
static bool sync_held;
static int syncs_waiting;

static int held_fsync(int fd)
{
	pthread_mutex_lock(&sync_lock);
	syncs_waiting++;
	pthread_cond_broadcast(&sync_change);
	while (sync_held)
		pthread_cond_wait(&sync_change, &sync_lock);
	syncs_waiting--;
	pthread_mutex_unlock(&sync_lock);
	return fdatasync(fd);
}

static void sync_hold(bool hold)
{
	pthread_mutex_lock(&sync_lock);
	sync_held = hold;
	pthread_cond_broadcast(&sync_change);
	pthread_mutex_unlock(&sync_lock);
}

static void sync_await(void)
{
	pthread_mutex_lock(&sync_lock);
	while (syncs_waiting == 0)
		pthread_cond_wait(&sync_change, &sync_lock);
	pthread_mutex_unlock(&sync_lock);
}

/* ---- writes to test with ---- */

/* Puts NAME = VALUE; then answers RC, which after a put means that the put must be undone. */
struct row {
	const char *name, *value;
	enum rc rc;
	bool check_first;	/* answer RC before the put */
	int busy;		/* lose a lock so many times first */
	int runs;
};

static enum rc row_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct row *row = arg;
	enum rc rc;

	row->runs++;
	op->answer.writes = (uint64_t)row->runs;
	if (row->check_first && row->rc != RC_OK)
		return row->rc;
	rc = store_txn_put(txn, STORE_META, str_c(row->name), str_c(row->value));
	if (rc == RC_OK && row->busy > 0) {
		row->busy--;
		return RC_BUSY;
	}
	return rc == RC_OK ? row->rc : rc;
}

static struct commit_client client;
static sem_t woken;

static void on_wake(struct commit_client *c)
{
	(void)c;
	sem_post(&woken);
}

/* Submit ROWS as one chain and wait until all are finished. */
static void run_together(struct store *store, struct row *rows, struct commit_op *ops, size_t n)
{
	size_t finished = 0;

	for (size_t i = 0; i < n; i++) {
		commit_op_init(&ops[i], row_apply, &rows[i], 100, STR_LIT(""));
		if (i > 0)
			ops[i - 1].next = &ops[i];
	}
	commit_submit(store, &client, ops);
	while (finished < n) {
		sem_wait(&woken);
		for (struct commit_op *op = commit_take(&client); op != NULL; op = op->next)
			finished++;
	}
}

static bool is_there(struct store *store, const char *name, const char *value)
{
	char buf[64];
	size_t n;
	enum rc rc = store_get(store, STORE_META, str_c(name), buf, sizeof buf, &n);

	assert_true(rc == RC_OK || rc == RC_KEY_NOT_FOUND);
	return rc == RC_OK && str_eq(str_make(buf, n), str_c(value));
}

static int start(void **state)
{
	struct fixture *f = malloc(sizeof *f);

	db_env_set_func_fsync(held_fsync);
	fixture_start(f);
	sem_init(&woken, 0, 0);
	commit_client_open(f->store, &client, on_wake);
	*state = f;
	return 0;
}

static int stop(void **state)
{
	struct fixture *f = *state;

	commit_client_close(f->store, &client);
	fixture_stop(f);
	free(f);
	return 0;
}

/* ---- tests ---- */

static void a_write_is_there_after_it_was_told(void **state)
{
	struct fixture *f = *state;
	struct row row = { .name = "a", .value = "1" };
	struct commit_op op;

	commit_op_init(&op, row_apply, &row, 100, STR_LIT(""));
	assert_int_equal(commit_run(f->store, &op), RC_OK);
	assert_true(is_there(f->store, "a", "1"));
	assert_true(store_is_flushed(f->store, op.answer.version));
}

static void an_error_before_the_first_put_leaves_the_neighbours_alone(void **state)
{
	struct fixture *f = *state;
	struct row rows[3] = {
		{ .name = "a", .value = "1" },
		{ .name = "b", .value = "2", .rc = RC_WRITE_LIMIT, .check_first = true },
		{ .name = "c", .value = "3" },
	};
	struct commit_op ops[3];

	run_together(f->store, rows, ops, 3);
	assert_int_equal(ops[0].rc, RC_OK);
	assert_int_equal(ops[1].rc, RC_WRITE_LIMIT);
	assert_int_equal(ops[2].rc, RC_OK);
	assert_true(is_there(f->store, "a", "1") && is_there(f->store, "c", "3"));
	assert_false(is_there(f->store, "b", "2"));
	assert_int_equal(rows[0].runs, 1);
}

static void an_error_after_a_put_is_undone_and_the_neighbours_still_happen(void **state)
{
	struct fixture *f = *state;
	struct row rows[3] = {
		{ .name = "a", .value = "1" },
		{ .name = "b", .value = "2", .rc = RC_STORAGE_FULL },
		{ .name = "c", .value = "3" },
	};
	struct commit_op ops[3];

	run_together(f->store, rows, ops, 3);
	assert_int_equal(ops[0].rc, RC_OK);
	assert_int_equal(ops[1].rc, RC_STORAGE_FULL);
	assert_int_equal(ops[2].rc, RC_OK);
	assert_true(is_there(f->store, "a", "1") && is_there(f->store, "c", "3"));
	assert_false(is_there(f->store, "b", "2"));
	assert_int_equal(rows[0].runs, 2);
}

static void a_lost_lock_runs_the_batch_again_and_nothing_happens_twice(void **state)
{
	struct fixture *f = *state;
	struct row rows[2] = {
		{ .name = "a", .value = "1" },
		{ .name = "b", .value = "2", .busy = 3 },
	};
	struct commit_op ops[2];
	uint64_t before = metric_sum(METRIC_BATCH_RETRIES);

	run_together(f->store, rows, ops, 2);
	assert_int_equal(ops[0].rc, RC_OK);
	assert_int_equal(ops[1].rc, RC_OK);
	assert_int_equal(rows[0].runs, 4);
	assert_int_equal(metric_sum(METRIC_BATCH_RETRIES) - before, 3);
	assert_true(is_there(f->store, "a", "1") && is_there(f->store, "b", "2"));
}

static void nothing_is_told_before_its_sync(void **state)
{
	struct fixture *f = *state;
	struct row row = { .name = "slow", .value = "1" };
	struct commit_op op;
	uint64_t version;

	sync_hold(true);
	commit_op_init(&op, row_apply, &row, 100, STR_LIT(""));
	commit_submit(f->store, &client, &op);
	sync_await();
	/* It is committed, so a reader can see it; but neither it nor what it hid may be told yet. */
	assert_true(is_there(f->store, "slow", "1"));
	version = store_in_flight(f->store);
	assert_false(store_is_flushed(f->store, version));
	assert_null(commit_take(&client));
	assert_int_not_equal(sem_trywait(&woken), 0);
	sync_hold(false);
	sem_wait(&woken);
	assert_ptr_equal(commit_take(&client), &op);
	assert_true(store_is_flushed(f->store, version));
	assert_int_equal(op.answer.version, version);
}

static void a_waiting_reader_is_woken_by_a_flush_it_did_not_ask_for(void **state)
{
	struct fixture *f = *state;
	struct row row = { .name = "w", .value = "1" };
	struct commit_client reader;
	struct commit_op op;

	commit_client_open(f->store, &reader, on_wake);
	sync_hold(true);
	commit_op_init(&op, row_apply, &row, 100, STR_LIT(""));
	commit_submit(f->store, &client, &op);
	sync_await();
	commit_waits(&reader, true);
	assert_false(store_is_flushed(f->store, store_in_flight(f->store)));
	sync_hold(false);
	sem_wait(&woken);
	sem_wait(&woken);	/* the writer's and the reader's */
	assert_true(store_is_flushed(f->store, store_in_flight(f->store)));
	commit_take(&client);
	commit_client_close(f->store, &reader);
}

#define REQUEST "00112233445566778899aabbccddeeff"

static void a_repeat_is_answered_as_the_first_time_and_does_not_run(void **state)
{
	struct fixture *f = *state;
	struct row row = { .name = "a", .value = "1" };
	struct commit_op first, again;

	commit_op_init(&first, row_apply, &row, 100, STR_LIT(REQUEST));
	assert_int_equal(commit_run(f->store, &first), RC_OK);
	commit_op_init(&again, row_apply, &row, 100, STR_LIT(REQUEST));
	assert_int_equal(commit_run(f->store, &again), RC_OK);
	assert_int_equal(row.runs, 1);
	assert_true(again.repeated);
	assert_int_equal(again.answer.version, first.answer.version);
	assert_int_equal(again.answer.writes, first.answer.writes);
}

static void a_repeat_is_recognised_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct row row = { .name = "a", .value = "1" };
	struct commit_op first, again;

	commit_op_init(&first, row_apply, &row, 100, STR_LIT(REQUEST));
	assert_int_equal(commit_run(f->store, &first), RC_OK);
	commit_client_close(f->store, &client);
	store_close(f->store);
	fixture_open(f);
	commit_client_open(f->store, &client, on_wake);
	commit_op_init(&again, row_apply, &row, 100, STR_LIT(REQUEST));
	assert_int_equal(commit_run(f->store, &again), RC_OK);
	assert_int_equal(row.runs, 1);
	assert_int_equal(again.answer.version, first.answer.version);
}

/* Puts, and tells what ARG points at (two numbers) besides. */
static enum rc telling_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	memcpy(op->answer.more, arg, sizeof op->answer.more);
	op->answer.writes = 5;
	return store_txn_put(txn, STORE_META, STR_LIT("told"), STR_LIT("1"));
}

/* Request I of the next test: every third one tells nothing more. */
static void request_of(size_t i, struct commit_op *op, uint64_t more[2])
{
	char id[33];

	snprintf(id, sizeof id, "%016zx%016zx", i * 7919 + 1, i);
	more[0] = i % 3 == 0 ? 0 : UINT64_MAX - i;
	more[1] = i % 3 == 2 ? i : 0;
	commit_op_init(op, telling_apply, more, 100, str_c(id));
}

/* The bytes of what is remembered in rows under keys of N bytes. */
static size_t remembered(struct store *store, size_t n_key)
{
	void *chunk = aligned_alloc(16, STORE_SCAN_CHUNK);
	struct store_scan scan;
	struct str key, row;
	size_t n = 0;

	store_scan_init(&scan, store, STORE_RECENT, STR_LIT(""), chunk);
	while (store_scan_next(&scan, &key, &row) == RC_OK)
		n += key.n == n_key ? row.n : 0;
	free(chunk);
	return n;
}

static void what_more_an_answer_tells_is_remembered_beside_plain_ones(void **state)
{
	/* Several rows of both sizes in one batch. */
	enum { N = 150 };
	static struct commit_op ops[N], again;
	static uint64_t more[N][2], other[2];
	struct fixture *f = *state;

	for (size_t i = 0; i < N; i++) {
		request_of(i, &ops[i], more[i]);
		ops[i].next = i + 1 < N ? &ops[i + 1] : NULL;
	}
	commit_run_all(f->store, ops);
	assert_int_equal(remembered(f->store, 8), N / 3 * 32);
	assert_int_equal(remembered(f->store, 9), N / 3 * 2 * 48);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < N; i++) {
			request_of(i, &again, other);
			other[0] = other[1] = 77;	/* it is not run */
			assert_int_equal(commit_run(f->store, &again), RC_OK);
			assert_true(again.repeated);
			assert_int_equal(again.answer.version, ops[i].answer.version);
			assert_int_equal(again.answer.writes, 5);
			assert_memory_equal(again.answer.more, more[i], sizeof more[i]);
		}
		commit_client_close(f->store, &client);
		store_close(f->store);
		fixture_open(f);
		commit_client_open(f->store, &client, on_wake);
	}
}

static void a_request_twice_in_one_batch_happens_once(void **state)
{
	struct fixture *f = *state;
	struct row rows[2] = { { .name = "a", .value = "1" }, { .name = "a", .value = "2" } };
	struct commit_op ops[2];
	size_t finished = 0;

	for (int i = 0; i < 2; i++)
		commit_op_init(&ops[i], row_apply, &rows[i], 100, STR_LIT(REQUEST));
	ops[0].next = &ops[1];
	commit_submit(f->store, &client, ops);
	while (finished < 2) {
		sem_wait(&woken);
		for (struct commit_op *op = commit_take(&client); op != NULL; op = op->next)
			finished++;
	}
	assert_int_equal(rows[0].runs, 1);
	assert_int_equal(rows[1].runs, 0);
	assert_int_equal(ops[1].answer.version, ops[0].answer.version);
	assert_true(is_there(f->store, "a", "1"));
}

static void a_refused_request_is_not_remembered(void **state)
{
	struct fixture *f = *state;
	struct row row = { .name = "a", .value = "1", .rc = RC_WRITE_LIMIT, .check_first = true };
	struct commit_op first, again;

	commit_op_init(&first, row_apply, &row, 100, STR_LIT(REQUEST));
	assert_int_equal(commit_run(f->store, &first), RC_WRITE_LIMIT);
	row.rc = RC_OK;
	commit_op_init(&again, row_apply, &row, 100, STR_LIT(REQUEST));
	assert_int_equal(commit_run(f->store, &again), RC_OK);
	assert_int_equal(row.runs, 2);
}

static void a_chain_is_waited_for_to_its_last_write(void **state)
{
	/* More than a batch takes, so that they finish in several; one of them is refused. */
	enum { N = 600 };
	static struct row rows[N];
	static struct commit_op ops[N];
	static char names[N][8];
	struct fixture *f = *state;

	for (size_t i = 0; i < N; i++) {
		snprintf(names[i], sizeof names[i], "c%zu", i);
		rows[i] = (struct row){ .name = names[i], .value = "1", .check_first = true, .rc = i == 300 ? RC_CONFLICT : RC_OK };
		commit_op_init(&ops[i], row_apply, &rows[i], 100, STR_LIT(""));
		ops[i].next = i + 1 < N ? &ops[i + 1] : NULL;
	}
	commit_run_all(f->store, ops);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(ops[i].rc, i == 300 ? RC_CONFLICT : RC_OK);
		assert_int_equal(is_there(f->store, names[i], "1"), i != 300);
		assert_true(i == 0 || i == 300 || i == 301 || ops[i].answer.version > ops[i - 1].answer.version);
	}
}

static void versions_rise_over_a_restart(void **state)
{
	struct fixture *f = *state;
	struct row row = { .name = "a", .value = "1" };
	struct commit_op op;
	uint64_t before;

	commit_op_init(&op, row_apply, &row, 100, STR_LIT(""));
	assert_int_equal(commit_run(f->store, &op), RC_OK);
	before = op.answer.version;
	commit_client_close(f->store, &client);
	store_close(f->store);
	fixture_open(f);
	commit_client_open(f->store, &client, on_wake);
	assert_true(store_is_flushed(f->store, before));
	commit_op_init(&op, row_apply, &row, 100, STR_LIT(""));
	assert_int_equal(commit_run(f->store, &op), RC_OK);
	assert_true(op.answer.version > before);
}

/* Whether NAME of STORE_KEYS is VALUE; NULL: whether there is no such row. */
static bool keys_row_is(struct store *store, const char *name, const char *value)
{
	char buf[STORE_INLINE_MAX];
	size_t n;
	enum rc rc = store_get(store, STORE_KEYS, str_c(name), buf, sizeof buf, &n);

	return rc == RC_OK ? value != NULL && str_eq(str_make(buf, n), str_c(value)) :
			     rc == RC_KEY_NOT_FOUND && value == NULL;
}

/* One step of many in a transaction: put VALUE (NULL: delete), or nothing, and then read the row. */
struct step {
	const char *name, *value;
	bool reads_only;
	const char *then;		/* what stands there; NULL: nothing */
};

static enum rc steps_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	char buf[STORE_INLINE_MAX];
	size_t n;

	(void)op;
	for (const struct step *step = arg; step->name != NULL; step++) {
		enum rc rc = RC_OK;

		if (!step->reads_only && step->value != NULL)
			rc = store_txn_put(txn, STORE_KEYS, str_c(step->name), str_c(step->value));
		else if (!step->reads_only)
			rc = store_txn_del(txn, STORE_KEYS, str_c(step->name));
		assert_int_equal(rc, RC_OK);
		rc = store_txn_get(txn, STORE_KEYS, str_c(step->name), buf, sizeof buf, &n);
		assert_int_equal(rc, step->then == NULL ? RC_KEY_NOT_FOUND : RC_OK);
		assert_true(rc != RC_OK || str_eq(str_make(buf, n), str_c(step->then)));
	}
	return RC_OK;
}

/* Each is found where the transaction left it, whatever it did to others in between. */
static void a_transaction_sees_what_it_did(void **state)
{
	struct fixture *f = *state;
	char large[901] = "", names[40][8];
	struct step fill[41] = { 0 }, steps[] = {
		{ "k20", "1", false, "1" }, { "k20", "2", false, "2" }, { "k21", NULL, true, large },
		{ "k20", "3", false, "3" }, { "k20", NULL, false, NULL }, { "k20", NULL, false, NULL },
		{ "k20", "4", false, "4" }, { "k21", NULL, false, NULL }, { "k20", NULL, true, "4" },
		{ "k21", "5", false, "5" }, { "none", NULL, true, NULL }, { "k21", large, false, large },
		{ "k20", large, false, large }, { "none", "6", false, "6" }, { "k22", NULL, false, NULL },
		{ "k23", "7", false, "7" }, { NULL, NULL, false, NULL }
	};
	struct commit_op op;

	memset(large, 'x', sizeof large - 1);
	/* Large enough for a page to be split by the next: under the cursor. */
	for (size_t i = 0; i < 40; i++) {
		snprintf(names[i], sizeof names[i], "k%zu", i);
		fill[i] = (struct step){ .name = names[i], .value = large, .then = large };
	}
	commit_op_init(&op, steps_apply, fill, 100, STR_LIT(""));
	assert_int_equal(commit_run(f->store, &op), RC_OK);
	commit_op_init(&op, steps_apply, steps, 100, STR_LIT(""));
	assert_int_equal(commit_run(f->store, &op), RC_OK);
	assert_true(keys_row_is(f->store, "k20", large) && keys_row_is(f->store, "k21", large));
	assert_true(keys_row_is(f->store, "k22", NULL) && keys_row_is(f->store, "k23", "7"));
	assert_true(keys_row_is(f->store, "k24", large) && keys_row_is(f->store, "none", "6"));
}

static enum rc usage_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	enum rc rc = store_txn_put(txn, STORE_META, STR_LIT("u"), STR_LIT("1"));

	(void)op;
	/* More users than a batch keeps in hand: they are written in between. */
	for (uint64_t user = 0; user < 700 && rc == RC_OK; user++)
		rc = store_txn_usage(txn, 7, user, 1, *(int64_t *)arg);
	return rc;
}

static void usage_adds_up_and_goes_at_zero(void **state)
{
	struct fixture *f = *state;
	int64_t bytes = 100;
	char key[12], row[16];
	struct commit_op op;
	size_t n;

	store_put_u32(key, 7);
	store_put_u64(key + 4, 699);
	for (int i = 0; i < 2; i++) {
		commit_op_init(&op, usage_apply, &bytes, 100, STR_LIT(""));
		assert_int_equal(commit_run(f->store, &op), RC_OK);
	}
	assert_int_equal(store_get(f->store, STORE_USAGE, str_make(key, sizeof key), row, sizeof row, &n), RC_OK);
	assert_int_equal(store_get_u64(row), 2);
	assert_int_equal(store_get_u64(row + 8), 200);
}

static void a_second_server_on_the_same_data_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *second = NULL;

	log_open("test", LOG_LEVEL_ERROR);
	assert_int_equal(store_open(&second, &f->conf), STORE_MISCONFIGURED);
	assert_null(second);
}

static void data_of_a_newer_format_is_refused(void **state)
{
	struct fixture *f = *state;
	char newer[16];
	struct row row = { .name = "format", .value = newer };
	struct commit_op op;
	struct store *again = NULL;

	snprintf(newer, sizeof newer, "%d", STORE_FORMAT + 1);
	commit_op_init(&op, row_apply, &row, 100, STR_LIT(""));
	assert_int_equal(commit_run(f->store, &op), RC_OK);
	commit_client_close(f->store, &client);
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(store_open(&again, &f->conf), STORE_MISCONFIGURED);
}

/* ---- probes ---- */

static void open_again(struct fixture *f)
{
	commit_client_close(f->store, &client);
	store_close(f->store);
	fixture_open(f);
	commit_client_open(f->store, &client, on_wake);
}

static void a_probe_is_a_sync_and_one_at_a_time_however_many_ask(void **state)
{
	struct fixture *f = *state;
	uint64_t since_us = clock_mono_us(), batches, writes;

	assert_false(store_has_synced(f->store, since_us));
	sync_hold(true);
	batches = metric_sum(METRIC_BATCHES);
	writes = metric_sum(METRIC_WRITES);
	store_probe(f->store);
	sync_await();
	for (int i = 0; i < 100; i++)
		store_probe(f->store);
	assert_false(store_await_sync(f->store, since_us, clock_mono_us() + 20000));
	sync_hold(false);
	assert_true(store_await_sync(f->store, since_us, UINT64_MAX));
	assert_int_equal(metric_sum(METRIC_BATCHES), batches + 1);
	/* And again, when that one is over. */
	since_us = clock_mono_us();
	while (!store_has_synced(f->store, since_us))
		store_probe(f->store);
	assert_int_equal(metric_sum(METRIC_WRITES), writes);
}

static void a_probe_leaves_nothing_and_is_recovered_over(void **state)
{
	struct fixture *f = *state;
	struct store_status before, after;

	struct row row = { .name = "name", .value = "value" };
	struct commit_op op;

	commit_op_init(&op, row_apply, &row, 100, STR_LIT(""));
	assert_int_equal(commit_run(f->store, &op), RC_OK);
	for (int i = 0; i < 10; i++) {
		uint64_t since_us = clock_mono_us();

		store_read_status(f->store, &before);
		while (!store_has_synced(f->store, since_us))
			store_probe(f->store);
		store_read_status(f->store, &after);
	}
	assert_true(after.log_bytes_since_checkpoint <= before.log_bytes_since_checkpoint + 200);
	open_again(f);
	assert_int_equal(store_takes_writes(f->store), RC_OK);
	assert_true(is_there(f->store, "name", "value"));
}

static void a_full_store_is_not_probed(void **state)
{
	struct fixture *f = *state;
	uint64_t since_us;

	f->conf.reserve_size = INT64_MAX;
	open_again(f);
	since_us = clock_mono_us();
	assert_int_equal(store_takes_writes(f->store), RC_STORAGE_FULL);
	store_probe(f->store);
	assert_false(store_await_sync(f->store, since_us, UINT64_MAX));
}

static int stop_closed(void **state)
{
	struct fixture *f = *state;

	fixture_stop(f);
	free(f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_write_is_there_after_it_was_told, start, stop),
		cmocka_unit_test_setup_teardown(an_error_before_the_first_put_leaves_the_neighbours_alone, start, stop),
		cmocka_unit_test_setup_teardown(an_error_after_a_put_is_undone_and_the_neighbours_still_happen, start, stop),
		cmocka_unit_test_setup_teardown(a_lost_lock_runs_the_batch_again_and_nothing_happens_twice, start, stop),
		cmocka_unit_test_setup_teardown(nothing_is_told_before_its_sync, start, stop),
		cmocka_unit_test_setup_teardown(a_waiting_reader_is_woken_by_a_flush_it_did_not_ask_for, start, stop),
		cmocka_unit_test_setup_teardown(a_repeat_is_answered_as_the_first_time_and_does_not_run, start, stop),
		cmocka_unit_test_setup_teardown(a_repeat_is_recognised_after_a_restart, start, stop),
		cmocka_unit_test_setup_teardown(what_more_an_answer_tells_is_remembered_beside_plain_ones, start, stop),
		cmocka_unit_test_setup_teardown(a_request_twice_in_one_batch_happens_once, start, stop),
		cmocka_unit_test_setup_teardown(a_refused_request_is_not_remembered, start, stop),
		cmocka_unit_test_setup_teardown(a_chain_is_waited_for_to_its_last_write, start, stop),
		cmocka_unit_test_setup_teardown(versions_rise_over_a_restart, start, stop),
		cmocka_unit_test_setup_teardown(a_transaction_sees_what_it_did, start, stop),
		cmocka_unit_test_setup_teardown(usage_adds_up_and_goes_at_zero, start, stop),
		cmocka_unit_test_setup_teardown(a_second_server_on_the_same_data_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(a_probe_is_a_sync_and_one_at_a_time_however_many_ask, start, stop),
		cmocka_unit_test_setup_teardown(a_probe_leaves_nothing_and_is_recovered_over, start, stop),
		cmocka_unit_test_setup_teardown(a_full_store_is_not_probed, start, stop),
		cmocka_unit_test_setup_teardown(data_of_a_newer_format_is_refused, start, stop_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
