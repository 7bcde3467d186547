/*
 * audit.c - writing and reading the audit log (audit.h). Any thread that may block.
 *
 * A row's key is the version of its first write: the moment, and there is no second one of it. Old rows are swept by
 * store/audit.c.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/jdoc.h"
#include "base/log.h"
#include "project/audit.h"
#include "store/commit.h"

enum {
	LINE_ARENA = 256 * 1024,
	LINE_DEPTH = 16,
	TEXT_MAX = 256,		/* bytes of a string that are kept */
	MEMBERS_MAX = 64,	/* of an array or object */
	ARGS_DEPTH = 4
};

/* ---- what is kept of a command's arguments ---- */

/* Strings under these names are names and ids. Of all others only that they were there is kept: they may be secrets. */
static bool is_open_name(struct str name)
{
	static const char *const names[] = {
		"name", "id", "kid", "right", "title", "state", "environment", "public_key", "add", "remove", "project", "preset",
		"signing"
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (str_eq(name, str_c(names[i])))
			return true;
	return false;
}

static json_object *copy_string(json_object *value, bool is_open)
{
	struct str text = str_make(json_object_get_string(value), (size_t)json_object_get_string_len(value));

	if (!is_open && !str_eq(text, STR_LIT("default")))
		return json_object_new_boolean(true);
	while (text.n > TEXT_MAX || !str_is_utf8(text))
		text.n--;
	return json_object_new_string_len(text.p, (int)text.n);
}

static json_object *copy_open(json_object *value, bool is_open, int depth);

static json_object *copy_array(json_object *array, bool is_open, int depth)
{
	json_object *copy = json_object_new_array();

	for (size_t i = 0; copy != NULL && i < json_object_array_length(array) && i < MEMBERS_MAX; i++) {
		json_object *value = copy_open(json_object_array_get_idx(array, i), is_open, depth - 1);

		if (value == NULL || json_object_array_add(copy, value) != 0) {
			json_object_put(value);
			json_object_put(copy);
			return NULL;
		}
	}
	return copy;
}

static json_object *copy_object(json_object *object, int depth)
{
	json_object *copy = json_object_new_object();
	size_t n = 0;

	if (copy == NULL)
		return NULL;
	json_object_object_foreach(object, name, value) {
		if (n++ == MEMBERS_MAX)
			break;
		if (!jdoc_add(copy, name, copy_open(value, is_open_name(str_c(name)), depth - 1))) {
			json_object_put(copy);
			return NULL;
		}
	}
	return copy;
}

/* A copy of VALUE without what may be secret; NULL without memory. */
static json_object *copy_open(json_object *value, bool is_open, int depth)
{
	switch (json_object_get_type(value)) {
	case json_type_boolean: return json_object_new_boolean(json_object_get_boolean(value));
	case json_type_int:     return json_object_new_int64(json_object_get_int64(value));
	case json_type_string:  return copy_string(value, is_open);
	case json_type_array:   return depth > 0 ? copy_array(value, is_open, depth) : json_object_new_boolean(true);
	case json_type_object:  return depth > 0 ? copy_object(value, depth) : json_object_new_boolean(true);
	default:                return json_object_new_boolean(true);
	}
}

/* ---- a line ---- */

static bool add_at(json_object *line)
{
	uint64_t now_us = clock_wall_us();
	time_t seconds = (time_t)(now_us / 1000000);
	char text[40], whole[64];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return false;
	snprintf(whole, sizeof whole, "%s.%06uZ", text, (unsigned)(now_us % 1000000));
	return jdoc_add_str(line, "at", str_c(whole));
}

static bool add_from(json_object *line, const struct audit_from *from)
{
	json_object *object = json_object_new_object(), *peer;

	if (!jdoc_add(line, "from", object))
		return false;
	if (from->key != NULL)
		return jdoc_add_str(object, "key", str_c(from->key));
	peer = json_object_new_object();
	return jdoc_add(object, "control", peer) && jdoc_add_i64(peer, "pid", from->pid) &&
	       jdoc_add_i64(peer, "uid", from->uid);
}

static json_object *line_new(const struct audit_from *from, const char *command, const char *project, json_object *args)
{
	json_object *line = json_object_new_object();

	if (line != NULL && add_at(line) && add_from(line, from) && jdoc_add_str(line, "command", str_c(command)) &&
	    jdoc_add_str(line, "project", str_c(project)) &&
	    jdoc_add(line, "args", args == NULL ? json_object_new_object() : copy_object(args, ARGS_DEPTH)) &&
	    jdoc_add_str(line, "outcome", STR_LIT("started")))
		return line;
	json_object_put(line);
	return NULL;
}

/* ---- writing ---- */

struct line_write {
	char *key;		/* of 8 bytes */
	bool is_new;		/* KEY is set here */
	struct str text;
};

/* The version is a row's own as long as clocks go forward; when they did not, the next free one is. */
static enum rc key_choose(struct store_txn *txn, char key[8])
{
	enum rc rc;
	size_t n;

	do {
		store_txn_advance(txn);
		store_put_u64(key, store_txn_version(txn));
		rc = store_txn_size(txn, STORE_AUDIT, str_make(key, 8), &n);
	} while (rc == RC_OK);
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

/* Not refused for want of space: there is a reserve for what is as small as this. */
static enum rc line_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct line_write *write = arg;
	enum rc rc = write->is_new ? key_choose(txn, write->key) : RC_OK;

	if (rc != RC_OK)
		return rc;
	op->answer.version = store_txn_version(txn);
	return store_txn_put(txn, STORE_AUDIT, str_make(write->key, 8), write->text);
}

static enum rc line_write(struct audit *audit, bool is_new)
{
	struct arena *arena = arena_new(LINE_ARENA);
	struct line_write write = { .key = audit->key, .is_new = is_new };
	struct commit_op op;
	enum rc rc = RC_NO_MEMORY;

	if (arena != NULL)
		write.text = jdoc_text(audit->line, arena);
	if (write.text.p != NULL) {
		commit_op_init(&op, line_apply, &write, write.text.n, STR_LIT(""));
		rc = commit_run(audit->store, &op);
	}
	arena_free(arena);
	return rc;
}

enum rc audit_begin(struct audit *audit, struct store *store, const struct audit_from *from, const char *command,
		    const char *project, json_object *args)
{
	enum rc rc;

	*audit = (struct audit){ .store = store, .line = line_new(from, command, project, args) };
	rc = audit->line == NULL ? RC_NO_MEMORY : line_write(audit, true);
	if (rc != RC_OK) {
		json_object_put(audit->line);
		audit->line = NULL;
	}
	return rc;
}

enum rc audit_end(struct audit *audit, const char *project, enum rc ended)
{
	const char *outcome = audit_outcome(ended);
	enum rc rc = RC_OK;

	if (audit->line == NULL)
		return ended;
	if (project != NULL && project[0] != '\0' && !jdoc_add_str(audit->line, "project", str_c(project)))
		rc = RC_NO_MEMORY;
	if (!jdoc_add_str(audit->line, "outcome", str_c(outcome)))
		rc = RC_NO_MEMORY;
	if (rc == RC_OK)
		rc = line_write(audit, false);
	if (rc != RC_OK)
		LOG_WARN("the end of a change is missing in the audit log", LOG_STR("outcome", outcome),
			 LOG_STR("code", rc_info(rc)->code));
	json_object_put(audit->line);
	audit->line = NULL;
	return rc == RC_STORE ? rc : ended;
}

/* ---- reading ---- */

#define DAY_S INT64_C(86400)

/* The last lines of a walk: a ring. */
struct tail {
	json_object **lines;
	size_t room, n;		/* how many have come */
};

static void tail_clear(struct tail *tail)
{
	for (size_t i = 0; i < tail->room && i < tail->n; i++)
		json_object_put(tail->lines[i]);
	tail->n = 0;
}

static void tail_add(struct tail *tail, json_object *line)
{
	json_object **place = &tail->lines[tail->n % tail->room];

	if (tail->n >= tail->room)
		json_object_put(*place);
	*place = line;
	tail->n++;
}

/* Whether TEXT, as we have written it, is about the project that MARK is made of: no string in it has a bare quote. */
static bool is_about(struct str text, struct str mark)
{
	return mark.n == 0 || memmem(text.p, text.n, mark.p, mark.n) != NULL;
}

static enum rc walk(struct store *store, int64_t from_s, struct str mark, struct tail *tail, void *chunk)
{
	struct store_scan scan;
	struct str key, text;
	char from[8];
	enum rc rc;

	store_put_u64(from, (uint64_t)from_s * 1000000);
	store_scan_init(&scan, store, STORE_AUDIT, str_make(from, sizeof from), chunk);
	while ((rc = store_scan_next(&scan, &key, &text)) == RC_OK) {
		json_object *line;

		if (!is_about(text, mark))
			continue;
		line = jdoc_read(text, LINE_DEPTH);
		if (line == NULL) {
			LOG_ERROR("a line of the audit log cannot be read");
			return jdoc_lacked_memory() ? RC_NO_MEMORY : RC_INTERNAL;
		}
		tail_add(tail, line);
	}
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

/* The newest are wanted, and a walk goes forward: so it begins near the end, and further back when that was not enough. */
static enum rc read_tail(struct store *store, const struct audit_query *query, struct tail *tail, void *chunk)
{
	char mark_text[80];
	struct str mark = STR_LIT("");
	int64_t span = DAY_S, from;
	enum rc rc;

	if (query->project != NULL) {
		snprintf(mark_text, sizeof mark_text, "\"project\":\"%.40s\"", query->project);
		mark = str_c(mark_text);
	}
	do {
		from = query->now - span > query->since ? query->now - span : query->since;
		tail_clear(tail);
		rc = walk(store, from, mark, tail, chunk);
		span *= 16;
	} while (rc == RC_OK && tail->n <= tail->room && from > query->since);
	return rc;
}

enum rc audit_read(struct store *store, const struct audit_query *query, json_object *out, bool *more)
{
	struct tail tail = { .lines = calloc(query->limit, sizeof(json_object *)), .room = query->limit };
	void *chunk = aligned_alloc(16, STORE_SCAN_CHUNK);
	enum rc rc = tail.lines == NULL || chunk == NULL ? RC_NO_MEMORY : read_tail(store, query, &tail, chunk);
	size_t first = tail.n > tail.room ? tail.n - tail.room : 0;

	/* What was seen may not be on disk yet. */
	if (rc == RC_OK)
		rc = store_wait(store, store_in_flight(store));
	for (size_t i = first; rc == RC_OK && i < tail.n; i++)
		if (json_object_array_add(out, json_object_get(tail.lines[i % tail.room])) != 0) {
			json_object_put(tail.lines[i % tail.room]);
			rc = RC_NO_MEMORY;
		}
	*more = tail.n > tail.room;
	if (tail.lines != NULL)
		tail_clear(&tail);
	free(tail.lines);
	free(chunk);
	return rc;
}
