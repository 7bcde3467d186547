/*
 * value.h - the values of the crash tests: each is written once, and says by whom.
 *
 * A value is made from its writer and the writer's number alone, fill included, so whoever reads one knows
 * whether all of it is there. Most are small, some lie around the limit of what fits into a
 * record, some are larger, and a few are so large that they are stored in chunks.
 */
#ifndef TESTS_CRASH_VALUE_H
#define TESTS_CRASH_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writers count from 1; writer 0 means that there is no value. */
struct value_id {
	uint32_t writer, number;
};

enum { VALUE_MAX = 768 * 1024 };

/* value_make - the JSON text of ID into OUT, VALUE_MAX bytes; answers its length. */
size_t value_make(struct value_id id, char *out);

/* value_is_large - whether the value of ID is one of the few that may take more than a chunk. */
bool value_is_large(struct value_id id);

/* value_read - whose value TEXT is; false when it is none, or not the whole of it. */
bool value_read(const char *text, size_t n, struct value_id *id);

#endif
