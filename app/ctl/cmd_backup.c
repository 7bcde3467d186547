/*
 * cmd_backup.c - tmakvctl backup: a copy of everything, made by the server, finished and checked by tmakvd.
 *
 *   NAME.partial      made here, and handed to the server, which may not be able to open it by itself
 *   the server        copies into it what it has on disk
 *   tmakvd --prepare  applies the log, checks all of it, writes the list: a process of its own, for damaged files
 *                     can crash it; as the server's user, for those files are its work
 *   NAME              when everything is on disk
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/jdoc.h"
#include "ctl/backup_dir.h"
#include "ctl/control_stream.h"
#include "ctl/progress.h"
#include "ctl/stop.h"

enum { KEEP_MAX = 100000, LINE_SIZE = 1024, BEHIND = 10 };

/* tmakvd's exit codes */
enum { DAMAGED = 65, AGAIN = 75 };

struct making {
	struct ctl *ctl;
	struct backup_dir dir;
	struct control_stream stream;
	struct progress progress;
	int64_t keep;			/* 0: all */
	int64_t ended_at;
	uint64_t keys, bytes, files;
	size_t removed;
};

static enum ctl_exit interrupted(struct making *making)
{
	return ctl_fail(making->ctl, CTL_INTERRUPTED, "interrupted", "stopped; there is no new backup");
}

/* --- the server's part --- */

static enum ctl_exit copy(struct making *making)
{
	json_object *result = NULL;
	int64_t done = 0, whole = 0;
	enum ctl_exit exit;

	if ((exit = stream_open(making->ctl, &making->stream)) != CTL_OK ||
	    (exit = backup_dir_begin(&making->dir, &making->stream.peer)) != CTL_OK ||
	    (exit = stream_ask(making->ctl, &making->stream, "backup", making->dir.partial_fd)) != CTL_OK)
		return exit;
	while ((exit = stream_next(making->ctl, &making->stream, &result, &done, &whole)) == CTL_OK && result == NULL)
		progress_bytes(&making->progress, "copying", (uint64_t)done, (uint64_t)whole);
	if (exit == CTL_INTERRUPTED)
		return interrupted(making);
	if (exit == CTL_OK)
		making->ended_at = ctl_get_i64(result, "ended_at");
	json_object_put(result);
	return exit;
}

/* --- tmakvd's part --- */

/* Beside this program, as in a build, or where it was installed. */
static const char *find_tmakvd(struct ctl *ctl)
{
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	const char *path;

	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL) {
		*slash = '\0';
		path = ctl_text(ctl, "%s/tmakvd", self);
		if (access(path, X_OK) == 0)
			return path;
	}
	return SBINDIR "/tmakvd";
}

/* In the child. Its folder is found by a descriptor: the server's user may not be able to walk there. */
static void run_tmakvd(const struct making *making, const char *program, int out)
{
	const struct ucred *peer = &making->stream.peer;
	char name[] = "tmakvd", option[] = "--prepare", here[] = ".";
	char *argv[] = { name, option, here, NULL };

	if (fchdir(making->dir.partial_fd) != 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(AGAIN);
	if (peer->uid != geteuid() &&
	    (setgroups(0, NULL) != 0 || setgid(peer->gid) != 0 || setuid(peer->uid) != 0))
		_exit(AGAIN);
	if (nice(BEHIND) < 0)
		errno = 0;	/* then it is as hungry as others */
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* behind setuid(), which would undo it */
	execv(program, argv);
	printf("error %s cannot be run: %s\n", program, strerror(errno));
	fflush(stdout);
	_exit(AGAIN);
}

/* A line of it. An error is kept in ERROR: the last one says what it comes to, the first one what is wrong. */
static void take_line(struct making *making, const char *line, char error[LINE_SIZE])
{
	uint64_t done, whole;

	if (sscanf(line, "progress %" SCNu64 " %" SCNu64, &done, &whole) == 2)
		progress_bytes(&making->progress, "checking", done, whole);
	else if (strncmp(line, "error ", 6) == 0 && error[0] == '\0')
		snprintf(error, LINE_SIZE, "%.*s", (int)strcspn(line + 6, "\n"), line + 6);
	else
		sscanf(line, "done %" SCNu64 " %" SCNu64 " %" SCNu64, &making->keys, &making->bytes, &making->files);
}

static enum ctl_exit explain(struct making *making, int status, const char *error)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (code == 0 && making->files != 0)
		return CTL_OK;
	if (stop_wanted())
		return interrupted(making);
	if (code == DAMAGED || code == -1)
		return ctl_fail(making->ctl, CTL_DAMAGED, "damaged", "the copy did not pass its check, so there is no new backup: %s. "
				"The data themselves may be damaged: keep the backups that there are",
				error[0] != '\0' ? error : "the check crashed");
	return ctl_fail(making->ctl, code == AGAIN ? CTL_TEMPORARY : CTL_INTERNAL, code == AGAIN ? "unavailable" : "internal",
			"the copy could not be checked, so there is no new backup: %s",
			error[0] != '\0' ? error : "tmakvd does not know how");
}

