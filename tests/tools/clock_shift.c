/*
 * clock_shift.c - a wall clock for tests: preloaded into tmakvd it adds to the time of day the seconds that
 * stand in the file $CLOCK_SHIFT (an int64), as they are at that moment.
 *
 *     cc -shared -fPIC -o clock_shift.so clock_shift.c
 *     CLOCK_SHIFT=FILE LD_PRELOAD=./clock_shift.so tmakvd -c FILE
 *
 * The monotonic clock stays as it is: windows, timeouts and waits are not to hang on the time of day.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t *shift;

/* Before main(), so that no thread finds it half done. */
__attribute__((constructor)) static void open_shift(void)
{
	const char *file = getenv("CLOCK_SHIFT");
	int fd = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC);
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		shift = p;
}

static int64_t seconds(void)
{
	return shift == NULL ? 0 : __atomic_load_n(shift, __ATOMIC_RELAXED);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += seconds();
	return rc;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return -1;
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
