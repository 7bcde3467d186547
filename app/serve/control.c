/*
 * control.c - the control socket: a line in, a command run, a line out.
 *
 * One thread for all clients. It waits on all of them at once, so a client that
 * says nothing, or does not read its answer, holds up nobody; after CLIENT_WAIT_MS it is
 * closed. Commands run one after the other in this thread, so that two people
 * who administrate at the same time cannot meet half way; only a backup has a thread of its own (backup.c).
 *
 * Everything here belongs to that thread but `stopping` and the eventfd.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jdoc.h"
#include "base/jtext.h"
#include "base/log.h"
#include "serve/backup.h"
#include "serve/control.h"
#include "serve/serve.h"

enum {
	CLIENTS_MAX = 8,		/* more wait in the socket's backlog */
	CLIENT_WAIT_MS = 5000,		/* for a whole line, or for a client that does not read */
	ACCEPT_PAUSE_MS = 500,		/* when there are no descriptors left */
	REQUEST_MAX = 64 * 1024,	/* bytes of a line, its end not counted */
	REQUEST_DEPTH = 8,
	ARENA_CEILING = 64 * 1024 * 1024
};

/*
 * Only client_enter() changes it.
 *
 *   FREE -accept-> READING -a whole line: run it-> ANSWERING -sent-> READING
 *     ^               |  '--backup--> WORKING --done--^   |
 *     |_______________|__________________|________________|  (closed, silent too long, `last`, `upgrades`)
 *
 * WORKING: its backup is under way, it gets lines about that, and it may take as long as it takes.
 * A peer that may not ask, and a line too long, begin ANSWERING with `last` set. With `upgrades` set
 * the descriptor goes to the workers when the answer is out.
 */
enum client_state { CLIENT_FREE, CLIENT_READING, CLIENT_WORKING, CLIENT_ANSWERING };

struct client {
	enum client_state state;
	int fd;
	int passed_fd;			/* came with what it said; -1 */
	struct ucred peer;		/* who it is */
	uint64_t deadline_us;		/* monotonic */
	char *in;			/* REQUEST_MAX + 1 bytes */
	size_t n_in;
	char *out;
	size_t n_out, n_sent;
	bool last;			/* close behind this answer */
	bool upgrades;			/* hand it over behind this answer */
};

struct control {
	const struct app *app;
	struct control_upgrade upgrade;
	pthread_t thread;
	struct arena *arena;		/* of the command under way */
	int listener;
	int wake_fd;			/* eventfd: control_stop() was called */
	uint64_t accept_from_us;	/* not before then */
	struct backup_job *job;		/* the backup under way; NULL */
	struct audit audit;		/* its line in the audit log */
	struct client *worker;		/* whose it is: WORKING; NULL when that one has left */
	struct client clients[CLIENTS_MAX];
};

static uint64_t started_us;		/* monotonic; written before the thread is there */

uint64_t control_uptime_us(void)
{
	return started_us == 0 ? 0 : clock_mono_us() - started_us;
}

/* --- one client --- */

static void client_enter(struct client *client, enum client_state state)
{
	client->state = state;
	client->deadline_us = clock_mono_us() + CLIENT_WAIT_MS * UINT64_C(1000);
	if ((state == CLIENT_FREE || state == CLIENT_READING) && client->out != NULL) {
		OPENSSL_clear_free(client->out, client->n_out);
		client->out = NULL;
	}
	if (state != CLIENT_FREE)
		return;
	if (client->fd >= 0)
		close(client->fd);
	if (client->passed_fd >= 0)
		close(client->passed_fd);
	OPENSSL_clear_free(client->in, REQUEST_MAX + 1);
	client->in = NULL;
}

/* Begin to send TEXT; what a client must not keep is in it, so it is wiped afterwards. */
static void client_say(struct client *client, enum client_state state, struct str text)
{
	client->out = text.p == NULL ? NULL : OPENSSL_malloc(text.n);
	if (client->out == NULL) {
		LOG_WARN("no memory for an answer on the control socket");
		client_enter(client, CLIENT_FREE);
		return;
	}
	memcpy(client->out, text.p, text.n);
	client->n_out = text.n;
	client->n_sent = 0;
	client_enter(client, state);
}

