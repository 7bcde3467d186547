/*
 * disk.h - a disk that can lose its power, between a program and the files below one directory.
 *
 * For LD_PRELOAD before tmakvd. The files themselves are the platter; what the program writes lies in memory until
 * it is synced, or until it gets there by itself, in any order. From outside:
 *
 *     DISK_DIR=PATH      the directory; without it nothing is touched
 *     DISK_STATE=PATH    another one, on the same file system: notes, and what has been unlinked of late
 *     DISK_CUT=N         cut the power after N operations of a process's life, more or less; 0: never. Recovery
 *                        is cut now and then, too. Not while there is a file DISK_STATE/calm
 *     DISK_LIVES=N       cut only the first N processes; default all
 *     DISK_SEED=N        other moments, other losses
 *     DISK_SYNC_MS=N     each sync takes N ms longer
 *     DISK_HOLD=FILE     and no sync ends while FILE is there
 *     DISK_TEAR=1        pages of databases tear as well: see below
 *     DISK_LIE=WORD      syncs of these files do nothing at all: log, or pages. What a test must notice
 *
 * What a cut does. Each block of 4096 bytes that was not synced is dropped, or reaches the platter, or tears into
 * its sectors of 512. A file that had grown may lose the growth, or keep it as zeros. The last changes of
 * names (created, renamed, unlinked) are undone, back to a random one. Then the process is killed.
 *
 * Files whose names end in .db, or begin with __db, are Berkeley DB's pages: they are dropped or written as a whole,
 * because Berkeley DB takes that for granted and a page here has the size of a file system's block. With
 * DISK_TEAR they tear, and somebody had better notice.
 *
 * A sync of a file makes durable what was written to it before, its size, its name, and all changes of names
 * before its own, as journals of ext4 and XFS do; one of a directory, all changes of names. Cutting a file
 * shorter takes effect at once. After N lives, DISK_STATE/cuts has a line for each cut:
 * MICROSECONDS cut, and some numbers.
 *
 * A program that exits leaves nothing behind in memory: that was no cut.
 */
#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct disk_file;

/* The C library's own functions, which disk_calls.c stands in for. */
struct disk_real {
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*pread)(int, void *, size_t, off_t);
	int (*open)(const char *, int, ...);
	int (*openat)(int, const char *, int, ...);
	int (*ftruncate)(int, off_t);
	int (*posix_fallocate)(int, off_t, off_t);
	int (*fallocate)(int, int, off_t, off_t);
	int (*close)(int);
	int (*fsync)(int);
	int (*fdatasync)(int);
	int (*unlink)(const char *);
	int (*rename)(const char *, const char *);
};
extern struct disk_real disk_real;

/* disk_begin - read the environment; disk_end - everything to the platter. */
void disk_begin(void);
void disk_end(void);

/* disk_has - whether PATH lies on the disk. */
bool disk_has(const char *path);

/* disk_open - the file of descriptor FD, which has just been opened; NULL: not on the disk. */
struct disk_file *disk_open(int fd, bool created);
void disk_close(struct disk_file *file);

/* These answer as pread(), pwrite(), ftruncate() ... do, errno included. */
ssize_t disk_read(struct disk_file *file, int fd, void *bytes, size_t n, off_t at);
ssize_t disk_write(struct disk_file *file, const void *bytes, size_t n, off_t at);
int disk_truncate(struct disk_file *file, off_t size);
int disk_allocate(struct disk_file *file, off_t size);
int disk_sync(struct disk_file *file);
int disk_unlink(const char *path);
int disk_rename(const char *from, const char *to);

#endif
