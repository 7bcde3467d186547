/*
 * conn.c - one connection of the front server: a request, its answer, the next request.
 *
 * libfcgi is used one request at a time under the rules of DESIGN section 4. It would like to accept
 * and to close by itself; here it may do neither: the descriptor is handed to it, and taken back
 * with FCGX_Free() before it can think of it. And it would like to wait for a request; here that is read and looked
 * at before (intake.c, http/frame.c), so that no peer can hold a loop and nothing comes to it that it does not survive.
 *
 * The worker's thread, but for conn_open() and conn_open_operator() (any thread) and conn_run_slow() (the slow lane's).
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/frame.h"
#include "routes.h"
#include "serve/private.h"

enum {
	PEER_TIMEOUT_S = 2,		/* for a request to come and a reply to be taken; in the slow lane for each read or write */
	PEER_TIMEOUT_US = PEER_TIMEOUT_S * 1000000,
	LARGE_WAIT_US = 50 * 1000,	/* for a body that may not fit into the socket at once */
	QUICK_BODY_MAX = 256 * 1024,	/* larger ones are read in the slow lane */
	BODY_FRAMES = 1024,		/* room for the heads of a body's records, up to LOOK_MAX of it in pieces of 4 KB */
	ROLE_RESPONDER = 1
};

/* Which states may follow which; see the picture in private.h. */
static const unsigned char may_follow[] = {
	[CONN_IDLE]    = 1 << CONN_COMING | 1 << CONN_RUNNING,
	[CONN_COMING]  = 1 << CONN_RUNNING,
	[CONN_RUNNING] = 1 << CONN_IDLE | 1 << CONN_WRITING | 1 << CONN_READING | 1 << CONN_SLOW | 1 << CONN_SENDING,
	[CONN_WRITING] = 1 << CONN_IDLE | 1 << CONN_READING | 1 << CONN_SENDING,
	[CONN_READING] = 1 << CONN_IDLE | 1 << CONN_SENDING,
	[CONN_SLOW]    = 1 << CONN_IDLE,
	[CONN_SENDING] = 1 << CONN_IDLE,
};

static void conn_enter(struct conn *conn, enum conn_state state)
{
	assert(may_follow[conn->state] & 1 << state);
	conn->state = state;
}

/* --- opening and closing --- */

/*
 * EPOLLET: to be told when there is something new, of which all is read then. The kernel has no need to ask
 * the sockets of a turn again in the next one, and half a request does not wake the worker until there is more of it.
 */
static bool watch(struct conn *conn)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = conn };

	return epoll_ctl(conn->worker->epoll, EPOLL_CTL_ADD, conn->fd, &event) == 0;
}

/* To be told of EVENTS instead; at once when they are there. */
static void watch_for(struct conn *conn, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLRDHUP | EPOLLET, .data.ptr = conn };

	epoll_ctl(conn->worker->epoll, EPOLL_CTL_MOD, conn->fd, &event);
}

static void unwatch(struct conn *conn)
{
	epoll_ctl(conn->worker->epoll, EPOLL_CTL_DEL, conn->fd, NULL);
}

static void list_remove(struct conn *conn)
{
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		conn->worker->conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
}

/*
 * Into the worker's list and its epoll, both under the lock: from then on the worker may close it
 * at any moment. False when the worker has ended, or epoll has no room.
 */
static bool list_add(struct conn *conn)
{
	struct worker *worker = conn->worker;
	bool added;

	pthread_mutex_lock(&worker->lock);
	conn->next = worker->conns;
	if (conn->next != NULL)
		conn->next->prev = conn;
	worker->conns = conn;
	worker->n_conns++;
	worker->pool->n_conns++;
	added = !worker->ended && watch(conn);
	if (!added) {
		list_remove(conn);
		worker->n_conns--;
		worker->pool->n_conns--;
	}
	pthread_mutex_unlock(&worker->lock);
	return added;
}

/* Whose process asks, on the control socket. */
static void find_operator(struct conn *conn)
{
	struct ucred peer;
	socklen_t n = sizeof peer;

	if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
		return;
	conn->operator_pid = peer.pid;
	conn->operator_uid = peer.uid;
}

