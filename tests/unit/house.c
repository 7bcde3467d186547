/*
 * house.c - see house.h.
 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/jdoc.h"
#include "house.h"

static bool open_rooms(struct house *house)
{
	return registry_open(&house->registry, house->store, &house->conf) == RC_OK &&
		auth_open(&house->auth, house->store, &house->conf) == RC_OK;
}

static void close_rooms(struct house *house)
{
	auth_close(house->auth);
	registry_close(house->registry);
	house->auth = NULL;
	house->registry = NULL;
}

bool house_build(struct house *house)
{
	const char *tmp = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : getenv("top_builddir");
	struct conf_error error;
	char text[1024];
	int n;

	*house = (struct house){ .store = NULL };
	snprintf(house->dir, sizeof house->dir, "%s/tmakv-house-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(house->dir) == NULL)
		return false;
	n = snprintf(text, sizeof text, "data_dir = %s\ncache_size = 1M\nballast_size = 0\nreserve_size = 0\n", house->dir);
	return conf_read_text(&house->conf, "test", text, (size_t)n, &error) &&
		store_open(&house->store, &house->conf) == STORE_OPENED &&
		open_rooms(house);
}

static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char inside[1024];

	if (dir == NULL) {
		unlink(path);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
		remove_folder(inside);
	}
	closedir(dir);
	rmdir(path);
}

void house_clear(struct house *house)
{
	close_rooms(house);
	store_close(house->store);
	conf_clear(&house->conf);
	remove_folder(house->dir);
}

bool house_reopen(struct house *house)
{
	close_rooms(house);
	return open_rooms(house);
}

bool house_restart(struct house *house)
{
	close_rooms(house);
	store_close(house->store);
	house->store = NULL;
	return store_open(&house->store, &house->conf) == STORE_OPENED && open_rooms(house);
}

struct row {
	enum store_table table;
	struct str key, value;
};

static enum rc put_row(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct row *row = arg;

	(void)op;
	return store_txn_put(txn, row->table, row->key, row->value);
}

bool house_put(struct house *house, enum store_table table, struct str key, struct str value)
{
	struct row row = { table, key, value };
	struct commit_op op;

	commit_op_init(&op, put_row, &row, key.n + value.n, STR_LIT(""));
	return commit_run(house->store, &op) == RC_OK;
}

bool house_mark(struct house *house, uint32_t project, uint64_t user, int64_t not_before)
{
	const struct project *marked = registry_by_number(house->registry, project);
	bool good = marked != NULL && project_revoke(house->registry, str_c(marked->id), user, not_before) == RC_OK;

	project_unref(marked);
	return good;
}

bool house_edit_project(struct house *house, uint32_t project, const char *member, int64_t value)
{
	struct arena *arena = arena_new(65536);
	char key[4], record[16384];
	json_object *doc;
	size_t n = 0;
	bool good;

	store_put_u32(key, project);
	good = store_get(house->store, STORE_PROJECTS, str_make(key, sizeof key), record, sizeof record, &n) == RC_OK;
	doc = jdoc_read(str_make(record, n), 8);
	good = good && doc != NULL && jdoc_add_i64(doc, member, value) &&
		house_put(house, STORE_PROJECTS, str_make(key, sizeof key), jdoc_text(doc, arena));
	json_object_put(doc);
	arena_free(arena);
	return good && house_reopen(house);
}
