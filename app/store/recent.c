/*
 * recent.c - the answers of the last minute, for requests that the front server repeats.
 *
 * nginx repeats a request when the server died under it, with the same request id. A write
 * that had become durable before must not happen twice: it is answered as the first time.
 *
 * In memory: a ring of answers, oldest first, and an open-addressing index into it by id. It
 * grows with the traffic up to RING_MAX answers, which is more than a front server could have
 * under way. On disk: rows of up to ROW_ANSWERS answers, so that a row fits into its page; or, under keys of
 * another length, of up to ROW_LONG_ANSWERS that tell more. An older version reads and sweeps the former as ever.
 * Only the committer comes here; recent_load runs before it does.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/expire.h"
#include "store/private.h"

enum {
	RING_FIRST = 1024,
	RING_MAX = 256 * 1024,
	KEEP_US = 60 * 1000000,
	ANSWER_SIZE = COMMIT_REQUEST_ID + 8 + 8,	/* on disk: id, version, writes */
	ROW_ANSWERS = 31,
	LONG_ANSWER_SIZE = ANSWER_SIZE + 8 + 8,		/* and more */
	ROW_LONG_ANSWERS = 20,
	/* Of a row's key: the version of its last answer, unique and in the order of time; and a byte for the long ones. */
	ROW_KEY_SIZE = 8,
	LONG_ROW_KEY_SIZE = 9
};
_Static_assert(ROW_ANSWERS * ANSWER_SIZE <= STORE_INLINE_MAX, "a row fits into its page");
_Static_assert(ROW_LONG_ANSWERS * LONG_ANSWER_SIZE <= STORE_INLINE_MAX, "a row fits into its page");

struct slot {
	uint8_t id[COMMIT_REQUEST_ID];
	struct commit_answer answer;
};

struct recent {
	struct slot *ring;
	size_t size;		/* a power of two */
	uint64_t head, tail;	/* ring[i % size] for tail <= i < head */
	uint32_t *index;	/* 2 * size entries: ring position + 1, 0 = free */
};

struct recent *recent_new(void)
{
	struct recent *recent = calloc(1, sizeof *recent);

	if (recent == NULL)
		return NULL;
	recent->size = RING_FIRST;
	recent->ring = calloc(recent->size, sizeof *recent->ring);
	recent->index = calloc(2 * recent->size, sizeof *recent->index);
	if (recent->ring == NULL || recent->index == NULL) {
		recent_free(recent);
		return NULL;
	}
	return recent;
}

void recent_free(struct recent *recent)
{
	if (recent == NULL)
		return;
	free(recent->ring);
	free(recent->index);
	free(recent);
}

/* Request ids are random: their first bytes are a hash as they are. */
static size_t home(const struct recent *recent, const uint8_t *id)
{
	uint64_t hash;

	memcpy(&hash, id, sizeof hash);
	return (size_t)(hash & (2 * recent->size - 1));
}

static size_t index_next(const struct recent *recent, size_t i)
{
	return (i + 1) & (2 * recent->size - 1);
}

/* The index entry of ID, or the free one where it would stand. */
static size_t index_find(const struct recent *recent, const uint8_t *id)
{
	size_t i = home(recent, id);

	while (recent->index[i] != 0 &&
	       memcmp(recent->ring[recent->index[i] - 1].id, id, COMMIT_REQUEST_ID) != 0)
		i = index_next(recent, i);
	return i;
}

/* Free entry I and move up those behind it that had been pushed past it. */
static void index_remove(struct recent *recent, size_t i)
{
	size_t hole = i, mask = 2 * recent->size - 1;

	for (size_t k = index_next(recent, i); recent->index[k] != 0; k = index_next(recent, k)) {
		size_t wants = home(recent, recent->ring[recent->index[k] - 1].id);

		if (((k - wants) & mask) >= ((k - hole) & mask)) {
			recent->index[hole] = recent->index[k];
			hole = k;
		}
	}
	recent->index[hole] = 0;
}

static void drop_oldest(struct recent *recent)
{
	struct slot *slot = &recent->ring[recent->tail & (recent->size - 1)];
	size_t i = index_find(recent, slot->id);

	/* The same id twice: the index points at the newer one, which stays. */
	if (recent->index[i] == (uint32_t)(recent->tail & (recent->size - 1)) + 1)
		index_remove(recent, i);
	recent->tail++;
}

static void append(struct recent *recent, const struct slot *slot)
{
	size_t at = recent->head++ & (recent->size - 1);

	recent->ring[at] = *slot;
	recent->index[index_find(recent, slot->id)] = (uint32_t)at + 1;
}

/* Twice the room, all entries put in again. False: no memory, the old table stays. */
static bool grow(struct recent *recent)
{
	struct recent bigger = { .size = recent->size * 2 };

	bigger.ring = calloc(bigger.size, sizeof *bigger.ring);
	bigger.index = calloc(2 * bigger.size, sizeof *bigger.index);
	if (bigger.ring == NULL || bigger.index == NULL) {
		free(bigger.ring);
		free(bigger.index);
		return false;
	}
	for (uint64_t i = recent->tail; i < recent->head; i++)
		append(&bigger, &recent->ring[i & (recent->size - 1)]);
	free(recent->ring);
	free(recent->index);
	*recent = bigger;
	return true;
}

bool recent_find(const struct recent *recent, const uint8_t id[COMMIT_REQUEST_ID],
		 struct commit_answer *answer)
{
	size_t i = index_find(recent, id);

	if (recent->index[i] == 0)
		return false;
	*answer = recent->ring[recent->index[i] - 1].answer;
	return true;
}

