/*
 * test_serve_admin.c - the commands of the control socket, on a real store.
 */
#include "config.h"

#include "store_fixture.h"

#include "auth/initdata.h"
#include "base/clock.h"
#include "base/jdoc.h"
#include "kv/kv.h"
#include "project/project.h"
#include "serve/control.h"

#define SECRET_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SECRET_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SECRET_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define KEY_TEST "40055058a4ee38156a06562e52eece92a771bcd8346a8c4615cb7376eddf72ec"

static struct fixture fixture;
static struct registry *registry;
static struct arena *arena;
static struct app app;
static json_object *result;	/* of the last command */
static struct str detail;

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	assert_int_equal(registry_open(&registry, fixture.store, &fixture.conf), RC_OK);
	arena = arena_new(1 << 20);
	app = (struct app){ .conf = &fixture.conf, .store = fixture.store, .registry = registry };
	return 0;
}

static int stop(void **state)
{
	(void)state;
	json_object_put(result);
	result = NULL;
	arena_free(arena);
	registry_close(registry);
	fixture_stop(&fixture);
	return 0;
}

/* ARGS in JSON with ' for ", which is easier to read here. */
static enum rc run(const char *command, const char *args_text)
{
	struct admin_answer answer = { .result = NULL };
	char text[4096];
	json_object *args;
	enum rc rc;

	snprintf(text, sizeof text, "%s", args_text);
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	args = jdoc_read(str_c(text), 8);
	assert_non_null(args);
	json_object_put(result);
	rc = admin_run(&app, str_c(command), args, arena, &answer);
	json_object_put(args);
	result = answer.result;
	detail = answer.detail;
	assert_int_equal(rc == RC_OK, result != NULL);
	return rc;
}

static const char *text_of(json_object *object, const char *name)
{
	struct str s = STR_LIT("");

	jdoc_str(object, name, &s);
	return arena_dup(arena, s).p;
}

static int64_t number_of(json_object *object, const char *name)
{
	int64_t n = -1;

	jdoc_i64(object, name, &n);
	return n;
}

static json_object *part(const char *name)
{
	json_object *object = NULL;

	assert_true(json_object_object_get_ex(result, name, &object));
	return object;
}

static json_object *element(const char *array, size_t i)
{
	return json_object_array_get_idx(part(array), i);
}

static void a_project_shows_what_it_was_made_with(void **state)
{
	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop','bots':[{'id':42,'secret':'" SECRET_A "'},"
			     "{'id':9007199254740991,'environment':'test'}]}"), RC_OK);
	assert_int_equal(run("project.show", "{'project':'shop'}"), RC_OK);
	assert_string_equal(text_of(result, "name"), "shop");
	assert_string_equal(text_of(result, "state"), "active");
	assert_int_equal(strlen(text_of(result, "id")), 36);
	assert_int_equal(strlen(text_of(result, "namespace_id")), 32);
	assert_null(strchr(text_of(result, "namespace_id"), '-'));
	assert_int_equal(json_object_array_length(part("bots")), 2);
	assert_int_equal(number_of(element("bots", 0), "id"), 42);
	assert_string_equal(text_of(element("bots", 0), "mode"), "hmac");
	assert_int_equal(number_of(element("bots", 1), "id"), 9007199254740991);
	assert_string_equal(text_of(element("bots", 1), "mode"), "ed25519");
	assert_string_equal(text_of(element("bots", 1), "environment"), "test");
	assert_string_equal(text_of(element("bots", 1), "public_key"), KEY_TEST);
	assert_int_equal(number_of(part("usage"), "keys"), 0);
	assert_int_equal(number_of(part("limits"), "write_limit"), 1000);
}

static void no_answer_holds_a_bots_secret(void **state)
{
	static const char *const commands[][2] = {
		{ "project.list", "{}" }, { "project.show", "{'project':'shop'}" },
		{ "project.disable", "{'project':'shop'}" }, { "project.rename", "{'project':'shop','name':'shop-2'}" },
		{ "status", "{}" },
	};

	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop','bots':[{'id':42,'secret':'" SECRET_A "'}]}"), RC_OK);
	for (size_t i = 0; i <= sizeof commands / sizeof commands[0]; i++) {
		assert_null(strstr(jdoc_text(result, arena).p, "aaaaaaaa"));
		assert_null(strstr(jdoc_text(result, arena).p, "AAAAAAAA"));
		if (i < sizeof commands / sizeof commands[0])
			assert_int_equal(run(commands[i][0], commands[i][1]), RC_OK);
	}
}

