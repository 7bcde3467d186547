/*
 * fuzz_entry.c - stored records: what is read lies within its bytes, and written again it is the same.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "kv/entry.h"
#include "kv/kv.h"
#include "store/store.h"

static void is_inside(struct str part, const uint8_t *p, size_t n)
{
	const char *begin = (const char *)p;

	assert(part.n == 0 || (part.p >= begin && part.p <= begin + n && part.n <= (size_t)(begin + n - part.p)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct entry entry;
	char *again;

	if (!entry_read(str_make(p, n), &entry))
		return 0;
	assert(n >= ENTRY_HEAD);
	is_inside(entry.metadata, p, n);
	is_inside(entry.value, p, n);
	assert(entry.metadata.n == (entry.flags & ENTRY_METADATA_OUTSIDE ? 0 : entry.metadata_len));
	assert(entry.value.n == (entry.flags & (ENTRY_VALUE_OUTSIDE | ENTRY_VALUE_CHUNKED) ? 0 : entry.value_len));
	assert(ENTRY_HEAD + entry.metadata.n + entry.value.n == n);
	assert(entry_bytes(&entry, STR_LIT("")) == (int64_t)entry.value_len + entry.metadata_len);
	assert(entry.expires_at <= 0 || entry_is_expired(&entry, entry.expires_at));
	if (n > STORE_INLINE_MAX)
		return 0;
	again = malloc(n);
	assert(again != NULL);
	assert(entry_write(&entry, again) == n);
	/* One byte of the head is nobody's. */
	assert(memcmp(again, p, 3) == 0 && again[3] == 0 && memcmp(again + 4, p + 4, n - 4) == 0);
	free(again);
	return 0;
}
