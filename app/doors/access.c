/*
 * access.c - the project's access rules, held against a request.
 */
#include "config.h"

#include "call.h"
#include "doors/private.h"

_Static_assert((int)RULES_KEY_MAX == (int)KV_KEY_MAX, "a head that no key can have is left out");

/* Each begins with a look into the table of its own: more are nothing for an event loop. */
enum { QUICK_RANGES = 16 };

enum rc door_may(struct call *call, struct str key, unsigned operations)
{
	if (call->request.if_match.n != 0 || call->request.if_none_match.n != 0)
		operations |= RULE_READ;
	call->access = access_find(&call->caller, key);
	return (operations & ~call->access.operations) == 0 ? RC_OK : RC_FORBIDDEN_BY_RULES;
}

bool door_may_read(const struct call *call)
{
	return (call->access.operations & RULE_READ) != 0;
}

int64_t door_value_limit(const struct call *call)
{
	int64_t limit = call->caller.project->value_limit;
	uint64_t max_bytes = call->access.max_bytes;

	return max_bytes != 0 && max_bytes < (uint64_t)limit ? (int64_t)max_bytes : limit;
}

/* As kv_list's SHOWS. */
static bool shows(const void *arg, struct str name)
{
	return access_shows(arg, name);
}

enum rc door_may_list(struct call *call, struct kv_list *list)
{
	struct access_view *view;
	struct kv_range *ranges;
	enum rc rc;

	if (!access_is_bound(&call->caller))
		return RC_OK;
	view = arena_alloc(call->arena, sizeof *view);
	if (view == NULL)
		return RC_NO_MEMORY;
	if ((rc = access_view(&call->caller, list->prefix, call->arena, view)) != RC_OK)
		return rc;
	if (view->n == 0)
		return RC_FORBIDDEN_BY_RULES;
	if (view->n > QUICK_RANGES && !call->slow)
		return RC_SLOW;
	ranges = arena_alloc(call->arena, view->n * sizeof *ranges);
	if (ranges == NULL)
		return RC_NO_MEMORY;
	for (size_t i = 0; i < view->n; i++)
		ranges[i] = (struct kv_range){ view->ranges[i].text, view->ranges[i].is_key, view->ranges[i].is_partly };
	list->ranges = ranges;
	list->n_ranges = view->n;
	list->shows = shows;
	list->arg = view;
	return RC_OK;
}
