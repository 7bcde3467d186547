/*
 * test_ctl_top.c - from two answers of the server to rates, and from rates to lines: what is compared with what, and
 * that no line is wider than the terminal, nor are there more of them.
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

#include "base/jdoc.h"
#include "ctl/term.h"
#include "ctl/top.h"

#define HAN "\xe4\xbd\xa0"
#define SMILE "\xf0\x9f\x98\x80"

static struct arena *arena;
static struct top_snapshot before, now;
static struct top_rates rates;
static struct top_lines lines;

static int start(void **state)
{
	(void)state;
	arena = arena_new(64 << 20);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	top_clear(&before);
	top_clear(&now);
	arena_free(arena);
	return 0;
}

/* ' for ". */
static void take(struct top_snapshot *out, const char *text)
{
	char *copy = arena_alloc(arena, strlen(text) + 1);

	strcpy(copy, text);
	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	top_clear(out);
	assert_true(top_read(jdoc_read(str_c(copy), 16), arena, out));
}

/* An answer of server PID, UPTIME_S after its start. */
static const char *answer(int pid, double uptime_s, const char *counters, const char *rest)
{
	struct str text = arena_printf(arena, "{'version':'1.2','pid':%d,'uptime_us':%.0f,'projects_known':3,'projects_active':2,"
		"'projects_whole':true,'recent_us':10000000,'counters':{%s},'store':{'full':false,'free_bytes':5368709120,"
		"'queued':7,'cache_hits':90,'cache_misses':10}%s}", pid, uptime_s * 1e6, counters, rest);

	return text.p;
}

static void compare(void)
{
	assert_true(top_compare(before.doc != NULL ? &before : NULL, &now, TOP_BY_RATE, arena, &rates));
}

static void expect_about(double value, double expected)
{
	if (value < expected - 0.0005 || value > expected + 0.0005)
		fail_msg("%f, not %f", value, expected);
}

/* ---- comparing ---- */

static void rates_are_what_rose_by_the_time_between(void **state)
{
	(void)state;
	take(&before, answer(1, 10, "'requests':100,'requests_2xx':90,'batches':10,'flush_us':1000,'writes':50,"
				    "'token_hits':5,'token_misses':5", ""));
	take(&now, answer(1, 12, "'requests':300,'requests_2xx':280,'requests_5xx':4,'batches':14,'flush_us':9000,'writes':90,"
				 "'token_hits':35,'token_misses':15,'write_limited':3,'rate_limited':1,'connections':9,"
				 "'connections_ended':2,'reads_parked':5,'writes_parked':6,'unparked':8", ""));
	compare();
	expect_about(rates.interval_s, 2);
	expect_about(rates.requests, 100);
	expect_about(rates.ok, 95);
	expect_about(rates.failed, 2);
	expect_about(rates.limited, 2);
	expect_about(rates.changes / rates.batches, 10);
	expect_about(rates.flush_us, 2000);
	expect_about(rates.token_hits, 0.75);
	assert_int_equal(rates.connections, 7);
	assert_int_equal(rates.parked, 3);
	assert_int_equal(rates.queued, 7);
	/* Nothing was looked for in the cache meanwhile. */
	assert_true(rates.cache_hits < 0);
}

/* Another process, or the same id again, or counters that fell: it began anew. */
static void a_server_that_was_started_anew_is_counted_from_there(void **state)
{
	const char *const others[] = {
		answer(2, 4, "'requests':40", ""), answer(1, 4, "'requests':40", ""), answer(1, 11, "'requests':40", ""),
		answer(2, 20, "'requests':400", "")
	};
	const double expected[] = { 10, 10, 40 / 11.0, 20 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		take(&before, answer(1, 10, "'requests':100", ""));
		take(&now, others[i]);
		compare();
		expect_about(rates.requests, expected[i]);
	}
}

static void without_one_before_it_is_since_the_start(void **state)
{
	(void)state;
	take(&now, answer(1, 50, "'requests':100", ""));
	compare();
	expect_about(rates.requests, 2);
	expect_about(rates.cache_hits, 0.9);
}

static void times_are_of_the_requests_in_between(void **state)
{
	(void)state;
	take(&before, answer(1, 10, "", ",'latency':[{'class':'read','buckets':[100,1000,400,5]},{'class':'write','buckets':[100,3]}]"));
	take(&now, answer(1, 11, "", ",'latency':[{'class':'read','buckets':[100,1000,200,98,400,6,900,1]},"
				     "{'class':'write','buckets':[100,3]},{'class':'new','buckets':[50,4]}]"));
	compare();
	assert_int_equal(rates.n_classes, 3);
	expect_about(rates.classes[0].per_s, 100);
	assert_int_equal(rates.classes[0].p50_us, 200);
	assert_int_equal(rates.classes[0].p99_us, 400);
	expect_about(rates.classes[1].per_s, 0);
	assert_int_equal(rates.classes[1].p99_us, 0);
	expect_about(rates.classes[2].per_s, 4);
	assert_int_equal(rates.classes[2].p50_us, 50);
}

