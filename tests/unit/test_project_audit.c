/*
 * test_project_audit.c - the audit log: a line before, completed behind; kept over a restart, swept when it is old.
 */
#include "config.h"

#include "store_fixture.h"

#include "base/clock.h"
#include "base/jdoc.h"
#include "project/audit.h"
#include "store/expire.h"
#include "store/private.h"

#define SHOP "3f0c9a54-7a1e-4d59-9e0b-2f6f1c7d8a90"
#define OTHER "4f0c9a54-7a1e-4d59-9e0b-2f6f1c7d8a90"

static struct fixture fixture;
static const struct audit_from root = { .pid = 4711, .uid = 0 };

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fixture_stop(&fixture);
	return 0;
}

static void restart(void)
{
	store_close(fixture.store);
	fixture_open(&fixture);
}

static void log_line(const char *command, const char *project)
{
	struct audit audit;

	assert_int_equal(audit_begin(&audit, fixture.store, &root, command, project, NULL), RC_OK);
	assert_int_equal(audit_end(&audit, NULL, RC_OK), RC_OK);
}

static json_object *read_lines(const char *project, int64_t since, size_t limit, bool *more)
{
	const struct audit_query query = { .project = project, .since = since, .now = clock_wall_s(), .limit = limit };
	json_object *lines = json_object_new_array();

	assert_int_equal(audit_read(fixture.store, &query, lines, more), RC_OK);
	return lines;
}

/* "command outcome project" of each. */
static void expect_lines(const char *project, int64_t since, size_t limit, bool expected_more, const char *expected)
{
	bool more = !expected_more;
	json_object *lines = read_lines(project, since, limit, &more);
	char text[4096] = "";

	for (size_t i = 0; i < json_object_array_length(lines); i++) {
		json_object *line = json_object_array_get_idx(lines, i);
		struct str command, outcome;

		assert_true(jdoc_str(line, "command", &command) && jdoc_str(line, "outcome", &outcome));
		snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s %.*s|", STR(command), STR(outcome));
	}
	assert_string_equal(text, expected);
	assert_int_equal(more, expected_more);
	json_object_put(lines);
}

static void a_line_is_there_before_and_completed_behind(void **state)
{
	struct audit audit;

	(void)state;
	expect_lines(NULL, 0, 10, false, "");
	assert_int_equal(audit_begin(&audit, fixture.store, &root, "project.rename", SHOP, NULL), RC_OK);
	expect_lines(NULL, 0, 10, false, "project.rename started|");
	assert_int_equal(audit_end(&audit, NULL, RC_CONFLICT), RC_CONFLICT);
	expect_lines(NULL, 0, 10, false, "project.rename conflict|");
	assert_int_equal(audit_end(&audit, NULL, RC_OK), RC_OK);
	assert_string_equal(audit_outcome(RC_KEY_NOT_FOUND), "not_found");
	log_line("key.create", SHOP);
	assert_int_equal(audit_begin(&audit, fixture.store, &root, "project.delete", OTHER, NULL), RC_OK);
	json_object_put(audit.line);
	restart();
	expect_lines(NULL, 0, 10, false, "project.rename conflict|key.create ok|project.delete started|");
	expect_lines(SHOP, 0, 10, false, "project.rename conflict|key.create ok|");
	expect_lines(OTHER, 0, 10, false, "project.delete started|");
	expect_lines(NULL, 0, 2, true, "key.create ok|project.delete started|");
	expect_lines(NULL, 0, 3, false, "project.rename conflict|key.create ok|project.delete started|");
	expect_lines(SHOP, 0, 1, true, "key.create ok|");
	expect_lines(NULL, clock_wall_s() + 1, 10, false, "");
}

