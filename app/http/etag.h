/*
 * etag.h - entity tags, as If-Match and If-None-Match list them (RFC 9110, 8.8.3 and 13.1). Knows nothing of keys.
 */
#ifndef HTTP_ETAG_H
#define HTTP_ETAG_H

#include <stdbool.h>

#include "base/str.h"

struct etag {
	bool weak;		/* W/"..." */
	struct str opaque;	/* what stands between the quotes */
};

enum etag_step { ETAG_NEXT, ETAG_END, ETAG_MALFORMED };

/*
 * etag_next - cut the next tag off *LIST, which begins as the header's value. White space around tags and empty
 * elements are passed over. ETAG_END: there is none left. ETAG_MALFORMED: what comes is no tag. Pure.
 */
enum etag_step etag_next(struct str *list, struct etag *tag);

/* etag_is_any - whether the header's value is "*": whatever there is. */
bool etag_is_any(struct str value);

#endif
