/*
 * pulse.c - the server's pulse: proof, for a service manager's watchdog, that it can do its work.
 *
 * Twice in the watchdog's time: every event loop is asked to turn once, and the store to sync, unless it has done so
 * since the last time. When both have happened a byte goes to the supervisor, which tells the manager. What hangs
 * makes no pulse, however long it takes; the manager has the clock. A full disk counts as alive: writes wait or are
 * refused, reads go on, and another start would find the same disk.
 *
 * A thread of its own, and none without a watchdog. It may block.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/private.h"

enum {
	LOOK_MS = 10,			/* between two looks whether all loops have turned */
	SYNC_LOOK_US = 200 * 1000	/* and between two whether to stop waiting for the store */
};

struct pulse {
	const struct app *app;
	struct pool *pool;
	int fd;
	uint64_t every_us;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

/* Until UNTIL_US, or until told to stop; then false. A server that ends is past its pulse as well. */
static bool rest(struct pulse *pulse, uint64_t until_us)
{
	bool stop;

	pthread_mutex_lock(&pulse->lock);
	while (!pulse->stop && clock_cond_wait(&pulse->wake, &pulse->lock, until_us))
		;
	stop = pulse->stop || pulse->app->is_ending;
	pthread_mutex_unlock(&pulse->lock);
	return !stop;
}

/* All event loops turn. False: told to stop. */
static bool loops_turn(struct pulse *pulse)
{
	pool_ask(pulse->pool);
	while (!pool_has_turned(pulse->pool))
		if (!rest(pulse, clock_mono_us() + LOOK_MS * 1000))
			return false;
	return true;
}

/* The store has synced at SINCE_US or later, or cannot for want of space. False: told to stop. */
static bool store_syncs(struct pulse *pulse, uint64_t since_us)
{
	struct store *store = pulse->app->store;

	while (!store_has_synced(store, since_us)) {
		if (store_takes_writes(store) == RC_STORAGE_FULL)
			return true;
		store_probe(store);
		if (!store_await_sync(store, since_us, clock_mono_us() + SYNC_LOOK_US) &&
		    !rest(pulse, clock_mono_us() + LOOK_MS * 1000))
			return false;
	}
	return true;
}

static void *run(void *arg)
{
	struct pulse *pulse = arg;
	uint64_t last_us = clock_mono_us(), next_us = last_us;

	while (rest(pulse, next_us += pulse->every_us)) {
		uint64_t began_us = clock_mono_us();

		if (!loops_turn(pulse) || !store_syncs(pulse, last_us))
			break;
		last_us = began_us;
		/* After a long wait the missed ones are not made up for. */
		if (next_us + pulse->every_us < clock_mono_us())
			next_us = clock_mono_us();
		if (write(pulse->fd, "P", 1) < 0 && errno == EPIPE)
			break;	/* another supervisor, for which we are the old server */
	}
	return NULL;
}

struct pulse *pulse_start(const struct app *app, struct pool *pool, int fd, uint64_t watchdog_us)
{
	struct pulse *pulse = calloc(1, sizeof *pulse);

	if (pulse == NULL)
		return NULL;
	pulse->app = app;
	pulse->pool = pool;
	pulse->fd = fd;
	pulse->every_us = watchdog_us / 2;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	pthread_mutex_init(&pulse->lock, NULL);
	clock_cond_init(&pulse->wake);
	if (pthread_create(&pulse->thread, NULL, run, pulse) == 0) {
		pthread_setname_np(pulse->thread, "pulse");
		return pulse;
	}
	LOG_ERROR("no thread for the watchdog's pulse");
	pthread_mutex_destroy(&pulse->lock);
	pthread_cond_destroy(&pulse->wake);
	free(pulse);
	return NULL;
}

void pulse_stop(struct pulse *pulse)
{
	if (pulse == NULL)
		return;
	pthread_mutex_lock(&pulse->lock);
	pulse->stop = true;
	pthread_cond_signal(&pulse->wake);
	pthread_mutex_unlock(&pulse->lock);
	pthread_join(pulse->thread, NULL);
	pthread_mutex_destroy(&pulse->lock);
	pthread_cond_destroy(&pulse->wake);
	close(pulse->fd);
	free(pulse);
}
