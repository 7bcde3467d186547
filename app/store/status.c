/*
 * status.c - how the store is: what `tmakvctl status` and the metrics show of it.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/backup_list.h"
#include "store/private.h"

enum { BLOCK = 512 };			/* what st_blocks counts in */

/* The space that the files of directory PATH take that IS_ONE: log files are longer than what is in them. */
static uint64_t files_size(const char *path, bool (*is_one)(const char *name))
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	uint64_t sum = 0;
	struct stat st;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (is_one(entry->d_name) && fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			sum += (uint64_t)st.st_blocks * BLOCK;
	if (dir != NULL)
		closedir(dir);
	return sum;
}

/*
 * Of each file by itself, and added up: all of ours stay open. The cache as a whole is told only after a walk through all
 * of its hash table, which takes 5 ms for a gigabyte.
 */
static void read_cache(struct store *store, struct store_status *status)
{
	DB_MPOOL_FSTAT **files = NULL;
	uint32_t gbytes, bytes;
	int n_caches;

	if (store->env->get_cachesize(store->env, &gbytes, &bytes, &n_caches) == 0)
		status->cache_bytes = (uint64_t)gbytes << 30 | bytes;
	if (store->env->memp_stat(store->env, NULL, &files, 0) != 0)
		return;
	for (DB_MPOOL_FSTAT **file = files; file != NULL && *file != NULL; file++) {
		status->cache_hits += (uint64_t)(*file)->st_cache_hit;
		status->cache_misses += (uint64_t)(*file)->st_cache_miss;
	}
	free(files);
}

static void read_log(struct store *store, struct store_status *status)
{
	DB_LOG_STAT *log = NULL;

	if (store->env->log_stat(store->env, &log, 0) == 0)
		status->log_bytes_since_checkpoint = (uint64_t)log->st_wc_mbytes << 20 | log->st_wc_bytes;
	free(log);
}

void store_read_status(struct store *store, struct store_status *status)
{
	*status = (struct store_status){
		.free_bytes = atomic_load(&store->free_bytes),
		.full = atomic_load(&store->full),
		.last_checkpoint_at = atomic_load(&store->last_checkpoint_at),
		.queued = atomic_load(&store->queued),
		.recoveries = store->recoveries,
	};
	read_cache(store, status);
	read_log(store, status);
}

struct store_sizes store_read_sizes(const struct store *store)
{
	return (struct store_sizes){
		.data_bytes = files_size(store->data_dir, backup_is_name),
		.log_bytes = files_size(store->log_dir, log_is_name),
	};
}

int64_t store_last_backup_at(struct store *store)
{
	uint64_t at;
	char text[24];
	size_t n;

	if (store_get(store, STORE_META, STR_LIT(STORE_LAST_BACKUP), text, sizeof text, &n) != RC_OK ||
	    !str_to_u64(str_make(text, n), 0, INT64_MAX, &at))
		return 0;
	return (int64_t)at;
}
