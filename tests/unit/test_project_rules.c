/*
 * test_project_rules.c - access rules: which documents are taken, which keys a rule matches, and what that grants.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "project/rules.h"
#include "rules_reference.h"

static char error[RULES_ERROR_MAX];

/* JSON with ' for ". */
static enum rc read_text(const char *json, const struct rules **rules)
{
	char text[RULES_TEXT_MAX + 64];
	size_t n = strlen(json);

	assert_true(n < sizeof text);
	for (size_t i = 0; i < n; i++)
		text[i] = json[i] == '\'' ? '"' : json[i];
	*rules = NULL;
	return rules_read(str_make(text, n), rules, error);
}

static const struct rules *good(const char *json)
{
	const struct rules *rules;

	if (read_text(json, &rules) != RC_OK)
		fail_msg("%s: %s", json, error);
	return rules;
}

/* One rule that matches PATTERN. */
static const struct rules *rule_of(const char *pattern)
{
	char json[2048];

	snprintf(json, sizeof json, "{'version':1,'rules':[{'match':'%s','allow':['read']}]}", pattern);
	return good(json);
}

static bool matches(const char *pattern, const char *key)
{
	const struct rules *rules = rule_of(pattern);
	struct rules_user user;
	uint64_t matched;

	rules_user_init(&user, 12, STR_LIT(REFERENCE_PROJECT));
	matched = rules_match(rules, &user, str_c(key), RULE_ALL);
	assert_true(matched <= 1);
	rules_unref(rules);
	return matched == 1;
}

/* ---- documents ---- */

static void a_document_is_kept_as_it_was_written(void **state)
{
	const char *json = "{ 'version': 1,\n 'default': 'deny', 'maxKeys': 7,\n 'rules': [ { 'match': '\\u0061:**', "
			   "'allow': ['read', 'list'] }, { 'match': 'b', 'allow': ['write'], 'maxBytes': 26214400 } ] }";
	const struct rules *rules = good(json);

	(void)state;
	assert_int_equal(rules_text(rules).n, strlen(json));
	assert_int_equal(rules_count(rules), 2);
	assert_int_equal(rules_max_keys(rules), 7);
	assert_true(str_eq(rules_at(rules, 0)->match, STR_LIT("a:**")));
	assert_int_equal(rules_at(rules, 0)->operations, RULE_READ | RULE_LIST);
	assert_int_equal(rules_at(rules, 0)->max_bytes, 0);
	assert_int_equal(rules_at(rules, 1)->max_bytes, 26214400);
	assert_int_equal(rules_user_keys(rules, 0), 7);
	assert_int_equal(rules_user_keys(rules, 6), 6);
	assert_int_equal(rules_user_keys(rules, 8), 7);
	rules_unref(rules_ref(rules));
	rules_unref(rules);
	assert_int_equal(rules_max_keys(NULL), 0);
	assert_int_equal(rules_user_keys(NULL, 0), 0);
	assert_int_equal(rules_user_keys(NULL, 5), 5);
	rules_unref(NULL);
}

static void no_rules_at_all_deny_everything(void **state)
{
	const struct rules *rules = good("{'version':1,'rules':[]}");
	struct rules_user user;

	(void)state;
	rules_user_init(&user, 12, STR_LIT(REFERENCE_PROJECT));
	assert_int_equal(rules_match(rules, &user, STR_LIT("a"), RULE_ALL), 0);
	assert_int_equal(rules_operations(rules, 0), 0);
	rules_unref(rules);
}

