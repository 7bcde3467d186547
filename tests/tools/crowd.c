/*
 * crowd.c - many HTTP clients at once, in one thread: busy ones that count what they are told, or idle ones.
 *
 *   crowd -s SOCKET -t TOKEN-FILE [option]...
 *     -n N           clients, each with a connection of its own; default 1
 *     -d SECONDS     how long; default 10. SIGTERM ends it before
 *     -p MS          pause of each client between answer and question; default 0
 *     -m MIX         what they ask for, a letter for each turn (default ggggppdl): g GET, p PUT, d DELETE,
 *                    l list, b bulk PUT of 20 pairs, e PUT with an expiry of 2 s, L PUT and M GET of 100 KB
 *     -r PATH        the namespace on the REST door, for b
 *     -w SECONDS     a line for each window of time: WINDOW end requests p50_us p99_us failures
 *     -i             idle: each asks once, then keeps its connection; "READY" when all have been answered. At most
 *                    a thousand ask at the same time
 *     -k             may ask again on a new connection when one breaks (counted as broken all the same)
 *
 * The last line tells what there was:
 *   RESULT clients=N requests=N seconds=S p50_us=N p99_us=N max_us=N ok=N missing=N refused=N failed=N broken=N
 *          late=N least=N most=N
 * ok: 2xx; missing: 404; refused: other 4xx; failed: 5xx; broken: connections that ended without an answer;
 * late: clients still without an answer at the end; least, most: answers of the client with the fewest, and the most.
 * Exit status: 0; 1 when anything was refused, failed, broken or late; 64 usage; 99 no connection.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	USAGE = 64, NO_CONNECTION = 99,
	LARGE = 100 * 1024,		/* bytes of a large value */
	PAIRS = 20,			/* in a bulk call */
	KEYS = 200,			/* of each client */
	IDLE_WAITING = 1000,		/* clients at most, before they idle */
	HEAD_MAX = 8192,
	REQUEST_MAX = HEAD_MAX + LARGE,
	SLOTS = 64,			/* of the histogram, for each power of two */
	PATIENCE_US = 30 * 1000000	/* for the answers that are under way at the end */
};

struct client {
	int fd;
	unsigned number, turn, random;
	uint64_t answers;
	uint64_t asked_us, next_us;
	bool waiting;			/* for an answer */
	bool first;			/* nothing has been answered on this connection */
	char *request;			/* what is left to send of it */
	size_t n_request, sent;
	char head[HEAD_MAX];		/* of the answer, as far as it is here */
	size_t n_head;
	size_t body_left;
	int status;
	bool closes;
};

struct histogram { uint64_t counts[40 * SLOTS]; uint64_t n; uint64_t max; };

static struct {
	const char *socket, *mix, *rest;
	char token[2048];
	unsigned n;
	double seconds, window_s;
	unsigned pause_ms;
	bool idle, again;
} options = { .mix = "ggggppdl", .n = 1, .seconds = 10 };

static struct client *clients;
static struct histogram total, window;
static uint64_t ok, missing, refused, failed, broken, window_failures;
static int epoll_fd;
static char *large;
static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void die(int status, const char *text)
{
	fprintf(stderr, "crowd: %s\n", text);
	exit(status);
}

/* --- times: exact below 64 us, then to 1/64 --- */

static size_t slot_of(uint64_t us)
{
	unsigned shift = 0;

	while (us >> shift >= 2 * SLOTS)
		shift++;
	return us < SLOTS ? us : (shift + 1) * SLOTS + ((us >> shift) - SLOTS);
}

static uint64_t slot_us(size_t slot)
{
	return slot < SLOTS ? slot : (slot % SLOTS + SLOTS) << (slot / SLOTS - 1);
}

static void count_time(struct histogram *h, uint64_t us)
{
	size_t slot = slot_of(us);

	h->counts[slot < 40 * SLOTS ? slot : 40 * SLOTS - 1]++;
	h->n++;
	if (us > h->max)
		h->max = us;
}

