/*
 * http_load.c - a closed loop of HTTP/1.1 connections: each asks again as soon as it has its answer.
 *
 * One thread, one epoll. Counts by connection, so that it can say who was served least and most; holds idle
 * connections beside the busy ones; takes another token for each request. What it costs itself is in its result.
 *
 *   http_load [option]... ADDRESS:PORT
 *     -g PATH       GET this; #N in a path stands for the next of N numbers, ?N for a random one below N
 *     -p PATH       PUT this, with the body of -b
 *     -b FILE
 *     -w PERCENT    how many of the requests are PUTs, where there are both; default 10
 *     -H FILE       header lines, sent as they are
 *     -T FILE       tokens, one a line: each request has the next one as its Authorization
 *     -m TEXT       stands in each answer to a PUT, in its first piece; what has it not is an error
 *     -c N          busy connections; default 64
 *     -i N          idle connections beside them. Each asks once before and once behind the measurement
 *     -a MS         pause of a connection before it asks again; default 0
 *     -s SECONDS    how long; default 2. Longer, up to 12, where less than two answers a connection have come
 *     -n N          so many requests instead
 *     -f N          the first of the numbers; default 0
 *
 * One line on standard output:
 *   answers seconds p50_us p99_us max_us errors 5xx broken least most bytes all cpu_us
 * errors: answers that are not 2xx (5xx is among them) or lack the text. broken: connections that could not be made,
 * broke in an answer, never answered, and idle ones that were closed. least, most: answers by connection. bytes: of
 * body in an answer. all: answers with those that came too late to count and those of idle connections; cpu_us is what
 * all of them took here. A connection that the server ends behind an answer is made again; that is no error.
 * Exit status: 0, 64 usage, 69 too few descriptors or no memory.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	USAGE = 64, CANNOT = 69, HEAD_MAX = 8192, READ_SIZE = 256 * 1024, EVENTS = 256,
	FINE = 1024, BUCKETS = FINE * 24,	/* of the latencies: a thousandth apart */
	LAST_WAIT_S = 5, IDLE_AT_ONCE = 64, TURN_US = 10000, PATIENCE_US = 12000000
};

struct path {
	const char *before, *after;
	uint64_t numbers;	/* 0: the path is before alone */
	bool random;
};

struct options {
	struct sockaddr_in server;
	struct path get, put;
	bool has_get, has_put;
	char *body, *headers;
	size_t body_length;
	const char *body_path, *header_path, *token_path, *text;
	char **tokens;
	size_t n_tokens;
	long writes, connections, idle, pause_ms, seconds, requests;
};

enum reading { HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER };

struct connection {
	int fd;			/* -1: closed */
	bool busy, waits, put, closes, good;
	enum reading reading;
	uint64_t left, asked_at, answers;
	char head[HEAD_MAX];
	size_t n_head;
	char *out;		/* the rest of a request */
	size_t out_size, n_out, out_sent;
	struct connection *next;	/* among those that pause */
	uint64_t due;
};

static struct options options = { .writes = 10, .connections = 64, .seconds = 2 };
static struct connection *connections;
static long n_connections, n_waiting, next_idle, idle_answered;
static int epoll_fd;
static uint64_t counter, random_state = 88172645463325252u, asked, stop_at;
static size_t next_token;
static bool asking;		/* a connection that has its answer asks again */
static struct connection *paused, **paused_tail = &paused;
static uint64_t answers, all_answers, errors, server_errors, broken, body_bytes, latencies[BUCKETS], slowest;
static char input[READ_SIZE];

static void die(int status, const char *text)
{
	fprintf(stderr, "http_load: %s\n", text);
	exit(status);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

/* --- what there is to say --- */

static char *read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	char *bytes = NULL;
	size_t n = 0, size = 0, got;

	if (file == NULL)
		die(USAGE, "a file cannot be read");
	do {
		if (n + 1 >= size && (bytes = realloc(bytes, size = size * 2 + 65536)) == NULL)
			die(CANNOT, "no memory");
		got = fread(bytes + n, 1, size - n - 1, file);
		n += got;
	} while (got > 0);
	fclose(file);
	bytes[n] = '\0';
	*length = n;
	return bytes;
}

