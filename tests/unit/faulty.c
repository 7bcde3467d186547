/*
 * faulty.c - see faulty.h.
 */
#include "config.h"

#include "store_fixture.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "auth/initdata.h"
#include "fcgi_wire.h"
#include "faulty.h"
#include "maker.h"
#include "project/project.h"
#include "project/rules.h"
#include "serve/private.h"

/* The reaper's function is its own, and it works by the clock: here it is called when the test likes. */
#define reaper_start reaper_start_really
#include "../../app/project/reap.c"
#undef reaper_start
bool reaper_start(struct registry *registry);

bool reaper_start(struct registry *registry)
{
	pthread_mutex_init(&registry->reap_lock, NULL);
	pthread_cond_init(&registry->reap_wake, NULL);
	return true;
}

#include "base/clock.h"
#include "kv/audit.h"
#include "kv/private.h"
#include "store/private.h"

enum { LARGE = 600 * 1024, ANSWER_WAIT_MS = 30000, BOT = 4242 };

static struct fixture fixture;
static struct app app;
static struct pool *pool;
static int listener = -1, front = -1;
static char rest_root[256], admin_root[160];
static char api_key[CREDENTIAL_LEN + 1], admin_key[CREDENTIAL_LEN + 1], project_id[PROJECT_ID_LEN + 1];
static uint32_t project_number;
static char jwt[8192], init_data[8192];
static char large_a[LARGE + 1], large_b[LARGE + 1];
static unsigned serial;
static _Atomic bool failed;

_Thread_local bool faulty_is_test;

/* Stands before the server's: it would end the process. */
void __wrap_serve_fail(void);
void __wrap_serve_fail(void)
{
	failed = true;
}

bool faulty_has_failed(void)
{
	return failed || atomic_load(&fixture.store->failed);
}

struct store *faulty_store(void)
{
	return fixture.store;
}

/* ---- the front server's side ---- */

struct ask {
	const char *method, *uri, *type, *authorization;
	const char *body;
	size_t n;
};

/* What the last answer was. */
static struct wire_answer answer;

static void param(struct bytes *params, const char *name, const char *value)
{
	if (value != NULL)
		wire_param(params, name, value, strlen(value));
}

static struct bytes request_of(const struct ask *ask)
{
	struct bytes out = { .n = 0 }, params = { .n = 0 };
	char length[32], id[40];

	snprintf(length, sizeof length, "%zu", ask->n);
	snprintf(id, sizeof id, "%032x", ++serial);
	param(&params, "REQUEST_METHOD", ask->method);
	param(&params, "REQUEST_URI", ask->uri);
	param(&params, "CONTENT_LENGTH", ask->body == NULL ? NULL : length);
	param(&params, "CONTENT_TYPE", ask->type);
	param(&params, "HTTP_AUTHORIZATION", ask->authorization);
	param(&params, "HTTP_X_PROJECT_ID", project_id);
	param(&params, "REQUEST_ID", id);
	wire_begin(&out, 1, true);
	wire_stream(&out, FCGI_TYPE_PARAMS, 1, params.p, params.n);
	wire_stream(&out, FCGI_TYPE_STDIN, 1, ask->body, ask->n);
	bytes_free(&params);
	return out;
}

static void front_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", fixture.dir);
	front = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_true(front >= 0);
	assert_int_equal(connect(front, (struct sockaddr *)&address, sizeof address), 0);
}

static void front_close(void)
{
	if (front >= 0)
		close(front);
	front = -1;
}

