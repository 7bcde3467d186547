/*
 * kv.h - keys and values of a project, in no door's words.
 *
 * Reads answer at once; changes are a struct with what is wanted and an apply function
 * for the committer (store/commit.h). "Missing" and "expired" are the same here.
 */
#ifndef KV_KV_H
#define KV_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/b64.h"
#include "base/buf.h"
#include "base/rc.h"
#include "base/str.h"
#include "store/commit.h"
#include "store/store.h"

struct kv;
struct kv_reader;
struct kv_condition;

enum {
	KV_KEY_MAX = 512,
	KV_VALUE_MAX = 25 << 20,
	KV_CHUNK_SIZE = 256 * 1024,	/* a larger value is stored, written and read in pieces of this */
	KV_METADATA_MAX = 1024,
	KV_LIST_MAX = 1000,		/* keys on a page */
	KV_LIST_QUICK = 200,		/* rows an event loop looks at */
	KV_LIST_ROWS = 5000,		/* rows a page looks at; then it is incomplete */
	KV_HOT_WINDOW_S = 5		/* hot keys are those of the last one to two windows */
};

/* kv_open - also starts the sweeper, which removes expired keys and the chunks of lost values in small slices. */
enum rc kv_open(struct kv **kv, struct store *store) MUST_USE;
void kv_close(struct kv *kv);

/* key_check - RC_OK; RC_KEY_TOO_LONG; RC_BAD_KEY: empty, '.', '..', NUL inside, not UTF-8. KEY is decoded. */
enum rc key_check(struct str key) MUST_USE;

/* What a value is; found out when it is written. */
enum kind { KIND_JSON = 1, KIND_TEXT = 2, KIND_BINARY = 3 };

struct kv_entry {
	struct str value;		/* empty when it is large */
	size_t size;			/* of the value, wherever it is */
	bool is_large;			/* stored in chunks: read it with a kv_reader */
	enum kind kind;
	struct str metadata;		/* JSON text; empty: none */
	uint64_t version;		/* rises over all keys; the ETag */
	uint64_t writes;		/* accepted since the key was created */
	uint64_t owner;			/* Telegram id of who wrote it; 0: an API key */
	int64_t expires_at;		/* seconds since 1970; 0: never */
};

/*
 * kv_get - KEY of PROJECT, copied into ARENA. RC_OK, RC_KEY_NOT_FOUND, RC_NO_MEMORY, RC_STORE.
 * *WAIT_VERSION is set for RC_OK and RC_KEY_NOT_FOUND: neither may be told before it is flushed.
 */
enum rc kv_get(struct kv *kv, uint32_t project, struct str key, int64_t now,
	       struct arena *arena, struct kv_entry *entry, uint64_t *wait_version) MUST_USE;

/* kv_get_head - the same without the value: its size is told, its bytes are left where they are. */
enum rc kv_get_head(struct kv *kv, uint32_t project, struct str key, int64_t now,
		    struct arena *arena, struct kv_entry *entry, uint64_t *wait_version) MUST_USE;

/*
 * kv_get_whole - kv_get(), with a large value in ARENA as well, which then holds little besides. RC_VALUE_TOO_LARGE
 * when it has more than MAX bytes.
 */
enum rc kv_get_whole(struct kv *kv, uint32_t project, struct str key, size_t max, int64_t now,
		     struct arena *arena, struct kv_entry *entry, uint64_t *wait_version) MUST_USE;

/*
 * A value in pieces, of any size: a small one is one piece. While the reader is open the value stays as it
 * is, whatever happens to the key. It takes one chunk of ARENA for a large value.
 *
 * kv_reader_open   - as kv_get(); the reader lies in ARENA. entry->value is empty.
 * kv_reader_next   - the next piece, valid until the next call; an empty one at the end.
 * kv_reader_stream - the same for reply_stream(): ARG is the reader.
 * kv_reader_rewind - from the start again.
 * kv_reader_close  - always, before the arena is reset; NULL is fine.
 */
enum rc kv_reader_open(struct kv *kv, uint32_t project, struct str key, int64_t now, struct arena *arena,
		       struct kv_reader **reader, struct kv_entry *entry, uint64_t *wait_version) MUST_USE;
