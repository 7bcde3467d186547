/*
 * handover.c - SIGUSR2: another program file takes this process's place, and finds all as it was.
 *
 * The new program is what stands now at the path that tmakvd was started as. It is asked first whether it
 * can take over (`tmakvd -t` with the handover in its environment), for behind the exec there is no way
 * back. Then it is executed in this very process: descriptors stay open, the server process stays our child,
 * and whoever started us sees no change. What the new program must know goes through one variable: numbers.
 *
 * The supervisor's, but for handover_read(), which begins every tmakvd.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "serve/private.h"

#define VARIABLE "TMAKV_HANDOVER"
/* What the program says, on a line of its own, when it can take over. */
#define ANSWER "ready to take over"

enum {
	FORMAT = 1,		/* of the numbers below: others are not understood */
	CHECK_S = 3,		/* how long the new program may take to say whether it can */
	NUMBERS = 13,
	TEXT_SIZE = NUMBERS * 21
};

/* --- the variable --- */

static void print(const struct serve_handover *h, char text[TEXT_SIZE])
{
	snprintf(text, TEXT_SIZE,
		 "%d %jd %d %" PRIu64 " %" PRIu64 " %d %" PRIu64 " %" PRIu64 " %d %d %d %jd %" PRIu64,
		 FORMAT, (intmax_t)h->supervisor,
		 h->fastcgi.fd, h->fastcgi.device, h->fastcgi.inode,
		 h->control.fd, h->control.device, h->control.inode,
		 h->lifeline[0], h->lifeline[1], h->settings, (intmax_t)h->server, h->kill_at_us);
}

static bool parse(struct serve_handover *h, const char *text, pid_t supervisor)
{
	static const struct { uint64_t min, max; } bounds[NUMBERS] = {
		{ FORMAT, FORMAT }, { 1, INT32_MAX },
		{ 3, INT32_MAX }, { 0, UINT64_MAX }, { 0, UINT64_MAX },
		{ 3, INT32_MAX }, { 0, UINT64_MAX }, { 0, UINT64_MAX },
		{ 3, INT32_MAX }, { 3, INT32_MAX }, { 3, INT32_MAX },
		{ 0, INT32_MAX }, { 0, UINT64_MAX },
	};
	struct str rest = str_c(text), word;
	uint64_t n[NUMBERS];

	for (size_t i = 0; i < NUMBERS; i++)
		if (str_cut(rest, ' ', &word, &rest) != (i + 1 < NUMBERS) ||
		    !str_to_u64(word, bounds[i].min, bounds[i].max, &n[i]))
			return false;
	*h = (struct serve_handover){
		.supervisor = (pid_t)n[1],
		.fastcgi = { (int)n[2], n[3], n[4] },
		.control = { (int)n[5], n[6], n[7] },
		.lifeline = { (int)n[8], (int)n[9] },
		.settings = (int)n[10],
		.server = (pid_t)n[11],
		.kill_at_us = n[12]
	};
	return h->supervisor == supervisor;
}

/* --- is it what it says? --- */

static bool is_open_as(int fd, mode_t type, int access)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	return flags >= 0 && (flags & O_ACCMODE) == access && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static bool is_our_child(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void descriptors(const struct serve_handover *h, int fds[5])
{
	fds[0] = h->fastcgi.fd;
	fds[1] = h->control.fd;
	fds[2] = h->lifeline[0];
	fds[3] = h->lifeline[1];
	fds[4] = h->settings;
}

/* FLAGS: FD_CLOEXEC, or 0 for those that are to survive an exec. */
static bool mark(const struct serve_handover *h, int flags)
{
	int fds[5];
	bool good = true;

	descriptors(h, fds);
	for (size_t i = 0; i < 5; i++)
		good &= fcntl(fds[i], F_SETFD, flags) == 0;
	return good;
}

static bool is_true(const struct serve_handover *h)
{
	int fds[5];

	descriptors(h, fds);
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < i; k++)
			if (fds[i] == fds[k])
				return false;
	return listen_is_on(h->fastcgi.fd) && listen_is_on(h->control.fd) &&
	       is_open_as(h->lifeline[0], S_IFIFO, O_RDONLY) && is_open_as(h->lifeline[1], S_IFIFO, O_WRONLY) &&
	       is_open_as(h->settings, S_IFREG, O_RDWR) && mark(h, FD_CLOEXEC);
}

enum serve_handed serve_handover_read(struct serve_handover *out, bool only_check)
{
	const char *text = getenv(VARIABLE);
	pid_t supervisor = only_check ? getppid() : getpid();
	bool good;

	if (text == NULL)
		return HANDED_NOTHING;
	good = parse(out, text, supervisor) && is_true(out) &&
	       (only_check || out->server == 0 || is_our_child(out->server));
	/* It is for nobody else. */
	unsetenv(VARIABLE);
	return good ? HANDED_OVER : HANDED_WRONG;
}