static void keys_are_as_hot_as_their_counters_rise(void **state)
{
	(void)state;
	take(&before, answer(1, 10, "", ",'hot_keys':[{'project':'p','number':1,'key':'a','writes':100,'recent':50},"
					"{'project':'q','number':2,'key':'a','writes':5,'recent':5},"
					"{'project':'p','number':1,'key':'deleted','writes':500,'recent':500}]"));
	take(&now, answer(1, 12, "", ",'hot_keys':[{'project':'p','number':1,'key':'a','writes':700,'recent':90},"
				     "{'project':'q','number':2,'key':'a','writes':5,'recent':5},"
				     "{'project':'p','number':1,'key':'deleted','writes':3,'recent':510},"
				     "{'project':'p','number':1,'key':'new','writes':9,'recent':8}]"));
	compare();
	assert_int_equal(rates.n_keys, 4);
	assert_true(str_eq(rates.keys[0].key, STR_LIT("a")) && str_eq(rates.keys[0].project, STR_LIT("p")));
	expect_about(rates.keys[0].per_s, 300);
	assert_int_equal(rates.keys[0].writes, 700);
	/* Its counter began anew, so what was seen of it counts. */
	assert_true(str_eq(rates.keys[1].key, STR_LIT("deleted")));
	expect_about(rates.keys[1].per_s, 51);
	expect_about(rates.keys[2].per_s, 0.8);
	expect_about(rates.keys[3].per_s, 0);
}

static void projects_are_compared_by_number(void **state)
{
	(void)state;
	take(&before, answer(1, 10, "", ",'projects':[{'project':'old-name','number':1,'reads':100,'writes':10}]"));
	take(&now, answer(1, 12, "", ",'projects':[{'project':'fresh','number':2,'reads':4,'writes':0},"
				     "{'project':'name','number':1,'reads':300,'writes':30}]"));
	compare();
	assert_true(str_eq(rates.projects[0].name, STR_LIT("name")));
	expect_about(rates.projects[0].reads_per_s, 100);
	expect_about(rates.projects[0].writes_per_s, 10);
	expect_about(rates.projects[1].reads_per_s, 2);
}

/* It was not told of before because others were busier: what it has had since the start is not what it had now. */
static void a_project_that_was_not_told_of_has_no_rate_yet(void **state)
{
	(void)state;
	take(&before, "{'version':'1','pid':1,'uptime_us':1000000,'projects_whole':false,'counters':{},'store':{}}");
	take(&now, answer(1, 2, "", ",'projects':[{'project':'a','number':2,'reads':4000,'writes':0}]"));
	compare();
	expect_about(rates.projects[0].reads_per_s, 0);
}

static void what_is_no_answer_is_refused(void **state)
{
	(void)state;
	assert_false(top_read(jdoc_read(STR_LIT("{\"pid\":1}"), 16), arena, &now));
	assert_null(now.doc);
	/* What a server does not say is 0, and types that are wrong do no harm. */
	take(&now, "{'counters':{'requests':'many'},'store':{},'projects':[1,null],'hot_keys':[[]],'latency':[{'buckets':['a']}]}");
	compare();
	expect_about(rates.requests, 0);
}

/* ---- drawing ---- */

/* How many cells TEXT takes: a second opinion, for the characters of these tests. */
static size_t cells(struct str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		assert_true(c >= 0x20 && c != 0x7f);
		n += c < 0x80 ? 1 : c >= 0xe0 ? 2 : 0;	/* what begins with three or four bytes is Chinese or emoji here */
	}
	return n;
}

/* Many projects and keys, long and wide and wild ones among them. */
static void take_much(void)
{
	struct buf rest;

	buf_init(&rest, arena, 1 << 20);
	buf_add_c(&rest, ",'projects':[");
	for (int i = 0; i < 50; i++)
		buf_addf(&rest, "%s{'project':'project-%d-with-a-long-name','number':%d,'reads':%d,'writes':%d}", i == 0 ? "" : ",",
			 i, i, i * 1000000, i);
	buf_add_c(&rest, "],'hot_keys':[");
	for (int i = 0; i < 90; i++) {
		buf_addf(&rest, "%s{'project':'p%d','number':%d,'writes':%d000000000,'recent':%d,'key':'", i == 0 ? "" : ",", i, i, i + 1, i);
		for (int k = 0; k < i; k++)
			buf_add_c(&rest, i % 4 == 0 ? "k" : i % 4 == 1 ? HAN : i % 4 == 2 ? "\\u001b[2J" : "x" SMILE);
		buf_add_c(&rest, "'}");
	}
	buf_add_c(&rest, "],'latency':[");
	for (int i = 0; i < 6; i++)
		buf_addf(&rest, "%s{'class':'class_%d','buckets':[%d,3,90000000,4]}", i == 0 ? "" : ",", i, 1 << i * 3);
	buf_add_c(&rest, "]");
	buf_add_char(&rest, '\0');
	take(&now, answer(1, 123456, "'requests':999999999,'requests_2xx':999999999,'batches':3,'flush_us':999999999,"
				     "'writes':9,'token_hits':1", rest.p));
	compare();
}

