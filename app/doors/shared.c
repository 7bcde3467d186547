/*
 * shared.c - what a request says of keys and lists, the same at every door.
 */
#include "config.h"

#include "base/buf.h"
#include "base/jtext.h"
#include "call.h"
#include "doors/private.h"
#include "http/uri.h"
#include "project/rules.h"

enum rc door_key(struct call *call, struct str *key)
{
	enum rc rc;

	if (call->key.n != 0 && memchr(call->key.p, '#', call->key.n) != NULL)
		return RC_BAD_KEY;
	rc = uri_decode(call->key, call->arena, key);
	if (rc == RC_BAD_REQUEST)
		return RC_BAD_KEY;
	return rc == RC_OK ? key_check(*key) : rc;
}

void door_version(struct call *call, uint64_t version, uint64_t writes)
{
	door_etag(call, version);
	door_writes(call, writes);
}

/* VALUE in digits, AROUND them what a NUL is not. Every read has two of these: no printf. */
static struct str number_text(struct arena *arena, uint64_t value, char around)
{
	char *text = arena_alloc(arena, STR_U64_MAX + 2);
	size_t n = 0;

	if (text == NULL)
		return str_make(NULL, 0);
	if (around != '\0')
		text[n++] = around;
	n += str_from_u64(value, text + n);
	if (around != '\0')
		text[n++] = around;
	return str_make(text, n);
}

void door_etag(struct call *call, uint64_t version)
{
	reply_header(&call->reply, "ETag", number_text(call->arena, version, '"'));
}

void door_writes(struct call *call, uint64_t writes)
{
	reply_header(&call->reply, "X-KV-Writes", number_text(call->arena, writes, '\0'));
}

void door_no_store(struct call *call)
{
	reply_header(&call->reply, "Cache-Control", STR_LIT("no-store"));
}

enum rc door_refuse_encoding(struct call *call)
{
	struct str encoding = call->request.content_encoding;

	return encoding.n == 0 || str_eq_nocase(encoding, STR_LIT("identity")) ? RC_OK : RC_UNSUPPORTED_ENCODING;
}

struct kv_quota door_quota(const struct project *project)
{
	return (struct kv_quota){
		.max_keys = (uint64_t)project->max_keys,
		.max_bytes = (uint64_t)project->max_bytes,
		.user_max_keys = rules_user_keys(project->rules, (uint64_t)project->user_max_keys),
		.user_max_bytes = (uint64_t)project->user_max_bytes,
	};
}

struct kv_put door_put_of(const struct call *call)
{
	return (struct kv_put){
		.kv = call->app->kv,
		.project = call->caller.project->number,
		.owner = call->caller.telegram_id,
		.write_limit = call->caller.project->write_limit,
		.quota = door_quota(call->caller.project),
		.now = call->now,
	};
}

struct kv_delete door_delete_of(const struct call *call)
{
	return (struct kv_delete){
		.kv = call->app->kv,
		.project = call->caller.project->number,
		.write_limit = call->caller.project->write_limit,
		.now = call->now,
	};
}

struct kv_put *door_put(struct call *call)
{
	struct kv_put *put = arena_alloc(call->arena, sizeof *put);

	if (put != NULL)
		*put = door_put_of(call);
	return put;
}

struct kv_delete *door_delete(struct call *call)
{
	struct kv_delete *del = arena_alloc(call->arena, sizeof *del);

	if (del != NULL)
		*del = door_delete_of(call);
	return del;
}

/* ---- lists ---- */

static enum rc list_parameters(struct call *call, const char *limit_name, struct kv_list *list)
{
	struct str query = call->request.query, limit, cursor;
	uint64_t n = KV_LIST_MAX;
	enum rc rc;

	if ((rc = uri_parameter(query, "prefix", call->arena, &list->prefix)) != RC_OK ||
	    (rc = uri_parameter(query, limit_name, call->arena, &limit)) != RC_OK ||
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
	return cursor.n == 0 ? RC_OK : kv_cursor_read(call->app->kv, cursor, call->arena, list);
}

/* Where the names of a list go. */
struct names {
	struct buf *out;
	bool as_text;		/* metadata as a string of JSON */
};

/* As kv_list's TAKE. Each is written with a comma before it; that of the first one becomes the array's bracket. */
static void name_write(void *to, const struct kv_name *name)
{
	const struct names *names = to;
	struct buf *out = names->out;

	buf_add(out, STR_LIT(",{\"name\":"));
	jtext_quote(out, name->name);
	if (name->expires_at != 0) {
		buf_add(out, STR_LIT(",\"expiration\":"));
		buf_add_u64(out, (uint64_t)name->expires_at);
	}
	if (name->metadata.n != 0) {
		buf_add(out, STR_LIT(",\"metadata\":"));
		if (names->as_text)
			jtext_quote(out, name->metadata);
		else
			buf_add(out, name->metadata);
	}
	buf_add_char(out, '}');
}

/* All of the page, as an array of objects. */
static enum rc names_write(struct call *call, struct kv_list *list, struct buf *out, bool as_text)
{
	struct names names = { out, as_text };
	size_t start = out->n;
	enum rc rc;

	list->take = name_write;
	list->to = &names;
	rc = kv_list(call->app->kv, list, call->arena);
	if (rc == RC_OK && list->n_names == 0)
		buf_add_char(out, '[');
	else if (rc == RC_OK && buf_ok(out))
		out->p[start] = '[';
	buf_add_char(out, ']');
	return rc;
}

enum rc door_list(struct call *call, const char *limit_name, bool as_text, struct buf *out, struct kv_list *list)
{
	enum rc rc;

	*list = (struct kv_list){
		.project = call->caller.project->number,
		.rows = call->slow ? KV_LIST_ROWS : KV_LIST_QUICK,
		.now = call->now,
	};
	rc = list_parameters(call, limit_name, list);
	if (rc == RC_OK)
		rc = door_may_list(call, list);
	if (rc == RC_OK)
		rc = names_write(call, list, out, as_text);
	if (rc != RC_OK)
		return rc;
	if (list->out_of_rows && !call->slow)
		return RC_SLOW;
	metric_add(call->metrics, METRIC_LISTS, 1);
	call->wait_version = list->wait_version;
	return RC_OK;
}
