/*
 * perf_client.c - asks a server for the same thing again and again, so that what a request costs can be counted.
 *
 *     perf_client -s SOCKET -t TOKENS -p PROJECT [-c] [LOAD...]
 *
 * It is the front server: FastCGI requests with the parameters of nginx/tmakv-params.conf, one at a time, the same
 * in each run but for tokens and what contains them. TOKENS is a file: an API key, and in the next line a user's
 * token. PROJECT is the project's id.
 *
 * The requests of a load come in windows of equal length, behind one that is not counted. How the counting
 * program sees where a window begins:
 *   (default)  GET /.well-known/jwks.json between two windows, on the same connection: whoever counts
 *              instructions starts afresh whenever its handler is entered. The first load is "mark", which is
 *              nothing else: what is to be taken off every window.
 *   -c         each window has a connection of its own, and every second window twice as many requests: whoever
 *              counts system calls looks for accept4() and takes the one from the other.
 *
 * A line for each load on standard output: its name, the number of its first window (from 1), how many windows,
 * requests in each.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../tools/fcgi_wire.h"

enum { PAIRS = 5, PATIENCE_S = 60, KEYS = 100, SMALL = 200, LARGE = 128 * 1024, TEXT_MAX = 4096 };

/* What a load asks with. */
enum caller { NOBODY, SERVER, USER };

/* Which of a load's keys a request takes. */
enum keys { ALWAYS_ONE, IN_TURN, NEW_ONES };

/*
 * The order: what makes the tree larger stands behind, so that a load alone meets what it meets among all. Once a
 * second the committer has work from others: many short windows, so that some have none of it.
 */
static const struct load {
	const char *name;
	const char *method, *path;	/* '#' at its end: a key's number; '~': the namespace */
	enum caller caller;
	enum keys keys;
	unsigned n_windows, n;		/* how many, and requests in each; without -c */
	size_t n_value;			/* of a PUT; a JSON string */
	const char *body;		/* or another body */
	const char *type;		/* CONTENT_TYPE */
	bool if_none_match;		/* the ETag of what is there */
	int status;
} loads[] = {
	{ "mark",     "GET",   "/.well-known/jwks.json",  NOBODY, ALWAYS_ONE, 5, 0, 0, NULL, NULL, false, 200 },
	{ "get",      "GET",   "/sdk/v1/kv/get:#",        USER,   IN_TURN,    5, 30, 0, NULL, NULL, false, 200 },
	{ "get_304",  "GET",   "/sdk/v1/kv/get:000000",   USER,   ALWAYS_ONE, 5, 30, 0, NULL, NULL, true, 304 },
	{ "get_404",  "GET",   "/sdk/v1/kv/none:#",       USER,   IN_TURN,    5, 30, 0, NULL, NULL, false, 404 },
	{ "get_rest", "GET",   "~/values/get:#",          SERVER, IN_TURN,    5, 30, 0, NULL, NULL, false, 200 },
	{ "get_128k", "GET",   "/sdk/v1/kv/large:000000", USER,   ALWAYS_ONE, 5, 10, 0, NULL, NULL, false, 200 },
	{ "list_100", "GET",   "/sdk/v1/kv?prefix=list:", USER,   ALWAYS_ONE, 5, 10, 0, NULL, NULL, false, 200 },
	{ "list_rest", "GET",  "~/keys?prefix=list:",     SERVER, ALWAYS_ONE, 5, 10, 0, NULL, NULL, false, 200 },
	{ "patch",    "PATCH", "/sdk/v1/kv/number",       USER,   ALWAYS_ONE, 20, 8, 0, "{\"op\":\"add\",\"by\":1}",
	  "application/vnd.tmakv.op+json", false, 200 },
	{ "put_hot",  "PUT",   "/sdk/v1/kv/hot",          USER,   ALWAYS_ONE, 20, 8, SMALL, NULL, NULL, false, 200 },
	{ "put",      "PUT",   "/sdk/v1/kv/put:#",        USER,   NEW_ONES,   20, 8, SMALL, NULL, NULL, false, 200 },
	{ "put_rest", "PUT",   "~/values/rest:#",         SERVER, NEW_ONES,   20, 8, SMALL, NULL, NULL, false, 200 },
	{ "put_128k", "PUT",   "/sdk/v1/kv/large:000001", USER,   ALWAYS_ONE, 8, 3, LARGE, NULL, NULL, false, 200 },
};

enum { N_LOADS = sizeof loads / sizeof loads[0] };

static struct front {
	const char *socket, *project;
	char name_space[128];		/* the project's path on the REST door */
	char callers[3][TEXT_MAX];	/* what stands behind "Authorization: " */
	char etag[64];
	int fd;
	uint64_t n_requests;
	unsigned n_windows;
	bool connections;		/* -c */
} front = { .fd = -1 };

