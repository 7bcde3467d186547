/*
 * private.h - what the files of the store share, and nobody else sees.
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include <db.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/commit.h"
#include "store/expire.h"
#include "store/store.h"

struct recent;

/* What file systems write as one: larger pages may tear in a power cut. */
enum { PAGE_SIZE_BYTES = 4096 };

/* A worker thread of the store that sleeps between two rounds and is told to stop. */
struct helper {
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

/* A function of the sweeper's, and when it wants to be called again. */
struct sweep {
	commit_apply *apply;
	unsigned pause;			/* milliseconds */
	bool behind;			/* by more than SWEEP_BEHIND_S */
};

/* A write of nothing (probe.c). CLIENT stands first. */
struct probe {
	struct commit_client client;
	struct commit_op op;		/* the committer's while it is under way */
	_Atomic bool is_under_way;
};

/* A place in the log, as Berkeley DB counts: a file's number, and a byte in it. */
struct log_place {
	uint32_t file, offset;
};

struct store {
	DB_ENV *env;
	DB *db[STORE__TABLES];
	int lock_fd;
	char *data_dir, *log_dir;
	bool made_tables;		/* that were not there before */
	uint64_t recoveries;		/* unclean.c's, from when it is open */

	/*
	 * Versions. The committer writes them, everybody reads them.
	 * FLUSHED rises after a flush; COMMITTING rises before a commit, so whoever saw an effect
	 * of a batch finds at least that batch's last version there.
	 */
	_Atomic uint64_t flushed;
	_Atomic uint64_t committing;

	_Atomic bool full;		/* too little space to write */
	_Atomic bool failed;		/* panic, or a flush that failed: nothing is answered from here on */
	_Atomic bool damaged;
	_Atomic unsigned no_memory;	/* operations in a row that found none */
	_Atomic bool no_space;		/* Berkeley DB could not write, for want of it */
	_Atomic bool flush_waits;	/* a flush is waiting for space */
	_Atomic uint64_t synced_at_us;	/* monotonic: when the last flush had succeeded */
	struct probe probe;

	/* env.c: how much of what Berkeley DB reports is logged */
	pthread_mutex_t report_lock;
	uint64_t report_until_us;
	unsigned n_reports;

	/* manifest.c */
	int position_fd;
	off_t cut_from[STORE__TABLES];	/* where the file ended before recovery, when the manifest knew it longer; else -1 */

	/* The queue in front of the committer (commit.c). */
	pthread_t committer;
	bool committer_runs;
	pthread_mutex_t queue_lock;
	pthread_cond_t queue_filled;
	struct commit_op *queue, **queue_tail;
	bool stop;
	_Atomic uint64_t queued;
	uint64_t last_version;		/* the committer's own */
	struct recent *recent;		/* the committer's own, once open */
	struct txn_usage *usage;	/* likewise: room for one transaction's */

	pthread_mutex_t clients_lock;
	struct commit_client *clients;

	/* flush_sleep() sleeps here. */
	pthread_mutex_t flush_lock;
	pthread_cond_t flush_done;	/* by the monotonic clock */

	/* checkpoint.c */
	struct helper checkpointer;
	bool checkpoint_fails;		/* the last one did */
	_Atomic bool to_checkpoint;	/* something was committed since the last one, besides probes */
	_Atomic uint64_t trickle_at;	/* bytes of log since the checkpoint with which pages are counted next */
	uint64_t checkpoint_bytes;
	int64_t checkpoint_s;
	uint64_t ballast_bytes, reserve_bytes;
	_Atomic uint64_t free_bytes;
	_Atomic int64_t last_checkpoint_at;
	pthread_mutex_t logs_lock;	/* whoever removes log files, and whoever says that none may be */
	bool logs_kept;			/* a backup copies them */
	struct copying *copying;	/* backup.c's, while one is made */

