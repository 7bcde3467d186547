/*
 * rules_reference.c - access rules by taking pattern and key apart into arrays of segments and comparing them one by one.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules_reference.h"

enum { SEGMENTS_MAX = 40 };
enum { READ = 1, WRITE = 2, DELETE = 4, LIST = 8 };

/* ---- the evaluator ---- */

struct segments {
	char text[SEGMENTS_MAX][REFERENCE_TEXT];
	size_t n;
};

static struct segments split(const char *text)
{
	struct segments all = { .n = 1 };
	size_t k = 0;

	for (; *text != '\0'; text++) {
		if (*text == ':') {
			all.n++;
			k = 0;
			assert(all.n <= SEGMENTS_MAX);
		} else {
			all.text[all.n - 1][k++] = *text;
		}
	}
	return all;
}

static bool segment_fits(const char *wanted, const char *segment, const char *telegram_id, const char *project_id)
{
	if (strcmp(wanted, "*") == 0)
		return true;
	if (strcmp(wanted, "{telegramId}") == 0)
		return strcmp(segment, telegram_id) == 0;
	if (strcmp(wanted, "{projectId}") == 0)
		return strcmp(segment, project_id) == 0;
	return strcmp(segment, wanted) == 0;
}

static bool fits(const char *match, const char *key, const char *telegram_id, const char *project_id)
{
	struct segments wanted = split(match), there = split(key);
	bool has_rest = strcmp(wanted.text[wanted.n - 1], "**") == 0;
	size_t n = has_rest ? wanted.n - 1 : wanted.n;

	if (has_rest ? there.n < n + 1 : there.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!segment_fits(wanted.text[i], there.text[i], telegram_id, project_id))
			return false;
	return true;
}

struct reference_answer reference_ask(const struct reference *reference, const char *key, const char *telegram_id,
				      const char *project_id)
{
	struct reference_answer answer = { 0 };
	bool no_limit = false;

	for (size_t i = 0; i < reference->n; i++) {
		const struct reference_rule *rule = &reference->rules[i];

		if (!fits(rule->match, key, telegram_id, project_id))
			continue;
		answer.matched |= (uint64_t)1 << i;
		answer.operations |= rule->operations;
		if (rule->operations & WRITE) {
			no_limit = no_limit || rule->max_bytes == 0;
			if (rule->max_bytes > answer.max_bytes)
				answer.max_bytes = rule->max_bytes;
		}
	}
	if (no_limit)
		answer.max_bytes = 0;
	return answer;
}

/* ---- at random ---- */

static size_t pick(unsigned *seed, size_t n)
{
	return (size_t)rand_r(seed) % n;
}

static void join(char *out, const char *const *words, size_t n_words, size_t n, unsigned *seed)
{
	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			strcat(out, ":");
		strcat(out, words[pick(seed, n_words)]);
	}
}

size_t reference_rounds(size_t preset)
{
	const char *rounds = getenv("TMAKV_RULES_ROUNDS");

	return rounds == NULL ? preset : strtoul(rounds, NULL, 10);
}

void reference_key(char key[REFERENCE_TEXT], unsigned *seed)
{
	static const char *const words[] = { "", "a", "b", "ab", "1", "12", "123", "012", "*", REFERENCE_PROJECT };

	do
		join(key, words, sizeof words / sizeof words[0], 1 + pick(seed, 4), seed);
	while (key[0] == '\0');
}

void reference_random(struct reference *reference, size_t n, unsigned *seed)
{
	static const char *const words[] = { "", "a", "a", "b", "b", "ab", "1", "12", "*", "*", "{telegramId}", "{projectId}" };

	*reference = (struct reference){ .n = n };
	for (size_t i = 0; i < n; i++) {
		struct reference_rule *rule = &reference->rules[i];
		bool has_rest = pick(seed, 3) == 0;

		do {
			join(rule->match, words, sizeof words / sizeof words[0], pick(seed, 4) + !has_rest, seed);
			if (has_rest)
				strcat(rule->match, rule->match[0] == '\0' ? "**" : ":**");
		} while (rule->match[0] == '\0');
		rule->operations = 1 + (unsigned)pick(seed, 15);
		if (rule->operations & WRITE && pick(seed, 2) == 0)
			rule->max_bytes = 1 + pick(seed, 5);
	}
}

void reference_json(const struct reference *reference, char *out, size_t size)
{
	static const char *const words[] = { "read", "write", "delete", "list" };
	size_t n = (size_t)snprintf(out, size, "{\"version\":1,\"rules\":[");

	for (size_t i = 0; i < reference->n; i++) {
		const struct reference_rule *rule = &reference->rules[i];
		const char *comma = "";

		n += (size_t)snprintf(out + n, size - n, "%s{\"match\":\"%s\",\"allow\":[", i == 0 ? "" : ",", rule->match);
		for (size_t k = 0; k < 4; k++)
			if (rule->operations >> k & 1) {
				n += (size_t)snprintf(out + n, size - n, "%s\"%s\"", comma, words[k]);
				comma = ",";
			}
		n += (size_t)snprintf(out + n, size - n, "]");
		if (rule->max_bytes != 0)
			n += (size_t)snprintf(out + n, size - n, ",\"maxBytes\":%u", (unsigned)rule->max_bytes);
		n += (size_t)snprintf(out + n, size - n, "}");
	}
	n += (size_t)snprintf(out + n, size - n, "]}");
	assert(n < size);
}
