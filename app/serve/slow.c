/*
 * slow.c - the slow lane: a few threads for calls that would hold up an event loop.
 *
 * A connection comes here after it has left its worker's epoll, is answered by whichever thread is
 * free, however long that takes, and goes back to its worker, who alone may close it. Threads block
 * on bodies, on the committer and on flushes; they have arenas of their own, larger than a loop's.
 *
 * Large bodies take seconds, what else comes here milliseconds: one thread is always left for the latter,
 * so that a list never waits until somebody's bulk call has ended.
 *
 * The queue is shared, under the lane's lock; everything else is the thread's own.
 */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "serve/private.h"

struct slow_thread {
	struct slow_lane *lane;
	pthread_t thread;
	struct arena *arena;
};

struct slow_lane {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct conn *first, **tail;	/* oldest first, by link */
	bool closing;
	struct slow_thread *threads;
	size_t n_threads;
	size_t n_large;			/* threads that are at large bodies */
};

static bool may_run(const struct slow_lane *lane, const struct conn *conn)
{
	return !conn->is_large || lane->n_large == 0 || lane->n_large + 1 < lane->n_threads;
}

/* Cut the oldest connection that may run now out of the queue; NULL: there is none. */
static struct conn *cut_next(struct slow_lane *lane)
{
	struct conn **at = &lane->first, *conn;

	while (*at != NULL && !may_run(lane, *at))
		at = &(*at)->link;
	conn = *at;
	if (conn == NULL)
		return NULL;
	*at = conn->link;
	if (*at == NULL)
		lane->tail = at;
	lane->n_large += conn->is_large;
	return conn;
}

/* The next connection; NULL when the lane closes. */
static struct conn *slow_take(struct slow_lane *lane)
{
	struct conn *conn;

	pthread_mutex_lock(&lane->lock);
	while ((conn = cut_next(lane)) == NULL && !lane->closing)
		pthread_cond_wait(&lane->changed, &lane->lock);
	pthread_mutex_unlock(&lane->lock);
	return conn;
}

/* A large body is done: the next one may run. Its own thread will ask, and so may others that wait. */
static void large_done(struct slow_lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	lane->n_large--;
	pthread_cond_signal(&lane->changed);
	pthread_mutex_unlock(&lane->lock);
}

static void give_back(struct conn *conn)
{
	struct worker *worker = conn->worker;

	pthread_mutex_lock(&worker->lock);
	conn->link = worker->returned;
	worker->returned = conn;
	pthread_mutex_unlock(&worker->lock);
	worker_wake(worker);
}

static void *slow_run(void *arg)
{
	struct slow_thread *self = arg;
	struct conn *conn;

	while ((conn = slow_take(self->lane)) != NULL) {
		bool is_large = conn->is_large;

		conn_run_slow(conn, self->arena);
		arena_reset(self->arena);
		if (is_large)
			large_done(self->lane);
		give_back(conn);
	}
	return NULL;
}

void slow_give(struct slow_lane *lane, struct conn *conn)
{
	pthread_mutex_lock(&lane->lock);
	conn->link = NULL;
	*lane->tail = conn;
	lane->tail = &conn->link;
	pthread_cond_signal(&lane->changed);
	pthread_mutex_unlock(&lane->lock);
}

static bool thread_start(struct slow_lane *lane, size_t ceiling)
{
	struct slow_thread *self = &lane->threads[lane->n_threads];
	int error;

	self->lane = lane;
	self->arena = arena_new(ceiling);
	if (self->arena == NULL)
		return false;
	error = pthread_create(&self->thread, NULL, slow_run, self);
	if (error != 0) {
		LOG_ERROR("cannot start a thread of the slow lane", LOG_ERRNO(error));
		arena_free(self->arena);
		return false;
	}
	pthread_setname_np(self->thread, "slow");
	lane->n_threads++;
	return true;
}

struct slow_lane *slow_open(size_t n, size_t ceiling)
{
	struct slow_lane *lane = calloc(1, sizeof *lane);

	if (lane == NULL)
		return NULL;
	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->changed, NULL);
	lane->tail = &lane->first;
	lane->threads = calloc(n, sizeof *lane->threads);
	if (lane->threads == NULL) {
		slow_close(lane);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (!thread_start(lane, ceiling)) {
			slow_close(lane);
			return NULL;
		}
	}
	return lane;
}

void slow_close(struct slow_lane *lane)
{
	if (lane == NULL)
		return;
	pthread_mutex_lock(&lane->lock);
	lane->closing = true;
	pthread_cond_broadcast(&lane->changed);
	pthread_mutex_unlock(&lane->lock);
	for (size_t i = 0; i < lane->n_threads; i++) {
		pthread_join(lane->threads[i].thread, NULL);
		arena_free(lane->threads[i].arena);
	}
	pthread_cond_destroy(&lane->changed);
	pthread_mutex_destroy(&lane->lock);
	free(lane->threads);
	free(lane);
}
