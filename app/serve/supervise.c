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
	STARTS_WITH_NEW = 3,		/* that may fail until the old settings are taken again */
	KILL_AFTER_MS = 2000		/* behind stop_ms, in which the server should have ended by itself */
};

/*
 * The server as the supervisor sees it. Only slot_enter() changes it.
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
	struct settings settings;	/* of the server, and of the next one */
	struct settings proven;		/* with which a server served, when `settings` are newer; else none */
	int n_failed;			/* servers that never served, one after the other */
	int signals;			/* signalfd */
	int lifeline[2];		/* the server reads, we only hold on */
	int ready;			/* the server's byte comes here; -1 when none is expected */
	enum slot_state state;
	pid_t pid;			/* of the server, unless EMPTY */
	uint64_t act_at_us;		/* EMPTY: fork then; DRAINING: kill then */
	int64_t wait_ms;		/* the next back-off */
	bool stopping;
	bool done;
	int exit_code;
};

static void slot_enter(struct supervisor *s, enum slot_state state)
{
	static const unsigned char may_follow[] = {
		[SLOT_EMPTY]    = 1 << SLOT_STARTING,
		[SLOT_STARTING] = 1 << SLOT_READY | 1 << SLOT_DRAINING | 1 << SLOT_EMPTY,
		[SLOT_READY]    = 1 << SLOT_DRAINING | 1 << SLOT_EMPTY,
		[SLOT_DRAINING] = 1 << SLOT_EMPTY,
	};

	assert(may_follow[s->state] & 1 << state);
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
	const int fds[] = { s->sockets.fastcgi.fd, s->sockets.control.fd, s->lifeline[0], ready, s->settings.fd };
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

/* The server has written its byte, or has closed the pipe without. */
static void take_ready(struct supervisor *s)
{
	char byte;
	bool is_ready = read(s->ready, &byte, 1) == 1;

	forget_ready(s);
	if (!is_ready || s->state != SLOT_STARTING)
		return;
	slot_enter(s, SLOT_READY);
	s->wait_ms = FIRST_WAIT_MS;
	s->n_failed = 0;
	settings_close(&s->proven);
	LOG_INFO("server ready", LOG_I64("pid", s->pid));
	notify_systemd("READY=1\nSTATUS=serving");
}

/* --- ending --- */

/* Ask the server to end; it is killed when it takes too long. */
static void drain(struct supervisor *s)
{
	if (s->state == SLOT_DRAINING)
		return;
	slot_enter(s, SLOT_DRAINING);
	kill(s->pid, SIGTERM);
	act_in(s, s->settings.conf.stop_ms + KILL_AFTER_MS);
}

static void stop(struct supervisor *s)
{
	s->stopping = true;
	notify_systemd("STOPPING=1\nSTATUS=stopping");
	LOG_INFO("stopping");
	if (s->state == SLOT_EMPTY)
		finish(s, EXIT_STOPPED);
	else
		drain(s);
}

/* --- settings --- */

static bool restart_is_useless(int code)
{
	return code == EXIT_USAGE_ERROR || code == EXIT_DAMAGED || code == EXIT_CONF;
}

/* The next server's are SETTINGS, and so are ours. */
static void use_settings(struct supervisor *s, const struct settings *settings)
{
	enum log_level level = LOG_LEVEL_INFO;

	s->settings = *settings;
	s->n_failed = 0;
	s->wait_ms = FIRST_WAIT_MS;
	log_level_read(s->settings.conf.log_level, &level);
	log_open("tmakvd", level);
}

/* CONF is good: it is what the next server gets, but for what a reload cannot change. */
static bool change_settings(struct supervisor *s, struct conf *conf)
{
	struct settings settings;
	char names[128];

	if (conf_keep_fixed(conf, &s->settings.conf, names, sizeof names))
		LOG_WARN("these settings have changed, but take effect only when tmakvd is stopped and started",
			 LOG_STR("settings", names));
	if (conf_is_same(conf, &s->settings.conf))
		return true;
	if (!settings_make(&settings, conf))
		return false;
	/* Only those that have proven themselves are worth going back to. */
	if (s->proven.fd < 0)
		s->proven = s->settings;
	else
		settings_close(&s->settings);
	use_settings(s, &settings);
	return true;
}

/* Read the configuration file again. False when it is not valid: then nothing has changed. */
static bool read_again(struct supervisor *s)
{
	struct conf_error error;
	struct conf conf;
	bool changed;

	if (s->options->conf_file == NULL) {
		LOG_WARN("there is no configuration file to read again");
		return true;
	}
	if (!conf_read(&conf, s->options->conf_file, &error)) {
		LOG_ERROR("the configuration is not valid; keeping the one in use",
			  LOG_STR("error", error.text));
		return false;
	}
	changed = change_settings(s, &conf);
	conf_clear(&conf);
	return changed;
}

/*
 * A server has never served, and ended with CODE (-1: was killed). When its settings are new, the old ones
 * are better than none: a memory size that this machine does not have is found out only here.
 */
static bool go_back(struct supervisor *s, int code)
{
	struct settings proven = s->proven;

	s->n_failed++;
	if (proven.fd < 0 || (!restart_is_useless(code) && s->n_failed < STARTS_WITH_NEW))
		return false;
	LOG_ERROR("no server starts with the new configuration; going back to the one before",
		  LOG_I64("exit", code));
	settings_close(&s->settings);
	s->proven.fd = -1;
	use_settings(s, &proven);
	act_in(s, 0);
	return true;
}

/* Another server takes the place of the one there is. */
static void replace_server(struct supervisor *s)
{
	notify_systemd("RELOADING=1\nSTATUS=reloading");
	s->wait_ms = FIRST_WAIT_MS;
	if (s->state == SLOT_EMPTY)
		act_in(s, 0);
	else
		drain(s);
}

static void reload(struct supervisor *s)
{
	if (s->stopping || !read_again(s))
		return;
	LOG_INFO("starting a server with the new configuration");
	replace_server(s);
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
	LOG_ERROR("server died; starting another one", LOG_I64("pid", s->pid), LOG_I64("exit", code),
		  LOG_I64("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (s->state != SLOT_EMPTY && pid == s->pid)
			died(s, status);
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

static int poll_timeout(const struct supervisor *s)
{
	uint64_t now = clock_mono_us();

	if (s->state != SLOT_EMPTY && s->state != SLOT_DRAINING)
		return -1;
	return now >= s->act_at_us ? 0 : (int)((s->act_at_us - now) / 1000 + 1);
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
			take_ready(s);
		if (n > 0 && fds[0].revents != 0)
			take_signal(s);
		if (!s->done && poll_timeout(s) == 0)
			act(s);
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
	sigaddset(&signals, SIGUSR2);	/* kept for later: ignored */
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals >= 0 && pipe2(s->lifeline, O_CLOEXEC) == 0;
}

int serve_run(const struct serve_options *options, const struct conf *conf)
{
	struct supervisor s = { .options = options, .proven.fd = -1, .ready = -1, .wait_ms = FIRST_WAIT_MS };
	struct listen_error error;

	find_self(&s);
	if (!fill_standard_fds() || !set_up(&s) || !settings_make(&s.settings, conf)) {
		LOG_ERROR("cannot start", LOG_ERRNO(errno));
		return EXIT_AGAIN;
	}
	if (!listen_open(&s.sockets, options->listen, conf, &error)) {
		LOG_ERROR(error.sentence, LOG_STR("path", error.path),
			  LOG_STR("error", error.error == 0 ? "" : log_strerror(error.error)));
		return error.exit_code;
	}
	LOG_INFO("listening", LOG_STR("fastcgi", s.sockets.fastcgi.path[0] == '\0' ?
				      "(handed over)" : s.sockets.fastcgi.path),
		 LOG_STR("control", s.sockets.control.path));
	supervise(&s);
	listen_close(&s.sockets.fastcgi);
	listen_close(&s.sockets.control);
	settings_close(&s.settings);
	settings_close(&s.proven);
	LOG_INFO("stopped", LOG_I64("exit", s.exit_code));
	return s.exit_code;
}
