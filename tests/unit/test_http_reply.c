/*
 * test_http_reply.c - replies as they arrive at the other end of a socket, taken apart again.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/jtext.h"
#include "fcgi_wire.h"
#include "http/reply.h"

enum { CEILING = 1 << 20, REQUEST_ID = 0x0102 };

/* A socket with a thread at its far end that keeps what comes. */
struct fixture {
	FCGX_Request fcgi;
	int far;
	pthread_t reader;
	struct bytes got;
	struct arena *arena;
	struct reply reply;
	struct wire_answer answer;
};

static void *reader_run(void *arg)
{
	struct fixture *f = arg;
	char piece[5000];
	ssize_t n;

	while ((n = read(f->far, piece, sizeof piece)) > 0)
		bytes_add(&f->got, piece, (size_t)n);
	return NULL;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	int fds[2];

	if (f == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		return -1;
	f->fcgi.ipcFd = fds[0];
	f->fcgi.requestId = REQUEST_ID;
	f->far = fds[1];
	f->arena = arena_new(CEILING);
	reply_init(&f->reply);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->fcgi.ipcFd >= 0)
		close(f->fcgi.ipcFd);
	close(f->far);
	wire_answer_free(&f->answer);
	bytes_free(&f->got);
	arena_free(f->arena);
	free(f);
	return 0;
}

static void send_reply(struct fixture *f, enum reply_end end)
{
	pthread_create(&f->reader, NULL, reader_run, f);
	assert_true(reply_send(&f->fcgi, &f->reply, end, f->arena));
	close(f->fcgi.ipcFd);
	f->fcgi.ipcFd = -1;
	pthread_join(f->reader, NULL);
	assert_true(wire_answer_read(&f->answer, f->got.p, f->got.n));
	assert_true(f->answer.ended);
	assert_true(f->answer.out_ended);
	assert_true(f->answer.padded);
	assert_int_equal(f->answer.protocol_status, 0);
	assert_int_equal(f->answer.id, REQUEST_ID);
}

static void assert_header(struct fixture *f, const char *name, const char *expected)
{
	char value[256];

	if (expected == NULL) {
		assert_false(wire_header(&f->answer, name, value, sizeof value));
		return;
	}
	assert_true(wire_header(&f->answer, name, value, sizeof value));
	assert_string_equal(value, expected);
}

static struct str body_of(struct fixture *f)
{
	return str_make(f->answer.out.p + f->answer.head, f->answer.out.n - f->answer.head);
}

static void a_small_reply_has_status_type_length_and_body(void **state)
{
	struct fixture *f = *state;

	reply_data(&f->reply, STR_LIT("null"));
	reply_header(&f->reply, "ETag", STR_LIT("\"17\""));
	send_reply(f, REPLY_KEEP);
	assert_header(f, "Status", "200 OK");
	assert_header(f, "Content-Type", "application/json");
	assert_header(f, "Content-Length", "28");
	assert_header(f, "ETag", "\"17\"");
	assert_true(str_eq(body_of(f), STR_LIT("{\"success\":true,\"data\":null}")));
	assert_int_equal(f->answer.n_records, 1);
	assert_int_equal(f->answer.behind, 0);
}

static void every_outcome_has_its_words(void **state)
{
	for (int rc = 0; rc < RC__COUNT; rc++) {
		struct fixture *f;
		char status[64];

		if (rc_info((enum rc)rc)->status == 0)
			continue;
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		f = *state;
		reply_error(&f->reply, (enum rc)rc, str_make(NULL, 0), f->arena);
		send_reply(f, REPLY_KEEP);
		assert_true(wire_header(&f->answer, "Status", status, sizeof status));
		assert_int_equal(atoi(status), rc_info((enum rc)rc)->status);
		assert_string_not_equal(status + 4, "Status");
	}
}

static void a_reply_can_choose_its_words(void **state)
{
	struct fixture *f = *state;

	f->reply.status = 404;
	f->reply.reason = "Not Found: the key";
	send_reply(f, REPLY_KEEP);
	assert_header(f, "Status", "404 Not Found: the key");
}

