/*
 * supervise.c - the supervisor: holds the sockets, keeps one server process alive.
 *
 * It touches neither store nor requests, so nothing that a request does can take it down, and while
 * a server is away connections wait in the backlog of the sockets that stay open here. One thread, one
 * poll(): signals come through a signalfd, a server's readiness through a pipe, its death through SIGCHLD.
 * The server notices the supervisor's death by the end of another pipe, the lifeline.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "serve/private.h"

enum {
	FIRST_WAIT_MS = 100,		/* back-off after a server that never served */
	LONGEST_WAIT_MS = 5000,
	KILL_AFTER_MS = 2000,		/* behind stop_ms, in which the server should have ended by itself */
	PATIENCE_MS = 10 * 60000	/* of a service manager, without a server that serves */
};

/*
 * The server as the supervisor sees it. Only slot_enter() changes it; take_over() begins with what it finds.
 *
 *   EMPTY -fork-> STARTING -ready byte-> READY -stop, reload-> DRAINING
 *     ^               |  '------stop, reload----------------->    |
 *     '---------------+--------------------+----------------------'  (died)
 *
 * Dying while STARTING doubles the wait before the next fork: a server that never served will
 * hardly serve next time. Dying while READY is an accident: the next one starts at once.
 */
enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_READY, SLOT_DRAINING };

struct supervisor {
	const struct serve_options *options;
	char self[PATH_MAX];		/* the file we run from */
	struct stat self_file;		/* as it was when we began */
	struct listen_sockets sockets;
	struct handover_check check;	/* of the program that may take our place */
	struct settings settings;
	int signals;			/* signalfd */
	int lifeline[2];		/* the server reads, we only hold on */
	int ready;			/* the server's byte comes here; -1 when none is expected */
	enum slot_state state;
	pid_t pid;			/* of the server, unless EMPTY */
	uint64_t act_at_us;		/* EMPTY: fork then; DRAINING: kill then */
	int64_t wait_ms;		/* the next back-off */
	struct notify_plea plea;	/* while not READY */
	bool stopping;
	bool done;
	int exit_code;
};

/* While a server serves, its pulse speaks for us (pulse.c); while none does we do, as long as that can be right. */
static void plead(struct supervisor *s)
{
	notify_plea_begin(&s->plea, s->settings.now.conf.stop_ms + PATIENCE_MS);
}

static void slot_enter(struct supervisor *s, enum slot_state state)
{
	static const unsigned char may_follow[] = {
		[SLOT_EMPTY]    = 1 << SLOT_STARTING,
		[SLOT_STARTING] = 1 << SLOT_READY | 1 << SLOT_DRAINING | 1 << SLOT_EMPTY,
		[SLOT_READY]    = 1 << SLOT_DRAINING | 1 << SLOT_EMPTY,
		[SLOT_DRAINING] = 1 << SLOT_EMPTY,
	};

	assert(may_follow[s->state] & 1 << state);
	if (s->state == SLOT_READY)
		plead(s);
	s->state = state;
}

static void finish(struct supervisor *s, int exit_code)
{
	s->done = true;
	s->exit_code = exit_code;
}

static void forget_ready(struct supervisor *s)
{
	if (s->ready >= 0)
		close(s->ready);
	s->ready = -1;
}

static void act_in(struct supervisor *s, int64_t ms)
{
	s->act_at_us = clock_mono_us() + (uint64_t)ms * 1000;
}

/* --- starting --- */

static void find_self(struct supervisor *s)
{
	ssize_t n = readlink("/proc/self/exe", s->self, sizeof s->self - 1);

	s->self[n < 0 ? 0 : n] = '\0';
	if (stat(s->self, &s->self_file) != 0)
		s->self[0] = '\0';
}

/*
 * Run the program that we are. When its file was replaced meanwhile, the old one is still reachable:
 * the server must be of the same version as its supervisor. (Not always that way, because
 * valgrind is what it would reach under valgrind.)
 */
static void exec_self(const struct supervisor *s, char **argv)
{
	struct stat st;

	if (s->self[0] != '\0' && stat(s->self, &st) == 0 && st.st_dev == s->self_file.st_dev &&
	    st.st_ino == s->self_file.st_ino)
		execv(s->self, argv);
	execv("/proc/self/exe", argv);
	execvp(s->options->program, argv);
}

