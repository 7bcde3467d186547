/*
 * server.c - the server process: opens everything, serves until told to end, closes it in reverse.
 *
 * Its main thread only waits. All signals are blocked in all threads, because one that lands inside
 * libfcgi's read() breaks the request there; SIGTERM is taken from a signalfd. It ends in one of three
 * ways: asked to (exit 0), orphaned when the supervisor is gone (75, within 2 s), or failed when the store needs
 * recovery (75: the next server opens it anew).
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "kv/kv.h"
#include "project/project.h"
#include "serve/control.h"
#include "serve/private.h"

enum {
	OTHER_FDS = 256,		/* databases, log, event loops, control */
	FAILED_DRAIN_MS = 1000,
	STEP_MS = 100,			/* between two looks at the lifeline */
	ORPHAN_DRAIN_MS = 500,
	ORPHAN_LIFE_S = 2,
	JOIN_MS = 1000			/* behind a drain, until its threads must have ended */
};

enum ending { ENDING_ASKED, ENDING_ORPHANED, ENDING_FAILED };

/* What is open; closed in reverse. */
struct server {
	struct app app;
	struct upkeep *upkeep;
	struct pool *pool;
	struct control *control;
	struct pulse *pulse;		/* NULL: there is no watchdog */
	int signals;
};

/* --- set-up --- */

static bool take_signals(struct server *server)
{
	sigset_t all, term;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	server->signals = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
	return server->signals >= 0;
}

/* Room for all the connections that the settings allow. */
static void raise_fd_limit(const struct conf *conf)
{
	rlim_t want = (rlim_t)conf->connections + OTHER_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want;
	if (limit.rlim_max < want)
		limit.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	LOG_WARN("fewer descriptors than the connections need; raise the limit (LimitNOFILE)",
		 LOG_U64("wanted", want), LOG_U64("allowed", limit.rlim_max));
}

