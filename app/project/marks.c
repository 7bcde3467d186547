/*
 * marks.c - revocation: what a user got before a moment is worth nothing any more.
 *
 * A project's mark is a member of its record; those of its users are rows of STORE_MARKS, and all of them in
 * memory, because every request of a user is held against them. Without any mark that costs one load; else a
 * look into a hash table under a read lock. Nothing refused by a mark can be older than OLDEST_S, so marks of
 * before that are forgotten: the table holds what was revoked in a month, not ever.
 */
#include "config.h"

#include <stdlib.h>

#include "base/rand.h"
#include "project/private.h"

enum {
	CHANGE_COST = 64,
	SLICE = 200,		/* marks forgotten in one write, */
	SLICES = 10,		/* and so many writes before others have their turn */
	LOAD = 4,		/* places for each mark, at least */
	SIZE_MIN = 16,
	/* The longest life of a token that can be configured (initData's is shorter), the skew, and some time. */
	OLDEST_S = 31 * 86400
};

/* --- the table; under marks_lock --- */

static size_t home(const struct registry *registry, uint32_t project, uint64_t user)
{
	uint64_t hash = (user ^ (uint64_t)project << 40 ^ registry->marks_mix) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(hash >> 32) & (registry->marks_size - 1);
}

/* Where the user's mark is, or would be. */
static struct mark *find(const struct registry *registry, uint32_t project, uint64_t user)
{
	size_t at = home(registry, project, user);

	while (registry->marks[at].user != 0 &&
	       (registry->marks[at].user != user || registry->marks[at].project != project))
		at = (at + 1) & (registry->marks_size - 1);
	return &registry->marks[at];
}

static void insert(struct registry *registry, const struct mark *mark)
{
	struct mark *place = find(registry, mark->project, mark->user);

	if (place->user == 0)
		atomic_fetch_add_explicit(&registry->n_marks, 1, memory_order_release);
	*place = *mark;
}

static bool grow(struct registry *registry)
{
	size_t old_size = registry->marks_size, size = old_size == 0 ? SIZE_MIN : 2 * old_size;
	struct mark *old = registry->marks, *larger = calloc(size, sizeof *larger);

	if (larger == NULL)
		return false;
	registry->marks = larger;
	registry->marks_size = size;
	/* Their number never falls below what it is: who finds none asks no further, without the lock. */
	for (size_t i = 0; i < old_size; i++)
		if (old[i].user != 0)
			*find(registry, old[i].project, old[i].user) = old[i];
	free(old);
	return true;
}

/* Room for one more; false without memory. */
static bool make_room(struct registry *registry)
{
	bool good;

	pthread_rwlock_wrlock(&registry->marks_lock);
	good = LOAD * (atomic_load(&registry->n_marks) + 1) <= registry->marks_size || grow(registry);
	pthread_rwlock_unlock(&registry->marks_lock);
	return good;
}

static void show(struct registry *registry, const struct mark *mark)
{
	pthread_rwlock_wrlock(&registry->marks_lock);
	insert(registry, mark);
	pthread_rwlock_unlock(&registry->marks_lock);
}

bool marks_start(struct registry *registry)
{
	rand_bytes(&registry->marks_mix, sizeof registry->marks_mix);
	return pthread_rwlock_init(&registry->marks_lock, NULL) == 0;
}

void marks_clear(struct registry *registry)
{
	free(registry->marks);
	pthread_rwlock_destroy(&registry->marks_lock);
}

enum rc marks_load(struct registry *registry, struct str key, struct str value)
{
	struct mark mark;

	/* What is no mark of a user's refuses nobody. */
	if (key.n != 12 || value.n != 8 || store_get_u64(key.p + 4) == 0)
		return RC_OK;
	mark = (struct mark){ store_get_u32(key.p), store_get_u64(key.p + 4), (int64_t)store_get_u64(value.p) };
	if (!make_room(registry))
		return RC_NO_MEMORY;
	show(registry, &mark);
	return RC_OK;
}

int64_t registry_not_before(struct registry *registry, uint32_t project, uint64_t telegram_id)
{
	int64_t not_before;

	if (atomic_load_explicit(&registry->n_marks, memory_order_acquire) == 0)
		return 0;
	pthread_rwlock_rdlock(&registry->marks_lock);
	not_before = registry->marks_size == 0 ? 0 : find(registry, project, telegram_id)->not_before;
	pthread_rwlock_unlock(&registry->marks_lock);
	return not_before;
}

void registry_each_mark(struct registry *registry, uint32_t project,
			void (*call)(const struct mark *, void *arg), void *arg)
{
	pthread_rwlock_rdlock(&registry->marks_lock);
	for (size_t i = 0; i < registry->marks_size; i++)
		if (registry->marks[i].user != 0 && registry->marks[i].project == project)
			call(&registry->marks[i], arg);
	pthread_rwlock_unlock(&registry->marks_lock);
}

/* --- rows --- */

static struct str mark_key(const struct mark *mark, char out[12])
{
	store_put_u32(out, mark->project);
	store_put_u64(out + 4, mark->user);
	return str_make(out, 12);
}

