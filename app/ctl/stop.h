/*
 * stop.h - Ctrl-C in the middle of something long: ending at a place from which it can go on.
 */
#ifndef CTL_STOP_H
#define CTL_STOP_H

#include <stdbool.h>

/*
 * stop_catch - from now on SIGINT and SIGTERM are noted, once: the second one ends the program. What is waiting
 * for input or output then goes on waiting; with WAKES it ends with EINTR.
 */
void stop_catch(bool wakes);

/* stop_wanted - whether one has come. */
bool stop_wanted(void);

#endif
