/*
 * multipart_reference.h - multipart/form-data once more, as slow and as plain as possible.
 *
 * The whole body in one place, every place of it asked whether a boundary stands there: what
 * http/multipart.c, which is quick and sees pieces, is compared with, by its unit test and by
 * its fuzzer.
 */
#ifndef TESTS_MULTIPART_REFERENCE_H
#define TESTS_MULTIPART_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/rc.h"
#include "base/str.h"
#include "http/multipart.h"

/* The parts that came out, one behind the other: "name" or "file", the name's length and bytes, the content's. */
struct parts {
	char *p;
	size_t n, room;
	size_t whole;		/* up to here parts that have ended */
	size_t name_end;	/* of the part that has not */
	size_t count;		/* that have ended */
};

void parts_clear(struct parts *parts);

/* multipart_events that write into the struct parts that is their argument. */
extern const struct multipart_events parts_events;

/* multipart_reference - what all calls together must answer; *PROBLEM is the sentence, or "". */
enum rc multipart_reference(struct str boundary, struct str body, struct parts *parts, const char **problem);

/* parts_agree - the same parts have ended, and, when all went WELL, nothing else was told. */
bool parts_agree(const struct parts *a, const struct parts *b, bool well);

#endif
