/*
 * birth.c - the first start on a data directory, and new tables: nothing is stored before their files are safe.
 *
 * Berkeley DB logs that it makes a file, and recovery makes it again, but without a sync: when the power goes then
 * once more, there may be a file of zeros under a good name. The next recovery fails at it, or takes it for a table
 * that was deleted later and leaves its rows out. So
 *
 *   - behind each table that was made there is a checkpoint, and names are synced: no recovery makes its file again;
 *   - as long as a new directory has not come so far, there is a file `unfinished` in it. Nothing was
 *     acknowledged there, and whoever finds it starts over. Not where there is a manifest, which is written
 *     behind that; and the files are renamed, not removed: somebody may have put better ones there meanwhile.
 *
 * The thread that opens the store.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/private.h"

#define MARK "unfinished"
#define ASIDE MARK "."

static bool is_table(const char *name)
{
	size_t n = strlen(name);

	if (strncmp(name, ASIDE, strlen(ASIDE)) == 0)
		return false;
	return strncmp(name, "__db.", 5) == 0 || (n > 3 && strcmp(name + n - 3, ".db") == 0);
}

static bool is_log(const char *name)
{
	return strncmp(name, "log.", 4) == 0;
}

static bool failed(const char *what, const char *path)
{
	LOG_ERROR(what, LOG_STR("path", path), LOG_ERRNO(errno));
	return false;
}

/* Call EACH for the files of DIR that are ours; false when it answers so, or DIR cannot be read. */
static bool each_file(const char *dir, bool (*is_ours)(const char *),
		      bool (*each)(const char *dir, const char *name, void *arg), void *arg)
{
	DIR *stream = opendir(dir);
	const struct dirent *entry;
	bool good = stream != NULL;

	if (!good)
		return failed("cannot read a directory", dir);
	while (good && (entry = readdir(stream)) != NULL)
		good = !is_ours(entry->d_name) || each(dir, entry->d_name, arg);
	closedir(stream);
	return good;
}

static bool count(const char *dir, const char *name, void *arg)
{
	size_t *n = arg;

	(void)dir;
	(void)name;
	++*n;
	return true;
}

static bool set_aside(const char *dir, const char *name, void *arg)
{
	char from[PATH_MAX], to[PATH_MAX];

	(void)arg;
	snprintf(from, sizeof from, "%s/%s", dir, name);
	snprintf(to, sizeof to, "%s/" ASIDE "%s", dir, name);
	return rename(from, to) == 0 || failed("cannot rename what an unfinished start left", from);
}

/* What was made, renamed and removed in DIR stays so. */
static bool names_sync(const char *dir)
{
	return directory_sync(dir) || failed("cannot sync a directory", dir);
}

static bool mark_make(const char *path, const char *dir)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool good = fd >= 0 && fsync(fd) == 0;

	if (!good)
		failed("cannot make a file", path);
	if (fd >= 0)
		close(fd);
	return good && names_sync(dir);
}

static void mark_path(const struct store *store, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" MARK, store->data_dir);
}

bool birth_begin(struct store *store)
{
	char mark[PATH_MAX];
	size_t n = 0;

	if (file_is_there(store, MARK) && !file_is_there(store, "manifest")) {
		LOG_WARN("the first start was interrupted before anything was stored: starting over, with new files",
			 LOG_STR("data_dir", store->data_dir));
		return each_file(store->data_dir, is_table, set_aside, NULL) &&
		       each_file(store->log_dir, is_log, set_aside, NULL) &&
		       names_sync(store->log_dir) && names_sync(store->data_dir);
	}
	if (!each_file(store->data_dir, is_table, count, &n) || !each_file(store->log_dir, is_log, count, &n))
		return false;
	mark_path(store, mark);
	return n != 0 || mark_make(mark, store->data_dir);
}

bool birth_end(struct store *store)
{
	char mark[PATH_MAX];

	if (!store->made_tables)
		return true;
	if (store->env->txn_checkpoint(store->env, 0, 0, DB_FORCE) != 0) {
		LOG_ERROR("a checkpoint failed", LOG_STR("data_dir", store->data_dir));
		return false;
	}
	if (!names_sync(store->log_dir) || !names_sync(store->data_dir))
		return false;
	mark_path(store, mark);
	if (unlink(mark) != 0)
		return errno == ENOENT || failed("cannot remove a file", mark);
	/* Before anything is acknowledged: were the mark to come back, all would be set aside. */
	return names_sync(store->data_dir);
}
