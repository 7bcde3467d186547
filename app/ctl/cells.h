/*
 * cells.h - text in the cells of a terminal: how wide it is, and exactly so much of it.
 *
 * What came from elsewhere, keys above all, must not steer the terminal and must not shift what stands beside it. So
 * whatever does not fill one cell or two by itself comes out as an escape: control characters, bytes that are no
 * UTF-8, marks that combine, marks that turn the direction. Chinese and emoji take two cells.
 */
#ifndef CTL_CELLS_H
#define CTL_CELLS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* cells_width - how many cells cells_add() needs for S. */
size_t cells_width(struct str s);

/*
 * cells_add - S, at most WIDTH cells of it. What was cut ends in '>'. _left and _right fill up with spaces, so that S
 * stands at that edge of just WIDTH cells.
 */
void cells_add(struct buf *out, struct str s, size_t width);
void cells_add_left(struct buf *out, struct str s, size_t width);
void cells_add_right(struct buf *out, struct str s, size_t width);

/* cells_fill - N spaces. */
void cells_fill(struct buf *out, size_t n);

#endif
