/*
 * rotate.c - which key signs when, for everybody and for projects with keys of their own: what operators ask
 * for, and what is due by itself.
 *
 * All of it follows from stored moments, so it goes on right behind a crash: a key without a project that wants it
 * is dropped, a project whose time is over forgets its moments. Blocks; not for event loops.
 */
#include "config.h"

#include <string.h>

#include "auth/private.h"
#include "base/log.h"

/* A life of less counts as this: a key that signs for minutes would leave hundreds of old ones in the set. */
enum { LIFE_MIN_S = 86400 };

/* --- which keys count --- */

static bool signs_itself(const struct project *project, int64_t now)
{
	const struct project_keys *keys = &project->keys;

	return keys->own_from != 0 && now >= keys->own_from && (keys->own_until == 0 || now < keys->own_until);
}

const struct key *auth_signer(const struct key_set *keys, const struct project *project, int64_t now)
{
	return key_set_current(keys, signs_itself(project, now) ? project->number : KEY_SHARED, now);
}

int64_t auth_key_counts_until(const struct project *project, uint32_t owner, int64_t now)
{
	const struct project_keys *keys = &project->keys;

	if (owner != KEY_SHARED)
		return owner == project->number ? INT64_MAX : 0;
	/* Where the project's own keys are about to sign no more, those of all were published again before that. */
	if (keys->own_from == 0 || (keys->own_until != 0 && now >= keys->own_until - KEY_PUBLISH_S))
		return INT64_MAX;
	return keys->shared_until;
}

/* The longest life that a token may be given today. */
static void raise_life(const struct project *project, void *arg)
{
	int64_t *life_s = arg;

	if (project->token_life_s > *life_s)
		*life_s = project->token_life_s;
}

static int64_t longest_life(const struct auth *auth, struct registry *registry)
{
	int64_t life_s = auth->token_life_s;

	registry_each_project(registry, raise_life, &life_s);
	return life_s;
}

/* --- what operators see --- */

static struct auth_key look_at(const struct key_set *set, const struct key *key, int64_t now)
{
	struct auth_key seen = {
		.state = key_set_state(set, key, now), .project = key->project, .created_at = key->created_at,
		.activates_at = key->activates_at, .ends_at = key_set_ends_at(set, key)
	};

	_Static_assert(sizeof seen.kid == sizeof key->kid, "one is copied to the other");
	memcpy(seen.kid, key->kid, sizeof seen.kid);
	return seen;
}

void auth_each_key(struct auth *auth, uint32_t project, int64_t now,
		   void (*call)(const struct auth_key *, void *arg), void *arg)
{
	struct key_set *set = keyring_take(auth->ring);

	for (size_t i = 0; i < key_set_count(set); i++) {
		const struct key *key = key_set_at(set, i);
		struct auth_key seen = look_at(set, key, now);

		if (project == AUTH_ALL_KEYS || key->project == project)
			call(&seen, arg);
	}
	key_set_unref(set);
}

/* --- making and removing --- */

struct census {
	size_t n;
	bool has_next;		/* one that signs as soon as a new one would, or sooner */
	int64_t newest_at;	/* when the last one was made */
};

static struct census count_keys(const struct key_set *set, uint32_t project, int64_t now)
{
	struct census census = { .n = 0 };

	for (size_t i = 0; i < key_set_count(set); i++) {
		const struct key *key = key_set_at(set, i);

		if (key->project != project)
			continue;
		census.n++;
		census.has_next |= key->activates_at > now && key->activates_at <= now + KEY_PUBLISH_S;
		if (key->created_at > census.newest_at)
			census.newest_at = key->created_at;
	}
	return census;
}

static struct census count_now(struct auth *auth, uint32_t project, int64_t now)
{
	struct key_set *set = keyring_take(auth->ring);
	struct census census = count_keys(set, project, now);

	key_set_unref(set);
	return census;
}

/* Under keyring_lock. */
static enum rc rotate(struct auth *auth, struct registry *registry, uint32_t project, bool at_once, int64_t now,
		      struct auth_key *made)
{
	struct census census = count_now(auth, project, now);
	/* Of two that sign from the same second on, the younger one does. */
	int64_t created_at = at_once && census.newest_at >= now ? census.newest_at + 1 : now;
	char kid[KEY_ID_LEN + 1];
	struct key_set *set;
	enum rc rc;

