/*
 * metric.c - the slots of all threads, and their sum.
 *
 * A slot is written by its own thread only and read by any. The list of slots is
 * under `lock`; slots are never taken off it, so what a thread counted outlives it. A slot's table of projects
 * is changed (but for the counts in it) under the lock as well: whoever holds it finds it as it is.
 */
#include "config.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"

enum { PROJECTS_FIRST = 16 };		/* places; a power of two */

struct entry {
	struct metric_slot slot;	/* first: it must stand on a cache line of its own */
	struct entry *next;
};

/* ---- names ---- */

static const struct {
	const char *name, *help;
} table[METRIC__COUNT] = {
#define METRIC_ROW(id, name, help) [METRIC_##id] = { name, help },
	METRICS(METRIC_ROW)
#undef METRIC_ROW
};

static const struct {
	const char *name;
	enum metric_door door;
	enum metric_class class;
} ops[METRIC_OP__COUNT] = {
#define METRIC_OP_ROW(id, door, class, name) [METRIC_OP_##id] = { name, METRIC_##door, METRIC_##class },
	METRIC_OPS(METRIC_OP_ROW)
#undef METRIC_OP_ROW
};

static const char *const doors[METRIC_DOORS] = {
	[METRIC_SDK] = "sdk", [METRIC_REST] = "rest", [METRIC_BINDING] = "binding", [METRIC_OPERATOR] = "operator"
};

static const char *const classes[METRIC_CLASSES] = {
	[METRIC_READ] = "read", [METRIC_WRITE] = "write", [METRIC_LIST] = "list", [METRIC_BULK] = "bulk",
	[METRIC_SIGN_IN] = "sign_in", [METRIC_OTHER] = "other"
};

static const int statuses[METRIC_STATUS__COUNT] = {
#define METRIC_STATUS_ROW(status) [METRIC_STATUS_##status] = status,
	METRIC_STATUSES(METRIC_STATUS_ROW)
#undef METRIC_STATUS_ROW
};

const unsigned char metric_status_places[600] = {
#define METRIC_STATUS_PLACE(status) [status] = METRIC_STATUS_##status,
	METRIC_STATUSES(METRIC_STATUS_PLACE)
#undef METRIC_STATUS_PLACE
};

const unsigned char metric_op_times[METRIC_OP__COUNT] = {
#define METRIC_OP_TIMES(id, door, class, name) [METRIC_OP_##id] = METRIC_##door * METRIC_CLASSES + METRIC_##class,
	METRIC_OPS(METRIC_OP_TIMES)
#undef METRIC_OP_TIMES
};

const char *metric_name(enum metric metric)
{
	assert((unsigned)metric < METRIC__COUNT);
	return table[metric].name;
}

const char *metric_help(enum metric metric)
{
	assert((unsigned)metric < METRIC__COUNT);
	return table[metric].help;
}

const char *metric_op_name(enum metric_op op)
{
	assert((unsigned)op < METRIC_OP__COUNT);
	return ops[op].name;
}

enum metric_door metric_op_door(enum metric_op op)
{
	assert((unsigned)op < METRIC_OP__COUNT);
	return ops[op].door;
}

enum metric_class metric_op_class(enum metric_op op)
{
	assert((unsigned)op < METRIC_OP__COUNT);
	return ops[op].class;
}

const char *metric_door_name(enum metric_door door)
{
	assert((unsigned)door < METRIC_DOORS);
	return doors[door];
}

const char *metric_class_name(enum metric_class class)
{
	assert((unsigned)class < METRIC_CLASSES);
	return classes[class];
}

int metric_status_number(enum metric_status place)
{
	assert((unsigned)place < METRIC_STATUS__COUNT);
	return statuses[place];
}

/* ---- slots ---- */

/* What a slot begins with: no project has this number, so nothing is ever counted in it. */
static struct metric_counted_project no_projects;

/* For threads that found no memory for a slot: they share it, and may lose counts. It counts no projects. */
static struct entry spare = { .slot.projects = &no_projects };
static struct entry *entries = &spare;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct metric_slot *slot_new(void)
{
	struct entry *entry = aligned_alloc(_Alignof(struct entry), sizeof *entry);

	if (entry == NULL)
		return &spare.slot;
	memset(entry, 0, sizeof *entry);
	entry->slot.projects = &no_projects;
	pthread_mutex_lock(&lock);
	entry->next = entries;
	entries = entry;
	pthread_mutex_unlock(&lock);
	return &entry->slot;
}

