/*
 * backup.h - a backup under way: a thread of its own, which the control thread asks how far it is.
 */
#ifndef SERVE_BACKUP_H
#define SERVE_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/rc.h"
#include "serve/control.h"

struct store;
struct backup_job;

/*
 * backup_start - begin to copy STORE into the directory DIR_FD, which is taken over on RC_OK. RC_UNAVAILABLE: there is one
 * under way.
 */
enum rc backup_start(struct store *store, const char *account, int dir_fd, struct backup_job **job) MUST_USE;

/* backup_fd - readable when there is something new: backup_look() says what, and makes it unreadable. True: it has ended. */
int backup_fd(const struct backup_job *job);
bool backup_look(struct backup_job *job, uint64_t *done, uint64_t *whole);

/* backup_cancel - it will end soon. */
void backup_cancel(struct backup_job *job);

/* backup_finish - wait for its end, cancelled or not, and say how it was; JOB is gone. */
enum rc backup_finish(struct backup_job *job, struct arena *arena, struct admin_answer *answer) MUST_USE;

#endif
