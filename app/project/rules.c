/*
 * rules.c - access rules: a document, compiled so that a key is walked once whatever the number of rules.
 *
 * All rules are matched together, a bit each. For every depth, that is a segment's place in the key, it is known which
 * rules take any segment there, which take the user's id, which take just this literal, and which are at their end; the
 * walk goes along the key's segments and keeps the set of rules that have taken all so far. So its time is the key's
 * length and, for each segment, a search among the literals of its depth.
 *
 * Pure: no clock, no store. Any thread.
 */
#include "config.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/jdoc.h"
#include "base/jtext.h"
#include "project/rules.h"

enum { DOCUMENT_DEPTH = 4, QUOTE_MAX = 40, SEGMENT_SHORT = 16 };
#define MAX_BYTES_MAX (INT64_C(25) << 20)
#define MAX_KEYS_MAX ((INT64_C(1) << 53) - 1)

/* A segment that some rules want just so, at one depth. */
struct literal {
	struct str text;
	uint64_t rules;
	uint32_t depth;
};

/* What the rules want of the segment at one depth: sets of rules. */
struct level {
	uint64_t any;			/* '*' */
	uint64_t telegram_id, project_id;
	uint64_t rest;			/* '**' */
	uint64_t last;			/* of the above, or a literal, and the pattern ends with it */
	uint32_t first_literal, n_literals;
};

static const struct {
	const char *word;
	unsigned operation;
} operations[] = {
	{ "read", RULE_READ }, { "write", RULE_WRITE }, { "delete", RULE_DELETE }, { "list", RULE_LIST },
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

struct rules {
	_Atomic uint32_t references;
	char *text;
	size_t n_text;
	uint64_t max_keys;
	struct rule rules[RULES_MAX];
	size_t n;
	uint64_t granting[OPERATIONS];	/* for each operation, the rules that grant it */
	char *patterns;			/* what rules[].match and the literals point into */
	struct level *levels;
	size_t n_levels;
	struct literal *literals;	/* by depth, then length, then bytes */
	size_t n_literals;
};

const char *rules_word(unsigned operation)
{
	for (size_t i = 0; i < OPERATIONS; i++)
		if (operations[i].operation == operation)
			return operations[i].word;
	return "";
}

unsigned rules_operation(struct str word)
{
	for (size_t i = 0; i < OPERATIONS; i++)
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

static void rules_free(struct rules *rules)
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

/* ---- reading: sentences ---- */

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

/* ---- reading: patterns ---- */

enum part { PART_LITERAL, PART_ANY, PART_REST, PART_TELEGRAM_ID, PART_PROJECT_ID, PART_BAD };

static enum part part_of(struct str segment)
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

/* The next segment of *REST, which is behind it then; false: it was the last one. Most are short: no call for them. */
static inline bool segment_cut(struct str *rest, struct str *segment)
{
	size_t n = 0, most = rest->n < SEGMENT_SHORT ? rest->n : SEGMENT_SHORT;

	while (n < most && rest->p[n] != ':')
		n++;
	if (n == SEGMENT_SHORT)
		return str_cut(*rest, ':', segment, rest);
	*segment = str_make(rest->p, n);
	if (n == rest->n) {
		*rest = str_skip(*rest, n);
		return false;
	}
	*rest = str_skip(*rest, n + 1);
	return true;
}

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
		part = part_of(segment);
		if (part == PART_BAD)
			return refuse_segment(reading, segment);
		if (part == PART_REST && more)
			return refuse(reading, segment, "must be the last segment");
	}
	return RC_OK;
}

/* ---- reading: the document ---- */

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
	    (rc = number_read(reading, doc, "maxBytes", 1, MAX_BYTES_MAX, &rule->max_bytes)) != RC_OK)
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
	if ((rc = number_read(reading, doc, "maxKeys", 0, MAX_KEYS_MAX, &rules->max_keys)) != RC_OK)
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

	switch (part_of(segment)) {
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

/* Shorter ones first: most comparisons end with the lengths, or with the first bytes. */
static int text_order(struct str a, struct str b)
{
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	if (a.n == 0)
		return 0;
	return *a.p != *b.p || a.n == 1 ? (unsigned char)*a.p - (unsigned char)*b.p : memcmp(a.p, b.p, a.n);
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

		for (size_t k = 0; k < OPERATIONS; k++)
			if (rules->rules[i].operations & operations[k].operation)
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

	for (size_t i = 0; i < OPERATIONS; i++)
		if (operations[i].operation & wanted)
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
		part = part_of(segment);
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
