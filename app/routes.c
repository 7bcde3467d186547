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
#define ROWS(routes) routes, sizeof routes / sizeof routes[0]

/* Mini App pages. */
static const struct route sdk_routes[] = {
	/* methods       path                       right        handler, op, counted */
	{ GET_HEAD,      "/sdk/v1/kv/{key}",        RIGHT_READ,  sdk_get,          NULL, METRIC_OP_SDK_GET },
	{ METHOD_PUT,    "/sdk/v1/kv/{key}",        RIGHT_WRITE, sdk_put,          NULL, METRIC_OP_SDK_PUT },
	{ METHOD_DELETE, "/sdk/v1/kv/{key}",        RIGHT_WRITE, sdk_delete,       NULL, METRIC_OP_SDK_DELETE },
	{ METHOD_PATCH,  "/sdk/v1/kv/{key}",        RIGHT_WRITE, sdk_patch,        NULL, METRIC_OP_SDK_PATCH },
	{ GET_HEAD,      "/sdk/v1/kv",              RIGHT_READ,  sdk_list,         NULL, METRIC_OP_SDK_LIST },
	{ METHOD_POST,   "/sdk/v1/auth/validate",   RIGHT_NONE,  sign_in_validate, NULL, METRIC_OP_SDK_VALIDATE },
	{ GET_HEAD,      "/.well-known/jwks.json",  RIGHT_NONE,  sign_in_jwks,     NULL, METRIC_OP_SDK_JWKS },
	{ GET_HEAD,      "/p/{project}/.well-known/jwks.json", RIGHT_NONE, sign_in_project_jwks, NULL, METRIC_OP_SDK_JWKS },
	{ GET_HEAD,      "/kv/{key}",               RIGHT_READ,  sdk_get,          NULL, METRIC_OP_SDK_GET },
	{ METHOD_PUT,    "/kv/{key}",               RIGHT_WRITE, sdk_put,          NULL, METRIC_OP_SDK_PUT },
	{ METHOD_DELETE, "/kv/{key}",               RIGHT_WRITE, sdk_delete,       NULL, METRIC_OP_SDK_DELETE },
	{ METHOD_PATCH,  "/kv/{key}",               RIGHT_WRITE, sdk_patch,        NULL, METRIC_OP_SDK_PATCH },
	{ GET_HEAD,      "/kv",                     RIGHT_READ,  sdk_list,         NULL, METRIC_OP_SDK_LIST },
};

/* Cloudflare's own clients. */
#define V4 "/client/v4"
#define ACCOUNT V4 "/accounts/{account}"
#define ALL ACCOUNT "/storage/kv/namespaces"
#define ONE ALL "/{namespace}"
static const struct route rest_routes[] = {
	/* methods       path                       right        handler                op, counted */
	{ GET_HEAD,      ONE "/values/{key}",       RIGHT_READ,  rest_get,              "get", METRIC_OP_REST_GET },
	{ METHOD_PUT,    ONE "/values/{key}",       RIGHT_WRITE, rest_put,              "put", METRIC_OP_REST_PUT },
	{ METHOD_DELETE, ONE "/values/{key}",       RIGHT_WRITE, rest_delete,           "remove key", METRIC_OP_REST_DELETE },
	{ GET_HEAD,      ONE "/metadata/{key}",     RIGHT_READ,  rest_metadata,         "metadata", METRIC_OP_REST_METADATA },
	{ GET_HEAD,      ONE "/keys",               RIGHT_READ,  rest_list,             "list keys", METRIC_OP_REST_LIST },
	{ METHOD_PUT,    ONE "/bulk",               RIGHT_WRITE, rest_bulk_put,         "put", METRIC_OP_REST_BULK_PUT },
	{ METHOD_DELETE, ONE "/bulk",               RIGHT_WRITE, rest_bulk_delete,      "bulk remove keys", METRIC_OP_REST_BULK_DELETE },
	{ METHOD_POST,   ONE "/bulk/delete",        RIGHT_WRITE, rest_bulk_delete,      "bulk remove keys", METRIC_OP_REST_BULK_DELETE },
	{ METHOD_POST,   ONE "/bulk/get",           RIGHT_READ,  rest_bulk_get,         "bulk get keys", METRIC_OP_REST_BULK_GET },
	{ GET_HEAD,      ONE,                       RIGHT_READ,  rest_namespace_get,    "get namespace", METRIC_OP_REST_NAMESPACE },
	{ METHOD_PUT,    ONE,                       RIGHT_ADMIN, rest_namespace_rename, "rename namespace", METRIC_OP_REST_NAMESPACE_RENAME },
	{ METHOD_DELETE, ONE,                       RIGHT_ADMIN, rest_namespace_delete, "remove namespace", METRIC_OP_REST_NAMESPACE_DELETE },
	{ GET_HEAD,      ALL,                       RIGHT_KEY,   rest_namespace_list,   "list namespaces", METRIC_OP_REST_NAMESPACE },
	{ METHOD_POST,   ALL,                       RIGHT_ADMIN, rest_namespace_create, "create namespace", METRIC_OP_REST_NAMESPACE_CREATE },
	{ GET_HEAD,      V4 "/user",                RIGHT_KEY,   rest_user,             NULL, METRIC_OP_REST_ACCOUNT },
	{ GET_HEAD,      V4 "/user/tokens/verify",  RIGHT_KEY,   rest_verify,           NULL, METRIC_OP_REST_ACCOUNT },
	{ GET_HEAD,      V4 "/accounts",            RIGHT_KEY,   rest_accounts,         NULL, METRIC_OP_REST_ACCOUNT },
	{ GET_HEAD,      ACCOUNT,                   RIGHT_KEY,   rest_account,          NULL, METRIC_OP_REST_ACCOUNT },
	{ GET_HEAD,      V4 "/memberships",         RIGHT_KEY,   rest_memberships,      NULL, METRIC_OP_REST_ACCOUNT },
};

