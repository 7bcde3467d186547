/*
 * access.h - what may the caller do with this key?
 *
 * The project's access rules bind its users; API keys and the operator are above them. The answer follows from the
 * caller, the rules and the key's text alone: never from what is stored.
 */
#ifndef AUTH_ACCESS_H
#define AUTH_ACCESS_H

#include <stdbool.h>

#include "auth/auth.h"
#include "project/rules.h"

struct access {
	unsigned operations;		/* allowed: RULE_READ and so on */
	uint64_t max_bytes;		/* of a value that is written; 0: the rules set no limit */
};

/* access_is_bound - whether there are rules for CALLER at all. */
bool access_is_bound(const struct caller *caller);

/* access_find - what CALLER may do with KEY. */
struct access access_find(const struct caller *caller, struct str key);

/* A stretch of keys that a list walks: those that begin with TEXT, or TEXT alone. */
struct access_range {
	struct str text;
	bool is_key;			/* TEXT alone */
	bool is_partly;			/* access_shows() says which of them */
};

/*
 * Which of the keys that begin with PREFIX a caller who is bound may see: ranges in order of their keys, none in another,
 * in ARENA. N is 0 when there is none. RC_OK, RC_NO_MEMORY. USER is needed for access_shows().
 */
struct access_view {
	const struct rules *rules;
	struct rules_user user;
	struct access_range *ranges;
	size_t n;
};
enum rc access_view(const struct caller *caller, struct str prefix, struct arena *arena, struct access_view *view) MUST_USE;

/* access_shows - whether the caller may see the name of KEY, which lies in a range that is partly shown. */
bool access_shows(const struct access_view *view, struct str key);

#endif
