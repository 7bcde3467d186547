/*
 * fcgi_client.c - see fcgi_client.h.
 *
 * Of FastCGI 1.0 this needs: BEGIN_REQUEST for a responder that keeps the connection, PARAMS and STDIN there;
 * STDOUT, STDERR (dropped) and END_REQUEST back. A request is sent whole before its answer is read: the
 * server does not answer before it has read everything.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/rand.h"
#include "ctl/fcgi_client.h"

enum {
	TYPE_BEGIN = 1, TYPE_END = 3, TYPE_PARAMS = 4, TYPE_STDIN = 5, TYPE_STDOUT = 6, TYPE_STDERR = 7,
	ROLE_RESPONDER = 1, KEEP_CONNECTION = 1, REQUEST = 1,

	FRAME_SIZE = 8,
	RECORD_MAX = 65528,		/* of content: a multiple of 8, so nothing is padded */
	IN_SIZE = 64 * 1024,
	HEAD_MAX = 64 * 1024,
	REQUEST_ID_BYTES = 16,
	PAUSE_MS = 100			/* until a lost request is sent again */
};

struct fcgi_client {
	struct fcgi_dial dial;
	uint64_t patience_ms;
	int fd;				/* -1: not connected */
	bool was_connected;
	size_t at, n;			/* what was received and not taken yet */
	unsigned char in[IN_SIZE];
	unsigned char piece[RECORD_MAX];	/* of a body that comes from a file */
};

struct fcgi_client *fcgi_client_new(struct arena *arena, const struct fcgi_dial *dial, uint64_t patience_ms)
{
	struct fcgi_client *client = arena_alloc(arena, sizeof *client);

	if (client == NULL)
		abort();
	client->dial = *dial;
	client->patience_ms = patience_ms;
	client->fd = -1;
	client->was_connected = false;
	client->at = client->n = 0;
	return client;
}

static void hang_up(struct fcgi_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->at = client->n = 0;
}

void fcgi_client_close(struct fcgi_client *client)
{
	if (client != NULL)
		hang_up(client);
}

/* A kept connection on which something has come, or its end, is not one for another request. */
static bool is_usable(const struct fcgi_client *client)
{
	char byte;

	return client->fd >= 0 && client->at == client->n &&
	       recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
}

static enum fcgi_end connect_if_needed(struct fcgi_client *client)
{
	if (is_usable(client))
		return FCGI_DONE;
	hang_up(client);
	if (!client->dial.dial(client->dial.arg, client->was_connected, &client->fd))
		return FCGI_NO_SERVER;
	client->was_connected = true;
	return FCGI_DONE;
}

/* --- sending --- */

static void frame_write(unsigned char *p, int type, size_t n)
{
	p[0] = 1;		/* version */
	p[1] = (unsigned char)type;
	p[2] = 0;
	p[3] = REQUEST;
	p[4] = (unsigned char)(n >> 8);
	p[5] = (unsigned char)n;
	p[6] = 0;
	p[7] = 0;
}

static enum fcgi_end send_all(int fd, struct iovec *iov, size_t n_iov)
{
	while (n_iov != 0) {
		const struct msghdr message = { .msg_iov = iov, .msg_iovlen = n_iov };
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return FCGI_LOST;
		for (; n_iov != 0 && (size_t)sent >= iov->iov_len; iov++, n_iov--)
			sent -= (ssize_t)iov->iov_len;
		if (n_iov != 0) {
			iov->iov_base = (char *)iov->iov_base + sent;
			iov->iov_len -= (size_t)sent;
		}
	}
	return FCGI_DONE;
}

/* A record; one without content ends its stream. */
static enum fcgi_end send_record(struct fcgi_client *client, int type, struct str content)
{
	unsigned char frame[FRAME_SIZE];
	struct iovec iov[] = { { frame, sizeof frame }, { (void *)(uintptr_t)content.p, content.n } };

	frame_write(frame, type, content.n);
	return send_all(client->fd, iov, content.n == 0 ? 1 : 2);
}

