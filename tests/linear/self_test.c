/*
 * self_test.c - histories as the load writes them, some with a fault planted, and what the checker has to say.
 *
 * The good ones are such that a simpler checker would refuse: overlapping answers, outcomes nobody knows. In each
 * of the others one thing is wrong.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "linear.h"
#include "self_test.h"

enum { LIMIT_MS = 10000 };

/* key client call return what condition etag argument status value version writes */
static const struct {
	const char *name;
	enum verdict verdict;
	const char *text;
} cases[] = {
	/* --- good --- */
	{ "all kinds, one after the other", LINEARIZABLE,
	  "1 1 10 20 get - 0 0 404 0 0 0\n"
	  "1 1 21 30 delete - 0 0 200 0 0 0\n"
	  "1 1 31 40 put absent 0 7 200 0 100 1\n"
	  "1 1 41 50 put absent 0 8 412 0 100 0\n"
	  "1 1 51 60 add - 0 3 200 10 110 2\n"
	  "1 1 61 70 max - 0 9 200 10 110 2\n"
	  "1 1 71 80 max - 0 12 200 12 120 3\n"
	  "1 1 81 90 put match 120 20 200 0 130 4\n"
	  "1 1 91 95 put match 120 21 412 0 0 0\n"
	  "1 1 101 110 get none-match 130 0 304 0 130 4\n"
	  "1 1 111 120 get none-match 120 0 200 20 130 4\n"
	  "1 1 121 130 delete match 120 0 412 0 0 0\n"
	  "1 1 131 140 delete match 130 0 200 0 0 0\n"
	  "1 1 141 150 get none-match 130 0 404 0 0 0\n"
	  "1 1 151 160 add - 0 5 200 5 140 1\n" },
	{ "reads that overlap a write may see either side of it", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 100 put - 0 2 200 0 110 2\n"
	  "1 2 40 50 get - 0 0 200 1 100 1\n"
	  "1 3 45 60 get - 0 0 200 2 110 2\n"
	  "1 2 55 70 get - 0 0 200 2 110 2\n" },
	{ "answers in another order than the writes", LINEARIZABLE,
	  "1 1 10 90 put - 0 1 200 0 100 1\n"
	  "1 2 11 80 put - 0 2 200 0 101 2\n"
	  "1 3 12 70 put - 0 3 200 0 102 3\n"
	  "1 4 13 60 add - 0 4 200 7 103 4\n" },
	{ "a write without an answer that shows late", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 0 0 0 0\n"
	  "1 2 50 60 get - 0 0 200 1 100 1\n"
	  "1 2 70 80 put match 100 3 200 0 110 2\n"
	  "1 2 90 99 get - 0 0 200 2 120 3\n" },
	{ "a write without an answer that never was", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 503 0 0 0\n"
	  "1 2 50 60 put - 0 3 200 0 110 2\n"
	  "1 2 70 80 get - 0 0 200 3 110 2\n" },
	{ "a write without an answer that only the counter tells of", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 502 0 0 0\n"
	  "1 2 50 60 put - 0 3 200 0 110 3\n" },
	{ "two lost ones, of which only the first can hold its condition", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put match 100 2 -1 0 0 0\n"
	  "1 2 31 41 put match 100 3 -1 0 0 0\n"
	  "1 3 50 60 get - 0 0 200 3 105 2\n"
	  "1 3 61 70 put match 100 4 412 0 0 0\n" },
	{ "two lost ones, the first of them last", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 0 0 0 0\n"
	  "1 2 11 21 put - 0 2 0 0 0 0\n"
	  "1 3 30 40 get - 0 0 200 1 100 2\n" },
	{ "two lost ones, the first of them first", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 0 0 0 0\n"
	  "1 2 11 21 put - 0 2 0 0 0 0\n"
	  "1 3 30 40 get - 0 0 200 2 100 2\n" },
	{ "absent and present flip around lost deletes and puts", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 delete - 0 0 0 0 0 0\n"
	  "1 2 30 41 put absent 0 2 0 0 0 0\n"
	  "1 3 50 60 get - 0 0 200 1 100 1\n"
	  "1 3 61 70 get - 0 0 404 0 0 0\n"
	  "1 3 71 80 get - 0 0 200 2 120 1\n" },
	{ "a lost add counts once or not at all", LINEARIZABLE,
	  "1 1 10 20 put - 0 10 200 0 100 1\n"
	  "1 1 30 40 add - 0 5 0 0 0 0\n"
	  "1 2 50 60 add - 0 1 200 11 110 2\n"
	  "1 2 70 80 add - 0 1 200 17 120 4\n" },
	{ "a lost delete with a condition that does not hold any more", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 2 30 40 put - 0 2 200 0 110 2\n"
	  "1 3 45 50 delete match 100 0 0 0 0 0\n"
	  "1 2 60 70 get - 0 0 200 2 110 2\n" },
	{ "a call at the very time of a return runs beside it", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 2 20 30 get - 0 0 404 0 0 0\n" },
	{ "one of many who compare and set", LINEARIZABLE,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 90 put match 100 2 412 0 0 0\n"
	  "1 2 31 91 put match 100 3 412 0 0 0\n"
	  "1 3 32 92 put match 100 4 200 0 110 2\n"
	  "1 4 33 93 put match 100 5 412 0 110 0\n" },

	/* --- each with a fault --- */
	{ "a stale read", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 200 0 110 2\n"
	  "1 2 50 60 get - 0 0 200 1 100 1\n" },
	{ "a stale 404", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 2 30 40 get - 0 0 404 0 0 0\n" },
	{ "a stale 304", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 200 0 110 2\n"
	  "1 2 50 60 get none-match 100 0 304 0 100 1\n" },
	{ "a value instead of 304", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 2 50 60 get none-match 100 0 200 1 100 1\n" },
	{ "a lost update: two adds from one value", VIOLATION,
	  "1 1 10 20 put - 0 10 200 0 100 1\n"
	  "1 1 30 60 add - 0 1 200 11 110 2\n"
	  "1 2 35 65 add - 0 1 200 11 120 3\n" },
	{ "a lost update that the counter does not tell either", VIOLATION,
	  "1 1 10 20 put - 0 10 200 0 100 1\n"
	  "1 1 30 60 add - 0 1 200 11 110 2\n"
	  "1 2 35 65 add - 0 1 200 11 120 2\n" },
	{ "two winners of one If-Match", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 60 put match 100 2 200 0 110 2\n"
	  "1 2 35 65 put match 100 3 200 0 120 3\n" },
	{ "two winners of one If-None-Match: *", VIOLATION,
	  "1 1 10 60 put absent 0 2 200 0 110 1\n"
	  "1 2 15 65 put absent 0 3 200 0 120 1\n" },
	{ "two deletes that matched", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 60 delete match 100 0 200 0 0 0\n"
	  "1 2 35 65 delete match 100 0 200 0 0 0\n" },
	{ "a write seen before, and gone after", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 90 put - 0 2 -1 0 0 0\n"
	  "1 2 40 50 get - 0 0 200 2 110 2\n"
	  "1 2 60 70 get - 0 0 200 1 100 1\n" },
	{ "a write seen before, and done again after", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 90 put - 0 2 200 0 120 2\n"
	  "1 2 40 50 get - 0 0 200 2 110 2\n" },
	{ "a new key seen before, and gone after", VIOLATION,
	  "1 1 10 90 put - 0 1 0 0 0 0\n"
	  "1 2 20 30 get - 0 0 200 1 100 1\n"
	  "1 2 40 50 get - 0 0 404 0 0 0\n" },
	{ "412 though it held", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put match 100 2 412 0 0 0\n" },
	{ "412 though the key was absent", VIOLATION,
	  "1 1 10 20 put absent 0 1 412 0 0 0\n" },
	{ "412, and done all the same", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put match 100 2 412 0 0 0\n"
	  "1 1 50 60 get - 0 0 200 2 110 2\n" },
	{ "200 though the version was another", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 200 0 110 2\n"
	  "1 1 50 60 put match 100 3 200 0 120 3\n" },
	{ "200 though the key was there", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 50 60 put absent 0 3 200 0 120 2\n" },
	{ "a delete that matched what was not there any more", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 delete - 0 0 200 0 0 0\n"
	  "1 1 50 60 delete match 100 0 200 0 0 0\n" },
	{ "a counter that skips", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 200 0 110 3\n" },
	{ "a counter that stays", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 200 0 110 1\n" },
	{ "a counter that outlives its key", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 delete - 0 0 200 0 0 0\n"
	  "1 1 50 60 put - 0 2 200 0 110 2\n" },
	{ "a counter that the reader sees otherwise", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 get - 0 0 200 1 100 2\n" },
	{ "a repeated put that counts twice", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 2 30 60 put - 0 2 200 0 120 3\n" },
	{ "a repeated add that adds twice", VIOLATION,
	  "1 1 10 20 put - 0 10 200 0 100 1\n"
	  "1 2 30 60 add - 0 5 200 20 120 3\n" },
	{ "a repeated add that undoes nothing, but was seen", VIOLATION,
	  "1 1 10 20 put - 0 10 200 0 100 1\n"
	  "1 2 30 60 add - 0 5 200 15 110 2\n"
	  "1 1 70 80 get - 0 0 200 20 120 3\n" },
	{ "a repeated compare and set that meets itself", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 2 30 60 put match 100 2 412 0 0 0\n"
	  "1 1 70 80 get - 0 0 200 2 110 2\n" },
	{ "a repeated delete that takes what came after it", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 2 30 90 delete - 0 0 200 0 0 0\n"
	  "1 3 40 45 get - 0 0 404 0 0 0\n"
	  "1 3 50 60 put - 0 2 200 0 110 1\n"
	  "1 3 95 99 get - 0 0 404 0 0 0\n" },
	{ "a max that forgets the greater one", VIOLATION,
	  "1 1 10 20 put - 0 10 200 0 100 1\n"
	  "1 1 30 40 max - 0 5 200 5 110 2\n" },
	{ "a max that changes nothing, with a version of its own", VIOLATION,
	  "1 1 10 20 put - 0 10 200 0 100 1\n"
	  "1 1 30 40 max - 0 5 200 10 110 2\n" },
	{ "absent once more, after a lost delete has been made up for", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 delete - 0 0 0 0 0 0\n"
	  "1 2 50 60 get - 0 0 404 0 0 0\n"
	  "1 2 61 70 put - 0 2 200 0 110 1\n"
	  "1 2 71 80 get - 0 0 404 0 0 0\n" },
	{ "present again, though the lost put was used up", VIOLATION,
	  "1 1 10 20 put absent 0 1 0 0 0 0\n"
	  "1 2 30 40 get - 0 0 200 1 100 1\n"
	  "1 2 50 60 delete - 0 0 200 0 0 0\n"
	  "1 2 70 80 get - 0 0 200 1 110 1\n" },
	{ "a lost write that shows before it was asked for", VIOLATION,
	  "1 1 10 20 get - 0 0 200 5 100 1\n"
	  "1 1 30 40 put - 0 5 0 0 0 0\n" },
	{ "a value that nobody wrote", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 get - 0 0 200 9 100 1\n" },
	{ "two writes with one version", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 1 200 0 100 2\n" },
	{ "a version that falls", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 200 0 90 2\n" },
	{ "a version that falls behind a delete", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 21 25 delete - 0 0 200 0 0 0\n"
	  "1 1 30 40 put - 0 2 200 0 90 1\n" },
	{ "a lost write's version below one that was told", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 30 40 put - 0 2 0 0 0 0\n"
	  "1 1 50 60 get - 0 0 200 2 90 2\n" },
	{ "another version of one write", VIOLATION,
	  "1 1 10 20 put - 0 1 0 0 0 0\n"
	  "1 1 50 60 get - 0 0 200 1 90 1\n"
	  "1 1 70 80 get - 0 0 200 1 91 1\n" },
	{ "a 412 that tells another version than there is", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 100 1\n"
	  "1 1 21 30 put - 0 2 200 0 110 2\n"
	  "1 1 50 60 put match 100 3 412 0 100 0\n" },
	{ "an answer without a version", VIOLATION,
	  "1 1 10 20 put - 0 1 200 0 0 1\n" },
	{ "two readers who see two writes in two orders", VIOLATION,
	  "1 1 10 90 put - 0 1 -1 0 0 0\n"
	  "1 2 10 90 put - 0 2 -1 0 0 0\n"
	  "1 3 20 30 get - 0 0 200 1 100 1\n"
	  "1 3 40 50 get - 0 0 200 2 110 2\n"
	  "1 4 55 60 get - 0 0 200 2 110 2\n"
	  "1 4 65 70 get - 0 0 200 1 100 1\n" },
	{ "a read that saw the end before it began", VIOLATION,
	  "1 1 10 20 add - 0 1 200 1 100 1\n"
	  "1 1 30 40 add - 0 1 200 2 110 2\n"
	  "1 2 22 28 get - 0 0 200 2 110 2\n" },
};

/* --- running them --- */

static const char *const words[] = {
	[LINEARIZABLE] = "linearizable", [VIOLATION] = "a violation", [UNDECIDED] = "undecided"
};

static bool text_load(struct history *history, const char *text)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	bool good = file != NULL && history_load(history, file, "self-test");

	if (file != NULL)
		fclose(file);
	return good;
}

/* The explanation marks one answer, and is there at all. */
static bool is_explained(const struct history *history)
{
	char text[16384] = "";
	FILE *file = fmemopen(text, sizeof text - 1, "w");
	const char *mark;

	if (file == NULL)
		return false;
	explain(file, history->at, history->n, LIMIT_MS);
	fclose(file);
	mark = strstr(text, "\n  > ");
	return mark != NULL && strstr(mark + 1, "\n  > ") == NULL;
}

static bool case_run(size_t i)
{
	struct history history = { NULL, 0, 0 };
	enum verdict verdict;
	bool good;

	if (!text_load(&history, cases[i].text))
		return false;
	history_sort(&history);
	history_prune(&history);
	good = history_check(history.at, history.n) == NULL;
	if (!good)
		printf("self-test: %s: this is no history\n", cases[i].name);
	verdict = linear_search(history.at, history.n, LIMIT_MS, NULL);
	if (verdict != cases[i].verdict) {
		printf("self-test: %s: found %s\n", cases[i].name, words[verdict]);
		good = false;
	} else if (verdict == VIOLATION && !is_explained(&history)) {
		printf("self-test: %s: not explained\n", cases[i].name);
		good = false;
	}
	free(history.at);
	return good;
}

/* --- what is no history --- */

static const char *const strange[] = {
	/* nobody expects this answer */
	"1 1 10 20 put - 0 1 400 0 0 0\n",
	/* there was no condition */
	"1 1 10 20 put - 0 1 412 0 0 0\n",
	/* an ETag that nobody had been told */
	"1 1 10 20 put match 99 1 412 0 0 0\n",
	/* nor here, when it was asked */
	("1 1 10 20 put - 0 1 200 0 100 1\n"
	 "1 2 15 30 put match 100 1 412 0 0 0\n"),
};

static bool strange_run(void)
{
	bool good = true;

	for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
		struct history history = { NULL, 0, 0 };

		if (!text_load(&history, strange[i]) || history_check(history.at, history.n) == NULL) {
			printf("self-test: %s    is taken for a history\n", strange[i]);
			good = false;
		}
		free(history.at);
	}
	return good;
}

/* Forty clients whose writes are all lost, and an answer that none of them can explain: too much in no time. */
static bool time_is_bounded(void)
{
	struct history history = { NULL, 0, 0 };
	enum verdict verdict;

	for (uint32_t i = 0; i < 40; i++)
		history_add(&history, &(struct op){ .key = 1, .client = i, .call_ns = i, .return_ns = i,
						    .what = OP_ADD, .argument = 1 << i % 30 });
	history_add(&history, &(struct op){ .key = 1, .call_ns = 100, .return_ns = 110, .what = OP_GET, .status = 200,
					    .value = -1, .version = 100, .writes = 20 });
	verdict = linear_search(history.at, history.n, 50, NULL);
	free(history.at);
	if (verdict != UNDECIDED)
		printf("self-test: what takes too long is found %s\n", words[verdict]);
	return verdict == UNDECIDED;
}

bool self_test(unsigned seed)
{
	const size_t n = sizeof cases / sizeof cases[0];
	size_t good = 0;
	bool strange_good = strange_run(), bounded = time_is_bounded(), random_good;

	for (size_t i = 0; i < n; i++)
		good += case_run(i);
	random_good = random_test(seed);
	printf("self-test: %zu of %zu histories judged right\n", good, n);
	return good == n && strange_good && bounded && random_good;
}
