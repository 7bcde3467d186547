/*
 * key.c - which keys there are, and in what order they are stored.
 */
#include "config.h"

#include <assert.h>

#include "kv/private.h"

enum rc key_check(struct str key)
{
	if (key.n > KV_KEY_MAX)
		return RC_KEY_TOO_LONG;
	if (key.n == 0 || str_eq(key, STR_LIT(".")) || str_eq(key, STR_LIT("..")))
		return RC_BAD_KEY;
	if (memchr(key.p, '\0', key.n) != NULL || !str_is_utf8(key))
		return RC_BAD_KEY;
	return RC_OK;
}

struct str key_stored(uint32_t project, struct str key, char out[KEY_STORED_MAX])
{
	assert(key.n <= KV_KEY_MAX);
	store_put_u32(out, project);
	if (key.n != 0)
		memcpy(out + KEY_PROJECT_SIZE, key.p, key.n);
	return str_make(out, KEY_PROJECT_SIZE + key.n);
}

struct str value_key(uint32_t project, uint64_t id, enum value_part part, char out[VALUE_KEY_SIZE])
{
	store_put_u32(out, project);
	store_put_u64(out + KEY_PROJECT_SIZE, id);
	out[VALUE_KEY_SIZE - 1] = (char)part;
	return str_make(out, VALUE_KEY_SIZE);
}

struct str chunk_key(uint32_t project, uint64_t id, uint32_t index, char out[CHUNK_KEY_SIZE])
{
	value_key(project, id, PART_CHUNK, out);
	store_put_u32(out + VALUE_KEY_SIZE, index);
	return str_make(out, CHUNK_KEY_SIZE);
}

struct str garbage_key(uint32_t project, uint64_t id, char out[GARBAGE_KEY_SIZE])
{
	store_put_u32(out, project);
	store_put_u64(out + KEY_PROJECT_SIZE, id);
	return str_make(out, GARBAGE_KEY_SIZE);
}

struct str expiry_key(int64_t expires_at, struct str stored, char out[EXPIRY_KEY_MAX])
{
	assert(stored.n <= KEY_STORED_MAX);
	store_put_u64(out, (uint64_t)expires_at);
	memcpy(out + 8, stored.p, stored.n);
	return str_make(out, 8 + stored.n);
}
