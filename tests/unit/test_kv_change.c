/*
 * test_kv_change.c - atomic changes over a real store: what else a key has stays with it, a change that runs twice
 * happens once, one that fails leaves everything as it was; and leaderboards against sorting.
 */
#include "config.h"

#include "kv_fixture.h"

#include "kv/audit.h"
#include "kv/op.h"
#include "kv/private.h"

enum { PROJECT = 7, NOW = 1000000, LIMIT = 131072 };

/* Readied and not yet run. */
static struct kv_change change_of(const char *text)
{
	struct kv_change change = { .kv = kv, .project = PROJECT, .key = STR_LIT("k"), .value_limit = LIMIT,
				    .owner = 42, .write_limit = 1000000, .now = NOW, .arena = arena };
	const char *why;

	assert_int_equal(kv_op_read(str_c(text), arena, &change.op, &why), RC_OK);
	return change;
}

static struct commit_op run_with(commit_apply *apply, struct kv_change *change)
{
	struct commit_op op;

	commit_op_init(&op, apply, change, 100, STR_LIT(""));
	(void)!commit_run(fixture.store, &op);
	return op;
}

static struct commit_op run(const char *text)
{
	struct kv_change change = change_of(text);

	return run_with(kv_change_apply, &change);
}

static void put(struct str value, struct str metadata, int64_t expires_at)
{
	struct kv_put put = { .kv = kv, .project = PROJECT, .key = STR_LIT("k"), .value = value, .kind = KIND_JSON,
			      .metadata = metadata, .expires_at = expires_at, .owner = 41, .now = NOW };
	struct commit_op op;

	commit_op_init(&op, kv_put_apply, &put, 100, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
}

static struct kv_entry entry_at(int64_t now)
{
	struct kv_entry entry;
	uint64_t wait;

	assert_int_equal(kv_get(kv, PROJECT, STR_LIT("k"), now, arena, &entry, &wait), RC_OK);
	return entry;
}

static struct str text_of(size_t n)
{
	char *p = arena_alloc(arena, n);

	memset(p, 'x', n);
	p[0] = p[n - 1] = '"';
	return str_make(p, n);
}

static size_t rows_in(enum store_table table)
{
	struct store_scan scan;
	struct str key, value;
	size_t n = 0;

	store_scan_init(&scan, fixture.store, table, STR_LIT(""), arena_alloc(arena, STORE_SCAN_CHUNK));
	while (store_scan_next(&scan, &key, &value) == RC_OK)
		n++;
	return n;
}

/* What PROJECT, or USER in it, has in use. */
static uint64_t bytes_of(uint64_t user)
{
	char key[12], row[16] = { 0 };
	size_t n;

	store_put_u32(key, PROJECT);
	store_put_u64(key + 4, user);
	(void)!store_get(fixture.store, STORE_USAGE, str_make(key, sizeof key), row, sizeof row, &n);
	return store_get_u64(row + 8);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}

/* Records, values, expiry rows and usage belong together. */
static void expect_whole(void)
{
	struct kv_audit audit = { .store = fixture.store, .say = say };

	assert_true(kv_audit(&audit));
}

static void what_else_a_key_has_stays_with_it(void **state)
{
	static const size_t values[] = { 3, 400, 900, 2000, 20000 }, metadata[] = { 0, 300, 700 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		for (size_t k = 0; k < 3; k++) {
			struct str value = text_of(values[i]), data = metadata[k] == 0 ? STR_LIT("") : text_of(metadata[k]);
			struct buf list;
			struct commit_op op;
			struct kv_entry entry;

			buf_init(&list, arena, 1 << 20);
			buf_addf(&list, "[%.*s]", STR(value));
			put(buf_str(&list), data, NOW + 60);
			op = run("{\"op\":\"append\",\"value\":1}");
			assert_int_equal(op.rc, RC_OK);
			assert_int_equal(op.answer.more[0], 2);
			entry = entry_at(NOW);
			assert_true(str_eq(entry.metadata, data));
			assert_int_equal(entry.value.n, value.n + 4);
			assert_int_equal(entry.expires_at, NOW + 60);
			assert_int_equal(entry.owner, 41);
			assert_int_equal(entry.version, op.answer.version);
			assert_int_equal(entry.writes, op.answer.writes);
			assert_int_equal(rows_in(STORE_EXPIRY), 1);
			assert_int_equal(rows_in(STORE_VALUES), (entry.value.n > 954 - (data.n > 512 ? 0 : data.n)) + (data.n > 512));
			assert_int_equal(bytes_of(0), 1 + entry.value.n + data.n);
			assert_int_equal(bytes_of(41), bytes_of(0));
			expect_whole();
		}
	}
}

static void a_dead_key_is_made_anew(void **state)
{
	struct kv_change change;
	struct kv_entry entry;
	struct commit_op op;

	(void)state;
	put(STR_LIT("41"), text_of(700), NOW + 60);
	change = change_of("{\"op\":\"touch\",\"expiration\":null}");
	change.now = NOW + 60;
	op = run_with(kv_change_apply, &change);
	assert_int_equal(op.rc, RC_KEY_NOT_FOUND);
	change = change_of("{\"op\":\"add\",\"by\":1}");
	change.now = NOW + 60;
	op = run_with(kv_change_apply, &change);
	assert_int_equal(op.rc, RC_OK);
	entry = entry_at(NOW + 60);
	assert_true(str_eq(entry.value, STR_LIT("1")));
	assert_int_equal(entry.metadata.n, 0);
	assert_int_equal(entry.expires_at, 0);
	assert_int_equal(entry.owner, 42);
	assert_int_equal(entry.writes, 1);
	expect_whole();
}

static void a_touch_moves_the_expiry_alone(void **state)
{
	struct str value = text_of(5000), metadata = text_of(700);
	static const int64_t times[] = { NOW + 60, NOW + 60, 0, NOW + 90, 0, 0 };
	struct kv_entry entry;

	(void)state;
	put(value, metadata, 0);
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct kv_change change = change_of("{\"op\":\"touch\",\"expiration\":null}");
		struct commit_op op;

		change.expires_at = times[i];
		op = run_with(kv_change_apply, &change);
		assert_int_equal(op.rc, RC_OK);
		assert_int_equal(op.answer.writes, i + 2);
		entry = entry_at(NOW);
		assert_int_equal(entry.expires_at, times[i]);
		assert_int_equal(entry.version, op.answer.version);
		assert_int_equal(entry.writes, i + 2);
		assert_true(str_eq(entry.value, value));
		assert_true(str_eq(entry.metadata, metadata));
		assert_int_equal(rows_in(STORE_EXPIRY), times[i] != 0);
		assert_int_equal(rows_in(STORE_VALUES), 2);
		assert_int_equal(bytes_of(41), 1 + value.n + metadata.n);
		expect_whole();
	}
}