static void die(const char *text)
{
	fprintf(stderr, "perf_client: %s\n", text);
	exit(99);
}

/* --- one request --- */

static void front_connect(void)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	/* One that was open stays so until the end: closing it costs the server something, too. */
	front.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(front.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", front.socket);
	if (front.fd < 0 || connect(front.fd, (struct sockaddr *)&address, sizeof address) != 0)
		die("cannot connect");
}

static void add(struct bytes *params, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		wire_param(params, name, value, strlen(value));
}

/* As nginx makes them, 32 hexadecimal digits; the same ones in each run. */
static void add_id(struct bytes *params)
{
	uint64_t x = ++front.n_requests * UINT64_C(0x9e3779b97f4a7c15);
	char id[40];

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)x,
		 (unsigned long long)((x ^ x >> 27) * UINT64_C(0x94d049bb133111eb)));
	add(params, "REQUEST_ID", id);
}

/* In the order of nginx/tmakv-params.conf. */
static void request_write(struct bytes *out, const struct load *load, const char *path, const char *body, size_t n)
{
	struct bytes params = { .n = 0 };
	char length[24];

	snprintf(length, sizeof length, "%zu", n);
	add(&params, "REQUEST_METHOD", load->method);
	add(&params, "REQUEST_URI", path);
	add(&params, "CONTENT_LENGTH", n == 0 ? NULL : length);
	add(&params, "CONTENT_TYPE", load->type);
	add(&params, "HTTP_AUTHORIZATION", front.callers[load->caller]);
	add(&params, "HTTP_IF_NONE_MATCH", load->if_none_match ? front.etag : NULL);
	add_id(&params);
	add(&params, "TMAKV_DOOR", "public");
	wire_begin(out, 1, true);
	wire_stream(out, FCGI_TYPE_PARAMS, 1, params.p, params.n);
	wire_stream(out, FCGI_TYPE_STDIN, 1, body, n);
	bytes_free(&params);
}

static void send_all(const struct bytes *out)
{
	for (size_t done = 0; done < out->n;) {
		ssize_t n = send(front.fd, out->p + done, out->n - done, MSG_NOSIGNAL);

		if (n <= 0)
			die("the server closed the connection");
		done += (size_t)n;
	}
}

static void answer_read(struct wire_answer *answer)
{
	static char piece[256 * 1024];
	struct bytes in = { .n = 0 };

	do {
		ssize_t n = recv(front.fd, piece, sizeof piece, 0);

		if (n <= 0)
			die("no answer");
		bytes_add(&in, piece, (size_t)n);
		wire_answer_free(answer);
		wire_answer_read(answer, in.p, in.n);
	} while (!answer->ended);
	bytes_free(&in);
}

/* Ask, and check the status. The beginning of the answer's body goes to TEXT unless it is NULL. */
static void ask(const struct load *load, const char *path, const char *body, size_t n, char *text, size_t size)
{
	struct wire_answer answer = { .head = 0 };
	struct bytes out = { .n = 0 };
	char status[64] = "";

	request_write(&out, load, path, body, n);
	send_all(&out);
	answer_read(&answer);
	wire_header(&answer, "Status", status, sizeof status);
	if (atoi(status) != load->status) {
		fprintf(stderr, "perf_client: %s: %s %s: %s\n%.*s\n", load->name, load->method, path, status,
			(int)(answer.out.n - answer.head), (const char *)answer.out.p + answer.head);
		exit(99);
	}
	if (!wire_header(&answer, "ETag", front.etag, sizeof front.etag) && load->if_none_match)
		die("no ETag");
	if (text != NULL)
		snprintf(text, size, "%.*s", (int)(answer.out.n - answer.head), (const char *)answer.out.p + answer.head);
	wire_answer_free(&answer);
	bytes_free(&out);
}

/* --- loads --- */

/* The load's path for key NUMBER. */
static void path_of(const struct load *load, unsigned number, char *path, size_t size)
{
	const char *rest = load->path, *place;

	path[0] = '\0';
	if (*rest == '~') {
		snprintf(path, size, "%s", front.name_space);
		rest++;
	}
	size -= strlen(path);
	path += strlen(path);
	place = strchr(rest, '#');
	if (place == NULL)
		snprintf(path, size, "%s", rest);
	else
		snprintf(path, size, "%.*s%06u", (int)(place - rest), rest, number);
}

static void json_string(char *text, size_t n)
{
	memset(text, 'v', n);
	text[0] = text[n - 1] = '"';
}

/* Request NUMBER of a load. */
static void ask_load(const struct load *load, unsigned number)
{
	static char value[LARGE];
	char path[TEXT_MAX];
	const char *body = load->body;
	size_t n = load->n_value;

	if (n != 0)
		json_string(value, n);
	path_of(load, load->keys == IN_TURN ? number % KEYS : number, path, sizeof path);
	ask(load, path, body == NULL ? value : body, body == NULL ? n : strlen(body), NULL, 0);
}

