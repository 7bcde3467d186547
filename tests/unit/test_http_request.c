/*
 * test_http_request.c - parameters become a request.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/request.h"

#define ENV(...) ((char *[]){ __VA_ARGS__, NULL })
static char GET_[] = "REQUEST_METHOD=GET";
static char ROOT[] = "REQUEST_URI=/";

static void assert_text(struct str s, const char *text)
{
	assert_true(str_eq(s, str_c(text)));
}

static void what_the_front_server_passes_is_read(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(request_read(&r, ENV(
		(char[]){ "FCGI_ROLE=RESPONDER" },
		(char[]){ "REQUEST_METHOD=PUT" },
		(char[]){ "REQUEST_URI=/sdk/v1/kv/a%2Fb?x=1&y=2" },
		(char[]){ "CONTENT_LENGTH=131072" },
		(char[]){ "CONTENT_TYPE=application/json" },
		(char[]){ "HTTP_AUTHORIZATION=Bearer a=b=" },
		(char[]){ "HTTP_X_PROJECT_ID=game" },
		(char[]){ "HTTP_CONTENT_ENCODING=gzip" },
		(char[]){ "HTTP_ORIGIN=https://app.example" },
		(char[]){ "HTTP_IF_MATCH=\"1\"" },
		(char[]){ "HTTP_IF_NONE_MATCH=*" },
		(char[]){ "REQUEST_ID=0123456789abcdef0123456789abcdef" },
		(char[]){ "TMAKV_DOOR=binding" })), RC_OK);
	assert_int_equal(r.method, METHOD_PUT);
	assert_int_equal(r.door, DOOR_BINDING);
	assert_text(r.uri, "/sdk/v1/kv/a%2Fb?x=1&y=2");
	assert_text(r.path, "/sdk/v1/kv/a%2Fb");
	assert_text(r.query, "x=1&y=2");
	assert_int_equal(r.content_length, 131072);
	assert_text(r.content_type, "application/json");
	assert_text(r.authorization, "Bearer a=b=");
	assert_text(r.project_id, "game");
	assert_text(r.content_encoding, "gzip");
	assert_text(r.origin, "https://app.example");
	assert_text(r.if_match, "\"1\"");
	assert_text(r.if_none_match, "*");
	assert_text(r.request_id, "0123456789abcdef0123456789abcdef");
}

static void what_is_absent_is_empty(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(request_read(&r, ENV(GET_, ROOT)), RC_OK);
	assert_int_equal(r.method, METHOD_GET);
	assert_int_equal(r.door, DOOR_PUBLIC);
	assert_int_equal(r.content_length, -1);
	assert_int_equal(r.authorization.n, 0);
	assert_int_equal(r.query.n, 0);
	assert_int_equal(r.request_id.n, 0);
}

static void empty_parameters_count_as_absent(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(request_read(&r, ENV(GET_, ROOT, (char[]){ "CONTENT_LENGTH=" },
					      (char[]){ "TMAKV_DOOR=" })), RC_OK);
	assert_int_equal(r.content_length, -1);
	assert_int_equal(r.door, DOOR_PUBLIC);
}

static void every_method_we_speak_is_known_and_others_are_other(void **state)
{
	static const struct { const char *name; enum method method; } cases[] = {
		{ "REQUEST_METHOD=GET", METHOD_GET },
		{ "REQUEST_METHOD=HEAD", METHOD_HEAD },
		{ "REQUEST_METHOD=PUT", METHOD_PUT },
		{ "REQUEST_METHOD=POST", METHOD_POST },
		{ "REQUEST_METHOD=PATCH", METHOD_PATCH },
		{ "REQUEST_METHOD=DELETE", METHOD_DELETE },
		{ "REQUEST_METHOD=OPTIONS", METHOD_OPTIONS },
		{ "REQUEST_METHOD=PURGE", METHOD_OTHER },
		{ "REQUEST_METHOD=GETS", METHOD_OTHER },
		{ "REQUEST_METHOD=get", METHOD_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char entry[64];
		struct request r;

		strcpy(entry, cases[i].name);
		assert_int_equal(request_read(&r, ENV(entry, ROOT)), RC_OK);
		assert_int_equal(r.method, cases[i].method);
	}
}

static void a_request_without_method_or_uri_is_refused(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(request_read(&r, ENV(ROOT)), RC_BAD_REQUEST);
	assert_int_equal(request_read(&r, ENV(GET_)), RC_BAD_REQUEST);
	assert_int_equal(request_read(&r, ENV(GET_, (char[]){ "REQUEST_URI=" })), RC_BAD_REQUEST);
	assert_int_equal(request_read(&r, ENV((char[]){ "REQUEST_METHOD=" }, ROOT)), RC_BAD_REQUEST);
	assert_int_equal(request_read(&r, (char *[]){ NULL }), RC_BAD_REQUEST);
}

static void a_length_that_is_no_number_is_refused(void **state)
{
	static const char *const bad[] = {
		"CONTENT_LENGTH=-1", "CONTENT_LENGTH=+1", "CONTENT_LENGTH= 1", "CONTENT_LENGTH=1 ",
		"CONTENT_LENGTH=0x10", "CONTENT_LENGTH=1,2", "CONTENT_LENGTH=9223372036854775808",
		"CONTENT_LENGTH=18446744073709551616",
	};
	struct request r;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char entry[64];

		strcpy(entry, bad[i]);
		assert_int_equal(request_read(&r, ENV(GET_, ROOT, entry)), RC_BAD_REQUEST);
		assert_int_equal(r.content_length, -1);
	}
	assert_int_equal(request_read(&r, ENV(GET_, ROOT,
			 (char[]){ "CONTENT_LENGTH=9223372036854775807" })), RC_OK);
	assert_true(r.content_length == INT64_MAX);
}

static void an_unknown_door_is_refused(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(request_read(&r, ENV(GET_, ROOT, (char[]){ "TMAKV_DOOR=opreator" })),
			 RC_BAD_REQUEST);
	assert_int_equal(r.door, DOOR_PUBLIC);
	assert_int_equal(request_read(&r, ENV(GET_, ROOT, (char[]){ "TMAKV_DOOR=operator" })), RC_OK);
	assert_int_equal(r.door, DOOR_OPERATOR);
}

static void a_header_cannot_choose_the_door(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(request_read(&r, ENV(GET_, ROOT,
			 (char[]){ "HTTP_TMAKV_DOOR=operator" })), RC_OK);
	assert_int_equal(r.door, DOOR_PUBLIC);
}

static void of_a_repeated_parameter_the_first_counts(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(request_read(&r, ENV(GET_, ROOT, (char[]){ "HTTP_X_PROJECT_ID=" },
					      (char[]){ "HTTP_X_PROJECT_ID=b" })), RC_OK);
	assert_int_equal(r.project_id.n, 0);
}

static void names_are_compared_whole(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(request_read(&r, ENV(GET_, ROOT, (char[]){ "HTTP_ORIGINS=x" },
			 (char[]){ "HTTP_ORIGI=y" }, (char[]){ "=z" }, (char[]){ "HTTP_ORIGIN" },
			 (char[]){ "" })), RC_OK);
	assert_int_equal(r.origin.n, 0);
}

static void a_uri_with_scheme_and_host_is_its_path(void **state)
{
	static struct { char uri[64]; const char *path, *query; } rows[] = {
		{ "REQUEST_URI=http://host.example/kv/a%2Fb?x=//y", "/kv/a%2Fb", "x=//y" },
		{ "REQUEST_URI=HTTPS://user@[::1]:8480/kv", "/kv", "" },
		{ "REQUEST_URI=http://host?x=1", "", "x=1" },
		{ "REQUEST_URI=http://host", "", "" },
		{ "REQUEST_URI=http:///kv", "/kv", "" },
		/* What only looks like it. */
		{ "REQUEST_URI=/http://host/kv", "/http://host/kv", "" },
		{ "REQUEST_URI=ftp://host/kv", "ftp://host/kv", "" },
		{ "REQUEST_URI=http:/kv", "http:/kv", "" },
		{ "REQUEST_URI=http:", "http:", "" },
		{ "REQUEST_URI=*", "*", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct request r;

		assert_int_equal(request_read(&r, ENV(GET_, rows[i].uri)), RC_OK);
		assert_text(r.path, rows[i].path);
		assert_text(r.query, rows[i].query);
	}
}

