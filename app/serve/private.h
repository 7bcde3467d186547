/*
 * private.h - what the files of this room share.
 *
 * The room has two halves. The supervisor (supervise.c, listen.c, settings.c, handover.c, notify.c) is
 * one thread without a store. The server (server.c and all the rest) is a pool of workers:
 *
 *     server.c   opens everything, waits for a signal, ends it all
 *     worker.c   the pool; a worker's loop: wait, accept, answer, repeat
 *     conn.c     one connection, one request after the other
 *     intake.c   what has come on a connection, until libfcgi reads it
 *     slow.c     threads for what would hold up a loop
 *     drain.c    how it ends: who asked for it, and closing kept connections
 *     pulse.c    that all this goes on: for a watchdog
 */
#ifndef SERVE_PRIVATE_H
#define SERVE_PRIVATE_H

#include <fcgiapp.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <time.h>

#include "base/conf.h"
#include "call.h"
#include "http/feed.h"
#include "serve/serve.h"

struct pool;
struct slow_lane;
struct worker;

/* --- intake.c --- */

enum { LOOK_MAX = 192 * 1024 };	/* most of a request that is looked at: more than a socket of usual size holds */

/* What has come on a connection and was not read by libfcgi yet: FEED, which lies in a worker's `look`, or in OWN. */
struct intake {
	struct feed feed;
	unsigned char *own;		/* COMING, SLOW; NULL: there is none */
	size_t size;			/* of OWN; LOOK_MAX at most */
};

enum intake_got { INTAKE_SOME, INTAKE_NOTHING, INTAKE_END };

/* intake_take - read what waits in FD, as much as there is room for behind what has come before; LOOK has LOOK_MAX bytes. */
enum intake_got intake_take(struct intake *in, int fd, unsigned char *look);

/* intake_peek - the same, but all of it stays in the socket, and what came before is among it. */
enum intake_got intake_peek(struct intake *in, int fd, unsigned char *look);

/* intake_keep - what has come stays when LOOK is used for others. WHOLE bytes of it will come, 0: who knows. False: no memory. */
bool intake_keep(struct intake *in, size_t whole);

/* intake_clear - forget it all. */
void intake_clear(struct intake *in);

/* --- conn.c --- */

/*
 * A connection of the front server, as its worker sees it. Only conn_enter() changes it.
 *
 *            .-----------<-- reply sent, connection kept --<-------------.
 *            v                                                           |
 *    -+-> IDLE --request--> RUNNING --RC_PARKED---> WRITING --durable--->+--not at once--> SENDING
 *     |      |      ^          |-----not flushed--> READING --flushed--->+
 *  accept  part     |          |-----RC_SLOW------> SLOW --handed back-->+
 *            v      |          '---------------------------------------->'
 *          COMING --'
 *
 * A loop gives a request to libfcgi, which blocks, only when all of it has come (or its parameters have, and the
 * slow lane reads the body). Until then it is COMING, and while its peer does not take the
 * reply it is SENDING: both end by themselves, or in PEER_TIMEOUT_S, and cost nobody else any time.
 * Any state may end with the connection closed: peer gone, protocol error, last reply of a drain.
 *
 * A peer that speaks or hangs up while WRITING or READING has given up on the answer (the front
 * server never sends a second request before it). The connection leaves epoll then, because a
 * hang-up is reported for ever, and is `gone`: the work is finished and the reply dropped.
 *
 * While SLOW it belongs to the slow lane and is in no epoll; in every other state only its
 * worker touches it.
 */
enum conn_state { CONN_IDLE, CONN_COMING, CONN_RUNNING, CONN_WRITING, CONN_READING, CONN_SLOW, CONN_SENDING };

struct conn {
	struct worker *worker;
	struct conn *prev, *next;	/* all of the worker's, under its lock */
	struct conn *link;		/* waiting for a flush, for the slow lane, on the way back */
	struct job *job;		/* the request under way; NULL while IDLE */
	FCGX_Request fcgi;
	struct intake intake;		/* empty while IDLE */
	int fd;
	enum conn_state state;
	uint64_t due_us;		/* COMING, SENDING: until then */
	LIST_ENTRY(conn) timed;		/* the same: among its worker's */
	bool is_whole;			/* the request under way had come whole */
	bool has_left;			/* the peer sends no more; behind the reply there is nothing to wait for */
	bool gone;			/* the peer gave up while its request was under way */
	bool keep;			/* the slow lane says: to be kept */
	bool is_large;			/* in the slow lane for its body */
	int64_t operator_pid, operator_uid;	/* who that is, when it is one */
	bool is_operator;		/* it came through the control socket; for its whole life */
	uint64_t fresh_until_us;	/* came during a drain: its request may be on its way until then; else 0 */
};

