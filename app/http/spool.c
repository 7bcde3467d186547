/*
 * spool.c - a body into a temporary file.
 *
 * The file has no name, so nothing of it is left when the server dies. The thread that runs the request.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "http/spool.h"

enum { PIECE_SIZE = 32 * 1024 };

/* In the words of an outcome what ERROR means while a file is made and filled. */
static enum rc rc_of(int error, const char *dir)
{
	if (error == ENOSPC || error == EDQUOT)
		return RC_STORAGE_FULL;
	if (error == ENOMEM)
		return RC_NO_MEMORY;
	LOG_ERROR("cannot keep a body in a temporary file", LOG_STR("path", dir), LOG_ERRNO(error));
	return RC_INTERNAL;
}

/* File systems that know no O_TMPFILE. */
static int open_and_unlink(const char *dir)
{
	char path[PATH_MAX];
	int fd, n = snprintf(path, sizeof path, "%s/body.XXXXXX", dir);

	if (n < 0 || (size_t)n >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int open_nameless(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

	/* EISDIR: so says a kernel that does not know it. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		fd = open_and_unlink(dir);
	return fd;
}

/* 0 or errno. */
static int write_all(int fd, struct str bytes)
{
	while (bytes.n != 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0)
			bytes = str_skip(bytes, (size_t)n);
	}
	return 0;
}

static enum rc fill(int fd, struct body *body, size_t max, const char *dir, size_t *n)
{
	char buf[PIECE_SIZE];
	struct str piece;
	enum rc rc;

	*n = 0;
	while ((rc = body_next(body, buf, sizeof buf, &piece)) == RC_OK && piece.n != 0) {
		int error;

		if (piece.n > max - *n)
			return RC_VALUE_TOO_LARGE;
		if ((error = write_all(fd, piece)) != 0)
			return rc_of(error, dir);
		*n += piece.n;
	}
	return rc;
}

static enum rc map(int fd, size_t n, const char *dir, struct spool *spool)
{
	void *p;

	if (n == 0)
		return RC_OK;
	p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return rc_of(errno, dir);
	spool->bytes = str_make(p, n);
	return RC_OK;
}

enum rc body_spool(struct body *body, size_t max, const char *dir, struct spool *spool)
{
	size_t n;
	enum rc rc;
	int fd;

	spool->bytes = STR_LIT("");
	if (body->declared >= 0 && (uint64_t)body->declared > max)
		return RC_VALUE_TOO_LARGE;
	fd = open_nameless(dir);
	if (fd < 0)
		return rc_of(errno, dir);
	rc = fill(fd, body, max, dir, &n);
	if (rc == RC_OK)
		rc = map(fd, n, dir, spool);
	/* The mapping keeps it. */
	close(fd);
	return rc;
}

void spool_clear(struct spool *spool)
{
	if (spool->bytes.n != 0)
		munmap((void *)(uintptr_t)spool->bytes.p, spool->bytes.n);
	spool->bytes = STR_LIT("");
}
