/*
 * binding.c - the door of workerd: what it asks of the service behind a kvNamespace binding, so that a Worker's
 * env.KV works unmodified.
 *
 * The protocol is workerd's (its kv.c++): values raw, metadata and expiry in headers, metadata of a list as
 * strings, and the sentence of an error in the reason phrase, where workerd looks for it. The API key comes in a
 * header that workerd is told to add.
 */
#include "config.h"

#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "http/uri.h"
#include "kv/kv.h"

enum { CACHE_TTL_MIN = 30 };

enum rc binding_admit(struct call *call)
{
	enum rc rc = sdk_admit(call);

	return rc != RC_OK || call->caller.kind == CALLER_API_KEY ? rc : RC_FORBIDDEN;
}

/* A reason phrase is one line of printable ASCII. */
static const char *reason(struct call *call, struct str text)
{
	char *copy = (char *)(uintptr_t)arena_dup(call->arena, text).p;

	for (char *p = copy; p != NULL && *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	return copy;
}

void binding_error(struct call *call, enum rc rc)
{
	const struct cf_error *error = cf_error_of(rc);
	struct str text = call->detail.n != 0 ? call->detail : str_c(error->text);

	reply_begin_error(&call->reply, error->status);
	call->reply.content_type = "text/plain";
	call->reply.reason = rc == RC_KEY_NOT_FOUND ? NULL : reason(call, text);
	reply_part(&call->reply, text);
}

static enum rc nothing_to_tell(struct call *call)
{
	door_no_store(call);
	call->reply.content_type = "text/plain";
	return RC_OK;
}

/* ---- one key ---- */

/* We cache nothing, but a Worker shall meet here the errors that it would meet there. */
static enum rc check_cache_ttl(struct call *call)
{
	struct str ttl;
	uint64_t value;
	enum rc rc = uri_parameter(call->request.query, "cache_ttl", call->arena, &ttl);

	if (rc != RC_OK || ttl.n == 0 || str_to_u64(ttl, CACHE_TTL_MIN, INT64_MAX, &value))
		return rc;
	call->detail = arena_printf(call->arena, "Invalid cache_ttl of %.*s. Cache TTL must be at least %d.",
				    (int)(ttl.n < 24 ? ttl.n : 24), ttl.p, CACHE_TTL_MIN);
	return RC_BAD_REQUEST;
}

enum rc binding_get(struct call *call)
{
	struct kv_reader *reader;
	struct kv_entry entry;
	struct str key;
	enum rc rc;

	if ((rc = cf_key(call, &key)) != RC_OK || (rc = check_cache_ttl(call)) != RC_OK ||
	    (rc = door_open(call, key, &entry, &reader)) != RC_OK)
		return rc;
	call->reply.content_type = "application/octet-stream";
	door_no_store(call);
	door_version(call, entry.version, entry.writes);
	if (entry.metadata.n != 0)
		reply_header(&call->reply, "CF-KV-Metadata", entry.metadata);
	if (entry.expires_at != 0)
		reply_header(&call->reply, "CF-Expiration",
			     arena_printf(call->arena, "%lld", (long long)entry.expires_at));
	door_add_value(call, &entry, reader);
	return RC_OK;
}

enum rc binding_put(struct call *call)
{
	struct kv_put *put = door_put(call);
	enum rc rc;

	if (put == NULL)
		return RC_NO_MEMORY;
	if ((rc = door_refuse_condition(call)) != RC_OK || (rc = cf_key(call, &put->key)) != RC_OK ||
	    (rc = cf_expiry_of_query(call, &put->expires_at)) != RC_OK ||
	    (rc = cf_metadata(call, call->request.metadata, &put->metadata)) != RC_OK ||
	    (rc = door_refuse_encoding(call)) != RC_OK || (rc = door_value(call, DOOR_ANY_BYTES, put)) != RC_OK)
		return rc;
	return call_commit(call, kv_put_apply, put, put->key.n + put->value.n, nothing_to_tell);
}

enum rc binding_delete(struct call *call)
{
	struct kv_delete *del = door_delete(call);
	enum rc rc;

	if (del == NULL)
		return RC_NO_MEMORY;
	if ((rc = door_refuse_condition(call)) != RC_OK || (rc = cf_key(call, &del->key)) != RC_OK)
		return rc;
	return call_commit(call, kv_delete_apply, del, del->key.n, nothing_to_tell);
}

/* ---- list ---- */

enum rc binding_list(struct call *call)
{
	struct kv_list list;
	struct buf out;
	enum rc rc;

	buf_init(&out, call->arena, DOOR_LIST_TEXT_MAX);
	buf_add_c(&out, "{\"keys\":");
	rc = cf_list(call, "key_count_limit", true, &out, &list);
	if (rc != RC_OK)
		return rc;
	buf_add_c(&out, list.complete ? ",\"list_complete\":true" : ",\"list_complete\":false,\"cursor\":\"");
	if (!list.complete) {
		kv_cursor_write(call->app->kv, &list, &out);
		buf_add_char(&out, '"');
	}
	buf_add_char(&out, '}');
	door_no_store(call);
	reply_part(&call->reply, buf_str(&out));
	return buf_ok(&out) ? RC_OK : RC_NO_MEMORY;
}