/* In the child: become the server. The descriptors it gets are the only ones that survive. */
static void exec_server(const struct supervisor *s, int ready)
{
	const int fds[] = { s->sockets.fastcgi.fd, s->sockets.control.fd, s->lifeline[0], ready, s->settings.now.fd };
	char numbers[80], server[] = "--server", c[] = "-c";
	char *argv[6] = { strdup(s->options->program), server, numbers };
	sigset_t none;

	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		fcntl(fds[i], F_SETFD, 0);
	snprintf(numbers, sizeof numbers, "%d,%d,%d,%d,%d", fds[0], fds[1], fds[2], fds[3], fds[4]);
	if (s->options->conf_file != NULL) {
		argv[3] = c;
		argv[4] = strdup(s->options->conf_file);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	exec_self(s, argv);
	LOG_ERROR("cannot run the server", LOG_ERRNO(errno));
	_exit(EXIT_AGAIN);
}

static void back_off(struct supervisor *s)
{
	act_in(s, s->wait_ms);
	s->wait_ms = s->wait_ms * 2 > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : s->wait_ms * 2;
}

static void start(struct supervisor *s)
{
	int ready[2] = { -1, -1 };

	slot_enter(s, SLOT_STARTING);
	s->pid = pipe2(ready, O_CLOEXEC) == 0 ? fork() : -1;
	if (s->pid == 0)
		exec_server(s, ready[1]);
	if (ready[1] >= 0)
		close(ready[1]);
	s->ready = ready[0];
	if (s->pid < 0) {
		LOG_ERROR("cannot start the server for the moment", LOG_ERRNO(errno));
		forget_ready(s);
		slot_enter(s, SLOT_EMPTY);
		back_off(s);
		return;
	}
	LOG_INFO("server started", LOG_I64("pid", s->pid));
}

static void become_ready(struct supervisor *s)
{
	slot_enter(s, SLOT_READY);
	notify_plea_end(&s->plea);
	s->wait_ms = FIRST_WAIT_MS;
	settings_have_served(&s->settings);
	LOG_INFO("server ready", LOG_I64("pid", s->pid));
	notify_systemd("READY=1\nSTATUS=serving\nWATCHDOG=1");
}

/* The server has written a byte: the first when it serves, others as its pulse. Or it has closed the pipe. */
static void hear_server(struct supervisor *s)
{
	char bytes[64];

	if (read(s->ready, bytes, sizeof bytes) <= 0)
		forget_ready(s);
	else if (s->state == SLOT_STARTING)
		become_ready(s);
	else if (s->state == SLOT_READY)
		notify_systemd("WATCHDOG=1");
}

/* --- ending --- */

/* Ask the server to end; it is killed when it takes too long. */
static void drain(struct supervisor *s)
{
	if (s->state == SLOT_DRAINING)
		return;
	slot_enter(s, SLOT_DRAINING);
	sigqueue(s->pid, SIGTERM, (union sigval){ .sival_int = s->stopping ? DRAIN_STOPS : DRAIN_REPLACED });
	act_in(s, s->settings.now.conf.stop_ms + KILL_AFTER_MS);
}

static void stop(struct supervisor *s)
{
	s->stopping = true;
	handover_check_cancel(&s->check);
	notify_systemd("STOPPING=1\nSTATUS=stopping");
	LOG_INFO("stopping");
	if (s->state == SLOT_EMPTY)
		finish(s, EXIT_STOPPED);
	else
		drain(s);
}

/* --- a server in the place of another --- */

static bool restart_is_useless(int code)
{
	return code == EXIT_USAGE_ERROR || code == EXIT_DAMAGED || code == EXIT_CONF;
}

/*
 * A server has ended, with CODE (-1: was killed), before it could serve. When its settings are new, the ones
 * before are better than none.
 */
static bool go_back(struct supervisor *s, int code)
{
	if (!settings_go_back(&s->settings, restart_is_useless(code)))
		return false;
	LOG_ERROR("no server starts with the new configuration; going back to the one before",
		  LOG_I64("exit", code));
	s->wait_ms = FIRST_WAIT_MS;
	act_in(s, 0);
	return true;
}

/* Another server takes the place of the one there is. */
static void replace_server(struct supervisor *s)
{
	s->wait_ms = FIRST_WAIT_MS;
	if (s->state == SLOT_EMPTY)
		act_in(s, 0);
	else
		drain(s);
}

static void reload(struct supervisor *s)
{
	if (s->stopping)
		return;
	notify_reloading();
	if (settings_read_again(&s->settings, s->options->conf_file)) {
		LOG_INFO("starting a server with the new configuration");
		replace_server(s);
	} else if (s->state == SLOT_READY) {
		notify_systemd("READY=1\nSTATUS=serving; the new configuration is not valid, see the log");
	}
}

/* --- another program in our place --- */

static struct serve_handover hand_over(const struct supervisor *s)
{
	const struct listen_socket *fastcgi = &s->sockets.fastcgi, *control = &s->sockets.control;

	return (struct serve_handover){
		.supervisor = getpid(),
		.fastcgi = { fastcgi->fd, fastcgi->device, fastcgi->inode },
		.control = { control->fd, control->device, control->inode },
		.lifeline = { s->lifeline[0], s->lifeline[1] },
		.settings = s->settings.now.fd,
		.server = s->state == SLOT_EMPTY ? 0 : s->pid,
		.kill_at_us = s->state == SLOT_DRAINING ? s->act_at_us : 0
	};
}

/* Ask the program that stands where we were started from whether it can take our place. */
static void upgrade(struct supervisor *s)
{
	struct serve_handover handover = hand_over(s);

	if (s->stopping)
		return;
	if (s->check.pid != 0) {
		LOG_INFO("the program is being asked already", LOG_STR("path", s->check.path));
		return;
	}
	if (handover_check_start(&s->check, s->options, &handover))
		LOG_INFO("asking the program whether it can take over", LOG_STR("path", s->check.path));
	else
		LOG_ERROR("cannot ask the program whether it can take over; staying as we are",
			  LOG_STR("path", s->check.path), LOG_ERRNO(errno));
}

static void upgrade_answered(struct supervisor *s, int status)
{
	struct serve_handover handover = hand_over(s);
	char said[512];

	switch (handover_check_end(&s->check, status, said, sizeof said)) {
	case HANDOVER_ASK_AGAIN:
		upgrade(s);
		return;
	case HANDOVER_REFUSED:
		LOG_ERROR("the program cannot take over; staying as we are", LOG_STR("path", s->check.path),
			  LOG_I64("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
			  LOG_I64("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0), LOG_STR("said", said));
		return;
	case HANDOVER_AGREED:
		break;
	}
	LOG_INFO("handing over", LOG_STR("path", s->check.path));
	handover_exec(&s->check, s->options, &handover);
	LOG_ERROR("the program cannot be executed; staying as we are", LOG_STR("path", s->check.path),
		  LOG_ERRNO(errno));
}

/* We are the new program. The server is still of the old one. */
static bool take_over(struct supervisor *s, const struct serve_handover *h)
{
	const char *path = s->options->listen;

	s->lifeline[0] = h->lifeline[0];
	s->lifeline[1] = h->lifeline[1];
	s->sockets.fastcgi = (struct listen_socket){ h->fastcgi.fd, "", h->fastcgi.device, h->fastcgi.inode };
	s->sockets.control = (struct listen_socket){ h->control.fd, "", h->control.device, h->control.inode };
	if (!settings_take(&s->settings, h->settings))
		return false;
	if (h->fastcgi.inode != 0)
		snprintf(s->sockets.fastcgi.path, sizeof s->sockets.fastcgi.path, "%s",
			 path != NULL ? path : s->settings.now.conf.listen);
	snprintf(s->sockets.control.path, sizeof s->sockets.control.path, "%s", s->settings.now.conf.control);
	s->pid = h->server;
	s->act_at_us = h->kill_at_us;
	s->state = h->server == 0 ? SLOT_EMPTY : h->kill_at_us == 0 ? SLOT_READY : SLOT_DRAINING;
	LOG_INFO("has taken over; starting a server of this version", LOG_STR("version", PACKAGE_VERSION),
		 LOG_I64("old_server", s->pid));
	/* When that is not valid, the settings are those in use. */
	settings_read_again(&s->settings, s->options->conf_file);
	notify_reloading();
	replace_server(s);
	return true;
}

/* --- its death --- */

/* The server is gone: what now? */
static void died(struct supervisor *s, int status)
{
	enum slot_state was = s->state;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	forget_ready(s);
	slot_enter(s, SLOT_EMPTY);
	if (was == SLOT_DRAINING && s->stopping) {
		LOG_INFO("server stopped", LOG_I64("exit", code));
		finish(s, EXIT_STOPPED);
		return;
	}
	if (was == SLOT_DRAINING) {
		LOG_INFO("server stopped for the new configuration", LOG_I64("exit", code));
		act_in(s, 0);
		return;
	}
	if (code == EXIT_STOPPED) {
		LOG_INFO("server was stopped by somebody else; stopping too");
		finish(s, EXIT_STOPPED);
		return;
	}
	if (was == SLOT_STARTING && go_back(s, code))
		return;
	if (restart_is_useless(code)) {
		LOG_ERROR("server gave up; starting it again would not help", LOG_I64("exit", code));
		finish(s, code);
		return;
	}
	if (was == SLOT_READY)
		act_in(s, 0);
	else
		back_off(s);
	LOG_ERROR(was == SLOT_READY ? "server died; starting another one" :
		  "server died before it could serve; trying again after a pause",
		  LOG_I64("pid", s->pid), LOG_I64("exit", code),
		  LOG_I64("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (s->state != SLOT_EMPTY && pid == s->pid)
			died(s, status);
		else if (s->check.pid != 0 && pid == s->check.pid)
			upgrade_answered(s, status);
	}
}

/* --- the loop --- */

static void take_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof info) != sizeof info)
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
		reap(s);
		break;
	case SIGTERM:
	case SIGINT:
	case SIGUSR1:	/* multiwatch stops its children with it */
		if (!s->stopping)
			stop(s);
		break;
	case SIGHUP:
		reload(s);
		break;
	case SIGUSR2:
		upgrade(s);
		break;
	}
}

/* The time for what was put off has come. */
static void act(struct supervisor *s)
{
	if (s->state == SLOT_EMPTY) {
		start(s);
		return;
	}
	LOG_WARN("server does not end; killing it", LOG_I64("pid", s->pid));
	kill(s->pid, SIGKILL);
	act_in(s, KILL_AFTER_MS);
}

/* When to act; UINT64_MAX: nothing was put off. */
static uint64_t act_at_us(const struct supervisor *s)
{
	return s->state == SLOT_EMPTY || s->state == SLOT_DRAINING ? s->act_at_us : UINT64_MAX;
}

static int poll_timeout(const struct supervisor *s)
{
	uint64_t now = clock_mono_us(), at_us = act_at_us(s);

	if (s->plea.at_us < at_us)
		at_us = s->plea.at_us;
	if (at_us == UINT64_MAX)
		return -1;
	return now >= at_us ? 0 : (int)((at_us - now) / 1000 + 1);
}

static void supervise(struct supervisor *s)
{
	while (!s->done) {
		struct pollfd fds[2] = {
			{ .fd = s->signals, .events = POLLIN },
			{ .fd = s->ready, .events = POLLIN }
		};
		int n = poll(fds, 2, poll_timeout(s));

		/* Readiness first: of a server that was ready and died, both are there. */
		if (n > 0 && fds[1].revents != 0)
			hear_server(s);
		if (n > 0 && fds[0].revents != 0)
			take_signal(s);
		if (!s->done && clock_mono_us() >= act_at_us(s))
			act(s);
		if (!s->done && clock_mono_us() >= s->plea.at_us)
			notify_plea(&s->plea);
	}
}

/* --- setting up --- */

/* A descriptor of ours must not become number 0, 1 or 2, where others write to. */
static bool fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool set_up(struct supervisor *s)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals >= 0;
}

