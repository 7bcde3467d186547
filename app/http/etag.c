/*
 * etag.c - see etag.h. Pure.
 */
#include "config.h"

#include "http/etag.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool etag_is_any(struct str value)
{
	return str_eq(str_trim(value), STR_LIT("*"));
}

/* What may stand between the quotes; a comma may, and a backslash is nothing special. */
static bool is_tag_char(unsigned char c)
{
	return c == 0x21 || (c >= 0x23 && c != 0x7f);
}

/* The tag that *LIST begins with, cut off. */
static bool tag_read(struct str *list, struct etag *tag)
{
	struct str s = *list;
	size_t n = 0;

	tag->weak = str_starts(s, STR_LIT("W/"));
	s = str_skip(s, tag->weak ? 2 : 0);
	if (s.n == 0 || *s.p != '"')
		return false;
	s = str_skip(s, 1);
	while (n < s.n && is_tag_char((unsigned char)s.p[n]))
		n++;
	if (n == s.n || s.p[n] != '"')
		return false;
	tag->opaque = str_make(s.p, n);
	*list = str_trim_front(str_skip(s, n + 1));
	return true;
}

enum etag_step etag_next(struct str *list, struct etag *tag)
{
	while (list->n != 0 && (is_blank(*list->p) || *list->p == ','))
		*list = str_skip(*list, 1);
	if (list->n == 0)
		return ETAG_END;
	/* Between two there is a comma. */
	return tag_read(list, tag) && (list->n == 0 || *list->p == ',') ? ETAG_NEXT : ETAG_MALFORMED;
}
