/*
 * rest_bulk_get.c - up to a hundred keys read in one call, at the REST door and at workerd's.
 *
 * The values are held as they are stored, 25 MiB of them at most; what is sent (quoted, or in base64) is made from
 * them piece by piece while the answer goes out. Slow lane only.
 */
#include "config.h"

#include "base/b64.h"
#include "base/jdoc.h"
#include "base/jtext.h"
#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"

enum {
	KEYS_MAX = 100,
	BODY_MAX = 1 << 20,
	BODY_DEPTH = 4,
	TOTAL_MAX = 25 << 20,
	OUT_SIZE = 96 * 1024,		/* a piece of the answer, and */
	OUT_ENOUGH = 16 * 1024,		/* when it goes out */
	VALUE_STEP = 12 * 1024		/* bytes of a value taken at a time; escaped sixfold they still fit. A multiple of 3 */
};

/* How values are told. BASE64 is ours: with it any value can be had, and an export needs no second look. */
enum form { FORM_TEXT, FORM_JSON, FORM_BASE64 };

struct got {
	struct str key;
	bool found;
	struct kv_entry entry;
};

/*
 * The answer as a stream: an object with a member for each key.
 *
 *   NAME --there--> VALUE --all of it--> REST --> NAME of the next, or END
 *     '---missing: null---------------------------^
 */
enum station { AT_NAME, AT_VALUE, AT_REST, AT_END };

struct bulk_get {
	struct call *call;
	enum form form;
	bool with_metadata;
	struct got got[KEYS_MAX];
	size_t n;

	enum station station;
	size_t at, done;		/* the key under way, and bytes of its value that are told */
	struct buf out;
};

/* ---- what is asked for ---- */

static enum rc say(struct bulk_get *bulk, enum rc rc, struct str detail)
{
	bulk->call->detail = detail;
	return rc;
}

static enum rc read_form(struct bulk_get *bulk, json_object *doc)
{
	struct str type;

	if (!jdoc_has(doc, "type") || json_object_object_get(doc, "type") == NULL)
		return RC_OK;
	if (!jdoc_str(doc, "type", &type))
		type = STR_LIT("");
	if (str_eq(type, STR_LIT("json")))
		bulk->form = FORM_JSON;
	else if (str_eq(type, STR_LIT("base64")))
		bulk->form = FORM_BASE64;
	else if (!str_eq(type, STR_LIT("text")))
		return say(bulk, RC_BAD_REQUEST, arena_printf(bulk->call->arena,
			"\"%.*s\" is not a valid type. Use \"json\" or \"text\"", (int)(type.n < 32 ? type.n : 32), type.p));
	return RC_OK;
}

static bool is_asked_already(const struct bulk_get *bulk, struct str key)
{
	for (size_t i = 0; i < bulk->n; i++)
		if (str_eq(bulk->got[i].key, key))
			return true;
	return false;
}

/* A key that stands there twice is one member of the answer. */
static enum rc read_key(struct bulk_get *bulk, json_object *name)
{
	struct str key;
	enum rc rc;

	if (!json_object_is_type(name, json_type_string))
		return say(bulk, RC_BAD_REQUEST, STR_LIT("\"keys\" must be an array of strings"));
	key = arena_dup(bulk->call->arena, str_make(json_object_get_string(name), (size_t)json_object_get_string_len(name)));
	if (key.p == NULL)
		return RC_NO_MEMORY;
	if ((rc = cf_key_check(bulk->call, key)) != RC_OK)
		return rc;
	if (!is_asked_already(bulk, key))
		bulk->got[bulk->n++].key = key;
	return RC_OK;
}

static enum rc read_keys(struct bulk_get *bulk, json_object *doc)
{
	json_object *keys;
	size_t n;
	enum rc rc = RC_OK;

