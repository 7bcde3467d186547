/*
 * slow_sync.c - preloaded: a disk whose syncs take longer, for benchmarks of what waits for them.
 *
 *     SLOW_SYNC_MS=2 LD_PRELOAD=tests/bench/slow_sync.so tmakvd ...
 *
 * Each fsync() and fdatasync() is done, and then sleeps so many milliseconds; without the variable, none.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int (*real_fsync)(int), (*real_fdatasync)(int);
static struct timespec more;

static void __attribute__((constructor)) begin(void)
{
	const char *text = getenv("SLOW_SYNC_MS");
	long ms = text == NULL ? 0 : atol(text);

	*(void **)&real_fsync = dlsym(RTLD_NEXT, "fsync");
	*(void **)&real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	more = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

static int slowly(int rc)
{
	int error = errno;

	if (more.tv_sec != 0 || more.tv_nsec != 0)
		nanosleep(&more, NULL);
	errno = error;
	return rc;
}

int fsync(int fd)
{
	return slowly(real_fsync(fd));
}

int fdatasync(int fd)
{
	return slowly(real_fdatasync(fd));
}
