/*
 * entry.c - a record's bytes, and back (entry.h draws them).
 */
#include "config.h"

#include <assert.h>

#include "kv/entry.h"
#include "kv/kv.h"
#include "store/store.h"

enum { VALUE_ELSEWHERE = ENTRY_VALUE_OUTSIDE | ENTRY_VALUE_CHUNKED };

bool entry_read(struct str raw, struct entry *entry)
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
	value = entry->flags & VALUE_ELSEWHERE ? 0 : entry->value_len;
	if (raw.n - ENTRY_HEAD < metadata || raw.n - ENTRY_HEAD - metadata != value)
		return false;
	entry->metadata = str_make(raw.p + ENTRY_HEAD, metadata);
	entry->value = str_make(raw.p + ENTRY_HEAD + metadata, value);
	return true;
}

void entry_place(struct entry *entry)
{
	size_t room = STORE_INLINE_MAX - ENTRY_HEAD;

	entry->flags = 0;
	if (entry->metadata_len > ENTRY_METADATA_INLINE)
		entry->flags |= ENTRY_METADATA_OUTSIDE;
	else
		room -= entry->metadata_len;
	if (entry->value_len > KV_CHUNK_SIZE)
		entry->flags |= ENTRY_VALUE_CHUNKED;
	else if (entry->value_len > room)
		entry->flags |= ENTRY_VALUE_OUTSIDE;
}

static char *append(char *to, struct str s)
{
	if (s.n != 0)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

size_t entry_write(const struct entry *entry, char *out)
{
	char *end = out + ENTRY_HEAD;

	out[0] = ENTRY_FORMAT;
	out[1] = (char)entry->kind;
	out[2] = (char)entry->flags;
	out[3] = 0;
	store_put_u32(out + 4, entry->value_len);
	store_put_u32(out + 8, entry->metadata_len);
	store_put_u64(out + 12, entry->version);
	store_put_u64(out + 20, entry->writes);
	store_put_u64(out + 28, entry->owner);
	store_put_u64(out + 36, (uint64_t)entry->expires_at);
	store_put_u64(out + 44, entry->value_id);
	if ((entry->flags & ENTRY_METADATA_OUTSIDE) == 0)
		end = append(end, entry->metadata);
	if ((entry->flags & VALUE_ELSEWHERE) == 0)
		end = append(end, entry->value);
	assert(end - out <= STORE_INLINE_MAX);
	return (size_t)(end - out);
}

bool entry_is_expired(const struct entry *entry, int64_t now)
{
	return entry->expires_at != 0 && entry->expires_at <= now;
}

int64_t entry_bytes(const struct entry *entry, struct str key)
{
	return (int64_t)key.n + entry->value_len + entry->metadata_len;
}
