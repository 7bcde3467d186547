/*
 * admin_top.c - top: all that is counted, at one moment, for somebody who asks again and compares (ctl/top.h).
 *
 * It tells totals and no rates, so it keeps nothing for whoever asks; but which projects are told of, where there
 * are many, goes by what they have done since anybody asked the last time. That is remembered here, and belongs to the
 * control thread. Nothing waits for this: it reads counters and takes no lock that a request holds for long.
 */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/jdoc.h"
#include "base/metric.h"
#include "kv/kv.h"
#include "serve/admin.h"
#include "serve/control.h"
#include "store/store.h"

enum { PROJECTS_MAX = 100 };

/* ---- requests, by class ---- */

/* All doors together. */
static void class_sum(const struct metric_snapshot *counted, enum metric_class class, struct metric_histogram_sum *out)
{
	*out = (struct metric_histogram_sum){ .n = 0 };
	for (enum metric_door door = 0; door < METRIC_DOORS; door++)
		metric_histogram_add(out, &counted->histograms[METRIC_TIMES(door, class)]);
}

static int64_t at_most(uint64_t value)
{
	return value < INT64_MAX ? (int64_t)value : INT64_MAX;
}

/* Of each bucket with something in it: the least value that is too large for it, and how many are in it. */
static void put_buckets(struct admin *admin, json_object *class, const struct metric_histogram_sum *times)
{
	json_object *buckets = admin_put_array(admin, class, "buckets");

	for (size_t i = 0; i < METRIC_BUCKETS; i++) {
		if (times->bucket[i] == 0)
			continue;
		admin_append_i64(admin, buckets, at_most(metric_bucket_end(i)));
		admin_append_i64(admin, buckets, at_most(times->bucket[i]));
	}
}

static void put_latency(struct admin *admin, const struct metric_snapshot *counted)
{
	json_object *array = admin_put_array(admin, admin->result, "latency");

	for (enum metric_class class = 0; class < METRIC_CLASSES; class++) {
		json_object *item = admin_append(admin, array);
		struct metric_histogram_sum times;

		class_sum(counted, class, &times);
		admin_put_str(admin, item, "class", str_c(metric_class_name(class)));
		put_buckets(admin, item, &times);
	}
}

static void put_counters(struct admin *admin, const struct metric_snapshot *counted)
{
	json_object *object = admin_put_object(admin, admin->result, "counters");

	for (enum metric metric = 0; metric < METRIC__COUNT; metric++)
		admin_put_i64(admin, object, metric_name(metric), (int64_t)counted->count[metric]);
}

static void put_store(struct admin *admin)
{
	json_object *object = admin_put_object(admin, admin->result, "store");
	struct store_status status;

	store_read_status(admin->app->store, &status);
	admin_put_bool(admin, object, "full", status.full);
	admin_put_i64(admin, object, "free_bytes", (int64_t)status.free_bytes);
	admin_put_i64(admin, object, "queued", (int64_t)status.queued);
	admin_put_i64(admin, object, "cache_hits", (int64_t)status.cache_hits);
	admin_put_i64(admin, object, "cache_misses", (int64_t)status.cache_misses);
}

/* ---- projects ---- */

/* A project, and how many requests it has had since the last look. */
struct ranked {
	struct metric_project counted;
	uint64_t recent;
};

static struct {
	struct metric_project *projects;	/* by number */
	size_t n;
} seen;

static uint64_t requests_of(const struct metric_project *project)
{
	return project->reads + project->writes;
}

static int by_recent(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->recent != y->recent)
		return x->recent < y->recent ? 1 : -1;
	if (requests_of(&x->counted) != requests_of(&y->counted))
		return requests_of(&x->counted) < requests_of(&y->counted) ? 1 : -1;
	return x->counted.number < y->counted.number ? -1 : 1;
}

/* The N PROJECTS, the busiest of late first. They are `seen` from now on. */
static struct ranked *rank(struct admin *admin, struct metric_project *projects, size_t n)
{
	struct ranked *ranked = arena_zero(admin->arena, (n + 1) * sizeof *ranked);

	for (size_t i = 0, k = 0; ranked != NULL && i < n; i++) {
		while (k < seen.n && seen.projects[k].number < projects[i].number)
			k++;
		ranked[i].counted = projects[i];
		ranked[i].recent = requests_of(&projects[i]);
		if (k < seen.n && seen.projects[k].number == projects[i].number)
			ranked[i].recent -= requests_of(&seen.projects[k]);
	}
	if (ranked != NULL && n != 0)
		qsort(ranked, n, sizeof *ranked, by_recent);
	free(seen.projects);
	seen.projects = projects;
	seen.n = n;
	return ranked;
}

