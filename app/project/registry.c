/*
 * registry.c - all projects and API keys, in memory: loaded at start, looked up by every request.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/conf.h"
#include "base/hex.h"
#include "base/log.h"
#include "project/private.h"
#include "project/rules.h"

/* ---- projects ---- */

/* A UUID's 32 digits, whether ANY is the UUID or the digits alone. False: it is a name. */
static bool read_uuid(struct str any, uint8_t out[16])
{
	char digits[32];
	size_t n = 0;

	if (any.n == 32)
		return hex_decode(any, out, 16);
	if (any.n != PROJECT_ID_LEN)
		return false;
	for (size_t i = 0; i < any.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash != (any.p[i] == '-'))
			return false;
		if (!dash)
			digits[n++] = any.p[i];
	}
	return hex_decode(str_make(digits, n), out, 16);
}

struct project_box *box_new(const struct project *project)
{
	struct project_box *box = malloc(sizeof *box);

	if (box == NULL)
		return NULL;
	box->project = *project;
	if (!read_uuid(str_c(project->id), box->uuid)) {
		free(box);
		return NULL;
	}
	rules_ref(box->project.rules);
	origins_ref(box->project.origins);
	atomic_init(&box->references, 1);
	return box;
}

static struct project_box *box_of(const struct project *project)
{
	union { const struct project *in; struct project_box *out; } cast = { .in = project };

	return cast.out;
}

static const struct project *box_ref(struct project_box *box)
{
	if (box == NULL)
		return NULL;
	atomic_fetch_add_explicit(&box->references, 1, memory_order_relaxed);
	return &box->project;
}

void project_unref(const struct project *project)
{
	struct project_box *box = box_of(project);

	if (box == NULL || atomic_fetch_sub_explicit(&box->references, 1, memory_order_acq_rel) != 1)
		return;
	rules_unref(box->project.rules);
	origins_unref(box->project.origins);
	OPENSSL_cleanse(&box->project, sizeof box->project);
	free(box);
}

/* Under the lock. */
static enum rc make_room(struct registry *registry, uint32_t number)
{
	size_t n = (size_t)number + 1;
	struct project_box **more;

	if (n <= registry->n_projects)
		return RC_OK;
	more = realloc(registry->projects, n * sizeof(struct project_box *));
	if (more == NULL)
		return RC_NO_MEMORY;
	for (size_t i = registry->n_projects; i < n; i++)
		more[i] = NULL;
	registry->projects = more;
	registry->n_projects = n;
	return RC_OK;
}

enum rc registry_room(struct registry *registry, uint32_t number)
{
	enum rc rc;

	pthread_rwlock_wrlock(&registry->lock);
	rc = make_room(registry, number);
	pthread_rwlock_unlock(&registry->lock);
	return rc;
}

enum rc registry_show(struct registry *registry, uint32_t number, struct project_box *box)
{
	struct project_box *old = NULL;
	enum rc rc;

	pthread_rwlock_wrlock(&registry->lock);
	rc = make_room(registry, number);
	if (rc == RC_OK) {
		old = registry->projects[number];
		registry->projects[number] = box;
	}
	pthread_rwlock_unlock(&registry->lock);
	if (old != NULL)
		project_unref(&old->project);
	return rc;
}

const struct project *registry_by_number(struct registry *registry, uint32_t number)
{
	const struct project *project = NULL;

	pthread_rwlock_rdlock(&registry->lock);
	if (number < registry->n_projects)
		project = box_ref(registry->projects[number]);
	pthread_rwlock_unlock(&registry->lock);
	return project;
}

static bool is_called(const struct project_box *box, struct str any, const uint8_t *uuid)
{
	if (uuid == NULL)
		return str_eq(str_c(box->project.name), any);
	return memcmp(box->uuid, uuid, sizeof box->uuid) == 0;
}

bool project_is_called(const struct project *project, struct str any)
{
	uint8_t uuid[16];

	return is_called(box_of(project), any, read_uuid(any, uuid) ? uuid : NULL);
}

const struct project *registry_find(struct registry *registry, struct str any)
{
	const struct project *found = NULL;
	uint8_t uuid[16];
	bool is_uuid = read_uuid(any, uuid);

	pthread_rwlock_rdlock(&registry->lock);
	for (size_t i = 0; i < registry->n_projects && found == NULL; i++)
		if (registry->projects[i] != NULL &&
		    is_called(registry->projects[i], any, is_uuid ? uuid : NULL))
			found = box_ref(registry->projects[i]);
	pthread_rwlock_unlock(&registry->lock);
	return found;
}

void registry_each_project(struct registry *registry,
			   void (*call)(const struct project *, void *arg), void *arg)
{
	pthread_rwlock_rdlock(&registry->lock);
	for (size_t i = 0; i < registry->n_projects; i++)
		if (registry->projects[i] != NULL)
			call(&registry->projects[i]->project, arg);
	pthread_rwlock_unlock(&registry->lock);
}

