/*
 * fcgi_client.c - a front server that misbehaves on request.
 *
 * Sends one FastCGI request (or bytes of your own) to a Unix socket and prints the answer: head and body,
 * as they came, on standard output. Whatever can go wrong between a front server and us can be asked
 * for: a body shorter than declared, a stream without its end, half a message, silence, leaving early.
 *
 *   fcgi_client -s PATH [option]...
 *     --method M         REQUEST_METHOD; default GET
 *     --uri U            REQUEST_URI; default /
 *     --param NAME=VALUE one more parameter, as often as you like
 *     --body TEXT        the body
 *     --body-file FILE   the same from a file
 *     --declare N        CONTENT_LENGTH, instead of the body's; "none" leaves it out
 *     --send N           send only N bytes of the body
 *     --no-end           leave out the record that ends the body
 *     --role N           other than 1, responder
 *     --no-keep          ask the server to close behind its answer
 *     --abort            end with ABORT_REQUEST instead of the end of the body
 *     --hex DIGITS       send these bytes before all else; with --raw, nothing else
 *     --raw
 *     --cut N            send only the first N bytes of everything
 *     --pieces N         send N bytes at a time, a millisecond apart
 *     --repeat N         N requests, one after the other on one connection (the last answer is printed)
 *     --leave-ms N       leave N ms after sending, without reading; 0 = at once
 *     --watch-ms N       look for bytes behind the answer for N ms; default 0
 *     --timeout-ms N     wait for the answer; default 5000
 *     -v                 a line on standard error: what kind of answer it was
 *
 * Exit status: 0 a whole answer (or left as told), 1 the connection was closed without one, 2 no answer
 * in time, 3 something that is no answer, 64 usage, 99 cannot connect.
 */
#include "config.h"

#include <getopt.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fcgi_wire.h"

enum { ANSWERED = 0, CLOSED = 1, SILENT = 2, NONSENSE = 3, USAGE = 64, NO_CONNECTION = 99, REQUEST_ID = 1 };

struct command {
	const char *path;
	const char *method, *uri, *declare;
	struct bytes params, body, raw;
	long send, cut, pieces, repeat, leave_ms, watch_ms, timeout_ms, role;
	bool no_end, no_keep, abort, only_raw, verbose;
};

