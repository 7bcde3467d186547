/*
 * fuzz_uri.c - percent-decoding and query parameters, against a plain reading of the rules.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "http/uri.h"

enum { INPUT_MAX = 4096 };

/* Byte by byte: the length of the decoded text in OUT, or -1. */
static long plain_decode(struct str raw, bool form, char *out)
{
	long n = 0;

	for (size_t i = 0; i < raw.n; i++) {
		char c = raw.p[i];

		if (c == '%') {
			char digits[3] = { 0 }, *end;

			if (i + 2 >= raw.n)
				return -1;
			memcpy(digits, raw.p + i + 1, 2);
			if (strspn(digits, "0123456789abcdefABCDEF") != 2)
				return -1;
			c = (char)strtol(digits, &end, 16);
			i += 2;
		} else if (c == '+' && form) {
			c = ' ';
		}
		out[n++] = c;
	}
	return n;
}

/* What stands behind the first "NAME=" that begins QUERY or follows a '&'. */
static struct str plain_parameter(struct str query, const char *name)
{
	size_t n = strlen(name), i = 0;

	while (i <= query.n) {
		size_t end = i;

		while (end < query.n && query.p[end] != '&')
			end++;
		if (end - i >= n && memcmp(query.p + i, name, n) == 0) {
			if (end - i == n)
				return str_make(NULL, 0);
			if (query.p[i + n] == '=')
				return str_make(query.p + i + n + 1, end - i - n - 1);
		}
		i = end + 1;
	}
	return str_make(NULL, 0);
}

static void check(enum rc rc, struct str got, long n, const char *expected)
{
	assert(rc == (n < 0 ? RC_BAD_REQUEST : RC_OK));
	if (n >= 0)
		assert(str_eq(got, str_make(expected, (size_t)n)));
}

/* Whatever the bytes are: written as escapes they come back. */
static void check_round_trip(struct str bytes, struct arena *arena)
{
	char *escaped = malloc(bytes.n * 3 + 1);
	struct str out;

	assert(escaped != NULL);
	for (size_t i = 0; i < bytes.n; i++)
		snprintf(escaped + 3 * i, 4, i % 2 ? "%%%02x" : "%%%02X", (unsigned char)bytes.p[i]);
	assert(uri_decode(str_make(escaped, bytes.n * 3), arena, &out) == RC_OK);
	assert(str_eq(out, bytes));
	free(escaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *arena = arena_new(64 * 1024);
	struct str raw = str_make(p, n < INPUT_MAX ? n : INPUT_MAX), out = { NULL, 0 };
	char expected[INPUT_MAX];

	assert(arena != NULL);
	check(uri_decode(raw, arena, &out), out, plain_decode(raw, false, expected), expected);
	check(uri_parameter(raw, "limit", arena, &out), out,
	      plain_decode(plain_parameter(raw, "limit"), true, expected), expected);
	check_round_trip(raw, arena);
	arena_free(arena);
	return 0;
}