/* workerd, for env.KV. */
static const struct route binding_routes[] = {
	/* methods       path                       right        handler, op, counted */
	{ GET_HEAD,      "/",                       RIGHT_READ,  binding_list,          NULL, METRIC_OP_BINDING_LIST },
	{ METHOD_POST,   "/bulk/get",               RIGHT_READ,  binding_bulk_get,      NULL, METRIC_OP_BINDING_BULK_GET },
	{ GET_HEAD,      "/{key}",                  RIGHT_READ,  binding_get,           NULL, METRIC_OP_BINDING_GET },
	{ METHOD_PUT,    "/{key}",                  RIGHT_WRITE, binding_put,           NULL, METRIC_OP_BINDING_PUT },
	{ METHOD_DELETE, "/{key}",                  RIGHT_WRITE, binding_delete,        NULL, METRIC_OP_BINDING_DELETE },
};

/* Load balancers and monitoring, on a listener of their own. */
static const struct route operator_routes[] = {
	/* methods       path                       right        handler, op, counted */
	{ GET_HEAD,      "/healthz",                RIGHT_NONE,  operator_health,       NULL, METRIC_OP_OPERATOR_HEALTH },
	{ GET_HEAD,      "/readyz",                 RIGHT_NONE,  operator_ready,        NULL, METRIC_OP_OPERATOR_READY },
	{ GET_HEAD,      "/metrics",                RIGHT_NONE,  operator_metrics,      NULL, METRIC_OP_OPERATOR_METRICS },
};

/* The ways of speaking: which paths are whose, and who shapes what they have in common. */
static const struct dialect {
	enum door door;
	const char *root;	/* and the paths below it; the first row that fits counts */
	const struct route *routes;
	size_t n_routes;
	enum rc (*admit)(struct call *call);		/* who is asking, and in which project */
	void (*error)(struct call *call, enum rc rc);
	enum metric_op none, preflight;			/* as what a request is counted that has no row */
} dialects[] = {
	{ DOOR_PUBLIC,   V4, ROWS(rest_routes),      rest_admit,    rest_error, METRIC_OP_REST_NONE, METRIC_OP_REST_PREFLIGHT },
	{ DOOR_PUBLIC,   "", ROWS(sdk_routes),       sdk_admit,     sdk_error, METRIC_OP_SDK_NONE, METRIC_OP_SDK_PREFLIGHT },
	{ DOOR_BINDING,  "", ROWS(binding_routes),   binding_admit, binding_error, METRIC_OP_BINDING_NONE, METRIC_OP_BINDING_NONE },
	{ DOOR_OPERATOR, "", ROWS(operator_routes),  sdk_admit,     operator_error, METRIC_OP_OPERATOR_NONE, METRIC_OP_OPERATOR_NONE },
};

/* Whether PATH is ROOT, or below it. Everything is below "". */
static bool is_below(struct str path, struct str root)
{
	return root.n == 0 || (str_starts(path, root) && (path.n == root.n || path.p[root.n] == '/'));
}

static const struct dialect *dialect_of(const struct request *request)
{
	const struct dialect *dialect = dialects;

	while (dialect->door != request->door || !is_below(request->path, str_c(dialect->root)))
		dialect++;
	return dialect;
}

/* ---- paths ---- */

/* What stands in the places of a row's {names}, undecoded. */
struct places {
	struct str account, name_space, key;
};

/* The segment that PATTERN's "{name}" stands for, cut off PATH; false when there is none. */
static bool take_place(const char **pattern, struct str *path, struct places *places)
{
	struct str name = str_make(*pattern, strcspn(*pattern, "}") + 1), segment, rest;

	*pattern += name.n;
	if (str_eq(name, STR_LIT("{key}"))) {
		places->key = *path;
		*path = str_skip(*path, path->n);
		return true;
	}
	str_cut(*path, '/', &segment, &rest);
	*(str_eq(name, STR_LIT("{account}")) ? &places->account : &places->name_space) = segment;
	*path = str_skip(*path, segment.n);
	return segment.n != 0;
}

