/*
 * listen.c - the listening sockets: made by us, or handed to us.
 *
 * Whoever reaches the FastCGI socket can crash the server (DESIGN 4, rule 5), so its file has the right
 * mode from the moment it exists, and nobody can connect before its group is set too. A file that a killed
 * server left behind is replaced, but only when nobody listens on it any more.
 *
 * The supervisor's, single-threaded: umask() belongs to the whole process.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/str.h"
#include "serve/private.h"

enum {
	FIRST_PASSED_FD = 3,		/* of LISTEN_FDS */
	OTHER_GOES_MS = 5000,		/* a server whose supervisor was killed needs some time to go */
	RETRY_MS = 50
};

static bool fail(struct listen_error *error, const char *sentence, const char *path, int number,
		 int exit_code)
{
	error->sentence = sentence;
	snprintf(error->path, sizeof error->path, "%s", path);
	error->error = number;
	error->exit_code = exit_code;
	return false;
}

/* --- sockets of our own --- */

static bool read_group(const char *name, gid_t *gid)
{
	const struct group *group;
	uint64_t number;

	if (str_to_u64(str_c(name), 0, UINT32_MAX - 1, &number)) {
		*gid = (gid_t)number;
		return true;
	}
	group = getgrnam(name);
	if (group == NULL)
		return false;
	*gid = group->gr_gid;
	return true;
}

/* 0: nobody listens at ADDRESS; EADDRINUSE: somebody does; else why that cannot be told. */
static int who_listens(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
		error = EADDRINUSE;
	else if (errno == EAGAIN)
		error = EADDRINUSE;	/* its backlog is full */
	else if (errno != ECONNREFUSED && errno != ENOENT)
		error = errno;
	close(fd);
	return error;
}

/* Make way for a socket at ADDRESS: a left-over of a server that is gone is removed. */
static bool clear_path(const struct sockaddr_un *address, int wait_ms, struct listen_error *error)
{
	const char *path = address->sun_path;
	struct stat st;
	int who;

	if (lstat(path, &st) != 0)
		return true;	/* nothing there; what else is wrong bind() will say */
	if (!S_ISSOCK(st.st_mode))
		return fail(error, "a file that is no socket is in the way; move it or choose another path",
			    path, 0, EXIT_CONF);
	while ((who = who_listens(address)) == EADDRINUSE && wait_ms > 0) {
		usleep(RETRY_MS * 1000);
		wait_ms -= RETRY_MS;
	}
	if (who == EADDRINUSE)
		return fail(error, "another server listens on this socket; stop it or choose another path",
			    path, 0, EXIT_AGAIN);
	if (who != 0)
		return fail(error, "a socket is in the way, and whether it is in use cannot be told",
			    path, who, EXIT_CONF);
	if (unlink(path) != 0 && errno != ENOENT)
		return fail(error, "cannot remove the socket that an earlier server left behind",
			    path, errno, EXIT_CONF);
	return true;
}

static bool bind_error(struct listen_error *error, const char *path)
{
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		return fail(error, "the directory of the socket does not exist; "
			    "make it, writable for the user the server runs as", path, 0, EXIT_CONF);
	case EACCES:
	case EPERM:
	case EROFS:
		return fail(error, "the directory of the socket is not writable for the user the server runs as",
			    path, 0, EXIT_CONF);
	default:
		return fail(error, "cannot bind the socket", path, errno, EXIT_AGAIN);
	}
}

static bool finish_bound(struct listen_socket *out, const struct listen_how *how, gid_t gid,
			 struct listen_error *error)
{
	struct stat st;

	if (lstat(out->path, &st) != 0)
		return fail(error, "the socket has disappeared", out->path, errno, EXIT_AGAIN);
	out->device = st.st_dev;
	out->inode = st.st_ino;
	if (gid != (gid_t)-1 && lchown(out->path, (uid_t)-1, gid) != 0)
		return fail(error, "cannot give the socket to the group listen_group; "
			    "the user the server runs as must be a member", out->path, errno, EXIT_CONF);
	if (listen(out->fd, how->backlog) != 0)
		return fail(error, "cannot listen on the socket", out->path, errno, EXIT_AGAIN);
	return true;
}

