/*
 * explain.c - the first answer that cannot be, and what was going on around it.
 *
 * What is linearizable is so at each moment before its end. So there is a first answer with which it is no more:
 * it is looked for by halving. Behind it nothing matters; what had not been answered by then has no
 * outcome yet.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "explain.h"
#include "linear.h"

enum { BEFORE = 6 };	/* operations that were over before it began, the last ones: so many are shown */

static void *get_memory(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (p == NULL)
		abort();
	return p;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* When answers came, in order. */
static uint64_t *answers(const struct op *ops, size_t n, size_t *n_answers)
{
	uint64_t *at_ns = get_memory(n, sizeof *at_ns);

	*n_answers = 0;
	for (size_t i = 0; i < n; i++)
		if (!op_is_unknown(&ops[i]))
			at_ns[(*n_answers)++] = ops[i].return_ns;
	if (*n_answers != 0)
		qsort(at_ns, *n_answers, sizeof *at_ns, compare);
	return at_ns;
}

/* What was known at END_NS: the operations called by then, into OUT; their number. */
static size_t prefix(const struct op *ops, size_t n, uint64_t end_ns, struct op *out)
{
	size_t n_out = 0;

	for (size_t i = 0; i < n; i++) {
		struct op op = ops[i];

		if (op.call_ns > end_ns)
			continue;
		if (op.return_ns > end_ns)
			op.status = OP_STATUS_NONE;
		if (op.what != OP_GET || !op_is_unknown(&op))
			out[n_out++] = op;
	}
	return n_out;
}

/* The first moment at which it is known not to be linearizable. */
static uint64_t end_find(const struct op *ops, size_t n, uint64_t limit_ms, struct op *out)
{
	size_t low = 0, high;
	uint64_t *at_ns = answers(ops, n, &high), end_ns;

	for (high--; low < high;) {
		size_t middle = low + (high - low) / 2, n_out = prefix(ops, n, at_ns[middle], out);

		if (linear_search(out, n_out, limit_ms, NULL) == VIOLATION)
			high = middle;
		else
			low = middle + 1;
	}
	end_ns = at_ns[high];
	free(at_ns);
	return end_ns;
}

/* The end of the BEFORE'th last answer before CALL_NS. */
static uint64_t begin_find(const struct op *ops, size_t n, uint64_t call_ns)
{
	size_t n_answers, before = 0;
	uint64_t *at_ns = answers(ops, n, &n_answers), begin_ns;

	while (before < n_answers && at_ns[before] < call_ns)
		before++;
	begin_ns = before < BEFORE ? 0 : at_ns[before - BEFORE];
	free(at_ns);
	return begin_ns;
}

static void condition_print(FILE *file, const struct op *op)
{
	if (op->condition == IF_ABSENT)
		fprintf(file, " if absent");
	else if (op->condition != IF_ANYTHING)
		fprintf(file, " if version is%s %" PRIu64, op->condition == IF_MATCH ? "" : " not", op->etag);
}

static void answer_print(FILE *file, const struct op *op)
{
	if (op_is_unknown(op)) {
		fprintf(file, "no answer\n");
		return;
	}
	fprintf(file, "%d", op->status);
	if (op->status == 200 && op->what != OP_PUT && op->what != OP_DELETE)
		fprintf(file, ", value %" PRId64, op->value);
	if (op->version != 0)
		fprintf(file, ", version %" PRIu64, op->version);
	if (op->writes != 0)
		fprintf(file, ", writes %" PRIu64, op->writes);
	fprintf(file, "\n");
}

static void print(FILE *file, const struct op *op, uint64_t since_ns, char mark, size_t place)
{
	char text[24] = "-", end[24] = "...";

	if (place != 0)
		snprintf(text, sizeof text, "%zu.", place);
	if (!op_is_unknown(op))
		snprintf(end, sizeof end, "%.1f", ((double)op->return_ns - (double)since_ns) / 1000);
	fprintf(file, "  %c %5s %10.1f to %10s us, client %2u: %s", mark, text,
		((double)op->call_ns - (double)since_ns) / 1000, end, op->client, op_word(op->what));
	if (op->what == OP_PUT || op->what == OP_ADD || op->what == OP_MAX)
		fprintf(file, " %" PRId64, op->argument);
	condition_print(file, op);
	fprintf(file, ": ");
	answer_print(file, op);
}

/* Its place in ORDER, from 1; 0: none. */
static size_t place_of(const struct order *order, size_t op)
{
	for (size_t i = 0; i < order->n; i++)
		if (order->at[i] == op)
			return i + 1;
	return 0;
}

/* The operation that was answered at END_NS. */
static size_t culprit_find(const struct op *ops, size_t n, uint64_t end_ns)
{
	size_t i = 0;

	while (i + 1 < n && (op_is_unknown(&ops[i]) || ops[i].return_ns != end_ns))
		i++;
	return i;
}

/* An order of all but the culprit, which has no answer yet. */
static void order_find(const struct op *ops, size_t n, size_t culprit, uint64_t limit_ms, struct order *order)
{
	struct op *others = get_memory(n, sizeof *others);

	for (size_t i = 0; i < n; i++)
		others[i] = ops[i];
	others[culprit].status = OP_STATUS_NONE;
	linear_search(others, n, limit_ms, order);
	free(others);
}

void explain(FILE *file, const struct op *ops, size_t n, uint64_t limit_ms)
{
	struct op *known = get_memory(n, sizeof *known);
	struct order order = { .at = get_memory(n, sizeof *order.at) };
	uint64_t end_ns = end_find(ops, n, limit_ms, known), begin_ns, since_ns;
	size_t n_known = prefix(ops, n, end_ns, known), culprit = culprit_find(known, n_known, end_ns);

	order_find(known, n_known, culprit, limit_ms, &order);
	begin_ns = begin_find(known, n_known, known[culprit].call_ns);
	since_ns = begin_ns == 0 ? known[0].call_ns : begin_ns;
	fprintf(file, "key %u: no order of what was asked explains the answer marked >. Without it there is one, which leaves: ",
		ops[0].key);
	state_print(file, &order.end);
	fprintf(file, "\n    place in that order, time, what was asked and answered:\n");
	for (size_t i = 0; i < n_known; i++) {
		size_t place = place_of(&order, i);
		/* A lost one of long ago, that nothing hints at, is left out as well. */
		uint64_t end = !op_is_unknown(&known[i]) ? known[i].return_ns : place == 0 ? known[i].call_ns : UINT64_MAX;

		if (i == culprit || end >= begin_ns)
			print(file, &known[i], since_ns, i == culprit ? '>' : ' ', place);
	}
	free(order.at);
	free(known);
}
