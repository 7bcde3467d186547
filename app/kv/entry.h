/*
 * entry.h - a stored record: head, then metadata and value where they are small.
 *
 * offset  size
 *      0     1  format (ENTRY_FORMAT)
 *      1     1  kind (enum kind)
 *      2     1  flags: what lies in STORE_VALUES
 *      3     1  0
 *      4     4  value length          all numbers big-endian
 *      8     4  metadata length
 *     12     8  version: rises over all keys; the ETag
 *     20     8  writes accepted since the key was created
 *     28     8  owner: Telegram id of who wrote it, 0 for an API key
 *     36     8  expires at, seconds since 1970, 0 for never
 *     44     8  value id: the name of its parts in STORE_VALUES
 *     52        metadata, value: those that are inline
 *
 * A value lies in the record; or, ENTRY_VALUE_OUTSIDE, in one row of STORE_VALUES; or, ENTRY_VALUE_CHUNKED,
 * in rows of KV_CHUNK_SIZE bytes, the last one shorter, of which there are more than one. Never two of them.
 * Rows larger than a chunk are only read: an earlier version has written them.
 */
#ifndef KV_ENTRY_H
#define KV_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "store/store.h"

enum {
	ENTRY_FORMAT = 1,
	ENTRY_HEAD = 52,
	ENTRY_METADATA_INLINE = 512,	/* larger metadata lies in STORE_VALUES */
	ENTRY_VALUE_OUTSIDE = 1,
	ENTRY_METADATA_OUTSIDE = 2,
	ENTRY_VALUE_CHUNKED = 4,
	ENTRY_VALUE_ELSEWHERE = ENTRY_VALUE_OUTSIDE | ENTRY_VALUE_CHUNKED
};

struct entry {
	uint8_t kind;
	uint8_t flags;
	uint32_t value_len, metadata_len;
	uint64_t version, writes, owner;
	int64_t expires_at;
	uint64_t value_id;
	struct str metadata, value;	/* empty when they lie outside */
};

/*
 * entry_read - false when RAW is no record of this format. The strings point into RAW. Here and inline, because a list
 * reads hundreds, and of each only the few fields that it shows.
 */
static inline bool entry_read(struct str raw, struct entry *entry)
{
	size_t metadata, value;

	if (raw.n < ENTRY_HEAD || raw.p[0] != ENTRY_FORMAT)
		return false;
	*entry = (struct entry){
		.kind = (uint8_t)raw.p[1],
		.flags = (uint8_t)raw.p[2],
		.value_len = store_get_u32(raw.p + 4),
		.metadata_len = store_get_u32(raw.p + 8),
		.version = store_get_u64(raw.p + 12),
		.writes = store_get_u64(raw.p + 20),
		.owner = store_get_u64(raw.p + 28),
		.expires_at = (int64_t)store_get_u64(raw.p + 36),
		.value_id = store_get_u64(raw.p + 44),
	};
	metadata = entry->flags & ENTRY_METADATA_OUTSIDE ? 0 : entry->metadata_len;
	value = entry->flags & ENTRY_VALUE_ELSEWHERE ? 0 : entry->value_len;
	if (raw.n - ENTRY_HEAD < metadata || raw.n - ENTRY_HEAD - metadata != value)
		return false;
	entry->metadata = str_make(raw.p + ENTRY_HEAD, metadata);
	entry->value = str_make(raw.p + ENTRY_HEAD + metadata, value);
	return true;
}

/* entry_place - decide by length what lies outside; sets flags. */
void entry_place(struct entry *entry);

/* entry_write - into OUT, STORE_INLINE_MAX bytes; answers the length. After entry_place(). */
size_t entry_write(const struct entry *entry, char *out);

static inline bool entry_is_expired(const struct entry *entry, int64_t now)
{
	return entry->expires_at != 0 && entry->expires_at <= now;
}

/* entry_bytes - what it counts in its project's usage: key, value, metadata. */
int64_t entry_bytes(const struct entry *entry, struct str key);

#endif
