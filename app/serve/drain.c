/*
 * drain.c - how a server ends: who asked for it, and what becomes of its connections.
 *
 * The listener stays open in the supervisor: who is not let in waits in its backlog for the next server. So
 * that they wait as short as possible, a drain begins with the door open. It is closed when nothing is left
 * that could take long: the slow lane is empty, and GRACE_MS are over; or half of the time is, whatever is left.
 * A server that nobody has asked to end (its supervisor is gone, its store unwell) closes the door at once.
 *
 * A request under way is finished, and its reply ends in a way that keeps the front server from using the
 * connection again (REPLY_LAST). A connection without a request might get one at any moment; it is given
 * GRACE_MS to do so, then closed: a front server notices that of an idle connection and takes another. What
 * remains is a race of microseconds, and its retry.
 */
#include "config.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/private.h"

enum {
	GRACE_MS = 200,
	FRESH_MS = 50			/* a new connection brings its request at once, or nearly */
};

/* --- the store is unwell --- */

static _Atomic bool failed;

int serve_fail_fd(void)
{
	static int fd = -1;
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int mine;

	pthread_mutex_lock(&lock);
	if (fd < 0)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	mine = fd;
	pthread_mutex_unlock(&lock);
	return mine;
}

void serve_fail(void)
{
	const uint64_t one = 1;
	ssize_t n;

	if (atomic_exchange(&failed, true))
		return;
	n = write(serve_fail_fd(), &one, sizeof one);
	(void)n;	/* a counter of 0 takes one more */
}

bool serve_has_failed(void)
{
	return failed;
}

/* --- connections --- */

bool drain_is_on(const struct pool *pool)
{
	return atomic_load_explicit(&pool->drain_from_us, memory_order_acquire) != 0;
}

bool drain_is_over(const struct pool *pool)
{
	return drain_is_on(pool) && clock_mono_us() >= pool->drain_until_us;
}

void drain_opened(struct conn *conn)
{
	if (drain_is_on(conn->worker->pool))
		conn->fresh_until_us = clock_mono_us() + FRESH_MS * 1000;
}

void pool_drain(struct pool *pool, int64_t limit_ms, bool close)
{
	uint64_t now = clock_mono_us();

	if (close)
		pool->is_closed = true;
	pool->drain_until_us = now + (uint64_t)limit_ms * 1000;
	pool->drain_from_us = now;
	for (size_t i = 0; i < pool->n_workers; i++)
		worker_wake(&pool->workers[i]);
}

/* Nothing to read: a request that has just come is served first. */
static bool is_silent(const struct conn *conn)
{
	char byte;

	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

/* Others only ever put connections before the first one, so the walk behind it needs no lock. */
static void close_idle(struct worker *worker, uint64_t now)
{
	struct conn *conn, *next;

	pthread_mutex_lock(&worker->lock);
	conn = worker->conns;
	pthread_mutex_unlock(&worker->lock);
	for (; conn != NULL; conn = next) {
		next = conn->next;
		if (conn->state == CONN_IDLE && now >= conn->fresh_until_us && is_silent(conn))
			conn_close(conn);
	}
}

/* Whether it is time to let nobody in any more. */
static bool is_closing_time(const struct pool *pool, uint64_t now)
{
	uint64_t from = pool->drain_from_us, half = from + (pool->drain_until_us - from) / 2;

	return now >= half || pool->n_conns == 0 || (now >= from + GRACE_MS * 1000 && pool->n_slow == 0);
}

bool drain_turn(struct worker *worker)
{
	struct pool *pool = worker->pool;
	uint64_t now = clock_mono_us();
	bool ended;

	if (!pool->is_closed && is_closing_time(pool, now))
		pool->is_closed = true;
	if (!pool->is_closed)
		return false;
	if (now >= pool->drain_from_us + GRACE_MS * 1000 || drain_is_over(pool))
		close_idle(worker, now);
	/* Whatever still comes or goes has no more time. */
	if (drain_is_over(pool))
		worker_expire(worker, UINT64_MAX);
	pthread_mutex_lock(&worker->lock);
	ended = worker->ended = worker->n_conns == 0;
	pthread_mutex_unlock(&worker->lock);
	return ended;
}
