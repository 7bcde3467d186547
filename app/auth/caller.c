/*
 * caller.c - the Authorization header: whose is it, and what may they do?
 *
 * A full check happens once for each credential; from then on the cache knows what it found.
 * What may change at any time (the clock, the project's state, revocations) is looked at
 * on every request. Any thread.
 */
#include "config.h"

#include "auth/private.h"
#include "auth/session.h"
#include "base/log.h"
#include "base/metric.h"
#include "http/request.h"

/* One request's question. */
struct asking {
	struct auth *auth;
	struct registry *registry;
	struct str project_id;		/* X-Project-Id; may be empty */
	int64_t now;
	struct arena *arena;
};

/* What the cache knows initData by begins so: no bearer text does, ':' is none of their letters. */
#define INIT_DATA_MARK "tma:"

static void count(enum metric metric)
{
	metric_add(metric_slot(), metric, 1);
}

/* The letters of RFC 6750: two credentials joined by a comma are none. */
static bool is_bearer_text(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      (c != '\0' && strchr("-._~+/=", c) != NULL)))
			return false;
	}
	return true;
}

/* --- Bearer: an API key, or an admin key --- */

enum rc auth_caller_by_key(struct registry *registry, struct str text, int64_t now, struct caller *caller)
{
	const struct project *project;
	struct credential credential;
	enum rc rc = registry_credential(registry, text, now, &credential);

	if (rc != RC_OK)
		return rc;
	if (credential.project == CREDENTIAL_ADMIN) {
		*caller = (struct caller){ .kind = CALLER_ADMIN, .right = credential.right };
		memcpy(caller->key_id, credential.id, sizeof caller->key_id);
		return RC_OK;
	}
	project = auth_live_project(registry_by_number(registry, credential.project));
	if (project == NULL)
		return RC_PROJECT_UNAVAILABLE;
	*caller = (struct caller){ .kind = CALLER_API_KEY, .project = project, .right = credential.right };
	memcpy(caller->key_id, credential.id, sizeof caller->key_id);
	return RC_OK;
}

/* --- Bearer: a session token --- */

/* Whether the key that signed SESSION may speak for the project it names; into *ENTRY what is known of it then. */
static enum rc check_project(const struct asking *asking, const struct session *session, struct token_entry *entry)
{
	const struct project *project = registry_find(asking->registry, session->project_id);
	int64_t counts_until;

	if (project == NULL)
		return RC_PROJECT_UNAVAILABLE;
	counts_until = auth_key_counts_until(project, session->signer, asking->now);
	*entry = (struct token_entry){
		.project = project->number, .telegram_id = session->telegram_id, .issued_at = session->issued_at,
		.expires_at = session->expires_at < counts_until ? session->expires_at : counts_until
	};
	/* A look-up by any name may find a project that is called like another's id. */
	if (!str_eq(session->project_id, str_c(project->id))) {
		project_unref(project);
		return RC_PROJECT_UNAVAILABLE;
	}
	project_unref(project);
	if (counts_until > asking->now)
		return RC_OK;
	LOG_DEBUG("token refused", LOG_STR("reason", "key_of_others"));
	return RC_INVALID_TOKEN;
}

/* The token in full, and into the cache. */
static enum rc check_session(const struct asking *asking, struct str token, struct token_entry *entry)
{
	const struct auth *auth = asking->auth;
	struct key_set *keys = keyring_take(auth->ring);
	struct session session;
	enum session_reason reason = session_check(token, keys, auth->issuer, asking->now, asking->arena, &session);
	uint64_t generation = key_set_generation(keys);
	enum rc rc;

	key_set_unref(keys);
	if (reason != SESSION_OK) {
		LOG_DEBUG("token refused", LOG_STR("reason", session_word(reason)));
		return session_rc(reason);
	}
	if ((rc = check_project(asking, &session, entry)) != RC_OK)
		return rc;
	entry->keys = generation;
	token_cache_put(auth->tokens, token, entry);
	return RC_OK;
}

/*
 * What is known was looked at letter by letter when it was new: TOKEN is the same, every byte of it. It does not
 * begin with INIT_DATA_MARK.
 */
static enum rc by_session(const struct asking *asking, struct str token, struct caller *caller)
{
	const struct project *project;
	struct token_entry entry;
	enum rc rc;

	if (token_cache_get(asking->auth->tokens, token, &entry) &&
	    entry.keys == keyring_generation(asking->auth->ring)) {
		count(METRIC_TOKEN_HITS);
	} else {
		if (!is_bearer_text(token))
			return RC_UNAUTHORIZED;
		count(METRIC_TOKEN_MISSES);
		if ((rc = check_session(asking, token, &entry)) != RC_OK)
			return rc;
	}
	if (entry.expires_at <= asking->now)
		return RC_TOKEN_EXPIRED;
	project = auth_live_project(registry_by_number(asking->registry, entry.project));
	if (project == NULL)
		return RC_PROJECT_UNAVAILABLE;
	if (auth_is_revoked(asking->registry, project, entry.telegram_id, entry.issued_at)) {
		project_unref(project);
		return RC_INVALID_TOKEN;
	}
	*caller = (struct caller){ .kind = CALLER_USER, .project = project,
				   .telegram_id = entry.telegram_id };
	return RC_OK;
}

/* X-Project-Id may be left out; when it is there, it names CALLER's own project. An admin has none. */
static bool names_own_project(const struct asking *asking, const struct caller *caller)
{
	return asking->project_id.n == 0 || caller->project == NULL ||
	       project_is_called(caller->project, asking->project_id);
}

