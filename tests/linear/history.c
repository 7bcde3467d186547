/*
 * history.c - operations as lines of text:
 *
 *     key client call return what condition etag argument status value version writes
 *
 * One thread at a time for each FILE and each struct history.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

static const char *const whats[OP__COUNT] = {
	[OP_GET] = "get", [OP_PUT] = "put", [OP_DELETE] = "delete", [OP_ADD] = "add", [OP_MAX] = "max"
};
static const char *const conditions[IF__COUNT] = {
	[IF_ANYTHING] = "-", [IF_MATCH] = "match", [IF_NONE_MATCH] = "none-match", [IF_ABSENT] = "absent"
};

const char *op_word(enum op_what what)
{
	return whats[what];
}

const char *op_condition_word(enum op_condition condition)
{
	return conditions[condition];
}

bool op_is_unknown(const struct op *op)
{
	return op->status <= 0 || op->status >= 500;
}

bool op_write(FILE *file, const struct op *op)
{
	return fprintf(file, "%u %u %" PRIu64 " %" PRIu64 " %s %s %" PRIu64 " %" PRId64 " %d %" PRId64 " %" PRIu64
		       " %" PRIu64 "\n", op->key, op->client, op->call_ns, op->return_ns, whats[op->what],
		       conditions[op->condition], op->etag, op->argument, op->status, op->value, op->version,
		       op->writes) > 0;
}

/* The place of WORD among N others; N when it is none of them. */
static size_t word_find(const char *word, const char *const *words, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(word, words[i]) != 0)
		i++;
	return i;
}

int op_read(FILE *file, struct op *op)
{
	char what[12], condition[12];
	int n;

	*op = (struct op){ .key = 0 };
	n = fscanf(file, "%u %u %" SCNu64 " %" SCNu64 " %11s %11s %" SCNu64 " %" SCNd64 " %d %" SCNd64 " %" SCNu64
		   " %" SCNu64, &op->key, &op->client, &op->call_ns, &op->return_ns, what, condition, &op->etag,
		   &op->argument, &op->status, &op->value, &op->version, &op->writes);
	if (n == EOF)
		return 0;
	if (n != 12)
		return -1;
	op->what = (enum op_what)word_find(what, whats, OP__COUNT);
	op->condition = (enum op_condition)word_find(condition, conditions, IF__COUNT);
	return op->what < OP__COUNT && op->condition < IF__COUNT && op->call_ns <= op->return_ns ? 1 : -1;
}

void history_add(struct history *history, const struct op *op)
{
	if (history->n == history->room) {
		history->room = history->room == 0 ? 1024 : 2 * history->room;
		history->at = realloc(history->at, history->room * sizeof *history->at);
		if (history->at == NULL)
			abort();
	}
	history->at[history->n++] = *op;
}

bool history_load(struct history *history, FILE *file, const char *name)
{
	struct op op;
	int rc = -1;

	if (file != NULL)
		while ((rc = op_read(file, &op)) == 1)
			history_add(history, &op);
	if (rc != 0)
		fprintf(stderr, "%s: %s\n", name, file == NULL ? strerror(errno) : "this is no operation");
	return rc == 0;
}

static int compare(const void *a, const void *b)
{
	const struct op *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->call_ns > y->call_ns) - (x->call_ns < y->call_ns);
}

void history_sort(struct history *history)
{
	if (history->n != 0)
		qsort(history->at, history->n, sizeof *history->at, compare);
}

void history_prune(struct history *history)
{
	size_t n = 0;

	for (size_t i = 0; i < history->n; i++) {
		const struct op *op = &history->at[i];

		if ((op->what == OP_GET && op_is_unknown(op)) || op->status == 429)
			continue;
		history->at[n++] = *op;
	}
	history->n = n;
}

static bool status_is_known(const struct op *op)
{
	switch (op->status) {
	case 200: return true;
	case 304:
	case 404: return op->what == OP_GET;
	case 412: return op->condition != IF_ANYTHING;
	default:  return op_is_unknown(op);
	}
}

/* Whether an answer that came before OP was asked told of ETAG. */
static bool was_seen(const struct op *ops, const struct op *op)
{
	for (const struct op *other = ops; other < op; other++)
		if (other->version == op->etag && !op_is_unknown(other) && other->return_ns <= op->call_ns)
			return true;
	return false;
}

const struct op *history_check(const struct op *ops, size_t n)
{
	for (const struct op *op = ops; op < ops + n; op++) {
		bool has_etag = op->condition == IF_MATCH || op->condition == IF_NONE_MATCH;

		if (!status_is_known(op) || (has_etag && !was_seen(ops, op)))
			return op;
	}
	return NULL;
}
