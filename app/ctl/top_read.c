/*
 * top_read.c - see top.h: the server's answer as a struct.
 *
 * A server may be older or newer than this program: what it does not say is 0, what else it says is left alone.
 */
#include "config.h"

#include <string.h>

#include "base/jdoc.h"
#include "ctl/ctl.h"
#include "ctl/top.h"

static void *room_for(struct arena *arena, size_t n, size_t size)
{
	return arena_zero(arena, (n + 1) * size);
}

static json_object *array_of(json_object *doc, const char *name, size_t *n)
{
	json_object *array = NULL;

	*n = jdoc_array(doc, name, &array) ? json_object_array_length(array) : 0;
	return array;
}

static bool read_projects(struct top_snapshot *out, struct arena *arena)
{
	json_object *array = array_of(out->doc, "projects", &out->n_projects);

	out->projects = room_for(arena, out->n_projects, sizeof out->projects[0]);
	if (out->projects == NULL)
		return false;
	for (size_t i = 0; i < out->n_projects; i++) {
		json_object *item = json_object_array_get_idx(array, i);

		out->projects[i] = (struct top_project){
			.name = ctl_get_str(item, "project"), .number = ctl_get_i64(item, "number"),
			.reads = ctl_get_i64(item, "reads"), .writes = ctl_get_i64(item, "writes"),
		};
	}
	return true;
}

static bool read_keys(struct top_snapshot *out, struct arena *arena)
{
	json_object *array = array_of(out->doc, "hot_keys", &out->n_keys);

	out->keys = room_for(arena, out->n_keys, sizeof out->keys[0]);
	if (out->keys == NULL)
		return false;
	for (size_t i = 0; i < out->n_keys; i++) {
		json_object *item = json_object_array_get_idx(array, i);

		out->keys[i] = (struct top_key){
			.project = ctl_get_str(item, "project"), .key = ctl_get_str(item, "key"),
			.number = ctl_get_i64(item, "number"),
			.writes = ctl_get_i64(item, "writes"), .recent = ctl_get_i64(item, "recent"),
		};
	}
	return true;
}

/* A bucket's end and how many are in it, and so on. */
static bool read_class(json_object *item, struct arena *arena, struct top_class *class)
{
	size_t n;
	json_object *array = array_of(item, "buckets", &n);

	class->name = ctl_get_str(item, "class");
	class->n_buckets = n / 2;
	class->buckets = room_for(arena, class->n_buckets, sizeof class->buckets[0]);
	if (class->buckets == NULL)
		return false;
	for (size_t i = 0; i < class->n_buckets; i++) {
		class->buckets[i].end_us = json_object_get_int64(json_object_array_get_idx(array, 2 * i));
		class->buckets[i].n = json_object_get_int64(json_object_array_get_idx(array, 2 * i + 1));
		class->n += class->buckets[i].n;
	}
	return true;
}

static bool read_classes(struct top_snapshot *out, struct arena *arena)
{
	json_object *array = array_of(out->doc, "latency", &out->n_classes);

	out->classes = room_for(arena, out->n_classes, sizeof out->classes[0]);
	for (size_t i = 0; out->classes != NULL && i < out->n_classes; i++)
		if (!read_class(json_object_array_get_idx(array, i), arena, &out->classes[i]))
			return false;
	return out->classes != NULL;
}

bool top_read(json_object *doc, struct arena *arena, struct top_snapshot *out)
{
	*out = (struct top_snapshot){
		.doc = doc,
		.version = ctl_get_str(doc, "version"),
		.pid = ctl_get_i64(doc, "pid"),
		.uptime_us = ctl_get_i64(doc, "uptime_us"),
		.projects_known = ctl_get_i64(doc, "projects_known"),
		.projects_active = ctl_get_i64(doc, "projects_active"),
		.projects_whole = ctl_get_bool(doc, "projects_whole"),
		.recent_us = ctl_get_i64(doc, "recent_us"),
	};
	if (jdoc_object(doc, "counters", &out->counters) && jdoc_object(doc, "store", &out->store) &&
	    read_projects(out, arena) && read_keys(out, arena) && read_classes(out, arena))
		return true;
	top_clear(out);
	return false;
}

void top_clear(struct top_snapshot *snapshot)
{
	json_object_put(snapshot->doc);
	*snapshot = (struct top_snapshot){ .doc = NULL };
}

int64_t top_counter(const struct top_snapshot *snapshot, const char *name)
{
	return ctl_get_i64(snapshot->counters, name);
}
