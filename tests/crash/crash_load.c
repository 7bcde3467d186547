/*
 * crash_load.c - a modest load that writes down what it was told.
 *
 *     crash_load -s SOCKET -t TOKENS -o DIRECTORY -b PATH -d SECONDS [-p PAUSE_US]
 *     crash_load -s SOCKET -t TOKENS -o DIRECTORY -f
 *
 * TOKENS is a file: the API key in the first line, a user's session token in each further one. PATH is
 * that of the project's namespace at the REST door, where bulk calls go.
 * A thread is one client with one connection, who pauses between two requests, and one file of events
 * in DIRECTORY. Nothing is asked twice here: whether the front server does it is what is tested.
 * It ends after SECONDS, or at SIGTERM.
 *
 * -f asks at the end for everything that has been written: each key by a GET and by lists.
 * What the answers mean is the checker's business (crash_check).
 */
#include "config.h"

#include <getopt.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "event.h"

enum {
	FLIP_KEYS = 12,			/* keys that one writer puts, deletes, and somebody lists */
	SHARED_KEYS = 4,		/* keys that several put and delete */
	LONG_TTL_S = 3600, SHORT_TTL_S = 2,
	GET_TRIES = 100,
	LEFT_KEYS = 2,			/* keys whose writers often leave before they are answered */
	PATIENCE_US = 4000,		/* and how soon, at most */
	BULK_KEYS = 96,			/* keys that one thread puts and deletes in bulk; */
	BULK_ITEMS = 90,		/* so many at once, at most: more than one slice of the server's */
	BULK_BODY = 2 << 20,
	BULK_PAUSE_US = 100000,		/* they write much at once */
	STATUS_NOT_ALL = 599,		/* in place of 200 when the answer says that some were not done */
	FINAL_THREADS = 4
};

/* How many threads of each kind. */
enum { DISTINCT = 4, COUNTERS = 3, HOT = 3, FLIPPERS = 2, SHARERS = 3, LEAVERS = 2, BULKERS = 2, READERS = 8, LISTERS = 2 };

struct load {
	const char *socket;
	const char *directory;
	const char *rest;			/* the path of the project's namespace */
	struct tokens tokens;
	unsigned pause_us;
	_Atomic bool stop;
	_Atomic unsigned broke_off;		/* answers that ended half way, and were asked for again */
	_Atomic uint32_t distinct[DISTINCT];	/* how many keys each has written */
	struct events written;			/* -f: one event for each key to ask for */
	_Atomic size_t next;			/* -f: of those */
};

struct thread {
	struct load *load;
	pthread_t id;
	void (*turn)(struct thread *);
	uint32_t writer;			/* from 1; of all threads */
	uint32_t index;				/* from 0; among those of its kind */
	uint32_t number;			/* of its last value */
	unsigned random;
	bool leaves;				/* does not wait for this answer */
	FILE *file;
	struct client client;
};

static struct load load;

/* --- asking, and writing it down --- */

static unsigned random_below(struct thread *t, unsigned n)
{
	return (unsigned)rand_r(&t->random) % n;
}

static void write_down(struct thread *t, const struct event *event)
{
	if (!event_write(t->file, event)) {
		perror("crash_load: writing an event");
		exit(99);
	}
}

/* The value in an envelope of the SDK door, in full or torn. */
static void value_take(const struct answer *answer, struct event *event)
{
	static const char head[] = "{\"success\":true,\"data\":";
	const size_t n_head = sizeof head - 1;

	event->torn = answer->n_body < n_head + 1 || memcmp(answer->body, head, n_head) != 0 ||
		      answer->body[answer->n_body - 1] != '}' ||
		      !value_read(answer->body + n_head, answer->n_body - n_head - 1, &event->value);
}

