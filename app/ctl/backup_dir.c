/*
 * backup_dir.c - see backup_dir.h.
 *
 * A backup goes the way it came: it is called .partial again before the first of its files is taken away, so at no
 * moment does a part of one look like all of it.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/backup_dir.h"

#define LOCK_NAME ".tmakv.lock"
#define LIST_NAME "backup.list"
#define PARTIAL ".partial"

enum { DROP_TRIES = 50, DROP_PAUSE_MS = 20, NAME_TRIES = 30 };

static enum ctl_exit fail_errno(const struct backup_dir *dir, const char *name, const char *what)
{
	enum ctl_exit exit = errno == EACCES || errno == EPERM ? CTL_PERMISSION :
			     errno == ENOSPC || errno == EDQUOT ? CTL_TEMPORARY : CTL_IO;

	return ctl_fail(dir->ctl, exit, exit == CTL_PERMISSION ? "forbidden" : exit == CTL_TEMPORARY ? "storage_full" : "io",
			"%s%s%s %s: %s", dir->path, name[0] == '\0' ? "" : "/", name, what, strerror(errno));
}

/* --- taking away --- */

/* Everything in the directory FD, which is closed; true when it is empty then. */
static bool clear(int fd, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	bool all = true;

	if (dir == NULL) {
		close(fd);
		return false;
	}
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		int sub;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(dirfd(dir), name, 0) == 0)
			continue;
		sub = depth == 0 ? -1 : openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			clear(sub, depth - 1);
		all = unlinkat(dirfd(dir), name, AT_REMOVEDIR) == 0 && all;
	}
	closedir(dir);
	return all;
}

/* A server that has just been told to stop may still make a file in it. */
static bool drop(int dir_fd, const char *name)
{
	const struct timespec pause = { .tv_nsec = DROP_PAUSE_MS * 1000000L };

	for (int i = 0; i < DROP_TRIES; i++) {
		int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return errno == ENOENT;
		if (clear(fd, 1) && unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
			return true;
		if (errno == EACCES || errno == EPERM || errno == EROFS)
			return false;
		nanosleep(&pause, NULL);
	}
	return false;
}

void backup_dir_drop(struct backup_dir *dir)
{
	if (dir->name[0] == '\0')
		return;
	if (!drop(dir->fd, dir->partial))
		ctl_warn("%s/%s is left over; the next backup into this folder takes it away", dir->path, dir->partial);
	dir->name[0] = '\0';
}

/* --- names --- */

/* "tmakv-20261125T184024Z" at the beginning of NAME, and END behind it. */
static bool is_name(const char *name, const char *end)
{
	static const char pattern[] = "tmakv-00000000T000000Z";

	for (size_t i = 0; i < sizeof pattern - 1; i++)
		if (pattern[i] == '0' ? name[i] < '0' || name[i] > '9' : name[i] != pattern[i])
			return false;
	return strcmp(name + sizeof pattern - 1, end) == 0;
}

static bool is_backup(int dir_fd, const char *name)
{
	char list[300];
	struct stat st;

	snprintf(list, sizeof list, "%s/" LIST_NAME, name);
	return is_name(name, "") && fstatat(dir_fd, list, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static DIR *list_open(const struct backup_dir *dir)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopendir(fd);
}

static void drop_leftovers(struct backup_dir *dir)
{
	DIR *all = list_open(dir);
	struct dirent *entry;

	while (all != NULL && (entry = readdir(all)) != NULL)
		if (is_name(entry->d_name, PARTIAL) && !drop(dir->fd, entry->d_name))
			ctl_warn("%s/%s was left by a backup that was interrupted, and cannot be removed", dir->path,
				 entry->d_name);
	if (all != NULL)
		closedir(all);
}

/* --- the folder --- */

static enum ctl_exit lock(struct backup_dir *dir)
{
	dir->lock = openat(dir->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (dir->lock < 0)
		return fail_errno(dir, "", "cannot be written to");
	if (flock(dir->lock, LOCK_EX | LOCK_NB) == 0)
		return CTL_OK;
	if (errno == EWOULDBLOCK)
		return ctl_fail(dir->ctl, CTL_TEMPORARY, "unavailable", "another backup into %s is under way: try again when it is done",
				dir->path);
	return fail_errno(dir, LOCK_NAME, "cannot be locked");
}

enum ctl_exit backup_dir_open(struct backup_dir *dir, struct ctl *ctl, const char *path)
{
	enum ctl_exit exit;

	*dir = (struct backup_dir){ .ctl = ctl, .path = path, .fd = -1, .lock = -1, .partial_fd = -1 };
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		if (errno == ENOENT)
			return ctl_fail(ctl, CTL_USAGE, "usage", "%s cannot be made: the folder above it does not exist", path);
		return fail_errno(dir, "", "cannot be made");
	}
	dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0 && errno == ENOTDIR)
		return ctl_fail(ctl, CTL_USAGE, "usage", "%s is not a folder", path);
	if (dir->fd < 0)
		return fail_errno(dir, "", "cannot be opened");
	if ((exit = lock(dir)) == CTL_OK)
		drop_leftovers(dir);
	return exit;
}

void backup_dir_close(struct backup_dir *dir)
{
	for (int *fd = (int[]){ dir->fd, dir->lock, dir->partial_fd, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
}

/* --- a backup --- */

static void set_names(struct backup_dir *dir)
{
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL || strftime(dir->name, sizeof dir->name, "tmakv-%Y%m%dT%H%M%SZ", &tm) == 0)
		abort();
	snprintf(dir->partial, sizeof dir->partial, "%s" PARTIAL, dir->name);
}

/* Two in one second: the second one waits for the next. */
static enum ctl_exit make(struct backup_dir *dir)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	struct stat st;

	for (int i = 0; i < NAME_TRIES; i++) {
		set_names(dir);
		if (fstatat(dir->fd, dir->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			if (mkdirat(dir->fd, dir->partial, 0700) == 0)
				return CTL_OK;
			if (errno != EEXIST) {
				dir->name[0] = '\0';
				return fail_errno(dir, "", "cannot be written to");
			}
		}
		nanosleep(&pause, NULL);
	}
	dir->name[0] = '\0';
	return ctl_fail(dir->ctl, CTL_IO, "io", "%s: there is a backup of this second already", dir->path);
}

/* The server writes into it, with the rights of its own user. */
enum ctl_exit backup_dir_begin(struct backup_dir *dir, const struct ucred *owner)
{
	enum ctl_exit exit = make(dir);

	if (exit != CTL_OK)
		return exit;
	dir->partial_fd = openat(dir->fd, dir->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir->partial_fd < 0)
		return fail_errno(dir, dir->partial, "cannot be opened");
	if (owner->uid != geteuid() && fchown(dir->partial_fd, owner->uid, owner->gid) != 0)
		return fail_errno(dir, dir->partial, "cannot be given to the user that tmakvd runs as");
	return CTL_OK;
}

/* What the server wrote was its user's: a finished backup is out of its reach. */
static bool own(int fd, int depth)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	bool all = dir != NULL && fchown(fd, geteuid(), getegid()) == 0;

	while (all && (entry = readdir(dir)) != NULL) {
		int sub;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		all = fchownat(fd, entry->d_name, geteuid(), getegid(), AT_SYMLINK_NOFOLLOW) == 0;
		sub = depth == 0 ? -1 : openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0) {
			all = all && own(sub, depth - 1);
			close(sub);
		}
	}
	if (dir != NULL)
		closedir(dir);
	return all;
}

