/*
 * operator.c - the operator's door: what load balancers and monitoring ask of the server itself.
 *
 * It has a listener of its own, which is never a public one: here nobody says who they are. Answers are text, errors
 * too: a status for programs, one line for people. No CORS: pages of other sites have nothing to read here.
 */
#include "config.h"

#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "store/store.h"

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

enum rc operator_ready(struct call *call)
{
	struct store_status status;

	store_read_status(call->app->store, &status);
	if (status.full) {
		call->detail = STR_LIT("the disk is full");
		return RC_UNAVAILABLE;
	}
	door_no_store(call);
	reply_text(call, STR_LIT("ok"));
	return RC_OK;
}
