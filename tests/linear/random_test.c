/*
 * random_test.c - histories made by a machine, and the checker held against what is simpler than it.
 *
 * A server of a few lines, which does one thing after the other, and clients who ask it at random moments: whatever
 * they write down is linearizable. Then one answer is changed.
 *   - Long histories get a change that no order can explain.
 *   - Short ones get any change. Whether it is one that matters is found out by trying every order there is.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "explain.h"
#include "linear.h"
#include "self_test.h"

enum {
	CLIENTS = 16, LIMIT_MS = 20000, SEEN_MAX = 16, LOST_MAX = 64,
	LONG_RUNS = 60, LONG_OPS = 400,
	SHORT_RUNS = 4000, SHORT_OPS = 7, SHORT_CLIENTS = 3
};

static unsigned random_state;

static unsigned below(unsigned n)
{
	return (unsigned)rand_r(&random_state) % n;
}

/* --- a server that does one thing after the other --- */

struct server {
	bool there;
	int64_t value;
	uint64_t version, writes, last;
};

static void server_put(struct server *server, int64_t value)
{
	server->writes = server->there ? server->writes + 1 : 1;
	server->there = true;
	server->value = value;
	server->last += 1 + below(5);
	server->version = server->last;
}

static bool server_refuses(const struct server *server, const struct op *op)
{
	bool same = server->there && server->version == op->etag;

	return (op->condition == IF_MATCH && !same) || (op->condition == IF_NONE_MATCH && same) ||
	       (op->condition == IF_ABSENT && server->there);
}

static void server_tell(const struct server *server, struct op *op)
{
	op->status = 200;
	op->version = server->version;
	op->writes = server->writes;
	if (op->what != OP_PUT)
		op->value = server->value;
}

static void server_do(struct server *server, struct op *op)
{
	if (server_refuses(server, op)) {
		op->status = op->what == OP_GET ? 304 : 412;
		op->version = server->there && below(2) == 0 ? server->version : 0;
		return;
	}
	if (op->what == OP_DELETE) {
		server->last += server->there;
		server->there = false;
		op->status = 200;
		return;
	}
	if (op->what == OP_PUT)
		server_put(server, op->argument);
	else if (op->what == OP_ADD)
		server_put(server, (server->there ? server->value : 0) + op->argument);
	else if (op->what == OP_MAX && (!server->there || server->value < op->argument))
		server_put(server, op->argument);
	if (server->there)
		server_tell(server, op);
	else
		op->status = 404;
}

/* --- clients --- */

struct client {
	bool asks, is_done;
	struct op op;
};

struct world {
	struct server server;
	struct client clients[CLIENTS];
	struct op lost[LOST_MAX];		/* nobody waits for these; they may be done yet */
	size_t n_lost;
	uint64_t seen[SEEN_MAX];		/* ETags that have been told */
	size_t n_seen;
	uint64_t now_ns;
	unsigned lost_one_in;
	struct history history;
};

static void ask(struct world *world, uint32_t i)
{
	static const enum op_what whats[] = { OP_GET, OP_PUT, OP_PUT, OP_DELETE, OP_ADD, OP_MAX };
	struct op *op = &world->clients[i].op;

	*op = (struct op){ .key = 1, .client = i, .call_ns = world->now_ns, .what = whats[below(6)],
			   .argument = below(20) };
	if (below(2) == 0 && world->n_seen != 0) {
		op->condition = op->what == OP_GET ? IF_NONE_MATCH : IF_MATCH;
		/* Mostly the newest. */
		op->etag = world->seen[(world->n_seen - 1 - below(world->n_seen < 3 ? 1 : 3)) % SEEN_MAX];
	} else if (op->what == OP_PUT && below(3) == 0) {
		op->condition = IF_ABSENT;
	}
	world->clients[i].asks = true;
	world->clients[i].is_done = false;
}

static void write_down(struct world *world, const struct op *op)
{
	struct op told = *op;

	told.return_ns = world->now_ns;
	history_add(&world->history, &told);
}

static void lose(struct world *world, struct client *client)
{
	if (!client->is_done && world->n_lost < LOST_MAX)
		world->lost[world->n_lost++] = client->op;
	client->op.status = OP_STATUS_NONE;
	client->op.value = 0;
	client->op.version = client->op.writes = 0;
	write_down(world, &client->op);
	client->asks = false;
}

static void answer(struct world *world, struct client *client)
{
	write_down(world, &client->op);
	client->asks = false;
	if (client->op.version != 0)
		world->seen[world->n_seen++ % SEEN_MAX] = client->op.version;
}

static void turn(struct world *world, uint32_t i, bool may_ask)
{
	struct client *client = &world->clients[i];

	world->now_ns++;
	if (world->n_lost != 0 && below(20) == 0) {
		size_t k = below((unsigned)world->n_lost);

		server_do(&world->server, &world->lost[k]);
		world->lost[k] = world->lost[--world->n_lost];
	}
	if (!client->asks) {
		if (may_ask)
			ask(world, i);
	} else if (below(world->lost_one_in) == 0) {
		lose(world, client);
	} else if (!client->is_done) {
		server_do(&world->server, &client->op);
		client->is_done = true;
	} else {
		answer(world, client);
	}
}

/* A history of N operations. */
static struct history make(size_t n, unsigned n_clients, unsigned lost_one_in)
{
	struct world world = { .lost_one_in = lost_one_in };

