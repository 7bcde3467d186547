/*
 * wording.c - limits in the words that Cloudflare's clients know, for the REST door and the binding door.
 *
 * People search for these sentences, and programs compare them: they are kept as Cloudflare KV words them,
 * with our numbers in them.
 */
#include "config.h"

#include <inttypes.h>

#include "base/jraw.h"
#include "base/jtext.h"
#include "call.h"
#include "doors/private.h"
#include "http/uri.h"

enum { SHOWN_MAX = 40 };	/* bytes of what a client sent that stand in a sentence */

static enum rc say(struct call *call, enum rc rc, struct str detail)
{
	call->detail = detail;
	return rc;
}

/* What was sent, if it is fit to be repeated. */
static struct str shown(struct str text)
{
	if (text.n > SHOWN_MAX)
		return STR_LIT("that");
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < 0x20 || text.p[i] > 0x7e)
			return STR_LIT("that");
	return text;
}

/* ---- keys ---- */

enum rc cf_key_check(struct call *call, struct str key)
{
	enum rc rc = key_check(key);

	if (rc == RC_KEY_TOO_LONG)
		return say(call, rc, arena_printf(call->arena,
			"UTF-8 encoded length of %zu exceeds key length limit of %d.", key.n, KV_KEY_MAX));
	if (rc != RC_BAD_KEY)
		return rc;
	if (key.n == 0)
		return say(call, rc, STR_LIT("Key names must not be empty"));
	if (key.p[0] == '.' && key.n <= 2)
		return say(call, rc, arena_printf(call->arena,
			"Illegal key name \"%.*s\". Please use a different name.", STR(key)));
	return say(call, rc, STR_LIT("Key names must be UTF-8 without NUL"));
}

enum rc cf_key(struct call *call, struct str *key)
{
	enum rc rc = uri_decode(call->key, call->arena, key);

	if (rc == RC_BAD_REQUEST || (call->key.n != 0 && memchr(call->key.p, '#', call->key.n) != NULL))
		return say(call, RC_BAD_KEY, STR_LIT("Could not URL-decode key name"));
	return rc == RC_OK ? cf_key_check(call, *key) : rc;
}

/* ---- times to live ---- */

static int64_t shortest(const struct call *call)
{
	return call->is_operator ? 1 : call->caller.project->min_ttl_s;
}

static enum rc check_ttl(struct call *call, int64_t ttl, int64_t *expires_at)
{
	int64_t least = shortest(call);

	if (ttl <= 0)
		return say(call, RC_BAD_TTL, arena_printf(call->arena,
			"Invalid expiration_ttl of %" PRId64 ". Please specify integer greater than 0.", ttl));
	if (ttl < least)
		return say(call, RC_BAD_TTL, arena_printf(call->arena,
			"Invalid expiration_ttl of %" PRId64 ". Expiration TTL must be at least %" PRId64 ".", ttl, least));
	if (ttl > DOOR_EXPIRATION_MAX - call->now)
		return say(call, RC_BAD_TTL, arena_printf(call->arena,
			"Invalid expiration_ttl of %" PRId64 ". That is too far in the future.", ttl));
	*expires_at = call->now + ttl;
	return RC_OK;
}

static enum rc check_at(struct call *call, int64_t at, int64_t *expires_at)
{
	int64_t least = shortest(call);

	if (at <= call->now)
		return say(call, RC_BAD_EXPIRATION, arena_printf(call->arena,
			"Invalid expiration of %" PRId64 ". Please specify integer greater than the current number of seconds "
			"since the UNIX epoch.", at));
	if (at - call->now < least)
		return say(call, RC_BAD_EXPIRATION, arena_printf(call->arena,
			"Invalid expiration of %" PRId64 ". Expiration times must be at least %" PRId64 " seconds in the future.",
			at, least));
	if (at > DOOR_EXPIRATION_MAX)
		return say(call, RC_BAD_EXPIRATION, arena_printf(call->arena,
			"Invalid expiration of %" PRId64 ". That is too far in the future.", at));
	*expires_at = at;
	return RC_OK;
}

enum rc cf_expiry_check(struct call *call, const struct cf_expiry *expiry, int64_t *expires_at)
{
	*expires_at = 0;
	if (expiry->has_ttl)
		return check_ttl(call, expiry->ttl, expires_at);
	return expiry->has_at ? check_at(call, expiry->at, expires_at) : RC_OK;
}

