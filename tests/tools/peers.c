/*
 * peers.c - many bad front servers at once: connections to the FastCGI socket that all do the same wrong thing.
 *
 *   peers -s SOCKET -n N -d SECONDS [-u URI] [-H NAME=VALUE]... KIND
 *
 * KIND is what each of them does:
 *   silent    sends nothing                       kept      asks, takes the answer, and then nothing
 *   record    sends half of a record's head       begin     begins a request and stops
 *   params    stops in the middle of parameters   slow      sends a request byte by byte, one in 50 ms
 *   body      stops in the middle of a body       large     the same with a body of 1 MB
 *   deaf      asks again and again, reads nothing endless   records of somebody else's request, without end
 * It stays SECONDS, or until SIGTERM. "READY" when all have done it (kept: when all have been answered); then
 *   RESULT peers=N closed=N first_ms=N last_ms=N
 * tells how many the server has closed by then, and when, counted from READY. -H: one more parameter.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fcgi_wire.h"

enum { REQUEST_ID = 1, USAGE = 64, NO_CONNECTION = 99, STEP_MS = 50 };

struct peer {
	int fd;
	size_t sent;
};

struct kind {
	const char *name;
	void (*turn)(struct peer *);	/* what it goes on doing; NULL: nothing */
};

static struct bytes first, again;	/* what all send at once; and in their turns */
static struct bytes extra;		/* parameters */
static const char *uri = "/";
static volatile sig_atomic_t ended;

static void die(int status, const char *text)
{
	fprintf(stderr, "peers: %s\n", text);
	exit(status);
}

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- what is sent --- */

static void add_request(struct bytes *out, const char *method, size_t n_body, bool ends)
{
	struct bytes params = { .n = 0 };
	char length[24];
	char *body = calloc(1, n_body + 1);

	wire_begin(out, REQUEST_ID, true);
	wire_param(&params, "REQUEST_METHOD", method, strlen(method));
	wire_param(&params, "REQUEST_URI", uri, strlen(uri));
	snprintf(length, sizeof length, "%zu", ends ? n_body : 2 * n_body);
	wire_param(&params, "CONTENT_LENGTH", length, strlen(length));
	bytes_add(&params, extra.p, extra.n);
	wire_stream(out, FCGI_TYPE_PARAMS, REQUEST_ID, params.p, params.n);
	wire_stream(out, FCGI_TYPE_STDIN, REQUEST_ID, body, n_body);
	if (!ends)
		out->n -= 8;
	bytes_free(&params);
	free(body);
}

