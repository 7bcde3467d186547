/*
 * stop.c - see stop.h.
 */
#include "config.h"

#include <signal.h>
#include <stddef.h>

#include "ctl/stop.h"

static volatile sig_atomic_t wanted;

static void note(int signal)
{
	(void)signal;
	wanted = 1;
}

static void catch(int signal, int flags)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = (int)SA_RESETHAND | flags }, before;

	/* Whoever started us in the background wants it ignored. */
	if (sigaction(signal, NULL, &before) == 0 && before.sa_handler == SIG_IGN)
		return;
	sigemptyset(&action.sa_mask);
	sigaction(signal, &action, NULL);
}

void stop_catch(bool wakes)
{
	catch(SIGINT, wakes ? 0 : SA_RESTART);
	catch(SIGTERM, wakes ? 0 : SA_RESTART);
}

bool stop_wanted(void)
{
	return wanted != 0;
}
