/*
 * reply.c - status, headers and body out, as FastCGI records of our own.
 *
 * libfcgi would copy everything through 8 KB buffers with a write() for each. Here the records
 * are only framed: headers of 8 bytes between pieces of the body where they lie, one sendmsg() for
 * all of it; and a small reply is copied into one piece, which costs less than to tell the kernel of six.
 * What libfcgi would have written behind (the end of the stream, END_REQUEST) is in it, so
 * the request is afterwards released with FCGX_Free() and libfcgi writes nothing.
 *
 * The thread that runs the request.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/jtext.h"
#include "http/reply.h"

enum {
	FRAME_SIZE = 8,
	/* The largest content of a record that is a multiple of 8, so that only the last one needs padding. */
	RECORD_MAX = 65528,

	TYPE_END_REQUEST = 3,
	TYPE_STDOUT = 6,
	TYPE_UNKNOWN = 11,	/* a management record: "a type I do not know"; everybody ignores it */

	/* Padding, end of the stream, END_REQUEST, and the record behind it. */
	TAIL_MAX = 7 + FRAME_SIZE + 2 * FRAME_SIZE + 2 * FRAME_SIZE,

	/* Most replies are framed on the stack, so an error can be told even with a used-up arena. */
	SCRATCH_SIZE = 4096,

	/* A reply that is copied: up to here that costs less. */
	SMALL_SIZE = 4096,

	/* Streams: what is sent in one go, pieces and frames counted. */
	FLOW_IOV = 64
};

void reply_init(struct reply *reply)
{
	reply->status = 200;
	reply->reason = NULL;
	reply->content_type = "application/json";
	reply->n_headers = 0;
	reply->n_parts = 0;
	reply->next = NULL;
	reply->stream_length = 0;
	reply->without_body = false;
}

static bool is_header_value(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == '\r' || value.p[i] == '\n' || value.p[i] == '\0')
			return false;
	return true;
}

void reply_header(struct reply *reply, const char *name, struct str value)
{
	assert(reply->n_headers < REPLY_HEADERS_MAX);
	assert(is_header_value(value));
	reply->headers[reply->n_headers++] = (struct reply_header){ name, value };
}

void reply_part(struct reply *reply, struct str part)
{
	assert(reply->n_parts < REPLY_PARTS_MAX);
	reply->parts[reply->n_parts++] = part;
}

void reply_stream(struct reply *reply, uint64_t length, reply_next *next, void *arg)
{
	assert(reply->next == NULL);
	reply->next = next;
	reply->next_arg = arg;
	reply->stream_length = length;
	reply->stream_at = reply->n_parts;
}

void reply_data(struct reply *reply, struct str data)
{
	reply_part(reply, STR_LIT(REPLY_DATA_BEGIN));
	reply_part(reply, data);
	reply_part(reply, STR_LIT(REPLY_DATA_END));
}

/* A header that says the same to every client, unless somebody has said better. */
static void header_once(struct reply *reply, const char *name, struct str value)
{
	for (size_t i = 0; i < reply->n_headers; i++)
		if (str_eq_nocase(str_c(reply->headers[i].name), str_c(name)))
			return;
	reply_header(reply, name, value);
}

/* DETAIL between quotes; empty when there is none, no memory for it, or it is no text. */
static struct str quoted_detail(struct str detail, struct arena *arena)
{
	struct buf buf;

	buf_init(&buf, arena, SCRATCH_SIZE);
	if (detail.n != 0 && str_is_utf8(detail)) {
		jtext_quote(&buf, detail);
		if (buf_ok(&buf))
			return buf_str(&buf);
	}
	return str_make(NULL, 0);
}

void reply_begin_error(struct reply *reply, int status)
{
	reply->status = status;
	reply->reason = NULL;
	reply->content_type = "application/json";
	reply->n_parts = 0;
	reply->next = NULL;
	reply->stream_length = 0;
	if (status == 401)
		header_once(reply, "WWW-Authenticate", STR_LIT("Bearer realm=\"tmakv\""));
	if (status == 429 || status == 503)
		header_once(reply, "Retry-After", STR_LIT("1"));
}

