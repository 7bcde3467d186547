/*
 * null_responder.c - the real front (app/serve/, app/http/) with nothing behind it.
 *
 * What a request costs before any work is done: the benchmark's yardstick for "on the same front". And,
 * since every state of a connection can be asked for by path, the stand-in with which the front is tested
 * alone. Routes, store and committer are replaced by what is below; all else is the code that ships.
 *
 *   /null      about 100 bytes of JSON at once
 *   /bytes?N   N bytes
 *   /get       a GET's reply for 200 bytes, headers and all
 *   /echo      the body, as it came
 *   /length    how many bytes of body there were; a refused body's error as in the API
 *   /write     a write: parked until the stand-in's committer has "flushed" it
 *   /delete    the same, without a look at the body
 *   /read      a read that has to wait for the writes before it
 *   /slow      answered by the slow lane
 *   /store     the store is unwell: 503, and the process ends with 75
 *
 *   null_responder -s PATH [-w WORKERS] [-n SLOW_THREADS] [-m CONNECTIONS] [-f FLUSH_MS] [-d STOP_MS] [-v]
 */
#include "config.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "http/uri.h"
#include "routes.h"
#include "serve/private.h"

enum { BODY_MAX = 128 * 1024, BYTES_MAX = 30 * 1024 * 1024 };

/* --- a committer that has nothing to commit: one thread, "flushes" of a chosen length --- */

struct store {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct commit_op *queue, **tail;
	struct commit_client *clients;
	uint64_t submitted;		/* the version of the newest write */
	_Atomic uint64_t flushed;
	int64_t flush_ms;
	pthread_t thread;
	bool closing;
};

void commit_op_init(struct commit_op *op, commit_apply *apply, void *arg, size_t cost, struct str request_id)
{
	(void)request_id;
	*op = (struct commit_op){ .apply = apply, .arg = arg, .cost = cost };
}

void commit_client_open(struct store *store, struct commit_client *client,
			void (*wake)(struct commit_client *))
{
	client->wake = wake;
	client->finished = NULL;
	client->finished_tail = &client->finished;
	pthread_mutex_init(&client->lock, NULL);
	pthread_mutex_lock(&store->lock);
	client->next = store->clients;
	store->clients = client;
	pthread_mutex_unlock(&store->lock);
}

void commit_client_close(struct store *store, struct commit_client *client)
{
	struct commit_client **at = &store->clients;

	pthread_mutex_lock(&store->lock);
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	pthread_mutex_unlock(&store->lock);
	pthread_mutex_destroy(&client->lock);
}

void commit_submit(struct store *store, struct commit_client *client, struct commit_op *first)
{
	pthread_mutex_lock(&store->lock);
	*store->tail = first;
	for (struct commit_op *op = first; op != NULL; op = op->next) {
		op->client = client;
		store->submitted++;
		store->tail = &op->next;
	}
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
}

struct commit_op *commit_take(struct commit_client *client)
{
	struct commit_op *first;

	pthread_mutex_lock(&client->lock);
	first = client->finished;
	client->finished = NULL;
	client->finished_tail = &client->finished;
	pthread_mutex_unlock(&client->lock);
	return first;
}

void commit_waits(struct commit_client *client, bool waits)
{
	client->waits_for_flush = waits;
}

bool store_is_flushed(const struct store *store, uint64_t version)
{
	return store->flushed >= version;
}

bool store_has_synced(const struct store *store, uint64_t since_us)
{
	(void)store;
	(void)since_us;
	return true;
}

bool store_waits_for_space(const struct store *store)
{
	(void)store;
	return false;
}

enum rc store_wait(struct store *store, uint64_t version)
{
	pthread_mutex_lock(&store->lock);
	while (store->flushed < version)
		pthread_cond_wait(&store->changed, &store->lock);
	pthread_mutex_unlock(&store->lock);
	return RC_OK;
}

enum rc store_get(struct store *store, enum store_table table, struct str key, void *buf, size_t size, size_t *n)
{
	(void)store;
	(void)table;
	(void)key;
	(void)buf;
	(void)size;
	*n = 0;
	return RC_KEY_NOT_FOUND;
}

static void wake_nobody(struct commit_client *client)
{
	(void)client;
}

enum rc commit_run(struct store *store, struct commit_op *op)
{
	struct commit_client client = { .wake = NULL };
	uint64_t version;

	commit_client_open(store, &client, wake_nobody);
	op->next = NULL;
	pthread_mutex_lock(&store->lock);
	version = store->submitted + 1;
	pthread_mutex_unlock(&store->lock);
	commit_submit(store, &client, op);
	while (commit_take(&client) == NULL)
		if (store_wait(store, version++) != RC_OK)
			break;
	commit_client_close(store, &client);
	return op->rc;
}

