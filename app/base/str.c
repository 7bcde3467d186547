/*
 * str.c - comparing, splitting and reading bytes that carry their length.
 */
#include "config.h"

#include "base/str.h"

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (order != 0)
		return order;
	return (a.n > b.n) - (a.n < b.n);
}

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct str str_trim_front(struct str s)
{
	while (s.n != 0 && is_blank(*s.p))
		s = str_skip(s, 1);
	return s;
}

struct str str_trim(struct str s)
{
	s = str_trim_front(s);
	while (s.n != 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool str_cut(struct str s, char c, struct str *head, struct str *tail)
{
	const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	if (at == NULL) {
		*head = s;
		*tail = str_make(s.n == 0 ? s.p : s.p + s.n, 0);
		return false;
	}
	*tail = str_make(at + 1, (size_t)(s.p + s.n - at - 1));
	*head = str_make(s.p, (size_t)(at - s.p));
	return true;
}

size_t str_from_u64(uint64_t value, char out[STR_U64_MAX])
{
	size_t n = 1;

	for (uint64_t rest = value; rest > 9; rest /= 10)
		n++;
	for (size_t i = n; i != 0; value /= 10)
		out[--i] = (char)('0' + value % 10);
	return n;
}

bool str_to_u64(struct str s, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (s.n == 0 || s.n > 20)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

bool str_to_size(struct str s, uint64_t min, uint64_t max, uint64_t *out)
{
	static const char letters[] = "KMGT";
	const char *letter = s.n < 2 ? NULL : memchr(letters, s.p[s.n - 1] & ~0x20, 4);
	unsigned shift = letter == NULL ? 0 : 10 * (unsigned)(letter - letters + 1);
	uint64_t number;

	if (letter != NULL)
		s.n--;
	if (!str_to_u64(s, 0, max >> shift, &number) || number << shift < min)
		return false;
	*out = number << shift;
	return true;
}

/* The bytes that may follow LEAD at first, and how many continue it in all; 0 = no lead byte. */
static int utf8_lead(unsigned char lead, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 1;
	if (lead >= 0xe0 && lead <= 0xef) {
		if (lead == 0xe0)
			*low = 0xa0;
		if (lead == 0xed)
			*high = 0x9f;
		return 2;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		if (lead == 0xf0)
			*low = 0x90;
		if (lead == 0xf4)
			*high = 0x8f;
		return 3;
	}
	return 0;
}

size_t str_utf8_char(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char low, high;
	int more;

	if (s.n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	more = utf8_lead(p[0], &low, &high);
	if (more == 0 || s.n <= (size_t)more || p[1] < low || p[1] > high)
		return 0;
	for (int k = 2; k <= more; k++)
		if ((p[k] & 0xc0) != 0x80)
			return 0;
	return (size_t)more + 1;
}

bool str_is_utf8(struct str s)
{
	while (s.n != 0) {
		size_t n = str_utf8_char(s);

		if (n == 0)
			return false;
		s = str_skip(s, n);
	}
	return true;
}
