/*
 * test_store_birth.c - a first start that was interrupted: nothing was stored, so it begins again.
 */
#include "config.h"

#include "store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

static void path_of(const struct fixture *f, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", f->dir, name);
}

static bool exists(const struct fixture *f, const char *name)
{
	char path[128];

	path_of(f, name, path);
	return access(path, F_OK) == 0;
}

/* A page of zeros and no more, as a power cut may leave it. */
static void spoil(const struct fixture *f, const char *name)
{
	char path[128];

	path_of(f, name, path);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(truncate(path, 8192), 0);
}

static void mark(const struct fixture *f)
{
	char path[128];
	int fd;

	path_of(f, "unfinished", path);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* What is written behind a first start that came to its end. */
static void forget_end(const struct fixture *f)
{
	char path[128];

	path_of(f, "manifest", path);
	assert_int_equal(unlink(path), 0);
	path_of(f, "log/position", path);
	assert_int_equal(unlink(path), 0);
}

static struct fixture *closed_store(void)
{
	struct fixture *f = malloc(sizeof *f);

	fixture_start(f);
	store_close(f->store);
	f->store = NULL;
	return f;
}

static void finish(struct fixture *f)
{
	fixture_stop(f);
	free(f);
}

static void no_mark_is_left_by_a_start_that_came_to_its_end(void **state)
{
	struct fixture *f = closed_store();

	(void)state;
	assert_true(exists(f, "keys.db"));
	assert_false(exists(f, "unfinished"));
	finish(f);
}

static void unfinished_start_begins_again_and_keeps_the_files(void **state)
{
	struct fixture *f = closed_store();

	(void)state;
	spoil(f, "keys.db");
	mark(f);
	forget_end(f);
	fixture_open(f);
	assert_false(exists(f, "unfinished"));
	assert_true(exists(f, "unfinished.keys.db"));
	assert_true(exists(f, "log/unfinished.log.0000000001"));
	store_close(f->store);
	fixture_open(f);
	finish(f);
}

static void mark_beside_a_manifest_means_nothing(void **state)
{
	struct fixture *f = closed_store();

	(void)state;
	mark(f);
	fixture_open(f);
	assert_false(exists(f, "unfinished.keys.db"));
	finish(f);
}

static void files_without_the_mark_are_not_touched(void **state)
{
	struct fixture *f = closed_store();

	(void)state;
	forget_end(f);
	fixture_open(f);
	assert_false(exists(f, "unfinished"));
	assert_false(exists(f, "unfinished.keys.db"));
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_mark_is_left_by_a_start_that_came_to_its_end),
		cmocka_unit_test(unfinished_start_begins_again_and_keeps_the_files),
		cmocka_unit_test(mark_beside_a_manifest_means_nothing),
		cmocka_unit_test(files_without_the_mark_are_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
