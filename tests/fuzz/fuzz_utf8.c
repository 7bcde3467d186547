/*
 * fuzz_utf8.c - UTF-8 in pieces is judged as the whole text is.
 */
#include "config.h"

#include "base/utf8.h"
#include "cuts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cuts cuts;
	struct str text = cuts_begin(&cuts, p, n), piece;
	struct utf8_scan scan;
	bool ok = true;

	utf8_scan_init(&scan);
	while (cuts_next(&cuts, &piece)) {
		bool still = utf8_scan_add(&scan, piece);

		assert(ok || !still);
		ok = still;
	}
	assert(utf8_scan_end(&scan) == str_is_utf8(text));
	assert(ok || !str_is_utf8(text));
	return 0;
}