static void die(int status, const char *text)
{
	fprintf(stderr, "fcgi_client: %s\n", text);
	exit(status);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	const struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* --- arguments --- */

static void add_file(struct bytes *out, const char *name)
{
	FILE *file = fopen(name, "rb");
	char piece[65536];
	size_t n;

	if (file == NULL)
		die(USAGE, "cannot read the body's file");
	while ((n = fread(piece, 1, sizeof piece, file)) != 0)
		bytes_add(out, piece, n);
	fclose(file);
}

static void add_hex(struct bytes *out, const char *digits)
{
	for (; digits[0] != '\0'; digits += 2) {
		unsigned value;
		unsigned char byte;

		if (sscanf(digits, "%2x", &value) != 1 || digits[1] == '\0')
			die(USAGE, "--hex wants pairs of digits");
		byte = (unsigned char)value;
		bytes_add(out, &byte, 1);
	}
}

static void add_param(struct bytes *params, const char *text)
{
	const char *equals = strchr(text, '=');
	char *name;

	if (equals == NULL)
		die(USAGE, "--param wants NAME=VALUE");
	name = strndup(text, (size_t)(equals - text));
	wire_param(params, name, equals + 1, strlen(equals + 1));
	free(name);
}

enum { O_METHOD = 256, O_URI, O_PARAM, O_BODY, O_BODY_FILE, O_DECLARE, O_SEND, O_NO_END, O_ROLE, O_NO_KEEP,
       O_ABORT, O_HEX, O_RAW, O_CUT, O_PIECES, O_REPEAT, O_LEAVE, O_WATCH, O_TIMEOUT };

static void read_arguments(struct command *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "method", 1, NULL, O_METHOD }, { "uri", 1, NULL, O_URI }, { "param", 1, NULL, O_PARAM },
		{ "body", 1, NULL, O_BODY }, { "body-file", 1, NULL, O_BODY_FILE },
		{ "declare", 1, NULL, O_DECLARE }, { "send", 1, NULL, O_SEND }, { "no-end", 0, NULL, O_NO_END },
		{ "role", 1, NULL, O_ROLE }, { "no-keep", 0, NULL, O_NO_KEEP }, { "abort", 0, NULL, O_ABORT },
		{ "hex", 1, NULL, O_HEX }, { "raw", 0, NULL, O_RAW }, { "cut", 1, NULL, O_CUT },
		{ "pieces", 1, NULL, O_PIECES }, { "repeat", 1, NULL, O_REPEAT },
		{ "leave-ms", 1, NULL, O_LEAVE }, { "watch-ms", 1, NULL, O_WATCH },
		{ "timeout-ms", 1, NULL, O_TIMEOUT }, { 0 }
	};
	int o;

	while ((o = getopt_long(argc, argv, "s:v", options, NULL)) != -1) {
		switch (o) {
		case 's': c->path = optarg; break;
		case 'v': c->verbose = true; break;
		case O_METHOD: c->method = optarg; break;
		case O_URI: c->uri = optarg; break;
		case O_PARAM: add_param(&c->params, optarg); break;
		case O_BODY: bytes_add(&c->body, optarg, strlen(optarg)); break;
		case O_BODY_FILE: add_file(&c->body, optarg); break;
		case O_DECLARE: c->declare = optarg; break;
		case O_SEND: c->send = atol(optarg); break;
		case O_NO_END: c->no_end = true; break;
		case O_ROLE: c->role = atol(optarg); break;
		case O_NO_KEEP: c->no_keep = true; break;
		case O_ABORT: c->abort = true; break;
		case O_HEX: add_hex(&c->raw, optarg); break;
		case O_RAW: c->only_raw = true; break;
		case O_CUT: c->cut = atol(optarg); break;
		case O_PIECES: c->pieces = atol(optarg); break;
		case O_REPEAT: c->repeat = atol(optarg); break;
		case O_LEAVE: c->leave_ms = atol(optarg); break;
		case O_WATCH: c->watch_ms = atol(optarg); break;
		case O_TIMEOUT: c->timeout_ms = atol(optarg); break;
		default: die(USAGE, "see the head of fcgi_client.c");
		}
	}
	if (c->path == NULL || optind != argc)
		die(USAGE, "-s PATH is needed");
}

/* --- the message --- */

static void add_request(const struct command *c, struct bytes *out)
{
	struct bytes params = { .n = 0 };
	size_t n = c->send >= 0 && (size_t)c->send < c->body.n ? (size_t)c->send : c->body.n;
	char length[24];

	wire_begin(out, REQUEST_ID, !c->no_keep);
	out->p[out->n - 7] = (unsigned char)c->role;
	wire_param(&params, "REQUEST_METHOD", c->method, strlen(c->method));
	wire_param(&params, "REQUEST_URI", c->uri, strlen(c->uri));
	snprintf(length, sizeof length, "%zu", c->body.n);
	if (c->declare == NULL)
		wire_param(&params, "CONTENT_LENGTH", length, strlen(length));
	else if (strcmp(c->declare, "none") != 0)
		wire_param(&params, "CONTENT_LENGTH", c->declare, strlen(c->declare));
	bytes_add(&params, c->params.p, c->params.n);
	wire_stream(out, FCGI_TYPE_PARAMS, REQUEST_ID, params.p, params.n);
	wire_stream(out, FCGI_TYPE_STDIN, REQUEST_ID, c->body.p, n);
	if (c->no_end || c->abort)
		out->n -= 8;
	if (c->abort)
		wire_record(out, FCGI_TYPE_ABORT, REQUEST_ID, NULL, 0, 0);
	bytes_free(&params);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof address.sun_path)
		die(USAGE, "the path is too long");
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		die(NO_CONNECTION, "cannot connect");
	return fd;
}