struct metric_slot *metric_slot(void)
{
	static _Thread_local struct metric_slot *mine;

	if (mine == NULL)
		mine = slot_new();
	return mine;
}

/* ---- a slot's projects ---- */

static struct metric_counted_project *free_place(struct metric_counted_project *projects, uint32_t mask, uint32_t number)
{
	uint32_t i = number & mask;

	while (projects[i].number != 0)
		i = (i + 1) & mask;
	return &projects[i];
}

/* Twice as many places, under the lock. */
static bool projects_grow(struct metric_slot *slot)
{
	size_t size = slot->n_projects == 0 ? PROJECTS_FIRST : 2 * ((size_t)slot->projects_mask + 1);
	struct metric_counted_project *projects = calloc(size, sizeof *projects);

	if (projects == NULL)
		return false;
	for (uint32_t i = 0; slot->n_projects != 0 && i <= slot->projects_mask; i++) {
		const struct metric_counted_project *from = &slot->projects[i];
		struct metric_counted_project *to = free_place(projects, (uint32_t)size - 1, from->number);

		if (from->number == 0)
			continue;
		to->number = from->number;
		atomic_init(&to->reads, from->reads);
		atomic_init(&to->writes, from->writes);
	}
	if (slot->n_projects != 0)
		free(slot->projects);
	slot->projects = projects;
	slot->projects_mask = (uint32_t)size - 1;
	return true;
}

struct metric_counted_project *metric_project_place(struct metric_slot *slot, uint32_t number)
{
	struct metric_counted_project *place = NULL;

	if (slot == &spare.slot)
		return NULL;
	pthread_mutex_lock(&lock);
	/* Half of them stay free, so that the search ends, and soon. */
	if (2 * slot->n_projects < slot->projects_mask || projects_grow(slot)) {
		place = free_place(slot->projects, slot->projects_mask, number);
		place->number = number;
		slot->n_projects++;
	}
	pthread_mutex_unlock(&lock);
	return place;
}

/* ---- sums ---- */

static uint64_t get(const _Atomic uint64_t *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

/* Of all operations, those that were answered with LEAST <= status <= MOST. */
static uint64_t requests_of(const struct metric_slot *slot, int least, int most)
{
	uint64_t sum = 0;

	for (size_t place = 0; place < METRIC_STATUS__COUNT; place++)
		for (size_t op = 0; least <= statuses[place] && statuses[place] <= most && op < METRIC_OP__COUNT; op++)
			sum += get(&slot->ops[op].status[place]);
	return sum;
}

/* Some counters are not counted: they follow from others. */
static uint64_t count_of(const struct metric_slot *slot, enum metric metric)
{
	switch (metric) {
	case METRIC_REQUESTS:     return requests_of(slot, 0, 599);
	case METRIC_REQUESTS_2XX: return requests_of(slot, 200, 299);
	case METRIC_REQUESTS_4XX: return requests_of(slot, 400, 499);
	case METRIC_REQUESTS_5XX: return requests_of(slot, 500, 599);
	default:                  return get(&slot->count[metric]);
	}
}

uint64_t metric_sum(enum metric metric)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&lock);
	for (struct entry *entry = entries; entry != NULL; entry = entry->next)
		sum += count_of(&entry->slot, metric);
	pthread_mutex_unlock(&lock);
	return sum;
}

static void add_op(struct metric_op_sum *sum, const struct metric_counted_op *op)
{
	for (size_t place = 0; place < METRIC_STATUS__COUNT; place++) {
		uint64_t n = get(&op->status[place]);

		sum->status[place] += n;
		sum->n += n;
	}
	sum->received += get(&op->received);
	sum->sent += get(&op->sent);
}

static void add_histogram(struct metric_histogram_sum *sum, const struct metric_counted *counted)
{
	for (size_t i = 0; i < METRIC_BUCKETS; i++) {
		uint64_t n = get(&counted->bucket[i]);

		sum->bucket[i] += n;
		sum->n += n;
	}
	sum->sum += get(&counted->sum);
}

/* Counters that tell of an end, before those of the beginning: what has ended meanwhile is in neither. */
static const enum metric ends[] = { METRIC_UNPARKED, METRIC_SLOW_CALLS_DONE, METRIC_CONNECTIONS_ENDED };