static void two_secrets_of_one_bot_are_one_bot(void **state)
{
	const struct project *project;

	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop','bots':[{'id':42,'secret':'" SECRET_A "'},"
			     "{'id':42,'secret':'" SECRET_B "'}]}"), RC_OK);
	assert_int_equal(json_object_array_length(part("bots")), 1);
	assert_int_equal(number_of(element("bots", 0), "secrets"), 2);
	project = registry_find(registry, STR_LIT("shop"));
	assert_int_equal(project->bots[0].n_secrets, 2);
	assert_int_equal(project->bots[0].secrets[0][0], 0xaa);
	assert_int_equal(project->bots[0].secrets[1][31], 0xbb);
	project_unref(project);
}

/* The first bytes of the secrets of the one bot of "shop", and the project's generation. */
static void expect_secrets(size_t n, const uint8_t *first, uint64_t generation)
{
	const struct project *project = registry_find(registry, STR_LIT("shop"));

	assert_int_equal(project->n_bots, 1);
	assert_int_equal(project->bots[0].n_secrets, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(project->bots[0].secrets[i][0], first[i]);
	assert_int_equal(project->generation, generation);
	project_unref(project);
}

static void a_bots_newest_secret_is_set_as_often_as_one_likes(void **state)
{
	static const char set_a[] = "{'project':'shop','bots':[{'id':42,'secret':'" SECRET_A "'}]}";
	static const char set_b[] = "{'project':'shop','bots':[{'id':42,'secret':'" SECRET_B "'}]}";
	static const char set_c[] = "{'project':'shop','bots':[{'id':42,'secret':'" SECRET_C "'}]}";

	(void)state;
	assert_int_equal(run("bot.set", set_a), RC_KEY_NOT_FOUND);
	assert_int_equal(run("project.create", "{'name':'shop'}"), RC_OK);
	assert_int_equal(run("bot.set", set_a), RC_OK);
	expect_secrets(1, (const uint8_t[]){ 0xaa }, 2);
	assert_int_equal(run("bot.set", set_a), RC_OK);
	assert_int_equal(json_object_array_length(part("bots")), 1);
	expect_secrets(1, (const uint8_t[]){ 0xaa }, 2);
	assert_int_equal(run("bot.set", set_b), RC_OK);
	expect_secrets(2, (const uint8_t[]){ 0xaa, 0xbb }, 3);
	assert_int_equal(run("bot.set", set_b), RC_OK);
	expect_secrets(2, (const uint8_t[]){ 0xaa, 0xbb }, 3);
	/* A third one: the oldest makes room. */
	assert_int_equal(run("bot.set", set_c), RC_OK);
	expect_secrets(2, (const uint8_t[]){ 0xbb, 0xcc }, 4);
	/* Back to the one before. */
	assert_int_equal(run("bot.set", set_b), RC_OK);
	expect_secrets(2, (const uint8_t[]){ 0xcc, 0xbb }, 5);
	assert_int_equal(run("bot.set", "{'project':'shop'}"), RC_BAD_REQUEST);
	assert_int_equal(run("bot.set", "{'project':'shop','bots':[{'id':42}]}"), RC_BAD_REQUEST);
	assert_int_equal(run("bot.set", "{'project':'shop','bots':[{'id':42,'secret':'" SECRET_A "'},{'id':43},{'id':43}]}"),
			 RC_BAD_REQUEST);
	expect_secrets(2, (const uint8_t[]){ 0xcc, 0xbb }, 5);
}

static void a_bot_that_telegrams_key_checks_gets_a_secret(void **state)
{
	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop','bots':[{'id':42}]}"), RC_OK);
	assert_int_equal(run("bot.set", "{'project':'shop','bots':[{'id':42,'secret':'" SECRET_A "'}]}"), RC_OK);
	expect_secrets(1, (const uint8_t[]){ 0xaa }, 2);
}

static void arguments_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "project.create", "{}" },
		{ "project.create", "{'name':1}" },
		{ "project.create", "{'name':'Shop'}" },
		{ "project.create", "{'name':'a','colour':'red'}" },
		{ "project.create", "{'name':'a','bots':{}}" },
		{ "project.create", "{'name':'a','bots':[1]}" },
		{ "project.create", "{'name':'a','bots':[{}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':0}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':9007199254740992}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':'1'}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1.5}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1,'token':'1:a'}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1,'secret':'aa'}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1,'secret':null}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1,'environment':'moon'}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1,'environment':1}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1,'public_key':'00'}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1,'public_key':'" KEY_TEST "','environment':'test'}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1},{'id':1}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1},{'id':1,'secret':'" SECRET_A "'}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1,'secret':'" SECRET_A "'},{'id':1,'secret':'" SECRET_A "'}]}" },
		{ "project.create", "{'name':'a','bots':[{'id':1},{'id':2},{'id':3},{'id':4},{'id':5},{'id':6},{'id':7},"
				    "{'id':8},{'id':9}]}" },
		{ "project.show", "{}" },
		{ "project.rename", "{'project':'shop','name':'-'}" },
		{ "project.rename", "{'project':'shop'}" },
		{ "key.create", "{'project':'shop'}" },
		{ "key.create", "{'project':'shop','right':'write'}" },
		{ "key.create", "{'project':'shop','right':'read','name':7}" },
		{ "key.revoke", "{'project':'shop'}" },
		{ "status", "{'verbose':true}" },
		{ "top", "{'limit':3}" },
		{ "check-initdata", "{'project':'shop'}" },
		{ "check-initdata", "{'project':'shop','init_data':'','now':-1}" },
		{ "check-initdata", "{'project':'shop','init_data':'','max_age':'1'}" },
	};

	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop'}"), RC_OK);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (run(bad[i][0], bad[i][1]) != RC_BAD_REQUEST)
			fail_msg("accepted: %s %s", bad[i][0], bad[i][1]);
		assert_true(detail.n != 0);
	}
	assert_int_equal(run("project.list", "{}"), RC_OK);
	assert_int_equal(json_object_array_length(part("projects")), 1);
}