static enum ctl_exit prepare(struct making *making)
{
	const char *program = find_tmakvd(making->ctl);
	char line[LINE_SIZE], error[LINE_SIZE] = "";
	int out[2], status = 0;
	FILE *in;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) != 0)
		return ctl_fail(making->ctl, CTL_IO, "io", "no pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_tmakvd(making, program, out[1]);
	close(out[1]);
	in = fdopen(out[0], "r");
	if (pid < 0 || in == NULL)
		return ctl_fail(making->ctl, CTL_IO, "io", "no process: %s", strerror(errno));
	while (!stop_wanted() && fgets(line, sizeof line, in) != NULL)
		take_line(making, line, error);
	if (stop_wanted())
		kill(pid, SIGKILL);
	fclose(in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return explain(making, status, error);
}

/* --- all of it --- */

/* The backup is there; that the server does not learn of it is no reason to fail. */
static void tell_server(struct making *making)
{
	json_object *args = ctl_object(), *result;
	bool json = making->ctl->json;

	/* The line of JSON is for what was asked for. */
	making->ctl->json = false;
	ctl_add_i64(args, "at", making->ended_at);
	if (control_ask(making->ctl, "backup.done", args, &result) == CTL_OK)
		json_object_put(result);
	else
		ctl_warn("the backup is good, but tmakvctl status will not know of it");
	making->ctl->json = json;
}

static void say_done(struct making *making)
{
	struct ctl *ctl = making->ctl;
	const char *path = ctl_text(ctl, "%s/%s", making->dir.path, making->dir.name);
	json_object *doc;

	if (ctl->json) {
		doc = ctl_object();
		ctl_add_str(doc, "backup", str_c(path));
		ctl_add_i64(doc, "keys", (int64_t)making->keys);
		ctl_add_i64(doc, "bytes", (int64_t)making->bytes);
		ctl_add_i64(doc, "at", making->ended_at);
		ctl_add_i64(doc, "removed", (int64_t)making->removed);
		ctl_print_json(ctl, doc);
		json_object_put(doc);
		return;
	}
	ctl_print(str_c(path));
	printf("\n");
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%" PRIu64 " %s, %s, checked, in %.1f s; %zu older %s removed.\n", making->keys,
			making->keys == 1 ? "key" : "keys", ctl_size(ctl, (int64_t)making->bytes),
			progress_seconds(&making->progress), making->removed, making->removed == 1 ? "backup" : "backups");
}

static enum ctl_exit make(struct making *making)
{
	enum ctl_exit exit = copy(making);

	if (exit == CTL_OK)
		exit = prepare(making);
	if (exit == CTL_OK && stop_wanted())
		exit = interrupted(making);
	if (exit == CTL_OK)
		exit = backup_dir_finish(&making->dir);
	if (exit == CTL_OK)
		return CTL_OK;
	stream_close(&making->stream);
	backup_dir_drop(&making->dir);
	return exit;
}

enum ctl_exit cmd_backup(struct ctl *ctl)
{
	struct making making = { .ctl = ctl, .stream.fd = -1 };
	enum ctl_exit exit;

	if ((exit = args_i64(ctl, OPTION_KEEP, 1, KEEP_MAX, &making.keep)) != CTL_OK)
		return exit;
	stop_catch(true);
	if ((exit = backup_dir_open(&making.dir, ctl, ctl->words[0])) == CTL_OK) {
		progress_begin(&making.progress, ctl);
		if ((exit = make(&making)) == CTL_OK) {
			progress_end(&making.progress);
			if (making.keep != 0)
				exit = backup_dir_keep(&making.dir, (size_t)making.keep, &making.removed);
			tell_server(&making);
			if (exit == CTL_OK)
				say_done(&making);
		}
		progress_end(&making.progress);
	}
	stream_close(&making.stream);
	backup_dir_close(&making.dir);
	return exit;
}
