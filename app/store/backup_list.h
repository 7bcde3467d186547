/*
 * backup_list.h - the list of a backup: what it is, and its files with their sizes and checksums.
 *
 * Lines of text, the last of which is the checksum of those before it. Who has no tmakvd at hand can read it, and
 * check the files with sha256sum.
 */
#ifndef STORE_BACKUP_LIST_H
#define STORE_BACKUP_LIST_H

#include <stdint.h>
#include <stdio.h>

#include "store/backup.h"

/* What store_backup() leaves, and backup_seal() takes away: the head of the list, and the proof that all was copied. */
#define BACKUP_COPIED "copied"

/* Stands in a data directory while a restore is under way. */
#define RESTORE_MARK "restoring"

enum { BACKUP_NAME_MAX = 63, BACKUP_HASH_HEX = 64 };

struct backup_file {
	char name[BACKUP_NAME_MAX + 1];		/* "keys.db", "log/log.0000000012" */
	uint64_t size;
	char hash[BACKUP_HASH_HEX + 1];		/* SHA-256 */
};

struct backup_list {
	struct backup_info info;
	struct backup_file *files;
	size_t n;
};

/* list_read - the list FILE of directory DIR_FD; WHOLE: it must name files. */
enum copy_end list_read(struct backup_list *list, int dir_fd, const char *file, bool whole, const struct copy_how *how);

/* list_write - write it to a new file and sync it. 0, or errno. */
int list_write(const struct backup_list *list, int dir_fd, const char *file);

/* list_add - one more file. */
void list_add(struct backup_list *list, const char *name, uint64_t size, const char *hash);
void list_clear(struct backup_list *list);

/* list_time - SECONDS since 1970 as the list has times. */
void list_time(int64_t seconds, char text[24]);

/*
 * file_pass - read NAME of DIR_FD to its end: its size and SHA-256 in *FILE, its bytes to OUT_FD (-1: nowhere). 0, or
 * errno; *WROTE tells that it was the writing.
 */
int file_pass(int dir_fd, const char *name, int out_fd, struct backup_file *file, bool *wrote);

/* backup_is_name - whether it may be a file of a backup: a table, or log/ and the name of a log file. */
bool backup_is_name(const char *name);
bool log_is_name(const char *name);

#endif