	/* expire.c */
	struct helper sweeper;
	struct sweep sweeps[2 + SWEEPS_MAX];	/* ours, and those handed in */
	uint64_t audit_keep_us;		/* how long rows of STORE_AUDIT stay; 0: for ever */
	size_t n_sweeps;
	void *sweep_arg;
};

enum { COMMIT_USAGE_MAX = 256 };

/* A transaction of the committer. */
struct store_txn {
	struct store *store;
	DB_TXN *txn;
	uint64_t version;		/* of the write that runs now */
	bool changed;			/* by the write that runs now */
	struct txn_usage *usage;	/* room for COMMIT_USAGE_MAX; written out when full */
	size_t n_usage;
	DBC *place;			/* record.c: a cursor on STORE_KEYS, */
	bool placed;			/* on the row of PLACE_KEY */
	size_t n_place_key;
	char place_key[STORE_KEY_MAX];
};

/* One row of STORE_USAGE to be written with the batch. */
struct txn_usage {
	uint32_t project;
	uint64_t user;
	int64_t keys, bytes;
};

/* env.c */

/* store_rc - the outcome for an error of Berkeley DB; notes a panic, and damage. */
enum rc store_rc(struct store *store, int error);
/* store_fail - ERROR cannot be lived with, whatever it is: RC_STORE from here on. */
enum rc store_fail(struct store *store, int error);

/* store_found_damage - nothing is answered from here on, and the server ends for good. Says what to do, once. */
void store_found_damage(struct store *store);

/* env_report - for DB_ENV->set_errcall, of environments whose app_private is the store. */
void env_report(const DB_ENV *env, const char *prefix, const char *text);

/* file_is_there - whether the data directory has a file NAME. */
bool file_is_there(const struct store *store, const char *name);

/* table_name - the name of its file. */
const char *table_name(enum store_table table);

/* store_dbt_in - a DBT for bytes that Berkeley DB only reads. */
DBT store_dbt_in(struct str bytes);
/* store_dbt_out - a DBT for bytes to be copied into BUF. */
DBT store_dbt_out(void *buf, size_t size);

/*
 * birth.c: around recovery and the opening of tables. False, and said why: not to go on. birth_begin sets aside
 * what a first start left that never came to its end; behind birth_end no recovery makes a table's file again.
 */
bool birth_begin(struct store *store) MUST_USE;
bool birth_end(struct store *store) MUST_USE;

/* unclean.c: unclean_begin - this server serves from now on; unclean_end - nothing is left to recover. Under the lock file's lock. */
void unclean_begin(struct store *store);
void unclean_end(const struct store *store);

/* commit.c */
bool committer_start(struct store *store);
void committer_stop(struct store *store);	/* after everything queued is done */

/* probe.c: around the committer's life */
void probe_open(struct store *store);
void probe_close(struct store *store);

/* record.c: flush_sleep - until a batch has been flushed, MS at most; on the flush_lock. */
void flush_sleep(struct store *store, unsigned ms);

/* record.c: what the batch added to the counters of STORE_USAGE; empties txn->usage */
enum rc record_write_usage(struct store_txn *txn) MUST_USE;

/* record_leave - give up what TXN holds besides; before it is committed or aborted. */
enum rc record_leave(struct store_txn *txn) MUST_USE;

/* recent.c: the answers of the last minute */
struct recent *recent_new(void);
void recent_free(struct recent *recent);
/* recent_find - whether a request of this id was answered lately. */
bool recent_find(const struct recent *recent, const uint8_t id[COMMIT_REQUEST_ID],
		 struct commit_answer *answer);
void recent_add(struct recent *recent, const uint8_t id[COMMIT_REQUEST_ID],
		const struct commit_answer *answer);
/* recent_write - the changes of FIRST up to END into STORE_RECENT. */
enum rc recent_write(struct store_txn *txn, const struct commit_op *first,
		     const struct commit_op *end) MUST_USE;
/* recent_load - what STORE_RECENT holds of the last minute, after recovery. */
enum rc recent_load(struct recent *recent, struct store *store) MUST_USE;
/* recent_sweep_apply - a slice of rows older than a minute; ARG is a struct sweep_slice. */
commit_apply recent_sweep_apply;

/* audit.c: likewise, of rows of STORE_AUDIT that are too old */
commit_apply audit_sweep_apply;

/* manifest.c */
/* manifest_check - before the environment is opened: whether all is there that should be. STORE_DAMAGED, logged. */
enum store_open_result manifest_check(struct store *store);
/* tables_check - behind recovery, before the tables are opened: whether it had all it needed. STORE_DAMAGED, logged. */
enum store_open_result tables_check(struct store *store);
/* manifest_write - what there is now. When it cannot, the old one stays. */
void manifest_write(struct store *store);
bool position_open(struct store *store);
/* directory_sync - the names of its files are on disk; false, and errno, when they are not. */
bool directory_sync(const char *path);
/* position_note - after a flush. */
void position_note(struct store *store);

/* checkpoint.c */
bool checkpointer_start(struct store *store);
void checkpointer_stop(struct store *store);
int checkpoint_now(struct store *store);
/* logs_keep - whether log files that recovery needs no longer stay. On: none is being removed. Off: they go. */
void logs_keep(struct store *store, bool keep);
void space_measure(struct store *store);	/* keeps the ballast, when there is room */
void ballast_release(struct store *store);

/* checksum.c */
/* __ham_func4 - Berkeley DB's checksum, by the name under which the library looks for it. */
uint32_t __ham_func4(DB *db, const void *bytes, uint32_t n);

/* helper threads: helper_sleep answers false when it is time to stop */
bool helper_start(struct helper *helper, void *(*run)(void *), void *arg);
void helper_stop(struct helper *helper);
bool helper_sleep(struct helper *helper, unsigned ms);

#endif
