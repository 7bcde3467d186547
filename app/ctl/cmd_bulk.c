/*
 * cmd_bulk.c - tmakvctl kv bulk-put, kv bulk-delete and import: many keys from a file.
 */
#include "config.h"

#include "ctl/ctl.h"
#include "ctl/load.h"

static enum ctl_exit run(struct ctl *ctl, const char *file, const struct load_how *how)
{
	int64_t skip = 0;
	enum ctl_exit exit = args_i64(ctl, OPTION_SKIP, 0, INT64_MAX, &skip);

	return exit == CTL_OK ? load_run(ctl, ctl->words[0], file, (uint64_t)skip, how) : exit;
}

enum ctl_exit cmd_kv_bulk_put(struct ctl *ctl)
{
	return run(ctl, ctl->words[1], &(struct load_how){ .done = "written" });
}

enum ctl_exit cmd_kv_bulk_delete(struct ctl *ctl)
{
	return run(ctl, ctl->words[1], &(struct load_how){ .deletes = true, .done = "deleted" });
}

enum ctl_exit cmd_import(struct ctl *ctl)
{
	return run(ctl, ctl->n_words > 1 ? ctl->words[1] : "-", &(struct load_how){ .drops_expired = true, .done = "imported" });
}
