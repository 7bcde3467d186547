/*
 * test_store_format.c - data of another format: an older one is converted, a newer one refused.
 */
#include "config.h"

#include "store_fixture.h"

#include <db.h>
#include <sys/stat.h>

/* ---- a data directory as another version left it ---- */

static void row_write(DB_ENV *env, const char *table, struct str key, struct str value)
{
	DBT k = { .data = (void *)(uintptr_t)key.p, .size = (u_int32_t)key.n };
	DBT v = { .data = (void *)(uintptr_t)value.p, .size = (u_int32_t)value.n };
	DB *db;

	assert_int_equal(db_create(&db, env, 0), 0);
	assert_int_equal(db->set_pagesize(db, 4096), 0);
	assert_int_equal(db->set_flags(db, DB_CHKSUM), 0);
	assert_int_equal(db->open(db, NULL, table, NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT, 0600), 0);
	assert_int_equal(db->put(db, NULL, &k, &v, DB_AUTO_COMMIT), 0);
	assert_int_equal(db->close(db, 0), 0);
}

static struct fixture *directory_of_format(const char *format)
{
	struct fixture *f = malloc(sizeof *f);
	char log_dir[128];
	DB_ENV *env;

	fixture_start(f);
	store_close(f->store);
	f->store = NULL;
	snprintf(log_dir, sizeof log_dir, "rm -rf %s/*", f->dir);
	assert_int_equal(system(log_dir), 0);
	snprintf(log_dir, sizeof log_dir, "%s/log", f->dir);
	assert_int_equal(mkdir(log_dir, 0700), 0);
	assert_int_equal(db_env_create(&env, 0), 0);
	assert_int_equal(env->set_lg_dir(env, log_dir), 0);
	assert_int_equal(env->open(env, f->dir, DB_CREATE | DB_PRIVATE | DB_THREAD | DB_RECOVER | DB_INIT_MPOOL |
				   DB_INIT_LOCK | DB_INIT_LOG | DB_INIT_TXN, 0600), 0);
	row_write(env, "meta.db", STR_LIT("format"), str_c(format));
	row_write(env, "keys.db", STR_LIT("\0\0\0\1key"), STR_LIT("its record"));
	assert_int_equal(env->close(env, 0), 0);
	return f;
}

static void expect_row(struct fixture *f, enum store_table table, struct str key, const char *expected)
{
	char value[64];
	size_t n;

	assert_int_equal(store_get(f->store, table, key, value, sizeof value, &n), RC_OK);
	assert_true(str_eq(str_make(value, n), str_c(expected)));
}

static void finish(struct fixture *f)
{
	fixture_stop(f);
	free(f);
}

/* ---- tests ---- */

static void expect_converted(const char *format)
{
	struct fixture *f = directory_of_format(format);

	for (int opened = 0; opened < 2; opened++) {
		fixture_open(f);
		expect_row(f, STORE_META, STR_LIT("format"), "3");
		expect_row(f, STORE_KEYS, STR_LIT("\0\0\0\1key"), "its record");
		if (opened == 0) {
			store_close(f->store);
			f->store = NULL;
		}
	}
	assert_true(store_has_table(f->store, STORE_AUDIT));
	finish(f);
}

static void an_older_format_is_converted_and_keeps_its_rows(void **state)
{
	(void)state;
	expect_converted("1");
	expect_converted("2");
}

static void a_new_directory_has_the_format_of_today(void **state)
{
	struct fixture *f = malloc(sizeof *f);

	(void)state;
	fixture_start(f);
	expect_row(f, STORE_META, STR_LIT("format"), "3");
	finish(f);
}

static void what_is_no_known_format_is_refused_and_left_alone(void **state)
{
	const char *formats[] = { "4", "0", "18446744073709551616", "word", "1000000000000000000000000000000" };

	(void)state;
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		struct fixture *f = directory_of_format(formats[i]);

		assert_int_equal(store_open(&f->store, &f->conf), STORE_MISCONFIGURED);
		assert_int_equal(store_open(&f->store, &f->conf), STORE_MISCONFIGURED);
		finish(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_older_format_is_converted_and_keeps_its_rows),
		cmocka_unit_test(a_new_directory_has_the_format_of_today),
		cmocka_unit_test(what_is_no_known_format_is_refused_and_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
