/*
 * entry.c - a record's bytes, and back (entry.h draws them).
 */
#include "config.h"

#include <assert.h>

#include "kv/entry.h"
#include "kv/kv.h"
#include "store/store.h"

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
	if ((entry->flags & ENTRY_VALUE_ELSEWHERE) == 0)
		end = append(end, entry->value);
	assert(end - out <= STORE_INLINE_MAX);
	return (size_t)(end - out);
}

int64_t entry_bytes(const struct entry *entry, struct str key)
{
	return (int64_t)key.n + entry->value_len + entry->metadata_len;
}