static void eight_bots_fit(void **state)
{
	(void)state;
	assert_int_equal(run("project.create", "{'name':'a','bots':[{'id':1},{'id':2},{'id':3},{'id':4},{'id':5},{'id':6},"
			     "{'id':7},{'id':8}]}"), RC_OK);
	assert_int_equal(json_object_array_length(part("bots")), 8);
}

static void what_is_missing_or_taken_is_said(void **state)
{
	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop'}"), RC_OK);
	assert_int_equal(run("project.create", "{'name':'shop'}"), RC_CONFLICT);
	assert_non_null(strstr(detail.p, "'shop'"));
	assert_int_equal(run("project.create", "{'name':'other'}"), RC_OK);
	assert_int_equal(run("project.rename", "{'project':'other','name':'shop'}"), RC_CONFLICT);
	assert_int_equal(run("project.show", "{'project':'none'}"), RC_KEY_NOT_FOUND);
	assert_non_null(strstr(detail.p, "'none'"));
	assert_int_equal(run("project.delete", "{'project':'none'}"), RC_KEY_NOT_FOUND);
	assert_int_equal(run("key.list", "{'project':'none'}"), RC_KEY_NOT_FOUND);
	assert_int_equal(run("key.revoke", "{'project':'shop','id':'0123456789abcdef'}"), RC_KEY_NOT_FOUND);
	assert_int_equal(run("project.paint", "{'project':'shop'}"), RC_NO_SUCH_ROUTE);
	assert_int_equal(run("", "{}"), RC_NO_SUCH_ROUTE);
}