	if (project != KEY_SHARED && census.n == 0)
		return RC_KEY_NOT_FOUND;
	if (!at_once && census.has_next)
		return RC_CONFLICT;
	if (census.n >= AUTH_KEYS_MAX)
		return RC_RATE_LIMIT;
	rc = keyring_make(auth->ring, project, created_at, at_once ? now : now + KEY_PUBLISH_S,
			  longest_life(auth, registry), kid);
	if (rc == RC_OK && made != NULL) {
		set = keyring_take(auth->ring);
		*made = look_at(set, key_set_find(set, str_c(kid)), now);
		key_set_unref(set);
	}
	return rc;
}

enum rc auth_rotate(struct auth *auth, struct registry *registry, uint32_t project, bool at_once, int64_t now,
		    struct auth_key *made)
{
	enum rc rc;

	keyring_lock(auth->ring);
	rc = rotate(auth, registry, project, at_once, now, made);
	keyring_unlock(auth->ring);
	return rc;
}

/* Whether its owner would be left with a key that has been published long enough to sign. */
static bool is_needed(const struct key_set *set, const struct key *key, const struct project *owner, int64_t now)
{
	if (key->project != KEY_SHARED && (owner == NULL || owner->keys.own_from == 0 ||
					   (owner->keys.own_until != 0 && now >= owner->keys.own_until)))
		return false;
	for (size_t i = 0; i < key_set_count(set); i++) {
		const struct key *other = key_set_at(set, i);

		if (other != key && other->project == key->project && other->activates_at <= now)
			return false;
	}
	return true;
}

enum rc auth_remove_key(struct auth *auth, struct registry *registry, struct str kid, int64_t now, struct auth_key *removed)
{
	const struct project *owner = NULL;
	const struct key *key;
	struct key_set *set;
	enum rc rc;

	keyring_lock(auth->ring);
	set = keyring_take(auth->ring);
	key = key_set_find(set, kid);
	if (key != NULL)
		owner = registry_by_number(registry, key->project);
	if (key == NULL)
		rc = RC_KEY_NOT_FOUND;
	else if (is_needed(set, key, owner, now))
		rc = RC_CONFLICT;
	else
		rc = keyring_drop(auth->ring, kid, true);
	if (rc == RC_OK)
		*removed = look_at(set, key, now);
	project_unref(owner);
	key_set_unref(set);
	keyring_unlock(auth->ring);
	return rc;
}

/* --- keys of a project's own --- */

/* The longest that tokens of all projects' keys may still live. */
static int64_t shared_life(struct auth *auth, struct registry *registry)
{
	struct key_set *set = keyring_take(auth->ring);
	int64_t life_s = longest_life(auth, registry);

	for (size_t i = 0; i < key_set_count(set); i++)
		if (key_set_at(set, i)->project == KEY_SHARED && key_set_at(set, i)->life_s > life_s)
			life_s = key_set_at(set, i)->life_s;
	key_set_unref(set);
	return life_s;
}

/* Own keys from the moment on that all who check them can know them. */
static enum rc begin_own(struct auth *auth, struct registry *registry, const struct project *project, int64_t now,
			 struct project_keys *keys)
{
	bool has_any = count_now(auth, project->number, now).n != 0;

	if (keys->own_from != 0 && keys->own_until == 0)
		return RC_OK;
	/* They have not stopped yet. */
	if (keys->own_from != 0 && now < keys->own_until) {
		keys->own_until = 0;
		return RC_OK;
	}
	keys->own_from = now + KEY_PUBLISH_S;
	keys->own_until = 0;
	keys->shared_until = keys->own_from + shared_life(auth, registry) + KEY_GRACE_S;
	/* Those of an earlier time are published still. */
	return has_any ? RC_OK : keyring_make(auth->ring, project->number, now, keys->own_from,
					      longest_life(auth, registry), NULL);
}

static void end_own(struct project_keys *keys, int64_t now)
{
	if (keys->own_from == 0 || keys->own_until != 0)
		return;
	if (now < keys->own_from)
		*keys = (struct project_keys){ 0 };	/* nothing was signed: auth_tend() drops them */
	else
		keys->own_until = now + KEY_PUBLISH_S;
}

enum rc auth_set_signing(struct auth *auth, struct registry *registry, struct str any, bool own, int64_t now)
{
	const struct project *project;
	struct project_keys keys;
	enum rc rc = RC_OK;

	keyring_lock(auth->ring);
	project = registry_find(registry, any);
	if (project == NULL) {
		keyring_unlock(auth->ring);
		return RC_KEY_NOT_FOUND;
	}
	keys = project->keys;
	if (own)
		rc = begin_own(auth, registry, project, now, &keys);
	else
		end_own(&keys, now);
	if (rc == RC_OK && memcmp(&keys, &project->keys, sizeof keys) != 0) {
		rc = project_set_keys(registry, str_c(project->id), &keys);
		/* What is remembered of its tokens was found by other rules. */
		if (rc == RC_OK)
			rc = keyring_renew(auth->ring);
	}
	project_unref(project);
	keyring_unlock(auth->ring);
	return rc;
}