static void read_tokens(void)
{
	size_t length;
	char *rest = read_file(options.token_path, &length), *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		options.tokens = realloc(options.tokens, (options.n_tokens + 1) * sizeof *options.tokens);
		if (options.tokens == NULL)
			die(CANNOT, "no memory");
		options.tokens[options.n_tokens++] = line;
	}
	if (options.n_tokens == 0)
		die(USAGE, "no tokens");
}

/* The place of the number is the first # or ? with digits behind it: a query's ? has none. */
static struct path path_of(char *text)
{
	for (char *at = text; *at != '\0'; at++) {
		char *end;
		uint64_t numbers;

		if ((*at != '#' && *at != '?') || at[1] < '1' || at[1] > '9')
			continue;
		numbers = strtoull(at + 1, &end, 10);
		struct path path = { .before = text, .after = end, .numbers = numbers, .random = *at == '?' };
		*at = '\0';
		return path;
	}
	return (struct path){ .before = text, .after = "" };
}

static int print_path(const struct path *path, char *out, size_t size)
{
	if (path->numbers == 0)
		return snprintf(out, size, "%s", path->before);
	return snprintf(out, size, "%s%06llu%s", path->before,
			(unsigned long long)(path->random ? random_below(path->numbers) : counter++ % path->numbers), path->after);
}

static void compose(struct connection *connection)
{
	char path[1024], authorization[4096] = "";
	size_t body_length;

	connection->put = options.has_put && (!options.has_get || (long)random_below(100) < options.writes);
	body_length = connection->put ? options.body_length : 0;
	print_path(connection->put ? &options.put : &options.get, path, sizeof path);
	if (options.n_tokens > 0)
		snprintf(authorization, sizeof authorization, "Authorization: Bearer %s\r\n",
			 options.tokens[next_token++ % options.n_tokens]);
	if (connection->put)
		snprintf(authorization + strlen(authorization), sizeof authorization - strlen(authorization),
			 "Content-Length: %zu\r\n", body_length);
	connection->n_out = (size_t)snprintf(connection->out, connection->out_size,
		"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s\r\n", connection->put ? "PUT" : "GET", path, options.headers, authorization);
	memcpy(connection->out + connection->n_out, options.body, body_length);
	connection->n_out += body_length;
	connection->out_sent = 0;
}

/* --- connections --- */

static void close_connection(struct connection *connection)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };	/* or its port stays taken for a minute */

	if (connection->fd < 0)
		return;
	setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(connection->fd);
	connection->fd = -1;
	connection->reading = HEAD;
	connection->n_head = 0;
}

static bool open_connection(struct connection *connection)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection };
	int one = 1;

	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		return false;
	if (connect(connection->fd, (struct sockaddr *)&options.server, sizeof options.server) != 0 ||
	    fcntl(connection->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
		close_connection(connection);
		return false;
	}
	return true;
}

static void ask(struct connection *connection);

/* The answer is here, or never will be. Who is busy goes on, an idle one gives its turn to the next. */
static void go_on(struct connection *connection)
{
	if (connection->waits)
		n_waiting--;
	connection->waits = false;
	if (!connection->busy) {
		idle_answered++;
		if (next_idle < n_connections)
			ask(&connections[next_idle++]);
	} else if (asking && options.pause_ms > 0) {
		connection->due = now_us() + (uint64_t)options.pause_ms * 1000;
		connection->next = NULL;
		*paused_tail = connection;
		paused_tail = &connection->next;
	} else if (asking) {
		ask(connection);
	}
}

static void fails(struct connection *connection)
{
	broken++;
	close_connection(connection);
	if (connection->waits)
		go_on(connection);
}