static void what_is_wrong_is_refused_with_words(void **state)
{
	static const struct {
		const char *json, *says;
	} bad[] = {
		{ "", "not JSON" },
		{ "{'version':1,'rules':[],}", "not JSON: see byte 24" },
		{ "null", "must be a JSON object" },
		{ "[]", "must be a JSON object" },
		{ "{'rules':[]}", "'version' must be 1" },
		{ "{'version':2,'rules':[]}", "'version' must be 1" },
		{ "{'version':1.0,'rules':[]}", "'version' must be 1" },
		{ "{'version':'1','rules':[]}", "'version' must be 1" },
		{ "{'version':1}", "'rules' must be an array" },
		{ "{'version':1,'rules':{}}", "'rules' must be an array" },
		{ "{'version':1,'rules':[],'rules':[]}", "no member twice" },
		{ "{'version':1,'rules':[],'ruels':[]}", "'ruels' is no member" },
		{ "{'version':1,'default':'allow','rules':[]}", "'default' can only be" },
		{ "{'version':1,'default':null,'rules':[]}", "'default' can only be" },
		{ "{'version':1,'maxKeys':-1,'rules':[]}", "'maxKeys' must be a whole number" },
		{ "{'version':1,'maxKeys':1e3,'rules':[]}", "'maxKeys' must be a whole number" },
		{ "{'version':1,'rules':['a']}", "rule 1: must be an object" },
		{ "{'version':1,'rules':[null]}", "rule 1: must be an object" },
		{ "{'version':1,'rules':[{'allow':['read']}]}", "rule 1: 'match' must be a string" },
		{ "{'version':1,'rules':[{'match':1,'allow':['read']}]}", "rule 1: 'match' must be a string" },
		{ "{'version':1,'rules':[{'match':'','allow':['read']}]}", "rule 1: 'match' must have 1 to 512 bytes" },
		{ "{'version':1,'rules':[{'match':'a\\u0000','allow':['read']}]}", "UTF-8 without NUL" },
		{ "{'version':1,'rules':[{'match':'a'}]}", "rule 1: 'allow' must be a list" },
		{ "{'version':1,'rules':[{'match':'a','allow':[]}]}", "rule 1: 'allow' must be a list" },
		{ "{'version':1,'rules':[{'match':'a','allow':'read'}]}", "rule 1: 'allow' must be a list" },
		{ "{'version':1,'rules':[{'match':'a','allow':['read']},{'match':'a','allow':['Read']}]}",
		  "rule 2: 'Read' is no operation" },
		{ "{'version':1,'rules':[{'match':'a','allow':['read',null]}]}", "is no operation" },
		{ "{'version':1,'rules':[{'match':'a','allow':['read\\u0000']}]}", "is no operation" },
		{ "{'version':1,'rules':[{'match':'a','allow':['read','list','read']}]}", "'read' stands twice" },
		{ "{'version':1,'rules':[{'match':'a','allow':[['read']]}]}", "nothing nested deeper" },
		{ "{'version':1,'rules':[{'match':'a','allow':['write'],'maxBytes':0}]}", "'maxBytes' must be a whole number" },
		{ "{'version':1,'rules':[{'match':'a','allow':['write'],'maxBytes':26214401}]}", "from 1 to 26214400" },
		{ "{'version':1,'rules':[{'match':'a','allow':['read'],'maxBytes':5}]}", "'maxBytes' is for rules that allow write" },
		{ "{'version':1,'rules':[{'match':'a','allow':['read'],'who':'anyone'}]}", "rule 1: 'who' is no member" },
		{ "{'version':1,'rules':[{'match':'user:{telegramId}*','allow':['read']}]}", "'{telegramId}*' cannot be a segment" },
		{ "{'version':1,'rules':[{'match':'u{telegramId}','allow':['read']}]}", "'u{telegramId}' cannot be a segment" },
		{ "{'version':1,'rules':[{'match':'{telegramId}{telegramId}','allow':['read']}]}", "cannot be a segment" },
		{ "{'version':1,'rules':[{'match':'a*','allow':['read']}]}", "'a*' cannot be a segment" },
		{ "{'version':1,'rules':[{'match':'***','allow':['read']}]}", "'***' cannot be a segment" },
		{ "{'version':1,'rules':[{'match':'a:}','allow':['read']}]}", "'}' cannot be a segment" },
		{ "{'version':1,'rules':[{'match':'{}','allow':['read']}]}", "'{}' is no variable" },
		{ "{'version':1,'rules':[{'match':'u:{username}','allow':['read']}]}", "'{username}' is no variable" },
		{ "{'version':1,'rules':[{'match':'u:{telegramid}','allow':['read']}]}", "'{telegramid}' is no variable" },
		{ "{'version':1,'rules':[{'match':'u:{ telegramId}','allow':['read']}]}", "is no variable" },
		{ "{'version':1,'rules':[{'match':'**:a','allow':['read']}]}", "'**' must be the last segment" },
		{ "{'version':1,'rules':[{'match':'a:**:','allow':['read']}]}", "'**' must be the last segment" },
		{ "{'version':1,'rules':[{'match':'a\\n*','allow':['read']}]}", "what stands there cannot be a segment" },
	};
	const struct rules *rules;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(read_text(bad[i].json, &rules), RC_BAD_REQUEST);
		if (strstr(error, bad[i].says) == NULL)
			fail_msg("%s: says '%s', not '%s'", bad[i].json, error, bad[i].says);
		assert_true(str_is_utf8(str_c(error)));
	}
}