/* --- what is due --- */

/* What the owner of a key wants with it. */
enum wish { WISH_NONE, WISH_TO_CHECK, WISH_TO_SIGN };

static enum wish wish_of_owner(struct registry *registry, const struct key *key)
{
	const struct project *project;
	enum wish wish = WISH_NONE;

	if (key->project == KEY_SHARED)
		return WISH_TO_SIGN;
	project = registry_by_number(registry, key->project);
	if (project != NULL && project->keys.own_from != 0)
		wish = project->keys.own_until == 0 ? WISH_TO_SIGN : WISH_TO_CHECK;
	project_unref(project);
	return wish;
}

/* A new key for the owner of KEY, which signs now, when it has done so for long enough by the time that the new one can. */
static enum rc renew_by_age(struct auth *auth, struct registry *registry, const struct key_set *set, const struct key *key,
			    int64_t now)
{
	int64_t life_s = auth->key_life_s < LIFE_MIN_S ? LIFE_MIN_S : auth->key_life_s;

	if (auth->key_life_s == 0 || now + KEY_PUBLISH_S - key->activates_at < life_s ||
	    count_keys(set, key->project, now).has_next)
		return RC_OK;
	return rotate(auth, registry, key->project, false, now, NULL);
}

static enum rc tend_key(struct auth *auth, struct registry *registry, const struct key_set *set, const struct key *key,
			int64_t life_s, int64_t now)
{
	enum wish wish = wish_of_owner(registry, key);
	int64_t ends_at = key_set_ends_at(set, key);
	enum rc rc = RC_OK;

	if (wish == WISH_NONE)
		return keyring_drop(auth->ring, str_c(key->kid), true);
	if (ends_at != 0 && now >= ends_at)
		return keyring_drop(auth->ring, str_c(key->kid), false);
	if (wish != WISH_TO_SIGN || key_set_state(set, key, now) == KEY_OLD)
		return RC_OK;
	if (key->life_s < life_s)
		rc = keyring_outlive(auth->ring, str_c(key->kid), life_s);
	if (rc == RC_OK && key_set_state(set, key, now) == KEY_CURRENT)
		rc = renew_by_age(auth, registry, set, key, now);
	return rc;
}

struct tending {
	struct key_set *set;
	int64_t now;
	uint32_t over;		/* the number of a project whose own keys are of no more use; 0: none */
};

/* Its own keys have signed no more for so long that no token of theirs is left. */
static void look_for_over(const struct project *project, void *arg)
{
	struct tending *tending = arg;
	int64_t life_s = project->token_life_s;

	if (project->keys.own_until == 0)
		return;
	for (size_t i = 0; i < key_set_count(tending->set); i++)
		if (key_set_at(tending->set, i)->project == project->number && key_set_at(tending->set, i)->life_s > life_s)
			life_s = key_set_at(tending->set, i)->life_s;
	if (tending->now >= project->keys.own_until + life_s + KEY_GRACE_S)
		tending->over = project->number;
}

/* One of them at a time: it is rare. Its keys are orphans then. */
static enum rc tend_projects(struct registry *registry, struct tending *tending)
{
	const struct project_keys none = { 0 };
	const struct project *project;
	enum rc rc = RC_OK;

	registry_each_project(registry, look_for_over, tending);
	project = tending->over == 0 ? NULL : registry_by_number(registry, tending->over);
	if (project != NULL)
		rc = project_set_keys(registry, str_c(project->id), &none);
	project_unref(project);
	return rc;
}

void auth_tend(struct auth *auth, struct registry *registry, int64_t now)
{
	struct tending tending = { .now = now };
	int64_t life_s = longest_life(auth, registry);
	struct key_set *set;
	enum rc rc;

	keyring_lock(auth->ring);
	/* What is looked at stays as it was while it is changed. */
	set = tending.set = keyring_take(auth->ring);
	rc = tend_projects(registry, &tending);
	for (size_t i = 0; i < key_set_count(set) && rc == RC_OK; i++)
		rc = tend_key(auth, registry, set, key_set_at(set, i), life_s, now);
	key_set_unref(set);
	keyring_unlock(auth->ring);
	if (rc != RC_OK && rc != RC_STORE && rc != RC_RATE_LIMIT)
		LOG_WARN("the signing keys could not be tended and will be again", LOG_STR("code", rc_info(rc)->code));
}
