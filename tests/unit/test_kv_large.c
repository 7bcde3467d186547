/*
 * test_kv_large.c - values in chunks: written and read in pieces, whole or not at all, and nothing is
 * left of those that nobody has any more.
 */
#include "config.h"

#include "kv_fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "kv/private.h"
#include "project/project.h"
#include "store/private.h"

enum { PROJECT = 7, NOW = 1000000, CHUNK = KV_CHUNK_SIZE, MEGABYTE = 1 << 20 };

/* ---- values that tell their place and who they are ---- */

static char byte_at(size_t i, unsigned seed)
{
	return (char)(i * 31 + (i >> 8) * 7 + (i >> 18) * 13 + seed);
}

static void make_piece(char *p, size_t at, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(at + i, seed);
}

/* N bytes of SEED from upload->size on, in pieces of PIECE. */
static enum rc add(struct kv_upload *upload, size_t n, size_t piece, unsigned seed)
{
	char *buf = malloc(piece + 1);
	enum rc rc = RC_OK;

	assert_non_null(buf);
	while (n != 0 && rc == RC_OK) {
		size_t some = n < piece ? n : piece;

		make_piece(buf, kv_upload_size(upload), some, seed);
		rc = kv_upload_add(upload, str_make(buf, some));
		memset(buf, 0xee, some);	/* it is the caller's again */
		n -= some;
	}
	free(buf);
	return rc;
}

static struct kv_upload begin(size_t limit)
{
	struct kv_upload upload;

	kv_upload_init(&upload, kv, PROJECT, limit, true, arena);
	return upload;
}

static struct kv_put put_of(const char *key)
{
	return (struct kv_put){ .kv = kv, .project = PROJECT, .key = str_c(key), .kind = KIND_BINARY,
				.now = NOW, .write_limit = 1000 };
}

static enum rc put_run(struct kv_put *put, const char *request_id)
{
	struct commit_op op;

	commit_op_init(&op, kv_put_apply, put, put->value.n, str_c(request_id));
	return commit_run(fixture.store, &op);
}

/* KEY = N bytes of SEED. */
static void upload_put(struct kv_put *put, size_t n, size_t piece, unsigned seed)
{
	struct arena *mine = arena_new(MEGABYTE);
	struct kv_upload upload;

	kv_upload_init(&upload, kv, put->project, n, true, mine);
	assert_int_equal(add(&upload, n, piece, seed), RC_OK);
	kv_upload_finish(&upload, put);
	assert_int_equal(put_run(put, ""), RC_OK);
	kv_upload_clear(&upload);
	arena_free(mine);
}

static void upload_key(const char *key, size_t n, unsigned seed)
{
	struct kv_put put = put_of(key);

	upload_put(&put, n, 100000, seed);
}

static enum rc del(const char *key)
{
	struct kv_delete del = { .kv = kv, .project = PROJECT, .key = str_c(key), .now = NOW, .write_limit = 1000 };
	struct commit_op op;

	commit_op_init(&op, kv_delete_apply, &del, 10, STR_LIT(""));
	return commit_run(fixture.store, &op);
}

/* ---- reading ---- */

static struct kv_reader *open_reader(const char *key, struct arena *in)
{
	struct kv_reader *reader = NULL;
	struct kv_entry entry;
	uint64_t wait;

	assert_int_equal(kv_reader_open(kv, PROJECT, str_c(key), NOW, in, &reader, &entry, &wait), RC_OK);
	return reader;
}

/* What READER still has is the rest, from AT on, of N bytes of SEED. */
static void expect_rest(struct kv_reader *reader, size_t at, size_t n, unsigned seed)
{
	struct str piece;

	do {
		assert_int_equal(kv_reader_next(reader, &piece), RC_OK);
		for (size_t i = 0; i < piece.n; i++)
			if (piece.p[i] != byte_at(at + i, seed))
				fail_msg("byte %zu is wrong", at + i);
		at += piece.n;
	} while (piece.n != 0);
	assert_int_equal(at, n);
}

static void check_value(const char *key, size_t n, unsigned seed)
{
	struct arena *mine = arena_new(2 * MEGABYTE);
	struct kv_reader *reader = open_reader(key, mine);

	expect_rest(reader, 0, n, seed);
	kv_reader_rewind(reader);
	expect_rest(reader, 0, n, seed);
	kv_reader_close(reader);
	arena_free(mine);
}

static enum rc get(const char *key, struct kv_entry *entry)
{
	uint64_t wait;

	return kv_get(kv, PROJECT, str_c(key), NOW, arena, entry, &wait);
}

/* ---- what is stored ---- */

struct count {
	enum store_table table;
	size_t rows;
};

static enum rc count_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct count *count = arg;
	char key[STORE_KEY_MAX], from[STORE_KEY_MAX];
	size_t n = 0;
	enum rc rc;

	(void)op;
	for (count->rows = 0;; count->rows++) {
		memcpy(from, key, n);
		rc = store_txn_next(txn, count->table, str_make(from, n), key, &n);
		if (rc != RC_OK)
			return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
		key[n++] = '\0';
	}
}