static char *many_rules(size_t n)
{
	static char json[RULES_TEXT_MAX];
	size_t at = (size_t)snprintf(json, sizeof json, "{'version':1,'rules':[");

	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(json + at, sizeof json - at, "%s{'match':'%zu:*','allow':['read']}", i == 0 ? "" : ",", i);
	snprintf(json + at, sizeof json - at, "]}");
	return json;
}

static void there_are_64_rules_at_most(void **state)
{
	const struct rules *rules = good(many_rules(64));
	struct rules_user user;

	(void)state;
	rules_user_init(&user, 12, STR_LIT(REFERENCE_PROJECT));
	assert_int_equal(rules_count(rules), 64);
	assert_true(rules_match(rules, &user, STR_LIT("63:x"), RULE_READ) == UINT64_C(1) << 63);
	assert_true(rules_match(rules, &user, STR_LIT("0:x"), RULE_READ) == 1);
	assert_true(rules_match(rules, &user, STR_LIT("64:x"), RULE_READ) == 0);
	rules_unref(rules);
	assert_int_equal(read_text(many_rules(65), &rules), RC_BAD_REQUEST);
	assert_non_null(strstr(error, "more than 64 rules"));
}

static void a_document_has_16384_bytes_at_most(void **state)
{
	static char json[RULES_TEXT_MAX + 2];
	const char *begin = "{'version':1,'rules':[]}";
	const struct rules *rules;

	(void)state;
	memset(json, ' ', sizeof json - 1);
	memcpy(json, begin, strlen(begin));
	assert_int_equal(read_text(json, &rules), RC_BAD_REQUEST);
	assert_non_null(strstr(error, "more than 16384 bytes"));
	json[RULES_TEXT_MAX] = '\0';
	rules_unref(good(json));
}

static void a_pattern_has_512_bytes_at_most(void **state)
{
	char pattern[RULES_PATTERN_MAX + 2], json[1024];
	const struct rules *rules;

	(void)state;
	memset(pattern, ':', sizeof pattern);
	pattern[RULES_PATTERN_MAX] = '\0';
	assert_true(matches(pattern, pattern));
	assert_false(matches(pattern, pattern + 1));
	pattern[RULES_PATTERN_MAX] = 'a';
	pattern[RULES_PATTERN_MAX + 1] = '\0';
	snprintf(json, sizeof json, "{'version':1,'rules':[{'match':'%s','allow':['read']}]}", pattern);
	assert_int_equal(read_text(json, &rules), RC_BAD_REQUEST);
}

/* ---- matching ---- */