bool listen_bind(struct listen_socket *out, const char *path, const struct listen_how *how,
		 struct listen_error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	gid_t gid = (gid_t)-1;
	mode_t mask;
	int bound;

	*out = (struct listen_socket){ .fd = -1 };
	if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path)
		return fail(error, "the path of a socket has 1 to 107 bytes", path, 0, EXIT_CONF);
	strcpy(address.sun_path, path);
	if (how->group != NULL && how->group[0] != '\0' && !read_group(how->group, &gid))
		return fail(error, "there is no such group as listen_group names", how->group, 0, EXIT_CONF);
	if (!clear_path(&address, how->wait_ms, error))
		return false;
	out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (out->fd < 0)
		return fail(error, "cannot make a socket", path, errno, EXIT_AGAIN);

	mask = umask(~how->mode & 0777);
	bound = bind(out->fd, (const struct sockaddr *)&address, sizeof address);
	umask(mask);
	if (bound != 0) {
		bind_error(error, path);
		listen_close(out);
		return false;
	}
	strcpy(out->path, path);
	if (!finish_bound(out, how, gid, error)) {
		listen_close(out);
		return false;
	}
	return true;
}

void listen_close(struct listen_socket *listening)
{
	struct stat st;

	if (listening->fd >= 0)
		close(listening->fd);
	if (listening->path[0] != '\0' && lstat(listening->path, &st) == 0 &&
	    st.st_dev == listening->device && st.st_ino == listening->inode)
		unlink(listening->path);
	*listening = (struct listen_socket){ .fd = -1 };
}

/* --- sockets handed to us --- */

bool listen_is_on(int fd)
{
	int on = 0;
	socklen_t size = sizeof on;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on != 0;
}

/* How many descriptors the service manager has passed to this very process. */
static uint64_t passed_fds(void)
{
	uint64_t pid, n;
	bool ours = str_to_u64(str_c(getenv("LISTEN_PID")), 1, INT32_MAX, &pid) &&
		    pid == (uint64_t)getpid() &&
		    str_to_u64(str_c(getenv("LISTEN_FDS")), 1, 64, &n);

	/* They are not for our children. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return ours ? n : 0;
}

static bool take_over(struct listen_socket *out, int fd, struct listen_error *error)
{
	int flags = fcntl(fd, F_GETFL);

	*out = (struct listen_socket){ .fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_PASSED_FD) };
	if (out->fd < 0 || flags < 0 || fcntl(out->fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return fail(error, "cannot use the socket that was handed over", "", errno, EXIT_AGAIN);
	return true;
}

bool listen_inherit(struct listen_socket *out, struct listen_error *error)
{
	uint64_t n = passed_fds();
	int null;

	*out = (struct listen_socket){ .fd = -1 };
	*error = (struct listen_error){ .sentence = NULL };
	if (n > 0) {
		if (!listen_is_on(FIRST_PASSED_FD))
			return fail(error, "the first descriptor of LISTEN_FDS is no listening socket",
				    "", 0, EXIT_CONF);
		if (!take_over(out, FIRST_PASSED_FD, error))
			return false;
		for (int fd = FIRST_PASSED_FD; fd < FIRST_PASSED_FD + (int)n; fd++)
			if (fd != out->fd)
				close(fd);
		return true;
	}
	if (!listen_is_on(STDIN_FILENO))
		return false;
	if (!take_over(out, STDIN_FILENO, error))
		return false;
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
	return true;
}

bool listen_open(struct listen_sockets *out, const char *path, const struct conf *conf,
		 struct listen_error *error)
{
	const struct listen_how fastcgi = {
		.mode = (mode_t)conf->listen_mode, .group = conf->listen_group,
		.backlog = (int)conf->backlog, .wait_ms = OTHER_GOES_MS
	};
	const struct listen_how control = { .mode = 0600, .backlog = 16, .wait_ms = OTHER_GOES_MS };
	bool have = false;

	*out = (struct listen_sockets){ { .fd = -1 }, { .fd = -1 } };
	*error = (struct listen_error){ .sentence = NULL };
	if (path == NULL)
		have = listen_inherit(&out->fastcgi, error);
	if (!have && error->sentence == NULL)
		have = listen_bind(&out->fastcgi, path != NULL ? path : conf->listen, &fastcgi, error);
	if (!have)
		return false;
	if (listen_bind(&out->control, conf->control, &control, error))
		return true;
	listen_close(&out->fastcgi);
	return false;
}