	if (!jdoc_array(doc, "keys", &keys))
		return say(bulk, RC_BAD_REQUEST, STR_LIT("\"keys\" must be an array of strings"));
	n = json_object_array_length(keys);
	if (n > KEYS_MAX)
		return say(bulk, RC_BAD_REQUEST, STR_LIT("You can request a maximum of 100 keys"));
	if (n == 0)
		return say(bulk, RC_BAD_REQUEST, STR_LIT("You must request a minimum of 1 key"));
	for (size_t i = 0; i < n && rc == RC_OK; i++)
		rc = read_key(bulk, json_object_array_get_idx(keys, i));
	return rc;
}

static enum rc read_body(struct bulk_get *bulk)
{
	struct call *call = bulk->call;
	json_object *doc;
	struct str body;
	enum rc rc = body_read(&call->body, BODY_MAX, call->arena, &body);

	if (rc != RC_OK)
		return rc;
	doc = jdoc_read(body, BODY_DEPTH);
	if (doc == NULL && jdoc_lacked_memory())
		return RC_NO_MEMORY;
	if (!json_object_is_type(doc, json_type_object))
		rc = say(bulk, RC_BAD_JSON, STR_LIT("the body must be a JSON object: {\"keys\":[\"...\"]}"));
	else if ((rc = read_form(bulk, doc)) == RC_OK)
		rc = read_keys(bulk, doc);
	jdoc_bool(doc, "withMetadata", &bulk->with_metadata);
	json_object_put(doc);
	return rc;
}

/* ---- what is there ---- */

static enum rc check_form(struct bulk_get *bulk, enum kind kind)
{
	if (bulk->form == FORM_TEXT && kind == KIND_BINARY)
		return say(bulk, RC_BAD_REQUEST, STR_LIT("At least one of the requested keys corresponds to a non-text value"));
	if (bulk->form == FORM_JSON && kind != KIND_JSON)
		return say(bulk, RC_BAD_REQUEST, STR_LIT("At least one of the requested keys corresponds to a value that is not JSON"));
	return RC_OK;
}

static enum rc get_all(struct bulk_get *bulk)
{
	struct call *call = bulk->call;
	size_t total = 0;

	for (size_t i = 0; i < bulk->n; i++) {
		struct got *got = &bulk->got[i];
		uint64_t wait_version;
		enum rc rc = kv_get_whole(call->app->kv, call->caller.project->number, got->key, TOTAL_MAX - total,
					  call->now, call->arena, &got->entry, &wait_version);

		if (rc == RC_VALUE_TOO_LARGE)
			return say(bulk, rc, STR_LIT("Total size of request exceeds the limit of 25MB"));
		if (rc != RC_OK && rc != RC_KEY_NOT_FOUND)
			return rc;
		if (wait_version > call->wait_version)
			call->wait_version = wait_version;
		got->found = rc == RC_OK;
		if (!got->found)
			continue;
		if ((rc = check_form(bulk, got->entry.kind)) != RC_OK)
			return rc;
		total += got->entry.value.n;
	}
	metric_add(call->metrics, METRIC_READS, bulk->n);
	return RC_OK;
}

/* ---- what is sent ---- */

static void next_key(struct bulk_get *bulk)
{
	bulk->at++;
	bulk->done = 0;
	bulk->station = AT_NAME;
}

static void write_name(struct bulk_get *bulk)
{
	struct buf *out = &bulk->out;
	const struct got *got = &bulk->got[bulk->at];

	if (bulk->at == bulk->n) {
		buf_add_char(out, '}');
		bulk->station = AT_END;
		return;
	}
	buf_add_char(out, bulk->at == 0 ? '{' : ',');
	jtext_quote(out, got->key);
	buf_add_char(out, ':');
	if (!got->found) {
		buf_add_c(out, "null");
		next_key(bulk);
		return;
	}
	if (bulk->with_metadata)
		buf_add_c(out, "{\"value\":");
	if (bulk->form != FORM_JSON)
		buf_add_char(out, '"');
	bulk->station = AT_VALUE;
}

