/*
 * admin_rules.c - the commands about access rules: set, show, and test, which explains.
 *
 * Runs in the control thread, which may block.
 */
#include "config.h"

#include "auth/access.h"
#include "auth/initdata.h"
#include "base/jdoc.h"
#include "kv/kv.h"
#include "serve/admin.h"

/* --- rules.set, rules.show --- */

static void put_rules(struct admin *admin, const struct rules *rules, bool with_text)
{
	admin_put_i64(admin, admin->result, "count", rules == NULL ? -1 : (int64_t)rules_count(rules));
	if (rules == NULL)
		return;
	admin_put_i64(admin, admin->result, "max_keys", (int64_t)rules_max_keys(rules));
	if (with_text)
		admin_put_str(admin, admin->result, "rules", rules_text(rules));
}

/* The argument "rules" is the document's text; without it the project has none from now on. */
static enum rc read_rules(struct admin *admin, const struct rules **rules)
{
	char error[RULES_ERROR_MAX];
	struct str text;
	enum rc rc;

	*rules = NULL;
	if (!jdoc_has(admin->args, "rules"))
		return RC_OK;
	if ((rc = admin_arg(admin, "rules", &text)) != RC_OK)
		return rc;
	rc = rules_read(text, rules, error);
	return rc == RC_BAD_REQUEST ? admin_fail(admin, rc, "%s", error) : rc;
}

enum rc admin_rules_set(struct admin *admin)
{
	const struct project *project;
	const struct rules *rules;
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	rc = read_rules(admin, &rules);
	if (rc == RC_OK) {
		rc = project_set_rules(admin->app->registry, str_c(project->id), rules);
		put_rules(admin, rules, false);
		admin_put_str(admin, admin->result, "name", str_c(project->name));
		rules_unref(rules);
	}
	project_unref(project);
	return rc;
}

enum rc admin_rules_show(struct admin *admin)
{
	const struct project *project;
	enum rc rc;

	if ((rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	put_rules(admin, project->rules, true);
	project_unref(project);
	return RC_OK;
}

/* --- rules.test --- */

/* A question, and the project it is about. */
struct question {
	struct caller user;
	unsigned operation;
	struct str key;			/* of a list, its prefix */
	int64_t bytes;			/* of a value; -1: not asked */
};

static enum rc answer(struct admin *admin, bool allowed, const char *reason)
{
	admin_put_bool(admin, admin->result, "allowed", allowed);
	admin_put_str(admin, admin->result, "reason", str_c(reason));
	return RC_OK;
}

static void put_rule(struct admin *admin, json_object *array, const struct question *question, size_t i)
{
	const struct rule *rule = rules_at(question->user.project->rules, i);
	json_object *object = admin_append(admin, array), *allow;

	admin_put_i64(admin, object, "rule", (int64_t)i + 1);
	admin_put_str(admin, object, "match", rule->match);
	allow = admin_put_array(admin, object, "allow");
	for (unsigned operation = 1; operation < RULE_ALL; operation <<= 1)
		if (rule->operations & operation)
			admin_append_str(admin, allow, str_c(rules_word(operation)));
	if (rule->max_bytes != 0)
		admin_put_i64(admin, object, "max_bytes", (int64_t)rule->max_bytes);
	admin_put_bool(admin, object, "grants", (rule->operations & question->operation) != 0);
}

/* Every rule that matches the key, whether it grants this or not. */
static enum rc explain_key(struct admin *admin, const struct question *question)
{
	const struct project *project = question->user.project;
	json_object *array = admin_put_array(admin, admin->result, "rules");
	struct access access = access_find(&question->user, question->key);
	struct rules_user user;
	uint64_t matched;

	rules_user_init(&user, question->user.telegram_id, str_c(project->id));
	matched = rules_match(project->rules, &user, question->key, RULE_ALL);
	for (size_t i = 0; i < rules_count(project->rules); i++)
		if (matched >> i & 1)
			put_rule(admin, array, question, i);
	if (matched == 0)
		return answer(admin, false, "no_match");
	if ((access.operations & question->operation) == 0)
		return answer(admin, false, "not_granted");
	if (question->operation != RULE_WRITE)
		return answer(admin, true, "granted");
	if (access.max_bytes != 0)
		admin_put_i64(admin, admin->result, "max_bytes", (int64_t)access.max_bytes);
	if (question->bytes > project->value_limit ||
	    (access.max_bytes != 0 && question->bytes > (int64_t)access.max_bytes))
		return answer(admin, false, "too_large");
	return answer(admin, true, "granted");
}

/* What a list would walk. */
static enum rc explain_list(struct admin *admin, const struct question *question)
{
	json_object *array = admin_put_array(admin, admin->result, "ranges");
	struct access_view view;
	enum rc rc = access_view(&question->user, question->key, admin->arena, &view);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < view.n; i++) {
		json_object *object = admin_append(admin, array);

		admin_put_str(admin, object, view.ranges[i].is_key ? "key" : "begin", view.ranges[i].text);
		admin_put_bool(admin, object, "filtered", view.ranges[i].is_partly);
	}
	return answer(admin, view.n != 0, view.n != 0 ? "granted" : "no_match");
}

static enum rc read_question(struct admin *admin, struct question *question)
{
	struct str word;
	int64_t id = 0;
	enum rc rc;

	question->bytes = -1;
	if ((rc = admin_arg(admin, "operation", &word)) != RC_OK ||
	    (rc = admin_arg(admin, "key", &question->key)) != RC_OK ||
	    (rc = admin_arg_i64(admin, "user", 1, TELEGRAM_ID_MAX, &id)) != RC_OK ||
	    (rc = admin_arg_i64(admin, "bytes", 0, KV_VALUE_MAX, &question->bytes)) != RC_OK)
		return rc;
	question->user.kind = CALLER_USER;
	question->user.telegram_id = (uint64_t)id;
	question->operation = rules_operation(word);
	if (id == 0)
		return admin_fail(admin, RC_BAD_REQUEST, "user: the Telegram id of a user is needed");
	if (question->operation == 0)
		return admin_fail(admin, RC_BAD_REQUEST, "operation: read, write, delete or list is needed");
	return question->operation == RULE_LIST ? RC_OK : key_check(question->key);
}

enum rc admin_rules_test(struct admin *admin)
{
	struct question question = { .bytes = 0 };
	enum rc rc;

	if ((rc = read_question(admin, &question)) != RC_OK ||
	    (rc = admin_find(admin, &question.user.project)) != RC_OK)
		return rc;
	if (!access_is_bound(&question.user))
		rc = answer(admin, true, "no_rules");
	else if (question.operation == RULE_LIST)
		rc = explain_list(admin, &question);
	else
		rc = explain_key(admin, &question);
	project_unref(question.user.project);
	return rc;
}