static void a_project_is_renamed_switched_and_deleted(void **state)
{
	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop'}"), RC_OK);
	assert_int_equal(run("project.rename", "{'project':'shop','name':'store'}"), RC_OK);
	assert_string_equal(text_of(result, "name"), "store");
	assert_int_equal(run("project.disable", "{'project':'store'}"), RC_OK);
	assert_string_equal(text_of(result, "state"), "disabled");
	assert_int_equal(run("project.disable", "{'project':'store'}"), RC_OK);
	assert_int_equal(run("project.enable", "{'project':'store'}"), RC_OK);
	assert_string_equal(text_of(result, "state"), "active");
	assert_int_equal(run("project.delete", "{'project':'store'}"), RC_OK);
	assert_string_equal(text_of(result, "name"), "store");
	assert_int_equal(run("project.list", "{}"), RC_OK);
	assert_int_equal(json_object_array_length(part("projects")), 0);
}

static void an_api_key_is_shown_once_and_works_until_revoked(void **state)
{
	struct credential credential;
	const char *key, *id;
	char args[200];

	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop'}"), RC_OK);
	assert_int_equal(run("key.create", "{'project':'shop','right':'read','name':'cron'}"), RC_OK);
	key = text_of(result, "key");
	id = text_of(result, "id");
	assert_int_equal(registry_credential(registry, str_c(key), clock_wall_s(), &credential), RC_OK);
	assert_int_equal(credential.right, KEY_READ);
	assert_string_equal(text_of(result, "project"), "shop");

	assert_int_equal(run("key.list", "{'project':'shop'}"), RC_OK);
	assert_int_equal(json_object_array_length(part("keys")), 1);
	assert_string_equal(text_of(element("keys", 0), "id"), id);
	assert_string_equal(text_of(element("keys", 0), "name"), "cron");
	assert_string_equal(text_of(element("keys", 0), "right"), "read");
	assert_null(strstr(jdoc_text(result, arena).p, key));

	snprintf(args, sizeof args, "{'project':'shop','id':'%s'}", id);
	assert_int_equal(run("key.revoke", args), RC_OK);
	assert_int_equal(registry_credential(registry, str_c(key), clock_wall_s(), &credential), RC_INVALID_TOKEN);
	assert_int_equal(run("key.revoke", args), RC_KEY_NOT_FOUND);
}

static void admin_keys_are_none_of_a_projects(void **state)
{
	struct credential credential;
	const char *key;
	char args[200];

	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop'}"), RC_OK);
	assert_int_equal(run("admin-key.create", "{'name':'terraform'}"), RC_OK);
	key = text_of(result, "key");
	assert_int_equal(registry_credential(registry, str_c(key), clock_wall_s(), &credential), RC_OK);
	assert_int_equal(credential.project, CREDENTIAL_ADMIN);
	assert_int_equal(credential.right, KEY_READ_WRITE);
	assert_int_equal(run("key.list", "{'project':'shop'}"), RC_OK);
	assert_int_equal(json_object_array_length(part("keys")), 0);
	assert_int_equal(run("admin-key.list", "{}"), RC_OK);
	assert_int_equal(json_object_array_length(part("keys")), 1);
	assert_string_equal(text_of(element("keys", 0), "name"), "terraform");
	assert_null(strstr(jdoc_text(result, arena).p, key));
	snprintf(args, sizeof args, "{'project':'shop','id':'%s'}", credential.id);
	assert_int_equal(run("key.revoke", args), RC_KEY_NOT_FOUND);
	snprintf(args, sizeof args, "{'id':'%s'}", credential.id);
	assert_int_equal(run("admin-key.revoke", args), RC_OK);
	assert_int_equal(registry_credential(registry, str_c(key), clock_wall_s(), &credential), RC_INVALID_TOKEN);
	assert_int_equal(run("admin-key.revoke", args), RC_KEY_NOT_FOUND);
}

