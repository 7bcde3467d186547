/*
 * crash_check.c - reads what clients were told while servers were killed, and says what is wrong with it.
 *
 *     crash_check [-m MARKS] [-g MS] EVENTS...
 *     crash_check -s
 *
 * EVENTS are the files that crash_load writes. MARKS has a line for each thing that was done to the server:
 *
 *     MICROSECONDS kill     the server process was killed: nobody may see an error, and there may be no
 *                           answers for MS at most (default 1000, 0: as long as it takes); for three
 *                           times that after one kill in twenty, because machines have other things to do
 *     MICROSECONDS cut      the power was cut: likewise, but for requests that saw three cuts, when the front server
 *                           has no tries left. Gaps are shown, and not judged
 *     MICROSECONDS restart  asked to restart: nobody may see an error
 *     MICROSECONDS gone     nobody listens any more: errors are to be expected ...
 *     MICROSECONDS back     ... up to here, and a second more for what had begun before
 *
 * Ends with 0 when nothing is wrong. -s plants faults into good records and sees whether each is found.
 */
#include "config.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crash_check.h"

enum { MARKS_MAX = 4096, SHOWN_MAX = 30, GRACE_US = 1000000, GAP_WINDOW_US = 1000000,
       TRIES = 4 };	/* of the front server: two upstreams, two each (nginx/tmakv-http.conf) */

struct mark {
	uint64_t at_us;
	char word[12];
};

struct marks {
	struct mark at[MARKS_MAX];
	size_t n;
};

static bool marks_load(struct marks *marks, const char *path)
{
	FILE *file = fopen(path, "r");

	if (file == NULL)
		return false;
	while (marks->n < MARKS_MAX && fscanf(file, "%" SCNu64 " %11s", &marks->at[marks->n].at_us,
					      marks->at[marks->n].word) == 2)
		marks->n++;
	fclose(file);
	return true;
}

/* --- faults --- */

static void show(void *arg, enum fault fault, const struct event *event, const char *expected)
{
	size_t *n = arg;

	if (++*n <= SHOWN_MAX) {
		printf("%s: ", fault_word(fault));
		event_write(stdout, event);
		if (expected != NULL)
			printf("    %s\n", expected);
	}
}

size_t check_all(const struct events *events, check_report *report, void *arg)
{
	size_t unknown = 0, n;

	for (size_t i = 0; i < events->n; i += n) {
		for (n = 1; i + n < events->n && strcmp(events->at[i].key, events->at[i + n].key) == 0; n++)
			;
		unknown += check_key(&events->at[i], n, report, arg);
	}
	return unknown;
}

/* --- errors --- */

/* Whether nobody could answer it: it was under way while nobody listened, or while cut followed on cut. */
static bool is_excused(const struct marks *marks, const struct event *event)
{
	uint64_t gone_us = UINT64_MAX;
	size_t cuts = 0;

	for (size_t i = 0; i < marks->n; i++) {
		if (strcmp(marks->at[i].word, "gone") == 0)
			gone_us = marks->at[i].at_us;
		else if (strcmp(marks->at[i].word, "cut") == 0 && marks->at[i].at_us >= event->start_us &&
			 marks->at[i].at_us <= event->end_us && ++cuts == TRIES - 1)
			return true;
		else if (strcmp(marks->at[i].word, "back") == 0) {
			if (event->end_us >= gone_us && event->start_us <= marks->at[i].at_us + GRACE_US)
				return true;
			gone_us = UINT64_MAX;
		}
	}
	return event->end_us >= gone_us;
}

static bool is_expected(const struct event *event)
{
	return event->status == 200 || (event->what == GET && event->status == 404);
}

/* What was answered, by method; how many should not have been. */
static size_t errors_count(const struct events *events, const struct marks *marks)
{
	size_t good[WHAT__COUNT] = { 0 }, left[WHAT__COUNT] = { 0 }, excused[WHAT__COUNT] = { 0 },
	       bad[WHAT__COUNT] = { 0 }, sum = 0;

	for (size_t i = 0; i < events->n; i++) {
		const struct event *event = &events->at[i];

		if (is_expected(event)) {
			good[event->what]++;
		} else if (event->status == STATUS_LEFT) {
			left[event->what]++;
		} else if (event->status != 429 && is_excused(marks, event)) {
			excused[event->what]++;
		} else {
			bad[event->what]++;
			if (++sum <= SHOWN_MAX) {
				printf("error: ");
				event_write(stdout, event);
			}
		}
	}
	for (int what = 0; what < WHAT__COUNT; what++)
		printf("%-11s %8zu answered, %zu not waited for, %zu errors, %zu errors while nobody was there\n",
		       event_word((enum what)what), good[what], left[what], bad[what], excused[what]);
	return sum;
}

