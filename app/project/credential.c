/*
 * credential.c - API keys: made, shown once, kept as SHA-256, revoked.
 *
 * SHA-256 without a salt is enough here: the key is 32 random bytes, nothing to guess.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/rand.h"
#include "project/private.h"

enum { CHANGE_ARENA = 64 * 1024, CHANGE_COST = 1024 };

/* False without memory. */
static bool secret_make(char secret[CREDENTIAL_LEN + 1], uint8_t digest[SHA256_SIZE])
{
	static const struct str prefix = { CREDENTIAL_PREFIX, sizeof CREDENTIAL_PREFIX - 1 };
	uint8_t random[32];

	_Static_assert(sizeof CREDENTIAL_PREFIX - 1 + B64URL_LEN(sizeof random) == CREDENTIAL_LEN,
		       "the length says what is in it");
	rand_bytes(random, sizeof random);
	memcpy(secret, prefix.p, prefix.n);
	b64url_encode(random, sizeof random, secret + prefix.n);
	secret[CREDENTIAL_LEN] = '\0';
	OPENSSL_cleanse(random, sizeof random);
	return SHA256((const unsigned char *)secret, CREDENTIAL_LEN, digest) != NULL;
}

/* One row of STORE_CREDENTIALS: put, or with an empty record deleted. */
struct credential_write {
	struct str digest;
	struct str record;
};

static enum rc credential_write_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct credential_write *write = arg;

	(void)op;
	if (write->record.n == 0)
		return store_txn_del(txn, STORE_CREDENTIALS, write->digest);
	return store_txn_put(txn, STORE_CREDENTIALS, write->digest, write->record);
}

static enum rc credential_write_run(struct registry *registry, struct credential_write *write)
{
	struct commit_op op;

	commit_op_init(&op, credential_write_apply, write, CHANGE_COST, STR_LIT(""));
	return commit_run(registry->store, &op);
}

/* Room for one more. What is durable must be shown, so this comes before. */
static enum rc row_room(struct registry *registry)
{
	struct credential_row *more;

	pthread_rwlock_wrlock(&registry->lock);
	more = realloc(registry->credentials, (registry->n_credentials + 1) * sizeof *more);
	if (more != NULL)
		registry->credentials = more;
	pthread_rwlock_unlock(&registry->lock);
	return more == NULL ? RC_NO_MEMORY : RC_OK;
}

static enum rc row_show(struct registry *registry, const struct credential_row *row)
{
	enum rc rc;

	pthread_rwlock_wrlock(&registry->lock);
	registry->credentials[registry->n_credentials++] = *row;
	rc = registry_index(registry);
	if (rc != RC_OK)
		registry->n_credentials--;
	pthread_rwlock_unlock(&registry->lock);
	return rc;
}

static enum rc row_create(struct registry *registry, const struct credential_row *row)
{
	struct arena *arena = arena_new(CHANGE_ARENA);
	struct credential_write write = { .digest = str_make(row->digest, SHA256_SIZE) };
	enum rc rc = RC_NO_MEMORY;

	if (arena == NULL)
		return rc;
	write.record = credential_to_json(&row->credential, arena);
	if (write.record.p != NULL && (rc = row_room(registry)) == RC_OK)
		rc = credential_write_run(registry, &write);
	arena_free(arena);
	return rc == RC_OK ? row_show(registry, row) : rc;
}

/* Whether keys can belong to this number. Under change, so it stays so. */
static bool owner_exists(struct registry *registry, uint32_t number)
{
	const struct project *project;

	if (number == CREDENTIAL_ADMIN)
		return true;
	project = registry_by_number(registry, number);
	if (project == NULL)
		return false;
	project_unref(project);
	return true;
}

enum rc credential_create(struct registry *registry, uint32_t number, struct str name,
			  enum key_right right, int64_t expires_at, struct credential *out,
			  char secret[CREDENTIAL_LEN + 1])
{
	struct credential_row row = { .credential = { .right = right, .expires_at = expires_at } };
	uint8_t id[8];
	enum rc rc = RC_KEY_NOT_FOUND;

	if (name.n > PROJECT_NAME_MAX || !str_is_utf8(name) ||
	    (name.n != 0 && memchr(name.p, '\0', name.n) != NULL))
		return RC_BAD_REQUEST;
	pthread_mutex_lock(&registry->change);
	if (owner_exists(registry, number) && !secret_make(secret, row.digest)) {
		rc = RC_NO_MEMORY;
	} else if (owner_exists(registry, number)) {
		rand_bytes(id, sizeof id);
		hex_encode(id, sizeof id, row.credential.id);
		if (name.n != 0)
			memcpy(row.credential.name, name.p, name.n);
		row.credential.project = number;
		row.credential.created_at = clock_wall_s();
		rc = row_create(registry, &row);
		*out = row.credential;
	}
	pthread_mutex_unlock(&registry->change);
	return rc;
}

