/*
 * call.h - what a handler may touch: one struct for one request under way.
 *
 * A handler is `enum rc handler(struct call *)`. It answers
 *   RC_OK      the reply is in call->reply. It goes out once everything up to
 *              call->wait_version is flushed (0: at once). With call->wait_sync_us it waits for
 *              store_has_synced(), CALL_SYNC_WAIT_US at most, and is RC_UNAVAILABLE then.
 *   RC_PARKED  through call_commit(): a write is queued; call->done fills the reply.
 *   RC_SLOW    too much for an event loop: the handler is run again from its start in
 *              the slow lane, where call->slow is set. Nothing may have been read or changed.
 *   else       the error envelope, with call->detail as its sentence when that is set.
 */
#ifndef CALL_H
#define CALL_H

#include <assert.h>

#include "auth/access.h"
#include "auth/auth.h"
#include "base/arena.h"
#include "base/metric.h"
#include "base/rc.h"
#include "http/body.h"
#include "http/reply.h"
#include "http/request.h"
#include "store/commit.h"

struct auth;
struct conf;
struct kv;
struct registry;
struct route;
struct store;

/* The parts of a running server; made once, shared by all threads. */
struct app {
	const struct conf *conf;
	struct store *store;
	struct kv *kv;
	struct registry *registry;
	struct auth *auth;
	_Atomic bool is_ending;		/* the server has to end, and it is not for another one to take its place */
	int64_t started_at;		/* seconds since 1970 */
};

/* What the Origin header says to the project that the request is about (doors/origin.c). */
enum call_origin {
	ORIGIN_ANY,		/* nothing: the project has no list, or is not known */
	ORIGIN_ABSENT,		/* it has a list, and there is no such header */
	ORIGIN_LISTED,
	ORIGIN_FOREIGN
};

enum { CALL_SYNC_WAIT_US = 2000000 };

struct call {
	const struct app *app;
	struct request request;
	struct body body;
	struct reply reply;
	struct arena *arena;		/* reset after the reply */
	struct metric_slot *metrics;	/* of the thread that runs the call now */
	int64_t now;			/* seconds since 1970, when the request came */
	uint64_t started_us;		/* monotonic */
	bool slow;			/* running in the slow lane */
	bool rated;			/* counted against its user's rate, in the loop it was run in before */
	bool is_operator;		/* from the control socket: the operator, without a credential */
	int64_t operator_pid, operator_uid;	/* and that is this process */

	const struct route *route;	/* NULL until one is found */
	enum metric_op counted;		/* as what it is counted */
	const char *op_name;		/* the route's, for the texts of errors; NULL: none */
	struct str key;			/* what stands in the path for each, undecoded */
	struct str account, name_space;
	struct caller caller;
	struct access access;		/* what door_may() has found for the key */
	enum call_origin origin;
	struct str detail;		/* a better sentence for the error; empty: the table's */

	enum rc outcome;		/* what the reply says, for the log */
	uint64_t wait_version;		/* the reply waits until this is flushed; 0 = for nothing */
	uint64_t wait_sync_us;		/* and until there was a flush at this moment or later; 0: likewise */
	uint64_t found_version;		/* of the key as it is, for the ETag of RC_PRECONDITION_FAILED; 0: not told */
	struct commit_op op;		/* the queued write */
	enum rc (*done)(struct call *);	/* fills the reply once op is durable, or says why not */

	void (*clear)(struct call *);	/* releases HELD; NULL: there is nothing. See call_hold() */
	void *held;
};

/*
 * call_hold - the handler holds something that the arena does not give back: a reader, an upload, a file.
 * CLEAR releases call->held behind the reply, whether it went out or not, and when the call starts again
 * in the slow lane. Once in a call.
 */
static inline void call_hold(struct call *call, void *held, void (*clear)(struct call *))
{
	assert(call->clear == NULL);
	call->held = held;
	call->clear = clear;
}

/*
 * call_commit - end a handler with a write. APPLY runs in the committer with ARG (see
 * store/commit.h: it may run twice, checks everything before its first put); DONE runs in the
 * thread that owns the call, when op.rc is RC_OK and the write is durable; any other op.rc
 * becomes the error reply by itself. COST is the write's size in bytes, roughly.
 */
static inline enum rc call_commit(struct call *call, commit_apply *apply, void *arg, size_t cost,
				  enum rc (*done)(struct call *))
{
	commit_op_init(&call->op, apply, arg, cost, call->request.request_id);
	call->done = done;
	return RC_PARKED;
}

#endif
