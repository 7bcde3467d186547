/*
 * fuzz_query.c - query strings of reading and writing at the REST door: a time to live is none or allowed, and an error
 * has a sentence that may be told.
 */
#include "config.h"

#include "base/buf.h"
#include "call.h"
#include "doors/private.h"
#include "fuzz.h"
#include "http/uri.h"

enum { NOW = 1700000000, SHORTEST = 60 };

static void is_sentence(struct str text)
{
	assert(str_is_utf8(text));
	for (size_t i = 0; i < text.n; i++)
		assert((unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f);
}

static void check_expiry(struct call *call)
{
	int64_t expires_at = -1;
	enum rc rc = cf_expiry_of_query(call, &expires_at);

	assert(rc == RC_OK || rc == RC_BAD_TTL || rc == RC_BAD_EXPIRATION || rc == RC_BAD_REQUEST);
	if (rc == RC_OK)
		assert(expires_at == 0 || (expires_at >= NOW + SHORTEST && expires_at <= DOOR_EXPIRATION_MAX));
	else if (rc != RC_BAD_REQUEST)
		assert(call->detail.n != 0);
	is_sentence(call->detail);
}

/* No list is read here: a good limit with a bad cursor behind it stops before. */
static void check_limit(struct call *call)
{
	struct str query = call->request.query, limit, cursor;
	struct kv_list list;
	struct buf out;
	uint64_t n;
	enum rc rc;

	if (uri_parameter(query, "limit", call->arena, &limit) != RC_OK || limit.n == 0 ||
	    str_to_u64(limit, 1, KV_LIST_MAX, &n) || uri_parameter(query, "cursor", call->arena, &cursor) != RC_OK)
		return;
	call->detail = STR_LIT("");
	buf_init(&out, call->arena, DOOR_LIST_TEXT_MAX);
	rc = cf_list(call, "limit", false, &out, &list);
	assert(rc == RC_BAD_LIMIT || rc == RC_BAD_REQUEST || rc == RC_KEY_TOO_LONG || rc == RC_BAD_KEY);
	is_sentence(call->detail);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct project project = { .number = 7, .min_ttl_s = SHORTEST };
	const struct app app = { .kv = NULL };
	struct arena *arena = arena_new(64 * 1024 + 16 * n);
	struct call call = { .app = &app, .arena = arena, .now = NOW };

	assert(arena != NULL);
	call.caller.project = &project;
	call.request.query = str_make(p, n);
	check_expiry(&call);
	check_limit(&call);
	arena_free(arena);
	return 0;
}