static void hand_back(struct commit_op *first)
{
	struct commit_op *next;

	for (struct commit_op *op = first; op != NULL; op = next) {
		struct commit_client *client = op->client;

		next = op->next;
		op->rc = RC_OK;
		op->next = NULL;
		pthread_mutex_lock(&client->lock);
		*client->finished_tail = op;
		client->finished_tail = &op->next;
		client->to_wake = true;
		pthread_mutex_unlock(&client->lock);
	}
}

/* Under the store's lock: one batch. */
static void flush_queue(struct store *store)
{
	struct commit_op *first = store->queue;
	uint64_t version = store->submitted;
	struct timespec pause = { store->flush_ms / 1000, store->flush_ms % 1000 * 1000000 };

	store->queue = NULL;
	store->tail = &store->queue;
	pthread_mutex_unlock(&store->lock);
	if (store->flush_ms != 0)
		nanosleep(&pause, NULL);
	hand_back(first);
	pthread_mutex_lock(&store->lock);
	store->flushed = version;
	for (struct commit_client *client = store->clients; client != NULL; client = client->next) {
		if (client->to_wake || client->waits_for_flush)
			client->wake(client);
		client->to_wake = false;
	}
	pthread_cond_broadcast(&store->changed);
}

static void *committer_run(void *arg)
{
	struct store *store = arg;

	pthread_mutex_lock(&store->lock);
	while (!store->closing) {
		if (store->queue != NULL)
			flush_queue(store);
		else
			pthread_cond_wait(&store->changed, &store->lock);
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

static void committer_stop(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	store->closing = true;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
	pthread_join(store->thread, NULL);
}

/* --- routes --- */

static enum rc no_change(struct store_txn *txn, struct commit_op *op, void *arg)
{
	(void)txn;
	(void)op;
	(void)arg;
	return RC_OK;
}

static enum rc say_ok(struct call *call)
{
	reply_header(&call->reply, "Cache-Control", STR_LIT("no-store"));
	reply_data(&call->reply, STR_LIT("{\"name\":\"The quick brown fox jumps over the lazy dog\",\"n\":1}"));
	return RC_OK;
}

static enum rc say_bytes(struct call *call)
{
	uint64_t n;
	char *p;

	if (!str_to_u64(call->request.query, 0, BYTES_MAX, &n))
		return RC_BAD_REQUEST;
	if (n > BODY_MAX && !call->slow)
		return RC_SLOW;
	p = arena_alloc(call->arena, n);
	if (p == NULL)
		return RC_NO_MEMORY;
	memset(p, 'x', n);
	call->reply.content_type = "application/octet-stream";
	reply_part(&call->reply, str_make(p, n));
	return RC_OK;
}

static enum rc say_echo(struct call *call)
{
	struct str body;
	enum rc rc = body_read(&call->body, BYTES_MAX, call->arena, &body);

	if (rc != RC_OK)
		return rc;
	call->reply.content_type = "application/octet-stream";
	reply_part(&call->reply, body);
	return RC_OK;
}

static enum rc say_length(struct call *call)
{
	struct str body, text;
	enum rc rc = body_read(&call->body, BODY_MAX, call->arena, &body);

	if (rc != RC_OK)
		return rc;
	text = arena_printf(call->arena, "%zu", body.n);
	reply_data(&call->reply, text);
	return RC_OK;
}

static enum rc write_something(struct call *call)
{
	struct str body;
	enum rc rc = body_read(&call->body, BODY_MAX, call->arena, &body);

	return rc != RC_OK ? rc : call_commit(call, no_change, NULL, body.n, say_ok);
}

static enum rc delete_something(struct call *call)
{
	return call_commit(call, no_change, NULL, 0, say_ok);
}

static enum rc read_behind_writes(struct call *call)
{
	struct store *store = call->app->store;

	pthread_mutex_lock(&store->lock);
	call->wait_version = store->submitted;
	pthread_mutex_unlock(&store->lock);
	return say_ok(call);
}

/* The bytes of a GET's reply, its headers too, without asking anybody for them. */
static enum rc say_get(struct call *call)
{
	static const char value[] =
		"\"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
		"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\"";

	reply_header(&call->reply, "Access-Control-Allow-Origin", STR_LIT("*"));
	reply_header(&call->reply, "Access-Control-Expose-Headers",
		     STR_LIT("ETag, X-KV-Writes, Retry-After, X-Request-Id"));
	reply_header(&call->reply, "X-Request-Id", call->request.request_id);
	reply_header(&call->reply, "Cache-Control", STR_LIT("no-store"));
	reply_header(&call->reply, "ETag", STR_LIT("\"1234567890123456\""));
	reply_header(&call->reply, "X-KV-Writes", STR_LIT("1"));
	reply_data(&call->reply, str_make(value, sizeof value - 1));
	return RC_OK;
}

static enum rc answer_slowly(struct call *call)
{
	return call->slow ? say_ok(call) : RC_SLOW;
}

static enum rc lose_store(struct call *call)
{
	(void)call;
	return RC_STORE;
}

static const struct { struct str path; enum rc (*handler)(struct call *); } table[] = {
	{ { "/null", 5 },   say_ok },
	{ { "/bytes", 6 },  say_bytes },
	{ { "/get", 4 },    say_get },
	{ { "/echo", 5 },   say_echo },
	{ { "/length", 7 }, say_length },
	{ { "/write", 6 },  write_something },
	{ { "/delete", 7 }, delete_something },
	{ { "/read", 5 },   read_behind_writes },
	{ { "/slow", 5 },   answer_slowly },
	{ { "/store", 6 },  lose_store },
};

enum rc routes_run(struct call *call)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (str_eq(call->request.path, table[i].path))
			return table[i].handler(call);
	return RC_NO_SUCH_ROUTE;
}

void routes_error(struct call *call, enum rc rc)
{
	call->outcome = rc;
	reply_error(&call->reply, rc, call->detail, call->arena);
}

void routes_done(struct call *call)
{
	if (call->op.rc == RC_OK)
		call->op.rc = call->done(call);
	if (call->op.rc != RC_OK)
		routes_error(call, call->op.rc);
}

void routes_clear(struct call *call)
{
	(void)call;
}

const char *routes_name(const struct call *call)
{
	(void)call;
	return "null";
}

/* --- the program --- */

struct command {
	struct conf conf;
	const char *path;
	int64_t flush_ms;
};

static bool read_number(const char *text, int64_t *out)
{
	uint64_t value;

	if (!str_to_u64(str_c(text), 0, INT32_MAX, &value))
		return false;
	*out = (int64_t)value;
	return true;
}

static bool read_arguments(struct command *command, int argc, char **argv)
{
	struct conf *conf = &command->conf;
	bool good = true;
	int c;

	conf_defaults(conf);
	log_open("null_responder", LOG_LEVEL_WARN);
	while (good && (c = getopt(argc, argv, "s:w:n:m:f:d:v")) != -1) {
		switch (c) {
		case 's': command->path = optarg; break;
		case 'w': good = read_number(optarg, &conf->workers); break;
		case 'n': good = read_number(optarg, &conf->slow_threads); break;
		case 'm': good = read_number(optarg, &conf->connections); break;
		case 'f': good = read_number(optarg, &command->flush_ms); break;
		case 'd': good = read_number(optarg, &conf->stop_ms); break;
		case 'v': log_open("null_responder", LOG_LEVEL_DEBUG); break;
		default: good = false;
		}
	}
	return good && command->path != NULL && optind == argc;
}

/* Until SIGTERM, SIGINT, or the end of the pretended store. */
static void wait_for_end(void)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .fd = serve_fail_fd(), .events = POLLIN } };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	fds[0].fd = signalfd(-1, &set, SFD_CLOEXEC);
	while (poll(fds, 2, -1) < 0)
		;
	close(fds[0].fd);
}

