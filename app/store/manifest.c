/*
 * manifest.c - is all there that should be?
 *
 * Recovery takes what it finds. A table whose file is gone it makes anew, empty; what is missing of a file's end
 * it makes up with empty pages; a log that ends early it takes for one that a crash cut off, and goes on from
 * there. All of that would lose data without a word. So the store writes down what it has, and looks:
 *
 *   DATA/manifest   each table with the size of its file, and the place in the log that is on disk. Written anew
 *                   behind each checkpoint, and synced.
 *   LOG/position    the place in the log that was on disk after the last flush. Written in place, without a
 *                   sync: a crash leaves it as it is, a power cut may leave an older one.
 *   DATA/damaged    is there when recovery has run and something was found missing: a second recovery would
 *                   not see it any more.
 *
 * A log only grows: one that ends before either place has lost something. A table's file can shrink too, since
 * Berkeley DB gives back free pages at its end; so where one is shorter than the manifest says, recovery must have
 * written all pages from there on anew (they have all been allocated since), and tables_check() sees whether it has.
 *
 * What is not there, or is older than these files, is not checked. All of this runs at start and in the
 * checkpointer, but for position_note(), which is the committer's.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "store/backup_list.h"
#include "store/private.h"

enum {
	MANIFEST_MAX = 4096,
	PAGE_NUMBER_AT = 8,		/* in a page, u32 */
	META_LAST_PAGE_AT = 32		/* in a table's first page, u32 */
};

/* So that a torn or foreign file is known as one; nobody is to be kept from making one. */
static const struct hash_key sum_key = { 0x746d616b76206d61, 0x6e69666573742031 };

static uint64_t sum_of(struct str text)
{
	return hash_make(sum_key, text).a;
}

static bool is_before(struct log_place a, struct log_place b)
{
	return a.file != b.file ? a.file < b.file : a.offset < b.offset;
}

/* ---- the log's position ---- */

struct position_row {
	struct log_place place;
	uint64_t sum;
};

static struct position_row position_row(struct log_place place)
{
	char bytes[sizeof place];

	memcpy(bytes, &place, sizeof bytes);
	return (struct position_row){ place, sum_of(str_make(bytes, sizeof bytes)) };
}

static void position_path(const struct store *store, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/position", store->log_dir);
}

/* The start of the log when there is none, or it was torn. */
static struct log_place position_read(const struct store *store)
{
	char path[PATH_MAX];
	struct position_row row;
	ssize_t n = -1;
	int fd;

	position_path(store, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = pread(fd, &row, sizeof row, 0);
		close(fd);
	}
	if (n != sizeof row || row.sum != position_row(row.place).sum)
		return (struct log_place){ 0, 0 };
	return row.place;
}

bool position_open(struct store *store)
{
	char path[PATH_MAX];

	position_path(store, path);
	store->position_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->position_fd < 0) {
		LOG_ERROR("cannot open a file of the log directory", LOG_STR("path", path), LOG_ERRNO(errno));
		return false;
	}
	return true;
}

/* What is surely on disk. {0, 0} when that cannot be told. */
static struct log_place log_on_disk(struct store *store)
{
	struct log_place place = { 0, 0 };
	DB_LOG_STAT *stat = NULL;

	if (store->env->log_stat(store->env, &stat, 0) == 0)
		place = (struct log_place){ stat->st_disk_file, stat->st_disk_offset };
	free(stat);
	return place;
}

/* On a full disk it cannot be written the first time; then the manifest alone has to do. */
void position_note(struct store *store)
{
	struct position_row row = position_row(log_on_disk(store));
	ssize_t n = pwrite(store->position_fd, &row, sizeof row, 0);

	(void)n;
}

/* ---- what is there ---- */

static void table_path(const struct store *store, int table, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", store->data_dir, table_name((enum store_table)table));
}