static void client_answer(struct client *client, struct str text)
{
	client_say(client, CLIENT_ANSWERING, text);
}

/* {"ok":false,...} as a line; .p is NULL when there is no memory. */
static struct str error_line(struct arena *arena, enum rc rc, struct str detail)
{
	const struct rc_info *info = rc_info(rc);
	const char *code = audit_outcome(rc);
	struct buf buf;

	buf_init(&buf, arena, ARENA_CEILING);
	buf_addf(&buf, "{\"ok\":false,\"code\":\"%s\",\"error\":", code);
	jtext_quote(&buf, detail.n != 0 ? detail : str_c(info->text));
	buf_add_c(&buf, "}\n");
	return buf_ok(&buf) ? buf_str(&buf) : str_make(NULL, 0);
}

static struct str result_line(struct arena *arena, json_object *result)
{
	struct str text = jdoc_text(result, arena);
	struct buf buf;

	buf_init(&buf, arena, ARENA_CEILING);
	buf_add_c(&buf, "{\"ok\":true,\"result\":");
	buf_add(&buf, text);
	buf_add_c(&buf, "}\n");
	if (text.p == NULL || !buf_ok(&buf))
		return error_line(arena, RC_NO_MEMORY, str_make(NULL, 0));
	return buf_str(&buf);
}

/* Bots' secrets come in, new API keys go out: neither stays in freed memory. */
static void wipe(json_object *doc)
{
	switch (json_object_get_type(doc)) {
	case json_type_string:
		OPENSSL_cleanse((void *)(uintptr_t)json_object_get_string(doc),
				(size_t)json_object_get_string_len(doc));
		break;
	case json_type_object: {
		json_object_object_foreach(doc, name, member) {
			(void)name;
			wipe(member);
		}
		break;
	}
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(doc); i++)
			wipe(json_object_array_get_idx(doc, i));
		break;
	default:
		break;
	}
}

static enum rc run_document(struct control *control, json_object *doc, struct admin_answer *answer)
{
	json_object *args = NULL;
	struct str command;

	if (!jdoc_str(doc, "command", &command) ||
	    (jdoc_has(doc, "args") && !jdoc_object(doc, "args", &args))) {
		answer->detail = STR_LIT("a request is a line of JSON: {\"command\":\"...\",\"args\":{...}}");
		return RC_BAD_REQUEST;
	}
	return admin_run(control->app, command, args, control->arena, answer);
}

/* May this client's connection go over to FastCGI? What it sent behind LINE would be lost, or taken for records. */
static enum rc check_upgrade(const struct control *control, const struct client *client, struct str line,
			     struct admin_answer *answer)
{
	if (client->n_in != line.n + 1) {
		answer->detail = STR_LIT("nothing may be sent behind this command before it is answered");
		return RC_BAD_REQUEST;
	}
	return control->upgrade.has_room(control->upgrade.arg) ? RC_OK : RC_UNAVAILABLE;
}

/* The backup has begun: the answer comes behind it. */
static void work(struct control *control, struct client *client, const struct admin_answer *answer)
{
	control->job = answer->job;
	control->audit = answer->audit;
	control->worker = client;
	client_enter(client, CLIENT_WORKING);
}

static void run_line(struct control *control, struct client *client, struct str line)
{
	struct admin_answer answer = {
		.passed_fd = &client->passed_fd, .peer_pid = client->peer.pid, .peer_uid = client->peer.uid
	};
	json_object *doc = jdoc_read(line, REQUEST_DEPTH);
	enum rc rc = run_document(control, doc, &answer);

	if (rc == RC_OK && answer.upgrades)
		rc = check_upgrade(control, client, line, &answer);
	client->upgrades = rc == RC_OK && answer.upgrades;
	if (client->passed_fd >= 0)
		close(client->passed_fd);
	client->passed_fd = -1;
	if (rc == RC_OK && answer.job != NULL)
		work(control, client, &answer);
	else
		client_answer(client, rc == RC_OK ? result_line(control->arena, answer.result)
						  : error_line(control->arena, rc, answer.detail));
	if (rc == RC_STORE)
		serve_fail();
	wipe(answer.result);
	json_object_put(answer.result);
	wipe(doc);
	json_object_put(doc);
	arena_reset(control->arena);
}