/* ---- API keys ---- */

/* Digests are evenly spread: their first bytes are a hash. */
static size_t index_home(const struct registry *registry, const uint8_t *digest)
{
	uint64_t hash;

	memcpy(&hash, digest, sizeof hash);
	return (size_t)hash & (registry->index_size - 1);
}

enum rc registry_index(struct registry *registry)
{
	size_t size = 16;
	uint32_t *larger;

	while (size < 4 * registry->n_credentials)
		size *= 2;
	if (size > registry->index_size) {
		larger = malloc(size * sizeof *larger);
		/* A fuller one is slower, but without one nobody gets in. */
		if (larger == NULL && registry->index_size <= registry->n_credentials)
			return RC_NO_MEMORY;
		if (larger != NULL) {
			free(registry->index);
			registry->index = larger;
			registry->index_size = size;
		}
	}
	size = registry->index_size;
	memset(registry->index, 0, size * sizeof *registry->index);
	for (size_t i = 0; i < registry->n_credentials; i++) {
		size_t at = index_home(registry, registry->credentials[i].digest);

		while (registry->index[at] != 0)
			at = (at + 1) & (size - 1);
		registry->index[at] = (uint32_t)i + 1;
	}
	return RC_OK;
}

static struct credential_row *digest_find(const struct registry *registry, const uint8_t *digest)
{
	if (registry->index_size == 0)
		return NULL;
	for (size_t at = index_home(registry, digest); registry->index[at] != 0;
	     at = (at + 1) & (registry->index_size - 1)) {
		struct credential_row *row = &registry->credentials[registry->index[at] - 1];

		if (CRYPTO_memcmp(row->digest, digest, SHA256_SIZE) == 0)
			return row;
	}
	return NULL;
}

/* Several threads may note the same second; one store in it is enough. */
static void note_use(struct credential_row *row, int64_t now)
{
	if (atomic_load_explicit(&row->used_at, memory_order_relaxed) != now)
		atomic_store_explicit(&row->used_at, now, memory_order_relaxed);
}

enum rc registry_credential(struct registry *registry, struct str api_key, int64_t now,
			    struct credential *out)
{
	uint8_t digest[SHA256_SIZE];
	struct credential_row *found;
	bool good;

	if (api_key.n != CREDENTIAL_LEN)
		return RC_INVALID_TOKEN;
	/* Without memory it leaves in DIGEST what was there: another's, perhaps. */
	if (EVP_Digest(api_key.p, api_key.n, digest, NULL, registry->sha256, NULL) != 1)
		return RC_NO_MEMORY;
	pthread_rwlock_rdlock(&registry->lock);
	found = digest_find(registry, digest);
	good = found != NULL && (found->credential.expires_at == 0 || now < found->credential.expires_at);
	if (good) {
		note_use(found, now);
		*out = found->credential;
	}
	pthread_rwlock_unlock(&registry->lock);
	return good ? RC_OK : RC_INVALID_TOKEN;
}

void registry_each_credential(struct registry *registry, uint32_t project,
			      void (*call)(const struct credential *, void *arg), void *arg)
{
	pthread_rwlock_rdlock(&registry->lock);
	for (size_t i = 0; i < registry->n_credentials; i++) {
		struct credential credential = registry->credentials[i].credential;

		credential.last_used_at = atomic_load_explicit(&registry->credentials[i].used_at, memory_order_relaxed);
		if (credential.project == project)
			call(&credential, arg);
	}
	pthread_rwlock_unlock(&registry->lock);
}

/* ---- rows that are read when asked for ---- */

enum rc registry_usage(struct registry *registry, uint32_t project, uint64_t user, uint64_t *keys, uint64_t *bytes)
{
	char key[12], row[16];
	size_t n;
	enum rc rc;

	store_put_u32(key, project);
	store_put_u64(key + 4, user);
	rc = store_get(registry->store, STORE_USAGE, str_make(key, sizeof key), row, sizeof row, &n);
	if (rc != RC_OK && rc != RC_KEY_NOT_FOUND)
		return rc;
	*keys = rc == RC_OK ? store_get_u64(row) : 0;
	*bytes = rc == RC_OK ? store_get_u64(row + 8) : 0;
	return RC_OK;
}

/* ---- loading ---- */

static enum rc load_project(struct registry *registry, struct str key, struct str value)
{
	struct project project;
	struct project_box *box;
	enum rc rc;

	if (key.n != 4 || !project_from_json(value, store_get_u32(key.p), &registry->defaults, &project)) {
		LOG_ERROR("the record of a project cannot be read");
		return RC_INTERNAL;
	}
	box = box_new(&project);
	rules_unref(project.rules);
	rc = box == NULL ? RC_NO_MEMORY : registry_show(registry, project.number, box);
	origins_unref(project.origins);
	OPENSSL_cleanse(&project, sizeof project);
	return rc;
}

