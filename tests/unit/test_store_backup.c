/*
 * test_store_backup.c - a copy made while others write is a state that was; what is damaged or half done is found.
 */
#include "config.h"

#include "store_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/backup.h"
#include "store/backup_list.h"
#include "store/commit.h"
#include "store/private.h"

/* ---- rows with numbers: what is there must be those up to some number ---- */

enum { ROW_SIZE = 700, CHAIN = 200 };

static uint32_t n_written;		/* acknowledged */
static enum store_table rows_in;

static enum rc row_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	char key[4], value[ROW_SIZE];
	uint32_t number = (uint32_t)(uintptr_t)arg;

	(void)op;
	/* Far from each other, so that pages split all over the table. */
	store_put_u32(key, number * 2654435761u);
	memset(value, (int)(number & 0xff), sizeof value);
	store_put_u32(value, number);
	return store_txn_put(txn, rows_in, str_make(key, sizeof key), str_make(value, sizeof value));
}

static void write_rows(struct store *store, uint32_t n)
{
	struct commit_op ops[CHAIN];

	while (n != 0) {
		uint32_t chain = n < CHAIN ? n : CHAIN;

		for (uint32_t i = 0; i < chain; i++) {
			commit_op_init(&ops[i], row_apply, (void *)(uintptr_t)(n_written + i), ROW_SIZE, STR_LIT(""));
			if (i > 0)
				ops[i - 1].next = &ops[i];
		}
		commit_run_all(store, ops);
		for (uint32_t i = 0; i < chain; i++)
			assert_int_equal(ops[i].rc, RC_OK);
		n_written += chain;
		n -= chain;
	}
}

/* How many rows there are; they are the first so many, and whole. */
static uint32_t count_rows(struct store *store)
{
	char key[4], value[ROW_SIZE], expected[ROW_SIZE];
	uint64_t rows;
	uint32_t n;
	size_t n_value;

	for (n = 0;; n++) {
		store_put_u32(key, n * 2654435761u);
		if (store_get(store, rows_in, str_make(key, sizeof key), value, sizeof value, &n_value) != RC_OK)
			break;
		memset(expected, (int)(n & 0xff), sizeof expected);
		store_put_u32(expected, n);
		assert_int_equal(n_value, ROW_SIZE);
		assert_memory_equal(value, expected, ROW_SIZE);
	}
	assert_int_equal(store_count(store, rows_in, STR_LIT(""), &rows), RC_OK);
	assert_int_equal(rows, n);
	return n;
}

/* ---- what is said ---- */

static char said[4096];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	size_t n = strlen(said);
	va_list args;

	va_start(args, format);
	vsnprintf(said + n, sizeof said - n, format, args);
	va_end(args);
	strncat(said, "\n", sizeof said - strlen(said) - 1);
}

static const struct copy_how how = { .say = say };

/* ---- a store, and a place for its backup ---- */

static struct fixture fixture;
static char place[128], list_path[160];

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	n_written = 0;
	rows_in = STORE_KEYS;
	said[0] = '\0';
	snprintf(place, sizeof place, "%s.backup", fixture.dir);
	snprintf(list_path, sizeof list_path, "%s/" BACKUP_LIST, place);
	assert_int_equal(mkdir(place, 0700), 0);
	return 0;
}

static int stop(void **state)
{
	char command[400];

	(void)state;
	fixture_stop(&fixture);
	snprintf(command, sizeof command, "rm -rf %s %s.restored", place, fixture.dir);
	assert_int_equal(system(command), 0);
	return 0;
}

/* Called in the middle of a backup, once. */
static void (*hook)(void);
static uint64_t hook_at;
static bool go_on;

static bool step(void *arg, uint64_t done, uint64_t whole)
{
	void (*run)(void) = hook;

	(void)arg;
	assert_true(whole != 0);
	if (run != NULL && done >= hook_at) {
		hook = NULL;
		run();
	}
	return go_on;
}

static enum backup_end make_copy(struct backup *backup, void (*run)(void), uint64_t at)
{
	enum backup_end end;

	hook = run;
	hook_at = at;
	go_on = true;
	*backup = (struct backup){ .dir = open(place, O_RDONLY | O_DIRECTORY), .account = "an account", .step = step };
	end = store_backup(fixture.store, backup);
	close(backup->dir);
	return end;
}