void reply_error(struct reply *reply, enum rc rc, struct str detail, struct arena *arena)
{
	const struct rc_info *info = rc_info(rc);
	struct str sentence = quoted_detail(detail, arena);

	reply_begin_error(reply, info->status);
	if (sentence.n != 0) {
		reply_part(reply, STR_LIT("{\"success\":false,\"error\":"));
		reply_part(reply, sentence);
		reply_part(reply, STR_LIT(",\"code\":\""));
	} else {
		/* No sentence and no word of the table needs escaping; a test holds that. */
		reply_part(reply, STR_LIT("{\"success\":false,\"error\":\""));
		reply_part(reply, str_c(info->text));
		reply_part(reply, STR_LIT("\",\"code\":\""));
	}
	reply_part(reply, str_c(info->code));
	reply_part(reply, STR_LIT("\"}"));
}

uint64_t reply_length(const struct reply *reply)
{
	uint64_t n = reply->stream_length;

	for (size_t i = 0; i < reply->n_parts; i++)
		n += reply->parts[i].n;
	return n;
}

/* --- the head --- */

/* The words of RFC 9110 behind a status. The front server passes on what it gets, and HTTP/1.1 wants some. */
static const struct { int status; struct str words; } reasons[] = {
	{ 200, { "OK", 2 } },
	{ 201, { "Created", 7 } },
	{ 204, { "No Content", 10 } },
	{ 304, { "Not Modified", 12 } },
	{ 400, { "Bad Request", 11 } },
	{ 401, { "Unauthorized", 12 } },
	{ 403, { "Forbidden", 9 } },
	{ 404, { "Not Found", 9 } },
	{ 405, { "Method Not Allowed", 18 } },
	{ 406, { "Not Acceptable", 14 } },
	{ 409, { "Conflict", 8 } },
	{ 412, { "Precondition Failed", 19 } },
	{ 413, { "Content Too Large", 17 } },
	{ 414, { "URI Too Long", 12 } },
	{ 415, { "Unsupported Media Type", 22 } },
	{ 429, { "Too Many Requests", 17 } },
	{ 431, { "Request Header Fields Too Large", 31 } },
	{ 500, { "Internal Server Error", 21 } },
	{ 503, { "Service Unavailable", 19 } },
	{ 504, { "Gateway Timeout", 15 } },
	{ 507, { "Insufficient Storage", 20 } },
};

static struct str reason_of(const struct reply *reply)
{
	if (reply->reason != NULL)
		return str_c(reply->reason);
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == reply->status)
			return reasons[i].words;
	return STR_LIT("Status");
}

