/*
 * test_ctl_fcgi_client.c - tmakvctl's FastCGI client against a peer that answers, lies, and dies.
 *
 * The peer is a thread a connection; what the n-th connection does is the n-th row of a script.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "ctl/fcgi_client.h"
#include "fcgi_wire.h"

enum { PEERS_MAX = 8, SEEN_MAX = 16, PATIENCE_MS = 400 };

/* What a peer does with its connection. */
typedef void peer(int fd);

/* A request as a peer saw it. */
struct seen {
	struct bytes params, body;
	bool keep;
};

static peer *const *script;	/* ends with NULL: then nobody answers any more */
static size_t n_dialed;
static pthread_t peers[PEERS_MAX];
static int ends[PEERS_MAX];
static struct seen seen[SEEN_MAX];
static size_t n_seen;
static struct arena *arena;
static struct fcgi_client *client;
static struct fcgi_answer answer;

static void *run_peer(void *arg)
{
	size_t n = (size_t)(uintptr_t)arg;

	script[n](ends[n]);
	close(ends[n]);
	return NULL;
}

static bool dial(void *arg, bool again, int *fd)
{
	int pair[2];

	(void)arg;
	assert_int_equal(again, n_dialed != 0);
	if (script[n_dialed] == NULL)
		return false;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ends[n_dialed] = pair[1];
	assert_int_equal(pthread_create(&peers[n_dialed], NULL, run_peer, (void *)(uintptr_t)n_dialed), 0);
	n_dialed++;
	*fd = pair[0];
	return true;
}

static int start(void **state)
{
	(void)state;
	n_dialed = n_seen = 0;
	memset(seen, 0, sizeof seen);
	arena = arena_new(256 << 20);
	client = fcgi_client_new(arena, &(struct fcgi_dial){ dial, NULL }, PATIENCE_MS);
	return 0;
}

/* All connections are closed, so all peers end. */
static void join(void)
{
	fcgi_client_close(client);
	for (size_t i = 0; i < n_dialed; i++)
		pthread_join(peers[i], NULL);
	n_dialed = 0;
}

static int stop(void **state)
{
	(void)state;
	join();
	for (size_t i = 0; i < SEEN_MAX; i++) {
		bytes_free(&seen[i].params);
		bytes_free(&seen[i].body);
	}
	arena_free(arena);
	return 0;
}

/* --- the peer --- */

static bool hear(int fd, void *p, size_t n)
{
	return n == 0 || recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

/* A whole request; false when the client has left. */
static bool hear_request(int fd)
{
	static unsigned char content[65536];
	struct seen *now = &seen[n_seen];
	unsigned char frame[8];

	while (hear(fd, frame, sizeof frame)) {
		size_t n = (size_t)frame[4] << 8 | frame[5];

		if (!hear(fd, content, n))
			return false;
		if (frame[1] == FCGI_TYPE_BEGIN)
			now->keep = content[1] == 1 && content[2] == 1;
		else if (frame[1] == FCGI_TYPE_PARAMS)
			bytes_add(&now->params, content, n);
		else if (n != 0)
			bytes_add(&now->body, content, n);
		else
			return ++n_seen != 0;
	}
	return false;
}

static void say(int fd, const struct bytes *bytes)
{
	size_t sent = 0;

	while (sent < bytes->n) {
		ssize_t n = send(fd, bytes->p + sent, bytes->n - sent, MSG_NOSIGNAL);

		if (n < 0)
			return;
		sent += (size_t)n;
	}
}

static const unsigned char end_body[8];

/* TEXT as an answer, in records of PIECE bytes, with padding and what else may be between them. */
static void answer_in_pieces(int fd, const char *text, size_t n, size_t piece)
{
	struct bytes out = { .n = 0 };

	for (size_t at = 0; at < n; at += piece) {
		wire_record(&out, FCGI_TYPE_STDOUT, 1, text + at, at + piece < n ? piece : n - at, at % 8);
		if (at % 3 == 0)
			wire_record(&out, FCGI_TYPE_STDERR, 1, "oops", 4, 4);
		if (at % 5 == 0)
			wire_record(&out, FCGI_TYPE_UNKNOWN, 0, end_body, 8, 0);
	}
	wire_record(&out, FCGI_TYPE_STDOUT, 1, NULL, 0, 0);
	wire_record(&out, FCGI_TYPE_END, 1, end_body, 8, 3);
	say(fd, &out);
	bytes_free(&out);
}

#define HELLO "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"

static void says_hello(int fd)
{
	while (hear_request(fd))
		answer_in_pieces(fd, HELLO, sizeof HELLO - 1, 1000);
}

static void says_hello_letter_by_letter(int fd)
{
	while (hear_request(fd))
		answer_in_pieces(fd, HELLO, sizeof HELLO - 1, 1);
}

/* As a server that stops: the record behind the end says that this was the last answer. */
static void says_hello_for_the_last_time(int fd)
{
	struct bytes out = { .n = 0 };

	if (!hear_request(fd))
		return;
	wire_record(&out, FCGI_TYPE_STDOUT, 1, HELLO, sizeof HELLO - 1, 0);
	wire_record(&out, FCGI_TYPE_END, 1, end_body, 8, 0);
	wire_record(&out, FCGI_TYPE_UNKNOWN, 0, end_body, 8, 0);
	say(fd, &out);
	bytes_free(&out);
}

static void says_hello_once_and_leaves(int fd)
{
	if (hear_request(fd))
		answer_in_pieces(fd, HELLO, sizeof HELLO - 1, 1000);
}

static void hears_and_leaves(int fd)
{
	(void)!hear_request(fd);
}

static void leaves(int fd)
{
	(void)fd;
}

static void leaves_in_the_middle(int fd)
{
	struct bytes out = { .n = 0 };

	if (!hear_request(fd))
		return;
	wire_record(&out, FCGI_TYPE_STDOUT, 1, HELLO, sizeof HELLO - 3, 0);
	say(fd, &out);
	bytes_free(&out);
}

/* It ends well, but not everything is there. */
static void says_less_than_promised(int fd)
{
	struct bytes out = { .n = 0 };

	if (!hear_request(fd))
		return;
	wire_record(&out, FCGI_TYPE_STDOUT, 1, HELLO, sizeof HELLO - 2, 0);
	wire_record(&out, FCGI_TYPE_END, 1, end_body, 8, 0);
	say(fd, &out);
	bytes_free(&out);
}

static void is_stopping(int fd)
{
	static const char text[] = "Status: 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno!";

	while (hear_request(fd))
		answer_in_pieces(fd, text, sizeof text - 1, 1000);
}

static void speaks_http(int fd)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	struct bytes out = { .n = 0 };

	if (!hear_request(fd))
		return;
	bytes_add(&out, text, sizeof text - 1);
	say(fd, &out);
	bytes_free(&out);
}