/* A body of N bytes of which each tells its place arrives whole. */
static void check_size(struct fixture *f, size_t n)
{
	char *value = malloc(n + 1);
	char length[24];
	struct str body;

	assert_non_null(value);
	for (size_t i = 0; i < n; i++)
		value[i] = (char)(i * 7 + i / 251);
	reply_part(&f->reply, STR_LIT("<"));
	reply_part(&f->reply, str_make(value, n));
	reply_part(&f->reply, STR_LIT(">"));
	send_reply(f, REPLY_KEEP);

	snprintf(length, sizeof length, "%zu", n + 2);
	assert_header(f, "Content-Length", length);
	body = body_of(f);
	assert_int_equal(body.n, n + 2);
	assert_int_equal(body.p[0], '<');
	assert_memory_equal(body.p + 1, value, n);
	assert_int_equal(body.p[n + 1], '>');
	assert_int_equal(f->answer.n_records, (f->answer.out.n + 65527) / 65528);
	free(value);
}

static void a_body_of_0_bytes_arrives(void **state)      { check_size(*state, 0); }
static void a_body_of_1_byte_arrives(void **state)       { check_size(*state, 1); }
static void a_body_of_65535_bytes_arrives(void **state)  { check_size(*state, 65535); }
static void a_body_of_65536_bytes_arrives(void **state)  { check_size(*state, 65536); }
static void a_body_of_131072_bytes_arrives(void **state) { check_size(*state, 131072); }

/* More pieces than one system call takes. */
static void a_body_of_40_megabytes_arrives(void **state) { check_size(*state, 40 << 20); }

/* Every length around the end of the first record, so that head and parts are cut at every place. */
static void bodies_that_end_near_the_end_of_a_record_arrive(void **state)
{
	for (size_t n = 65528 - 100; n < 65528 + 20; n++) {
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		check_size(*state, n);
	}
}

/* Up to about here a reply is sent as one piece. */
static void bodies_about_as_long_as_a_page_arrive(void **state)
{
	for (size_t n = 4096 - 400; n < 4096 + 20; n++) {
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		check_size(*state, n);
	}
}

static void all_remainders_are_padded(void **state)
{
	for (size_t n = 0; n < 9; n++) {
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		check_size(*state, n);
	}
}

static void a_head_reply_tells_the_length_and_sends_nothing(void **state)
{
	struct fixture *f = *state;

	reply_data(&f->reply, STR_LIT("null"));
	f->reply.without_body = true;
	send_reply(f, REPLY_KEEP);
	assert_header(f, "Content-Length", "28");
	assert_int_equal(body_of(f).n, 0);
}

static void a_204_has_neither_type_nor_length(void **state)
{
	struct fixture *f = *state;

	f->reply.status = 204;
	f->reply.content_type = NULL;
	send_reply(f, REPLY_KEEP);
	assert_header(f, "Status", "204 No Content");
	assert_header(f, "Content-Type", NULL);
	assert_header(f, "Content-Length", NULL);
	assert_int_equal(body_of(f).n, 0);
}

static void the_last_reply_has_a_record_behind_its_end(void **state)
{
	struct fixture *f = *state;
	const unsigned char *behind;

	reply_data(&f->reply, STR_LIT("1"));
	send_reply(f, REPLY_LAST);
	assert_int_equal(f->answer.behind, 16);
	behind = f->got.p + f->got.n - 16;
	assert_int_equal(behind[0], 1);
	assert_int_equal(behind[1], FCGI_TYPE_UNKNOWN);
	assert_int_equal(behind[2] | behind[3], 0);
	assert_int_equal(behind[5], 8);
}

/* --- streams --- */

/* A source of LENGTH bytes in pieces of PIECE, which fails behind FAIL_AT of them. */
struct source {
	size_t length, piece, at;
	size_t fail_at;			/* SIZE_MAX: never */
	unsigned calls;
	char buf[300 * 1000];
};

static char byte_at(size_t i)
{
	return (char)(i * 7 + i / 251);
}