/* Its name; false when it was deleted. */
static bool put_project_name(struct admin *admin, json_object *object, const struct project *project)
{
	if (project == NULL)
		return false;
	admin_put_str(admin, object, "project", str_c(project->name));
	admin_put_i64(admin, object, "number", project->number);
	return true;
}

static void put_ranked(struct admin *admin, json_object *array, const struct ranked *ranked)
{
	const struct project *project = registry_by_number(admin->app->registry, ranked->counted.number);
	json_object *item = project != NULL ? admin_append(admin, array) : NULL;

	if (put_project_name(admin, item, project)) {
		admin_put_i64(admin, item, "reads", (int64_t)ranked->counted.reads);
		admin_put_i64(admin, item, "writes", (int64_t)ranked->counted.writes);
	}
	project_unref(project);
}

static void count_project(const struct project *project, void *arg)
{
	int64_t *n = arg;

	(void)project;
	(*n)++;
}

/* ONLY one, or, when it is NULL, all; many are not told. */
static enum rc put_projects(struct admin *admin, const struct project *only)
{
	json_object *array = admin_put_array(admin, admin->result, "projects");
	int64_t known = 0;
	size_t n = 0, told = 0;
	struct metric_project *projects = metric_projects(&n);
	const struct ranked *ranked = rank(admin, projects, n);

	if (ranked == NULL)
		return RC_NO_MEMORY;
	for (size_t i = 0; i < n && (only != NULL || told < PROJECTS_MAX); i++)
		if (only == NULL || only->number == ranked[i].counted.number) {
			put_ranked(admin, array, &ranked[i]);
			told++;
		}
	registry_each_project(admin->app->registry, count_project, &known);
	admin_put_i64(admin, admin->result, "projects_known", known);
	admin_put_i64(admin, admin->result, "projects_active", (int64_t)n);
	admin_put_bool(admin, admin->result, "projects_whole", only != NULL || told == n);
	return RC_OK;
}

/* ---- keys ---- */

static void put_key(struct admin *admin, json_object *array, const struct kv_hot_key *key)
{
	const struct project *project = registry_by_number(admin->app->registry, key->project);
	json_object *item = project != NULL ? admin_append(admin, array) : NULL;

	if (put_project_name(admin, item, project)) {
		admin_put_str(admin, item, "key", key->key);
		admin_put_i64(admin, item, "writes", (int64_t)key->writes);
		admin_put_i64(admin, item, "recent", (int64_t)key->recent);
	}
	project_unref(project);
}

static enum rc put_keys(struct admin *admin, const struct project *only)
{
	json_object *array = admin_put_array(admin, admin->result, "hot_keys");
	struct kv_hot_key *keys;
	uint64_t span_us;
	size_t n;
	enum rc rc = kv_hot(admin->app->kv, admin->arena, &keys, &n, &span_us);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < n; i++)
		if (only == NULL || only->number == keys[i].project)
			put_key(admin, array, &keys[i]);
	admin_put_i64(admin, admin->result, "recent_us", (int64_t)span_us);
	return RC_OK;
}

static enum rc put_all(struct admin *admin, const struct project *only)
{
	struct metric_snapshot *counted = arena_alloc(admin->arena, sizeof *counted);
	enum rc rc;

	if (counted == NULL)
		return RC_NO_MEMORY;
	metric_snapshot(counted);
	admin_put_str(admin, admin->result, "version", str_c(PACKAGE_VERSION));
	admin_put_i64(admin, admin->result, "pid", getpid());
	admin_put_i64(admin, admin->result, "uptime_us", (int64_t)control_uptime_us());
	put_counters(admin, counted);
	put_latency(admin, counted);
	put_store(admin);
	if ((rc = put_projects(admin, only)) != RC_OK)
		return rc;
	return put_keys(admin, only);
}

enum rc admin_top(struct admin *admin)
{
	const struct project *only = NULL;
	enum rc rc = jdoc_has(admin->args, "project") ? admin_find(admin, &only) : RC_OK;

	if (rc != RC_OK)
		return rc;
	rc = put_all(admin, only);
	project_unref(only);
	return rc;
}
