/*
 * drain.c - how a server ends: who asked for it, and what becomes of its connections.
 *
 * Nobody new is let in: the listener stays open in the supervisor, so new connections wait in
 * its backlog for the next server. A request under way is finished, and its reply ends in a way that
 * keeps the front server from using the connection again (REPLY_LAST). A connection without a request
 * might get one at any moment; it is given GRACE_MS to do so, then closed: a front server notices
 * that of an idle connection and takes another. What remains is a race of microseconds, and its
 * retry.
 */
#include "config.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/private.h"

enum { GRACE_MS = 500 };

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

void pool_drain(struct pool *pool, int64_t limit_ms)
{
	uint64_t now = clock_mono_us();

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
static void close_idle(struct worker *worker)
{
	struct conn *conn, *next;

	pthread_mutex_lock(&worker->lock);
	conn = worker->conns;
	pthread_mutex_unlock(&worker->lock);
	for (; conn != NULL; conn = next) {
		next = conn->next;
		if (conn->state == CONN_IDLE && is_silent(conn))
			conn_close(conn);
	}
}

bool drain_turn(struct worker *worker)
{
	const struct pool *pool = worker->pool;
	bool ended;

	if (clock_mono_us() >= pool->drain_from_us + GRACE_MS * 1000 || drain_is_over(pool))
		close_idle(worker);
	pthread_mutex_lock(&worker->lock);
	ended = worker->ended = worker->n_conns == 0;
	pthread_mutex_unlock(&worker->lock);
	return ended;
}