static void draw(size_t width, size_t height, const struct top_view *like)
{
	struct top_view view = *like;

	view.width = width;
	view.height = height;
	view.interval_s = 1;
	assert_true(top_draw(&rates, &view, arena, &lines));
	if (height >= 4)
		assert_int_equal(lines.n, height);
	else if (height != 0)
		assert_true(lines.n <= height);
	for (size_t i = 0; i < lines.n; i++) {
		assert_true(cells(lines.lines[i].text) <= width);
		if (lines.lines[i].style == TOP_HEAD)
			assert_int_equal(cells(lines.lines[i].text), width);
	}
}

/* The line that has TEXT in it, from 1 on; 0: none has. */
static size_t line_with(const char *text)
{
	for (size_t i = 0; i < lines.n; i++)
		if (lines.lines[i].text.n != 0 && memmem(lines.lines[i].text.p, lines.lines[i].text.n, text, strlen(text)) != NULL)
			return i + 1;
	return 0;
}

static void no_line_is_wider_and_there_are_no_more(void **state)
{
	const struct top_view views[] = {
		{ .width = 0 }, { .projects_first = true, .scroll = 1000 }, { .help = true }, { .paused = true },
		{ .away_s = 123.4 }, { .only = "a-project" }, { .scroll = 3 },
	};

	(void)state;
	take_much();
	for (size_t v = 0; v < sizeof views / sizeof views[0]; v++) {
		for (size_t width = 1; width <= 210; width++)
			draw(width, width % 70, &views[v]);
		for (size_t height = 0; height <= 70; height++) {
			draw(80, height, &views[v]);
			draw(1 + height * 3, height, &views[v]);
		}
	}
	draw(200, 60, &views[0]);
	assert_true(lines.page >= 35);
}

static void a_huge_terminal_is_drawn_as_far_as_there_are_lines(void **state)
{
	const struct top_view huge = { .width = 65535, .height = 65535, .interval_s = 1 };

	(void)state;
	take_much();
	assert_true(top_draw(&rates, &huge, arena, &lines));
	assert_in_range(lines.n, 24, 65535);
	for (size_t i = 0; i < lines.n; i++)
		assert_true(cells(lines.lines[i].text) <= huge.width);
}

static void eighty_by_twenty_four_has_what_matters(void **state)
{
	static const char *const there[] = {
		"tmakvd 1.2, up 1d 10h, 3 projects", "every 1 s", "requests/s", "5xx", "limited/s", "queue 7", "batch", "flush",
		"parked", "connections", "cache", "tokens", "free 5.0G", "CLASS-0", "CLASS-5", "p50", "p99",
		"READS/S", "PROJECT", "1-4 of 50", "WRITES/S", "ALL WRITES", "KEY", "of 90", "q quit", "h help",
	};

	(void)state;
	take_much();
	rates.interval_s = 1.1;
	draw(80, 24, &(struct top_view){ .width = 0 });
	for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
		if (line_with(there[i]) == 0)
			fail_msg("no '%s'", there[i]);
	assert_true(lines.page >= 5);
}

static void little_room_is_for_keys(void **state)
{
	(void)state;
	take_much();
	rates.interval_s = 1.1;
	draw(20, 5, &(struct top_view){ .width = 0 });
	assert_int_equal(line_with("every 1 s"), 1);
	assert_int_equal(line_with("KEY"), 3);
	assert_int_equal(lines.page, 1);
	draw(40, 10, &(struct top_view){ .width = 0 });
	assert_true(line_with("KEY") != 0 && line_with("p99") != 0 && line_with("requests/s") != 0);
}

static void few_of_one_leave_room_for_the_other(void **state)
{
	(void)state;
	take_much();
	rates.n_keys = 2;
	draw(80, 24, &(struct top_view){ .width = 0 });
	assert_int_equal(lines.page, 2);
	assert_true(line_with("1-8 of 50") != 0);
	rates.n_keys = 90;
	rates.n_projects = 0;
	draw(80, 24, &(struct top_view){ .width = 0 });
	assert_true(line_with("1-12 of 90") != 0);
	rates.n_keys = 0;
	draw(80, 24, &(struct top_view){ .width = 0 });
}