/* Whether a line has come, or more than one can be. */
static bool has_line(const struct client *client)
{
	return client->n_in > REQUEST_MAX || memchr(client->in, '\n', client->n_in) != NULL;
}

static void take_line(struct control *control, struct client *client)
{
	char *end = memchr(client->in, '\n', client->n_in);
	size_t n;

	if (end == NULL) {
		client->last = true;
		client_answer(client, error_line(control->arena, RC_VALUE_TOO_LARGE,
						 STR_LIT("a line has at most 65536 bytes here")));
		arena_reset(control->arena);
		return;
	}
	n = (size_t)(end - client->in) + 1;
	run_line(control, client, str_make(client->in, n - 1));
	if (client->state == CLIENT_FREE)
		return;
	memmove(client->in, client->in + n, client->n_in - n);
	client->n_in -= n;
	OPENSSL_cleanse(client->in + client->n_in, n);
}

/* Of the descriptors that came along the last is kept; the kernel has closed those for which there was no room. */
static void take_fds(struct client *client, struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
			if (client->passed_fd >= 0)
				close(client->passed_fd);
			memcpy(&client->passed_fd, CMSG_DATA(c) + at, sizeof client->passed_fd);
		}
	}
}

static void client_read(struct client *client)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec bytes = { client->in + client->n_in, REQUEST_MAX + 1 - client->n_in };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC);

	if (n >= 0)
		take_fds(client, &message);
	if (n > 0)
		client->n_in += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		client_enter(client, CLIENT_FREE);
}

/* The answer is out: from here on the connection is the workers'. */
static void hand_over(const struct control *control, struct client *client)
{
	int fd = client->fd, flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
		LOG_WARN("cannot hand over a connection of the control socket", LOG_ERRNO(errno));
		client_enter(client, CLIENT_FREE);
		return;
	}
	client->fd = -1;
	client_enter(client, CLIENT_FREE);
	control->upgrade.take(control->upgrade.arg, fd);
}

