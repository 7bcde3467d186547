/*
 * rules_read.c - a document of access rules: checked, with a sentence that says what is wrong, and compiled.
 *
 * Pure: no clock, no store. Any thread.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jdoc.h"
#include "base/jtext.h"
#include "project/project.h"
#include "project/rules_private.h"

enum { DOCUMENT_DEPTH = 4, QUOTE_MAX = 40 };

/* ---- sentences ---- */

/* What a document is read with: which rule is read now, and the sentence that says what is wrong. */
struct reading {
	struct rules *rules;
	size_t rule;			/* from 1; 0: the document's own members */
	char *error;
};

/* Nothing to quote. */
static const struct str none = { NULL, 0 };

static bool can_be_shown(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return false;
	return text.n <= QUOTE_MAX && str_is_utf8(text);
}

/* The sentence: which rule, QUOTED if it can be shown, and SENTENCE. */
static enum rc refuse(struct reading *reading, struct str quoted, const char *sentence)
{
	char place[32] = "", shown[QUOTE_MAX + 4] = "";

	if (reading->rule != 0)
		snprintf(place, sizeof place, "rule %zu: ", reading->rule);
	if (quoted.p != NULL && can_be_shown(quoted))
		snprintf(shown, sizeof shown, "'%.*s' ", STR(quoted));
	else if (quoted.p != NULL)
		snprintf(shown, sizeof shown, "what stands there ");
	snprintf(reading->error, RULES_ERROR_MAX, "%s%s%s", place, shown, sentence);
	return RC_BAD_REQUEST;
}

static enum rc knows_only(struct reading *reading, json_object *object, const char *const *names, size_t n)
{
	json_object_object_foreach(object, name, value) {
		size_t i = 0;

		(void)value;
		while (i < n && strcmp(names[i], name) != 0)
			i++;
		if (i == n)
			return refuse(reading, str_c(name), "is no member that may stand here");
	}
	return RC_OK;
}

/* ---- patterns ---- */

static bool has_brace_pair(struct str segment)
{
	return segment.n >= 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}' &&
	       memchr(segment.p + 1, '{', segment.n - 1) == NULL && memchr(segment.p, '*', segment.n) == NULL &&
	       memchr(segment.p, '}', segment.n - 1) == NULL;
}

static enum rc refuse_segment(struct reading *reading, struct str segment)
{
	if (has_brace_pair(segment))
		return refuse(reading, segment, "is no variable; there are {telegramId} and {projectId}");
	return refuse(reading, segment, "cannot be a segment: '*', '**' and a variable in braces must each be a "
		      "whole one between colons, or user 12 would match 123 too");
}

static enum rc pattern_check(struct reading *reading, struct str pattern)
{
	struct str rest = pattern, segment;
	bool more = true;

	if (pattern.n == 0 || pattern.n > RULES_PATTERN_MAX)
		return refuse(reading, STR_LIT("match"), "must have 1 to 512 bytes");
	if (!str_is_utf8(pattern) || memchr(pattern.p, '\0', pattern.n) != NULL)
		return refuse(reading, STR_LIT("match"), "must be UTF-8 without NUL");
	while (more) {
		enum part part;

		more = segment_cut(&rest, &segment);
		part = rules_part_of(segment);
		if (part == PART_BAD)
			return refuse_segment(reading, segment);
		if (part == PART_REST && more)
			return refuse(reading, segment, "must be the last segment");
	}
	return RC_OK;
}

/* ---- the document ---- */

static enum rc allow_read(struct reading *reading, json_object *doc, struct rule *rule)
{
	json_object *allow;

	if (!jdoc_array(doc, "allow", &allow) || json_object_array_length(allow) == 0)
		return refuse(reading, STR_LIT("allow"), "must be a list of read, write, delete, list: one at least");
	for (size_t i = 0; i < json_object_array_length(allow); i++) {
		json_object *item = json_object_array_get_idx(allow, i);
		struct str word = STR_LIT("");
		unsigned operation = 0;

		if (json_object_is_type(item, json_type_string)) {
			word = str_make(json_object_get_string(item), (size_t)json_object_get_string_len(item));
			operation = rules_operation(word);
		}
		if (operation == 0)
			return refuse(reading, word, "is no operation; there are read, write, delete and list");
		if (rule->operations & operation)
			return refuse(reading, word, "stands twice in 'allow'");
		rule->operations |= operation;
	}
	return RC_OK;
}

