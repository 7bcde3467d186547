/*
 * store_fixture.h - a store of its own in a temporary folder, for tests that need a real one.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"
#include "base/log.h"
#include "store/store.h"

struct fixture {
	char dir[64];
	struct conf conf;
	struct store *store;
};

/* Where folders are made; a test that opens its store hundreds of times takes one that is in memory. */
static const char *fixture_parent = "/tmp";

static inline void fixture_open(struct fixture *f)
{
	assert_int_equal(store_open(&f->store, &f->conf), STORE_OPENED);
}

static inline void fixture_start(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	log_open("test", LOG_LEVEL_ERROR);
	snprintf(f->dir, sizeof f->dir, "%s/tmakv-test.XXXXXX", fixture_parent);
	assert_non_null(mkdtemp(f->dir));
	conf_defaults(&f->conf);
	free(f->conf.data_dir);
	f->conf.data_dir = strdup(f->dir);
	f->conf.ballast_size = 0;
	f->conf.reserve_size = 0;
	f->conf.cache_size = 8 << 20;
	fixture_open(f);
}

static inline void fixture_stop(struct fixture *f)
{
	char command[128];

	store_close(f->store);
	conf_clear(&f->conf);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
}

#endif