/* A parameter that is a whole number, with or without a sign. False: it is something else. */
static bool read_number(struct str text, int64_t *value)
{
	bool negative = text.n != 0 && text.p[0] == '-';
	uint64_t digits;

	if (!str_to_u64(str_skip(text, negative), 0, INT64_MAX, &digits))
		return false;
	*value = negative ? -(int64_t)digits : (int64_t)digits;
	return true;
}

enum rc cf_expiry_of_query(struct call *call, int64_t *expires_at)
{
	struct cf_expiry expiry = { .has_ttl = false };
	struct str ttl, at;
	enum rc rc;

	if ((rc = uri_parameter(call->request.query, "expiration_ttl", call->arena, &ttl)) != RC_OK ||
	    (rc = uri_parameter(call->request.query, "expiration", call->arena, &at)) != RC_OK)
		return rc;
	if (ttl.n != 0 && !read_number(ttl, &expiry.ttl))
		return say(call, RC_BAD_TTL, arena_printf(call->arena,
			"Invalid expiration_ttl of %.*s. Please specify integer greater than 0.", STR(shown(ttl))));
	if (ttl.n == 0 && at.n != 0 && !read_number(at, &expiry.at))
		return say(call, RC_BAD_EXPIRATION, arena_printf(call->arena,
			"Invalid expiration of %.*s. Please specify integer greater than the current number of seconds since the "
			"UNIX epoch.", STR(shown(at))));
	expiry.has_ttl = ttl.n != 0;
	expiry.has_at = at.n != 0;
	return cf_expiry_check(call, &expiry, expires_at);
}

/* ---- values and metadata ---- */

enum rc cf_value_too_large(struct call *call, uint64_t n)
{
	return say(call, RC_VALUE_TOO_LARGE, arena_printf(call->arena,
		"Value length of %" PRIu64 " exceeds limit of %" PRId64 ".", n, door_value_limit(call)));
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/*
 * It travels in a header of the binding door, so it must be one line. JSON has raw line ends between its tokens
 * only, where a space is as good.
 */
struct str cf_one_line(struct arena *arena, struct str json)
{
	struct str copy = arena_dup(arena, json);
	char *p = (char *)(uintptr_t)copy.p;

	for (size_t i = 0; p != NULL && i < copy.n; i++)
		if (is_space(p[i]))
			p[i] = ' ';
	return copy;
}

enum rc cf_metadata(struct call *call, struct str text, struct str *metadata)
{
	struct str json = jraw_trim(text);
	size_t bad_at;

	*metadata = STR_LIT("");
	if (json.n == 0 || str_eq(json, STR_LIT("null")))
		return RC_OK;
	if (json.n > KV_METADATA_MAX)
		return say(call, RC_METADATA_TOO_LARGE, arena_printf(call->arena,
			"Metadata length of %zu exceeds limit of %d.", json.n, KV_METADATA_MAX));
	if (!jtext_check(json, &bad_at))
		return RC_BAD_METADATA;
	*metadata = cf_one_line(call->arena, json);
	return metadata->p == NULL ? RC_NO_MEMORY : RC_OK;
}

/* ---- lists ---- */

static enum rc explain_limit(struct call *call, const char *limit_name)
{
	struct str limit;
	uint64_t n;
	enum rc rc = uri_parameter(call->request.query, limit_name, call->arena, &limit);

	if (rc != RC_OK)
		return rc;
	/* Their words; the limit itself is fine, there as here. */
	return say(call, RC_BAD_LIMIT, arena_printf(call->arena, "Invalid %s of %.*s. Please specify an integer %s.",
		   limit_name, STR(shown(limit)),
		   str_to_u64(limit, KV_LIST_MAX + 1, UINT64_MAX, &n) ? "less than 1000" : "greater than 0"));
}

enum rc cf_list(struct call *call, const char *limit_name, bool as_text, struct buf *out, struct kv_list *list)
{
	enum rc rc = door_list(call, limit_name, as_text, out, list);

	if (rc == RC_KEY_TOO_LONG)
		return say(call, rc, arena_printf(call->arena,
			"UTF-8 encoded length of %zu exceeds key length limit of %d.", list->prefix.n, KV_KEY_MAX));
	return rc == RC_BAD_LIMIT ? explain_limit(call, limit_name) : rc;
}
