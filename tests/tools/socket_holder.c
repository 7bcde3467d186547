/*
 * socket_holder.c - holds a listening socket as a service manager does, and starts a program whenever it is gone.
 *
 *     socket_holder [-f] SOCKET COMMAND [ARGUMENT...]
 *
 * The program gets the socket as systemd passes it (LISTEN_FDS), with -f on descriptor 0. When it ends, however it
 * ends, it is started again at once; the socket stays open meanwhile. SIGTERM is passed on to the program, and
 * the holder ends with it and with its exit code.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKLOG = 4096, PASSED_FD = 3 };

static volatile sig_atomic_t ending, program;

static void on_term(int signal)
{
	ending = 1;
	if (program > 0)
		kill(program, signal);
}

static int make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof address.sun_path)
		return -1;
	strcpy(address.sun_path, path);
	umask(0);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0)
		return -1;
	umask(077);
	return fd;
}

static void become(int fd, bool as_zero, char **command)
{
	char number[24];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(fd, as_zero ? STDIN_FILENO : PASSED_FD) < 0)
		_exit(99);
	if (!as_zero) {
		fcntl(PASSED_FD, F_SETFD, 0);	/* dup2() onto itself has left it */
		snprintf(number, sizeof number, "%ld", (long)getpid());
		setenv("LISTEN_PID", number, 1);
		setenv("LISTEN_FDS", "1", 1);
	}
	execv(command[0], command);
	perror(command[0]);
	_exit(99);
}

int main(int argc, char **argv)
{
	bool as_zero = argc > 1 && strcmp(argv[1], "-f") == 0;
	struct sigaction action = { .sa_handler = on_term };
	int first = as_zero ? 2 : 1, fd, status = 0;
	sigset_t term, before;
	pid_t pid;

	if (argc < first + 2 || (fd = make_socket(argv[first])) < 0) {
		fprintf(stderr, "usage: socket_holder [-f] SOCKET COMMAND [ARGUMENT...]\n");
		return 64;
	}
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigaction(SIGTERM, &action, NULL);
	do {
		/* No signal between looking and knowing the program's number. */
		sigprocmask(SIG_BLOCK, &term, &before);
		program = ending ? 0 : fork();
		if (!ending && program == 0)
			become(fd, as_zero, argv + first + 1);
		sigprocmask(SIG_SETMASK, &before, NULL);
		if (program <= 0)
			break;
		do
			pid = waitpid(program, &status, 0);
		while (pid < 0);
		program = 0;
	} while (!ending);
	unlink(argv[first]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