/* ---- again and again ---- */

static int busy;

/* Loses its lock some times, behind all that it put: the batch is undone. */
static enum rc busy_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	enum rc rc = kv_change_apply(txn, op, arg);

	return rc == RC_OK && busy-- > 0 ? RC_BUSY : rc;
}

static void a_change_that_runs_many_times_happens_once_and_takes_no_more_memory(void **state)
{
	static const char *const changes[] = {
		"{\"op\":\"append\",\"value\":1}", "{\"op\":\"append\",\"value\":2,\"limit\":2}",
		"{\"op\":\"rank\",\"by\":\"s\",\"id\":\"i\",\"entry\":{\"i\":1,\"s\":5}}",
		"{\"op\":\"touch\",\"expiration\":null}",
	};
	const char *list = "[{\"i\":2,\"s\":7},{\"i\":1,\"s\":3}]";

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct kv_change once, often;
		struct kv_entry entry;
		struct str value;
		size_t used;

		put(str_c(list), text_of(700), 0);
		once = change_of(changes[i]);
		assert_int_equal(run_with(kv_change_apply, &once).rc, RC_OK);
		value = entry_at(NOW).value;
		put(str_c(list), text_of(700), 0);
		once = change_of(changes[i]);
		used = arena_used(arena);
		busy = 0;
		assert_int_equal(run_with(busy_apply, &once).rc, RC_OK);
		used = arena_used(arena) - used;
		put(str_c(list), text_of(700), 0);
		often = change_of(changes[i]);
		used += arena_used(arena);
		busy = 50;
		assert_int_equal(run_with(busy_apply, &often).rc, RC_OK);
		assert_int_equal(arena_used(arena), used);
		entry = entry_at(NOW);
		assert_true(str_eq(entry.value, value));
		assert_int_equal(entry.writes, 2 * 3 * i + 2 * 3);
		expect_whole();
	}
}

static void without_memory_nothing_happens(void **state)
{
	struct str value = text_of(20000);
	struct buf list;

	(void)state;
	buf_init(&list, arena, 1 << 20);
	buf_addf(&list, "[%.*s]", STR(value));
	put(buf_str(&list), text_of(700), 0);
	for (size_t room = 0; ; room += 500) {
		struct arena *small = arena_new(room);
		struct kv_change change = change_of("{\"op\":\"append\",\"value\":1}");
		struct commit_op op;

		change.arena = small;
		op = run_with(kv_change_apply, &change);
		arena_free(small);
		if (op.rc == RC_OK) {
			assert_true(room > 20000);
			break;
		}
		assert_int_equal(op.rc, RC_NO_MEMORY);
		assert_true(str_eq(entry_at(NOW).value, buf_str(&list)));
		expect_whole();
	}
}

