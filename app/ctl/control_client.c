/*
 * control_client.c - asking tmakvd: one line there, one line back.
 *
 * Where it listens is looked for in this order: --control, $TMAKV_CONTROL, the
 * configuration (-c, or the usual file if there is one), the default. When nobody is there,
 * the sentence says what to look at, for that is what a person sees first.
 */
#include "config.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/jdoc.h"
#include "ctl/control_stream.h"
#include "ctl/ctl.h"
#include "ctl/stop.h"

enum {
	CONNECT_S = 10,
	ANSWER_S = 120,			/* deleting a large project takes its time */
	PATIENCE_MS = 3000,		/* until we say what we wait for */
	ANSWER_FIRST = 16 * 1024,
	ANSWER_MAX = 64 * 1024 * 1024,
	RETURN_MS = 30 * 1000,		/* how long a server that was there may take to come back */
	PAUSE_MS = 100,
	ANSWER_DEPTH = 16
};

#define CONF_FILE SYSCONFDIR "/tmakv.conf"

/* --- where --- */

/* The setting `control` of FILE. */
static enum ctl_exit path_of_conf(struct ctl *ctl, const char *file, const char **path)
{
	struct conf_error error;
	struct conf conf;

	if (!conf_read(&conf, file, &error))
		return ctl_fail(ctl, CTL_USAGE, "configuration", "%s", error.text);
	*path = ctl_text(ctl, "%s", conf.control);
	conf_clear(&conf);
	return CTL_OK;
}

enum ctl_exit control_path(struct ctl *ctl, const char **path)
{
	const char *given = args_value(ctl, OPTION_CONTROL), *file = args_value(ctl, OPTION_CONFIG);
	struct conf conf;

	if (given == NULL)
		given = getenv("TMAKV_CONTROL");
	if (given != NULL && given[0] != '\0') {
		*path = given;
		return CTL_OK;
	}
	if (file != NULL)
		return path_of_conf(ctl, file, path);
	/* Not readable for everybody; who may not read it is told so by the socket too. */
	if (access(CONF_FILE, R_OK) == 0)
		return path_of_conf(ctl, CONF_FILE, path);
	conf_defaults(&conf);
	*path = ctl_text(ctl, "%s", conf.control);
	conf_clear(&conf);
	return CTL_OK;
}

/* --- the connection --- */

static enum ctl_exit explain_connect(struct ctl *ctl, const char *path, int error)
{
	switch (error) {
	case ENOENT:
		return ctl_fail(ctl, CTL_UNAVAILABLE, "not_running", "there is no control socket at %s: is tmakvd running, and is that "
				"its setting 'control'? (--control PATH or -c FILE name another)", path);
	case ECONNREFUSED:
		return ctl_fail(ctl, CTL_UNAVAILABLE, "not_running", "nobody listens at %s: tmakvd has ended there; its log says why",
				path);
	case EACCES:
	case EPERM:
		return ctl_fail(ctl, CTL_PERMISSION, "forbidden", "%s may not be opened by this user: only root and the user that tmakvd "
				"runs as may use it", path);
	case EAGAIN:
		return ctl_fail(ctl, CTL_TEMPORARY, "unavailable", "tmakvd does not answer at %s: too many are asking", path);
	case ENAMETOOLONG:
		return ctl_usage(ctl, "%s: a socket's path has at most %zu bytes", path, sizeof(struct sockaddr_un) -
				 offsetof(struct sockaddr_un, sun_path) - 1);
	default:
		return ctl_fail(ctl, CTL_UNAVAILABLE, "not_running", "%s: %s", path, strerror(error));
	}
}

static void set_timeout(int fd, int option, time_t seconds)
{
	const struct timeval wait = { .tv_sec = seconds };

	/* Without it a stuck server is waited for until the person gives up: no reason to fail. */
	(void)!setsockopt(fd, SOL_SOCKET, option, &wait, sizeof wait);
}

/* A connection to whoever listens at PATH; 0, or errno. */
static int connect_to(const char *path, int *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof address.sun_path)
		return ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	set_timeout(fd, SO_SNDTIMEO, CONNECT_S);	/* holds for connect() too */
	set_timeout(fd, SO_RCVTIMEO, ANSWER_S);
	if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) == 0) {
		*out = fd;
		return 0;
	}
	error = errno;
	close(fd);
	return error;
}

static bool send_all(int fd, struct str text)
{
	while (text.n != 0) {
		ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text = str_skip(text, (size_t)n);
	}
	return true;
}