static void has_no_head(int fd)
{
	if (hear_request(fd))
		answer_in_pieces(fd, "hello", 5, 10);
}

static void answers_another_request(int fd)
{
	struct bytes out = { .n = 0 };

	if (!hear_request(fd))
		return;
	wire_record(&out, FCGI_TYPE_STDOUT, 2, HELLO, sizeof HELLO - 1, 0);
	wire_record(&out, FCGI_TYPE_END, 2, end_body, 8, 0);
	say(fd, &out);
	bytes_free(&out);
}

static void is_overloaded(int fd)
{
	static const unsigned char body[8] = { 0, 0, 0, 0, 2 };
	struct bytes out = { .n = 0 };

	if (!hear_request(fd))
		return;
	wire_record(&out, FCGI_TYPE_STDOUT, 1, HELLO, sizeof HELLO - 1, 0);
	wire_record(&out, FCGI_TYPE_END, 1, body, 8, 0);
	say(fd, &out);
	bytes_free(&out);
}

static void says_404(int fd)
{
	static const char text[] = "Status: 404 Not Found\r\ncontent-length: 7\r\n\r\nnothing";

	while (hear_request(fd))
		answer_in_pieces(fd, text, sizeof text - 1, 1000);
}

/* --- asking --- */

static enum fcgi_end ask_with(struct fcgi_request request)
{
	request.arena = arena;
	if (request.method == NULL)
		request.method = "GET";
	if (request.uri.n == 0)
		request.uri = STR_LIT("/a?b=c");
	if (request.body_size == 0)
		request.body_fd = -1;
	if (request.to_fd == 0)
		request.to_fd = -1;
	if (request.max == 0)
		request.max = 1 << 20;
	return fcgi_ask(client, &request, &answer);
}

static enum fcgi_end ask(peer *const *what)
{
	script = what;
	return ask_with((struct fcgi_request){ .method = "GET" });
}

/* The value of a parameter of the I-th request. */
static struct str param(size_t i, const char *name)
{
	const struct bytes *params = &seen[i].params;
	size_t at = 0;

	while (at < params->n) {
		size_t n[2];

		for (size_t k = 0; k < 2; k++) {
			n[k] = params->p[at++];
			if (n[k] & 0x80) {
				n[k] = (n[k] & 0x7f) << 24 | (size_t)params->p[at] << 16 | (size_t)params->p[at + 1] << 8 |
				       params->p[at + 2];
				at += 3;
			}
		}
		if (str_eq(str_make(params->p + at, n[0]), str_c(name)))
			return str_make(params->p + at + n[0], n[1]);
		at += n[0] + n[1];
	}
	return STR_LIT("");
}

