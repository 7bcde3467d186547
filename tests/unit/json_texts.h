/*
 * json_texts.h - texts that are JSON, texts that are not, and texts made at random, for the
 * tests of what judges them.
 */
#ifndef TESTS_JSON_TEXTS_H
#define TESTS_JSON_TEXTS_H

#include "base/str.h"

/* One of each kind that RFC 8259 allows. */
extern const struct str json_good[];
extern const size_t json_n_good;

/* What it does not allow, and the first byte that cannot stand there. */
struct json_bad {
	struct str text;
	size_t bad_at;
};
extern const struct json_bad json_bad[];
extern const size_t json_n_bad;

/* A text that grows; what would make it longer than TEXT_MAX is left out. */
enum { TEXT_MAX = 4096 };
struct text {
	char p[TEXT_MAX];
	size_t n;
};

/* A number below BELOW; the same ones in every run. */
uint32_t json_any(uint32_t below);

void json_put(struct text *text, struct str s);

/* A piece of JSON or of something else; one such after the other is seldom JSON. */
void json_put_piece(struct text *text);

/* A value that is JSON, unless it grew too long. */
void json_put_value(struct text *text, int depth);

/* One byte is replaced, removed, or a piece put before it. */
void json_damage(struct text *text);

#endif
