/*
 * jraw.h - JSON taken apart without changing a byte of it.
 *
 * Keys, metadata and values that pass through us are to come out as they went in, escapes and
 * numbers included; a document of json-c would write them its own way. The text must be JSON already
 * (jtext_check()): nothing here looks for mistakes.
 */
#ifndef BASE_JRAW_H
#define BASE_JRAW_H

#include <stdbool.h>

#include "base/str.h"

/* The members of an object, or the elements of an array. */
struct jraw {
	const char *p, *end;
	bool is_object;
};

/* jraw_open - false when TEXT is neither object nor array. */
bool jraw_open(struct jraw *walk, struct str text);

/* jraw_next - NAME (with its quotes; empty in an array) and VALUE of the next; false when there is none. */
bool jraw_next(struct jraw *walk, struct str *name, struct str *value);

/* jraw_member - the member of the object TEXT whose name is written "NAME"; empty when there is none. */
struct str jraw_member(struct str text, const char *name);

/* jraw_inside - a string without its quotes; empty when TEXT is no string. Escapes stay as they are. */
struct str jraw_inside(struct str text);

#endif
