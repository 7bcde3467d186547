/*
 * backup.c - see backup.h.
 *
 * The control thread owns the job. Of what is in it the backup's thread sets the atomics, writes to `wake`, and
 * leaves the rest for whoever has joined it.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jdoc.h"
#include "base/log.h"
#include "serve/backup.h"
#include "store/backup.h"

enum { BETWEEN_US = 200 * 1000, DETAIL_MAX = 300 };

struct backup_job {
	struct store *store;
	struct backup backup;
	char account[64];
	pthread_t thread;
	int wake;			/* eventfd */
	_Atomic bool cancelled, ended;
	_Atomic uint64_t done, whole;
	uint64_t told_us;		/* the backup's thread's own */
	uint64_t began_us;
	enum backup_end end;
};

static _Atomic bool is_running;		/* one at a time in this process */

static void wake(struct backup_job *job)
{
	const uint64_t one = 1;
	ssize_t n = write(job->wake, &one, sizeof one);

	(void)n;	/* a counter that is not 0 wakes already */
}

static bool step(void *arg, uint64_t done, uint64_t whole)
{
	struct backup_job *job = arg;
	uint64_t now = clock_mono_us();

	atomic_store(&job->done, done);
	atomic_store(&job->whole, whole);
	if (now - job->told_us >= BETWEEN_US) {
		job->told_us = now;
		wake(job);
	}
	return !atomic_load(&job->cancelled);
}

static void *run(void *arg)
{
	struct backup_job *job = arg;

	job->end = store_backup(job->store, &job->backup);
	atomic_store(&job->ended, true);
	wake(job);
	return NULL;
}

static void job_free(struct backup_job *job)
{
	if (job->wake >= 0)
		close(job->wake);
	free(job);
}

enum rc backup_start(struct store *store, const char *account, int dir_fd, struct backup_job **out)
{
	struct backup_job *job;

	if (atomic_exchange(&is_running, true))
		return RC_UNAVAILABLE;
	job = calloc(1, sizeof *job);
	if (job != NULL) {
		job->store = store;
		snprintf(job->account, sizeof job->account, "%s", account);
		job->backup = (struct backup){ .dir = dir_fd, .account = job->account, .step = step, .arg = job };
		job->began_us = clock_mono_us();
		job->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (job->wake >= 0 && pthread_create(&job->thread, NULL, run, job) == 0) {
			LOG_INFO("a backup begins");
			*out = job;
			return RC_OK;
		}
		job_free(job);
	}
	atomic_store(&is_running, false);
	return RC_NO_MEMORY;
}

int backup_fd(const struct backup_job *job)
{
	return job->wake;
}

bool backup_look(struct backup_job *job, uint64_t *done, uint64_t *whole)
{
	uint64_t n;
	ssize_t got = read(job->wake, &n, sizeof n);

	(void)got;
	*done = atomic_load(&job->done);
	*whole = atomic_load(&job->whole);
	return atomic_load(&job->ended);
}

void backup_cancel(struct backup_job *job)
{
	atomic_store(&job->cancelled, true);
}

/* --- how it ended --- */

static enum rc outcome(const struct backup_job *job, char detail[DETAIL_MAX])
{
	const struct backup *backup = &job->backup;
	const char *error = log_strerror(backup->error);

	switch (job->end) {
	case BACKUP_DONE:
		return RC_OK;
	case BACKUP_CANCELLED:
		snprintf(detail, DETAIL_MAX, "the backup was cancelled");
		return RC_UNAVAILABLE;
	case BACKUP_NO_ROOM:
		if (backup->error == 0)
			snprintf(detail, DETAIL_MAX, "there is too little space for the backup: it needs about %llu MiB",
				 (unsigned long long)(backup->needed >> 20) + 1);
		else
			snprintf(detail, DETAIL_MAX, "there is no space left where the backup goes");
		return RC_STORAGE_FULL;
	case BACKUP_TARGET:
		snprintf(detail, DETAIL_MAX, "%s of the backup cannot be written: %s", backup->file, error);
		return backup->error == EACCES || backup->error == EPERM ? RC_FORBIDDEN : RC_INTERNAL;
	case BACKUP_DISK_FULL:
		snprintf(detail, DETAIL_MAX, "the backup was given up: the disk of the data is nearly full "
			 "(its log must stay until the backup is done)");
		return RC_STORAGE_FULL;
	case BACKUP_STORE:
		return RC_STORE;
	case BACKUP_SOURCE:
		break;
	}
	snprintf(detail, DETAIL_MAX, "%s cannot be read for the backup; the log of tmakvd says more",
		 backup->file[0] != '\0' ? backup->file : "the store");
	return RC_INTERNAL;
}

static json_object *result(const struct backup *backup)
{
	json_object *object = json_object_new_object();

	if (object != NULL && jdoc_add_i64(object, "bytes", (int64_t)backup->bytes) &&
	    jdoc_add_i64(object, "begun_at", backup->begun_at) && jdoc_add_i64(object, "ended_at", backup->ended_at))
		return object;
	json_object_put(object);
	return NULL;
}

enum rc backup_finish(struct backup_job *job, struct arena *arena, struct admin_answer *answer)
{
	char detail[DETAIL_MAX] = "";
	enum rc rc;

	pthread_join(job->thread, NULL);
	rc = outcome(job, detail);
	if (rc == RC_OK && (answer->result = result(&job->backup)) == NULL)
		rc = RC_NO_MEMORY;
	if (detail[0] != '\0')
		answer->detail = arena_dup(arena, str_c(detail));
	LOG_AT(rc == RC_OK || job->end == BACKUP_CANCELLED ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "a backup has ended",
	       LOG_STR("outcome", rc == RC_OK ? "copied" : detail[0] != '\0' ? detail : rc_info(rc)->code), LOG_U64("bytes", job->backup.bytes),
	       LOG_U64("ms", (clock_mono_us() - job->began_us) / 1000));
	close(job->backup.dir);
	job_free(job);
	atomic_store(&is_running, false);
	return rc;
}
