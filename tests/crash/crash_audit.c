/*
 * crash_audit.c - does everything in a data directory belong together?
 *
 *     crash_audit DATA_DIRECTORY
 *
 * Opens it as the server would, recovery included, and has kv_audit() compare the tables that change together.
 * No server may run on the directory: give it a copy.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "kv/audit.h"

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

int main(int argc, char **argv)
{
	struct kv_audit audit = { .say = say };
	struct conf conf;

	if (argc != 2) {
		fprintf(stderr, "usage: crash_audit DATA_DIRECTORY\n");
		return 64;
	}
	log_open("crash_audit", LOG_LEVEL_ERROR);
	conf_defaults(&conf);
	free(conf.data_dir);
	conf.data_dir = strdup(argv[1]);
	conf.ballast_size = conf.reserve_size = 0;
	if (store_open(&audit.store, &conf) != STORE_OPENED) {
		printf("%s cannot be opened\n", argv[1]);
		return 1;
	}
	kv_audit(&audit);
	if (audit.newest > clock_wall_us()) {
		say("a version of the future: %" PRIu64, audit.newest);
		audit.faults++;
	}
	printf("%" PRIu64 " records, %" PRIu64 " values apart, %" PRIu64 " of garbage, %" PRIu64 " expiry rows, %" PRIu64
	       " usage rows: %zu faults\n",
	       audit.records, audit.values, audit.garbage, audit.expiries, audit.usages, audit.faults);
	store_close(audit.store);
	conf_clear(&conf);
	return audit.faults == 0 ? 0 : 1;
}
