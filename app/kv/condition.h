/*
 * condition.h - what a key's version must be for something to happen: compare and set, in no door's words.
 */
#ifndef KV_CONDITION_H
#define KV_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some versions. */
struct kv_versions {
	bool given;			/* else it demands nothing */
	bool any;			/* every version there can be */
	const uint64_t *versions;
	size_t n;
};

struct kv_condition {
	struct kv_versions match;	/* the key's must be among them */
	struct kv_versions none_match;	/* and must not be among these */
};

enum kv_verdict {
	KV_HOLDS,
	KV_MATCHES_NOT,		/* it is none of MATCH; asked first */
	KV_MATCHES		/* it is one of NONE_MATCH */
};

/* kv_condition_check - CONDITION (NULL: none) of a key of this VERSION; 0: there is no such key. Pure. */
enum kv_verdict kv_condition_check(const struct kv_condition *condition, uint64_t version);

#endif
