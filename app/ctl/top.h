/*
 * top.h - what 'tmakvctl top' shows, step by step: each is a function of what it is given, and draws nothing by itself.
 *
 *   the server's answer --top_read--> snapshot \
 *                                               --top_compare--> rates --top_draw--> lines
 *   the one an interval before ------ snapshot /                     '--top_json---> a document
 *
 * Strings of a snapshot are its document's; all else is the arena's that was handed in.
 */
#ifndef CTL_TOP_H
#define CTL_TOP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* --- top_read.c: what the server has counted, at one moment --- */

/* A histogram, of the buckets in which there is something: N values less than END_US and in none before. */
struct top_bucket {
	int64_t end_us, n;
};

struct top_class {
	struct str name;		/* "read" */
	int64_t n;
	struct top_bucket *buckets;	/* ascending */
	size_t n_buckets;
};

struct top_project {
	struct str name;
	int64_t number, reads, writes;	/* requests since the server's start */
};

struct top_key {
	struct str project, key;
	int64_t number;			/* the project's */
	int64_t writes;			/* accepted since it was created */
	int64_t recent;			/* of these in the last RECENT_US, at least */
};

struct top_snapshot {
	json_object *doc;
	struct str version;
	int64_t pid, uptime_us;
	int64_t projects_known, projects_active;
	struct top_project *projects;
	size_t n_projects;
	bool projects_whole;		/* all that have had requests */
	struct top_key *keys;
	size_t n_keys;
	int64_t recent_us;
	struct top_class *classes;
	size_t n_classes;
	json_object *counters, *store;	/* parts of DOC */
};

/* top_read - the answer DOC, whose reference is taken over. False when it cannot be understood, or there is no memory. */
bool top_read(json_object *doc, struct arena *arena, struct top_snapshot *out);

/* top_clear - let go of the document. Fine for one of zeros. */
void top_clear(struct top_snapshot *snapshot);

/* top_counter - one of the server's counters; 0 when it has none of that name. */
int64_t top_counter(const struct top_snapshot *snapshot, const char *name);

/* --- top_compare.c: what has happened between two moments --- */

struct top_class_rate {
	struct str name;
	double per_s;
	int64_t p50_us, p99_us;		/* up to a quarter more than it was; 0: there was none */
};

struct top_project_rate {
	struct str name;
	double reads_per_s, writes_per_s;
	int64_t total;			/* since the server's start */
};

struct top_key_rate {
	struct str project, key;
	double per_s;
	int64_t writes;
};

struct top_rates {
	struct str version;
	double interval_s, uptime_s;
	int64_t pid, projects_known, projects_active;
	double requests, ok, refused, failed;	/* a second: all, 2xx, 4xx, 5xx */
	double limited;				/* a second, by write limits and user rates */
	double batches, changes, flush_us;	/* a second; and the mean flush, 0: none */
	double cache_hits, token_hits;		/* 0 to 1; less than 0: nothing was looked for */
	int64_t queued, parked, slow, connections, free_bytes;
	bool full;
	struct top_class_rate *classes;
	size_t n_classes;
	struct top_project_rate *projects;
	size_t n_projects;
	struct top_key_rate *keys;
	size_t n_keys;
};

enum top_sort { TOP_BY_RATE, TOP_BY_TOTAL, TOP_BY_NAME, TOP_SORTS };

/*
 * top_compare - the rates between BEFORE and NOW. What began anew in between, because the server did, is counted
 * from there. BEFORE may be NULL: since the server's start. False: no memory.
 */
bool top_compare(const struct top_snapshot *before, const struct top_snapshot *now, enum top_sort sort,
		 struct arena *arena, struct top_rates *out);

/* --- top_draw.c, top_json.c: showing it --- */

struct top_view {
	size_t width;			/* cells; no line has more */
	size_t height;			/* lines; 0: as many as it takes */
	enum top_sort sort;
	bool paused, help;
	bool projects_first;		/* the list of projects has the room, and is the one that is scrolled */
	size_t scroll;			/* lines of that list that are out of sight above */
	double interval_s;		/* as it should be */
	double away_s;			/* more than 0: for so long the server has not answered */
	const char *only;		/* the one project that is shown; NULL: all */
};

enum top_style { TOP_PLAIN, TOP_HEAD, TOP_ALERT };

struct top_line {
	enum top_style style;
	struct str text;
};

struct top_lines {
	struct top_line *lines;
	size_t n;
	size_t page;			/* lines of the list that is scrolled, which are shown */
	size_t scroll;			/* VIEW's, but not beyond the end */
};

/* top_draw - RATES as lines, 400 of 2000 cells at most. False: no memory. */
bool top_draw(const struct top_rates *rates, const struct top_view *view, struct arena *arena, struct top_lines *out);

/* top_json - RATES as a document, to be released; NULL: no memory. AT is seconds since 1970. */
json_object *top_json(const struct top_rates *rates, int64_t at);

#endif