static void send_rest(struct connection *connection)
{
	while (connection->out_sent < connection->n_out) {
		ssize_t n = send(connection->fd, connection->out + connection->out_sent,
				 connection->n_out - connection->out_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			fails(connection);
		if (n < 0)
			return;
		connection->out_sent += (size_t)n;
	}
}

static void ask(struct connection *connection)
{
	if (connection->busy && options.requests > 0 && asked >= (uint64_t)options.requests)
		return;
	if (connection->fd < 0 && (broken > 10000 || !open_connection(connection))) {
		broken++;
		return;
	}
	asked += connection->busy;
	compose(connection);
	connection->waits = true;
	n_waiting++;
	connection->asked_at = now_us();
	send_rest(connection);
}

/* --- answers --- */

static void note_latency(uint64_t us)
{
	unsigned shift = 0;

	if (us > slowest)
		slowest = us;
	while (us >> shift >= 2 * FINE)
		shift++;
	size_t bucket = shift == 0 ? us : (size_t)shift * FINE + (us >> shift);
	latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

/* percentile - in us: the lowest of the bucket that has it. */
static uint64_t percentile(double share)
{
	uint64_t wanted = (uint64_t)(share * (double)answers), seen = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		seen += latencies[i];
		if (seen > wanted)
			return i < 2 * FINE ? i : (uint64_t)(i % FINE + FINE) << (i / FINE - 1);
	}
	return slowest;
}

static void answered(struct connection *connection)
{
	uint64_t now = now_us();

	connection->reading = HEAD;
	connection->n_head = 0;
	all_answers++;
	if (!connection->good)
		errors++;
	if (connection->busy && (stop_at == 0 || now <= stop_at)) {
		answers++;
		connection->answers++;
		note_latency(now - connection->asked_at);
	}
	if (connection->closes)
		close_connection(connection);
	go_on(connection);
}

static bool is_header(const char *line, const char *name, const char **value)
{
	size_t length = strlen(name);

	if (strncasecmp(line, name, length) != 0 || line[length] != ':')
		return false;
	*value = line + length + 1 + strspn(line + length + 1, " ");
	return true;
}

/* The head is whole. False: the body's length cannot be known. */
static bool read_head(struct connection *connection)
{
	const char *value;
	int status = atoi(connection->head + strcspn(connection->head, " "));
	bool framed = status == 204 || status == 304;

	connection->good = status >= 200 && status <= 299;
	server_errors += status >= 500;
	connection->closes = false;
	connection->reading = BODY;
	connection->left = 0;
	for (const char *line = connection->head; (line = strstr(line, "\r\n")) != NULL;) {
		line += 2;
		if (is_header(line, "Content-Length", &value)) {
			connection->left = strtoull(value, NULL, 10);
			framed = true;
		} else if (is_header(line, "Transfer-Encoding", &value)) {
			connection->reading = CHUNK_SIZE;
			framed = true;
		} else if (is_header(line, "Connection", &value)) {
			connection->closes = strncasecmp(value, "close", 5) == 0;
		}
	}
	return framed;
}

/* take_head - how many of N bytes belong to the head. */
static size_t take_head(struct connection *connection, const char *bytes, size_t n)
{
	size_t before = connection->n_head, room = HEAD_MAX - 1 - before, from = before > 3 ? before - 3 : 0;
	const char *end;

	memcpy(connection->head + before, bytes, n < room ? n : room);
	connection->n_head += n < room ? n : room;
	end = memmem(connection->head + from, connection->n_head - from, "\r\n\r\n", 4);
	if (end == NULL) {
		if (connection->n_head == HEAD_MAX - 1)
			fails(connection);
		return n;
	}
	connection->head[end - connection->head + 2] = '\0';
	n = (size_t)(end + 4 - connection->head) - before;
	if (!read_head(connection))
		fails(connection);
	return n;
}

/* take_line - a line of the chunks' framing: the size, or what stands behind a chunk. */
static size_t take_line(struct connection *connection, const char *bytes, size_t n)
{
	const char *end = memchr(bytes, '\n', n);
	size_t used = end == NULL ? n : (size_t)(end + 1 - bytes), room = HEAD_MAX - 1 - connection->n_head;

	memcpy(connection->head + connection->n_head, bytes, used < room ? used : room);
	connection->n_head += used < room ? used : room;
	connection->head[connection->n_head] = '\0';
	if (end == NULL)
		return used;
	if (connection->reading == CHUNK_SIZE) {
		connection->left = strtoull(connection->head, NULL, 16);
		connection->reading = connection->left > 0 ? CHUNK : TRAILER;
	} else if (connection->reading == CHUNK_END) {
		connection->reading = CHUNK_SIZE;
	} else if (connection->head[0] == '\r') {
		connection->left = 0;
		connection->reading = BODY;
	}
	connection->n_head = 0;
	return used;
}

static size_t take_body(struct connection *connection, size_t n)
{
	if (n > connection->left)
		n = connection->left;
	connection->left -= n;
	body_bytes += n;
	if (connection->left == 0 && connection->reading == CHUNK)
		connection->reading = CHUNK_END;
	return n;
}

static void take(struct connection *connection, const char *bytes, size_t n)
{
	size_t used;

	if (connection->put && options.text != NULL && connection->reading == HEAD)
		connection->good = memmem(bytes, n, options.text, strlen(options.text)) != NULL;
	bool has_text = !connection->put || options.text == NULL || connection->good;

	while (n > 0 && connection->fd >= 0 && connection->waits) {
		if (connection->reading == HEAD) {
			used = take_head(connection, bytes, n);
			connection->good = connection->good && has_text;
		} else if (connection->reading == BODY || connection->reading == CHUNK) {
			used = take_body(connection, n);
		} else {
			used = take_line(connection, bytes, n);
		}
		bytes += used;
		n -= used;
		if (connection->fd >= 0 && connection->reading == BODY && connection->left == 0) {
			answered(connection);
			break;	/* nobody speaks before he is asked */
		}
	}
}

/* ended - the other side has closed: between answers that is its right, but an idle one should have stayed. */
static void ended(struct connection *connection)
{
	if (connection->waits || !connection->busy)
		fails(connection);
	else
		close_connection(connection);
}

static void receive(struct connection *connection)
{
	while (connection->fd >= 0) {
		ssize_t n = recv(connection->fd, input, sizeof input, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			ended(connection);
			return;
		}
		take(connection, input, (size_t)n);
		if ((size_t)n < sizeof input)
			return;
	}
}

/* --- the run --- */

static void wake_paused(void)
{
	uint64_t now = now_us();

	while (paused != NULL && paused->due <= now) {
		struct connection *connection = paused;

		paused = connection->next;
		if (paused == NULL)
			paused_tail = &paused;
		if (asking)
			ask(connection);
	}
}

/* turn - wait for what happens until END at the latest, and answer to it. */
static void turn(uint64_t end)
{
	struct epoll_event events[EVENTS];
	uint64_t now = now_us(), until = paused != NULL && paused->due < end ? paused->due : end;
	int n = epoll_wait(epoll_fd, events, EVENTS, until > now ? (int)((until - now + 999) / 1000) : 0);

	for (int i = 0; i < n; i++) {
		struct connection *connection = events[i].data.ptr;

		if (connection->fd >= 0 && connection->out_sent < connection->n_out)
			send_rest(connection);
		if (connection->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
			receive(connection);
		/* The end came in the same breath as the answer: edges are told once. */
		if (connection->fd >= 0 && (events[i].events & EPOLLRDHUP) != 0)
			receive(connection);
	}
	wake_paused();
}

/* finish - whoever has asked gets some seconds for his answer. */
static void finish(void)
{
	uint64_t end = now_us() + LAST_WAIT_S * 1000000;

	while (n_waiting > 0 && now_us() < end)
		turn(end);
	broken += (uint64_t)n_waiting;
}

/* ask_idle - every idle connection asks once, some at a time. */
static void ask_idle(void)
{
	idle_answered = 0;
	next_idle = options.connections;
	for (int i = 0; i < IDLE_AT_ONCE && next_idle < n_connections; i++)
		ask(&connections[next_idle++]);
	finish();
	if (idle_answered < options.idle)
		broken += (uint64_t)(options.idle - idle_answered);
}

/* Who is so slow that few answers have come gets more time: a rate of a few requests says nothing. */
static bool is_enough(uint64_t us)
{
	if (options.requests > 0)
		return answers + broken >= (uint64_t)options.requests || us >= PATIENCE_US * 10;
	return us >= (uint64_t)options.seconds * 1000000 &&
	       (answers + broken >= 2 * (uint64_t)options.connections || us >= PATIENCE_US);
}

static double measure(void)
{
	uint64_t begin = now_us();

	asking = true;
	for (long i = 0; i < options.connections; i++)
		ask(&connections[i]);
	while (!is_enough(now_us() - begin))
		turn(now_us() + TURN_US);
	asking = false;
	stop_at = now_us();
	finish();
	return (double)(stop_at - begin) / 1e6;
}

static void make_connections(void)
{
	size_t size = options.body_length + strlen(options.headers) + 8192;

	n_connections = options.connections + options.idle;
	connections = calloc((size_t)n_connections, sizeof *connections);
	if (connections == NULL)
		die(CANNOT, "no memory");
	for (long i = 0; i < n_connections; i++) {
		connections[i].busy = i < options.connections;
		connections[i].fd = -1;
		connections[i].out_size = size;
		connections[i].out = malloc(size);
		if (connections[i].out == NULL)
			die(CANNOT, "no memory");
		if (!open_connection(&connections[i]))
			broken++;
	}
}

static void raise_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < (rlim_t)(options.connections + options.idle) + 16)
		die(CANNOT, "the hard limit of open files (ulimit -Hn) is too low for so many connections");
}