/* Whether PATH is the row's. */
static bool is_path_of(const struct route *route, struct str path, struct places *places)
{
	const char *pattern = route->path;

	while (*pattern != '\0') {
		if (*pattern == '{') {
			if (!take_place(&pattern, &path, places))
				return false;
		} else if (path.n != 0 && *path.p == *pattern) {
			path = str_skip(path, 1);
			pattern++;
		} else {
			return false;
		}
	}
	return path.n == 0;
}

/* The methods that the path takes, over all its rows; 0: nothing is there. */
static unsigned methods_of(const struct call *call)
{
	const struct dialect *dialect = dialect_of(&call->request);
	struct places places;
	unsigned methods = 0;

	for (size_t i = 0; i < dialect->n_routes; i++)
		if (is_path_of(&dialect->routes[i], call->request.path, &places))
			methods |= dialect->routes[i].methods;
	return methods;
}

static enum rc route_find(struct call *call, const struct dialect *dialect)
{
	struct places places = { .account.n = 0 };

	for (size_t i = 0; i < dialect->n_routes; i++) {
		const struct route *route = &dialect->routes[i];

		if ((route->methods & call->request.method) && is_path_of(route, call->request.path, &places)) {
			call->route = route;
			call->counted = route->counted;
			call->op_name = route->op;
			call->key = places.key;
			call->account = places.account;
			call->name_space = places.name_space;
			return RC_OK;
		}
	}
	return methods_of(call) != 0 ? RC_METHOD_NOT_ALLOWED : RC_NO_SUCH_ROUTE;
}

/* ---- preflights ---- */

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

static enum rc admit(struct call *call, const struct dialect *dialect)
{
	enum rc rc;

	if (call->route->right == RIGHT_NONE)
		return RC_OK;
	rc = dialect->admit(call);
	if (rc == RC_OK)
		rc = door_origin(call, call->caller.project);
	/* Once: what starts again in the slow lane is the same request. */
	if (rc == RC_OK && !call->rated)
		rc = auth_rate(call->app->auth, &call->caller);
	call->rated = true;
	return rc == RC_OK ? auth_allows(&call->caller, call->route->right) : rc;
}

enum rc routes_run(struct call *call)
{
	const struct dialect *dialect = dialect_of(&call->request);
	enum rc rc;

	door_begin(call);
	if (call->request.method == METHOD_OPTIONS && call->request.door == DOOR_PUBLIC) {
		call->counted = dialect->preflight;
		return preflight(call);
	}
	if ((rc = route_find(call, dialect)) == RC_OK && (rc = admit(call, dialect)) == RC_OK)
		rc = call->route->handler(call);
	if (rc == RC_SLOW) {
		/* It starts again from the beginning, in another thread. */
		routes_clear(call);
	} else if (rc != RC_OK && rc != RC_PARKED && rc != RC_STORE && call->wait_version != 0) {
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
	else if (rc == RC_PRECONDITION_FAILED)
		call->found_version = call->op.answer.version;
	if (rc != RC_OK && call->op.why != NULL)
		call->detail = str_c(call->op.why);
	if (rc != RC_OK)
		routes_error(call, rc);
}

void routes_error(struct call *call, enum rc rc)
{
	char allow[64];

	door_begin(call);
	reply_header(&call->reply, "Cache-Control", STR_LIT("no-store"));
	if (rc == RC_METHOD_NOT_ALLOWED) {
		method_names(methods_of(call) | (call->request.door == DOOR_PUBLIC ? METHOD_OPTIONS : 0),
			     allow, sizeof allow);
		reply_header(&call->reply, "Allow", arena_dup(call->arena, str_c(allow)));
	}
	if (rc == RC_UNSUPPORTED_TYPE)
		reply_header(&call->reply, "Accept-Patch", STR_LIT(DOORS_ACCEPT_PATCH));
	/* Whoever sends a condition may read the key: this saves them the question. */
	if (rc == RC_PRECONDITION_FAILED && call->found_version != 0)
		reply_header(&call->reply, "ETag",
			     arena_printf(call->arena, "\"%llu\"", (unsigned long long)call->found_version));
	call->outcome = rc;
	if (call->route == NULL)
		call->counted = dialect_of(&call->request)->none;
	dialect_of(&call->request)->error(call, rc);
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
	call->wait_sync_us = 0;
	call->found_version = 0;
	call->origin = ORIGIN_ANY;
	call->detail = STR_LIT("");
}

const char *routes_name(const struct call *call)
{
	return call->route == NULL ? "-" : call->route->path;
}