static bool source_next(void *arg, struct str *piece)
{
	struct source *source = arg;
	size_t n = source->length - source->at;

	source->calls++;
	if (source->at >= source->fail_at)
		return false;
	if (n > source->piece)
		n = source->piece;
	/* The last piece is gone once the next one is asked for. */
	memset(source->buf, 0xee, sizeof source->buf);
	for (size_t i = 0; i < n; i++)
		source->buf[i] = byte_at(source->at + i);
	source->at += n;
	*piece = str_make(source->buf, n);
	return true;
}

static struct source *source_new(size_t length, size_t piece)
{
	struct source *source = calloc(1, sizeof *source);

	assert_non_null(source);
	assert_true(piece <= sizeof source->buf);
	source->length = length;
	source->piece = piece;
	source->fail_at = SIZE_MAX;
	return source;
}

/* LENGTH bytes in pieces of PIECE arrive between two parts. */
static void check_stream(void **state, size_t length, size_t piece)
{
	struct source *source = source_new(length, piece);
	struct fixture *f;
	char told[24];
	struct str body;

	assert_int_equal(tear_down(state), 0);
	assert_int_equal(set_up(state), 0);
	f = *state;
	reply_part(&f->reply, STR_LIT("<"));
	reply_stream(&f->reply, length, source_next, source);
	reply_part(&f->reply, STR_LIT("/"));
	reply_part(&f->reply, STR_LIT(">"));
	assert_int_equal(reply_length(&f->reply), length + 3);
	send_reply(f, REPLY_KEEP);
	snprintf(told, sizeof told, "%zu", length + 3);
	assert_header(f, "Content-Length", told);
	body = body_of(f);
	assert_int_equal(body.n, length + 3);
	assert_int_equal(body.p[0], '<');
	for (size_t i = 0; i < length; i++)
		if (body.p[1 + i] != byte_at(i))
			fail_msg("byte %zu of %zu, pieces of %zu", i, length, piece);
	assert_true(str_eq(str_skip(body, length + 1), STR_LIT("/>")));
	assert_int_equal(f->answer.n_records, (f->answer.out.n + 65527) / 65528);
	free(source);
}

static void a_stream_arrives_in_pieces_of_any_size(void **state)
{
	const size_t lengths[] = { 0, 1, 2, 7, 8, 9, 1000, 65528, 65529, 262144, 262145, 700001 };
	const size_t pieces[] = { 1, 2, 7, 4096, 65527, 65528, 65529, 131056, 262144 };

	for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
		for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++)
			if (lengths[l] / pieces[p] < 10000)
				check_stream(state, lengths[l], pieces[p]);
}

static void streams_that_end_near_the_end_of_a_record_arrive(void **state)
{
	for (size_t n = 2 * 65528 - 100; n < 2 * 65528 + 20; n++)
		check_stream(state, n, 50000);
}

static void a_stream_of_25_megabytes_arrives_and_costs_no_memory(void **state)
{
	struct fixture *f;

	check_stream(state, 25 << 20, 262144);
	f = *state;
	assert_true(arena_used(f->arena) < 4096);
}

static void a_stream_alone_is_the_whole_body(void **state)
{
	struct source *source = source_new(100000, 30000);
	struct fixture *f = *state;

	reply_stream(&f->reply, source->length, source_next, source);
	send_reply(f, REPLY_LAST);
	assert_int_equal(body_of(f).n, 100000);
	assert_int_equal(f->answer.behind, 16);
	free(source);
}

static void a_head_reply_tells_the_length_and_does_not_ask_the_stream(void **state)
{
	struct source *source = source_new(1 << 20, 1000);
	struct fixture *f = *state;

	reply_stream(&f->reply, source->length, source_next, source);
	f->reply.without_body = true;
	send_reply(f, REPLY_KEEP);
	assert_header(f, "Content-Length", "1048576");
	assert_int_equal(body_of(f).n, 0);
	assert_int_equal(source->calls, 0);
	free(source);
}