static uint64_t percentile(const struct histogram *h, double part)
{
	uint64_t want = (uint64_t)((double)h->n * part), seen = 0;

	for (size_t i = 0; i < 40 * SLOTS; i++) {
		seen += h->counts[i];
		if (seen > want)
			return slot_us(i);
	}
	return h->max;
}

/* --- questions --- */

static int add_head(char *out, const char *method, const char *path, size_t n_body)
{
	return snprintf(out, HEAD_MAX, "%s %s HTTP/1.1\r\nHost: tmakv\r\nAuthorization: Bearer %s\r\n"
			"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
			method, path, options.token, n_body);
}

static void make_request(struct client *c, const char *method, const char *path, const char *body, size_t n)
{
	int head = add_head(c->request, method, path, n);

	if (n != 0)
		memcpy(c->request + head, body, n);
	c->n_request = (size_t)head + n;
	c->sent = 0;
}

static void make_bulk(struct client *c, unsigned n)
{
	char path[256], body[PAIRS * 128];
	int at = 0;

	for (unsigned i = 0; i < PAIRS; i++)
		at += snprintf(body + at, sizeof body - (size_t)at, "%s{\"key\":\"b/%u/%u\",\"value\":\"bulk %u\"}",
			       i == 0 ? "[" : ",", c->number, (n + i) % KEYS, n);
	at += snprintf(body + at, sizeof body - (size_t)at, "]");
	snprintf(path, sizeof path, "%s/bulk", options.rest);
	make_request(c, "PUT", path, body, (size_t)at);
}

static void make_turn(struct client *c)
{
	char path[256], body[256];
	char what = options.mix[c->turn++ % strlen(options.mix)];
	unsigned n = (unsigned)rand_r(&c->random) % KEYS;
	int n_body = snprintf(body, sizeof body, "\"%0*u\"", (int)(n % 200 + 1), n);

	snprintf(path, sizeof path, "/sdk/v1/kv/c/%u/%u", c->number, n);
	switch (what) {
	case 'g': make_request(c, "GET", path, NULL, 0); break;
	case 'p': make_request(c, "PUT", path, body, (size_t)n_body); break;
	case 'd': make_request(c, "DELETE", path, NULL, 0); break;
	case 'e':
		snprintf(path, sizeof path, "/sdk/v1/kv/e/%u/%u?expirationTtl=2", c->number, c->turn);
		make_request(c, "PUT", path, body, (size_t)n_body);
		break;
	case 'l':
		snprintf(path, sizeof path, "/sdk/v1/kv?prefix=c/%u/&limit=50", c->number);
		make_request(c, "GET", path, NULL, 0);
		break;
	case 'b': make_bulk(c, n); break;
	case 'L': case 'M':
		snprintf(path, sizeof path, "/sdk/v1/kv/L/%u", (c->number + n) % 16);
		make_request(c, what == 'L' ? "PUT" : "GET", path, large, what == 'L' ? LARGE : 0);
		break;
	default: die(USAGE, "there is no such letter for -m");
	}
}

/* --- connections --- */

