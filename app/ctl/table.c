/*
 * table.c - see table.h.
 *
 * A character is one column wide here. That is wrong for Chinese and for emoji, whose
 * lines then stand out; names in our tables are mostly slugs.
 */
#include "config.h"

#include <assert.h>

#include "ctl/table.h"

enum { GAP = 2 };

struct table_row {
	struct table_row *next;
	struct str cells[];
};

void table_init(struct table *table, struct arena *arena, size_t n)
{
	assert(n >= 1 && n <= TABLE_COLUMNS_MAX);
	*table = (struct table){ .arena = arena, .n_columns = n };
	table->last = &table->first;
}

void table_right(struct table *table, size_t column)
{
	assert(column < table->n_columns);
	table->right[column] = true;
}

void table_add(struct table *table, const struct str *cells)
{
	size_t n = table->n_columns;
	struct table_row *row = arena_zero(table->arena, sizeof *row + n * sizeof cells[0]);

	if (row == NULL) {
		table->failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		size_t width = table_width(cells[i]);

		row->cells[i] = cells[i];
		if (width > table->width[i])
			table->width[i] = width;
	}
	*table->last = row;
	table->last = &row->next;
}

void table_add_c(struct table *table, const char *const *cells)
{
	struct str strings[TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < table->n_columns; i++)
		strings[i] = str_c(cells[i]);
	table_add(table, strings);
}

static void fill(size_t n, FILE *out)
{
	while (n-- > 0)
		putc(' ', out);
}

static void print_row(const struct table *table, const struct table_row *row, FILE *out)
{
	size_t owed = 0;	/* spaces: none go out at the end of a line */

	for (size_t i = 0; i < table->n_columns; i++) {
		size_t spare = table->width[i] - table_width(row->cells[i]);

		if (row->cells[i].n != 0) {
			fill(owed + (table->right[i] ? spare : 0), out);
			table_write(row->cells[i], out);
			owed = 0;
		}
		owed += GAP + (row->cells[i].n == 0 ? table->width[i] : table->right[i] ? 0 : spare);
	}
	putc('\n', out);
}

void table_print(const struct table *table, FILE *out)
{
	for (const struct table_row *row = table->first; row != NULL; row = row->next)
		print_row(table, row, out);
}

/* The bytes of the first character of S; 1 for a byte that begins none. */
static size_t character(struct str s)
{
	size_t n = str_utf8_char(s);

	return n == 0 ? 1 : n;
}

/* ASCII's, those of U+0080 to U+009F, and bytes that are no UTF-8. */
static bool is_control(struct str character)
{
	unsigned char first = (unsigned char)character.p[0];

	if (character.n == 1)
		return first < 0x20 || first >= 0x7f;
	return character.n == 2 && first == 0xc2 && (unsigned char)character.p[1] < 0xa0;
}

size_t table_width(struct str s)
{
	size_t width = 0;

	for (; s.n != 0; width++)
		s = str_skip(s, character(s));
	return width;
}

void table_write(struct str s, FILE *out)
{
	while (s.n != 0) {
		struct str one = str_make(s.p, character(s));

		if (is_control(one))
			putc('?', out);
		else
			fwrite(one.p, 1, one.n, out);
		s = str_skip(s, one.n);
	}
}