static void an_error_drops_a_stream(void **state)
{
	struct source *source = source_new(1000, 1000);
	struct fixture *f = *state;

	reply_stream(&f->reply, source->length, source_next, source);
	reply_error(&f->reply, RC_CONFLICT, str_make(NULL, 0), f->arena);
	send_reply(f, REPLY_KEEP);
	assert_true(str_starts(body_of(f), STR_LIT("{\"success\":false")));
	assert_int_equal(source->calls, 0);
	free(source);
}

/*
 * A reply of TOLD bytes from SOURCE, which does not have them or has more: it breaks off, and what did
 * arrive is less than was promised.
 */
static void check_broken(void **state, struct source *source, size_t told)
{
	struct fixture *f;
	const char *empty_line;

	assert_int_equal(tear_down(state), 0);
	assert_int_equal(set_up(state), 0);
	f = *state;
	reply_stream(&f->reply, told, source_next, source);
	pthread_create(&f->reader, NULL, reader_run, f);
	assert_false(reply_send(&f->fcgi, &f->reply, REPLY_KEEP, f->arena));
	close(f->fcgi.ipcFd);
	f->fcgi.ipcFd = -1;
	pthread_join(f->reader, NULL);
	/* Whatever it looks like: no record says that the request has ended, and the body is short. */
	assert_false(wire_answer_read(&f->answer, f->got.p, f->got.n) && f->answer.ended);
	empty_line = f->got.n == 0 ? NULL : memmem(f->got.p, f->got.n, "\r\n\r\n", 4);
	if (empty_line != NULL) {
		size_t head = (size_t)(empty_line + 4 - (const char *)f->got.p);
		size_t frames = (f->got.n + 65535) / 65536 - 1;

		assert_true(f->got.n - head - frames * 8 < told);
	}
	free(source);
}

static void a_stream_that_fails_breaks_the_answer_off(void **state)
{
	const size_t at[] = { 0, 1000, 65000, 100000, 199000, 200000 };

	for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
		struct source *source = source_new(200000, 1000);

		source->fail_at = at[i];
		check_broken(state, source, 200000);
	}
}

static void a_stream_with_too_few_bytes_breaks_the_answer_off(void **state)
{
	check_broken(state, source_new(199999, 1000), 200000);
	check_broken(state, source_new(0, 1000), 1);
}

static void a_stream_with_too_many_bytes_breaks_the_answer_off(void **state)
{
	check_broken(state, source_new(200001, 1000), 200000);
	check_broken(state, source_new(200001, 200001), 200000);
	check_broken(state, source_new(201000, 1000), 200000);
	check_broken(state, source_new(1, 1000), 0);
}

static void a_stream_to_a_peer_that_has_gone_ends(void **state)
{
	struct source *source = source_new(10 << 20, 100000);
	struct fixture *f = *state;

	shutdown(f->far, SHUT_RDWR);
	reply_stream(&f->reply, source->length, source_next, source);
	assert_false(reply_send(&f->fcgi, &f->reply, REPLY_KEEP, f->arena));
	assert_true(source->calls < 5);
	free(source);
}

static void assert_error_reply(struct fixture *f, const char *expected)
{
	send_reply(f, REPLY_KEEP);
	assert_true(str_eq(body_of(f), str_c(expected)));
}

static void an_error_speaks_the_tables_words(void **state)
{
	struct fixture *f = *state;

	reply_part(&f->reply, STR_LIT("half an answer"));
	reply_error(&f->reply, RC_KEY_NOT_FOUND, str_make(NULL, 0), f->arena);
	assert_error_reply(f, "{\"success\":false,\"error\":\"there is no such key\",\"code\":\"key_not_found\"}");
	assert_header(f, "Status", "404 Not Found");
	assert_header(f, "Retry-After", NULL);
	assert_header(f, "WWW-Authenticate", NULL);
}

static void an_errors_detail_is_quoted(void **state)
{
	struct fixture *f = *state;

	reply_error(&f->reply, RC_BAD_JSON, STR_LIT("a \"quote\"\n"), f->arena);
	assert_error_reply(f, "{\"success\":false,\"error\":\"a \\\"quote\\\"\\n\",\"code\":\"bad_json\"}");
}

