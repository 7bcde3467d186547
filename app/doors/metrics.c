/*
 * metrics.c - all that is counted, in the words of Prometheus.
 *
 * No name of a key, a user or a file stands here, and labels have few values: doors, operations, statuses; of projects
 * the METRICS_PROJECTS_MAX largest. A project that falls out of these comes back with its count as it is by then, so no
 * counter ever falls while the server lives. tmakv-metrics(7) is the table of all of them.
 */
#include "config.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/prom.h"
#include "call.h"
#include "doors/doors.h"
#include "project/project.h"
#include "store/store.h"

/* What a page is made of. */
struct page {
	const struct app *app;
	struct arena *arena;
	struct prom prom;
	struct metric_snapshot *counted;
	struct store_status store;
};

static void one(struct page *page, const char *name, enum prom_type type, const char *help, uint64_t value)
{
	prom_family(&page->prom, name, type, help);
	prom_u64(&page->prom, value);
}

static void counter(struct page *page, const char *name, const char *help, uint64_t value)
{
	one(page, name, PROM_COUNTER, help, value);
}

static void gauge(struct page *page, const char *name, const char *help, uint64_t value)
{
	one(page, name, PROM_GAUGE, help, value);
}

static void labelled(struct page *page, const char *name, const char *label, uint64_t value)
{
	prom_label(&page->prom, name, str_c(label));
	prom_u64(&page->prom, value);
}

/* What has begun and not ended. Beginnings are counted by other threads than ends, and a moment later: not below 0. */
static uint64_t open_of(uint64_t begun, uint64_t ended)
{
	return begun > ended ? begun - ended : 0;
}

/* ---- requests ---- */

static void add_request(struct page *page, enum metric_op op, enum metric_status place)
{
	int status = metric_status_number(place);
	char text[12] = "other";

	if (status != 0)
		snprintf(text, sizeof text, "%d", status);
	prom_label(&page->prom, "door", str_c(metric_door_name(metric_op_door(op))));
	prom_label(&page->prom, "operation", str_c(metric_op_name(op)));
	labelled(page, "status", text, page->counted->ops[op].status[place]);
}

/* Each operation from the start, so that the first request is seen as a change. */
static void put_requests(struct page *page)
{
	prom_family(&page->prom, "tmakv_requests_total", PROM_COUNTER,
		    "Requests by what they asked for and what they were answered.");
	for (enum metric_op op = 0; op < METRIC_OP__COUNT; op++)
		for (enum metric_status place = 0; place < METRIC_STATUS__COUNT; place++)
			if (place == METRIC_STATUS_200 || page->counted->ops[op].status[place] != 0)
				add_request(page, op, place);
}

static bool door_has(enum metric_door door, enum metric_class class)
{
	for (enum metric_op op = 0; op < METRIC_OP__COUNT; op++)
		if (metric_op_door(op) == door && metric_op_class(op) == class)
			return true;
	return false;
}

static void put_times(struct page *page)
{
	prom_family(&page->prom, "tmakv_request_duration_seconds", PROM_HISTOGRAM,
		    "From a request being there to its answer being sent.");
	for (enum metric_door door = 0; door < METRIC_DOORS; door++)
		for (enum metric_class class = 0; class < METRIC_CLASSES; class++)
			if (door_has(door, class))
				prom_times(&page->prom, metric_door_name(door), metric_class_name(class),
					   &page->counted->histograms[METRIC_TIMES(door, class)]);
}

static void put_bytes(struct page *page)
{
	uint64_t received[METRIC_DOORS] = { 0 }, sent[METRIC_DOORS] = { 0 };

	for (enum metric_op op = 0; op < METRIC_OP__COUNT; op++) {
		received[metric_op_door(op)] += page->counted->ops[op].received;
		sent[metric_op_door(op)] += page->counted->ops[op].sent;
	}
	prom_family(&page->prom, "tmakv_received_bytes_total", PROM_COUNTER, "Bytes of requests' bodies.");
	for (enum metric_door door = 0; door < METRIC_DOORS; door++)
		labelled(page, "door", metric_door_name(door), received[door]);
	prom_family(&page->prom, "tmakv_sent_bytes_total", PROM_COUNTER, "Bytes of answers' bodies.");
	for (enum metric_door door = 0; door < METRIC_DOORS; door++)
		labelled(page, "door", metric_door_name(door), sent[door]);
}

