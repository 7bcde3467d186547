/*
 * restore.c - a backup copied back into empty directories.
 *
 * The mark is the first file that is written and the last one that goes: while it stands, a server refuses to
 * start, and another restore may take away what the first has left. Checksums are compared while copying.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/backup_list.h"
#include "store/private.h"

struct restore {
	const struct copy_how *how;
	const char *data_dir, *log_dir;
	int from, data, logs;		/* descriptors */
	int lock;
	bool marked;			/* what is in the directories is ours */
	struct stat owner;		/* of the data directory */
};

/* ---- the directories ---- */

static int dir_make(struct restore *restore, const char *path)
{
	int fd;

	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		restore->how->say("%s cannot be made: %s", path, strerror(errno));
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		restore->how->say("%s: %s", path, strerror(errno));
	return fd;
}

/* The log directory may lie in the data directory. */
static bool is_log_dir(const struct restore *restore, const char *name)
{
	struct stat here, there;

	return fstatat(restore->data, name, &here, AT_SYMLINK_NOFOLLOW) == 0 && fstat(restore->logs, &there) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* What a restore makes, or a server beside its data. */
static bool is_ours(const char *name)
{
	return log_is_name(name) || backup_is_name(name) || strcmp(name, RESTORE_MARK) == 0;
}

static bool is_nothing(const struct restore *restore, const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lock") == 0 ||
	       strcmp(name, "lost+found") == 0 || is_log_dir(restore, name);
}

/*
 * Call SEE for what is in the directory; false when it answers false for a name, which is then in NAME, or the
 * directory cannot be read.
 */
static bool dir_each(const struct restore *restore, int fd, bool (*see)(int fd, const char *name), char name[256])
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	bool good = dir != NULL;

	name[0] = '\0';
	while (good && (entry = readdir(dir)) != NULL)
		if (!is_nothing(restore, entry->d_name) && !see(fd, entry->d_name)) {
			snprintf(name, 256, "%s", entry->d_name);
			good = false;
		}
	if (dir != NULL)
		closedir(dir);
	return good;
}

static bool refuse(int fd, const char *name)
{
	(void)fd;
	(void)name;
	return false;
}

static bool remove_ours(int fd, const char *name)
{
	/* The mark goes last. */
	return strcmp(name, RESTORE_MARK) == 0 || (is_ours(name) && unlinkat(fd, name, 0) == 0);
}

static enum copy_end dirs_clear(struct restore *restore)
{
	bool (*see)(int, const char *) = restore->marked ? remove_ours : refuse;
	char name[256];

	if (!dir_each(restore, restore->data, see, name)) {
		restore->how->say("%s is not empty: there is %s in it. Move what is there to another place first",
				  restore->data_dir, name[0] == '\0' ? "something" : name);
		return COPY_NONE;
	}
	if (!dir_each(restore, restore->logs, see, name)) {
		restore->how->say("%s is not empty: there is %s in it. Move what is there to another place first",
				  restore->log_dir, name[0] == '\0' ? "something" : name);
		return COPY_NONE;
	}
	return COPY_OK;
}

/* As the server does it, which must not be at work here. */
static enum copy_end lock_take(struct restore *restore)
{
	restore->lock = openat(restore->data, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (restore->lock < 0) {
		restore->how->say("%s cannot be written: %s", restore->data_dir, strerror(errno));
		return COPY_IO;
	}
	if (flock(restore->lock, LOCK_EX | LOCK_NB) != 0) {
		restore->how->say("a tmakvd works on %s: stop it first", restore->data_dir);
		return COPY_NONE;
	}
	return COPY_OK;
}

/* Files belong to whom the data directory belongs: root may restore for the user that tmakvd runs as. */
static int own(const struct restore *restore, int fd)
{
	if (geteuid() != 0 || (restore->owner.st_uid == 0 && restore->owner.st_gid == 0))
		return 0;
	return fchown(fd, restore->owner.st_uid, restore->owner.st_gid) == 0 ? 0 : errno;
}

static enum copy_end failed(const struct restore *restore, const char *name, int error)
{
	restore->how->say("%s cannot be written: %s", name, strerror(error));
	return COPY_IO;
}

static enum copy_end mark(struct restore *restore)
{
	int fd = openat(restore->data, RESTORE_MARK, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), error = 0;

	if (fd < 0 || (error = own(restore, fd)) != 0 || fsync(fd) != 0 || fsync(restore->data) != 0)
		error = error != 0 ? error : errno;
	if (fd >= 0)
		close(fd);
	restore->marked = error == 0;
	return error == 0 ? COPY_OK : failed(restore, restore->data_dir, error);
}

static enum copy_end dirs_open(struct restore *restore)
{
	struct stat st;
	enum copy_end end;

