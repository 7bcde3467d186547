/*
 * condition.c - see condition.h. Pure.
 */
#include "config.h"

#include "kv/condition.h"

static bool is_among(const struct kv_versions *versions, uint64_t version)
{
	if (version == 0)
		return false;
	for (size_t i = 0; i < versions->n; i++)
		if (versions->versions[i] == version)
			return true;
	return versions->any;
}

enum kv_verdict kv_condition_check(const struct kv_condition *condition, uint64_t version)
{
	if (condition == NULL)
		return KV_HOLDS;
	if (condition->match.given && !is_among(&condition->match, version))
		return KV_MATCHES_NOT;
	return condition->none_match.given && is_among(&condition->none_match, version) ? KV_MATCHES : KV_HOLDS;
}