static bool conn_add(struct worker *worker, int fd, bool is_operator)
{
	const struct timeval timeout = { .tv_sec = PEER_TIMEOUT_S };
	struct conn *conn = calloc(1, sizeof *conn);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	if (conn != NULL) {
		FCGX_InitRequest(&conn->fcgi, -1, 0);
		conn->worker = worker;
		conn->fd = fd;
		conn->intake.feed.fd = -1;
		conn->is_operator = is_operator;
		if (is_operator)
			find_operator(conn);
		drain_opened(conn);
		if (list_add(conn))
			return true;
	}
	free(conn);
	close(fd);
	return false;
}

bool conn_open(struct worker *worker, int fd)
{
	return conn_add(worker, fd, false);
}

bool conn_open_operator(struct worker *worker, int fd)
{
	return conn_add(worker, fd, true);
}

void conn_close(struct conn *conn)
{
	struct worker *worker = conn->worker;

	assert(conn->job == NULL);
	metric_add(worker->metrics, METRIC_CONNECTIONS_ENDED, 1);
	worker_untime(conn);
	pthread_mutex_lock(&worker->lock);
	list_remove(conn);
	worker->n_conns--;
	worker->pool->n_conns--;
	pthread_mutex_unlock(&worker->lock);
	FCGX_Free(&conn->fcgi, 0);
	intake_clear(&conn->intake);
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn);
}

/* --- the request under way --- */

/* Whether to read REQUEST's body would take too long for a loop, or nobody knows how long. */
static bool has_slow_body(const struct request *request)
{
	if (request->content_length < 0)
		return (request->method & (METHOD_PUT | METHOD_POST | METHOD_PATCH)) != 0;
	return request->content_length > QUICK_BODY_MAX;
}

/* Run the request from its start, in a loop or in the slow lane; answers as a handler does (call.h). */
static enum rc run(struct job *job, struct arena *arena, struct metric_slot *metrics, bool slow)
{
	struct call *call = &job->call;
	FCGX_Request *fcgi = &job->conn->fcgi;
	enum rc rc;

	*call = (struct call){
		.app = job->conn->worker->pool->app,
		.arena = arena,
		.metrics = metrics,
		.now = clock_wall_s(),
		.started_us = call->started_us,
		.slow = slow,
		.rated = slow && call->rated,
		.is_operator = job->conn->is_operator,
		.operator_pid = job->conn->operator_pid,
		.operator_uid = job->conn->operator_uid,
	};
	rc = request_read(&call->request, fcgi->envp);
	body_init(&call->body, fcgi->in, call->request.content_length);
	reply_init(&call->reply);
	if (!slow && (!job->conn->is_whole || has_slow_body(&call->request)))
		return RC_SLOW;
	return rc == RC_OK ? routes_run(call) : rc;
}

/* One line a request: never its key, only the route's template. */
static void log_request(const struct job *job, bool sent, uint64_t us)
{
	static const enum log_level levels[] = {
		[RC_QUIET] = LOG_LEVEL_DEBUG, [RC_WARN] = LOG_LEVEL_WARN, [RC_ERROR] = LOG_LEVEL_ERROR
	};
	const struct call *call = &job->call;
	const struct rc_info *info = rc_info(call->outcome);
	const struct project *project = call->caller.project;

	LOG_AT(levels[info->loudness], "request",
	       LOG_STR("request_id", call->request.request_id.n == 0 ? "-" : call->request.request_id.p),
	       LOG_STR("project", project == NULL ? "-" : project->id),
	       LOG_STR("route", routes_name(call)),
	       LOG_STR("code", info->code),
	       LOG_I64("status", call->reply.status),
	       LOG_U64("bytes", call->reply.without_body ? 0 : reply_length(&call->reply)),
	       LOG_U64("us", us),
	       LOG_STR("sent", sent ? "yes" : "no"));
}

static void count_request(const struct call *call, bool sent, uint64_t us)
{
	struct metric_slot *metrics = call->metrics;

	metric_request(metrics, call->counted, call->reply.status, us, (uint64_t)call->body.seen,
		       call->reply.without_body ? 0 : reply_length(&call->reply));
	if (call->outcome != RC_OK)
		metric_refusal(metrics, call->outcome);
	if (call->caller.project != NULL)
		metric_project(metrics, call->caller.project->number, call->route->right >= RIGHT_WRITE);
	if (!sent)
		metric_add(metrics, METRIC_CONNECTION_ERRORS, 1);
}

