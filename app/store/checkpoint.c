/*
 * checkpoint.c - keeping recovery short and the disk from filling up.
 *
 * One thread: writes dirty pages a little at a time, takes a checkpoint every so many bytes
 * of log or seconds, removes log files that recovery no longer needs, and looks at the free
 * space. The ballast is a file whose only purpose is to be deleted: with it gone, a server
 * that was killed on a full disk has room to recover.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/private.h"

enum {
	TICK_MS = 250,
	TICKS_PER_ROUND = 4,		/* a round a second */
	DIRTY_PERCENT = 25,		/* of the cache: more pages than that are not left to the next checkpoint */
	LOG_PER_PAGE = 64		/* bytes, at least, of each change of a page */
};

/* ---- threads that sleep and stop ---- */

bool helper_start(struct helper *helper, void *(*run)(void *), void *arg)
{
	pthread_mutex_init(&helper->lock, NULL);
	clock_cond_init(&helper->wake);
	helper->stop = false;
	helper->running = pthread_create(&helper->thread, NULL, run, arg) == 0;
	return helper->running;
}

void helper_stop(struct helper *helper)
{
	if (!helper->running)
		return;
	pthread_mutex_lock(&helper->lock);
	helper->stop = true;
	pthread_cond_signal(&helper->wake);
	pthread_mutex_unlock(&helper->lock);
	pthread_join(helper->thread, NULL);
	helper->running = false;
	pthread_mutex_destroy(&helper->lock);
	pthread_cond_destroy(&helper->wake);
}

bool helper_sleep(struct helper *helper, unsigned ms)
{
	uint64_t until_us = clock_mono_us() + (uint64_t)ms * 1000;
	bool stop;

	pthread_mutex_lock(&helper->lock);
	while (!helper->stop && clock_cond_wait(&helper->wake, &helper->lock, until_us))
		;
	stop = helper->stop;
	pthread_mutex_unlock(&helper->lock);
	return !stop;
}

/* ---- space ---- */

static void ballast_path(const struct store *store, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/ballast", store->data_dir);
}

