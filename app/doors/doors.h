/*
 * doors.h - the handlers that routes.c names. Each is `enum rc handler(struct call *)`,
 * as call.h describes.
 */
#ifndef DOORS_DOORS_H
#define DOORS_DOORS_H

#include "base/rc.h"

struct app;
struct arena;
struct buf;
struct call;
struct project;

/* The languages that a change may be told in: the header Accept-Patch (RFC 5789). */
#define DOORS_ACCEPT_PATCH "application/merge-patch+json, application/vnd.tmakv.op+json"

/*
 * What all requests of a door have in common: _admit names the caller and their project (call->caller), _error
 * shapes an error, whose status and words follow from RC and call->detail.
 */
enum rc sdk_admit(struct call *call) MUST_USE;
enum rc rest_admit(struct call *call) MUST_USE;
enum rc binding_admit(struct call *call) MUST_USE;
void sdk_error(struct call *call, enum rc rc);
void rest_error(struct call *call, enum rc rc);
void binding_error(struct call *call, enum rc rc);
void operator_error(struct call *call, enum rc rc);

/*
 * origin.c: door_begin - an empty reply with the headers that all have. door_origin - the caller is of PROJECT: may the
 * page that asks? RC_ORIGIN_NOT_ALLOWED. The reply is begun anew; nothing may be in it yet.
 */
void door_begin(struct call *call);
enum rc door_origin(struct call *call, const struct project *project) MUST_USE;

/* sign_in.c: POST /sdk/v1/auth/validate, GET /.well-known/jwks.json and /p/{project}/.well-known/jwks.json */
enum rc sign_in_validate(struct call *call) MUST_USE;
enum rc sign_in_jwks(struct call *call) MUST_USE;
enum rc sign_in_project_jwks(struct call *call) MUST_USE;

/* sdk.c: /sdk/v1/kv and /kv */
enum rc sdk_get(struct call *call) MUST_USE;
enum rc sdk_put(struct call *call) MUST_USE;
enum rc sdk_delete(struct call *call) MUST_USE;
enum rc sdk_patch(struct call *call) MUST_USE;	/* sdk_patch.c */
enum rc sdk_list(struct call *call) MUST_USE;

/* rest.c: /client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/values, metadata, keys */
enum rc rest_get(struct call *call) MUST_USE;
enum rc rest_put(struct call *call) MUST_USE;
enum rc rest_delete(struct call *call) MUST_USE;
enum rc rest_metadata(struct call *call) MUST_USE;
enum rc rest_list(struct call *call) MUST_USE;

/* rest_bulk.c, rest_bulk_get.c: many keys in one call */
enum rc rest_bulk_put(struct call *call) MUST_USE;
enum rc rest_bulk_delete(struct call *call) MUST_USE;
enum rc rest_bulk_get(struct call *call) MUST_USE;

/* rest_namespace.c: projects themselves */
enum rc rest_namespace_list(struct call *call) MUST_USE;
enum rc rest_namespace_create(struct call *call) MUST_USE;
enum rc rest_namespace_get(struct call *call) MUST_USE;
enum rc rest_namespace_rename(struct call *call) MUST_USE;
enum rc rest_namespace_delete(struct call *call) MUST_USE;

/* rest_account.c: who am I */
enum rc rest_user(struct call *call) MUST_USE;
enum rc rest_verify(struct call *call) MUST_USE;
enum rc rest_account(struct call *call) MUST_USE;
enum rc rest_accounts(struct call *call) MUST_USE;
enum rc rest_memberships(struct call *call) MUST_USE;

/* binding.c: what workerd asks for env.KV */
enum rc binding_get(struct call *call) MUST_USE;
enum rc binding_put(struct call *call) MUST_USE;
enum rc binding_delete(struct call *call) MUST_USE;
enum rc binding_list(struct call *call) MUST_USE;
enum rc binding_bulk_get(struct call *call) MUST_USE;

/* operator.c: how the server is */
enum rc operator_health(struct call *call) MUST_USE;
enum rc operator_ready(struct call *call) MUST_USE;
enum rc operator_metrics(struct call *call) MUST_USE;

/*
 * metrics.c: metrics_write - all that is counted, as Prometheus reads it, to OUT. It reads the store and asks Berkeley
 * DB for its statistics: not in an event loop. RC_NO_MEMORY.
 */
enum { METRICS_PROJECTS_MAX = 100, METRICS_SIZE_MAX = 1 << 20 };
enum rc metrics_write(const struct app *app, struct arena *arena, struct buf *out) MUST_USE;

#endif