static void make_backup(void (*run)(void), uint64_t at)
{
	struct backup backup;
	struct backup_info info;

	assert_int_equal(make_copy(&backup, run, at), BACKUP_DONE);
	assert_int_equal(copy_recover(place, &how), COPY_OK);
	assert_int_equal(copy_check(place, &how), COPY_OK);
	assert_int_equal(backup_seal(place, 7, &info, &how), COPY_OK);
	assert_string_equal(said, "");
	assert_int_equal(info.keys, 7);
	assert_string_equal(info.account, "an account");
}

/* The rows of the backup, read where it lies. */
static uint32_t rows_of_backup(void)
{
	struct store *store;
	uint32_t n;

	assert_int_equal(copy_open(&store, place, &how), COPY_OK);
	n = count_rows(store);
	copy_close(store);
	return n;
}

static size_t logs_older_than(const char *name)
{
	char path[128];
	struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof path, "%s/log", fixture.dir);
	dir = opendir(path);
	while ((entry = readdir(dir)) != NULL)
		n += strncmp(entry->d_name, "log.", 4) == 0 && strcmp(entry->d_name, name) < 0;
	closedir(dir);
	return n;
}

/* ---- while others write ---- */

static uint32_t written_before;

static void write_many(void)
{
	written_before = n_written;
	write_rows(fixture.store, 4000);
}

static void backup_is_a_prefix_of_what_was_written(void **state)
{
	(void)state;
	write_rows(fixture.store, 3000);
	make_backup(write_many, 1);
	assert_int_equal(written_before, 3000);
	assert_int_equal(rows_of_backup(), 7000);
	/* What is written behind it is not in it. */
	write_rows(fixture.store, 10);
	assert_int_equal(rows_of_backup(), 7000);
}

/*
 * A table whose last pages are in no file yet is read to the end of its file; and right then those pages are
 * written. What is copied then must not come into a place where it does not belong. Syncing needs a thread: it
 * waits for the pages that are being copied.
 */
enum { PIECE = 256 * 1024 };

static pthread_t syncer;
static bool syncs;

static void *sync_run(void *arg)
{
	(void)arg;
	fixture.store->env->memp_sync(fixture.store->env, NULL);
	return NULL;
}

static off_t size_of(const char *dir, const char *name)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return stat(path, &st) == 0 ? st.st_size : 0;
}

static void grow_behind_its_end(void)
{
	off_t copied = size_of(place, "marks.db"), size = size_of(fixture.dir, "marks.db");

	hook = grow_behind_its_end;
	if (copied == 0 || copied % PIECE == 0)
		return;
	hook = NULL;
	syncs = pthread_create(&syncer, NULL, sync_run, NULL) == 0;
	while (size_of(fixture.dir, "marks.db") < size + 200 * 4096)
		usleep(1000);
}

/* Before its table is begun, so that Berkeley DB counts on more pages than there are in the file. */
static void write_dirty_pages(void)
{
	write_rows(fixture.store, 3000);
	hook = grow_behind_its_end;
}

static void table_may_grow_while_it_is_copied(void **state)
{
	(void)state;
	rows_in = STORE_MARKS;
	write_rows(fixture.store, 3000);
	make_backup(write_dirty_pages, 1);
	assert_true(syncs);
	pthread_join(syncer, NULL);
	assert_int_equal(rows_of_backup(), 6000);
}

/* A checkpoint takes old log files away; not the second one of a second. */
static void await_removal(void)
{
	for (int i = 0; i < 500 && logs_older_than("log.0000000002") != 0; i++) {
		write_rows(fixture.store, 1);
		assert_int_equal(checkpoint_now(fixture.store), 0);
		usleep(20000);
	}
	assert_int_equal(logs_older_than("log.0000000002"), 0);
}

/* Not while a table is copied: a checkpoint waits for the pages that are under way. */
static void take_checkpoint(void)
{
	hook = take_checkpoint;
	if (size_of(place, "log/log.0000000001") == 0)
		return;
	hook = NULL;
	/* Longer than a second: old files go with the first checkpoint of each. */
	for (int i = 0; i < 12; i++) {
		write_rows(fixture.store, 1);
		assert_int_equal(checkpoint_now(fixture.store), 0);
		usleep(100000);
	}
	assert_int_equal(logs_older_than("log.0000000002"), 1);
}

