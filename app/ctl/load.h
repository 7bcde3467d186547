/*
 * load.h - a file of many items sent to the server in batches: import, bulk-put, bulk-delete.
 */
#ifndef CTL_LOAD_H
#define CTL_LOAD_H

#include "ctl/ctl.h"

/* What is done with the items. */
struct load_how {
	bool deletes;		/* items are names, else {"key":...,"value":...} */
	bool drops_expired;	/* an item that has expired already is left out, else it is a mistake */
	const char *done;	/* "imported": of keys, to people and as the name of the count in JSON */
};

/* load_run - all items of FILE ("-": standard input) but the first SKIP into the project ANY; says what was done. */
enum ctl_exit load_run(struct ctl *ctl, const char *any, const char *file, uint64_t skip, const struct load_how *how);

#endif
