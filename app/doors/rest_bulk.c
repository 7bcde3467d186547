/*
 * rest_bulk.c - thousands of keys in one call: put and delete.
 *
 * Two passes over the body, which is kept whole. The first reads every item and writes nothing, so one bad item
 * refuses the call. The second writes in slices that go through the committer like anybody's write, a few at a time:
 * others wait for those at most, and a crash half way leaves some items, each of them whole.
 *
 * An item is a JSON document of its own while it is looked at; never more than one. Slow lane only.
 */
#include "config.h"

#include "base/b64.h"
#include "base/conf.h"
#include "base/jdoc.h"
#include "base/jraw.h"
#include "base/jtext.h"
#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "http/spool.h"

enum {
	ITEMS_MAX = 10000,
	BODY_MAX = 100 << 20,
	MEMORY_MAX = 1 << 20,		/* a body above this is kept in a file */
	SCRATCH_MAX = 128 << 20,	/* a group, or one item and what it decodes to */
	GROUP_SLICES = 4,		/* queued together, so one flush does for all of them */
	GROUP_ITEMS = GROUP_SLICES * KV_SLICE_ITEMS,
	/* What is deleted is logged, and nobody knows how large it is before: fewer in a slice. */
	DELETE_ITEMS = 16
};

struct bulk {
	struct call *call;
	struct str text;		/* the body: a JSON array */
	struct spool spool;		/* where it is when it is large */
	struct arena *scratch;		/* of the group, or the item, under way */
	size_t index;			/* of the item under way */
	size_t slice_items;		/* so many make a slice */

	/* the second pass: the group under way, and what became of those before */
	struct kv_put puts[GROUP_ITEMS];
	struct kv_delete deletes[GROUP_ITEMS];
	size_t n, bytes, n_slices;
	size_t n_done;
	struct buf refused;		/* names over their write limit, JSON, a comma between */
};

static enum rc say(struct bulk *bulk, enum rc rc, const char *why)
{
	bulk->call->detail = str_c(why);
	return rc;
}

/* RC is about the item under way: its place (from 0) before the sentence. */
static enum rc item_fail(struct bulk *bulk, enum rc rc)
{
	struct call *call = bulk->call;

	if (rc != RC_OK && rc != RC_NO_MEMORY)
		call->detail = arena_printf(call->arena, "item %zu: %.*s", bulk->index,
					    STR(call->detail.n != 0 ? call->detail : str_c(cf_error_of(rc)->text)));
	return rc;
}

/* ---- an item ---- */

/* One of {key, value, base64?, expiration?, expiration_ttl?, metadata?}, as the strings of its document. */
struct item {
	json_object *doc;
	struct str text;		/* that it was read from */
	struct str key, value, metadata;
	int64_t expires_at;
};

static bool is_null(json_object *doc, const char *name)
{
	return !jdoc_has(doc, name) || json_object_object_get(doc, name) == NULL;
}

static enum rc read_expiry(struct bulk *bulk, struct item *item)
{
	struct cf_expiry expiry = {
		.has_ttl = !is_null(item->doc, "expiration_ttl"), .has_at = !is_null(item->doc, "expiration")
	};

	if (expiry.has_ttl && !jdoc_i64(item->doc, "expiration_ttl", &expiry.ttl))
		return say(bulk, RC_BAD_TTL, "Invalid expiration_ttl. Please specify integer greater than 0.");
	if (!expiry.has_ttl && expiry.has_at && !jdoc_i64(item->doc, "expiration", &expiry.at))
		return say(bulk, RC_BAD_EXPIRATION, "Invalid expiration. Please specify integer greater than the current "
			   "number of seconds since the UNIX epoch.");
	return cf_expiry_check(bulk->call, &expiry, &item->expires_at);
}

static enum rc read_metadata(struct bulk *bulk, struct item *item)
{
	item->metadata = STR_LIT("");
	if (is_null(item->doc, "metadata"))
		return RC_OK;
	/* As it is written, so that an export comes back the same; without its white space if that makes it fit. */
	item->metadata = jraw_member(item->text, "metadata");
	if (item->metadata.n != 0 && item->metadata.n <= KV_METADATA_MAX)
		item->metadata = cf_one_line(bulk->scratch, item->metadata);
	else
		item->metadata = jdoc_text(json_object_object_get(item->doc, "metadata"), bulk->scratch);
	if (item->metadata.p == NULL)
		return RC_NO_MEMORY;
	return item->metadata.n <= KV_METADATA_MAX ? RC_OK : cf_metadata(bulk->call, item->metadata, &item->metadata);
}

