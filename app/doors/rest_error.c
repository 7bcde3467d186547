/*
 * rest_error.c - errors as Cloudflare's API tells them: a number, and a sentence that begins with the operation.
 *
 * The numbers are Cloudflare KV's. Where it has none for what went wrong, the nearest one stands here.
 */
#include "config.h"

#include <assert.h>

#include "base/jtext.h"
#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"

enum {
	SERVICE = 10001,	/* "service temporarily unavailable" */
	BAD_VALUE = 10012,
	INVALID = 10029,
	UNAUTHENTICATED = 10000,
	UNAUTHORIZED = 9109,
	MESSAGE_MAX = 2048
};

/* Not here: the stations on the way, and what only another door can answer; they are told as SERVICE. */
static const struct cf_error table[RC__COUNT] = {
	[RC_BAD_REQUEST]    = { 400, INVALID, "the request cannot be understood", false },
	[RC_BAD_KEY]        = { 400, 10042, "Key names must not be empty", false },
	[RC_BAD_JSON]       = { 400, BAD_VALUE, "the body must be JSON", false },
	[RC_BAD_CURSOR]     = { 400, 10041, "Invalid cursor. Please send one that the list before it answered, with the same prefix.", false },
	[RC_BAD_LIMIT]      = { 400, 10028, "Invalid limit. Please specify an integer from 1 to 1000.", false },
	[RC_BAD_METADATA]   = { 400, 10147, "metadata must be valid json", true },
	[RC_BAD_EXPIRATION] = { 400, 10033, "Invalid expiration.", false },
	[RC_BAD_TTL]        = { 400, 10034, "Invalid expiration_ttl.", false },
	[RC_BAD_VALUE]      = { 400, BAD_VALUE, "malformed value", false },
	[RC_BAD_NAMESPACE]  = { 400, 10011, "could not parse UUID from request's namespace_id: 'invalid namespace format'", true },
	[RC_BAD_TITLE]      = { 400, 10019, "request is missing a title definition", true },
	[RC_BAD_PAGE]       = { 400, 10007, "malformed page argument", true },
	[RC_BAD_PER_PAGE]   = { 400, 10008, "malformed per_page argument", true },
	[RC_BAD_ORDER]      = { 400, 10043, "invalid order argument", true },
	[RC_BAD_DIRECTION]  = { 400, 10044, "invalid direction argument", true },
	[RC_SHORT_BODY]     = { 400, BAD_VALUE, "the body ended before its declared length", false },

	[RC_NO_SUCH_ROUTE]      = { 404, 7003, "Could not route to this path, perhaps your object identifier is invalid?", true },
	[RC_METHOD_NOT_ALLOWED] = { 405, 7001, "Method not supported; see the Allow header", true },

	[RC_UNAUTHORIZED]        = { 401, UNAUTHENTICATED, "Authentication error", true },
	[RC_INVALID_TOKEN]       = { 401, UNAUTHENTICATED, "Authentication error", true },
	[RC_TOKEN_EXPIRED]       = { 401, UNAUTHENTICATED, "Authentication error", true },
	[RC_INVALID_INIT_DATA]   = { 401, UNAUTHENTICATED, "Authentication error", true },
	[RC_INIT_DATA_EXPIRED]   = { 401, UNAUTHENTICATED, "Authentication error", true },
	[RC_FORBIDDEN]           = { 403, UNAUTHORIZED, "Unauthorized to access requested resource", true },
	[RC_PROJECT_UNAVAILABLE] = { 403, UNAUTHORIZED, "Unauthorized to access requested resource: there is no such project, or it is disabled", true },
	[RC_ORIGIN_NOT_ALLOWED]  = { 403, UNAUTHORIZED, "Unauthorized to access requested resource: this page's origin is not on the project's list", true },
	[RC_READ_ONLY_KEY]       = { 403, UNAUTHORIZED, "this API key may only read", false },

	[RC_KEY_NOT_FOUND]       = { 404, 10009, "key not found", false },
	[RC_NAMESPACE_NOT_FOUND] = { 404, 10013, "namespace not found", false },
	[RC_CONFLICT]            = { 400, 10014, "a namespace with this account ID and title already exists", false },

	[RC_PRECONDITION_FAILED]  = { 412, INVALID, "the key has changed since you read it", false },
	[RC_VALUE_TOO_LARGE]      = { 413, 10024, "the body is larger than allowed here", false },
	[RC_METADATA_TOO_LARGE]   = { 413, 10147, "Metadata length exceeds limit of 1024.", false },
	[RC_KEY_TOO_LONG]         = { 414, 10030, "UTF-8 encoded length exceeds key length limit of 512.", false },
	[RC_UNSUPPORTED_ENCODING] = { 415, BAD_VALUE, "send the body without a Content-Encoding", false },
	[RC_UNSUPPORTED_TYPE]     = { 415, BAD_VALUE, "this type of change is not known here", false },

	[RC_WRITE_LIMIT]  = { 429, 10022, "too many requests: this key has had its writes for this second", false },
	[RC_RATE_LIMIT]   = { 429, 10022, "too many requests", false },

	[RC_INTERNAL]     = { 500, SERVICE, "something went wrong here; the log says more", false },
	[RC_NO_MEMORY]    = { 500, SERVICE, "this request needs more memory than one request may have", false },
	[RC_UNAVAILABLE]  = { 503, SERVICE, "the service is starting or stopping; try again", false },
	[RC_STORE]        = { 503, SERVICE, "the store is recovering; try again", false },
	[RC_TIMEOUT]      = { 504, SERVICE, "the answer took too long; a write may have happened", false },
	[RC_STORAGE_FULL] = { 507, SERVICE, "there is no space left to write; reading goes on", false },

	[RC_QUOTA_KEYS]       = { 507, SERVICE, "the namespace has as many keys as it may have; delete some", false },
	[RC_QUOTA_BYTES]      = { 507, SERVICE, "the namespace has no room left for so many bytes; delete something", false },
};

