/*
 * cache.c - see cache.h.
 *
 * Entries live in sets of eight, each set ordered by use, so that the last one is the
 * least recently used: nothing has to be counted or swept. A hash picks the set, 32 more
 * bits of it pass over most neighbours, the full key decides.
 *
 * The hash is NH (as in UMAC): the text's words, each with a random word of ours added, are
 * multiplied in pairs and summed up. Two texts chosen without knowing our words meet
 * with a chance of 1 in 2^32 whatever they are, so nobody can aim at a set, and it runs at
 * several bytes a cycle: a token is hashed in a fraction of what SipHash takes.
 *
 * Shared by all threads: a set belongs to one of LOCKS mutexes, held for a comparison and
 * a small copy. The hash is made outside.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "auth/cache.h"
#include "base/rand.h"

enum { WAYS = 8, LOCKS = 64, CACHE_LINE = 64, HASH_WORDS = CACHE_KEY_MAX / 4 + 2 };

struct item {
	size_t n_key, n_value;
	char bytes[];			/* key, value */
};

struct slot {
	struct item *item;		/* NULL: free, and so are all behind it */
	uint32_t tag;
	uint32_t size;			/* of key and value */
};

/* The most recently used first. */
struct set {
	struct slot ways[WAYS];
};

struct cache {
	struct set *sets;
	size_t n_sets;
	size_t set_bytes;		/* most bytes of one set */
	uint64_t mix;			/* odd */
	uint32_t words[HASH_WORDS];	/* random; read only */
	struct {
		_Alignas(CACHE_LINE) pthread_mutex_t mutex;
	} locks[LOCKS];
};

/* Where a key belongs. */
struct place {
	struct set *set;
	pthread_mutex_t *lock;
	uint32_t tag;
};

struct cache *cache_new(size_t entries, size_t bytes)
{
	struct cache *cache = aligned_alloc(CACHE_LINE, sizeof *cache);

	if (cache == NULL)
		return NULL;
	cache->n_sets = entries / WAYS + (entries % WAYS != 0);
	cache->set_bytes = bytes * WAYS;
	/* Fresh zero pages: a set costs nothing before it is used. */
	cache->sets = cache->n_sets == 0 ? NULL : calloc(cache->n_sets, sizeof *cache->sets);
	if (cache->sets == NULL && cache->n_sets != 0) {
		free(cache);
		return NULL;
	}
	rand_bytes(&cache->mix, sizeof cache->mix);
	cache->mix |= 1;
	rand_bytes(cache->words, sizeof cache->words);
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&cache->locks[i].mutex, NULL);
	return cache;
}

static void item_free(struct item *item)
{
	OPENSSL_cleanse(item->bytes, item->n_key + item->n_value);
	free(item);
}

void cache_free(struct cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < cache->n_sets; i++)
		for (size_t k = 0; k < WAYS && cache->sets[i].ways[k].item != NULL; k++)
			item_free(cache->sets[i].ways[k].item);
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&cache->locks[i].mutex);
	free(cache->sets);
	free(cache);
}

static uint32_t word_at(const char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof word);
	return word;
}

/* NH over KEY, zeros behind its end; the length tells them from zeros of its own. */
static uint64_t hash(const struct cache *cache, struct str key)
{
	const uint32_t *word = cache->words;
	char last[8] = { 0 };
	uint64_t sum = key.n;
	size_t i = 0;

	for (; key.n - i >= 8; i += 8, word += 2)
		sum += (uint64_t)(word_at(key.p + i) + word[0]) * (word_at(key.p + i + 4) + word[1]);
	if (i < key.n)
		memcpy(last, key.p + i, key.n - i);
	return sum + (uint64_t)(word_at(last) + word[0]) * (word_at(last + 4) + word[1]);
}

static struct place find_place(struct cache *cache, struct str key)
{
	uint64_t h = hash(cache, key);
	size_t i;

	h = (h ^ h >> 32) * cache->mix;
	h ^= h >> 29;
	i = (size_t)(((h >> 32) * cache->n_sets) >> 32);
	return (struct place){ &cache->sets[i], &cache->locks[i % LOCKS].mutex, (uint32_t)h };
}

/* Not in constant time: only who has the tag right, a keyed hash, comes to the bytes. */
static bool holds(const struct slot *slot, uint32_t tag, struct str key)
{
	return slot->tag == tag && slot->item->n_key == key.n &&
		memcmp(slot->item->bytes, key.p, key.n) == 0;
}