static void a_detail_that_is_no_text_is_not_sent(void **state)
{
	struct fixture *f = *state;

	reply_error(&f->reply, RC_CONFLICT, STR_LIT("\xff"), f->arena);
	assert_error_reply(f, "{\"success\":false,\"error\":\"there is one of that name already\",\"code\":\"conflict\"}");
}

static void a_429_says_when_to_come_back(void **state)
{
	struct fixture *f = *state;

	reply_error(&f->reply, RC_WRITE_LIMIT, str_make(NULL, 0), f->arena);
	send_reply(f, REPLY_KEEP);
	assert_header(f, "Status", "429 Too Many Requests");
	assert_header(f, "Retry-After", "1");
}

static void a_503_says_when_to_come_back_once(void **state)
{
	struct fixture *f = *state;

	reply_header(&f->reply, "retry-after", STR_LIT("5"));
	reply_error(&f->reply, RC_UNAVAILABLE, str_make(NULL, 0), f->arena);
	assert_int_equal(f->reply.n_headers, 1);
	send_reply(f, REPLY_KEEP);
	assert_header(f, "Retry-After", "5");
}

static void a_401_says_how_to_authenticate(void **state)
{
	struct fixture *f = *state;

	reply_error(&f->reply, RC_TOKEN_EXPIRED, str_make(NULL, 0), f->arena);
	send_reply(f, REPLY_KEEP);
	assert_header(f, "WWW-Authenticate", "Bearer realm=\"tmakv\"");
}

/* reply_error() relies on it when there is no memory to quote anything. */
static void nothing_in_the_table_of_outcomes_needs_escaping(void **state)
{
	(void)state;
	for (int rc = 0; rc < RC__COUNT; rc++) {
		struct str text = str_c(rc_info((enum rc)rc)->text);
		struct str code = str_c(rc_info((enum rc)rc)->code);

		assert_int_equal(jtext_quoted_len(text), text.n + 2);
		assert_int_equal(jtext_quoted_len(code), code.n + 2);
	}
}

static void an_error_can_be_told_with_a_used_up_arena(void **state)
{
	struct fixture *f = *state;

	assert_non_null(arena_alloc(f->arena, CEILING));
	reply_error(&f->reply, RC_NO_MEMORY, STR_LIT("detail"), f->arena);
	send_reply(f, REPLY_KEEP);
	assert_header(f, "Status", "500 Internal Server Error");
}

static void a_peer_that_has_gone_is_told_and_no_signal_comes(void **state)
{
	struct fixture *f = *state;

	shutdown(f->far, SHUT_RDWR);
	reply_data(&f->reply, STR_LIT("1"));
	assert_false(reply_send(&f->fcgi, &f->reply, REPLY_KEEP, f->arena));
}

static void a_peer_that_does_not_read_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct timeval timeout = { .tv_usec = 100 * 1000 };
	char *value = calloc(1, 4 << 20);

	assert_non_null(value);
	setsockopt(f->fcgi.ipcFd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	reply_part(&f->reply, str_make(value, 4 << 20));
	assert_false(reply_send(&f->fcgi, &f->reply, REPLY_KEEP, f->arena));
	free(value);
}

