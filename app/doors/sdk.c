/*
 * sdk.c - the door of Mini App pages: @tma.sh/sdk reads and writes JSON under /sdk/v1/kv and /kv.
 *
 * A value is one JSON text, kept byte for byte, and travels inside {"success":true,"data":...}.
 * 404 means "no such key" and nothing else, because the SDK turns it into null.
 */
#include "config.h"

#include "base/b64.h"
#include "base/jtext.h"
#include "call.h"
#include "doors/doors.h"
#include "http/uri.h"
#include "kv/kv.h"

enum {
	LIST_TEXT_MAX = 16 << 20,	/* a page of 1,000 names, each escaped at its worst, is below this */
	CURSOR_MARK = 'k'		/* first byte of a cursor; behind it the last name looked at */
};

/* ---- what every request needs ---- */

static enum rc key_of(struct call *call, struct str *key)
{
	enum rc rc;

	if (call->rest.n != 0 && memchr(call->rest.p, '#', call->rest.n) != NULL)
		return RC_BAD_KEY;
	rc = uri_decode(call->rest, call->arena, key);
	if (rc == RC_BAD_REQUEST)
		return RC_BAD_KEY;
	return rc == RC_OK ? key_check(*key) : rc;
}

/* The version is the ETag: a strong one, for it changes with every write. */
static void reply_version(struct call *call, uint64_t version, uint64_t writes)
{
	reply_header(&call->reply, "ETag", arena_printf(call->arena, "\"%llu\"", (unsigned long long)version));
	reply_header(&call->reply, "X-KV-Writes", arena_printf(call->arena, "%llu", (unsigned long long)writes));
}

static void reply_null(struct call *call)
{
	reply_header(&call->reply, "Cache-Control", STR_LIT("no-store"));
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
	enum rc rc = key_of(call, &key);

	if (rc == RC_OK)
		rc = kv_get(call->app->kv, call->caller.project->number, key, call->now, call->arena,
			    &entry, &call->wait_version);
	if (rc == RC_OK)
		rc = value_as_json(call, &entry, &json);
	if (rc != RC_OK)
		return rc;
	metric_add(call->metrics, METRIC_READS, 1);
	reply_header(&call->reply, "Cache-Control", STR_LIT("no-store"));
	reply_version(call, entry.version, entry.writes);
	reply_data(&call->reply, json);
	return RC_OK;
}

/* ---- put ---- */

/*
 * A condition that is not held against the stored version must not look as if it were: the client
 * would overwrite what it meant to spare.
 */
static enum rc refuse_condition(struct call *call)
{
	if (call->request.if_match.n == 0 && call->request.if_none_match.n == 0)
		return RC_OK;
	call->detail = STR_LIT("conditional writes are not supported: leave out If-Match and If-None-Match");
	return RC_BAD_REQUEST;
}

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
	struct str encoding = call->request.content_encoding;
	enum rc rc;

	if (encoding.n != 0 && !str_eq_nocase(encoding, STR_LIT("identity")))
		return RC_UNSUPPORTED_ENCODING;
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
	reply_version(call, call->op.answer.version, call->op.answer.writes);
	reply_null(call);
	return RC_OK;
}

enum rc sdk_put(struct call *call)
{
	struct kv_put *put = arena_zero(call->arena, sizeof *put);
	enum rc rc;

	if (put == NULL)
		return RC_NO_MEMORY;
	*put = (struct kv_put){
		.kv = call->app->kv,
		.project = call->caller.project->number,
		.kind = KIND_JSON,
		.owner = call->caller.telegram_id,
		.write_limit = call->caller.project->write_limit,
		.now = call->now,
	};
	if ((rc = refuse_condition(call)) != RC_OK ||
	    (rc = key_of(call, &put->key)) != RC_OK ||
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
	struct kv_delete *del = arena_zero(call->arena, sizeof *del);
	enum rc rc;

	if (del == NULL)
		return RC_NO_MEMORY;
	*del = (struct kv_delete){
		.kv = call->app->kv,
		.project = call->caller.project->number,
		.write_limit = call->caller.project->write_limit,
		.now = call->now,
	};
	if ((rc = refuse_condition(call)) != RC_OK || (rc = key_of(call, &del->key)) != RC_OK)
		return rc;
	return call_commit(call, kv_delete_apply, del, del->key.n, delete_done);
}

/* ---- list ---- */

static enum rc cursor_read(struct call *call, struct str text, struct str *after)
{
	uint8_t *bytes;
	size_t n;

