/*
 * uri.c - percent-decoding and query strings.
 *
 * Decoded exactly once, from the raw bytes the client sent: "a%252Fb" is the key "a%2Fb".
 * Pure: the fuzzer calls it.
 */
#include "config.h"

#include "base/hex.h"
#include "http/uri.h"

/* Whether form decoding, where '+' is a space, changes anything in RAW. */
static bool is_plain(struct str raw, bool form)
{
	return raw.n == 0 || (memchr(raw.p, '%', raw.n) == NULL &&
			      (!form || memchr(raw.p, '+', raw.n) == NULL));
}

static enum rc decode(struct str raw, bool form, struct arena *arena, struct str *out)
{
	size_t n = 0;
	char *p;

	if (is_plain(raw, form)) {
		*out = raw;
		return RC_OK;
	}
	p = arena_alloc(arena, raw.n);
	if (p == NULL)
		return RC_NO_MEMORY;
	for (size_t i = 0; i < raw.n; i++) {
		char c = raw.p[i];

		if (c == '%') {
			uint8_t byte;

			if (raw.n - i < 3 || !hex_decode(str_make(raw.p + i + 1, 2), &byte, 1))
				return RC_BAD_REQUEST;
			c = (char)byte;
			i += 2;
		} else if (c == '+' && form) {
			c = ' ';
		}
		p[n++] = c;
	}
	*out = str_make(p, n);
	return RC_OK;
}

enum rc uri_decode(struct str raw, struct arena *arena, struct str *out)
{
	return decode(raw, false, arena, out);
}

enum rc uri_parameter(struct str query, const char *name, struct arena *arena, struct str *out)
{
	const struct str wanted = str_c(name);

	while (query.n != 0) {
		struct str pair, key, value;

		str_cut(query, '&', &pair, &query);
		str_cut(pair, '=', &key, &value);
		if (str_eq(key, wanted))
			return decode(value, true, arena, out);
	}
	*out = str_make(NULL, 0);
	return RC_OK;
}
