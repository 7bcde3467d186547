/*
 * backup_check.c - a copy of the store, in a process of its own: brought to rest, checked, sealed, compared.
 *
 * Damaged files can crash Berkeley DB, so this is never done by a server. A table is opened here without an
 * environment and for reading only, so checking changes nothing and needs no room.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <dirent.h>
#include <unistd.h>

#include "store/backup_list.h"
#include "store/private.h"

enum { CACHE_BYTES = 32 << 20, TABLE_CACHE_BYTES = 8 << 20 };

/* Of the process: Berkeley DB hands its words to a function that knows nothing else. */
static const struct copy_how *how_of_process;

static void on_error(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	how_of_process->say("Berkeley DB: %s", text);
}

static char *path_of(const char *dir, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		abort();
	return path;
}

/* The descriptor of DIR, or -1 and it was said. */
static int dir_open(const char *dir, const struct copy_how *how)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		how->say("%s: %s", dir, strerror(errno));
	return fd;
}

static enum copy_end end_of(int error)
{
	switch (error) {
	case 0:
		return COPY_OK;
	case ENOSPC:
	case EDQUOT:
	case EACCES:
	case EPERM:
	case EROFS:
	case ENOMEM:
		return COPY_IO;
	}
	return COPY_DAMAGED;
}

/* ---- coming to rest ---- */

static int env_open(DB_ENV **env, const char *dir)
{
	const u_int32_t flags = DB_CREATE | DB_PRIVATE | DB_THREAD | DB_RECOVER_FATAL | DB_INIT_MPOOL |
				DB_INIT_LOCK | DB_INIT_LOG | DB_INIT_TXN;
	int error = db_env_create(env, 0);

	if (error != 0)
		return error;
	(*env)->set_errcall(*env, on_error);
	if ((error = (*env)->set_cachesize(*env, 0, CACHE_BYTES, 1)) == 0 &&
	    (error = (*env)->set_lg_dir(*env, "log")) == 0 &&
	    (error = (*env)->set_lk_max_locks(*env, 10000)) == 0 &&
	    (error = (*env)->set_lk_max_objects(*env, 10000)) == 0)
		error = (*env)->open(*env, dir, flags, 0600);
	return error;
}

/* A checkpoint, so that a start finds nothing to do; then only the last log file is needed, up to *END. */
static int env_settle(DB_ENV *env, DB_LSN *end)
{
	DB_LOG_STAT *stat = NULL;
	int error;

	if ((error = env->txn_checkpoint(env, 0, 0, DB_FORCE)) == 0 &&
	    (error = env->log_archive(env, NULL, DB_ARCH_REMOVE)) == 0 &&
	    (error = env->log_flush(env, NULL)) == 0 && (error = env->log_stat(env, &stat, 0)) == 0)
		*end = (DB_LSN){ stat->st_disk_file, stat->st_disk_offset };
	free(stat);
	return error;
}

/* Recovery fills the last log file up with zeros, which nobody needs to keep. */
static int log_cut(const char *dir, DB_LSN end)
{
	char name[32], *path;
	int error;

	snprintf(name, sizeof name, "log/log.%010u", end.file);
	path = path_of(dir, name);
	error = truncate(path, end.offset) == 0 ? 0 : errno;
	free(path);
	return error;
}

static enum copy_end tables_are_there(int fd, const struct copy_how *how)
{
	enum copy_end end = COPY_OK;
	struct stat st;

	for (int table = 0; table < STORE__TABLES; table++)
		if (fstatat(fd, table_name((enum store_table)table), &st, AT_SYMLINK_NOFOLLOW) != 0) {
			how->say("%s is missing", table_name((enum store_table)table));
			end = COPY_DAMAGED;
		}
	return end;
}

static enum copy_end recover(const char *dir, const struct copy_how *how)
{
	DB_ENV *env = NULL;
	DB_LSN lsn = { 0, 0 };
	int error, closed;

	how_of_process = how;
	error = env_open(&env, dir);
	if (error == 0)
		error = env_settle(env, &lsn);
	if (env != NULL && (closed = env->close(env, 0)) != 0 && error == 0)
		error = closed;
	if (error == 0)
		error = log_cut(dir, lsn);
	if (error != 0)
		how->say("the log cannot be applied to the tables: %s", db_strerror(error));
	return end_of(error);
}

