/*
 * top_compare.c - see top.h: what has happened between two snapshots.
 *
 * How hot a key is: where both snapshots have it, what its own counter of writes has risen by, which is exact; else,
 * and when it was deleted in between, what the server has seen of it in the last seconds.
 */
#include "config.h"

#include <stdlib.h>

#include "ctl/ctl.h"
#include "ctl/top.h"

struct pair {
	const struct top_snapshot *before, *now;	/* BEFORE is NULL when the server is another, or a new one */
	double interval_s;
};

static struct pair pair_of(const struct top_snapshot *before, const struct top_snapshot *now)
{
	struct pair pair = { before, now, 0 };
	int64_t us;

	if (before != NULL && (before->pid != now->pid || before->uptime_us >= now->uptime_us ||
			       top_counter(before, "requests") > top_counter(now, "requests")))
		pair.before = NULL;
	us = now->uptime_us - (pair.before != NULL ? pair.before->uptime_us : 0);
	pair.interval_s = us > 0 ? (double)us / 1e6 : 1;
	return pair;
}

/* From BEFORE to NOW; what has fallen began anew. */
static int64_t risen(int64_t before, int64_t now)
{
	return now >= before ? now - before : now;
}

static int64_t counted(const struct pair *pair, const char *name)
{
	return risen(pair->before != NULL ? top_counter(pair->before, name) : 0, top_counter(pair->now, name));
}

static double rate(const struct pair *pair, const char *name)
{
	return (double)counted(pair, name) / pair->interval_s;
}

/* Of HITS and MISSES together. */
static double part(int64_t hits, int64_t misses)
{
	return hits + misses > 0 ? (double)hits / (double)(hits + misses) : -1;
}

static int64_t in_store(const struct top_snapshot *snapshot, const char *name)
{
	return snapshot != NULL ? ctl_get_i64(snapshot->store, name) : 0;
}

static int64_t counted_in_store(const struct pair *pair, const char *name)
{
	return risen(in_store(pair->before, name), in_store(pair->now, name));
}

/* Those that have begun and have not ended. */
static int64_t open_of(const struct top_snapshot *now, const char *begun, const char *more, const char *ended)
{
	int64_t n = top_counter(now, begun) + top_counter(now, more) - top_counter(now, ended);

	return n > 0 ? n : 0;
}

static void compare_counters(const struct pair *pair, struct top_rates *out)
{
	int64_t batches = counted(pair, "batches");

	out->requests = rate(pair, "requests");
	out->ok = rate(pair, "requests_2xx");
	out->refused = rate(pair, "requests_4xx");
	out->failed = rate(pair, "requests_5xx");
	out->limited = rate(pair, "write_limited") + rate(pair, "rate_limited");
	out->batches = rate(pair, "batches");
	out->changes = rate(pair, "writes");
	out->flush_us = batches > 0 ? (double)counted(pair, "flush_us") / (double)batches : 0;
	out->token_hits = part(counted(pair, "token_hits"), counted(pair, "token_misses"));
	out->cache_hits = part(counted_in_store(pair, "cache_hits"), counted_in_store(pair, "cache_misses"));
	out->parked = open_of(pair->now, "reads_parked", "writes_parked", "unparked");
	out->slow = open_of(pair->now, "slow_calls", "", "slow_calls_done");
	out->connections = open_of(pair->now, "connections", "", "connections_ended");
	out->queued = in_store(pair->now, "queued");
	out->free_bytes = in_store(pair->now, "free_bytes");
	out->full = ctl_get_bool(pair->now->store, "full");
}

/* --- times --- */

static const struct top_class *same_class(const struct top_snapshot *before, struct str name)
{
	for (size_t i = 0; before != NULL && i < before->n_classes; i++)
		if (str_eq(before->classes[i].name, name))
			return &before->classes[i];
	return NULL;
}

/* How many BEFORE, which may be NULL, had in the bucket that ends at END_US. *AT is where to look from. */
static int64_t had(const struct top_class *before, int64_t end_us, size_t *at)
{
	while (before != NULL && *at < before->n_buckets && before->buckets[*at].end_us < end_us)
		(*at)++;
	return before != NULL && *at < before->n_buckets && before->buckets[*at].end_us == end_us ? before->buckets[*at].n : 0;
}

/* PER_CENT of the N values between BEFORE and NOW are less than the answer. */
static int64_t quantile(const struct top_class *before, const struct top_class *now, int64_t n, int64_t per_cent)
{
	int64_t wanted = (n * per_cent + 99) / 100, seen = 0;
	size_t at = 0;

	for (size_t i = 0; n > 0 && i < now->n_buckets; i++) {
		seen += risen(had(before, now->buckets[i].end_us, &at), now->buckets[i].n);
		if (seen >= wanted)
			return now->buckets[i].end_us;
	}
	return 0;
}

static bool compare_classes(const struct pair *pair, struct arena *arena, struct top_rates *out)
{
	out->n_classes = pair->now->n_classes;
	out->classes = arena_zero(arena, (out->n_classes + 1) * sizeof out->classes[0]);
	if (out->classes == NULL)
		return false;
	for (size_t i = 0; i < out->n_classes; i++) {
		const struct top_class *now = &pair->now->classes[i], *before = same_class(pair->before, now->name);
		int64_t n = risen(before != NULL ? before->n : 0, now->n);

		out->classes[i] = (struct top_class_rate){
			now->name, (double)n / pair->interval_s,
			quantile(before, now, n, 50), quantile(before, now, n, 99),
		};
	}
	return true;
}

