/*
 * test_doors_metrics.c - the page that Prometheus reads, over a store with many projects.
 */
#include "config.h"

#include "registry_fixture.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/metric.h"
#include "call.h"
#include "doors/doors.h"
#include "store/commit.h"

enum { PROJECTS = 150 };

static struct arena *arena;
static struct app app;
static char *page;

static enum rc use(struct store_txn *txn, struct commit_op *op, void *arg)
{
	enum rc rc = store_txn_put(txn, STORE_META, STR_LIT("test"), STR_LIT("x"));

	(void)op;
	(void)arg;
	for (uint32_t i = 1; rc == RC_OK && i <= PROJECTS; i++)
		rc = store_txn_usage(txn, i, 0, i, 1000 * (int64_t)i);
	return rc;
}

/* Projects p-1 to p-150, the later the larger; and the earlier the busier. */
static int start(void **state)
{
	struct commit_op op;
	char name[16];

	(void)state;
	registry_start();
	arena = arena_new(4 << 20);
	app = (struct app){ .conf = &fixture.conf, .store = fixture.store, .registry = registry, .started_at = 4711 };
	for (uint32_t i = 1; i <= PROJECTS; i++) {
		const struct project *project;

		snprintf(name, sizeof name, "p-%u", i);
		assert_int_equal(project_create(registry, str_c(name), NULL, 0, &project), RC_OK);
		assert_int_equal(project->number, i);
		project_unref(project);
		for (uint32_t k = i; k <= PROJECTS + 5; k++)
			metric_project(metric_slot(), i, k == i);
	}
	commit_op_init(&op, use, NULL, 1, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	arena_free(arena);
	registry_stop();
	return 0;
}

static void write_page(void)
{
	struct buf out;

	arena_reset(arena);
	buf_init(&out, arena, METRICS_SIZE_MAX);
	assert_int_equal(metrics_write(&app, arena, &out), RC_OK);
	assert_int_equal(out.p[out.n - 1], '\n');
	out.p[out.n - 1] = '\0';
	page = out.p;
}

static bool has(const char *line)
{
	const char *at = page;
	size_t n = strlen(line);

	while ((at = strstr(at, line)) != NULL) {
		if ((at == page || at[-1] == '\n') && (at[n] == '\n' || at[n] == '\0'))
			return true;
		at++;
	}
	return false;
}

static size_t lines_of(const char *name)
{
	size_t n = 0, length = strlen(name);

	for (const char *at = page; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		n += strncmp(at, name, length) == 0 && (at[length] == '{' || at[length] == ' ');
	}
	return n;
}

static void as_many_projects_as_there_are_only_some_have_a_name(void **state)
{
	uint64_t keys = 0;
	char line[96];

	(void)state;
	write_page();
	assert_true(has("tmakv_projects 150"));
	assert_int_equal(lines_of("tmakv_project_keys"), METRICS_PROJECTS_MAX + 1);
	assert_int_equal(lines_of("tmakv_project_bytes"), METRICS_PROJECTS_MAX + 1);
	assert_int_equal(lines_of("tmakv_project_requests_total"), 2 * METRICS_PROJECTS_MAX);
	assert_true(has("tmakv_project_keys{project=\"p-150\"} 150"));
	assert_true(has("tmakv_project_bytes{project=\"p-51\"} 51000"));
	assert_false(has("tmakv_project_bytes{project=\"p-50\"} 50000"));
	for (unsigned i = 1; i <= 50; i++)
		keys += i;
	snprintf(line, sizeof line, "tmakv_project_keys{project=\"(other)\"} %u", (unsigned)keys);
	assert_true(has(line));
	snprintf(line, sizeof line, "tmakv_project_bytes{project=\"(other)\"} %u000", (unsigned)keys);
	assert_true(has(line));
	assert_true(has("tmakv_project_requests_total{project=\"p-1\",kind=\"read\"} 154"));
	assert_true(has("tmakv_project_requests_total{project=\"p-1\",kind=\"write\"} 1"));
	assert_true(has("tmakv_project_requests_total{project=\"p-100\",kind=\"read\"} 55"));
	assert_null(strstr(page, "project=\"p-101\",kind"));
}

static void a_deleted_project_is_told_of_no_more(void **state)
{
	(void)state;
	assert_int_equal(project_delete(registry, STR_LIT("p-1")), RC_OK);
	write_page();
	assert_true(has("tmakv_projects 149"));
	assert_null(strstr(page, "\"p-1\""));
	assert_int_equal(lines_of("tmakv_project_requests_total"), 2 * METRICS_PROJECTS_MAX);
	assert_true(has("tmakv_project_requests_total{project=\"p-101\",kind=\"read\"} 54"));
}

/* Help and type stand before a family's first sample, and no family comes twice. */
static void families_are_whole(void **state)
{
	char family[80] = "", type[16], seen[8192] = " ";
	size_t families = 0;

	(void)state;
	write_page();
	for (char *line = strtok(page, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			char word[82];

			assert_int_equal(sscanf(line, "# HELP %79s", family), 1);
			snprintf(word, sizeof word, " %s ", family);
			assert_null(strstr(seen, word));
			strcat(seen, word + 1);
			line = strtok(NULL, "\n");
			assert_int_equal(sscanf(line, "# TYPE %79s %15s", word, type), 2);
			assert_string_equal(word, family);
			/* That of a counter ends so, and no other's does. */
			assert_int_equal(strlen(family) > 6 && strcmp(family + strlen(family) - 6, "_total") == 0,
					 strcmp(type, "counter") == 0);
			families++;
			continue;
		}
		assert_int_equal(strncmp(line, family, strlen(family)), 0);
		assert_non_null(strchr("{ _", line[strlen(family)]));
	}
	assert_true(families > 50);
}

static void what_has_been_counted_stands_in_it(void **state)
{
	(void)state;
	metric_request(metric_slot(), METRIC_OP_SDK_PUT, 507, 3, 10, 20);
	metric_request(metric_slot(), METRIC_OP_SDK_PUT, 299, 3, 10, 20);
	metric_refusal(metric_slot(), RC_QUOTA_USER_KEYS);
	metric_refusal(metric_slot(), RC_FORBIDDEN_BY_RULES);
	metric_add(metric_slot(), METRIC_REQUESTS_BEGUN, 5);
	metric_add(metric_slot(), METRIC_READS_PARKED, 2);
	metric_add(metric_slot(), METRIC_UNPARKED, 1);
	metric_add(metric_slot(), METRIC_CONNECTIONS_ENDED, 7);
	write_page();
	assert_true(has("tmakv_requests_total{door=\"sdk\",operation=\"put\",status=\"507\"} 1"));
	assert_true(has("tmakv_requests_total{door=\"sdk\",operation=\"put\",status=\"other\"} 1"));
	assert_true(has("tmakv_requests_total{door=\"sdk\",operation=\"put\",status=\"200\"} 0"));
	assert_true(has("tmakv_request_duration_seconds_count{door=\"sdk\",class=\"write\"} 2"));
	assert_true(has("tmakv_received_bytes_total{door=\"sdk\"} 20"));
	assert_true(has("tmakv_sent_bytes_total{door=\"sdk\"} 40"));
	assert_true(has("tmakv_quota_refusals_total{quota=\"user_keys\"} 1"));
	assert_true(has("tmakv_auth_failures_total{reason=\"forbidden_by_rules\"} 1"));
	assert_true(has("tmakv_requests_in_flight 3"));
	assert_true(has("tmakv_parked_requests 1"));
	/* Never below 0. */
	assert_true(has("tmakv_connections 0"));
	assert_true(has("process_start_time_seconds 4711"));
	assert_true(has("tmakv_recoveries_total 0"));
	assert_true(has("tmakv_build_info{version=\"" PACKAGE_VERSION "\"} 1"));
}

/* There is no page of which a part is missing. */
static void without_room_for_it_there_is_no_page(void **state)
{
	struct arena *small = arena_new(64 * 1024);
	struct buf out;

	(void)state;
	buf_init(&out, small, METRICS_SIZE_MAX);
	assert_int_equal(metrics_write(&app, small, &out), RC_NO_MEMORY);
	arena_free(small);
	arena_reset(arena);
	buf_init(&out, arena, 4000);
	assert_int_equal(metrics_write(&app, arena, &out), RC_NO_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_projects_as_there_are_only_some_have_a_name),
		cmocka_unit_test(a_deleted_project_is_told_of_no_more),
		cmocka_unit_test(families_are_whole),
		cmocka_unit_test(what_has_been_counted_stands_in_it),
		cmocka_unit_test(without_room_for_it_there_is_no_page),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
