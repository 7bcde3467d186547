/*
 * rand.c - see rand.h.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/hex.h"
#include "base/rand.h"

void rand_bytes(void *p, size_t n)
{
	char *to = p;

	while (n > 0) {
		ssize_t got = getrandom(to, n, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			to += got;
			n -= (size_t)got;
		}
	}
}

void rand_uuid(char out[37])
{
	static const size_t group[] = { 4, 2, 2, 2, 6 };
	uint8_t bytes[16], *from = bytes;

	rand_bytes(bytes, sizeof bytes);
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof group / sizeof group[0]; i++) {
		if (i != 0)
			*out++ = '-';
		hex_encode(from, group[i], out);
		out += 2 * group[i];
		from += group[i];
	}
	*out = '\0';
}
