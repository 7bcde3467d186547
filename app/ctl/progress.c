/*
 * progress.c - see progress.h.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/progress.h"

enum { BETWEEN_US = 100 * 1000, BAR = 20 };

static bool is_drawn;

void progress_begin(struct progress *progress, const struct ctl *ctl)
{
	*progress = (struct progress){
		.shown = !ctl->json && isatty(STDERR_FILENO), .started_us = clock_mono_us()
	};
}

double progress_seconds(const struct progress *progress)
{
	return (double)(clock_mono_us() - progress->started_us) / 1e6;
}

static void draw_bar(uint64_t part, uint64_t whole)
{
	char bar[BAR + 1];
	double share = whole == 0 ? 0 : (double)part / (double)whole;
	size_t full = (size_t)((share < 1 ? share : 1) * BAR);

	if (whole == 0)
		return;
	memset(bar, '.', BAR);
	memset(bar, '#', full);
	bar[BAR] = '\0';
	fprintf(stderr, "[%s] %3.0f %%  ", bar, (share < 1 ? share : 1) * 100);
}

void progress_step(struct progress *progress, uint64_t keys, uint64_t expected, uint64_t bytes, uint64_t part,
		   uint64_t whole)
{
	uint64_t now = clock_mono_us();
	double seconds = progress_seconds(progress);

	if (!progress->shown || now - progress->drawn_us < BETWEEN_US)
		return;
	progress->drawn_us = now;
	fprintf(stderr, "\r");
	draw_bar(part, whole);
	fprintf(stderr, "%" PRIu64, keys);
	if (expected != 0)
		fprintf(stderr, " of %" PRIu64, expected);
	fprintf(stderr, " keys  %.0f/s  %.1f MiB\033[K", seconds > 0 ? (double)keys / seconds : 0, (double)bytes / (1 << 20));
	fflush(stderr);
	is_drawn = true;
}

void progress_bytes(struct progress *progress, const char *what, uint64_t done, uint64_t whole)
{
	uint64_t now = clock_mono_us();

	if (!progress->shown || now - progress->drawn_us < BETWEEN_US)
		return;
	progress->drawn_us = now;
	fprintf(stderr, "\r");
	draw_bar(done, whole);
	fprintf(stderr, "%s  %.1f of about %.1f MiB\033[K", what, (double)done / (1 << 20), (double)whole / (1 << 20));
	fflush(stderr);
	is_drawn = true;
}

void progress_hide(void)
{
	if (is_drawn)
		fprintf(stderr, "\r\033[K");
	is_drawn = false;
}

void progress_end(struct progress *progress)
{
	progress_hide();
	progress->shown = false;
}
