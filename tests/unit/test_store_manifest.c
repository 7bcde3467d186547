/*
 * test_store_manifest.c - what is missing from a data directory, or is not what was written there: found before
 * anything is touched, and never taken for an empty store.
 */
#include "config.h"

#include "store_fixture.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "store/commit.h"

enum { ROWS = 400, ROW_SIZE = 500 };

/*
 * What Berkeley DB leaves behind when it panics over a page: its regions, which lie in the heap here. The server
 * ends then, and so does its memory.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3\n";
}

/* ---- a store with something in it ---- */

struct rows {
	int first, n;
};

static struct str row_key(int i, char bytes[32])
{
	return str_make(bytes, (size_t)snprintf(bytes, 32, "%c%c%c%crow %06d", 0, 0, 0, 1, i));
}

static void row_value(int i, char value[ROW_SIZE])
{
	for (int k = 0; k < ROW_SIZE; k++)
		value[k] = (char)('a' + (i * 31 + k * 7 + i * k % 11) % 26);
}

static enum rc rows_put(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct rows *rows = arg;
	char key[32], value[ROW_SIZE];
	enum rc rc = RC_OK;

	(void)op;
	for (int i = rows->first; i < rows->first + rows->n && rc == RC_OK; i++) {
		row_value(i, value);
		rc = store_txn_put(txn, STORE_KEYS, row_key(i, key), str_make(value, ROW_SIZE));
	}
	return rc;
}

static void put_rows(struct fixture *f, int first, int n)
{
	struct rows rows = { first, n };
	struct commit_op op;

	commit_op_init(&op, rows_put, &rows, 1, STR_LIT(""));
	assert_int_equal(commit_run(f->store, &op), RC_OK);
}

static void __attribute__((format(printf, 1, 2))) shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	assert_true(vsnprintf(command, sizeof command, format, args) < (int)sizeof command);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static void close_store(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

/* Closed in good order: all is in the tables, and the log is there all the same. */
static void make_closed(struct fixture *f)
{
	fixture_start(f);
	put_rows(f, 0, ROWS);
	close_store(f);
}

/* As a crash leaves it: the last rows are in the log alone. */
static void make_crashed(struct fixture *f)
{
	make_closed(f);
	fixture_open(f);
	put_rows(f, ROWS, ROWS);
	shell("cp -a %s %s.crashed", f->dir, f->dir);
	close_store(f);
	shell("rm -r %s && mv %s.crashed %s", f->dir, f->dir, f->dir);
}

static void remove_all(struct fixture *f)
{
	shell("rm -rf %s %s.before", f->dir, f->dir);
	conf_clear(&f->conf);
}

/* The first N rows are there as they were put; or, when MAY_FAIL, reading them ends with damage. */
static void read_rows(struct fixture *f, int n, bool may_fail)
{
	char key[32], value[ROW_SIZE], stored[ROW_SIZE];
	enum rc rc = RC_OK;
	size_t length;

	for (int i = 0; i < n && rc == RC_OK; i++) {
		row_value(i, value);
		rc = store_get(f->store, STORE_KEYS, row_key(i, key), stored, ROW_SIZE, &length);
		if (rc == RC_OK)
			assert_memory_equal(stored, value, ROW_SIZE);
	}
	if (rc == RC_OK)
		return;
	assert_true(may_fail);
	assert_int_equal(rc, RC_STORE);
	assert_true(store_is_damaged(f->store));
}

static void expect_rows(struct fixture *f, int n)
{
	read_rows(f, n, false);
}

/* ---- damage ---- */

/* Refused, twice, and not a byte of it changed. */
static void expect_damage(struct fixture *f)
{
	shell("rm -rf %s.before && cp -a %s %s.before", f->dir, f->dir, f->dir);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_open(&f->store, &f->conf), STORE_DAMAGED);
		shell("diff -r %s %s.before", f->dir, f->dir);
	}
}

static const char *const tables[] = {
	"keys", "values", "garbage", "expiry", "recent", "usage", "marks", "projects", "credentials",
	"signing_keys", "audit", "meta"
};
enum { TABLES = sizeof tables / sizeof tables[0] };
_Static_assert((int)TABLES == (int)STORE__TABLES, "all of them");

static void a_missing_table_is_damage(void **state)
{
	struct fixture f;

	(void)state;
	make_crashed(&f);
	for (int i = 0; i < TABLES; i++) {
		shell("mv %s/%s.db %s.table", f.dir, tables[i], f.dir);
		expect_damage(&f);
		shell("mv %s.table %s/%s.db", f.dir, f.dir, tables[i]);
	}
	fixture_open(&f);
	expect_rows(&f, 2 * ROWS);
	close_store(&f);
	remove_all(&f);
}

