/*
 * backup_dir.h - the folder that holds backups: what is in it, and who may touch it.
 *
 *   tmakv-20261125T184024Z            a backup
 *   tmakv-20261125T184024Z.partial    one that is being made, taken away, or was left half done
 *   .tmakv.lock                       held by whoever works here
 *
 * Nothing of another name is touched.
 */
#ifndef CTL_BACKUP_DIR_H
#define CTL_BACKUP_DIR_H

#include <sys/socket.h>

#include "ctl/ctl.h"

enum { BACKUP_NAME_SIZE = sizeof "tmakv-20261125T184024Z", PARTIAL_NAME_SIZE = BACKUP_NAME_SIZE + 8 };

struct backup_dir {
	struct ctl *ctl;
	const char *path;
	int fd;
	int lock;
	char name[BACKUP_NAME_SIZE];		/* of the backup under way; "" = none */
	char partial[PARTIAL_NAME_SIZE];
	int partial_fd;
};

/*
 * backup_dir_open - make it if it is missing, lock it, take away what dead runs have left. Not CTL_OK: reported.
 * backup_dir_close() in any case.
 */
enum ctl_exit backup_dir_open(struct backup_dir *dir, struct ctl *ctl, const char *path);
void backup_dir_close(struct backup_dir *dir);

/* backup_dir_begin - a new folder, which OWNER can write to; dir->partial_fd is it. */
enum ctl_exit backup_dir_begin(struct backup_dir *dir, const struct ucred *owner);

/* backup_dir_drop - take it away, with what is in it. */
void backup_dir_drop(struct backup_dir *dir);

/* backup_dir_finish - it is ours, and has its final name, for good. */
enum ctl_exit backup_dir_finish(struct backup_dir *dir);

/* backup_dir_keep - take away the oldest backups until N are left, never the one just made. *REMOVED: how many. */
enum ctl_exit backup_dir_keep(struct backup_dir *dir, size_t n, size_t *removed);

#endif