static void write_base64(struct buf *out, struct str bytes)
{
	char text[B64_LEN(VALUE_STEP)];

	buf_add(out, str_make(text, b64_encode((const uint8_t *)bytes.p, bytes.n, text)));
}

static void write_value(struct bulk_get *bulk)
{
	struct str left = str_skip(bulk->got[bulk->at].entry.value, bulk->done);
	struct str step = str_make(left.p, left.n < VALUE_STEP ? left.n : VALUE_STEP);

	switch (bulk->form) {
	case FORM_TEXT:   jtext_escape(&bulk->out, step); break;
	case FORM_JSON:   buf_add(&bulk->out, step); break;
	case FORM_BASE64: write_base64(&bulk->out, step); break;
	}
	bulk->done += step.n;
	if (step.n == left.n)
		bulk->station = AT_REST;
}

static void write_rest(struct bulk_get *bulk)
{
	const struct kv_entry *entry = &bulk->got[bulk->at].entry;
	struct buf *out = &bulk->out;

	if (bulk->form != FORM_JSON)
		buf_add_char(out, '"');
	if (bulk->with_metadata) {
		buf_add_c(out, ",\"metadata\":");
		buf_add(out, entry->metadata.n == 0 ? STR_LIT("null") : entry->metadata);
		if (entry->expires_at != 0) {
			buf_add_c(out, ",\"expiration\":");
			buf_add_u64(out, (uint64_t)entry->expires_at);
		}
		buf_add_char(out, '}');
	}
	next_key(bulk);
}

/* As a reply_next. */
static bool next_piece(void *arg, struct str *piece)
{
	struct bulk_get *bulk = arg;

	bulk->out.n = 0;
	while (bulk->station != AT_END && bulk->out.n < OUT_ENOUGH)
		switch (bulk->station) {
		case AT_NAME:  write_name(bulk); break;
		case AT_VALUE: write_value(bulk); break;
		case AT_REST:  write_rest(bulk); break;
		case AT_END:   break;
		}
	*piece = buf_str(&bulk->out);
	return buf_ok(&bulk->out);
}

static void rewind_stream(struct bulk_get *bulk)
{
	bulk->station = AT_NAME;
	bulk->at = bulk->done = 0;
}

/* Made once only to be counted: a reply says its length first. */
static enum rc stream_length(struct bulk_get *bulk, uint64_t *length)
{
	struct str piece;

	*length = 0;
	rewind_stream(bulk);
	do {
		if (!next_piece(bulk, &piece))
			return RC_NO_MEMORY;
		*length += piece.n;
	} while (piece.n != 0);
	rewind_stream(bulk);
	return RC_OK;
}

/* The answer stands in the call's reply between BEFORE and AFTER. */
static enum rc bulk_get(struct call *call, struct str before, struct str after)
{
	struct bulk_get *bulk;
	uint64_t length;
	enum rc rc;

	if (!call->slow)
		return RC_SLOW;
	bulk = arena_zero(call->arena, sizeof *bulk);
	if (bulk == NULL)
		return RC_NO_MEMORY;
	bulk->call = call;
	buf_init(&bulk->out, call->arena, OUT_SIZE);
	if ((rc = read_body(bulk)) != RC_OK || (rc = get_all(bulk)) != RC_OK ||
	    (rc = stream_length(bulk, &length)) != RC_OK)
		return rc;
	door_no_store(call);
	reply_part(&call->reply, before);
	reply_stream(&call->reply, length, next_piece, bulk);
	reply_part(&call->reply, after);
	return RC_OK;
}

enum rc rest_bulk_get(struct call *call)
{
	return bulk_get(call, STR_LIT("{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{\"values\":"),
			STR_LIT("}}"));
}

enum rc binding_bulk_get(struct call *call)
{
	return bulk_get(call, STR_LIT(""), STR_LIT(""));
}
