/*
 * env.c - the environment: lock, recover, open, close.
 *
 * The regions are private to this process (DB_PRIVATE), so a crash leaves nothing behind
 * but the log and the pages, and opening always recovers from them. Called by one thread at
 * start and stop.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "store/backup_list.h"
#include "store/private.h"

enum {
	LOG_BUFFER = 4 << 20,
	LOG_FILE = 16 << 20,		/* recovery fills the last one up with zeros; four buffers at least */
	LOCKS_MAX = 100000,		/* ceilings; the tables grow to what is used */
	LOCKERS_MAX = 1000,
	TRANSACTIONS_MAX = 64,
	NO_MEMORY_MAX = 100,		/* operations in a row that found no memory */
	LOCK_WAIT_MS = 5000,		/* for a server that is just going */
	LOCK_POLL_MS = 50,
	REPORTS_MAX = 10		/* of Berkeley DB's, that are logged in a second */
};

static const char *const table_names[STORE__TABLES] = {
	[STORE_KEYS] = "keys.db",
	[STORE_VALUES] = "values.db",
	[STORE_GARBAGE] = "garbage.db",
	[STORE_EXPIRY] = "expiry.db",
	[STORE_RECENT] = "recent.db",
	[STORE_USAGE] = "usage.db",
	[STORE_MARKS] = "marks.db",
	[STORE_PROJECTS] = "projects.db",
	[STORE_CREDENTIALS] = "credentials.db",
	[STORE_SIGNING_KEYS] = "signing_keys.db",
	[STORE_AUDIT] = "audit.db",
	[STORE_META] = "meta.db",
};

const char *table_name(enum store_table table)
{
	return table_names[table];
}

bool store_has_table(const struct store *store, enum store_table table)
{
	return store->db[table] != NULL;
}

/* ---- what Berkeley DB tells us ---- */

static struct store *store_of(const DB_ENV *env)
{
	return env->app_private;
}

void store_found_damage(struct store *store)
{
	atomic_store(&store->failed, true);
	if (atomic_exchange(&store->damaged, true))
		return;
	LOG_ERROR("the data is damaged: nothing is served; keep a copy of both directories as they are, and restore the last backup (tmakvd --restore)",
		  LOG_STR("data_dir", store->data_dir), LOG_STR("log_dir", store->log_dir));
}

static bool has_one_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(text, words[i]) != NULL)
			return true;
	return false;
}

/* Pages or log records that are not what was written. The error codes alone do not tell. */
static bool tells_of_damage(const char *text)
{
	static const char *const words[] = {
		"hecksum", "illegal page type", "metadata page corrupted", "unexpected file type or format",
		"Log sequence error", "past end of log", "catastrophic recovery"
	};

	return has_one_of(text, words, sizeof words / sizeof words[0]);
}

static bool tells_of_full_disk(const char *text)
{
	static const char *const words[] = { "No space left on device", "Disk quota exceeded" };

	return has_one_of(text, words, sizeof words / sizeof words[0]);
}

/* A store that fails, or waits for space, says the same for each page. */
static bool may_report(struct store *store)
{
	uint64_t now = clock_mono_us();
	bool may;

	pthread_mutex_lock(&store->report_lock);
	if (now >= store->report_until_us) {
		store->report_until_us = now + 1000000;
		store->n_reports = 0;
	}
	may = store->n_reports++ < REPORTS_MAX;
	pthread_mutex_unlock(&store->report_lock);
	return may;
}

/* Its own words, for the log. They name files and pages, never records. */
void env_report(const DB_ENV *env, const char *prefix, const char *text)
{
	struct store *store = store_of(env);

	(void)prefix;
	/* Of a backup that was stopped, backup.c tells why. */
	if (strstr(text, "Backup Failed") != NULL || strstr(text, "BDB0704") != NULL)
		return;
	/* While a flush waits for space, each try says so. */
	if (!(tells_of_full_disk(text) && store_waits_for_space(store)) && may_report(store))
		LOG_ERROR("Berkeley DB reports", LOG_STR("text", text));
	if (tells_of_full_disk(text))
		atomic_store(&store->no_space, true);
	if (tells_of_damage(text))
		store_found_damage(store);
}