/* What the socket takes at once, and the rest while it is read. N bytes of body that stand in the socket's way. */
static void send_in_turns(struct fixture *f, size_t n, int buffer)
{
	struct pollfd out = { .fd = f->fcgi.ipcFd, .events = POLLOUT };
	char *value = malloc(n);
	struct reply_rest rest;
	enum reply_sent sent;

	assert_non_null(value);
	memset(value, 'v', n);
	setsockopt(f->fcgi.ipcFd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	reply_part(&f->reply, str_make(value, n));
	sent = reply_send_now(&f->fcgi, &f->reply, REPLY_KEEP, f->arena, &rest);
	assert_int_equal(sent, REPLY_WAITS);
	pthread_create(&f->reader, NULL, reader_run, f);
	while (sent == REPLY_WAITS && poll(&out, 1, 10000) == 1)
		sent = reply_send_rest(f->fcgi.ipcFd, &rest);
	assert_int_equal(sent, REPLY_SENT);
	close(f->fcgi.ipcFd);
	f->fcgi.ipcFd = -1;
	pthread_join(f->reader, NULL);
	assert_true(wire_answer_read(&f->answer, f->got.p, f->got.n));
	assert_true(f->answer.ended && f->answer.out_ended && f->answer.padded);
	assert_true(str_eq(body_of(f), str_make(value, n)));
	free(value);
}

static void a_reply_that_the_socket_does_not_take_at_once_goes_on_later(void **state)
{
	send_in_turns(*state, 4 << 20, 212992);
}

/* Its frames and its head stand on the stack at first. */
static void so_does_a_small_one(void **state)
{
	send_in_turns(*state, 60000, 4096);
}

static void a_peer_that_leaves_in_the_middle_is_noticed(void **state)
{
	struct fixture *f = *state;
	char *value = calloc(1, 4 << 20);
	struct reply_rest rest;

	assert_non_null(value);
	reply_part(&f->reply, str_make(value, 4 << 20));
	assert_int_equal(reply_send_now(&f->fcgi, &f->reply, REPLY_KEEP, f->arena, &rest), REPLY_WAITS);
	assert_int_equal(reply_send_rest(f->fcgi.ipcFd, &rest), REPLY_WAITS);
	shutdown(f->far, SHUT_RDWR);
	assert_int_equal(reply_send_rest(f->fcgi.ipcFd, &rest), REPLY_LOST);
	free(value);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_small_reply_has_status_type_length_and_body),
		TEST(every_outcome_has_its_words),
		TEST(a_reply_can_choose_its_words),
		TEST(a_body_of_0_bytes_arrives),
		TEST(a_body_of_1_byte_arrives),
		TEST(a_body_of_65535_bytes_arrives),
		TEST(a_body_of_65536_bytes_arrives),
		TEST(a_body_of_131072_bytes_arrives),
		TEST(a_body_of_40_megabytes_arrives),
		TEST(bodies_that_end_near_the_end_of_a_record_arrive),
		TEST(bodies_about_as_long_as_a_page_arrive),
		TEST(all_remainders_are_padded),
		TEST(a_head_reply_tells_the_length_and_sends_nothing),
		TEST(a_204_has_neither_type_nor_length),
		TEST(the_last_reply_has_a_record_behind_its_end),
		TEST(a_stream_arrives_in_pieces_of_any_size),
		TEST(streams_that_end_near_the_end_of_a_record_arrive),
		TEST(a_stream_of_25_megabytes_arrives_and_costs_no_memory),
		TEST(a_stream_alone_is_the_whole_body),
		TEST(a_head_reply_tells_the_length_and_does_not_ask_the_stream),
		TEST(an_error_drops_a_stream),
		TEST(a_stream_that_fails_breaks_the_answer_off),
		TEST(a_stream_with_too_few_bytes_breaks_the_answer_off),
		TEST(a_stream_with_too_many_bytes_breaks_the_answer_off),
		TEST(a_stream_to_a_peer_that_has_gone_ends),
		TEST(an_error_speaks_the_tables_words),
		TEST(an_errors_detail_is_quoted),
		TEST(a_detail_that_is_no_text_is_not_sent),
		TEST(a_429_says_when_to_come_back),
		TEST(a_503_says_when_to_come_back_once),
		TEST(a_401_says_how_to_authenticate),
		TEST(nothing_in_the_table_of_outcomes_needs_escaping),
		TEST(an_error_can_be_told_with_a_used_up_arena),
		TEST(a_peer_that_has_gone_is_told_and_no_signal_comes),
		TEST(a_peer_that_does_not_read_is_given_up),
		TEST(a_reply_that_the_socket_does_not_take_at_once_goes_on_later),
		TEST(so_does_a_small_one),
		TEST(a_peer_that_leaves_in_the_middle_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