static uint64_t free_space(const char *dir)
{
	struct statvfs fs;

	return statvfs(dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

static bool ballast_is_there(const struct store *store)
{
	char path[PATH_MAX];
	struct stat st;

	ballast_path(store, path);
	return store->ballast_bytes == 0 ||
	       (stat(path, &st) == 0 && (uint64_t)st.st_size == store->ballast_bytes);
}

/* Make it, when there is room for it and the reserve. Whether it is there then. */
static bool ballast_keep(struct store *store)
{
	char path[PATH_MAX];
	int fd, error;

	if (ballast_is_there(store))
		return true;
	ballast_path(store, path);
	if (free_space(store->data_dir) < store->ballast_bytes + store->reserve_bytes)
		return false;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	error = posix_fallocate(fd, 0, (off_t)store->ballast_bytes);
	close(fd);
	if (error == 0)
		return true;
	unlink(path);
	if (error != ENOSPC && error != EDQUOT)
		LOG_WARN("no ballast: a full disk may keep the server from recovering", LOG_ERRNO(error));
	return false;
}

/* Without the ballast its space is not for writing either: else there would be none when it is needed next. */
void space_measure(struct store *store)
{
	uint64_t need = store->reserve_bytes + (ballast_keep(store) ? 0 : store->ballast_bytes);
	uint64_t data = free_space(store->data_dir), log = free_space(store->log_dir);
	uint64_t least = data < log ? data : log;
	bool full = data < need || log < store->reserve_bytes;

	atomic_store(&store->free_bytes, least);
	if (atomic_exchange(&store->full, full) == full)
		return;
	if (full)
		LOG_ERROR("the disk is nearly full: writes are refused until there is space",
			  LOG_STR("path", store->data_dir), LOG_U64("free_bytes", least), LOG_U64("needed", need));
	else
		LOG_INFO("there is space again: writes are accepted", LOG_U64("free_bytes", least));
}

void ballast_release(struct store *store)
{
	char path[PATH_MAX];

	ballast_path(store, path);
	if (unlink(path) == 0)
		LOG_WARN("the ballast was released to make room", LOG_STR("path", path));
}

/* ---- checkpoints ---- */

static void logs_remove(struct store *store)
{
	int error = 0;

	pthread_mutex_lock(&store->logs_lock);
	if (!store->logs_kept)
		error = store->env->log_archive(store->env, NULL, DB_ARCH_REMOVE);
	pthread_mutex_unlock(&store->logs_lock);
	if (error != 0)
		LOG_WARN("old log files could not be removed", LOG_STR("error", db_strerror(error)));
}

void logs_keep(struct store *store, bool keep)
{
	pthread_mutex_lock(&store->logs_lock);
	store->logs_kept = keep;
	pthread_mutex_unlock(&store->logs_lock);
	if (!keep)
		logs_remove(store);
}

static int checkpoint(struct store *store, uint32_t kbytes)
{
	int64_t before = atomic_load(&store->last_checkpoint_at);
	DB_TXN_STAT *stat = NULL;
	int error = store->env->txn_checkpoint(store->env, kbytes, 0, 0);

	if (error != 0) {
		if (!store->checkpoint_fails)
			LOG_WARN("a checkpoint failed; it is tried again",
				 LOG_STR("error", db_strerror(error)));
		store->checkpoint_fails = true;
		return error;
	}
	store->checkpoint_fails = false;
	if (store->env->txn_stat(store->env, &stat, 0) == 0 && stat->st_time_ckp != before) {
		atomic_store(&store->last_checkpoint_at, (int64_t)stat->st_time_ckp);
		atomic_store(&store->trickle_at, 0);
		metric_add(metric_slot(), METRIC_CHECKPOINTS, 1);
		manifest_write(store);
		/* Large values fill a log file in no time, so none is kept longer than it is needed. */
		logs_remove(store);
	}
	free(stat);
	return 0;
}

int checkpoint_now(struct store *store)
{
	return checkpoint(store, 0);
}

/* Bytes of log since the last checkpoint. */
static uint64_t log_since_checkpoint(const struct store *store)
{
	DB_LOG_STAT *stat = NULL;
	uint64_t n = UINT64_MAX;

	if (store->env->log_stat(store->env, &stat, 0) == 0)
		n = ((uint64_t)stat->st_wc_mbytes << 20) + stat->st_wc_bytes;
	free(stat);
	return n;
}

/*
 * Whoever needs a page in the cache should find a clean one to take the place of, and no checkpoint should have to
 * write all of it. Below that a page is left alone: the keys that are written most share few, and each of those would be
 * written out again and again between two checkpoints.
 *
 * Counting them goes through the whole cache, so it waits until enough has been logged for there to be too many.
 */
static void trickle(struct store *store)
{
	uint64_t log = log_since_checkpoint(store), most, dirty;
	DB_MPOOL_STAT *stat = NULL;

	if (log < atomic_load(&store->trickle_at) || store->env->memp_stat(store->env, &stat, NULL, 0) != 0)
		return;
	most = ((uint64_t)stat->st_gbytes << 30 | stat->st_bytes) / PAGE_SIZE_BYTES * DIRTY_PERCENT / 100;
	dirty = stat->st_page_dirty;
	if (dirty > most && stat->st_pages > most) {
		store->env->memp_trickle(store->env, (int)(100 - 100 * most / stat->st_pages), NULL);
		dirty = most;
	}
	atomic_store(&store->trickle_at, dirty < most ? log + (most - dirty) * LOG_PER_PAGE : log);
	free(stat);
}

/* By time. What the log has of probes alone is no reason: an idle store is not to be written to. */
static void checkpoint_if_changed(struct store *store)
{
	if (atomic_exchange(&store->to_checkpoint, false) && checkpoint_now(store) != 0)
		atomic_store(&store->to_checkpoint, true);
}

/* Once a second. A checkpoint is due by time, or by what the log has grown. */
static void round_run(struct store *store, unsigned round)
{
	space_measure(store);
	if (round % (unsigned)store->checkpoint_s == 0)
		checkpoint_if_changed(store);
	else
		checkpoint(store, (uint32_t)(store->checkpoint_bytes / 1024));
}

static void *checkpointer_run(void *arg)
{
	struct store *store = arg;
	unsigned tick = 0;

	while (helper_sleep(&store->checkpointer, TICK_MS)) {
		if (atomic_load(&store->failed))
			continue;
		trickle(store);
		if (++tick % TICKS_PER_ROUND == 0)
			round_run(store, tick / TICKS_PER_ROUND);
	}
	return NULL;
}

bool checkpointer_start(struct store *store)
{
	return helper_start(&store->checkpointer, checkpointer_run, store);
}

void checkpointer_stop(struct store *store)
{
	helper_stop(&store->checkpointer);
}
