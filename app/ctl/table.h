/*
 * table.h - columns that line up, for people.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/str.h"

enum { TABLE_COLUMNS_MAX = 8 };

struct table_row;

struct table {
	struct arena *arena;
	size_t n_columns;
	bool right[TABLE_COLUMNS_MAX];		/* numbers stand at the right edge */
	size_t width[TABLE_COLUMNS_MAX];	/* characters of the widest cell */
	struct table_row *first, **last;
	bool failed;				/* no memory: rows are missing */
};

/* table_init - an empty table of N columns; its memory is ARENA's. A head is its first row, if it has one. */
void table_init(struct table *table, struct arena *arena, size_t n);

/* table_right - put column COLUMN at its right edge. */
void table_right(struct table *table, size_t column);

/* table_add - a row of the table's N columns; the strings must live until it is printed. */
void table_add(struct table *table, const struct str *cells);

/* table_add_c - the same from C strings. */
void table_add_c(struct table *table, const char *const *cells);

/* table_print - each row a line, columns two spaces apart. Control characters come out as '?'. */
void table_print(const struct table *table, FILE *out);

/* table_width - how many characters S takes: one for each code point of UTF-8, or byte that is none. */
size_t table_width(struct str s);

/* table_write - S with its control characters as '?'. */
void table_write(struct str s, FILE *out);

#endif
