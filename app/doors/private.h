/*
 * private.h - what the doors share: the same questions, whoever asks them.
 *
 *   shared.c   keys, versions, lists
 *   access.c   the project's access rules
 *   condition.c   If-Match, If-None-Match
 *   value.c    values of any size, in and out
 *   wording.c  limits in the words that Cloudflare's clients know (REST and binding)
 *   rest_*.c   the REST door has a file for each kind of thing
 */
#ifndef DOORS_PRIVATE_H
#define DOORS_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rc.h"
#include "base/str.h"
#include "kv/kv.h"

struct call;
struct kv_condition;
struct project;

/* ---- shared.c ---- */

/* Seconds since 1970 that every client can read as a number. */
#define DOOR_EXPIRATION_MAX ((INT64_C(1) << 53) - 1)

/* door_key - the key that the path names, decoded once. RC_BAD_KEY, RC_KEY_TOO_LONG. */
enum rc door_key(struct call *call, struct str *key) MUST_USE;

/* door_version - the headers of a value: its version is the ETag, for it changes with every write; and its writes. */
void door_version(struct call *call, uint64_t version, uint64_t writes);
void door_etag(struct call *call, uint64_t version);
void door_writes(struct call *call, uint64_t writes);

/* door_no_store - KV replies are nothing to keep. */
void door_no_store(struct call *call);

/* door_refuse_encoding - RC_UNSUPPORTED_ENCODING when the body is compressed: it would be kept so, and nobody told. */
enum rc door_refuse_encoding(struct call *call) MUST_USE;

/*
 * door_put_of, door_delete_of - a change of the caller's project; its key, and of a put all else, is the door's to fill
 * in. door_put, door_delete - the same in the arena; NULL without memory.
 */
struct kv_put door_put_of(const struct call *call);
struct kv_delete door_delete_of(const struct call *call);
struct kv_put *door_put(struct call *call);
struct kv_delete *door_delete(struct call *call);

/* door_quota - what the project and each of its users may keep: by its limits, and by its access rules. */
struct kv_quota door_quota(const struct project *project);

/*
 * door_list - the page that the query asks for by prefix, cursor and LIMIT_NAME: its names are added to OUT as a JSON
 * array of objects; AS_TEXT: their metadata as strings of JSON. The reply will wait for what it shows. RC_SLOW;
 * RC_BAD_LIMIT, RC_BAD_CURSOR, RC_BAD_KEY or RC_KEY_TOO_LONG (the prefix).
 */
enum { DOOR_LIST_TEXT_MAX = 16 << 20 };	/* a page of 1,000 names, each escaped at its worst, is below this */
enum rc door_list(struct call *call, const char *limit_name, bool as_text, struct buf *out,
		  struct kv_list *list) MUST_USE;

/* ---- access.c ---- */

/*
 * door_may - whether the project's access rules let the caller do all of OPERATIONS (RULE_READ and so on) with KEY,
 * which is checked: RC_OK, RC_FORBIDDEN_BY_RULES. What else they let the caller do with it is in call->access from then
 * on. A request with If-Match or If-None-Match is one that reads as well: its outcome tells what is there.
 */
enum rc door_may(struct call *call, struct str key, unsigned operations) MUST_USE;

/* door_may_read - whether door_may() has found that the caller may read the key: what tells of it is for them only. */
bool door_may_read(const struct call *call);

/*
 * door_may_list - LIST only shows, and only walks, what the caller may list. RC_FORBIDDEN_BY_RULES when that is nothing;
 * RC_SLOW when it lies in many places.
 */
enum rc door_may_list(struct call *call, struct kv_list *list) MUST_USE;

/* door_value_limit - the most bytes that a value may have: the project's limit, or the rules' when that is less. */
int64_t door_value_limit(const struct call *call);

/* ---- condition.c ---- */

/*
 * door_condition - what If-Match and If-None-Match say, in the arena; NULL: nothing. A change takes it along and is
 * refused with RC_PRECONDITION_FAILED when it does not hold. RC_BAD_REQUEST, with words.
 */
enum rc door_condition(struct call *call, const struct kv_condition **condition) MUST_USE;

/*
 * door_refuse_condition - RC_BAD_REQUEST for both, where nothing is held against them. A condition that is not held
 * must not look as if it were: the client would overwrite what it meant to spare.
 */
enum rc door_refuse_condition(struct call *call) MUST_USE;

