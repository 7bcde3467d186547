/*
 * metric.h - what we count. A list becomes an enum, names and help.
 *
 * Each thread counts in a slot of its own, so counting needs no lock and no
 * shared cache line; readers add the slots up. Five things are counted:
 *
 *   counters      METRICS, plain numbers                        metric_add()
 *   requests      by operation and status, with their bytes     metric_request()
 *   their times   a histogram for each door and class           the same call
 *   refusals      by how a request ended (enum rc)              metric_refusal()
 *   projects      reads and writes of each                      metric_project()
 *
 * Who reads takes a metric_snapshot(), and the projects by metric_projects(). All of it begins with the process.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"

/*     id                    name                      help */
#define METRICS(M) \
	M(REQUESTS,          "requests",               "requests answered") \
	M(REQUESTS_2XX,      "requests_2xx",           "answered with a 2xx status") \
	M(REQUESTS_4XX,      "requests_4xx",           "answered with a 4xx status") \
	M(REQUESTS_5XX,      "requests_5xx",           "answered with a 5xx status") \
	M(REQUESTS_BEGUN,    "requests_begun",         "requests read, answered or not yet") \
	M(READS,             "reads",                  "keys read") \
	M(WRITES,            "writes",                 "changes made, durable") \
	M(LISTS,             "lists",                  "list pages answered") \
	M(VALIDATES,         "validates",              "initData turned into a token") \
	M(READS_PARKED,      "reads_parked",           "answers held back for a flush") \
	M(WRITES_PARKED,     "writes_parked",          "changes handed to the committer by a loop") \
	M(UNPARKED,          "unparked",               "of both, those that wait no longer") \
	M(REPEATS,           "repeats",                "requests repeated by the front server and recognised") \
	M(WRITE_LIMITED,     "write_limited",          "changes refused by a key's write limit") \
	M(RATE_LIMITED,      "rate_limited",           "requests refused by a user's rate") \
	M(TOKEN_HITS,        "token_hits",             "tokens known already") \
	M(TOKEN_MISSES,      "token_misses",           "tokens checked in full") \
	M(CONNECTIONS,       "connections",            "connections accepted") \
	M(CONNECTIONS_ENDED, "connections_ended",      "of these, closed") \
	M(CONNECTION_ERRORS, "connection_errors",      "connections lost or closed for a protocol error") \
	M(SLOW_CALLS,        "slow_calls",             "requests given to the slow lane") \
	M(SLOW_CALLS_DONE,   "slow_calls_done",        "of these, handed back") \
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

/* The doors, as far as requests are counted, and the classes whose times are alike. */
enum metric_door { METRIC_SDK, METRIC_REST, METRIC_BINDING, METRIC_OPERATOR, METRIC_DOORS };
enum metric_class {
	METRIC_READ, METRIC_WRITE, METRIC_LIST, METRIC_BULK, METRIC_SIGN_IN, METRIC_OTHER, METRIC_CLASSES
};

/* What requests ask for: a row of the route table, or a few. "none" is what has no row; it comes first at each door. */
/*        id                      door      class    name */
#define METRIC_OPS(O) \
	O(SDK_NONE,               SDK,      OTHER,   "none") \
	O(SDK_GET,                SDK,      READ,    "get") \
	O(SDK_PUT,                SDK,      WRITE,   "put") \
	O(SDK_DELETE,             SDK,      WRITE,   "delete") \
	O(SDK_PATCH,              SDK,      WRITE,   "patch") \
	O(SDK_LIST,               SDK,      LIST,    "list") \
	O(SDK_VALIDATE,           SDK,      SIGN_IN, "validate") \
	O(SDK_JWKS,               SDK,      OTHER,   "jwks") \
	O(SDK_PREFLIGHT,          SDK,      OTHER,   "preflight") \
	O(REST_NONE,              REST,     OTHER,   "none") \
	O(REST_GET,               REST,     READ,    "get") \
	O(REST_METADATA,          REST,     READ,    "metadata") \
	O(REST_PUT,               REST,     WRITE,   "put") \
	O(REST_DELETE,            REST,     WRITE,   "delete") \
	O(REST_LIST,              REST,     LIST,    "list") \
	O(REST_BULK_PUT,          REST,     BULK,    "bulk_put") \
	O(REST_BULK_DELETE,       REST,     BULK,    "bulk_delete") \
	O(REST_BULK_GET,          REST,     BULK,    "bulk_get") \
	O(REST_NAMESPACE,         REST,     OTHER,   "namespace") \
	O(REST_NAMESPACE_CREATE,  REST,     OTHER,   "namespace_create") \
	O(REST_NAMESPACE_RENAME,  REST,     OTHER,   "namespace_rename") \
	O(REST_NAMESPACE_DELETE,  REST,     OTHER,   "namespace_delete") \
	O(REST_ACCOUNT,           REST,     OTHER,   "account") \
	O(REST_PREFLIGHT,         REST,     OTHER,   "preflight") \
	O(BINDING_NONE,           BINDING,  OTHER,   "none") \
	O(BINDING_GET,            BINDING,  READ,    "get") \
	O(BINDING_PUT,            BINDING,  WRITE,   "put") \
	O(BINDING_DELETE,         BINDING,  WRITE,   "delete") \
	O(BINDING_LIST,           BINDING,  LIST,    "list") \
	O(BINDING_BULK_GET,       BINDING,  BULK,    "bulk_get") \
	O(OPERATOR_NONE,          OPERATOR, OTHER,   "none") \
	O(OPERATOR_HEALTH,        OPERATOR, OTHER,   "healthz") \
	O(OPERATOR_READY,         OPERATOR, OTHER,   "readyz") \
	O(OPERATOR_METRICS,       OPERATOR, OTHER,   "metrics")