static void limits_are_set_one_by_one(void **state)
{
	static const char *const bad[] = {
		"{'project':'shop','value_limit':0}", "{'project':'shop','value_limit':26214401}",
		"{'project':'shop','value_limit':'standard'}", "{'project':'shop','write_limit':-1}",
		"{'project':'shop','write_limit':-2}", "{'project':'shop','min_ttl_s':0}", "{'project':'shop','max':1}",
	};

	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop'}"), RC_OK);
	assert_int_equal(run("project.limit", "{'project':'shop','value_limit':26214400,'min_ttl_s':1}"), RC_OK);
	assert_int_equal(number_of(part("limits"), "value_limit"), 26214400);
	assert_int_equal(number_of(part("limits"), "write_limit"), 1000);
	assert_int_equal(number_of(part("limits"), "min_ttl_s"), 1);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(run("project.limit", bad[i]), RC_BAD_REQUEST);
	assert_int_equal(run("project.limit", "{'project':'shop','value_limit':'default','write_limit':0}"), RC_OK);
	assert_int_equal(run("project.show", "{'project':'shop'}"), RC_OK);
	assert_int_equal(number_of(part("limits"), "value_limit"), 131072);
	assert_int_equal(number_of(part("limits"), "write_limit"), 0);
	assert_int_equal(number_of(part("limits"), "min_ttl_s"), 1);
	assert_int_equal(run("project.limit", "{'project':'none'}"), RC_KEY_NOT_FOUND);
}

static void access_rules_are_set_shown_and_explained(void **state)
{
	static const char rules[] = "{\\'version\\':1,\\'rules\\':[{\\'match\\':\\'user:{telegramId}:**\\',\\'allow\\':[\\'read\\',\\'write\\'],"
				    "\\'maxBytes\\':9},{\\'match\\':\\'public:*\\',\\'allow\\':[\\'list\\']}]}";
	static const struct {
		const char *args, *reason;
	} questions[] = {
		{ "'operation':'read','key':'user:12:a'", "granted" },
		{ "'operation':'read','key':'user:123:a'", "no_match" },
		{ "'operation':'delete','key':'user:12:a'", "not_granted" },
		{ "'operation':'write','key':'user:12:a'", "granted" },
		{ "'operation':'write','key':'user:12:a','bytes':9", "granted" },
		{ "'operation':'write','key':'user:12:a','bytes':10", "too_large" },
		{ "'operation':'list','key':''", "granted" },
		{ "'operation':'list','key':'user:'", "no_match" },
	};
	char args[1024];

	(void)state;
	assert_int_equal(run("project.create", "{'name':'shop'}"), RC_OK);
	assert_int_equal(run("rules.show", "{'project':'shop'}"), RC_OK);
	assert_int_equal(number_of(result, "count"), -1);
	assert_int_equal(run("rules.test", "{'project':'shop','user':12,'operation':'read','key':'a'}"), RC_OK);
	assert_string_equal(text_of(result, "reason"), "no_rules");
	snprintf(args, sizeof args, "{'project':'shop','rules':'%s'}", rules);
	assert_int_equal(run("rules.set", args), RC_OK);
	assert_int_equal(number_of(result, "count"), 2);
	assert_int_equal(run("project.show", "{'project':'shop'}"), RC_OK);
	assert_int_equal(number_of(result, "rules"), 2);
	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
		snprintf(args, sizeof args, "{'project':'shop','user':12,%s}", questions[i].args);
		assert_int_equal(run("rules.test", args), RC_OK);
		assert_string_equal(text_of(result, "reason"), questions[i].reason);
	}
	assert_int_equal(run("rules.set", "{'project':'shop','rules':'{}'}"), RC_BAD_REQUEST);
	assert_true(str_eq(detail, STR_LIT("'version' must be 1")));
	assert_int_equal(run("rules.set", "{'project':'shop','rules':7}"), RC_BAD_REQUEST);
	assert_int_equal(run("rules.set", "{'project':'none'}"), RC_KEY_NOT_FOUND);
	assert_int_equal(run("rules.test", "{'project':'shop','operation':'read','key':'a'}"), RC_BAD_REQUEST);
	assert_int_equal(run("rules.test", "{'project':'shop','user':12,'operation':'see','key':'a'}"), RC_BAD_REQUEST);
	assert_int_equal(run("rules.test", "{'project':'shop','user':12,'operation':'read','key':''}"), RC_BAD_KEY);
	assert_int_equal(run("rules.show", "{'project':'shop'}"), RC_OK);
	assert_int_equal(number_of(result, "count"), 2);
	assert_int_equal(run("rules.set", "{'project':'shop'}"), RC_OK);
	assert_int_equal(number_of(result, "count"), -1);
}

