/*
 * hot.c - see hot.h.
 *
 * A key that comes and has a counter adds one to it; else it takes a free counter; and where none is free, all
 * counters lose one, and those at 0 are free again. Each such round takes HOT_KEYS + 1 events away, so there is one
 * in so many at most, and an event costs the same however many different keys there are.
 *
 * Keys are found by open addressing in `places`. Their hash is a quick one and decides nothing: whoever finds
 * keys that collide makes HOT_KEYS comparisons out of one.
 */
#include "config.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/hot.h"
#include "base/rand.h"

enum { PLACES = 4 * HOT_KEYS };

struct counter {
	uint64_t hash;
	uint64_t value;
	size_t n;
	char key[HOT_KEY_MAX];
};

struct window {
	uint64_t began_us;
	uint64_t total;
	size_t n;			/* counters in use: the first ones */
	uint32_t counts[HOT_KEYS];
	uint8_t places[PLACES];		/* 1 + a counter's index; 0: free */
	struct counter counters[HOT_KEYS];
};

struct hot {
	pthread_mutex_t lock;
	uint64_t window_us;
	uint64_t since_us;		/* nothing is known of what was before */
	uint64_t seed;
	struct window *now, *before;
	struct window windows[2];
};

static void window_begin(struct window *window, uint64_t now_us)
{
	window->began_us = now_us;
	window->total = 0;
	window->n = 0;
	memset(window->places, 0, sizeof window->places);
}

struct hot *hot_new(uint64_t window_us, uint64_t now_us)
{
	struct hot *hot = calloc(1, sizeof *hot);

	_Static_assert(HOT_KEYS < 256, "a place is a byte");
	if (hot == NULL)
		return NULL;
	pthread_mutex_init(&hot->lock, NULL);
	hot->window_us = window_us;
	hot->since_us = now_us;
	rand_bytes(&hot->seed, sizeof hot->seed);
	hot->now = &hot->windows[0];
	hot->before = &hot->windows[1];
	window_begin(hot->now, now_us);
	window_begin(hot->before, now_us);
	return hot;
}

void hot_free(struct hot *hot)
{
	if (hot == NULL)
		return;
	pthread_mutex_destroy(&hot->lock);
	free(hot);
}

/* ---- finding ---- */

