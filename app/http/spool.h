/*
 * spool.h - a body that is too large for memory, whole in a file that nobody else sees.
 *
 * Its bytes are mapped, so they are read like memory and take none that the system could not take back.
 */
#ifndef HTTP_SPOOL_H
#define HTTP_SPOOL_H

#include "base/rc.h"
#include "base/str.h"
#include "http/body.h"

struct spool {
	struct str bytes;	/* read only */
};

/*
 * body_spool - the whole of BODY, at most MAX bytes, into a file without a name in the directory DIR. RC_OK;
 * RC_VALUE_TOO_LARGE (the rest is left for body_drain); RC_SHORT_BODY, RC_BAD_REQUEST as body_read();
 * RC_STORAGE_FULL; RC_NO_MEMORY; RC_INTERNAL (logged). Blocks: for the slow lane. *SPOOL is empty unless RC_OK.
 */
enum rc body_spool(struct body *body, size_t max, const char *dir, struct spool *spool) MUST_USE;

/* spool_clear - give the file back. Any number of times. */
void spool_clear(struct spool *spool);

#endif
