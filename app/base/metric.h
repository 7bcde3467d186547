/*
 * metric.h - what we count. One list becomes the enum, the names and the help.
 *
 * Each thread counts in a slot of its own, so counting needs no lock and no
 * shared cache line; readers add the slots up.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/*     id                    name                      help */
#define METRICS(M) \
	M(REQUESTS,          "requests",               "requests answered") \
	M(REQUESTS_2XX,      "requests_2xx",           "answered with a 2xx status") \
	M(REQUESTS_4XX,      "requests_4xx",           "answered with a 4xx status") \
	M(REQUESTS_5XX,      "requests_5xx",           "answered with a 5xx status") \
	M(READS,             "reads",                  "keys read") \
	M(WRITES,            "writes",                 "changes made, durable") \
	M(LISTS,             "lists",                  "list pages answered") \
	M(VALIDATES,         "validates",              "initData turned into a token") \
	M(READS_PARKED,      "reads_parked",           "answers held back for a flush") \
	M(REPEATS,           "repeats",                "requests repeated by the front server and recognised") \
	M(WRITE_LIMITED,     "write_limited",          "changes refused by a key's write limit") \
	M(RATE_LIMITED,      "rate_limited",           "requests refused by a user's rate") \
	M(TOKEN_HITS,        "token_hits",             "tokens known already") \
	M(TOKEN_MISSES,      "token_misses",           "tokens checked in full") \
	M(CONNECTIONS,       "connections",            "connections accepted") \
	M(CONNECTION_ERRORS, "connection_errors",      "connections lost or closed for a protocol error") \
	M(SLOW_CALLS,        "slow_calls",             "requests given to the slow lane") \
	M(BATCHES,           "batches",                "write batches flushed") \
	M(BATCH_RETRIES,     "batch_retries",          "batches run again after a lock was lost") \
	M(FLUSH_US,          "flush_us",               "microseconds spent in flushes") \
	M(CHECKPOINTS,       "checkpoints",            "checkpoints taken") \
	M(SWEPT,             "swept",                  "expired keys removed") \
	M(REAPED,            "reaped",                 "rows of deleted projects removed")

enum metric {
#define METRIC_ENUM(id, name, help) METRIC_##id,
	METRICS(METRIC_ENUM)
#undef METRIC_ENUM
	METRIC__COUNT
};

/* One thread's counters, on cache lines of their own. */
struct metric_slot {
	_Alignas(64) _Atomic uint64_t count[METRIC__COUNT];
};

/* metric_slot - the calling thread's slot; made and registered at its first call, kept for good. */
struct metric_slot *metric_slot(void);

/* metric_add - only by the slot's own thread. */
static inline void metric_add(struct metric_slot *slot, enum metric metric, uint64_t n)
{
	_Atomic uint64_t *count = &slot->count[metric];

	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* metric_sum - all slots added up. Any thread. */
uint64_t metric_sum(enum metric metric);

const char *metric_name(enum metric metric);
const char *metric_help(enum metric metric);

#endif