/* A request under way: what an idle connection does not need to have. From the worker's stock. */
struct job {
	struct call call;
	struct conn *conn;
	struct arena *arena;
	enum rc rc;			/* how its handler ended */
	bool is_last;			/* no request follows on its connection */
	struct reply_rest rest;		/* SENDING: what is still to be sent */
	struct job *next;		/* in the stock */
};

/* conn_open - give FD to WORKER, which owns it from now on. Any thread. False (and closed) when it cannot. */
bool conn_open(struct worker *worker, int fd);

/* conn_open_operator - the same; its requests are the operator's. */
bool conn_open_operator(struct worker *worker, int fd);

/* conn_ready - epoll reports EVENTS on it. */
void conn_ready(struct conn *conn, uint32_t events);

/* conn_written - its write is durable or refused: reply. */
void conn_written(struct conn *conn);

/* conn_may_tell - what it waits for, READING, has happened: its reply may go out. */
bool conn_may_tell(const struct conn *conn);

/* conn_flushed - that, or the peer has gone, or nobody waits any longer: reply, or drop it. */
void conn_flushed(struct conn *conn);

/* conn_returned - the slow lane has answered and hands it back. */
void conn_returned(struct conn *conn);

/* conn_due - COMING or SENDING for too long. */
void conn_due(struct conn *conn);

/* conn_close - close and forget it. The worker's thread only. */
void conn_close(struct conn *conn);

/* conn_run_slow - run its request from the start in the slow lane, with ARENA, and reply. */
void conn_run_slow(struct conn *conn, struct arena *arena);

static inline struct job *job_of_op(struct commit_op *op)
{
	return (struct job *)(void *)((char *)op - offsetof(struct job, call.op));
}

/* --- worker.c --- */

/*
 * One event loop in a thread. What other threads touch: `n_conns` (atomic); `conns`, `returned` and
 * `ended` (under `lock`); `wake_fd` (to write to), and `epoll` (to add a connection).
 */
struct worker {
	struct pool *pool;
	pthread_t thread;
	bool running;
	int epoll;
	int wake_fd;			/* eventfd: something was finished elsewhere */
	struct metric_slot *metrics;
	struct commit_client client;

	_Atomic size_t n_conns;
	pthread_mutex_t lock;
	struct conn *conns;		/* every one it owns */
	struct conn *returned;		/* by the slow lane, newest first */
	bool ended;			/* takes no connection any more */

	struct commit_op *chain, **chain_tail;	/* this turn's writes */
	struct conn *waiting;		/* READING, until a flush */
	size_t n_probing;		/* of these: with a limit of their own */
	LIST_HEAD(, conn) timed;	/* COMING or SENDING */
	uint64_t next_due_us;		/* none of them is due before; UINT64_MAX: there are none */
	unsigned char *look;		/* LOOK_MAX bytes, to read a socket into */
	struct job *stock;		/* for the next requests */
	size_t n_stock;
	_Atomic unsigned turned;	/* the number of the last pool_ask() that it has seen */
	bool listening;			/* the listener is in its epoll */
	uint64_t listen_again_us;	/* when not, and not draining: not before then */
};

/* The workers of a server, and what they share. */
struct pool {
	const struct app *app;
	int listener;
	struct worker *workers;
	size_t n_workers;
	struct slow_lane *slow;
	_Atomic int64_t n_conns;	/* of all workers */
	_Atomic int64_t n_slow;		/* of these in the slow lane */
	int64_t max_conns;
	size_t arena_ceiling;
	bool feeds;			/* libfcgi reads what we have read (http/feed.h) */
	size_t sure_bytes;		/* a request of so many lies in a socket at once, in whatever pieces it was sent */
	_Atomic unsigned asked;		/* pool_ask() counts */
	/* A drain: both 0 while there is none. */
	_Atomic uint64_t drain_from_us;
	_Atomic uint64_t drain_until_us;
	_Atomic bool is_closed;		/* nobody is let in any more */
};

/*
 * pool_start - threads that serve LISTENER (non-blocking). All signals must be blocked
 * already: the threads inherit that. NULL when it cannot; logged.
 */