static void add_ends(struct metric_snapshot *out, const struct metric_slot *slot)
{
	for (size_t op = 0; op < METRIC_OP__COUNT; op++)
		add_op(&out->ops[op], &slot->ops[op]);
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		out->count[ends[i]] += get(&slot->count[ends[i]]);
}

static bool is_end(enum metric metric)
{
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (ends[i] == metric)
			return true;
	return false;
}

static void add_rest(struct metric_snapshot *out, const struct metric_slot *slot)
{
	for (enum metric metric = 0; metric < METRIC__COUNT; metric++)
		if (!is_end(metric))
			out->count[metric] += get(&slot->count[metric]);
	for (size_t i = 0; i < METRIC_HISTOGRAM__COUNT; i++)
		add_histogram(&out->histograms[i], &slot->histograms[i]);
	for (size_t rc = 0; rc < RC__COUNT; rc++)
		out->refusals[rc] += get(&slot->refusals[rc]);
}

/* The counters that follow from others, as they are in this snapshot. */
static void derive(struct metric_snapshot *out)
{
	for (size_t op = 0; op < METRIC_OP__COUNT; op++)
		for (size_t place = 0; place < METRIC_STATUS__COUNT; place++) {
			uint64_t n = out->ops[op].status[place];

			out->count[METRIC_REQUESTS] += n;
			switch (statuses[place] / 100) {
			case 2: out->count[METRIC_REQUESTS_2XX] += n; break;
			case 4: out->count[METRIC_REQUESTS_4XX] += n; break;
			case 5: out->count[METRIC_REQUESTS_5XX] += n; break;
			}
		}
}

void metric_snapshot(struct metric_snapshot *out)
{
	memset(out, 0, sizeof *out);
	pthread_mutex_lock(&lock);
	for (struct entry *entry = entries; entry != NULL; entry = entry->next)
		add_ends(out, &entry->slot);
	atomic_thread_fence(memory_order_acquire);
	for (struct entry *entry = entries; entry != NULL; entry = entry->next)
		add_rest(out, &entry->slot);
	pthread_mutex_unlock(&lock);
	derive(out);
}

/* ---- projects ---- */

static int compare_numbers(const void *a, const void *b)
{
	const struct metric_project *p = a, *q = b;

	return (p->number > q->number) - (p->number < q->number);
}

/* Room for each slot's, under the lock. */
static struct metric_project *take_all(size_t *n)
{
	struct metric_project *all;
	size_t room = 0;

	*n = 0;
	for (struct entry *entry = entries; entry != NULL; entry = entry->next)
		room += entry->slot.n_projects;
	all = room == 0 ? NULL : malloc(room * sizeof *all);
	for (struct entry *entry = entries; all != NULL && entry != NULL; entry = entry->next)
		for (uint32_t i = 0; i <= entry->slot.projects_mask; i++) {
			const struct metric_counted_project *project = &entry->slot.projects[i];

			if (project->number != 0)
				all[(*n)++] = (struct metric_project){ project->number, get(&project->reads),
								       get(&project->writes) };
		}
	return all;
}

struct metric_project *metric_projects(size_t *n)
{
	struct metric_project *all;
	size_t merged = 0;

	pthread_mutex_lock(&lock);
	all = take_all(n);
	pthread_mutex_unlock(&lock);
	if (all == NULL)
		return NULL;
	qsort(all, *n, sizeof *all, compare_numbers);
	for (size_t i = 0; i < *n; i++) {
		if (merged != 0 && all[merged - 1].number == all[i].number) {
			all[merged - 1].reads += all[i].reads;
			all[merged - 1].writes += all[i].writes;
		} else {
			all[merged++] = all[i];
		}
	}
	*n = merged;
	return all;
}

/* ---- histograms ---- */

uint64_t metric_bucket_end(size_t i)
{
	assert(i < METRIC_BUCKETS);
	if (i < 4)
		return i + 1;
	return i == METRIC_BUCKETS - 1 ? UINT64_MAX : (uint64_t)(5 + i % 4) << (i / 4 - 1);
}

void metric_histogram_add(struct metric_histogram_sum *into, const struct metric_histogram_sum *from)
{
	for (size_t i = 0; i < METRIC_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
	into->n += from->n;
	into->sum += from->sum;
}
