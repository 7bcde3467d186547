/*
 * store.h - where bytes live: twelve tables in one Berkeley DB environment.
 *
 * The only room that includes <db.h>. It knows tables, keys and bytes; what a record
 * means is kv/'s and project/'s business. One process owns the environment (DESIGN 1).
 * Reads may come from any thread; all changes go through the committer (commit.h).
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/rc.h"
#include "base/str.h"

struct conf;
struct store;

enum store_table {
	STORE_KEYS,		/* project number u32 BE, key -> record head, metadata, small value */
	STORE_VALUES,		/* project number u32 BE, value id u64 BE, part u8, chunk u32 BE -> larger values and metadata */
	STORE_GARBAGE,		/* project number u32 BE, value id u64 BE -> nothing: its chunks may go */
	STORE_EXPIRY,		/* expires_at u64 BE, project number u32 BE, key -> nothing */
	STORE_RECENT,		/* batch version u64 BE -> request ids and their answers */
	STORE_USAGE,		/* project number u32 BE, user u64 BE (0 = all) -> keys u64, bytes u64 */
	STORE_MARKS,		/* project number u32 BE, user u64 BE -> revoked before, seconds u64 */
	STORE_PROJECTS,		/* project number u32 BE -> JSON */
	STORE_CREDENTIALS,	/* SHA-256 of an API key -> JSON */
	STORE_SIGNING_KEYS,	/* kid -> JSON */
	STORE_AUDIT,		/* microseconds since 1970, u64 BE -> JSON: what an operator did */
	STORE_META,		/* word -> text; "format" is the format number */
	STORE__TABLES
};

/* A record of up to this size lies in its page and needs no page of its own (page size 4096). */
enum { STORE_INLINE_MAX = 1006, STORE_FORMAT = 3 };

/* How opening ended; main() turns it into an exit code. */
enum store_open_result {
	STORE_OPENED,
	STORE_FAILED,		/* logged; starting again may help (exit 75) */
	STORE_DAMAGED,		/* logged, with what to do; starting again will not help (exit 65) */
	STORE_MISCONFIGURED	/* logged: directory, permissions, newer format (exit 78) */
};

/*
 * store_open - take the lock of CONF's data directory (waiting up to 5 s for a server that
 * is going), recover, open all tables, start committer and checkpointer.
 */
enum store_open_result store_open(struct store **store, const struct conf *conf);

/* store_close - stop the threads, take a checkpoint, close. Everything queued has been answered before. */
void store_close(struct store *store);

/* store_is_damaged - RC_STORE came from damaged data: starting again will not help. */
bool store_is_damaged(const struct store *store);

/*
 * store_get - copy one record into BUF of SIZE bytes, *N its length. RC_OK; RC_KEY_NOT_FOUND;
 * RC_VALUE_TOO_LARGE with *N the length when SIZE is too small; RC_STORE when recovery is needed.
 * Sees what is committed, flushed or not: ask store_wait_for_record() and store_wait_for_absence().
 */
enum rc store_get(struct store *store, enum store_table table, struct str key,
		  void *buf, size_t size, size_t *n) MUST_USE;

/* store_size - the length of the row's value; its bytes are not read. RC_KEY_NOT_FOUND. */
enum rc store_size(struct store *store, enum store_table table, struct str key, size_t *n) MUST_USE;

/* store_has_table - whether TABLE is there: a backup of an earlier version lacks the younger ones. */
bool store_has_table(const struct store *store, enum store_table table);

/* store_meta_write - a row of STORE_META; blocks until it is durable. */
enum rc store_meta_write(struct store *store, const char *name, struct str value) MUST_USE;

/*
 * store_meta_random - N random bytes that are kept in STORE_META under NAME: made by the first call ever, the
 * same ever after. Blocks: at start only. RC_STORE, RC_STORAGE_FULL.
 */
enum rc store_meta_random(struct store *store, const char *name, void *out, size_t n) MUST_USE;

/*
 * A read never shows what a crash could take back (DESIGN 2).
 * store_is_flushed - whether everything up to VERSION is on disk.
 * store_in_flight  - the version to wait for after having seen an absence, or a list: that of the
 *                    batch whose effects could have been seen; one that is flushed when none could.
 * store_wait       - block until VERSION is flushed (slow lane, control). RC_STORE when it never will be,
 *                    RC_UNAVAILABLE when the disk is full and STORE_SPACE_WAIT_US have passed.
 * store_waits_for_space - the flush under way waits for space on the disk: that may take long.
 */