static size_t rows_in(enum store_table table)
{
	struct count count = { .table = table };
	struct commit_op op;

	commit_op_init(&op, count_apply, &count, 1, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	return count.rows;
}

static uint64_t bytes_in_use(void)
{
	char key[12], row[16] = { 0 };
	size_t n;

	store_put_u32(key, PROJECT);
	store_put_u64(key + 4, 0);
	(void)!store_get(fixture.store, STORE_USAGE, str_make(key, sizeof key), row, sizeof row, &n);
	return store_get_u64(row + 8);
}

static void collect_slice(struct sweep_slice *slice)
{
	struct commit_op op;

	*slice = (struct sweep_slice){ .arg = kv };
	commit_op_init(&op, collect_apply, slice, 1000, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
}

/* All that can be collected; how many slices it took. */
static size_t collect(void)
{
	struct sweep_slice slice;
	size_t slices = 0;

	do {
		collect_slice(&slice);
		assert_true(slice.removed <= 8);	/* four chunks, and the rows that stood for them */
		slices++;
	} while (slice.more);
	return slices;
}

static size_t chunks_of(size_t n)
{
	return (n + CHUNK - 1) / CHUNK;
}

static void expect_nothing_stored(void)
{
	collect();
	assert_int_equal(rows_in(STORE_KEYS), 0);
	assert_int_equal(rows_in(STORE_VALUES), 0);
	assert_int_equal(rows_in(STORE_GARBAGE), 0);
	assert_int_equal(rows_in(STORE_EXPIRY), 0);
	assert_int_equal(rows_in(STORE_USAGE), 0);
}

/* ---- sizes ---- */

static void values_of_every_size_come_back_in_pieces(void **state)
{
	const size_t sizes[] = { 0, 1, 953, 954, 955, CHUNK - 1, CHUNK, CHUNK + 1, MEGABYTE - 1, MEGABYTE, MEGABYTE + 1,
				 25 * MEGABYTE - 1, 25 * MEGABYTE };
	const size_t pieces[] = { 1000, 65536, CHUNK, CHUNK + 1, 3 * CHUNK };

	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		struct kv_put put = put_of("key");
		bool large = sizes[s] > CHUNK;
		struct kv_entry entry, head;
		uint64_t wait;

		upload_put(&put, sizes[s], pieces[s % (sizeof pieces / sizeof pieces[0])], (unsigned)s);
		check_value("key", sizes[s], (unsigned)s);
		assert_int_equal(get("key", &entry), RC_OK);
		assert_int_equal(entry.size, sizes[s]);
		assert_int_equal(entry.is_large, large);
		assert_int_equal(entry.value.n, large ? 0 : sizes[s]);
		assert_int_equal(kv_get_head(kv, PROJECT, STR_LIT("key"), NOW, arena, &head, &wait), RC_OK);
		assert_int_equal(head.size, sizes[s]);
		assert_int_equal(head.value.n, 0);
		assert_int_equal(head.version, entry.version);
		assert_int_equal(bytes_in_use(), sizes[s] + 3);
		collect();
		assert_int_equal(rows_in(STORE_VALUES), large ? chunks_of(sizes[s]) : sizes[s] > 954);
		assert_int_equal(rows_in(STORE_GARBAGE), 0);
	}
	assert_int_equal(del("key"), RC_OK);
	expect_nothing_stored();
}

static void the_limit_holds_at_the_byte(void **state)
{
	const size_t limits[] = { 0, 10, CHUNK, CHUNK + 1, MEGABYTE };

	(void)state;
	for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++)
		for (size_t piece = 1; piece < 1000000; piece = piece * 300 + 1) {
			struct kv_upload exact = begin(limits[l]), more = begin(limits[l]);

			if (limits[l] / piece > 100000)
				continue;
			assert_int_equal(add(&exact, limits[l], piece, 1), RC_OK);
			assert_int_equal(kv_upload_add(&exact, STR_LIT("x")), RC_VALUE_TOO_LARGE);
			assert_int_equal(add(&more, limits[l] + 1, piece, 1), RC_VALUE_TOO_LARGE);
			/* Errors stick: nothing can be added behind a gap. */
			assert_int_equal(kv_upload_add(&more, STR_LIT("")), RC_VALUE_TOO_LARGE);
			kv_upload_clear(&exact);
			kv_upload_clear(&more);
			arena_reset(arena);
		}
	expect_nothing_stored();
}

static void no_limit_is_above_25_megabytes(void **state)
{
	struct kv_upload upload = begin(SIZE_MAX);

	(void)state;
	assert_int_equal(add(&upload, KV_VALUE_MAX, MEGABYTE, 1), RC_OK);
	assert_int_equal(kv_upload_add(&upload, STR_LIT("x")), RC_VALUE_TOO_LARGE);
	kv_upload_clear(&upload);
	expect_nothing_stored();
}

static void an_upload_takes_less_than_two_chunks_of_memory(void **state)
{
	struct kv_upload upload = begin(25 * MEGABYTE);

	(void)state;
	assert_int_equal(add(&upload, 100, 100, 1), RC_OK);
	assert_int_equal(arena_used(arena), 100);
	assert_int_equal(add(&upload, 5 * MEGABYTE, 1000, 1), RC_OK);
	assert_true(arena_used(arena) < 2 * CHUNK);
	kv_upload_clear(&upload);
	for (size_t first = 1; first < CHUNK; first += 7001) {
		arena_reset(arena);
		upload = begin(25 * MEGABYTE);
		assert_int_equal(add(&upload, first, first, 1), RC_OK);
		assert_int_equal(add(&upload, CHUNK - first, first % 5000 + 1, 1), RC_OK);
		assert_true(arena_used(arena) < 2 * CHUNK);
		kv_upload_clear(&upload);
	}
}

