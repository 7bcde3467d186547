/*
 * routes.c - THE table, and the walk every request takes along it.
 *
 * Rows are matched against the raw path, because what nginx decoded is no longer what the client
 * said (DESIGN 5). Naming the caller and checking the right are stages of the walk, not calls that
 * a handler could forget.
 */
#include "config.h"

#include "doors/doors.h"
#include "routes.h"

#define GET_HEAD (METHOD_GET | METHOD_HEAD)
#define KEY "{key}"

static const struct route routes[] = {
	/* door         methods        path                       right        handler */
	{ DOOR_PUBLIC, GET_HEAD,      "/sdk/v1/kv/" KEY,         RIGHT_READ,  sdk_get },
	{ DOOR_PUBLIC, METHOD_PUT,    "/sdk/v1/kv/" KEY,         RIGHT_WRITE, sdk_put },
	{ DOOR_PUBLIC, METHOD_DELETE, "/sdk/v1/kv/" KEY,         RIGHT_WRITE, sdk_delete },
	{ DOOR_PUBLIC, GET_HEAD,      "/sdk/v1/kv",              RIGHT_READ,  sdk_list },
	{ DOOR_PUBLIC, METHOD_POST,   "/sdk/v1/auth/validate",   RIGHT_NONE,  sign_in_validate },
	{ DOOR_PUBLIC, GET_HEAD,      "/.well-known/jwks.json",  RIGHT_NONE,  sign_in_jwks },
	{ DOOR_PUBLIC, GET_HEAD,      "/kv/" KEY,                RIGHT_READ,  sdk_get },
	{ DOOR_PUBLIC, METHOD_PUT,    "/kv/" KEY,                RIGHT_WRITE, sdk_put },
	{ DOOR_PUBLIC, METHOD_DELETE, "/kv/" KEY,                RIGHT_WRITE, sdk_delete },
	{ DOOR_PUBLIC, GET_HEAD,      "/kv",                     RIGHT_READ,  sdk_list },
};
enum { N_ROUTES = sizeof routes / sizeof routes[0], REQUEST_ID_MAX = 64 };

/* Whether PATH is the row's; *REST is then what stands in the place of {key}, undecoded. */
static bool is_path_of(const struct route *route, struct str path, struct str *rest)
{
	struct str pattern = str_c(route->path);
	size_t fixed = pattern.n;

	if (fixed > sizeof KEY - 1 && str_eq(str_skip(pattern, fixed - (sizeof KEY - 1)), STR_LIT(KEY)))
		fixed -= sizeof KEY - 1;
	if (!str_starts(path, str_make(pattern.p, fixed)) || (fixed == pattern.n && path.n != fixed))
		return false;
	*rest = str_skip(path, fixed);
	return true;
}

/* The methods that the path takes, over all its rows; 0: nothing is there. */
static unsigned methods_of(const struct call *call)
{
	unsigned methods = 0;
	struct str rest;

	for (size_t i = 0; i < N_ROUTES; i++)
		if (routes[i].door == call->request.door && is_path_of(&routes[i], call->request.path, &rest))
			methods |= routes[i].methods;
	return methods;
}

static enum rc route_find(struct call *call)
{
	for (size_t i = 0; i < N_ROUTES; i++)
		if (routes[i].door == call->request.door && (routes[i].methods & call->request.method) &&
		    is_path_of(&routes[i], call->request.path, &call->rest)) {
			call->route = &routes[i];
			return RC_OK;
		}
	return methods_of(call) != 0 ? RC_METHOD_NOT_ALLOWED : RC_NO_SUCH_ROUTE;
}

/* ---- headers that every reply of the public door has ---- */

static bool is_plain(struct str id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'z') ||
		      (id.p[i] >= 'A' && id.p[i] <= 'Z') || id.p[i] == '-'))
			return false;
	return id.n != 0 && id.n <= REQUEST_ID_MAX;
}

/* Tokens travel in a header and there are no cookies, so any page may ask: it has nothing to steal. */
static void reply_begin(struct call *call)
{
	reply_init(&call->reply);
	call->reply.without_body = call->request.method == METHOD_HEAD;
	reply_header(&call->reply, "Access-Control-Allow-Origin", STR_LIT("*"));
	reply_header(&call->reply, "Access-Control-Expose-Headers",
		     STR_LIT("ETag, X-KV-Writes, Retry-After, X-Request-Id"));
	if (is_plain(call->request.request_id))
		reply_header(&call->reply, "X-Request-Id", call->request.request_id);
}

/* A preflight carries no credentials and names no project: it is always allowed to ask. */
static enum rc preflight(struct call *call)
{
	call->reply.status = 204;
	call->reply.content_type = NULL;
	reply_header(&call->reply, "Access-Control-Allow-Methods",
		     STR_LIT("GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS"));
	reply_header(&call->reply, "Access-Control-Allow-Headers",
		     STR_LIT("Authorization, Content-Type, If-Match, If-None-Match, X-Project-Id"));
	reply_header(&call->reply, "Access-Control-Max-Age", STR_LIT("86400"));
	return RC_OK;
}

/* ---- the walk ---- */

static enum rc admit(struct call *call)
{
	const struct app *app = call->app;
	enum rc rc;

	if (call->route->right == RIGHT_NONE)
		return RC_OK;
	rc = auth_caller(app->auth, app->registry, &call->request, call->now, call->arena, &call->caller);
	return rc == RC_OK ? auth_allows(&call->caller, call->route->right) : rc;
}

enum rc routes_run(struct call *call)
{
	enum rc rc;

	reply_begin(call);
	if (call->request.method == METHOD_OPTIONS)
		return preflight(call);
	if ((rc = route_find(call)) == RC_OK && (rc = admit(call)) == RC_OK)
		rc = call->route->handler(call);
	if (rc == RC_SLOW) {
		/* It starts again from the beginning, in another thread. */
		routes_clear(call);
	} else if (rc != RC_OK && rc != RC_PARKED && call->wait_version != 0) {
		/* "There is no such key" must not be taken back by a crash either. */
		routes_error(call, rc);
		rc = RC_OK;
	}
	return rc;
}

void routes_done(struct call *call)
{
	enum rc rc = call->op.rc;

	if (rc == RC_OK)
		rc = call->done(call);
	if (rc != RC_OK)
		routes_error(call, rc);
}

void routes_error(struct call *call, enum rc rc)
{
	char allow[64];

	reply_begin(call);
	reply_header(&call->reply, "Cache-Control", STR_LIT("no-store"));
	if (rc == RC_METHOD_NOT_ALLOWED) {
		method_names(methods_of(call) | METHOD_OPTIONS, allow, sizeof allow);
		reply_header(&call->reply, "Allow", arena_dup(call->arena, str_c(allow)));
	}
	call->outcome = rc;
	reply_error(&call->reply, rc, call->detail, call->arena);
}

void routes_clear(struct call *call)
{
	if (call->clear != NULL)
		call->clear(call);
	call->clear = NULL;
	call->held = NULL;
	caller_clear(&call->caller);
	call->route = NULL;
	call->wait_version = 0;
	call->detail = STR_LIT("");
}

const char *routes_name(const struct call *call)
{
	return call->route == NULL ? "-" : call->route->path;
}
