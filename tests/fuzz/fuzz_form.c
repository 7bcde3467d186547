/*
 * fuzz_form.c - a value and its metadata as a form, through the REST door: in one piece and in several it is the same,
 * and what comes out of it may be stored, and told in a header.
 *
 * The text is a Content-Type, LF, and the body.
 */
#include "config.h"

#include <string.h>

#include "base/jtext.h"
#include "call.h"
#include "doors/private.h"
#include "fuzz.h"
#include "http/multipart.h"

enum { LIMIT = 300 };

/* A body that lies in memory; there is nothing behind it. */
static void no_more(FCGX_Stream *stream)
{
	stream->isClosed = 1;
}

static enum rc form(struct str type, struct str bytes, bool slow, struct arena *arena, struct kv_put *put)
{
	/* Libfcgi only reads from it. */
	unsigned char *p = (unsigned char *)(uintptr_t)bytes.p;
	FCGX_Stream in = { .rdNext = p, .stop = p + bytes.n, .stopUnget = p, .isReader = 1, .fillBuffProc = no_more };
	const struct project project = { .number = 7, .value_limit = LIMIT };
	const struct app app = { .kv = NULL };
	struct call call = { .app = &app, .arena = arena, .slow = slow };
	enum rc rc;

	call.request.content_type = type;
	call.caller.project = &project;
	body_init(&call.body, &in, (int64_t)bytes.n);
	rc = rest_form(&call, put);
	if (call.clear != NULL)
		call.clear(&call);
	return rc;
}

static void is_metadata(struct str metadata)
{
	size_t bad_at;

	if (metadata.n == 0)
		return;
	assert(metadata.n <= KV_METADATA_MAX && jtext_check(metadata, &bad_at));
	for (size_t i = 0; i < metadata.n; i++)
		assert((unsigned char)metadata.p[i] >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *arena = arena_new((1 << 20) + 64 * n);
	struct kv_put whole = { .kind = KIND_JSON }, pieces = whole;
	struct str type, body;
	enum rc rc;

	assert(arena != NULL);
	str_cut(str_make(p, n), '\n', &type, &body);
	rc = form(type, body, false, arena, &whole);
	assert(form(type, body, true, arena, &pieces) == rc);
	if (rc == RC_OK) {
		assert(whole.value.n <= LIMIT && whole.kind == door_kind(whole.value));
		is_metadata(whole.metadata);
		assert(str_eq(whole.value, pieces.value) && whole.kind == pieces.kind);
		assert(str_eq(whole.metadata, pieces.metadata));
		assert(multipart_is(type));
	} else {
		assert(rc == RC_BAD_VALUE || rc == RC_BAD_METADATA || rc == RC_VALUE_TOO_LARGE ||
		       rc == RC_METADATA_TOO_LARGE);
	}
	arena_free(arena);
	return 0;
}