enum metric_op {
#define METRIC_OP_ENUM(id, door, class, name) METRIC_OP_##id,
	METRIC_OPS(METRIC_OP_ENUM)
#undef METRIC_OP_ENUM
	METRIC_OP__COUNT
};

/* The statuses we answer, each with a place; the first one is for any other. */
#define METRIC_STATUSES(S) \
	S(200) S(201) S(204) S(304) S(400) S(401) S(403) S(404) S(405) S(406) S(409) S(412) S(413) S(414) S(415) S(429) \
	S(431) S(500) S(503) S(504) S(507)
enum metric_status {
	METRIC_STATUS_OTHER,
#define METRIC_STATUS_ENUM(status) METRIC_STATUS_##status,
	METRIC_STATUSES(METRIC_STATUS_ENUM)
#undef METRIC_STATUS_ENUM
	METRIC_STATUS__COUNT
};

/*
 * A histogram of whole numbers, mostly microseconds: 0 to 3 each have a bucket, from then on there are four for each
 * power of two, up to 2^26 (67 s); the last one has all that is more.
 */
enum { METRIC_BUCKETS = 101 };

/* The histograms: the times of requests, METRIC_TIMES(door, class); and the committer's. */
#define METRIC_TIMES(door, class) ((enum metric_histogram)((door) * METRIC_CLASSES + (class)))
enum metric_histogram {
	METRIC_FLUSHES = METRIC_DOORS * METRIC_CLASSES,	/* microseconds */
	METRIC_BATCH_SIZES,		/* changes in a batch of the committer's */
	METRIC_HISTOGRAM__COUNT
};

/* --- counting: only by the slot's own thread --- */

struct metric_counted {
	_Atomic uint64_t bucket[METRIC_BUCKETS];
	_Atomic uint64_t sum;
};

struct metric_counted_op {
	_Atomic uint64_t status[METRIC_STATUS__COUNT];
	_Atomic uint64_t received, sent;
};

struct metric_counted_project {
	uint32_t number;		/* 0: a free place */
	_Atomic uint64_t reads, writes;
};

/* One thread's numbers, on cache lines of their own. */
struct metric_slot {
	_Alignas(64) _Atomic uint64_t count[METRIC__COUNT];
	struct metric_counted_project *projects;	/* open addressing */
	uint32_t projects_mask;
	uint32_t n_projects;
	struct metric_counted_op ops[METRIC_OP__COUNT];
	struct metric_counted histograms[METRIC_HISTOGRAM__COUNT];
	_Atomic uint64_t refusals[RC__COUNT];
};

/* metric_slot - the calling thread's slot; made and registered at its first call, kept for good. */
struct metric_slot *metric_slot(void);

static inline void metric_bump(_Atomic uint64_t *count, uint64_t n)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void metric_add(struct metric_slot *slot, enum metric metric, uint64_t n)
{
	metric_bump(&slot->count[metric], n);
}

static inline size_t metric_bucket(uint64_t value)
{
	unsigned power;

	if (value < 4)
		return (size_t)value;
	power = 63 - (unsigned)__builtin_clzll(value);
	if (power >= METRIC_BUCKETS / 4 + 1)
		return METRIC_BUCKETS - 1;
	return (power - 1) * 4 + (size_t)(value >> (power - 2) & 3);
}

