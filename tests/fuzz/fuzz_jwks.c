/*
 * fuzz_jwks.c - JWK sets and key records. What is read of a set can be written and read again.
 */
#include "config.h"

#include "auth/keys.h"
#include "fuzz.h"

static struct arena *arena;

static void write_and_read(const struct key_set *set)
{
	struct key_set *again;
	struct buf buf;

	buf_init(&buf, arena, 1 << 20);
	key_set_write_jwks(set, key_set_count(set) == 0 ? KEY_SHARED : key_set_at(set, 0)->project, true, &buf);
	assert(buf_ok(&buf));
	again = key_set_read_jwks(buf_str(&buf));
	assert(again != NULL && key_set_count(again) == key_set_count(set));
	for (size_t i = 0; i < key_set_count(set); i++) {
		assert(key_set_find(again, str_c(key_set_at(set, i)->kid)) == key_set_at(again, i));
		assert(EVP_PKEY_eq(key_set_at(set, i)->pkey, key_set_at(again, i)->pkey) == 1);
	}
	key_set_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct key_set *set;

	if (arena == NULL)
		arena = arena_new(4 << 20);
	if (n > 64 * 1024)
		return 0;
	arena_reset(arena);
	set = key_set_read_jwks(str_make(p, n));
	if (set != NULL)
		write_and_read(set);
	key_set_unref(set);

	set = key_set_new();
	if (key_read(set, str_make(p, n)) == RC_OK) {
		struct key_set *again = key_set_new();

		assert(key_read(again, key_write(key_set_at(set, 0), arena)) == RC_OK);
		key_set_unref(again);
		write_and_read(set);
	} else {
		assert(key_set_count(set) == 0);
	}
	key_set_unref(set);
	return 0;
}
