/*
 * rest.c - the door of Cloudflare KV's clients: npm cloudflare, wrangler, unstorage, scripts.
 *
 * A project is a namespace of the one account that this installation is. Values are any bytes; everything
 * else is JSON in Cloudflare's v4 envelope. Never an empty body: their SDK would take its `result` apart.
 */
#include "config.h"

#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "http/multipart.h"
#include "kv/kv.h"

/* ---- who is asking, and for which namespace ---- */

static enum rc name_caller(struct call *call)
{
	const struct request *request = &call->request;
	struct registry *registry = call->app->registry;

	if (call->is_operator) {
		call->caller = (struct caller){ .kind = CALLER_ADMIN, .right = KEY_READ_WRITE };
		return RC_OK;
	}
	/* Their SDK may send several; the one that is meant for tokens counts first. */
	if (request->authorization.n != 0)
		return auth_caller(call->app->auth, registry, request, call->now, call->arena, &call->caller);
	if (request->auth_key.n != 0)
		return auth_caller_by_key(registry, request->auth_key, call->now, &call->caller);
	if (request->user_service_key.n != 0)
		return auth_caller_by_key(registry, request->user_service_key, call->now, &call->caller);
	return RC_UNAUTHORIZED;
}

/* Whether a project could be called so: 32 hex digits, a UUID, a name. */
static bool could_be_project(struct str any)
{
	for (size_t i = 0; i < any.n; i++) {
		char c = any.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'F') || c == '-'))
			return false;
	}
	return any.n != 0 && any.n <= PROJECT_NAME_MAX;
}

/* An API key has one namespace, and learns nothing of others; an admin key has all. */
static enum rc find_namespace(struct call *call)
{
	struct caller *caller = &call->caller;

	if (!could_be_project(call->name_space)) {
		call->detail = arena_printf(call->arena,
			"could not parse UUID from request's namespace_id: 'invalid namespace format: %.*s'",
			(int)(call->name_space.n < 64 ? call->name_space.n : 64), call->name_space.p);
		return RC_BAD_NAMESPACE;
	}
	if (caller->kind != CALLER_ADMIN)
		return project_is_called(caller->project, call->name_space) ? RC_OK : RC_FORBIDDEN;
	caller->project = registry_find(call->app->registry, call->name_space);
	return caller->project == NULL ? RC_NAMESPACE_NOT_FOUND : RC_OK;
}

enum rc rest_admit(struct call *call)
{
	enum rc rc = name_caller(call);

	if (rc != RC_OK)
		return rc;
	if (call->caller.kind == CALLER_USER) {
		call->detail = STR_LIT("a user's token is for /sdk/v1; send an API key here");
		return RC_FORBIDDEN;
	}
	if (call->account.n != 0 && !str_eq(call->account, str_c(registry_account(call->app->registry))))
		return RC_FORBIDDEN;
	return call->name_space.n == 0 ? RC_OK : find_namespace(call);
}

/* ---- replies ---- */

void rest_result(struct call *call, struct str result, struct str info)
{
	door_no_store(call);
	reply_part(&call->reply, STR_LIT("{\"success\":true,\"errors\":[],\"messages\":[],\"result\":"));
	reply_part(&call->reply, result);
	if (info.n != 0) {
		reply_part(&call->reply, STR_LIT(",\"result_info\":"));
		reply_part(&call->reply, info);
	}
	reply_part(&call->reply, STR_LIT("}"));
}

static enum rc nothing_to_tell(struct call *call)
{
	rest_result(call, STR_LIT("{}"), STR_LIT(""));
	return RC_OK;
}

/* ---- values ---- */

enum rc rest_get(struct call *call)
{
	struct kv_reader *reader;
	struct kv_entry entry;
	struct str key;
	bool told;
	enum rc rc = cf_key(call, &key);

	if (rc == RC_OK)
		rc = door_open_if(call, key, &entry, &reader, &told);
	if (rc != RC_OK || told)
		return rc;
	call->reply.content_type = "application/octet-stream";
	door_no_store(call);
	door_version(call, entry.version, entry.writes);
	if (entry.expires_at != 0)
		reply_header(&call->reply, "expiration",
			     arena_printf(call->arena, "%lld", (long long)entry.expires_at));
	door_add_value(call, &entry, reader);
	return RC_OK;
}

static enum rc put_done(struct call *call)
{
	door_version(call, call->op.answer.version, call->op.answer.writes);
	return nothing_to_tell(call);
}

enum rc rest_put(struct call *call)
{
	struct kv_put *put = door_put(call);
	enum rc rc;

	if (put == NULL)
		return RC_NO_MEMORY;
	if ((rc = door_condition(call, &put->condition)) != RC_OK || (rc = cf_key(call, &put->key)) != RC_OK ||
	    (rc = cf_expiry_of_query(call, &put->expires_at)) != RC_OK ||
	    (rc = door_refuse_encoding(call)) != RC_OK)
		return rc;
	/* Any other type, JSON too, is kept as it comes: their clients label values as they like. */
	rc = multipart_is(call->request.content_type) ? rest_form(call, put) : door_value(call, DOOR_ANY_BYTES, put);
	if (rc != RC_OK)
		return rc;
	return call_commit(call, kv_put_apply, put, put->key.n + put->value.n, put_done);
}

enum rc rest_delete(struct call *call)
{
	struct kv_delete *del = door_delete(call);
	enum rc rc;

	if (del == NULL)
		return RC_NO_MEMORY;
	if ((rc = door_condition(call, &del->condition)) != RC_OK || (rc = cf_key(call, &del->key)) != RC_OK)
		return rc;
	return call_commit(call, kv_delete_apply, del, del->key.n, nothing_to_tell);
}

enum rc rest_metadata(struct call *call)
{
	struct kv_entry entry;
	struct str key;
	bool told;
	enum rc rc = cf_key(call, &key);

	if (rc == RC_OK)
		rc = door_head_if(call, key, &entry, &told);
	if (rc != RC_OK || told)
		return rc;
	door_version(call, entry.version, entry.writes);
	rest_result(call, entry.metadata.n == 0 ? STR_LIT("null") : entry.metadata, STR_LIT(""));
	return RC_OK;
}

/* ---- list ---- */

enum rc rest_list(struct call *call)
{
	struct kv_list list;
	struct buf names, info;
	enum rc rc;

	buf_init(&names, call->arena, DOOR_LIST_TEXT_MAX);
	rc = cf_list(call, "limit", false, &names, &list);
	if (rc != RC_OK)
		return rc;
	buf_init(&info, call->arena, KV_CURSOR_MAX + 64);
	buf_addf(&info, "{\"count\":%zu,\"cursor\":\"", list.n_names);
	/* Always there: one of their clients reads it unasked. Empty: this was the last page. */
	if (!list.complete)
		kv_cursor_write(call->app->kv, &list, &info);
	buf_add_c(&info, "\"}");
	if (!buf_ok(&names) || !buf_ok(&info))
		return RC_NO_MEMORY;
	rest_result(call, buf_str(&names), buf_str(&info));
	return RC_OK;
}
