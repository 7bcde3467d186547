/*
 * test_http_body.c - bodies as they come through libfcgi over a socket: whole, short, too long,
 * too large, and with a connection that breaks in the middle.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi_wire.h"
#include "http/body.h"

enum { CEILING = 1 << 20, LARGE = 100 * 1000 };

/* A request under way: the peer's end, libfcgi's, and the body on it. */
struct fixture {
	int peer;
	FCGX_Request fcgi;
	struct arena *arena;
	struct body body;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (f == NULL || FCGX_Init() != 0)
		return -1;
	f->arena = arena_new(CEILING);
	f->peer = -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	FCGX_Free(&f->fcgi, 1);
	if (f->peer >= 0)
		close(f->peer);
	arena_free(f->arena);
	free(f);
	return 0;
}

/* What the test wants the server to see. */
struct sent {
	size_t n;		/* bytes of body, all 'x' */
	int64_t declared;
	bool unended;		/* no empty record behind it */
	bool hang_up;
};

static void begin(struct fixture *f, const struct sent *sent)
{
	struct bytes out = { .n = 0 };
	struct timeval timeout = { .tv_usec = 200 * 1000 };
	char *content = malloc(sent->n + 1);
	int fds[2], size = 1 << 20;

	assert_non_null(content);
	memset(content, 'x', sent->n);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	f->peer = fds[0];

	wire_begin(&out, 1, true);
	wire_stream(&out, FCGI_TYPE_PARAMS, 1, NULL, 0);
	wire_stream(&out, FCGI_TYPE_STDIN, 1, content, sent->n);
	if (sent->unended)
		out.n -= 8;
	assert_int_equal(write(f->peer, out.p, out.n), out.n);
	if (sent->hang_up)
		shutdown(f->peer, SHUT_WR);
	bytes_free(&out);
	free(content);

	FCGX_InitRequest(&f->fcgi, -1, 0);
	f->fcgi.ipcFd = fds[1];
	f->fcgi.keepConnection = 1;
	assert_int_equal(FCGX_Accept_r(&f->fcgi), 0);
	body_init(&f->body, f->fcgi.in, sent->declared);
}

static enum rc read_body(struct fixture *f, const struct sent *sent, size_t max, struct str *out)
{
	begin(f, sent);
	return body_read(&f->body, max, f->arena, out);
}

static void assert_all_x(struct str body, size_t n)
{
	assert_int_equal(body.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(body.p[i], 'x');
}

static void a_whole_body_is_read_to_its_end(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = LARGE, .declared = LARGE }, LARGE, &out), RC_OK);
	assert_all_x(out, LARGE);
	assert_true(f->body.at_end);
	assert_true(body_drain(&f->body));
}

static void an_empty_body_is_read(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .declared = 0 }, 10, &out), RC_OK);
	assert_int_equal(out.n, 0);
	assert_true(f->body.at_end);
}

static void a_body_one_byte_too_large_is_refused_unread(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = 101, .declared = 101 }, 100, &out),
			 RC_VALUE_TOO_LARGE);
	assert_int_equal(f->body.seen, 0);
	assert_true(body_drain(&f->body));
	assert_int_equal(f->body.seen, 101);
}

static void a_body_of_the_largest_size_is_taken(void **state)
{
	struct str out;

	assert_int_equal(read_body(*state, &(struct sent){ .n = 100, .declared = 100 }, 100, &out), RC_OK);
	assert_all_x(out, 100);
}

static void a_body_that_ends_early_is_short(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = 99, .declared = 100 }, 1000, &out), RC_SHORT_BODY);
	/* The stream ended in good order: the connection can be kept. */
	assert_true(body_drain(&f->body));
}

static void a_lost_connection_makes_a_body_short(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = 100, .declared = 200, .unended = true,
						      .hang_up = true }, 1000, &out), RC_SHORT_BODY);
	assert_true(f->body.broken);
	assert_false(body_drain(&f->body));
}

static void a_lost_end_makes_a_body_of_the_right_length_short(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = 100, .declared = 100, .unended = true,
						      .hang_up = true }, 1000, &out), RC_SHORT_BODY);
	assert_false(body_drain(&f->body));
}

static void a_silent_peer_makes_a_body_short_after_the_timeout(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = 3, .declared = 10, .unended = true }, 1000, &out),
			 RC_SHORT_BODY);
	assert_true(f->body.broken);
}

static void more_than_was_declared_is_refused(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = 5000, .declared = 10 }, 1000, &out), RC_BAD_REQUEST);
	assert_true(body_drain(&f->body));
	assert_int_equal(f->body.seen, 5000);
}

static void a_body_of_undeclared_length_is_read(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = LARGE, .declared = -1 }, LARGE, &out), RC_OK);
	assert_all_x(out, LARGE);
	assert_true(f->body.at_end);
}

static void a_body_of_undeclared_length_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = LARGE, .declared = -1 }, LARGE - 1, &out),
			 RC_VALUE_TOO_LARGE);
	assert_true(body_drain(&f->body));
	assert_int_equal(f->body.seen, LARGE);
}

static void no_declared_length_and_no_body_is_empty(void **state)
{
	struct str out;

	assert_int_equal(read_body(*state, &(struct sent){ .declared = -1 }, 0, &out), RC_OK);
	assert_int_equal(out.n, 0);
}

static void a_body_that_does_not_fit_the_arena_says_so(void **state)
{
	struct fixture *f = *state;
	struct str out;

	assert_int_equal(read_body(f, &(struct sent){ .n = 10, .declared = CEILING }, CEILING, &out),
			 RC_NO_MEMORY);
	assert_true(body_drain(&f->body));
}

static void a_body_nobody_asked_for_is_drained(void **state)
{
	struct fixture *f = *state;

	begin(f, &(struct sent){ .n = LARGE, .declared = LARGE });
	assert_true(body_drain(&f->body));
	assert_int_equal(f->body.seen, LARGE);
	assert_true(body_drain(&f->body));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_whole_body_is_read_to_its_end),
		TEST(an_empty_body_is_read),
		TEST(a_body_one_byte_too_large_is_refused_unread),
		TEST(a_body_of_the_largest_size_is_taken),
		TEST(a_body_that_ends_early_is_short),
		TEST(a_lost_connection_makes_a_body_short),
		TEST(a_lost_end_makes_a_body_of_the_right_length_short),
		TEST(a_silent_peer_makes_a_body_short_after_the_timeout),
		TEST(more_than_was_declared_is_refused),
		TEST(a_body_of_undeclared_length_is_read),
		TEST(a_body_of_undeclared_length_is_bounded),
		TEST(no_declared_length_and_no_body_is_empty),
		TEST(a_body_that_does_not_fit_the_arena_says_so),
		TEST(a_body_nobody_asked_for_is_drained),
	};

	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