static void read_server(const char *text)
{
	char address[64];
	const char *colon = strchr(text, ':');

	options.server.sin_family = AF_INET;
	if (colon == NULL || (size_t)(colon - text) >= sizeof address)
		die(USAGE, "not ADDRESS:PORT");
	snprintf(address, sizeof address, "%.*s", (int)(colon - text), text);
	options.server.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, address, &options.server.sin_addr) != 1)
		die(USAGE, "not ADDRESS:PORT");
}

static void read_options(int argc, char **argv)
{
	size_t ignored;
	int option;

	while ((option = getopt(argc, argv, "g:p:b:w:H:T:m:c:i:a:s:n:f:")) != -1) {
		switch (option) {
		case 'g': options.get = path_of(optarg); options.has_get = true; break;
		case 'p': options.put = path_of(optarg); options.has_put = true; break;
		case 'b': options.body_path = optarg; break;
		case 'w': options.writes = atol(optarg); break;
		case 'H': options.header_path = optarg; break;
		case 'T': options.token_path = optarg; break;
		case 'm': options.text = optarg; break;
		case 'c': options.connections = atol(optarg); break;
		case 'i': options.idle = atol(optarg); break;
		case 'a': options.pause_ms = atol(optarg); break;
		case 's': options.seconds = atol(optarg); break;
		case 'n': options.requests = atol(optarg); break;
		case 'f': counter = strtoull(optarg, NULL, 10); break;
		default: die(USAGE, "see the head of http_load.c");
		}
	}
	if (optind != argc - 1 || (!options.has_get && !options.has_put) || options.connections < 1 || options.idle < 0 ||
	    options.has_put != (options.body_path != NULL))
		die(USAGE, "see the head of http_load.c");
	read_server(argv[optind]);
	options.body = options.body_path != NULL ? read_file(options.body_path, &options.body_length) : calloc(1, 1);
	options.headers = options.header_path != NULL ? read_file(options.header_path, &ignored) : calloc(1, 1);
	if (options.token_path != NULL)
		read_tokens();
}

