/*
 * rc.c - the table of outcomes (see rc.h).
 */
#include "config.h"

#include <assert.h>
#include <stddef.h>

#include "base/rc.h"

static const struct rc_info table[RC__COUNT] = {
	[RC_OK]     = { 200, "ok", "ok", RC_QUIET },
	[RC_PARKED] = { 0, "parked", "waiting for a flush", RC_QUIET },
	[RC_SLOW]   = { 0, "slow", "waiting for the slow lane", RC_QUIET },
	[RC_BUSY]   = { 0, "busy", "lost a lock", RC_QUIET },

	[RC_BAD_REQUEST]    = { 400, "bad_request", "the request cannot be understood", RC_QUIET },
	[RC_BAD_KEY]        = { 400, "bad_key", "a key is 1 to 512 bytes of UTF-8 without NUL, and not '.' or '..'", RC_QUIET },
	[RC_BAD_JSON]       = { 400, "bad_json", "the value is not JSON", RC_QUIET },
	[RC_BAD_CURSOR]     = { 400, "bad_cursor", "the cursor is not one that a list answered", RC_QUIET },
	[RC_BAD_LIMIT]      = { 400, "bad_limit", "limit must be a whole number from 1 to 1000", RC_QUIET },
	[RC_BAD_METADATA]   = { 400, "bad_request", "metadata must be JSON", RC_QUIET },
	[RC_BAD_EXPIRATION] = { 400, "bad_request", "the expiration must be a Unix time in seconds, and not too near", RC_QUIET },
	[RC_BAD_TTL]        = { 400, "bad_request", "the time to live must be a whole number of seconds, and not too few", RC_QUIET },
	[RC_BAD_VALUE]      = { 400, "bad_request", "there is no value in it", RC_QUIET },
	[RC_BAD_NAMESPACE]  = { 400, "bad_request", "that cannot be the id of a project", RC_QUIET },
	[RC_BAD_TITLE]      = { 400, "bad_request", "a title has 1 to 512 characters", RC_QUIET },
	[RC_BAD_PAGE]       = { 400, "bad_request", "page must be a whole number from 1", RC_QUIET },
	[RC_BAD_PER_PAGE]   = { 400, "bad_request", "per_page must be a whole number from 1 to 1000", RC_QUIET },
	[RC_BAD_ORDER]      = { 400, "bad_request", "order must be id or title", RC_QUIET },
	[RC_BAD_DIRECTION]  = { 400, "bad_request", "direction must be asc or desc", RC_QUIET },
	[RC_SHORT_BODY]     = { 400, "short_body", "the body ended before its declared length", RC_QUIET },
	[RC_NO_SUCH_ROUTE]  = { 400, "no_such_route", "there is nothing at this path", RC_QUIET },

	[RC_UNAUTHORIZED]      = { 401, "unauthorized", "send 'Authorization: Bearer <token>', or 'Authorization: tma <initData>' with X-Project-Id", RC_QUIET },
	[RC_INVALID_TOKEN]     = { 401, "invalid_token", "the token is not valid here; validate again for a new one", RC_QUIET },
	[RC_TOKEN_EXPIRED]     = { 401, "token_expired", "the token has expired; validate again for a new one", RC_QUIET },
	[RC_INVALID_INIT_DATA] = { 401, "invalid_init_data", "the initData is not genuine for this project", RC_QUIET },
	[RC_INIT_DATA_EXPIRED] = { 401, "init_data_expired", "the initData is too old; reopen the Mini App", RC_QUIET },

	[RC_FORBIDDEN]           = { 403, "forbidden", "these credentials belong to another project", RC_QUIET },
	[RC_FORBIDDEN_BY_RULES]  = { 403, "forbidden_by_rules", "the project's access rules do not allow this", RC_QUIET },
	[RC_SERVER_ONLY]         = { 403, "server_only", "this needs an API key, from a server", RC_QUIET },
	[RC_ORIGIN_NOT_ALLOWED]  = { 403, "origin_not_allowed", "this page's origin is not on the project's list", RC_QUIET },
	[RC_PROJECT_UNAVAILABLE] = { 403, "project_unavailable", "there is no such project, or it is disabled", RC_QUIET },
	[RC_NAMESPACE_NOT_FOUND] = { 403, "project_unavailable", "there is no such project", RC_QUIET },
	[RC_READ_ONLY_KEY]       = { 403, "read_only_key", "this API key may only read", RC_QUIET },

	[RC_KEY_NOT_FOUND]      = { 404, "key_not_found", "there is no such key", RC_QUIET },
	[RC_METHOD_NOT_ALLOWED] = { 405, "method_not_allowed", "this path does not take this method; see the Allow header", RC_QUIET },
	[RC_VALUE_NOT_JSON]     = { 406, "value_not_json", "the value is binary; read it through the REST door", RC_QUIET },
	[RC_CONFLICT]           = { 409, "conflict", "there is one of that name already", RC_QUIET },

	[RC_PRECONDITION_FAILED]  = { 412, "precondition_failed", "the key has changed since you read it", RC_QUIET },
	[RC_VALUE_TOO_LARGE]      = { 413, "value_too_large", "the body is larger than allowed here", RC_QUIET },
	[RC_METADATA_TOO_LARGE]   = { 413, "value_too_large", "metadata has at most 1024 bytes", RC_QUIET },
	[RC_KEY_TOO_LONG]         = { 414, "key_too_long", "a key has at most 512 bytes", RC_QUIET },
	[RC_UNSUPPORTED_ENCODING] = { 415, "unsupported_encoding", "send the body without a Content-Encoding", RC_QUIET },
	[RC_UNSUPPORTED_TYPE]     = { 415, "unsupported_type", "this type of change is not known here; see the Accept-Patch header", RC_QUIET },

	[RC_WRITE_LIMIT]       = { 429, "write_limit", "this key has had its writes for this second; try again in one", RC_QUIET },
	[RC_RATE_LIMIT]        = { 429, "rate_limit", "too many requests; try again in a second", RC_QUIET },
	[RC_HEADERS_TOO_LARGE] = { 431, "headers_too_large", "the request's headers are too large", RC_QUIET },

	[RC_INTERNAL]     = { 500, "internal", "something went wrong here; the log says more", RC_ERROR },
	[RC_NO_MEMORY]    = { 500, "internal", "this request needs more memory than one request may have", RC_ERROR },
	[RC_UNAVAILABLE]  = { 503, "unavailable", "the service is starting or stopping; try again", RC_QUIET },
	[RC_STORE]        = { 503, "unavailable", "the store is recovering; try again", RC_ERROR },
	[RC_TIMEOUT]      = { 504, "timeout", "the answer took too long; a write may have happened", RC_WARN },
	[RC_STORAGE_FULL] = { 507, "storage_full", "there is no space left to write; reading goes on", RC_WARN },

	[RC_QUOTA_KEYS]       = { 507, "storage_full", "the project has as many keys as it may have; delete some", RC_QUIET },
	[RC_QUOTA_BYTES]      = { 507, "storage_full", "the project has no room left for so many bytes; delete something", RC_QUIET },
	[RC_QUOTA_USER_KEYS]  = { 507, "storage_full", "you have as many keys here as a user may have; delete some", RC_QUIET },
	[RC_QUOTA_USER_BYTES] = { 507, "storage_full", "you have no room left here for so many bytes; delete something", RC_QUIET },
};

const struct rc_info *rc_info(enum rc rc)
{
	assert((unsigned)rc < RC__COUNT && table[rc].code != NULL);
	return &table[rc];
}
