/*
 * test_project_origin.c - which text is an origin; a project's list of them, and its other limits, kept.
 */
#include "config.h"

#include "registry_fixture.h"

#include "project/project.h"

static void what_browsers_send_is_an_origin(void **state)
{
	static const char *const good[] = {
		"https://shop.example", "http://localhost:3000", "https://shop.example:8443", "http://127.0.0.1:1",
		"https://[::1]", "https://[2001:db8::1]:65535", "https://xn--e1afmkfd.xn--p1ai", "https://a", "capacitor://localhost",
		"http://shop.example:443", "https://shop.example:80", "https://my_app.t.me", "chrome-extension://abcdefghijklmnop"
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (!origin_check(str_c(good[i])))
			fail_msg("%s", good[i]);
}

static void nothing_else_is(void **state)
{
	static const char *const bad[] = {
		"", "*", "null", "shop.example", "//shop.example", "https:", "https:/shop.example", "https://", "://shop.example",
		"https://shop.example/", "https://shop.example/path", "https://shop.example?x", "https://shop.example#x",
		"HTTPS://shop.example", "https://Shop.example", "https://shop.example:", "https://shop.example:0",
		"https://shop.example:65536", "https://shop.example:08443", "https://shop.example:443", "http://shop.example:80",
		"https://user@shop.example", "https://user:pw@shop.example", "https://*.shop.example", "https://shop.example ",
		" https://shop.example", "https://a https://b", "https://a,https://b", "https://a\nb", "https://a\tb",
		"https://[::1", "https://::1", "https://[::1]x", "https://[]", "https://a:b", "https://a:1:2", "https://:8080",
		"1http://a", "https://\xd0\xbf\xd1\x80", "https://a\\b", "https://a%2fb", "https://a:12x"
	};
	char lengthy[ORIGIN_LEN_MAX + 2] = "https://";

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (origin_check(str_c(bad[i])))
			fail_msg("%s", bad[i]);
	assert_false(origin_check(str_make("https://a\0b", 11)));
	memset(lengthy + 8, 'a', ORIGIN_LEN_MAX - 8);
	assert_true(origin_check(str_c(lengthy)));
	lengthy[ORIGIN_LEN_MAX] = 'a';
	assert_false(origin_check(str_c(lengthy)));
}

static void a_list_has_its_origins_byte_for_byte_and_each_once(void **state)
{
	const struct str two[] = { STR_LIT("https://a"), STR_LIT("https://b:1"), STR_LIT("https://a") };
	struct str many[ORIGINS_MAX + 1];
	char texts[ORIGINS_MAX + 1][16];
	const struct origins *origins;

	(void)state;
	assert_int_equal(origins_new(two, 3, &origins), RC_OK);
	assert_int_equal(origins_count(origins), 2);
	assert_true(origins_have(origins, STR_LIT("https://a")));
	assert_true(origins_have(origins, STR_LIT("https://b:1")));
	assert_false(origins_have(origins, STR_LIT("https://b")));
	assert_false(origins_have(origins, STR_LIT("https://b:10")));
	assert_false(origins_have(origins, STR_LIT("")));
	origins_unref(origins_ref(origins));
	assert_true(origins_have(origins, STR_LIT("https://a")));
	origins_unref(origins);
	assert_int_equal(origins_new(two, 0, &origins), RC_OK);
	assert_null(origins);
	assert_int_equal(origins_count(NULL), 0);
	assert_false(origins_have(NULL, STR_LIT("https://a")));
	for (size_t i = 0; i <= ORIGINS_MAX; i++) {
		snprintf(texts[i], sizeof texts[i], "https://%zu", i);
		many[i] = str_c(texts[i]);
	}
	assert_int_equal(origins_new(many, ORIGINS_MAX + 1, &origins), RC_BAD_REQUEST);
	assert_int_equal(origins_new(many, ORIGINS_MAX, &origins), RC_OK);
	assert_int_equal(origins_count(origins), ORIGINS_MAX);
	origins_unref(origins);
}

/* --- kept with the project --- */

static int start(void **state)
{
	const struct project *project;

	(void)state;
	registry_start();
	assert_int_equal(project_create(registry, STR_LIT("app"), NULL, 0, &project), RC_OK);
	project_unref(project);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	registry_stop();
	return 0;
}

static void set_origins(const struct str *list, size_t n)
{
	const struct origins *origins;

	assert_int_equal(origins_new(list, n, &origins), RC_OK);
	assert_int_equal(project_set_origins(registry, STR_LIT("app"), origins), RC_OK);
	origins_unref(origins);
}

static void origins_stay_over_a_restart_and_over_other_changes(void **state)
{
	const struct str list[] = { STR_LIT("https://a"), STR_LIT("https://b") };
	const struct project *before, *now;

	(void)state;
	set_origins(list, 2);
	before = registry_find(registry, STR_LIT("app"));
	assert_int_equal(project_rename(registry, STR_LIT("app"), STR_LIT("app2")), RC_OK);
	assert_int_equal(project_rename(registry, STR_LIT("app2"), STR_LIT("app")), RC_OK);
	registry_restart();
	now = registry_find(registry, STR_LIT("app"));
	assert_int_equal(origins_count(now->origins), 2);
	assert_true(origins_have(now->origins, list[1]));
	project_unref(now);
	set_origins(list, 0);
	now = registry_find(registry, STR_LIT("app"));
	assert_null(now->origins);
	project_unref(now);
	/* Whoever began with the old one finishes with it. */
	assert_true(origins_have(before->origins, list[0]));
	project_unref(before);
	registry_restart();
	now = registry_find(registry, STR_LIT("app"));
	assert_null(now->origins);
	project_unref(now);
}

static void quotas_and_rates_are_off_at_first_and_stay_as_set(void **state)
{
	struct project_limits limits = {
		.value_limit = PROJECT_LIMIT_KEEP, .write_limit = PROJECT_LIMIT_KEEP, .min_ttl_s = PROJECT_LIMIT_KEEP,
		.max_keys = 1, .max_bytes = PROJECT_QUOTA_MAX, .user_max_keys = 3, .user_max_bytes = 4, .user_rate = 5
	};
	const struct project *now = registry_find(registry, STR_LIT("app"));

	(void)state;
	assert_int_equal(now->max_keys | now->max_bytes | now->user_max_keys | now->user_max_bytes | now->user_rate, 0);
	project_unref(now);
	assert_int_equal(project_set_limits(registry, STR_LIT("app"), &limits), RC_OK);
	registry_restart();
	now = registry_find(registry, STR_LIT("app"));
	assert_int_equal(now->max_keys, 1);
	assert_int_equal(now->max_bytes, PROJECT_QUOTA_MAX);
	assert_int_equal(now->user_max_keys, 3);
	assert_int_equal(now->user_max_bytes, 4);
	assert_int_equal(now->user_rate, 5);
	project_unref(now);
	limits.user_max_keys = PROJECT_QUOTA_MAX + 1;
	assert_int_equal(project_set_limits(registry, STR_LIT("app"), &limits), RC_BAD_REQUEST);
	limits.user_max_keys = PROJECT_LIMIT_DEFAULT;
	limits.user_rate = PROJECT_LIMIT_KEEP;
	assert_int_equal(project_set_limits(registry, STR_LIT("app"), &limits), RC_OK);
	now = registry_find(registry, STR_LIT("app"));
	assert_int_equal(now->user_max_keys, 0);
	assert_int_equal(now->user_rate, 5);
	project_unref(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_browsers_send_is_an_origin),
		cmocka_unit_test(nothing_else_is),
		cmocka_unit_test(a_list_has_its_origins_byte_for_byte_and_each_once),
		cmocka_unit_test_setup_teardown(origins_stay_over_a_restart_and_over_other_changes, start, stop),
		cmocka_unit_test_setup_teardown(quotas_and_rates_are_off_at_first_and_stay_as_set, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