static void status_counts_everything(void **state)
{
	int64_t projects;

	(void)state;
	assert_int_equal(run("project.create", "{'name':'a'}"), RC_OK);
	assert_int_equal(run("project.create", "{'name':'b'}"), RC_OK);
	metric_add(metric_slot(), METRIC_WRITES, 5);
	assert_int_equal(run("status", "{}"), RC_OK);
	projects = number_of(result, "projects");
	assert_int_equal(projects, 2);
	assert_string_equal(text_of(result, "version"), PACKAGE_VERSION);
	assert_int_equal(number_of(result, "pid"), getpid());
	assert_string_equal(text_of(result, "account_id"), registry_account(registry));
	assert_int_equal(strlen(text_of(result, "account_id")), 32);
	assert_true(number_of(part("metrics"), "writes") >= 5);
	assert_int_equal(json_object_object_length(part("metrics")), METRIC__COUNT);
	assert_true(number_of(part("store"), "free_bytes") > 0);
	assert_string_equal(text_of(part("settings"), "data_dir"), fixture.dir);
}

/* A string that Telegram signed; test_auth_initdata.c has many more. */
#define PUBLISHED "query_id=AAHdF6IQAAAAAN0XohDhrOrc&user=%7B%22id%22%3A279058397%2C%22first_name%22%3A%22Vladislav%22%2C" \
	"%22last_name%22%3A%22Kibenko%22%2C%22username%22%3A%22vdkfrost%22%2C%22language_code%22%3A%22ru%22%2C" \
	"%22is_premium%22%3Atrue%7D&auth_date=1662771648&hash=c501b71e775f74ce10e377dea85a7ea24ecd640b223ea86dfe453e0eaed2e2b2"
#define ASK "{'project':'shop','init_data':'" PUBLISHED "','now':"

static void initdata_is_judged_as_a_sign_in_would_be(void **state)
{
	static const char token[] = "5768337691:AAH5YkoiEuPk8-FZa32hStHTqXiLPtAEhx8";
	uint8_t secret[BOT_SECRET_SIZE];
	struct bot bot = { .n_secrets = 1 };
	const struct project *project;

	(void)state;
	assert_true(initdata_secret(str_c(token), secret, &bot.id));
	memcpy(bot.secrets[0], secret, sizeof secret);
	assert_int_equal(project_create(registry, STR_LIT("shop"), &bot, 1, &project), RC_OK);
	project_unref(project);

	assert_int_equal(run("check-initdata", ASK "1662771648}"), RC_OK);
	assert_string_equal(text_of(result, "reason"), "ok");
	assert_true(json_object_get_boolean(part("accept")));
	assert_int_equal(number_of(result, "user"), 279058397);
	assert_string_equal(text_of(result, "username"), "vdkfrost");

	assert_int_equal(run("check-initdata", ASK "1662858049}"), RC_OK);
	assert_string_equal(text_of(result, "reason"), "expired");
	assert_false(json_object_get_boolean(part("accept")));
	assert_false(jdoc_has(result, "user"));

	assert_int_equal(project_set_state(registry, STR_LIT("shop"), PROJECT_DISABLED), RC_OK);
	assert_int_equal(run("check-initdata", ASK "1662771648}"), RC_OK);
	assert_string_equal(text_of(result, "reason"), "project_disabled");
	assert_false(json_object_get_boolean(part("accept")));

	assert_int_equal(run("project.create", "{'name':'server-only'}"), RC_OK);
	assert_int_equal(run("check-initdata", "{'project':'server-only','init_data':'" PUBLISHED "'}"), RC_OK);
	assert_false(json_object_get_boolean(part("accept")));
	assert_non_null(strstr(text_of(result, "explain"), "no bot"));
}

/* ---- top ---- */

static int start_with_keys(void **state)
{
	start(state);
	return kv_open(&app.kv, fixture.store) == RC_OK ? 0 : -1;
}

static int stop_with_keys(void **state)
{
	kv_close(app.kv);
	return stop(state);
}

