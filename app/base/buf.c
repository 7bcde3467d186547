/*
 * buf.c - a growing piece of an arena.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"

enum { FIRST_SIZE = 256 };

void buf_init(struct buf *buf, struct arena *arena, size_t max)
{
	/* No arena has so much, and there must be a size for one byte more. */
	*buf = (struct buf){ .arena = arena, .max = max < PTRDIFF_MAX ? max : PTRDIFF_MAX };
}

bool buf_fail(struct buf *buf)
{
	buf->failed = true;
	buf->cap = buf->n;
	return false;
}

/*
 * Room for N more bytes, and behind CAP always one for the NUL that vsnprintf()
 * writes: the maximum is for contents. The old bytes are left behind in the arena.
 */
bool buf_grow(struct buf *buf, size_t n)
{
	size_t cap;
	char *p;

	if (buf->failed || n > buf->max - buf->n)
		return buf_fail(buf);
	cap = buf->cap != 0 ? buf->cap : buf->max < FIRST_SIZE ? buf->max : FIRST_SIZE;
	while (cap < buf->n + n)
		cap = cap > buf->max / 2 ? buf->max : cap * 2;
	p = arena_alloc(buf->arena, cap + 1);
	if (p == NULL) {
		buf->lacked_memory = true;
		return buf_fail(buf);
	}
	if (buf->n != 0)
		memcpy(p, buf->p, buf->n);
	buf->p = p;
	buf->cap = cap;
	return true;
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
	char digits[STR_U64_MAX];

	buf_add(buf, str_make(digits, str_from_u64(value, digits)));
}

void buf_addf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		buf_fail(buf);
	if (n <= 0 || !buf_reserve(buf, (size_t)n))
		return;
	va_start(args, format);
	vsnprintf(buf->p + buf->n, (size_t)n + 1, format, args);
	va_end(args);
	buf->n += (size_t)n;
}
