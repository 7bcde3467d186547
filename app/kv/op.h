/*
 * op.h - atomic changes: what a value becomes, as a function of what it was.
 *
 *   op_read.c   the text of an operation -> struct kv_op, all of it checked
 *   op_run.c    numbers, lists, merge patches
 *   op_rank.c   leaderboards
 *   change.c    the change itself, in the committer
 *
 * What a client asks for is read and checked in its worker; only what depends on the stored value is left to the
 * committer, on whose time all writers wait.
 */
#ifndef KV_OP_H
#define KV_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/jmerge.h"
#include "base/jnum.h"
#include "base/rc.h"
#include "base/str.h"
#include "kv/kv.h"

enum kv_op_kind { KV_MERGE, KV_ADD, KV_MAX, KV_MIN, KV_APPEND, KV_RANK, KV_TOUCH };

enum {
	KV_APPEND_LIMIT_MAX = 1000000,
	KV_RANK_LIMIT = 100,		/* entries of a leaderboard, when nobody says how many */
	KV_RANK_LIMIT_MAX = 1000,
	KV_RANK_STORED_MAX = 2000	/* a longer list is not taken for one */
};

/* Who an entry of a leaderboard is of: a string or a number. */
struct kv_id {
	bool is_string;
	struct str string;		/* without its escapes */
	struct jnum number;
};

struct kv_op {
	enum kv_op_kind kind;
	struct jmerge *merge;
	struct jnum number;		/* add, max, min */
	struct str value;		/* append: what; rank: the entry. JSON texts */
	size_t limit;			/* append: 0 for none; rank */
	struct str by, id_name;		/* rank: names of members, without their escapes */
	struct jnum score;		/* of the entry */
	struct kv_id id;
	bool ascending;			/* less is better */
	bool has_ttl;			/* touch: TIME is from now on; else a moment, 0 for never */
	int64_t time;
};

/* kv_merge_read - a merge patch. RC_BAD_REQUEST with *WHY, a constant; RC_NO_MEMORY. PATCH is checked JSON, as below. */
enum rc kv_merge_read(struct str patch, struct arena *arena, struct kv_op *op, const char **why) MUST_USE;

/* kv_op_read - an operation: {"op":"add","by":1}. As above; the texts stay where they are. */
enum rc kv_op_read(struct str text, struct arena *arena, struct kv_op *op, const char **why) MUST_USE;

/* A change of the caller's making, as struct kv_put. */
struct kv_change {
	struct kv *kv;
	uint32_t project;
	struct str key;
	struct kv_op op;
	int64_t expires_at;		/* touch */
	size_t value_limit;
	uint64_t owner;			/* of a key that is made */
	int64_t write_limit;
	struct kv_quota quota;
	int64_t now;
	const struct kv_condition *condition;
	struct arena *arena;		/* nobody else's until the change is decided */
	bool counted;
	/* kv_change_apply()'s: room that a second run finds again */
	char *room, *room_metadata, *room_rank;
	size_t room_size, room_rank_size;
	struct buf out;
};

/*
 * kv_change_apply - as kv_put_apply; a key that is not there is made, without metadata and expiry. A key keeps its owner,
 * whose quota is held. RC_BAD_REQUEST and RC_VALUE_TOO_LARGE with op->why; RC_KEY_NOT_FOUND: a touch of nothing;
 * RC_NO_MEMORY. What the answer tells is in op->answer.more:
 *     merge            the value's size, 0
 *     add, max, min    KV_TELLS_INT and the integer, or KV_TELLS_DOUBLE and the double's bits
 *     append           the list's length, 0
 *     rank             the entry's place from 1 on, or 0, and the list's length
 *     touch            the expiry, 1
 * When an operation changes nothing nothing is written, and the answer has the version that is there.
 */
enum { KV_TELLS_INT = 1, KV_TELLS_DOUBLE = 2 };
commit_apply kv_change_apply;

/* kv_told_number - the number that MORE tells of. */
struct jnum kv_told_number(const uint64_t more[2]);

#endif
