/*
 * progress.h - one line on a terminal that says how far something long is. Nothing where there is no terminal.
 */
#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct ctl;

struct progress {
	bool shown;
	uint64_t started_us, drawn_us;
};

/* progress_begin - on standard error, if that is a terminal and nobody asked for JSON. */
void progress_begin(struct progress *progress, const struct ctl *ctl);

/*
 * progress_step - KEYS of EXPECTED (0: nobody knows) and BYTES are done; that is PART of WHOLE, in whatever unit
 * (WHOLE 0: nobody knows). Drawn a few times a second.
 */
void progress_step(struct progress *progress, uint64_t keys, uint64_t expected, uint64_t bytes, uint64_t part,
		   uint64_t whole);

/* progress_bytes - the same for what has no keys: DONE of WHOLE bytes of WHAT. */
void progress_bytes(struct progress *progress, const char *what, uint64_t done, uint64_t whole);

/* progress_end - wipe the line, and draw no more. */
void progress_end(struct progress *progress);

/* progress_hide - wipe the line of whichever is there, before something else is said. */
void progress_hide(void);

/* progress_seconds - since it began. */
double progress_seconds(const struct progress *progress);

#endif
