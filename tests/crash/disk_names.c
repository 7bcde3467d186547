/*
 * disk_names.c - see disk_names.h.
 */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "disk_names.h"

struct change {
	enum name_change what;
	char *path, *to;
	bool kept;
};

static const char *state;
static unsigned life;
static struct change *changes;		/* changes[i] is number first + i */
static size_t n_changes;
static uint64_t first = 1;

void names_begin(const char *state_directory, unsigned number)
{
	state = state_directory;
	life = number;
}

static void kept_path(char path[PATH_MAX], uint64_t number)
{
	snprintf(path, PATH_MAX, "%s/kept.%u.%llu", state, life, (unsigned long long)number);
}

uint64_t names_last(void)
{
	return first + n_changes - 1;
}

size_t names_count(void)
{
	return n_changes;
}

bool names_keep(const char *path)
{
	char kept[PATH_MAX];

	kept_path(kept, first + n_changes);
	return link(path, kept) == 0;
}

uint64_t names_add(enum name_change what, const char *path, const char *to, bool kept)
{
	changes = realloc(changes, (n_changes + 1) * sizeof *changes);
	if (changes == NULL)
		abort();
	changes[n_changes++] = (struct change){ what, strdup(path), to == NULL ? NULL : strdup(to), kept };
	return names_last();
}

void names_settle(uint64_t number)
{
	char kept[PATH_MAX];
	size_t n = 0;

	for (; n < n_changes && first + n <= number; n++) {
		kept_path(kept, first + n);
		if (changes[n].kept)
			disk_real.unlink(kept);
		free(changes[n].path);
		free(changes[n].to);
	}
	n_changes -= n;
	first += n;
	if (n != 0 && n_changes != 0)
		memmove(changes, changes + n, n_changes * sizeof *changes);
}

static void undo(const struct change *change, const char *kept)
{
	switch (change->what) {
	case NAME_CREATED:
		disk_real.unlink(change->path);
		return;
	case NAME_UNLINKED:
		if (change->kept && link(kept, change->path) != 0)
			perror("disk: giving back a name");
		return;
	case NAME_RENAMED:
		disk_real.rename(change->to, change->path);
		if (change->kept && link(kept, change->to) != 0)
			perror("disk: giving back a name");
		return;
	}
}

void names_undo(size_t n)
{
	char kept[PATH_MAX];

	for (; n > 0; n--) {
		kept_path(kept, names_last());
		undo(&changes[--n_changes], kept);
	}
}
