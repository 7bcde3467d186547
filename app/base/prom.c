/*
 * prom.c - numbers as Prometheus reads them (see prom.h).
 *
 * The buckets of a histogram here are some of those that metric.h counts in: each `le` is an end of one of them, so
 * what is said to lie below it does.
 */
#include "config.h"

#include <assert.h>

#include "base/prom.h"

enum { US_PER_S = 1000000, LEAST_POWER = 5, MOST_POWER = 24 };

static void add_escaped(struct buf *out, struct str s, bool in_quotes)
{
	while (s.n != 0) {
		size_t n = str_utf8_char(s);

		if (n == 0)
			buf_add_char(out, '?');
		else if (*s.p == '\n')
			buf_add(out, STR_LIT("\\n"));
		else if (*s.p == '\\' || (in_quotes && *s.p == '"'))
			buf_addf(out, "\\%c", *s.p);
		else
			buf_add(out, str_make(s.p, n));
		s = str_skip(s, n == 0 ? 1 : n);
	}
}

void prom_family(struct prom *prom, const char *name, enum prom_type type, const char *help)
{
	static const char *const types[] = {
		[PROM_COUNTER] = "counter", [PROM_GAUGE] = "gauge", [PROM_HISTOGRAM] = "histogram"
	};

	assert(!prom->begun);
	prom->family = name;
	buf_addf(prom->out, "# HELP %s ", name);
	add_escaped(prom->out, str_c(help), false);
	buf_addf(prom->out, "\n# TYPE %s %s\n", name, types[type]);
}

/* The name of a sample: the family's, and SUFFIX. */
static void begin(struct prom *prom, const char *suffix)
{
	buf_add_c(prom->out, prom->family);
	buf_add_c(prom->out, suffix);
	prom->begun = true;
	prom->has_labels = false;
}

static void label(struct prom *prom, const char *name, struct str value)
{
	buf_add_char(prom->out, prom->has_labels ? ',' : '{');
	buf_add_c(prom->out, name);
	buf_add(prom->out, STR_LIT("=\""));
	add_escaped(prom->out, value, true);
	buf_add_char(prom->out, '"');
	prom->has_labels = true;
}

void prom_label(struct prom *prom, const char *name, struct str value)
{
	if (!prom->begun)
		begin(prom, "");
	label(prom, name, value);
}

/* The blank before the value; with no label the name comes only now. */
static void value_begin(struct prom *prom)
{
	if (!prom->begun)
		begin(prom, "");
	buf_add_c(prom->out, prom->has_labels ? "} " : " ");
	prom->begun = false;
}

static void add_seconds(struct buf *out, uint64_t us)
{
	uint64_t part = us % US_PER_S;

	buf_add_u64(out, us / US_PER_S);
	if (part != 0)
		buf_addf(out, ".%06u", (unsigned)part);
}

void prom_u64(struct prom *prom, uint64_t value)
{
	value_begin(prom);
	buf_add_u64(prom->out, value);
	buf_add_char(prom->out, '\n');
}

void prom_seconds(struct prom *prom, uint64_t us)
{
	value_begin(prom);
	add_seconds(prom->out, us);
	buf_add_char(prom->out, '\n');
}

/* ---- histograms ---- */

/* Which one, and how its values are written. */
struct shape {
	const char *door, *class;
	bool is_time;
};

static void shape_begin(struct prom *prom, const struct shape *shape, const char *suffix)
{
	begin(prom, suffix);
	if (shape->door != NULL)
		label(prom, "door", str_c(shape->door));
	if (shape->class != NULL)
		label(prom, "class", str_c(shape->class));
}

/* How many of the values are less than END, which is the end of a bucket; *I is the bucket to go on with. */
static uint64_t below(const struct metric_histogram_sum *histogram, uint64_t end, size_t *i)
{
	uint64_t n = 0;

	for (; *i < METRIC_BUCKETS && metric_bucket_end(*i) <= end; (*i)++)
		n += histogram->bucket[*i];
	return n;
}

/* Times were cut to whole microseconds, so less than END is what it says; of whole numbers END - 1 is the largest. */
static void add_bucket(struct prom *prom, const struct shape *shape, uint64_t end, uint64_t n)
{
	shape_begin(prom, shape, "_bucket");
	buf_add_c(prom->out, prom->has_labels ? ",le=\"" : "{le=\"");
	if (end == UINT64_MAX)
		buf_add_c(prom->out, "+Inf");
	else if (shape->is_time)
		add_seconds(prom->out, end);
	else
		buf_add_u64(prom->out, end - 1);
	buf_add_char(prom->out, '"');
	prom->has_labels = true;
	prom_u64(prom, n);
}

static void add_sums(struct prom *prom, const struct shape *shape, const struct metric_histogram_sum *histogram)
{
	shape_begin(prom, shape, "_sum");
	if (shape->is_time)
		prom_seconds(prom, histogram->sum);
	else
		prom_u64(prom, histogram->sum);
	shape_begin(prom, shape, "_count");
	prom_u64(prom, histogram->n);
}

void prom_times(struct prom *prom, const char *door, const char *class, const struct metric_histogram_sum *histogram)
{
	const struct shape shape = { door, class, true };
	uint64_t n = 0;
	size_t i = 0;

	for (int power = LEAST_POWER; power <= MOST_POWER; power++) {
		n += below(histogram, UINT64_C(1) << power, &i);
		add_bucket(prom, &shape, UINT64_C(1) << power, n);
	}
	add_bucket(prom, &shape, UINT64_MAX, histogram->n);
	add_sums(prom, &shape, histogram);
}

void prom_sizes(struct prom *prom, const struct metric_histogram_sum *histogram)
{
	static const uint64_t ends[] = { 2, 3, 4, 8, 16, 32, 64, 128, 256 };
	const struct shape shape = { NULL, NULL, false };
	uint64_t n = 0;
	size_t i = 0;

	for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++) {
		n += below(histogram, ends[k], &i);
		add_bucket(prom, &shape, ends[k], n);
	}
	add_bucket(prom, &shape, UINT64_MAX, histogram->n);
	add_sums(prom, &shape, histogram);
}
