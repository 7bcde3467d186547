/*
 * disk_names.h - the changes of names that a power cut may undo: files created, unlinked and renamed of late.
 *
 * They are undone from the last one back, as by a file system's journal. A file that lost its name keeps
 * another one in the state directory until the change is durable. The caller has a lock.
 */
#ifndef TESTS_CRASH_DISK_NAMES_H
#define TESTS_CRASH_DISK_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum name_change { NAME_CREATED, NAME_UNLINKED, NAME_RENAMED };

/* names_begin - STATE is the state directory, LIFE a number that no process before had. */
void names_begin(const char *state, unsigned life);

/* names_keep - before the next change takes PATH's name away: whether there was a file, and it is kept. */
bool names_keep(const char *path);

/* names_add - PATH was created, unlinked, or renamed to TO; the number of the change. */
uint64_t names_add(enum name_change what, const char *path, const char *to, bool kept);

/* names_last - the number of the last change. */
uint64_t names_last(void);

/* names_settle - changes up to NUMBER are durable. */
void names_settle(uint64_t number);

/* names_count - those that are not; names_undo - the last N of them. */
size_t names_count(void);
void names_undo(size_t n);

#endif