static void ask(struct thread *t, const char *token, const char *path, const char *body, size_t n,
		struct event *event)
{
	static const char *const methods[] = { [PUT] = "PUT", [DELETE] = "DELETE", [GET] = "GET" };
	struct answer answer = { .status = STATUS_LEFT };

	event->start_us = wall_us();
	if (t->leaves)
		client_ask_and_leave(&t->client, methods[event->what], path, token, body, n,
				     random_below(t, PATIENCE_US));
	else
		client_ask(&t->client, methods[event->what], path, token, body, n, &answer);
	/* A read changes nothing: whoever gets half of one asks again. */
	for (int i = 0; event->what == GET && answer.broke_off && i < GET_TRIES; i++) {
		atomic_fetch_add(&t->load->broke_off, 1);
		client_ask(&t->client, "GET", path, token, NULL, 0, &answer);
	}
	event->end_us = wall_us();
	event->status = answer.status;
	event->version = answer.version;
	event->writes = answer.writes;
	if (event->what == GET && answer.status == 200)
		value_take(&answer, event);
	write_down(t, event);
}

/* Half of the threads are the project's own server, the others its users. */
static const char *token_of(const struct thread *t)
{
	return t->load->tokens.at[t->writer % t->load->tokens.n];
}

static void put(struct thread *t, const char *key, uint32_t ttl_s)
{
	struct event event = { .what = PUT, .value = { t->writer, ++t->number }, .ttl_s = ttl_s };
	char path[80], body[VALUE_MAX];
	int n = snprintf(path, sizeof path, "/sdk/v1/kv/%s", key);

	snprintf(event.key, sizeof event.key, "%s", key);
	if (ttl_s != 0)
		snprintf(path + n, sizeof path - (size_t)n, "?expirationTtl=%u", ttl_s);
	/* A time to live is for servers. */
	ask(t, ttl_s != 0 ? t->load->tokens.at[0] : token_of(t), path, body, value_make(event.value, body), &event);
}

static void get_or_delete(struct thread *t, enum what what, const char *key)
{
	struct event event = { .what = what };
	char path[80];

	snprintf(event.key, sizeof event.key, "%s", key);
	snprintf(path, sizeof path, "/sdk/v1/kv/%s", key);
	ask(t, token_of(t), path, NULL, 0, &event);
}

/* --- what the threads do, again and again --- */

/* Keys that are written once; some with an expiry, some deleted again. */
static void distinct_turn(struct thread *t)
{
	uint32_t n = t->number;
	char key[24];

	snprintf(key, sizeof key, "d/%u/%u", t->index, n);
	put(t, key, n % 7 == 0 ? LONG_TTL_S : n % 11 == 0 ? SHORT_TTL_S : 0);
	atomic_store(&t->load->distinct[t->index], n + 1);
	if (n % 5 == 4) {
		snprintf(key, sizeof key, "d/%u/%u", t->index, n - 2);
		get_or_delete(t, DELETE, key);
	}
}

static void counter_turn(struct thread *t)
{
	char key[24];

	snprintf(key, sizeof key, "c/%u", t->index);
	put(t, key, 0);
}

static void hot_turn(struct thread *t)
{
	put(t, "hot", 0);
}

static void flip(struct thread *t, const char *key, bool down)
{
	if (down)
		get_or_delete(t, DELETE, key);
	else
		put(t, key, 0);
}

static void flip_turn(struct thread *t)
{
	char key[24];

	snprintf(key, sizeof key, "l/%u/%02u", t->index, random_below(t, FLIP_KEYS));
	flip(t, key, random_below(t, 2) == 0);
}

static void share_turn(struct thread *t)
{
	char key[24];

	snprintf(key, sizeof key, "s/%u", random_below(t, SHARED_KEYS));
	flip(t, key, random_below(t, 4) == 0);
}

/*
 * Nobody repeats a write whose client has left. What a crash takes of it is gone for good: whoever was shown
 * its effect too early will notice.
 */