/* A core file would hold the bots' secrets and the signing keys, and lie where nobody guards it. */
static void leave_no_core(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

static int store_exit_code(enum store_open_result result)
{
	switch (result) {
	case STORE_OPENED:        return 0;
	case STORE_DAMAGED:       return EXIT_DAMAGED;
	case STORE_MISCONFIGURED: return EXIT_CONF;
	case STORE_FAILED:        break;
	}
	return EXIT_AGAIN;
}

static bool opened(const char *sentence, enum rc rc)
{
	if (rc != RC_OK)
		LOG_ERROR(sentence, LOG_STR("code", rc_info(rc)->code));
	return rc == RC_OK;
}

/* 0, or the exit code. What was opened stays open. */
static int open_all(struct server *server, const struct conf *conf, const struct serve_fds *fds)
{
	struct app *app = &server->app;
	int code;

	app->conf = conf;
	app->started_at = clock_wall_s();
	code = store_exit_code(store_open(&app->store, conf));
	if (code != 0)
		return code;
	if (!opened("cannot read the projects", registry_open(&app->registry, app->store, conf)) ||
	    !opened("cannot open the keys", kv_open(&app->kv, app->store)) ||
	    !opened("cannot read the signing keys", auth_open(&app->auth, app->store, conf)))
		return EXIT_AGAIN;
	server->upkeep = upkeep_start(app);
	if (server->upkeep == NULL)
		return EXIT_AGAIN;
	server->pool = pool_start(app, fds->listener);
	if (server->pool == NULL)
		return EXIT_AGAIN;
	server->control = control_start(app, fds->control, &(struct control_upgrade){
		pool_has_room, pool_take_operator, server->pool
	});
	if (server->control != NULL)
		return 0;
	pool_drain(server->pool, 0, true);
	pool_join(server->pool, INT64_MAX / 1000000);
	return EXIT_AGAIN;
}

static void close_all(struct server *server)
{
	struct app *app = &server->app;

	pulse_stop(server->pulse);
	/* It hands connections to the pool. */
	if (server->control != NULL)
		control_stop(server->control);
	if (server->pool != NULL)
		pool_close(server->pool);
	upkeep_stop(server->upkeep);
	if (app->auth != NULL)
		auth_close(app->auth);
	if (app->kv != NULL)
		kv_close(app->kv);
	if (app->registry != NULL)
		registry_close(app->registry);
	if (app->store != NULL)
		store_close(app->store);
	if (server->signals >= 0)
		close(server->signals);
}

/* --- the end --- */

static enum ending wait_for_end(const struct server *server, const struct serve_fds *fds)
{
	struct pollfd polls[] = {
		{ .fd = serve_fail_fd(), .events = POLLIN },
		{ .fd = fds->lifeline, .events = POLLIN },
		{ .fd = server->signals, .events = POLLIN }
	};

	while (poll(polls, 3, -1) < 0)
		;
	if (polls[0].revents != 0)
		return ENDING_FAILED;
	/* The supervisor's death also comes as SIGTERM (PR_SET_PDEATHSIG); the lifeline tells which it was. */
	return polls[1].revents != 0 ? ENDING_ORPHANED : ENDING_ASKED;
}

/* Whether it was the supervisor that asked, and another server will be there at once. */
static bool is_replaced(const struct server *server)
{
	struct signalfd_siginfo info;

	return read(server->signals, &info, sizeof info) == sizeof info && info.ssi_code == SI_QUEUE &&
	       info.ssi_int == DRAIN_REPLACED;
}

/* Nobody is left who would kill us, so the kernel has to. */
static void limit_life(void)
{
	sigset_t set;

	signal(SIGALRM, SIG_DFL);
	alarm(ORPHAN_LIFE_S);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static int64_t drain_ms(enum ending ending, const struct conf *conf)
{
	switch (ending) {
	case ENDING_ASKED:    return conf->stop_ms;
	case ENDING_ORPHANED: return ORPHAN_DRAIN_MS < conf->stop_ms ? ORPHAN_DRAIN_MS : conf->stop_ms;
	case ENDING_FAILED:   break;
	}
	return FAILED_DRAIN_MS;
}

static bool is_orphaned(const struct serve_fds *fds)
{
	struct pollfd lifeline = { .fd = fds->lifeline, .events = POLLIN };

	return poll(&lifeline, 1, 0) == 1;
}

/* Until all workers have ended. False when they take too long. */
static bool drain(struct server *server, enum ending ending, const struct serve_fds *fds)
{
	int64_t limit_ms = drain_ms(ending, server->app.conf);
	uint64_t until_us = clock_mono_us() + (uint64_t)(limit_ms + JOIN_MS) * 1000;

	pool_drain(server->pool, limit_ms, ending != ENDING_ASKED);
	while (!pool_join(server->pool, STEP_MS)) {
		if (clock_mono_us() >= until_us)
			return false;
		if (ending == ENDING_ASKED && is_orphaned(fds)) {
			limit_life();
			return drain(server, ENDING_ORPHANED, fds);
		}
	}
	return true;
}

static int end(struct server *server, enum ending ending, const struct serve_fds *fds)
{
	static const char *const why[] = {
		[ENDING_ASKED]    = "asked to stop",
		[ENDING_ORPHANED] = "the supervisor is gone",
		[ENDING_FAILED]   = "the store needs recovery",
	};
	int code = ending == ENDING_ASKED ? EXIT_STOPPED : EXIT_AGAIN;
	uint64_t began_us = clock_mono_us();
	bool ended;

	LOG_INFO("server ends", LOG_STR("why", why[ending]));
	server->app.is_ending = ending != ENDING_ASKED || !is_replaced(server);
	if (ending == ENDING_ORPHANED)
		limit_life();
	ended = drain(server, ending, fds);
	/* What is committed is safe. Closing would wait for threads that do not end, or touch a store that is unwell. */
	if (!ended || serve_has_failed()) {
		if (!ended)
			LOG_ERROR("requests under way did not end in time; leaving without them");
		if (serve_has_failed())
			code = store_is_damaged(server->app.store) ? EXIT_DAMAGED : EXIT_AGAIN;
		_exit(code);
	}
	close_all(server);
	LOG_INFO("server ended", LOG_U64("ms", (clock_mono_us() - began_us) / 1000));
	return code;
}

/* --- the process --- */

/* The supervisor's end of FDS->ready stays open as long as we have a pulse. */
static void tell_ready(struct server *server, const struct serve_fds *fds)
{
	uint64_t watchdog_us = notify_watchdog_us(getppid());
	ssize_t n = write(fds->ready, "R", 1);

	(void)n;	/* nobody reads it: then the lifeline ends too */
	if (watchdog_us != 0)
		server->pulse = pulse_start(&server->app, server->pool, fds->ready, watchdog_us);
	if (server->pulse == NULL)
		close(fds->ready);
}

int serve_server(const struct conf *conf, const struct serve_fds *fds)
{
	struct server server = { .signals = -1 };
	uint64_t began_us = clock_mono_us();
	int code;

	if (!take_signals(&server) || serve_fail_fd() < 0) {
		LOG_ERROR("cannot start", LOG_ERRNO(errno));
		return EXIT_AGAIN;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	leave_no_core();
	raise_fd_limit(conf);
	code = open_all(&server, conf, fds);
	if (code != 0) {
		close_all(&server);
		return code;
	}
	tell_ready(&server, fds);
	LOG_INFO("serving", LOG_U64("workers", server.pool->n_workers),
		 LOG_U64("start_ms", (clock_mono_us() - began_us) / 1000));
	return end(&server, wait_for_end(&server, fds), fds);
}

bool serve_parse_fds(const char *text, struct serve_fds *fds)
{
	int *const where[] = { &fds->listener, &fds->control, &fds->lifeline, &fds->ready, &fds->settings };
	const size_t n = sizeof where / sizeof where[0];
	struct str rest = str_c(text);

	for (size_t i = 0; i < n; i++) {
		struct str number;
		uint64_t fd;
		bool more = str_cut(rest, ',', &number, &rest);

		if (more != (i + 1 < n) || !str_to_u64(number, 3, INT32_MAX, &fd) ||
		    fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
			return false;
		*where[i] = (int)fd;
	}
	return true;
}
