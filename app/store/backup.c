/*
 * backup.c - a copy of the store while it serves.
 *
 * Berkeley DB copies a table page by page, from the file, and keeps its own writes out of the pages being read, so
 * each is whole; they are of different moments. What makes one moment of them is the log, from the checkpoint
 * before the first page to a flush behind the last: it is copied as well, and copy_recover() applies it. So log
 * files stay while this runs.
 *
 * Others are at work: after each piece it sleeps as long as the piece took, and what it has written is pushed out
 * bit by bit, because a flush of the log would have to wait for a heap of it.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/backup_list.h"
#include "store/private.h"

enum {
	PIECE = 256 * 1024,		/* read, written, slept over */
	SYNC_BYTES = 4 << 20,		/* pushed out behind so many */
	LONGEST_SLEEP_US = 50000,
	TRIES = 100			/* to open a table, each lost to the committer */
};

/* A backup under way; the backup's thread only. */
struct copying {
	struct store *store;
	struct backup *backup;
	enum backup_end end;		/* why it stops; BACKUP_DONE: it goes on */
	uint64_t whole;
	uint64_t piece_began_us;

	/* The file under way. */
	int fd;
	uint64_t written, synced;
	bool short_read;		/* its end as it was a moment ago: see write_piece() */
};

static void stop(struct copying *copying, enum backup_end end, int error, const char *file)
{
	if (copying->end != BACKUP_DONE)
		return;
	copying->end = end;
	copying->backup->error = error;
	snprintf(copying->backup->file, sizeof copying->backup->file, "%s", file);
}

static void stop_target(struct copying *copying, int error, const char *file)
{
	stop(copying, error == ENOSPC || error == EDQUOT ? BACKUP_NO_ROOM : BACKUP_TARGET, error, file);
}

/* ---- a file of the backup ---- */

