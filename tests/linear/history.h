/*
 * history.h - what clients asked about one key, and what they were told, as the load writes it down.
 *
 * One line of text for each operation. Times are those of one clock that never goes back, read by the client
 * before it asks and after it has the answer.
 */
#ifndef TESTS_LINEAR_HISTORY_H
#define TESTS_LINEAR_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum op_what { OP_GET, OP_PUT, OP_DELETE, OP_ADD, OP_MAX, OP__COUNT };

enum op_condition {
	IF_ANYTHING,		/* none */
	IF_MATCH,		/* If-Match: "etag" */
	IF_NONE_MATCH,		/* If-None-Match: "etag" */
	IF_ABSENT,		/* If-None-Match: * */
	IF__COUNT
};

/* In place of a status: the connection broke; or the client left without waiting, on purpose. */
enum { OP_STATUS_NONE = 0, OP_STATUS_LEFT = -1 };

struct op {
	uint32_t key, client;
	uint64_t call_ns, return_ns;
	enum op_what what;
	enum op_condition condition;
	uint64_t etag;			/* in the condition */
	int64_t argument;		/* the value put, or what is added or compared */
	int status;
	int64_t value;			/* of the answer to a GET, an add or a max */
	uint64_t version, writes;	/* ETag and X-KV-Writes; 0: not told */
};

/* op_is_unknown - there was no answer, or 5xx: it may take effect at any time after its call, or never. */
bool op_is_unknown(const struct op *op);

const char *op_word(enum op_what what);
const char *op_condition_word(enum op_condition condition);

/* op_write - false when it cannot. */
bool op_write(FILE *file, const struct op *op);

/* op_read - 1: the next one; 0: there is none; -1: the line is no operation. */
int op_read(FILE *file, struct op *op);

/* All operations of some files. */
struct history {
	struct op *at;
	size_t n, room;
};

void history_add(struct history *history, const struct op *op);

/* history_load - add those of FILE; false (and says why) when it cannot be read. */
bool history_load(struct history *history, FILE *file, const char *name);

/* history_sort - by key, and for each key by call. */
void history_sort(struct history *history);

/*
 * history_prune - leave out what says nothing: reads without an answer, and what was over the write limit, where
 * nothing was written.
 */
void history_prune(struct history *history);

/*
 * history_check - whether the model can say anything about the operations of one key, which are sorted: statuses
 * that it knows, and conditions with ETags that had been seen when they were asked. NULL, or the first one that is not so.
 */
const struct op *history_check(const struct op *ops, size_t n);

#endif
