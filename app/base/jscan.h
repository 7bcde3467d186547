/*
 * jscan.h - is what comes in pieces one JSON text?
 *
 * The judgement of jtext_check() (base/jtext.h) for values too large to be held: the same
 * answer and the same place for every text, in pieces of any size, cut anywhere. No
 * allocation; the state is a bit for each open bracket and a few bytes, so it may be copied
 * and thrown away.
 */
#ifndef BASE_JSCAN_H
#define BASE_JSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/jtext.h"
#include "base/str.h"

/* Private but for BAD_AT. */
struct jscan {
	size_t bad_at;		/* set once something answered false; as jtext_check's */
	size_t seen;		/* bytes in the pieces before this one */
	const char *word;	/* inside true, false or null: what is left of it */
	uint64_t objects[JTEXT_DEPTH / 64];	/* a bit for each open bracket: is it a '{'? */
	uint16_t depth;		/* so many are open */
	uint8_t state;		/* enum state */
	uint8_t machine;	/* inside a string or a number: the state of its machine */
	uint8_t hex;		/* inside \uXXXX: digits to come */
	bool name;		/* the string is a member's name */
};

void jscan_init(struct jscan *scan);

/*
 * jscan_add - the next piece. False when this cannot be JSON any more, whatever comes: BAD_AT
 * is the offset, in the whole text, of the first byte that cannot stand there. From then on
 * everything answers false.
 */
bool jscan_add(struct jscan *scan, struct str piece);

/* jscan_end - was it one whole JSON text? When it ended too early, BAD_AT is its length. */
bool jscan_end(struct jscan *scan);

#endif