/* What the text in base64 means; into the scratch. */
static enum rc decode_value(struct bulk *bulk, struct item *item)
{
	uint8_t *bytes = arena_alloc(bulk->scratch, B64_ROOM(item->value.n));
	size_t n;

	if (bytes == NULL)
		return RC_NO_MEMORY;
	if (!b64_decode(item->value, bytes, &n))
		return say(bulk, RC_BAD_VALUE, "the value is not base64");
	item->value = str_make(bytes, n);
	return RC_OK;
}

static enum rc read_value(struct bulk *bulk, struct item *item)
{
	bool base64 = false;
	enum rc rc = RC_OK;

	if (!jdoc_str(item->doc, "value", &item->value))
		return say(bulk, RC_BAD_VALUE, "\"value\" must be a string");
	if (!is_null(item->doc, "base64") && !jdoc_bool(item->doc, "base64", &base64))
		return say(bulk, RC_BAD_VALUE, "\"base64\" must be true or false");
	if (base64)
		rc = decode_value(bulk, item);
	if (rc == RC_OK && item->value.n > (size_t)bulk->call->caller.project->value_limit)
		rc = cf_value_too_large(bulk->call, item->value.n);
	return rc;
}

static enum rc read_members(struct bulk *bulk, struct item *item)
{
	enum rc rc;

	if (!json_object_is_type(item->doc, json_type_object))
		return say(bulk, RC_BAD_VALUE, "it must be a JSON object with \"key\" and \"value\"");
	if (!jdoc_str(item->doc, "key", &item->key))
		return say(bulk, RC_BAD_VALUE, "\"key\" must be a string");
	if ((rc = cf_key_check(bulk->call, item->key)) != RC_OK ||
	    (rc = read_expiry(bulk, item)) != RC_OK ||
	    (rc = read_metadata(bulk, item)) != RC_OK)
		return rc;
	return read_value(bulk, item);
}

/* item_close() it whatever the answer. */
static enum rc item_open(struct bulk *bulk, struct str text, struct item *item)
{
	*item = (struct item){ .doc = jdoc_read(text, JTEXT_DEPTH), .text = text };
	if (item->doc == NULL && jdoc_lacked_memory())
		return RC_NO_MEMORY;
	return item_fail(bulk, read_members(bulk, item));
}

static void item_close(struct item *item)
{
	json_object_put(item->doc);
	item->doc = NULL;
}

/* ---- slices ---- */

static void refuse(struct bulk *bulk, struct str key)
{
	if (bulk->refused.n != 0)
		buf_add_char(&bulk->refused, ',');
	jtext_quote(&bulk->refused, key);
}

/*
 * Whether the project is there still. A call may go on for longer than the reaper of deleted projects waits: what it
 * wrote behind that would stay for ever.
 */
static bool project_is_there(const struct call *call)
{
	const struct project *project = registry_by_number(call->app->registry, call->caller.project->number);

	project_unref(project);
	return project != NULL;
}

/* What became of the slice that begins with change AT. */
static void slice_done(struct bulk *bulk, size_t at, size_t n, const struct commit_op *op)
{
	for (size_t i = 0; i < n; i++) {
		if (op->answer.writes & UINT64_C(1) << i)
			refuse(bulk, op->apply == kv_slice_put_apply ? bulk->puts[at + i].key : bulk->deletes[at + i].key);
		else
			bulk->n_done++;
	}
}

/* Write the group under way, in slices; back when it is durable. */
static enum rc group_write(struct bulk *bulk, commit_apply *apply)
{
	struct call *call = bulk->call;
	struct kv_slice slices[GROUP_SLICES];
	struct commit_op ops[GROUP_SLICES];
	size_t n = 0;