enum ctl_exit backup_dir_finish(struct backup_dir *dir)
{
	if (geteuid() == 0 && !own(dir->partial_fd, 1))
		return fail_errno(dir, dir->partial, "cannot be taken over");
	if (fsync(dir->partial_fd) != 0 ||
	    renameat2(dir->fd, dir->partial, dir->fd, dir->name, RENAME_NOREPLACE) != 0 || fsync(dir->fd) != 0)
		return fail_errno(dir, dir->partial, "cannot be given its name");
	return CTL_OK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The names of all backups but the one just made, oldest first; to be freed. */
static char (*others(const struct backup_dir *dir, size_t *n))[BACKUP_NAME_SIZE]
{
	char (*names)[BACKUP_NAME_SIZE] = NULL;
	DIR *all = list_open(dir);
	struct dirent *entry;

	*n = 0;
	while (all != NULL && (entry = readdir(all)) != NULL) {
		if (!is_backup(dir->fd, entry->d_name) || strcmp(entry->d_name, dir->name) == 0)
			continue;
		names = realloc(names, (*n + 1) * sizeof *names);
		if (names == NULL)
			ctl_no_memory();
		memcpy(names[(*n)++], entry->d_name, BACKUP_NAME_SIZE);
	}
	if (all != NULL)
		closedir(all);
	if (*n != 0)
		qsort(names, *n, sizeof *names, by_name);
	return names;
}

enum ctl_exit backup_dir_keep(struct backup_dir *dir, size_t n, size_t *removed)
{
	size_t n_others;
	char (*names)[BACKUP_NAME_SIZE] = others(dir, &n_others), partial[PARTIAL_NAME_SIZE];
	enum ctl_exit exit = CTL_OK;

	*removed = 0;
	for (size_t i = 0; exit == CTL_OK && i + n < n_others + 1; i++) {
		snprintf(partial, sizeof partial, "%s" PARTIAL, names[i]);
		if (renameat(dir->fd, names[i], dir->fd, partial) != 0 || !drop(dir->fd, partial))
			exit = fail_errno(dir, names[i], "is one too many, and cannot be removed");
		else
			(*removed)++;
	}
	free(names);
	return exit;
}
