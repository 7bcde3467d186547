/*
 * sdk.c - the door of Mini App pages: @tma.sh/sdk reads and writes JSON under /sdk/v1/kv and /kv.
 *
 * A value is one JSON text, kept byte for byte, and travels inside {"success":true,"data":...}.
 * 404 means "no such key" and nothing else, because the SDK turns it into null.
 */
#include "config.h"

#include "base/jtext.h"
#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "http/uri.h"
#include "kv/kv.h"

/* ---- what every request needs ---- */

enum rc sdk_admit(struct call *call)
{
	return auth_caller(call->app->auth, call->app->registry, &call->request, call->now, call->arena,
			   &call->caller);
}

void sdk_error(struct call *call, enum rc rc)
{
	reply_error(&call->reply, rc, call->detail, call->arena);
}

static void reply_null(struct call *call)
{
	door_no_store(call);
	reply_data(&call->reply, STR_LIT("null"));
}

/* ---- get, head ---- */

/* What another door wrote reads here as a JSON string when it is text. */
static enum rc value_as_json(struct call *call, const struct kv_entry *entry, struct str *json)
{
	struct buf quoted;

	switch (entry->kind) {
	case KIND_JSON:
		*json = entry->value;
		return RC_OK;
	case KIND_TEXT:
		buf_init(&quoted, call->arena, jtext_quoted_len(entry->value));
		jtext_quote(&quoted, entry->value);
		*json = buf_str(&quoted);
		return buf_ok(&quoted) ? RC_OK : RC_NO_MEMORY;
	case KIND_BINARY:
		break;
	}
	return RC_VALUE_NOT_JSON;
}

enum rc sdk_get(struct call *call)
{
	struct kv_entry entry;
	struct str key, json;
	enum rc rc = door_key(call, &key);

	if (rc == RC_OK)
		rc = kv_get(call->app->kv, call->caller.project->number, key, call->now, call->arena,
			    &entry, &call->wait_version);
	if (rc == RC_OK)
		rc = value_as_json(call, &entry, &json);
	if (rc != RC_OK)
		return rc;
	metric_add(call->metrics, METRIC_READS, 1);
	door_no_store(call);
	door_version(call, entry.version, entry.writes);
	reply_data(&call->reply, json);
	return RC_OK;
}

/* ---- put ---- */

/* The moment that the TTL parameters mean; 0: never. They are for servers. */
static enum rc expiry_of(struct call *call, int64_t *expires_at)
{
	const struct project *project = call->caller.project;
	struct str ttl, at;
	uint64_t value;
	enum rc rc = uri_parameter(call->request.query, "expirationTtl", call->arena, &ttl);

	if (rc == RC_OK)
		rc = uri_parameter(call->request.query, "expiration", call->arena, &at);
	if (rc != RC_OK)
		return rc;
	*expires_at = 0;
	if (ttl.n == 0 && at.n == 0)
		return RC_OK;
	if (call->caller.kind != CALLER_API_KEY)
		return RC_SERVER_ONLY;
	if (ttl.n != 0 && str_to_u64(ttl, (uint64_t)project->min_ttl_s, INT32_MAX, &value)) {
		*expires_at = call->now + (int64_t)value;
		return RC_OK;
	}
	if (ttl.n == 0 && str_to_u64(at, (uint64_t)(call->now + project->min_ttl_s), INT64_MAX, &value)) {
		*expires_at = (int64_t)value;
		return RC_OK;
	}
	if (ttl.n != 0)
		call->detail = arena_printf(call->arena,
			"expirationTtl must be a whole number of seconds, at least %lld",
			(long long)project->min_ttl_s);
	else
		call->detail = arena_printf(call->arena,
			"expiration must be a Unix time in seconds, at least %lld seconds from now",
			(long long)project->min_ttl_s);
	return RC_BAD_REQUEST;
}

/* The body, when it is one JSON text. */
static enum rc value_of(struct call *call, struct str *value)
{
	size_t limit = (size_t)call->caller.project->value_limit, bad_at;
	enum rc rc = door_refuse_encoding(call);

	if (rc != RC_OK)
		return rc;
	rc = body_read(&call->body, limit, call->arena, value);
	if (rc == RC_VALUE_TOO_LARGE)
		call->detail = arena_printf(call->arena, "a value has at most %zu bytes", limit);
	if (rc != RC_OK || jtext_check(*value, &bad_at))
		return rc;
	call->detail = value->n == 0 ? STR_LIT("the value is not JSON: the body is empty") :
		arena_printf(call->arena, "the value is not JSON: see byte %zu", bad_at);
	return RC_BAD_JSON;
}

static enum rc put_done(struct call *call)
{
	door_version(call, call->op.answer.version, call->op.answer.writes);
	reply_null(call);
	return RC_OK;
}

enum rc sdk_put(struct call *call)
{
	struct kv_put *put = door_put(call);
	enum rc rc;

	if (put == NULL)
		return RC_NO_MEMORY;
	put->kind = KIND_JSON;
	if ((rc = door_refuse_condition(call)) != RC_OK ||
	    (rc = door_key(call, &put->key)) != RC_OK ||
	    (rc = expiry_of(call, &put->expires_at)) != RC_OK ||
	    (rc = value_of(call, &put->value)) != RC_OK)
		return rc;
	return call_commit(call, kv_put_apply, put, put->key.n + put->value.n, put_done);
}

/* ---- delete ---- */

static enum rc delete_done(struct call *call)
{
	reply_null(call);
	return RC_OK;
}

enum rc sdk_delete(struct call *call)
{
	struct kv_delete *del = door_delete(call);
	enum rc rc;

	if (del == NULL)
		return RC_NO_MEMORY;
	if ((rc = door_refuse_condition(call)) != RC_OK || (rc = door_key(call, &del->key)) != RC_OK)
		return rc;
	return call_commit(call, kv_delete_apply, del, del->key.n, delete_done);
}

/* ---- list ---- */

static enum rc list_write(struct call *call, const struct kv_list *list)
{
	struct buf out;

	buf_init(&out, call->arena, DOOR_LIST_TEXT_MAX);
	buf_add_c(&out, "{\"keys\":");
	door_names(&out, list, false);
	buf_add_c(&out, list->complete ? ",\"list_complete\":true" : ",\"list_complete\":false,\"cursor\":\"");
	if (!list->complete) {
		kv_cursor_write(call->app->kv, list, &out);
		buf_add_char(&out, '"');
	}
	buf_add_char(&out, '}');
	door_no_store(call);
	reply_data(&call->reply, buf_str(&out));
	return buf_ok(&out) ? RC_OK : RC_NO_MEMORY;
}

enum rc sdk_list(struct call *call)
{
	struct kv_list list;
	enum rc rc = door_list(call, "limit", &list);

	return rc == RC_OK ? list_write(call, &list) : rc;
}