static void a_value_read_whole_takes_little_more_memory_than_it_has(void **state)
{
	enum { VALUES = 8, SIZE = CHUNK + 1, LITTLE = 4096 };
	struct arena *mine = arena_new(VALUES * (SIZE + LITTLE));
	struct kv_entry entry;
	uint64_t wait;

	(void)state;
	for (unsigned seed = 0; seed < VALUES; seed++) {
		char key[] = { (char)('a' + seed), '\0' };
		struct kv_put put = put_of(key);

		upload_put(&put, SIZE, CHUNK, seed);
	}
	for (unsigned seed = 0; seed < VALUES; seed++) {
		char key[] = { (char)('a' + seed), '\0' };

		assert_int_equal(kv_get_whole(kv, PROJECT, str_c(key), SIZE - 1, NOW, mine, &entry, &wait),
				 RC_VALUE_TOO_LARGE);
		assert_int_equal(kv_get_whole(kv, PROJECT, str_c(key), SIZE, NOW, mine, &entry, &wait), RC_OK);
		assert_int_equal(entry.value.n, SIZE);
		for (size_t i = 0; i < SIZE; i++)
			assert_int_equal(entry.value.p[i], byte_at(i, seed));
		assert_int_equal(wait, entry.version);
	}
	assert_int_equal(kv_get_whole(kv, PROJECT, STR_LIT("none"), SIZE, NOW, mine, &entry, &wait), RC_KEY_NOT_FOUND);
	arena_free(mine);
}

static void a_small_value_is_read_whole_as_it_is(void **state)
{
	struct kv_put put = put_of("key");
	struct kv_entry entry;
	uint64_t wait;

	(void)state;
	put.value = STR_LIT("small");
	assert_int_equal(put_run(&put, ""), RC_OK);
	assert_int_equal(kv_get_whole(kv, PROJECT, put.key, 5, NOW, arena, &entry, &wait), RC_OK);
	assert_true(str_eq(entry.value, put.value));
	assert_false(entry.is_large);
	assert_int_equal(kv_get_whole(kv, PROJECT, put.key, 4, NOW, arena, &entry, &wait), RC_VALUE_TOO_LARGE);
}

static void metadata_expiry_and_owner_go_with_a_large_value(void **state)
{
	static char text[1000];
	struct kv_put put = put_of("key");
	struct kv_reader *reader = NULL;
	struct kv_entry entry;
	uint64_t wait = 0;

	(void)state;
	memset(text, '7', sizeof text);
	put.metadata = str_make(text, sizeof text);
	put.expires_at = NOW + 60;
	put.owner = 42;
	put.kind = KIND_TEXT;
	upload_put(&put, MEGABYTE, 1000, 5);
	assert_int_equal(kv_reader_open(kv, PROJECT, STR_LIT("key"), NOW, arena, &reader, &entry, &wait), RC_OK);
	assert_true(str_eq(entry.metadata, put.metadata));
	assert_int_equal(entry.expires_at, NOW + 60);
	assert_int_equal(entry.owner, 42);
	assert_int_equal(entry.kind, KIND_TEXT);
	assert_int_equal(entry.writes, 1);
	assert_int_equal(entry.size, MEGABYTE);
	assert_true(entry.is_large);
	assert_int_equal(wait, entry.version);
	expect_rest(reader, 0, MEGABYTE, 5);
	kv_reader_close(reader);
	kv_reader_close(NULL);
	assert_int_equal(kv_reader_open(kv, PROJECT, STR_LIT("key"), NOW + 60, arena, &reader, &entry, &wait),
			 RC_KEY_NOT_FOUND);
	assert_int_equal(kv_reader_open(kv, PROJECT, STR_LIT("none"), NOW, arena, &reader, &entry, &wait),
			 RC_KEY_NOT_FOUND);
	assert_int_equal(del("key"), RC_OK);
	expect_nothing_stored();
}

/* ---- old values go ---- */

static void a_large_value_is_replaced_by_a_small_one_and_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		size_t n = i % 2 == 0 ? MEGABYTE + i : 100 + i;

		upload_key("key", n, i);
		check_value("key", n, i);
		assert_int_equal(bytes_in_use(), n + 3);
		/* The old chunks are there until they are collected. */
		assert_int_equal(rows_in(STORE_GARBAGE), i % 2);
		collect();
		assert_int_equal(rows_in(STORE_GARBAGE), 0);
		assert_int_equal(rows_in(STORE_VALUES), i % 2 == 0 ? chunks_of(n) : 0);
		check_value("key", n, i);
	}
}

static void a_deleted_large_value_is_collected_in_slices(void **state)
{
	(void)state;
	upload_key("key", 25 * MEGABYTE, 1);
	upload_key("spared", MEGABYTE, 2);
	assert_int_equal(del("key"), RC_OK);
	assert_int_equal(bytes_in_use(), MEGABYTE + 6);
	assert_true(collect() >= 26);	/* slices end early on a slow machine */
	assert_int_equal(rows_in(STORE_VALUES), 4);
	check_value("spared", MEGABYTE, 2);
	assert_int_equal(del("spared"), RC_OK);
	expect_nothing_stored();
}