/*
 * door_open_if, door_head_if - door_open() and door_head() of value.c for a request that may have conditions:
 * RC_PRECONDITION_FAILED, or *TOLD: the reply says 304 already, and there is nothing to add.
 */
enum rc door_open_if(struct call *call, struct str key, struct kv_entry *entry, struct kv_reader **reader,
		     bool *told) MUST_USE;
enum rc door_head_if(struct call *call, struct str key, struct kv_entry *entry, bool *told) MUST_USE;

/* ---- value.c ---- */

/* door_kind - what VALUE is, for those who may write anything. */
enum kind door_kind(struct str value);

/*
 * door_value - the whole body as PUT's value, with its kind. RC_SLOW for more than an event loop reads;
 * RC_VALUE_TOO_LARGE in Cloudflare's words; RC_BAD_JSON with the place; RC_STORAGE_FULL; body_read()'s.
 */
enum door_form { DOOR_ANY_BYTES, DOOR_JSON };
enum rc door_value(struct call *call, enum door_form form, struct kv_put *put) MUST_USE;

/*
 * A value that is a part of the body, piece by piece: begin (NULL without memory), add, end. The call holds it, so
 * it is released with the call; once in a call. In an event loop it must fit into a chunk.
 */
struct door_value;
struct door_value *door_value_begin(struct call *call);
enum rc door_value_add(struct door_value *value, struct str piece) MUST_USE;
enum rc door_value_end(struct door_value *value, struct kv_put *put) MUST_USE;

/*
 * door_open - KEY's entry with its value; a large one comes with a READER, held by the call (else NULL), and needs the
 * slow lane: RC_SLOW. door_add_value - the value to the reply. door_head - the entry without its value.
 */
enum rc door_open(struct call *call, struct str key, struct kv_entry *entry, struct kv_reader **reader) MUST_USE;
void door_add_value(struct call *call, const struct kv_entry *entry, struct kv_reader *reader);
enum rc door_head(struct call *call, struct str key, struct kv_entry *entry) MUST_USE;

/* ---- wording.c ---- */

/* cf_key - door_key(), its errors in Cloudflare's words. cf_key_check - the same for a key out of a body. */
enum rc cf_key(struct call *call, struct str *key) MUST_USE;
enum rc cf_key_check(struct call *call, struct str key) MUST_USE;

/* A time to live as a request has it; the first that is there counts. */
struct cf_expiry {
	bool has_ttl, has_at;
	int64_t ttl, at;
};

/* cf_expiry_check - the moment it means, 0: never. RC_BAD_TTL, RC_BAD_EXPIRATION, with words. */
enum rc cf_expiry_check(struct call *call, const struct cf_expiry *expiry, int64_t *expires_at) MUST_USE;

/* cf_expiry_of_query - the same of the parameters expiration and expiration_ttl. */
enum rc cf_expiry_of_query(struct call *call, int64_t *expires_at) MUST_USE;

/* cf_value_too_large - RC_VALUE_TOO_LARGE for a value of N bytes, with words. */
enum rc cf_value_too_large(struct call *call, uint64_t n) MUST_USE;

/* cf_metadata - TEXT as it will be stored: empty for none and for "null". RC_BAD_METADATA, RC_METADATA_TOO_LARGE. */
enum rc cf_metadata(struct call *call, struct str text, struct str *metadata) MUST_USE;

/* cf_one_line - JSON as a header can carry it, in ARENA: spaces for its line ends. .p NULL without memory. */
struct str cf_one_line(struct arena *arena, struct str json);

/* cf_list - door_list(), its errors in Cloudflare's words. */
enum rc cf_list(struct call *call, const char *limit_name, bool as_text, struct buf *out,
		struct kv_list *list) MUST_USE;

/* ---- rest.c ---- */

/* rest_result - {"success":true,...,"result":RESULT}, and "result_info":INFO when INFO is not empty. JSON texts. */
void rest_result(struct call *call, struct str result, struct str info);

/* ---- rest_form.c ---- */

/* rest_form - PUT's value and metadata from a body that is multipart/form-data. RC_BAD_VALUE, RC_BAD_METADATA and door_value()'s. */
enum rc rest_form(struct call *call, struct kv_put *put) MUST_USE;

/* ---- rest_error.c ---- */

/* cf_error_of - how Cloudflare's clients are told RC: status, number, sentence (never NULL). */
struct cf_error {
	int status;
	int number;
	const char *text;
	bool is_whole;		/* the sentence stands without the name of the operation */
};
const struct cf_error *cf_error_of(enum rc rc);

#endif