/* False when the server closed before it had all. */
static bool send_all(const struct command *c, int fd, const struct bytes *out)
{
	size_t n = c->cut >= 0 && (size_t)c->cut < out->n ? (size_t)c->cut : out->n;
	size_t done = 0;

	while (done < n) {
		size_t piece = c->pieces > 0 && (size_t)c->pieces < n - done ? (size_t)c->pieces : n - done;
		ssize_t sent = send(fd, out->p + done, piece, MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		done += (size_t)sent;
		if (c->pieces > 0)
			pause_ms(1);
	}
	return true;
}

/* One read() before UNTIL_MS: bytes read, 0 at the end, -1 when the time is up. */
static ssize_t receive(int fd, struct bytes *in, int64_t until_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int64_t left = until_ms - now_ms();
	char piece[65536];
	ssize_t n;

	if (poll(&poll_fd, 1, left < 0 ? 0 : (int)left) != 1)
		return -1;
	n = read(fd, piece, sizeof piece);
	if (n <= 0)
		return 0;	/* a reset is an end too */
	bytes_add(in, piece, (size_t)n);
	return n;
}

static int read_answer(const struct command *c, int fd, struct wire_answer *answer, bool *closed)
{
	struct bytes in = { .n = 0 };
	int64_t until_ms = now_ms() + c->timeout_ms;
	int status = -1;
	bool whole;

	*closed = false;
	do {
		ssize_t n = receive(fd, &in, until_ms);

		if (n < 0)
			status = SILENT;
		*closed = n == 0;
		wire_answer_free(answer);
		whole = wire_answer_read(answer, in.p, in.n) && answer->ended;
	} while (!whole && !*closed && status < 0);
	until_ms = now_ms() + c->watch_ms;
	while (whole && !*closed && c->watch_ms > 0) {
		ssize_t n = receive(fd, &in, until_ms);

		if (n < 0)
			break;
		*closed = n == 0;
	}
	if (whole) {
		wire_answer_free(answer);
		wire_answer_read(answer, in.p, in.n);
		status = answer->head == 0 ? NONSENSE : ANSWERED;
	} else if (*closed) {
		status = in.n == 0 ? CLOSED : NONSENSE;
	}
	bytes_free(&in);
	return status;
}

int main(int argc, char **argv)
{
	struct command c = {
		.method = "GET", .uri = "/", .send = -1, .cut = -1, .repeat = 1, .leave_ms = -1,
		.timeout_ms = 5000, .role = 1
	};
	struct wire_answer answer = { .head = 0 };
	struct bytes out = { .n = 0 };
	int fd, status = CLOSED;
	bool closed = false;

	read_arguments(&c, argc, argv);
	bytes_add(&out, c.raw.p, c.raw.n);
	if (!c.only_raw)
		add_request(&c, &out);
	fd = connect_to(c.path);
	for (long i = 0; i < c.repeat && !closed; i++) {
		send_all(&c, fd, &out);
		if (c.leave_ms >= 0) {
			pause_ms(c.leave_ms);
			status = ANSWERED;
			break;
		}
		status = read_answer(&c, fd, &answer, &closed);
		if (status != ANSWERED)
			break;
	}
	close(fd);
	if (c.verbose)
		fprintf(stderr, "status=%d records=%zu ended=%d protocol=%d behind=%zu closed=%d\n", status,
			answer.n_records, answer.ended, answer.protocol_status, answer.behind, closed);
	if (answer.out.n != 0)
		fwrite(answer.out.p, 1, answer.out.n, stdout);
	wire_answer_free(&answer);
	bytes_free(&out);
	bytes_free(&c.params);
	bytes_free(&c.body);
	bytes_free(&c.raw);
	return status;
}
