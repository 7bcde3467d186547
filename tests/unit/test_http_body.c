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
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "fcgi_wire.h"
#include "http/body.h"
#include "http/spool.h"

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

/* ---- in pieces ---- */

/* Piece by piece until it ends, or fails; *N bytes were 'x'. */
static enum rc read_pieces(struct fixture *f, size_t size, size_t *n)
{
	char *buf = malloc(size);
	struct str piece;
	enum rc rc;

	assert_non_null(buf);
	for (*n = 0; (rc = body_next(&f->body, buf, size, &piece)) == RC_OK && piece.n != 0; *n += piece.n) {
		assert_true(piece.n <= size);
		assert_all_x(piece, piece.n);
	}
	assert_int_equal(piece.n, 0);
	free(buf);
	return rc;
}

static void a_body_comes_in_pieces_of_any_size(void **state)
{
	const size_t sizes[] = { 1, 7, 8192, LARGE - 1, LARGE, LARGE + 1, 300000 };
	const int64_t declared[] = { LARGE, -1 };

	for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
		struct fixture *f;
		struct str piece;
		char more;
		size_t n;

		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		f = *state;
		begin(f, &(struct sent){ .n = LARGE, .declared = declared[i % 2] });
		assert_int_equal(read_pieces(f, sizes[i / 2], &n), RC_OK);
		assert_int_equal(n, LARGE);
		assert_true(f->body.at_end);
		/* And it stays at its end. */
		assert_int_equal(body_next(&f->body, &more, 1, &piece), RC_OK);
		assert_int_equal(piece.n, 0);
		assert_true(body_drain(&f->body));
	}
}

static void an_empty_body_has_no_piece(void **state)
{
	struct fixture *f = *state;
	size_t n;

	begin(f, &(struct sent){ .declared = 0 });
	assert_int_equal(read_pieces(f, 10, &n), RC_OK);
	assert_int_equal(n, 0);
	assert_true(f->body.at_end);
}

static void pieces_of_a_body_that_ends_early_end_as_short(void **state)
{
	struct fixture *f = *state;
	size_t n;

	begin(f, &(struct sent){ .n = 99, .declared = 100 });
	assert_int_equal(read_pieces(f, 10, &n), RC_SHORT_BODY);
	assert_int_equal(n, 90);
	assert_int_equal(read_pieces(f, 10, &n), RC_SHORT_BODY);
}

static void pieces_of_a_body_whose_end_is_lost_end_as_short(void **state)
{
	const int64_t declared[] = { 100, -1 };

	for (size_t i = 0; i < 2; i++) {
		struct fixture *f;
		size_t n;

		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		f = *state;
		begin(f, &(struct sent){ .n = 100, .declared = declared[i], .unended = true, .hang_up = true });
		assert_int_equal(read_pieces(f, 10, &n), RC_SHORT_BODY);
		assert_int_equal(n, 100);
		assert_false(body_drain(&f->body));
	}
}

static void more_than_was_declared_is_refused_behind_the_last_piece(void **state)
{
	struct fixture *f = *state;
	size_t n;

	begin(f, &(struct sent){ .n = 5000, .declared = 100 });
	assert_int_equal(read_pieces(f, 30, &n), RC_BAD_REQUEST);
	assert_int_equal(n, 100);
	assert_int_equal(read_pieces(f, 30, &n), RC_BAD_REQUEST);
	assert_true(body_drain(&f->body));
	assert_int_equal(f->body.seen, 5000);
}

/* ---- in a file ---- */

static int write_error, open_error;

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

/* Once in a while a write takes less than it was given. */
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	if (write_error == EINTR) {
		write_error = 0;
		errno = EINTR;
		return -1;
	}
	if (write_error != 0) {
		errno = write_error;
		return -1;
	}
	return __real_write(fd, p, n > 30000 && n < 40000 ? n - 1000 : n);
}

int __wrap_open(const char *path, int flags, ...)
{
	if (open_error != 0) {
		errno = open_error;
		return -1;
	}
	return __real_open(path, flags, 0600);
}

/* A new directory; it must be empty when it goes. */
static char spool_dir[64];

static void make_dir(void)
{
	strcpy(spool_dir, "/tmp/tmakv-spool.XXXXXX");
	assert_non_null(mkdtemp(spool_dir));
}

static enum rc spool_body(struct fixture *f, const struct sent *sent, size_t max, struct spool *spool)
{
	enum rc rc;