static void add_length(struct buf *buf, size_t n)
{
	const unsigned char length[] = {
		(unsigned char)(0x80 | n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n
	};

	buf_add(buf, n < 0x80 ? str_make(&length[3], 1) : str_make(length, sizeof length));
}

static void add_param(struct buf *buf, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	add_length(buf, strlen(name));
	add_length(buf, value.n);
	buf_add_c(buf, name);
	buf_add(buf, value);
}

static uint64_t body_size(const struct fcgi_request *request)
{
	return request->body_fd >= 0 ? request->body_size : request->body.n;
}

/* BEGIN_REQUEST and PARAMS, which must fit into one record. */
static enum fcgi_end send_head(struct fcgi_client *client, const struct fcgi_request *request, struct str request_id)
{
	static const char begin[FRAME_SIZE] = { 0, ROLE_RESPONDER, KEEP_CONNECTION };
	char length[24];
	struct buf params;
	enum fcgi_end end;

	snprintf(length, sizeof length, "%llu", (unsigned long long)body_size(request));
	buf_init(&params, request->arena, RECORD_MAX);
	add_param(&params, "REQUEST_METHOD", str_c(request->method));
	add_param(&params, "REQUEST_URI", request->uri);
	add_param(&params, "CONTENT_LENGTH", str_c(length));
	add_param(&params, "CONTENT_TYPE", request->content_type);
	add_param(&params, "REQUEST_ID", request_id);
	if (!buf_ok(&params))
		return FCGI_NO_MEMORY;
	if ((end = send_record(client, TYPE_BEGIN, str_make(begin, sizeof begin))) != FCGI_DONE ||
	    (end = send_record(client, TYPE_PARAMS, buf_str(&params))) != FCGI_DONE)
		return end;
	return send_record(client, TYPE_PARAMS, STR_LIT(""));
}

/* The next piece of the body, which begins at byte AT; never empty. */
static enum fcgi_end body_piece(struct fcgi_client *client, const struct fcgi_request *request, uint64_t at,
				struct str *piece)
{
	uint64_t left = body_size(request) - at;
	size_t n = left < RECORD_MAX ? (size_t)left : RECORD_MAX;
	ssize_t got;

	if (request->body_fd < 0) {
		*piece = str_make(request->body.p + at, n);
		return FCGI_DONE;
	}
	do
		got = pread(request->body_fd, client->piece, n, (off_t)at);
	while (got < 0 && errno == EINTR);
	if (got <= 0) {
		errno = got < 0 ? errno : 0;
		return FCGI_BODY;
	}
	*piece = str_make(client->piece, (size_t)got);
	return FCGI_DONE;
}

static enum fcgi_end send_request(struct fcgi_client *client, const struct fcgi_request *request, struct str request_id)
{
	uint64_t size = body_size(request);
	enum fcgi_end end = send_head(client, request, request_id);
	struct str piece;

	for (uint64_t at = 0; end == FCGI_DONE && at < size; at += piece.n) {
		end = body_piece(client, request, at, &piece);
		if (end == FCGI_DONE)
			end = send_record(client, TYPE_STDIN, piece);
	}
	return end == FCGI_DONE ? send_record(client, TYPE_STDIN, STR_LIT("")) : end;
}

/* --- receiving --- */

/* An answer on its way in. */
struct receiving {
	const struct fcgi_request *request;
	struct fcgi_answer *answer;
	struct buf head, body;
	bool has_head;
	off_t out_from;			/* of to_fd: where the body begins */
};

/* Some of what has come, N bytes at most. */
static enum fcgi_end take(struct fcgi_client *client, size_t n, struct str *piece)
{
	while (client->at == client->n) {
		ssize_t got = recv(client->fd, client->in, sizeof client->in, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return FCGI_LOST;
		client->at = 0;
		client->n = (size_t)got;
	}
	if (n > client->n - client->at)
		n = client->n - client->at;
	*piece = str_make(client->in + client->at, n);
	client->at += n;
	return FCGI_DONE;
}

/* N bytes of that into P; P may be NULL. */
static enum fcgi_end take_all(struct fcgi_client *client, unsigned char *p, size_t n)
{
	enum fcgi_end end;
	struct str piece;

	for (; n != 0; n -= piece.n) {
		if ((end = take(client, n, &piece)) != FCGI_DONE)
			return end;
		if (p == NULL)
			continue;
		memcpy(p, piece.p, piece.n);
		p += piece.n;
	}
	return FCGI_DONE;
}

struct str fcgi_header(const struct fcgi_answer *answer, const char *name)
{
	struct str rest = answer->head, line, key, value;

	while (rest.n != 0) {
		str_cut(rest, '\n', &line, &rest);
		if (!str_cut(line, ':', &key, &value) || !str_eq_nocase(key, str_c(name)))
			continue;
		while (value.n != 0 && value.p[0] == ' ')
			value = str_skip(value, 1);
		if (value.n != 0 && value.p[value.n - 1] == '\r')
			value.n--;
		return value;
	}
	return STR_LIT("");
}

/* The head is whole: "Status: 200 OK", or without one 200, as CGI has it. */
static bool read_head(struct receiving *receiving)
{
	struct str status, rest;
	uint64_t number = 200;

	receiving->answer->head = buf_str(&receiving->head);
	receiving->has_head = true;
	str_cut(fcgi_header(receiving->answer, "Status"), ' ', &status, &rest);
	if (status.n != 0 && !str_to_u64(status, 100, 599, &number))
		return false;
	receiving->answer->status = (int)number;
	return true;
}

static enum fcgi_end write_all(int fd, struct str piece)
{
	while (piece.n != 0) {
		ssize_t n = write(fd, piece.p, piece.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return FCGI_OUT;
		piece = str_skip(piece, (size_t)n);
	}
	return FCGI_DONE;
}

static enum fcgi_end take_body(struct receiving *receiving, struct str piece)
{
	const struct fcgi_request *request = receiving->request;

	receiving->answer->size += piece.n;
	if (request->to_fd >= 0 && receiving->answer->status == 200)
		return write_all(request->to_fd, piece);
	if (receiving->answer->size > request->max)
		return FCGI_TOO_LARGE;
	buf_add(&receiving->body, piece);
	return buf_ok(&receiving->body) ? FCGI_DONE : FCGI_NO_MEMORY;
}

/* A piece of STDOUT: of the head, of the body, or of both. */
static enum fcgi_end take_stdout(struct receiving *receiving, struct str piece)
{
	struct buf *head = &receiving->head;
	size_t before = head->n < 3 ? 0 : head->n - 3, n;	/* the empty line may be cut by a record */
	const char *end;

	if (receiving->has_head)
		return take_body(receiving, piece);
	n = piece.n < HEAD_MAX - head->n ? piece.n : HEAD_MAX - head->n;
	buf_add(head, str_make(piece.p, n));
	if (!buf_ok(head))
		return FCGI_NO_MEMORY;
	end = memmem(head->p + before, head->n - before, "\r\n\r\n", 4);
	if (end == NULL)
		return head->n == HEAD_MAX ? FCGI_GARBLED : FCGI_DONE;
	/* What stands behind it in this piece is body. */
	n -= head->n - (size_t)(end + 4 - head->p);
	head->n = (size_t)(end + 4 - head->p);
	if (!read_head(receiving))
		return FCGI_GARBLED;
	piece = str_skip(piece, n);
	return piece.n == 0 ? FCGI_DONE : take_body(receiving, piece);
}

static enum fcgi_end take_content(struct fcgi_client *client, struct receiving *receiving, size_t n)
{
	enum fcgi_end end = FCGI_DONE;
	struct str piece;

	for (; end == FCGI_DONE && n != 0; n -= piece.n) {
		if ((end = take(client, n, &piece)) == FCGI_DONE)
			end = take_stdout(receiving, piece);
	}
	return end;
}

/* The content of END_REQUEST. An answer that says its length has it. */
static enum fcgi_end take_end(struct fcgi_client *client, struct receiving *receiving, size_t n)
{
	unsigned char body[FRAME_SIZE];
	struct str length;
	uint64_t size;
	enum fcgi_end end;

	if (n != sizeof body)
		return FCGI_GARBLED;
	if ((end = take_all(client, body, sizeof body)) != FCGI_DONE)
		return end;
	if (body[4] != 0 || !receiving->has_head)
		return FCGI_GARBLED;
	length = fcgi_header(receiving->answer, "Content-Length");
	if (length.n != 0 && (!str_to_u64(length, 0, UINT64_MAX, &size) || size != receiving->answer->size))
		return FCGI_LOST;
	receiving->answer->body = buf_str(&receiving->body);
	return FCGI_DONE;
}

static enum fcgi_end receive(struct fcgi_client *client, struct receiving *receiving)
{
	unsigned char frame[FRAME_SIZE];
	enum fcgi_end end;

	for (;;) {
		size_t n, padding;
		int id;

		if ((end = take_all(client, frame, sizeof frame)) != FCGI_DONE)
			return end;
		id = frame[2] << 8 | frame[3];
		n = (size_t)frame[4] << 8 | frame[5];
		padding = frame[6];
		if (frame[0] != 1 || (id != 0 && id != REQUEST))
			return FCGI_GARBLED;
		if (id == 0 || frame[1] == TYPE_STDERR)
			end = take_all(client, NULL, n);
		else if (frame[1] == TYPE_STDOUT)
			end = take_content(client, receiving, n);
		else if (frame[1] == TYPE_END)
			end = take_end(client, receiving, n);
		else
			end = FCGI_GARBLED;
		if (end == FCGI_DONE)
			end = take_all(client, NULL, padding);
		if (end != FCGI_DONE || (id != 0 && frame[1] == TYPE_END))
			return end;
	}
}

/* --- one request --- */

/* What an answer that was lost has left in the file goes away. */
static enum fcgi_end rewind_out(const struct receiving *receiving)
{
	int fd = receiving->request->to_fd;

	if (fd < 0 || receiving->answer->size == 0)
		return FCGI_DONE;
	if (lseek(fd, receiving->out_from, SEEK_SET) < 0 || ftruncate(fd, receiving->out_from) != 0)
		return FCGI_OUT;
	return FCGI_DONE;
}

static enum fcgi_end exchange(struct fcgi_client *client, const struct fcgi_request *request, struct str request_id,
			      struct fcgi_answer *answer)
{
	struct receiving receiving = {
		.request = request, .answer = answer,
		.out_from = request->to_fd < 0 ? 0 : lseek(request->to_fd, 0, SEEK_CUR)
	};
	enum fcgi_end end, undo;
	int error;

	*answer = (struct fcgi_answer){ .status = 0 };
	buf_init(&receiving.head, request->arena, HEAD_MAX);
	buf_init(&receiving.body, request->arena, request->max);
	if (receiving.out_from < 0)
		return FCGI_OUT;
	if ((end = connect_if_needed(client)) != FCGI_DONE)
		return end;
	if ((end = send_request(client, request, request_id)) == FCGI_DONE)
		end = receive(client, &receiving);
	if (end == FCGI_DONE)
		return end;
	/* Whatever else comes on it belongs to nothing any more. */
	error = errno;
	hang_up(client);
	undo = rewind_out(&receiving);
	if (undo != FCGI_DONE)
		return undo;
	errno = error;
	return end;
}

enum fcgi_end fcgi_ask(struct fcgi_client *client, const struct fcgi_request *request, struct fcgi_answer *answer)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	uint8_t random[REQUEST_ID_BYTES];
	char request_id[2 * REQUEST_ID_BYTES];
	uint64_t until_us = 0;
	enum fcgi_end end;

	rand_bytes(random, sizeof random);
	hex_encode(random, sizeof random, request_id);
	for (;;) {
		end = exchange(client, request, str_make(request_id, sizeof request_id), answer);
		if (end != FCGI_LOST && (end != FCGI_DONE || answer->status != 503))
			return end;
		if (until_us == 0)
			until_us = clock_mono_us() + client->patience_ms * 1000;
		if (clock_mono_us() >= until_us)
			return end;
		nanosleep(&pause, NULL);
	}
}
