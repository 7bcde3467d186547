/*
 * test_http_multipart.c - multipart/form-data in pieces, beside a plain reading of the whole.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "http/multipart.h"
#include "multipart_reference.h"

/* In pieces of which each is copied to memory of its own: A bytes, then B, then A again, and so on; 0 is all. */
static enum rc parse(struct str boundary, struct str body, size_t a, size_t b, struct parts *parts, const char **problem)
{
	struct multipart *m = malloc(sizeof *m);
	char type[200];
	enum rc rc, ended;

	snprintf(type, sizeof type, "multipart/form-data; boundary=\"%.*s\"", STR(boundary));
	assert_int_equal(multipart_init(m, str_c(type), &parts_events, parts), RC_OK);
	for (size_t turn = 0; body.n != 0; turn++) {
		size_t wanted = turn % 2 == 0 ? a : b, n = wanted == 0 || wanted > body.n ? body.n : wanted;
		char *copy = malloc(n);

		memcpy(copy, body.p, n);
		rc = multipart_add(m, str_make(copy, n));
		free(copy);
		body = str_skip(body, n);
		if (rc != RC_OK)
			break;
	}
	ended = multipart_end(m);
	*problem = multipart_problem(m);
	assert_int_equal(ended, *problem[0] == '\0' ? RC_OK : RC_BAD_REQUEST);
	free(m);
	return ended;
}

static void agree(struct str boundary, struct str body, size_t a, size_t b)
{
	struct parts ours = { .p = NULL }, theirs = { .p = NULL };
	const char *our_problem, *their_problem;
	enum rc our_rc = parse(boundary, body, a, b, &ours, &our_problem);
	enum rc their_rc = multipart_reference(boundary, body, &theirs, &their_problem);

	if (our_rc != their_rc || strcmp(our_problem, their_problem) != 0 || !parts_agree(&ours, &theirs, our_rc == RC_OK))
		fail_msg("pieces of %zu and %zu: %zu parts (%s), not %zu (%s): %.*s", a, b, ours.count, our_problem,
			 theirs.count, their_problem, STR(body));
	parts_clear(&ours);
	parts_clear(&theirs);
}

/* Whole, byte by byte, cut in two anywhere, and in small pieces. */
static void agree_in_all_cuts(struct str boundary, struct str body)
{
	agree(boundary, body, 0, 0);
	for (size_t a = 1; a <= body.n; a++)
		agree(boundary, body, a, 0);
	for (size_t a = 1; a < 24; a++)
		for (size_t b = 1; b < 24; b++)
			agree(boundary, body, a, b);
}

/* BODY is read whole and in all cuts, with EXPECTED as the parts, or PROBLEM. */
static void expect_parts(struct str boundary, struct str body, struct str expected)
{
	struct parts parts = { .p = NULL };
	const char *problem;

	if (parse(boundary, body, 0, 0, &parts, &problem) != RC_OK)
		fail_msg("%s: %.*s", problem, STR(body));
	if (!str_eq(str_make(parts.p, parts.n), expected))
		fail_msg("%.*s", (int)parts.n, parts.p);
	parts_clear(&parts);
	agree_in_all_cuts(boundary, body);
}

static void expect_problem(struct str boundary, struct str body, const char *expected)
{
	struct parts parts = { .p = NULL };
	const char *problem;

	assert_int_equal(parse(boundary, body, 0, 0, &parts, &problem), RC_BAD_REQUEST);
	if (strcmp(problem, expected) != 0)
		fail_msg("%s, not %s: %.*s", problem, expected, STR(body));
	parts_clear(&parts);
	agree_in_all_cuts(boundary, body);
}

#define NODE "----formdata-undici-039623084604"
#define DISPOSITION "Content-Disposition: form-data; name="
/* A part of boundary "b", and the closing one. */
#define PART(name, content) "--b\r\n" DISPOSITION name "\r\n\r\n" content "\r\n"
#define CLOSE "--b--\r\n"
static const struct str b = STR_LIT("b");

