/*
 * sign_in.c - from Telegram's initData to a session token, and the keys to check it with.
 */
#include "config.h"

#include "base/jdoc.h"
#include "call.h"
#include "doors/doors.h"
#include "http/uri.h"

enum { VALIDATE_BODY_MAX = 16 * 1024, VALIDATE_DEPTH = 8, JWKS_MAX = 32 * 1024 };

/* A member that has to be there, copied into the arena: the document is released before it is used. */
static enum rc text_member(struct call *call, json_object *doc, const char *name, struct str *out)
{
	struct str text;

	if (!jdoc_str(doc, name, &text)) {
		call->detail = arena_printf(call->arena, "the body needs \"%s\", a string", name);
		return RC_BAD_REQUEST;
	}
	*out = arena_dup(call->arena, text);
	return out->p == NULL ? RC_NO_MEMORY : RC_OK;
}

static enum rc validate_body(struct call *call, struct str *init_data, struct str *project)
{
	struct str body;
	json_object *doc;
	enum rc rc = body_read(&call->body, VALIDATE_BODY_MAX, call->arena, &body);

	if (rc != RC_OK)
		return rc;
	doc = jdoc_read(body, VALIDATE_DEPTH);
	if (doc == NULL && jdoc_lacked_memory())
		return RC_NO_MEMORY;
	if (doc == NULL) {
		call->detail = STR_LIT("the body must be a JSON object: {\"initData\":\"...\",\"projectId\":\"...\"}");
		return RC_BAD_REQUEST;
	}
	rc = text_member(call, doc, "initData", init_data);
	if (rc == RC_OK)
		rc = text_member(call, doc, "projectId", project);
	json_object_put(doc);
	return rc;
}

/* The project is in the body: the route's walk could not ask. A foreign page learns nothing from a sign-in that fails. */
static enum rc check_origin(struct call *call, struct str any)
{
	const struct project *project = registry_find(call->app->registry, any);
	enum rc rc = door_origin(call, project);

	project_unref(project);
	return rc;
}

enum rc sign_in_validate(struct call *call)
{
	struct str init_data, project, data;
	enum rc rc = validate_body(call, &init_data, &project);

	if (rc == RC_OK)
		rc = auth_validate(call->app->auth, call->app->registry, init_data, project, call->now,
				   call->arena, &data);
	if (rc == RC_OK)
		rc = check_origin(call, project);
	if (rc != RC_OK)
		return rc;
	metric_add(call->metrics, METRIC_VALIDATES, 1);
	reply_header(&call->reply, "Cache-Control", STR_LIT("no-store"));
	reply_data(&call->reply, data);
	return RC_OK;
}

static enum rc answer_jwks(struct call *call, struct buf *jwks)
{
	if (!buf_ok(jwks))
		return RC_NO_MEMORY;
	reply_header(&call->reply, "Cache-Control", STR_LIT("public, max-age=300"));
	reply_part(&call->reply, buf_str(jwks));
	return RC_OK;
}

enum rc sign_in_jwks(struct call *call)
{
	struct buf jwks;

	buf_init(&jwks, call->arena, JWKS_MAX);
	auth_jwks(call->app->auth, &jwks);
	return answer_jwks(call, &jwks);
}

/* What is no project's name, in whatever way, names none: 404 would be taken for an empty store. */
enum rc sign_in_project_jwks(struct call *call)
{
	struct str project;
	struct buf jwks;
	enum rc rc = uri_decode(call->name_space, call->arena, &project);

	if (rc != RC_OK)
		return rc == RC_BAD_REQUEST ? RC_PROJECT_UNAVAILABLE : rc;
	buf_init(&jwks, call->arena, JWKS_MAX);
	rc = auth_project_jwks(call->app->auth, call->app->registry, project, call->now, &jwks);
	return rc == RC_OK ? answer_jwks(call, &jwks) : rc;
}