static void leave_turn(struct thread *t)
{
	char key[24];

	snprintf(key, sizeof key, "v/0/%02u", random_below(t, LEFT_KEYS));
	t->leaves = random_below(t, 2) == 0;
	flip(t, key, random_below(t, 2) == 0);
	t->leaves = false;
}

/* --- many at once --- */

/* VALUE, as a JSON string. Answers the length. */
static size_t quote(const char *value, size_t n, char *out)
{
	char *p = out;

	*p++ = '"';
	for (size_t i = 0; i < n; i++) {
		if (value[i] == '"')
			*p++ = '\\';
		*p++ = value[i];
	}
	*p++ = '"';
	return (size_t)(p - out);
}

/* How it went as a whole is how it went for each item; one that is not counted as done is an error. */
static void ask_bulk(struct thread *t, const char *method, const char *what, const char *body, size_t n,
		     struct event *items, size_t n_items)
{
	struct answer answer;
	char path[256], done[48];
	uint64_t start_us = wall_us();

	snprintf(path, sizeof path, "%s/%s", t->load->rest, what);
	client_ask(&t->client, method, path, t->load->tokens.at[0], body, n, &answer);
	snprintf(done, sizeof done, "\"successful_key_count\":%zu,", n_items);
	if (answer.status == 200 && strstr(answer.body, done) == NULL)
		answer.status = STATUS_NOT_ALL;
	for (size_t i = 0; i < n_items; i++) {
		items[i].start_us = start_us;
		items[i].end_us = wall_us();
		items[i].status = answer.status;
		write_down(t, &items[i]);
	}
}

static size_t bulk_item(const struct event *item, char *out)
{
	char value[VALUE_MAX];
	size_t n_value = value_make(item->value, value), n = (size_t)sprintf(out, "{\"key\":\"%s\",\"value\":", item->key);

	n += quote(value, n_value, out + n);
	if (item->ttl_s != 0)
		n += (size_t)sprintf(out + n, ",\"expiration_ttl\":%u", item->ttl_s);
	n += (size_t)sprintf(out + n, "},");
	return n;
}

/* The thread's next value, or the next large one. */
static struct value_id next_value(struct thread *t, bool large)
{
	struct value_id value = { t->writer, ++t->number };

	while (large && !value_is_large(value))
		value.number = ++t->number;
	return value;
}

/*
 * A stretch of the thread's keys, and sometimes one that nobody writes again and that expires soon. With a LARGE
 * value in the middle the server has stored what comes before long before it answers.
 */
static void bulk_put(struct thread *t, unsigned from, unsigned n_items, bool large)
{
	struct event items[BULK_ITEMS];
	char *body = malloc(BULK_BODY + 2 * VALUE_MAX);
	size_t n = 1, n_done = 0;

	if (body == NULL)
		abort();
	body[0] = '[';
	for (; n_done < n_items && n < BULK_BODY; n_done++) {
		struct event *item = &items[n_done];

		*item = (struct event){ .what = BULK_PUT, .value = next_value(t, large && n_done == n_items / 2) };
		if (n_done == 0 && t->number % 3 == 0) {
			snprintf(item->key, sizeof item->key, "e/%u/%u", t->index, t->number);
			item->ttl_s = SHORT_TTL_S;
		} else {
			snprintf(item->key, sizeof item->key, "b/%u/%02u", t->index, (from + (unsigned)n_done) % BULK_KEYS);
			item->ttl_s = t->number % 5 == 0 ? LONG_TTL_S : 0;
		}
		n += bulk_item(item, body + n);
	}
	body[n - 1] = ']';
	ask_bulk(t, "PUT", "bulk", body, n, items, n_done);
	free(body);
}