/* Recovery has to run before it is seen, and must not hide it from the next start. */
static void expect_lasting_damage(struct fixture *f)
{
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_open(&f->store, &f->conf), STORE_DAMAGED);
}

/* The log may hold the whole of what was cut off: then it is all there again. */
static void expect_damage_or_all(struct fixture *f, int rows)
{
	if (store_open(&f->store, &f->conf) == STORE_OPENED) {
		read_rows(f, rows, true);
		close_store(f);
	} else {
		expect_lasting_damage(f);
	}
}

static void a_table_that_was_cut_is_damage(void **state)
{
	static const char *const cuts[] = { "4096", "8192", "32768", "-4096", "-100" };

	(void)state;
	for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		struct fixture f;

		make_closed(&f);
		shell("truncate -s %s %s/keys.db", cuts[i], f.dir);
		expect_lasting_damage(&f);
		remove_all(&f);
		make_crashed(&f);
		shell("truncate -s %s %s/keys.db", cuts[i], f.dir);
		expect_damage_or_all(&f, 2 * ROWS);
		remove_all(&f);
	}
}

static void an_empty_table_is_damage(void **state)
{
	struct fixture f;

	(void)state;
	make_closed(&f);
	shell(": >%s/keys.db", f.dir);
	expect_damage(&f);
	remove_all(&f);
}

static void a_log_that_is_gone_is_damage(void **state)
{
	struct fixture f;

	(void)state;
	make_closed(&f);
	shell("rm %s/log/log.*", f.dir);
	expect_damage(&f);
	remove_all(&f);
	make_crashed(&f);
	shell("rm %s/log/log.*", f.dir);
	expect_damage(&f);
	/* An empty one in its place. */
	shell("touch %s/log/log.0000000001", f.dir);
	expect_damage(&f);
	remove_all(&f);
}

/* Several log files, of which recovery needs all. */
static void make_long_log(struct fixture *f)
{
	fixture_start(f);
	close_store(f);
	f->conf.checkpoint_size = 1 << 30;
	f->conf.checkpoint_s = 3600;
	fixture_open(f);
	for (int i = 0; i < 24; i++)
		put_rows(f, 2000 * i, 2000);
	shell("cp -a %s %s.crashed", f->dir, f->dir);
	close_store(f);
	shell("rm -r %s && mv %s.crashed %s && test -e %s/log/log.0000000003", f->dir, f->dir, f->dir, f->dir);
}

static void each_log_file_must_be_there(void **state)
{
	struct fixture f;

	(void)state;
	make_long_log(&f);
	for (int i = 2; i <= 3; i++) {
		shell("mv %s/log/log.000000000%d %s.log", f.dir, i, f.dir);
		expect_damage(&f);
		shell("mv %s.log %s/log/log.000000000%d", f.dir, f.dir, i);
	}
	/* The oldest that recovery begins with: no gap, but a log that does not reach back far enough. */
	shell("mv %s/log/log.0000000001 %s.log", f.dir, f.dir);
	assert_int_equal(store_open(&f.store, &f.conf), STORE_DAMAGED);
	shell("rm %s.log", f.dir);
	remove_all(&f);
}

