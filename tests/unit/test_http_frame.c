/*
 * test_http_frame.c - what of a request is here, and what is none.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fcgi_wire.h"
#include "http/frame.h"

enum { ID = 1 };

static void add(struct bytes *params, const char *name, const char *value)
{
	wire_param(params, name, value, strlen(value));
}

static void add_usual(struct bytes *params, const char *length)
{
	char long_value[300];

	memset(long_value, 'v', sizeof long_value - 1);
	long_value[sizeof long_value - 1] = '\0';
	add(params, "REQUEST_METHOD", "PUT");
	add(params, "REQUEST_URI", "/sdk/v1/kv/a");
	add(params, "EMPTY", "");
	if (length != NULL)
		add(params, "CONTENT_LENGTH", length);
	add(params, "HTTP_AUTHORIZATION", long_value);
	add(params, "CONTENT_LENGTHS", "9");
}

/* A request with a body of N bytes, its parameters in records of PIECE bytes. */
static struct bytes make(const char *length, size_t n, size_t piece)
{
	struct bytes out = { .n = 0 }, params = { .n = 0 };
	char *body = calloc(1, n + 1);

	add_usual(&params, length);
	wire_begin(&out, ID, true);
	for (size_t at = 0; at < params.n; at += piece)
		wire_record(&out, FCGI_TYPE_PARAMS, ID, params.p + at, params.n - at < piece ? params.n - at : piece,
			    at % 8);
	wire_record(&out, FCGI_TYPE_PARAMS, ID, NULL, 0, 0);
	wire_stream(&out, FCGI_TYPE_STDIN, ID, body, n);
	bytes_free(&params);
	free(body);
	return out;
}

/* In memory of exactly that size, so that a checker sees a step beyond it. */
static enum frame_state look(const struct bytes *bytes, size_t n, struct frame *frame)
{
	unsigned char *copy = malloc(n == 0 ? 1 : n);
	enum frame_state state;

	memcpy(copy, bytes->p, n);
	state = frame_look(copy, n, frame);
	free(copy);
	return state;
}

static void a_request_comes_from_more_over_head_to_whole(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 64, 100, 65535 };

	(void)state;
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct bytes request = make("1000", 1000, pieces[i]);
		enum frame_state last = FRAME_MORE;
		struct frame frame = { 0 };

		for (size_t n = 0; n <= request.n; n++) {
			enum frame_state now = look(&request, n, &frame);

			assert_true(now == last || (now == FRAME_HEAD && last == FRAME_MORE) ||
				    (now == FRAME_WHOLE && n == request.n));
			if (now == FRAME_HEAD && last == FRAME_MORE)
				assert_int_equal(frame.head, n);
			last = now;
		}
		assert_int_equal(last, FRAME_WHOLE);
		assert_int_equal(frame.size, request.n);
		assert_int_equal(frame.declared, 1000);
		bytes_free(&request);
	}
}

static void what_stands_behind_a_request_does_not_matter(void **state)
{
	struct bytes request = make("0", 0, 65535);
	struct frame frame;

	(void)state;
	bytes_add(&request, "nonsense that follows", 21);
	assert_int_equal(look(&request, request.n, &frame), FRAME_WHOLE);
	assert_int_equal(frame.size, request.n - 21);
	bytes_free(&request);
}