static void bulk_delete(struct thread *t, unsigned from, unsigned n_items)
{
	struct event items[BULK_ITEMS];
	char body[BULK_ITEMS * 32];
	size_t n = 1;

	body[0] = '[';
	for (unsigned i = 0; i < n_items; i++) {
		items[i] = (struct event){ .what = BULK_DELETE };
		snprintf(items[i].key, sizeof items[i].key, "b/%u/%02u", t->index, (from + i) % BULK_KEYS);
		n += (size_t)sprintf(body + n, "\"%s\",", items[i].key);
	}
	body[n - 1] = ']';
	if (random_below(t, 2) == 0)
		ask_bulk(t, "DELETE", "bulk", body, n, items, n_items);
	else
		ask_bulk(t, "POST", "bulk/delete", body, n, items, n_items);
}

/* And single writes behind them, which are told the counter. */
static void bulk_turn(struct thread *t)
{
	unsigned from = random_below(t, BULK_KEYS), n_items = 1 + random_below(t, random_below(t, 4) == 0 ? BULK_ITEMS : 20);
	char key[24];

	if (random_below(t, 4) == 0)
		bulk_delete(t, from, n_items);
	else
		bulk_put(t, from, n_items, random_below(t, 10) == 0);
	snprintf(key, sizeof key, "b/%u/%02u", t->index, (from + random_below(t, 2)) % BULK_KEYS);
	put(t, key, 0);
	usleep(BULK_PAUSE_US);
}

/* --- reading --- */

/* One of the keys that were written lately, or are being written now. */
static void recent_key(struct thread *t, char *key, size_t size)
{
	uint32_t writer = random_below(t, DISTINCT), n = t->load->distinct[writer], back = random_below(t, 16);

	snprintf(key, size, "d/%u/%u", writer, n < back ? 0 : n - back);
}

static void read_turn(struct thread *t)
{
	char key[24];

	switch (random_below(t, 10)) {
	case 0:  snprintf(key, sizeof key, "c/%u", random_below(t, COUNTERS)); break;
	case 1:
	case 2:  snprintf(key, sizeof key, "hot"); break;
	case 3:  snprintf(key, sizeof key, "l/%u/%02u", random_below(t, FLIPPERS), random_below(t, FLIP_KEYS)); break;
	case 4:  snprintf(key, sizeof key, "s/%u", random_below(t, SHARED_KEYS)); break;
	case 5:  recent_key(t, key, sizeof key); break;
	case 6:
	case 7:  snprintf(key, sizeof key, "b/%u/%02u", random_below(t, BULKERS), random_below(t, BULK_KEYS)); break;
	default: snprintf(key, sizeof key, "v/0/%02u", random_below(t, LEFT_KEYS));
	}
	get_or_delete(t, GET, key);
}

/* What begins with PREFIX, as a list has it: an event for each of the N keys that there may be. */
static void list(struct thread *t, const char *prefix, unsigned n)
{
	struct event event = { .start_us = wall_us() };
	struct answer answer;
	char path[80], name[48];

	snprintf(path, sizeof path, "/sdk/v1/kv?prefix=%s", prefix);
	client_ask(&t->client, "GET", path, token_of(t), NULL, 0, &answer);
	event.end_us = wall_us();
	event.status = answer.status;
	for (unsigned i = 0; i < n; i++) {
		snprintf(event.key, sizeof event.key, "%s%02u", prefix, i);
		snprintf(name, sizeof name, "{\"name\":\"%s\"", event.key);
		event.what = answer.status == 200 && strstr(answer.body, name) != NULL ? LISTED : UNLISTED;
		write_down(t, &event);
	}
}

static void list_turn(struct thread *t)
{
	unsigned which = random_below(t, 8);
	char prefix[16];

	if (which < 4) {
		list(t, "v/0/", LEFT_KEYS);
		return;
	}
	snprintf(prefix, sizeof prefix, "%c/%u/", which == 4 ? 'b' : 'l', random_below(t, which == 4 ? BULKERS : FLIPPERS));
	list(t, prefix, which == 4 ? BULK_KEYS : FLIP_KEYS);
}

