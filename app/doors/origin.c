/*
 * origin.c - what each reply begins with, and whose pages may ask: CORS, and a project's list of origins.
 *
 * Tokens travel in a header and there are no cookies, so any page may ask: it has nothing to steal. A project that
 * wants only its own pages lists their origins. A preflight names no project, so the list holds for the request
 * itself, once it is known whose project it is about. What has no Origin is no page of another site.
 */
#include "config.h"

#include "call.h"
#include "doors/doors.h"

enum { REQUEST_ID_MAX = 64 };

static bool is_plain(struct str id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'z') ||
		      (id.p[i] >= 'A' && id.p[i] <= 'Z') || id.p[i] == '-'))
			return false;
	return id.n != 0 && id.n <= REQUEST_ID_MAX;
}

static void allow_origin(struct call *call)
{
	if (call->origin != ORIGIN_ANY)
		reply_header(&call->reply, "Vary", STR_LIT("Origin"));
	if (call->origin == ORIGIN_ABSENT || call->origin == ORIGIN_FOREIGN)
		return;
	reply_header(&call->reply, "Access-Control-Allow-Origin",
		     call->origin == ORIGIN_LISTED ? call->request.origin : STR_LIT("*"));
	reply_header(&call->reply, "Access-Control-Expose-Headers",
		     STR_LIT("ETag, X-KV-Writes, Retry-After, X-Request-Id"));
}

void door_begin(struct call *call)
{
	reply_init(&call->reply);
	call->reply.without_body = call->request.method == METHOD_HEAD;
	if (call->request.door == DOOR_PUBLIC)
		allow_origin(call);
	if (is_plain(call->request.request_id))
		reply_header(&call->reply, "X-Request-Id", call->request.request_id);
}

enum rc door_origin(struct call *call, const struct project *project)
{
	struct str origin = call->request.origin;

	if (project == NULL || project->origins == NULL || call->request.door != DOOR_PUBLIC)
		return RC_OK;
	if (origin.n == 0)
		call->origin = ORIGIN_ABSENT;
	else
		call->origin = origins_have(project->origins, origin) ? ORIGIN_LISTED : ORIGIN_FOREIGN;
	door_begin(call);
	return call->origin == ORIGIN_FOREIGN ? RC_ORIGIN_NOT_ALLOWED : RC_OK;
}