/* The line that comes back, without its end, to be freed; NULL and errno (0: it ended too early). */
static char *receive_line(int fd, size_t *n_line)
{
	size_t size = ANSWER_FIRST, n = 0;
	char *p = malloc(size), *more;

	for (;;) {
		ssize_t got;
		char *end;

		if (p == NULL)
			ctl_no_memory();
		got = recv(fd, p + n, size - n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || size > ANSWER_MAX) {
			errno = got < 0 ? errno : 0;
			OPENSSL_cleanse(p, n);
			free(p);
			return NULL;
		}
		end = memchr(p + n, '\n', (size_t)got);
		n += (size_t)got;
		if (end != NULL) {
			*n_line = (size_t)(end - p);
			return p;
		}
		if (n < size)
			continue;
		/* Not realloc(): an API key may be in it. */
		more = malloc(size * 2);
		if (more != NULL)
			memcpy(more, p, n);
		OPENSSL_cleanse(p, n);
		free(p);
		p = more;
		size *= 2;
	}
}

enum exchange { EXCHANGE_OK, EXCHANGE_NOT_READ, EXCHANGE_TIMEOUT, EXCHANGE_ENDED, EXCHANGE_FOREIGN };

/* The line REQUEST there, a line back. */
static enum exchange exchange(int fd, struct str request, json_object **doc)
{
	struct pollfd answer = { fd, POLLIN, 0 };
	size_t n;
	char *line;

	/* A server that refuses us answers without having read all of it: look at the answer anyway. */
	if (!send_all(fd, request) && errno == EAGAIN)
		return EXCHANGE_NOT_READ;
	if (poll(&answer, 1, PATIENCE_MS) == 0)
		ctl_warn("no answer yet: tmakvd is starting, or busy; waiting up to %d s", ANSWER_S);
	line = receive_line(fd, &n);
	if (line == NULL)
		return errno == EAGAIN ? EXCHANGE_TIMEOUT : EXCHANGE_ENDED;
	*doc = jdoc_read(str_make(line, n), ANSWER_DEPTH);
	OPENSSL_cleanse(line, n);
	free(line);
	return *doc == NULL ? EXCHANGE_FOREIGN : EXCHANGE_OK;
}

static enum ctl_exit explain_exchange(struct ctl *ctl, enum exchange how)
{
	switch (how) {
	case EXCHANGE_OK:
		break;
	case EXCHANGE_NOT_READ:
		return ctl_fail(ctl, CTL_TEMPORARY, "timeout", "tmakvd does not read the request");
	case EXCHANGE_TIMEOUT:
		return ctl_fail(ctl, CTL_TEMPORARY, "timeout", "no answer from tmakvd within %d s; what was asked for may still happen",
				ANSWER_S);
	case EXCHANGE_ENDED:
		return ctl_fail(ctl, CTL_TEMPORARY, "unavailable", "tmakvd ended before it answered; what was asked for may have happened");
	case EXCHANGE_FOREIGN:
		return ctl_fail(ctl, CTL_INTERNAL, "internal", "the answer is not one of tmakvd's; is something else listening there?");
	}
	return CTL_OK;
}

/* --- the answer --- */

/* What a code of the server means to whoever waits for this program; all others: CTL_INTERNAL. */
static const struct {
	const char *code;
	enum ctl_exit exit;
} exits[] = {
	{ "not_found",       CTL_REFUSED },
	{ "conflict",        CTL_REFUSED },
	{ "bad_request",     CTL_USAGE },
	{ "value_too_large", CTL_USAGE },
	{ "no_such_route",   CTL_USAGE },
	{ "forbidden",       CTL_PERMISSION },
	{ "unavailable",     CTL_TEMPORARY },
	{ "timeout",         CTL_TEMPORARY },
	{ "storage_full",    CTL_TEMPORARY },
};

enum ctl_exit control_report(struct ctl *ctl, json_object *doc)
{
	struct str code = ctl_get_str(doc, "code"), error = ctl_get_str(doc, "error");
	enum ctl_exit exit = CTL_INTERNAL;

	for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++)
		if (str_eq(code, str_c(exits[i].code)))
			exit = exits[i].exit;
	return ctl_fail(ctl, exit, ctl_text(ctl, "%.*s", STR(code)), "%.*s", STR(error));
}