static char *put(char *p, struct str s)
{
	if (s.n != 0)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

static char *put_number(char *p, uint64_t value)
{
	char digits[STR_U64_MAX];

	return put(p, str_make(digits, str_from_u64(value, digits)));
}

static char *put_header(char *p, struct str name, struct str value)
{
	p = put(p, name);
	p = put(p, STR_LIT(": "));
	p = put(p, value);
	return put(p, STR_LIT("\r\n"));
}

/* At least the bytes head_write() writes. */
static size_t head_room(const struct reply *reply)
{
	size_t n = sizeof "Status: 200 \r\nContent-Type: \r\nContent-Length: 18446744073709551615\r\n\r\n";

	n += reason_of(reply).n + str_c(reply->content_type).n;
	for (size_t i = 0; i < reply->n_headers; i++)
		n += str_c(reply->headers[i].name).n + reply->headers[i].value.n + 4;
	return n;
}

static size_t head_write(const struct reply *reply, char *head)
{
	char *p = put(head, STR_LIT("Status: "));

	assert(reply->status >= 100 && reply->status <= 599);
	assert(is_header_value(reason_of(reply)));
	p = put_number(p, (uint64_t)reply->status);
	p = put(p, STR_LIT(" "));
	p = put(p, reason_of(reply));
	p = put(p, STR_LIT("\r\n"));
	if (reply->content_type != NULL) {
		p = put_header(p, STR_LIT("Content-Type"), str_c(reply->content_type));
		p = put(p, STR_LIT("Content-Length: "));
		p = put_number(p, reply_length(reply));
		p = put(p, STR_LIT("\r\n"));
	}
	for (size_t i = 0; i < reply->n_headers; i++)
		p = put_header(p, str_c(reply->headers[i].name), reply->headers[i].value);
	p = put(p, STR_LIT("\r\n"));
	return (size_t)(p - head);
}

/* --- records --- */

/* A reply on its way to the wire: its pieces, with the frames of the records between them. */
struct wire {
	struct iovec *iov;
	size_t n_iov;
	unsigned char *next_frame;
	int request_id;
	uint64_t content;	/* bytes of content still to come */
	size_t record;		/* of those, bytes the open record still takes */
};

static void frame_write(unsigned char *p, int type, int request_id, size_t n, size_t padding)
{
	p[0] = 1;		/* version */
	p[1] = (unsigned char)type;
	p[2] = (unsigned char)(request_id >> 8);
	p[3] = (unsigned char)request_id;
	p[4] = (unsigned char)(n >> 8);
	p[5] = (unsigned char)n;
	p[6] = (unsigned char)padding;
	p[7] = 0;
}

static size_t padding_of(uint64_t n)
{
	return (size_t)((8 - n % 8) % 8);
}

static void wire_add(struct wire *wire, const void *p, size_t n)
{
	wire->iov[wire->n_iov++] = (struct iovec){ (void *)(uintptr_t)p, n };
}

/* PIECE, with a new record begun wherever the open one is full. */
static void wire_add_content(struct wire *wire, struct str piece)
{
	while (piece.n != 0) {
		size_t n;

		if (wire->record == 0) {
			wire->record = wire->content < RECORD_MAX ? (size_t)wire->content : RECORD_MAX;
			frame_write(wire->next_frame, TYPE_STDOUT, wire->request_id, wire->record,
				    padding_of(wire->record));
			wire_add(wire, wire->next_frame, FRAME_SIZE);
			wire->next_frame += FRAME_SIZE;
		}
		n = piece.n < wire->record ? piece.n : wire->record;
		wire_add(wire, piece.p, n);
		wire->record -= n;
		wire->content -= n;
		piece = str_skip(piece, n);
	}
}

/* What follows the content: its padding, the end of the stream, the end of the request. */
static size_t tail_write(unsigned char *tail, size_t padding, int request_id, enum reply_end end)
{
	unsigned char *p = tail;

	memset(tail, 0, TAIL_MAX);
	p += padding;
	frame_write(p, TYPE_STDOUT, request_id, 0, 0);
	p += FRAME_SIZE;
	/* Its body of zeros: application status 0, request complete. */
	frame_write(p, TYPE_END_REQUEST, request_id, FRAME_SIZE, 0);
	p += 2 * FRAME_SIZE;
	if (end == REPLY_LAST) {
		frame_write(p, TYPE_UNKNOWN, 0, FRAME_SIZE, 0);
		p += 2 * FRAME_SIZE;
	}
	return (size_t)(p - tail);
}

/* FLAGS: 0, and the socket's timeout is how long it may take; or MSG_DONTWAIT, and REST is what was not taken. */
static enum reply_sent send_some(int fd, struct reply_rest *rest, int flags)
{
	while (rest->n_iov != 0) {
		struct msghdr message = {
			.msg_iov = rest->iov,
			.msg_iovlen = rest->n_iov < IOV_MAX ? rest->n_iov : IOV_MAX
		};
		ssize_t sent = rest->n_iov == 1 ?
			send(fd, rest->iov->iov_base, rest->iov->iov_len, MSG_NOSIGNAL | flags) :
			sendmsg(fd, &message, MSG_NOSIGNAL | flags);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return flags != 0 && errno == EAGAIN ? REPLY_WAITS : REPLY_LOST;
		while (rest->n_iov != 0 && (size_t)sent >= rest->iov->iov_len) {
			sent -= (ssize_t)rest->iov->iov_len;
			rest->iov++;
			rest->n_iov--;
		}
		if (rest->n_iov != 0) {
			rest->iov->iov_base = (char *)rest->iov->iov_base + sent;
			rest->iov->iov_len -= (size_t)sent;
		}
	}
	return REPLY_SENT;
}

static bool send_all(int fd, struct iovec *iov, size_t n_iov)
{
	struct reply_rest rest = { iov, n_iov };

	return send_some(fd, &rest, 0) == REPLY_SENT;
}

/* REST, which lies in the SIZE bytes at FROM, moves to ARENA: FROM ends with the function that has it. */
static bool rest_move(struct reply_rest *rest, const char *from, size_t size, struct arena *arena)
{
	char *to = arena_alloc(arena, size);

	if (to == NULL)
		return false;
	memcpy(to, from, size);
	rest->iov = (struct iovec *)(void *)(to + ((const char *)rest->iov - from));
	for (size_t i = 0; i < rest->n_iov; i++) {
		const char *base = rest->iov[i].iov_base;

		if (base >= from && base < from + size)
			rest->iov[i].iov_base = to + (base - from);
	}
	return true;
}

/* As send_whole(), for what is no more than a page: one record, its pieces one behind the other. */
static enum reply_sent send_small(FCGX_Request *fcgi, const struct reply *reply, size_t body, enum reply_end end,
				  struct arena *arena, int flags, struct reply_rest *rest)
{
	_Alignas(16) char scratch[SMALL_SIZE];
	struct iovec *iov = (struct iovec *)(void *)scratch;
	char *frame = scratch + sizeof *iov, *p = frame + FRAME_SIZE;
	size_t n = head_write(reply, p) + body;
	enum reply_sent sent;

	p += n - body;
	for (size_t i = 0; body != 0 && i < reply->n_parts; i++)
		p = put(p, reply->parts[i]);
	frame_write((unsigned char *)frame, TYPE_STDOUT, fcgi->requestId, n, padding_of(n));
	p += tail_write((unsigned char *)p, padding_of(n), fcgi->requestId, end);
	*iov = (struct iovec){ frame, (size_t)(p - frame) };
	*rest = (struct reply_rest){ iov, 1 };
	sent = send_some(fcgi->ipcFd, rest, flags);
	if (sent == REPLY_WAITS && !rest_move(rest, scratch, sizeof scratch, arena))
		return REPLY_LOST;
	return sent;
}

static bool is_small(const struct reply *reply, size_t body)
{
	const size_t most = SMALL_SIZE - sizeof(struct iovec) - FRAME_SIZE - TAIL_MAX;

	return body <= most && head_room(reply) <= most - body;
}

/* Everything is in memory, BODY bytes of it besides the head: one sendmsg(). */
static enum reply_sent send_whole(FCGX_Request *fcgi, const struct reply *reply, size_t body, enum reply_end end,
				  struct arena *arena, int flags, struct reply_rest *rest)
{
	size_t room = head_room(reply);
	size_t n_records = (room + body) / RECORD_MAX + 1;
	/* Per record its frame and one piece cut in two; every part; head and tail. */
	size_t n_iov = 2 * n_records + reply->n_parts + 2;
	size_t size = n_iov * sizeof(struct iovec) + n_records * FRAME_SIZE + TAIL_MAX + room;
	_Alignas(16) char scratch[SCRATCH_SIZE];
	char *p = size <= sizeof scratch ? scratch : arena_alloc(arena, size);
	struct wire wire = { .request_id = fcgi->requestId };
	enum reply_sent sent;
	unsigned char *tail;
	size_t n_head, n_tail;
	char *head;

	if (p == NULL)
		return REPLY_LOST;
	wire.iov = (struct iovec *)(void *)p;
	wire.next_frame = (unsigned char *)(wire.iov + n_iov);
	tail = wire.next_frame + n_records * FRAME_SIZE;
	head = (char *)tail + TAIL_MAX;

	n_head = head_write(reply, head);
	n_tail = tail_write(tail, padding_of(n_head + body), fcgi->requestId, end);
	wire.content = n_head + body;
	wire_add_content(&wire, str_make(head, n_head));
	for (size_t i = 0; body != 0 && i < reply->n_parts; i++)
		wire_add_content(&wire, reply->parts[i]);
	wire_add(&wire, tail, n_tail);
	assert(wire.n_iov <= n_iov);
	*rest = (struct reply_rest){ wire.iov, wire.n_iov };
	sent = send_some(fcgi->ipcFd, rest, flags);
	if (sent == REPLY_WAITS && p == scratch && !rest_move(rest, scratch, size, arena))
		return REPLY_LOST;
	return sent;
}

/* --- a streamed body --- */

/* A wire that is sent whenever it has no room for more: memory does not grow with the body. */
struct flow {
	struct wire wire;
	int fd;
	struct iovec iov[FLOW_IOV];
	unsigned char frames[FLOW_IOV * FRAME_SIZE];
};

static void flow_begin(struct flow *flow)
{
	flow->wire.iov = flow->iov;
	flow->wire.n_iov = 0;
	flow->wire.next_frame = flow->frames;
}

static bool flow_send(struct flow *flow)
{
	bool sent = send_all(flow->fd, flow->iov, flow->wire.n_iov);

	flow_begin(flow);
	return sent;
}

/* Sent at the latest by the next flow_send(): what PIECE points at must live until then. */
static bool flow_add(struct flow *flow, struct str piece)
{
	while (piece.n != 0) {
		size_t n = piece.n < RECORD_MAX ? piece.n : RECORD_MAX;

		/* N bytes lie in two records at most, each with its frame. */
		if (flow->wire.n_iov + 4 > FLOW_IOV && !flow_send(flow))
			return false;
		wire_add_content(&flow->wire, str_make(piece.p, n));
		piece = str_skip(piece, n);
	}
	return true;
}

/*
 * All of the stream onto the wire but its last byte, which goes to *LAST: nobody gets the whole of it
 * before the source has said that there is no more. False when it hands out another number of bytes.
 */
static bool flow_add_stream(struct flow *flow, const struct reply *reply, char *last)
{
	uint64_t rest = reply->stream_length;
	struct str piece;

	while (rest != 0) {
		if (!reply->next(reply->next_arg, &piece) || piece.n == 0 || piece.n > rest)
			return false;
		rest -= piece.n;
		if (rest == 0)
			*last = piece.p[--piece.n];
		if (!flow_add(flow, piece) || !flow_send(flow))
			return false;
	}
	return reply->next(reply->next_arg, &piece) && piece.n == 0;
}

static bool flow_add_parts(struct flow *flow, const struct reply *reply, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (!flow_add(flow, reply->parts[i]))
			return false;
	return true;
}

static bool send_streamed(FCGX_Request *fcgi, const struct reply *reply, enum reply_end end,
			  struct arena *arena)
{
	struct flow flow = { .wire = { .request_id = fcgi->requestId }, .fd = fcgi->ipcFd };
	char *head = arena_alloc(arena, head_room(reply)), last = '\0';
	unsigned char tail[TAIL_MAX];
	size_t n_head, n_tail;

	if (head == NULL)
		return false;
	n_head = head_write(reply, head);
	flow.wire.content = n_head + reply_length(reply);
	n_tail = tail_write(tail, padding_of(flow.wire.content), fcgi->requestId, end);
	flow_begin(&flow);
	if (!flow_add(&flow, str_make(head, n_head)) ||
	    !flow_add_parts(&flow, reply, 0, reply->stream_at) ||
	    !flow_add_stream(&flow, reply, &last) ||
	    !flow_add(&flow, str_make(&last, reply->stream_length != 0)) ||
	    !flow_add_parts(&flow, reply, reply->stream_at, reply->n_parts) ||
	    (flow.wire.n_iov == FLOW_IOV && !flow_send(&flow)))
		return false;
	wire_add(&flow.wire, tail, n_tail);
	return flow_send(&flow);
}

static size_t body_length(const struct reply *reply)
{
	return reply->without_body || reply->content_type == NULL ? 0 : (size_t)reply_length(reply);
}

/* What is no stream. */
static enum reply_sent send_held(FCGX_Request *fcgi, const struct reply *reply, enum reply_end end,
				 struct arena *arena, int flags, struct reply_rest *rest)
{
	size_t body = body_length(reply);

	return (is_small(reply, body) ? send_small : send_whole)(fcgi, reply, body, end, arena, flags, rest);
}

bool reply_send(FCGX_Request *fcgi, const struct reply *reply, enum reply_end end,
		struct arena *arena)
{
	struct reply_rest rest;

	if (reply->next != NULL && !reply->without_body && reply->content_type != NULL)
		return send_streamed(fcgi, reply, end, arena);
	return send_held(fcgi, reply, end, arena, 0, &rest) == REPLY_SENT;
}

enum reply_sent reply_send_now(FCGX_Request *fcgi, const struct reply *reply, enum reply_end end,
			       struct arena *arena, struct reply_rest *rest)
{
	assert(reply->next == NULL || reply->without_body);
	return send_held(fcgi, reply, end, arena, MSG_DONTWAIT, rest);
}

enum reply_sent reply_send_rest(int fd, struct reply_rest *rest)
{
	return send_some(fd, rest, MSG_DONTWAIT);
}