static void on_event(DB_ENV *env, u_int32_t event, void *info)
{
	(void)info;
	if (event == DB_EVENT_PANIC)
		atomic_store(&store_of(env)->failed, true);
}

enum rc store_fail(struct store *store, int error)
{
	if (!atomic_exchange(&store->failed, true))
		LOG_ERROR("the store has failed and must recover", LOG_STR("error", db_strerror(error)));
	return RC_STORE;
}

/*
 * No memory for one operation: it fails and the store goes on, unless Berkeley DB has panicked over it. When
 * nothing succeeds any more, something in it is wedged, and starting anew is what helps.
 */
static bool is_passing(struct store *store)
{
	return !atomic_load(&store->failed) && atomic_fetch_add(&store->no_memory, 1) < NO_MEMORY_MAX;
}

enum rc store_rc(struct store *store, int error)
{
	switch (error) {
	case 0:
		if (atomic_load_explicit(&store->no_memory, memory_order_relaxed) != 0)
			atomic_store(&store->no_memory, 0);
		return RC_OK;
	case DB_NOTFOUND:
	case DB_KEYEMPTY:
		return RC_KEY_NOT_FOUND;
	case DB_BUFFER_SMALL:
		return RC_VALUE_TOO_LARGE;
	case DB_LOCK_DEADLOCK:
	case DB_LOCK_NOTGRANTED:
		return RC_BUSY;
	case ENOSPC:
	case EDQUOT:
		return RC_STORAGE_FULL;
	case ENOMEM:
		/* Berkeley DB says so too when no page can be cleaned because the disk is full. */
		if (atomic_load(&store->full))
			return RC_STORAGE_FULL;
		if (is_passing(store)) {
			LOG_WARN("the store had no memory for an operation");
			return RC_UNAVAILABLE;
		}
		break;
	case DB_PAGE_NOTFOUND:
	case DB_VERIFY_BAD:
		store_found_damage(store);
		break;
	}
	return store_fail(store, error);
}

bool store_is_damaged(const struct store *store)
{
	return atomic_load(&store->damaged);
}

DBT store_dbt_in(struct str bytes)
{
	union { const char *in; void *out; } cast = { .in = bytes.p };

	return (DBT){ .data = cast.out, .size = (u_int32_t)bytes.n };
}

DBT store_dbt_out(void *buf, size_t size)
{
	return (DBT){ .data = buf, .ulen = (u_int32_t)size, .flags = DB_DBT_USERMEM };
}

/* ---- directories and the lock ---- */

static char *path_join(const char *dir, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		abort();
	return path;
}

bool file_is_there(const struct store *store, const char *name)
{
	char *path = path_join(store->data_dir, name);
	bool is_there = access(path, F_OK) == 0;

	free(path);
	return is_there;
}

static bool make_directory(const char *path)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	LOG_ERROR("cannot make a directory: make it, or let the server's user write to its parent",
		  LOG_STR("path", path), LOG_ERRNO(errno));
	return false;
}

/*
 * One server per data directory: the lock goes with the process, however it ends.
 * A server that is stopping holds it a little longer, so we wait.
 */
static enum store_open_result take_lock(struct store *store)
{
	uint64_t give_up = clock_mono_us() + LOCK_WAIT_MS * 1000;
	char *path = path_join(store->data_dir, "lock");
	enum store_open_result result = STORE_MISCONFIGURED;

