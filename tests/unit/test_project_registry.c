/*
 * test_project_registry.c - projects and API keys: made, found, changed, deleted; durable.
 */
#include "config.h"

#include "registry_fixture.h"

#include "project/project.h"
#include "project/rules.h"
#include "store/commit.h"
#include "store/store.h"

static int start(void **state)
{
	(void)state;
	registry_start();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	registry_stop();
	return 0;
}

static const struct project *create(const char *name)
{
	struct bot bot = { .id = 7342037359, .n_secrets = 1, .secrets = { { 1, 2, 3 } }, .public_key = { 9 } };
	const struct project *project = NULL;

	assert_int_equal(project_create(registry, str_c(name), &bot, 1, &project), RC_OK);
	assert_non_null(project);
	return project;
}

static void expect_found(struct str any, const struct project *expected)
{
	const struct project *found = registry_find(registry, any);

	assert_non_null(found);
	assert_int_equal(found->number, expected->number);
	project_unref(found);
}

static void a_project_is_found_by_uuid_digits_and_name(void **state)
{
	const struct project *project = create("my-app");
	char digits[33] = "", upper[37];
	size_t n = 0;

	(void)state;
	for (const char *p = project->id; *p != '\0'; p++)
		if (*p != '-')
			digits[n++] = *p;
	for (size_t i = 0; i < sizeof upper; i++)
		upper[i] = project->id[i] >= 'a' && project->id[i] <= 'f' ? (char)(project->id[i] - 32) : project->id[i];
	expect_found(str_c(project->id), project);
	expect_found(str_c(upper), project);
	expect_found(str_make(digits, 32), project);
	expect_found(STR_LIT("my-app"), project);
	assert_null(registry_find(registry, STR_LIT("my-ap")));
	assert_null(registry_find(registry, STR_LIT("")));
	assert_null(registry_find(registry, str_make(digits, 31)));
	project_unref(project);
}

static void everything_is_there_after_a_restart(void **state)
{
	const struct project *project = create("app"), *again;
	char id[37];

	(void)state;
	strcpy(id, project->id);
	project_unref(project);
	registry_restart();
	again = registry_find(registry, str_c(id));
	assert_non_null(again);
	assert_string_equal(again->name, "app");
	assert_int_equal(again->n_bots, 1);
	assert_int_equal(again->bots[0].id, 7342037359);
	assert_int_equal(again->bots[0].n_secrets, 1);
	assert_int_equal(again->bots[0].secrets[0][2], 3);
	assert_int_equal(again->bots[0].public_key[0], 9);
	assert_int_equal(again->write_limit, 1000);
	project_unref(again);
}

static void a_changed_default_reaches_old_projects(void **state)
{
	const struct project *project = create("app");

	(void)state;
	project_unref(project);
	fixture.conf.write_limit = 5;
	registry_restart();
	project = registry_find(registry, STR_LIT("app"));
	assert_int_equal(project->write_limit, 5);
	project_unref(project);
}

