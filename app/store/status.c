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

static void read_berkeley_db(struct store *store, struct store_status *status)
{
	DB_LOG_STAT *log = NULL;
	DB_MPOOL_STAT *cache = NULL;

	if (store->env->log_stat(store->env, &log, 0) == 0)
		status->log_bytes_since_checkpoint = (uint64_t)log->st_wc_mbytes << 20 | log->st_wc_bytes;
	if (store->env->memp_stat(store->env, &cache, NULL, 0) == 0) {
		status->cache_hits = (uint64_t)cache->st_cache_hit;
		status->cache_misses = (uint64_t)cache->st_cache_miss;
		status->cache_bytes = (uint64_t)cache->st_gbytes << 30 | cache->st_bytes;
	}
	free(log);
	free(cache);
}

void store_read_status(struct store *store, struct store_status *status)
{
	*status = (struct store_status){
		.free_bytes = atomic_load(&store->free_bytes),
		.full = atomic_load(&store->full),
		.last_checkpoint_at = atomic_load(&store->last_checkpoint_at),
		.queued = atomic_load(&store->queued),
		.recoveries = store->recoveries,
		.data_bytes = files_size(store->data_dir, backup_is_name),
		.log_bytes = files_size(store->log_dir, log_is_name),
	};
	read_berkeley_db(store, status);
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
