/*
 * term.h - a whole screen of the terminal, and the terminal as it was before on every way out.
 *
 * While it is open the screen is another one than the shell's, keys come at once and unseen, and signals come only in
 * term_wait(). Whatever ends the program closes it: a return, exit(), SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT;
 * SIGTSTP closes it until SIGCONT. One thread, one terminal.
 */
#ifndef CTL_TERM_H
#define CTL_TERM_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* term_usable - whether standard input and output are a terminal that knows the usual sequences. */
bool term_usable(void);

/* term_open - false, with errno, when it cannot. term_close - fine when it is not open. */
bool term_open(void);
void term_close(void);

/* term_size - of standard output; where that is no terminal, $COLUMNS and $LINES, or 80 and 24. */
void term_size(size_t *columns, size_t *rows);

/*
 * term_wait - as poll(), until TIMEOUT_MS have passed or a signal has come. One that ends the program does so here.
 * True in *REDRAW: the screen is not what it was, or has another size.
 */
void term_wait(struct pollfd *fds, size_t n, int timeout_ms, bool *redraw);

/* term_write - all of TEXT. False: the terminal is gone. */
bool term_write(struct str text);

/* Keys that are no character. */
enum term_key { TERM_UP = 256, TERM_DOWN, TERM_PAGE_UP, TERM_PAGE_DOWN, TERM_HOME, TERM_END };

/* term_keys - those that were pressed: characters and the above, N at most. False: the terminal is gone. */
bool term_keys(int *keys, size_t max, size_t *n);

/* term_parse - the keys in the bytes TEXT. */
size_t term_parse(struct str text, int *keys, size_t max);

#endif