static void put(const char *path, unsigned number, size_t n_value)
{
	const struct load load = {
		.name = "set-up", .method = "PUT", .path = path, .caller = USER, .n_value = n_value, .status = 200
	};

	ask_load(&load, number);
}

/* There is one account, and in it every project is a namespace. */
static void find_name_space(void)
{
	static const struct load accounts = {
		.name = "set-up", .method = "GET", .path = "/client/v4/accounts", .caller = SERVER, .status = 200
	};
	char text[512], project[40];
	const char *account;
	size_t n = 0;

	ask(&accounts, accounts.path, NULL, 0, text, sizeof text);
	account = strstr(text, "\"id\":\"");
	if (account == NULL)
		die("no account");
	for (const char *p = front.project; *p != '\0' && n < sizeof project - 1; p++)
		if (*p != '-')
			project[n++] = *p;
	project[n] = '\0';
	snprintf(front.name_space, sizeof front.name_space, "/client/v4/accounts/%.32s/storage/kv/namespaces/%s",
		 account + 6, project);
}

/* What the loads find. */
static void set_up(void)
{
	static const struct load first = {
		.name = "set-up", .method = "PUT", .path = "/sdk/v1/kv/number", .caller = USER, .body = "1", .status = 200
	};

	front_connect();
	find_name_space();
	for (unsigned i = 0; i < KEYS; i++) {
		put("/sdk/v1/kv/get:#", i, SMALL);
		put("/sdk/v1/kv/list:#", i, SMALL);
	}
	put("/sdk/v1/kv/large:#", 0, LARGE);
	ask_load(&first, 0);
}

/* A mark, or a connection, ends one window and begins the next. */
static void begin_window(void)
{
	if (front.connections)
		front_connect();
	else
		ask_load(&loads[0], 0);
	front.n_windows++;
}

static void run(const struct load *load)
{
	unsigned n_windows = front.connections ? 2 * PAIRS : load->n_windows;
	unsigned n_each = front.connections ? 3 * load->n : load->n, number = 0, first;

	if (load->if_none_match) {
		struct load plain = *load;

		plain.if_none_match = false;
		plain.status = 200;
		ask_load(&plain, 0);
	}
	for (unsigned i = 0; i < n_each; i++)
		ask_load(load, number++);
	first = front.n_windows + 1;
	for (unsigned w = 0; w < n_windows; w++) {
		unsigned n = front.connections && w % 2 == 1 ? 2 * n_each : n_each;

		begin_window();
		for (unsigned i = 0; i < n; i++)
			ask_load(load, number++);
	}
	begin_window();
	printf("%s %u %u %u\n", load->name, first, n_windows, n_each);
	fflush(stdout);
}

static bool is_wanted(const struct load *load, char **names)
{
	bool wanted = *names == NULL || load == &loads[0];

	for (; *names != NULL; names++)
		wanted = wanted || strcmp(*names, load->name) == 0;
	return wanted;
}

static void check_names(char **names)
{
	for (; *names != NULL; names++) {
		unsigned i = 1;

		while (i < N_LOADS && strcmp(loads[i].name, *names) != 0)
			i++;
		if (i < N_LOADS)
			continue;
		fprintf(stderr, "perf_client: there is no load %s, only", *names);
		for (i = 1; i < N_LOADS; i++)
			fprintf(stderr, " %s", loads[i].name);
		fprintf(stderr, "\n");
		exit(64);
	}
}

static void read_callers(const char *path)
{
	FILE *file = fopen(path, "r");

	if (file == NULL)
		die("cannot read the tokens");
	for (enum caller caller = SERVER; caller <= USER; caller++) {
		char *text = front.callers[caller];
		int n = snprintf(text, TEXT_MAX, "Bearer ");

		if (fgets(text + n, TEXT_MAX - n, file) == NULL)
			die("there are not two tokens");
		text[strcspn(text, "\n")] = '\0';
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	const char *tokens = NULL;
	int o;

	while ((o = getopt(argc, argv, "s:t:p:c")) != -1)
		switch (o) {
		case 's': front.socket = optarg; break;
		case 't': tokens = optarg; break;
		case 'p': front.project = optarg; break;
		case 'c': front.connections = true; break;
		default: return 64;
		}
	check_names(argv + optind);
	if (front.socket == NULL || tokens == NULL || front.project == NULL)
		die("-s, -t and -p are needed");
	read_callers(tokens);
	set_up();
	for (const struct load *load = loads; load < loads + N_LOADS; load++)
		if (is_wanted(load, argv + optind))
			run(load);
	return 0;
}