static void put_under_way(struct page *page)
{
	const uint64_t *count = page->counted->count;

	gauge(page, "tmakv_requests_in_flight", "Requests that are here and not answered yet.",
	      open_of(count[METRIC_REQUESTS_BEGUN], count[METRIC_REQUESTS]));
	gauge(page, "tmakv_parked_requests", "Requests that wait for the committer or for a flush.",
	      open_of(count[METRIC_READS_PARKED] + count[METRIC_WRITES_PARKED], count[METRIC_UNPARKED]));
	prom_family(&page->prom, "tmakv_parked_total", PROM_COUNTER,
		    "Requests that had to wait: changes for the committer, reads of what was not flushed yet.");
	labelled(page, "kind", "read", count[METRIC_READS_PARKED]);
	labelled(page, "kind", "write", count[METRIC_WRITES_PARKED]);
	gauge(page, "tmakv_slow_lane_requests", "Requests in the slow lane: large bodies, bulk calls, long lists.",
	      open_of(count[METRIC_SLOW_CALLS], count[METRIC_SLOW_CALLS_DONE]));
	counter(page, "tmakv_slow_lane_calls_total", "Requests given to the slow lane.", count[METRIC_SLOW_CALLS]);
	gauge(page, "tmakv_slow_lane_threads", "Threads of the slow lane.", (uint64_t)page->app->conf->slow_threads);
	gauge(page, "tmakv_connections", "Connections of the front server and of tmakvctl.",
	      open_of(count[METRIC_CONNECTIONS], count[METRIC_CONNECTIONS_ENDED]));
	counter(page, "tmakv_connections_accepted_total", "Connections accepted.", count[METRIC_CONNECTIONS]);
	counter(page, "tmakv_connection_errors_total", "Connections lost, or closed for what their peer did.",
		count[METRIC_CONNECTION_ERRORS]);
}

static void put_work(struct page *page)
{
	const uint64_t *count = page->counted->count;

	counter(page, "tmakv_reads_total", "Keys read.", count[METRIC_READS]);
	counter(page, "tmakv_writes_total", "Changes made and durable.", count[METRIC_WRITES]);
	counter(page, "tmakv_lists_total", "List pages answered.", count[METRIC_LISTS]);
	counter(page, "tmakv_sign_ins_total", "initData turned into a token.", count[METRIC_VALIDATES]);
	counter(page, "tmakv_repeats_total", "Changes repeated by the front server and recognised.", count[METRIC_REPEATS]);
	counter(page, "tmakv_expired_keys_removed_total", "Expired keys swept.", count[METRIC_SWEPT]);
	counter(page, "tmakv_deleted_rows_removed_total", "Rows of deleted projects removed.", count[METRIC_REAPED]);
}

/* ---- refusals ---- */

static void put_auth_failures(struct page *page)
{
	static const enum rc reasons[] = {
		RC_UNAUTHORIZED, RC_INVALID_TOKEN, RC_TOKEN_EXPIRED, RC_INVALID_INIT_DATA, RC_INIT_DATA_EXPIRED,
		RC_FORBIDDEN, RC_FORBIDDEN_BY_RULES, RC_SERVER_ONLY, RC_ORIGIN_NOT_ALLOWED, RC_PROJECT_UNAVAILABLE,
		RC_READ_ONLY_KEY
	};

	prom_family(&page->prom, "tmakv_auth_failures_total", PROM_COUNTER,
		    "Requests refused for who asked, by the word that the answer has.");
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		labelled(page, "reason", rc_info(reasons[i])->code, page->counted->refusals[reasons[i]]);
}