int main(int argc, char **argv)
{
	struct command command = { .path = NULL };
	struct store store = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	struct app app = { .conf = &command.conf, .store = &store };
	const struct listen_how how = { .mode = 0666, .backlog = 4096 };
	struct listen_socket listener;
	struct listen_error error;
	struct pool *pool;
	sigset_t all;
	bool ended;

	if (!read_arguments(&command, argc, argv)) {
		fprintf(stderr, "usage: null_responder -s PATH [-w WORKERS] [-n SLOW_THREADS] "
			"[-m CONNECTIONS] [-f FLUSH_MS] [-d STOP_MS] [-v]\n");
		return EXIT_USAGE_ERROR;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (!listen_bind(&listener, command.path, &how, &error)) {
		fprintf(stderr, "null_responder: %s: %s\n", error.path, error.sentence);
		return error.exit_code;
	}
	store.flush_ms = command.flush_ms;
	store.tail = &store.queue;
	pthread_create(&store.thread, NULL, committer_run, &store);
	pool = pool_start(&app, listener.fd);
	if (pool == NULL)
		return EXIT_AGAIN;
	wait_for_end();
	pool_drain(pool, command.conf.stop_ms, false);
	ended = pool_join(pool, command.conf.stop_ms + 1000);
	if (ended) {
		pool_close(pool);
		committer_stop(&store);
		conf_clear(&command.conf);
	}
	listen_close(&listener);
	return !ended || serve_has_failed() ? EXIT_AGAIN : EXIT_STOPPED;
}