static inline uint64_t stir(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

static uint64_t hash_of(uint64_t seed, struct str key)
{
	uint64_t hash = seed ^ key.n, word;

	for (; key.n >= sizeof word; key = str_skip(key, sizeof word)) {
		memcpy(&word, key.p, sizeof word);
		hash = stir(hash, word);
	}
	word = 0;
	if (key.n != 0)
		memcpy(&word, key.p, key.n);
	return stir(hash, word);
}

/* The place of KEY, or the free one where it would stand. There always is one. */
static size_t place_of(const struct window *window, uint64_t hash, struct str key)
{
	size_t place = (size_t)hash & (PLACES - 1);

	for (; window->places[place] != 0; place = (place + 1) & (PLACES - 1)) {
		const struct counter *counter = &window->counters[window->places[place] - 1];

		if (counter->hash == hash && str_eq(str_make(counter->key, counter->n), key))
			break;
	}
	return place;
}

/* ---- counting ---- */

static void counter_move(struct window *window, size_t from, size_t to)
{
	const struct counter *source = &window->counters[from];
	struct counter *target = &window->counters[to];

	if (from == to)
		return;
	target->hash = source->hash;
	target->value = source->value;
	target->n = source->n;
	memcpy(target->key, source->key, source->n);
	window->counts[to] = window->counts[from];
}

static void places_make(struct window *window)
{
	memset(window->places, 0, sizeof window->places);
	for (size_t i = 0; i < window->n; i++) {
		size_t place = (size_t)window->counters[i].hash & (PLACES - 1);

		while (window->places[place] != 0)
			place = (place + 1) & (PLACES - 1);
		window->places[place] = (uint8_t)(i + 1);
	}
}

/* All counters are in use, and there is one key more: it and all of them lose one. */
static void all_lose_one(struct window *window)
{
	size_t n = 0;

	for (size_t i = 0; i < HOT_KEYS; i++)
		window->counts[i]--;
	for (size_t i = 0; i < HOT_KEYS; i++)
		if (window->counts[i] != 0)
			counter_move(window, i, n++);
	if (n == window->n)
		return;
	window->n = n;
	places_make(window);
}

static void window_add(struct window *window, uint64_t hash, struct str key, uint64_t value)
{
	size_t place = place_of(window, hash, key), i;

	window->total++;
	if (window->places[place] != 0) {
		i = (size_t)window->places[place] - 1;
		window->counts[i] += window->counts[i] != UINT32_MAX;
		window->counters[i].value = value;
		return;
	}
	if (window->n == HOT_KEYS) {
		all_lose_one(window);
		return;
	}
	i = window->n++;
	window->places[place] = (uint8_t)(i + 1);
	window->counts[i] = 1;
	window->counters[i].hash = hash;
	window->counters[i].value = value;
	window->counters[i].n = key.n;
	memcpy(window->counters[i].key, key.p, key.n);
}

/* Who asked the clock first may have the lock last: no time is before the window's beginning. */
static uint64_t age_at(const struct hot *hot, uint64_t now_us)
{
	return now_us > hot->now->began_us ? now_us - hot->now->began_us : 0;
}

/* The window that NOW_US is in. */
static void turn(struct hot *hot, uint64_t now_us)
{
	uint64_t age_us = age_at(hot, now_us);
	struct window *full = hot->now;

	if (age_us < hot->window_us)
		return;
	hot->now = hot->before;
	hot->before = full;
	if (age_us < 2 * hot->window_us) {
		window_begin(hot->now, full->began_us + hot->window_us);
	} else {
		window_begin(hot->now, now_us);
		window_begin(hot->before, now_us);
	}
}

void hot_add(struct hot *hot, struct str key, uint64_t value, uint64_t now_us)
{
	uint64_t hash = hash_of(hot->seed, key);

	assert(key.n <= HOT_KEY_MAX);
	pthread_mutex_lock(&hot->lock);
	turn(hot, now_us);
	window_add(hot->now, hash, key, value);
	pthread_mutex_unlock(&hot->lock);
}

/* ---- reading ---- */

static void copy_out(const struct window *window, size_t i, struct hot_key *out)
{
	const struct counter *counter = &window->counters[i];

	out->count = window->counts[i];
	out->value = counter->value;
	out->n = counter->n;
	memcpy(out->key, counter->key, counter->n);
}

/* Those of the newer window, with what the older one has of them; behind them the rest of the older one. */
static size_t read_both(const struct hot *hot, struct hot_key *out)
{
	const struct window *now = hot->now, *before = hot->before;
	size_t n = now->n;

	for (size_t i = 0; i < now->n; i++)
		copy_out(now, i, &out[i]);
	for (size_t i = 0; i < before->n; i++) {
		const struct counter *counter = &before->counters[i];
		size_t place = place_of(now, counter->hash, str_make(counter->key, counter->n));

		if (now->places[place] != 0)
			out[now->places[place] - 1].count += before->counts[i];
		else
			copy_out(before, i, &out[n++]);
	}
	return n;
}

static int by_count(const void *a, const void *b)
{
	const struct hot_key *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return str_cmp(str_make(x->key, x->n), str_make(y->key, y->n));
}

size_t hot_read(struct hot *hot, uint64_t now_us, struct hot_key *out, uint64_t *span_us, uint64_t *total)
{
	uint64_t known_us = now_us - hot->since_us;
	size_t n;

	pthread_mutex_lock(&hot->lock);
	turn(hot, now_us);
	n = read_both(hot, out);
	*span_us = age_at(hot, now_us) + hot->window_us;
	*total = hot->now->total + hot->before->total;
	pthread_mutex_unlock(&hot->lock);
	if (*span_us > known_us)
		*span_us = known_us;
	qsort(out, n, sizeof out[0], by_count);
	return n;
}
