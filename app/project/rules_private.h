/*
 * rules_private.h - what rules.c and rules_read.c share: the compiled rules, and how patterns and keys are cut.
 *
 * All rules are matched together, a bit each. For every depth, that is a segment's place in the key, it is known which
 * rules take any segment there, which take the user's id, which take just this literal, and which are at their end.
 */
#ifndef PROJECT_RULES_PRIVATE_H
#define PROJECT_RULES_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "project/rules.h"

enum { RULES_OPERATIONS = 4, RULES_SEGMENT_SHORT = 16 };
_Static_assert(RULE_ALL == (1 << RULES_OPERATIONS) - 1, "operations are the lowest bits");

/* A segment that some rules want just so, at one depth. */
struct literal {
	struct str text;
	uint64_t rules;
	uint32_t depth;
};

/* What the rules want of the segment at one depth: sets of rules. */
struct level {
	uint64_t any;			/* '*' */
	uint64_t telegram_id, project_id;
	uint64_t rest;			/* '**' */
	uint64_t last;			/* of the above, or a literal, and the pattern ends with it */
	uint32_t first_literal, n_literals;
};

struct rules {
	_Atomic uint32_t references;
	char *text;
	size_t n_text;
	uint64_t max_keys;
	struct rule rules[RULES_MAX];
	size_t n;
	uint64_t granting[RULES_OPERATIONS];	/* [I]: the rules that grant the operation 1 << I */
	char *patterns;			/* what rules[].match and the literals point into */
	struct level *levels;
	size_t n_levels;
	struct literal *literals;	/* by depth, then length, then bytes */
	size_t n_literals;
};

/* rules_free - RULES, whole or half made. NULL is fine. */
void rules_free(struct rules *rules);

/* rules_part_of - what a pattern's SEGMENT takes; PART_BAD: no pattern may have it. */
enum part { PART_LITERAL, PART_ANY, PART_REST, PART_TELEGRAM_ID, PART_PROJECT_ID, PART_BAD };
enum part rules_part_of(struct str segment);

/* The next segment of *REST, which is behind it then; false: it was the last one. Most are short: no call for them. */
static inline bool segment_cut(struct str *rest, struct str *segment)
{
	size_t n = 0, most = rest->n < RULES_SEGMENT_SHORT ? rest->n : RULES_SEGMENT_SHORT;

	while (n < most && rest->p[n] != ':')
		n++;
	if (n == RULES_SEGMENT_SHORT)
		return str_cut(*rest, ':', segment, rest);
	*segment = str_make(rest->p, n);
	if (n == rest->n) {
		*rest = str_skip(*rest, n);
		return false;
	}
	*rest = str_skip(*rest, n + 1);
	return true;
}

/* The order of literals at one depth. Shorter ones first: most comparisons end with lengths, or with first bytes. */
static inline int text_order(struct str a, struct str b)
{
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	if (a.n == 0)
		return 0;
	return *a.p != *b.p || a.n == 1 ? (unsigned char)*a.p - (unsigned char)*b.p : memcmp(a.p, b.p, a.n);
}

#endif
