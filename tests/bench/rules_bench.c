/*
 * rules_bench.c - what asking the access rules costs: 64 rules, short and long keys, and the worst that a document of
 * 16 KiB can hold.
 *
 *     rules_bench [CASE TIMES]
 *
 * `make bench-rules`. CPU time of the thread, the best of several rounds. With CASE (a number from 0) it only runs that
 * case TIMES times, to count instructions: valgrind --tool=callgrind --toggle-collect=access_find.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/access.h"

enum { ROUNDS = 15, TIMES = 20000, KEY = 512 };

static struct project project = { .number = 1, .id = "11111111-2222-4333-8444-555555555555" };
static struct caller caller = { .kind = CALLER_USER, .project = &project, .telegram_id = 7387289974 };
static char key[KEY + 1];
static unsigned seen;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* 64 rules; PATTERN(out, i) writes the pattern of each. */
static void set_rules(void (*pattern)(char out[KEY + 1], size_t i))
{
	static char json[RULES_TEXT_MAX + 1];
	char match[KEY + 1], error[RULES_ERROR_MAX];
	size_t n = (size_t)snprintf(json, sizeof json, "{\"version\":1,\"rules\":[");

	for (size_t i = 0; i < RULES_MAX; i++) {
		pattern(match, i);
		n += (size_t)snprintf(json + n, sizeof json - n, "%s{\"match\":\"%s\",\"allow\":[\"read\",\"list\"]}", i == 0 ? "" : ",", match);
	}
	n += (size_t)snprintf(json + n, sizeof json - n, "]}");
	rules_unref(project.rules);
	if (n >= sizeof json || rules_read(str_make(json, n), &project.rules, error) != RC_OK) {
		fprintf(stderr, "rules_bench: these are no rules\n");
		exit(1);
	}
}

/* Segments of SEGMENT until OUT has N bytes. */
static void repeat(char *out, const char *segment, size_t n)
{
	size_t k = strlen(segment);

	for (size_t i = 0; i < n; i++)
		out[i] = segment[i % k];
	out[n] = '\0';
}

/* As projects have them. */
static void usual(char out[KEY + 1], size_t i)
{
	static const char *const forms[] = { "user:{telegramId}:%zu:**", "board%zu:*", "room:%zu:*:{telegramId}", "public%zu:**" };

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(out, KEY + 1, forms[i % 4], i);
#pragma GCC diagnostic pop
}

/* One long literal each, that differs at its end. */
static void long_literals(char out[KEY + 1], size_t i)
{
	repeat(out, "k", 200);
	snprintf(out + 197, 8, "%02zu:*", i);
}

/* Alive to a depth of 100: a search at each. */
static void deep(char out[KEY + 1], size_t i)
{
	repeat(out, i % 2 ? "a:*:" : "*:b:", 200);
	snprintf(out + 200, 8, "%zu:**", i);
}

static const struct {
	const char *what;
	void (*pattern)(char out[KEY + 1], size_t i);
	const char *segment;		/* of the key */
	size_t n;			/* its length */
} cases[] = {
	{ "64 usual rules, user:7387289974:60:x",     usual, "user:7387289974:60:x", 20 },
	{ "64 usual rules, a key of theirs of 512 B", usual, "user:7387289974:60:abcdefgh:", 512 },
	{ "64 usual rules, 512 B without a colon",    usual, "x", 512 },
	{ "64 usual rules, 512 B of nothing else",    usual, ":", 512 },
	{ "64 literals of 200 B, 512 B",              long_literals, "k", 512 },
	{ "64 rules of 100 segments, 256 segments",   deep, "a:b:", 512 },
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void prepare(size_t i)
{
	set_rules(cases[i].pattern);
	repeat(key, cases[i].segment, cases[i].n);
}

static void ask(size_t times)
{
	for (size_t i = 0; i < times; i++)
		seen += access_find(&caller, str_make(key, strlen(key))).operations;
}

/* What a list asks before it begins: of all keys, of which most rules are a part, and of one user's. */
static void measure_lists(void)
{
	static const char *const prefixes[] = { "", "user:7387289974:60:" };
	struct arena *arena = arena_new(1 << 20);
	struct access_view view;

	prepare(0);
	for (size_t i = 0; arena != NULL && i < 2; i++) {
		double best = 1e18;

		for (int round = 0; round < ROUNDS; round++) {
			double start = now_ns(), took;

			for (int k = 0; k < TIMES / 20; k++) {
				arena_reset(arena);
				if (access_view(&caller, str_c(prefixes[i]), arena, &view) != RC_OK || view.n == 0)
					exit(1);
			}
			took = (now_ns() - start) / (TIMES / 20);
			best = took < best ? took : best;
		}
		printf("list, prefix '%s': %zu ranges%*s %8.0f ns\n", prefixes[i], view.n, 19 - (int)strlen(prefixes[i]), "", best);
	}
	arena_free(arena);
}

static void measure(size_t i)
{
	double best = 1e18;

	prepare(i);
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns(), took;

		ask(TIMES);
		took = (now_ns() - start) / TIMES;
		best = took < best ? took : best;
	}
	printf("%-44s %8.0f ns\n", cases[i].what, best);
}

int main(int argc, char **argv)
{
	size_t i = argc == 3 ? strtoul(argv[1], NULL, 10) : CASES;

	if (i < CASES) {
		prepare(i);
		ask(strtoul(argv[2], NULL, 10));
		return seen == UINT32_MAX;
	}
	for (i = 0; i < CASES; i++)
		measure(i);
	measure_lists();
	rules_unref(project.rules);
	return seen == UINT32_MAX;
}