/* Send and receive at the same time: an answer may come before the whole request is taken. False: closed. */
static bool exchange(const struct bytes *request)
{
	struct bytes in = { .n = 0 };
	size_t sent = 0;
	bool whole = false;

	while (!whole) {
		struct pollfd p = { .fd = front, .events = (short)(POLLIN | (sent < request->n ? POLLOUT : 0)) };
		char piece[65536];
		ssize_t n;

		if (poll(&p, 1, ANSWER_WAIT_MS) != 1)
			fail_msg("no answer");
		if (p.revents & POLLOUT) {
			n = send(front, request->p + sent, request->n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
			sent += n > 0 ? (size_t)n : 0;
		}
		if (!(p.revents & ~POLLOUT))
			continue;
		n = recv(front, piece, sizeof piece, 0);
		if (n <= 0)
			break;
		bytes_add(&in, piece, (size_t)n);
		wire_answer_free(&answer);
		whole = wire_answer_read(&answer, in.p, in.n) && answer.ended;
	}
	if (!whole) {
		wire_answer_free(&answer);
		front_close();
	}
	bytes_free(&in);
	return whole;
}

static int ask(const struct ask *ask)
{
	struct bytes request = request_of(ask);
	char status[32];
	bool whole;

	if (front < 0)
		front_connect();
	wire_answer_free(&answer);
	whole = exchange(&request);
	bytes_free(&request);
	if (!whole)
		return 0;
	assert_true(wire_header(&answer, "Status", status, sizeof status));
	return atoi(status);
}

static bool answer_is(const char *text, size_t n)
{
	return answer.out.n - answer.head == n && memcmp(answer.out.p + answer.head, text, n) == 0;
}

static bool answer_has(const char *text)
{
	return memmem(answer.out.p + answer.head, answer.out.n - answer.head, text, strlen(text)) != NULL;
}

/* ---- the keys ---- */

static const char *bearer(const char *credential)
{
	static char text[sizeof jwt + 16];

	snprintf(text, sizeof text, "Bearer %s", credential);
	return text;
}

static const char *value_uri(const char *key)
{
	static char uri[512];

	snprintf(uri, sizeof uri, "%s/values/%s", rest_root, key);
	return uri;
}

static int rest(const char *method, const char *uri, const char *body, const char *type)
{
	return ask(&(struct ask){
		.method = method, .uri = uri, .body = body, .n = body == NULL ? 0 : strlen(body), .type = type,
		.authorization = bearer(api_key),
	});
}

static int rest_at(const char *method, const char *rest_of_path, const char *body, const char *type)
{
	char uri[512];

	snprintf(uri, sizeof uri, "%s%s", rest_root, rest_of_path);
	return rest(method, uri, body, type);
}

static const char octets[] = "application/octet-stream";

/* "large a" and "large b" stand for texts of so many chunks. */
static const char *text_of(const char *name)
{
	if (name != NULL && strcmp(name, "large a") == 0)
		return large_a;
	return name != NULL && strcmp(name, "large b") == 0 ? large_b : name;
}

static bool key_is(const char *key, const char *value)
{
	int status = rest("GET", value_uri(key), NULL, NULL);

	value = text_of(value);
	return value == NULL ? status == 404 : status == 200 && answer_is(value, strlen(value));
}

static void set_key(const char *key, const char *value)
{
	if (value == NULL)
		assert_int_equal(rest("DELETE", value_uri(key), NULL, NULL), 200);
	else
		assert_int_equal(rest("PUT", value_uri(key), text_of(value), octets), 200);
}

void faulty_prepare(const struct deed *deed)
{
	for (const struct look *look = deed->looks; look->key != NULL; look++)
		if (!key_is(look->key, look->before))
			set_key(look->key, look->before);
	if (deed->prepare != NULL)
		deed->prepare();
}

/* ---- what must hold behind a deed ---- */

static void count_project(const struct project *project, void *arg)
{
	(void)project;
	++*(size_t *)arg;
}

/* What the server knows of its projects is what the store has of them. */
static bool projects_agree(void)
{
	static _Alignas(16) char chunk[STORE_SCAN_CHUNK];
	size_t known = 0, stored = 0;
	struct store_scan scan;
	struct str key, value;

	registry_each_project(app.registry, count_project, &known);
	store_scan_init(&scan, fixture.store, STORE_PROJECTS, STR_LIT(""), chunk);
	while (store_scan_next(&scan, &key, &value) == RC_OK)
		stored++;
	if (known != stored)
		printf("%zu projects are known, %zu stored\n", known, stored);
	return known == stored;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static bool tables_agree(void)
{
	struct kv_audit audit = { .store = fixture.store, .say = say };

	return kv_audit(&audit);
}

static bool keys_agree(const struct deed *deed, int status)
{
	bool before = true, after = true;

	for (const struct look *look = deed->looks; look->key != NULL; look++) {
		before = before && key_is(look->key, look->before);
		after = after && key_is(look->key, look->after);
	}
	if (after || (before && status != deed->good))
		return true;
	printf("%s, answered %d: %s\n", deed->name, status,
	       before ? "nothing has happened" : "neither as before nor as after");
	return false;
}

bool faulty_check(const struct deed *deed, int status)
{
	bool good;

	/* The checkpointer would do it: a flush that found no space has closed the store for writes. */
	space_measure(fixture.store);
	good = keys_agree(deed, status);
	if (deed->finish != NULL)
		deed->finish();
	good = projects_agree() && good;
	return (!deed->writes || tables_agree()) && good;
}

/* ---- deeds: reading ---- */

static int check_answer(int status, bool good)
{
	return status == 200 && !good ? -1 : status;
}

static int get_small(void)
{
	int status = ask(&(struct ask){ .method = "GET", .uri = "/sdk/v1/kv/one", .authorization = bearer(api_key) });

	return check_answer(status, answer_is("{\"success\":true,\"data\":\"old\"}", 29));
}

static int head_small(void)
{
	return ask(&(struct ask){ .method = "HEAD", .uri = "/sdk/v1/kv/one", .authorization = bearer(api_key) });
}

static int get_as_user(void)
{
	int status = ask(&(struct ask){ .method = "GET", .uri = "/kv/one", .authorization = bearer(jwt) });

	return check_answer(status, answer_is("{\"success\":true,\"data\":\"old\"}", 29));
}

static int get_by_init_data(void)
{
	char text[sizeof init_data + 8];
	int status;

	snprintf(text, sizeof text, "tma %s", init_data);
	status = ask(&(struct ask){ .method = "GET", .uri = "/kv/one", .authorization = text });
	return check_answer(status, answer_is("{\"success\":true,\"data\":\"old\"}", 29));
}

static int get_large(void)
{
	int status = rest("GET", value_uri("large"), NULL, NULL);

	return check_answer(status, answer_is(large_a, LARGE));
}

static int get_quoted(void)
{
	int status = ask(&(struct ask){ .method = "GET", .uri = "/kv/large", .authorization = bearer(api_key) });

	return check_answer(status, answer.out.n - answer.head == LARGE + 26);
}

static int get_metadata(void)
{
	return rest_at("GET", "/metadata/one", NULL, NULL);
}

static int list_keys(void)
{
	int status = ask(&(struct ask){ .method = "GET", .uri = "/kv?limit=1&prefix=o", .authorization = bearer(api_key) });

	return check_answer(status, answer_has("{\"name\":\"one\"}"));
}

/* What the rules show, and a cursor. */
static int list_as_user(void)
{
	int status = ask(&(struct ask){ .method = "GET", .uri = "/kv?limit=1", .authorization = bearer(jwt) });

	return check_answer(status, answer_has("{\"keys\":[{\"name\":\"one\"}],\"list_complete\":false,\"cursor\":\""));
}

static int list_rest(void)
{
	int status = rest_at("GET", "/keys", NULL, NULL);

	return check_answer(status, answer_has("\"count\":2"));
}

static int bulk_get(void)
{
	int status = rest_at("POST", "/bulk/get", "{\"keys\":[\"one\",\"two\"]}", "application/json");

	return check_answer(status, answer_has("\"one\":\"old\"") && answer_has("\"two\":\"old\""));
}

static int sign_in(void)
{
	static char body[sizeof init_data + 128];
	int status;

	snprintf(body, sizeof body, "{\"initData\":\"%s\",\"projectId\":\"%s\"}", init_data, project_id);
	status = ask(&(struct ask){ .method = "POST", .uri = "/sdk/v1/auth/validate", .type = "application/json",
				    .body = body, .n = strlen(body) });
	return check_answer(status, answer_has("\"jwt\":\""));
}

static int jwks(void)
{
	return ask(&(struct ask){ .method = "GET", .uri = "/.well-known/jwks.json" });
}

/* ---- deeds: writing ---- */

static int put_small(void)
{
	return ask(&(struct ask){ .method = "PUT", .uri = "/sdk/v1/kv/one", .authorization = bearer(api_key),
				  .body = "\"new\"", .n = 5 });
}

static int put_large(void)
{
	return rest("PUT", value_uri("large"), large_b, octets);
}

static int put_form(void)
{
	static const char body[] = "--b\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nnew\r\n"
		"--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\"a\":1}\r\n--b--\r\n";

	return rest_at("PUT", "/values/one?expiration_ttl=3600", body, "multipart/form-data; boundary=b");
}

static int delete_one_key(void)
{
	return rest("DELETE", value_uri("one"), NULL, NULL);
}

static int delete_large(void)
{
	return rest("DELETE", value_uri("large"), NULL, NULL);
}

static int bulk_put(void)
{
	return rest_at("PUT", "/bulk", "[{\"key\":\"one\",\"value\":\"new\",\"metadata\":{\"a\":[1]},\"expiration_ttl\":3600},"
		       "{\"key\":\"two\",\"value\":\"bmV3\",\"base64\":true}]", "application/json");
}

static int bulk_delete(void)
{
	return rest_at("POST", "/bulk/delete", "[\"one\",\"two\"]", "application/json");
}

static int patch(const char *uri, const char *type, const char *body)
{
	return ask(&(struct ask){ .method = "PATCH", .uri = uri, .authorization = bearer(api_key), .type = type,
				  .body = body, .n = strlen(body) });
}

static int patch_by_merge(void)
{
	return patch("/kv/one", "application/merge-patch+json", "{\"b\":{\"c\":2},\"a\":null}");
}

static int patch_by_op(void)
{
	return patch("/kv/one", "application/vnd.tmakv.op+json", "{\"op\":\"append\",\"value\":2,\"limit\":5}");
}

static int patch_rank(void)
{
	return patch("/kv/one", "application/vnd.tmakv.op+json",
		     "{\"op\":\"rank\",\"entry\":{\"i\":1,\"s\":2},\"by\":\"s\",\"id\":\"i\"}");
}

/* ---- deeds: projects ---- */

static char doomed[64];

static int admin(const char *method, const char *id, const char *title)
{
	char uri[512], body[128];

	snprintf(uri, sizeof uri, "%s%s%s", admin_root, id == NULL ? "" : "/", id == NULL ? "" : id);
	snprintf(body, sizeof body, "{\"title\":\"%s %u\"}", title == NULL ? "" : title, ++serial);
	return ask(&(struct ask){
		.method = method, .uri = uri, .type = "application/json", .authorization = bearer(admin_key),
		.body = title == NULL ? NULL : body, .n = title == NULL ? 0 : strlen(body),
	});
}

static void make_doomed(void)
{
	const char *id;

	assert_int_equal(admin("POST", NULL, "doomed"), 200);
	id = memmem(answer.out.p, answer.out.n, "\"id\":\"", 6);
	assert_non_null(id);
	snprintf(doomed, sizeof doomed, "%.32s", id + 6);
}

static void forget_doomed(void)
{
	if (doomed[0] != '\0' && admin("GET", doomed, NULL) == 200)
		assert_int_equal(admin("DELETE", doomed, NULL), 200);
	doomed[0] = '\0';
}

static int create_namespace(void)
{
	return admin("POST", NULL, "another");
}

static int rename_namespace(void)
{
	return admin("PUT", doomed, "renamed");
}

static int delete_namespace(void)
{
	return admin("DELETE", doomed, NULL);
}

/* Projects that were made on the way: with hundreds of them the later ones would take longer. */
static void forget_another(void)
{
	const char *id;

	for (;;) {
		const char *title;

		assert_int_equal(ask(&(struct ask){ .method = "GET", .uri = admin_root, .authorization = bearer(admin_key) }), 200);
		title = memmem(answer.out.p, answer.out.n, "\"title\":\"another", 16);
		if (title == NULL)
			return;
		/* The id stands before its title. */
		for (id = title; strncmp(id, "\"id\":\"", 6) != 0; id--)
			;
		snprintf(doomed, sizeof doomed, "%.32s", id + 6);
		forget_doomed();
	}
}

/* ---- deeds: what helpers do through the committer ---- */

static int commit(commit_apply *apply, void *arg)
{
	struct commit_op op;

	commit_op_init(&op, apply, arg, 1, STR_LIT(""));
	return rc_info(commit_run(fixture.store, &op))->status;
}

static void put_expired(void)
{
	struct kv_put put = {
		.kv = app.kv, .project = project_number, .key = STR_LIT("expired"), .value = STR_LIT("x"),
		.kind = KIND_TEXT, .expires_at = clock_wall_s() - 10, .now = clock_wall_s() - 20, .owner = 7,
	};

	assert_int_equal(commit(kv_put_apply, &put), 200);
}

static int sweep(void)
{
	struct sweep_slice slice = { .arg = app.kv, .rows = 10 };

	return commit(sweep_apply, &slice);
}

static void leave_garbage(void)
{
	assert_int_equal(rest("PUT", value_uri("gone"), large_a, octets), 200);
	assert_int_equal(rest("DELETE", value_uri("gone"), NULL, NULL), 200);
}

static int collect(void)
{
	struct sweep_slice slice = { .arg = app.kv, .rows = 10 };

	return commit(collect_apply, &slice);
}

/* As the sweeper would in the end; else the store grows with each round. */
static void collect_rest(void)
{
	struct sweep_slice slice = { .arg = app.kv, .rows = 1000 };

	do
		assert_int_equal(commit(collect_apply, &slice), 200);
	while (slice.more);
}

static int sweep_recent(void)
{
	struct sweep_slice slice = { .arg = app.kv, .rows = 10 };

	return commit(recent_sweep_apply, &slice);
}

/* A project that nobody knows has this number: what is written in it is there only to be taken away. */
enum { REAPED = 4000000 };

static void put_reaped(void)
{
	struct kv_put put = {
		.kv = app.kv, .project = REAPED, .key = STR_LIT("k"), .value = str_make(large_a, KV_CHUNK_SIZE),
		.kind = KIND_TEXT, .expires_at = clock_wall_s() + 1000, .now = clock_wall_s(), .owner = 7,
	};

	assert_int_equal(commit(kv_put_apply, &put), 200);
}

/* As reap_project() does it, and the expiry row, which is the sweeper's some day. */
static int reap(void)
{
	static const enum store_table tables[] = { STORE_KEYS, STORE_GARBAGE, STORE_VALUES, STORE_USAGE };
	int status = 200;

	for (size_t i = 0; i < sizeof tables / sizeof tables[0] && status == 200; i++) {
		struct reap_slice slice = { .table = tables[i] };

		store_put_u32(slice.project, REAPED);
		status = commit(reap_apply, &slice);
	}
	return status;
}

static enum rc forget_expiry(struct store_txn *txn, struct commit_op *op, void *arg)
{
	char row[STORE_KEY_MAX], from[STORE_KEY_MAX];
	size_t n, n_from = 0;
	enum rc rc;

	(void)op;
	(void)arg;
	while ((rc = store_txn_next(txn, STORE_EXPIRY, str_make(from, n_from), row, &n)) == RC_OK) {
		if (store_get_u32(row + 8) == REAPED && (rc = store_txn_del(txn, STORE_EXPIRY, str_make(row, n))) != RC_OK)
			break;
		memcpy(from, row, n);
		from[n] = '\0';
		n_from = n + 1;
	}
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

static void reap_rest(void)
{
	assert_int_equal(reap(), 200);
	assert_int_equal(commit(forget_expiry, NULL), 200);
}

#define NOTHING { NULL, NULL, NULL }
#define ONE { "one", "\"old\"", "\"old\"" }
const struct deed faulty_deeds[] = {
	{ "get", NULL, get_small, NULL, 200, false, { ONE } },
	{ "head", NULL, head_small, NULL, 200, false, { ONE } },
	{ "get as a user", NULL, get_as_user, NULL, 200, false, { ONE } },
	{ "get by initData", NULL, get_by_init_data, NULL, 200, false, { ONE } },
	{ "get large", NULL, get_large, NULL, 200, false, { { "large", "large a", "large a" } } },
	{ "get large, quoted", NULL, get_quoted, NULL, 200, false, { { "large", "large a", "large a" } } },
	{ "metadata", NULL, get_metadata, NULL, 200, false, { ONE } },
	{ "list", NULL, list_keys, NULL, 200, false, { ONE } },
	{ "list as a user", NULL, list_as_user, NULL, 200, false, { { "large", NULL, NULL }, ONE, { "two", "old", "old" } } },
	{ "list at the REST door", NULL, list_rest, NULL, 200, false, { { "large", NULL, NULL }, ONE, { "two", "old", "old" } } },
	{ "bulk get", NULL, bulk_get, NULL, 200, false, { { "one", "old", "old" }, { "two", "old", "old" } } },
	{ "validate", NULL, sign_in, NULL, 200, false, { NOTHING } },
	{ "jwks", NULL, jwks, NULL, 200, false, { NOTHING } },
	{ "put", NULL, put_small, NULL, 200, true, { { "one", "\"old\"", "\"new\"" } } },
	{ "put, a key that is not there", NULL, put_small, NULL, 200, true, { { "one", NULL, "\"new\"" } } },
	{ "put large", NULL, put_large, collect_rest, 200, true, { { "large", "old", "large b" } } },
	{ "put large over large", NULL, put_large, collect_rest, 200, true, { { "large", "large a", "large b" } } },
	{ "put with metadata and a time to live", NULL, put_form, NULL, 200, true, { { "one", "old", "new" } } },
	{ "delete", NULL, delete_one_key, NULL, 200, true, { { "one", "old", NULL } } },
	{ "delete large", NULL, delete_large, collect_rest, 200, true, { { "large", "large a", NULL } } },
	{ "merge patch", NULL, patch_by_merge, NULL, 200, true,
	  { { "one", "{\"a\":1,\"b\":{\"d\":1}}", "{\"b\":{\"d\":1,\"c\":2}}" } } },
	{ "append", NULL, patch_by_op, NULL, 200, true, { { "one", "[1]", "[1,2]" } } },
	{ "rank", NULL, patch_rank, NULL, 200, true, { { "one", "[{\"i\":1,\"s\":1}]", "[{\"i\":1,\"s\":2}]" } } },
	{ "bulk put", NULL, bulk_put, NULL, 200, true, { { "one", "old", "new" }, { "two", "old", "new" } } },
	{ "bulk delete", NULL, bulk_delete, NULL, 200, true, { { "one", "old", NULL }, { "two", "old", NULL } } },
	{ "create a namespace", NULL, create_namespace, forget_another, 200, true, { NOTHING } },
	{ "rename a namespace", make_doomed, rename_namespace, forget_doomed, 200, true, { NOTHING } },
	{ "delete a namespace", make_doomed, delete_namespace, forget_doomed, 200, true, { NOTHING } },
	{ "sweep", put_expired, sweep, NULL, 200, true, { { "expired", NULL, NULL } } },
	{ "collect garbage", leave_garbage, collect, collect_rest, 200, true, { { "gone", NULL, NULL } } },
	{ "sweep recent answers", NULL, sweep_recent, NULL, 200, true, { NOTHING } },
	{ "reap a project", put_reaped, reap, reap_rest, 200, true, { NOTHING } },
};
const size_t faulty_n_deeds = sizeof faulty_deeds / sizeof faulty_deeds[0];

/* ---- the server ---- */

static void listen_anew(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", fixture.dir);
	unlink(address.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 8), 0);
}

static void open_all(void)
{
	fixture_open(&fixture);
	checkpointer_stop(fixture.store);
	app = (struct app){ .conf = &fixture.conf, .store = fixture.store };
	assert_int_equal(registry_open(&app.registry, fixture.store, &fixture.conf), RC_OK);
	assert_int_equal(kv_open(&app.kv, fixture.store), RC_OK);
	store_sweeper_stop(fixture.store);
	assert_int_equal(auth_open(&app.auth, fixture.store, &fixture.conf), RC_OK);
	listen_anew();
	pool = pool_start(&app, listener);
	assert_non_null(pool);
	failed = false;
}

/* So its memory is still there when the test ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3\n";
}

/* A server whose store has failed does not close it, it ends: what Berkeley DB has in memory is never written. */
static void abandon(struct store *store)
{
	committer_stop(store);
	atomic_store(&store->failed, true);
	memset(store->db, 0, sizeof store->db);
	store->env = NULL;
}

static void close_all(void)
{
	front_close();
	pool_drain(pool, 0, true);
	assert_true(pool_join(pool, ANSWER_WAIT_MS));
	pool_close(pool);
	close(listener);
	auth_close(app.auth);
	kv_close(app.kv);
	registry_close(app.registry);
	if (faulty_has_failed())
		abandon(fixture.store);
	store_close(fixture.store);
	fixture.store = NULL;
}

void faulty_restart(void)
{
	close_all();
	open_all();
}

static void fill(char *text, char first)
{
	for (size_t i = 0; i < LARGE; i++)
		text[i] = (char)(first + i % 23);
	text[LARGE] = '\0';
}

static void make_rules(void)
{
	const struct rules *rules;
	char error[RULES_ERROR_MAX];

	assert_int_equal(rules_read(STR_LIT("{\"version\":1,\"rules\":[{\"match\":\"one\",\"allow\":[\"read\",\"list\"]},"
					    "{\"match\":\"*\",\"allow\":[\"list\"]}]}"), &rules, error), RC_OK);
	assert_int_equal(project_set_rules(app.registry, str_c(project_id), rules), RC_OK);
	rules_unref(rules);
}

/* A project with a bot, access rules, an API key and an admin key. */
static void make_project(void)
{
	struct bot bot = { .id = BOT, .n_secrets = 1 };
	const struct project *project;
	struct credential credential;

	maker_secret("4242:token", bot.secrets[0]);
	assert_int_equal(project_create(app.registry, STR_LIT("demo"), &bot, 1, &project), RC_OK);
	project_number = project->number;
	snprintf(project_id, sizeof project_id, "%s", project->id);
	make_rules();
	assert_int_equal(credential_create(app.registry, project_number, STR_LIT("test"), KEY_READ_WRITE, 0, &credential,
					   api_key), RC_OK);
	assert_int_equal(credential_create(app.registry, CREDENTIAL_ADMIN, STR_LIT("admin"), KEY_READ_WRITE, 0, &credential,
					   admin_key), RC_OK);
	snprintf(admin_root, sizeof admin_root, "/client/v4/accounts/%s/storage/kv/namespaces", registry_account(app.registry));
	snprintf(rest_root, sizeof rest_root, "%s/%s", admin_root, project_id);
	project_unref(project);
}

static void make_user(void)
{
	static struct maker maker;
	uint8_t secret[32];
	struct str text;
	char now[32];
	const char *token;

	snprintf(now, sizeof now, "%" PRId64, (int64_t)clock_wall_s());
	maker_init(&maker);
	maker_add(&maker, "auth_date", now);
	maker_add(&maker, "user", "{\"id\":42,\"first_name\":\"Ada\"}");
	maker_secret("4242:token", secret);
	maker_hash(&maker, secret);
	text = maker_write(&maker);
	assert_true(text.n < sizeof init_data);
	memcpy(init_data, text.p, text.n);
	assert_int_equal(sign_in(), 200);
	token = memmem(answer.out.p, answer.out.n, "\"jwt\":\"", 7);
	assert_non_null(token);
	snprintf(jwt, sizeof jwt, "%.*s", (int)strcspn(token + 7, "\""), token + 7);
}

/* Recovery fills the last log file up with zeros: with small ones hundreds of restarts take seconds. */
static void keep_logs_small(void)
{
	char path[96];
	FILE *out;

	snprintf(path, sizeof path, "%s/DB_CONFIG", fixture.dir);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs("set_lg_bsize 262144\nset_lg_max 1048576\n", out);
	fclose(out);
}

void faulty_start(void)
{
	faulty_is_test = true;
	fill(large_a, 'A');
	fill(large_b, 'a');
	if (access("/dev/shm", W_OK) == 0)
		fixture_parent = "/dev/shm";
	fixture_start(&fixture);
	store_close(fixture.store);
	keep_logs_small();
	log_open("test", LOG_LEVEL_ERROR);
	fixture.conf.workers = 1;
	fixture.conf.slow_threads = 1;
	fixture.conf.token_cache = 0;	/* everything is checked in full */
	fixture.conf.write_limit = 0;
	fixture.conf.value_limit = 25 << 20;
	fixture.conf.cache_size = 2 << 20;
	open_all();
	make_project();
	make_user();
}

void faulty_stop(void)
{
	char command[128];

	close_all();
	wire_answer_free(&answer);
	conf_clear(&fixture.conf);
	snprintf(command, sizeof command, "rm -rf %s", fixture.dir);
	assert_int_equal(system(command), 0);
}