static uint64_t cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void report(double seconds)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (long i = 0; i < options.connections; i++) {
		least = connections[i].answers < least ? connections[i].answers : least;
		most = connections[i].answers > most ? connections[i].answers : most;
	}
	printf("%llu %.3f %llu %llu %llu %llu %llu %llu %llu %llu %.0f %llu %llu\n", (unsigned long long)answers, seconds,
	       (unsigned long long)percentile(0.5), (unsigned long long)percentile(0.99), (unsigned long long)slowest,
	       (unsigned long long)errors, (unsigned long long)server_errors, (unsigned long long)broken,
	       (unsigned long long)least, (unsigned long long)most,
	       all_answers > 0 ? (double)body_bytes / (double)all_answers : 0, (unsigned long long)all_answers,
	       (unsigned long long)cpu_us());
}

int main(int argc, char **argv)
{
	double seconds;

	read_options(argc, argv);
	raise_descriptors();
	random_state ^= now_us();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die(CANNOT, "no epoll");
	make_connections();
	ask_idle();
	seconds = measure();
	stop_at = 1;	/* what comes now is not counted */
	ask_idle();
	report(seconds);
	for (long i = 0; i < n_connections; i++) {
		close_connection(&connections[i]);
		free(connections[i].out);
	}
	free(connections);
	return 0;
}