struct pool *pool_start(const struct app *app, int listener);

/*
 * pool_has_room - whether another connection would be served. pool_take_operator - FD, which came in over
 * the control socket, is a connection of the pool's from now on. For struct control_upgrade.
 */
bool pool_has_room(void *pool);
void pool_take_operator(void *pool, int fd);

/*
 * pool_drain - finish what is under way, within LIMIT_MS, and accept nothing more: at once when CLOSE, else when
 * nothing keeps the pool from ending soon. Returns at once.
 */
void pool_drain(struct pool *pool, int64_t limit_ms, bool close);

/* pool_join - wait until all workers have ended, TIMEOUT_MS at most; false when some have not. */
bool pool_join(struct pool *pool, int64_t timeout_ms);

/* pool_close - behind a pool_join() that answered true. */
void pool_close(struct pool *pool);

/* pool_ask - every event loop is to turn once. pool_has_turned - whether all have, since the last pool_ask(). One asks. */
void pool_ask(struct pool *pool);
bool pool_has_turned(const struct pool *pool);

/* worker_wake - from any thread, without blocking. */
void worker_wake(struct worker *worker);

/* worker_time - CONN is due in WAIT_US, or earlier if it was before. worker_untime - never. */
void worker_time(struct conn *conn, uint64_t wait_us);
void worker_untime(struct conn *conn);

/* worker_expire - what is due by NOW_US is due. */
void worker_expire(struct worker *worker, uint64_t now_us);

/* worker_take_job - an empty job with its arena; NULL when there is no memory. */
struct job *worker_take_job(struct worker *worker);
void worker_return_job(struct worker *worker, struct job *job);

/* --- slow.c --- */

/* slow_open - N threads, with arenas of CEILING bytes. */
struct slow_lane *slow_open(size_t n, size_t ceiling);

/* slow_give - CONN, which has left epoll, is the slow lane's until conn_returned(). */
void slow_give(struct slow_lane *lane, struct conn *conn);

/* slow_close - the queue must be empty and the threads idle. NULL is fine. */
void slow_close(struct slow_lane *lane);

/* --- drain.c --- */

/* drain_is_on - no request is the first of many from now on. Any thread. */
bool drain_is_on(const struct pool *pool);

/* drain_opened - CONN has come in during a drain, if there is one. */
void drain_opened(struct conn *conn);

/* drain_is_over - the time for it is up. */
bool drain_is_over(const struct pool *pool);

/* drain_turn - the worker's part of a drain, once a turn. True when the worker has nothing left to do. */
bool drain_turn(struct worker *worker);

/* What SIGTERM carries when the supervisor sends it: whether another server takes the place of the one that ends. */
enum { DRAIN_STOPS, DRAIN_REPLACED };

/* Whether serve_fail() was called, and a descriptor that becomes readable then. */
bool serve_has_failed(void);
int serve_fail_fd(void);

/* --- listen.c --- */

/* Why a socket could not be had: a fixed sentence, what it is about, the system's word. */
struct listen_error {
	const char *sentence;
	char path[256];
	int error;		/* errno; 0 when it says nothing */
	int exit_code;
};

/* A listening socket; PATH is set when we made its file and must remove it. */
struct listen_socket {
	int fd;
	char path[108];
	dev_t device;
	ino_t inode;
};

struct listen_how {
	mode_t mode;
	const char *group;	/* empty or NULL: ours */
	int backlog;
	int wait_ms;		/* for somebody who listens there and may be going */
};

/* listen_bind - make a Unix socket at PATH. A file that nobody listens on is replaced. */
bool listen_bind(struct listen_socket *out, const char *path, const struct listen_how *how,
		 struct listen_error *error);

/*
 * listen_inherit - a listening socket that was handed to us: LISTEN_FDS for this process, then
 * descriptor 0. False with ERROR->sentence NULL when there is none.
 */
bool listen_inherit(struct listen_socket *out, struct listen_error *error);

/* listen_open - the FastCGI socket and the control socket, as DESIGN section 1 orders them. */
struct listen_sockets {
	struct listen_socket fastcgi;
	struct listen_socket control;
};
bool listen_open(struct listen_sockets *out, const char *path, const struct conf *conf,
		 struct listen_error *error);

/* listen_is_on - whether FD is a listening socket. */
bool listen_is_on(int fd);

/* listen_close - close it and remove the file, if it is still the one we made. */
void listen_close(struct listen_socket *socket);