enum { STORE_SPACE_WAIT_US = 2000000 };
bool store_is_flushed(const struct store *store, uint64_t version);
uint64_t store_in_flight(const struct store *store);
enum rc store_wait(struct store *store, uint64_t version) MUST_USE;
bool store_waits_for_space(const struct store *store);

/*
 * Does the store take writes, and does the disk? None of these waits.
 * store_takes_writes - RC_OK; RC_STORAGE_FULL; RC_STORE when recovery is needed.
 * store_has_synced   - whether a flush has succeeded at SINCE_US (monotonic) or later.
 * store_probe        - make one happen, unless one is asked for already: whoever waits for flushes (commit_waits(),
 *                      store_await_sync()) is told. On a full disk, or a failed store, nothing happens.
 * store_await_sync   - wait for it, UNTIL_US at most; whether it has happened. Blocks: not from an event loop.
 */
enum rc store_takes_writes(const struct store *store) MUST_USE;
bool store_has_synced(const struct store *store, uint64_t since_us);
void store_probe(struct store *store);
bool store_await_sync(struct store *store, uint64_t since_us, uint64_t until_us);

/*
 * A walk over a table in key order. No lock is held between two calls: it reads ahead in
 * chunks and goes on behind the last key. The strings are valid until the next call.
 * The first chunk is small and each one twice the one before, unless less is wanted: who looks at a few
 * rows pays for a few.
 */
enum { STORE_SCAN_CHUNK = 64 * 1024, STORE_KEY_MAX = 640 };

struct store_scan {
	struct store *store;
	enum store_table table;
	char *chunk;			/* STORE_SCAN_CHUNK bytes of the caller's */
	/* What the caller may set behind store_scan_init(). */
	struct str prefix;		/* the walk ends behind the rows that begin so; FROM does; lives as long as the walk */
	size_t wanted;			/* how many rows it will take; 0: it does not know */
	/* The rest is scan.c's. */
	size_t size;			/* of the chunk that was read last */
	size_t n_rows, n_bytes;		/* read */
	bool is_inside;			/* all rows of the chunk begin with PREFIX */
	bool ended;			/* a row did not, or there is none */
	void *position;			/* in the chunk; NULL: at its end */
	char from[STORE_KEY_MAX];	/* where the chunk that is read next begins */
	size_t n_from;
};

/* store_scan_init - from the first key >= FROM. CHUNK is the caller's, STORE_SCAN_CHUNK bytes, aligned for a pointer. */
void store_scan_init(struct store_scan *scan, struct store *store, enum store_table table,
		     struct str from, void *chunk);

/* store_scan_next - RC_OK with the next row; RC_KEY_NOT_FOUND at the end, from then on; RC_STORE. */
enum rc store_scan_next(struct store_scan *scan, struct str *key, struct str *value) MUST_USE;

/* store_count - how many rows begin with PREFIX; values are not read. When nobody writes: it holds a cursor all the time. */
enum rc store_count(struct store *store, enum store_table table, struct str prefix, uint64_t *n) MUST_USE;

/* Numbers in keys are big-endian, so that byte order is number order. P need not be aligned. */
static inline void store_put_u32(char *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof v);
}

static inline void store_put_u64(char *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof v);
}

static inline uint32_t store_get_u32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return be32toh(v);
}

static inline uint64_t store_get_u64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return be64toh(v);
}

/* What `tmakvctl status` shows of the store. */
struct store_status {
	uint64_t log_bytes_since_checkpoint;
	uint64_t free_bytes;		/* of the file system */
	bool full;			/* writes are refused for want of space */
	int64_t last_checkpoint_at;	/* seconds since 1970 */
	uint64_t queued;		/* writes waiting */
	uint64_t cache_hits, cache_misses;	/* pages that were in the cache when they were wanted, or had to be read */
	uint64_t cache_bytes;		/* how large it is */
	uint64_t recoveries;		/* ever in this data directory: servers that did not come to their end */
};
/* store_read_status - some hundred microseconds: Berkeley DB is asked for what it counts. */
void store_read_status(struct store *store, struct store_status *status);

/* store_read_sizes - the space that the tables' files take, and the log's: each is looked at, on the disk. */
struct store_sizes {
	uint64_t data_bytes, log_bytes;
};
struct store_sizes store_read_sizes(const struct store *store);

/* store_last_backup_at - when the newest backup was whole, seconds since 1970: the row STORE_LAST_BACKUP of STORE_META; 0: never. */
#define STORE_LAST_BACKUP "last_backup"
int64_t store_last_backup_at(struct store *store);

#endif