static void put_limits(struct page *page)
{
	const uint64_t *refusals = page->counted->refusals;

	counter(page, "tmakv_write_limit_refusals_total", "Changes refused by a key's write limit.",
		page->counted->count[METRIC_WRITE_LIMITED]);
	counter(page, "tmakv_rate_limit_refusals_total", "Requests refused by a user's rate.",
		page->counted->count[METRIC_RATE_LIMITED]);
	prom_family(&page->prom, "tmakv_quota_refusals_total", PROM_COUNTER, "Changes refused by a quota.");
	labelled(page, "quota", "keys", refusals[RC_QUOTA_KEYS]);
	labelled(page, "quota", "bytes", refusals[RC_QUOTA_BYTES]);
	labelled(page, "quota", "user_keys", refusals[RC_QUOTA_USER_KEYS]);
	labelled(page, "quota", "user_bytes", refusals[RC_QUOTA_USER_BYTES]);
	counter(page, "tmakv_storage_full_refusals_total", "Requests refused for want of space on the disk.",
		refusals[RC_STORAGE_FULL]);
	counter(page, "tmakv_token_cache_hits_total", "Tokens and initData that were known already.",
		page->counted->count[METRIC_TOKEN_HITS]);
	counter(page, "tmakv_token_cache_misses_total", "Tokens and initData that were checked in full.",
		page->counted->count[METRIC_TOKEN_MISSES]);
}

/* ---- the store ---- */

static void put_committer(struct page *page)
{
	prom_family(&page->prom, "tmakv_batch_size", PROM_HISTOGRAM, "Changes that one flush made durable.");
	prom_sizes(&page->prom, &page->counted->histograms[METRIC_BATCH_SIZES]);
	prom_family(&page->prom, "tmakv_flush_duration_seconds", PROM_HISTOGRAM, "Flushes of the log to the disk.");
	prom_times(&page->prom, NULL, NULL, &page->counted->histograms[METRIC_FLUSHES]);
	counter(page, "tmakv_batch_retries_total", "Batches run again after a lock was lost.",
		page->counted->count[METRIC_BATCH_RETRIES]);
	gauge(page, "tmakv_write_queue_length", "Changes that wait for the committer.", page->store.queued);
	gauge(page, "tmakv_flush_waits_for_space", "1 while a flush cannot end because the disk is full.",
	      store_waits_for_space(page->app->store));
}

static void put_store(struct page *page)
{
	const struct store_status *store = &page->store;
	struct store_sizes sizes = store_read_sizes(page->app->store);

	counter(page, "tmakv_cache_hits_total", "Pages that were in the cache when they were wanted.", store->cache_hits);
	counter(page, "tmakv_cache_misses_total", "Pages that had to be read.", store->cache_misses);
	gauge(page, "tmakv_cache_size_bytes", "Size of the cache.", store->cache_bytes);
	gauge(page, "tmakv_data_bytes", "Space that the tables' files take.", sizes.data_bytes);
	gauge(page, "tmakv_log_bytes", "Space that the log files take.", sizes.log_bytes);
	gauge(page, "tmakv_log_since_checkpoint_bytes", "Log that a recovery would have to read.",
	      store->log_bytes_since_checkpoint);
	counter(page, "tmakv_checkpoints_total", "Checkpoints taken.", page->counted->count[METRIC_CHECKPOINTS]);
	gauge(page, "tmakv_last_checkpoint_timestamp_seconds", "When the last checkpoint was taken; 0: never.",
	      (uint64_t)store->last_checkpoint_at);
	gauge(page, "tmakv_last_backup_timestamp_seconds", "When the last backup was whole; 0: never.",
	      (uint64_t)store_last_backup_at(page->app->store));
	counter(page, "tmakv_recoveries_total", "Starts behind a server that did not come to its end, ever in this data directory.",
		store->recoveries);
	gauge(page, "tmakv_free_bytes", "Free space on the disk, where there is less of data and log.", store->free_bytes);
	gauge(page, "tmakv_storage_full", "1 while changes are refused for want of space.", store->full);
}

