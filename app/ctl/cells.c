/*
 * cells.c - see cells.h.
 *
 * How wide a character is the C library knows, in a locale whose characters are Unicode's. Where it has none,
 * everything beyond ASCII is escaped.
 */
#include "config.h"

#include <locale.h>
#include <stdio.h>
#include <wchar.h>

#include "ctl/cells.h"

/* One character, as it comes out: TEXT takes WIDTH cells. */
struct glyph {
	struct str text;
	size_t width;
	size_t taken;			/* bytes of what it stands for */
	char escape[12];
};

static uint32_t code_point(struct str character)
{
	const unsigned char *p = (const unsigned char *)character.p;

	switch (character.n) {
	case 1:  return p[0];
	case 2:  return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	case 3:  return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	default: return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
	}
}

/* 1 or 2; 0: it must not come out as it is. */
static size_t width_of(uint32_t code)
{
	static locale_t unicode;
	static bool tried;
	locale_t before;
	int width;

	if (code < 0x80)
		return code >= 0x20 && code < 0x7f && code != '\\';
	if (!tried)
		unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	tried = true;
	/* U+00AD is drawn at the end of a line only, if at all. */
	if (unicode == (locale_t)0 || code == 0xad)
		return 0;
	before = uselocale(unicode);
	width = wcwidth((wchar_t)code);
	uselocale(before);
	return width > 0 ? (size_t)width : 0;
}

static void escape(struct glyph *glyph, uint32_t code, bool is_character)
{
	static const char letters[][2] = { { '\n', 'n' }, { '\t', 't' }, { '\r', 'r' }, { '\\', '\\' } };
	int n = 0;

	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
		if (code == (unsigned char)letters[i][0])
			n = snprintf(glyph->escape, sizeof glyph->escape, "\\%c", letters[i][1]);
	if (n == 0 && (!is_character || code < 0x80))
		n = snprintf(glyph->escape, sizeof glyph->escape, "\\x%02x", (unsigned)code);
	else if (n == 0)
		n = snprintf(glyph->escape, sizeof glyph->escape, code > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)code);
	glyph->text = str_make(glyph->escape, (size_t)n);
	glyph->width = (size_t)n;
}

/* The first of S, which is not empty. The text points into S or GLYPH. */
static void glyph_read(struct str s, struct glyph *glyph)
{
	size_t n = str_utf8_char(s);
	uint32_t code = n == 0 ? (unsigned char)s.p[0] : code_point(str_make(s.p, n));

	glyph->taken = n == 0 ? 1 : n;
	glyph->text = str_make(s.p, glyph->taken);
	glyph->width = n == 0 ? 0 : width_of(code);
	if (glyph->width == 0)
		escape(glyph, code, n != 0);
}

size_t cells_width(struct str s)
{
	struct glyph glyph;
	size_t width = 0;

	for (; s.n != 0; s = str_skip(s, glyph.taken)) {
		glyph_read(s, &glyph);
		width += glyph.width;
	}
	return width;
}

void cells_fill(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_add_char(out, ' ');
}

/* So many cells were used. */
static size_t add(struct buf *out, struct str s, size_t width)
{
	bool cut = cells_width(s) > width;
	size_t room = cut && width != 0 ? width - 1 : width, used = 0;
	struct glyph glyph;

	for (; s.n != 0; s = str_skip(s, glyph.taken)) {
		glyph_read(s, &glyph);
		if (used + glyph.width > room)
			break;
		buf_add(out, glyph.text);
		used += glyph.width;
	}
	if (cut && width != 0) {
		buf_add_char(out, '>');
		used++;
	}
	return used;
}

void cells_add(struct buf *out, struct str s, size_t width)
{
	add(out, s, width);
}

void cells_add_left(struct buf *out, struct str s, size_t width)
{
	cells_fill(out, width - add(out, s, width));
}

void cells_add_right(struct buf *out, struct str s, size_t width)
{
	size_t needed = cells_width(s);

	cells_fill(out, needed < width ? width - needed : 0);
	if (needed <= width)
		add(out, s, width);
	else
		cells_add_left(out, s, width);
}
