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

/* A large text as the inside of a JSON string, made while it is sent. */
struct quoting {
	struct kv_reader *reader;
	struct str left;		/* of the reader's piece */
	struct buf out;
};

enum {
	QUOTE_STEP = 8 * 1024,
	QUOTE_SIZE = 6 * QUOTE_STEP	/* every byte an escape of six */
};

/* As a reply_next. */
static bool quoting_next(void *arg, struct str *piece)
{
	struct quoting *quoting = arg;
	size_t n;

	if (quoting->left.n == 0 && kv_reader_next(quoting->reader, &quoting->left) != RC_OK)
		return false;
	n = quoting->left.n < QUOTE_STEP ? quoting->left.n : QUOTE_STEP;
	quoting->out.n = 0;
	jtext_escape(&quoting->out, str_make(quoting->left.p, n));
	quoting->left = str_skip(quoting->left, n);
	*piece = buf_str(&quoting->out);
	return buf_ok(&quoting->out);
}

/* Looked at once only to be counted: a reply says its length first. */
static enum rc quoted_length(struct kv_reader *reader, uint64_t *length)
{
	struct str piece;
	enum rc rc;

	*length = 0;
	while ((rc = kv_reader_next(reader, &piece)) == RC_OK && piece.n != 0)
		*length += jtext_quoted_len(piece) - 2;
	kv_reader_rewind(reader);
	return rc;
}

static enum rc stream_text(struct call *call, struct kv_reader *reader)
{
	struct quoting *quoting = arena_zero(call->arena, sizeof *quoting);
	uint64_t length;
	enum rc rc = quoting == NULL ? RC_NO_MEMORY : quoted_length(reader, &length);

	if (rc != RC_OK)
		return rc;
	quoting->reader = reader;
	buf_init(&quoting->out, call->arena, QUOTE_SIZE);
	reply_part(&call->reply, STR_LIT("\""));
	reply_stream(&call->reply, length, quoting_next, quoting);
	reply_part(&call->reply, STR_LIT("\""));
	return RC_OK;
}

/* What another door wrote reads here as a JSON string when it is text. */
static enum rc add_text(struct call *call, const struct kv_entry *entry, struct kv_reader *reader)
{
	struct buf quoted;

	if (reader != NULL)
		return stream_text(call, reader);
	buf_init(&quoted, call->arena, jtext_quoted_len(entry->value));
	jtext_quote(&quoted, entry->value);
	reply_part(&call->reply, buf_str(&quoted));
	return buf_ok(&quoted) ? RC_OK : RC_NO_MEMORY;
}

enum rc sdk_get(struct call *call)
{
	struct kv_reader *reader;
	struct kv_entry entry;
	struct str key;
	bool told;
	enum rc rc = door_key(call, &key);

	if (rc == RC_OK)
		rc = door_may(call, key, RULE_READ);
	if (rc == RC_OK)
		rc = door_open_if(call, key, &entry, &reader, &told);
	if (rc != RC_OK || told)
		return rc;
	if (entry.kind == KIND_BINARY)
		return RC_VALUE_NOT_JSON;
	door_no_store(call);
	door_version(call, entry.version, entry.writes);
	reply_part(&call->reply, STR_LIT(REPLY_DATA_BEGIN));
	if (entry.kind == KIND_JSON)
		door_add_value(call, &entry, reader);
	else
		rc = add_text(call, &entry, reader);
	reply_part(&call->reply, STR_LIT(REPLY_DATA_END));
	return rc;
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
	if (ttl.n == 0 && str_to_u64(at, (uint64_t)(call->now + project->min_ttl_s), DOOR_EXPIRATION_MAX, &value)) {
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
static enum rc value_of(struct call *call, struct kv_put *put)
{
	enum rc rc = door_refuse_encoding(call);

	if (rc == RC_OK)
		rc = door_value(call, DOOR_JSON, put);
	if (rc == RC_VALUE_TOO_LARGE)
		call->detail = arena_printf(call->arena, door_value_limit(call) < call->caller.project->value_limit ?
					    "the project's access rules allow this key a value of at most %lld bytes" :
					    "a value has at most %lld bytes", (long long)door_value_limit(call));
	return rc;
}

static enum rc put_done(struct call *call)
{
	door_etag(call, call->op.answer.version);
	/* It would tell whether the key was there. */
	if (door_may_read(call))
		door_writes(call, call->op.answer.writes);
	reply_null(call);
	return RC_OK;
}

enum rc sdk_put(struct call *call)
{
	struct kv_put *put = door_put(call);
	enum rc rc;

	if (put == NULL)
		return RC_NO_MEMORY;
	if ((rc = door_condition(call, &put->condition)) != RC_OK ||
	    (rc = door_key(call, &put->key)) != RC_OK ||
	    (rc = door_may(call, put->key, RULE_WRITE)) != RC_OK ||
	    (rc = expiry_of(call, &put->expires_at)) != RC_OK ||
	    (rc = value_of(call, put)) != RC_OK)
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
	if ((rc = door_condition(call, &del->condition)) != RC_OK || (rc = door_key(call, &del->key)) != RC_OK ||
	    (rc = door_may(call, del->key, RULE_DELETE)) != RC_OK)
		return rc;
	return call_commit(call, kv_delete_apply, del, del->key.n, delete_done);
}

/* ---- list ---- */

enum rc sdk_list(struct call *call)
{
	struct kv_list list;
	struct buf out;
	enum rc rc;

	buf_init(&out, call->arena, DOOR_LIST_TEXT_MAX);
	buf_add_c(&out, "{\"keys\":");
	rc = door_list(call, "limit", false, &out, &list);
	if (rc != RC_OK)
		return rc;
	buf_add_c(&out, list.complete ? ",\"list_complete\":true" : ",\"list_complete\":false,\"cursor\":\"");
	if (!list.complete) {
		kv_cursor_write(call->app->kv, &list, &out);
		buf_add_char(&out, '"');
	}
	buf_add_char(&out, '}');
	door_no_store(call);
	reply_data(&call->reply, buf_str(&out));
	return buf_ok(&out) ? RC_OK : RC_NO_MEMORY;
}
