/*
 * unclean.c - how often was a server here that did not come to its end?
 *
 * Opening the store always recovers; but there is something to recover from only when the server before was killed,
 * or failed, or the power did. That is counted in the lock file: whoever serves writes "open" behind the number, and
 * "closed" when all of it is on disk and nothing is left to recover. A few bytes that are there already need no space, so
 * a full disk does not stand in the way. It is a count and no more: nothing depends on it.
 */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "store/private.h"

enum { NOTE_SIZE = 32 };

/* The same length each time, so that nothing of an older note stays behind a shorter one. */
static bool note_write(const struct store *store, const char *word)
{
	char note[NOTE_SIZE + 1];

	snprintf(note, sizeof note, "%-20llu %-10s\n", (unsigned long long)store->recoveries, word);
	return pwrite(store->lock_fd, note, NOTE_SIZE, 0) == NOTE_SIZE;
}

void unclean_begin(struct store *store)
{
	char note[NOTE_SIZE + 1] = "", word[12] = "";
	unsigned long long n = 0;

	if (pread(store->lock_fd, note, NOTE_SIZE, 0) == NOTE_SIZE && sscanf(note, "%20llu %11s", &n, word) == 2)
		store->recoveries = n + (strcmp(word, "open") == 0);
	/* A power cut soon after is one of those that are counted. */
	if (note_write(store, "open"))
		(void)fdatasync(store->lock_fd);
}

void unclean_end(const struct store *store)
{
	note_write(store, "closed");
}
