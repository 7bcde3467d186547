/*
 * disk_calls.c - in place of the C library's functions: to the disk (disk.h) what is the disk's, the rest untouched.
 *
 * Those that libdb and tmakvd call: `nm -D --undefined-only` shows them. Nothing writes or reads the disk's files
 * by anything else; their sizes are what stat() says, because growth is real at once.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "disk.h"

enum { FDS = 65536 };

static struct disk_file *_Atomic files[FDS];

#define FIND(name) (*(void **)&disk_real.name = dlsym(RTLD_NEXT, #name))

static void __attribute__((constructor)) begin(void)
{
	FIND(write);
	FIND(pwrite);
	FIND(read);
	FIND(pread);
	FIND(open);
	FIND(openat);
	FIND(ftruncate);
	FIND(posix_fallocate);
	FIND(fallocate);
	FIND(close);
	FIND(fsync);
	FIND(fdatasync);
	FIND(unlink);
	FIND(rename);
	disk_begin();
}

static void __attribute__((destructor)) end(void)
{
	disk_end();
}

static struct disk_file *file_of(int fd)
{
	return fd >= 0 && fd < FDS ? files[fd] : NULL;
}

/* --- opening and closing --- */

/* Files without a name are gone after a cut whatever is in them. */
static int is_nameless(int flags)
{
	return (flags & O_TMPFILE) == O_TMPFILE;
}

static int opened(int fd, int flags, bool created)
{
	int error = errno;

	if (fd >= FDS)
		abort();
	if (fd >= 0 && !is_nameless(flags))
		files[fd] = disk_open(fd, created);
	if (fd >= 0 && files[fd] != NULL && flags & O_TRUNC)
		disk_truncate(files[fd], 0);
	errno = error;
	return fd;
}

int openat(int dir, const char *path, int flags, ...)
{
	bool created = false;
	mode_t mode = 0;
	va_list list;
	int fd;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(list, flags);
		mode = va_arg(list, mode_t);
		va_end(list);
	}
	if (flags & O_CREAT)
		created = faccessat(dir, path, F_OK, 0) != 0;
	/* Emptied behind the opening, where the disk sees it. */
	fd = disk_real.openat(dir, path, disk_has(path) ? flags & ~O_TRUNC : flags, mode);
	return opened(fd, disk_has(path) ? flags : flags & ~O_TRUNC, created);
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list list;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(list, flags);
		mode = va_arg(list, mode_t);
		va_end(list);
	}
	return openat(AT_FDCWD, path, flags, mode);
}

int close(int fd)
{
	struct disk_file *file = file_of(fd);

	if (file != NULL) {
		files[fd] = NULL;
		disk_close(file);
	}
	return disk_real.close(fd);
}

/* --- bytes --- */

ssize_t pread(int fd, void *bytes, size_t n, off_t at)
{
	struct disk_file *file = file_of(fd);

	return file != NULL ? disk_read(file, fd, bytes, n, at) : disk_real.pread(fd, bytes, n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	struct disk_file *file = file_of(fd);

	return file != NULL ? disk_write(file, bytes, n, at) : disk_real.pwrite(fd, bytes, n, at);
}

ssize_t read(int fd, void *bytes, size_t n)
{
	struct disk_file *file = file_of(fd);
	ssize_t done;

	if (file == NULL)
		return disk_real.read(fd, bytes, n);
	done = disk_read(file, fd, bytes, n, lseek(fd, 0, SEEK_CUR));
	if (done > 0)
		lseek(fd, done, SEEK_CUR);
	return done;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
	struct disk_file *file = file_of(fd);
	ssize_t done;

	if (file == NULL)
		return disk_real.write(fd, bytes, n);
	done = disk_write(file, bytes, n, lseek(fd, 0, SEEK_CUR));
	if (done > 0)
		lseek(fd, done, SEEK_CUR);
	return done;
}

/* What a compiler makes of read() and pread() into a buffer whose size it knows. */
ssize_t __read_chk(int fd, void *bytes, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *bytes, size_t n, off_t at, size_t room);

ssize_t __read_chk(int fd, void *bytes, size_t n, size_t room)
{
	if (n > room)
		abort();
	return read(fd, bytes, n);
}

ssize_t __pread_chk(int fd, void *bytes, size_t n, off_t at, size_t room)
{
	if (n > room)
		abort();
	return pread(fd, bytes, n, at);
}

/* --- sizes --- */

int ftruncate(int fd, off_t size)
{
	struct disk_file *file = file_of(fd);

	return file != NULL ? disk_truncate(file, size) : disk_real.ftruncate(fd, size);
}

/* The real thing reserves the space; whether it survives a cut is the disk's business. */
int posix_fallocate(int fd, off_t at, off_t n)
{
	struct disk_file *file = file_of(fd);
	int error = disk_real.posix_fallocate(fd, at, n);

	return error == 0 && file != NULL ? disk_allocate(file, at + n) : error;
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
	struct disk_file *file = file_of(fd);
	int rc = disk_real.fallocate(fd, mode, at, n);

	return rc == 0 && file != NULL && mode == 0 ? disk_allocate(file, at + n) : rc;
}

/* --- syncs --- */

int fsync(int fd)
{
	struct disk_file *file = file_of(fd);

	return file != NULL ? disk_sync(file) : disk_real.fsync(fd);
}

int fdatasync(int fd)
{
	struct disk_file *file = file_of(fd);

	return file != NULL ? disk_sync(file) : disk_real.fdatasync(fd);
}

/* --- names --- */

int unlink(const char *path)
{
	return disk_has(path) ? disk_unlink(path) : disk_real.unlink(path);
}

int rename(const char *from, const char *to)
{
	return disk_has(from) && disk_has(to) ? disk_rename(from, to) : disk_real.rename(from, to);
}
