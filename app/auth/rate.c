/*
 * rate.c - a user's requests a second (rate.h). Any thread.
 */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "auth/rate.h"
#include "base/limit.h"

enum { SHARDS = 16, USER_SIZE = sizeof(uint32_t) + sizeof(uint64_t) };

struct rate_shard {
	_Alignas(64) pthread_mutex_t lock;
	struct limiter *limiter;
	uint64_t latest_us;		/* threads read the clock before they get the lock: here it never goes back */
};

struct rate {
	struct rate_shard shards[SHARDS];
};

struct rate *rate_new(void)
{
	struct rate *rate = aligned_alloc(64, sizeof *rate);
	bool good = true;

	if (rate == NULL)
		return NULL;
	for (size_t i = 0; i < SHARDS; i++) {
		rate->shards[i] = (struct rate_shard){ .limiter = limiter_new() };
		pthread_mutex_init(&rate->shards[i].lock, NULL);
		good = good && rate->shards[i].limiter != NULL;
	}
	if (good)
		return rate;
	rate_free(rate);
	return NULL;
}

void rate_free(struct rate *rate)
{
	if (rate == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		limiter_free(rate->shards[i].limiter);
		pthread_mutex_destroy(&rate->shards[i].lock);
	}
	free(rate);
}

/* Ids that follow each other go to different shards. */
static struct rate_shard *shard_of(struct rate *rate, uint64_t user)
{
	return &rate->shards[(user * UINT64_C(0x9e3779b97f4a7c15)) >> 60];
}
_Static_assert(SHARDS == 16, "four bits of it");

bool rate_ask(struct rate *rate, uint32_t project, uint64_t user, uint64_t limit, uint64_t now_us)
{
	struct rate_shard *shard = shard_of(rate, user);
	char key[USER_SIZE];
	bool passes;

	memcpy(key, &project, sizeof project);
	memcpy(key + sizeof project, &user, sizeof user);
	pthread_mutex_lock(&shard->lock);
	if (now_us > shard->latest_us)
		shard->latest_us = now_us;
	passes = limiter_ask(shard->limiter, str_make(key, sizeof key), limit, shard->latest_us);
	pthread_mutex_unlock(&shard->lock);
	return passes;
}