/* --- the end: everything once more --- */

static void final_turn(struct thread *t)
{
	size_t i = atomic_fetch_add(&t->load->next, 1);

	if (i < t->load->written.n)
		get_or_delete(t, GET, t->load->written.at[i].key);
	else
		t->load->stop = true;
}

/* The names on a page, as they come; each is marked in SHOWN by its place in the sorted list of keys. */
static bool page_take(const struct events *written, const char *body, bool *shown, char *last)
{
	static const char mark[] = "{\"name\":\"";

	for (const char *p = strstr(body, mark); p != NULL; p = strstr(p, mark)) {
		size_t low = 0, high = written->n;

		p += sizeof mark - 1;
		snprintf(last, 24, "%.*s", (int)strcspn(p, "\""), p);
		while (low < high) {
			size_t middle = (low + high) / 2;
			int order = strcmp(written->at[middle].key, last);

			if (order == 0)
				shown[middle] = true;
			if (order < 0)
				low = middle + 1;
			else
				high = middle;
		}
		/* A key that nobody has written: no event could say so. */
		if (low == written->n || strcmp(written->at[low].key, last) != 0) {
			fprintf(stderr, "crash_load: the list has a key that nobody wrote: %s\n", last);
			return false;
		}
	}
	return true;
}

/* List all keys, page by page, then write down for each key whether it was there. */
static bool final_list(struct thread *t)
{
	const struct events *written = &t->load->written;
	bool *shown = calloc(written->n + 1, sizeof *shown), good = shown != NULL;
	struct event event = { .start_us = wall_us(), .status = 200 };
	char path[1024] = "/sdk/v1/kv?limit=500", last[24];
	const char *cursor = path;
	struct answer answer;

	while (good && cursor != NULL) {
		client_ask(&t->client, "GET", path, token_of(t), NULL, 0, &answer);
		good = answer.status == 200 && page_take(written, answer.body, shown, last);
		cursor = good ? strstr(answer.body, "\"cursor\":\"") : NULL;
		if (cursor != NULL)
			snprintf(path, sizeof path, "/sdk/v1/kv?limit=500&cursor=%.*s",
				 (int)strcspn(cursor + 10, "\""), cursor + 10);
	}
	event.end_us = wall_us();
	for (size_t i = 0; good && i < written->n; i++) {
		event.what = shown[i] ? LISTED : UNLISTED;
		memcpy(event.key, written->at[i].key, sizeof event.key);
		write_down(t, &event);
	}
	free(shown);
	return good;
}

/* Which keys the load has asked for, from what it wrote down; one event each. */
static bool written_load(struct load *l)
{
	char pattern[512];
	glob_t files;
	size_t n = 0;
	bool good;

	snprintf(pattern, sizeof pattern, "%s/events.*", l->directory);
	good = glob(pattern, 0, NULL, &files) == 0;
	for (size_t i = 0; good && i < files.gl_pathc; i++)
		good = events_load(&l->written, files.gl_pathv[i]);
	if (!good)
		return false;
	globfree(&files);
	events_sort(&l->written);
	for (size_t i = 0; i < l->written.n; i++)
		if (n == 0 || strcmp(l->written.at[n - 1].key, l->written.at[i].key) != 0)
			l->written.at[n++] = l->written.at[i];
	l->written.n = n;
	return true;
}

/* --- threads --- */

static const struct kind {
	const char *name;
	uint32_t n;
	void (*turn)(struct thread *);
} kinds[] = {
	{ "distinct", DISTINCT, distinct_turn },
	{ "counter",  COUNTERS, counter_turn },
	{ "hot",      HOT,      hot_turn },
	{ "flip",     FLIPPERS, flip_turn },
	{ "share",    SHARERS,  share_turn },
	{ "leave",    LEAVERS,  leave_turn },
	{ "bulk",     BULKERS,  bulk_turn },
	{ "read",     READERS,  read_turn },
	{ "list",     LISTERS,  list_turn },
}, final_kinds[] = {
	{ "final",    FINAL_THREADS, final_turn },
};
enum { KINDS = sizeof kinds / sizeof kinds[0], THREADS_MAX = 64 };