static void send_next(struct peer *peer)
{
	if (peer->sent < again.n && send(peer->fd, again.p + peer->sent, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
		peer->sent++;
}

static void send_again(struct peer *peer)
{
	while (send(peer->fd, again.p, again.n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)again.n)
		;
}

static const struct kind kinds[] = {
	{ "silent", NULL }, { "kept", NULL }, { "record", NULL }, { "begin", NULL }, { "params", NULL },
	{ "slow", send_next }, { "body", NULL }, { "large", NULL }, { "deaf", send_again }, { "endless", send_again },
};

static void make_messages(const char *kind)
{
	struct bytes request = { .n = 0 };

	add_request(&request, "GET", 0, true);
	if (strcmp(kind, "kept") == 0)
		bytes_add(&first, request.p, request.n);
	else if (strcmp(kind, "record") == 0)
		bytes_add(&first, request.p, 5);
	else if (strcmp(kind, "begin") == 0)
		bytes_add(&first, request.p, 16);
	else if (strcmp(kind, "params") == 0)
		bytes_add(&first, request.p, 16 + (request.n - 16) / 2);
	else if (strcmp(kind, "slow") == 0)
		bytes_add(&again, request.p, request.n);
	else if (strcmp(kind, "body") == 0)
		add_request(&first, "PUT", 1000, false);
	else if (strcmp(kind, "large") == 0)
		add_request(&first, "PUT", 500000, false);
	else if (strcmp(kind, "deaf") == 0)
		bytes_add(&again, request.p, request.n);
	else if (strcmp(kind, "endless") == 0) {
		bytes_add(&first, request.p, 16);
		for (int i = 0; i < 100; i++)
			wire_record(&again, FCGI_TYPE_PARAMS, 7, "nothing", 7, 1);
	}
	bytes_free(&request);
}

/* --- all of them --- */

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		die(NO_CONNECTION, strerror(errno));
	return fd;
}

/* The server may leave before it has all. */
static void send_first(const struct peer *peer)
{
	struct pollfd out = { .fd = peer->fd, .events = POLLOUT };
	size_t done = 0;

	while (done < first.n && poll(&out, 1, 1000) == 1) {
		ssize_t n = send(peer->fd, first.p + done, first.n - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return;
		done += n > 0 ? (size_t)n : 0;
	}
}

static void take_answer(const struct peer *peer)
{
	char answer[65536];
	struct pollfd in = { .fd = peer->fd, .events = POLLIN };

	if (poll(&in, 1, 10000) != 1 || recv(peer->fd, answer, sizeof answer, 0) <= 0)
		die(NO_CONNECTION, "a good request was not answered");
}

static void stay(struct peer *peers, size_t n, const struct kind *kind, int64_t until_ms)
{
	int64_t began_ms = now_ms(), first_ms = 0, last_ms = 0;
	struct pollfd *polls = calloc(n, sizeof *polls);
	size_t closed = 0;

	for (size_t i = 0; i < n; i++)
		polls[i] = (struct pollfd){ .fd = peers[i].fd };
	while (!ended && now_ms() < until_ms) {
		poll(polls, n, STEP_MS);
		for (size_t i = 0; i < n; i++) {
			if (polls[i].fd < 0)
				continue;
			if (polls[i].revents & (POLLHUP | POLLERR)) {
				last_ms = now_ms() - began_ms;
				first_ms = closed++ == 0 ? last_ms : first_ms;
				polls[i].fd = -1;
			} else if (kind->turn != NULL) {
				kind->turn(&peers[i]);
			}
		}
		if (closed < n && kind->turn == NULL)
			continue;
		if (closed == n)
			break;
		poll(NULL, 0, STEP_MS);
	}
	printf("RESULT peers=%zu closed=%zu first_ms=%lld last_ms=%lld\n", n, closed, (long long)first_ms, (long long)last_ms);
	free(polls);
}

int main(int argc, char **argv)
{
	const struct kind *kind = NULL;
	const char *path = NULL;
	double seconds = 10;
	struct peer *peers;
	struct rlimit limit;
	size_t n = 1;
	int64_t until_ms;
	int o;

	while ((o = getopt(argc, argv, "s:n:d:u:H:")) != -1) {
		char *equals = o == 'H' ? strchr(optarg, '=') : NULL;

		switch (o) {
		case 's': path = optarg; break;
		case 'n': n = (size_t)atoi(optarg); break;
		case 'd': seconds = atof(optarg); break;
		case 'u': uri = optarg; break;
		case 'H':
			if (equals == NULL)
				die(USAGE, "-H wants NAME=VALUE");
			*equals = '\0';
			wire_param(&extra, optarg, equals + 1, strlen(equals + 1));
			break;
		default: die(USAGE, "see the head of peers.c");
		}
	}
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && optind < argc; i++)
		if (strcmp(kinds[i].name, argv[optind]) == 0)
			kind = &kinds[i];
	if (path == NULL || kind == NULL || n == 0)
		die(USAGE, "see the head of peers.c");
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < n + 64) {
		limit.rlim_cur = limit.rlim_max = n + 64;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			die(NO_CONNECTION, "not so many descriptors allowed");
	}
	signal(SIGTERM, on_signal);
	make_messages(kind->name);
	peers = calloc(n, sizeof *peers);
	if (peers == NULL)
		die(NO_CONNECTION, "no memory");
	for (size_t i = 0; i < n; i++)
		peers[i].fd = connect_to(path);
	for (size_t i = 0; i < n; i++)
		send_first(&peers[i]);
	for (size_t i = 0; i < n && strcmp(kind->name, "kept") == 0; i++)
		take_answer(&peers[i]);
	printf("READY\n");
	fflush(stdout);
	until_ms = now_ms() + (int64_t)(seconds * 1000);
	stay(peers, n, kind, until_ms);
	return 0;
}
