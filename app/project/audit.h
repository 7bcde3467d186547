/*
 * audit.h - the audit log: what operators did, when, from where.
 *
 * A line of JSON for each of their changes, written before it is made and completed behind it: so nothing is done
 * without a trace, and a line that says "started" tells of a change that nobody saw the end of.
 *
 *   {"at":"2026-11-25T22:00:00.123456Z","from":{"control":{"pid":1,"uid":0}},"command":"project.rename",
 *    "project":"<id>","args":{"name":"shop"},"outcome":"ok"}
 *
 * From: the process on the control socket, or {"key":"<id of an admin key>"}. Secrets, keys and values are never in it.
 */
#ifndef PROJECT_AUDIT_H
#define PROJECT_AUDIT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/str.h"

struct store;

/* Where a change comes from. */
struct audit_from {
	const char *key;	/* the id of an admin key; NULL: the control socket, and its peer is */
	int64_t pid, uid;
};

/* A change under way. */
struct audit {
	struct store *store;
	json_object *line;	/* NULL: there is none */
	char key[8];		/* of its row */
};

/*
 * audit_begin - COMMAND is about to be run for PROJECT (an id, or "") with ARGS (an object, or NULL; only what is no
 * secret is kept of it). Blocks until that is durable. RC_NO_MEMORY, RC_STORAGE_FULL, RC_STORE, RC_UNAVAILABLE: it
 * must not be run. Behind RC_OK comes audit_end().
 */
enum rc audit_begin(struct audit *audit, struct store *store, const struct audit_from *from, const char *command,
		    const char *project, json_object *args) MUST_USE;

/*
 * audit_end - it has ENDED so; PROJECT is the id that came out of it, if it was not known before. Blocks until that is
 * durable; when it cannot be written, the log says so and the line stays as it was. Nothing happens without a line.
 * ENDED again, or RC_STORE: the store has failed meanwhile, and a failed store acknowledges nothing.
 */
enum rc audit_end(struct audit *audit, const char *project, enum rc ended) MUST_USE;

/* audit_outcome - the word for how it ended. What was not found is a project or an API key here, never a key. */
static inline const char *audit_outcome(enum rc ended)
{
	return ended == RC_KEY_NOT_FOUND ? "not_found" : rc_info(ended)->code;
}

/* What to read: the newest LIMIT lines from SINCE (seconds since 1970) on. */
struct audit_query {
	const char *project;	/* of this id only; NULL: of all */
	int64_t since, now;
	size_t limit;
};

/*
 * audit_read - the lines into the array OUT as documents, oldest first; *MORE: there are older ones. Blocks until all of
 * them are durable. RC_NO_MEMORY, RC_STORE, RC_UNAVAILABLE.
 */
enum rc audit_read(struct store *store, const struct audit_query *query, json_object *out, bool *more) MUST_USE;

#endif