/* Whether the reply is to be sent, and how it ends; the thread that runs the request, before it sends it. */
static bool reply_begin(struct conn *conn, enum reply_end *end)
{
	struct job *job = conn->job;
	struct call *call = &job->call;

	if (call->request.method == METHOD_HEAD)
		call->reply.without_body = true;
	job->is_last = drain_is_on(conn->worker->pool);
	*end = job->is_last ? REPLY_LAST : REPLY_KEEP;
	/* Bytes of a body that stayed behind would be taken for the next request. */
	return !conn->gone && body_drain(&call->body);
}

/*
 * The request's last moment, when its reply was SENT or was not: give back what it holds. True
 * when the connection can serve another one. The thread that runs the request.
 */
static bool request_end(struct conn *conn, bool sent)
{
	struct job *job = conn->job;
	struct call *call = &job->call;
	bool keep = sent && !job->is_last && !conn->has_left && conn->fcgi.keepConnection;
	uint64_t us = clock_mono_us() - call->started_us;

	count_request(call, sent, us);
	log_request(job, sent, us);
	routes_clear(call);
	FCGX_Free(&conn->fcgi, 0);
	if (job->rc == RC_STORE)
		serve_fail();
	return keep;
}

/* In the loop: behind the reply wait for the next request, or close. */
static void conn_end(struct conn *conn, bool sent)
{
	bool keep = request_end(conn, sent);

	worker_return_job(conn->worker, conn->job);
	conn->job = NULL;
	if (!keep) {
		conn_close(conn);
		return;
	}
	if (conn->state == CONN_SENDING) {
		worker_untime(conn);
		watch_for(conn, EPOLLIN);
	}
	conn_enter(conn, CONN_IDLE);
}

/* In the loop: reply, as far as the socket takes it. */
static void conn_answer(struct conn *conn)
{
	struct job *job = conn->job;
	enum reply_sent sent = REPLY_LOST;
	enum reply_end end;

	if (reply_begin(conn, &end))
		sent = reply_send_now(&conn->fcgi, &job->call.reply, end, job->call.arena, &job->rest);
	if (sent != REPLY_WAITS) {
		conn_end(conn, sent == REPLY_SENT);
		return;
	}
	conn_enter(conn, CONN_SENDING);
	worker_time(conn, PEER_TIMEOUT_US);
	watch_for(conn, EPOLLOUT);
}

/* The peer has taken some of the reply, or has gone. */
static void conn_send_rest(struct conn *conn)
{
	enum reply_sent sent = reply_send_rest(conn->fd, &conn->job->rest);

	if (sent != REPLY_WAITS) {
		conn_end(conn, sent == REPLY_SENT);
		return;
	}
	worker_untime(conn);
	worker_time(conn, PEER_TIMEOUT_US);
}

bool conn_may_tell(const struct conn *conn)
{
	const struct call *call = &conn->job->call;

	return (call->wait_version == 0 || store_is_flushed(call->app->store, call->wait_version)) &&
	       (call->wait_sync_us == 0 || store_has_synced(call->app->store, call->wait_sync_us));
}

/* The reply is ready; it goes out when what was read to make it can no longer be taken back. */
static void conn_tell(struct conn *conn)
{
	struct worker *worker = conn->worker;
	const struct call *call = &conn->job->call;

	if (conn->gone || conn->job->rc == RC_STORE || conn_may_tell(conn)) {
		conn_answer(conn);
		return;
	}
	metric_add(call->metrics, METRIC_READS_PARKED, 1);
	worker->n_probing += call->wait_sync_us != 0;
	conn_enter(conn, CONN_READING);
	conn->link = worker->waiting;
	worker->waiting = conn;
}

static void conn_commit(struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct commit_op *op = &conn->job->call.op;

	metric_add(worker->metrics, METRIC_WRITES_PARKED, 1);
	conn_enter(conn, CONN_WRITING);
	op->next = NULL;
	*worker->chain_tail = op;
	worker->chain_tail = &op->next;
}

static void conn_slow_down(struct conn *conn)
{
	metric_add(conn->job->call.metrics, METRIC_SLOW_CALLS, 1);
	conn->is_large = has_slow_body(&conn->job->call.request);
	routes_clear(&conn->job->call);
	unwatch(conn);
	conn_enter(conn, CONN_SLOW);
	conn->worker->pool->n_slow++;
	slow_give(conn->worker->pool->slow, conn);
}

