/*
 * arena.c - a chain of blocks; the first one is kept from request to request.
 */
#include "config.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

enum { FIRST_BLOCK = 8 * 1024, ALIGNMENT = 16 };

/* No arena gives out more, so rounding a size up cannot overflow. */
static const size_t most = PTRDIFF_MAX / 2;

struct block {
	struct block *next;
	size_t size;		/* bytes behind this head */
	size_t used;
	size_t unused;		/* keeps what follows aligned */
};
_Static_assert(sizeof(struct block) % ALIGNMENT == 0, "blocks begin aligned");

struct arena {
	size_t ceiling;
	size_t given;		/* to requests, since the last reset */
	struct block *first;	/* kept by arena_reset */
	struct block *current;	/* where the next piece comes from; newest first */
};

static struct block *block_new(size_t size)
{
	struct block *block = malloc(sizeof *block + size);

	if (block != NULL)
		*block = (struct block){ .size = size };
	return block;
}

struct arena *arena_new(size_t ceiling)
{
	struct arena *arena = calloc(1, sizeof *arena);

	if (arena == NULL)
		return NULL;
	arena->ceiling = ceiling < most ? ceiling : most;
	arena->first = arena->current = block_new(FIRST_BLOCK);
	if (arena->first == NULL) {
		free(arena);
		return NULL;
	}
	return arena;
}

void arena_reset(struct arena *arena)
{
	while (arena->current != arena->first) {
		struct block *next = arena->current->next;

		free(arena->current);
		arena->current = next;
	}
	arena->first->used = 0;
	arena->given = 0;
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	arena_reset(arena);
	free(arena->first);
	free(arena);
}

/* A block with room for N: as large as the first one, or as large as it takes. */
static struct block *arena_grow(struct arena *arena, size_t n)
{
	struct block *block = block_new(n > FIRST_BLOCK ? n : FIRST_BLOCK);

	if (block == NULL)
		return NULL;
	block->next = arena->current;
	arena->current = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t n)
{
	struct block *block = arena->current;
	char *piece;
	size_t room;

	if (n > arena->ceiling - arena->given)
		return NULL;
	room = n + (ALIGNMENT - n % ALIGNMENT) % ALIGNMENT;
	if (room > block->size - block->used && (block = arena_grow(arena, room)) == NULL)
		return NULL;
	piece = (char *)(block + 1) + block->used;
	block->used += room;
	arena->given += n;
	return piece;
}

void *arena_zero(struct arena *arena, size_t n)
{
	void *piece = arena_alloc(arena, n);

	return piece == NULL ? NULL : memset(piece, 0, n);
}

struct str arena_dup(struct arena *arena, struct str s)
{
	char *copy = s.n == SIZE_MAX ? NULL : arena_alloc(arena, s.n + 1);

	if (copy == NULL)
		return str_make(NULL, 0);
	if (s.n != 0)
		memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return str_make(copy, s.n);
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
	char *text;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(n >= 0);
	text = arena_alloc(arena, (size_t)n + 1);
	if (text == NULL)
		return str_make(NULL, 0);
	va_start(args, format);
	vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return str_make(text, (size_t)n);
}

size_t arena_used(const struct arena *arena)
{
	return arena->given;
}
