/*
 * cmd_status.c - tmakvctl status: is it well, and what has it done.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/jdoc.h"
#include "base/metric.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

static void add_field(struct table *table, const char *name, const char *value)
{
	table_add_c(table, (const char *const[]){ name, value });
}

/* How many of the pages that were wanted stood in the cache. */
static const char *cache_text(struct ctl *ctl, json_object *store)
{
	int64_t hits = ctl_get_i64(store, "cache_hits"), all = hits + ctl_get_i64(store, "cache_misses");

	if (all <= 0)
		return "not used yet";
	return ctl_text(ctl, "%.2f %% of %" PRId64 " pages were in it", 100.0 * (double)hits / (double)all, all);
}

static void print_server(struct ctl *ctl, json_object *status)
{
	int64_t uptime_s = ctl_get_i64(status, "uptime_s"), checkpoint_at, log_bytes, backup_at;
	json_object *store = NULL;
	struct table table;

	jdoc_object(status, "store", &store);
	checkpoint_at = ctl_get_i64(store, "last_checkpoint_at");
	log_bytes = ctl_get_i64(store, "log_bytes_since_checkpoint");
	table_init(&table, ctl->arena, 2);
	add_field(&table, "tmakvd", ctl_text(ctl, "%.*s, process %" PRId64, STR(ctl_get_str(status, "version")),
					     ctl_get_i64(status, "pid")));
	add_field(&table, "running", ctl_text(ctl, "%s, since %s", ctl_duration(ctl, uptime_s),
					      ctl_time(ctl, ctl_get_i64(status, "started_at"))));
	table_add(&table, (const struct str[]){ STR_LIT("account id"), ctl_get_str(status, "account_id") });
	add_field(&table, "projects", ctl_text(ctl, "%" PRId64, ctl_get_i64(status, "projects")));
	add_field(&table, "writes", ctl_get_bool(store, "full")
		  ? "REFUSED: there is too little space on the disk"
		  : ctl_text(ctl, "accepted, %" PRId64 " waiting", ctl_get_i64(store, "queued")));
	add_field(&table, "free space", ctl_size(ctl, ctl_get_i64(store, "free_bytes")));
	add_field(&table, "checkpoint", checkpoint_at == 0 ? "none yet"
		  : ctl_text(ctl, "%s ago, %s of log since", ctl_duration(ctl, clock_wall_s() - checkpoint_at),
			     ctl_size(ctl, log_bytes)));
	add_field(&table, "cache", cache_text(ctl, store));
	backup_at = ctl_get_i64(store, "last_backup_at");
	add_field(&table, "backup", backup_at == 0 ? "never" : ctl_text(ctl, "%s ago", ctl_duration(ctl, clock_wall_s() - backup_at)));
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

/* Names and values as the server sent them: a newer one may have some that we have never heard of. */
static void print_settings(struct ctl *ctl, json_object *settings)
{
	struct table table;

	table_init(&table, ctl->arena, 2);
	table_add_c(&table, (const char *const[]){ "SETTING", "VALUE" });
	json_object_object_foreach(settings, name, value) {
		(void)value;
		if (json_object_is_type(value, json_type_string))
			table_add(&table, (const struct str[]){ str_c(name), ctl_get_str(settings, name) });
		else
			add_field(&table, name, ctl_text(ctl, "%" PRId64, ctl_get_i64(settings, name)));
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

static const char *meaning(const char *name)
{
	for (enum metric metric = 0; metric < METRIC__COUNT; metric++)
		if (strcmp(metric_name(metric), name) == 0)
			return metric_help(metric);
	return "";
}

static void print_metrics(struct ctl *ctl, json_object *metrics)
{
	struct table table;

	table_init(&table, ctl->arena, 3);
	table_right(&table, 1);
	table_add_c(&table, (const char *const[]){ "COUNTER", "VALUE", "MEANING" });
	json_object_object_foreach(metrics, name, value) {
		(void)value;
		table_add_c(&table, (const char *const[]){ name, ctl_text(ctl, "%" PRId64, ctl_get_i64(metrics, name)),
							   meaning(name) });
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
}

enum ctl_exit cmd_status(struct ctl *ctl)
{
	json_object *status, *part;
	enum ctl_exit exit = control_ask(ctl, "status", NULL, &status);

	if (exit != CTL_OK)
		return exit;
	if (ctl->json) {
		ctl_print_json(ctl, status);
	} else {
		print_server(ctl, status);
		if (jdoc_object(status, "settings", &part)) {
			putchar('\n');
			print_settings(ctl, part);
		}
		if (jdoc_object(status, "metrics", &part)) {
			putchar('\n');
			print_metrics(ctl, part);
		}
	}
	json_object_put(status);
	return CTL_OK;
}
