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
#include <unistd.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/jdoc.h"
#include "ctl/ctl.h"

enum {
	CONNECT_S = 10,
	ANSWER_S = 120,			/* deleting a large project takes its time */
	PATIENCE_MS = 3000,		/* until we say what we wait for */
	ANSWER_FIRST = 16 * 1024,
	ANSWER_MAX = 64 * 1024 * 1024,
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

static enum ctl_exit find_path(struct ctl *ctl, const char **path)
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

static enum ctl_exit open_path(struct ctl *ctl, const char *path, int *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof address.sun_path)
		return ctl_usage(ctl, "%s: a socket's path has at most %zu bytes", path, sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ctl_fail(ctl, CTL_INTERNAL, "internal", "no socket can be had: %s", strerror(errno));
	set_timeout(fd, SO_SNDTIMEO, CONNECT_S);	/* holds for connect() too */
	set_timeout(fd, SO_RCVTIMEO, ANSWER_S);
	if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) == 0) {
		*out = fd;
		return CTL_OK;
	}
	error = errno;
	close(fd);
	return explain_connect(ctl, path, error);
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

static enum ctl_exit exchange(struct ctl *ctl, int fd, struct str request, json_object **doc)
{
	struct pollfd answer = { fd, POLLIN, 0 };
	size_t n;
	char *line;

	/* A server that refuses us answers without having read all of it: look at the answer anyway. */
	if (!send_all(fd, request) && errno == EAGAIN)
		return ctl_fail(ctl, CTL_TEMPORARY, "timeout", "tmakvd does not read the request");
	if (poll(&answer, 1, PATIENCE_MS) == 0)
		ctl_warn("no answer yet: tmakvd is starting, or busy; waiting up to %d s", ANSWER_S);
	line = receive_line(fd, &n);
	if (line == NULL && errno == EAGAIN)
		return ctl_fail(ctl, CTL_TEMPORARY, "timeout", "no answer from tmakvd within %d s; what was asked for may still happen",
				ANSWER_S);
	if (line == NULL)
		return ctl_fail(ctl, CTL_TEMPORARY, "unavailable", "tmakvd ended before it answered; what was asked for may have happened");
	*doc = jdoc_read(str_make(line, n), ANSWER_DEPTH);
	OPENSSL_cleanse(line, n);
	free(line);
	if (*doc == NULL)
		return ctl_fail(ctl, CTL_INTERNAL, "internal", "the answer is not one of tmakvd's; is something else listening there?");
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

static enum ctl_exit report(struct ctl *ctl, json_object *doc)
{
	struct str code = ctl_get_str(doc, "code"), error = ctl_get_str(doc, "error");
	enum ctl_exit exit = CTL_INTERNAL;

	for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++)
		if (str_eq(code, str_c(exits[i].code)))
			exit = exits[i].exit;
	return ctl_fail(ctl, exit, ctl_text(ctl, "%.*s", STR(code)), "%.*s", STR(error));
}

/* {"command":...,"args":...} as a line. */
static struct str request_line(struct ctl *ctl, const char *command, json_object *args)
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
	struct str request = request_line(ctl, command, args);
	json_object *doc, *found;
	const char *path;
	enum ctl_exit exit;
	int fd = -1;

	if ((exit = find_path(ctl, &path)) != CTL_OK || (exit = open_path(ctl, path, &fd)) != CTL_OK)
		return exit;
	exit = exchange(ctl, fd, request, &doc);
	close(fd);
	if (exit != CTL_OK)
		return exit;
	if (!ctl_get_bool(doc, "ok"))
		exit = report(ctl, doc);
	else if (!jdoc_object(doc, "result", &found))
		exit = ctl_fail(ctl, CTL_INTERNAL, "internal", "the answer is not one of tmakvd's; is something else listening there?");
	else
		*result = json_object_get(found);
	json_object_put(doc);
	return exit;
}
