/*
 * arena.h - one request's memory: handed out piece by piece, given back whole.
 *
 * Nothing taken from an arena is ever freed by itself. An arena has a ceiling,
 * so one request can waste only its own share. One thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena;

/*
 * arena_new - an empty arena that gives out at most CEILING bytes between two
 * resets. NULL when there is no memory. The caller owns it: arena_free().
 */
struct arena *arena_new(size_t ceiling);
void arena_free(struct arena *arena);

/* arena_reset - take everything back; keeps one small block for the next request. */
void arena_reset(struct arena *arena);

/* arena_alloc - N bytes aligned for any type, not cleared; NULL past the ceiling. */
void *arena_alloc(struct arena *arena, size_t n);

/* arena_zero - the same, cleared. */
void *arena_zero(struct arena *arena, size_t n);

/* arena_dup - S copied, with a NUL behind it that its length does not count; .p is NULL when it did not fit. */
struct str arena_dup(struct arena *arena, struct str s);

/* arena_printf - a formatted string, NUL-terminated; .p is NULL when it did not fit. */
struct str arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* arena_used - bytes given out since the last reset. */
size_t arena_used(const struct arena *arena);

#endif