static enum rc by_bearer(const struct asking *asking, struct str text, struct caller *caller)
{
	struct caller found;
	enum rc rc;

	if (str_starts(text, STR_LIT(CREDENTIAL_PREFIX)))
		rc = is_bearer_text(text) ? auth_caller_by_key(asking->registry, text, asking->now, &found) :
			RC_UNAUTHORIZED;
	else if (str_starts(text, STR_LIT(INIT_DATA_MARK)))
		rc = RC_UNAUTHORIZED;
	else
		rc = by_session(asking, text, &found);
	if (rc != RC_OK)
		return rc;
	if (!names_own_project(asking, &found)) {
		caller_clear(&found);
		return RC_FORBIDDEN;
	}
	*caller = found;
	return RC_OK;
}

/* --- tma --- */

/* What the cache knows this initData by: with every change of the project, its bots say, it is another. */
static struct str init_data_text(const struct project *project, struct str raw, struct arena *arena)
{
	const uint64_t project_now[] = { project->number, project->generation };
	const size_t n_mark = sizeof INIT_DATA_MARK - 1, n_head = n_mark + sizeof project_now;
	char *text = arena_alloc(arena, n_head + raw.n);

	if (text == NULL)
		return str_make(NULL, 0);
	memcpy(text, INIT_DATA_MARK, n_mark);
	memcpy(text + n_mark, project_now, sizeof project_now);
	memcpy(text + n_head, raw.p, raw.n);
	return str_make(text, n_head + raw.n);
}

static enum rc find_user(const struct asking *asking, const struct project *project, struct str raw,
			 struct token_entry *entry)
{
	struct token_cache *tokens = asking->auth->tokens;
	struct initdata_user user;
	struct str text;
	enum rc rc;

	text = init_data_text(project, raw, asking->arena);
	if (text.p == NULL)
		return RC_NO_MEMORY;
	if (token_cache_get(tokens, text, entry)) {
		count(METRIC_TOKEN_HITS);
		return RC_OK;
	}
	count(METRIC_TOKEN_MISSES);
	if ((rc = auth_check_init_data(project, raw, asking->now, asking->arena, &user)) != RC_OK)
		return rc;
	*entry = (struct token_entry){ .project = project->number, .telegram_id = user.telegram_id,
				       .issued_at = user.auth_date,
				       .expires_at = user.auth_date + project->init_data_age_s };
	token_cache_put(tokens, text, entry);
	return RC_OK;
}

/* No blank, tab or other control byte. */
static bool is_init_data_text(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c <= 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

static enum rc by_init_data(const struct asking *asking, struct str raw, struct caller *caller)
{
	const struct project *project;
	struct token_entry entry;
	enum rc rc;

	if (!is_init_data_text(raw))
		return RC_UNAUTHORIZED;
	if (asking->project_id.n == 0)
		return RC_BAD_REQUEST;
	project = auth_live_project(registry_find(asking->registry, asking->project_id));
	if (project == NULL) {
		auth_feign_check(raw, asking->now, asking->arena);
		return RC_PROJECT_UNAVAILABLE;
	}
	rc = find_user(asking, project, raw, &entry);
	if (rc == RC_OK)
		rc = auth_recheck_init_data(asking->registry, project, entry.telegram_id,
					    entry.issued_at, asking->now);
	if (rc != RC_OK) {
		project_unref(project);
		return rc;
	}
	*caller = (struct caller){ .kind = CALLER_USER, .project = project,
				   .telegram_id = entry.telegram_id };
	return RC_OK;
}

/* --- the header --- */

static const struct {
	struct str word;
	enum rc (*ask)(const struct asking *asking, struct str credential, struct caller *caller);
} schemes[] = {
	{ STR_LIT("Bearer"), by_bearer },
	{ STR_LIT("tma"), by_init_data },
};

enum rc auth_caller(struct auth *auth, struct registry *registry, const struct request *request,
		    int64_t now, struct arena *arena, struct caller *caller)
{
	const struct asking asking = { auth, registry, request->project_id, now, arena };
	struct str scheme, credential;

	/* A scheme word, one space, and the credential to the end. */
	if (!str_cut(request->authorization, ' ', &scheme, &credential) || credential.n == 0)
		return RC_UNAUTHORIZED;
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (str_eq_nocase(scheme, schemes[i].word))
			return schemes[i].ask(&asking, credential, caller);
	return RC_UNAUTHORIZED;
}

void caller_clear(struct caller *caller)
{
	if (caller->project != NULL)
		project_unref(caller->project);
	*caller = (struct caller){ .kind = CALLER_NOBODY };
}

enum rc auth_allows(const struct caller *caller, enum right right)
{
	if (right == RIGHT_NONE)
		return RC_OK;
	if (caller->kind == CALLER_NOBODY)
		return RC_UNAUTHORIZED;
	if (right == RIGHT_KEY)
		return caller->kind == CALLER_USER ? RC_FORBIDDEN : RC_OK;
	if (right == RIGHT_ADMIN && caller->kind != CALLER_ADMIN)
		return RC_FORBIDDEN;
	if (right != RIGHT_ADMIN && caller->kind == CALLER_ADMIN && caller->project == NULL)
		return RC_FORBIDDEN;
	if (right != RIGHT_READ && caller->kind != CALLER_USER && caller->right == KEY_READ)
		return RC_READ_ONLY_KEY;
	return RC_OK;
}