const struct cf_error *cf_error_of(enum rc rc)
{
	assert((unsigned)rc < RC__COUNT);
	return table[rc].status != 0 ? &table[rc] : &table[RC_INTERNAL];
}

/* "op: 'text'", or the text alone, between quotes. Empty: there is no memory for it. */
static struct str message_of(const struct call *call, const struct cf_error *error)
{
	struct str text = call->detail.n != 0 && str_is_utf8(call->detail) ? call->detail : str_c(error->text);
	struct buf message, quoted;

	buf_init(&message, call->arena, MESSAGE_MAX);
	if (!error->is_whole && call->op_name != NULL)
		buf_addf(&message, "%s: '%.*s'", call->op_name, STR(text));
	else
		buf_add(&message, text);
	buf_init(&quoted, call->arena, jtext_quoted_len(buf_str(&message)));
	jtext_quote(&quoted, buf_str(&message));
	return buf_ok(&message) && buf_ok(&quoted) ? buf_str(&quoted) : STR_LIT("");
}

void rest_error(struct call *call, enum rc rc)
{
	const struct cf_error *error = cf_error_of(rc);
	struct str number = arena_printf(call->arena, "%d", error->number), message = message_of(call, error);

	reply_begin_error(&call->reply, error->status);
	if (number.p == NULL || message.n == 0) {
		reply_part(&call->reply, STR_LIT("{\"success\":false,\"errors\":[{\"code\":10001,\"message\":\"out of memory\"}],"
						 "\"messages\":[],\"result\":null}"));
		return;
	}
	reply_part(&call->reply, STR_LIT("{\"success\":false,\"errors\":[{\"code\":"));
	reply_part(&call->reply, number);
	reply_part(&call->reply, STR_LIT(",\"message\":"));
	reply_part(&call->reply, message);
	reply_part(&call->reply, STR_LIT("}],\"messages\":[],\"result\":null}"));
}