/* What the kernel takes now; false when the peer has gone. */
static bool send_some(struct client *client)
{
	ssize_t n = send(client->fd, client->out + client->n_sent, client->n_out - client->n_sent,
			 MSG_NOSIGNAL);

	if (n >= 0)
		client->n_sent += (size_t)n;
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static void client_send(const struct control *control, struct client *client)
{
	size_t before = client->n_sent;

	if (!send_some(client)) {
		client_enter(client, CLIENT_FREE);
		return;
	}
	if (client->n_sent == before)
		return;
	if (client->n_sent < client->n_out)
		client_enter(client, CLIENT_ANSWERING);
	else if (client->upgrades)
		hand_over(control, client);
	else
		client_enter(client, client->last ? CLIENT_FREE : CLIENT_READING);
}

/* --- a backup --- */

static void forget_out(struct client *client)
{
	OPENSSL_clear_free(client->out, client->n_out);
	client->out = NULL;
}

/* Whoever hangs up while its backup is under way does not want it any more; one that speaks breaks the rules. */
static void worker_step(struct control *control, struct client *client)
{
	char byte;
	ssize_t n = recv(client->fd, &byte, 1, MSG_PEEK);
	bool left = n >= 0 || (errno != EAGAIN && errno != EINTR);

	if (!left && client->out != NULL) {
		left = !send_some(client);
		if (!left && client->n_sent == client->n_out)
			forget_out(client);
	}
	if (!left)
		return;
	backup_cancel(control->job);
	control->worker = NULL;
	client_enter(client, CLIENT_FREE);
}

static void job_end(struct control *control)
{
	struct admin_answer answer = { .result = NULL };
	struct client *client = control->worker;
	enum rc rc = backup_finish(control->job, control->arena, &answer);

	control->job = NULL;
	control->worker = NULL;
	rc = audit_end(&control->audit, NULL, rc);
	if (rc == RC_STORE)
		serve_fail();
	if (client != NULL) {
		/* A line about the progress that is half out must come to its end: the answer goes behind it. */
		struct str line = rc == RC_OK ? result_line(control->arena, answer.result)
					      : error_line(control->arena, rc, answer.detail);
		struct buf buf;

		buf_init(&buf, control->arena, ARENA_CEILING);
		if (client->out != NULL) {
			buf_add(&buf, str_make(client->out + client->n_sent, client->n_out - client->n_sent));
			forget_out(client);
		}
		buf_add(&buf, line);
		client_answer(client, line.p != NULL && buf_ok(&buf) ? buf_str(&buf) : str_make(NULL, 0));
	}
	json_object_put(answer.result);
	arena_reset(control->arena);
}

/* How far it is. A client that has not read the last line gets no other one. */
static void job_look(struct control *control)
{
	uint64_t done, whole;
	struct buf buf;

	if (backup_look(control->job, &done, &whole)) {
		job_end(control);
		return;
	}
	if (control->worker == NULL || control->worker->out != NULL)
		return;
	buf_init(&buf, control->arena, ARENA_CEILING);
	buf_addf(&buf, "{\"progress\":{\"done\":%" PRIu64 ",\"whole\":%" PRIu64 "}}\n", done, whole);
	if (buf_ok(&buf)) {
		struct client *client = control->worker;

		client_say(client, CLIENT_WORKING, buf_str(&buf));
		if (client->state == CLIENT_WORKING) {
			worker_step(control, client);
		} else {
			backup_cancel(control->job);
			control->worker = NULL;
		}
	}
	arena_reset(control->arena);
}

/* One step, one command at most: then it is another client's turn. */
static void client_step(struct control *control, struct client *client)
{
	if (client->state == CLIENT_READING) {
		if (!has_line(client))
			client_read(client);
		if (client->state == CLIENT_READING && has_line(client))
			take_line(control, client);
	}
	if (client->state == CLIENT_WORKING)
		worker_step(control, client);
	else if (client->state == CLIENT_ANSWERING)
		client_send(control, client);
}

/* --- all clients --- */

/* The socket's permissions keep others out already; this holds when somebody has changed them. */
static bool peer_may_ask(int fd, struct ucred *peer)
{
	socklen_t n = sizeof *peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &n) != 0) {
		LOG_WARN("cannot tell who connects to the control socket", LOG_ERRNO(errno));
		return false;
	}
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	LOG_WARN("refused on the control socket", LOG_I64("uid", peer->uid), LOG_I64("pid", peer->pid));
	return false;
}

static struct client *free_client(struct control *control)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (control->clients[i].state == CLIENT_FREE)
			return &control->clients[i];
	return NULL;
}

static void accept_client(struct control *control)
{
	struct client *client = free_client(control);
	int fd;

	if (client == NULL)
		return;
	fd = accept4(control->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		LOG_WARN("cannot accept on the control socket", LOG_ERRNO(errno));
		control->accept_from_us = clock_mono_us() + ACCEPT_PAUSE_MS * UINT64_C(1000);
		return;
	}
	*client = (struct client){ .fd = fd, .passed_fd = -1, .in = OPENSSL_malloc(REQUEST_MAX + 1) };
	if (client->in == NULL) {
		LOG_WARN("no memory for a client of the control socket");
		close(fd);
		return;
	}
	client_enter(client, CLIENT_READING);
	if (!peer_may_ask(fd, &client->peer)) {
		client->last = true;
		client_answer(client, error_line(control->arena, RC_FORBIDDEN,
			STR_LIT("only root and the user that tmakvd runs as may use the control socket")));
		arena_reset(control->arena);
	}
	if (client->state != CLIENT_FREE)
		client_step(control, client);
}

/* It sent several lines at once: the next is here already, and poll() does not know. */
static bool has_waiting_line(const struct client *client)
{
	return client->state == CLIENT_READING && has_line(client);
}