void recent_add(struct recent *recent, const uint8_t id[COMMIT_REQUEST_ID],
		const struct commit_answer *answer)
{
	struct slot slot = { .answer = *answer };

	memcpy(slot.id, id, COMMIT_REQUEST_ID);
	while (recent->tail < recent->head &&
	       recent->ring[recent->tail & (recent->size - 1)].answer.version + KEEP_US < answer->version)
		drop_oldest(recent);
	if (recent->head - recent->tail == recent->size &&
	    (recent->size == RING_MAX || !grow(recent)))
		drop_oldest(recent);
	append(recent, &slot);
}

/* ---- on disk ---- */

/* A row that is being filled; each size of answer has its own. */
struct row {
	size_t answer_size, room, n;
	size_t key_size;
	uint64_t version;		/* of the last one */
	char bytes[STORE_INLINE_MAX];
};

static enum rc row_write(struct store_txn *txn, struct row *row)
{
	char key[LONG_ROW_KEY_SIZE] = { 0 };
	size_t n = row->n;

	if (n == 0)
		return RC_OK;
	store_put_u64(key, row->version);
	row->n = 0;
	return store_txn_put(txn, STORE_RECENT, str_make(key, row->key_size), str_make(row->bytes, n));
}

static enum rc row_add(struct store_txn *txn, struct row *row, const struct commit_op *op)
{
	char *to = row->bytes + row->n;

	memcpy(to, op->request_id, COMMIT_REQUEST_ID);
	store_put_u64(to + COMMIT_REQUEST_ID, op->answer.version);
	store_put_u64(to + COMMIT_REQUEST_ID + 8, op->answer.writes);
	if (row->answer_size == LONG_ANSWER_SIZE) {
		store_put_u64(to + ANSWER_SIZE, op->answer.more[0]);
		store_put_u64(to + ANSWER_SIZE + 8, op->answer.more[1]);
	}
	row->version = op->answer.version;
	row->n += row->answer_size;
	return row->n == row->room ? row_write(txn, row) : RC_OK;
}

static bool is_long(const struct commit_answer *answer)
{
	return (answer->more[0] | answer->more[1]) != 0;
}

enum rc recent_write(struct store_txn *txn, const struct commit_op *first,
		     const struct commit_op *end)
{
	struct row row, longs;
	enum rc rc;

	row.answer_size = ANSWER_SIZE;
	row.room = ROW_ANSWERS * ANSWER_SIZE;
	row.key_size = ROW_KEY_SIZE;
	longs.answer_size = LONG_ANSWER_SIZE;
	longs.room = ROW_LONG_ANSWERS * LONG_ANSWER_SIZE;
	longs.key_size = LONG_ROW_KEY_SIZE;
	row.n = longs.n = 0;
	for (const struct commit_op *op = first; op != end; op = op->next) {
		if (!op->has_request_id || !op->undecided || !op->changed)
			continue;
		rc = row_add(txn, is_long(&op->answer) ? &longs : &row, op);
		if (rc != RC_OK)
			return rc;
	}
	rc = row_write(txn, &row);
	return rc == RC_OK ? row_write(txn, &longs) : rc;
}

static void row_load(struct recent *recent, struct str row, size_t answer_size)
{
	for (; row.n >= answer_size; row = str_skip(row, answer_size)) {
		struct commit_answer answer = {
			.version = store_get_u64(row.p + COMMIT_REQUEST_ID),
			.writes = store_get_u64(row.p + COMMIT_REQUEST_ID + 8),
		};
		uint8_t id[COMMIT_REQUEST_ID];

		if (answer_size == LONG_ANSWER_SIZE) {
			answer.more[0] = store_get_u64(row.p + ANSWER_SIZE);
			answer.more[1] = store_get_u64(row.p + ANSWER_SIZE + 8);
		}
		memcpy(id, row.p, sizeof id);
		recent_add(recent, id, &answer);
	}
}

enum rc recent_load(struct recent *recent, struct store *store)
{
	char *chunk = aligned_alloc(16, STORE_SCAN_CHUNK);
	struct store_scan scan;
	struct str key, row;
	enum rc rc;

	if (chunk == NULL)
		return RC_NO_MEMORY;
	store_scan_init(&scan, store, STORE_RECENT, STR_LIT(""), chunk);
	while ((rc = store_scan_next(&scan, &key, &row)) == RC_OK) {
		/* Of other lengths there are none: this version would know nothing of them. */
		if (key.n == ROW_KEY_SIZE)
			row_load(recent, row, ANSWER_SIZE);
		else if (key.n == LONG_ROW_KEY_SIZE)
			row_load(recent, row, LONG_ANSWER_SIZE);
		if (key.n >= 8)
			store->last_version = store_get_u64(key.p);
	}
	free(chunk);
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

enum rc recent_sweep_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	uint64_t now = clock_wall_us();
	struct sweep_slice *slice = arg;
	char key[STORE_KEY_MAX];
	size_t n;
	enum rc rc;

	(void)op;
	for (sweep_begin(slice); sweep_goes_on(slice); sweep_count(slice, ROW_ANSWERS * ANSWER_SIZE)) {
		rc = store_txn_next(txn, STORE_RECENT, STR_LIT(""), key, &n);
		if (rc == RC_KEY_NOT_FOUND || (rc == RC_OK && n >= ROW_KEY_SIZE && store_get_u64(key) + KEEP_US > now))
			return RC_OK;
		if (rc != RC_OK || (rc = store_txn_del(txn, STORE_RECENT, str_make(key, n))) != RC_OK)
			return rc;
	}
	return RC_OK;
}
