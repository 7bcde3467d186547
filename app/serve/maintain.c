/*
 * maintain.c - tmakvd without serving: --verify, --restore, and --prepare for tmakvctl.
 *
 * One thread, no socket, no supervisor. It speaks to people, in sentences on standard error; with --prepare to
 * tmakvctl, in lines on standard output: "progress DONE WHOLE", "error SENTENCE", "done KEYS BYTES FILES".
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/conf.h"
#include "base/log.h"
#include "kv/audit.h"
#include "serve/serve.h"
#include "store/backup.h"

static bool to_program;		/* tmakvctl listens */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	FILE *out = to_program ? stdout : stderr;
	va_list args;

	fputs(to_program ? "error " : "tmakvd: ", out);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	putc('\n', out);
	fflush(out);
}

static void progress(uint64_t done, uint64_t whole)
{
	printf("progress %" PRIu64 " %" PRIu64 "\n", done, whole);
	fflush(stdout);
}

static int exit_code(enum copy_end end)
{
	switch (end) {
	case COPY_OK:      return EXIT_STOPPED;
	case COPY_DAMAGED: return EXIT_DAMAGED;
	case COPY_IO:      return EXIT_AGAIN;
	case COPY_NONE:    break;
	}
	return EXIT_CONF;
}

/* Do the tables belong together? *KEYS is how many there are. */
static enum copy_end audit(const char *dir, uint64_t *keys, const struct copy_how *how)
{
	struct kv_audit audit = { .say = how->say };
	enum copy_end end = copy_open(&audit.store, dir, how);

	if (end == COPY_OK && !kv_audit(&audit)) {
		how->say("the tables do not belong together: %zu faults", audit.faults);
		end = COPY_DAMAGED;
	}
	*keys = audit.records;
	copy_close(audit.store);
	return end;
}

int serve_prepare(const char *dir)
{
	const struct copy_how how = { .say = say, .progress = progress };
	struct backup_info info = { .files = 0 };
	enum copy_end end;
	uint64_t keys = 0;

	to_program = true;
	log_open("tmakvd", LOG_LEVEL_ERROR);
	if ((end = copy_recover(dir, &how)) == COPY_OK && (end = copy_check(dir, &how)) == COPY_OK &&
	    (end = audit(dir, &keys, &how)) == COPY_OK && (end = backup_seal(dir, keys, &info, &how)) == COPY_OK)
		printf("done %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", info.keys, info.bytes, info.files);
	return exit_code(fflush(stdout) == 0 ? end : COPY_IO);
}

/* DIR is no backup: perhaps there are some in it. */
static void explain(const char *dir, const char *option)
{
	char name[64];
	struct stat st;

	if (stat(dir, &st) != 0)
		return;
	if (backup_newest(dir, name))
		say("%s is no backup, but holds some; the newest: tmakvd --%s %s/%s", dir, option, dir, name);
	else
		say("%s is no backup: there is no " BACKUP_LIST " in it", dir);
}

static bool is_backup(const char *dir)
{
	char list[4200];
	struct stat st;

	snprintf(list, sizeof list, "%s/" BACKUP_LIST, dir);
	return stat(list, &st) == 0;
}

int serve_verify(const char *dir)
{
	const struct copy_how how = { .say = say };
	struct backup_info info = { .files = 0 };
	uint64_t keys = 0;
	enum copy_end end;

	if (!is_backup(dir))
		explain(dir, "verify");
	if ((end = backup_compare(dir, &info, &how)) == COPY_OK && (end = copy_check(dir, &how)) == COPY_OK &&
	    (end = audit(dir, &keys, &how)) == COPY_OK && keys != info.keys) {
		say("%" PRIu64 " keys are there, and the list says %" PRIu64, keys, info.keys);
		end = COPY_DAMAGED;
	}
	if (end == COPY_OK)
		printf("%s is good: %" PRIu64 " %s of %s, %" PRIu64 " bytes in %" PRIu64 " files, made by tmakvd %s\n", dir,
		       keys, keys == 1 ? "key" : "keys", info.ended, info.bytes, info.files, info.program);
	else if (end == COPY_DAMAGED)
		say("%s must not be restored", dir);
	return exit_code(end);
}

int serve_restore(const char *dir, const struct conf *conf)
{
	const struct copy_how how = { .say = say };
	struct backup_info info = { .files = 0 };
	enum copy_end end;
	char *log_dir = NULL;

	if (!is_backup(dir))
		explain(dir, "restore");
	if (asprintf(&log_dir, "%s%s", conf->log_dir[0] != '\0' ? conf->log_dir : conf->data_dir,
		     conf->log_dir[0] != '\0' ? "" : "/log") < 0)
		abort();
	end = backup_restore(dir, conf->data_dir, log_dir, &info, &how);
	if (end == COPY_OK)
		printf("restored into %s: %" PRIu64 " %s as of %s; what was written later is not there.\n"
		       "Start tmakvd now, as the user that the directory belongs to.\n",
		       conf->data_dir, info.keys, info.keys == 1 ? "key" : "keys", info.ended);
	free(log_dir);
	return exit_code(end);
}
