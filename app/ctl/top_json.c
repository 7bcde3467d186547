/*
 * top_json.c - see top.h: rates as a document, for programs.
 */
#include "config.h"

#include <stdio.h>

#include "base/jdoc.h"
#include "ctl/top.h"

/* Numbers to three places; what is not known is null. */
static bool add_number(json_object *object, const char *name, double value)
{
	char text[40];

	if (!(value >= 0 && value < 1e18))
		return json_object_object_add(object, name, NULL) == 0;
	snprintf(text, sizeof text, "%.3f", value);
	return jdoc_add(object, name, json_object_new_double_s(value, text));
}

/* A new object that is OBJECT's, or the last of ARRAY; NULL: no memory. */
static json_object *add_object(json_object *object, const char *name)
{
	json_object *made = json_object_new_object();

	return jdoc_add(object, name, made) ? made : NULL;
}

static json_object *add_array(json_object *object, const char *name)
{
	json_object *made = json_object_new_array();

	return jdoc_add(object, name, made) ? made : NULL;
}

static json_object *append_object(json_object *array)
{
	json_object *made = json_object_new_object();

	if (array != NULL && made != NULL && json_object_array_add(array, made) == 0)
		return made;
	json_object_put(made);
	return NULL;
}

static bool add_requests(json_object *doc, const struct top_rates *rates)
{
	json_object *requests = add_object(doc, "requests_per_s");

	return requests != NULL && add_number(requests, "all", rates->requests) && add_number(requests, "2xx", rates->ok) &&
	       add_number(requests, "4xx", rates->refused) && add_number(requests, "5xx", rates->failed) &&
	       add_number(requests, "limited", rates->limited);
}

static bool add_classes(json_object *doc, const struct top_rates *rates)
{
	json_object *array = add_array(doc, "classes");

	for (size_t i = 0; i < rates->n_classes; i++) {
		const struct top_class_rate *class = &rates->classes[i];
		json_object *item = append_object(array);

		if (item == NULL || !jdoc_add_str(item, "class", class->name) ||
		    !add_number(item, "per_s", class->per_s) ||
		    !add_number(item, "p50_ms", class->p50_us > 0 ? (double)class->p50_us / 1e3 : -1) ||
		    !add_number(item, "p99_ms", class->p99_us > 0 ? (double)class->p99_us / 1e3 : -1))
			return false;
	}
	return array != NULL;
}

static bool add_projects(json_object *doc, const struct top_rates *rates)
{
	json_object *array = add_array(doc, "projects");

	for (size_t i = 0; i < rates->n_projects; i++) {
		const struct top_project_rate *project = &rates->projects[i];
		json_object *item = append_object(array);

		if (item == NULL || !jdoc_add_str(item, "project", project->name) ||
		    !add_number(item, "reads_per_s", project->reads_per_s) ||
		    !add_number(item, "writes_per_s", project->writes_per_s) ||
		    !jdoc_add_i64(item, "requests", project->total))
			return false;
	}
	return array != NULL;
}

static bool add_keys(json_object *doc, const struct top_rates *rates)
{
	json_object *array = add_array(doc, "hot_keys");

	for (size_t i = 0; i < rates->n_keys; i++) {
		const struct top_key_rate *key = &rates->keys[i];
		json_object *item = append_object(array);

		if (item == NULL || !jdoc_add_str(item, "project", key->project) || !jdoc_add_str(item, "key", key->key) ||
		    !add_number(item, "writes_per_s", key->per_s) || !jdoc_add_i64(item, "writes", key->writes))
			return false;
	}
	return array != NULL;
}

static bool add_writing(json_object *doc, const struct top_rates *rates)
{
	return jdoc_add_i64(doc, "queue", rates->queued) && add_number(doc, "batches_per_s", rates->batches) &&
	       add_number(doc, "changes_per_s", rates->changes) &&
	       add_number(doc, "flush_ms", rates->flush_us > 0 ? rates->flush_us / 1e3 : -1) &&
	       jdoc_add_i64(doc, "parked", rates->parked) && jdoc_add_i64(doc, "slow", rates->slow) &&
	       jdoc_add_i64(doc, "connections", rates->connections) &&
	       add_number(doc, "cache_hit_ratio", rates->cache_hits) && add_number(doc, "token_hit_ratio", rates->token_hits) &&
	       jdoc_add_i64(doc, "free_bytes", rates->free_bytes) && jdoc_add_bool(doc, "full", rates->full);
}

json_object *top_json(const struct top_rates *rates, int64_t at)
{
	json_object *doc = json_object_new_object();

	if (doc != NULL && jdoc_add_i64(doc, "at", at) && add_number(doc, "interval_s", rates->interval_s) &&
	    jdoc_add_str(doc, "version", rates->version) && jdoc_add_i64(doc, "pid", rates->pid) &&
	    add_number(doc, "uptime_s", rates->uptime_s) && add_requests(doc, rates) && add_classes(doc, rates) &&
	    add_writing(doc, rates) && add_projects(doc, rates) && add_keys(doc, rates))
		return doc;
	json_object_put(doc);
	return NULL;
}