/* The way of SET that holds KEY, or WAYS. */
static size_t find_way(const struct set *set, uint32_t tag, struct str key)
{
	size_t i = 0;

	while (i < WAYS && set->ways[i].item != NULL && !holds(&set->ways[i], tag, key))
		i++;
	return i < WAYS && set->ways[i].item != NULL ? i : WAYS;
}

/* SLOT becomes the first of SET; what stood before way I moves one back, what stood there is overwritten. */
static void put_first(struct set *set, size_t i, struct slot slot)
{
	memmove(&set->ways[1], &set->ways[0], i * sizeof set->ways[0]);
	set->ways[0] = slot;
}

bool cache_get(struct cache *cache, struct str key,
	       void (*take)(struct str value, void *arg), void *arg)
{
	struct place place;
	size_t way;

	if (cache->n_sets == 0 || key.n == 0 || key.n > CACHE_KEY_MAX)
		return false;
	place = find_place(cache, key);
	pthread_mutex_lock(place.lock);
	way = find_way(place.set, place.tag, key);
	if (way < WAYS) {
		struct slot slot = place.set->ways[way];

		if (way != 0)
			put_first(place.set, way, slot);
		take(str_make(slot.item->bytes + slot.item->n_key, slot.item->n_value), arg);
	}
	pthread_mutex_unlock(place.lock);
	return way < WAYS;
}

static struct item *item_new(struct str key, struct str value)
{
	struct item *item = malloc(sizeof *item + key.n + value.n);

	if (item == NULL)
		return NULL;
	item->n_key = key.n;
	item->n_value = value.n;
	memcpy(item->bytes, key.p, key.n);
	if (value.n != 0)
		memcpy(item->bytes + key.n, value.p, value.n);
	return item;
}

/* Forget way I; those behind it move up. */
static void drop(struct set *set, size_t i)
{
	item_free(set->ways[i].item);
	memmove(&set->ways[i], &set->ways[i + 1], (WAYS - 1 - i) * sizeof set->ways[0]);
	set->ways[WAYS - 1] = (struct slot){ .item = NULL };
}

/* Forget the least recently used of SET until there is a free way, and room for SIZE bytes. */
static void make_room(struct set *set, size_t size, size_t set_bytes)
{
	size_t n = 0, held = 0;

	while (n < WAYS && set->ways[n].item != NULL)
		held += set->ways[n++].size;
	while (n > 0 && (n == WAYS || held > set_bytes || size > set_bytes - held)) {
		held -= set->ways[--n].size;
		drop(set, n);
	}
}

void cache_put(struct cache *cache, struct str key, struct str value)
{
	struct place place;
	struct slot slot;
	size_t way;

	if (cache->n_sets == 0 || key.n == 0 || key.n > CACHE_KEY_MAX || value.n > UINT32_MAX / 2)
		return;
	place = find_place(cache, key);
	slot = (struct slot){ item_new(key, value), place.tag, (uint32_t)(key.n + value.n) };
	if (slot.item == NULL)
		return;
	pthread_mutex_lock(place.lock);
	way = find_way(place.set, place.tag, key);
	if (way < WAYS)
		drop(place.set, way);
	make_room(place.set, slot.size, cache->set_bytes);
	put_first(place.set, WAYS - 1, slot);
	pthread_mutex_unlock(place.lock);
}

/* All sets, one after the other: how many entries, how many bytes. */
static void measure(struct cache *cache, size_t *n, size_t *bytes)
{
	*n = *bytes = 0;
	for (size_t i = 0; i < cache->n_sets; i++) {
		const struct set *set = &cache->sets[i];

		pthread_mutex_lock(&cache->locks[i % LOCKS].mutex);
		for (size_t k = 0; k < WAYS && set->ways[k].item != NULL; k++) {
			*n += 1;
			*bytes += set->ways[k].size;
		}
		pthread_mutex_unlock(&cache->locks[i % LOCKS].mutex);
	}
}

size_t cache_count(struct cache *cache)
{
	size_t n, bytes;

	measure(cache, &n, &bytes);
	return n;
}

size_t cache_bytes(struct cache *cache)
{
	size_t n, bytes;

	measure(cache, &n, &bytes);
	return bytes;
}
