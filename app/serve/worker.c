/*
 * worker.c - the worker pool: event loops that accept, answer and repeat.
 *
 * A turn of the loop: handle what is ready; hand this turn's writes to the committer in one go;
 * reply to what the committer and the slow lane have finished; reply to reads whose data is on disk
 * by now. Nothing in it blocks: libfcgi is given only what has come already (conn.c looks before).
 *
 * Whoever accepts gives the connection to the worker that has the fewest. Left to the kernel,
 * one worker gets nearly all of them, and kept connections would make that permanent.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "serve/private.h"

enum {
	EVENTS_MAX = 256,		/* handled in a turn; as many writes as a batch takes */
	ACCEPT_MAX = 32,		/* connections accepted in a row */
	STOCK_MAX = 64,			/* jobs kept for later */
	PAUSE_MS = 100,			/* until accepting is tried again */
	DRAIN_TURN_MS = 20,
	TIMED_TURN_MS = 20,
	FLUSH_DOUBT_MS = 1000,		/* without a flush: ask whether there will be one */

	MEGABYTE = 1 << 20,
	ARENA_MIN = 4 * MEGABYTE,	/* ceiling of a request in a loop, at least */
	SLOW_ARENA_MIN = 32 * MEGABYTE
};

/* --- jobs --- */

struct job *worker_take_job(struct worker *worker)
{
	struct job *job = worker->stock;

	if (job != NULL) {
		worker->stock = job->next;
		worker->n_stock--;
		return job;
	}
	job = calloc(1, sizeof *job);
	if (job == NULL)
		return NULL;
	job->arena = arena_new(worker->pool->arena_ceiling);
	if (job->arena == NULL) {
		free(job);
		return NULL;
	}
	return job;
}

static void job_free(struct job *job)
{
	arena_free(job->arena);
	free(job);
}

void worker_return_job(struct worker *worker, struct job *job)
{
	if (worker->n_stock >= STOCK_MAX) {
		job_free(job);
		return;
	}
	arena_reset(job->arena);
	job->next = worker->stock;
	worker->stock = job;
	worker->n_stock++;
}

/* --- accepting --- */

static void listen_on(struct worker *worker)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &worker->listening };

	if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->pool->listener, &event) == 0)
		worker->listening = true;
	else
		worker->listen_again_us = clock_mono_us() + PAUSE_MS * 1000;
}

static void listen_off(struct worker *worker)
{
	if (worker->listening)
		epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->pool->listener, NULL);
	worker->listening = false;
	worker->listen_again_us = clock_mono_us() + PAUSE_MS * 1000;
}

static bool is_crowded(const struct pool *pool)
{
	return atomic_load_explicit(&pool->n_conns, memory_order_relaxed) >= pool->max_conns;
}

static struct worker *emptiest(struct pool *pool)
{
	struct worker *best = &pool->workers[0];

	for (size_t i = 1; i < pool->n_workers; i++)
		if (pool->workers[i].n_conns < best->n_conns)
			best = &pool->workers[i];
	return best;
}

/* Accepting failed with ERROR. Whether to try the next one at once. */
static bool accept_again(struct worker *worker, int error)
{
	switch (error) {
	case EAGAIN:
		return false;
	case EINTR:
	case ECONNABORTED:
		return true;
	default:
		/* No descriptors or no memory: it would be reported again at once, so look away for a while. */
		LOG_WARN("cannot accept connections for the moment", LOG_ERRNO(error));
		listen_off(worker);
		return false;
	}
}

static void accept_some(struct worker *worker)
{
	struct pool *pool = worker->pool;

	for (int i = 0; i < ACCEPT_MAX && !pool->is_closed; i++) {
		int fd;

		if (is_crowded(pool)) {
			LOG_WARN("as many connections as allowed; more have to wait",
				 LOG_I64("connections", pool->max_conns));
			listen_off(worker);
			return;
		}
		fd = accept4(pool->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && !accept_again(worker, errno))
			return;
		/* During a drain others may have ended, but this one has not. */
		if (fd >= 0 && conn_open(drain_is_on(pool) ? worker : emptiest(pool), fd))
			metric_add(worker->metrics, METRIC_CONNECTIONS, 1);
	}
}

static void listen_again(struct worker *worker)
{
	if (!is_crowded(worker->pool) && clock_mono_us() >= worker->listen_again_us)
		listen_on(worker);
}

bool pool_has_room(void *arg)
{
	const struct pool *pool = arg;

	return !drain_is_on(pool) && !is_crowded(pool);
}

void pool_take_operator(void *arg, int fd)
{
	struct pool *pool = arg;

	/* When it cannot it closes it, and the peer asks again. */
	if (conn_open_operator(emptiest(pool), fd))
		metric_add(metric_slot(), METRIC_CONNECTIONS, 1);
}

/* --- connections that have a time --- */