/* --- time --- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_times(const char *name, uint64_t *us, size_t n)
{
	if (n == 0)
		return;
	qsort(us, n, sizeof *us, by_number);
	printf("%s: %zu, ms: least %.1f median %.1f 99%% %.1f most %.1f\n", name, n, (double)us[0] / 1000,
	       (double)us[n / 2] / 1000, (double)us[n * 99 / 100] / 1000, (double)us[n - 1] / 1000);
}

/* When good answers to requests of this kind came, in order. */
static uint64_t *answer_times(const struct events *events, enum what what, size_t *n)
{
	uint64_t *us = calloc(events->n + 1, sizeof *us);

	if (us == NULL)
		abort();
	*n = 0;
	for (size_t i = 0; i < events->n; i++)
		if (events->at[i].what == what && is_expected(&events->at[i]))
			us[(*n)++] = events->at[i].end_us;
	qsort(us, *n, sizeof *us, by_number);
	return us;
}

/*
 * The longest time without an answer that begins at FROM or later, but not behind TO. What comes behind NEXT is
 * the next one's: it ends there.
 */
static uint64_t longest_silence(const uint64_t *us, size_t n, uint64_t from, uint64_t to, uint64_t next)
{
	uint64_t last = from, longest = 0;

	for (size_t i = 0; i < n && last <= to; i++) {
		uint64_t end = us[i] < next ? us[i] : next;

		if (us[i] < from)
			continue;
		if (end > last && end - last > longest)
			longest = end - last;
		last = us[i];
	}
	return longest;
}

/*
 * How many marks of this WORD too many after which service was not back in time: nobody was answered for longer
 * than LIMIT_US (0: as long as it takes), or three times that for one in twenty.
 */
static size_t gaps_judge(const struct events *events, const struct marks *marks, const char *word, uint64_t limit_us)
{
	uint64_t gaps[MARKS_MAX], *us[2];
	size_t n_us[2], n = 0, late = 0, very_late = 0;
	char title[64];

	us[0] = answer_times(events, GET, &n_us[0]);
	us[1] = answer_times(events, PUT, &n_us[1]);
	for (size_t i = 0; i < marks->n; i++) {
		uint64_t at = marks->at[i].at_us, next = i + 1 < marks->n ? marks->at[i + 1].at_us : UINT64_MAX;
		uint64_t until = next != UINT64_MAX ? next : at + GAP_WINDOW_US;

		if (strcmp(marks->at[i].word, word) != 0)
			continue;
		gaps[n] = 0;
		for (int k = 0; k < 2; k++) {
			uint64_t gap = longest_silence(us[k], n_us[k], at, until, next);

			if (gap > gaps[n])
				gaps[n] = gap;
		}
		if (limit_us != 0 && gaps[n] > limit_us) {
			printf("late: no answer for %" PRIu64 " us after the kill at %" PRIu64 "\n", gaps[n], at);
			late++;
			very_late += gaps[n] > 3 * limit_us;
		}
		n++;
	}
	free(us[0]);
	free(us[1]);
	snprintf(title, sizeof title, "%ss, and how long nobody was answered", word);
	print_times(title, gaps, n);
	return late <= n / 20 ? very_late : late;
}

static void print_latency(const struct events *events)
{
	uint64_t *us = calloc(events->n + 1, sizeof *us);
	size_t n = 0;

	if (us == NULL)
		abort();
	for (size_t i = 0; i < events->n; i++)
		if (events->at[i].what <= GET && is_expected(&events->at[i]))
			us[n++] = events->at[i].end_us - events->at[i].start_us;
	print_times("answers", us, n);
	free(us);
}

/* --- the program --- */

int main(int argc, char **argv)
{
	static struct marks marks;
	struct events events = { NULL, 0, 0 };
	uint64_t gap_ms = 1000;
	size_t faults = 0, unknown, errors, late;
	int c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt(argc, argv, "m:g:s")) != -1) {
		if (c == 's')
			return self_test() ? 0 : 1;
		else if (c == 'g')
			gap_ms = strtoull(optarg, NULL, 10);
		else if (c != 'm' || !marks_load(&marks, optarg))
			return 64;
	}
	for (int i = optind; i < argc; i++)
		if (!events_load(&events, argv[i]))
			return 99;
	if (events.n == 0) {
		fprintf(stderr, "usage: crash_check [-m MARKS] [-g MS] EVENTS... | -s\n");
		return 64;
	}
	events_sort(&events);
	unknown = check_all(&events, show, &faults);
	errors = errors_count(&events, &marks);
	print_latency(&events);
	late = gaps_judge(&events, &marks, "kill", gap_ms * 1000) + gaps_judge(&events, &marks, "cut", 0);
	printf("%zu events: %zu faults, %zu errors, %zu times late; writes of unknown outcome: %zu\n",
	       events.n, faults, errors, late, unknown);
	free(events.at);
	return faults + errors + late == 0 ? 0 : 1;
}