	store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock_fd < 0) {
		LOG_ERROR("cannot open the lock file", LOG_STR("path", path), LOG_ERRNO(errno));
		goto out;
	}
	while (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			LOG_ERROR("cannot lock", LOG_STR("path", path), LOG_ERRNO(errno));
			goto out;
		}
		if (clock_mono_us() > give_up) {
			LOG_ERROR("another server works on this data directory; only one may",
				  LOG_STR("path", store->data_dir));
			goto out;
		}
		usleep(LOCK_POLL_MS * 1000);
	}
	result = STORE_OPENED;
out:
	free(path);
	return result;
}

/* A restore that did not come to its end has left some of the files, and recovery would make something of them. */
static enum store_open_result restore_check(const struct store *store)
{
	if (!file_is_there(store, RESTORE_MARK))
		return STORE_OPENED;
	LOG_ERROR("a restore into this directory was interrupted: run tmakvd --restore again, it begins anew",
		  LOG_STR("data_dir", store->data_dir));
	return STORE_MISCONFIGURED;
}

/* ---- the environment ---- */

static int env_configure(struct store *store, const struct conf *conf)
{
	DB_ENV *env = store->env;
	uint64_t cache = (uint64_t)conf->cache_size;
	int error;

	env->app_private = store;
	env->set_errcall(env, env_report);
	if ((error = env->set_event_notify(env, on_event)) != 0 ||
	    (error = env->set_cachesize(env, (u_int32_t)(cache >> 30),
					(u_int32_t)(cache & ((1u << 30) - 1)), 1)) != 0 ||
	    (error = env->set_lg_dir(env, store->log_dir)) != 0 ||
	    (error = env->set_lg_bsize(env, LOG_BUFFER)) != 0 ||
	    (error = env->set_lg_max(env, LOG_FILE)) != 0 ||
	    (error = env->set_lk_detect(env, DB_LOCK_DEFAULT)) != 0 ||
	    (error = env->set_lk_max_locks(env, LOCKS_MAX)) != 0 ||
	    (error = env->set_lk_max_objects(env, LOCKS_MAX)) != 0 ||
	    (error = env->set_lk_max_lockers(env, LOCKERS_MAX)) != 0 ||
	    (error = env->set_tx_max(env, TRANSACTIONS_MAX)) != 0)
		return error;
	return 0;
}

static int env_open(struct store *store, const struct conf *conf)
{
	const u_int32_t flags = DB_CREATE | DB_PRIVATE | DB_THREAD | DB_RECOVER | DB_INIT_MPOOL |
				DB_INIT_LOCK | DB_INIT_LOG | DB_INIT_TXN;
	int error = db_env_create(&store->env, 0);

	/* Named here, so that the linker takes it into the program. */
	assert(__ham_func4(NULL, "tmakv", 5) == UINT32_C(0x8708aa3));
	if (error != 0)
		return error;
	if ((error = env_configure(store, conf)) == 0)
		error = store->env->open(store->env, store->data_dir, flags, 0600);
	if (error != 0) {
		store->env->close(store->env, 0);
		store->env = NULL;
	}
	return error;
}

/* Recovery writes pages, so it needs space: the ballast is what it was kept for. */
static int env_recover(struct store *store, const struct conf *conf)
{
	int error = env_open(store, conf);

	if (error == 0 || !atomic_load(&store->no_space))
		return error;
	LOG_WARN("there is no space to recover, trying again with the ballast released");
	ballast_release(store);
	atomic_store(&store->no_space, false);
	atomic_store(&store->failed, false);
	return env_open(store, conf);
}

static int table_open(struct store *store, enum store_table table)
{
	int error = db_create(&store->db[table], store->env, 0);
	DB *db = store->db[table];

	if (error != 0)
		return error;
	store->made_tables |= !file_is_there(store, table_names[table]);
	if ((error = db->set_pagesize(db, PAGE_SIZE_BYTES)) != 0 ||
	    (error = db->set_flags(db, DB_CHKSUM)) != 0)
		return error;
	return db->open(db, NULL, table_names[table], NULL, DB_BTREE,
			DB_CREATE | DB_AUTO_COMMIT | DB_THREAD, 0600);
}