/* --- bodies as the npm package cloudflare sends them --- */

static void a_string_comes_as_a_plain_part(void **state)
{
	(void)state;
	expect_parts(STR_LIT(NODE), STR_LIT("--" NODE "\r\n" DISPOSITION "\"value\"\r\n\r\nhello\r\n--" NODE "--\r\n"),
		     STR_LIT("name 5 valuehello 5\n"));
}

static void a_file_comes_byte_for_byte(void **state)
{
	(void)state;
	expect_parts(STR_LIT(NODE),
		     STR_LIT("--" NODE "\r\n" DISPOSITION "\"value\"; filename=\"blob\"\r\nContent-Type: application/octet-stream\r\n\r\n"
			     "\0\r\n--\r\n\0\xff\r\n--" NODE "\r\n" DISPOSITION "\"metadata\"\r\n\r\n{\"a\":1}\r\n--" NODE "--\r\n"),
		     STR_LIT("file 5 value\0\r\n--\r\n\0\xff 9\nname 8 metadata{\"a\":1} 7\n"));
}

static void metadata_comes_in_pieces_of_an_object(void **state)
{
	(void)state;
	expect_parts(STR_LIT(NODE),
		     STR_LIT("--" NODE "\r\n" DISPOSITION "\"metadata[a][b]\"\r\n\r\n1\r\n--" NODE "\r\n" DISPOSITION "\"metadata[tags][]\"\r\n\r\nx\r\n"
			     "--" NODE "\r\n" DISPOSITION "\"value\"\r\n\r\nv\r\n--" NODE "--\r\n"),
		     STR_LIT("name 14 metadata[a][b]1 1\nname 16 metadata[tags][]x 1\nname 5 valuev 1\n"));
}

static void a_form_may_have_no_part(void **state)
{
	(void)state;
	expect_parts(STR_LIT(NODE), STR_LIT("--" NODE "--\r\n"), STR_LIT(""));
	expect_parts(b, STR_LIT("--b--"), STR_LIT(""));
}