static struct kv_put put_of(uint32_t project, const char *key)
{
	return (struct kv_put){ .kv = app.kv, .project = project, .key = str_c(key), .value = STR_LIT("1"),
				.kind = KIND_JSON, .now = 1000000 };
}

/* A project that has had so many requests, and a key that was written N times. */
static uint32_t make_busy_project(const char *name, const char *key, uint64_t reads, int n)
{
	char text[80];
	const struct project *project;
	uint32_t number;

	snprintf(text, sizeof text, "{'name':'%s'}", name);
	assert_int_equal(run("project.create", text), RC_OK);
	project = registry_find(registry, str_c(name));
	number = project->number;
	project_unref(project);
	for (uint64_t i = 0; i < reads; i++)
		metric_project(metric_slot(), number, false);
	for (int i = 0; i < n; i++) {
		struct kv_put put = put_of(number, key);
		struct commit_op op;

		commit_op_init(&op, kv_put_apply, &put, 1, STR_LIT(""));
		assert_int_equal(commit_run(fixture.store, &op), RC_OK);
		metric_project(metric_slot(), number, true);
	}
	return number;
}

static void top_tells_projects_and_hot_keys(void **state)
{
	(void)state;
	make_busy_project("quiet", "a", 1, 2);
	make_busy_project("busy", "b", 100, 5);
	metric_request(metric_slot(), METRIC_OP_SDK_GET, 200, 100, 0, 1);
	metric_request(metric_slot(), METRIC_OP_REST_GET, 200, 100, 0, 1);
	assert_int_equal(run("top", "{}"), RC_OK);
	assert_true(number_of(result, "uptime_us") >= 0);
	assert_int_equal(number_of(result, "projects_known"), 2);
	assert_string_equal(text_of(element("projects", 0), "project"), "busy");
	assert_int_equal(number_of(element("projects", 0), "reads"), 100);
	assert_int_equal(number_of(element("projects", 0), "writes"), 5);
	assert_string_equal(text_of(element("projects", 1), "project"), "quiet");
	assert_string_equal(text_of(element("hot_keys", 0), "key"), "b");
	assert_string_equal(text_of(element("hot_keys", 0), "project"), "busy");
	assert_int_equal(number_of(element("hot_keys", 0), "writes"), 5);
	assert_int_equal(number_of(element("hot_keys", 0), "recent"), 5);
	assert_string_equal(text_of(element("hot_keys", 1), "key"), "a");
	/* Both doors together, in the bucket that 100 us fall into. */
	assert_string_equal(text_of(element("latency", METRIC_READ), "class"), "read");
	assert_string_equal(json_object_to_json_string_ext(element("latency", METRIC_READ), JSON_C_TO_STRING_PLAIN),
			    "{\"class\":\"read\",\"buckets\":[112,2]}");
}

/* Which are told of first goes by what they did since the last look. */
static void top_puts_those_first_that_are_busy_now(void **state)
{
	(void)state;
	make_busy_project("was", "a", 1000, 1);
	assert_int_equal(run("top", "{}"), RC_OK);
	make_busy_project("is", "b", 10, 1);
	assert_int_equal(run("top", "{}"), RC_OK);
	assert_string_equal(text_of(element("projects", 0), "project"), "is");
	assert_string_equal(text_of(element("projects", 1), "project"), "was");
	assert_true(json_object_get_boolean(part("projects_whole")));
}

/* With more than a 128th of all changes, as is promised. */
static void top_tells_each_key_that_is_hot(void **state)
{
	enum { MORE = 119 };
	uint32_t number = make_busy_project("busy", "a", 0, 1);
	struct kv_put puts[MORE];
	struct commit_op ops[MORE];
	char keys[MORE][8];

	(void)state;
	for (size_t i = 0; i < MORE; i++) {
		snprintf(keys[i], sizeof keys[i], "k%u", (unsigned)i % 1000);
		puts[i] = put_of(number, keys[i]);
		commit_op_init(&ops[i], kv_put_apply, &puts[i], 1, STR_LIT(""));
		ops[i].next = i + 1 < MORE ? &ops[i + 1] : NULL;
	}
	commit_run_all(fixture.store, ops);
	assert_int_equal(run("top", "{}"), RC_OK);
	assert_int_equal(json_object_array_length(part("hot_keys")), 120);
}

