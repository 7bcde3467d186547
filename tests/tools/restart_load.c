/*
 * restart_load.c - clients that notice every error, and whose writes are counted, while servers are changed.
 *
 *     restart_load -s SOCKET -k KEY -r REST -i INIT -w WORD [-m MARKS] [-n CLIENTS] [-p PAUSE_US] [-e]
 *
 * KEY is a file with an API key, REST the path of its namespace on the REST door, INIT a file with a body for
 * validate in each line, WORD begins all keys. A client is a thread with one connection and keys of its own; it puts, gets and deletes,
 * signs in, and makes bulk calls, with a pause of PAUSE_US between two requests. All end at SIGTERM; then each key
 * is looked at once more: it must be as its client was told, and its counter must have counted each write once.
 *
 * MARKS is a file with lines of a time in microseconds and a word, written meanwhile: for each word the longest
 * time without any answer behind such a moment is told, the median and the most.
 * Any answer but a 2xx is an error and ends it with 1; with -e it is counted, and the write may have happened.
 */
#include "config.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "client.h"

enum {
	CLIENTS_MAX = 256, SLOTS = 4, BULK_SLOTS = 8, LINES_MAX = 64, LINE_MAX_BYTES = 4096,
	MARKS_MAX = 1000, SHOWN = 10, BODY_SIZE = 2048
};

/* What a key must hold. 0: it is not there. UNSURE: or MAYBE instead, for nobody was told. */
struct slot {
	uint32_t value, maybe;
	bool unsure;
};

struct done {
	uint64_t at_us, took_us;
};

struct loader {
	pthread_t id;
	unsigned number, random;
	uint32_t last;			/* value given to a key */
	uint64_t counted, uncertain;	/* writes of its counter */
	struct slot slots[SLOTS], bulk[BULK_SLOTS];
	struct done *done;
	size_t n_done, room;
	struct client client;
};

static struct {
	const char *socket, *rest, *word;
	char key[LINE_MAX_BYTES];
	char bodies[LINES_MAX][LINE_MAX_BYTES];
	unsigned n_bodies, n_clients, pause_us;
	bool errors_are_fine;
	_Atomic bool stop;
	_Atomic unsigned errors, wrong;
} load = { .n_clients = 64, .pause_us = 10000 };

/* What is asked, and how often each was answered with 2xx. */
enum what { PUT, GET, DELETE, VALIDATE, BULK_PUT, BULK_GET, BULK_DELETE, WHATS };
static const char *const words[WHATS] = {
	[PUT] = "PUT", [GET] = "GET", [DELETE] = "DELETE", [VALIDATE] = "POST validate",
	[BULK_PUT] = "PUT bulk", [BULK_GET] = "POST bulk/get", [BULK_DELETE] = "POST bulk/delete",
};
static _Atomic unsigned good[WHATS];

static uint64_t wall_us(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
}

/* --- asking --- */

