/*
 * jarray.h - the elements of a JSON array, one after the other, without reading the array as a whole: what is
 * large is read piece by piece, and only one piece is in memory as a document.
 */
#ifndef BASE_JARRAY_H
#define BASE_JARRAY_H

#include "base/str.h"

enum jarray_step {
	JARRAY_ITEM,	/* there is one more */
	JARRAY_END,	/* that was the array, and nothing but white space is behind it */
	JARRAY_BAD	/* this is no array, or it breaks off */
};

struct jarray {
	const char *p, *end;
	bool begun, ended;
};

/* jarray_init - TEXT must live as long as the items that are taken from it. */
void jarray_init(struct jarray *array, struct str text);

/*
 * jarray_next - the next element's text. Only what separates elements is judged here: whether an element is JSON
 * is for whoever reads it (jdoc_read(), jtext_check()).
 */
enum jarray_step jarray_next(struct jarray *array, struct str *item);

#endif
