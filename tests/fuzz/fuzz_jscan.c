/*
 * fuzz_jscan.c - JSON in pieces is judged as the whole text is, and at the same place.
 */
#include "config.h"

#include "base/jscan.h"
#include "cuts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cuts cuts;
	struct str text = cuts_begin(&cuts, p, n), piece;
	size_t bad_at = 0, seen = 0;
	bool good = jtext_check(text, &bad_at), ok = true;
	struct jscan scan;

	jscan_init(&scan);
	while (ok && cuts_next(&cuts, &piece)) {
		ok = jscan_add(&scan, piece);
		seen += piece.n;
		/* It is told with the piece that holds the byte, not later. */
		assert(ok == (good || bad_at >= seen));
	}
	cuts_clear(&cuts);
	assert(jscan_end(&scan) == good);
	assert(good || scan.bad_at == bad_at);
	return 0;
}
