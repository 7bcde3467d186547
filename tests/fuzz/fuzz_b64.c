/*
 * fuzz_b64.c - base64: what is read would be written just so, and all bytes go there and back.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "fuzz.h"

static void try_url(const uint8_t *p, size_t n)
{
	uint8_t *bytes = malloc(B64URL_ROOM(B64URL_LEN(n)));
	char *text = malloc(B64URL_LEN(n) + 1);
	size_t len = 0, written;

	assert(bytes != NULL && text != NULL);
	if (b64url_decode(str_make(p, n), bytes, &len)) {
		assert(len <= B64URL_ROOM(n));
		assert(b64url_encode(bytes, len, text) == n);
		assert(n == 0 || memcmp(text, p, n) == 0);
	}
	written = b64url_encode(p, n, text);
	assert(written == B64URL_LEN(n));
	assert(b64url_decode(str_make(text, written), bytes, &len));
	assert(len == n && (n == 0 || memcmp(bytes, p, n) == 0));
	free(bytes);
	free(text);
}

/* Over the text itself: the same answer and the same bytes. */
static void try_in_place(const uint8_t *p, size_t n, bool ok, const uint8_t *bytes, size_t len)
{
	uint8_t *same = malloc(n);
	size_t got = 0;

	assert(same != NULL || n == 0);
	if (n != 0)
		memcpy(same, p, n);
	assert(b64_decode(str_make(same, n), same, &got) == ok);
	assert(!ok || (got == len && got <= n && (got == 0 || memcmp(same, bytes, got) == 0)));
	free(same);
}

static void try_standard(const uint8_t *p, size_t n)
{
	uint8_t *bytes = malloc(B64_ROOM(B64_LEN(n)));
	char *text = malloc(B64_LEN(n) + 4);
	size_t len = 0, written;
	bool ok;

	assert(bytes != NULL && text != NULL);
	ok = b64_decode(str_make(p, n), bytes, &len);
	try_in_place(p, n, ok, bytes, len);
	if (ok) {
		/* Written again it is the same, but for padding that was not there. */
		assert(len <= B64_ROOM(n));
		written = b64_encode(bytes, len, text);
		assert(written == n || B64URL_LEN(len) == n);
		assert(n == 0 || memcmp(text, p, n) == 0);
	}
	written = b64_encode(p, n, text);
	assert(written == B64_LEN(n));
	assert(b64_decode(str_make(text, written), bytes, &len));
	assert(len == n && (n == 0 || memcmp(bytes, p, n) == 0));
	free(bytes);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	try_url(p, n);
	try_standard(p, n);
	return 0;
}
