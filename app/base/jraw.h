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

/* jraw_trim - TEXT without the white space around it that JSON allows; it need not be JSON. */
struct str jraw_trim(struct str text);

/*
 * For walks of one's own, a pointer moving once through the text: jraw_skip - behind white space, commas and colons;
 * jraw_end - behind the value that begins at P.
 */
const char *jraw_skip(const char *p, const char *end);
const char *jraw_end(const char *p, const char *end);

/*
 * jraw_elements - pass over elements of an array, MAX at most, from *P, where one begins (or nothing but white space
 * is left), to the array's closing bracket at END; answers how many. *P is then behind the last one's comma, or END.
 */
size_t jraw_elements(const char **p, const char *end, size_t max);

/*
 * jraw_decode - what the string TEXT (with its quotes) says, into OUT of SIZE bytes; *N of them. False when it is no
 * string, or does not fit: TEXT.n bytes are always enough. Half a surrogate pair keeps its number, in three bytes.
 */
bool jraw_decode(struct str text, char *out, size_t size, size_t *n);

/* jraw_is - whether the string TEXT (with its quotes) says PLAIN. */
bool jraw_is(struct str text, struct str plain);

#endif