static void a_name_is_a_slug_and_taken_once(void **state)
{
	const char *bad[] = { "", "A", "a b", "a_b", "-a", "a-", "\xc3\xa4",
			      "0123456789abcdef0123456789abcdef", "a/b", "." };
	const struct project *project = create("app"), *other;
	char long_name[PROJECT_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(project_create(registry, str_c(bad[i]), NULL, 0, &other), RC_BAD_REQUEST);
	memset(long_name, 'a', sizeof long_name);
	assert_int_equal(project_create(registry, str_make(long_name, PROJECT_NAME_MAX + 1), NULL, 0, &other),
			 RC_BAD_REQUEST);
	assert_int_equal(project_create(registry, str_make(long_name, PROJECT_NAME_MAX), NULL, 0, &other), RC_OK);
	project_unref(other);
	assert_int_equal(project_create(registry, STR_LIT("app"), NULL, 0, &other), RC_CONFLICT);
	project_unref(project);
}

static void a_change_makes_a_new_generation_and_spares_the_old_struct(void **state)
{
	const struct project *before = create("app"), *after;

	(void)state;
	assert_int_equal(project_set_state(registry, STR_LIT("app"), PROJECT_DISABLED), RC_OK);
	assert_int_equal(project_rename(registry, STR_LIT("app"), STR_LIT("new")), RC_OK);
	assert_int_equal(before->state, PROJECT_ACTIVE);
	assert_string_equal(before->name, "app");
	after = registry_by_number(registry, before->number);
	assert_int_equal(after->state, PROJECT_DISABLED);
	assert_string_equal(after->name, "new");
	assert_int_equal(after->generation, before->generation + 2);
	assert_null(registry_find(registry, STR_LIT("app")));
	project_unref(before);
	project_unref(after);
}

static void what_is_not_there_cannot_be_changed(void **state)
{
	struct credential credential;
	char secret[CREDENTIAL_LEN + 1];

	(void)state;
	assert_int_equal(project_rename(registry, STR_LIT("none"), STR_LIT("new")), RC_KEY_NOT_FOUND);
	assert_int_equal(project_delete(registry, STR_LIT("none")), RC_KEY_NOT_FOUND);
	assert_int_equal(credential_create(registry, 77, STR_LIT(""), KEY_READ, 0, &credential, secret),
			 RC_KEY_NOT_FOUND);
}

static void an_admin_key_belongs_to_no_project(void **state)
{
	const struct project *project = create("app");
	struct credential made, found;
	char secret[CREDENTIAL_LEN + 1];

	(void)state;
	assert_int_equal(credential_create(registry, CREDENTIAL_ADMIN, STR_LIT("ops"), KEY_READ_WRITE, 0, &made, secret), RC_OK);
	assert_int_equal(credential_revoke(registry, project->number, str_c(made.id)), RC_KEY_NOT_FOUND);
	assert_int_equal(project_delete(registry, STR_LIT("app")), RC_OK);
	project_unref(project);
	registry_restart();
	assert_int_equal(registry_credential(registry, str_c(secret), 0, &found), RC_OK);
	assert_int_equal(found.project, CREDENTIAL_ADMIN);
	assert_int_equal(credential_revoke(registry, CREDENTIAL_ADMIN, str_c(made.id)), RC_OK);
	assert_int_equal(registry_credential(registry, str_c(secret), 0, &found), RC_INVALID_TOKEN);
	registry_restart();
	assert_int_equal(registry_credential(registry, str_c(secret), 0, &found), RC_INVALID_TOKEN);
}

/* --- limits --- */

enum { KEEP = PROJECT_LIMIT_KEEP, PRESET = PROJECT_LIMIT_DEFAULT };

static enum rc set_limits(int64_t value, int64_t writes, int64_t ttl)
{
	return project_set_limits(registry, STR_LIT("app"), &(struct project_limits){
		.value_limit = value, .write_limit = writes, .min_ttl_s = ttl,
	});
}

static void expect_limits(int64_t value, int64_t writes, int64_t ttl)
{
	const struct project *project = registry_find(registry, STR_LIT("app"));

	assert_int_equal(project->value_limit, value);
	assert_int_equal(project->write_limit, writes);
	assert_int_equal(project->min_ttl_s, ttl);
	project_unref(project);
}

static void limits_of_its_own_stay_when_the_configuration_changes(void **state)
{
	(void)state;
	project_unref(create("app"));
	assert_int_equal(set_limits(25 << 20, KEEP, 1), RC_OK);
	expect_limits(25 << 20, 1000, 1);
	fixture.conf.value_limit = 7;
	fixture.conf.write_limit = 8;
	fixture.conf.min_ttl_s = 9;
	registry_restart();
	expect_limits(25 << 20, 8, 1);
	assert_int_equal(set_limits(KEEP, 0, PRESET), RC_OK);
	expect_limits(25 << 20, 0, 9);
	fixture.conf.write_limit = 10;
	fixture.conf.min_ttl_s = 11;
	registry_restart();
	expect_limits(25 << 20, 0, 11);
	assert_int_equal(set_limits(PRESET, PRESET, KEEP), RC_OK);
	expect_limits(7, 10, 11);
}

static void a_limit_out_of_bounds_changes_nothing(void **state)
{
	static const int64_t bad[][3] = {
		{ 0, 5, 5 }, { (25 << 20) + 1, 5, 5 }, { 5, -3, 5 }, { 5, 1000001, 5 }, { 5, 5, 0 }, { 5, 5, 86401 },
	};

	(void)state;
	project_unref(create("app"));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(set_limits(bad[i][0], bad[i][1], bad[i][2]), RC_BAD_REQUEST);
		expect_limits(131072, 1000, 60);
	}
	assert_int_equal(set_limits(1, 1000000, 86400), RC_OK);
	expect_limits(1, 1000000, 86400);
}