static void a_uri_that_is_only_a_query_has_an_empty_path(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(request_read(&r, ENV(GET_, (char[]){ "REQUEST_URI=?x=1" })), RC_OK);
	assert_int_equal(r.path.n, 0);
	assert_text(r.query, "x=1");
}

static void method_names_lists_what_the_mask_holds(void **state)
{
	char out[64];

	(void)state;
	method_names(METHOD_GET | METHOD_HEAD, out, sizeof out);
	assert_string_equal(out, "GET, HEAD");
	method_names(METHOD_DELETE, out, sizeof out);
	assert_string_equal(out, "DELETE");
	method_names(0, out, sizeof out);
	assert_string_equal(out, "");
	method_names(METHOD_OTHER, out, sizeof out);
	assert_string_equal(out, "");
	method_names(METHOD_GET | METHOD_HEAD, out, 9);
	assert_string_equal(out, "GET");
	method_names(METHOD_GET | METHOD_HEAD, out, 10);
	assert_string_equal(out, "GET, HEAD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_front_server_passes_is_read),
		cmocka_unit_test(what_is_absent_is_empty),
		cmocka_unit_test(empty_parameters_count_as_absent),
		cmocka_unit_test(every_method_we_speak_is_known_and_others_are_other),
		cmocka_unit_test(a_request_without_method_or_uri_is_refused),
		cmocka_unit_test(a_length_that_is_no_number_is_refused),
		cmocka_unit_test(an_unknown_door_is_refused),
		cmocka_unit_test(a_header_cannot_choose_the_door),
		cmocka_unit_test(of_a_repeated_parameter_the_first_counts),
		cmocka_unit_test(names_are_compared_whole),
		cmocka_unit_test(a_uri_with_scheme_and_host_is_its_path),
		cmocka_unit_test(a_uri_that_is_only_a_query_has_an_empty_path),
		cmocka_unit_test(method_names_lists_what_the_mask_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