/* The position of the key ID of project NUMBER; n_credentials when there is none. Under change. */
static size_t row_find(const struct registry *registry, uint32_t number, struct str id)
{
	size_t i = 0;

	while (i < registry->n_credentials &&
	       (registry->credentials[i].credential.project != number ||
		!str_eq(str_c(registry->credentials[i].credential.id), id)))
		i++;
	return i;
}

static enum rc row_hide(struct registry *registry, size_t at)
{
	enum rc rc;

	pthread_rwlock_wrlock(&registry->lock);
	for (size_t i = at; i + 1 < registry->n_credentials; i++)
		registry->credentials[i] = registry->credentials[i + 1];
	registry->n_credentials--;
	rc = registry_index(registry);
	pthread_rwlock_unlock(&registry->lock);
	return rc;
}

enum rc credential_revoke(struct registry *registry, uint32_t number, struct str id)
{
	enum rc rc = RC_KEY_NOT_FOUND;
	size_t at;

	pthread_mutex_lock(&registry->change);
	at = row_find(registry, number, id);
	if (at < registry->n_credentials) {
		struct credential_write write = {
			.digest = str_make(registry->credentials[at].digest, SHA256_SIZE)
		};

		rc = credential_write_run(registry, &write);
		if (rc == RC_OK)
			rc = row_hide(registry, at);
	}
	pthread_mutex_unlock(&registry->change);
	return rc;
}

/* --- the last uses --- */

/* Rows whose last use is not durable: their positions, which stay under registry->change, and their new records. */
enum { USES_SLICE = 64 };

struct uses {
	struct registry *registry;
	size_t at[USES_SLICE];
	int64_t used_at[USES_SLICE];
	struct str records[USES_SLICE];
	size_t n;
};

static enum rc uses_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	const struct uses *uses = arg;
	/* A stop must not wait for space for this. */
	enum rc rc = store_txn_is_full(txn) ? RC_STORAGE_FULL : RC_OK;

	(void)op;
	for (size_t i = 0; i < uses->n && rc == RC_OK; i++)
		rc = store_txn_put(txn, STORE_CREDENTIALS,
				   str_make(uses->registry->credentials[uses->at[i]].digest, SHA256_SIZE), uses->records[i]);
	return rc;
}

/* The next ones from position *FROM on. Only a thread that has registry->change moves rows, so no lock is needed. */
static void choose(struct uses *uses, size_t *from, struct arena *arena)
{
	struct registry *registry = uses->registry;

	for (uses->n = 0; *from < registry->n_credentials && uses->n < USES_SLICE; ++*from) {
		struct credential_row *row = &registry->credentials[*from];
		struct credential credential = row->credential;

		credential.last_used_at = atomic_load_explicit(&row->used_at, memory_order_relaxed);
		if (credential.last_used_at == row->credential.last_used_at)
			continue;
		uses->at[uses->n] = *from;
		uses->used_at[uses->n] = credential.last_used_at;
		uses->records[uses->n] = credential_to_json(&credential, arena);
		if (uses->records[uses->n].p == NULL)
			return;
		uses->n++;
	}
}

/* They are durable now, and remembered as such. */
static void note_saved(const struct uses *uses)
{
	struct registry *registry = uses->registry;

	pthread_rwlock_wrlock(&registry->lock);
	for (size_t i = 0; i < uses->n; i++)
		registry->credentials[uses->at[i]].credential.last_used_at = uses->used_at[i];
	pthread_rwlock_unlock(&registry->lock);
}

void credential_save_uses(struct registry *registry)
{
	struct arena *arena = arena_new(CHANGE_ARENA);
	struct uses uses = { .registry = registry };
	struct commit_op op;
	enum rc rc = RC_OK;
	size_t from = 0;

	if (arena == NULL)
		return;
	pthread_mutex_lock(&registry->change);
	do {
		arena_reset(arena);
		choose(&uses, &from, arena);
		if (uses.n != 0) {
			commit_op_init(&op, uses_apply, &uses, CHANGE_COST * USES_SLICE, STR_LIT(""));
			rc = commit_run(registry->store, &op);
		}
		if (uses.n != 0 && rc == RC_OK)
			note_saved(&uses);
	} while (rc == RC_OK && uses.n != 0);
	pthread_mutex_unlock(&registry->change);
	arena_free(arena);
}