	if (bulk->n == 0)
		return RC_OK;
	if (!project_is_there(call))
		return RC_PROJECT_UNAVAILABLE;
	for (size_t at = 0; at < bulk->n; at += bulk->slice_items, n++) {
		size_t left = bulk->n - at, items = left < bulk->slice_items ? left : bulk->slice_items;

		slices[n] = (struct kv_slice){ .puts = bulk->puts + at, .deletes = bulk->deletes + at, .n = items };
		commit_op_init(&ops[n], apply, &slices[n], bulk->bytes * items / bulk->n, call->request.request_id);
		commit_op_part(&ops[n], bulk->n_slices++);
	}
	for (size_t i = 0; i < n; i++)
		ops[i].next = i + 1 < n ? &ops[i + 1] : NULL;
	commit_run_all(call->app->store, ops);
	for (size_t i = 0; i < n; i++) {
		if (ops[i].rc != RC_OK)
			return ops[i].rc;
		slice_done(bulk, i * bulk->slice_items, slices[i].n, &ops[i]);
	}
	arena_reset(bulk->scratch);
	bulk->n = bulk->bytes = 0;
	return RC_OK;
}

/* Whether something of N bytes has to wait for the next group. */
static bool group_is_full(const struct bulk *bulk, size_t n)
{
	return bulk->n == GROUP_SLICES * bulk->slice_items || (bulk->n != 0 && bulk->bytes + n > KV_SLICE_BYTES);
}

/* ---- the two passes ---- */

/* Whether the body is JSON at all, before it is taken apart. */
static enum rc check_text(struct bulk *bulk)
{
	struct call *call = bulk->call;
	size_t bad_at;

	if (jtext_check(bulk->text, &bad_at))
		return RC_OK;
	call->detail = arena_printf(call->arena, "the body is not JSON: see byte %zu", bad_at);
	return RC_BAD_JSON;
}

/* Call EACH for every element's text. RC_BAD_JSON: it is no array; more than ITEMS_MAX: RC_BAD_REQUEST. */
static enum rc each_item(struct bulk *bulk, enum rc (*each)(struct bulk *, struct str))
{
	struct str name, text;
	struct jraw array;
	enum rc rc;