enum rc kv_reader_next(struct kv_reader *reader, struct str *piece) MUST_USE;
bool kv_reader_stream(void *arg, struct str *piece) MUST_USE;
void kv_reader_rewind(struct kv_reader *reader);
void kv_reader_close(struct kv_reader *reader);

/* How much may be kept: keys, and bytes of names, values and metadata; by all, and by one user. 0: no limit. */
struct kv_quota {
	uint64_t max_keys, max_bytes;
	uint64_t user_max_keys, user_max_bytes;
};

/* Put: replaces value, metadata and expiry. */
struct kv_put {
	struct kv *kv;
	uint32_t project;
	struct str key;			/* checked by key_check */
	struct str value;		/* KV_CHUNK_SIZE bytes at most; of an upload, its last chunk */
	uint64_t upload_id;		/* both set by kv_upload_finish(): 0, or the chunks before */
	size_t upload_size;		/* are stored under this, and all of it is so large */
	enum kind kind;
	struct str metadata;
	int64_t expires_at;		/* 0: never */
	uint64_t owner;
	int64_t write_limit;		/* writes per second of this key; 0: none */
	struct kv_quota quota;
	int64_t now;
	const struct kv_condition *condition;	/* NULL: none. Asked in the change's own transaction */
	bool counted;			/* against the write limit, already */
};
/*
 * RC_OK with op->answer; RC_PRECONDITION_FAILED, with the version of the key as it is in op->answer (0: there is
 * none); RC_WRITE_LIMIT; RC_STORAGE_FULL; RC_QUOTA_...; RC_VALUE_TOO_LARGE for more than a chunk without an
 * upload; RC_PROJECT_UNAVAILABLE when the project was deleted during the upload.
 */
commit_apply kv_put_apply;

/*
 * kv_quota_early - before a large value of SIZE bytes is taken in for PUT, whose key is set: RC_QUOTA_BYTES,
 * RC_QUOTA_USER_BYTES when it alone is too much, whatever else is there. RC_OK promises nothing: the put is asked.
 */
enum rc kv_quota_early(const struct kv_put *put, uint64_t size, struct arena *arena) MUST_USE;

/* What keeps the chunks of a value from being collected: a link in struct kv's list. */
struct kv_hold {
	uint32_t project;
	uint64_t id;			/* 0: holds nothing */
	struct kv_hold *prev, *next;
};

/*
 * A value that comes in pieces, of any size up to a limit. What fits into a chunk is only collected in memory;
 * beyond that each full chunk is committed, and named as garbage until the put has happened: whatever breaks
 * off in between, the collector takes away what is left, also after a crash.
 *
 * Memory: the arena's buffer, which doubles up to KV_CHUNK_SIZE, so less than two chunks of the arena, once;
 * a value in one piece takes its own size.
 *
 *     kv_upload_init -> kv_upload_add ... -> kv_upload_finish -> the put is committed -> kv_upload_clear
 */
struct kv_upload {
	struct kv *kv;
	uint32_t project;
	size_t limit;
	struct arena *arena;
	bool may_block;
	enum rc rc;			/* of the first kv_upload_add() that failed: errors stick */
	char *chunk;			/* what is not stored yet */
	size_t n, room;
	size_t stored;			/* bytes in chunks that are */
	struct kv_hold hold;		/* on their value id */
};

/*
 * kv_upload_init - for a value of PROJECT of LIMIT bytes at most (KV_VALUE_MAX in any case). MAY_BLOCK: chunks
 * may be committed, which waits for a flush each; without, more than a chunk is RC_SLOW.
 */
void kv_upload_init(struct kv_upload *upload, struct kv *kv, uint32_t project, size_t limit, bool may_block,
		    struct arena *arena);

/* kv_upload_add - append PIECE. RC_OK; RC_VALUE_TOO_LARGE; RC_SLOW; RC_NO_MEMORY; RC_STORAGE_FULL;
 * RC_PROJECT_UNAVAILABLE; RC_UNAVAILABLE; RC_STORE. */
enum rc kv_upload_add(struct kv_upload *upload, struct str piece) MUST_USE;

/* kv_upload_size - bytes so far. */
size_t kv_upload_size(const struct kv_upload *upload);

