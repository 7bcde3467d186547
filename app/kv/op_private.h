/*
 * op_private.h - what the files of kv/op_*.c and change.c share.
 */
#ifndef KV_OP_PRIVATE_H
#define KV_OP_PRIVATE_H

#include "kv/op.h"

/* What an operation makes of a value. */
struct op_result {
	bool unchanged;			/* nothing is to be written */
	uint64_t more[2];
	const char *why;
};

/*
 * op_run - CHANGE's operation on VALUE, JSON without white space around it, or empty when there is no such key. What it
 * becomes is appended to change->out. RC_BAD_REQUEST with result->why; RC_NO_MEMORY.
 */
enum rc op_run(struct kv_change *change, struct str value, struct op_result *result) MUST_USE;
enum rc op_rank(struct kv_change *change, struct str value, struct op_result *result) MUST_USE;

#endif