static int open_sockets(struct supervisor *s, const struct conf *conf)
{
	struct listen_error error;

	if (!listen_open(&s->sockets, s->options->listen, conf, &error)) {
		LOG_ERROR(error.sentence, LOG_STR("path", error.path),
			  LOG_STR("error", error.error == 0 ? "" : log_strerror(error.error)));
		return error.exit_code;
	}
	LOG_INFO("listening", LOG_STR("fastcgi", s->sockets.fastcgi.path[0] == '\0' ?
				      "(handed over)" : s->sockets.fastcgi.path),
		 LOG_STR("control", s->sockets.control.path));
	return 0;
}

/* 0, or the exit code. */
static int begin(struct supervisor *s, const struct conf *conf)
{
	find_self(s);
	handover_find(s->check.path, s->options->program, s->self);
	if (!fill_standard_fds() || !set_up(s)) {
		LOG_ERROR("cannot start", LOG_ERRNO(errno));
		return EXIT_AGAIN;
	}
	if (s->options->handover != NULL)
		return take_over(s, s->options->handover) ? 0 : EXIT_AGAIN;
	if (pipe2(s->lifeline, O_CLOEXEC) != 0) {
		LOG_ERROR("cannot start", LOG_ERRNO(errno));
		return EXIT_AGAIN;
	}
	return settings_open(&s->settings, conf) ? open_sockets(s, conf) : EXIT_AGAIN;
}

int serve_run(const struct serve_options *options, const struct conf *conf)
{
	struct supervisor s = {
		.options = options, .sockets = { { .fd = -1 }, { .fd = -1 } }, .check.out = -1,
		.settings = { .now.fd = -1, .before.fd = -1 }, .ready = -1, .wait_ms = FIRST_WAIT_MS
	};
	int code = begin(&s, conf);

	if (code == 0) {
		plead(&s);
		/* The server's death may have been told to the program before us. */
		reap(&s);
		supervise(&s);
		code = s.exit_code;
	}
	listen_close(&s.sockets.fastcgi);
	listen_close(&s.sockets.control);
	settings_close(&s.settings);
	if (s.done)
		LOG_INFO("stopped", LOG_I64("exit", code));
	return code;
}