static inline void metric_observe(struct metric_slot *slot, enum metric_histogram histogram, uint64_t value)
{
	metric_bump(&slot->histograms[histogram].bucket[metric_bucket(value)], 1);
	metric_bump(&slot->histograms[histogram].sum, value);
}

extern const unsigned char metric_status_places[600];
extern const unsigned char metric_op_times[METRIC_OP__COUNT];

/* metric_request - one was answered with STATUS, US microseconds after it was there, with so many bytes of body each way. */
static inline void metric_request(struct metric_slot *slot, enum metric_op op, int status, uint64_t us,
				  uint64_t received, uint64_t sent)
{
	struct metric_counted_op *counted = &slot->ops[op];
	unsigned place = (unsigned)status < 600 ? metric_status_places[status] : METRIC_STATUS_OTHER;

	metric_bump(&counted->status[place], 1);
	metric_bump(&counted->received, received);
	metric_bump(&counted->sent, sent);
	metric_observe(slot, (enum metric_histogram)metric_op_times[op], us);
}

/* metric_refusal - it ended so, which is not RC_OK. */
static inline void metric_refusal(struct metric_slot *slot, enum rc rc)
{
	metric_bump(&slot->refusals[rc], 1);
}

/* metric_project_place - the place of project NUMBER, which has none yet; NULL: there is no memory, it is not counted. */
struct metric_counted_project *metric_project_place(struct metric_slot *slot, uint32_t number);

/* metric_project - a request of project NUMBER, which is not 0; a write, or something that only reads. */
static inline void metric_project(struct metric_slot *slot, uint32_t number, bool is_write)
{
	uint32_t i = number & slot->projects_mask;
	struct metric_counted_project *project = &slot->projects[i];

	/* Numbers are given one after the other, so the first place is nearly always the right one. */
	while (project->number != number) {
		if (project->number == 0 && (project = metric_project_place(slot, number)) == NULL)
			return;
		if (project->number != number)
			project = &slot->projects[i = (i + 1) & slot->projects_mask];
	}
	metric_bump(is_write ? &project->writes : &project->reads, 1);
}

/* --- reading: any thread --- */

struct metric_histogram_sum {
	uint64_t bucket[METRIC_BUCKETS];
	uint64_t n;			/* all of them */
	uint64_t sum;			/* of the values */
};

struct metric_op_sum {
	uint64_t status[METRIC_STATUS__COUNT];
	uint64_t n;			/* all of them */
	uint64_t received, sent;	/* bytes of bodies */
};

/* All slots added up. About 30 KB: it belongs into an arena or on a heap. */
struct metric_snapshot {
	uint64_t count[METRIC__COUNT];
	struct metric_op_sum ops[METRIC_OP__COUNT];
	struct metric_histogram_sum histograms[METRIC_HISTOGRAM__COUNT];
	uint64_t refusals[RC__COUNT];
};

/*
 * metric_snapshot - what has been counted until now. While others count, two numbers of it may lie a request apart;
 * each of them never falls, and what is counted when something ends is never ahead of what is counted when it begins.
 */
void metric_snapshot(struct metric_snapshot *out);

/* metric_sum - one counter. */
uint64_t metric_sum(enum metric metric);

/* metric_histogram_add - FROM's values are INTO's, too: for classes or doors together. */
void metric_histogram_add(struct metric_histogram_sum *into, const struct metric_histogram_sum *from);

/* metric_bucket_end - the least value that is too large for bucket I; UINT64_MAX: none is. */
uint64_t metric_bucket_end(size_t i);

/*
 * metric_projects - the *N projects that have had requests, by number, deleted ones too: to be freed. NULL: there are
 * none, or no memory.
 */
struct metric_project {
	uint32_t number;
	uint64_t reads, writes;		/* requests, whatever they were answered */
};
struct metric_project *metric_projects(size_t *n);

const char *metric_name(enum metric metric);
const char *metric_help(enum metric metric);

/* An operation's own name, its door, its class; the names of these; what number a place of METRIC_STATUSES has (0: other). */
const char *metric_op_name(enum metric_op op);
enum metric_door metric_op_door(enum metric_op op);
enum metric_class metric_op_class(enum metric_op op);
const char *metric_door_name(enum metric_door door);
const char *metric_class_name(enum metric_class class);
int metric_status_number(enum metric_status place);

#endif