enum copy_end copy_recover(const char *dir, const struct copy_how *how)
{
	struct backup_list list;
	int fd = dir_open(dir, how);
	enum copy_end end;

	if (fd < 0)
		return COPY_NONE;
	end = list_read(&list, fd, BACKUP_COPIED, false, how);
	if (end == COPY_NONE)
		how->say("not everything was copied");
	else if (end == COPY_OK && list.info.format != STORE_FORMAT) {
		how->say("the copy was made by another version of tmakvd than this, whose data have another format");
		end = COPY_NONE;
	}
	if (end == COPY_OK && (end = tables_are_there(fd, how)) == COPY_OK)
		end = recover(dir, how);
	list_clear(&list);
	close(fd);
	return end;
}

/* ---- what Berkeley DB says of the pages ---- */

static enum copy_end table_check(const char *dir, const char *name, const struct copy_how *how)
{
	char *path = path_of(dir, name);
	DB *db;
	int error = db_create(&db, NULL, 0);

	if (error == 0) {
		db->set_errcall(db, on_error);
		db->set_cachesize(db, 0, CACHE_BYTES, 1);
		error = db->verify(db, path, NULL, NULL, 0);	/* closes it */
	}
	free(path);
	if (error != 0)
		how->say("%s is damaged: %s", name, db_strerror(error));
	return end_of(error);
}

static uint64_t size_at(int fd, const char *name)
{
	struct stat st;

	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

/* Of backups that an earlier version made. The list of a backup says what is in it, and that was compared. */
static bool is_younger(const char *dir, enum store_table table)
{
	char *path = table == STORE_AUDIT ? path_of(dir, table_name(table)) : NULL;
	struct stat st;
	bool younger = path != NULL && lstat(path, &st) != 0 && errno == ENOENT;

	free(path);
	return younger;
}

enum copy_end copy_check(const char *dir, const struct copy_how *how)
{
	enum copy_end end = COPY_OK, one;
	uint64_t whole = 0, done = 0;
	int fd = dir_open(dir, how);

	if (fd < 0)
		return COPY_NONE;
	how_of_process = how;
	for (int table = 0; table < STORE__TABLES; table++)
		whole += size_at(fd, table_name((enum store_table)table));
	for (int table = 0; table < STORE__TABLES; table++) {
		const char *name = table_name((enum store_table)table);

		if (is_younger(dir, (enum store_table)table))
			continue;
		one = table_check(dir, name, how);
		end = end == COPY_OK ? one : end;
		done += size_at(fd, name);
		if (how->progress != NULL)
			how->progress(done, whole);
	}
	close(fd);
	return end;
}

/* ---- reading one ---- */

static int table_open(DB **db, const char *path)
{
	int error = db_create(db, NULL, 0);

	if (error != 0)
		return error;
	(*db)->set_errcall(*db, on_error);
	(*db)->set_cachesize(*db, 0, TABLE_CACHE_BYTES, 1);
	return (*db)->open(*db, NULL, path, NULL, DB_BTREE, DB_RDONLY | DB_THREAD, 0);
}

enum copy_end copy_open(struct store **out, const char *dir, const struct copy_how *how)
{
	struct store *store = calloc(1, sizeof *store);
	int error = store == NULL ? ENOMEM : 0;

	*out = store;
	how_of_process = how;
	for (int table = 0; table < STORE__TABLES && error == 0; table++) {
		char *path;

		if (is_younger(dir, (enum store_table)table))
			continue;
		path = path_of(dir, table_name((enum store_table)table));
		error = table_open(&store->db[table], path);
		free(path);
		if (error != 0)
			how->say("%s cannot be opened: %s", table_name((enum store_table)table), db_strerror(error));
	}
	return end_of(error);
}

void copy_close(struct store *store)
{
	for (int table = 0; store != NULL && table < STORE__TABLES; table++)
		if (store->db[table] != NULL)
			store->db[table]->close(store->db[table], 0);
	free(store);
}

/* ---- the list ---- */

static int file_sync(int dir_fd, const char *name, int flags)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags);
	int error = fd < 0 || fsync(fd) != 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

