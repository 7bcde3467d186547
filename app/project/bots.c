/*
 * bots.c - a project's bots: one more, a second secret while a token is being changed, the older one dropped.
 *
 * Secrets stand in the order they came, so the first one is the older. A change is a new struct project with the
 * next generation, under which nobody remembers what the old secrets have signed.
 */
#include "config.h"

#include <openssl/crypto.h>

#include "project/private.h"

static struct bot *find(struct bot *bots, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (bots[i].id == id)
			return &bots[i];
	return NULL;
}

static enum bots_reason add_secret(struct bot *bot, const uint8_t secret[BOT_SECRET_SIZE])
{
	for (size_t i = 0; i < bot->n_secrets; i++)
		if (CRYPTO_memcmp(bot->secrets[i], secret, BOT_SECRET_SIZE) == 0)
			return BOTS_SAME_SECRET;
	if (bot->n_secrets == BOT_SECRETS_MAX)
		return BOTS_SECRETS_FULL;
	memcpy(bot->secrets[bot->n_secrets++], secret, BOT_SECRET_SIZE);
	return BOTS_OK;
}

static void drop_secret(struct bot *bot, size_t i)
{
	memmove(bot->secrets[i], bot->secrets[i + 1], (bot->n_secrets - 1 - i) * BOT_SECRET_SIZE);
	OPENSSL_cleanse(bot->secrets[--bot->n_secrets], BOT_SECRET_SIZE);
}

/* SECRET becomes the newest one; BOTS_SAME_SECRET when it is that already. The oldest one makes room for it. */
static enum bots_reason set_secret(struct bot *bot, const uint8_t secret[BOT_SECRET_SIZE])
{
	size_t i = 0;

	while (i < bot->n_secrets && CRYPTO_memcmp(bot->secrets[i], secret, BOT_SECRET_SIZE) != 0)
		i++;
	if (i < bot->n_secrets && i == bot->n_secrets - 1)
		return BOTS_SAME_SECRET;
	if (i < bot->n_secrets)
		drop_secret(bot, i);
	else if (bot->n_secrets == BOT_SECRETS_MAX)
		drop_secret(bot, 0);
	return add_secret(bot, secret);
}

/* MORE is BOT with other secrets, or with its first ones. */
static enum bots_reason merge(struct bot *bot, const struct bot *more)
{
	enum bots_reason why = BOTS_OK;

	if (more->n_secrets == 0)
		return bot->n_secrets == 0 ? BOTS_SAME_BOT : BOTS_HAS_SECRET;
	for (size_t i = 0; i < more->n_secrets && why == BOTS_OK; i++)
		why = add_secret(bot, more->secrets[i]);
	return why;
}

enum bots_reason bots_add(struct bot *bots, size_t *n, const struct bot *bot)
{
	struct bot *known = find(bots, *n, bot->id);

	if (known != NULL)
		return merge(known, bot);
	if (*n == PROJECT_BOTS_MAX)
		return BOTS_FULL;
	bots[(*n)++] = *bot;
	return BOTS_OK;
}

/* --- changes --- */

struct bots_edit {
	const struct bot *bots;		/* to be added, N of them */
	size_t n;
	uint64_t *id;			/* of the bot that is meant, or that is in the way */
	enum bots_reason *why;
};

static enum rc answer(const struct bots_edit *edit, enum bots_reason why)
{
	*edit->why = why;
	if (why == BOTS_UNKNOWN)
		return RC_KEY_NOT_FOUND;
	return why == BOTS_OK ? RC_OK : RC_BAD_REQUEST;
}

static enum rc edit_add(struct registry *registry, struct project *project, const void *arg)
{
	const struct bots_edit *edit = arg;
	enum bots_reason why = BOTS_OK;

	(void)registry;
	for (size_t i = 0; i < edit->n && why == BOTS_OK; i++) {
		*edit->id = edit->bots[i].id;
		why = bots_add(project->bots, &project->n_bots, &edit->bots[i]);
	}
	return answer(edit, why);
}

/* BOTS_SAME_SECRET: all is as it should be, so there is nothing to store. */
static enum bots_reason set_bot(struct project *project, const struct bot *wanted)
{
	struct bot *known = find(project->bots, project->n_bots, wanted->id);
	enum bots_reason all = BOTS_SAME_SECRET;

	if (known == NULL || wanted->n_secrets == 0)
		return bots_add(project->bots, &project->n_bots, wanted);
	for (size_t i = 0; i < wanted->n_secrets; i++)
		if (set_secret(known, wanted->secrets[i]) == BOTS_OK)
			all = BOTS_OK;
	return all;
}

static enum rc edit_set(struct registry *registry, struct project *project, const void *arg)
{
	const struct bots_edit *edit = arg;
	enum bots_reason all = BOTS_SAME_SECRET;

	(void)registry;
	for (size_t i = 0; i < edit->n; i++) {
		enum bots_reason why = set_bot(project, &edit->bots[i]);

		*edit->id = edit->bots[i].id;
		if (why == BOTS_OK)
			all = BOTS_OK;
		else if (why != BOTS_SAME_SECRET)
			return answer(edit, why);
	}
	return answer(edit, all);
}

static enum rc edit_retire(struct registry *registry, struct project *project, const void *arg)
{
	const struct bots_edit *edit = arg;
	struct bot *bot = find(project->bots, project->n_bots, *edit->id);

	(void)registry;
	if (bot == NULL)
		return answer(edit, BOTS_UNKNOWN);
	if (bot->n_secrets < 2)
		return answer(edit, BOTS_ONE_SECRET);
	drop_secret(bot, 0);
	return answer(edit, BOTS_OK);
}

static enum rc edit_remove(struct registry *registry, struct project *project, const void *arg)
{
	const struct bots_edit *edit = arg;
	struct bot *bot = find(project->bots, project->n_bots, *edit->id), *end = project->bots + project->n_bots;

	(void)registry;
	if (bot == NULL)
		return answer(edit, BOTS_UNKNOWN);
	memmove(bot, bot + 1, (size_t)(end - bot - 1) * sizeof *bot);
	OPENSSL_cleanse(&project->bots[--project->n_bots], sizeof *bot);
	return answer(edit, BOTS_OK);
}

/* A project that is not there is no reason of ours. */
static enum rc run(struct registry *registry, struct str any,
		   enum rc (*apply)(struct registry *, struct project *, const void *), struct bots_edit edit)
{
	*edit.why = BOTS_OK;
	return project_edit(registry, any, apply, &edit);
}

enum rc project_add_bots(struct registry *registry, struct str any, const struct bot *bots, size_t n,
			 enum bots_reason *why, uint64_t *id)
{
	return run(registry, any, edit_add, (struct bots_edit){ bots, n, id, why });
}

enum rc project_set_bots(struct registry *registry, struct str any, const struct bot *bots, size_t n,
			 enum bots_reason *why, uint64_t *id)
{
	enum rc rc = run(registry, any, edit_set, (struct bots_edit){ bots, n, id, why });

	if (*why != BOTS_SAME_SECRET)
		return rc;
	*why = BOTS_OK;
	return RC_OK;
}

enum rc project_retire_secret(struct registry *registry, struct str any, uint64_t bot, enum bots_reason *why)
{
	return run(registry, any, edit_retire, (struct bots_edit){ .id = &bot, .why = why });
}

enum rc project_remove_bot(struct registry *registry, struct str any, uint64_t bot, enum bots_reason *why)
{
	return run(registry, any, edit_remove, (struct bots_edit){ .id = &bot, .why = why });
}
