/*
 * cursor.c - the place in a list where the next page begins, as a text for the client to send back.
 *
 *   base64url of:  'c' | 8 bytes of a keyed hash | the last name looked at
 *
 * The hash covers project, prefix and name under a key of this installation's own. A cursor is good for
 * the list it came from and for no other, so what somebody puts together never reaches the store. Any thread.
 */
#include "config.h"

#include <openssl/crypto.h>

#include "base/b64.h"
#include "kv/private.h"

enum { MARK = 'c', HASH_SIZE = 8, HEAD_SIZE = 1 + HASH_SIZE };
_Static_assert(KV_CURSOR_MAX == B64URL_LEN(HEAD_SIZE + KV_KEY_MAX), "the door's header says the same");

static void cursor_hash(const struct kv *kv, const struct kv_list *list, struct str last, char out[HASH_SIZE])
{
	char text[8 + 2 * KV_KEY_MAX];
	size_t n = 8;

	store_put_u32(text, list->project);
	store_put_u32(text + 4, (uint32_t)list->prefix.n);
	if (list->prefix.n != 0)
		memcpy(text + n, list->prefix.p, list->prefix.n);
	n += list->prefix.n;
	memcpy(text + n, last.p, last.n);
	n += last.n;
	store_put_u64(out, hash_make(kv->cursor_key, str_make(text, n)).a);
}

void kv_cursor_write(const struct kv *kv, const struct kv_list *list, struct buf *out)
{
	char bytes[HEAD_SIZE + KV_KEY_MAX] = { MARK }, text[KV_CURSOR_MAX];

	cursor_hash(kv, list, list->last, bytes + 1);
	memcpy(bytes + HEAD_SIZE, list->last.p, list->last.n);
	buf_add(out, str_make(text, b64url_encode((const uint8_t *)bytes, HEAD_SIZE + list->last.n, text)));
}

enum rc kv_cursor_read(const struct kv *kv, struct str text, struct arena *arena, struct kv_list *list)
{
	char hash[HASH_SIZE];
	struct str last;
	uint8_t *bytes;
	size_t n;

	if (text.n > KV_CURSOR_MAX)
		return RC_BAD_CURSOR;
	bytes = arena_alloc(arena, B64URL_ROOM(text.n));
	if (bytes == NULL)
		return RC_NO_MEMORY;
	if (!b64url_decode(text, bytes, &n) || n <= HEAD_SIZE || bytes[0] != MARK)
		return RC_BAD_CURSOR;
	last = str_make(bytes + HEAD_SIZE, n - HEAD_SIZE);
	cursor_hash(kv, list, last, hash);
	if (CRYPTO_memcmp(hash, bytes + 1, HASH_SIZE) != 0 || key_check(last) != RC_OK)
		return RC_BAD_CURSOR;
	list->after = last;
	return RC_OK;
}
