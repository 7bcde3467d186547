/*
 * test_serve_intake.c - every byte of a connection is taken once and kept in order, whatever pieces it comes in, and
 * what is not needed is not held.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/private.h"

struct fixture {
	int peer, fd;
	struct intake in;
	unsigned char look[LOOK_MAX];
	unsigned char sent[2 * LOOK_MAX];
	size_t n_sent;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	int fds[2], size = 4 * LOOK_MAX;

	if (f == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		return -1;
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	f->peer = fds[0];
	f->fd = fds[1];
	f->in.feed.fd = -1;
	for (size_t i = 0; i < sizeof f->sent; i++)
		f->sent[i] = (unsigned char)(i * 7 + i / 251);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	intake_clear(&f->in);
	if (f->peer >= 0)
		close(f->peer);
	close(f->fd);
	free(f);
	return 0;
}

/* The next N bytes leave the peer; what the socket does not take is taken out meanwhile. */
static void send_next(struct fixture *f, size_t n)
{
	while (n != 0) {
		ssize_t took = send(f->peer, f->sent + f->n_sent, n, MSG_DONTWAIT);

		if (took > 0) {
			f->n_sent += (size_t)took;
			n -= (size_t)took;
			continue;
		}
		assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
		assert_true(intake_keep(&f->in, 0));
	}
}

static void assert_has(const struct fixture *f, size_t n)
{
	assert_int_equal(f->in.feed.n, n);
	assert_memory_equal(f->in.feed.p, f->sent, n);
}

static void what_is_whole_at_once_needs_no_memory(void **state)
{
	struct fixture *f = *state;

	send_next(f, 1000);
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
	assert_has(f, 1000);
	assert_null(f->in.own);
	assert_int_equal(f->in.feed.fd, f->fd);
	intake_clear(&f->in);
	assert_int_equal(f->in.feed.n, 0);
}

static void pieces_follow_each_other(void **state)
{
	static const size_t pieces[] = { 1, 7, 4096, 1, 60000, 3, 100000 };
	struct fixture *f = *state;
	size_t n = 0;

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		send_next(f, pieces[i]);
		assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
		n += pieces[i];
		assert_has(f, n);
		assert_true(intake_keep(&f->in, 0));
		memset(f->look, 0xff, sizeof f->look);	/* others use it */
		assert_has(f, n);
		assert_true(f->in.size <= LOOK_MAX && f->in.size < 2 * n + 4096);
	}
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_NOTHING);
	assert_has(f, n);
}

static void room_for_all_of_it_is_made_once(void **state)
{
	struct fixture *f = *state;
	const unsigned char *own;

	send_next(f, 100);
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
	assert_true(intake_keep(&f->in, 131072));
	assert_int_equal(f->in.size, 131072);
	own = f->in.own;
	send_next(f, 130000);
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
	assert_has(f, 130100);
	assert_ptr_equal(f->in.own, own);
}

/* The socket says once that there is something: what does not fit at first is fetched all the same. */
static void a_full_room_is_not_the_end_of_what_waits(void **state)
{
	struct fixture *f = *state;

	send_next(f, 100);
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
	assert_true(intake_keep(&f->in, 0));
	send_next(f, 50000);
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
	assert_has(f, 50100);
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_NOTHING);
}

static void no_more_than_its_most_is_taken(void **state)
{
	struct fixture *f = *state;
	size_t rest = 0;

	send_next(f, LOOK_MAX + 1000);
	while (f->in.feed.n < LOOK_MAX) {
		assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
		assert_true(intake_keep(&f->in, SIZE_MAX / 2));
		assert_int_equal(f->in.size, LOOK_MAX);
	}
	assert_has(f, LOOK_MAX);
	while (recv(f->fd, f->look, 1, MSG_DONTWAIT) == 1)
		rest++;
	assert_int_equal(rest, 1000);
}

static void the_end_is_told_from_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_NOTHING);
	send_next(f, 10);
	close(f->peer);
	f->peer = -1;
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
	assert_has(f, 10);
	assert_true(intake_keep(&f->in, 0));
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_END);
	assert_has(f, 10);
}

/* The slow lane gets what libfcgi has not read yet. */
static void what_was_read_of_it_is_not_kept(void **state)
{
	struct fixture *f = *state;

	send_next(f, 1000);
	assert_int_equal(intake_take(&f->in, f->fd, f->look), INTAKE_SOME);
	f->in.feed.p += 300;
	f->in.feed.n -= 300;
	assert_true(intake_keep(&f->in, 0));
	memset(f->look, 0xff, sizeof f->look);
	assert_int_equal(f->in.feed.n, 700);
	assert_memory_equal(f->in.feed.p, f->sent + 300, 700);
	/* All of it read: nothing is kept. */
	intake_clear(&f->in);
	assert_true(intake_keep(&f->in, 0));
	assert_null(f->in.own);
}

static void a_look_leaves_all_where_it_is(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(intake_peek(&f->in, f->fd, f->look), INTAKE_NOTHING);
	send_next(f, 10);
	assert_int_equal(intake_peek(&f->in, f->fd, f->look), INTAKE_SOME);
	assert_has(f, 10);
	assert_true(intake_keep(&f->in, 100));
	assert_null(f->in.own);
	assert_true(f->in.feed.fd < 0);		/* libfcgi reads the socket */
	send_next(f, 10);
	assert_int_equal(intake_peek(&f->in, f->fd, f->look), INTAKE_SOME);
	assert_has(f, 20);
	close(f->peer);
	f->peer = -1;
	assert_int_equal(recv(f->fd, f->look, 20, 0), 20);
	assert_int_equal(intake_peek(&f->in, f->fd, f->look), INTAKE_END);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_whole_at_once_needs_no_memory),
		TEST(pieces_follow_each_other),
		TEST(room_for_all_of_it_is_made_once),
		TEST(a_full_room_is_not_the_end_of_what_waits),
		TEST(no_more_than_its_most_is_taken),
		TEST(the_end_is_told_from_nothing),
		TEST(what_was_read_of_it_is_not_kept),
		TEST(a_look_leaves_all_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