/* --- access rules --- */

static void set_rules(const char *json)
{
	char error[RULES_ERROR_MAX];
	const struct rules *rules = NULL;

	if (json != NULL)
		assert_int_equal(rules_read(str_c(json), &rules, error), RC_OK);
	assert_int_equal(project_set_rules(registry, STR_LIT("app"), rules), RC_OK);
	rules_unref(rules);
}

static void expect_rules(const char *json)
{
	const struct project *project = registry_find(registry, STR_LIT("app"));

	assert_non_null(project);
	assert_int_equal(project->rules != NULL, json != NULL);
	if (json != NULL)
		assert_true(str_eq(rules_text(project->rules), str_c(json)));
	project_unref(project);
}

static void rules_stay_through_changes_and_restarts(void **state)
{
	const char *json = "{\"version\":1, \"rules\":[ {\"match\":\"a/b:*\",\"allow\":[\"read\"]} ]}\n";
	const struct project *old;

	(void)state;
	project_unref(create("app"));
	expect_rules(NULL);
	set_rules(json);
	expect_rules(json);
	old = registry_find(registry, STR_LIT("app"));
	assert_int_equal(set_limits(5, KEEP, KEEP), RC_OK);
	expect_rules(json);
	registry_restart();
	expect_rules(json);
	/* Who has a project still has its rules. */
	set_rules("{\"version\":1,\"rules\":[]}");
	assert_true(str_eq(rules_text(old->rules), str_c(json)));
	project_unref(old);
	registry_restart();
	expect_rules("{\"version\":1,\"rules\":[]}");
	set_rules(NULL);
	registry_restart();
	expect_rules(NULL);
}

/* Every byte of it needs two in the record. */
static void the_largest_rules_are_there_after_a_restart(void **state)
{
	static char json[RULES_TEXT_MAX + 1];
	const char *begin = "{\"version\":1,\"rules\":[]}";

	(void)state;
	memset(json, '\n', RULES_TEXT_MAX);
	memcpy(json, begin, strlen(begin));
	project_unref(create("app"));
	set_rules(json);
	registry_restart();
	expect_rules(json);
}

struct row {
	char key[4], bytes[4096];
	size_t n;
};

static enum rc put_row(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct row *row = arg;

	(void)op;
	return store_txn_put(txn, STORE_PROJECTS, str_make(row->key, sizeof row->key), str_make(row->bytes, row->n));
}