	log_open("test", LOG_LEVEL_ERROR);
	make_dir();
	begin(f, sent);
	rc = body_spool(&f->body, max, spool_dir, spool);
	write_error = open_error = 0;
	assert_int_equal(rmdir(spool_dir), 0);
	if (rc != RC_OK)
		assert_int_equal(spool->bytes.n, 0);
	return rc;
}

static void a_spooled_body_is_whole_and_leaves_no_file(void **state)
{
	const int64_t declared[] = { LARGE, -1 };
	struct spool spool = { .bytes = { NULL, 0 } };

	spool_clear(&spool);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		assert_int_equal(spool_body(*state, &(struct sent){ .n = LARGE, .declared = declared[i] }, LARGE,
					    &spool), RC_OK);
		assert_all_x(spool.bytes, LARGE);
		spool_clear(&spool);
		spool_clear(&spool);
	}
}

static void without_o_tmpfile_the_file_has_a_name_for_a_moment(void **state)
{
	const int errors[] = { EOPNOTSUPP, EISDIR, EINVAL };
	struct spool spool;

	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		open_error = errors[i];
		assert_int_equal(spool_body(*state, &(struct sent){ .n = LARGE, .declared = LARGE }, LARGE, &spool),
				 RC_OK);
		assert_all_x(spool.bytes, LARGE);
		spool_clear(&spool);
	}
}

static void an_empty_body_is_spooled(void **state)
{
	struct spool spool;

	assert_int_equal(spool_body(*state, &(struct sent){ .declared = 0 }, 10, &spool), RC_OK);
	assert_int_equal(spool.bytes.n, 0);
	spool_clear(&spool);
}

static void a_spool_is_bounded_at_the_byte(void **state)
{
	for (int64_t declared = -1; declared <= LARGE; declared += LARGE + 1) {
		struct fixture *f;
		struct spool spool;

		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		f = *state;
		assert_int_equal(spool_body(f, &(struct sent){ .n = LARGE, .declared = declared }, LARGE - 1, &spool),
				 RC_VALUE_TOO_LARGE);
		assert_true(body_drain(&f->body));
		assert_int_equal(f->body.seen, LARGE);
	}
}

static void a_body_that_is_not_as_declared_is_not_spooled(void **state)
{
	const struct { struct sent sent; enum rc rc; } bad[] = {
		{ { .n = 99, .declared = 100 }, RC_SHORT_BODY },
		{ { .n = 100, .declared = 100, .unended = true, .hang_up = true }, RC_SHORT_BODY },
		{ { .n = 100, .declared = -1, .unended = true, .hang_up = true }, RC_SHORT_BODY },
		{ { .n = 101, .declared = 100 }, RC_BAD_REQUEST },
	};
	struct spool spool;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		assert_int_equal(spool_body(*state, &bad[i].sent, LARGE, &spool), bad[i].rc);
	}
}

static void a_full_disk_refuses_a_spool(void **state)
{
	const struct { int error; enum rc rc; } failures[] = {
		{ ENOSPC, RC_STORAGE_FULL }, { EDQUOT, RC_STORAGE_FULL }, { ENOMEM, RC_NO_MEMORY }, { EIO, RC_INTERNAL },
	};
	struct spool spool;

	for (size_t i = 0; i < 2 * sizeof failures / sizeof failures[0]; i++) {
		struct fixture *f;
		/* A socket's other end has all of it before, so only the file's writes and opening fail. */
		const struct sent sent = { .n = LARGE, .declared = LARGE };

		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		f = *state;
		log_open("test", LOG_LEVEL_ERROR);
		make_dir();
		begin(f, &sent);
		*(i % 2 == 0 ? &write_error : &open_error) = failures[i / 2].error;
		assert_int_equal(body_spool(&f->body, LARGE, spool_dir, &spool), failures[i / 2].rc);
		write_error = open_error = 0;
		assert_int_equal(spool.bytes.n, 0);
		assert_true(body_drain(&f->body));
		assert_int_equal(rmdir(spool_dir), 0);
	}
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
		TEST(a_body_comes_in_pieces_of_any_size),
		TEST(an_empty_body_has_no_piece),
		TEST(pieces_of_a_body_that_ends_early_end_as_short),
		TEST(pieces_of_a_body_whose_end_is_lost_end_as_short),
		TEST(more_than_was_declared_is_refused_behind_the_last_piece),
		TEST(a_spooled_body_is_whole_and_leaves_no_file),
		TEST(without_o_tmpfile_the_file_has_a_name_for_a_moment),
		TEST(an_empty_body_is_spooled),
		TEST(a_spool_is_bounded_at_the_byte),
		TEST(a_body_that_is_not_as_declared_is_not_spooled),
		TEST(a_full_disk_refuses_a_spool),
	};

	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
