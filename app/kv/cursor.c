/*
 * cursor.c - the place in a list where the next page begins, as a text for the client to send back.
 *
 *   base64url of:  'd' | 16 bytes of a keyed hash | the last name looked at, encrypted
 *
 * The hash covers project, prefix and name under a key of this installation's own. A cursor is good for
 * the list it came from and for no other, so what somebody puts together never reaches the store.
 *
 * The name may be one that its reader must not see: the last one looked at, not the last one shown. It is encrypted
 * with AES-256 in counter mode, the hash being the first counter (a synthetic IV, as in RFC 5297): the same name of the
 * same list gives the same text, and any other another stream. NULs, which no name has, fill it up to a step of 32 bytes,
 * so that its length tells little. Any thread.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/b64.h"
#include "kv/private.h"

enum { MARK = 'd', HASH_SIZE = 16, HEAD_SIZE = 1 + HASH_SIZE, STEP = 32, KEY_SIZE = 32 };
_Static_assert(KV_CURSOR_MAX == B64URL_LEN(HEAD_SIZE + KV_KEY_MAX), "the door's header says the same");
_Static_assert(KV_KEY_MAX % STEP == 0, "the longest name is not filled up");

static void cursor_hash(const struct kv *kv, const struct kv_list *list, struct str last, char out[HASH_SIZE])
{
	char text[8 + 2 * KV_KEY_MAX];
	struct hash hash;
	size_t n = 8;

	store_put_u32(text, list->project);
	store_put_u32(text + 4, (uint32_t)list->prefix.n);
	if (list->prefix.n != 0)
		memcpy(text + n, list->prefix.p, list->prefix.n);
	n += list->prefix.n;
	memcpy(text + n, last.p, last.n);
	n += last.n;
	hash = hash_make(kv->cursor_key, str_make(text, n));
	store_put_u64(out, hash.a);
	store_put_u64(out + 8, hash.b);
}

/* The key for the names: of the same secret as the hash's, but another. False without memory. */
static bool cipher_key(const struct kv *kv, unsigned char out[KEY_SIZE])
{
	static const char what[] = "tmakv cursor name";
	char text[sizeof what + 16];
	unsigned n;

	memcpy(text, what, sizeof what);
	store_put_u64(text + sizeof what, kv->cursor_key.k0);
	store_put_u64(text + sizeof what + 8, kv->cursor_key.k1);
	return EVP_Digest(text, sizeof text, out, &n, EVP_sha256(), NULL) == 1 && n == KEY_SIZE;
}

/* BYTES, N of them, there and back. False without memory. */
static bool crypt(const struct kv *kv, const uint8_t iv[HASH_SIZE], uint8_t *bytes, size_t n)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	unsigned char key[KEY_SIZE];
	int done;
	bool good = context != NULL && cipher_key(kv, key) &&
		    EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, key, iv) == 1 &&
		    EVP_EncryptUpdate(context, bytes, &done, bytes, (int)n) == 1;

	EVP_CIPHER_CTX_free(context);
	OPENSSL_cleanse(key, sizeof key);
	return good;
}

static size_t filled_up(size_t n)
{
	return (n + STEP - 1) / STEP * STEP;
}

void kv_cursor_write(const struct kv *kv, const struct kv_list *list, struct buf *out)
{
	uint8_t bytes[HEAD_SIZE + KV_KEY_MAX] = { MARK };
	size_t n = filled_up(list->last.n);
	char text[KV_CURSOR_MAX];

	cursor_hash(kv, list, list->last, (char *)bytes + 1);
	memcpy(bytes + HEAD_SIZE, list->last.p, list->last.n);
	if (crypt(kv, bytes + 1, bytes + HEAD_SIZE, n))
		buf_add(out, str_make(text, b64url_encode(bytes, HEAD_SIZE + n, text)));
	else
		buf_fail(out);
}

/* The name among the N BYTES that it was filled up to; empty when it cannot be one. */
static struct str name_in(const uint8_t *bytes, size_t n)
{
	const uint8_t *end = memchr(bytes, '\0', n);
	size_t length = end == NULL ? n : (size_t)(end - bytes);

	for (size_t i = length; i < n; i++)
		if (bytes[i] != '\0')
			return str_make(bytes, 0);
	return str_make(bytes, filled_up(length) == n ? length : 0);
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
	if (!crypt(kv, bytes + 1, bytes + HEAD_SIZE, n - HEAD_SIZE))
		return RC_NO_MEMORY;
	last = name_in(bytes + HEAD_SIZE, n - HEAD_SIZE);
	if (key_check(last) != RC_OK)
		return RC_BAD_CURSOR;
	cursor_hash(kv, list, last, hash);
	if (CRYPTO_memcmp(hash, bytes + 1, HASH_SIZE) != 0)
		return RC_BAD_CURSOR;
	list->after = last;
	return RC_OK;
}
