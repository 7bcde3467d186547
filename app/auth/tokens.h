/*
 * tokens.h - credentials that were checked in full a moment ago.
 *
 * A table from the full text of a credential to what checking it found. It never
 * decides: expiry, project state and revocation are the caller's to look at on
 * every hit. Sharded locks, bounded in entries and bytes, any thread.
 */
#ifndef AUTH_TOKENS_H
#define AUTH_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct token_cache;

/* What a full check found. */
struct token_entry {
	uint32_t project;	/* number */
	uint64_t telegram_id;
	int64_t issued_at;	/* held against revocation marks */
	int64_t expires_at;
	uint64_t keys;		/* generation of the signing keys that it was checked with */
};

/* token_cache_new - room for ENTRIES credentials (0: remembers nothing). NULL: no memory. */
struct token_cache *token_cache_new(size_t entries);
void token_cache_free(struct token_cache *cache);

/* token_cache_get - whether TEXT is known; *ENTRY as it was put. */
bool token_cache_get(struct token_cache *cache, struct str text, struct token_entry *entry);

/* token_cache_put - remember it; the least recently used of its neighbours makes room. TEXT is copied. */
void token_cache_put(struct token_cache *cache, struct str text, const struct token_entry *entry);

/*
 * validate_cache: the same initData for the same project within 60 s answers the same
 * token (API.md 1.1). Looked up by SHA-256 of project number, its generation and the text.
 */
enum { VALIDATE_CACHE_S = 60 };

struct validate_entry {
	uint64_t telegram_id;
	int64_t auth_date;	/* of the initData */
	int64_t made_at;	/* when the token was signed */
	struct str reply;	/* the whole reply body; in ARENA on a hit */
	uint64_t keys;		/* generation of the signing keys when it was signed */
};

struct arena;
struct validate_cache;

struct validate_cache *validate_cache_new(size_t entries);
void validate_cache_free(struct validate_cache *cache);
bool validate_cache_get(struct validate_cache *cache, uint32_t project, uint64_t generation,
			struct str init_data, int64_t now, struct arena *arena,
			struct validate_entry *entry);
void validate_cache_put(struct validate_cache *cache, uint32_t project, uint64_t generation,
			struct str init_data, const struct validate_entry *entry);

#endif