	if ((restore->data = dir_make(restore, restore->data_dir)) < 0 ||
	    (restore->logs = dir_make(restore, restore->log_dir)) < 0)
		return COPY_IO;
	if (fstat(restore->data, &restore->owner) != 0)
		return failed(restore, restore->data_dir, errno);
	restore->marked = fstatat(restore->data, RESTORE_MARK, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if ((end = lock_take(restore)) != COPY_OK || (end = dirs_clear(restore)) != COPY_OK)
		return end;
	if (own(restore, restore->logs) != 0 || own(restore, restore->lock) != 0)
		return failed(restore, restore->log_dir, errno);
	return mark(restore);
}

/* ---- the files ---- */

static enum copy_end file_restore(struct restore *restore, const struct backup_file *expected)
{
	bool is_log = strncmp(expected->name, "log/", 4) == 0, wrote;
	int out = openat(is_log ? restore->logs : restore->data, expected->name + (is_log ? 4 : 0),
			 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), error;
	struct backup_file file;

	if (out < 0)
		return failed(restore, expected->name, errno);
	error = file_pass(restore->from, expected->name, out, &file, &wrote);
	if (error == 0 && ((error = own(restore, out)) != 0 || fsync(out) != 0)) {
		error = error != 0 ? error : errno;
		wrote = true;
	}
	close(out);
	if (error != 0 && wrote)
		return failed(restore, expected->name, error);
	if (error == ENOENT)
		restore->how->say("the backup is damaged: %s is missing", expected->name);
	else if (error != 0)
		restore->how->say("%s of the backup cannot be read: %s", expected->name, strerror(error));
	else if (file.size != expected->size || strcmp(file.hash, expected->hash) != 0)
		restore->how->say("the backup is damaged: %s is not what it was", expected->name);
	else
		return COPY_OK;
	return error == EACCES || error == EPERM ? COPY_IO : COPY_DAMAGED;
}

static enum copy_end files_restore(struct restore *restore, const struct backup_list *list)
{
	enum copy_end end = COPY_OK;
	uint64_t done = 0;

	for (size_t i = 0; i < list->n && end == COPY_OK; i++) {
		end = file_restore(restore, &list->files[i]);
		done += list->files[i].size;
		if (restore->how->progress != NULL)
			restore->how->progress(done, list->info.bytes);
	}
	return end;
}

/* Everything is on disk before the mark goes; and what did not work out goes before it, too. */
static enum copy_end finish(struct restore *restore, enum copy_end end)
{
	char name[256];

	if (!restore->marked)
		return end;
	if (end != COPY_OK && !(dir_each(restore, restore->data, remove_ours, name) &&
				dir_each(restore, restore->logs, remove_ours, name)))
		return end;
	if (fsync(restore->logs) != 0 || fsync(restore->data) != 0 ||
	    unlinkat(restore->data, RESTORE_MARK, 0) != 0 || fsync(restore->data) != 0)
		return failed(restore, restore->data_dir, errno);
	return end;
}

enum copy_end backup_restore(const char *dir, const char *data_dir, const char *log_dir, struct backup_info *info,
			     const struct copy_how *how)
{
	struct restore restore = {
		.how = how, .data_dir = data_dir, .log_dir = log_dir, .data = -1, .logs = -1, .lock = -1,
		.from = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
	};
	struct backup_list list = { .n = 0 };
	enum copy_end end = COPY_NONE;

	if (restore.from < 0)
		how->say("%s: %s", dir, strerror(errno));
	else
		end = list_read(&list, restore.from, BACKUP_LIST, true, how);
	*info = list.info;
	if (end == COPY_OK && list.info.format > STORE_FORMAT) {
		how->say("this backup was made by a newer tmakvd (%s): use that version", list.info.program);
		end = COPY_NONE;
	}
	if (end == COPY_OK) {
		if ((end = dirs_open(&restore)) == COPY_OK)
			end = files_restore(&restore, &list);
		end = finish(&restore, end);
	}
	list_clear(&list);
	for (int *fd = (int[]){ restore.from, restore.data, restore.logs, restore.lock, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	return end;
}

/* ---- which one ---- */

bool backup_newest(const char *dir, char name[64])
{
	DIR *all = opendir(dir);
	struct dirent *entry;
	struct stat st;
	char list[300];

	name[0] = '\0';
	while (all != NULL && (entry = readdir(all)) != NULL) {
		size_t n = strlen(entry->d_name);

		snprintf(list, sizeof list, "%s/" BACKUP_LIST, entry->d_name);
		if (n < 64 && (n < 8 || strcmp(entry->d_name + n - 8, ".partial") != 0) && strcmp(entry->d_name, name) > 0 &&
		    fstatat(dirfd(all), list, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			memcpy(name, entry->d_name, n + 1);
	}
	if (all != NULL)
		closedir(all);
	return name[0] != '\0';
}