	if (!jraw_open(&array, bulk->text) || array.is_object)
		return say(bulk, RC_BAD_JSON, "the body must be a JSON array");
	for (bulk->index = 0; jraw_next(&array, &name, &text); bulk->index++) {
		if (bulk->index == ITEMS_MAX) {
			bulk->call->detail = arena_printf(bulk->call->arena, "You can send a maximum of %d items", ITEMS_MAX);
			return RC_BAD_REQUEST;
		}
		if ((rc = each(bulk, text)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc check_put(struct bulk *bulk, struct str text)
{
	struct item item;
	enum rc rc = item_open(bulk, text, &item);

	item_close(&item);
	arena_reset(bulk->scratch);
	return rc;
}

/* The item's bytes into the group's memory. */
static enum rc keep_put(struct bulk *bulk, const struct item *item)
{
	struct kv_put *put = &bulk->puts[bulk->n];

	*put = door_put_of(bulk->call);
	put->key = arena_dup(bulk->scratch, item->key);
	put->value = arena_dup(bulk->scratch, item->value);
	put->metadata = arena_dup(bulk->scratch, item->metadata);
	put->expires_at = item->expires_at;
	put->kind = door_kind(put->value);
	if (put->key.p == NULL || put->value.p == NULL || put->metadata.p == NULL)
		return RC_NO_MEMORY;
	bulk->bytes += item->key.n + item->value.n + item->metadata.n;
	bulk->n++;
	return RC_OK;
}

/* A value that is larger than a chunk goes into the store before its slice, which it has for itself. */
static enum rc write_large(struct bulk *bulk, const struct item *item)
{
	struct call *call = bulk->call;
	struct kv_upload upload;
	struct item rest = *item;
	enum rc rc;

	kv_upload_init(&upload, call->app->kv, call->caller.project->number, item->value.n, true, bulk->scratch);
	rc = kv_upload_add(&upload, item->value);
	rest.value = STR_LIT("");
	if (rc == RC_OK)
		rc = keep_put(bulk, &rest);
	if (rc == RC_OK) {
		bulk->puts[0].kind = door_kind(item->value);
		kv_upload_finish(&upload, &bulk->puts[0]);
		rc = group_write(bulk, kv_slice_put_apply);
	}
	kv_upload_clear(&upload);
	return rc;
}

static enum rc write_put(struct bulk *bulk, struct str text)
{
	struct item item;
	enum rc rc = RC_OK;

	/* Before it is decoded: what is decoded lies in the same memory. */
	if (group_is_full(bulk, text.n) || text.n > KV_CHUNK_SIZE)
		rc = group_write(bulk, kv_slice_put_apply);
	if (rc != RC_OK)
		return rc;
	rc = item_open(bulk, text, &item);
	if (rc == RC_OK)
		rc = item.value.n > KV_CHUNK_SIZE ? write_large(bulk, &item) : keep_put(bulk, &item);
	item_close(&item);
	return rc;
}

/* ---- deletes: items are names ---- */

/* The string that TEXT is; in the scratch. */
static enum rc read_name(struct bulk *bulk, struct str text, struct str *name)
{
	json_object *doc = jdoc_read(text, 1);
	enum rc rc;

	if (json_object_is_type(doc, json_type_string)) {
		*name = arena_dup(bulk->scratch, str_make(json_object_get_string(doc),
							  (size_t)json_object_get_string_len(doc)));
		rc = name->p == NULL ? RC_NO_MEMORY : cf_key_check(bulk->call, *name);
	} else if (doc == NULL && jdoc_lacked_memory()) {
		rc = RC_NO_MEMORY;
	} else {
		rc = say(bulk, RC_BAD_VALUE, "it must be a string, the name of a key");
	}
	json_object_put(doc);
	return item_fail(bulk, rc);
}

static enum rc check_delete(struct bulk *bulk, struct str text)
{
	struct str name;
	enum rc rc = read_name(bulk, text, &name);

	arena_reset(bulk->scratch);
	return rc;
}

static enum rc write_delete(struct bulk *bulk, struct str text)
{
	struct kv_delete *del;
	enum rc rc = RC_OK;

	if (group_is_full(bulk, text.n))
		rc = group_write(bulk, kv_slice_delete_apply);
	if (rc != RC_OK)
		return rc;
	del = &bulk->deletes[bulk->n];
	*del = door_delete_of(bulk->call);
	rc = read_name(bulk, text, &del->key);
	if (rc == RC_OK) {
		bulk->bytes += del->key.n;
		bulk->n++;
	}
	return rc;
}

/* ---- the calls ---- */

static enum rc answer(struct bulk *bulk)
{
	struct call *call = bulk->call;

	if (!buf_ok(&bulk->refused))
		return RC_NO_MEMORY;
	rest_result(call, arena_printf(call->arena, "{\"successful_key_count\":%zu,\"unsuccessful_keys\":[%.*s]}",
				       bulk->n_done, STR(buf_str(&bulk->refused))), STR_LIT(""));
	return RC_OK;
}

static enum rc read_body(struct bulk *bulk)
{
	struct body *body = &bulk->call->body;
	enum rc rc;

	if (body->declared >= 0 && body->declared <= MEMORY_MAX)
		return body_read(body, MEMORY_MAX, bulk->call->arena, &bulk->text);
	rc = body_spool(body, BODY_MAX, bulk->call->app->conf->data_dir, &bulk->spool);
	bulk->text = bulk->spool.bytes;
	return rc;
}

/* CHECK all items, then WRITE them with APPLY. */
static enum rc bulk_run(struct call *call, enum rc (*check)(struct bulk *, struct str),
			enum rc (*write)(struct bulk *, struct str), commit_apply *apply)
{
	struct bulk *bulk = arena_zero(call->arena, sizeof *bulk);
	enum rc rc;

	if (bulk == NULL || (bulk->scratch = arena_new(SCRATCH_MAX)) == NULL)
		return RC_NO_MEMORY;
	bulk->call = call;
	bulk->slice_items = apply == kv_slice_put_apply ? KV_SLICE_ITEMS : DELETE_ITEMS;
	buf_init(&bulk->refused, call->arena, DOOR_LIST_TEXT_MAX);
	rc = read_body(bulk);
	if (rc == RC_OK)
		rc = check_text(bulk);
	if (rc == RC_OK)
		rc = each_item(bulk, check);
	if (rc == RC_OK)
		rc = each_item(bulk, write);
	if (rc == RC_OK)
		rc = group_write(bulk, apply);
	arena_free(bulk->scratch);
	spool_clear(&bulk->spool);
	return rc == RC_OK ? answer(bulk) : rc;
}

enum rc rest_bulk_put(struct call *call)
{
	enum rc rc = door_refuse_condition(call);

	if (rc != RC_OK)
		return rc;
	return call->slow ? bulk_run(call, check_put, write_put, kv_slice_put_apply) : RC_SLOW;
}

enum rc rest_bulk_delete(struct call *call)
{
	enum rc rc = door_refuse_condition(call);

	if (rc != RC_OK)
		return rc;
	return call->slow ? bulk_run(call, check_delete, write_delete, kv_slice_delete_apply) : RC_SLOW;
}