static void an_expired_large_value_is_swept_and_collected(void **state)
{
	struct kv_put put = put_of("key");
	struct sweep_slice slice = { .arg = kv };
	struct commit_op op;

	(void)state;
	put.expires_at = NOW + 1;	/* long past on the wall's clock */
	upload_put(&put, 2 * MEGABYTE, MEGABYTE, 1);
	commit_op_init(&op, sweep_apply, &slice, 1000, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	assert_int_equal(slice.removed, 1);
	assert_int_equal(rows_in(STORE_KEYS), 0);
	assert_int_equal(rows_in(STORE_VALUES), 8);
	expect_nothing_stored();
}

/* Values in a row each are deleted in the sweeper's own slice: bounded by their bytes. */
static void a_slice_of_the_sweeper_is_bounded_by_bytes(void **state)
{
	size_t slices = 0;
	struct sweep_slice slice = { .arg = kv };
	char key[16];

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct kv_put put;

		snprintf(key, sizeof key, "k%02d", i);
		put = put_of(key);
		put.expires_at = NOW + 1;
		upload_put(&put, CHUNK, CHUNK, 1);
	}
	do {
		struct commit_op op;

		commit_op_init(&op, sweep_apply, &slice, 1000, STR_LIT(""));
		assert_int_equal(commit_run(fixture.store, &op), RC_OK);
		assert_true(slice.removed <= 4);
		slices++;
	} while (slice.more);
	assert_true(slices >= 6);	/* slices end early on a slow machine */
	expect_nothing_stored();
}

static void the_sweeper_collects_by_itself(void **state)
{
	static commit_apply *const sweeps[] = { sweep_apply, collect_apply };

	(void)state;
	upload_key("key", 5 * MEGABYTE, 1);
	assert_int_equal(del("key"), RC_OK);
	assert_true(store_sweeper_start(fixture.store, sweeps, 2, kv));
	for (int i = 0; rows_in(STORE_GARBAGE) != 0; i++) {
		assert_true(i < 1000);
		usleep(10 * 1000);
	}
	assert_int_equal(rows_in(STORE_VALUES), 0);
}

/* ---- readers ---- */

static void a_reader_goes_on_while_its_value_is_overwritten_and_collected(void **state)
{
	struct kv_reader *reader, *second;
	struct sweep_slice slice;
	struct str piece;

	(void)state;
	upload_key("key", 3 * MEGABYTE + 1, 1);
	upload_key("other", MEGABYTE, 7);
	reader = open_reader("key", arena);
	second = open_reader("key", arena);
	assert_int_equal(kv_reader_next(reader, &piece), RC_OK);
	assert_int_equal(piece.n, CHUNK);
	upload_key("key", 2 * MEGABYTE, 2);
	assert_int_equal(del("key"), RC_OK);
	assert_int_equal(del("other"), RC_OK);
	/* What nobody holds goes; what is held does not keep the collector busy. */
	collect();
	assert_int_equal(rows_in(STORE_GARBAGE), 1);
	assert_int_equal(rows_in(STORE_VALUES), 13);
	expect_rest(reader, CHUNK, 3 * MEGABYTE + 1, 1);
	kv_reader_close(reader);
	collect();
	expect_rest(second, 0, 3 * MEGABYTE + 1, 1);
	kv_reader_rewind(second);
	expect_rest(second, 0, 3 * MEGABYTE + 1, 1);
	kv_reader_close(second);
	collect_slice(&slice);
	assert_true(slice.removed > 0);
	expect_nothing_stored();
}

/* What happens to the key between a reader's first look at it and its hold; the linker puts this in between. */
static void (*before_hold)(void);

void __real_hold_take(struct kv *kv, struct kv_hold *hold, uint32_t project, uint64_t id);
void __wrap_hold_take(struct kv *kv, struct kv_hold *hold, uint32_t project, uint64_t id);

void __wrap_hold_take(struct kv *in, struct kv_hold *hold, uint32_t project, uint64_t id)
{
	void (*now)(void) = before_hold;

	if (now != NULL) {
		before_hold = NULL;
		now();
	}
	__real_hold_take(in, hold, project, id);
}

static void overwrite_large(void)
{
	upload_key("key", 2 * MEGABYTE, 2);
	collect();
}

static void overwrite_small(void)
{
	upload_key("key", 1000, 3);
	collect();
}

static void delete_key(void)
{
	assert_int_equal(del("key"), RC_OK);
	collect();
}

static void a_reader_whose_hold_came_too_late_reads_the_key_again(void **state)
{
	struct kv_reader *reader = NULL;
	struct kv_entry entry;
	uint64_t wait = 0;

	(void)state;
	upload_key("key", MEGABYTE, 1);
	before_hold = overwrite_large;
	reader = open_reader("key", arena);
	expect_rest(reader, 0, 2 * MEGABYTE, 2);
	kv_reader_close(reader);
	before_hold = overwrite_small;
	reader = open_reader("key", arena);
	expect_rest(reader, 0, 1000, 3);
	kv_reader_close(reader);
	upload_key("key", MEGABYTE, 1);
	before_hold = delete_key;
	assert_int_equal(kv_reader_open(kv, PROJECT, STR_LIT("key"), NOW, arena, &reader, &entry, &wait),
			 RC_KEY_NOT_FOUND);
	assert_true(wait != 0);
	assert_null(kv->holds);
	expect_nothing_stored();
}

/* Takes the last row of STORE_VALUES away, as the reaper of deleted projects does, who asks nobody. */
static enum rc drop_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	char key[STORE_KEY_MAX], from[STORE_KEY_MAX], last[STORE_KEY_MAX];
	size_t n = 0, n_last = 0;
	enum rc rc;

	(void)op;
	(void)arg;
	for (;;) {
		memcpy(from, key, n);
		rc = store_txn_next(txn, STORE_VALUES, str_make(from, n), key, &n);
		if (rc != RC_OK)
			break;
		memcpy(last, key, n_last = n);
		key[n++] = '\0';
	}
	return rc == RC_KEY_NOT_FOUND ? store_txn_del(txn, STORE_VALUES, str_make(last, n_last)) : rc;
}

