/*
 * access.c - the project's access rules, held against a caller.
 *
 * A list never walks what its caller may not see: the rules that grant it say where their keys begin, and only there is
 * looked. Ranges are all keys with one beginning, or one key, so two of them lie apart or one lies in the other.
 */
#include "config.h"

#include <stdlib.h>

#include "auth/access.h"

bool access_is_bound(const struct caller *caller)
{
	return caller->kind == CALLER_USER && caller->project->rules != NULL;
}

static void user_init(struct rules_user *user, const struct caller *caller)
{
	rules_user_init(user, caller->telegram_id, str_make(caller->project->id, PROJECT_ID_LEN));
}

struct access access_find(const struct caller *caller, struct str key)
{
	const struct rules *rules;
	struct rules_user user;
	uint64_t matched;

	if (!access_is_bound(caller))
		return (struct access){ .operations = RULE_ALL };
	rules = caller->project->rules;
	user_init(&user, caller);
	matched = rules_match(rules, &user, key, RULE_ALL);
	return (struct access){ rules_operations(rules, matched), rules_max_bytes(rules, matched) };
}

/* ---- lists ---- */

/* False when no key that begins with PREFIX can match: seen at once where a literal begins the pattern. */
static bool may_meet(struct str match, struct str prefix)
{
	size_t n = match.n < prefix.n ? match.n : prefix.n;

	for (size_t i = 0; i < n && match.p[i] != '*' && match.p[i] != '{'; i++)
		if (match.p[i] != prefix.p[i])
			return false;
	return true;
}

/* The keys of HEAD that begin with PREFIX; false when there is none. */
static bool intersect(const struct rules_head *head, struct str prefix, struct access_range *range)
{
	struct str text = str_make(head->bytes, head->n);

	range->is_key = head->reach == RULES_ONE;
	range->is_partly = head->reach == RULES_SOME_BEHIND;
	range->text = text;
	if (str_starts(text, prefix))
		return true;
	range->text = prefix;
	return !range->is_key && str_starts(prefix, text);
}

/* In order of keys; of two that begin at the same place the larger one first, and one that needs no second look. */
static int range_order(const void *a, const void *b)
{
	const struct access_range *x = a, *y = b;
	int order = str_cmp(x->text, y->text);

	if (order == 0)
		order = x->is_key - y->is_key;
	return order != 0 ? order : x->is_partly - y->is_partly;
}

static bool contains(const struct access_range *range, const struct access_range *other)
{
	if (range->is_key)
		return other->is_key && str_eq(range->text, other->text);
	return str_starts(other->text, range->text);
}

/* What lies in another one is left out. In a range that is partly shown every rule is asked, so that stays right. */
static void unite(struct access_view *view)
{
	size_t n = 0;

	if (view->n > 1)
		qsort(view->ranges, view->n, sizeof *view->ranges, range_order);
	for (size_t i = 0; i < view->n; i++)
		if (n == 0 || !contains(&view->ranges[n - 1], &view->ranges[i]))
			view->ranges[n++] = view->ranges[i];
	view->n = n;
}

enum rc access_view(const struct caller *caller, struct str prefix, struct arena *arena, struct access_view *view)
{
	const struct rules *rules = caller->project->rules;
	struct rules_head head;

	*view = (struct access_view){ .rules = rules };
	user_init(&view->user, caller);
	view->ranges = arena_alloc(arena, (rules_count(rules) + 1) * sizeof *view->ranges);
	if (view->ranges == NULL)
		return RC_NO_MEMORY;
	for (size_t i = 0; i < rules_count(rules); i++) {
		struct access_range *range = &view->ranges[view->n];
		const struct rule *rule = rules_at(rules, i);

		if (!(rule->operations & RULE_LIST) || !may_meet(rule->match, prefix) ||
		    !rules_head(rules, i, &view->user, &head) || !intersect(&head, prefix, range))
			continue;
		range->text = arena_dup(arena, range->text);
		if (range->text.p == NULL)
			return RC_NO_MEMORY;
		view->n++;
	}
	unite(view);
	return RC_OK;
}

bool access_shows(const struct access_view *view, struct str key)
{
	return rules_match(view->rules, &view->user, key, RULE_LIST) != 0;
}
