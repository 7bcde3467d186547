/*
 * limit.c - the windows of the keys that had an event in the last second.
 *
 * Open addressing, keyed 128-bit hashes in place of the keys. When the table is half full it is
 * made anew with the windows that are still open, at whatever size they need: so it grows and
 * shrinks with the traffic and never forgets an open window.
 */
#include "config.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/limit.h"

enum { ROOM_FIRST = 256, WINDOW_US = 1000000 };

struct window {
	struct hash key;
	uint64_t opened_us;	/* 0: this place is free */
	uint64_t count;
};

struct limiter {
	struct hash_key hash_key;
	struct window *windows;
	size_t room;		/* a power of two */
	size_t used;
};

struct limiter *limiter_new(void)
{
	struct limiter *limiter = calloc(1, sizeof *limiter);

	if (limiter == NULL)
		return NULL;
	limiter->hash_key = hash_key_new();
	limiter->room = ROOM_FIRST;
	limiter->windows = calloc(limiter->room, sizeof *limiter->windows);
	if (limiter->windows == NULL) {
		free(limiter);
		return NULL;
	}
	return limiter;
}

void limiter_free(struct limiter *limiter)
{
	if (limiter == NULL)
		return;
	free(limiter->windows);
	free(limiter);
}

size_t limiter_room(const struct limiter *limiter)
{
	return limiter->room;
}

static bool is_open(const struct window *window, uint64_t now_us)
{
	return window->opened_us != 0 && now_us - window->opened_us < WINDOW_US;
}

/* KEY's window, or the free place for it. The table is never full. */
static struct window *find(struct window *windows, size_t room, struct hash key)
{
	size_t i = (size_t)key.a & (room - 1);

	while (windows[i].opened_us != 0 && !hash_eq(windows[i].key, key))
		i = (i + 1) & (room - 1);
	return &windows[i];
}

static size_t open_windows(const struct limiter *limiter, uint64_t now_us)
{
	size_t n = 0;

	for (size_t i = 0; i < limiter->room; i++)
		n += is_open(&limiter->windows[i], now_us);
	return n;
}

/* False when there is no memory: the old table stays, and has room left. */
static bool rebuild(struct limiter *limiter, uint64_t now_us)
{
	size_t used = open_windows(limiter, now_us), room = ROOM_FIRST;
	struct window *windows;

	while (room < 4 * used)
		room *= 2;
	windows = calloc(room, sizeof *windows);
	if (windows == NULL)
		return false;
	for (size_t i = 0; i < limiter->room; i++)
		if (is_open(&limiter->windows[i], now_us))
			*find(windows, room, limiter->windows[i].key) = limiter->windows[i];
	free(limiter->windows);
	limiter->windows = windows;
	limiter->room = room;
	limiter->used = used;
	return true;
}

bool limiter_ask(struct limiter *limiter, struct str key, uint64_t limit, uint64_t now_us)
{
	struct hash hash = hash_make(limiter->hash_key, key);
	struct window *window;

	if (limit == 0)
		return true;
	if (limiter->used >= limiter->room / 2 && !rebuild(limiter, now_us) &&
	    limiter->used + 1 >= limiter->room)
		return false;
	window = find(limiter->windows, limiter->room, hash);
	if (!is_open(window, now_us)) {
		limiter->used += window->opened_us == 0;
		*window = (struct window){ .key = hash, .opened_us = now_us, .count = 1 };
		return true;
	}
	if (window->count >= limit)
		return false;
	window->count++;
	return true;
}

void limiter_give_back(struct limiter *limiter, struct str key)
{
	struct window *window = find(limiter->windows, limiter->room, hash_make(limiter->hash_key, key));

	if (window->count > 0)
		window->count--;
}
