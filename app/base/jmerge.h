/*
 * jmerge.h - JSON Merge Patch (RFC 7396) on texts: what the patch does not name comes out byte for byte.
 *
 * The patch is read once, at leisure; applying it walks the target once, from front to back. Of a name that an object
 * has twice readers see the last: in a patch only that one counts, and in the target each of them is changed alike.
 */
#ifndef BASE_JMERGE_H
#define BASE_JMERGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/rc.h"
#include "base/str.h"

enum { JMERGE_MEMBERS = 1024 };		/* in a patch, over all its objects */

struct jmerge;

/*
 * jmerge_read - PATCH, which is checked JSON, read into ARENA; the texts of its values stay where they are.
 * RC_BAD_REQUEST: it has more members than that. RC_NO_MEMORY.
 */
enum rc jmerge_read(struct str patch, struct arena *arena, struct jmerge **merge) MUST_USE;

/*
 * jmerge_apply - append what TARGET, checked JSON or empty for nothing, becomes; no larger than both together, but
 * where TARGET names something twice. Any number of times, by one thread at a time.
 */
void jmerge_apply(struct jmerge *merge, struct str target, struct buf *out);

#endif
