/*
 * buf.h - text that grows, in an arena, up to a maximum it is told at birth.
 *
 * Errors stick: write everything, then ask buf_ok() once.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct buf {
	char *p;
	size_t n;
	size_t cap, max;	/* after a failure CAP is N: nothing more is taken */
	struct arena *arena;
	bool failed;		/* did not fit; the contents are not to be used */
	bool lacked_memory;	/* the arena's fault, not that of the maximum */
};

/* buf_init - an empty buffer of at most MAX bytes; its memory is ARENA's. */
void buf_init(struct buf *buf, struct arena *arena, size_t max);

/* buf_fail - what should be in it could not be made: it has failed. False. */
bool buf_fail(struct buf *buf);

/* buf_grow - for buf_reserve(). */
bool buf_grow(struct buf *buf, size_t n);

/*
 * buf_reserve - room for N more bytes behind P + N; false, and the buffer has failed, when there is
 * none. Here and inline is what runs several times for each name of a list.
 */
static inline bool buf_reserve(struct buf *buf, size_t n)
{
	return n <= buf->cap - buf->n || buf_grow(buf, n);
}

static inline void buf_add(struct buf *buf, struct str s)
{
	if (s.n == 0 || !buf_reserve(buf, s.n))
		return;
	memcpy(buf->p + buf->n, s.p, s.n);
	buf->n += s.n;
}

static inline void buf_add_c(struct buf *buf, const char *c)
{
	buf_add(buf, str_c(c));
}

static inline void buf_add_char(struct buf *buf, char c)
{
	if (buf_reserve(buf, 1))
		buf->p[buf->n++] = c;
}

void buf_add_u64(struct buf *buf, uint64_t value);
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* buf_ok - whether everything fitted. */
static inline bool buf_ok(const struct buf *buf)
{
	return !buf->failed;
}

static inline struct str buf_str(const struct buf *buf)
{
	return str_make(buf->p, buf->n);
}

#endif
