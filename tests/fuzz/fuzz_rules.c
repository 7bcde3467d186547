/*
 * fuzz_rules.c - access rules: a document is refused with a sentence, or compiled so that each rule matches what its own
 * pattern says, whatever stands beside it.
 *
 * The text is a key, LF, and the document.
 */
#include "config.h"

#include "fuzz.h"
#include "project/rules.h"

static const char project_id[] = "11111111-2222-4333-8444-555555555555";

static void is_sentence(struct str text)
{
	assert(text.n != 0 && str_is_utf8(text));
	for (size_t i = 0; i < text.n; i++)
		assert((unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f);
}

/* Segment by segment, one rule alone. */
static bool fits(struct str match, struct str key)
{
	for (;;) {
		struct str wanted, segment;
		bool more_wanted = str_cut(match, ':', &wanted, &match), more = str_cut(key, ':', &segment, &key);

		if (str_eq(wanted, STR_LIT("**")))
			return true;
		if (str_eq(wanted, STR_LIT("{telegramId}")))
			wanted = STR_LIT("12");
		if (str_eq(wanted, STR_LIT("{projectId}")))
			wanted = str_c(project_id);
		if (more != more_wanted && !(more_wanted && str_eq(match, STR_LIT("**")) && more))
			return false;
		if (!str_eq(wanted, STR_LIT("*")) && !str_eq(wanted, segment))
			return false;
		if (!more)
			return true;
	}
}

static void check_rule(const struct rules *rules, size_t i, const struct rules_user *user, struct str key)
{
	bool matched = rules_match(rules, user, key, RULE_ALL) >> i & 1;
	struct rules_head head;
	struct str begin;

	assert(matched == fits(rules_at(rules, i)->match, key));
	if (!rules_head(rules, i, user, &head)) {
		assert(!matched || key.n > RULES_KEY_MAX);
		return;
	}
	begin = str_make(head.bytes, head.n);
	if (matched)
		assert(head.reach == RULES_ONE ? str_eq(key, begin) : str_starts(key, begin));
	else
		assert(head.reach == RULES_ONE ? !str_eq(key, begin) :
		       head.reach == RULES_SOME_BEHIND || !str_starts(key, begin));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char error[RULES_ERROR_MAX];
	const struct rules *rules;
	struct rules_user user;
	struct str key, text;
	enum rc rc;

	str_cut(str_make(p, n), '\n', &key, &text);
	rc = rules_read(text, &rules, error);
	assert(rc == RC_OK || rc == RC_BAD_REQUEST);
	if (rc != RC_OK) {
		is_sentence(str_c(error));
		return 0;
	}
	rules_user_init(&user, 12, str_c(project_id));
	assert(str_eq(rules_text(rules), text) && rules_count(rules) <= RULES_MAX);
	for (size_t i = 0; i < rules_count(rules); i++)
		check_rule(rules, i, &user, key);
	rules_unref(rules);
	return 0;
}