static void what_is_refused_leaves_all_as_it_was(void **state)
{
	static const char *const changes[] = {
		"{\"op\":\"add\",\"by\":1}", "{\"op\":\"max\",\"value\":1}", "{\"op\":\"append\",\"value\":1}",
		"{\"op\":\"rank\",\"by\":\"s\",\"id\":\"i\",\"entry\":{\"i\":1,\"s\":5}}",
	};

	(void)state;
	put(STR_LIT("{\"a\":1}"), STR_LIT("2"), NOW + 60);
	for (size_t i = 0; i < 4; i++) {
		struct commit_op op = run(changes[i]);

		assert_int_equal(op.rc, RC_BAD_REQUEST);
		assert_non_null(op.why);
	}
	assert_int_equal(entry_at(NOW).writes, 1);
	expect_whole();
}

static void the_limit_counts_what_is_written_and_nothing_else(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct kv_change change = change_of("{\"op\":\"max\",\"value\":1}");

		change.write_limit = 2;
		assert_int_equal(run_with(kv_change_apply, &change).rc, RC_OK);
		change = change_of("{\"op\":\"append\",\"value\":1}");
		change.write_limit = 2;
		assert_int_equal(run_with(kv_change_apply, &change).rc, RC_BAD_REQUEST);
	}
	for (int i = 0; i < 2; i++) {
		struct kv_change change = change_of("{\"op\":\"add\",\"by\":1}");

		change.write_limit = 2;
		assert_int_equal(run_with(kv_change_apply, &change).rc, i == 0 ? RC_OK : RC_WRITE_LIMIT);
	}
	assert_int_equal(entry_at(NOW).writes, 2);
}

/* ---- leaderboards ---- */

struct player {
	int id, score;
};

/* The obvious way: the new entry behind all others, the better of two, a stable sort, a cut. Answers the rank, or 0. */
static size_t enter(struct player *board, size_t *n, struct player new, size_t limit, bool ascending)
{
	size_t rank = 0;

	for (size_t i = 0; i < *n; i++) {
		if (board[i].id != new.id)
			continue;
		if (ascending ? board[i].score <= new.score : board[i].score >= new.score)
			goto cut;
		memmove(&board[i], &board[i + 1], (--*n - i) * sizeof new);
	}
	board[(*n)++] = new;
	for (size_t i = *n - 1; i > 0 && (ascending ? board[i].score < board[i - 1].score : board[i].score > board[i - 1].score); i--) {
		struct player swap = board[i];

		board[i] = board[i - 1];
		board[i - 1] = swap;
	}
cut:
	*n = *n < limit ? *n : limit;
	for (size_t i = 0; i < *n; i++)
		if (board[i].id == new.id)
			rank = i + 1;
	return rank;
}

static void a_leaderboard_is_what_sorting_makes_of_it(void **state)
{
	struct player board[64];
	size_t n = 0;
	bool ascending = false;

	(void)state;
	srandom(3);
	for (int i = 0; i < 3000; i++) {
		struct player new = { (int)(random() % 15), (int)(random() % 20) };
		size_t limit = (size_t)(random() % 12) + 1, rank;
		struct commit_op op;
		struct buf text;

		if (i % 100 == 0) {
			put(STR_LIT("[]"), STR_LIT(""), 0);
			n = 0;
			ascending = !ascending;
		}
		buf_init(&text, arena, 1 << 16);
		buf_addf(&text, "{\"op\":\"rank\",\"entry\":{\"i\":%d,\"s\":%d},\"by\":\"s\",\"id\":\"i\",\"limit\":%zu%s}", new.id,
			 new.score, limit, ascending ? ",\"order\":\"asc\"" : "");
		buf_add_char(&text, '\0');
		op = run(text.p);
		assert_int_equal(op.rc, RC_OK);
		rank = enter(board, &n, new, limit, ascending);
		assert_int_equal(op.answer.more[0], rank);
		assert_int_equal(op.answer.more[1], n);
		text.n = 0;
		buf_add_char(&text, '[');
		for (size_t k = 0; k < n; k++)
			buf_addf(&text, "%s{\"i\":%d,\"s\":%d}", k == 0 ? "" : ",", board[k].id, board[k].score);
		buf_add_char(&text, ']');
		assert_true(str_eq(entry_at(NOW).value, buf_str(&text)));
		if (i % 50 == 49)
			arena_reset(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_STORE(what_else_a_key_has_stays_with_it),
		OVER_A_STORE(a_dead_key_is_made_anew),
		OVER_A_STORE(a_touch_moves_the_expiry_alone),
		OVER_A_STORE(a_change_that_runs_many_times_happens_once_and_takes_no_more_memory),
		OVER_A_STORE(without_memory_nothing_happens),
		OVER_A_STORE(what_is_refused_leaves_all_as_it_was),
		OVER_A_STORE(the_limit_counts_what_is_written_and_nothing_else),
		OVER_A_STORE(a_leaderboard_is_what_sorting_makes_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
