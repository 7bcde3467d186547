/*
 * linear_load.c - clients who fight for a few keys, and write down what they asked and what they were told.
 *
 *     linear_load -s SOCKET -t TOKENS -o DIRECTORY -d SECONDS [-c CLIENTS] [-k KEYS] [-n OPERATIONS] [-p PAUSE_US]
 *                 [-f KEY] [-l ONE_IN] [-w]
 *
 * TOKENS is a file: the API key in the first line, a user's session token in each further one. CLIENTS (16) threads
 * with a connection each, and a file each in DIRECTORY, turn to KEYS (3) keys at one time, from number KEY (1) on, and
 * to fresh ones after OPERATIONS (300) on each, so that a key's history stays short. A client uses the ETag that it saw last, often of a
 * moment ago: some of them win. One write in ONE_IN (100; 0: none) is not waited for: its outcome stays unknown.
 * Nothing is asked twice here: whether the front server does it, and what comes of it, is what is tested.
 * -w: no PATCH. It ends after SECONDS, or at SIGTERM.
 *
 * What the answers mean is the checker's business (linear_check).
 */
#include "config.h"

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "history.h"

enum {
	CLIENTS_MAX = 64, KEYS_MAX = 16,
	PATIENCE_US = 3000,		/* of those who do not wait, at most */
	BROKEN = 99
};

struct load {
	const char *socket, *directory;
	struct tokens tokens;
	unsigned n_clients, n_keys, n_operations, pause_us, left_one_in;
	uint32_t first_key;
	bool no_patch;
	_Atomic bool stop;
	_Atomic uint64_t tickets;	/* operations begun: they say which keys are the turn's */
};

/* What a client knows of a key. */
struct known {
	uint32_t key;
	uint64_t etag;			/* seen last; 0: none yet */
};

struct thread {
	struct load *load;
	pthread_t id;
	uint32_t index;
	uint32_t n_values;		/* put so far: no two values put are the same */
	unsigned random;
	struct known known[KEYS_MAX];
	FILE *file;
	struct client client;
};

static struct load load = {
	.n_clients = 16, .n_keys = 3, .n_operations = 300, .left_one_in = 100, .first_key = 1
};