/* Without its rules a project would be open to all. */
static void a_project_whose_rules_cannot_be_read_is_an_error(void **state)
{
	const struct project *project = create("app");
	struct registry *other = NULL;
	struct commit_op op;
	struct row row;
	char *version;

	(void)state;
	store_put_u32(row.key, project->number);
	project_unref(project);
	set_rules("{\"version\":1,\"rules\":[]}");
	assert_int_equal(store_get(fixture.store, STORE_PROJECTS, str_make(row.key, sizeof row.key), row.bytes,
				   sizeof row.bytes, &row.n), RC_OK);
	version = memmem(row.bytes, row.n, "version\\\":1", 11);
	assert_non_null(version);
	version[10] = '2';
	commit_op_init(&op, put_row, &row, 1000, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	assert_int_not_equal(registry_open(&other, fixture.store, &fixture.conf), RC_OK);
	version[10] = '1';
	commit_op_init(&op, put_row, &row, 1000, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	registry_restart();
	expect_rules("{\"version\":1,\"rules\":[]}");
}

static void an_api_key_works_until_it_is_revoked(void **state)
{
	const struct project *project = create("app");
	struct credential made, found;
	char secret[CREDENTIAL_LEN + 1];

	(void)state;
	assert_int_equal(credential_create(registry, project->number, STR_LIT("bot"), KEY_READ, 0, &made, secret), RC_OK);
	assert_int_equal(strlen(secret), CREDENTIAL_LEN);
	registry_restart();
	assert_int_equal(registry_credential(registry, str_c(secret), 0, &found), RC_OK);
	assert_string_equal(found.id, made.id);
	assert_string_equal(found.name, "bot");
	assert_int_equal(found.right, KEY_READ);
	assert_int_equal(found.project, made.project);
	secret[20] ^= 1;
	assert_int_equal(registry_credential(registry, str_c(secret), 0, &found), RC_INVALID_TOKEN);
	secret[20] ^= 1;
	assert_int_equal(credential_revoke(registry, project->number, str_c(made.id)), RC_OK);
	assert_int_equal(credential_revoke(registry, project->number, str_c(made.id)), RC_KEY_NOT_FOUND);
	assert_int_equal(registry_credential(registry, str_c(secret), 0, &found), RC_INVALID_TOKEN);
	registry_restart();
	assert_int_equal(registry_credential(registry, str_c(secret), 0, &found), RC_INVALID_TOKEN);
	project_unref(project);
}

static void a_deleted_project_takes_its_api_keys_along_and_its_number_stays_used(void **state)
{
	const struct project *project = create("app"), *next;
	struct credential made, found;
	char secret[CREDENTIAL_LEN + 1];
	uint32_t number = project->number;

	(void)state;
	assert_int_equal(credential_create(registry, project->number, STR_LIT(""), KEY_READ_WRITE, 0, &made, secret), RC_OK);
	assert_int_equal(project_delete(registry, STR_LIT("app")), RC_OK);
	project_unref(project);
	assert_null(registry_by_number(registry, number));
	assert_int_equal(registry_credential(registry, str_c(secret), 0, &found), RC_INVALID_TOKEN);
	registry_restart();
	assert_null(registry_find(registry, STR_LIT("app")));
	assert_int_equal(registry_credential(registry, str_c(secret), 0, &found), RC_INVALID_TOKEN);
	next = create("app");
	assert_true(next->number > number);
	project_unref(next);
}

static void no_secret_is_stored_as_it_is(void **state)
{
	const struct project *project = create("app");
	struct credential made;
	char secret[CREDENTIAL_LEN + 1], command[256];

	(void)state;
	assert_int_equal(credential_create(registry, project->number, STR_LIT("x"), KEY_READ, 0, &made, secret), RC_OK);
	project_unref(project);
	registry_restart();
	snprintf(command, sizeof command, "grep -rqF '%s' %s", secret + sizeof CREDENTIAL_PREFIX - 1, fixture.dir);
	assert_int_not_equal(system(command), 0);
	snprintf(command, sizeof command, "grep -rqF '%s' %s", made.id, fixture.dir);
	assert_int_equal(system(command), 0);
}

static const struct project *titled(const char *title)
{
	const struct project *project = NULL;

	assert_int_equal(project_create_titled(registry, str_c(title), &project), RC_OK);
	assert_true(str_eq(project_title(project), str_c(title)));
	return project;
}

static void a_title_gives_the_project_its_name(void **state)
{
	static const struct { const char *title, *name; } rows[] = {
		{ "shop", "shop" }, { "My Shop", "my-shop" }, { "MY_KV", "my-kv" }, { "  --x-- ", "x" },
		{ "Магазин", "project" }, { "my shop", "my-shop-2" }, { "Shop", "shop-2" },
		{ "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef-2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct project *project = titled(rows[i].title);

		assert_string_equal(project->name, rows[i].name);
		expect_found(str_c(rows[i].name), project);
		project_unref(project);
	}
	registry_restart();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct project *project = registry_find(registry, str_c(rows[i].name));

		assert_true(str_eq(project_title(project), str_c(rows[i].title)));
		project_unref(project);
	}
}

static void a_title_has_1_to_512_bytes_and_is_one_projects_only(void **state)
{
	const struct project *project;
	char longest[513];

	(void)state;
	memset(longest, 't', sizeof longest);
	assert_int_equal(project_create_titled(registry, STR_LIT(""), &project), RC_BAD_TITLE);
	assert_int_equal(project_create_titled(registry, STR_LIT("a\0b"), &project), RC_BAD_TITLE);
	assert_int_equal(project_create_titled(registry, STR_LIT("\xff"), &project), RC_BAD_TITLE);
	assert_int_equal(project_create_titled(registry, str_make(longest, 513), &project), RC_BAD_TITLE);
	for (size_t n = 511; n <= 512; n++) {
		assert_int_equal(project_create_titled(registry, str_make(longest, n), &project), RC_OK);
		project_unref(project);
		assert_int_equal(project_create_titled(registry, str_make(longest, n), &project), RC_CONFLICT);
	}
	project_unref(create("taken"));
	assert_int_equal(project_create_titled(registry, STR_LIT("taken"), &project), RC_CONFLICT);
}

static void another_title_is_another_name(void **state)
{
	const struct project *project = titled("One"), *other = titled("Two"), *now;

	(void)state;
	assert_int_equal(project_retitle(registry, str_c(project->id), STR_LIT("Two")), RC_CONFLICT);
	assert_int_equal(project_retitle(registry, str_c(project->id), STR_LIT("one")), RC_OK);
	now = registry_find(registry, str_c(project->id));
	assert_string_equal(now->name, "one");
	assert_string_equal(now->title, "");
	project_unref(now);
	assert_int_equal(project_rename(registry, str_c(other->id), STR_LIT("three")), RC_OK);
	now = registry_find(registry, STR_LIT("three"));
	assert_true(str_eq(project_title(now), STR_LIT("three")));
	project_unref(now);
	project_unref(project);
	project_unref(other);
}

static void the_account_is_the_same_ever_after(void **state)
{
	char before[ACCOUNT_ID_LEN + 1];

	(void)state;
	strcpy(before, registry_account(registry));
	assert_int_equal(strspn(before, "0123456789abcdef"), ACCOUNT_ID_LEN);
	registry_restart();
	assert_string_equal(registry_account(registry), before);
}

int main(void)
{
#define OVER_A_STORE(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		OVER_A_STORE(a_title_gives_the_project_its_name),
		OVER_A_STORE(a_title_has_1_to_512_bytes_and_is_one_projects_only),
		OVER_A_STORE(another_title_is_another_name),
		OVER_A_STORE(the_account_is_the_same_ever_after),
		OVER_A_STORE(a_project_is_found_by_uuid_digits_and_name),
		OVER_A_STORE(everything_is_there_after_a_restart),
		OVER_A_STORE(rules_stay_through_changes_and_restarts),
		OVER_A_STORE(the_largest_rules_are_there_after_a_restart),
		OVER_A_STORE(a_project_whose_rules_cannot_be_read_is_an_error),
		OVER_A_STORE(a_changed_default_reaches_old_projects),
		OVER_A_STORE(a_name_is_a_slug_and_taken_once),
		OVER_A_STORE(a_change_makes_a_new_generation_and_spares_the_old_struct),
		OVER_A_STORE(what_is_not_there_cannot_be_changed),
		OVER_A_STORE(limits_of_its_own_stay_when_the_configuration_changes),
		OVER_A_STORE(a_limit_out_of_bounds_changes_nothing),
		OVER_A_STORE(an_admin_key_belongs_to_no_project),
		OVER_A_STORE(an_api_key_works_until_it_is_revoked),
		OVER_A_STORE(a_deleted_project_takes_its_api_keys_along_and_its_number_stays_used),
		OVER_A_STORE(no_secret_is_stored_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