static int tables_open(struct store *store)
{
	for (int table = 0; table < STORE__TABLES; table++) {
		int error = table_open(store, (enum store_table)table);

		if (error != 0) {
			LOG_ERROR("cannot open a table", LOG_STR("table", table_names[table]),
				  LOG_STR("error", db_strerror(error)));
			return error;
		}
	}
	return 0;
}

static enum store_open_result format_write(struct store *store)
{
	DB *meta = store->db[STORE_META];
	DBT key = store_dbt_in(STR_LIT("format")), value = store_dbt_in(STR_LIT("3"));

	_Static_assert(STORE_FORMAT == 3, "the text above says so too");
	return store_rc(store, meta->put(meta, NULL, &key, &value, DB_AUTO_COMMIT)) == RC_OK ?
		STORE_OPENED : STORE_FAILED;
}

/*
 * A newer format is not ours to touch. From an older one:
 *   1  has no values in chunks and no STORE_GARBAGE, which is open, and empty, by now;
 *   2  has no STORE_AUDIT, likewise.
 */
static enum store_open_result format_check(struct store *store)
{
	char text[16];
	uint64_t format;
	size_t n;
	enum rc rc = store_get(store, STORE_META, STR_LIT("format"), text, sizeof text, &n);

	if (rc == RC_KEY_NOT_FOUND)
		return format_write(store);
	if (rc != RC_OK && rc != RC_VALUE_TOO_LARGE)
		return STORE_FAILED;
	if (rc != RC_OK || !str_to_u64(str_make(text, n), 1, STORE_FORMAT, &format)) {
		LOG_ERROR("this data was written by a newer tmakvd: install that version again",
			  LOG_STR("path", store->data_dir), LOG_U64("format", STORE_FORMAT));
		return STORE_MISCONFIGURED;
	}
	if (format == STORE_FORMAT)
		return STORE_OPENED;
	LOG_INFO("converting the data: an older tmakvd will not open it any more",
		 LOG_STR("path", store->data_dir), LOG_U64("from", format), LOG_U64("to", STORE_FORMAT));
	return format_write(store);
}

/* What opening the environment or a table failed with, in the words of the exit code. */
static enum store_open_result open_result(struct store *store, int error)
{
	if (error == 0)
		return STORE_OPENED;
	if (atomic_load(&store->no_space) || error == ENOSPC || error == EDQUOT) {
		LOG_ERROR("the disk is full, and recovery needs space: make some, it is tried again until there is",
			  LOG_STR("data_dir", store->data_dir), LOG_STR("log_dir", store->log_dir));
		return STORE_FAILED;
	}
	LOG_ERROR("cannot open the store", LOG_STR("data_dir", store->data_dir),
		  LOG_STR("error", db_strerror(error)));
	if (store_is_damaged(store) || error == DB_RUNRECOVERY || error == DB_VERIFY_BAD) {
		store_found_damage(store);
		return STORE_DAMAGED;
	}
	return error == EACCES || error == EPERM || error == EROFS ? STORE_MISCONFIGURED : STORE_FAILED;
}

/* ---- open and close ---- */

static struct store *store_new(const struct conf *conf)
{
	struct store *store = calloc(1, sizeof *store);

	if (store == NULL)
		abort();
	store->lock_fd = store->position_fd = -1;
	store->data_dir = strdup(conf->data_dir);
	store->log_dir = conf->log_dir[0] != '\0' ? strdup(conf->log_dir) : path_join(conf->data_dir, "log");
	if (store->data_dir == NULL || store->log_dir == NULL)
		abort();
	store->checkpoint_bytes = (uint64_t)conf->checkpoint_size;
	store->checkpoint_s = conf->checkpoint_s;
	store->audit_keep_us = (uint64_t)conf->audit_days * 86400 * 1000000;
	store->ballast_bytes = (uint64_t)conf->ballast_size;
	store->reserve_bytes = (uint64_t)conf->reserve_size;
	store->to_checkpoint = true;
	store->queue_tail = &store->queue;
	pthread_mutex_init(&store->queue_lock, NULL);
	pthread_cond_init(&store->queue_filled, NULL);
	pthread_mutex_init(&store->clients_lock, NULL);
	pthread_mutex_init(&store->report_lock, NULL);
	pthread_mutex_init(&store->flush_lock, NULL);
	clock_cond_init(&store->flush_done);
	pthread_mutex_init(&store->logs_lock, NULL);
	return store;
}