static void *thread_run(void *arg)
{
	struct thread *t = arg;

	while (!t->load->stop) {
		t->turn(t);
		if (t->load->pause_us != 0)
			usleep(t->load->pause_us / 2 + random_below(t, t->load->pause_us));
	}
	return NULL;
}

static struct thread *thread_new(struct load *l, const struct kind *kind, uint32_t index, uint32_t writer)
{
	struct thread *t = calloc(1, sizeof *t);
	char path[512];

	if (t == NULL)
		abort();
	*t = (struct thread){ .load = l, .turn = kind->turn, .writer = writer, .index = index };
	t->random = writer * 7919 + (unsigned)wall_us();
	client_init(&t->client, l->socket);
	snprintf(path, sizeof path, "%s/events.%s.%u", l->directory, kind->name, index);
	t->file = fopen(path, "wx");
	if (t->file == NULL) {
		perror(path);
		exit(99);
	}
	return t;
}

static bool thread_end(struct thread *t)
{
	bool good = fclose(t->file) == 0;

	client_clear(&t->client);
	free(t);
	return good;
}

static void on_signal(int signal)
{
	(void)signal;
	load.stop = true;
}

static bool run(struct load *l, const struct kind *first, size_t n_kinds, unsigned seconds)
{
	struct thread *threads[THREADS_MAX];
	uint32_t n = 0;
	bool good = true;

	for (size_t k = 0; k < n_kinds; k++)
		for (uint32_t i = 0; i < first[k].n; i++, n++)
			threads[n] = thread_new(l, &first[k], i, n + 1);
	for (uint32_t i = 0; i < n; i++)
		if (pthread_create(&threads[i]->id, NULL, thread_run, threads[i]) != 0)
			exit(99);
	for (uint64_t end = wall_us() + seconds * 1000000ull; seconds != 0 && !l->stop;)
		if (wall_us() >= end || usleep(20000) != 0)
			l->stop = true;
	for (uint32_t i = 0; i < n; i++)
		pthread_join(threads[i]->id, NULL);
	if (first == final_kinds)
		good = final_list(threads[0]);
	for (uint32_t i = 0; i < n; i++)
		good &= thread_end(threads[i]);
	return good;
}

/* --- the program --- */

int main(int argc, char **argv)
{
	const char *tokens = NULL;
	bool final = false, good;
	unsigned seconds = 0;
	int c;

	load.pause_us = 4000;
	while ((c = getopt(argc, argv, "s:t:o:b:d:p:f")) != -1) {
		switch (c) {
		case 's': load.socket = optarg; break;
		case 't': tokens = optarg; break;
		case 'o': load.directory = optarg; break;
		case 'b': load.rest = optarg; break;
		case 'd': seconds = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'p': load.pause_us = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'f': final = true; break;
		default:  return 64;
		}
	}
	if (load.socket == NULL || load.directory == NULL || final == (seconds != 0) || final != (load.rest == NULL) ||
	    !tokens_read(&load.tokens, tokens)) {
		fprintf(stderr, "usage: crash_load -s SOCKET -t TOKENS -o DIRECTORY (-b PATH -d SECONDS [-p PAUSE_US] | -f)\n");
		return 64;
	}
	signal(SIGTERM, on_signal);
	if (!final) {
		good = run(&load, kinds, KINDS, seconds);
		printf("%u large answers broke off under way, and were asked for again\n", load.broke_off);
		return good ? 0 : 1;
	}
	load.pause_us = 0;
	good = written_load(&load) && run(&load, final_kinds, 1, 0);
	free(load.written.at);
	return good ? 0 : 1;
}