void worker_time(struct conn *conn, uint64_t wait_us)
{
	struct worker *worker = conn->worker;
	uint64_t due_us = clock_mono_us() + wait_us;

	if (conn->due_us == 0)
		LIST_INSERT_HEAD(&worker->timed, conn, timed);
	if (conn->due_us == 0 || due_us < conn->due_us)
		conn->due_us = due_us;
	if (conn->due_us < worker->next_due_us)
		worker->next_due_us = conn->due_us;
}

void worker_untime(struct conn *conn)
{
	if (conn->due_us != 0)
		LIST_REMOVE(conn, timed);
	conn->due_us = 0;
}

void worker_expire(struct worker *worker, uint64_t now_us)
{
	struct conn *conn, *next;

	worker->next_due_us = UINT64_MAX;
	for (conn = LIST_FIRST(&worker->timed); conn != NULL; conn = next) {
		next = LIST_NEXT(conn, timed);
		if (conn->due_us <= now_us)
			conn_due(conn);
		else if (conn->due_us < worker->next_due_us)
			worker->next_due_us = conn->due_us;
	}
}

/* --- the loop --- */

void worker_wake(struct worker *worker)
{
	const uint64_t one = 1;
	ssize_t n = write(worker->wake_fd, &one, sizeof one);

	(void)n;	/* full: then it is awake */
}

void pool_ask(struct pool *pool)
{
	pool->asked++;
	for (size_t i = 0; i < pool->n_workers; i++)
		worker_wake(&pool->workers[i]);
}

bool pool_has_turned(const struct pool *pool)
{
	for (size_t i = 0; i < pool->n_workers; i++)
		if (pool->workers[i].turned != pool->asked)
			return false;
	return true;
}

static void woken_by_committer(struct commit_client *client)
{
	worker_wake((struct worker *)(void *)((char *)client - offsetof(struct worker, client)));
}

static void submit_writes(struct worker *worker)
{
	if (worker->chain == NULL)
		return;
	commit_submit(worker->pool->app->store, &worker->client, worker->chain);
	worker->chain = NULL;
	worker->chain_tail = &worker->chain;
}

static void answer_written(struct worker *worker)
{
	struct commit_op *op = commit_take(&worker->client), *next;

	for (; op != NULL; op = next) {
		next = op->next;
		conn_written(job_of_op(op)->conn);
	}
}

static void take_returned(struct worker *worker)
{
	struct conn *conn, *next;

	pthread_mutex_lock(&worker->lock);
	conn = worker->returned;
	worker->returned = NULL;
	pthread_mutex_unlock(&worker->lock);
	for (; conn != NULL; conn = next) {
		next = conn->link;
		conn_returned(conn);
	}
}

/* Whether to give up on the flush that CONN waits for: nobody knows when a full disk has space again. */
static bool is_hopeless(const struct conn *conn)
{
	const struct call *call = &conn->job->call;

	if (call->wait_sync_us != 0)
		return clock_mono_us() - call->started_us > CALL_SYNC_WAIT_US;
	return store_waits_for_space(call->app->store) &&
	       clock_mono_us() - call->started_us > STORE_SPACE_WAIT_US;
}

/* Saying that we wait comes before looking, so that no flush falls between. */
static void answer_flushed(struct worker *worker)
{
	const struct pool *pool = worker->pool;
	bool over = drain_is_over(pool);
	struct conn **at = &worker->waiting, *conn;

	commit_waits(&worker->client, true);
	while ((conn = *at) != NULL) {
		if (!conn->gone && !over && !is_hopeless(conn) && !conn_may_tell(conn)) {
			at = &conn->link;
			continue;
		}
		*at = conn->link;
		conn_flushed(conn);
	}
	if (worker->waiting == NULL)
		commit_waits(&worker->client, false);
}

/*
 * Reads have been waiting for a flush, and nothing has happened for a while. When the store has failed
 * there will be none, and nobody else may be there to notice.
 */
static void doubt_flush(const struct worker *worker)
{
	char format[16];
	size_t n;

	if (store_get(worker->pool->app->store, STORE_META, STR_LIT("format"), format, sizeof format, &n) ==
	    RC_STORE)
		serve_fail();
}

static int turn_timeout(const struct worker *worker)
{
	if (drain_is_on(worker->pool))
		return DRAIN_TURN_MS;
	/* Often enough for what has a time. */
	if (!LIST_EMPTY(&worker->timed) || worker->n_probing != 0)
		return TIMED_TURN_MS;
	if (!worker->listening)
		return PAUSE_MS;
	return worker->waiting != NULL ? FLUSH_DOUBT_MS : -1;
}