/* A few large rows: more than a log file of them. */
static enum rc filler_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	static char value[1 << 20];

	(void)op;
	(void)arg;
	value[0]++;
	return store_txn_put(txn, STORE_META, STR_LIT("filler"), str_make(value, sizeof value));
}

static void fill_log(void)
{
	for (int i = 0; i < 12; i++) {
		struct commit_op op;

		commit_op_init(&op, filler_apply, NULL, 1, STR_LIT(""));
		assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	}
}

static void fill_log_files(void)
{
	fill_log();
	hook = take_checkpoint;
}

static void log_files_stay_until_it_is_done(void **state)
{
	(void)state;
	write_rows(fixture.store, 1000);
	make_backup(fill_log_files, 1);
	assert_null(hook);
	assert_int_equal(logs_older_than("log.0000000002"), 0);
	assert_in_range(rows_of_backup(), 1000, 1012);
}

/* ---- what does not come to its end ---- */

static void do_stop(void)
{
	go_on = false;
}

static void expect_no_backup(void)
{
	struct backup_info info;

	assert_int_equal(copy_recover(place, &how), COPY_NONE);
	assert_int_equal(backup_compare(place, &info, &how), COPY_NONE);
	assert_int_not_equal(access(list_path, F_OK), 0);
}

static void cancelled_backup_is_none(void **state)
{
	struct backup backup;

	(void)state;
	write_rows(fixture.store, 1000);
	assert_int_equal(make_copy(&backup, do_stop, 1), BACKUP_CANCELLED);
	expect_no_backup();
	/* And the log is let go. */
	fill_log();
	await_removal();
}

/* ENOSPC for the backup's own writes; libdb does not go through here. */
ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
static int writes_left = -1, write_error;

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (writes_left == 0) {
		errno = write_error;
		return -1;
	}
	if (writes_left > 0)
		writes_left--;
	return __real_pwrite(fd, p, n, at);
}

static void full_or_broken_target_is_told(void **state)
{
	struct backup backup;
	char command[300];

	(void)state;
	write_rows(fixture.store, 1000);
	for (int i = 0; i < 15; i++) {
		writes_left = i;
		write_error = i % 2 == 0 ? ENOSPC : EIO;
		assert_int_equal(make_copy(&backup, NULL, 0), i % 2 == 0 ? BACKUP_NO_ROOM : BACKUP_TARGET);
		assert_int_equal(backup.error, write_error);
		expect_no_backup();
		snprintf(command, sizeof command, "rm -rf %s/*", place);
		assert_int_equal(system(command), 0);
	}
	writes_left = -1;
	said[0] = '\0';
	make_backup(NULL, 0);
	write_rows(fixture.store, 1);
}

static void fill_disk(void)
{
	fixture.store->reserve_bytes = UINT64_MAX;	/* whatever is free is too little */
	space_measure(fixture.store);
}

static void backup_is_given_up_for_the_disk_of_the_data(void **state)
{
	struct backup backup;

	(void)state;
	write_rows(fixture.store, 1000);
	assert_int_equal(make_copy(&backup, fill_disk, 1), BACKUP_DISK_FULL);
	expect_no_backup();
	fixture.store->reserve_bytes = 0;
	space_measure(fixture.store);
	write_rows(fixture.store, 1);
}

static void file_in_the_way_is_not_overwritten(void **state)
{
	struct backup backup;
	char path[200];

	(void)state;
	snprintf(path, sizeof path, "%s/keys.db", place);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(make_copy(&backup, NULL, 0), BACKUP_TARGET);
	assert_int_equal(backup.error, EEXIST);
	assert_string_equal(backup.file, "keys.db");
}

