/*
 * operator.c - the operator's door: what load balancers and monitoring ask of the server itself.
 *
 * It has a listener of its own, which is never a public one: here nobody says who they are. Answers are text, errors
 * too: a status for programs, one line for people. No CORS: pages of other sites have nothing to read here.
 */
#include "config.h"

#include "base/prom.h"
#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "store/store.h"

enum { FRESH_US = 1000000 };		/* a flush so long ago is as good as one now */

static void reply_text(struct call *call, struct str line)
{
	call->reply.content_type = "text/plain; charset=utf-8";
	reply_part(&call->reply, line);
	reply_part(&call->reply, STR_LIT("\n"));
}

void operator_error(struct call *call, enum rc rc)
{
	struct str line = call->detail;

	reply_begin_error(&call->reply, rc_info(rc)->status);
	if (rc == RC_NO_SUCH_ROUTE) {
		/* Nothing is a key here, so 404 can be taken for nothing else. */
		call->reply.status = 404;
		line = STR_LIT("there is no such path; here are /healthz, /readyz and /metrics");
	}
	reply_text(call, line.n != 0 ? line : str_c(rc_info(rc)->text));
}

/* An event loop takes requests: nothing else is asked, and nothing is read or written. */
enum rc operator_health(struct call *call)
{
	door_no_store(call);
	reply_text(call, STR_LIT("ok"));
	return RC_OK;
}

/* No writes for the moment, and WHY. */
static enum rc not_ready(struct call *call, struct str why)
{
	call->detail = why;
	return RC_UNAVAILABLE;
}

/*
 * Writes are taken, and get to the disk: a flush that was just there proves it, or one that is made for the purpose.
 * Where there are writes this costs nothing, and where there are none at most one sync in FRESH_US.
 */
enum rc operator_ready(struct call *call)
{
	const struct app *app = call->app;
	uint64_t since_us = call->started_us - FRESH_US;
	enum rc rc = store_takes_writes(app->store);

	if (app->is_ending)
		return not_ready(call, STR_LIT("stopping"));
	if (rc == RC_STORAGE_FULL)
		return not_ready(call, STR_LIT("the disk is full: nothing is written until there is space"));
	if (rc != RC_OK)
		return rc;
	door_no_store(call);
	reply_text(call, STR_LIT("ok"));
	if (store_has_synced(app->store, since_us))
		return RC_OK;
	store_probe(app->store);
	call->detail = STR_LIT("the store does not answer: a write waits for the disk");
	if (call->slow)
		return store_await_sync(app->store, since_us, call->started_us + CALL_SYNC_WAIT_US) ? RC_OK : RC_UNAVAILABLE;
	call->wait_sync_us = since_us;
	return RC_OK;
}

/* It takes a millisecond or so, and reads the store: not for a loop. */
enum rc operator_metrics(struct call *call)
{
	struct buf text;
	enum rc rc;

	if (!call->slow)
		return RC_SLOW;
	buf_init(&text, call->arena, METRICS_SIZE_MAX);
	if ((rc = metrics_write(call->app, call->arena, &text)) != RC_OK)
		return rc;
	door_no_store(call);
	call->reply.content_type = PROM_CONTENT_TYPE;
	reply_part(&call->reply, buf_str(&text));
	return RC_OK;
}
