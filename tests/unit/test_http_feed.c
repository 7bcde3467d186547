/*
 * test_http_feed.c - libfcgi reads what was read for it: first that, then the socket or the end, on that
 * connection only and in that thread only.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcgiapp.h>
#include <fcgios.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi_wire.h"
#include "http/body.h"
#include "http/feed.h"

enum { BODY = 100 * 1000 };

/* A connection: the peer's end and libfcgi's, whose reads end soon. */
static void connect_both(int fds[2])
{
	const struct timeval timeout = { .tv_usec = 100 * 1000 };
	const int size = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

static void close_both(const int fds[2])
{
	feed_use(NULL);
	close(fds[0]);
	close(fds[1]);
}

/* A PUT of BODY bytes. */
static struct bytes request_make(void)
{
	struct bytes out = { .n = 0 }, params = { .n = 0 };
	char *body = malloc(BODY);

	assert_non_null(body);
	for (size_t i = 0; i < BODY; i++)
		body[i] = (char)('a' + i % 23);
	wire_param(&params, "REQUEST_METHOD", "PUT", 3);
	wire_begin(&out, 1, true);
	wire_stream(&out, FCGI_TYPE_PARAMS, 1, params.p, params.n);
	wire_stream(&out, FCGI_TYPE_STDIN, 1, body, BODY);
	bytes_free(&params);
	free(body);
	return out;
}

/* Whether libfcgi reads that request on FD. */
static bool reads_it(int fd)
{
	char *got = malloc(BODY + 1);
	FCGX_Request fcgi;
	bool good;

	assert_non_null(got);
	FCGX_InitRequest(&fcgi, -1, 0);
	fcgi.ipcFd = fd;
	fcgi.keepConnection = 1;
	good = FCGX_Accept_r(&fcgi) == 0 && strcmp(FCGX_GetParam("REQUEST_METHOD", fcgi.envp), "PUT") == 0 &&
		FCGX_GetStr(got, BODY + 1, fcgi.in) == BODY && FCGX_GetError(fcgi.in) == 0;
	for (size_t i = 0; i < BODY && good; i++)
		good = got[i] == (char)('a' + i % 23);
	FCGX_Free(&fcgi, 0);
	free(got);
	return good;
}

static void this_libfcgi_can_be_fed(void **state)
{
	(void)state;
	assert_true(feed_works());
	/* And behind the test it reads sockets. */
	{
		struct bytes request = request_make();
		int fds[2];

		connect_both(fds);
		assert_int_equal(write(fds[0], request.p, request.n), request.n);
		assert_true(reads_it(fds[1]));
		close_both(fds);
		bytes_free(&request);
	}
}

static void a_request_is_read_from_memory_alone(void **state)
{
	struct bytes request = request_make();
	struct feed feed = { .p = request.p, .n = request.n, .is_all = true };
	int fds[2];
	char byte;

	(void)state;
	connect_both(fds);
	feed.fd = fds[1];
	/* What waits in the socket is another's. */
	assert_int_equal(write(fds[0], "x", 1), 1);
	feed_use(&feed);
	assert_true(reads_it(fds[1]));
	assert_int_equal(feed.n, 0);
	assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), 1);
	close_both(fds);
	bytes_free(&request);
}

static void behind_the_memory_comes_the_socket(void **state)
{
	struct bytes request = request_make();

	(void)state;
	for (size_t n = 0; n <= request.n; n += n < 64 || request.n - n < 64 ? 1 : 9001) {
		struct feed feed = { .p = request.p, .n = n };
		int fds[2];

		connect_both(fds);
		feed.fd = fds[1];
		assert_int_equal(write(fds[0], request.p + n, request.n - n), request.n - n);
		feed_use(&feed);
		assert_true(reads_it(fds[1]));
		close_both(fds);
	}
	bytes_free(&request);
}

static void behind_all_of_it_comes_the_end(void **state)
{
	struct bytes request = request_make();
	struct feed feed = { .p = request.p, .n = request.n - 1, .is_all = true };
	char byte;
	int fds[2];

	(void)state;
	connect_both(fds);
	feed.fd = fds[1];
	/* That byte waits in the socket: it is not asked. */
	assert_int_equal(write(fds[0], request.p + request.n - 1, 1), 1);
	feed_use(&feed);
	assert_false(reads_it(fds[1]));
	assert_int_equal(OS_Read(fds[1], &byte, 1), 0);
	close_both(fds);
	bytes_free(&request);
}

static void *read_one(void *arg)
{
	char byte = '-';

	return (void *)(intptr_t)(OS_Read(*(int *)arg, &byte, 1) == 1 ? byte : '-');
}

static void other_connections_and_threads_read_their_sockets(void **state)
{
	struct feed feed = { .p = (const unsigned char *)"fed", .n = 3, .is_all = true };
	int one[2], two[2];
	pthread_t thread;
	void *got;
	char byte;

	(void)state;
	connect_both(one);
	connect_both(two);
	assert_int_equal(write(one[0], "1", 1), 1);
	assert_int_equal(write(two[0], "2", 1), 1);
	feed.fd = one[1];
	feed_use(&feed);
	assert_int_equal(OS_Read(two[1], &byte, 1), 1);
	assert_int_equal(byte, '2');
	assert_int_equal(pthread_create(&thread, NULL, read_one, &one[1]), 0);
	pthread_join(thread, &got);
	assert_int_equal((intptr_t)got, '1');
	assert_int_equal(OS_Read(one[1], &byte, 1), 1);
	assert_int_equal(byte, 'f');
	close_both(one);
	close_both(two);
}

static int set_up(void **state)
{
	(void)state;
	return FCGX_Init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_libfcgi_can_be_fed),
		cmocka_unit_test(a_request_is_read_from_memory_alone),
		cmocka_unit_test(behind_the_memory_comes_the_socket),
		cmocka_unit_test(behind_all_of_it_comes_the_end),
		cmocka_unit_test(other_connections_and_threads_read_their_sockets),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
