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

/* Operations, as flags. */
enum { RULE_READ = 1, RULE_WRITE = 2, RULE_DELETE = 4, RULE_LIST = 8, RULE_ALL = 15 };

#endif
