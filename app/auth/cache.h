/*
 * cache.h - bytes remembered under bytes, within bounds, for any thread: what both caches of
 * tokens.h are made of. Private to this room.
 *
 * It forgets: the least recently used of eight neighbours makes room for a new one.
 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct cache;

/* A key longer than this is not remembered, and never found. */
enum { CACHE_KEY_MAX = 8192 + 64 };

/*
 * cache_new - room for ENTRIES, rounded up to whole neighbourhoods, and for BYTES of key and
 * value an entry on average (a single one may be larger). Memory is taken as it is used.
 * ENTRIES 0 makes one that remembers nothing. NULL: no memory.
 */
struct cache *cache_new(size_t entries, size_t bytes);
void cache_free(struct cache *cache);	/* NULL is fine; what it held is wiped */

/*
 * cache_get - call TAKE with the value of KEY, which is valid inside TAKE only: a lock is held.
 * False when KEY is not known.
 */
bool cache_get(struct cache *cache, struct str key,
	       void (*take)(struct str value, void *arg), void *arg);

/* cache_put - remember a copy of VALUE for KEY, in place of what was there. Without memory it does nothing. */
void cache_put(struct cache *cache, struct str key, struct str value);

/* cache_count, cache_bytes - what is held; slow, for tests. */
size_t cache_count(struct cache *cache);
size_t cache_bytes(struct cache *cache);

#endif