/* {"command":...,"args":...} as a line. */
struct str control_line(struct ctl *ctl, const char *command, json_object *args)
{
	json_object *request = ctl_object();
	struct buf buf;
	struct str text;

	ctl_add_str(request, "command", str_c(command));
	if (args != NULL)
		ctl_add(request, "args", args);
	text = jdoc_text(request, ctl->arena);
	json_object_put(request);
	buf_init(&buf, ctl->arena, text.n + 1);
	buf_add(&buf, text);
	buf_add_char(&buf, '\n');
	if (text.p == NULL || !buf_ok(&buf))
		ctl_no_memory();
	return buf_str(&buf);
}

enum ctl_exit control_ask(struct ctl *ctl, const char *command, json_object *args, json_object **result)
{
	struct str request = control_line(ctl, command, args);
	json_object *doc, *found;
	const char *path;
	enum ctl_exit exit;
	int fd = -1, error;

	if ((exit = control_path(ctl, &path)) != CTL_OK)
		return exit;
	if ((error = connect_to(path, &fd)) != 0)
		return explain_connect(ctl, path, error);
	exit = explain_exchange(ctl, exchange(fd, request, &doc));
	close(fd);
	if (exit != CTL_OK)
		return exit;
	if (!ctl_get_bool(doc, "ok"))
		exit = control_report(ctl, doc);
	else if (!jdoc_object(doc, "result", &found))
		exit = ctl_fail(ctl, CTL_INTERNAL, "internal", "the answer is not one of tmakvd's; is something else listening there?");
	else
		*result = json_object_get(found);
	json_object_put(doc);
	return exit;
}

/* --- a connection for keys and values --- */

/* How patient a try is with a server that may be on its way back. What it is patient with is not reported. */
enum patience { PATIENCE_NONE, PATIENCE_ENDING, PATIENCE_GONE };

/* The answer to kv.open. */
static enum ctl_exit read_opened(struct ctl *ctl, json_object *doc, enum patience patience, struct str *account)
{
	json_object *result = NULL;

	if (!ctl_get_bool(doc, "ok")) {
		if (patience != PATIENCE_NONE && str_eq(ctl_get_str(doc, "code"), STR_LIT("unavailable")))
			return CTL_TEMPORARY;
		return control_report(ctl, doc);
	}
	jdoc_object(doc, "result", &result);
	*account = arena_dup(ctl->arena, ctl_get_str(result, "account_id"));
	return CTL_OK;
}

/* CTL_TEMPORARY, with *AGAIN: it may do to try once more. */
static enum ctl_exit open_once(struct ctl *ctl, const char *path, enum patience patience, int *out,
			       struct str *account, bool *again)
{
	int fd = -1, error = connect_to(path, &fd);
	json_object *doc;
	enum exchange how;
	enum ctl_exit exit;

	if (error != 0) {
		*again = patience == PATIENCE_GONE && (error == ENOENT || error == ECONNREFUSED || error == EAGAIN);
		return *again ? CTL_TEMPORARY : explain_connect(ctl, path, error);
	}
	how = exchange(fd, control_line(ctl, "kv.open", NULL), &doc);
	if (how == EXCHANGE_OK) {
		exit = read_opened(ctl, doc, patience, account);
		json_object_put(doc);
		*again = exit == CTL_TEMPORARY && patience != PATIENCE_NONE;
	} else {
		*again = how == EXCHANGE_ENDED && patience != PATIENCE_NONE;
		exit = *again ? CTL_TEMPORARY : explain_exchange(ctl, how);
	}
	if (exit == CTL_OK)
		*out = fd;
	else
		close(fd);
	return exit;
}

enum ctl_exit control_open(struct ctl *ctl, bool was_open, int *fd, struct str *account)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	uint64_t until_us = clock_mono_us() + RETURN_MS * UINT64_C(1000);
	enum patience patience = was_open ? PATIENCE_GONE : PATIENCE_ENDING;
	enum ctl_exit exit;
	const char *path;
	bool again;

	if ((exit = control_path(ctl, &path)) != CTL_OK)
		return exit;
	while ((exit = open_once(ctl, path, patience, fd, account, &again)) != CTL_OK && again) {
		nanosleep(&pause, NULL);
		/* What ends now may be gone at the next look; the last look tells what it sees. */
		patience = clock_mono_us() < until_us ? PATIENCE_GONE : PATIENCE_NONE;
	}
	if (exit == CTL_OK)
		set_timeout(*fd, SO_SNDTIMEO, ANSWER_S);	/* a long body waits until somebody has time to read it */
	return exit;
}