/* --- projects --- */

/* What a project was at before. False: nobody knows, it was not among those that were told. */
static bool project_before(const struct pair *pair, const struct top_project *now, struct top_project *before)
{
	*before = (struct top_project){ .number = now->number };
	if (pair->before == NULL)
		return true;
	for (size_t i = 0; i < pair->before->n_projects; i++)
		if (pair->before->projects[i].number == now->number) {
			*before = pair->before->projects[i];
			return true;
		}
	return pair->before->projects_whole;
}

static bool compare_projects(const struct pair *pair, struct arena *arena, struct top_rates *out)
{
	out->projects = arena_zero(arena, (pair->now->n_projects + 1) * sizeof out->projects[0]);
	if (out->projects == NULL)
		return false;
	for (size_t i = 0; i < pair->now->n_projects; i++) {
		const struct top_project *now = &pair->now->projects[i];
		struct top_project before;

		if (!project_before(pair, now, &before))
			before = *now;
		out->projects[out->n_projects++] = (struct top_project_rate){
			.name = now->name, .total = now->reads + now->writes,
			.reads_per_s = (double)risen(before.reads, now->reads) / pair->interval_s,
			.writes_per_s = (double)risen(before.writes, now->writes) / pair->interval_s,
		};
	}
	return true;
}

/* --- keys --- */

static const struct top_key *same_key(const struct top_snapshot *before, const struct top_key *key)
{
	for (size_t i = 0; before != NULL && i < before->n_keys; i++)
		if (before->keys[i].number == key->number && str_eq(before->keys[i].key, key->key))
			return &before->keys[i];
	return NULL;
}

static double key_rate(const struct pair *pair, const struct top_key *now)
{
	const struct top_key *before = same_key(pair->before, now);
	int64_t recent_us = pair->now->recent_us;

	if (before != NULL && now->writes >= before->writes)
		return (double)(now->writes - before->writes) / pair->interval_s;
	return recent_us > 0 ? (double)now->recent * 1e6 / (double)recent_us : 0;
}

static bool compare_keys(const struct pair *pair, struct arena *arena, struct top_rates *out)
{
	out->n_keys = pair->now->n_keys;
	out->keys = arena_zero(arena, (out->n_keys + 1) * sizeof out->keys[0]);
	if (out->keys == NULL)
		return false;
	for (size_t i = 0; i < out->n_keys; i++) {
		const struct top_key *now = &pair->now->keys[i];

		out->keys[i] = (struct top_key_rate){ now->project, now->key, key_rate(pair, now), now->writes };
	}
	return true;
}

/* --- their order --- */

static int descending(double a, double b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int projects_by_name(const void *a, const void *b)
{
	const struct top_project_rate *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

static int projects_by_total(const void *a, const void *b)
{
	const struct top_project_rate *x = a, *y = b;
	int order = descending((double)x->total, (double)y->total);

	return order != 0 ? order : projects_by_name(a, b);
}

static int projects_by_rate(const void *a, const void *b)
{
	const struct top_project_rate *x = a, *y = b;
	int order = descending(x->reads_per_s + x->writes_per_s, y->reads_per_s + y->writes_per_s);

	return order != 0 ? order : projects_by_total(a, b);
}

static int keys_by_name(const void *a, const void *b)
{
	const struct top_key_rate *x = a, *y = b;
	int order = str_cmp(x->project, y->project);

	return order != 0 ? order : str_cmp(x->key, y->key);
}

static int keys_by_total(const void *a, const void *b)
{
	const struct top_key_rate *x = a, *y = b;
	int order = descending((double)x->writes, (double)y->writes);

	return order != 0 ? order : keys_by_name(a, b);
}

static int keys_by_rate(const void *a, const void *b)
{
	const struct top_key_rate *x = a, *y = b;
	int order = descending(x->per_s, y->per_s);

	return order != 0 ? order : keys_by_total(a, b);
}

static void order(struct top_rates *rates, enum top_sort sort)
{
	static int (*const projects[TOP_SORTS])(const void *, const void *) = {
		projects_by_rate, projects_by_total, projects_by_name
	};
	static int (*const keys[TOP_SORTS])(const void *, const void *) = { keys_by_rate, keys_by_total, keys_by_name };

	qsort(rates->projects, rates->n_projects, sizeof rates->projects[0], projects[sort]);
	qsort(rates->keys, rates->n_keys, sizeof rates->keys[0], keys[sort]);
}

bool top_compare(const struct top_snapshot *before, const struct top_snapshot *now, enum top_sort sort,
		 struct arena *arena, struct top_rates *out)
{
	struct pair pair = pair_of(before, now);

	*out = (struct top_rates){
		.version = now->version, .pid = now->pid,
		.interval_s = pair.interval_s, .uptime_s = (double)now->uptime_us / 1e6,
		.projects_known = now->projects_known, .projects_active = now->projects_active,
	};
	compare_counters(&pair, out);
	if (!compare_classes(&pair, arena, out) || !compare_projects(&pair, arena, out) ||
	    !compare_keys(&pair, arena, out))
		return false;
	order(out, sort);
	return true;
}