static unsigned below(struct thread *t, unsigned n)
{
	return (unsigned)rand_r(&t->random) % n;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- what to ask --- */

/* How often of 100, and whether it is for those who have seen an ETag. */
static const struct choice {
	unsigned weight;
	enum op_what what;
	enum op_condition condition;
} choices[] = {
	{ 18, OP_GET,    IF_ANYTHING },
	{  8, OP_GET,    IF_NONE_MATCH },
	{  8, OP_PUT,    IF_ANYTHING },
	{ 26, OP_PUT,    IF_MATCH },
	{  6, OP_PUT,    IF_ABSENT },
	{  4, OP_DELETE, IF_ANYTHING },
	{  4, OP_DELETE, IF_MATCH },
	{ 12, OP_ADD,    IF_ANYTHING },
	{  6, OP_ADD,    IF_MATCH },
	{  8, OP_MAX,    IF_ANYTHING },
};
enum { CHOICES = sizeof choices / sizeof choices[0] };

static const struct choice *choose(struct thread *t)
{
	unsigned sum = 0, i;

	for (i = 0; i < CHOICES; i++)
		sum += choices[i].weight;
	sum = below(t, sum);
	for (i = 0; sum >= choices[i].weight; i++)
		sum -= choices[i].weight;
	return &choices[i];
}

/* A value of the client's own; those of later ones are greater, and an add changes little. */
static int64_t next_value(struct thread *t)
{
	return ((int64_t)++t->n_values << 20) + ((int64_t)t->index << 12);
}

static void op_make(struct thread *t, struct known *known, struct op *op)
{
	const struct choice *choice = choose(t);

	*op = (struct op){ .key = known->key, .client = t->index, .what = choice->what,
			   .condition = choice->condition };
	if (t->load->no_patch && (op->what == OP_ADD || op->what == OP_MAX))
		op->what = OP_PUT;
	if (op->condition == IF_MATCH || op->condition == IF_NONE_MATCH) {
		op->etag = known->etag;
		if (known->etag == 0)
			*op = (struct op){ .key = known->key, .client = t->index, .what = OP_GET };
	}
	if (op->what == OP_PUT)
		op->argument = next_value(t);
	else if (op->what == OP_ADD)
		op->argument = 1 + below(t, 9);
	else if (op->what == OP_MAX)
		op->argument = below(t, 2) == 0 ? next_value(t) : 1;
}

/* The keys of this turn: the number of one of them, and its place. */
static struct known *key_choose(struct thread *t)
{
	uint64_t ticket = atomic_fetch_add(&t->load->tickets, 1);
	uint64_t turn = ticket / (t->load->n_keys * (uint64_t)t->load->n_operations);
	unsigned place = below(t, t->load->n_keys);
	uint32_t key = (uint32_t)turn * t->load->n_keys + place + t->load->first_key;

	if (t->known[place].key != key)
		t->known[place] = (struct known){ .key = key };
	return &t->known[place];
}

/* --- asking --- */

static const char *headers_make(const struct op *op, char *out, size_t size)
{
	const char *type = op->what == OP_ADD || op->what == OP_MAX ? "Content-Type: application/vnd.tmakv.op+json\r\n" : "";

	switch (op->condition) {
	case IF_MATCH:      snprintf(out, size, "%sIf-Match: \"%" PRIu64 "\"\r\n", type, op->etag); break;
	case IF_NONE_MATCH: snprintf(out, size, "%sIf-None-Match: \"%" PRIu64 "\"\r\n", type, op->etag); break;
	case IF_ABSENT:     snprintf(out, size, "%sIf-None-Match: *\r\n", type); break;
	default:            snprintf(out, size, "%s", type);
	}
	return out;
}

/* Its length. */
static size_t body_make(const struct op *op, char *out, size_t size)
{
	switch (op->what) {
	case OP_PUT: return (size_t)snprintf(out, size, "%" PRId64, op->argument);
	case OP_ADD: return (size_t)snprintf(out, size, "{\"op\":\"add\",\"by\":%" PRId64 "}", op->argument);
	case OP_MAX: return (size_t)snprintf(out, size, "{\"op\":\"max\",\"value\":%" PRId64 "}", op->argument);
	default:     return 0;
	}
}

/* The number in the envelope: {"success":true,"data":7}, or {"success":true,"data":{"value":7}}. False: there is none. */
static bool value_take(const struct answer *answer, int64_t *value)
{
	static const char head[] = "{\"success\":true,\"data\":";
	const char *text, *inner;
	char *end;

	if (answer->n_body < sizeof head || strncmp(answer->body, head, sizeof head - 1) != 0)
		return false;
	text = answer->body + sizeof head - 1;
	inner = strstr(text, "\"value\":");
	if (inner != NULL)
		text = inner + strlen("\"value\":");
	*value = strtoll(text, &end, 10);
	return end != text && (*end == '}' || *end == ',');
}

static void answer_take(struct thread *t, const struct answer *answer, struct op *op)
{
	bool tells = op->what == OP_GET || op->what == OP_ADD || op->what == OP_MAX;

	op->status = answer->status;
	op->version = answer->version;
	op->writes = answer->writes;
	/* Nobody has put this one. */
	if (op->status == 200 && tells && !value_take(answer, &op->value)) {
		fprintf(stderr, "linear_load: no number in the answer to client %u\n", t->index);
		op->value = INT64_MIN;
	}
}

static void ask(struct thread *t, struct op *op)
{
	static const char *const methods[OP__COUNT] = {
		[OP_GET] = "GET", [OP_PUT] = "PUT", [OP_DELETE] = "DELETE", [OP_ADD] = "PATCH", [OP_MAX] = "PATCH"
	};
	const char *token = t->load->tokens.at[t->index % t->load->tokens.n];
	struct answer answer = { .status = OP_STATUS_LEFT };
	char path[64], headers[128], body[96];
	size_t n = body_make(op, body, sizeof body);
	bool leaves = op->what != OP_GET && t->load->left_one_in != 0 && below(t, t->load->left_one_in) == 0;

	snprintf(path, sizeof path, "/sdk/v1/kv/linear:%u", op->key);
	t->client.headers = headers_make(op, headers, sizeof headers);
	op->call_ns = now_ns();
	if (leaves)
		client_ask_and_leave(&t->client, methods[op->what], path, token, body, n, below(t, PATIENCE_US));
	else
		client_ask(&t->client, methods[op->what], path, token, body, n, &answer);
	op->return_ns = now_ns();
	answer_take(t, &answer, op);
}

static void ask_and_write(struct thread *t, struct known *known, struct op *op)
{
	ask(t, op);
	if (op->version != 0)
		known->etag = op->version;
	if (!op_write(t->file, op)) {
		perror("linear_load: writing an operation");
		exit(BROKEN);
	}
}

/* Who has read just now may win; who has not hardly ever does. */
static void turn(struct thread *t)
{
	struct known *known = key_choose(t);
	struct op op, get = { .key = known->key, .client = t->index, .what = OP_GET };

	op_make(t, known, &op);
	if (op.condition == IF_MATCH && below(t, 2) == 0) {
		ask_and_write(t, known, &get);
		op.etag = known->etag;
	}
	ask_and_write(t, known, &op);
	if (t->load->pause_us != 0)
		usleep(below(t, 2 * t->load->pause_us));
}

/* --- threads --- */

static void *thread_run(void *arg)
{
	struct thread *t = arg;

	while (!t->load->stop)
		turn(t);
	return NULL;
}

static struct thread *thread_new(struct load *l, uint32_t index)
{
	struct thread *t = calloc(1, sizeof *t);
	char path[512];

	if (t == NULL)
		abort();
	t->load = l;
	t->index = index;
	t->random = index * 7919 + (unsigned)now_ns();
	client_init(&t->client, l->socket);
	snprintf(path, sizeof path, "%s/history.%u", l->directory, index);
	t->file = fopen(path, "wx");
	if (t->file == NULL) {
		perror(path);
		exit(BROKEN);
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

static bool run(struct load *l, unsigned seconds)
{
	struct thread *threads[CLIENTS_MAX];
	uint64_t end_ns = now_ns() + seconds * 1000000000ull;
	bool good = true;

	for (uint32_t i = 0; i < l->n_clients; i++)
		threads[i] = thread_new(l, i);
	for (uint32_t i = 0; i < l->n_clients; i++)
		if (pthread_create(&threads[i]->id, NULL, thread_run, threads[i]) != 0)
			exit(BROKEN);
	while (!l->stop)
		if (now_ns() >= end_ns || usleep(20000) != 0)
			l->stop = true;
	for (uint32_t i = 0; i < l->n_clients; i++)
		pthread_join(threads[i]->id, NULL);
	for (uint32_t i = 0; i < l->n_clients; i++)
		good &= thread_end(threads[i]);
	return good;
}

/* --- the program --- */

int main(int argc, char **argv)
{
	const char *tokens = NULL;
	unsigned seconds = 0;
	int c;

	while ((c = getopt(argc, argv, "s:t:o:d:c:k:n:p:f:l:w")) != -1) {
		unsigned number = optarg == NULL ? 0 : (unsigned)strtoul(optarg, NULL, 10);

		switch (c) {
		case 's': load.socket = optarg; break;
		case 't': tokens = optarg; break;
		case 'o': load.directory = optarg; break;
		case 'd': seconds = number; break;
		case 'c': load.n_clients = number; break;
		case 'k': load.n_keys = number; break;
		case 'n': load.n_operations = number; break;
		case 'p': load.pause_us = number; break;
		case 'f': load.first_key = number; break;
		case 'l': load.left_one_in = number; break;
		case 'w': load.no_patch = true; break;
		default:  return 64;
		}
	}
	if (load.socket == NULL || load.directory == NULL || seconds == 0 || load.n_clients - 1 >= CLIENTS_MAX ||
	    load.n_keys - 1 >= KEYS_MAX || load.n_operations == 0 || !tokens_read(&load.tokens, tokens)) {
		fprintf(stderr, "usage: linear_load -s SOCKET -t TOKENS -o DIRECTORY -d SECONDS [-c CLIENTS] [-k KEYS] "
			"[-n OPERATIONS] [-p PAUSE_US] [-f KEY] [-l ONE_IN] [-w]\n");
		return 64;
	}
	signal(SIGTERM, on_signal);
	return run(&load, seconds) ? 0 : 1;
}
