/*
 * patch_bench.c - what atomic changes cost the committer, on whose time all writers wait: typical values, and the
 * worst of 128 KiB that could be thought of.
 *
 *     make bench-patch
 *
 * A line for each: microseconds a run, the best of several rounds; the value's bytes, and what it is.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/jtext.h"
#include "kv/op_private.h"

enum { SIZE = 128 * 1024, ROUNDS = 7, ROUND_NS = 20000000 };

static struct arena *arena;

static void die(const char *what)
{
	fprintf(stderr, "patch_bench: %s\n", what);
	exit(99);
}

static void item_add(struct buf *buf, const char *item, unsigned number)
{
	for (; *item != '\0'; item++) {
		if (*item == '#')
			buf_addf(buf, "%u", number);
		else
			buf_add_char(buf, *item);
	}
}

/* OPEN, then ITEM (a number of five digits or so for its '#') as often as it fits into SIZE bytes, or N times; CLOSE. */
static struct str made(const char *open, const char *item, const char *close, size_t n, unsigned step)
{
	struct buf buf;

	buf_init(&buf, arena, 2 * SIZE);
	buf_add_c(&buf, open);
	for (size_t i = 0; i < n && buf.n + 2 * strlen(item) + 8 < SIZE; i++) {
		if (i != 0)
			buf_add_char(&buf, ',');
		item_add(&buf, item, 10000 + (unsigned)(i * step % 80021));
	}
	buf_add_c(&buf, close);
	return buf_str(&buf);
}

static struct str repeated(const char *unit, size_t n, const char *middle, const char *close)
{
	struct buf buf;

	buf_init(&buf, arena, 2 * SIZE);
	for (size_t i = 0; i < n; i++)
		buf_add_c(&buf, unit);
	buf_add_c(&buf, middle);
	for (size_t i = 0; i < n; i++)
		buf_add_c(&buf, close);
	return buf_str(&buf);
}

/* The thread's own time: others on the machine do not count. */
static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void run(const char *what, bool is_merge, struct str change_text, struct str value)
{
	struct kv_change change = { .value_limit = 2 * SIZE, .arena = arena };
	struct op_result result;
	uint64_t best = UINT64_MAX;
	const char *why;
	size_t bad_at;
	enum rc rc = RC_OK;

	if (!jtext_check(value, &bad_at) || !jtext_check(change_text, &bad_at))
		die(what);
	rc = is_merge ? kv_merge_read(change_text, arena, &change.op, &why) :
			kv_op_read(change_text, arena, &change.op, &why);
	if (rc != RC_OK)
		die(why != NULL ? why : what);
	buf_init(&change.out, arena, 4 * SIZE);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t began = cpu_ns(), ns, runs = 0;

		while (cpu_ns() - began < ROUND_NS) {
			change.out.n = 0;
			result = (struct op_result){ .unchanged = false };
			rc = op_run(&change, value, &result);
			runs++;
		}
		ns = (cpu_ns() - began) / runs;
		if (ns < best)
			best = ns;
	}
	printf("%9.2f us  %7zu B  %s%s\n", (double)best / 1000, value.n, what, rc == RC_OK ? "" : " (refused)");
}

#define RANK "{\"op\":\"rank\",\"by\":\"score\",\"id\":\"userId\",\"limit\":%d,\"entry\":{\"userId\":77,\"score\":%d}}"

static struct str rank(int limit, int score)
{
	return arena_printf(arena, RANK, limit, score);
}

int main(void)
{
	const char *entry = "{\"userId\":#,\"name\":\"Player #\",\"score\":500,\"at\":1700000000}";
	struct str most;

	arena = arena_new(256 << 20);
	if (arena == NULL)
		die("no memory");
	most = made("{", "\"m#\":1", "}", 1 << 20, 1);

	run("add to a number", false, STR_LIT("{\"op\":\"add\",\"by\":1}"), STR_LIT("41"));
	run("add to a double", false, STR_LIT("{\"op\":\"add\",\"by\":0.1}"), STR_LIT("41.7"));
	run("append to 100 entries", false, STR_LIT("{\"op\":\"append\",\"value\":1,\"limit\":100}"), made("[", entry, "]", 100, 1));
	run("append to the most elements", false, STR_LIT("{\"op\":\"append\",\"value\":1}"), made("[", "1", "]", 1 << 20, 1));
	run("append, of the most elements half stay", false, STR_LIT("{\"op\":\"append\",\"value\":1,\"limit\":32000}"),
	    made("[", "1", "]", 1 << 20, 1));
	run("append to empty objects", false, STR_LIT("{\"op\":\"append\",\"value\":1}"), made("[", "{}", "]", 1 << 20, 1));
	run("append to strings of escapes", false, STR_LIT("{\"op\":\"append\",\"value\":1}"),
	    made("[", "\"\\\\\\\"\\\\\"", "]", 1 << 20, 1));
	run("rank among 100, in front", false, rank(100, 501), made("[", entry, "]", 100, 1));
	run("rank among 100, no change", false, rank(100, 499), made("[", entry, "]", 100, 1));
	run("rank among 1000", false, rank(1000, 501), made("[", entry, "]", 1000, 1));
	run("rank among 2000, out of order", false, rank(1000, 501),
	    made("[", "{\"userId\":#,\"score\":#,\"name\":\"somebody, somewhere\"}", "]", 2000, 7919));
	run("rank among 2000 of equal size", false, rank(1000, 501), made("[", "{\"score\":1,\"userId\":#,\"x\":\"\\\\\\\\\"}", "]", 2000, 1));
	run("rank among entries of many members", false, rank(100, 501),
	    made("[", "{\"score\":1,\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"userId\":2,\"i\":1}", "]", 2000, 1));
	run("rank among entries of escaped names", false, rank(100, 501),
	    made("[", "{\"scor\\u0065\":1,\"userI\\u0063\":1,\"scor\\u0064\":1,\"userI\\u0064\":2}", "]", 2000, 1));
	run("rank by numbers of many digits", false, rank(100, 501),
	    made("[", "{\"score\":0.00000000012345678901234567890123456789012345678901234567"
		      "#}", "]", 2000, 1));
	run("merge one member of ten", true, STR_LIT("{\"m00003\":2}"), made("{", "\"m#\":1", "}", 10, 1));
	run("merge one member of the most", true, STR_LIT("{\"m00003\":2}"), most);
	run("merge 1024 members of the most", true, made("{", "\"m#\":2", "}", 1024, 3), most);
	run("merge 1024 members that are not there", true, made("{", "\"n#\":2", "}", 1024, 3), most);
	run("remove 1024 members, none there", true, made("{", "\"n#\":null", "}", 1024, 3), most);
	run("merge into names that are escaped", true, made("{", "\"m#\":2", "}", 1024, 3),
	    made("{", "\"\\u006d#\":1", "}", 1 << 20, 1));
	run("merge into one object again and again", true,
	    arena_printf(arena, "{\"a\":%.*s}", STR(made("{", "\"n#\":null", "}", 1022, 3))),
	    made("{", "\"a\":{}", "}", 1 << 20, 1));
	run("merge 511 deep", true, repeated("{\"a\":", 510, "{\"y\":2}", "}"),
	    repeated("{\"a\":", 510, "{\"x\":[1,2,3]}", ",\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\":1}"));
	arena_free(arena);
	return 0;
}