static void flip(const struct fixture *f, const char *file, long at)
{
	char path[128];
	unsigned char byte;
	int fd;

	snprintf(path, sizeof path, "%s/%s", f->dir, file);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Where the log ends, from the file that says so. */
static uint32_t log_end(const struct fixture *f)
{
	uint32_t place[2];
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/log/position", f->dir);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, place, sizeof place, 0), sizeof place);
	close(fd);
	assert_int_equal(place[0], 1);
	return place[1];
}

/* A log that ends early looks as after a crash; only that somebody was told of more gives it away. */
static void a_log_that_was_cut_or_changed_is_damage(void **state)
{
	struct fixture f;
	uint32_t end;

	(void)state;
	make_crashed(&f);
	end = log_end(&f);
	shell("cp %s/log/log.0000000001 %s.log", f.dir, f.dir);
	for (int i = 0; i < 3; i++) {
		const uint32_t cuts[] = { end - 1, end / 2, 0 };

		shell("truncate -s %u %s/log/log.0000000001", cuts[i], f.dir);
		expect_damage(&f);
		shell("cp %s.log %s/log/log.0000000001", f.dir, f.dir);
	}
	for (int i = 1; i <= 5; i++) {
		flip(&f, "log/log.0000000001", (long)end - (long)end / i / 2 - 1);
		expect_damage(&f);
		shell("cp %s.log %s/log/log.0000000001", f.dir, f.dir);
	}
	fixture_open(&f);
	expect_rows(&f, 2 * ROWS);
	close_store(&f);
	shell("rm %s.log", f.dir);
	remove_all(&f);
}

/* Every page but the unused ones is read: a changed one is found, if not at start then when it is needed. */
static void a_changed_page_is_never_answered(void **state)
{
	char stored[ROW_SIZE];
	size_t n;

	(void)state;
	for (int page = 1; page < 5; page++) {
		struct fixture f;
		enum store_open_result result;

		make_closed(&f);
		flip(&f, "keys.db", page * 4096 + 1000);
		result = store_open(&f.store, &f.conf);
		if (result == STORE_OPENED) {
			read_rows(&f, ROWS, true);
			assert_true(store_is_damaged(f.store));
			/* Nothing more is answered. */
			assert_int_equal(store_get(f.store, STORE_META, STR_LIT("format"), stored, ROW_SIZE, &n), RC_STORE);
			close_store(&f);
		} else {
			assert_int_equal(result, STORE_DAMAGED);
		}
		remove_all(&f);
	}
}

static void a_page_that_is_not_there_is_damage(void **state)
{
	struct fixture f;

	(void)state;
	make_closed(&f);
	/* Nobody remembers how long it was. */
	shell("truncate -s -16384 %s/keys.db && rm %s/manifest", f.dir, f.dir);
	expect_lasting_damage(&f);
	remove_all(&f);
}

/* ---- the two files themselves ---- */

static void a_changed_manifest_is_damage(void **state)
{
	struct fixture f;

	(void)state;
	make_closed(&f);
	for (long at = 0; at < 60; at += 7) {
		flip(&f, "manifest", at);
		expect_damage(&f);
		flip(&f, "manifest", at);
	}
	shell("cp %s/manifest %s.table && truncate -s -3 %s/manifest", f.dir, f.dir, f.dir);
	expect_damage(&f);
	shell(": >%s/manifest", f.dir);
	expect_damage(&f);
	shell("mv %s.table %s/manifest", f.dir, f.dir);
	fixture_open(&f);
	close_store(&f);
	remove_all(&f);
}

/* Data of an older version has neither; a torn position says nothing, and the manifest less. */
static void without_them_the_store_opens(void **state)
{
	struct fixture f;

	(void)state;
	make_crashed(&f);
	shell("rm %s/manifest %s/log/position", f.dir, f.dir);
	fixture_open(&f);
	expect_rows(&f, 2 * ROWS);
	close_store(&f);
	shell("test -s %s/manifest && test -s %s/log/position", f.dir, f.dir);
	flip(&f, "log/position", 5);
	fixture_open(&f);
	expect_rows(&f, 2 * ROWS);
	close_store(&f);
	shell("truncate -s 3 %s/log/position", f.dir);
	fixture_open(&f);
	expect_rows(&f, 2 * ROWS);
	close_store(&f);
	remove_all(&f);
}

/* A position that a power cut left behind is an older one. */
static void an_older_position_is_fine(void **state)
{
	struct fixture f;

	(void)state;
	make_closed(&f);
	shell("cp %s/log/position %s.position", f.dir, f.dir);
	fixture_open(&f);
	put_rows(&f, ROWS, ROWS);
	close_store(&f);
	shell("mv %s.position %s/log/position", f.dir, f.dir);
	fixture_open(&f);
	expect_rows(&f, 2 * ROWS);
	close_store(&f);
	remove_all(&f);
}

static void a_log_directory_elsewhere_is_checked_too(void **state)
{
	struct fixture f;
	char log_dir[80];

	(void)state;
	fixture_start(&f);
	close_store(&f);
	shell("rm -r %s/*", f.dir);
	snprintf(log_dir, sizeof log_dir, "%s.elsewhere", f.dir);
	free(f.conf.log_dir);
	f.conf.log_dir = strdup(log_dir);
	fixture_open(&f);
	put_rows(&f, 0, ROWS);
	close_store(&f);
	/* Somebody changes the setting and forgets the files. */
	shell("mv %s %s.moved", log_dir, log_dir);
	assert_int_equal(store_open(&f.store, &f.conf), STORE_DAMAGED);
	shell("rmdir %s && mv %s.moved %s", log_dir, log_dir, log_dir);
	fixture_open(&f);
	expect_rows(&f, ROWS);
	close_store(&f);
	shell("rm -r %s", log_dir);
	remove_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_table_is_damage),
		cmocka_unit_test(a_table_that_was_cut_is_damage),
		cmocka_unit_test(an_empty_table_is_damage),
		cmocka_unit_test(a_log_that_is_gone_is_damage),
		cmocka_unit_test(each_log_file_must_be_there),
		cmocka_unit_test(a_log_that_was_cut_or_changed_is_damage),
		cmocka_unit_test(a_changed_page_is_never_answered),
		cmocka_unit_test(a_page_that_is_not_there_is_damage),
		cmocka_unit_test(a_changed_manifest_is_damage),
		cmocka_unit_test(without_them_the_store_opens),
		cmocka_unit_test(an_older_position_is_fine),
		cmocka_unit_test(a_log_directory_elsewhere_is_checked_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