static void expect_args(const char *args, const char *expected)
{
	json_object *given = jdoc_read(str_c(args), 16), *lines, *kept;
	struct audit audit;
	bool more;

	assert_non_null(given);
	assert_int_equal(audit_begin(&audit, fixture.store, &root, "c", "", given), RC_OK);
	assert_int_equal(audit_end(&audit, SHOP, RC_OK), RC_OK);
	json_object_put(given);
	lines = read_lines(SHOP, 0, 1, &more);
	assert_true(jdoc_object(json_object_array_get_idx(lines, 0), "args", &kept));
	assert_string_equal(json_object_to_json_string_ext(kept, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
			    expected);
	json_object_put(lines);
}

static void what_may_be_secret_is_not_kept(void **state)
{
	char text[1200] = "{\"name\":\"", expected[400] = "{\"name\":\"";

	(void)state;
	expect_args("{\"name\":\"shop\",\"bots\":[{\"id\":7,\"secret\":\"0123\"},{\"id\":8,\"environment\":\"test\"}]}",
		    "{\"name\":\"shop\",\"bots\":[{\"id\":7,\"secret\":true},{\"id\":8,\"environment\":\"test\"}]}");
	expect_args("{\"project\":\"x\",\"write_limit\":5,\"value_limit\":\"default\",\"any\":false,\"add\":[\"https://a\"]}",
		    "{\"project\":\"x\",\"write_limit\":5,\"value_limit\":\"default\",\"any\":false,\"add\":[\"https://a\"]}");
	expect_args("{\"token\":\"t\",\"key\":\"k\",\"value\":{\"deep\":[\"s\",{\"secret\":\"s\"}]},\"none\":null,\"x\":1.5}",
		    "{\"token\":true,\"key\":true,\"value\":{\"deep\":[true,{\"secret\":true}]},\"none\":true,\"x\":true}");
	/* And not more than a little of it. */
	memset(text + 9, 'n', 1000);
	strcat(text, "\"}");
	memset(expected + 9, 'n', 256);
	strcat(expected, "\"}");
	expect_args(text, expected);
}

static void it_says_from_where(void **state)
{
	const struct audit_from key = { .key = "0123456789abcdef", .pid = 1, .uid = 1 };
	json_object *lines, *from, *peer;
	struct audit audit;
	struct str text;
	int64_t number;
	bool more;

	(void)state;
	log_line("a", "");
	assert_int_equal(audit_begin(&audit, fixture.store, &key, "b", "", NULL), RC_OK);
	assert_int_equal(audit_end(&audit, NULL, RC_OK), RC_OK);
	lines = read_lines(NULL, 0, 2, &more);
	assert_true(jdoc_object(json_object_array_get_idx(lines, 0), "from", &from));
	assert_true(jdoc_object(from, "control", &peer));
	assert_true(jdoc_i64(peer, "pid", &number) && number == 4711);
	assert_true(jdoc_i64(peer, "uid", &number) && number == 0);
	assert_true(jdoc_object(json_object_array_get_idx(lines, 1), "from", &from));
	assert_true(jdoc_str(from, "key", &text) && str_eq(text, STR_LIT("0123456789abcdef")));
	assert_int_equal(json_object_object_length(from), 1);
	assert_true(jdoc_str(json_object_array_get_idx(lines, 1), "at", &text) && text.n == 27 && text.p[26] == 'Z');
	json_object_put(lines);
}

/* --- old lines --- */

struct old_row {
	uint64_t at;
	int n;
};

static enum rc put_old(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct old_row *row = arg;
	char key[8];
	enum rc rc = RC_OK;

	(void)op;
	for (int i = 0; rc == RC_OK && i < row->n; i++) {
		store_put_u64(key, row->at + (uint64_t)i);
		rc = store_txn_put(txn, STORE_AUDIT, str_make(key, sizeof key),
				   STR_LIT("{\"command\":\"old\",\"outcome\":\"ok\",\"project\":\"\"}"));
	}
	return rc;
}

static void put_old_rows(int64_t days_ago, int n)
{
	struct old_row row = { clock_wall_us() - (uint64_t)days_ago * 86400 * 1000000, n };
	struct commit_op op;

	commit_op_init(&op, put_old, &row, 100, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
}

static bool sweep(void)
{
	struct sweep_slice slice = { .rows = 50 };
	struct commit_op op;

	commit_op_init(&op, audit_sweep_apply, &slice, 100, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	return slice.more;
}

static void old_lines_are_found_and_in_the_end_swept(void **state)
{
	uint64_t n;

	(void)state;
	put_old_rows(366, 70);
	put_old_rows(364, 2);
	log_line("new", "");
	/* A walk that begins near the end goes back as far as it must. */
	expect_lines(NULL, 0, 1, true, "new ok|");
	expect_lines(NULL, 0, 3, true, "old ok|old ok|new ok|");
	while (sweep())
		;
	assert_int_equal(store_count(fixture.store, STORE_AUDIT, STR_LIT(""), &n), RC_OK);
	assert_int_equal(n, 3);
	expect_lines(NULL, 0, 10, false, "old ok|old ok|new ok|");
	fixture.conf.audit_days = 0;
	restart();
	put_old_rows(5000, 1);
	assert_false(sweep());
	expect_lines(NULL, 0, 1, true, "new ok|");
	expect_lines(NULL, 0, 10, false, "old ok|old ok|old ok|new ok|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_is_there_before_and_completed_behind, start, stop),
		cmocka_unit_test_setup_teardown(what_may_be_secret_is_not_kept, start, stop),
		cmocka_unit_test_setup_teardown(it_says_from_where, start, stop),
		cmocka_unit_test_setup_teardown(old_lines_are_found_and_in_the_end_swept, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