/* ---- projects ---- */

/* One of them, and two numbers of it. */
struct row {
	uint32_t number;
	uint64_t a, b;
};

/* Those with the largest B, largest first; and what the others have together. */
struct top {
	struct row rows[METRICS_PROJECTS_MAX];
	size_t n;
	bool is_more;
	uint64_t rest_a, rest_b;
};

static void top_drop(struct top *top, const struct row *row)
{
	top->is_more = true;
	top->rest_a += row->a;
	top->rest_b += row->b;
}

static void top_add(struct top *top, const struct row *row)
{
	size_t i = top->n;

	if (i == METRICS_PROJECTS_MAX) {
		if (row->b <= top->rows[i - 1].b) {
			top_drop(top, row);
			return;
		}
		top_drop(top, &top->rows[--i]);
	} else {
		top->n++;
	}
	for (; i > 0 && top->rows[i - 1].b < row->b; i--)
		top->rows[i] = top->rows[i - 1];
	top->rows[i] = *row;
}

/* The numbers of all projects, in order. */
struct numbers {
	uint32_t *p;
	size_t n, room;
};

static void count_number(const struct project *project, void *arg)
{
	(void)project;
	((struct numbers *)arg)->room++;
}

/* More than were counted a moment ago have to wait for the next page. */
static void add_number(const struct project *project, void *arg)
{
	struct numbers *numbers = arg;

	if (numbers->n < numbers->room)
		numbers->p[numbers->n++] = project->number;
}

static bool numbers_take(struct page *page, struct numbers *numbers)
{
	*numbers = (struct numbers){ .p = NULL };
	registry_each_project(page->app->registry, count_number, numbers);
	numbers->p = arena_alloc(page->arena, (numbers->room + 1) * sizeof *numbers->p);
	if (numbers->p == NULL)
		return false;
	registry_each_project(page->app->registry, add_number, numbers);
	return true;
}

/* A sample with the project's name; none when it was deleted meanwhile. KIND: NULL, or one more label. */
static void put_project(struct page *page, uint32_t number, const char *kind, uint64_t value)
{
	const struct project *project = registry_by_number(page->app->registry, number);

	if (project == NULL)
		return;
	prom_label(&page->prom, "project", str_c(project->name));
	if (kind != NULL)
		prom_label(&page->prom, "kind", str_c(kind));
	prom_u64(&page->prom, value);
	project_unref(project);
}

static void put_usage(struct page *page, const struct numbers *numbers, struct top *top)
{
	*top = (struct top){ .n = 0 };
	for (size_t i = 0; i < numbers->n; i++) {
		struct row row = { .number = numbers->p[i] };

		if (registry_usage(page->app->registry, row.number, 0, &row.a, &row.b) == RC_OK)
			top_add(top, &row);
	}
	gauge(page, "tmakv_projects", "Projects.", numbers->n);
	prom_family(&page->prom, "tmakv_project_keys", PROM_GAUGE,
		    "Keys of a project: those with most bytes, and all others as (other).");
	for (size_t i = 0; i < top->n; i++)
		put_project(page, top->rows[i].number, NULL, top->rows[i].a);
	if (top->is_more)
		labelled(page, "project", "(other)", top->rest_a);
	prom_family(&page->prom, "tmakv_project_bytes", PROM_GAUGE,
		    "Bytes of a project's keys, values and metadata, likewise.");
	for (size_t i = 0; i < top->n; i++)
		put_project(page, top->rows[i].number, NULL, top->rows[i].b);
	if (top->is_more)
		labelled(page, "project", "(other)", top->rest_b);
}

/* Those of the COUNTED that are not deleted: both lists are in order. */
static void top_requests(struct top *top, const struct numbers *numbers, const struct metric_project *counted, size_t n)
{
	*top = (struct top){ .n = 0 };
	for (size_t i = 0, k = 0; i < numbers->n && k < n; k++) {
		const struct row row = { counted[k].number, counted[k].reads, counted[k].reads + counted[k].writes };

		while (i < numbers->n && numbers->p[i] < row.number)
			i++;
		if (i < numbers->n && numbers->p[i] == row.number)
			top_add(top, &row);
	}
}

