/*
 * metric.c - the slots of all threads, and their sum.
 *
 * A slot is written by its own thread only and read by any. The list of slots is
 * under `lock`; slots are never taken off it, so what a thread counted outlives it.
 */
#include "config.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"

struct entry {
	struct metric_slot slot;	/* first: it must stand on a cache line of its own */
	struct entry *next;
};

static const struct {
	const char *name, *help;
} table[METRIC__COUNT] = {
#define METRIC_ROW(id, name, help) [METRIC_##id] = { name, help },
	METRICS(METRIC_ROW)
#undef METRIC_ROW
};

/* For threads that found no memory for a slot: they share it, and may lose counts. */
static struct entry spare;
static struct entry *entries = &spare;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct metric_slot *slot_new(void)
{
	struct entry *entry = aligned_alloc(_Alignof(struct entry), sizeof *entry);

	if (entry == NULL)
		return &spare.slot;
	memset(entry, 0, sizeof *entry);
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

uint64_t metric_sum(enum metric metric)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&lock);
	for (struct entry *entry = entries; entry != NULL; entry = entry->next)
		sum += atomic_load_explicit(&entry->slot.count[metric], memory_order_relaxed);
	pthread_mutex_unlock(&lock);
	return sum;
}

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