/* --- a backup: a descriptor there, many lines back --- */

enum { LINE_MAX_BYTES = 64 * 1024, LOOK_MS = 200 };

enum ctl_exit stream_open(struct ctl *ctl, struct control_stream *stream)
{
	socklen_t n = sizeof stream->peer;
	const char *path;
	enum ctl_exit exit;
	int error;

	*stream = (struct control_stream){ .fd = -1 };
	if ((exit = control_path(ctl, &path)) != CTL_OK)
		return exit;
	if ((error = connect_to(path, &stream->fd)) != 0)
		return explain_connect(ctl, path, error);
	if (getsockopt(stream->fd, SOL_SOCKET, SO_PEERCRED, &stream->peer, &n) != 0)
		return ctl_fail(ctl, CTL_INTERNAL, "internal", "cannot tell who listens at %s: %s", path, strerror(errno));
	stream->in = arena_alloc(ctl->arena, LINE_MAX_BYTES);
	if (stream->in == NULL)
		ctl_no_memory();
	return CTL_OK;
}

void stream_close(struct control_stream *stream)
{
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}

enum ctl_exit stream_ask(struct ctl *ctl, struct control_stream *stream, const char *command, int passed_fd)
{
	struct str line = control_line(ctl, command, NULL);
	struct iovec bytes = { (void *)(uintptr_t)line.p, line.n };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof passed_fd);
	memcpy(CMSG_DATA(c), &passed_fd, sizeof passed_fd);
	if (sendmsg(stream->fd, &message, MSG_NOSIGNAL) == (ssize_t)line.n)
		return CTL_OK;
	return explain_exchange(ctl, EXCHANGE_NOT_READ);
}

/* More of what comes. CTL_OK; CTL_INTERRUPTED, not reported: somebody has pressed Control-C. */
static enum ctl_exit stream_read(struct ctl *ctl, struct control_stream *stream)
{
	struct pollfd ready = { stream->fd, POLLIN, 0 };
	ssize_t n;

	for (int waited_ms = 0; poll(&ready, 1, LOOK_MS) <= 0; waited_ms += LOOK_MS) {
		if (stop_wanted())
			return CTL_INTERRUPTED;
		if (waited_ms >= ANSWER_S * 1000)
			return explain_exchange(ctl, EXCHANGE_TIMEOUT);
	}
	n = recv(stream->fd, stream->in + stream->n, LINE_MAX_BYTES - stream->n, 0);
	if (n <= 0)
		return stop_wanted() ? CTL_INTERRUPTED :
		       ctl_fail(ctl, CTL_TEMPORARY, "unavailable", "tmakvd ended before it had copied everything");
	stream->n += (size_t)n;
	return CTL_OK;
}

/* The line that has come, read; NULL: none yet, or none of tmakvd's and *FOREIGN. */
static json_object *stream_line(struct control_stream *stream, bool *foreign)
{
	char *end = memchr(stream->in, '\n', stream->n);
	json_object *doc;
	size_t n;

	*foreign = end == NULL && stream->n == LINE_MAX_BYTES;
	if (end == NULL)
		return NULL;
	n = (size_t)(end - stream->in) + 1;
	doc = jdoc_read(str_make(stream->in, n - 1), ANSWER_DEPTH);
	*foreign = doc == NULL;
	memmove(stream->in, stream->in + n, stream->n - n);
	stream->n -= n;
	return doc;
}

enum ctl_exit stream_next(struct ctl *ctl, struct control_stream *stream, json_object **result, int64_t *done, int64_t *whole)
{
	json_object *doc, *part = NULL;
	bool foreign;
	enum ctl_exit exit = CTL_OK;

	*result = NULL;
	while ((doc = stream_line(stream, &foreign)) == NULL) {
		if (foreign)
			return explain_exchange(ctl, EXCHANGE_FOREIGN);
		if ((exit = stream_read(ctl, stream)) != CTL_OK)
			return exit;
	}
	if (jdoc_object(doc, "progress", &part)) {
		*done = ctl_get_i64(part, "done");
		*whole = ctl_get_i64(part, "whole");
	} else if (ctl_get_bool(doc, "ok") && jdoc_object(doc, "result", &part)) {
		*result = json_object_get(part);
	} else {
		exit = control_report(ctl, doc);
	}
	json_object_put(doc);
	return exit;
}