static void expect_hello(enum fcgi_end end)
{
	assert_int_equal(end, FCGI_DONE);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.size, 5);
	assert_true(str_eq(answer.body, STR_LIT("hello")));
	assert_true(str_eq(fcgi_header(&answer, "content-TYPE"), STR_LIT("text/plain")));
	assert_int_equal(fcgi_header(&answer, "Content").n, 0);
}

static void a_request_is_sent_whole_and_its_answer_read(void **state)
{
	static peer *const friendly[] = { says_hello, NULL };
	char uri[3000];

	(void)state;
	memset(uri, 'k', sizeof uri);
	uri[0] = '/';
	script = friendly;
	expect_hello(ask_with((struct fcgi_request){ .method = "PUT", .uri = str_make(uri, sizeof uri),
						     .body = STR_LIT("a\0b"), .content_type = STR_LIT("text/x") }));
	assert_true(seen[0].keep);
	assert_true(str_eq(param(0, "REQUEST_METHOD"), STR_LIT("PUT")));
	assert_true(str_eq(param(0, "REQUEST_URI"), str_make(uri, sizeof uri)));
	assert_true(str_eq(param(0, "CONTENT_LENGTH"), STR_LIT("3")));
	assert_true(str_eq(param(0, "CONTENT_TYPE"), STR_LIT("text/x")));
	assert_int_equal(param(0, "REQUEST_ID").n, 32);
	assert_true(str_eq(str_make(seen[0].body.p, seen[0].body.n), STR_LIT("a\0b")));
}

static void lengths_have_one_byte_or_four(void **state)
{
	static peer *const friendly[] = { says_hello, NULL };
	char uri[128];

	(void)state;
	memset(uri, 'k', sizeof uri);
	script = friendly;
	for (size_t n = 127; n <= 128; n++)
		expect_hello(ask_with((struct fcgi_request){ .uri = str_make(uri, n) }));
	assert_int_equal(param(0, "REQUEST_URI").n, 127);
	assert_int_equal(param(1, "REQUEST_URI").n, 128);
	assert_int_equal(param(1, "REQUEST_ID").n, 32);
}

static void one_connection_serves_one_request_after_the_other(void **state)
{
	static peer *const friendly[] = { says_hello, NULL };

	(void)state;
	for (int i = 0; i < 5; i++)
		expect_hello(ask(friendly));
	assert_int_equal(n_dialed, 1);
	assert_int_equal(n_seen, 5);
	assert_false(str_eq(param(0, "REQUEST_ID"), param(1, "REQUEST_ID")));
}

static void an_answer_may_come_in_any_pieces(void **state)
{
	static peer *const friendly[] = { says_hello_letter_by_letter, NULL };

	(void)state;
	expect_hello(ask(friendly));
	expect_hello(ask(friendly));
}

static void a_status_other_than_200_is_an_answer_too(void **state)
{
	static peer *const sad[] = { says_404, NULL };

	(void)state;
	assert_int_equal(ask(sad), FCGI_DONE);
	assert_int_equal(answer.status, 404);
	assert_true(str_eq(answer.body, STR_LIT("nothing")));
}

static void bodies_of_any_size_come_from_memory_or_a_file(void **state)
{
	static peer *const friendly[] = { says_hello, NULL };
	/* One below, at and above what a record holds, and some records. */
	static const size_t sizes[] = { 65527, 65528, 65529, 300000 };
	FILE *file = tmpfile();
	static char p[300000];

	(void)state;
	for (size_t i = 0; i < sizeof p; i++)
		p[i] = (char)(i * 7 + i / 251);
	fwrite(p, 1, sizeof p, file);
	fflush(file);
	script = friendly;
	for (size_t i = 0; i < 4; i++) {
		expect_hello(ask_with((struct fcgi_request){ .body = str_make(p, sizes[i]) }));
		expect_hello(ask_with((struct fcgi_request){ .body_fd = fileno(file), .body_size = sizes[i] }));
		for (size_t k = 2 * i; k < 2 * i + 2; k++)
			assert_true(str_eq(str_make(seen[k].body.p, seen[k].body.n), str_make(p, sizes[i])));
	}
	fclose(file);
}

static void a_file_that_is_shorter_than_it_was_is_no_body(void **state)
{
	static peer *const friendly[] = { says_hello, says_hello, NULL };
	FILE *file = tmpfile();

	(void)state;
	fputs("abc", file);
	fflush(file);
	script = friendly;
	assert_int_equal(ask_with((struct fcgi_request){ .body_fd = fileno(file), .body_size = 4 }), FCGI_BODY);
	assert_int_equal(errno, 0);
	/* What was begun must not be taken for another request's. */
	expect_hello(ask_with((struct fcgi_request){ .body_fd = fileno(file), .body_size = 3 }));
	assert_int_equal(n_dialed, 2);
	fclose(file);
}