static void put_project_requests(struct page *page, const struct numbers *numbers, struct top *top)
{
	size_t n = 0;
	struct metric_project *counted = metric_projects(&n);

	top_requests(top, numbers, counted, n);
	free(counted);
	prom_family(&page->prom, "tmakv_project_requests_total", PROM_COUNTER,
		    "Requests of a project, whatever they were answered: the projects with most of them.");
	for (size_t i = 0; i < top->n; i++) {
		put_project(page, top->rows[i].number, "read", top->rows[i].a);
		put_project(page, top->rows[i].number, "write", top->rows[i].b - top->rows[i].a);
	}
}

static bool put_projects(struct page *page)
{
	struct numbers numbers;
	struct top *top = arena_alloc(page->arena, sizeof *top);

	if (top == NULL || !numbers_take(page, &numbers))
		return false;
	put_usage(page, &numbers, top);
	put_project_requests(page, &numbers, top);
	return true;
}

/* ---- the process ---- */

static uint64_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	/* Without ".", ".." and the one that was just open. */
	return n - 3;
}

/* Pages of memory: all of them, and those that are there. */
static void read_memory(uint64_t *virtual, uint64_t *resident)
{
	FILE *file = fopen("/proc/self/statm", "re");

	*virtual = *resident = 0;
	if (file == NULL)
		return;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, virtual, resident) != 2)
		*virtual = *resident = 0;
	fclose(file);
}

static void put_process(struct page *page)
{
	const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	struct timespec cpu = { 0, 0 };
	struct rlimit fds = { 0, 0 };
	uint64_t virtual, resident;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	getrlimit(RLIMIT_NOFILE, &fds);
	read_memory(&virtual, &resident);
	prom_family(&page->prom, "process_cpu_seconds_total", PROM_COUNTER, "User and system time of the server process.");
	prom_seconds(&page->prom, (uint64_t)cpu.tv_sec * 1000000 + (uint64_t)cpu.tv_nsec / 1000);
	gauge(page, "process_resident_memory_bytes", "Memory of it that is there.", resident * page_size);
	gauge(page, "process_virtual_memory_bytes", "Its address space.", virtual * page_size);
	gauge(page, "process_open_fds", "Descriptors that it has open.", count_fds());
	gauge(page, "process_max_fds", "Descriptors that it may have open.", fds.rlim_cur);
	gauge(page, "process_start_time_seconds", "When it was started.", (uint64_t)page->app->started_at);
}

/* ---- the page ---- */

enum rc metrics_write(const struct app *app, struct arena *arena, struct buf *out)
{
	struct page page = {
		.app = app, .arena = arena, .prom = prom_init(out),
		.counted = arena_alloc(arena, sizeof(struct metric_snapshot))
	};
	uint64_t began_us = clock_mono_us();

	if (page.counted == NULL)
		return RC_NO_MEMORY;
	metric_snapshot(page.counted);
	store_read_status(app->store, &page.store);
	prom_family(&page.prom, "tmakv_build_info", PROM_GAUGE, "Always 1: the version is in the label.");
	labelled(&page, "version", PACKAGE_VERSION, 1);
	put_requests(&page);
	put_times(&page);
	put_bytes(&page);
	put_under_way(&page);
	put_work(&page);
	put_auth_failures(&page);
	put_limits(&page);
	put_committer(&page);
	put_store(&page);
	if (!put_projects(&page))
		return RC_NO_MEMORY;
	put_process(&page);
	prom_family(&page.prom, "tmakv_metrics_duration_seconds", PROM_GAUGE, "How long this page took to be made.");
	prom_seconds(&page.prom, clock_mono_us() - began_us);
	return buf_ok(out) ? RC_OK : RC_NO_MEMORY;
}