static void watch(struct client *c, bool out)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | (out ? EPOLLOUT : 0), .data.ptr = c };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event) != 0)
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void open_connection(struct client *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int error;

	snprintf(address.sun_path, sizeof address.sun_path, "%s", options.socket);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Blocking: a full backlog means to wait, as it does with TCP. */
	do
		error = connect(c->fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
	while (error == EINTR && !ended);
	if (c->fd < 0 || error != 0)
		die(NO_CONNECTION, strerror(error));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->first = true;
	watch(c, false);
}

static void close_connection(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

static void send_more(struct client *c)
{
	while (c->sent < c->n_request) {
		ssize_t n = send(c->fd, c->request + c->sent, c->n_request - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			watch(c, true);
			return;
		}
		if (n < 0)
			return;	/* reading will tell */
		c->sent += (size_t)n;
	}
	watch(c, false);
}

static void ask(struct client *c)
{
	if (c->fd < 0)
		open_connection(c);
	make_turn(c);
	c->n_head = 0;
	c->body_left = 0;
	c->status = 0;
	c->waiting = true;
	c->asked_us = now_us();
	send_more(c);
}

static void count_answer(struct client *c)
{
	uint64_t us = now_us() - c->asked_us;

	c->waiting = false;
	c->first = false;
	c->answers++;
	c->next_us = now_us() + options.pause_ms * 1000;
	count_time(&total, us);
	count_time(&window, us);
	if (c->status == 404)
		missing++;
	else if (c->status >= 500)
		failed++;
	else if (c->status >= 400)
		refused++;
	else
		ok++;
	if (c->status >= 500)
		window_failures++;
}

static void count_break(struct client *c)
{
	close_connection(c);
	/* A kept connection may be closed while nothing is asked; and nothing is lost by that. */
	if (!c->waiting)
		return;
	broken++;
	window_failures++;
	c->waiting = false;
	c->next_us = options.again ? now_us() : UINT64_MAX;
}

/* The head has ended at END of it; N_MORE bytes are behind. */
static void read_head(struct client *c, char *end, size_t n_more)
{
	const char *length = strcasestr(c->head, "\r\ncontent-length:");
	size_t body = length == NULL || length > end ? 0 : strtoul(length + 17, NULL, 10);

	c->closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
	if (sscanf(c->head, "HTTP/1.1 %d", &c->status) != 1)
		die(NO_CONNECTION, "that is no HTTP");
	c->body_left = body > n_more ? body - n_more : 0;
}

/* False when no more is to be expected. */
static bool receive_some(struct client *c)
{
	static char rest[65536];
	char *end;
	ssize_t n;

	if (c->status != 0) {
		n = recv(c->fd, rest, sizeof rest, 0);
		if (n > 0)
			c->body_left -= (size_t)n < c->body_left ? (size_t)n : c->body_left;
	} else {
		n = recv(c->fd, c->head + c->n_head, sizeof c->head - 1 - c->n_head, 0);
		if (n > 0) {
			c->n_head += (size_t)n;
			c->head[c->n_head] = '\0';
			end = strstr(c->head, "\r\n\r\n");
			if (end != NULL)
				read_head(c, end, c->n_head - (size_t)(end + 4 - c->head));
		}
	}
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		count_break(c);
		return false;
	}
	if (c->status != 0 && c->body_left == 0) {
		count_answer(c);
		if (c->closes)
			close_connection(c);
		return false;
	}
	return true;
}

static void handle(struct client *c, uint32_t events)
{
	if (events & EPOLLOUT)
		send_more(c);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP | EPOLLERR))
		while (c->fd >= 0 && receive_some(c))
			;
}

/* --- all of them --- */

static void tell_window(uint64_t begin_us)
{
	printf("WINDOW %.1f %llu %llu %llu %llu\n", (double)(now_us() - begin_us) / 1e6, (unsigned long long)window.n,
	       (unsigned long long)percentile(&window, 0.5), (unsigned long long)percentile(&window, 0.99),
	       (unsigned long long)window_failures);
	fflush(stdout);
	memset(&window, 0, sizeof window);
	window_failures = 0;
}

/* Nobody is left who would ask again. */
static bool all_broken(void)
{
	return !options.again && broken >= options.n;
}

static unsigned n_waiting(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < options.n; i++)
		n += clients[i].waiting;
	return n;
}

static void tell_result(double seconds)
{
	uint64_t least = UINT64_MAX, most = 0;
	unsigned late = n_waiting();

	for (unsigned i = 0; i < options.n; i++) {
		least = clients[i].answers < least ? clients[i].answers : least;
		most = clients[i].answers > most ? clients[i].answers : most;
	}
	printf("RESULT clients=%u requests=%llu seconds=%.2f p50_us=%llu p99_us=%llu max_us=%llu ok=%llu missing=%llu "
	       "refused=%llu failed=%llu broken=%llu late=%u least=%llu most=%llu\n", options.n,
	       (unsigned long long)total.n, seconds, (unsigned long long)percentile(&total, 0.5),
	       (unsigned long long)percentile(&total, 0.99), (unsigned long long)total.max, (unsigned long long)ok,
	       (unsigned long long)missing, (unsigned long long)refused, (unsigned long long)failed,
	       (unsigned long long)broken, late, (unsigned long long)least, (unsigned long long)most);
	exit(refused + failed + broken + late != 0);
}

