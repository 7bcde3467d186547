/*
 * cuts.h - an input that says itself in which pieces it comes.
 *
 * Its first byte is how many sizes follow (of 16), then come the sizes, then the text. The
 * sizes are used in turn; with none of them the text comes whole.
 */
#ifndef TESTS_CUTS_H
#define TESTS_CUTS_H

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "fuzz.h"

struct cuts {
	const uint8_t *sizes;
	size_t n, next;
	struct str left;	/* of the text */
	char *copy;		/* of the last piece; ends where its memory ends */
};

/* The text of the input; CUTS is ready to give its pieces. */
static inline struct str cuts_begin(struct cuts *cuts, const uint8_t *p, size_t n)
{
	*cuts = (struct cuts){ .left = { NULL, 0 } };
	if (n == 0)
		return cuts->left;
	cuts->n = p[0] % 16 < n - 1 ? p[0] % 16 : n - 1;
	cuts->sizes = p + 1;
	cuts->left = str_make(p + 1 + cuts->n, n - 1 - cuts->n);
	return cuts->left;
}

/* The next piece, in memory that is gone with the piece behind it; false behind the last. */
static inline bool cuts_next(struct cuts *cuts, struct str *piece)
{
	size_t n = cuts->left.n;

	free(cuts->copy);
	cuts->copy = NULL;
	if (n == 0)
		return false;
	if (cuts->n != 0) {
		uint8_t size = cuts->sizes[cuts->next++ % cuts->n];
		size_t wanted = size == 255 ? 4096 : (size_t)size + 1;

		n = wanted < n ? wanted : n;
	}
	cuts->copy = malloc(n);
	assert(cuts->copy != NULL);
	memcpy(cuts->copy, cuts->left.p, n);
	*piece = str_make(cuts->copy, n);
	cuts->left = str_skip(cuts->left, n);
	return true;
}

/* For who stops before the last piece. */
static inline void cuts_clear(struct cuts *cuts)
{
	free(cuts->copy);
	cuts->copy = NULL;
}

#endif