	for (size_t n_asked = 0; world.history.n < n;) {
		uint32_t i = below(n_clients);
		bool may_ask = n_asked < n;

		n_asked += may_ask && !world.clients[i].asks;
		turn(&world, i, may_ask);
	}
	history_sort(&world.history);
	history_prune(&world.history);
	return world.history;
}

/* --- every order there is --- */

/* Whether OP may be next: nothing that is left was over before it began. */
static bool may_be_next(const struct op *ops, size_t n, unsigned taken, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (!(taken >> k & 1) && !op_is_unknown(&ops[k]) && ops[k].return_ns < ops[i].call_ns)
			return false;
	return true;
}

static bool has_order(const struct op *ops, size_t n, unsigned taken, struct state state)
{
	bool all = true;

	for (size_t i = 0; i < n; i++)
		all &= (taken >> i & 1) || op_is_unknown(&ops[i]);
	for (size_t i = 0; i < n && !all; i++) {
		struct state after = state;

		if (!(taken >> i & 1) && may_be_next(ops, n, taken, i) && model_step(&ops[i], &after) &&
		    has_order(ops, n, taken | 1u << i, after))
			return true;
	}
	return all;
}

/* --- changes --- */

/* One answer, any part of it. */
static void change(struct history *history)
{
	struct op *op = &history->at[below((unsigned)history->n)], *other = &history->at[below((unsigned)history->n)];

	switch (below(6)) {
	case 0: op->writes += 1; break;
	case 1: op->version = other->version; break;
	case 2: op->value += 1; break;
	case 3:
		op->value = other->value;
		op->version = other->version;
		op->writes = other->writes;
		break;
	case 4: op->status = op->status == 200 ? (op->what == OP_GET ? 404 : 412) : 200; break;
	default: op->status = OP_STATUS_NONE;
	}
}

static bool has_version(const struct op *op)
{
	return !op_is_unknown(op) && op->version != 0;
}

/* Show a reader what had been replaced before it asked. False: nobody in this history can be shown it. */
static bool make_stale(struct history *history)
{
	for (size_t i = history->n; i-- > 0;) {
		struct op *reader = &history->at[i];

		for (size_t k = 0; reader->what == OP_GET && k < i; k++) {
			const struct op *newer = &history->at[k], *older = &history->at[k / 2];

			if (!has_version(newer) || !has_version(older) || newer->return_ns >= reader->call_ns ||
			    older->version >= newer->version)
				continue;
			reader->status = 200;
			reader->condition = IF_ANYTHING;
			reader->value = older->what == OP_PUT ? older->argument : older->value;
			reader->version = older->version;
			reader->writes = older->writes;
			return true;
		}
	}
	return false;
}

static bool miscount(struct history *history)
{
	for (size_t i = 0, from = below((unsigned)history->n); i < history->n; i++) {
		struct op *op = &history->at[(from + i) % history->n];

		if (op->status == 200 && op->writes != 0) {
			op->writes += 1000;
			return true;
		}
	}
	return false;
}

/* --- running them --- */

static bool long_run(void)
{
	struct history history = make(LONG_OPS, 2 + below(CLIENTS - 1), 100);
	enum verdict verdict = linear_search(history.at, history.n, LIMIT_MS, NULL);
	bool good = verdict == LINEARIZABLE;

	if (!good)
		printf("self-test: a good history of %zu operations is found %s\n", history.n,
		       verdict == VIOLATION ? "wrong" : "too hard");
	if (verdict == VIOLATION)
		explain(stdout, history.at, history.n, LIMIT_MS);
	if (below(2) == 0 ? make_stale(&history) : miscount(&history)) {
		verdict = linear_search(history.at, history.n, LIMIT_MS, NULL);
		if (verdict != VIOLATION)
			printf("self-test: a bad history of %zu operations is found %s\n", history.n,
			       verdict == LINEARIZABLE ? "good" : "too hard");
		good &= verdict == VIOLATION;
	}
	free(history.at);
	return good;
}

/* *BAD counts those that have no order. */
static bool short_run(bool changed, size_t *bad)
{
	struct history history = make(SHORT_OPS, SHORT_CLIENTS, 12);
	enum verdict expected;
	bool good;

	if (changed && history.n != 0)
		change(&history);
	history_prune(&history);
	expected = has_order(history.at, history.n, 0, model_begin()) ? LINEARIZABLE : VIOLATION;
	good = linear_search(history.at, history.n, LIMIT_MS, NULL) == expected && (changed || expected == LINEARIZABLE);
	*bad += expected == VIOLATION;
	if (!good) {
		printf("self-test: this is %s:\n", expected == VIOLATION ? "not linearizable" : "linearizable");
		for (size_t i = 0; i < history.n; i++)
			op_write(stdout, &history.at[i]);
	}
	free(history.at);
	return good;
}

bool random_test(unsigned seed)
{
	size_t bad = 0;
	bool good = true;

	random_state = seed;
	for (int i = 0; i < LONG_RUNS && good; i++)
		good = long_run();
	for (int i = 0; i < SHORT_RUNS && good; i++)
		good = short_run(i % 4 == 0, &bad) && short_run(true, &bad);
	if (good && (bad < SHORT_RUNS / 10 || bad > SHORT_RUNS)) {
		printf("self-test: of the changed histories %zu are bad: these are the wrong changes\n", bad);
		good = false;
	}
	printf("self-test: %d long random histories, %d short ones of which %zu were bad (seed %u)\n", LONG_RUNS,
	       2 * SHORT_RUNS, bad, seed);
	return good;
}
