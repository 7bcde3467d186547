/*
 * backup.h - copies of the store: made while it serves, prepared, checked, and put back.
 *
 *   store_backup()    in the server: the tables as they are on disk, and the log that makes one state of them
 *   copy_recover()    in a process of its own: that log is applied, in the copy. From here on it is at rest
 *   copy_check()      likewise: does Berkeley DB find every page of it in order?
 *   backup_seal()     the list of its files with their checksums: only now it is a backup
 *   backup_compare()  does every file have its size and checksum?
 *   backup_restore()  from a backup into empty directories
 *
 * A backup is a directory: the tables, log/ with what is left of the log, and BACKUP_LIST. Nothing but
 * store_backup() needs a server, and only copy_recover() changes what it is given.
 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define BACKUP_LIST "backup.list"

/* ---- making one ---- */

enum backup_end {
	BACKUP_DONE,
	BACKUP_CANCELLED,	/* step() said so */
	BACKUP_NO_ROOM,		/* where the backup goes: `needed` bytes, or ENOSPC */
	BACKUP_TARGET,		/* there, something else: `error` at `file` */
	BACKUP_DISK_FULL,	/* where the data are: the log that has to wait grew too much, or the backup goes there too */
	BACKUP_SOURCE,		/* the data, or their log, cannot be read: `error` at `file`; logged */
	BACKUP_STORE		/* the store has failed and must recover; logged */
};

struct backup {
	/* in */
	int dir;		/* an empty directory that this process may write to */
	const char *account;	/* the installation's id, for the list */
	bool (*step)(void *arg, uint64_t done, uint64_t whole);	/* bytes, WHOLE roughly; false: stop */
	void *arg;
	/* out */
	int64_t begun_at, ended_at;	/* seconds since 1970: all that was acknowledged before ended_at is in it */
	uint64_t bytes;
	uint64_t needed;
	int error;			/* errno */
	char file[64];
};

/*
 * store_backup - copy all tables and the log they need into backup->dir. Blocks, for long: in a thread of its own, and
 * one at a time. Log files are kept meanwhile. What is in the directory is no backup yet.
 */
enum backup_end store_backup(struct store *store, struct backup *backup);

/* ---- a copy, in a process of its own ---- */

/*
 * How it ended; SAY was told a sentence of everything that is wrong. Damaged files can crash Berkeley DB: that is
 * why no server calls these.
 */
enum copy_end {
	COPY_OK,
	COPY_DAMAGED,
	COPY_NONE,		/* no backup, or one that cannot be used here */
	COPY_IO			/* it could not be read or written: errno in words */
};

struct copy_how {
	void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2)));
	void (*progress)(uint64_t done, uint64_t whole);	/* bytes; NULL: nobody looks */
};

/* What the list says of a backup. The texts are cut to their room. */
struct backup_info {
	char program[32];	/* version of tmakvd */
	char account[64];
	char begun[24], ended[24];	/* "2026-11-25T18:40:24Z" */
	uint64_t format;
	uint64_t keys;
	uint64_t files, bytes;
};

/* copy_recover - apply the log to the tables of what store_backup() left in DIR, and keep only what a start needs of it. */
enum copy_end copy_recover(const char *dir, const struct copy_how *how) MUST_USE;

/* copy_check - have Berkeley DB look at each table of the copy in DIR. It changes nothing. */
enum copy_end copy_check(const char *dir, const struct copy_how *how) MUST_USE;

/* copy_open - the tables of a copy that passed copy_check(), to be read with store_get() and store_scan_next(). copy_close() in any case. */
enum copy_end copy_open(struct store **store, const char *dir, const struct copy_how *how) MUST_USE;
void copy_close(struct store *store);

/* backup_seal - make a backup of the copy in DIR, which holds KEYS keys: sync its files, write its list. */
enum copy_end backup_seal(const char *dir, uint64_t keys, struct backup_info *info, const struct copy_how *how) MUST_USE;

/* backup_compare - the files of DIR with its list. */
enum copy_end backup_compare(const char *dir, struct backup_info *info, const struct copy_how *how) MUST_USE;

/*
 * backup_restore - copy the backup DIR into DATA_DIR and LOG_DIR, which are made if they are missing, and must be
 * empty but for what a restore that was interrupted has left. Until it is done a server refuses to start there.
 */
enum copy_end backup_restore(const char *dir, const char *data_dir, const char *log_dir, struct backup_info *info,
			     const struct copy_how *how) MUST_USE;

/* backup_newest - the newest backup among the folders of DIR, in NAME; false when there is none. */
bool backup_newest(const char *dir, char name[64]);

#endif
