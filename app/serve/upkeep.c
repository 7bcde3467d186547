/*
 * upkeep.c - a thread that does what is due by the clock and by nobody's request: signing keys that follow each
 * other, marks that are forgotten, last uses of API keys that become durable.
 *
 * It looks once a second; what is due, and whether, is the rooms' own business. The time between two looks is
 * monotonic, what is due goes by the wall clock. It may block.
 */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/private.h"

struct upkeep {
	const struct app *app;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

static void tend(const struct app *app)
{
	auth_tend(app->auth, app->registry, clock_wall_s());
	registry_tend(app->registry, clock_wall_s(), false);
}

/* A second, or until told to stop; then false. */
static bool rest(struct upkeep *upkeep)
{
	uint64_t until_us = clock_mono_us() + 1000000;
	bool stop;

	pthread_mutex_lock(&upkeep->lock);
	while (!upkeep->stop && clock_cond_wait(&upkeep->wake, &upkeep->lock, until_us))
		;
	stop = upkeep->stop;
	pthread_mutex_unlock(&upkeep->lock);
	return !stop;
}

static void *run(void *arg)
{
	struct upkeep *upkeep = arg;

	while (rest(upkeep))
		if (!serve_has_failed())
			tend(upkeep->app);
	return NULL;
}

struct upkeep *upkeep_start(const struct app *app)
{
	struct upkeep *upkeep = calloc(1, sizeof *upkeep);

	if (upkeep == NULL)
		return NULL;
	upkeep->app = app;
	/* Before the first request: a changed configuration may let tokens live longer than the keys know. */
	tend(app);
	pthread_mutex_init(&upkeep->lock, NULL);
	clock_cond_init(&upkeep->wake);
	if (pthread_create(&upkeep->thread, NULL, run, upkeep) == 0)
		return upkeep;
	LOG_ERROR("no thread for the upkeep");
	free(upkeep);
	return NULL;
}

void upkeep_stop(struct upkeep *upkeep)
{
	if (upkeep == NULL)
		return;
	pthread_mutex_lock(&upkeep->lock);
	upkeep->stop = true;
	pthread_cond_signal(&upkeep->wake);
	pthread_mutex_unlock(&upkeep->lock);
	pthread_join(upkeep->thread, NULL);
	registry_tend(upkeep->app->registry, clock_wall_s(), true);
	pthread_mutex_destroy(&upkeep->lock);
	pthread_cond_destroy(&upkeep->wake);
	free(upkeep);
}