static void conn_run(struct conn *conn)
{
	struct job *job = conn->job;

	conn_enter(conn, CONN_RUNNING);
	job->call.started_us = clock_mono_us();
	job->rc = run(job, job->arena, conn->worker->metrics, false);
	if (job->rc == RC_SLOW && intake_keep(&conn->intake, 0)) {
		conn_slow_down(conn);
		return;
	}
	if (job->rc == RC_SLOW)
		job->rc = RC_NO_MEMORY;
	/*
	 * Nothing may wait in the socket while the request does: a connection that can be read then is
	 * one whose peer has given up. A write whose request did not come whole is not done.
	 */
	if (!body_drain(&job->call.body))
		job->rc = RC_SHORT_BODY;
	intake_clear(&conn->intake);
	if (job->rc == RC_PARKED) {
		conn_commit(conn);
		return;
	}
	if (job->rc != RC_OK)
		routes_error(&job->call, job->rc);
	conn_tell(conn);
}

/*
 * Read the next request. False when there is none: the peer has left, sent no FastCGI, or stopped half way.
 */
static bool request_begin(struct conn *conn)
{
	FCGX_Request *fcgi = &conn->fcgi;

	fcgi->ipcFd = conn->fd;
	fcgi->keepConnection = 1;	/* else it begins by closing the descriptor */
	if (FCGX_Accept_r(fcgi) < 0) {
		conn->fd = fcgi->ipcFd;	/* -1: it has closed it */
		return false;
	}
	/* Parameters that end with the connection, between two of them, look like all parameters. */
	return FCGX_GetError(fcgi->in) == 0 && fcgi->role == ROLE_RESPONDER;
}

/* What peers do that no front server does. */
static void conn_refuse(struct conn *conn)
{
	metric_add(conn->worker->metrics, METRIC_CONNECTION_ERRORS, 1);
	conn_close(conn);
}

/* The request that libfcgi is fed with begins. */
static void conn_serve(struct conn *conn)
{
	if (!request_begin(conn)) {
		conn_refuse(conn);
		return;
	}
	conn->job = worker_take_job(conn->worker);
	if (conn->job == NULL) {
		LOG_ERROR("no memory for a request");
		conn_close(conn);
		return;
	}
	conn->job->conn = conn;
	metric_add(conn->worker->metrics, METRIC_REQUESTS_BEGUN, 1);
	conn_run(conn);
}

/* A request is here: WHOLE bytes of it, or with 0 its parameters. */
static void conn_begin(struct conn *conn, size_t whole)
{
	struct feed *feed = &conn->intake.feed;

	worker_untime(conn);
	conn->is_whole = whole != 0;
	if (conn->is_whole && conn->worker->pool->feeds) {
		feed->n = whole;
		feed->is_all = true;
	}
	/* The slow lane will read what follows, and needs what is here. */
	if (!conn->is_whole && !intake_keep(&conn->intake, 0)) {
		conn_refuse(conn);
		return;
	}
	feed_use(feed);
	conn_serve(conn);
	feed_use(NULL);
}

/* --- a request comes --- */

static void conn_await(struct conn *conn, size_t whole, uint64_t wait_us)
{
	if (!intake_keep(&conn->intake, whole)) {
		conn_refuse(conn);
		return;
	}
	worker_time(conn, wait_us);
	if (conn->state != CONN_COMING)
		conn_enter(conn, CONN_COMING);
}

/* The parameters are here, and not all of the body. IS_OVER: it was waited for. */
static void conn_await_body(struct conn *conn, const struct frame *frame, bool is_over)
{
	const size_t n = conn->intake.feed.n, sure = conn->worker->pool->sure_bytes;
	bool is_known = frame->declared >= 0 && frame->declared < LOOK_MAX;
	size_t size = is_known ? frame->head + (size_t)frame->declared : SIZE_MAX;

	if (size <= sure && n <= sure) {
		if (is_over)
			conn_refuse(conn);
		else
			conn_await(conn, size + BODY_FRAMES, PEER_TIMEOUT_US);
		return;
	}
	/* Most of these come whole as well, a moment later; the slow lane waits for the others. */
	if (is_over || size > LOOK_MAX || n == LOOK_MAX)
		conn_begin(conn, 0);
	else
		conn_await(conn, size + BODY_FRAMES, LARGE_WAIT_US);
}

