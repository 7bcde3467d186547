/*
 * utf8.c - see utf8.h.
 */
#include "config.h"

#include "base/private.h"
#include "base/utf8.h"

static const uint64_t machine[256] = {
	[0x00 ... 0x7f] = GO(PLAIN, PLAIN),
	FOREIGN_ROWS
};

void utf8_scan_init(struct utf8_scan *scan)
{
	scan->state = PLAIN;
}

/* Whole blocks, then what is left. STOP is final: the machine need not be asked in between. */
bool utf8_scan_add(struct utf8_scan *scan, struct str piece)
{
	const unsigned char *p = (const unsigned char *)piece.p;
	uint64_t state = scan->state;
	size_t n = piece.n;

	for (; n >= BLOCK && state != STOP; p += BLOCK, n -= BLOCK)
		if (state != PLAIN || !is_ascii(p))
			for (int i = 0; i < BLOCK; i++)
				state = machine[p[i]] >> state & 63;
	for (; n != 0; p++, n--)
		state = machine[*p] >> state & 63;
	scan->state = (uint8_t)state;
	return state != STOP;
}

bool utf8_scan_end(const struct utf8_scan *scan)
{
	return scan->state == PLAIN;
}
