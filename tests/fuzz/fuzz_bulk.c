/*
 * fuzz_bulk.c - the bodies of bulk calls at the REST door: what is written may be stored, is what a document has in its
 * place, and nothing is written of a call with one bad item.
 *
 * The first byte says which: 'd' for delete, anything else for put. The store is played here.
 */
#include "config.h"

#include <string.h>

#include "base/jdoc.h"
#include "base/jtext.h"
#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "fuzz.h"

enum { LIMIT = 300, NOW = 1700000000 };

static struct project project = { .number = 7, .value_limit = LIMIT, .min_ttl_s = 60 };
static json_object *expected;		/* the body, read by itself */
static size_t written;

const struct project *__wrap_registry_by_number(struct registry *registry, uint32_t number);
void __wrap_project_unref(const struct project *ours);
void __wrap_commit_run_all(struct store *store, struct commit_op *first);

const struct project *__wrap_registry_by_number(struct registry *registry, uint32_t number)
{
	(void)registry;
	assert(number == project.number);
	return &project;
}

void __wrap_project_unref(const struct project *ours)
{
	assert(ours == &project);
}

static void check_put(const struct kv_put *put, json_object *item)
{
	struct str key, value;
	bool base64 = false;
	size_t bad_at;

	assert(put->project == project.number && put->value.n <= LIMIT && put->kind == door_kind(put->value));
	assert(put->expires_at == 0 || put->expires_at >= NOW + 60);
	assert(put->metadata.n <= KV_METADATA_MAX);
	assert(put->metadata.n == 0 || jtext_check(put->metadata, &bad_at));
	assert(jdoc_str(item, "key", &key) && str_eq(key, put->key));
	jdoc_bool(item, "base64", &base64);
	assert(jdoc_str(item, "value", &value) && (base64 || str_eq(value, put->value)));
}

static struct str text_of(json_object *string)
{
	return str_make(json_object_get_string(string), (size_t)json_object_get_string_len(string));
}

/* In the place of the committer. */
void __wrap_commit_run_all(struct store *store, struct commit_op *first)
{
	(void)store;
	for (struct commit_op *op = first; op != NULL; op = op->next) {
		const struct kv_slice *slice = op->arg;

		assert(slice->n != 0 && slice->n <= KV_SLICE_ITEMS);
		for (size_t i = 0; i < slice->n; i++, written++) {
			json_object *item = json_object_array_get_idx(expected, written);
			bool puts = op->apply == kv_slice_put_apply;

			assert(key_check(puts ? slice->puts[i].key : slice->deletes[i].key) == RC_OK);
			if (puts)
				check_put(&slice->puts[i], item);
			else
				assert(str_eq(slice->deletes[i].key, text_of(item)));
		}
		op->rc = RC_OK;
	}
}

/* A body that lies in memory; there is nothing behind it. */
static void no_more(FCGX_Stream *stream)
{
	stream->isClosed = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str body = n == 0 ? STR_LIT("") : str_make(p + 1, n - 1);
	struct arena *arena = arena_new((8 << 20) + 64 * n);
	unsigned char *bytes = (unsigned char *)(uintptr_t)body.p;
	FCGX_Stream in = { .rdNext = bytes, .stop = bytes + body.n, .stopUnget = bytes, .isReader = 1, .fillBuffProc = no_more };
	const struct app app = { .kv = NULL };
	struct call call = { .app = &app, .arena = arena, .slow = true, .now = NOW };
	enum rc rc;

	assert(arena != NULL);
	call.caller.project = &project;
	reply_init(&call.reply);
	body_init(&call.body, &in, (int64_t)body.n);
	expected = jdoc_read(body, JTEXT_DEPTH);
	written = 0;
	rc = n != 0 && p[0] == 'd' ? rest_bulk_delete(&call) : rest_bulk_put(&call);
	assert(rc != RC_OK || written == json_object_array_length(expected));
	assert(rc == RC_OK || written == 0);
	assert(rc == RC_OK || (rc != RC_INTERNAL && rc != RC_STORE && str_is_utf8(call.detail)));
	json_object_put(expected);
	arena_free(arena);
	return 0;
}