static void a_length_counts_only_in_digits(void **state)
{
	static const struct { const char *text; int64_t declared; } rows[] = {
		{ NULL, -1 }, { "", -1 }, { "0", 0 }, { "42", 42 }, { "+5", -1 }, { "-1", -1 }, { "0x10", -1 },
		{ "9223372036854775807", INT64_MAX }, { "9223372036854775808", -1 },
		{ "123456789012345678901234567890", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes request = make(rows[i].text, 5, 13);
		struct frame frame;

		assert_int_equal(look(&request, request.n, &frame), FRAME_WHOLE);
		assert_int_equal(frame.declared, rows[i].declared);
		bytes_free(&request);
	}
}

/* The request of make() with one byte at AT changed to BYTE. */
static enum frame_state look_changed(size_t at, unsigned char byte)
{
	struct bytes request = make("0", 0, 65535);
	enum frame_state state;
	struct frame frame;

	request.p[at] = byte;
	state = look(&request, request.n, &frame);
	bytes_free(&request);
	return state;
}

static void what_no_front_server_sends_is_bad(void **state)
{
	struct frame frame;

	(void)state;
	assert_int_equal(look_changed(0, 1), FRAME_WHOLE);
	assert_int_equal(look_changed(0, 0), FRAME_BAD);	/* version */
	assert_int_equal(look_changed(1, 9), FRAME_BAD);	/* GET_VALUES */
	assert_int_equal(look_changed(1, 4), FRAME_BAD);	/* parameters before the beginning */
	assert_int_equal(look_changed(3, 0), FRAME_BAD);	/* request 0 is management */
	assert_int_equal(look_changed(5, 7), FRAME_BAD);	/* a short BEGIN */
	assert_int_equal(look_changed(9, 2), FRAME_BAD);	/* another role */
	assert_int_equal(look_changed(16, 2), FRAME_BAD);	/* version of the second record */
	assert_int_equal(look_changed(17, 1), FRAME_BAD);	/* a second BEGIN */
	assert_int_equal(look_changed(17, 5), FRAME_BAD);	/* a body before the parameters */
	assert_int_equal(look_changed(19, 2), FRAME_BAD);	/* somebody else's record */
	assert_int_equal(frame_look((const unsigned char *)"GET / HTTP/1.1\r\n", 16, &frame), FRAME_BAD);
	assert_int_equal(frame_look((const unsigned char *)"G", 1, &frame), FRAME_BAD);
	assert_int_equal(frame_look((const unsigned char *)"", 0, &frame), FRAME_MORE);
}

static enum frame_state look_params(const char *p, size_t n)
{
	struct bytes request = { .n = 0 };
	enum frame_state state;
	struct frame frame;

	wire_begin(&request, ID, true);
	wire_stream(&request, FCGI_TYPE_PARAMS, ID, p, n);
	wire_stream(&request, FCGI_TYPE_STDIN, ID, NULL, 0);
	state = look(&request, request.n, &frame);
	bytes_free(&request);
	return state;
}

static void parameters_with_lengths_that_do_not_agree_are_bad(void **state)
{
	(void)state;
	assert_int_equal(look_params("", 0), FRAME_WHOLE);
	assert_int_equal(look_params("\1\1ab", 4), FRAME_WHOLE);
	assert_int_equal(look_params("\0\0", 2), FRAME_WHOLE);
	assert_int_equal(look_params("\1", 1), FRAME_BAD);
	assert_int_equal(look_params("\1\1a", 3), FRAME_BAD);
	assert_int_equal(look_params("\1\1ab\1", 5), FRAME_BAD);
	assert_int_equal(look_params("\x80\0\0\1\1ab", 7), FRAME_WHOLE);
	assert_int_equal(look_params("\x80\0\0", 3), FRAME_BAD);
	assert_int_equal(look_params("\xff\xff\xff\xfe\xff\xff\xff\xfe", 8), FRAME_BAD);
	assert_int_equal(look_params("\1\x80\x10\0\1a", 6), FRAME_BAD);
}

static void an_aborted_body_is_bad(void **state)
{
	struct bytes request = make("10", 5, 65535);
	struct frame frame;

	(void)state;
	request.n -= 8;
	assert_int_equal(look(&request, request.n, &frame), FRAME_HEAD);
	wire_record(&request, FCGI_TYPE_ABORT, ID, NULL, 0, 0);
	assert_int_equal(look(&request, request.n, &frame), FRAME_BAD);
	bytes_free(&request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_comes_from_more_over_head_to_whole),
		cmocka_unit_test(what_stands_behind_a_request_does_not_matter),
		cmocka_unit_test(a_length_counts_only_in_digits),
		cmocka_unit_test(what_no_front_server_sends_is_bad),
		cmocka_unit_test(parameters_with_lengths_that_do_not_agree_are_bad),
		cmocka_unit_test(an_aborted_body_is_bad),
	};

	return cmocka_run_group_tests_name("http_frame", tests, NULL, NULL);
}