static enum rc load_credential(struct registry *registry, struct str key, struct str value)
{
	struct credential_row row = { .used_at = 0 }, *more;

	if (key.n != SHA256_SIZE || !credential_from_json(value, &row.credential)) {
		LOG_ERROR("the record of an API key cannot be read");
		return RC_INTERNAL;
	}
	memcpy(row.digest, key.p, SHA256_SIZE);
	atomic_init(&row.used_at, row.credential.last_used_at);
	more = realloc(registry->credentials, (registry->n_credentials + 1) * sizeof *more);
	if (more == NULL)
		return RC_NO_MEMORY;
	registry->credentials = more;
	more[registry->n_credentials++] = row;
	return RC_OK;
}

static enum rc load_table(struct registry *registry, enum store_table table, void *chunk,
			  enum rc (*load)(struct registry *, struct str key, struct str value))
{
	struct store_scan scan;
	struct str key, value;
	enum rc rc;

	store_scan_init(&scan, registry->store, table, STR_LIT(""), chunk);
	while ((rc = store_scan_next(&scan, &key, &value)) == RC_OK)
		if ((rc = load(registry, key, value)) != RC_OK)
			return rc;
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

static enum rc load_account(struct registry *registry)
{
	uint8_t id[ACCOUNT_ID_LEN / 2];
	enum rc rc = store_meta_random(registry->store, "account", id, sizeof id);

	hex_encode(id, sizeof id, registry->account);
	return rc;
}

static int by_age(const void *a, const void *b)
{
	int64_t x = ((const struct credential_row *)a)->credential.created_at;
	int64_t y = ((const struct credential_row *)b)->credential.created_at;

	return (x > y) - (x < y);
}

static enum rc load_all(struct registry *registry)
{
	void *chunk = aligned_alloc(16, STORE_SCAN_CHUNK);
	enum rc rc = chunk == NULL ? RC_NO_MEMORY : RC_OK;

	if (rc == RC_OK)
		rc = load_table(registry, STORE_PROJECTS, chunk, load_project);
	if (rc == RC_OK)
		rc = load_table(registry, STORE_CREDENTIALS, chunk, load_credential);
	if (rc == RC_OK)
		rc = load_table(registry, STORE_MARKS, chunk, marks_load);
	free(chunk);
	if (rc != RC_OK)
		return rc;
	if (registry->n_credentials > 1)
		qsort(registry->credentials, registry->n_credentials, sizeof *registry->credentials, by_age);
	return registry_index(registry);
}

enum rc registry_open(struct registry **out, struct store *store, const struct conf *conf)
{
	struct registry *registry = calloc(1, sizeof *registry);
	enum rc rc;

	if (registry == NULL)
		return RC_NO_MEMORY;
	registry->store = store;
	registry->defaults = (struct project){
		.init_data_age_s = conf->init_data_age_s,
		.token_life_s = conf->token_life_s,
		.write_limit = conf->write_limit,
		.value_limit = conf->value_limit,
		.min_ttl_s = conf->min_ttl_s,
	};
	pthread_rwlock_init(&registry->lock, NULL);
	pthread_mutex_init(&registry->change, NULL);
	registry->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	rc = registry->sha256 != NULL && marks_start(registry) ? load_account(registry) : RC_INTERNAL;
	if (rc == RC_OK)
		rc = load_all(registry);
	if (rc == RC_OK && !reaper_start(registry))
		rc = RC_INTERNAL;
	if (rc != RC_OK) {
		registry_close(registry);
		return rc;
	}
	*out = registry;
	return RC_OK;
}

/* ---- in the background ---- */

enum { USES_SAVE_S = 300, MARKS_SWEEP_S = 3600 };

/* Whether what is due at *AT, and every S seconds, is due; a clock that was set back must not put it off. */
static bool is_due(int64_t *at, int64_t now, int64_t s)
{
	if (now < *at && *at - now <= s)
		return false;
	*at = now + s;
	return true;
}

void registry_tend(struct registry *registry, int64_t now, bool all)
{
	if (is_due(&registry->uses_due_at, now, USES_SAVE_S) || all)
		credential_save_uses(registry);
	if (is_due(&registry->marks_due_at, now, MARKS_SWEEP_S) && marks_sweep(registry, now))
		registry->marks_due_at = now;
}

const char *registry_account(const struct registry *registry)
{
	return registry->account;
}

void registry_close(struct registry *registry)
{
	if (registry == NULL)
		return;
	reaper_stop(registry);
	for (size_t i = 0; i < registry->n_projects; i++)
		if (registry->projects[i] != NULL)
			project_unref(&registry->projects[i]->project);
	free(registry->projects);
	free(registry->credentials);
	free(registry->index);
	marks_clear(registry);
	EVP_MD_free(registry->sha256);
	pthread_rwlock_destroy(&registry->lock);
	pthread_mutex_destroy(&registry->change);
	free(registry);
}