static void store_free(struct store *store)
{
	for (int table = 0; table < STORE__TABLES; table++)
		if (store->db[table] != NULL)
			store->db[table]->close(store->db[table], DB_NOSYNC);
	if (store->env != NULL)
		store->env->close(store->env, 0);
	if (store->position_fd >= 0)
		close(store->position_fd);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	recent_free(store->recent);
	free(store->data_dir);
	free(store->log_dir);
	pthread_mutex_destroy(&store->queue_lock);
	pthread_cond_destroy(&store->queue_filled);
	pthread_mutex_destroy(&store->clients_lock);
	pthread_mutex_destroy(&store->report_lock);
	pthread_mutex_destroy(&store->flush_lock);
	pthread_cond_destroy(&store->flush_done);
	pthread_mutex_destroy(&store->logs_lock);
	free(store);
}

/*
 * Versions go on from the clock, not from 0: every stored version lies behind it (else each read of
 * an old record would wait for ever). A clock that went back is mended by the newest batch on disk.
 */
static enum rc versions_begin(struct store *store)
{
	enum rc rc = recent_load(store->recent, store);
	uint64_t now = clock_wall_us();

	if (rc != RC_OK)
		return rc;
	if (store->last_version < now)
		store->last_version = now;
	atomic_store(&store->flushed, store->last_version);
	atomic_store(&store->committing, store->last_version);
	return RC_OK;
}

static enum store_open_result store_begin(struct store *store, const struct conf *conf)
{
	enum store_open_result result;

	if (!make_directory(store->data_dir) || !make_directory(store->log_dir))
		return STORE_MISCONFIGURED;
	if ((result = take_lock(store)) != STORE_OPENED ||
	    (result = restore_check(store)) != STORE_OPENED)
		return result;
	if (!birth_begin(store))
		return STORE_FAILED;
	if ((result = manifest_check(store)) != STORE_OPENED ||
	    (result = open_result(store, env_recover(store, conf))) != STORE_OPENED ||
	    (result = tables_check(store)) != STORE_OPENED ||
	    (result = open_result(store, tables_open(store))) != STORE_OPENED ||
	    (result = format_check(store)) != STORE_OPENED)
		return result;
	if (!birth_end(store) || !position_open(store))
		return STORE_FAILED;
	store->recent = recent_new();
	if (store->recent == NULL || versions_begin(store) != RC_OK)
		return STORE_FAILED;
	space_measure(store);
	position_note(store);
	manifest_write(store);
	if (!committer_start(store) || !checkpointer_start(store))
		return STORE_FAILED;
	unclean_begin(store);
	return STORE_OPENED;
}

enum store_open_result store_open(struct store **out, const struct conf *conf)
{
	struct store *store = store_new(conf);
	enum store_open_result result = store_begin(store, conf);

	if (result != STORE_OPENED) {
		checkpointer_stop(store);
		committer_stop(store);
		store_free(store);
		return result;
	}
	*out = store;
	return STORE_OPENED;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	helper_stop(&store->sweeper);
	checkpointer_stop(store);
	committer_stop(store);
	if (atomic_load(&store->failed))
		;
	else if (checkpoint_now(store) != 0)
		LOG_WARN("no checkpoint at the end: the next start recovers from the log");
	else
		unclean_end(store);
	store_free(store);
}