/* --- settings.c --- */

/* Settings that were checked: for us, and as a file for servers. FD is -1 when there are none. */
struct settings_set {
	struct conf conf;
	int fd;
};

struct settings {
	struct settings_set now;	/* of the server, and of the next one */
	struct settings_set before;	/* until a server has served with those of NOW */
	int n_failed;			/* servers that did not */
};

/* settings_open - those of CONF, which stays the caller's. False when it cannot; logged. */
bool settings_open(struct settings *s, const struct conf *conf);

/* settings_take - those that another process had in NOW: its FD, which is ours from now on. False when it cannot; logged. */
bool settings_take(struct settings *s, int fd);

void settings_close(struct settings *s);

/*
 * settings_read_again - take those of FILE (NULL: there is none). False when they are not valid: the log says why,
 * and nothing has changed. What a reload cannot change is named there, and left as it is.
 */
bool settings_read_again(struct settings *s, const char *file);

/* settings_have_served - a server serves with them. */
void settings_have_served(struct settings *s);

/*
 * settings_go_back - a server has ended without having served, FOR_GOOD: each would. Whether those before are
 * in use again: a memory size that this machine does not have is found out only by a server.
 */
bool settings_go_back(struct settings *s, bool for_good);

/* --- handover.c --- */

/* Which file stands at a path. */
struct handover_file {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

/* The new program is asked, in a child, whether it can take over. PID is 0 while it is not. */
struct handover_check {
	char path[PATH_MAX];		/* of the program */
	struct handover_file file;	/* what stood there when it was asked */
	pid_t pid;
	int out;			/* what it says comes here */
};

/*
 * handover_find - the path under which PROGRAM, our argv[0], was started; SELF, the file that we run from, when
 * that cannot be told.
 */
void handover_find(char path[PATH_MAX], const char *program, const char *self);

/* handover_check_start - ask it. False and errno when that is not possible. */
bool handover_check_start(struct handover_check *check, const struct serve_options *options,
			  const struct serve_handover *h);

/* handover_check_cancel - never mind. */
void handover_check_cancel(struct handover_check *check);

/*
 * handover_check_end - the child was reaped with STATUS. SAID, of SIZE bytes, is what it said.
 * HANDOVER_ASK_AGAIN: the file was replaced meanwhile.
 */
enum handover_answer { HANDOVER_AGREED, HANDOVER_REFUSED, HANDOVER_ASK_AGAIN };
enum handover_answer handover_check_end(struct handover_check *check, int status, char *said, size_t size);

/* handover_exec - become the new program. Returns only when that fails, with errno, and nothing has changed. */
void handover_exec(const struct handover_check *check, const struct serve_options *options,
		   const struct serve_handover *h);

/* --- notify.c --- */

/* notify_systemd - tell the service manager STATE ("READY=1"); nothing happens without one. */
void notify_systemd(const char *state);

/* notify_reloading - READY=1 has to follow. */
void notify_reloading(void);

/*
 * It kills what takes too long to start or to stop, and with a watchdog what is silent. notify_plea_begin - plead for
 * patience, now and again and again, LIMIT_MS at most: notify_plea() whenever AT_US has come. notify_plea_end - no more.
 */
struct notify_plea {
	uint64_t at_us;			/* UINT64_MAX: never */
	uint64_t until_us;
};
void notify_plea_begin(struct notify_plea *plea, int64_t limit_ms);
void notify_plea_end(struct notify_plea *plea);
void notify_plea(struct notify_plea *plea);

/* notify_watchdog_us - how long the process PID may be silent before it is killed; 0: as long as it likes. */
uint64_t notify_watchdog_us(pid_t pid);

/* --- pulse.c --- */

/*
 * pulse_start - a byte to FD, which is the pulse's from now on, twice in WATCHDOG_US, while POOL turns and the
 * store of APP syncs. NULL: logged. pulse_stop - NULL is fine.
 */
struct pulse;
struct pulse *pulse_start(const struct app *app, struct pool *pool, int fd, uint64_t watchdog_us);
void pulse_stop(struct pulse *pulse);

/* ---- upkeep.c: what is due by the clock ---- */

/* upkeep_start - once, at once, then in a thread of its own. NULL: logged. upkeep_stop - and a last time, with all that waits. */
struct upkeep;
struct upkeep *upkeep_start(const struct app *app);
void upkeep_stop(struct upkeep *upkeep);

#endif
