/*
 * rules.c - compiled access rules: which of them match a key, what these grant, where the keys are that one can match.
 *
 * The walk goes along the key's segments, once whatever the number of rules, and keeps the set of rules that have taken
 * all so far. So its time is the key's length and, for each segment, a search among the literals of its depth.
 *
 * Pure: no clock, no store. Any thread.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "project/rules_private.h"

static const struct {
	const char *word;
	unsigned operation;
} operations[RULES_OPERATIONS] = {
	{ "read", RULE_READ }, { "write", RULE_WRITE }, { "delete", RULE_DELETE }, { "list", RULE_LIST },
};

const char *rules_word(unsigned operation)
{
	for (size_t i = 0; i < RULES_OPERATIONS; i++)
		if (operations[i].operation == operation)
			return operations[i].word;
	return "";
}

unsigned rules_operation(struct str word)
{
	for (size_t i = 0; i < RULES_OPERATIONS; i++)
		if (str_eq(word, str_c(operations[i].word)))
			return operations[i].operation;
	return 0;
}

/* ---- references ---- */

static struct rules *own(const struct rules *rules)
{
	union { const struct rules *in; struct rules *out; } cast = { .in = rules };

	return cast.out;
}

void rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	free(rules->text);
	free(rules->patterns);
	free(rules->levels);
	free(rules->literals);
	free(rules);
}

const struct rules *rules_ref(const struct rules *rules)
{
	if (rules != NULL)
		atomic_fetch_add_explicit(&own(rules)->references, 1, memory_order_relaxed);
	return rules;
}

void rules_unref(const struct rules *rules)
{
	if (rules != NULL && atomic_fetch_sub_explicit(&own(rules)->references, 1, memory_order_acq_rel) == 1)
		rules_free(own(rules));
}

struct str rules_text(const struct rules *rules)
{
	return str_make(rules->text, rules->n_text);
}

size_t rules_count(const struct rules *rules)
{
	return rules->n;
}

const struct rule *rules_at(const struct rules *rules, size_t i)
{
	return &rules->rules[i];
}

uint64_t rules_max_keys(const struct rules *rules)
{
	return rules == NULL ? 0 : rules->max_keys;
}

uint64_t rules_user_keys(const struct rules *rules, uint64_t limit)
{
	uint64_t max_keys = rules_max_keys(rules);

	return limit == 0 || (max_keys != 0 && max_keys < limit) ? max_keys : limit;
}

/* ---- segments ---- */

enum part rules_part_of(struct str segment)
{
	static const struct {
		struct str text;
		enum part part;
	} special[] = {
		{ STR_LIT("*"), PART_ANY },
		{ STR_LIT("**"), PART_REST },
		{ STR_LIT("{telegramId}"), PART_TELEGRAM_ID },
		{ STR_LIT("{projectId}"), PART_PROJECT_ID },
	};

	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
		if (str_eq(segment, special[i].text))
			return special[i].part;
	for (size_t i = 0; i < segment.n; i++)
		if (segment.p[i] == '*' || segment.p[i] == '{' || segment.p[i] == '}')
			return PART_BAD;
	return PART_LITERAL;
}

/* ---- matching ---- */

void rules_user_init(struct rules_user *user, uint64_t telegram_id, struct str project_id)
{
	char *end = user->digits + sizeof user->digits, *p = end;

	do
		*--p = (char)('0' + telegram_id % 10);
	while ((telegram_id /= 10) != 0);
	user->telegram_id = str_make(p, (size_t)(end - p));
	user->project_id = project_id;
}

/* The rules that want SEGMENT just so at this depth. */
static uint64_t literal_find(const struct rules *rules, const struct level *level, struct str segment)
{
	size_t from = level->first_literal, to = from + level->n_literals;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = text_order(segment, rules->literals[middle].text);

		if (order == 0)
			return rules->literals[middle].rules;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return 0;
}

static uint64_t granting(const struct rules *rules, unsigned wanted)
{
	uint64_t set = 0;

	for (size_t i = 0; i < RULES_OPERATIONS; i++)
		if (wanted & (1U << i))
			set |= rules->granting[i];
	return set;
}

uint64_t rules_match(const struct rules *rules, const struct rules_user *user, struct str key, unsigned wanted)
{
	uint64_t alive = granting(rules, wanted), matched = 0;
	bool more = true;

	for (size_t depth = 0; more && alive != 0 && depth < rules->n_levels; depth++) {
		const struct level *level = &rules->levels[depth];
		uint64_t taken = level->any;
		struct str segment;

		matched |= alive & level->rest;
		more = segment_cut(&key, &segment);
		/* Not when all that are left take any segment. */
		if (level->n_literals != 0 && (alive & ~taken) != 0)
			taken |= literal_find(rules, level, segment);
		if (level->telegram_id != 0 && str_eq(segment, user->telegram_id))
			taken |= level->telegram_id;
		if (level->project_id != 0 && str_eq(segment, user->project_id))
			taken |= level->project_id;
		alive &= taken;
		if (!more)
			matched |= alive & level->last;
	}
	return matched;
}

unsigned rules_operations(const struct rules *rules, uint64_t matched)
{
	unsigned all = 0;

	for (; matched != 0; matched &= matched - 1)
		all |= rules->rules[__builtin_ctzll(matched)].operations;
	return all;
}

uint64_t rules_max_bytes(const struct rules *rules, uint64_t matched)
{
	uint64_t most = 0;

	for (; matched != 0; matched &= matched - 1) {
		const struct rule *rule = &rules->rules[__builtin_ctzll(matched)];

		if (!(rule->operations & RULE_WRITE))
			continue;
		if (rule->max_bytes == 0)
			return 0;
		most = rule->max_bytes > most ? rule->max_bytes : most;
	}
	return most;
}

/* ---- heads ---- */

static bool head_add(struct rules_head *head, struct str s)
{
	if (s.n > sizeof head->bytes - head->n)
		return false;
	if (s.n != 0)
		memcpy(head->bytes + head->n, s.p, s.n);
	head->n += s.n;
	return true;
}

bool rules_head(const struct rules *rules, size_t i, const struct rules_user *user, struct rules_head *head)
{
	struct str rest = rules->rules[i].match, segment;
	bool more = true;

	head->n = 0;
	head->reach = RULES_ONE;
	while (more) {
		enum part part;

		more = segment_cut(&rest, &segment);
		part = rules_part_of(segment);
		if (part == PART_ANY || part == PART_REST) {
			head->reach = part == PART_REST ? RULES_ALL_BEHIND : RULES_SOME_BEHIND;
			return true;
		}
		if (part != PART_LITERAL)
			segment = part == PART_TELEGRAM_ID ? user->telegram_id : user->project_id;
		if (!head_add(head, segment) || (more && !head_add(head, STR_LIT(":"))))
			return false;
	}
	return true;
}