static void top_can_be_of_one_project(void **state)
{
	(void)state;
	make_busy_project("one", "a", 1, 1);
	make_busy_project("two", "b", 1, 3);
	assert_int_equal(run("top", "{'project':'one'}"), RC_OK);
	assert_int_equal(json_object_array_length(part("projects")), 1);
	assert_int_equal(json_object_array_length(part("hot_keys")), 1);
	assert_string_equal(text_of(element("hot_keys", 0), "key"), "a");
	assert_int_equal(run("top", "{'project':'three'}"), RC_KEY_NOT_FOUND);
}

static void top_tells_nothing_of_what_was_deleted(void **state)
{
	(void)state;
	make_busy_project("gone", "a", 1, 1);
	assert_int_equal(run("project.delete", "{'project':'gone'}"), RC_OK);
	assert_int_equal(run("top", "{}"), RC_OK);
	assert_int_equal(json_object_array_length(part("hot_keys")), 0);
	for (size_t i = 0; i < json_object_array_length(part("projects")); i++)
		assert_string_not_equal(text_of(element("projects", i), "project"), "gone");
}

/* The answer is small, however much there is. */
static void top_tells_a_hundred_of_each(void **state)
{
	char name[24];

	(void)state;
	for (int i = 0; i < 130; i++) {
		snprintf(name, sizeof name, "p%d", i);
		make_busy_project(name, name, (uint64_t)i + 1, 1);
	}
	assert_int_equal(run("top", "{}"), RC_OK);
	assert_int_equal(json_object_array_length(part("projects")), 100);
	assert_string_equal(text_of(element("projects", 0), "project"), "p129");
	assert_false(json_object_get_boolean(part("projects_whole")));
	assert_in_range(json_object_array_length(part("hot_keys")), 1, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_project_shows_what_it_was_made_with, start, stop),
		cmocka_unit_test_setup_teardown(no_answer_holds_a_bots_secret, start, stop),
		cmocka_unit_test_setup_teardown(two_secrets_of_one_bot_are_one_bot, start, stop),
		cmocka_unit_test_setup_teardown(a_bots_newest_secret_is_set_as_often_as_one_likes, start, stop),
		cmocka_unit_test_setup_teardown(a_bot_that_telegrams_key_checks_gets_a_secret, start, stop),
		cmocka_unit_test_setup_teardown(arguments_that_make_no_sense_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(eight_bots_fit, start, stop),
		cmocka_unit_test_setup_teardown(what_is_missing_or_taken_is_said, start, stop),
		cmocka_unit_test_setup_teardown(a_project_is_renamed_switched_and_deleted, start, stop),
		cmocka_unit_test_setup_teardown(an_api_key_is_shown_once_and_works_until_revoked, start, stop),
		cmocka_unit_test_setup_teardown(admin_keys_are_none_of_a_projects, start, stop),
		cmocka_unit_test_setup_teardown(limits_are_set_one_by_one, start, stop),
		cmocka_unit_test_setup_teardown(access_rules_are_set_shown_and_explained, start, stop),
		cmocka_unit_test_setup_teardown(status_counts_everything, start, stop),
		cmocka_unit_test_setup_teardown(top_tells_projects_and_hot_keys, start_with_keys, stop_with_keys),
		cmocka_unit_test_setup_teardown(top_puts_those_first_that_are_busy_now, start_with_keys, stop_with_keys),
		cmocka_unit_test_setup_teardown(top_tells_each_key_that_is_hot, start_with_keys, stop_with_keys),
		cmocka_unit_test_setup_teardown(top_can_be_of_one_project, start_with_keys, stop_with_keys),
		cmocka_unit_test_setup_teardown(top_tells_nothing_of_what_was_deleted, start_with_keys, stop_with_keys),
		cmocka_unit_test_setup_teardown(top_tells_a_hundred_of_each, start_with_keys, stop_with_keys),
		cmocka_unit_test_setup_teardown(initdata_is_judged_as_a_sign_in_would_be, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