/* A value whose chunks are not as its record says is never taken for a whole one. */
static void a_reader_tells_when_a_chunk_is_missing(void **state)
{
	struct kv_reader *reader;
	struct commit_op op;
	struct str piece;

	(void)state;
	upload_key("key", MEGABYTE, 1);
	reader = open_reader("key", arena);
	commit_op_init(&op, drop_apply, NULL, 1, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kv_reader_next(reader, &piece), RC_OK);
		assert_int_equal(piece.n, CHUNK);
	}
	assert_int_equal(kv_reader_next(reader, &piece), RC_INTERNAL);
	assert_false(kv_reader_stream(reader, &piece));
	kv_reader_close(reader);
}

enum { TORTURE_WRITES = 60, TORTURE_READERS = 2, TORTURE_SIZE = 3 * CHUNK + 1000 };

static atomic_bool torture_over;

static void *torture_read(void *arg)
{
	struct arena *mine = arena_new(4 << 20);
	size_t *reads = arg;

	while (!atomic_load(&torture_over)) {
		struct kv_reader *reader = NULL;
		struct kv_entry entry;
		struct str piece;
		uint64_t wait;
		size_t at = 0;

		assert_int_equal(kv_reader_open(kv, PROJECT, STR_LIT("key"), NOW, mine, &reader, &entry, &wait),
				 RC_OK);
		do {
			assert_int_equal(kv_reader_next(reader, &piece), RC_OK);
			/* The number of the write is in its version's counter. */
			for (size_t i = 0; i < piece.n; i += 997)
				assert_int_equal(piece.p[i], byte_at(at + i, (unsigned)entry.writes));
			at += piece.n;
		} while (piece.n != 0);
		assert_int_equal(at, entry.size);
		kv_reader_close(reader);
		arena_reset(mine);
		++*reads;
	}
	arena_free(mine);
	return NULL;
}

static void *torture_collect(void *arg)
{
	(void)arg;
	while (!atomic_load(&torture_over))
		collect();
	return NULL;
}

static void readers_see_one_value_whole_while_writer_and_collector_run(void **state)
{
	pthread_t readers[TORTURE_READERS], collector;
	size_t reads[TORTURE_READERS] = { 0 };

	(void)state;
	atomic_store(&torture_over, false);
	upload_key("key", TORTURE_SIZE, 1);
	for (int i = 0; i < TORTURE_READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, torture_read, &reads[i]), 0);
	assert_int_equal(pthread_create(&collector, NULL, torture_collect, NULL), 0);
	for (unsigned i = 2; i < TORTURE_WRITES; i++)
		upload_key("key", TORTURE_SIZE, i);
	atomic_store(&torture_over, true);
	for (int i = 0; i < TORTURE_READERS; i++) {
		pthread_join(readers[i], NULL);
		assert_true(reads[i] > 0);
	}
	pthread_join(collector, NULL);
	assert_int_equal(del("key"), RC_OK);
	expect_nothing_stored();
}

/* ---- uploads that come to nothing ---- */

static void an_upload_that_is_given_up_is_garbage_at_once(void **state)
{
	struct kv_upload upload = begin(25 * MEGABYTE), zeros = { .n = 0 };

	(void)state;
	assert_int_equal(add(&upload, 2 * MEGABYTE, MEGABYTE, 1), RC_OK);
	collect();
	/* All but the last chunk, which is still in memory. */
	assert_int_equal(rows_in(STORE_VALUES), 7);
	assert_int_equal(rows_in(STORE_GARBAGE), 1);
	assert_int_equal(bytes_in_use(), 0);
	kv_upload_clear(&upload);
	kv_upload_clear(&upload);
	kv_upload_clear(&zeros);
	expect_nothing_stored();
}

static void two_uploads_to_one_key_do_not_mix(void **state)
{
	struct kv_upload a = begin(25 * MEGABYTE), b = begin(25 * MEGABYTE);
	struct kv_put put_a = put_of("key"), put_b = put_of("key");
	struct kv_entry entry;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(add(&a, 100000, 30000, 1), RC_OK);
		assert_int_equal(add(&b, 100001, 30000, 2), RC_OK);
	}
	kv_upload_finish(&a, &put_a);
	kv_upload_finish(&b, &put_b);
	assert_int_equal(put_run(&put_b, ""), RC_OK);
	collect();
	assert_int_equal(put_run(&put_a, ""), RC_OK);
	kv_upload_clear(&a);
	kv_upload_clear(&b);
	collect();
	check_value("key", 2000000, 1);
	assert_int_equal(get("key", &entry), RC_OK);
	assert_int_equal(entry.writes, 2);
	assert_int_equal(rows_in(STORE_VALUES), chunks_of(2000000));
	assert_int_equal(bytes_in_use(), 2000003);
}

static void a_repeated_request_leaves_its_chunks_to_the_collector(void **state)
{
	const char *id = "0123456789abcdef0123456789abcdef";
	struct kv_entry entry;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct kv_upload upload = begin(MEGABYTE);
		struct kv_put put = put_of("key");

		assert_int_equal(add(&upload, MEGABYTE, CHUNK, 1), RC_OK);
		kv_upload_finish(&upload, &put);
		assert_int_equal(put_run(&put, id), RC_OK);
		kv_upload_clear(&upload);
	}
	assert_int_equal(get("key", &entry), RC_OK);
	assert_int_equal(entry.writes, 1);
	assert_int_equal(rows_in(STORE_VALUES), 7);
	collect();
	assert_int_equal(rows_in(STORE_VALUES), 4);
	check_value("key", MEGABYTE, 1);
}

