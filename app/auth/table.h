/*
 * table.h - a bounded table from bytes to bytes, for any thread: what both caches of
 * tokens.h stand on. Private to this room.
 *
 * It forgets: the least recently used of eight neighbours makes room for a new one.
 */
#ifndef AUTH_TABLE_H
#define AUTH_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct table;

/* A key longer than this is not remembered, and never found. */
enum { TABLE_KEY_MAX = 8192 + 64 };

/*
 * table_new - room for ENTRIES, rounded up to whole neighbourhoods, and for BYTES of key and
 * value an entry on average (a single one may be larger). Memory is taken as it is used.
 * ENTRIES 0 makes a table that remembers nothing. NULL: no memory.
 */
struct table *table_new(size_t entries, size_t bytes);
void table_free(struct table *table);	/* NULL is fine; what it held is wiped */

/*
 * table_get - call TAKE with the value of KEY, which is valid inside TAKE only: a lock is held.
 * False when KEY is not known.
 */
bool table_get(struct table *table, struct str key,
	       void (*take)(struct str value, void *arg), void *arg);

/* table_put - remember a copy of VALUE for KEY, in place of what was there. Without memory it does nothing. */
void table_put(struct table *table, struct str key, struct str value);

/* table_count, table_bytes - what is held; slow, for tests. */
size_t table_count(struct table *table);
size_t table_bytes(struct table *table);

#endif
