/*
 * stop_thread.c - makes one thread of a process stand still while the others go on.
 *
 *     stop_thread TID
 *
 * Says "stopped" when it does; it goes on when this ends, in two minutes at the latest. Exit 77 when we may not (ptrace).
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t tid = argc == 2 ? (pid_t)atol(argv[1]) : 0;
	int status;

	if (tid <= 0) {
		fputs("usage: stop_thread TID\n", stderr);
		return 64;
	}
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0) {
		perror("stop_thread");
		return errno == EPERM || errno == ENOSYS ? 77 : 1;
	}
	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return 1;
	alarm(120);
	puts("stopped");
	fflush(stdout);
	pause();
	return 0;
}
