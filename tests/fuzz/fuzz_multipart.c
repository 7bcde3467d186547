/*
 * fuzz_multipart.c - multipart/form-data in pieces comes out as a plain reading of the whole says.
 *
 * The text is a Content-Type, LF, and the body.
 */
#include "config.h"

#include "../unit/multipart_reference.h"
#include "cuts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct parts ours = { .p = NULL }, theirs = { .p = NULL };
	struct cuts cuts;
	struct str text = cuts_begin(&cuts, p, n), type, body, piece;
	struct multipart m;
	const char *problem;
	enum rc rc;

	str_cut(text, '\n', &type, &body);
	if (multipart_init(&m, type, &parts_events, &ours) == RC_OK) {
		struct str boundary = str_make(m.delimiter + 4, m.n_delimiter - 4u);

		assert(multipart_is(type) && boundary.n >= 1 && boundary.n <= MULTIPART_BOUNDARY_MAX);
		cuts.left = body;
		while (cuts_next(&cuts, &piece))
			if (multipart_add(&m, piece) != RC_OK)
				break;
		cuts_clear(&cuts);
		rc = multipart_end(&m);
		assert(rc == multipart_reference(boundary, body, &theirs, &problem));
		assert(strcmp(multipart_problem(&m), problem) == 0);
		assert(parts_agree(&ours, &theirs, rc == RC_OK));
	}
	parts_clear(&ours);
	parts_clear(&theirs);
	return 0;
}
