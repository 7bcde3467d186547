/*
 * linear_check.c - reads what clients were told (linear_load), and says whether it is linearizable: whether there is
 * an order of all operations of a key, each at a moment between its call and its answer, that explains the answers.
 * Keys have nothing to do with each other, so each is a history of its own.
 *
 *     linear_check [-l MS] [-a] [-w] HISTORY...
 *     linear_check -s [-r SEED]
 *
 * -l   how long one key may take (default 10000). One that takes longer is undecided
 * -a   show how often which operation had which outcome. All must be there: else the run has tested too little
 * -w   but for PATCH
 * -s   the checker's own test, with random histories from SEED on (default 1)
 *
 * Ends with 0: linearizable; 1: a violation, which is explained; 99: it cannot tell, or too much was not answered.
 */
#include "config.h"

#include <getopt.h>
#include <stdlib.h>
#include <time.h>

#include "explain.h"
#include "linear.h"
#include "self_test.h"

enum {
	EXPLAINED_MAX = 3,
	LOST_ONE_IN = 100,		/* so many may be without an answer: what is not known is not tested */
	BROKEN = 99
};

struct result {
	size_t n_keys, n_ops, longest, n_unknown;
	size_t violations, undecided;
	double seconds, worst;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- what has happened at all --- */

struct kind {
	enum op_what what;
	enum op_condition condition;
	int statuses[3];		/* that must be seen; 0: no more */
	size_t seen[3], unknown;
};

static struct kind kinds[] = {
	{ OP_GET,    IF_ANYTHING,   { 200, 404 }, { 0 }, 0 },
	{ OP_GET,    IF_NONE_MATCH, { 200, 304, 404 }, { 0 }, 0 },
	{ OP_PUT,    IF_ANYTHING,   { 200 }, { 0 }, 0 },
	{ OP_PUT,    IF_MATCH,      { 200, 412 }, { 0 }, 0 },
	{ OP_PUT,    IF_ABSENT,     { 200, 412 }, { 0 }, 0 },
	{ OP_DELETE, IF_ANYTHING,   { 200 }, { 0 }, 0 },
	{ OP_DELETE, IF_MATCH,      { 200, 412 }, { 0 }, 0 },
	{ OP_ADD,    IF_ANYTHING,   { 200 }, { 0 }, 0 },
	{ OP_ADD,    IF_MATCH,      { 200, 412 }, { 0 }, 0 },
	{ OP_MAX,    IF_ANYTHING,   { 200 }, { 0 }, 0 },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void kinds_count(const struct op *op)
{
	for (size_t k = 0; k < KINDS; k++) {
		if (kinds[k].what != op->what || kinds[k].condition != op->condition)
			continue;
		kinds[k].unknown += op_is_unknown(op);
		for (size_t i = 0; i < 3 && kinds[k].statuses[i] != 0; i++)
			kinds[k].seen[i] += kinds[k].statuses[i] == op->status;
	}
}

/* How many of them have not been seen. */
static size_t kinds_print(bool no_patch)
{
	size_t missing = 0;

	for (size_t k = 0; k < KINDS; k++) {
		if (no_patch && (kinds[k].what == OP_ADD || kinds[k].what == OP_MAX))
			continue;
		printf("%-6s %-10s", op_word(kinds[k].what), op_condition_word(kinds[k].condition));
		for (size_t i = 0; i < 3 && kinds[k].statuses[i] != 0; i++) {
			printf(" %7zu x %d", kinds[k].seen[i], kinds[k].statuses[i]);
			missing += kinds[k].seen[i] == 0;
		}
		printf(", %zu of unknown outcome\n", kinds[k].unknown);
	}
	return missing;
}

/* --- keys --- */

static void key_check(const struct op *ops, size_t n, uint64_t limit_ms, struct result *result)
{
	double began = now_s(), took;
	enum verdict verdict = linear_search(ops, n, limit_ms, NULL);

	took = now_s() - began;
	result->seconds += took;
	if (took > result->worst)
		result->worst = took;
	if (verdict == UNDECIDED) {
		printf("key %u: undecided, %zu operations\n", ops[0].key, n);
		result->undecided++;
	} else if (verdict == VIOLATION && ++result->violations <= EXPLAINED_MAX) {
		explain(stdout, ops, n, limit_ms);
	}
}

/* False when the model has no word for what is there. */
static bool keys_check(const struct history *history, uint64_t limit_ms, struct result *result)
{
	const struct op *strange;
	size_t n;

	for (size_t i = 0; i < history->n; i += n) {
		const struct op *ops = &history->at[i];

		for (n = 1; i + n < history->n && ops[n].key == ops[0].key; n++)
			;
		if ((strange = history_check(ops, n)) != NULL) {
			printf("nothing can be said about this operation: ");
			op_write(stdout, strange);
			return false;
		}
		for (size_t k = 0; k < n; k++) {
			kinds_count(&ops[k]);
			result->n_unknown += op_is_unknown(&ops[k]);
		}
		result->n_keys++;
		result->n_ops += n;
		if (n > result->longest)
			result->longest = n;
		key_check(ops, n, limit_ms, result);
	}
	return true;
}

/* How many were not answered although somebody waited. */
static size_t lost_count(const struct history *history)
{
	size_t n = 0;

	for (size_t i = 0; i < history->n; i++)
		n += op_is_unknown(&history->at[i]) && history->at[i].status != OP_STATUS_LEFT;
	return n;
}

static int judge(struct history *history, uint64_t limit_ms, bool all, bool no_patch)
{
	struct result result = { .n_keys = 0 };
	size_t missing = 0, n_lost = lost_count(history);

	history_sort(history);
	history_prune(history);
	if (!keys_check(history, limit_ms, &result))
		return BROKEN;
	if (all)
		missing = kinds_print(no_patch);
	printf("%zu operations on %zu keys, at most %zu on one; %zu of unknown outcome, %zu of them errors: "
	       "%zu violations, %zu undecided; %.2f s, at most %.3f s for one\n", result.n_ops, result.n_keys,
	       result.longest, result.n_unknown, n_lost,
	       result.violations, result.undecided, result.seconds, result.worst);
	if (result.violations != 0)
		return 1;
	if (missing != 0) {
		printf("%zu kinds of answers were never seen: too little has been tested\n", missing);
		return BROKEN;
	}
	if (n_lost * LOST_ONE_IN > result.n_ops) {
		printf("%zu of them were not answered, though the front server should have asked again\n", n_lost);
		return BROKEN;
	}
	return result.undecided != 0 || result.n_ops == 0 ? BROKEN : 0;
}

int main(int argc, char **argv)
{
	struct history history = { NULL, 0, 0 };
	uint64_t limit_ms = 10000;
	unsigned seed = 1;
	bool all = false, no_patch = false, self = false, good = true;
	int c, rc;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt(argc, argv, "l:awsr:")) != -1) {
		switch (c) {
		case 'l': limit_ms = strtoull(optarg, NULL, 10); break;
		case 'a': all = true; break;
		case 'w': no_patch = true; break;
		case 's': self = true; break;
		case 'r': seed = (unsigned)strtoul(optarg, NULL, 10); break;
		default:  return 64;
		}
	}
	if (self)
		return self_test(seed) ? 0 : 1;
	if (optind == argc) {
		fprintf(stderr, "usage: linear_check [-l MS] [-a] [-w] HISTORY... | -s [-r SEED]\n");
		return 64;
	}
	for (int i = optind; i < argc && good; i++) {
		FILE *file = fopen(argv[i], "r");

		good = history_load(&history, file, argv[i]);
		if (file != NULL)
			fclose(file);
	}
	rc = good ? judge(&history, limit_ms, all, no_patch) : BROKEN;
	free(history.at);
	return rc;
}
