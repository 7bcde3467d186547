/*
 * fuzz_initdata.c - initData that nobody signed, and the same signed here.
 *
 * Left to itself a fuzzer never gets past a signature. So what it offers is taken apart once
 * more, by simpler code, and signed; then our reader must come to the same signed text, or
 * refuse it for its form.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/initdata.h"
#include "../unit/maker.h"
#include "fuzz.h"

enum { NOW = MAKER_NOW };

static struct maker maker;
static struct arena *arena;
static struct bot bots[2] = { { .id = 1, .n_secrets = 1 }, { .id = 2 } };

static enum initdata_reason check(struct str raw)
{
	const struct initdata_check against = { bots, 2, NOW, 86400 };
	struct initdata_user user = { .telegram_id = 0 };
	enum initdata_reason reason;

	arena_reset(arena);
	reason = initdata_check(raw, &against, arena, &user);
	assert((reason == INITDATA_OK) == (user.telegram_id != 0));
	if (reason == INITDATA_OK) {
		assert(user.telegram_id <= (UINT64_C(1) << 53) - 1);
		assert(user.auth_date >= NOW - 86400 && user.auth_date <= NOW + INITDATA_SKEW_S);
		assert(user.first_name.n != 0);
		assert(str_is_utf8(user.first_name) && str_is_utf8(user.last_name) && str_is_utf8(user.username));
		assert(memchr(user.first_name.p, '\0', user.first_name.n) == NULL);
	}
	return reason;
}

/* One piece of form text, as simply as it can be said. False for a bad %XX. */
static bool decode(const char *p, const char *end, char **to)
{
	for (; p < end; p++) {
		char hex[3] = { 0 }, *stop;

		if (*p != '%') {
			*(*to)++ = *p == '+' ? ' ' : *p;
			continue;
		}
		if (end - p < 3 || !strchr("0123456789abcdefABCDEF", p[1]) || !strchr("0123456789abcdefABCDEF", p[2]) ||
		    p[1] == '\0' || p[2] == '\0')
			return false;
		hex[0] = p[1];
		hex[1] = p[2];
		*(*to)++ = (char)strtoul(hex, &stop, 16);
		p += 2;
	}
	return true;
}

/* RAW's pairs into the maker. */
static bool take_apart(const char *raw, size_t n)
{
	static char decoded[INITDATA_MAX];
	char *to = decoded;
	const char *p = raw, *end = raw + n;

	maker_init(&maker);
	for (;;) {
		const char *stop = memchr(p, '&', (size_t)(end - p)), *equals;
		char *name = to, *value;

		if (stop == NULL)
			stop = end;
		equals = memchr(p, '=', (size_t)(stop - p));
		if (equals == NULL || !decode(p, equals, &to))
			return false;
		value = to;
		if (!decode(equals + 1, stop, &to))
			return false;
		maker_add_str(&maker, str_make(name, (size_t)(value - name)), str_make(value, (size_t)(to - value)));
		if (stop == end)
			return true;
		p = stop + 1;
	}
}

static void start(void)
{
	arena = arena_new(1 << 20);
	maker_secret("1:AAA", bots[0].secrets[0]);
	memcpy(bots[1].public_key, initdata_key_production, sizeof bots[1].public_key);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static char raw[INITDATA_MAX + 80];
	enum initdata_reason reason;

	if (arena == NULL)
		start();
	reason = check(str_make(p, n));
	assert(reason != INITDATA_OK);
	if (n > INITDATA_MAX) {
		assert(reason == INITDATA_TOO_LARGE);
		return 0;
	}
	if (n != 0)
		memcpy(raw, p, n);
	if (!take_apart(raw, n)) {
		assert(reason == INITDATA_MALFORMED);
		return 0;
	}
	maker_hash(&maker, bots[0].secrets[0]);
	n += (size_t)sprintf(raw + n, "&hash=%s", maker.pairs[maker.n - 1].value.p);
	reason = check(str_make(raw, n));
	assert(reason != INITDATA_BAD_HASH && reason != INITDATA_MISSING_HASH && reason != INITDATA_NO_MEMORY);
	return 0;
}
