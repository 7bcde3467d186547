/*
 * rc.h - every way a request can end, and what the client is told of it.
 *
 * One enum, one table (rc.c): the HTTP status, the word for programs and the
 * sentence for people belong to the outcome, so no handler ever writes "404".
 * The words are those of the error table in the API.
 */
#ifndef BASE_RC_H
#define BASE_RC_H

#define MUST_USE __attribute__((warn_unused_result))

enum rc {
	RC_OK,

	/* Not outcomes but stations on the way; they never reach a client. */
	RC_PARKED,		/* the answer comes after a flush */
	RC_SLOW,		/* too much work for an event loop: ask again in the slow lane */
	RC_BUSY,		/* inside store/ only: lost a lock, try again */

	RC_BAD_REQUEST,
	RC_BAD_KEY,
	RC_BAD_JSON,
	RC_BAD_CURSOR,
	RC_BAD_LIMIT,
	RC_BAD_METADATA,
	RC_BAD_EXPIRATION,
	RC_BAD_TTL,
	RC_BAD_VALUE,		/* a form without its value, an item of a bulk that is none */
	RC_BAD_NAMESPACE,	/* what should be a project's id cannot be one */
	RC_BAD_TITLE,
	RC_BAD_PAGE,
	RC_BAD_PER_PAGE,
	RC_BAD_ORDER,
	RC_BAD_DIRECTION,
	RC_SHORT_BODY,
	RC_NO_SUCH_ROUTE,
	RC_UNAUTHORIZED,
	RC_INVALID_TOKEN,
	RC_TOKEN_EXPIRED,
	RC_INVALID_INIT_DATA,
	RC_INIT_DATA_EXPIRED,
	RC_FORBIDDEN,
	RC_FORBIDDEN_BY_RULES,
	RC_SERVER_ONLY,
	RC_ORIGIN_NOT_ALLOWED,
	RC_PROJECT_UNAVAILABLE,
	RC_NAMESPACE_NOT_FOUND,	/* told to the operator only; to all others it is RC_FORBIDDEN */
	RC_READ_ONLY_KEY,
	RC_KEY_NOT_FOUND,
	RC_METHOD_NOT_ALLOWED,
	RC_VALUE_NOT_JSON,
	RC_CONFLICT,		/* administration: such a name exists already */
	RC_PRECONDITION_FAILED,
	RC_VALUE_TOO_LARGE,
	RC_METADATA_TOO_LARGE,
	RC_KEY_TOO_LONG,
	RC_UNSUPPORTED_ENCODING,
	RC_UNSUPPORTED_TYPE,	/* a change in a language that is not spoken here */
	RC_WRITE_LIMIT,
	RC_RATE_LIMIT,
	RC_HEADERS_TOO_LARGE,
	RC_INTERNAL,
	RC_NO_MEMORY,		/* this request's arena is used up */
	RC_UNAVAILABLE,		/* stopping, or not ready yet */
	RC_STORE,		/* the environment is unwell: answer, exit, recover */
	RC_TIMEOUT,
	RC_STORAGE_FULL,
	RC_QUOTA_KEYS,		/* the project's own limits, and those of its users */
	RC_QUOTA_BYTES,
	RC_QUOTA_USER_KEYS,
	RC_QUOTA_USER_BYTES,
	RC__COUNT
};

/* How loudly the log speaks of an outcome. */
enum rc_loudness { RC_QUIET, RC_WARN, RC_ERROR };

struct rc_info {
	int status;		/* HTTP status, 0 for the stations on the way */
	const char *code;	/* word for a program */
	const char *text;	/* sentence for a person, says what to do */
	enum rc_loudness loudness;
};

/* rc_info - the table's row of RC; never NULL. */
const struct rc_info *rc_info(enum rc rc);

#endif
