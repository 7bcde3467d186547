/*
 * fuzz_b64.c - base64url: what is read would be written just so, and all bytes go there and back.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
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
	return 0;
}
