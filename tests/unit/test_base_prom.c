/*
 * test_base_prom.c - the text format, letter by letter; `promtool` has the last word in tests/integration/metrics.sh.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prom.h"

static struct arena *arena;
static struct buf out;
static struct prom prom;

static int begin(void **state)
{
	(void)state;
	arena = arena_new(1 << 20);
	buf_init(&out, arena, 1 << 16);
	prom = prom_init(&out);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void expect(const char *text)
{
	assert_true(buf_ok(&out));
	buf_add_char(&out, '\0');
	assert_string_equal(out.p, text);
}

static void a_family_has_help_a_type_and_its_samples(void **state)
{
	(void)state;
	prom_family(&prom, "a_total", PROM_COUNTER, "Two lines\nand a \\ and \"quotes\".");
	prom_u64(&prom, 18446744073709551615u);
	prom_family(&prom, "b", PROM_GAUGE, "Next.");
	prom_label(&prom, "x", STR_LIT("1"));
	prom_label(&prom, "y", STR_LIT(""));
	prom_u64(&prom, 5);
	prom_label(&prom, "x", STR_LIT("2"));
	prom_u64(&prom, 0);
	expect("# HELP a_total Two lines\\nand a \\\\ and \"quotes\".\n"
	       "# TYPE a_total counter\n"
	       "a_total 18446744073709551615\n"
	       "# HELP b Next.\n"
	       "# TYPE b gauge\n"
	       "b{x=\"1\",y=\"\"} 5\n"
	       "b{x=\"2\"} 0\n");
}

static void a_hostile_label_stays_one(void **state)
{
	(void)state;
	prom_family(&prom, "a", PROM_GAUGE, "");
	prom_label(&prom, "x", STR_LIT("\"} 1\nb{c=\"\\"));
	prom_u64(&prom, 1);
	prom_label(&prom, "x", STR_LIT("\xc3\xa4\xff\xc3 \xed\xa0\x80\r\0"));
	prom_u64(&prom, 2);
	/* A NUL is one: text that ends early would be found by the length. */
	assert_int_equal(memchr(out.p, '\0', out.n) != NULL, 1);
	*(char *)memchr(out.p, '\0', out.n) = '0';
	expect("# HELP a \n# TYPE a gauge\n"
	       "a{x=\"\\\"} 1\\nb{c=\\\"\\\\\"} 1\n"
	       "a{x=\"\xc3\xa4?? ???\r0\"} 2\n");
}

static void seconds_are_written_to_the_microsecond(void **state)
{
	(void)state;
	prom_family(&prom, "a", PROM_GAUGE, "x");
	prom_seconds(&prom, 0);
	prom_seconds(&prom, 1);
	prom_seconds(&prom, 1000000);
	prom_seconds(&prom, 12345678901);
	expect("# HELP a x\n# TYPE a gauge\na 0\na 0.000001\na 1\na 12345.678901\n");
}

/* The number behind the first LINE in the text. */
static uint64_t value_of(const char *line)
{
	const char *at = strstr(out.p, line);

	assert_non_null(at);
	return strtoull(at + strlen(line), NULL, 10);
}

static void put(struct metric_histogram_sum *histogram, uint64_t value)
{
	histogram->bucket[metric_bucket(value)]++;
	histogram->n++;
	histogram->sum += value;
}

static void a_bucket_has_all_that_is_less(void **state)
{
	struct metric_histogram_sum histogram = { .n = 0 };

	(void)state;
	put(&histogram, 0);
	put(&histogram, 31);
	put(&histogram, 32);
	put(&histogram, 63);
	put(&histogram, 64);
	put(&histogram, 16777215);
	put(&histogram, 16777216);
	put(&histogram, UINT64_C(1) << 40);
	prom_family(&prom, "a_seconds", PROM_HISTOGRAM, "x");
	prom_times(&prom, "sdk", "read", &histogram);
	buf_add_char(&out, '\0');
	assert_int_equal(value_of("a_seconds_bucket{door=\"sdk\",class=\"read\",le=\"0.000032\"} "), 2);
	assert_int_equal(value_of("a_seconds_bucket{door=\"sdk\",class=\"read\",le=\"0.000064\"} "), 4);
	assert_int_equal(value_of("a_seconds_bucket{door=\"sdk\",class=\"read\",le=\"0.000128\"} "), 5);
	assert_int_equal(value_of("a_seconds_bucket{door=\"sdk\",class=\"read\",le=\"8.388608\"} "), 5);
	assert_int_equal(value_of("a_seconds_bucket{door=\"sdk\",class=\"read\",le=\"16.777216\"} "), 6);
	assert_int_equal(value_of("a_seconds_bucket{door=\"sdk\",class=\"read\",le=\"+Inf\"} "), 8);
	assert_int_equal(value_of("a_seconds_count{door=\"sdk\",class=\"read\"} "), 8);
	assert_non_null(strstr(out.p, "a_seconds_sum{door=\"sdk\",class=\"read\"} 1099545.182397\n"));
}

static void sizes_are_said_to_the_number(void **state)
{
	struct metric_histogram_sum histogram = { .n = 0 };

	(void)state;
	for (uint64_t size = 1; size <= 256; size++)
		put(&histogram, size);
	prom_family(&prom, "a", PROM_HISTOGRAM, "x");
	prom_sizes(&prom, &histogram);
	buf_add_char(&out, '\0');
	assert_int_equal(value_of("a_bucket{le=\"1\"} "), 1);
	assert_int_equal(value_of("a_bucket{le=\"2\"} "), 2);
	assert_int_equal(value_of("a_bucket{le=\"3\"} "), 3);
	assert_int_equal(value_of("a_bucket{le=\"7\"} "), 7);
	assert_int_equal(value_of("a_bucket{le=\"127\"} "), 127);
	assert_int_equal(value_of("a_bucket{le=\"255\"} "), 255);
	assert_int_equal(value_of("a_bucket{le=\"+Inf\"} "), 256);
	assert_int_equal(value_of("a_sum "), 256 * 257 / 2);
	assert_int_equal(value_of("a_count "), 256);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_family_has_help_a_type_and_its_samples),
		TEST(a_hostile_label_stays_one),
		TEST(seconds_are_written_to_the_microsecond),
		TEST(a_bucket_has_all_that_is_less),
		TEST(sizes_are_said_to_the_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