static off_t table_size(const struct store *store, int table)
{
	char path[PATH_MAX];
	struct stat st;

	table_path(store, table, path);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

/* The log files of a directory. */
struct log_files {
	uint64_t first, last;
	size_t n;
	bool empty;			/* nothing in them */
};

static void log_files_add(struct log_files *files, const struct store *store, const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	uint64_t number;

	if (!log_is_name(name) || !str_to_u64(str_c(name + 4), 1, UINT32_MAX, &number))
		return;
	if (files->n == 0 || number < files->first)
		files->first = number;
	if (number > files->last)
		files->last = number;
	files->n++;
	snprintf(path, sizeof path, "%s/%s", store->log_dir, name);
	if (stat(path, &st) == 0 && st.st_size > 0)
		files->empty = false;
}

static struct log_files log_files_find(const struct store *store)
{
	struct log_files files = { .empty = true };
	DIR *dir = opendir(store->log_dir);
	const struct dirent *entry;

	if (dir == NULL)
		return files;
	while ((entry = readdir(dir)) != NULL)
		log_files_add(&files, store, entry->d_name);
	closedir(dir);
	return files;
}

/*
 * Where the log ends: behind its last whole record. An environment of the log alone finds that and writes
 * nothing, as long as there is a log at all. False when it cannot be read.
 */
static bool log_end_find(struct store *store, struct log_place *end)
{
	DB_LOG_STAT *stat = NULL;
	DB_ENV *env;
	int error = db_env_create(&env, 0);

	if (error != 0)
		return false;
	env->app_private = store;
	env->set_errcall(env, env_report);
	if ((error = env->set_lg_dir(env, store->log_dir)) == 0 &&
	    (error = env->open(env, store->data_dir, DB_CREATE | DB_PRIVATE | DB_INIT_LOG, 0600)) == 0 &&
	    (error = env->log_stat(env, &stat, 0)) == 0)
		*end = (struct log_place){ stat->st_cur_file, stat->st_cur_offset };
	free(stat);
	env->close(env, 0);
	return error == 0;
}

/* ---- the manifest ---- */

struct manifest {
	off_t table_size[STORE__TABLES];	/* 0: it does not say */
	struct log_place log;
};

static void manifest_path(const struct store *store, const char *suffix, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/manifest%s", store->data_dir, suffix);
}

static const char *damage_path(const struct store *store, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/damaged", store->data_dir);
	return path;
}

static size_t manifest_print(const struct store *store, struct log_place log, char text[MANIFEST_MAX])
{
	size_t n = (size_t)snprintf(text, MANIFEST_MAX, "tmakv %d\nlog %u %u\n", STORE_FORMAT, log.file, log.offset);

	for (int table = 0; table < STORE__TABLES; table++) {
		off_t size = table_size(store, table);

		if (size > 0)
			n += (size_t)snprintf(text + n, MANIFEST_MAX - n, "table %s %lld\n",
					      table_name((enum store_table)table),
					      (long long)size);
	}
	return n + (size_t)snprintf(text + n, MANIFEST_MAX - n, "sum %016llx\n",
				    (unsigned long long)sum_of(str_make(text, n)));
}

bool directory_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return synced;
}

/* PATH holds TEXT, on disk, when this answers true. */
static bool file_write(const char *path, struct str text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool written = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return written;
}

void manifest_write(struct store *store)
{
	char text[MANIFEST_MAX], path[PATH_MAX], new_path[PATH_MAX];
	size_t n = manifest_print(store, log_on_disk(store), text);

	manifest_path(store, "", path);
	manifest_path(store, ".new", new_path);
	/* The directory too: else the new name may be lost while the old file is gone. */
	if (file_write(new_path, str_make(text, n)) && rename(new_path, path) == 0 &&
	    directory_sync(store->data_dir))
		return;
	/* The old one says less, and nothing wrong. */
	if (!atomic_load(&store->full))
		LOG_WARN("the manifest could not be written", LOG_STR("path", path), LOG_ERRNO(errno));
	unlink(new_path);
}

static bool read_table(struct str words, struct manifest *manifest)
{
	struct str name, number;
	uint64_t size;

	str_cut(words, ' ', &name, &number);
	if (!str_to_u64(number, 1, INT64_MAX, &size))
		return false;
	for (int table = 0; table < STORE__TABLES; table++)
		if (str_eq(name, str_c(table_name((enum store_table)table))))
			manifest->table_size[table] = (off_t)size;
	return true;
}

static bool read_log(struct str words, struct manifest *manifest)
{
	struct str file, offset;
	uint64_t numbers[2];

	str_cut(words, ' ', &file, &offset);
	if (!str_to_u64(file, 0, UINT32_MAX, &numbers[0]) || !str_to_u64(offset, 0, UINT32_MAX, &numbers[1]))
		return false;
	manifest->log = (struct log_place){ (uint32_t)numbers[0], (uint32_t)numbers[1] };
	return true;
}

/* Lines that a later version may add are passed over. */
static bool read_lines(struct str text, struct manifest *manifest)
{
	const char *start = text.p;

	while (text.n != 0) {
		char sum[32];
		struct str line, word, words;
		size_t at = (size_t)(text.p - start);

		str_cut(text, '\n', &line, &text);
		str_cut(line, ' ', &word, &words);
		if (str_eq(word, STR_LIT("sum"))) {
			snprintf(sum, sizeof sum, "%016llx", (unsigned long long)sum_of(str_make(start, at)));
			return str_eq(words, str_c(sum));
		}
		if ((str_eq(word, STR_LIT("table")) && !read_table(words, manifest)) ||
		    (str_eq(word, STR_LIT("log")) && !read_log(words, manifest)))
			return false;
	}
	return false;
}

