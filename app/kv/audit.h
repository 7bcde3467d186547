/*
 * audit.h - does everything in a store belong together?
 *
 * Each record has its value and its expiry row, no value and no expiry row is without a record, the usage rows add
 * up. Chunks of a value belong to a record, or to a row of garbage that waits for the collector.
 */
#ifndef KV_AUDIT_H
#define KV_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

struct kv_audit {
	/* in: SAY gets a sentence for the first faults; never a key or a value */
	struct store *store;
	void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2)));
	/* out */
	uint64_t records, values, garbage, expiries, usages;
	uint64_t newest;	/* version */
	size_t faults;
};

/* kv_audit - look at all of it; false when there are faults. Nobody may write meanwhile. */
bool kv_audit(struct kv_audit *audit);

#endif