static enum rc number_read(struct reading *reading, json_object *doc, const char *name, int64_t min, int64_t max,
			   uint64_t *out)
{
	int64_t number;

	if (!jdoc_has(doc, name))
		return RC_OK;
	if (!jdoc_i64(doc, name, &number) || number < min || number > max) {
		char sentence[96];

		snprintf(sentence, sizeof sentence, "must be a whole number from %" PRId64 " to %" PRId64, min, max);
		return refuse(reading, str_c(name), sentence);
	}
	*out = (uint64_t)number;
	return RC_OK;
}

static enum rc rule_read(struct reading *reading, json_object *doc, struct rule *rule)
{
	static const char *const names[] = { "match", "allow", "maxBytes" };
	enum rc rc;

	if (!json_object_is_type(doc, json_type_object))
		return refuse(reading, none, "must be an object");
	if ((rc = knows_only(reading, doc, names, 3)) != RC_OK)
		return rc;
	if (!jdoc_str(doc, "match", &rule->match))
		return refuse(reading, STR_LIT("match"), "must be a string");
	if ((rc = pattern_check(reading, rule->match)) != RC_OK ||
	    (rc = allow_read(reading, doc, rule)) != RC_OK ||
	    (rc = number_read(reading, doc, "maxBytes", 1, PROJECT_VALUE_LIMIT_MAX, &rule->max_bytes)) != RC_OK)
		return rc;
	if (rule->max_bytes != 0 && !(rule->operations & RULE_WRITE))
		return refuse(reading, STR_LIT("maxBytes"), "is for rules that allow write");
	return RC_OK;
}

/* Until patterns_keep(), rules[].match points into the document. */
static enum rc document_read(struct reading *reading, json_object *doc)
{
	static const char *const names[] = { "version", "default", "maxKeys", "rules" };
	struct rules *rules = reading->rules;
	json_object *array;
	struct str preset;
	int64_t version;
	enum rc rc;

	if (!json_object_is_type(doc, json_type_object))
		return refuse(reading, none, "the rules must be a JSON object");
	if ((rc = knows_only(reading, doc, names, 4)) != RC_OK)
		return rc;
	if (!jdoc_i64(doc, "version", &version) || version != 1)
		return refuse(reading, STR_LIT("version"), "must be 1");
	if (jdoc_has(doc, "default") && (!jdoc_str(doc, "default", &preset) || !str_eq(preset, STR_LIT("deny"))))
		return refuse(reading, STR_LIT("default"), "can only be \"deny\"");
	if ((rc = number_read(reading, doc, "maxKeys", 0, PROJECT_QUOTA_MAX, &rules->max_keys)) != RC_OK)
		return rc;
	if (!jdoc_array(doc, "rules", &array))
		return refuse(reading, STR_LIT("rules"), "must be an array");
	if (json_object_array_length(array) > RULES_MAX)
		return refuse(reading, none, "there are more than 64 rules");
	for (; rc == RC_OK && rules->n < json_object_array_length(array); rules->n++) {
		reading->rule = rules->n + 1;
		rc = rule_read(reading, json_object_array_get_idx(array, rules->n), &rules->rules[rules->n]);
	}
	return rc;
}

/* ---- compiling ---- */

/* The patterns into memory of the rules' own; how many segments they have, all and at most. False without memory. */
static bool patterns_keep(struct rules *rules, size_t *segments)
{
	size_t n = 0;
	char *to;

	*segments = 0;
	for (size_t i = 0; i < rules->n; i++)
		n += rules->rules[i].match.n;
	rules->patterns = to = malloc(n + 1);
	for (size_t i = 0; to != NULL && i < rules->n; i++) {
		struct str *match = &rules->rules[i].match, rest, segment;
		size_t depth = 1;

		memcpy(to, match->p, match->n);
		match->p = to;
		to += match->n;
		for (rest = *match; segment_cut(&rest, &segment); depth++)
			;
		*segments += depth;
		rules->n_levels = depth > rules->n_levels ? depth : rules->n_levels;
	}
	return to != NULL;
}