static enum rc put_mark(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct mark *mark = arg;
	char key[12], value[8];

	(void)op;
	store_put_u64(value, (uint64_t)mark->not_before);
	return store_txn_put(txn, STORE_MARKS, mark_key(mark, key), str_make(value, sizeof value));
}

static enum rc edit_not_before(struct registry *registry, struct project *project, const void *arg)
{
	const int64_t *not_before = arg;

	(void)registry;
	if (project->not_before < *not_before)
		project->not_before = *not_before;
	return RC_OK;
}

/* Durable first, then shown. Under registry->change. */
static enum rc set_mark(struct registry *registry, struct mark *mark)
{
	struct commit_op op;
	enum rc rc;

	if (registry_not_before(registry, mark->project, mark->user) >= mark->not_before)
		return RC_OK;
	if (!make_room(registry))
		return RC_NO_MEMORY;
	commit_op_init(&op, put_mark, mark, CHANGE_COST, STR_LIT(""));
	rc = commit_run(registry->store, &op);
	if (rc == RC_OK)
		show(registry, mark);
	return rc;
}

enum rc project_revoke(struct registry *registry, struct str any, uint64_t telegram_id, int64_t not_before)
{
	const struct project *project;
	enum rc rc = RC_KEY_NOT_FOUND;

	if (telegram_id == 0)
		return project_edit(registry, any, edit_not_before, &not_before);
	pthread_mutex_lock(&registry->change);
	project = registry_find(registry, any);
	if (project != NULL)
		rc = set_mark(registry, &(struct mark){ project->number, telegram_id, not_before });
	pthread_mutex_unlock(&registry->change);
	project_unref(project);
	return rc;
}

/* --- forgetting --- */

struct forgetting {
	struct mark marks[SLICE];
	size_t n;
};

static enum rc forget_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct forgetting *forgetting = arg;
	enum rc rc = RC_OK;
	char key[12];

	(void)op;
	for (size_t i = 0; i < forgetting->n && rc == RC_OK; i++)
		rc = store_txn_del(txn, STORE_MARKS, mark_key(&forgetting->marks[i], key));
	return rc;
}

/* A deleted project's rows are the reaper's. */
static bool is_of_use(struct registry *registry, const struct mark *mark, int64_t now)
{
	const struct project *project = registry_by_number(registry, mark->project);

	project_unref(project);
	return project != NULL && now - mark->not_before <= OLDEST_S;
}

/* Those that will go, from where the last look ended on; a look, so nobody waits. */
static void choose(struct registry *registry, int64_t now, struct forgetting *forgetting)
{
	forgetting->n = 0;
	pthread_rwlock_rdlock(&registry->marks_lock);
	for (size_t seen = 0; seen < registry->marks_size && forgetting->n < SLICE; seen++) {
		const struct mark *mark = &registry->marks[registry->marks_from++ & (registry->marks_size - 1)];

		if (mark->user != 0 && !is_of_use(registry, mark, now))
			forgetting->marks[forgetting->n++] = *mark;
	}
	pthread_rwlock_unlock(&registry->marks_lock);
}

/* Close the gap that a mark leaves: those behind it that would not be found any more move up. */
static void take_out(struct registry *registry, const struct mark *mark)
{
	size_t mask = registry->marks_size - 1, gap;
	struct mark *place = find(registry, mark->project, mark->user);

	if (place->user == 0)
		return;
	gap = (size_t)(place - registry->marks);
	for (size_t at = (gap + 1) & mask; registry->marks[at].user != 0; at = (at + 1) & mask) {
		size_t from = home(registry, registry->marks[at].project, registry->marks[at].user);

		if (((at - from) & mask) >= ((at - gap) & mask)) {
			registry->marks[gap] = registry->marks[at];
			gap = at;
		}
	}
	registry->marks[gap] = (struct mark){ .user = 0 };
	atomic_fetch_sub_explicit(&registry->n_marks, 1, memory_order_release);
}

/* *MORE: there may be others to forget. */
static enum rc sweep_slice(struct registry *registry, int64_t now, bool *more)
{
	struct forgetting forgetting;
	struct commit_op op;
	enum rc rc = RC_OK;

	pthread_mutex_lock(&registry->change);
	choose(registry, now, &forgetting);
	if (forgetting.n != 0) {
		commit_op_init(&op, forget_apply, &forgetting, CHANGE_COST * SLICE, STR_LIT(""));
		rc = commit_run(registry->store, &op);
	}
	pthread_rwlock_wrlock(&registry->marks_lock);
	for (size_t i = 0; rc == RC_OK && i < forgetting.n; i++)
		take_out(registry, &forgetting.marks[i]);
	pthread_rwlock_unlock(&registry->marks_lock);
	pthread_mutex_unlock(&registry->change);
	*more = forgetting.n == SLICE;
	return rc;
}

bool marks_sweep(struct registry *registry, int64_t now)
{
	bool more = true;

	for (int i = 0; more && i < SLICES; i++)
		if (sweep_slice(registry, now, &more) != RC_OK)
			return false;
	return more;
}