static void complain(_Atomic unsigned *count, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void complain(_Atomic unsigned *count, const char *format, ...)
{
	va_list args;

	if (atomic_fetch_add(count, 1) >= SHOWN)
		return;
	va_start(args, format);
	flockfile(stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	funlockfile(stderr);
	va_end(args);
}

static void note(struct loader *l, uint64_t began_us)
{
	uint64_t now = wall_us();

	if (l->n_done == l->room) {
		l->room = l->room == 0 ? 4096 : l->room * 2;
		l->done = realloc(l->done, l->room * sizeof *l->done);
		if (l->done == NULL)
			abort();
	}
	l->done[l->n_done++] = (struct done){ now, now - began_us };
}

/* Whether the answer is a 2xx. */
static bool ask(struct loader *l, enum what what, const char *path, const char *body, struct answer *answer)
{
	static const char *const methods[WHATS] = {
		"PUT", "GET", "DELETE", "POST", "PUT", "POST", "POST"
	};
	uint64_t began = wall_us();

	client_ask(&l->client, methods[what], path, load.key, body, body == NULL ? 0 : strlen(body), answer);
	if (answer->status >= 200 && answer->status <= 299) {
		note(l, began);
		atomic_fetch_add(&good[what], 1);
		return true;
	}
	complain(&load.errors, "%s was answered %d after %llu ms: %.*s", words[what], answer->status,
		 (unsigned long long)(wall_us() - began) / 1000, answer->status == 0 ? 0 : (int)answer->n_body, answer->body);
	return false;
}

static unsigned random_below(struct loader *l, unsigned n)
{
	return (unsigned)rand_r(&l->random) % n;
}

/* A write of VALUE was answered (GOOD) or not. */
static void settle(struct slot *slot, uint32_t value, bool is_good)
{
	if (is_good)
		*slot = (struct slot){ .value = value };
	else if (slot->unsure && slot->maybe != value)
		slot->maybe = UINT32_MAX;	/* three possibilities: anything goes */
	else
		slot->unsure = true, slot->maybe = value;
}

static bool may_hold(const struct slot *slot, uint32_t value)
{
	return slot->value == value || (slot->unsure && (slot->maybe == value || slot->maybe == UINT32_MAX));
}

/* The number in "value-NUMBER" that FROM begins with; 0 when it does not. */
static uint32_t number_in(const char *from, size_t n)
{
	static const char head[] = "value-";

	return n > 6 && memcmp(from, head, 6) == 0 ? (uint32_t)strtoul(from + 6, NULL, 10) : 0;
}

/* --- what clients do --- */

static void counter_turn(struct loader *l)
{
	struct answer answer;
	char path[80];

	snprintf(path, sizeof path, "/sdk/v1/kv/%s/count/%u", load.word, l->number);
	if (!ask(l, PUT, path, "\"one more\"", &answer)) {
		l->uncertain++;
		return;
	}
	l->counted++;
	if (answer.writes < l->counted || answer.writes > l->counted + l->uncertain)
		complain(&load.wrong, "write %llu of a key was counted as %llu", (unsigned long long)l->counted,
			 (unsigned long long)answer.writes);
}

static void put_turn(struct loader *l)
{
	unsigned i = random_below(l, SLOTS);
	struct answer answer;
	char path[80], body[40];

	snprintf(path, sizeof path, "/sdk/v1/kv/%s/own/%u/%u", load.word, l->number, i);
	snprintf(body, sizeof body, "\"value-%u\"", ++l->last);
	settle(&l->slots[i], l->last, ask(l, PUT, path, body, &answer));
}

/* A slot that surely has a value, or NULL. */
static struct slot *a_full_slot(struct loader *l)
{
	struct slot *slot = &l->slots[random_below(l, SLOTS)];

	return slot->value != 0 && !slot->unsure ? slot : NULL;
}

static void get_turn(struct loader *l)
{
	static const char head[] = "{\"success\":true,\"data\":\"";
	const struct slot *slot = a_full_slot(l);
	const size_t n = sizeof head - 1;
	struct answer answer;
	char path[80];

	if (slot == NULL)
		return;
	snprintf(path, sizeof path, "/sdk/v1/kv/%s/own/%u/%u", load.word, l->number, (unsigned)(slot - l->slots));
	if (!ask(l, GET, path, NULL, &answer))
		return;
	if (answer.n_body < n || memcmp(answer.body, head, n) != 0 ||
	    number_in(answer.body + n, answer.n_body - n) != slot->value)
		complain(&load.wrong, "a key does not hold value-%u: %.*s", slot->value, (int)answer.n_body, answer.body);
}

static void delete_turn(struct loader *l)
{
	struct slot *slot = a_full_slot(l);
	struct answer answer;
	char path[80];

	if (slot == NULL)
		return;
	snprintf(path, sizeof path, "/sdk/v1/kv/%s/own/%u/%u", load.word, l->number, (unsigned)(slot - l->slots));
	settle(slot, 0, ask(l, DELETE, path, NULL, &answer));
}

static void validate_turn(struct loader *l)
{
	struct answer answer;

	if (ask(l, VALIDATE, "/sdk/v1/auth/validate", load.bodies[random_below(l, load.n_bodies)], &answer) &&
	    strstr(answer.body, "\"jwt\":\"") == NULL)
		complain(&load.wrong, "no token: %.*s", (int)answer.n_body, answer.body);
}

/* A list of all the bulk keys: with values when LAST is not 0. */
static void bulk_body(const struct loader *l, char body[BODY_SIZE], const char *before, uint32_t last, const char *behind)
{
	size_t n = (size_t)snprintf(body, BODY_SIZE, "%s", before);

	for (unsigned i = 0; i < BULK_SLOTS; i++) {
		const char *comma = i == 0 ? "" : ",";

		if (last == 0)
			n += (size_t)snprintf(body + n, BODY_SIZE - n, "%s\"%s/bulk/%u/%u\"", comma, load.word, l->number, i);
		else
			n += (size_t)snprintf(body + n, BODY_SIZE - n, "%s{\"key\":\"%s/bulk/%u/%u\",\"value\":\"value-%u\"}",
					      comma, load.word, l->number, i, last);
	}
	snprintf(body + n, BODY_SIZE - n, "%s", behind);
}

static void bulk_settle(struct loader *l, uint32_t value, bool is_good)
{
	for (unsigned i = 0; i < BULK_SLOTS; i++)
		settle(&l->bulk[i], value, is_good);
}

static void bulk_put_turn(struct loader *l)
{
	struct answer answer;
	char path[256], body[BODY_SIZE];

	snprintf(path, sizeof path, "%s/bulk", load.rest);
	bulk_body(l, body, "[", ++l->last, "]");
	bulk_settle(l, l->last, ask(l, BULK_PUT, path, body, &answer));
}

static void bulk_delete_turn(struct loader *l)
{
	struct answer answer;
	char path[256], body[BODY_SIZE];

	snprintf(path, sizeof path, "%s/bulk/delete", load.rest);
	bulk_body(l, body, "[", 0, "]");
	bulk_settle(l, 0, ask(l, BULK_DELETE, path, body, &answer));
}

static void bulk_get_turn(struct loader *l)
{
	struct answer answer;
	char path[256], body[BODY_SIZE], key[40];

	snprintf(path, sizeof path, "%s/bulk/get", load.rest);
	bulk_body(l, body, "{\"keys\":[", 0, "]}");
	if (!ask(l, BULK_GET, path, body, &answer))
		return;
	for (unsigned i = 0; i < BULK_SLOTS; i++) {
		int n = snprintf(key, sizeof key, "\"%s/bulk/%u/%u\":", load.word, l->number, i);
		const char *at = strstr(answer.body, key);

		at = at == NULL ? "" : at + n;
		if (!may_hold(&l->bulk[i], *at == '"' ? number_in(at + 1, strlen(at + 1)) : 0))
			complain(&load.wrong, "%s should be value-%u: %.*s", key, l->bulk[i].value, (int)answer.n_body,
				 answer.body);
	}
}

static void turn(struct loader *l)
{
	unsigned n = random_below(l, 100);

	if (n < 25)
		counter_turn(l);
	else if (n < 45)
		put_turn(l);
	else if (n < 72)
		get_turn(l);
	else if (n < 80)
		delete_turn(l);
	else if (n < 87)
		validate_turn(l);
	else if (n < 92)
		bulk_put_turn(l);
	else if (n < 96)
		bulk_get_turn(l);
	else
		bulk_delete_turn(l);
}

static void *loader_run(void *arg)
{
	struct loader *l = arg;

	while (!load.stop) {
		turn(l);
		if (load.pause_us != 0)
			usleep(load.pause_us / 2 + random_below(l, load.pause_us));
	}
	return NULL;
}

/* --- the end: is all as the clients were told? --- */

static void look(struct loader *l, const char *name, unsigned i, const struct slot *slot)
{
	struct answer answer;
	char path[256];
	uint32_t value;

	snprintf(path, sizeof path, "%s/values/%s%%2F%s%%2F%u%%2F%u", load.rest, load.word, name, l->number, i);
	client_ask(&l->client, "GET", path, load.key, NULL, 0, &answer);
	if (answer.status != 200 && answer.status != 404) {
		complain(&load.wrong, "a last look was answered %d", answer.status);
		return;
	}
	/* What the SDK has put is JSON, with its quotation mark. */
	value = answer.status == 404 ? 0 : answer.body[0] == '"' ? number_in(answer.body + 1, answer.n_body - 1) :
		number_in(answer.body, answer.n_body);
	if (!may_hold(slot, value))
		complain(&load.wrong, "%s/%u/%u should hold value-%u and holds value-%u", name, l->number, i,
			 slot->value, value);
}

static void look_at_all(struct loader *l)
{
	struct answer answer;
	char path[80];

	for (unsigned i = 0; i < SLOTS; i++)
		look(l, "own", i, &l->slots[i]);
	for (unsigned i = 0; i < BULK_SLOTS; i++)
		look(l, "bulk", i, &l->bulk[i]);
	if (l->counted + l->uncertain == 0)
		return;
	snprintf(path, sizeof path, "/sdk/v1/kv/%s/count/%u", load.word, l->number);
	client_ask(&l->client, "GET", path, load.key, NULL, 0, &answer);
	if (answer.writes < l->counted || answer.writes > l->counted + l->uncertain)
		complain(&load.wrong, "a key has counted %llu writes, and %llu were answered, %llu not (%d)",
			 (unsigned long long)answer.writes, (unsigned long long)l->counted,
			 (unsigned long long)l->uncertain, answer.status);
}

/* --- how long it was silent --- */

struct mark {
	uint64_t at_us, silent_us, slowest_us;
	char word[24];
};

static int by_time(const void *a, const void *b)
{
	const struct done *x = a, *y = b;

	return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

static int by_word_and_silence(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;
	int order = strcmp(x->word, y->word);

	return order != 0 ? order : (x->silent_us > y->silent_us) - (x->silent_us < y->silent_us);
}

static size_t marks_read(struct mark *marks, const char *path)
{
	FILE *in = path == NULL ? NULL : fopen(path, "r");
	unsigned long long at;
	size_t n = 0;

	while (in != NULL && n < MARKS_MAX && fscanf(in, "%llu %23s", &at, marks[n].word) == 2)
		marks[n++].at_us = at;
	if (in != NULL)
		fclose(in);
	return n;
}

static void measure(const struct done *all, size_t n, struct mark *marks, size_t n_marks)
{
	for (size_t i = 0, k = 0; i < n && n_marks != 0; i++) {
		uint64_t before = i == 0 ? all[i].at_us : all[i - 1].at_us;

		while (k + 1 < n_marks && marks[k + 1].at_us <= all[i].at_us)
			k++;
		if (marks[k].at_us > all[i].at_us)
			continue;
		if (all[i].at_us - before > marks[k].silent_us)
			marks[k].silent_us = all[i].at_us - before;
		if (all[i].took_us > marks[k].slowest_us)
			marks[k].slowest_us = all[i].took_us;
	}
}

static void tell_silence(struct loader **loaders, const char *path)
{
	static struct mark marks[MARKS_MAX];
	size_t n_marks = marks_read(marks, path), n = 0, first = 0;
	struct done *all;

	for (unsigned i = 0; i < load.n_clients; i++)
		n += loaders[i]->n_done;
	all = calloc(n + 1, sizeof *all);
	if (all == NULL)
		abort();
	n = 0;
	for (unsigned i = 0; i < load.n_clients; i++) {
		memcpy(all + n, loaders[i]->done, loaders[i]->n_done * sizeof *all);
		n += loaders[i]->n_done;
	}
	qsort(all, n, sizeof *all, by_time);
	measure(all, n, marks, n_marks);
	qsort(marks, n_marks, sizeof *marks, by_word_and_silence);
	for (size_t i = 0; i < n_marks; i++) {
		uint64_t slowest = 0;

		if (i + 1 < n_marks && strcmp(marks[i].word, marks[i + 1].word) == 0)
			continue;
		for (size_t k = first; k <= i; k++)
			slowest = marks[k].slowest_us > slowest ? marks[k].slowest_us : slowest;
		printf("%-10s %3zu times: no answer for %llu ms (median) and %llu ms (most); the slowest answer took %llu ms\n",
		       marks[i].word, i + 1 - first, (unsigned long long)marks[(first + i) / 2].silent_us / 1000,
		       (unsigned long long)marks[i].silent_us / 1000, (unsigned long long)slowest / 1000);
		first = i + 1;
	}
	free(all);
}

static unsigned tell_counts(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < WHATS; i++)
		n += good[i];
	printf("%u requests answered well:", n);
	for (size_t i = 0; i < WHATS; i++)
		printf("%s %u %s", i == 0 ? "" : ",", good[i], words[i]);
	printf("\n%u errors, %u wrong answers\n", load.errors, load.wrong);
	return n;
}

/* --- the program --- */

static void on_signal(int signal)
{
	(void)signal;
	load.stop = true;
}

static struct loader *loader_new(unsigned number)
{
	struct loader *l = calloc(1, sizeof *l);

	if (l == NULL)
		abort();
	l->number = number;
	l->random = number * 7919 + (unsigned)wall_us();
	client_init(&l->client, load.socket);
	return l;
}

static unsigned lines_read(const char *path, char (*lines)[LINE_MAX_BYTES], unsigned most)
{
	FILE *in = path == NULL ? NULL : fopen(path, "r");
	unsigned n = 0;

	while (in != NULL && n < most && fgets(lines[n], LINE_MAX_BYTES, in) != NULL) {
		lines[n][strcspn(lines[n], "\n")] = '\0';
		n++;
	}
	if (in != NULL)
		fclose(in);
	return n;
}

static bool read_arguments(int argc, char **argv, const char **marks)
{
	unsigned n_keys = 0;
	int c;

	while ((c = getopt(argc, argv, "s:k:r:i:w:m:n:p:e")) != -1) {
		switch (c) {
		case 's': load.socket = optarg; break;
		case 'k': n_keys = lines_read(optarg, &load.key, 1); break;
		case 'r': load.rest = optarg; break;
		case 'i': load.n_bodies = lines_read(optarg, load.bodies, LINES_MAX); break;
		case 'w': load.word = optarg; break;
		case 'm': *marks = optarg; break;
		case 'n': load.n_clients = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'p': load.pause_us = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'e': load.errors_are_fine = true; break;
		default:  return false;
		}
	}
	return load.socket != NULL && n_keys == 1 && load.rest != NULL && load.word != NULL && load.n_bodies != 0 &&
	       load.n_clients != 0 && load.n_clients <= CLIENTS_MAX;
}

int main(int argc, char **argv)
{
	struct loader *loaders[CLIENTS_MAX];
	const char *marks = NULL;
	unsigned n;

	if (!read_arguments(argc, argv, &marks)) {
		fprintf(stderr, "usage: restart_load -s SOCKET -k KEY -r REST -i INIT -w WORD [-m MARKS] [-n CLIENTS] [-p PAUSE_US] [-e]\n");
		return 64;
	}
	signal(SIGTERM, on_signal);
	for (unsigned i = 0; i < load.n_clients; i++) {
		loaders[i] = loader_new(i);
		if (pthread_create(&loaders[i]->id, NULL, loader_run, loaders[i]) != 0)
			return 99;
	}
	for (unsigned i = 0; i < load.n_clients; i++)
		pthread_join(loaders[i]->id, NULL);
	for (unsigned i = 0; i < load.n_clients; i++)
		look_at_all(loaders[i]);
	n = tell_counts();
	tell_silence(loaders, marks);
	for (unsigned i = 0; i < load.n_clients; i++) {
		client_clear(&loaders[i]->client);
		free(loaders[i]->done);
		free(loaders[i]);
	}
	return n == 0 || load.wrong != 0 || (load.errors != 0 && !load.errors_are_fine);
}