static void names_are_read_as_they_were_meant(void **state)
{
	static const struct { struct str written, expected; } names[] = {
		{ STR_LIT(PART("\"a%22b%0D%0Ac\\\"", "v") CLOSE), STR_LIT("name 7 a\"b\r\nc\\v 1\n") },
		{ STR_LIT(PART("\"a%0d%0a%22%20%2\"", "v") CLOSE), STR_LIT("name 9 a\r\n\"%20%2v 1\n") },
		{ STR_LIT(PART("\"a\\\"b\\\\c\\d\"", "v") CLOSE), STR_LIT("name 7 a\"b\\c\\dv 1\n") },
		{ STR_LIT(PART("\"a\\\\\"; filename=x", "v") CLOSE), STR_LIT("file 2 a\\v 1\n") },
		{ STR_LIT(PART("\"a;b=c\"", "v") CLOSE), STR_LIT("name 5 a;b=cv 1\n") },
		{ STR_LIT(PART("\"\"", "v") CLOSE), STR_LIT("name 0 v 1\n") },
		{ STR_LIT(PART("value", "v") CLOSE), STR_LIT("name 5 valuev 1\n") },
		{ STR_LIT(PART("\"\xd0\xb6\xf0\x9f\x98\x80\"", "v") CLOSE), STR_LIT("name 6 \xd0\xb6\xf0\x9f\x98\x80v 1\n") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		expect_parts(b, names[i].written, names[i].expected);
}

/* --- the header of a part --- */

static void header_names_and_words_match_in_any_case(void **state)
{
	(void)state;
	expect_parts(b, STR_LIT("--b\r\ncontent-DISPOSITION:FORM-data ;NAME = \"n\" ; FileName=\"x\";\r\nX-Other: 1\r\ncontent-transfer-ENCODING: 8BIT \r\n\r\nv\r\n--b--"),
		     STR_LIT("file 1 nv 1\n"));
	expect_parts(b, STR_LIT("--b\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: form-data;\r\n name=\"n\";\r\n\tfilename*=UTF-8''x\r\n\r\nv\r\n--b--"),
		     STR_LIT("file 1 nv 1\n"));
	expect_parts(b, STR_LIT("--b\r\nContent-Transfer-Encoding:7bit\r\nContent-Disposition: form-data; filename=\"name=\\\"no\\\"\"; name=n\r\n\r\n\r\n--b--"),
		     STR_LIT("file 1 n 0\n"));
}

static void a_part_without_a_name_is_refused(void **state)
{
	static const struct str bad[] = {
		STR_LIT("--b\r\n\r\nv\r\n--b--"), STR_LIT("--b\r\nContent-Type: text/plain\r\n\r\nv\r\n--b--"),
		STR_LIT("--b\r\nContent-Disposition: form-data\r\n\r\nv\r\n--b--"), STR_LIT("--b\r\nContent-Disposition: form-data; filename=\"name\"\r\n\r\nv\r\n--b--"),
		STR_LIT("--b\r\nContent-Disposition: attachment; name=\"n\"\r\n\r\nv\r\n--b--"), STR_LIT("--b\r\nContent-Disposition:\r\n\r\nv\r\n--b--"),
		STR_LIT("--b\r\nContent-Disposition: form-data name=n\r\n\r\nv\r\n--b--"),
		STR_LIT(PART("n", "v") "--b\r\n\r\nv\r\n--b--"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		expect_problem(b, bad[i], "a part has no name");
}

static void a_header_that_cannot_be_read_is_refused(void **state)
{
	static const struct str bad[] = {
		STR_LIT("--b\r\nContent-Disposition\r\n\r\nv\r\n--b--"), STR_LIT("--b\r\nContent-Disposition : form-data; name=n\r\n\r\nv\r\n--b--"),
		STR_LIT("--b\r\n folded: x\r\n\r\nv\r\n--b--"), STR_LIT("--b\r\n: x\r\n\r\nv\r\n--b--"),
		STR_LIT(PART("", "v") CLOSE), STR_LIT(PART("\"n", "v") CLOSE), STR_LIT(PART("\"n\"x", "v") CLOSE), STR_LIT(PART("n; name=m", "v") CLOSE),
		STR_LIT(PART("n; flag", "v") CLOSE), STR_LIT(PART("n; =x", "v") CLOSE), STR_LIT(PART("n m", "v") CLOSE), STR_LIT(PART("n/m", "v") CLOSE),
		STR_LIT(PART("n\"m\"", "v") CLOSE), STR_LIT(PART("\"a\\\"; filename=\"x\"", "v") CLOSE), STR_LIT(PART("\"a\0b\"", "v") CLOSE), STR_LIT(PART("\"a\x01\"", "v") CLOSE),
		STR_LIT("--b\r\n" DISPOSITION "n\r\n" DISPOSITION "n\r\n\r\nv\r\n--b--"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		expect_problem(b, bad[i], "the header of a part cannot be read");
	expect_problem(b, STR_LIT(PART("\"\xff\"", "v") CLOSE), "the name of a part is not UTF-8");
	expect_problem(b, STR_LIT(PART("\"\xd0\"", "v") CLOSE), "the name of a part is not UTF-8");
}

static void an_encoding_of_the_content_is_refused(void **state)
{
	static const struct str bad[] = {
		STR_LIT("--b\r\nContent-Transfer-Encoding: base64\r\n" DISPOSITION "n\r\n\r\nv\r\n--b--"),
		STR_LIT("--b\r\n" DISPOSITION "n\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nv\r\n--b--"),
		STR_LIT("--b\r\n" DISPOSITION "n\r\nContent-Transfer-Encoding:\r\n\r\nv\r\n--b--"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		expect_problem(b, bad[i], "a part has a Content-Transfer-Encoding; send its bytes as they are");
}

/* --- what is content and what is not --- */

static void near_boundaries_arrive_byte_for_byte(void **state)
{
	static const struct { struct str body, expected; } near[] = {
		{ STR_LIT(PART("n", "\r\n--") CLOSE), STR_LIT("name 1 n\r\n-- 4\n") },
		{ STR_LIT(PART("n", "\r\r\n\n--b--") CLOSE), STR_LIT("name 1 n\r\r\n\n--b-- 9\n") },
		{ STR_LIT(PART("n", "x\r\n--bx\r\n--b-x\r\n--B\r\n--\r\n-\r\n") CLOSE), STR_LIT("name 1 nx\r\n--bx\r\n--b-x\r\n--B\r\n--\r\n-\r\n 28\n") },
		{ STR_LIT(PART("n", "\r\n\r\n\r") CLOSE), STR_LIT("name 1 n\r\n\r\n\r 5\n") },
		{ STR_LIT(PART("n", "--bx--b-\r--b\n--b") CLOSE), STR_LIT("name 1 n--bx--b-\r--b\n--b 16\n") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof near / sizeof near[0]; i++)
		expect_parts(b, near[i].body, near[i].expected);
	/* A boundary that begins with what ends it. */
	expect_parts(STR_LIT("--"), STR_LIT("----\r\n" DISPOSITION "n\r\n\r\n\r\n---\r\n--\r\n------"), STR_LIT("name 1 n\r\n---\r\n-- 9\n"));
	expect_parts(STR_LIT("aab"), STR_LIT("--aab\r\n" DISPOSITION "n\r\n\r\n\r\n--aaab\r\n--aa\r\n--aab--"), STR_LIT("name 1 n\r\n--aaab\r\n--aa 14\n"));
}

static void empty_parts_are_parts(void **state)
{
	(void)state;
	expect_parts(b, STR_LIT(PART("n", "") PART("m", "") CLOSE), STR_LIT("name 1 n 0\nname 1 m 0\n"));
	/* The empty line's end is the delimiter's. */
	expect_parts(b, STR_LIT("--b\r\n" DISPOSITION "n\r\n\r\n--b\r\n" DISPOSITION "m\r\n\r\n--b--"), STR_LIT("name 1 n 0\nname 1 m 0\n"));
	/* And what only looks so is content, without that line's end. */
	expect_parts(b, STR_LIT("--b\r\n" DISPOSITION "n\r\n\r\n--bx\r\n--b--"), STR_LIT("name 1 n--bx 4\n"));
}

static void preamble_and_epilogue_are_passed_over(void **state)
{
	(void)state;
	expect_parts(b, STR_LIT("pre\r\n--bx\nwords\0\r\n" PART("n", "v") CLOSE "--b\r\nepi\0logue\n\r\n--b--"), STR_LIT("name 1 nv 1\n"));
	expect_parts(b, STR_LIT("\r\n" PART("n", "v") CLOSE "\r\n"), STR_LIT("name 1 nv 1\n"));
	expect_parts(b, STR_LIT("--b \t \r\n" DISPOSITION "n\r\n\r\nv\r\n--b\t\r\n" DISPOSITION "m\r\n\r\nw\r\n--b--  \t"), STR_LIT("name 1 nv 1\nname 1 mw 1\n"));
}

static void bare_line_ends_are_refused(void **state)
{
	static const struct str bad[] = {
		STR_LIT("--b\nContent-Disposition: form-data; name=n\n\nv\n--b--\n"), STR_LIT("--b\r\nContent-Disposition: form-data; name=n\n\nv\r\n--b--"),
		STR_LIT("--b\r\n" DISPOSITION "n\rX: 1\r\n\r\nv\r\n--b--"), STR_LIT("--b\r\n" DISPOSITION "n\r\n\nv\r\n--b--"),
		STR_LIT("--b\r\n\n" DISPOSITION "n\r\n\r\nv\r\n--b--"), STR_LIT(PART("n", "v") "--b\n"), STR_LIT(PART("n", "v") "--b \n"),
		STR_LIT(PART("n", "v") "--b\r--"), STR_LIT(PART("n", "v") "--b--\n"), STR_LIT(PART("n", "v") "--b--\r"), STR_LIT(PART("n", "v") "--b--\rx"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		expect_problem(b, bad[i], "a line does not end with CR LF");
}

static void words_behind_a_boundary_are_refused(void **state)
{
	(void)state;
	expect_problem(b, STR_LIT(PART("n", "v") "--b x\r\n"), "something stands behind a boundary");
	expect_problem(b, STR_LIT(PART("n", "v") "--b --\r\n"), "something stands behind a boundary");
	expect_problem(b, STR_LIT(PART("n", "v") "--b--x\r\n"), "something stands behind a boundary");
	expect_problem(b, STR_LIT(PART("n", "v") "--b---"), "something stands behind a boundary");
}

static void a_body_that_ends_too_early_is_refused_wherever(void **state)
{
	const struct str body = STR_LIT("--b\r\n" DISPOSITION "\"n\"; filename=x\r\nX: y\r\n\r\nvalue\r\nof two lines\r\n--b\r\n" DISPOSITION "m\r\n\r\n\r\n--b--");

	(void)state;
	for (size_t n = 0; n < body.n; n++) {
		struct parts parts = { .p = NULL };
		const char *problem;

		assert_int_equal(parse(b, str_make(body.p, n), 0, 0, &parts, &problem), RC_BAD_REQUEST);
		assert_string_equal(problem, "the body ends before its closing boundary");
		assert_true(parts.count <= 1);
		parts_clear(&parts);
		agree(b, str_make(body.p, n), 1, 1);
		agree(b, str_make(body.p, n), 3, 2);
	}
}

/* --- limits --- */

/* BODY with TIMES times FILL between BEFORE and BEHIND. */
static struct str filled(const char *before, const char *fill, size_t times, const char *behind)
{
	size_t n = strlen(fill), at = strlen(before), tail = strlen(behind);
	char *p = malloc(at + n * times + tail);

	memcpy(p, before, at);
	for (size_t i = 0; i < times; i++, at += n)
		memcpy(p + at, fill, n);
	memcpy(p + at, behind, tail);
	return str_make(p, at + tail);
}

static void expect_limit(struct str body, const char *expected)
{
	struct parts parts = { .p = NULL };
	const char *problem;

	parse(b, body, 0, 0, &parts, &problem);
	assert_string_equal(problem, expected);
	parts_clear(&parts);
	agree(b, body, 1, 1);
	agree(b, body, 4096, 1);
	free((void *)(uintptr_t)body.p);
}

static void a_name_has_at_most_1024_bytes(void **state)
{
	(void)state;
	expect_limit(filled("--b\r\n" DISPOSITION "\"", "n", 1023, "\"\r\n\r\nv\r\n--b--"), "");
	expect_limit(filled("--b\r\n" DISPOSITION "\"", "n", 1024, "\"\r\n\r\nv\r\n--b--"), "");
	expect_limit(filled("--b\r\n" DISPOSITION "\"", "n", 1025, "\"\r\n\r\nv\r\n--b--"), "the name of a part has more than 1024 bytes");
	/* As it was meant, not as it was written. */
	expect_limit(filled("--b\r\n" DISPOSITION "\"", "%22", 1024, "\"\r\n\r\nv\r\n--b--"), "");
	expect_limit(filled("--b\r\n" DISPOSITION "\"", "%22", 1025, "\"\r\n\r\nv\r\n--b--"), "the name of a part has more than 1024 bytes");
}

static void a_header_has_at_most_8192_bytes(void **state)
{
	const size_t rest = strlen(DISPOSITION "n\r\nX: \r\n");

	(void)state;
	expect_limit(filled("--b\r\n" DISPOSITION "n\r\nX: ", "x", 8191 - rest, "\r\n\r\nv\r\n--b--"), "");
	expect_limit(filled("--b\r\n" DISPOSITION "n\r\nX: ", "x", 8192 - rest, "\r\n\r\nv\r\n--b--"), "");
	expect_limit(filled("--b\r\n" DISPOSITION "n\r\nX: ", "x", 8193 - rest, "\r\n\r\nv\r\n--b--"), "the header of a part has more than 8192 bytes");
	expect_limit(filled("--b\r\n" DISPOSITION "n\r\nX: ", "x", 100000, "\r\n\r\nv\r\n--b--"), "the header of a part has more than 8192 bytes");
}

static void a_form_has_at_most_2000_parts(void **state)
{
	(void)state;
	expect_limit(filled("", PART("n", ""), 1999, CLOSE), "");
	expect_limit(filled("", PART("n", ""), 2000, CLOSE), "");
	expect_limit(filled("", PART("n", ""), 2001, CLOSE), "there are more than 2000 parts");
}

/* --- the Content-Type --- */

static void the_media_type_is_seen_in_any_case(void **state)
{
	(void)state;
	assert_true(multipart_is(STR_LIT("multipart/form-data")));
	assert_true(multipart_is(STR_LIT(" Multipart/FORM-Data ; boundary=b")));
	assert_true(multipart_is(STR_LIT("multipart/form-data;boundary")));
	assert_false(multipart_is(STR_LIT("")));
	assert_false(multipart_is(str_make(NULL, 0)));
	assert_false(multipart_is(STR_LIT("multipart/form-data2")));
	assert_false(multipart_is(STR_LIT("multipart/mixed; boundary=b")));
	assert_false(multipart_is(STR_LIT("text/plain; x=multipart/form-data")));
}

static enum rc init(struct str type, struct str *boundary)
{
	static struct multipart m;
	enum rc rc = multipart_init(&m, type, &parts_events, NULL);

	assert_int_equal(multipart_add(&m, STR_LIT("")), rc);
	assert_string_equal(multipart_problem(&m), rc == RC_OK ? "" : "the Content-Type has no boundary of 1 to 70 allowed bytes");
	*boundary = str_make(m.delimiter + 4, rc == RC_OK ? m.n_delimiter - 4u : 0);
	return rc;
}

static void boundaries_are_read_as_rfc_2046_writes_them(void **state)
{
	static const struct { struct str type, boundary; } good[] = {
		{ STR_LIT("multipart/form-data; boundary=b"), STR_LIT("b") }, { STR_LIT("multipart/form-data;BOUNDARY = \"b\" "), STR_LIT("b") },
		{ STR_LIT("multipart/form-data; boundary=" NODE), STR_LIT(NODE) }, { STR_LIT("multipart/form-data; charset=utf-8; boundary=----x_1.2; y=\"a;b\""), STR_LIT("----x_1.2") },
		{ STR_LIT("multipart/form-data; boundary=\"a b'()+_,-./:=?\""), STR_LIT("a b'()+_,-./:=?") }, { STR_LIT("multipart/form-data; boundary==_a/b:c?"), STR_LIT("=_a/b:c?") },
	};
	static const struct str bad[] = {
		STR_LIT("multipart/form-data"), STR_LIT("multipart/form-data; boundary"), STR_LIT("multipart/form-data; boundary="), STR_LIT("multipart/form-data; boundary=\"\""),
		STR_LIT("multipart/form-data; boundary=\"b"), STR_LIT("multipart/form-data; boundary=\"b \""), STR_LIT("multipart/form-data; boundary=\" \""),
		STR_LIT("multipart/form-data; boundary=\"a\\b\""), STR_LIT("multipart/form-data; boundary=a b"), STR_LIT("multipart/form-data; boundary=a;boundary=b"),
		STR_LIT("multipart/form-data; boundary=a\r"), STR_LIT("multipart/form-data; boundary=\"a\r\nb\""), STR_LIT("multipart/form-data; boundary=\"a\0b\""),
		STR_LIT("multipart/form-data; boundary=\xc3\xa9"), STR_LIT("multipart/form-data; boundary=a*b"), STR_LIT("multipart/form-data boundary=b"),
		STR_LIT("multipart/form-data; boundary=b x"), STR_LIT("multipart/form-data; xboundary=b"), STR_LIT("multipart/mixed; boundary=b"), STR_LIT(""),
	};
	struct str boundary;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(init(good[i].type, &boundary), RC_OK);
		assert_true(str_eq(boundary, good[i].boundary));
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (init(bad[i], &boundary) != RC_BAD_REQUEST)
			fail_msg("accepted: %.*s", STR(bad[i]));
}

static void a_boundary_has_at_most_70_bytes(void **state)
{
	struct str boundary;

	(void)state;
	for (size_t n = 69; n <= 71; n++) {
		struct str type = filled("multipart/form-data; boundary=", "-", n, "");

		assert_int_equal(init(type, &boundary), n <= 70 ? RC_OK : RC_BAD_REQUEST);
		assert_true(n > 70 || boundary.n == n);
		free((void *)(uintptr_t)type.p);
		if (n <= 70) {
			struct str line = filled("--", "-", n, "");
			char text[400];

			snprintf(text, sizeof text, "%.*s\r\n" DISPOSITION "n\r\n\r\n\r\n%.*s\r\n%.*s--", STR(line), (int)line.n - 1, line.p, STR(line));
			agree_in_all_cuts(str_make(line.p + 2, n), str_c(text));
			free((void *)(uintptr_t)line.p);
		}
	}
}

/* --- events --- */

struct stop {
	enum rc part, data, end;
	int calls;
};

static enum rc stop_part(void *arg, struct str name, bool has_filename)
{
	struct stop *stop = arg;

	(void)name;
	(void)has_filename;
	stop->calls++;
	return stop->part;
}

static enum rc stop_data(void *arg, struct str piece)
{
	struct stop *stop = arg;

	(void)piece;
	stop->calls++;
	return stop->data;
}

static enum rc stop_end(void *arg)
{
	struct stop *stop = arg;

	stop->calls++;
	return stop->end;
}

static void an_events_answer_ends_the_parse_and_is_its_answer(void **state)
{
	static const struct multipart_events events = { stop_part, stop_data, stop_end };
	static const struct stop stops[] = {
		{ RC_VALUE_TOO_LARGE, RC_OK, RC_OK, 1 }, { RC_OK, RC_STORAGE_FULL, RC_OK, 2 }, { RC_OK, RC_OK, RC_NO_MEMORY, 3 },
	};
	const struct str body = STR_LIT(PART("n", "v") PART("m", "w") CLOSE);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct stop stop = { stops[i].part, stops[i].data, stops[i].end, 0 };
		enum rc expected = i == 0 ? stop.part : i == 1 ? stop.data : stop.end;
		struct multipart m;

		assert_int_equal(multipart_init(&m, STR_LIT("multipart/form-data; boundary=b"), &events, &stop), RC_OK);
		assert_int_equal(multipart_add(&m, body), expected);
		assert_int_equal(multipart_add(&m, body), expected);
		assert_int_equal(multipart_end(&m), expected);
		assert_int_equal(stop.calls, stops[i].calls);
		assert_string_equal(multipart_problem(&m), "");
	}
}

/* Content between the edges of a piece is not copied. */
static const char *piece_start, *piece_end;
static size_t outside;

static enum rc watch_data(void *arg, struct str piece)
{
	(void)arg;
	if (piece.p < piece_start || piece.p + piece.n > piece_end)
		outside += piece.n;
	return RC_OK;
}

static void content_points_into_the_piece(void **state)
{
	static const struct multipart_events events = { stop_part, watch_data, stop_end };
	struct str body = filled("--b\r\n" DISPOSITION "n\r\n\r\n", "\r\n--x", 20000, "\r\n--b--"), left = body;
	struct stop stop = { RC_OK, RC_OK, RC_OK, 0 };
	struct multipart m;

	(void)state;
	outside = 0;
	assert_int_equal(multipart_init(&m, STR_LIT("multipart/form-data; boundary=b"), &events, &stop), RC_OK);
	while (left.n != 0) {
		size_t n = left.n < 1001 ? left.n : 1001;

		piece_start = left.p;
		piece_end = left.p + n;
		assert_int_equal(multipart_add(&m, str_make(left.p, n)), RC_OK);
		left = str_skip(left, n);
	}
	assert_int_equal(multipart_end(&m), RC_OK);
	/* At most what a delimiter could begin with, once for each edge. */
	assert_in_range(outside, 1, 100 * 4);
	free((void *)(uintptr_t)body.p);
}

/* --- at random --- */

static uint64_t seed = 7578;

static uint32_t any(uint32_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

static void bodies_at_random_are_read_as_the_reference_does(void **state)
{
	static const struct str pieces[] = {
		STR_LIT("\r\n--b\r\n" DISPOSITION "n\r\n\r\n"), STR_LIT("\r\n--b\r\n" DISPOSITION "\"m\"; filename=\"f\"\r\n\r\n"), STR_LIT("\r\n--b\r\n"), STR_LIT("\r\n--b"),
		STR_LIT("\r\n--b--"), STR_LIT("\r\n"), STR_LIT("\r"), STR_LIT("\n"), STR_LIT("--"), STR_LIT("-"), STR_LIT("b"), STR_LIT("--b"), STR_LIT(" "), STR_LIT("x"), STR_LIT("\0"),
		STR_LIT(DISPOSITION "n\r\n\r\n"), STR_LIT("words and more words"), STR_LIT("\r\n--bb\r\n"), STR_LIT("\r\n--b-"), STR_LIT("\r\n--b \t\r\n" DISPOSITION "o\r\n\r\n"),
	};

	(void)state;
	for (int i = 0; i < 100000; i++) {
		char text[2000];
		size_t n = 0;

		/* Mostly one that begins well. */
		for (uint32_t k = any(14) + 1, first = any(4) != 0; k > 0; k--, first = 0) {
			struct str s = pieces[first ? 0 : any(sizeof pieces / sizeof pieces[0])];

			memcpy(text + n, s.p, s.n);
			n += s.n;
		}
		if (any(2) == 0) {
			memcpy(text + n, "\r\n--b--", 7);
			n += 7;
		}
		agree(b, str_make(text, n), any(40), any(9));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_comes_as_a_plain_part),
		cmocka_unit_test(a_file_comes_byte_for_byte),
		cmocka_unit_test(metadata_comes_in_pieces_of_an_object),
		cmocka_unit_test(a_form_may_have_no_part),
		cmocka_unit_test(names_are_read_as_they_were_meant),
		cmocka_unit_test(header_names_and_words_match_in_any_case),
		cmocka_unit_test(a_part_without_a_name_is_refused),
		cmocka_unit_test(a_header_that_cannot_be_read_is_refused),
		cmocka_unit_test(an_encoding_of_the_content_is_refused),
		cmocka_unit_test(near_boundaries_arrive_byte_for_byte),
		cmocka_unit_test(empty_parts_are_parts),
		cmocka_unit_test(preamble_and_epilogue_are_passed_over),
		cmocka_unit_test(bare_line_ends_are_refused),
		cmocka_unit_test(words_behind_a_boundary_are_refused),
		cmocka_unit_test(a_body_that_ends_too_early_is_refused_wherever),
		cmocka_unit_test(a_name_has_at_most_1024_bytes),
		cmocka_unit_test(a_header_has_at_most_8192_bytes),
		cmocka_unit_test(a_form_has_at_most_2000_parts),
		cmocka_unit_test(the_media_type_is_seen_in_any_case),
		cmocka_unit_test(boundaries_are_read_as_rfc_2046_writes_them),
		cmocka_unit_test(a_boundary_has_at_most_70_bytes),
		cmocka_unit_test(an_events_answer_ends_the_parse_and_is_its_answer),
		cmocka_unit_test(content_points_into_the_piece),
		cmocka_unit_test(bodies_at_random_are_read_as_the_reference_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
