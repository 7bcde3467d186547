/*
 * origin.h - the origins whose pages may use a project. None listed: any may.
 *
 * A list is immutable and counted, like the project that it belongs to. NULL is the empty one.
 */
#ifndef PROJECT_ORIGIN_H
#define PROJECT_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/rc.h"
#include "base/str.h"

struct origins;

enum { ORIGINS_MAX = 32, ORIGIN_LEN_MAX = 255 };

/*
 * origin_check - whether ORIGIN is one that a browser could send: "https://shop.example", "http://localhost:3000".
 * Lower case, no path, no user, no port that is the scheme's own; "null" and "*" are none.
 */
bool origin_check(struct str origin);

/*
 * origins_new - a list of these N, which are good ones; *OUT is NULL for none. RC_NO_MEMORY, RC_BAD_REQUEST (too many).
 * One that stands there twice is kept once.
 */
enum rc origins_new(const struct str *list, size_t n, const struct origins **out) MUST_USE;
const struct origins *origins_ref(const struct origins *origins);
void origins_unref(const struct origins *origins);

size_t origins_count(const struct origins *origins);
struct str origins_at(const struct origins *origins, size_t i);

/* origins_have - whether ORIGIN is on the list, byte for byte. */
bool origins_have(const struct origins *origins, struct str origin);

#endif
