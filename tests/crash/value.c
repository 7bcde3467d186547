/*
 * value.c - the values of the crash tests. Pure; any thread.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "value.h"

/* How much fill: decided by the id, like all of the value. */
static size_t fill_length(struct value_id id)
{
	uint32_t mix = (id.writer * 2654435761u) ^ (id.number * 2246822519u);

	mix ^= mix >> 15;
	if (mix % 256 == 77)
		return 261000 + mix / 256 % 500000;	/* mostly more than a chunk */
	switch (mix % 32) {
	case 0:  return 8000 + mix % 4000;
	case 1:
	case 2:  return 1500 + mix % 1500;
	case 3:
	case 4:
	case 5:
	case 6:  return 850 + mix % 200;	/* about STORE_INLINE_MAX */
	default: return mix % 300;
	}
}

bool value_is_large(struct value_id id)
{
	return fill_length(id) >= 261000;
}

size_t value_make(struct value_id id, char *out)
{
	size_t n = (size_t)sprintf(out, "{\"writer\":%u,\"number\":%u,\"fill\":\"", id.writer, id.number);
	size_t fill = fill_length(id);

	for (size_t i = 0; i < fill; i++)
		out[n + i] = (char)('a' + (i + id.number) % 26);
	n += fill;
	memcpy(out + n, "\"}", 2);
	return n + 2;
}

bool value_read(const char *text, size_t n, struct value_id *id)
{
	char head[64] = "", whole[VALUE_MAX];

	memcpy(head, text, n < sizeof head - 1 ? n : sizeof head - 1);
	if (sscanf(head, "{\"writer\":%u,\"number\":%u,", &id->writer, &id->number) != 2)
		return false;
	return value_make(*id, whole) == n && memcmp(whole, text, n) == 0;
}