/* Whoever has paused for long enough asks. When the next one will, in ms. */
static int ask_due(bool over)
{
	uint64_t now = now_us(), next = now + 100000;
	unsigned room = options.idle ? IDLE_WAITING - n_waiting() : options.n;

	for (unsigned i = 0; i < options.n && !over && room != 0; i++) {
		struct client *c = &clients[i];

		if (c->waiting || (options.idle && c->answers != 0))
			continue;
		if (c->next_us <= now) {
			ask(c);
			room--;
		} else if (c->next_us < next) {
			next = c->next_us;
		}
	}
	return (int)((next - now + 999) / 1000);
}

static void run(void)
{
	uint64_t begin_us = now_us(), end_us = begin_us + (uint64_t)(options.seconds * 1e6);
	uint64_t window_us = (uint64_t)(options.window_s * 1e6), window_end = begin_us + window_us;
	bool said = false, over;

	do {
		struct epoll_event events[1024];
		uint64_t now = now_us();
		int n, wait_ms;

		over = ended || now >= end_us || all_broken();
		wait_ms = ask_due(over);
		n = epoll_wait(epoll_fd, events, 1024, (options.pause_ms == 0 || options.idle) && !over ? 1 : wait_ms);
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;

			handle(c, events[i].events);
			if (!c->waiting && !options.idle && options.pause_ms == 0 && c->next_us != UINT64_MAX && !over)
				ask(c);
		}
		if (window_us != 0 && now_us() >= window_end) {
			tell_window(begin_us);
			window_end += window_us;
		}
		if (options.idle && !said && total.n + broken >= options.n) {
			printf("READY\n");
			fflush(stdout);
			said = true;
		}
	} while (!over || (n_waiting() != 0 && now_us() < end_us + PATIENCE_US));
	tell_result((double)(now_us() - begin_us) / 1e6);
}

static void read_token(const char *name)
{
	FILE *file = fopen(name, "r");

	if (file == NULL || fgets(options.token, sizeof options.token, file) == NULL)
		die(USAGE, "cannot read the token");
	options.token[strcspn(options.token, "\n")] = '\0';
	fclose(file);
}

static void make_clients(void)
{
	large = malloc(LARGE);
	memset(large, 'v', LARGE);
	large[0] = large[LARGE - 1] = '"';
	clients = calloc(options.n, sizeof *clients);
	if (clients == NULL)
		die(NO_CONNECTION, "no memory");
	for (unsigned i = 0; i < options.n; i++) {
		clients[i].number = clients[i].turn = i;
		clients[i].random = i + 1;
		clients[i].fd = -1;
		clients[i].request = malloc(strpbrk(options.mix, "L") != NULL ? REQUEST_MAX : 2 * HEAD_MAX);
	}
}

static void raise_fd_limit(void)
{
	struct rlimit limit = { options.n + 64, options.n + 64 }, old;

	getrlimit(RLIMIT_NOFILE, &old);
	if (old.rlim_cur < limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &limit) != 0)
		die(NO_CONNECTION, "not so many descriptors allowed");
}

int main(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "s:t:n:d:p:m:r:w:ik")) != -1) {
		switch (o) {
		case 's': options.socket = optarg; break;
		case 't': read_token(optarg); break;
		case 'n': options.n = (unsigned)atoi(optarg); break;
		case 'd': options.seconds = atof(optarg); break;
		case 'p': options.pause_ms = (unsigned)atoi(optarg); break;
		case 'm': options.mix = optarg; break;
		case 'r': options.rest = optarg; break;
		case 'w': options.window_s = atof(optarg); break;
		case 'i': options.idle = true; break;
		case 'k': options.again = true; break;
		default: die(USAGE, "see the head of crowd.c");
		}
	}
	if (options.socket == NULL || optind != argc || options.n == 0 || *options.mix == '\0' ||
	    (strchr(options.mix, 'b') != NULL && options.rest == NULL))
		die(USAGE, "see the head of crowd.c");
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	raise_fd_limit();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	make_clients();
	run();
}
