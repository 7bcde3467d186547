/*
 * value.c - values on their way in and out, of any size.
 *
 * In: the body, or a part of it, becomes a put's value; whether it is JSON, text or neither is found out on the
 * way. What fits into a chunk stays in memory, more is written to the store while it arrives (kv_upload), so a
 * request never holds more than two chunks of it. Out: a large value is read while it is sent (kv_reader).
 */
#include "config.h"

#include "base/jscan.h"
#include "base/jtext.h"
#include "base/utf8.h"
#include "call.h"
#include "doors/private.h"

/* ---- in, piece by piece ---- */

struct door_value {
	struct call *call;
	struct kv_upload upload;
	struct jscan json;
	struct utf8_scan text;
	bool could_be_json, could_be_text, too_large;
	uint64_t size;
};

static void value_clear(struct call *call)
{
	struct door_value *value = call->held;

	kv_upload_clear(&value->upload);
}

struct door_value *door_value_begin(struct call *call)
{
	const struct project *project = call->caller.project;
	struct door_value *value = arena_zero(call->arena, sizeof *value);

	if (value == NULL)
		return NULL;
	value->call = call;
	value->could_be_json = value->could_be_text = true;
	jscan_init(&value->json);
	utf8_scan_init(&value->text);
	kv_upload_init(&value->upload, call->app->kv, project->number, (size_t)door_value_limit(call), call->slow,
		       call->arena);
	call_hold(call, value, value_clear);
	return value;
}

enum rc door_value_add(struct door_value *value, struct str piece)
{
	enum rc rc;

	value->size += piece.n;
	if (value->too_large)
		return RC_OK;
	if (value->could_be_json)
		value->could_be_json = jscan_add(&value->json, piece);
	if (value->could_be_text)
		value->could_be_text = utf8_scan_add(&value->text, piece);
	rc = kv_upload_add(&value->upload, piece);
	/* Only its length is of interest from here on: the error tells it. */
	value->too_large = rc == RC_VALUE_TOO_LARGE;
	return value->too_large ? RC_OK : rc;
}

static enum kind kind_of(struct door_value *value)
{
	if (value->could_be_json && jscan_end(&value->json))
		return KIND_JSON;
	return value->could_be_text && utf8_scan_end(&value->text) ? KIND_TEXT : KIND_BINARY;
}

enum rc door_value_end(struct door_value *value, struct kv_put *put)
{
	if (value->too_large)
		return cf_value_too_large(value->call, value->size);
	kv_upload_finish(&value->upload, put);
	put->kind = kind_of(value);
	return RC_OK;
}

/* ---- in: the body is the value ---- */

enum kind door_kind(struct str value)
{
	struct utf8_scan scan;
	size_t bad_at;

	if (jtext_check(value, &bad_at))
		return KIND_JSON;
	utf8_scan_init(&scan);
	return utf8_scan_add(&scan, value) && utf8_scan_end(&scan) ? KIND_TEXT : KIND_BINARY;
}

static enum rc refuse_json(struct call *call, uint64_t size, uint64_t bad_at)
{
	call->detail = size == 0 ? STR_LIT("the value is not JSON: the body is empty") :
		arena_printf(call->arena, "the value is not JSON: see byte %llu", (unsigned long long)bad_at);
	return RC_BAD_JSON;
}

static enum rc small_body(struct call *call, size_t limit, enum door_form form, struct kv_put *put)
{
	size_t bad_at;
	enum rc rc = body_read(&call->body, limit, call->arena, &put->value);

	if (rc != RC_OK)
		return rc;
	if (form == DOOR_ANY_BYTES)
		put->kind = door_kind(put->value);
	else if (jtext_check(put->value, &bad_at))
		put->kind = KIND_JSON;
	else
		return refuse_json(call, put->value.n, bad_at);
	return RC_OK;
}

static enum rc large_body(struct call *call, enum door_form form, struct kv_put *put)
{
	struct door_value *value = door_value_begin(call);
	char *buf = arena_alloc(call->arena, KV_CHUNK_SIZE);
	struct str piece;
	enum rc rc = value == NULL || buf == NULL ? RC_NO_MEMORY : RC_OK;

	while (rc == RC_OK && (rc = body_next(&call->body, buf, KV_CHUNK_SIZE, &piece)) == RC_OK && piece.n != 0) {
		rc = door_value_add(value, piece);
		if (rc == RC_OK && form == DOOR_JSON && !value->could_be_json)
			return refuse_json(call, value->size, value->json.bad_at);
	}
	if (rc == RC_OK)
		rc = door_value_end(value, put);
	if (rc == RC_OK && form == DOOR_JSON && put->kind != KIND_JSON)
		return refuse_json(call, value->size, value->json.bad_at);
	return rc;
}

enum rc door_value(struct call *call, enum door_form form, struct kv_put *put)
{
	int64_t limit = door_value_limit(call), declared = call->body.declared;

	enum rc rc;

	if (declared > limit)
		return cf_value_too_large(call, (uint64_t)declared);
	if (declared >= 0 && declared <= KV_CHUNK_SIZE)
		return small_body(call, (size_t)limit, form, put);
	if (!call->slow)
		return RC_SLOW;
	rc = declared < 0 ? RC_OK : kv_quota_early(put, (uint64_t)declared, call->arena);
	return rc == RC_OK ? large_body(call, form, put) : rc;
}

/* ---- out ---- */

static void reader_clear(struct call *call)
{
	kv_reader_close(call->held);
}

enum rc door_open(struct call *call, struct str key, struct kv_entry *entry, struct kv_reader **reader)
{
	const struct app *app = call->app;
	uint32_t project = call->caller.project->number;
	enum rc rc = kv_get(app->kv, project, key, call->now, call->arena, entry, &call->wait_version);

	*reader = NULL;
	if (rc == RC_OK && entry->is_large && !call->slow)
		return RC_SLOW;
	if (rc == RC_OK && entry->is_large) {
		rc = kv_reader_open(app->kv, project, key, call->now, call->arena, reader, entry, &call->wait_version);
		if (rc == RC_OK)
			call_hold(call, *reader, reader_clear);
	}
	if (rc == RC_OK)
		metric_add(call->metrics, METRIC_READS, 1);
	return rc;
}

enum rc door_head(struct call *call, struct str key, struct kv_entry *entry)
{
	enum rc rc = kv_get_head(call->app->kv, call->caller.project->number, key, call->now, call->arena, entry,
				 &call->wait_version);

	if (rc == RC_OK)
		metric_add(call->metrics, METRIC_READS, 1);
	return rc;
}

void door_add_value(struct call *call, const struct kv_entry *entry, struct kv_reader *reader)
{
	if (reader != NULL)
		reply_stream(&call->reply, entry->size, kv_reader_stream, reader);
	else
		reply_part(&call->reply, entry->value);
}
