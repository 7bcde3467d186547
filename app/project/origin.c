/*
 * origin.c - which text is an origin, and lists of them.
 *
 * An origin is compared byte for byte with what a browser sends (RFC 6454, 6.1): so only what a browser could send
 * is let onto a list. Anything else would stand there and never match.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "project/origin.h"

struct origins {
	_Atomic unsigned references;
	size_t n;
	struct str list[];		/* and behind them their bytes */
};

/* ---- one ---- */

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_scheme(struct str scheme)
{
	for (size_t i = 0; i < scheme.n; i++) {
		char c = scheme.p[i];

		if (!is_lower(c) && (i == 0 || (!is_digit(c) && c != '+' && c != '-' && c != '.')))
			return false;
	}
	return scheme.n != 0;
}

/* The address of an IPv6 host, between brackets; whether it is one is nobody's concern here. */
static bool is_address(struct str host)
{
	if (host.n < 4 || host.p[0] != '[' || host.p[host.n - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < host.n; i++)
		if (!is_digit(host.p[i]) && !(host.p[i] >= 'a' && host.p[i] <= 'f') && host.p[i] != ':' && host.p[i] != '.')
			return false;
	return true;
}

/* Names beyond ASCII travel as their "xn--" form. */
static bool is_name(struct str host)
{
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		if (!is_lower(c) && !is_digit(c) && c != '-' && c != '_' && c != '.')
			return false;
	}
	return host.n != 0;
}

/* Browsers leave out the port that the scheme means anyway, and no number begins with 0. */
static bool is_port_of(struct str port, struct str scheme)
{
	uint64_t number;

	if (port.n == 0 || port.p[0] == '0' || !str_to_u64(port, 1, 65535, &number))
		return false;
	return !(number == 443 && str_eq(scheme, STR_LIT("https"))) && !(number == 80 && str_eq(scheme, STR_LIT("http")));
}

bool origin_check(struct str origin)
{
	struct str scheme, rest, host, port = STR_LIT("");
	size_t end;

	if (origin.n > ORIGIN_LEN_MAX || !str_cut(origin, ':', &scheme, &rest) || !is_scheme(scheme) ||
	    !str_starts(rest, STR_LIT("//")))
		return false;
	host = rest = str_skip(rest, 2);
	/* The colon in front of the port: one that is in no brackets. */
	for (end = rest.n; end > 0 && is_digit(rest.p[end - 1]); end--)
		;
	if (end > 0 && rest.p[end - 1] == ':' && (rest.p[0] != '[' || rest.p[end - 2] == ']')) {
		host.n = end - 1;
		port = str_skip(rest, end);
		if (!is_port_of(port, scheme))
			return false;
	}
	return is_name(host) || is_address(host);
}

/* ---- lists ---- */

static bool is_among(const struct str *list, size_t n, struct str origin)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i], origin))
			return true;
	return false;
}

enum rc origins_new(const struct str *list, size_t n, const struct origins **out)
{
	struct origins *origins;
	size_t size = 0;
	char *bytes;

	*out = NULL;
	if (n == 0)
		return RC_OK;
	for (size_t i = 0; i < n; i++)
		size += list[i].n;
	origins = malloc(sizeof *origins + n * sizeof origins->list[0] + size);
	if (origins == NULL)
		return RC_NO_MEMORY;
	atomic_init(&origins->references, 1);
	origins->n = 0;
	bytes = (char *)&origins->list[n];
	for (size_t i = 0; i < n; i++) {
		if (is_among(origins->list, origins->n, list[i]))
			continue;
		memcpy(bytes, list[i].p, list[i].n);
		origins->list[origins->n++] = str_make(bytes, list[i].n);
		bytes += list[i].n;
	}
	if (origins->n > ORIGINS_MAX) {
		free(origins);
		return RC_BAD_REQUEST;
	}
	*out = origins;
	return RC_OK;
}

static struct origins *counted(const struct origins *origins)
{
	union { const struct origins *in; struct origins *out; } cast = { .in = origins };

	return cast.out;
}

const struct origins *origins_ref(const struct origins *origins)
{
	if (origins != NULL)
		atomic_fetch_add_explicit(&counted(origins)->references, 1, memory_order_relaxed);
	return origins;
}

void origins_unref(const struct origins *origins)
{
	if (origins != NULL && atomic_fetch_sub_explicit(&counted(origins)->references, 1, memory_order_acq_rel) == 1)
		free(counted(origins));
}

size_t origins_count(const struct origins *origins)
{
	return origins == NULL ? 0 : origins->n;
}

struct str origins_at(const struct origins *origins, size_t i)
{
	return origins->list[i];
}

bool origins_have(const struct origins *origins, struct str origin)
{
	return origins != NULL && is_among(origins->list, origins->n, origin);
}