static void a_refused_put_keeps_the_old_value_and_its_chunks_go(void **state)
{
	struct kv_upload upload = begin(MEGABYTE);
	struct kv_put put = put_of("key");

	(void)state;
	assert_int_equal(add(&upload, MEGABYTE, CHUNK, 2), RC_OK);
	kv_upload_finish(&upload, &put);
	/* The window opens with the put that ends this, chunks are no writes. */
	upload_key("key", 2 * MEGABYTE, 1);
	put.write_limit = 1;
	assert_int_equal(put_run(&put, ""), RC_WRITE_LIMIT);
	kv_upload_clear(&upload);
	collect();
	check_value("key", 2 * MEGABYTE, 1);
	assert_int_equal(rows_in(STORE_VALUES), 8);
	assert_int_equal(bytes_in_use(), 2 * MEGABYTE + 3);
}

static void without_leave_to_block_a_second_chunk_is_for_the_slow_lane(void **state)
{
	struct kv_upload upload;

	(void)state;
	kv_upload_init(&upload, kv, PROJECT, MEGABYTE, false, arena);
	assert_int_equal(add(&upload, CHUNK, 1000, 1), RC_OK);
	assert_int_equal(kv_upload_add(&upload, STR_LIT("x")), RC_SLOW);
	kv_upload_clear(&upload);
	expect_nothing_stored();
}

static void a_value_of_more_than_a_chunk_needs_an_upload(void **state)
{
	struct kv_put put = put_of("key");

	(void)state;
	upload_key("key", 10, 1);
	put.value = str_make(arena_zero(arena, CHUNK + 1), CHUNK + 1);
	assert_int_equal(put_run(&put, ""), RC_VALUE_TOO_LARGE);
	check_value("key", 10, 1);
}

static void a_full_disk_refuses_chunks_and_the_put(void **state)
{
	struct kv_upload upload = begin(25 * MEGABYTE), whole = begin(MEGABYTE), first = begin(MEGABYTE);
	struct kv_put put = put_of("key");

	(void)state;
	checkpointer_stop(fixture.store);	/* it would measure the space */
	assert_int_equal(add(&upload, MEGABYTE, 1000, 1), RC_OK);
	assert_int_equal(add(&whole, MEGABYTE, CHUNK, 1), RC_OK);
	kv_upload_finish(&whole, &put);
	atomic_store(&fixture.store->full, true);
	assert_int_equal(add(&upload, MEGABYTE, 1000, 1), RC_STORAGE_FULL);
	assert_int_equal(kv_upload_add(&upload, STR_LIT("x")), RC_STORAGE_FULL);
	assert_int_equal(add(&first, MEGABYTE, 1000, 1), RC_STORAGE_FULL);
	assert_int_equal(put_run(&put, ""), RC_STORAGE_FULL);
	kv_upload_clear(&upload);
	kv_upload_clear(&whole);
	kv_upload_clear(&first);
	/* Collecting goes on: it is what makes room. */
	expect_nothing_stored();
	atomic_store(&fixture.store->full, false);
}

static void every_allocation_may_fail(void **state)
{
	struct arena *large = arena;
	size_t failed = 0, passed = 0;

	(void)state;
	upload_key("key", MEGABYTE, 1);
	for (size_t ceiling = 0; ceiling < 700 * 1000; ceiling += 9973) {
		struct kv_reader *reader = NULL;
		struct kv_upload upload;
		struct kv_entry entry;
		uint64_t wait;
		enum rc rc;

		arena = arena_new(ceiling);
		upload = begin(MEGABYTE);
		rc = add(&upload, MEGABYTE, 1000, 2);
		assert_true(rc == RC_OK || rc == RC_NO_MEMORY);
		assert_int_equal(kv_upload_add(&upload, STR_LIT("")), rc);
		failed += rc != RC_OK;
		kv_upload_clear(&upload);
		arena_reset(arena);
		rc = kv_reader_open(kv, PROJECT, STR_LIT("key"), NOW, arena, &reader, &entry, &wait);
		assert_true(rc == RC_OK || rc == RC_NO_MEMORY);
		passed += rc == RC_OK;
		kv_reader_close(reader);
		arena_free(arena);
		/* Whoever failed holds nothing. */
		assert_null(kv->holds);
	}
	assert_true(failed > 10 && passed > 10);
	arena = large;
	assert_int_equal(del("key"), RC_OK);
	expect_nothing_stored();
}

/* ---- crashes ---- */

static void a_reopened_store_collects_what_was_under_way(void **state)
{
	struct kv_upload upload = begin(25 * MEGABYTE);

	(void)state;
	upload_key("key", MEGABYTE, 3);
	assert_int_equal(add(&upload, 3 * MEGABYTE, CHUNK, 1), RC_OK);
	kv_fixture_reopen();
	assert_int_equal(rows_in(STORE_VALUES), 11 + 4);
	collect();
	assert_int_equal(rows_in(STORE_VALUES), 4);
	assert_int_equal(rows_in(STORE_GARBAGE), 0);
	check_value("key", MEGABYTE, 3);
	assert_int_equal(del("key"), RC_OK);
	kv_fixture_reopen();
	expect_nothing_stored();
}

/* Another process writes and dies without a word at STEP; what is stored then is whole, or garbage. */
static void die_at(int step)
{
	struct kv_upload upload = begin(25 * MEGABYTE);
	struct kv_put put = put_of("key");

	upload_key("key", MEGABYTE, 1);
	if (step == 0)
		_exit(0);
	if (add(&upload, 2 * MEGABYTE, 1000, 2) != RC_OK)
		_exit(1);
	if (step == 1)
		_exit(0);
	kv_upload_finish(&upload, &put);
	if (put_run(&put, "") != RC_OK)
		_exit(1);
	if (step == 2)
		_exit(0);
	if (del("key") != RC_OK)
		_exit(1);
	if (step == 4) {
		struct sweep_slice slice;

		collect_slice(&slice);
	}
	_exit(0);
}

