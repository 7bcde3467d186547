/*
 * request.h - FastCGI parameters -> struct request. Knows nothing of keys or users.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/str.h"

/* A set of methods is a mask of these; METHOD_OTHER is every method we do not speak. */
enum method {
	METHOD_GET     = 1 << 0,
	METHOD_HEAD    = 1 << 1,
	METHOD_PUT     = 1 << 2,
	METHOD_POST    = 1 << 3,
	METHOD_PATCH   = 1 << 4,
	METHOD_DELETE  = 1 << 5,
	METHOD_OPTIONS = 1 << 6,
	METHOD_OTHER   = 1 << 7
};

/* Which listener of the front server the request came through: TMAKV_DOOR, default public. */
enum door { DOOR_PUBLIC, DOOR_BINDING, DOOR_OPERATOR };

/*
 * One request as its parameters tell it. The strings point into the FastCGI
 * parameters and live until the reply is sent; an absent header is empty.
 */
struct request {
	enum method method;
	enum door door;
	struct str uri;			/* REQUEST_URI: raw, undecoded, the only truth about the path; no "http://host" */
	struct str path;		/* of it, what is before the first '?' */
	struct str query;		/* and behind it */
	int64_t content_length;		/* -1 when not declared */
	struct str content_type;
	struct str content_encoding;
	struct str authorization;
	struct str auth_key;		/* X-Auth-Key, as Cloudflare's clients send it */
	struct str user_service_key;	/* X-Auth-User-Service-Key */
	struct str project_id;		/* X-Project-Id */
	struct str origin;
	struct str if_match;
	struct str if_none_match;
	struct str metadata;		/* CF-KV-Metadata, of workerd */
	struct str request_id;		/* the front server's; the same when it repeats the request */
};

/*
 * request_read - ENVP is libfcgi's list of "NAME=value". RC_BAD_REQUEST when there is no
 * method or URI, the length is no number, or TMAKV_DOOR names no door; *REQUEST is then filled
 * in as far as it goes. Pure: the fuzzer calls it.
 */
enum rc request_read(struct request *request, char *const *envp) MUST_USE;

/* method_names - "GET, HEAD" for a mask, into OUT of SIZE; for the Allow header. */
void method_names(unsigned mask, char *out, size_t size);

#endif