/* What has come is the beginning of a request, or all of it. HAS_LEFT: no more will come; IS_OVER: it took too long. */
static void conn_look(struct conn *conn, bool has_left, bool is_over)
{
	const struct feed *feed = &conn->intake.feed;
	struct frame frame;

	switch (frame_look(feed->p, feed->n, &frame)) {
	case FRAME_WHOLE:
		/* The front server says nothing more before it has the answer. */
		if (frame.size != feed->n)
			break;
		conn->has_left = has_left;
		conn_begin(conn, frame.size);
		return;
	case FRAME_HEAD:
		if (has_left)
			break;
		conn_await_body(conn, &frame, is_over);
		return;
	case FRAME_MORE:
		if (has_left || is_over || feed->n == LOOK_MAX)
			break;
		conn_await(conn, 0, PEER_TIMEOUT_US);
		return;
	case FRAME_BAD:
		break;
	}
	conn_refuse(conn);
}

/* Something waits in the socket, or will not come any more. */
static void conn_take(struct conn *conn, bool has_left, bool is_over)
{
	struct intake *in = &conn->intake;
	struct worker *worker = conn->worker;
	enum intake_got got = worker->pool->feeds ? intake_take(in, conn->fd, worker->look) :
		intake_peek(in, conn->fd, worker->look);

	if (got == INTAKE_NOTHING && !is_over)
		return;
	if (got != INTAKE_END && in->feed.n != 0)
		conn_look(conn, has_left, is_over);
	else if (conn->state == CONN_COMING)
		conn_refuse(conn);
	else
		conn_close(conn);
}

/* --- what the worker calls --- */

void conn_ready(struct conn *conn, uint32_t events)
{
	switch (conn->state) {
	case CONN_IDLE:
	case CONN_COMING:
		conn_take(conn, (events & (EPOLLRDHUP | EPOLLHUP)) != 0, false);
		return;
	case CONN_SENDING:
		conn_send_rest(conn);
		return;
	case CONN_WRITING:
	case CONN_READING:
		unwatch(conn);
		conn->gone = true;
		return;
	case CONN_RUNNING:
	case CONN_SLOW:
		break;
	}
	assert(!"a connection that is in no epoll");
}

void conn_due(struct conn *conn)
{
	/* Once more: what comes late may be here by now. */
	if (conn->state == CONN_COMING) {
		conn_take(conn, false, true);
		return;
	}
	conn_end(conn, false);
}

void conn_written(struct conn *conn)
{
	struct call *call = &conn->job->call;

	metric_add(call->metrics, METRIC_UNPARKED, 1);
	conn->job->rc = call->op.rc;
	routes_done(call);
	conn_tell(conn);
}

void conn_flushed(struct conn *conn)
{
	struct call *call = &conn->job->call;

	metric_add(call->metrics, METRIC_UNPARKED, 1);
	conn->worker->n_probing -= call->wait_sync_us != 0;
	if (!conn_may_tell(conn)) {
		conn->job->rc = RC_UNAVAILABLE;
		routes_error(call, RC_UNAVAILABLE);
	}
	conn_answer(conn);
}

void conn_returned(struct conn *conn)
{
	conn->worker->pool->n_slow--;
	metric_add(conn->worker->metrics, METRIC_SLOW_CALLS_DONE, 1);
	worker_return_job(conn->worker, conn->job);
	conn->job = NULL;
	if (!conn->keep) {
		conn_close(conn);
		return;
	}
	conn_enter(conn, CONN_IDLE);
	if (!watch(conn))
		conn_close(conn);
}

/* --- what the slow lane calls --- */

void conn_run_slow(struct conn *conn, struct arena *arena)
{
	struct job *job = conn->job;
	struct call *call = &job->call;
	enum reply_end end;
	bool sent;

	feed_use(&conn->intake.feed);
	job->rc = run(job, arena, metric_slot(), true);
	assert(job->rc != RC_SLOW);
	if (!body_drain(&call->body))
		job->rc = RC_SHORT_BODY;
	feed_use(NULL);
	intake_clear(&conn->intake);
	if (job->rc == RC_PARKED) {
		job->rc = commit_run(call->app->store, &call->op);
		routes_done(call);
	} else if (job->rc != RC_OK) {
		routes_error(call, job->rc);
	}
	if (call->wait_version != 0 && job->rc != RC_STORE) {
		enum rc rc = store_wait(call->app->store, call->wait_version);

		if (rc != RC_OK) {
			job->rc = rc;
			routes_error(call, rc);
		}
	}
	sent = reply_begin(conn, &end) && reply_send(&conn->fcgi, &call->reply, end, call->arena);
	conn->keep = request_end(conn, sent);
}