static void a_crash_at_any_step_leaves_only_what_is_collected(void **state)
{
	(void)state;
	for (int step = 0; step <= 4; step++) {
		int status = 0;
		pid_t child;

		kv_close(kv);
		store_close(fixture.store);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			fixture_open(&fixture);
			kv_fixture_open();
			die_at(step);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		fixture_open(&fixture);
		kv_fixture_open();
		if (step >= 1)
			assert_int_equal(rows_in(STORE_GARBAGE), step == 3 ? 2 : step == 4 ? 2 : 1);
		collect();
		assert_int_equal(rows_in(STORE_GARBAGE), 0);
		if (step <= 1)
			check_value("key", MEGABYTE, 1);
		else if (step == 2)
			check_value("key", 2 * MEGABYTE, 2);
		assert_int_equal(rows_in(STORE_VALUES), step <= 1 ? 4 : step == 2 ? 8 : 0);
		assert_int_equal(del("key"), RC_OK);
		expect_nothing_stored();
	}
}

/* ---- the committer runs a chunk twice ---- */

static sem_t blocked, spoil;

static enum rc block_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	(void)txn;
	(void)op;
	(void)arg;
	sem_post(&blocked);
	sem_wait(&spoil);
	return RC_OK;
}

static enum rc spoil_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	enum rc rc = store_txn_put(txn, STORE_META, STR_LIT("spoiled"), STR_LIT("1"));

	(void)op;
	(void)arg;
	return rc == RC_OK ? RC_CONFLICT : rc;
}

static void *spoil_run(void *arg)
{
	struct commit_op op;

	commit_op_init(&op, arg == NULL ? spoil_apply : block_apply, NULL, 1, STR_LIT(""));
	(void)!commit_run(fixture.store, &op);
	return NULL;
}

static void *add_run(void *arg)
{
	struct kv_upload *upload = arg;

	assert_int_equal(add(upload, CHUNK + 1, CHUNK + 1, 1), RC_OK);
	return NULL;
}

static void await_queued(uint64_t n)
{
	while (atomic_load(&fixture.store->queued) != n)
		usleep(1000);
}

static void a_chunk_that_ran_twice_is_stored_once(void **state)
{
	struct kv_upload upload = begin(MEGABYTE);
	struct kv_put put = put_of("key");
	pthread_t blocker, adder, spoiler;

	(void)state;
	sem_init(&blocked, 0, 0);
	sem_init(&spoil, 0, 0);
	/* While the first one holds the committer, chunk and spoiler come together in a batch. */
	assert_int_equal(pthread_create(&blocker, NULL, spoil_run, &spoil), 0);
	sem_wait(&blocked);
	assert_int_equal(pthread_create(&adder, NULL, add_run, &upload), 0);
	await_queued(1);
	assert_int_equal(pthread_create(&spoiler, NULL, spoil_run, NULL), 0);
	await_queued(2);
	sem_post(&spoil);
	pthread_join(blocker, NULL);
	pthread_join(adder, NULL);
	pthread_join(spoiler, NULL);
	collect();
	assert_int_equal(rows_in(STORE_GARBAGE), 1);
	assert_int_equal(rows_in(STORE_VALUES), 1);
	kv_upload_finish(&upload, &put);
	assert_int_equal(put_run(&put, ""), RC_OK);
	kv_upload_clear(&upload);
	assert_null(kv->holds);
	collect();
	check_value("key", CHUNK + 1, 1);
}

/* ---- data of before ---- */

enum { OLD_SIZE = MEGABYTE };

static enum rc old_put_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct str value = str_make(arg, OLD_SIZE);
	struct entry entry = { .kind = KIND_BINARY, .value_len = OLD_SIZE, .version = 5, .writes = 1, .value_id = 5,
			       .flags = ENTRY_VALUE_OUTSIDE };
	char key[KEY_STORED_MAX], part[VALUE_KEY_SIZE], record[STORE_INLINE_MAX];
	struct str stored = key_stored(PROJECT, STR_LIT("old"), key);
	enum rc rc = store_txn_put(txn, STORE_VALUES, value_key(PROJECT, 5, PART_VALUE, part), value);

	(void)op;
	if (rc == RC_OK)
		rc = store_txn_usage(txn, PROJECT, 0, 1, entry_bytes(&entry, STR_LIT("old")));
	return rc == RC_OK ? store_txn_put(txn, STORE_KEYS, stored, str_make(record, entry_write(&entry, record))) : rc;
}

static void a_large_value_in_one_row_can_still_be_read_and_replaced(void **state)
{
	char *value = malloc(OLD_SIZE);
	struct kv_entry entry;
	struct commit_op op;

	(void)state;
	assert_non_null(value);
	make_piece(value, 0, OLD_SIZE, 9);
	commit_op_init(&op, old_put_apply, value, OLD_SIZE, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	assert_int_equal(get("old", &entry), RC_OK);
	assert_false(entry.is_large);
	assert_int_equal(entry.size, OLD_SIZE);
	assert_true(str_eq(entry.value, str_make(value, OLD_SIZE)));
	check_value("old", OLD_SIZE, 9);
	upload_key("old", MEGABYTE + 1, 1);
	check_value("old", MEGABYTE + 1, 1);
	assert_int_equal(rows_in(STORE_VALUES), 5);
	assert_int_equal(del("old"), RC_OK);
	expect_nothing_stored();
	free(value);
}

/* ---- deleted projects ---- */

static enum rc reaped_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct kv_upload *upload = arg;

	(void)op;
	return garbage_remove(txn, PROJECT, upload->hold.id);
}

