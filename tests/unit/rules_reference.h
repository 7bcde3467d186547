/*
 * rules_reference.h - a second opinion on access rules, slow and obvious; and rules and keys at random to ask it about.
 */
#ifndef TESTS_UNIT_RULES_REFERENCE_H
#define TESTS_UNIT_RULES_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REFERENCE_TEXT = 160, REFERENCE_RULES = 64 };

struct reference_rule {
	char match[REFERENCE_TEXT];
	unsigned operations;		/* as in project/rules.h */
	uint64_t max_bytes;		/* 0: none */
};

struct reference {
	struct reference_rule rules[REFERENCE_RULES];
	size_t n;
};

struct reference_answer {
	uint64_t matched;
	unsigned operations;
	uint64_t max_bytes;
};

/* reference_random - N rules at random; reference_key - a key; both of a few short segments, so that they meet often. */
void reference_random(struct reference *reference, size_t n, unsigned *seed);
void reference_key(char key[REFERENCE_TEXT], unsigned *seed);

/* reference_rounds - how often to try: $TMAKV_RULES_ROUNDS, or PRESET. `make check-rules` does many. */
size_t reference_rounds(size_t preset);

/* reference_json - the document; OUT has room for it. */
void reference_json(const struct reference *reference, char *out, size_t size);

/* reference_ask - which rules match KEY for this user, and what they grant together. */
struct reference_answer reference_ask(const struct reference *reference, const char *key, const char *telegram_id,
				      const char *project_id);

#define REFERENCE_PROJECT "11111111-2222-4333-8444-555555555555"

#endif
