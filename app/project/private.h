/*
 * private.h - what the files of project/ share.
 */
#ifndef PROJECT_PRIVATE_H
#define PROJECT_PRIVATE_H

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "project/project.h"
#include "store/commit.h"

enum { SHA256_SIZE = 32 };

/* A project as the registry holds it: immutable but for the count of its references. */
struct project_box {
	struct project project;		/* first: a reference is a pointer to it */
	uint8_t uuid[16];		/* its id's bytes: what look-ups compare */
	_Atomic uint32_t references;
};

struct credential_row {
	uint8_t digest[SHA256_SIZE];	/* SHA-256 of the API key */
	struct credential credential;	/* as it is stored */
	_Atomic int64_t used_at;	/* set under a read lock; durable when tended */
};

/*
 * Everything in memory. LOCK guards the tables; a change is made durable first, under CHANGE alone,
 * and then shown by a short write lock.
 */
struct registry {
	struct store *store;
	struct project defaults;	/* limits of a project that sets none of its own */
	char account[ACCOUNT_ID_LEN + 1];
	EVP_MD *sha256;			/* looked up once: by its name every time it costs more than the digest */

	pthread_rwlock_t lock;
	struct project_box **projects;	/* by number; NULL: deleted */
	size_t n_projects;		/* one more than the highest number */
	struct credential_row *credentials;	/* in the order they were created */
	size_t n_credentials;
	uint32_t *index;		/* of credentials by digest: position + 1, 0 = free */
	size_t index_size;		/* a power of two */

	/* marks.c: open addressing; a user of 0 is a free place */
	pthread_rwlock_t marks_lock;
	struct mark *marks;
	size_t marks_size;		/* a power of two, or 0 */
	size_t marks_from;		/* where the sweep goes on */
	_Atomic size_t n_marks;
	uint64_t marks_mix;		/* random: nobody chooses where a user goes */

	int64_t uses_due_at, marks_due_at;	/* registry_tend()'s */

	pthread_mutex_t change;

	/* reap.c */
	pthread_t reaper;
	bool reaper_runs;
	pthread_mutex_t reap_lock;
	pthread_cond_t reap_wake;
	bool reap_due, reap_stop;
};

/* registry.c */
struct project_box *box_new(const struct project *project);
/* registry_show - put BOX (or NULL) in the place of its number; the old one loses the registry's reference. */
enum rc registry_show(struct registry *registry, uint32_t number, struct project_box *box) MUST_USE;
/* registry_room - memory for a box in the place of NUMBER: behind it registry_show() has all that it needs. */
enum rc registry_room(struct registry *registry, uint32_t number) MUST_USE;
/* registry_index - make it anew, under the lock. It never fails when there are no more API keys than before. */
enum rc registry_index(struct registry *registry) MUST_USE;

/*
 * title.c: give PROJECT a name, or a title with the name that follows from it. Under registry->change.
 * RC_BAD_REQUEST, RC_BAD_TITLE: it cannot be one; RC_CONFLICT: another project has it.
 */
enum rc project_name_set(struct registry *registry, struct project *project, struct str name) MUST_USE;
enum rc project_title_set(struct registry *registry, struct project *project, struct str title) MUST_USE;

/* record.c: the JSON records; what they do not set is taken from DEFAULTS. What is read has references to its rules and origins. */
bool project_from_json(struct str json, uint32_t number, const struct project *defaults,
		       struct project *project);
struct str project_to_json(const struct project *project, const struct project *defaults,
			   struct arena *arena);
bool credential_from_json(struct str json, struct credential *credential);
struct str credential_to_json(const struct credential *credential, struct arena *arena);

/* project.c: change a copy of the project ANY by EDIT, and put it in its place. */
enum rc project_edit(struct registry *registry, struct str any,
		     enum rc (*edit)(struct registry *, struct project *, const void *), const void *arg) MUST_USE;

/* marks.c: a row of STORE_MARKS, while loading; and those that are too old, or of no project */
enum rc marks_load(struct registry *registry, struct str key, struct str value) MUST_USE;
bool marks_sweep(struct registry *registry, int64_t now);	/* whether it should go on soon */
bool marks_start(struct registry *registry);
void marks_clear(struct registry *registry);

/* credential.c: the last uses that are not durable yet */
void credential_save_uses(struct registry *registry);

/* reap.c: the data of deleted projects is taken away in the background */
#define REAP_PREFIX "deleted:"
enum { REAP_KEY_SIZE = sizeof REAP_PREFIX - 1 + 4 };
struct str reap_key(uint32_t number, char out[REAP_KEY_SIZE]);
bool reaper_start(struct registry *registry);
void reaper_stop(struct registry *registry);
void reaper_wake(struct registry *registry);

#endif