/* Sync NAME and add it. 0, or errno. */
static int file_seal(struct backup_list *list, int fd, const char *name)
{
	struct backup_file file;
	bool wrote;
	int error = file_pass(fd, name, -1, &file, &wrote);

	if (error == 0 && (error = file_sync(fd, name, 0)) == 0)
		list_add(list, name, file.size, file.hash);
	return error;
}

static int logs_seal(struct backup_list *list, int fd)
{
	int log_fd = openat(fd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), error = 0;
	DIR *dir = log_fd < 0 ? NULL : fdopendir(log_fd);
	struct dirent *entry;
	char name[BACKUP_NAME_MAX + 1];

	if (dir == NULL)
		return errno;
	while (error == 0 && (entry = readdir(dir)) != NULL) {
		if (!log_is_name(entry->d_name))
			continue;
		snprintf(name, sizeof name, "log/%.20s", entry->d_name);
		error = file_seal(list, fd, name);
	}
	closedir(dir);
	return error != 0 ? error : file_sync(fd, "log", O_DIRECTORY);
}

static int seal(struct backup_list *list, int fd)
{
	int error = 0;

	for (int table = 0; table < STORE__TABLES && error == 0; table++)
		error = file_seal(list, fd, table_name((enum store_table)table));
	if (error != 0 || (error = logs_seal(list, fd)) != 0 || (error = list_write(list, fd, BACKUP_LIST ".new")) != 0)
		return error;
	if (unlinkat(fd, BACKUP_COPIED, 0) != 0 || renameat(fd, BACKUP_LIST ".new", fd, BACKUP_LIST) != 0 || fsync(fd) != 0)
		return errno;
	return 0;
}

enum copy_end backup_seal(const char *dir, uint64_t keys, struct backup_info *info, const struct copy_how *how)
{
	struct backup_list list;
	int fd = dir_open(dir, how), error;
	enum copy_end end = fd < 0 ? COPY_NONE : list_read(&list, fd, BACKUP_COPIED, false, how);

	if (end == COPY_OK) {
		list.info.keys = keys;
		if ((error = seal(&list, fd)) != 0) {
			how->say("the list of the backup cannot be made: %s", strerror(error));
			end = COPY_IO;
		}
		*info = list.info;
		list_clear(&list);
	}
	if (fd >= 0)
		close(fd);
	return end;
}

static enum copy_end file_compare(int fd, const struct backup_file *expected, const struct copy_how *how)
{
	struct backup_file file;
	bool wrote;
	int error = file_pass(fd, expected->name, -1, &file, &wrote);

	if (error == ENOENT) {
		how->say("%s is missing", expected->name);
	} else if (error == EACCES || error == EPERM) {
		how->say("%s cannot be read: %s", expected->name, strerror(error));
		return COPY_IO;
	} else if (error != 0) {
		how->say("%s cannot be read: %s", expected->name, strerror(error));
	} else if (file.size != expected->size) {
		how->say("%s has %llu bytes, not %llu", expected->name, (unsigned long long)file.size,
			 (unsigned long long)expected->size);
	} else if (strcmp(file.hash, expected->hash) != 0) {
		how->say("%s is damaged: its checksum is not that of the list", expected->name);
	} else {
		return COPY_OK;
	}
	return COPY_DAMAGED;
}

enum copy_end backup_compare(const char *dir, struct backup_info *info, const struct copy_how *how)
{
	struct backup_list list;
	uint64_t done = 0;
	int fd = dir_open(dir, how);
	enum copy_end end, one;

	if (fd < 0)
		return COPY_NONE;
	end = list_read(&list, fd, BACKUP_LIST, true, how);
	*info = list.info;
	for (size_t i = 0; end != COPY_NONE && i < list.n; i++) {
		one = file_compare(fd, &list.files[i], how);
		end = end == COPY_OK ? one : end;
		done += list.files[i].size;
		if (how->progress != NULL)
			how->progress(done, list.info.bytes);
	}
	list_clear(&list);
	close(fd);
	return end;
}