/* Handle what is ready. Whether the worker was woken for what others have finished. */
static bool handle_events(struct worker *worker)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(worker->epoll, events, EVENTS_MAX, turn_timeout(worker));
	bool woken = false;

	if (n == 0 && worker->waiting != NULL)
		doubt_flush(worker);
	for (int i = 0; i < n; i++) {
		void *what = events[i].data.ptr;

		if (what == &worker->listening)
			accept_some(worker);
		else if (what == &worker->wake_fd)
			woken = true;
		else
			conn_ready(what, events[i].events);
	}
	return woken;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	bool ended = false;

	worker->metrics = metric_slot();
	listen_on(worker);
	while (!ended) {
		bool woken = handle_events(worker);

		submit_writes(worker);
		if (woken) {
			answer_written(worker);
			take_returned(worker);
			worker->turned = worker->pool->asked;
		}
		if (worker->waiting != NULL)
			answer_flushed(worker);
		if (!LIST_EMPTY(&worker->timed) && clock_mono_us() >= worker->next_due_us)
			worker_expire(worker, clock_mono_us());
		if (drain_is_on(worker->pool))
			ended = drain_turn(worker);
		if (worker->pool->is_closed)
			listen_off(worker);
		else if (!worker->listening)
			listen_again(worker);
	}
	return NULL;
}

/* --- the pool --- */

static size_t default_workers(void)
{
	cpu_set_t cpus;
	int n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

	return n < 2 ? 1 : (size_t)n / 2;
}

static bool worker_open(struct worker *worker, struct pool *pool)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = &worker->wake_fd };

	worker->pool = pool;
	worker->chain_tail = &worker->chain;
	worker->next_due_us = UINT64_MAX;
	worker->look = malloc(LOOK_MAX);
	pthread_mutex_init(&worker->lock, NULL);
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	commit_client_open(pool->app->store, &worker->client, woken_by_committer);
	return worker->look != NULL && worker->epoll >= 0 && worker->wake_fd >= 0 &&
	       epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->wake_fd, &event) == 0;
}

static void worker_close(struct worker *worker)
{
	struct job *job, *next;

	assert(worker->conns == NULL);
	commit_client_close(worker->pool->app->store, &worker->client);
	for (job = worker->stock; job != NULL; job = next) {
		next = job->next;
		job_free(job);
	}
	if (worker->epoll >= 0)
		close(worker->epoll);
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	free(worker->look);
	pthread_mutex_destroy(&worker->lock);
}

static bool worker_start(struct worker *worker)
{
	int error = pthread_create(&worker->thread, NULL, worker_run, worker);

	if (error != 0) {
		LOG_ERROR("cannot start a worker", LOG_ERRNO(error));
		return false;
	}
	pthread_setname_np(worker->thread, "worker");
	worker->running = true;
	return true;
}

static size_t at_least(size_t a, size_t b)
{
	return a > b ? a : b;
}

/*
 * A peer's socket has the buffer that ours would have, and the kernel counts small pieces in it at up to four times
 * their size.
 */
static size_t sure_bytes(int listener)
{
	int size = 0;
	socklen_t n = sizeof size;

	return getsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, &n) == 0 && size > 0 ? (size_t)size / 4 : 0;
}

static bool pool_open_all(struct pool *pool)
{
	const struct conf *conf = pool->app->conf;
	size_t n = conf->workers == 0 ? default_workers() : (size_t)conf->workers;
	size_t value = (size_t)conf->value_limit + MEGABYTE;

	pool->max_conns = conf->connections;
	pool->sure_bytes = sure_bytes(pool->listener);
	pool->arena_ceiling = at_least(ARENA_MIN, value);
	pool->workers = calloc(n, sizeof *pool->workers);
	if (pool->workers == NULL)
		return false;
	for (; pool->n_workers < n; pool->n_workers++)
		if (!worker_open(&pool->workers[pool->n_workers], pool)) {
			LOG_ERROR("cannot make an event loop", LOG_ERRNO(errno));
			pool->n_workers++;
			return false;
		}
	pool->slow = slow_open((size_t)conf->slow_threads, at_least(SLOW_ARENA_MIN, value));
	return pool->slow != NULL;
}

struct pool *pool_start(const struct app *app, int listener)
{
	struct pool *pool = calloc(1, sizeof *pool);
	bool started;

	/* Closing, libfcgi would wait up to 2 s for the peer to close first. Read by FCGX_Init. */
	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0", 1);
	if (pool == NULL || FCGX_Init() != 0) {
		free(pool);
		return NULL;
	}
	pool->app = app;
	pool->listener = listener;
	pool->feeds = feed_works();
	if (!pool->feeds)
		LOG_WARN("this libfcgi cannot be fed: every request is read twice");
	started = pool_open_all(pool);
	for (size_t i = 0; started && i < pool->n_workers; i++)
		started = worker_start(&pool->workers[i]);
	if (!started) {
		pool_drain(pool, 0, true);
		pool_join(pool, INT64_MAX / 1000000);
		pool_close(pool);
		return NULL;
	}
	return pool;
}

bool pool_join(struct pool *pool, int64_t timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	for (size_t i = 0; i < pool->n_workers; i++) {
		struct worker *worker = &pool->workers[i];

		if (worker->running && pthread_timedjoin_np(worker->thread, NULL, &until) != 0)
			return false;
		worker->running = false;
	}
	return true;
}

void pool_close(struct pool *pool)
{
	slow_close(pool->slow);
	for (size_t i = 0; i < pool->n_workers; i++)
		worker_close(&pool->workers[i]);
	free(pool->workers);
	free(pool);
}