static void scrolling_ends_at_the_end(void **state)
{
	(void)state;
	take_much();
	draw(80, 24, &(struct top_view){ .scroll = 1000 });
	assert_int_equal(lines.scroll, 90 - lines.page);
	assert_true(line_with("-90 of 90") != 0);
	draw(80, 24, &(struct top_view){ .projects_first = true, .scroll = 2 });
	assert_true(line_with("3-8 of 50") != 0);
}

static void what_is_wrong_stands_out(void **state)
{
	(void)state;
	take_much();
	draw(80, 24, &(struct top_view){ .width = 0 });
	assert_int_equal(line_with("over 1d 10h"), 1);
	draw(80, 24, &(struct top_view){ .away_s = 61 });
	assert_int_equal(lines.lines[0].style, TOP_ALERT);
	assert_int_equal(line_with("NO ANSWER FOR 1m 1s"), 1);
	rates.full = true;
	draw(80, 24, &(struct top_view){ .paused = true });
	assert_int_equal(line_with("PAUSED"), 1);
	assert_int_equal(lines.lines[line_with("DISK FULL: writes are refused") - 1].style, TOP_ALERT);
}

/* ---- as JSON ---- */

static void what_is_not_known_is_null(void **state)
{
	json_object *doc;
	const char *text;

	(void)state;
	take(&now, answer(1, 2, "'requests':3", ",'hot_keys':[{'project':'p','number':1,'key':'a\\u001b','writes':9007199254740993,"
						"'recent':10}],'latency':[{'class':'read','buckets':[100,1]},{'class':'list','buckets':[]}]"));
	compare();
	doc = top_json(&rates, 1700000000);
	assert_non_null(doc);
	text = json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN);
	assert_non_null(strstr(text, "\"at\":1700000000"));
	assert_non_null(strstr(text, "\"all\":1.500"));
	assert_non_null(strstr(text, "{\"class\":\"list\",\"per_s\":0.000,\"p50_ms\":null,\"p99_ms\":null}"));
	assert_non_null(strstr(text, "{\"project\":\"p\",\"key\":\"a\\u001b\",\"writes_per_s\":1.000,\"writes\":9007199254740993}"));
	assert_non_null(strstr(text, "\"flush_ms\":null"));
	json_object_put(doc);
}

/* ---- keys ---- */

static void keys_are_found_among_what_a_terminal_sends(void **state)
{
	int keys[16];

	(void)state;
	assert_int_equal(term_parse(STR_LIT("q\033[A\033OBs\033[5~\033[6~\033[1;5C\033[H\033p"), keys, 16), 8);
	assert_int_equal(keys[0], 'q');
	assert_int_equal(keys[1], TERM_UP);
	assert_int_equal(keys[2], TERM_DOWN);
	assert_int_equal(keys[3], 's');
	assert_int_equal(keys[4], TERM_PAGE_UP);
	assert_int_equal(keys[5], TERM_PAGE_DOWN);
	assert_int_equal(keys[6], TERM_HOME);
	assert_int_equal(keys[7], 'p');
	assert_int_equal(term_parse(STR_LIT("\033"), keys, 16), 0);
	assert_int_equal(term_parse(STR_LIT("\033["), keys, 16), 0);
	assert_int_equal(term_parse(STR_LIT("aaaa"), keys, 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rates_are_what_rose_by_the_time_between, start, stop),
		cmocka_unit_test_setup_teardown(a_server_that_was_started_anew_is_counted_from_there, start, stop),
		cmocka_unit_test_setup_teardown(without_one_before_it_is_since_the_start, start, stop),
		cmocka_unit_test_setup_teardown(times_are_of_the_requests_in_between, start, stop),
		cmocka_unit_test_setup_teardown(keys_are_as_hot_as_their_counters_rise, start, stop),
		cmocka_unit_test_setup_teardown(projects_are_compared_by_number, start, stop),
		cmocka_unit_test_setup_teardown(a_project_that_was_not_told_of_has_no_rate_yet, start, stop),
		cmocka_unit_test_setup_teardown(what_is_no_answer_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(no_line_is_wider_and_there_are_no_more, start, stop),
		cmocka_unit_test_setup_teardown(a_huge_terminal_is_drawn_as_far_as_there_are_lines, start, stop),
		cmocka_unit_test_setup_teardown(eighty_by_twenty_four_has_what_matters, start, stop),
		cmocka_unit_test_setup_teardown(little_room_is_for_keys, start, stop),
		cmocka_unit_test_setup_teardown(few_of_one_leave_room_for_the_other, start, stop),
		cmocka_unit_test_setup_teardown(scrolling_ends_at_the_end, start, stop),
		cmocka_unit_test_setup_teardown(what_is_wrong_stands_out, start, stop),
		cmocka_unit_test_setup_teardown(what_is_not_known_is_null, start, stop),
		cmocka_unit_test_setup_teardown(keys_are_found_among_what_a_terminal_sends, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