static void segment_compile(struct rules *rules, uint64_t rule, size_t depth, struct str segment)
{
	struct level *level = &rules->levels[depth];

	switch (rules_part_of(segment)) {
	case PART_ANY:
		level->any |= rule;
		break;
	case PART_REST:
		level->rest |= rule;
		break;
	case PART_TELEGRAM_ID:
		level->telegram_id |= rule;
		break;
	case PART_PROJECT_ID:
		level->project_id |= rule;
		break;
	default:
		rules->literals[rules->n_literals++] = (struct literal){ segment, rule, (uint32_t)depth };
	}
}

static int literal_order(const void *a, const void *b)
{
	const struct literal *x = a, *y = b;

	return x->depth != y->depth ? (x->depth < y->depth ? -1 : 1) : text_order(x->text, y->text);
}

/* Each literal once, in the order that literal_find() wants. */
static void literals_settle(struct rules *rules)
{
	size_t n = 0;

	if (rules->n_literals > 1)
		qsort(rules->literals, rules->n_literals, sizeof *rules->literals, literal_order);
	for (size_t i = 0; i < rules->n_literals; i++) {
		const struct literal *literal = &rules->literals[i];

		if (n != 0 && literal_order(&rules->literals[n - 1], literal) == 0)
			rules->literals[n - 1].rules |= literal->rules;
		else
			rules->literals[n++] = *literal;
	}
	rules->n_literals = n;
	for (size_t i = n; i > 0; i--) {
		struct level *level = &rules->levels[rules->literals[i - 1].depth];

		level->first_literal = (uint32_t)(i - 1);
		level->n_literals++;
	}
}

static enum rc compile(struct rules *rules)
{
	size_t segments;

	if (!patterns_keep(rules, &segments))
		return RC_NO_MEMORY;
	rules->levels = calloc(rules->n_levels + 1, sizeof *rules->levels);
	rules->literals = calloc(segments + 1, sizeof *rules->literals);
	if (rules->levels == NULL || rules->literals == NULL)
		return RC_NO_MEMORY;
	for (size_t i = 0; i < rules->n; i++) {
		struct str rest = rules->rules[i].match, segment;
		uint64_t rule = UINT64_C(1) << i;
		bool more = true;

		for (size_t k = 0; k < RULES_OPERATIONS; k++)
			if (rules->rules[i].operations & (1U << k))
				rules->granting[k] |= rule;
		for (size_t depth = 0; more; depth++) {
			more = segment_cut(&rest, &segment);
			segment_compile(rules, rule, depth, segment);
			if (!more)
				rules->levels[depth].last |= rule;
		}
	}
	literals_settle(rules);
	return RC_OK;
}

static bool text_keep(struct rules *rules, struct str text)
{
	rules->text = malloc(text.n + 1);
	if (rules->text == NULL)
		return false;
	memcpy(rules->text, text.p, text.n);
	rules->n_text = text.n;
	return true;
}

static enum rc text_read(struct reading *reading, struct str text)
{
	json_object *doc = NULL;
	size_t bad_at;
	enum rc rc;

	if (text.n > RULES_TEXT_MAX)
		return refuse(reading, none, "the rules have more than 16384 bytes");
	if (!jtext_check(text, &bad_at)) {
		char sentence[64];

		snprintf(sentence, sizeof sentence, "the rules are not JSON: see byte %zu", bad_at);
		return refuse(reading, none, sentence);
	}
	doc = jdoc_read(text, DOCUMENT_DEPTH);
	if (doc == NULL && jdoc_lacked_memory())
		return RC_NO_MEMORY;
	if (doc == NULL)
		return refuse(reading, none, "the rules must be a JSON object, with no member twice in an object "
			      "and nothing nested deeper than 'allow'");
	rc = document_read(reading, doc);
	if (rc == RC_OK)
		rc = compile(reading->rules);
	json_object_put(doc);
	return rc;
}

enum rc rules_read(struct str text, const struct rules **out, char error[RULES_ERROR_MAX])
{
	struct reading reading = { .rules = calloc(1, sizeof *reading.rules), .error = error };
	enum rc rc = RC_NO_MEMORY;

	error[0] = '\0';
	if (reading.rules != NULL && (rc = text_read(&reading, text)) == RC_OK && !text_keep(reading.rules, text))
		rc = RC_NO_MEMORY;
	if (rc != RC_OK) {
		rules_free(reading.rules);
		return rc;
	}
	atomic_init(&reading.rules->references, 1);
	*out = reading.rules;
	return RC_OK;
}