/* kv_upload_finish - it is whole: make it the value of PUT, which takes its last chunk along. Nothing blocks here. */
void kv_upload_finish(const struct kv_upload *upload, struct kv_put *put);

/*
 * kv_upload_clear - always, once the put is decided or will not be tried: when it did not happen, what was
 * stored is garbage from now on. Any number of times, and for one of zeros.
 */
void kv_upload_clear(struct kv_upload *upload);

/* Delete: a missing key is fine (and counts as no write), unless a condition wants it there. */
struct kv_delete {
	struct kv *kv;
	uint32_t project;
	struct str key;
	int64_t write_limit;
	int64_t now;
	const struct kv_condition *condition;
	bool counted;
};
commit_apply kv_delete_apply;	/* as kv_put_apply */

/*
 * A slice of many: N puts, or N deletes, in one operation; KV_SLICE_BYTES of them together, or a single one. They
 * happen together, but for those whose key is over its write limit: bit I of op->answer.writes is set when change I
 * was left out for that. RC_STORAGE_FULL, RC_QUOTA_..., RC_STORE: none has happened.
 */
enum { KV_SLICE_ITEMS = 64, KV_SLICE_BYTES = 1 << 20 };
struct kv_slice {
	struct kv_put *puts;		/* or */
	struct kv_delete *deletes;
	size_t n;
};
commit_apply kv_slice_put_apply, kv_slice_delete_apply;

/* One name of a list. */
struct kv_name {
	struct str name;
	struct str metadata;
	int64_t expires_at;
};

/* Keys to walk: those that begin with TEXT, or TEXT alone. */
struct kv_range {
	struct str text;
	bool is_key;			/* TEXT alone */
	bool is_partly;			/* kv_list's SHOWS is asked for each */
};

struct kv_list {
	/* in */
	uint32_t project;
	struct str prefix;		/* of keys; may be empty */
	const struct kv_range *ranges;	/* of these only: each below PREFIX, in order, none in another. NULL: all of them */
	size_t n_ranges;
	bool (*shows)(const void *arg, struct str name);	/* in a range that is_partly */
	const void *arg;
	struct str after;		/* names behind this one; empty: from the start */
	size_t limit;			/* 1 .. KV_LIST_MAX */
	size_t rows;			/* most rows to look at */
	int64_t now;
	void (*take)(void *to, const struct kv_name *name);	/* gets the names; what they point at ends with the call */
	void *to;
	/* out */
	size_t n_names;			/* so many have been taken */
	bool complete;
	struct str last;		/* where to go on when not complete; in the arena */
	bool out_of_rows;		/* not complete because ROWS were looked at, not because of LIMIT */
	uint64_t wait_version;
};

/*
 * kv_list - a page of names, in the byte order of UTF-8. RC_OK, RC_NO_MEMORY, RC_STORE: then, too, some may have been
 * taken. Any thread.
 */
enum rc kv_list(struct kv *kv, struct kv_list *list, struct arena *arena) MUST_USE;

/*
 * kv_cursor_write - where the page after LIST, which is not complete, begins: a text to send back.
 * kv_cursor_read  - the other way: sets LIST->after, whose project and prefix are set. RC_BAD_CURSOR when TEXT is
 *                   not one that this installation made for a list of just that project and prefix.
 */
enum { KV_CURSOR_MAX = B64URL_LEN(1 + 16 + KV_KEY_MAX) };
void kv_cursor_write(const struct kv *kv, const struct kv_list *list, struct buf *out);
enum rc kv_cursor_read(const struct kv *kv, struct str text, struct arena *arena, struct kv_list *list) MUST_USE;

/* A key that is written often just now. */
struct kv_hot_key {
	uint32_t project;
	struct str key;
	uint64_t recent;		/* writes lately; some may be missing, none is too many */
	uint64_t writes;		/* accepted since it was created, the last one included */
};

/*
 * kv_hot - the keys that are written most, the most written first; in ARENA. *SPAN_US is how long "lately" is: each
 * key with more than a 128th of all changes in it is among them. From memory. RC_NO_MEMORY. Any thread.
 */
enum rc kv_hot(struct kv *kv, struct arena *arena, struct kv_hot_key **keys, size_t *n, uint64_t *span_us) MUST_USE;

#endif