static void a_segment_is_matched_whole(void **state)
{
	static const struct {
		const char *pattern, *key;
		bool yes;
	} cases[] = {
		{ "user:{telegramId}:**", "user:12:a", true },
		{ "user:{telegramId}:**", "user:12:", true },
		{ "user:{telegramId}:**", "user:12:a:b", true },
		{ "user:{telegramId}:**", "user:12::", true },
		{ "user:{telegramId}:**", "user:12", false },
		{ "user:{telegramId}:**", "user:123:a", false },
		{ "user:{telegramId}:**", "user:1:a", false },
		{ "user:{telegramId}:**", "user:1:2:a", false },
		{ "user:{telegramId}:**", "USER:12:a", false },
		{ "user:{telegramId}:**", "user:012:a", false },
		{ "user:{telegramId}:**", "user:+12:a", false },
		{ "user:{telegramId}:**", "user: 12:a", false },
		{ "user:{telegramId}:**", "user:12 :a", false },
		{ "user:{telegramId}:**", "user::12:a", false },
		{ "user:{telegramId}:**", ":user:12:a", false },
		{ "user:{telegramId}:**", "user:12%3Aa", false },
		{ "user:{telegramId}:**", "user:\xef\xbc\x91\xef\xbc\x92:a", false },	/* full-width 12 */
		{ "user:{telegramId}:**", "user:\xd9\xa1\xd9\xa2:a", false },		/* Arabic-Indic 12 */
		{ "user:{telegramId}:**", "user\xef\xbc\x9a" "12:a", false },		/* full-width colon */
		{ "user:{telegramId}:**", "user:{telegramId}:a", false },
		{ "user:{telegramId}:**", "user:*:a", false },
		{ "score:{telegramId}", "score:12", true },
		{ "score:{telegramId}", "score:12:", false },
		{ "leaderboard:*", "leaderboard:", true },
		{ "leaderboard:*", "leaderboard:a", true },
		{ "leaderboard:*", "leaderboard:a:b", false },
		{ "leaderboard:*", "leaderboard", false },
		{ "*", "a", true },
		{ "*", "a:", false },
		{ "**", "a", true },
		{ "**", ":", true },
		{ "*:**", "a", false },
		{ "*:**", ":", true },
		{ "a::b", "a::b", true },
		{ "a::b", "a:b", false },
		{ "a:*:b", "a::b", true },
		{ "a:*:b", "a:x:y:b", false },
		{ "{projectId}:x", REFERENCE_PROJECT ":x", true },
		{ "{projectId}:x", "12:x", false },
		{ "{telegramId}", "12", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (matches(cases[i].pattern, cases[i].key) != cases[i].yes)
			fail_msg("%s and %s", cases[i].pattern, cases[i].key);
}

static void the_most_generous_rule_sets_the_limit(void **state)
{
	const struct rules *rules = good("{'version':1,'rules':["
		"{'match':'a:*','allow':['write'],'maxBytes':10}, {'match':'*:x','allow':['write'],'maxBytes':20},"
		"{'match':'*:y','allow':['write']}, {'match':'**','allow':['read']}]}");
	struct rules_user user;

	(void)state;
	rules_user_init(&user, 12, STR_LIT(REFERENCE_PROJECT));
	assert_int_equal(rules_max_bytes(rules, rules_match(rules, &user, STR_LIT("a:z"), RULE_ALL)), 10);
	assert_int_equal(rules_max_bytes(rules, rules_match(rules, &user, STR_LIT("a:x"), RULE_ALL)), 20);
	assert_int_equal(rules_max_bytes(rules, rules_match(rules, &user, STR_LIT("a:y"), RULE_ALL)), 0);
	assert_int_equal(rules_match(rules, &user, STR_LIT("a:x"), RULE_WRITE), 3);
	assert_int_equal(rules_match(rules, &user, STR_LIT("a:x"), RULE_DELETE), 0);
	rules_unref(rules);
}

static void ids_are_written_in_full(void **state)
{
	struct rules_user user;

	(void)state;
	rules_user_init(&user, UINT64_MAX, STR_LIT(""));
	assert_true(str_eq(user.telegram_id, STR_LIT("18446744073709551615")));
	rules_user_init(&user, 7387289974, STR_LIT(""));
	assert_true(str_eq(user.telegram_id, STR_LIT("7387289974")));
	rules_user_init(&user, 0, STR_LIT(""));
	assert_true(str_eq(user.telegram_id, STR_LIT("0")));
}

static void expect_head(const char *pattern, const char *begin, enum rules_reach reach)
{
	const struct rules *rules = rule_of(pattern);
	struct rules_user user;
	struct rules_head head;

	rules_user_init(&user, 12, STR_LIT(REFERENCE_PROJECT));
	assert_true(rules_head(rules, 0, &user, &head));
	assert_true(str_eq(str_make(head.bytes, head.n), str_c(begin)));
	assert_int_equal(head.reach, reach);
	rules_unref(rules);
}

static void a_head_goes_to_the_first_wildcard(void **state)
{
	char pattern[RULES_PATTERN_MAX + 1] = "";
	const struct rules *rules;
	struct rules_user user;
	struct rules_head head;

	(void)state;
	expect_head("user:{telegramId}:**", "user:12:", RULES_ALL_BEHIND);
	expect_head("user:{telegramId}", "user:12", RULES_ONE);
	expect_head("a:*", "a:", RULES_SOME_BEHIND);
	expect_head("a:*:{telegramId}", "a:", RULES_SOME_BEHIND);
	expect_head("**", "", RULES_ALL_BEHIND);
	expect_head("*", "", RULES_SOME_BEHIND);
	expect_head("{projectId}:x:", REFERENCE_PROJECT ":x:", RULES_ONE);
	/* Longer than a key can be. */
	while (strlen(pattern) < 300)
		strcat(pattern, "{projectId}:");
	rules = rule_of(pattern);
	rules_user_init(&user, 12, STR_LIT(REFERENCE_PROJECT));
	assert_false(rules_head(rules, 0, &user, &head));
	rules_unref(rules);
}

/* ---- against the reference ---- */

static void compare(const struct reference *reference, const struct rules *rules, const char *key, uint64_t id)
{
	char digits[24];
	struct reference_answer wanted;
	struct rules_user user;
	uint64_t matched;

	snprintf(digits, sizeof digits, "%llu", (unsigned long long)id);
	rules_user_init(&user, id, STR_LIT(REFERENCE_PROJECT));
	wanted = reference_ask(reference, key, digits, REFERENCE_PROJECT);
	matched = rules_match(rules, &user, str_c(key), RULE_ALL);
	if (matched != wanted.matched || rules_operations(rules, matched) != wanted.operations ||
	    rules_max_bytes(rules, matched) != wanted.max_bytes)
		fail_msg("key '%s', user %s, rules %.*s", key, digits, STR(rules_text(rules)));
}

static void it_answers_as_the_reference_does(void **state)
{
	static char json[RULES_TEXT_MAX];
	static struct reference reference;
	size_t rounds = reference_rounds(120), granted = 0;
	unsigned seed = 1;

	(void)state;
	for (size_t round = 0; round < rounds; round++) {
		const struct rules *rules;

		reference_random(&reference, 1 + round % REFERENCE_RULES, &seed);
		reference_json(&reference, json, sizeof json);
		assert_int_equal(rules_read(str_c(json), &rules, error), RC_OK);
		for (size_t i = 0; i < 100; i++) {
			char key[REFERENCE_TEXT];

			reference_key(key, &seed);
			granted += reference_ask(&reference, key, "12", REFERENCE_PROJECT).operations != 0;
			compare(&reference, rules, key, 12);
			compare(&reference, rules, key, 1);
		}
		rules_unref(rules);
	}
	/* It says yes and no. */
	assert_true(granted > 10 * rounds && granted < 90 * rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_is_kept_as_it_was_written),
		cmocka_unit_test(no_rules_at_all_deny_everything),
		cmocka_unit_test(what_is_wrong_is_refused_with_words),
		cmocka_unit_test(there_are_64_rules_at_most),
		cmocka_unit_test(a_document_has_16384_bytes_at_most),
		cmocka_unit_test(a_pattern_has_512_bytes_at_most),
		cmocka_unit_test(a_segment_is_matched_whole),
		cmocka_unit_test(the_most_generous_rule_sets_the_limit),
		cmocka_unit_test(ids_are_written_in_full),
		cmocka_unit_test(a_head_goes_to_the_first_wildcard),
		cmocka_unit_test(it_answers_as_the_reference_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