static bool file_begin(struct copying *copying, const char *name)
{
	copying->fd = openat(copying->backup->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	copying->written = copying->synced = 0;
	copying->short_read = false;
	copying->piece_began_us = clock_mono_us();
	if (copying->fd < 0)
		stop_target(copying, errno, name);
	return copying->fd >= 0;
}

static void file_end(struct copying *copying, const char *name)
{
	if (copying->fd < 0)
		return;
	if (copying->end == BACKUP_DONE && fsync(copying->fd) != 0)
		stop_target(copying, errno, name);
	posix_fadvise(copying->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (close(copying->fd) != 0)
		stop_target(copying, errno, name);
	copying->fd = -1;
}

static int bytes_write(int fd, const uint8_t *p, size_t n, off_t at)
{
	while (n != 0) {
		ssize_t done = pwrite(fd, p, n, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno;
		p += done;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Start writing what is new, and wait for what was started before. */
static void push_out(struct copying *copying)
{
	off_t from = (off_t)copying->synced, n = (off_t)(copying->written - copying->synced);

	if (n < SYNC_BYTES)
		return;
	sync_file_range(copying->fd, from, n, SYNC_FILE_RANGE_WRITE);
	if (from >= n)
		sync_file_range(copying->fd, from - n, n, SYNC_FILE_RANGE_WAIT_BEFORE);
	copying->synced = copying->written;
}

static bool is_short_of_space(const struct store *store, const char *dir)
{
	struct statvfs fs;

	return statvfs(dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < store->reserve_bytes;
}

/* Whether the backup goes on. The disks of the data are looked at here, too: a second is long for them. */
static bool go_on(struct copying *copying)
{
	struct backup *backup = copying->backup;
	const struct store *store = copying->store;

	if (atomic_load(&store->failed))
		stop(copying, BACKUP_STORE, EIO, "");
	else if (atomic_load(&store->full) || is_short_of_space(store, store->data_dir) ||
		 is_short_of_space(store, store->log_dir))
		stop(copying, BACKUP_DISK_FULL, ENOSPC, "");
	else if (!backup->step(backup->arg, backup->bytes, copying->whole))
		stop(copying, BACKUP_CANCELLED, ECANCELED, "");
	return copying->end == BACKUP_DONE;
}

static void rest(struct copying *copying)
{
	uint64_t took_us = clock_mono_us() - copying->piece_began_us;

	usleep((useconds_t)(took_us < LONGEST_SLEEP_US ? took_us : LONGEST_SLEEP_US));
	copying->piece_began_us = clock_mono_us();
}

static bool piece_write(struct copying *copying, const uint8_t *p, size_t n, uint64_t at, const char *name)
{
	int error = bytes_write(copying->fd, p, n, (off_t)at);

	if (error != 0) {
		stop_target(copying, error, name);
		return false;
	}
	copying->written = at + n;
	copying->backup->bytes += n;
	push_out(copying);
	if (!go_on(copying))
		return false;
	rest(copying);
	return true;
}

/* ---- tables: called by Berkeley DB ---- */

static struct copying *copying_of(DB_ENV *env)
{
	return ((struct store *)env->app_private)->copying;
}

static int open_table(DB_ENV *env, const char *name, const char *target, void **handle)
{
	struct copying *copying = copying_of(env);

	(void)target;
	*handle = copying;
	return file_begin(copying, name) ? 0 : EIO;
}

/*
 * A table that grows has pages that are in no file yet, so a read can come up short. Berkeley DB goes on behind it
 * then, one page too far, and would have what comes put where it does not belong. Those pages are younger than the
 * checkpoint, so the log has all of them: the copy ends where the file ended.
 */
static int write_piece(DB_ENV *env, u_int32_t gbytes, u_int32_t bytes, u_int32_t size, u_int8_t *buf, void *handle)
{
	struct copying *copying = handle;

	(void)env;
	if (copying->short_read)
		return 0;
	copying->short_read = size < PIECE;
	return piece_write(copying, buf, size, ((uint64_t)gbytes << 30) + bytes, "a table") ? 0 : EIO;
}

static int close_table(DB_ENV *env, const char *name, void *handle)
{
	struct copying *copying = copying_of(env);

	(void)handle;
	file_end(copying, name);
	return copying->end == BACKUP_DONE ? 0 : EIO;
}

static void table_copy(struct copying *copying, enum store_table table)
{
	DB_ENV *env = copying->store->env;
	const char *name = table_name(table);
	int error = DB_LOCK_DEADLOCK;

	for (int i = 0; i < TRIES && (error == DB_LOCK_DEADLOCK || error == DB_LOCK_NOTGRANTED); i++)
		error = env->dbbackup(env, name, "", 0);
	if (error == 0 || copying->end != BACKUP_DONE)
		return;
	LOG_ERROR("a table cannot be read for a backup", LOG_STR("table", name), LOG_STR("error", db_strerror(error)));
	stop(copying, BACKUP_SOURCE, error, name);
}

/* ---- the log ---- */

/* From FD the first N bytes (all of it: UINT64_MAX); a log file that is written to is longer than what counts. */
static void log_bytes_copy(struct copying *copying, int fd, const char *name, uint64_t n)
{
	uint8_t *buf = malloc(PIECE);
	uint64_t at = 0;
	ssize_t got = 1;

	while (buf != NULL && at < n && got > 0) {
		got = pread(fd, buf, n - at < PIECE ? (size_t)(n - at) : PIECE, (off_t)at);
		if (got > 0 && !piece_write(copying, buf, (size_t)got, at, name))
			break;
		at += got > 0 ? (uint64_t)got : 0;
	}
	if (buf == NULL || got < 0)
		stop(copying, BACKUP_SOURCE, buf == NULL ? ENOMEM : errno, name);
	free(buf);
}

static void log_file_copy(struct copying *copying, int logs_fd, const char *log, uint64_t n)
{
	int fd = openat(logs_fd, log, O_RDONLY | O_CLOEXEC);
	char name[BACKUP_NAME_MAX + 1];

	snprintf(name, sizeof name, "log/%.20s", log);
	if (fd < 0) {
		stop(copying, BACKUP_SOURCE, errno, name);
		return;
	}
	if (file_begin(copying, name)) {
		log_bytes_copy(copying, fd, name, n);
		file_end(copying, name);
	}
	close(fd);
}

/* Every log file that is there, up to END. */
static void logs_copy(struct copying *copying, DB_LSN end)
{
	DIR *dir = opendir(copying->store->log_dir);
	struct dirent *entry;
	uint64_t number;

	if (dir == NULL) {
		stop(copying, BACKUP_SOURCE, errno, "the log");
		return;
	}
	while (copying->end == BACKUP_DONE && (entry = readdir(dir)) != NULL) {
		if (!log_is_name(entry->d_name) || !str_to_u64(str_c(entry->d_name + 4), 0, UINT32_MAX, &number) ||
		    number > end.file)
			continue;
		log_file_copy(copying, dirfd(dir), entry->d_name, number < end.file ? UINT64_MAX : end.offset);
	}
	closedir(dir);
}

/* A flush that failed is the end of the store, whoever has asked for it; but for want of space. */
static void stop_store(struct copying *copying, int error)
{
	if (store_rc(copying->store, error) == RC_STORAGE_FULL)
		stop(copying, BACKUP_DISK_FULL, error, "");
	else
		stop(copying, BACKUP_STORE, error, "");
}

/* Flush; all that was committed by now lies before *END. */
static bool log_end(struct copying *copying, DB_LSN *end)
{
	DB_ENV *env = copying->store->env;
	DB_LOG_STAT *stat = NULL;
	int error;

	copying->backup->ended_at = clock_wall_s();
	if ((error = env->log_flush(env, NULL)) == 0 && (error = env->log_stat(env, &stat, 0)) == 0)
		*end = (DB_LSN){ stat->st_disk_file, stat->st_disk_offset };
	free(stat);
	if (error != 0)
		stop_store(copying, error);
	return error == 0;
}

/* ---- all of it ---- */

static uint64_t size_of(const char *dir, const char *name)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static bool has_room(struct copying *copying)
{
	struct backup *backup = copying->backup;
	struct statvfs fs;

	for (int table = 0; table < STORE__TABLES; table++)
		copying->whole += size_of(copying->store->data_dir, table_name((enum store_table)table));
	copying->whole += copying->store->checkpoint_bytes;	/* the log: so much if nothing is written meanwhile */
	backup->needed = copying->whole;
	if (fstatvfs(backup->dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < backup->needed)
		stop(copying, BACKUP_NO_ROOM, 0, "");
	return copying->end == BACKUP_DONE;
}

static int callbacks_set(DB_ENV *env)
{
	int error = env->set_backup_callbacks(env, open_table, write_piece, close_table);

	return error != 0 ? error : env->set_backup_config(env, DB_BACKUP_SIZE, PIECE);
}

/* The head of the list, when everything else is there. */
static void copied_write(struct copying *copying)
{
	struct backup *backup = copying->backup;
	struct backup_list list = { .info = { .format = STORE_FORMAT } };
	int error;

	snprintf(list.info.program, sizeof list.info.program, "%s", PACKAGE_VERSION);
	snprintf(list.info.account, sizeof list.info.account, "%s", backup->account);
	list_time(backup->begun_at, list.info.begun);
	list_time(backup->ended_at, list.info.ended);
	if ((error = list_write(&list, backup->dir, BACKUP_COPIED)) != 0)
		stop_target(copying, error, BACKUP_COPIED);
}

static void copy_all(struct copying *copying)
{
	DB_LSN end;
	int error = callbacks_set(copying->store->env);

	if (error != 0)
		stop(copying, BACKUP_SOURCE, error, "");
	else if (mkdirat(copying->backup->dir, "log", 0700) != 0)
		stop_target(copying, errno, "log");
	for (int table = 0; table < STORE__TABLES && copying->end == BACKUP_DONE; table++)
		table_copy(copying, (enum store_table)table);
	if (copying->end == BACKUP_DONE && log_end(copying, &end))
		logs_copy(copying, end);
	if (copying->end == BACKUP_DONE)
		copied_write(copying);
}

enum backup_end store_backup(struct store *store, struct backup *backup)
{
	struct copying copying = { .store = store, .backup = backup, .fd = -1 };
	int error;

	backup->begun_at = clock_wall_s();
	backup->bytes = 0;
	if (!has_room(&copying))
		return copying.end;
	/* What is behind this checkpoint need not be copied. (checkpoint_now() is the checkpointer's.) */
	if ((error = store->env->txn_checkpoint(store->env, 0, 0, 0)) != 0) {
		stop(&copying, error == ENOSPC || error == EDQUOT ? BACKUP_DISK_FULL : BACKUP_SOURCE, error, "a checkpoint");
		return copying.end;
	}
	store->copying = &copying;
	logs_keep(store, false);
	logs_keep(store, true);
	copy_all(&copying);
	logs_keep(store, false);
	store->copying = NULL;
	return copying.end;
}