/* ---- damage ---- */

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(__real_pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void expect_damage(const char *name)
{
	struct backup_info info;

	said[0] = '\0';
	assert_int_equal(backup_compare(place, &info, &how), COPY_DAMAGED);
	assert_non_null(strstr(said, name));
}

static void expect_good(void)
{
	struct backup_info info;

	said[0] = '\0';
	assert_int_equal(backup_compare(place, &info, &how), COPY_OK);
	assert_string_equal(said, "");
}

static void damage_each(const char *dir, const char *prefix)
{
	DIR *all = opendir(dir);
	struct dirent *entry;
	char path[500], away[520], name[300];
	struct stat st;

	assert_non_null(all);
	while ((entry = readdir(all)) != NULL) {
		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		assert_int_equal(stat(path, &st), 0);
		if (!S_ISREG(st.st_mode) || strcmp(entry->d_name, BACKUP_LIST) == 0)
			continue;
		snprintf(name, sizeof name, "%s%s", prefix, entry->d_name);
		for (int i = 0; i < 3; i++) {
			off_t at = i == 0 ? 0 : i == 1 ? st.st_size / 2 : st.st_size - 1;

			flip(path, at);
			expect_damage(name);
			flip(path, at);
		}
		snprintf(away, sizeof away, "%s.away", path);
		assert_int_equal(rename(path, away), 0);
		expect_damage(name);
		assert_int_equal(rename(away, path), 0);
		expect_good();
	}
	closedir(all);
}

static void each_flipped_byte_and_missing_file_is_named(void **state)
{
	struct backup_info info;
	char logs[160];
	struct stat st;

	(void)state;
	write_rows(fixture.store, 500);
	make_backup(NULL, 0);
	expect_good();
	damage_each(place, "");
	snprintf(logs, sizeof logs, "%s/log", place);
	damage_each(logs, "log/");
	/* The list: every byte of it. */
	assert_int_equal(stat(list_path, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		flip(list_path, at);
		assert_int_not_equal(backup_compare(place, &info, &how), COPY_OK);
		flip(list_path, at);
	}
	expect_good();
	for (off_t size = 0; size < st.st_size; size += 70) {
		char command[700];

		snprintf(command, sizeof command, "cp %s %s.kept && truncate -s %ld %s", list_path, list_path, (long)size, list_path);
		assert_int_equal(system(command), 0);
		assert_int_equal(backup_compare(place, &info, &how), COPY_DAMAGED);
		snprintf(command, sizeof command, "mv %s.kept %s", list_path, list_path);
		assert_int_equal(system(command), 0);
	}
	expect_good();
}

/* A page of the source was damaged already: the copy is made of it, and must not become a backup. */
static void damaged_page_in_the_copy_is_found(void **state)
{
	struct backup backup;
	char path[200];
	int status;
	pid_t pid;

	(void)state;
	write_rows(fixture.store, 3000);
	assert_int_equal(make_copy(&backup, NULL, 0), BACKUP_DONE);
	snprintf(path, sizeof path, "%s/keys.db", place);
	flip(path, 100 * 4096 + 2000);
	/* In a process of its own, as ever; Berkeley DB loses some memory here. */
	pid = fork();
	if (pid == 0)
		_exit((copy_recover(place, &how) == COPY_OK && copy_check(place, &how) != COPY_DAMAGED) ||
		      strstr(said, "checksum") == NULL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- putting it back ---- */

static void restore_into(const char *dir, enum copy_end expected, const char *sentence)
{
	struct backup_info info;
	char logs[200];

	snprintf(logs, sizeof logs, "%s/log", dir);
	said[0] = '\0';
	assert_int_equal(backup_restore(place, dir, logs, &info, &how), expected);
	if (sentence != NULL)
		assert_non_null(strstr(said, sentence));
	else
		assert_string_equal(said, "");
}

static void reopen_at(const char *dir, enum store_open_result expected)
{
	store_close(fixture.store);
	fixture.store = NULL;
	free(fixture.conf.data_dir);
	fixture.conf.data_dir = strdup(dir);
	assert_int_equal(store_open(&fixture.store, &fixture.conf), expected);
}

static bool is_empty(const char *dir)
{
	DIR *all = opendir(dir);
	struct dirent *entry;
	bool empty = true;

	while ((entry = readdir(all)) != NULL)
		empty = empty && (entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0 || strcmp(entry->d_name, "log") == 0);
	closedir(all);
	return empty;
}

static void restored_store_goes_on(void **state)
{
	char dir[160];

	(void)state;
	write_rows(fixture.store, 3000);
	make_backup(write_many, 1);
	snprintf(dir, sizeof dir, "%s.restored", fixture.dir);
	restore_into(dir, COPY_OK, NULL);
	restore_into(dir, COPY_NONE, "not empty");
	reopen_at(dir, STORE_OPENED);
	restore_into(dir, COPY_NONE, "works on");
	assert_int_equal(count_rows(fixture.store), 7000);
	write_rows(fixture.store, 5000);
	reopen_at(dir, STORE_OPENED);
	assert_int_equal(count_rows(fixture.store), 12000);
}

static void damaged_backup_leaves_nothing_behind(void **state)
{
	char dir[160], path[200];

	(void)state;
	write_rows(fixture.store, 500);
	make_backup(NULL, 0);
	snprintf(dir, sizeof dir, "%s.restored", fixture.dir);
	snprintf(path, sizeof path, "%s/meta.db", place);
	flip(path, 5000);
	restore_into(dir, COPY_DAMAGED, "meta.db");
	assert_true(is_empty(dir));
	flip(path, 5000);
	restore_into(dir, COPY_OK, NULL);
}

static void interrupted_restore_is_refused_and_begun_anew(void **state)
{
	char dir[160], path[220];

	(void)state;
	write_rows(fixture.store, 500);
	make_backup(NULL, 0);
	snprintf(dir, sizeof dir, "%s.restored", fixture.dir);
	/* As it is when it dies in the middle: the mark, and some of the files, one of them not whole. */
	restore_into(dir, COPY_OK, NULL);
	snprintf(path, sizeof path, "%s/restoring", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof path, "%s/keys.db", dir);
	assert_int_equal(truncate(path, 5000), 0);
	snprintf(path, sizeof path, "%s/usage.db", dir);
	unlink(path);
	reopen_at(dir, STORE_MISCONFIGURED);
	restore_into(dir, COPY_OK, NULL);
	/* What a restore does not make is not taken away, mark or no mark. */
	snprintf(path, sizeof path, "%s/restoring", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof path, "%s/precious", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	restore_into(dir, COPY_NONE, "precious");
	unlink(path);
	restore_into(dir, COPY_OK, NULL);
	assert_int_equal(store_open(&fixture.store, &fixture.conf), STORE_OPENED);
	assert_int_equal(count_rows(fixture.store), 500);
}

/* ---- of an earlier version ---- */

/* Such a one has no file of it, and no line for that in its list. */
static void a_backup_of_before_there_was_an_audit_log_is_good(void **state)
{
	int dir = open(place, O_RDONLY | O_DIRECTORY);
	struct backup_list list;
	struct store *store;

	(void)state;
	write_rows(fixture.store, 10);
	make_backup(NULL, 0);
	assert_int_equal(list_read(&list, dir, BACKUP_LIST, true, &how), COPY_OK);
	for (size_t i = 0; i < list.n; i++)
		if (strcmp(list.files[i].name, "audit.db") == 0)
			list.files[i--] = list.files[--list.n];
	list.info.format = 2;
	assert_int_equal(list_write(&list, dir, BACKUP_LIST), 0);
	list_clear(&list);
	assert_int_equal(unlinkat(dir, "audit.db", 0), 0);
	close(dir);
	expect_good();
	assert_int_equal(copy_check(place, &how), COPY_OK);
	assert_int_equal(copy_open(&store, place, &how), COPY_OK);
	assert_false(store_has_table(store, STORE_AUDIT));
	assert_true(store_has_table(store, STORE_META));
	assert_int_equal(count_rows(store), 10);
	copy_close(store);
	assert_string_equal(said, "");
}

#define WITH_A_PLACE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_A_PLACE(a_backup_of_before_there_was_an_audit_log_is_good),
		WITH_A_PLACE(backup_is_a_prefix_of_what_was_written),
		WITH_A_PLACE(table_may_grow_while_it_is_copied),
		WITH_A_PLACE(log_files_stay_until_it_is_done),
		WITH_A_PLACE(cancelled_backup_is_none),
		WITH_A_PLACE(full_or_broken_target_is_told),
		WITH_A_PLACE(backup_is_given_up_for_the_disk_of_the_data),
		WITH_A_PLACE(file_in_the_way_is_not_overwritten),
		WITH_A_PLACE(each_flipped_byte_and_missing_file_is_named),
		WITH_A_PLACE(damaged_page_in_the_copy_is_found),
		WITH_A_PLACE(restored_store_goes_on),
		WITH_A_PLACE(damaged_backup_leaves_nothing_behind),
		WITH_A_PLACE(interrupted_restore_is_refused_and_begun_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
