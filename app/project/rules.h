/*
 * rules.h - a project's access rules: what its users may do with which keys.
 *
 * One JSON document, compiled when it is set or read, immutable and counted from then on:
 *
 *     { "version": 1, "default": "deny", "maxKeys": 100,
 *       "rules": [ { "match": "user:{telegramId}:**", "allow": ["read", "write"], "maxBytes": 4096 }, ... ] }
 *
 * A key is split at ':'. In "match" a segment is a literal; '*', which is any one segment; '**', last only, which is
 * all the rest and at least one segment; or a whole segment {telegramId} or {projectId}, which is the user's own. Rules
 * only grant: what no rule allows is denied, and their order means nothing.
 */
#ifndef PROJECT_RULES_H
#define PROJECT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/rc.h"
#include "base/str.h"

/* One bit for each rule: how many there may be. */
enum { RULES_MAX = 64, RULES_TEXT_MAX = 16 * 1024, RULES_PATTERN_MAX = 512 };

enum { RULES_KEY_MAX = 512 };		/* bytes of a key; a head that is longer begins none */

/* Operations, as flags. */
enum { RULE_READ = 1, RULE_WRITE = 2, RULE_DELETE = 4, RULE_LIST = 8, RULE_ALL = 15 };

struct rules;

/* One rule as it stands in the document. */
struct rule {
	struct str match;
	unsigned operations;
	uint64_t max_bytes;		/* of a value; 0: none */
};

/*
 * rules_read - compile the document TEXT. RC_BAD_REQUEST with ERROR, a sentence that says which rule and what is wrong
 * with it; RC_NO_MEMORY. *OUT is a reference.
 */
enum { RULES_ERROR_MAX = 256 };
enum rc rules_read(struct str text, const struct rules **out, char error[RULES_ERROR_MAX]) MUST_USE;

/* References. NULL is fine. */
const struct rules *rules_ref(const struct rules *rules);
void rules_unref(const struct rules *rules);

/* rules_text - the document, byte for byte as it was set. */
struct str rules_text(const struct rules *rules);
size_t rules_count(const struct rules *rules);
const struct rule *rules_at(const struct rules *rules, size_t i);

/*
 * rules_max_keys - the most keys that one user may own; 0: the rules set no limit. RULES may be NULL.
 * rules_user_keys - the same beside a LIMIT from elsewhere: the smaller of the two, 0 being none.
 */
uint64_t rules_max_keys(const struct rules *rules);
uint64_t rules_user_keys(const struct rules *rules, uint64_t limit);

/* Who asks: what the variables stand for. */
struct rules_user {
	struct str telegram_id, project_id;
	char digits[20];
};
void rules_user_init(struct rules_user *user, uint64_t telegram_id, struct str project_id);

/* rules_match - the rules that match KEY and grant one of OPERATIONS: bit I is rule I. One walk along KEY. */
uint64_t rules_match(const struct rules *rules, const struct rules_user *user, struct str key, unsigned operations);

/*
 * What the rules in the set MATCHED grant together. rules_max_bytes - the most bytes of a value: the largest of those
 * that grant writing, and 0, no limit, when one of them has none.
 */
unsigned rules_operations(const struct rules *rules, uint64_t matched);
uint64_t rules_max_bytes(const struct rules *rules, uint64_t matched);

/* Where the keys are that a rule can match: those that begin with its HEAD, all or some of them, or the key HEAD alone. */
enum rules_reach { RULES_ONE, RULES_ALL_BEHIND, RULES_SOME_BEHIND };
struct rules_head {
	char bytes[RULES_KEY_MAX];
	size_t n;
	enum rules_reach reach;
};

/* rules_head - rule I's; false when no key can begin so. */
bool rules_head(const struct rules *rules, size_t i, const struct rules_user *user, struct rules_head *head) MUST_USE;

/* rules_word - "read" and so on; rules_operation - the other way, 0: there is none of this name. */
const char *rules_word(unsigned operation);
unsigned rules_operation(struct str word);

#endif
