/*
 * utf8.h - is what comes in pieces well-formed UTF-8?
 *
 * The judgement of str_is_utf8() (base/str.h) for values too large to be held: pieces of any
 * size, cut anywhere, a byte of state. No allocation, no other state: any thread.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct utf8_scan {
	uint8_t state;
};

void utf8_scan_init(struct utf8_scan *scan);

/* utf8_scan_add - the next piece. False when this cannot be UTF-8 any more, whatever comes. */
bool utf8_scan_add(struct utf8_scan *scan, struct str piece);

/* utf8_scan_end - was it UTF-8, and its last character whole? Nothing at all is. */
bool utf8_scan_end(const struct utf8_scan *scan);

#endif