void serve_handover_agree(void)
{
	puts(ANSWER);
}

/* --- the program file --- */

static bool is_executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool find_in_path(char path[PATH_MAX], const char *name)
{
	struct str rest = str_c(getenv("PATH")), folder;

	while (rest.n != 0) {
		str_cut(rest, ':', &folder, &rest);
		snprintf(path, PATH_MAX, "%.*s/%s", STR(folder), name);
		if (folder.n != 0 && path[0] == '/' && is_executable(path))
			return true;
	}
	return false;
}

void handover_find(char path[PATH_MAX], const char *program, const char *self)
{
	char folder[PATH_MAX];

	if (program[0] == '/')
		snprintf(path, PATH_MAX, "%s", program);
	else if (strchr(program, '/') != NULL && getcwd(folder, sizeof folder) != NULL &&
		 strlen(folder) + strlen(program) + 2 <= PATH_MAX)
		strcat(strcat(strcpy(path, folder), "/"), program);
	else if (!find_in_path(path, program))
		snprintf(path, PATH_MAX, "%s", self);
}

/* Which file stands there, so that the one that was checked is the one that is executed. */
static bool identify(const char *path, struct handover_file *file)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	*file = (struct handover_file){ .device = st.st_dev, .inode = st.st_ino, .size = st.st_size, .changed = st.st_mtim };
	return true;
}

static bool is_same_file(const struct handover_file *a, const struct handover_file *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Execute PATH with the handover in its environment; returns only when that fails. */
static void become(const char *path, const struct serve_options *options, bool only_check,
		   const struct serve_handover *h)
{
	char text[TEXT_SIZE], t[] = "-t", c[] = "-c", s[] = "-s";
	char *argv[7] = { strdup(path) }, *conf_file = NULL, *listening = NULL;
	size_t n = 1;

	if (only_check)
		argv[n++] = t;
	if (options->conf_file != NULL) {
		argv[n++] = c;
		argv[n++] = conf_file = strdup(options->conf_file);
	}
	if (options->listen != NULL) {
		argv[n++] = s;
		argv[n++] = listening = strdup(options->listen);
	}
	print(h, text);
	if (setenv(VARIABLE, text, 1) == 0 && mark(h, 0))
		execv(path, argv);
	n = (size_t)errno;
	mark(h, FD_CLOEXEC);
	unsetenv(VARIABLE);
	free(argv[0]);
	free(conf_file);
	free(listening);
	errno = (int)n;
}

/* In the child: the new program says whether it can take over. */
static void run_check(const struct handover_check *check, const struct serve_options *options,
		      const struct serve_handover *h, int out)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Both hold behind the exec: nobody else sees to it that it ends. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(CHECK_S);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	become(check->path, options, true, h);
	dprintf(STDERR_FILENO, "%s\n", strerror(errno));
	_exit(127);
}

bool handover_check_start(struct handover_check *check, const struct serve_options *options,
			  const struct serve_handover *h)
{
	int out[2];

	if (!identify(check->path, &check->file) || pipe2(out, O_CLOEXEC) != 0)
		return false;
	check->pid = fork();
	if (check->pid == 0)
		run_check(check, options, h, out[1]);
	close(out[1]);
	/* What it leaves running may keep the pipe open. */
	if (check->pid > 0 && fcntl(out[0], F_SETFL, O_NONBLOCK) == 0) {
		check->out = out[0];
		return true;
	}
	close(out[0]);
	handover_check_cancel(check);
	return false;
}

void handover_check_cancel(struct handover_check *check)
{
	if (check->pid > 0)
		kill(check->pid, SIGKILL);
	if (check->out >= 0)
		close(check->out);
	check->pid = 0;
	check->out = -1;
}

/* What it has said, up to SIZE bytes, as a text. */
static void hear(int fd, char *said, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size - 1 && (got = read(fd, said + n, size - 1 - n)) > 0)
		n += (size_t)got;
	while (n != 0 && said[n - 1] == '\n')
		n--;
	said[n] = '\0';
}

/* The last line, so that nothing it may have to say before is in the way. */
static bool agrees(const char *said)
{
	const char *line = strrchr(said, '\n');

	return strcmp(line == NULL ? said : line + 1, ANSWER) == 0;
}

enum handover_answer handover_check_end(struct handover_check *check, int status, char *said, size_t size)
{
	struct handover_file now;

	hear(check->out, said, size);
	close(check->out);
	check->pid = 0;
	check->out = -1;
	if (!identify(check->path, &now) || !is_same_file(&now, &check->file))
		return HANDOVER_ASK_AGAIN;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 && agrees(said) ? HANDOVER_AGREED : HANDOVER_REFUSED;
}

void handover_exec(const struct handover_check *check, const struct serve_options *options,
		   const struct serve_handover *h)
{
	become(check->path, options, false, h);
}
