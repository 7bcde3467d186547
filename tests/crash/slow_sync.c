/*
 * slow_sync.c - a disk that takes its time, and forgets. For LD_PRELOAD before tmakvd:
 *
 *     SLOW_SYNC_MS=N    each fsync and fdatasync takes N ms longer
 *     SLOW_SYNC_KEEP=1  what is written to Berkeley DB's log files (log.NNNNNNNNNN) reaches them with the sync
 *                       and not before
 *
 * kill -9 leaves the page cache alone, so a server could answer before its fdatasync and no kill would ever
 * show it. With SLOW_SYNC_KEEP a kill loses what a power cut would lose of the log: all that was not
 * synced. The pages of the databases need no such treatment, for Berkeley DB syncs the log before it writes
 * a page; that sync passes here as well.
 *
 * What is held is written as well before somebody reads, cuts or closes the file. One lock guards the
 * pieces; the server's other files and its sockets pass untouched.
 */
#include "config.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PIECES_MAX = 4096, ROOM_FIRST = 64 * 1024, FDS = 65536 };
enum { KIND_UNKNOWN, KIND_OTHER, KIND_LOG };

/* Bytes that a log file does not have yet. */
struct piece {
	int fd;
	off_t at;
	size_t n, room;
	char *bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece pieces[PIECES_MAX];
static _Atomic size_t n_pieces;

static _Atomic unsigned char kinds[FDS];
static long delay_ms;
static int keeps;

/* The C library's. */
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_close)(int);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

#define FIND(name) (*(void **)&real_##name = dlsym(RTLD_NEXT, #name))

static void __attribute__((constructor)) begin(void)
{
	const char *ms = getenv("SLOW_SYNC_MS"), *keep = getenv("SLOW_SYNC_KEEP");

	FIND(write);
	FIND(pwrite);
	FIND(read);
	FIND(pread);
	FIND(ftruncate);
	FIND(close);
	FIND(fsync);
	FIND(fdatasync);
	delay_ms = ms == NULL ? 0 : atol(ms);
	keeps = keep != NULL && strcmp(keep, "1") == 0;
}

static int has_log_name(int fd)
{
	char link[64], path[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return 0;
	path[n] = '\0';
	name = strrchr(path, '/');
	return name != NULL && strncmp(name, "/log.", 5) == 0;
}

/* Asked for every read and write, so it is remembered until the descriptor is closed. */
static int is_log(int fd)
{
	if (fd < 0 || fd >= FDS)
		return 0;
	if (kinds[fd] == KIND_UNKNOWN)
		kinds[fd] = has_log_name(fd) ? KIND_LOG : KIND_OTHER;
	return kinds[fd] == KIND_LOG;
}

/* Everything held goes to its file, if FD is a log file. */
static void let_go(int fd)
{
	if (n_pieces == 0 || !is_log(fd))
		return;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < n_pieces; i++) {
		struct piece *piece = &pieces[i];

		if (real_pwrite(piece->fd, piece->bytes, piece->n, piece->at) != (ssize_t)piece->n)
			abort();
		free(piece->bytes);
	}
	n_pieces = 0;
	pthread_mutex_unlock(&lock);
}

/* Under the lock: the piece that takes bytes for FD at AT: the last one where it goes on, else a new one. */
static struct piece *piece_for(int fd, off_t at)
{
	struct piece *last = n_pieces == 0 ? NULL : &pieces[n_pieces - 1];

	if (last != NULL && last->fd == fd && last->at + (off_t)last->n == at)
		return last;
	if (n_pieces == PIECES_MAX)
		abort();
	pieces[n_pieces] = (struct piece){ .fd = fd, .at = at };
	return &pieces[n_pieces++];
}

static ssize_t hold(int fd, const void *bytes, size_t n, off_t at)
{
	struct piece *piece;

	pthread_mutex_lock(&lock);
	piece = piece_for(fd, at);
	if (piece->room < piece->n + n) {
		piece->room = 2 * (piece->n + n) + ROOM_FIRST;
		piece->bytes = realloc(piece->bytes, piece->room);
		if (piece->bytes == NULL)
			abort();
	}
	memcpy(piece->bytes + piece->n, bytes, n);
	piece->n += n;
	pthread_mutex_unlock(&lock);
	return (ssize_t)n;
}

static void delay(void)
{
	struct timespec pause = { delay_ms / 1000, delay_ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

/* --- in place of the C library's --- */

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	return keeps && is_log(fd) ? hold(fd, bytes, n, at) : real_pwrite(fd, bytes, n, at);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
	off_t at;

	if (!keeps || !is_log(fd) || (at = lseek(fd, 0, SEEK_CUR)) < 0)
		return real_write(fd, bytes, n);
	lseek(fd, (off_t)n, SEEK_CUR);
	return hold(fd, bytes, n, at);
}

ssize_t read(int fd, void *bytes, size_t n)
{
	let_go(fd);
	return real_read(fd, bytes, n);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at)
{
	let_go(fd);
	return real_pread(fd, bytes, n, at);
}

int ftruncate(int fd, off_t n)
{
	let_go(fd);
	return real_ftruncate(fd, n);
}

int close(int fd)
{
	let_go(fd);
	if (fd >= 0 && fd < FDS)
		kinds[fd] = KIND_UNKNOWN;
	return real_close(fd);
}

int fsync(int fd)
{
	delay();
	let_go(fd);
	return real_fsync(fd);
}

int fdatasync(int fd)
{
	delay();
	let_go(fd);
	return real_fdatasync(fd);
}