	*after = STR_LIT("");
	if (text.n == 0)
		return RC_OK;
	if (text.n > B64URL_LEN(1 + KV_KEY_MAX))
		return RC_BAD_CURSOR;
	bytes = arena_alloc(call->arena, B64URL_ROOM(text.n));
	if (bytes == NULL)
		return RC_NO_MEMORY;
	if (!b64url_decode(text, bytes, &n) || n < 2 || bytes[0] != CURSOR_MARK)
		return RC_BAD_CURSOR;
	*after = str_make(bytes + 1, n - 1);
	return key_check(*after) == RC_OK ? RC_OK : RC_BAD_CURSOR;
}

static void cursor_write(struct buf *out, struct str last)
{
	uint8_t bytes[1 + KV_KEY_MAX] = { CURSOR_MARK };
	char text[B64URL_LEN(1 + KV_KEY_MAX)];

	memcpy(bytes + 1, last.p, last.n);
	buf_add(out, str_make(text, b64url_encode(bytes, 1 + last.n, text)));
}

static enum rc list_parameters(struct call *call, struct kv_list *list)
{
	struct str query = call->request.query, limit, cursor;
	uint64_t n = KV_LIST_MAX;
	enum rc rc;

	if ((rc = uri_parameter(query, "prefix", call->arena, &list->prefix)) != RC_OK ||
	    (rc = uri_parameter(query, "limit", call->arena, &limit)) != RC_OK ||
	    (rc = uri_parameter(query, "cursor", call->arena, &cursor)) != RC_OK)
		return rc;
	if (list->prefix.n > KV_KEY_MAX)
		return RC_KEY_TOO_LONG;
	if (!str_is_utf8(list->prefix)) {
		call->detail = STR_LIT("the prefix is not UTF-8");
		return RC_BAD_KEY;
	}
	if (limit.n != 0 && !str_to_u64(limit, 1, KV_LIST_MAX, &n))
		return RC_BAD_LIMIT;
	list->limit = (size_t)n;
	return cursor_read(call, cursor, &list->after);
}

static void name_write(struct buf *out, const struct kv_name *name)
{
	buf_add_c(out, "{\"name\":");
	jtext_quote(out, name->name);
	if (name->expires_at != 0) {
		buf_add_c(out, ",\"expiration\":");
		buf_add_u64(out, (uint64_t)name->expires_at);
	}
	if (name->metadata.n != 0) {
		buf_add_c(out, ",\"metadata\":");
		buf_add(out, name->metadata);
	}
	buf_add_char(out, '}');
}

static enum rc list_write(struct call *call, const struct kv_list *list)
{
	struct buf out;

	buf_init(&out, call->arena, LIST_TEXT_MAX);
	buf_add_c(&out, "{\"keys\":[");
	for (size_t i = 0; i < list->n_names; i++) {
		if (i != 0)
			buf_add_char(&out, ',');
		name_write(&out, &list->names[i]);
	}
	buf_add_c(&out, list->complete ? "],\"list_complete\":true" : "],\"list_complete\":false,\"cursor\":\"");
	if (!list->complete) {
		cursor_write(&out, list->last);
		buf_add_char(&out, '"');
	}
	buf_add_char(&out, '}');
	reply_header(&call->reply, "Cache-Control", STR_LIT("no-store"));
	reply_data(&call->reply, buf_str(&out));
	return buf_ok(&out) ? RC_OK : RC_NO_MEMORY;
}

enum rc sdk_list(struct call *call)
{
	struct kv_list list = {
		.project = call->caller.project->number,
		.rows = call->slow ? KV_LIST_ROWS : KV_LIST_QUICK,
		.now = call->now,
	};
	enum rc rc = list_parameters(call, &list);

	if (rc == RC_OK)
		rc = kv_list(call->app->kv, &list, call->arena);
	if (rc != RC_OK)
		return rc;
	if (list.out_of_rows && !call->slow)
		return RC_SLOW;
	metric_add(call->metrics, METRIC_LISTS, 1);
	call->wait_version = list.wait_version;
	return list_write(call, &list);
}