/* Milliseconds until the next deadline; 0 when there is work; -1 = for ever. */
static int time_to_wait(const struct control *control, bool paused)
{
	uint64_t now = clock_mono_us(), next = paused ? control->accept_from_us : UINT64_MAX;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		const struct client *client = &control->clients[i];

		if (has_waiting_line(client))
			return 0;
		if (client->state != CLIENT_FREE && client->state != CLIENT_WORKING && client->deadline_us < next)
			next = client->deadline_us;
	}
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)((next - now) / 1000 + 1);
}

static short events_of(const struct client *client)
{
	switch (client->state) {
	case CLIENT_ANSWERING: return POLLOUT;
	case CLIENT_WORKING:   return (short)(client->out != NULL ? POLLIN | POLLOUT : POLLIN);
	default:               return POLLIN;
	}
}

/* One turn of the loop; false when it was told to stop. */
static bool take_turn(struct control *control)
{
	struct pollfd fds[2 + CLIENTS_MAX + 1];
	bool paused = clock_mono_us() < control->accept_from_us;
	uint64_t now;
	int n;

	fds[0] = (struct pollfd){ control->wake_fd, POLLIN, 0 };
	fds[1] = (struct pollfd){ paused || free_client(control) == NULL ? -1 : control->listener, POLLIN, 0 };
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		const struct client *client = &control->clients[i];

		fds[2 + i] = (struct pollfd){ client->state == CLIENT_FREE ? -1 : client->fd, events_of(client), 0 };
	}
	fds[2 + CLIENTS_MAX] = (struct pollfd){ control->job == NULL ? -1 : backup_fd(control->job), POLLIN, 0 };
	n = poll(fds, 2 + CLIENTS_MAX + 1, time_to_wait(control, paused));
	assert(n >= 0 || errno == EINTR);
	if (n < 0)
		return true;
	if (fds[0].revents != 0)
		return false;

	/* A command may take long. That is no client's fault: silence is measured before any runs. */
	now = clock_mono_us();
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];

		if (fds[2 + i].revents != 0 || has_waiting_line(client))
			client_step(control, client);
		else if (client->state != CLIENT_FREE && client->state != CLIENT_WORKING && client->deadline_us <= now)
			client_enter(client, CLIENT_FREE);
	}
	if (fds[2 + CLIENTS_MAX].revents != 0 && control->job != NULL)
		job_look(control);
	if (fds[1].revents != 0)
		accept_client(control);
	return true;
}

static void *run(void *arg)
{
	struct control *control = arg;

	while (take_turn(control))
		;
	if (control->job != NULL) {
		backup_cancel(control->job);
		job_end(control);
	}
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (control->clients[i].state != CLIENT_FREE)
			client_enter(&control->clients[i], CLIENT_FREE);
	return NULL;
}

/* Signals are for another thread. */
static bool start_thread(struct control *control)
{
	sigset_t all, before;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = pthread_create(&control->thread, NULL, run, control) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

struct control *control_start(const struct app *app, int listener, const struct control_upgrade *upgrade)
{
	struct control *control = calloc(1, sizeof *control);
	int flags = fcntl(listener, F_GETFL);

	if (control == NULL)
		return NULL;
	started_us = clock_mono_us();
	control->app = app;
	control->upgrade = *upgrade;
	control->listener = listener;
	control->wake_fd = eventfd(0, EFD_CLOEXEC);
	control->arena = arena_new(ARENA_CEILING);
	if (control->wake_fd >= 0 && control->arena != NULL && flags >= 0 &&
	    fcntl(listener, F_SETFL, flags | O_NONBLOCK) == 0 && start_thread(control))
		return control;
	LOG_ERROR("cannot serve the control socket");
	if (control->wake_fd >= 0)
		close(control->wake_fd);
	arena_free(control->arena);
	free(control);
	return NULL;
}

void control_stop(struct control *control)
{
	uint64_t one = 1;

	if (control == NULL)
		return;
	while (write(control->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	pthread_join(control->thread, NULL);
	close(control->wake_fd);
	arena_free(control->arena);
	free(control);
}