static void a_connection_that_has_ended_is_replaced(void **state)
{
	static peer *const restarting[] = { says_hello_once_and_leaves, says_hello_for_the_last_time, leaves, says_hello, NULL };

	(void)state;
	for (int i = 0; i < 3; i++)
		expect_hello(ask(restarting));
	assert_int_equal(n_dialed, 4);
	join();
	assert_int_equal(n_seen, 3);
}

static void a_lost_answer_is_asked_for_again_by_the_same_request_id(void **state)
{
	static peer *const dying[] = { hears_and_leaves, leaves_in_the_middle, says_less_than_promised, says_hello, NULL };

	(void)state;
	expect_hello(ask(dying));
	assert_int_equal(n_seen, 4);
	for (size_t i = 1; i < 4; i++)
		assert_true(str_eq(param(i, "REQUEST_ID"), param(0, "REQUEST_ID")));
}

static void a_503_is_asked_again_for_a_while(void **state)
{
	static peer *const stopping[] = { is_stopping, NULL };

	(void)state;
	assert_int_equal(ask(stopping), FCGI_DONE);
	assert_int_equal(answer.status, 503);
	assert_true(n_seen > 2 && n_seen < 10);
	assert_true(str_eq(param(0, "REQUEST_ID"), param(n_seen - 1, "REQUEST_ID")));
}

static void a_server_that_is_gone_is_not_waited_for(void **state)
{
	static peer *const gone[] = { hears_and_leaves, NULL };

	(void)state;
	assert_int_equal(ask(gone), FCGI_NO_SERVER);
}

static void a_server_that_always_dies_is_given_up(void **state)
{
	static peer *const dying[] = { leaves, leaves, leaves, leaves, leaves, leaves, leaves, leaves, NULL };

	(void)state;
	assert_int_equal(ask(dying), FCGI_LOST);
}

static void what_is_no_answer_is_none(void **state)
{
	static peer *const liars[] = { speaks_http, has_no_head, answers_another_request, is_overloaded, says_hello, NULL };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(ask(liars), FCGI_GARBLED);
	expect_hello(ask(liars));
}

static void a_body_has_a_bound(void **state)
{
	static peer *const friendly[] = { says_hello, says_hello, NULL };

	(void)state;
	script = friendly;
	assert_int_equal(ask_with((struct fcgi_request){ .max = 4 }), FCGI_TOO_LARGE);
	expect_hello(ask_with((struct fcgi_request){ .max = 5 }));
	assert_int_equal(n_dialed, 2);
}

static void a_body_goes_to_a_file_once_and_behind_what_is_there(void **state)
{
	static peer *const dying[] = { leaves_in_the_middle, says_less_than_promised, says_hello, NULL };
	FILE *file = tmpfile();
	char text[32];

	(void)state;
	fputs("before ", file);
	fflush(file);
	script = dying;
	assert_int_equal(ask_with((struct fcgi_request){ .to_fd = fileno(file) }), FCGI_DONE);
	assert_int_equal(answer.size, 5);
	assert_int_equal(answer.body.n, 0);
	assert_int_equal(pread(fileno(file), text, sizeof text, 0), 12);
	assert_memory_equal(text, "before hello", 12);
	fclose(file);
}

static void an_error_does_not_go_to_the_file(void **state)
{
	static peer *const sad[] = { says_404, NULL };
	FILE *file = tmpfile();
	char text[32];

	(void)state;
	script = sad;
	assert_int_equal(ask_with((struct fcgi_request){ .to_fd = fileno(file) }), FCGI_DONE);
	assert_true(str_eq(answer.body, STR_LIT("nothing")));
	assert_int_equal(pread(fileno(file), text, sizeof text, 0), 0);
	fclose(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_request_is_sent_whole_and_its_answer_read),
		TEST(lengths_have_one_byte_or_four),
		TEST(one_connection_serves_one_request_after_the_other),
		TEST(an_answer_may_come_in_any_pieces),
		TEST(a_status_other_than_200_is_an_answer_too),
		TEST(bodies_of_any_size_come_from_memory_or_a_file),
		TEST(a_file_that_is_shorter_than_it_was_is_no_body),
		TEST(a_connection_that_has_ended_is_replaced),
		TEST(a_lost_answer_is_asked_for_again_by_the_same_request_id),
		TEST(a_503_is_asked_again_for_a_while),
		TEST(a_server_that_is_gone_is_not_waited_for),
		TEST(a_server_that_always_dies_is_given_up),
		TEST(what_is_no_answer_is_none),
		TEST(a_body_has_a_bound),
		TEST(a_body_goes_to_a_file_once_and_behind_what_is_there),
		TEST(an_error_does_not_go_to_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