/* False when it is there and cannot be read. */
static bool manifest_read(const char *path, struct manifest *manifest)
{
	char text[MANIFEST_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	*manifest = (struct manifest){ .log = { 0, 0 } };
	if (fd < 0)
		return errno == ENOENT;
	n = read(fd, text, sizeof text);
	close(fd);
	return n > 0 && read_lines(str_make(text, (size_t)n), manifest);
}

/* ---- the check ---- */

static enum store_open_result damaged(struct store *store, const char *sentence, const char *path,
				      uint64_t have, uint64_t want)
{
	LOG_ERROR(sentence, LOG_STR("path", path), LOG_U64("is", have), LOG_U64("should_be", want));
	store_found_damage(store);
	return STORE_DAMAGED;
}

static enum store_open_result files_check(struct store *store, const struct manifest *manifest)
{
	for (int table = 0; table < STORE__TABLES; table++) {
		off_t want = manifest->table_size[table], have = table_size(store, table);
		char path[PATH_MAX];

		store->cut_from[table] = have < want ? have : -1;
		table_path(store, table, path);
		if (want > 0 && have < 0)
			return damaged(store, "a table's file is missing", path, 0, (uint64_t)want);
		if (want > 0 && have < PAGE_SIZE_BYTES)
			return damaged(store, "a table's file is too short: its end is missing", path,
				       (uint64_t)have, (uint64_t)want);
	}
	return STORE_OPENED;
}

static enum store_open_result log_check(struct store *store, struct log_place want)
{
	struct log_files files = log_files_find(store);
	struct log_place end;

	if (files.last < want.file || (want.file != 0 && files.empty))
		return damaged(store, "the newest log file is missing", store->log_dir, files.last, want.file);
	if (files.n != 0 && files.last - files.first + 1 != files.n)
		return damaged(store, "a log file is missing", store->log_dir, files.n,
			       files.last - files.first + 1);
	if (files.empty)
		return STORE_OPENED;
	if (!log_end_find(store, &end))
		return damaged(store, "the log cannot be read", store->log_dir, files.first, files.last);
	if (!is_before(end, want))
		return STORE_OPENED;
	LOG_ERROR("the log is damaged or cut off: what was acknowledged behind this place is missing",
		  LOG_STR("path", store->log_dir), LOG_U64("file", end.file), LOG_U64("offset", end.offset),
		  LOG_U64("should_reach_file", want.file), LOG_U64("should_reach_offset", want.offset));
	store_found_damage(store);
	return STORE_DAMAGED;
}

enum store_open_result manifest_check(struct store *store)
{
	char path[PATH_MAX];
	struct manifest manifest;
	struct log_place position = position_read(store);
	enum store_open_result result;

	manifest_path(store, "", path);
	if (!manifest_read(path, &manifest))
		return damaged(store, "the manifest is damaged", path, 0, 0);
	if (access(damage_path(store, path), F_OK) == 0)
		return damaged(store, "an earlier start found damage", path, 0, 0);
	result = files_check(store, &manifest);
	if (result != STORE_OPENED)
		return result;
	return log_check(store, is_before(manifest.log, position) ? position : manifest.log);
}

/* ---- behind recovery ---- */

/* Its number stands in each page that was ever written. */
static bool page_is_there(int fd, uint32_t page)
{
	uint32_t number;

	return pread(fd, &number, sizeof number, (off_t)page * PAGE_SIZE_BYTES + PAGE_NUMBER_AT) == sizeof number &&
	       number == page;
}

/* The last page that the table has, from its first one. Both are as Berkeley DB 5.3 stores them. */
static bool last_page_read(int fd, uint32_t *page)
{
	return pread(fd, page, sizeof *page, META_LAST_PAGE_AT) == sizeof *page;
}

/* Whether the file open as FD reaches as far as its table, and has all pages from CUT_FROM on. */
static bool table_is_whole(int fd, off_t size, off_t cut_from)
{
	uint32_t last;

	if (!last_page_read(fd, &last) || size < ((off_t)last + 1) * PAGE_SIZE_BYTES)
		return false;
	for (off_t page = cut_from / PAGE_SIZE_BYTES; cut_from >= 0 && page <= last; page++)
		if (!page_is_there(fd, (uint32_t)page))
			return false;
	return true;
}

/* So that nobody who starts the server again gets what is left, as if it were all. */
static void damage_remember(struct store *store)
{
	static const char text[] = "Data is missing in this directory: see the server's log. Restore the last backup into an empty one.\n";
	char path[PATH_MAX];

	if (!file_write(damage_path(store, path), str_c(text)) ||
	    !directory_sync(store->data_dir))
		LOG_ERROR("cannot make a file: do not start the server on this directory again",
			  LOG_STR("path", path), LOG_ERRNO(errno));
}

enum store_open_result tables_check(struct store *store)
{
	for (int table = 0; table < STORE__TABLES; table++) {
		off_t size = table_size(store, table);
		char path[PATH_MAX];
		bool whole;
		int fd;

		if (size < PAGE_SIZE_BYTES)
			continue;	/* made when it is opened; there was none before, or files_check() would have said so */
		table_path(store, table, path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		whole = fd >= 0 && table_is_whole(fd, size, store->cut_from[table]);
		if (fd >= 0)
			close(fd);
		if (whole)
			continue;
		damage_remember(store);
		return damaged(store, "a table's file is too short: pages are missing", path, (uint64_t)size,
			       store->cut_from[table] < 0 ? 0 : (uint64_t)store->cut_from[table]);
	}
	return STORE_OPENED;
}
