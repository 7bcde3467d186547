/*
 * tokens.c - two caches of one kind (cache.h): credentials that were checked in full, and
 * answers to validate.
 *
 * Neither decides anything: what changes with the time, the project's state or a
 * revocation is looked at by the caller on every hit. Any thread.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "auth/cache.h"
#include "auth/tokens.h"
#include "base/arena.h"

/*
 * What an entry may hold on average. A session token has some 500 bytes, initData 300 to
 * 1200, the answer to validate somewhat more than its token. Whoever fills a cache of 16,384 with
 * the longest initData there is gets an eighth of that many in, and 16 MB.
 */
enum { ENTRY_BYTES = 1024 };

/* --- credentials --- */

struct token_cache {
	struct cache *kept;
};

struct token_cache *token_cache_new(size_t entries)
{
	struct token_cache *cache = malloc(sizeof *cache);

	if (cache != NULL && (cache->kept = cache_new(entries, ENTRY_BYTES)) == NULL) {
		free(cache);
		return NULL;
	}
	return cache;
}

void token_cache_free(struct token_cache *cache)
{
	if (cache == NULL)
		return;
	cache_free(cache->kept);
	free(cache);
}

static void take_entry(struct str value, void *arg)
{
	memcpy(arg, value.p, sizeof(struct token_entry));
}

bool token_cache_get(struct token_cache *cache, struct str text, struct token_entry *entry)
{
	return cache_get(cache->kept, text, take_entry, entry);
}

void token_cache_put(struct token_cache *cache, struct str text, const struct token_entry *entry)
{
	cache_put(cache->kept, text, str_make(entry, sizeof *entry));
}

/* --- answers to validate --- */

struct validate_cache {
	struct cache *kept;
};

/* As it lies in the cache, the reply behind it. */
struct validate_head {
	uint64_t telegram_id;
	int64_t auth_date, made_at;
	uint64_t keys;
};

struct validate_cache *validate_cache_new(size_t entries)
{
	struct validate_cache *cache = malloc(sizeof *cache);

	if (cache != NULL && (cache->kept = cache_new(entries, ENTRY_BYTES)) == NULL) {
		free(cache);
		return NULL;
	}
	return cache;
}

void validate_cache_free(struct validate_cache *cache)
{
	if (cache == NULL)
		return;
	cache_free(cache->kept);
	free(cache);
}

/* SHA-256 of project, generation and text: what an entry is found by. False without memory. */
static bool make_key(uint32_t project, uint64_t generation, struct str init_data,
		     uint8_t key[SHA256_DIGEST_LENGTH])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const uint64_t head[] = { project, generation };
	bool good = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
		EVP_DigestUpdate(ctx, head, sizeof head) == 1 &&
		EVP_DigestUpdate(ctx, init_data.p, init_data.n) == 1 &&
		EVP_DigestFinal_ex(ctx, key, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

struct taking {
	struct arena *arena;
	struct validate_head head;
	struct str reply;		/* .p is NULL when it did not fit */
};

static void take_answer(struct str value, void *arg)
{
	struct taking *taking = arg;

	memcpy(&taking->head, value.p, sizeof taking->head);
	taking->reply = arena_dup(taking->arena, str_skip(value, sizeof taking->head));
}

bool validate_cache_get(struct validate_cache *cache, uint32_t project, uint64_t generation,
			struct str init_data, int64_t now, struct arena *arena,
			struct validate_entry *entry)
{
	struct taking taking = { .arena = arena };
	uint8_t key[SHA256_DIGEST_LENGTH];

	if (!make_key(project, generation, init_data, key) ||
	    !cache_get(cache->kept, str_make(key, sizeof key), take_answer, &taking) ||
	    taking.reply.p == NULL)
		return false;
	/* A clock that was set back makes it strange, not young. */
	if (now < taking.head.made_at || now - taking.head.made_at >= VALIDATE_CACHE_S)
		return false;
	*entry = (struct validate_entry){ taking.head.telegram_id, taking.head.auth_date,
					  taking.head.made_at, taking.reply, taking.head.keys };
	return true;
}

void validate_cache_put(struct validate_cache *cache, uint32_t project, uint64_t generation,
			struct str init_data, const struct validate_entry *entry)
{
	struct validate_head head = { entry->telegram_id, entry->auth_date, entry->made_at, entry->keys };
	uint8_t key[SHA256_DIGEST_LENGTH];
	char *value = malloc(sizeof head + entry->reply.n);

	if (value == NULL)
		return;
	memcpy(value, &head, sizeof head);
	memcpy(value + sizeof head, entry->reply.p, entry->reply.n);
	if (make_key(project, generation, init_data, key))
		cache_put(cache->kept, str_make(key, sizeof key),
			  str_make(value, sizeof head + entry->reply.n));
	OPENSSL_cleanse(value, sizeof head + entry->reply.n);
	free(value);
}