static void an_upload_into_a_deleted_project_ends(void **state)
{
	struct kv_upload upload = begin(25 * MEGABYTE), whole = begin(MEGABYTE);
	struct kv_put put = put_of("key");
	struct commit_op op;

	(void)state;
	assert_int_equal(add(&upload, MEGABYTE, CHUNK, 1), RC_OK);
	assert_int_equal(add(&whole, MEGABYTE, CHUNK, 1), RC_OK);
	commit_op_init(&op, reaped_apply, &upload, 1, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	commit_op_init(&op, reaped_apply, &whole, 1, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	assert_int_equal(add(&upload, MEGABYTE, CHUNK, 1), RC_PROJECT_UNAVAILABLE);
	kv_upload_finish(&whole, &put);
	assert_int_equal(put_run(&put, ""), RC_PROJECT_UNAVAILABLE);
	kv_upload_clear(&upload);
	kv_upload_clear(&whole);
	assert_int_equal(rows_in(STORE_KEYS), 0);
}

static void a_deleted_project_leaves_neither_chunks_nor_garbage(void **state)
{
	struct bot bot = { .id = 7342037359, .n_secrets = 1, .secrets = { { 1 } }, .public_key = { 9 } };
	const struct project *project = NULL;
	struct registry *registry = NULL;
	struct kv_upload upload;
	struct kv_put put;

	(void)state;
	assert_int_equal(registry_open(&registry, fixture.store, &fixture.conf), RC_OK);
	assert_int_equal(project_create(registry, STR_LIT("app"), &bot, 1, &project), RC_OK);
	for (unsigned i = 0; i < 2; i++) {
		kv_upload_init(&upload, kv, project->number, 25 * MEGABYTE, true, arena);
		assert_int_equal(add(&upload, 5 * MEGABYTE, MEGABYTE, i), RC_OK);
		put = put_of("key");
		put.project = project->number;
		kv_upload_finish(&upload, &put);
		assert_int_equal(put_run(&put, ""), RC_OK);
		kv_upload_clear(&upload);
	}
	upload_key("spared", MEGABYTE, 1);
	assert_int_equal(rows_in(STORE_GARBAGE), 1);
	assert_int_equal(rows_in(STORE_VALUES), 44);
	project_unref(project);
	assert_int_equal(project_delete(registry, STR_LIT("app")), RC_OK);
	/* The reaper waits some seconds before it begins. */
	for (int i = 0; rows_in(STORE_VALUES) != 4; i++) {
		assert_true(i < 3000);
		usleep(10 * 1000);
	}
	assert_int_equal(rows_in(STORE_GARBAGE), 0);
	check_value("spared", MEGABYTE, 1);
	registry_close(registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_STORE(values_of_every_size_come_back_in_pieces),
		OVER_A_STORE(the_limit_holds_at_the_byte),
		OVER_A_STORE(no_limit_is_above_25_megabytes),
		OVER_A_STORE(an_upload_takes_less_than_two_chunks_of_memory),
		OVER_A_STORE(a_value_read_whole_takes_little_more_memory_than_it_has),
		OVER_A_STORE(a_small_value_is_read_whole_as_it_is),
		OVER_A_STORE(metadata_expiry_and_owner_go_with_a_large_value),
		OVER_A_STORE(a_large_value_is_replaced_by_a_small_one_and_back),
		OVER_A_STORE(a_deleted_large_value_is_collected_in_slices),
		OVER_A_STORE(an_expired_large_value_is_swept_and_collected),
		OVER_A_STORE(a_slice_of_the_sweeper_is_bounded_by_bytes),
		OVER_A_STORE(the_sweeper_collects_by_itself),
		OVER_A_STORE(a_reader_goes_on_while_its_value_is_overwritten_and_collected),
		OVER_A_STORE(a_reader_whose_hold_came_too_late_reads_the_key_again),
		OVER_A_STORE(a_reader_tells_when_a_chunk_is_missing),
		OVER_A_STORE(readers_see_one_value_whole_while_writer_and_collector_run),
		OVER_A_STORE(an_upload_that_is_given_up_is_garbage_at_once),
		OVER_A_STORE(two_uploads_to_one_key_do_not_mix),
		OVER_A_STORE(a_repeated_request_leaves_its_chunks_to_the_collector),
		OVER_A_STORE(a_refused_put_keeps_the_old_value_and_its_chunks_go),
		OVER_A_STORE(without_leave_to_block_a_second_chunk_is_for_the_slow_lane),
		OVER_A_STORE(a_value_of_more_than_a_chunk_needs_an_upload),
		OVER_A_STORE(a_full_disk_refuses_chunks_and_the_put),
		OVER_A_STORE(every_allocation_may_fail),
		OVER_A_STORE(a_reopened_store_collects_what_was_under_way),
		OVER_A_STORE(a_crash_at_any_step_leaves_only_what_is_collected),
		OVER_A_STORE(a_chunk_that_ran_twice_is_stored_once),
		OVER_A_STORE(a_large_value_in_one_row_can_still_be_read_and_replaced),
		OVER_A_STORE(an_upload_into_a_deleted_project_ends),
		OVER_A_STORE(a_deleted_project_leaves_neither_chunks_nor_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
