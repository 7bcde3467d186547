/*
 * prom.h - numbers as Prometheus reads them: its text format, version 0.0.4.
 *
 *     prom_family(&prom, "tmakv_requests_total", PROM_COUNTER, "Requests answered.");
 *     prom_label(&prom, "door", STR_LIT("sdk"));
 *     prom_u64(&prom, 12);
 *
 * All samples of a family come behind prom_family() and before the next one. Whether everything fitted is asked
 * of the buffer, once.
 */
#ifndef BASE_PROM_H
#define BASE_PROM_H

#include "base/buf.h"
#include "base/metric.h"

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum prom_type { PROM_COUNTER, PROM_GAUGE, PROM_HISTOGRAM };

struct prom {
	struct buf *out;
	const char *family;
	bool begun;			/* the sample's name is written, */
	bool has_labels;		/* and a label of it */
};

static inline struct prom prom_init(struct buf *out)
{
	return (struct prom){ .out = out };
}

/* prom_family - its name, which is a constant, and HELP, a sentence. */
void prom_family(struct prom *prom, const char *name, enum prom_type type, const char *help);

/* prom_label - of the sample that comes next. VALUE may be anything; what is no UTF-8 in it becomes '?'. */
void prom_label(struct prom *prom, const char *name, struct str value);

/* The sample itself. prom_seconds - US microseconds. */
void prom_u64(struct prom *prom, uint64_t value);
void prom_seconds(struct prom *prom, uint64_t us);

/*
 * prom_times - a histogram of microseconds, in seconds: `le` from 32 us to 16.8 s, each twice the one before. With the
 * labels door and class; NULL: without. prom_sizes - one of whole numbers, `le` from 1 to 255.
 */
void prom_times(struct prom *prom, const char *door, const char *class, const struct metric_histogram_sum *histogram);
void prom_sizes(struct prom *prom, const struct metric_histogram_sum *histogram);

#endif
