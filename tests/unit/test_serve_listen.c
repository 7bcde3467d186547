/*
 * test_serve_listen.c - sockets made and sockets handed over, in a folder of their own.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/conf.h"
#include "serve/private.h"

static const struct listen_how plain = { .mode = 0660, .backlog = 8 };
static char folder[64], path[80];

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/tmakv-listen-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/s", folder);
	return 0;
}

static int tear_down(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static int connect_to(const char *to)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, to);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A socket file that nobody listens on, as a killed server leaves it. */
static void leave_stale(void)
{
	struct listen_error error;
	struct listen_socket s;

	assert_true(listen_bind(&s, path, &plain, &error));
	close(s.fd);
}

static void a_bound_socket_takes_connections(void **state)
{
	struct listen_error error;
	struct listen_socket s;
	int fd;

	(void)state;
	assert_true(listen_bind(&s, path, &plain, &error));
	fd = connect_to(path);
	assert_true(fd >= 0);
	assert_true(fcntl(s.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	listen_close(&s);
	assert_int_equal(access(path, F_OK), -1);
}

static void the_file_has_the_mode_that_was_asked_for(void **state)
{
	static const mode_t modes[] = { 0600, 0660, 0666, 0 };
	mode_t mask = umask(027);

	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		const struct listen_how how = { .mode = modes[i], .backlog = 1 };
		struct listen_error error;
		struct listen_socket s;
		struct stat st;

		assert_true(listen_bind(&s, path, &how, &error));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, modes[i]);
		listen_close(&s);
	}
	assert_int_equal(umask(mask), 027);
}

static void the_file_belongs_to_the_group_that_was_asked_for(void **state)
{
	struct listen_how how = { .mode = 0660, .group = "1", .backlog = 1 };
	struct listen_error error;
	struct listen_socket s;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(listen_bind(&s, path, &how, &error));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, 1);
	listen_close(&s);
}

static void a_group_that_is_unknown_is_an_error_of_the_configuration(void **state)
{
	struct listen_how how = { .mode = 0660, .group = "no-such-group", .backlog = 1 };
	struct listen_error error;
	struct listen_socket s;

	(void)state;
	assert_false(listen_bind(&s, path, &how, &error));
	assert_int_equal(error.exit_code, EXIT_CONF);
	assert_string_equal(error.path, "no-such-group");
	assert_int_equal(access(path, F_OK), -1);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct listen_error error;
	struct listen_socket s;
	int fd;

	(void)state;
	leave_stale();
	assert_int_equal(connect_to(path), -1);
	assert_true(listen_bind(&s, path, &plain, &error));
	fd = connect_to(path);
	assert_true(fd >= 0);
	close(fd);
	listen_close(&s);
}

static void a_socket_in_use_is_left_alone(void **state)
{
	struct listen_socket first, second;
	struct listen_error error;
	int fd;

	(void)state;
	assert_true(listen_bind(&first, path, &plain, &error));
	assert_false(listen_bind(&second, path, &plain, &error));
	assert_int_equal(error.exit_code, EXIT_AGAIN);
	assert_string_equal(error.path, path);
	fd = connect_to(path);
	assert_true(fd >= 0);
	close(fd);
	listen_close(&first);
}

static void a_socket_with_a_full_backlog_is_in_use(void **state)
{
	const struct listen_how one = { .mode = 0660, .backlog = 0 };
	struct listen_socket first, second;
	struct listen_error error;
	int waiting;

	(void)state;
	assert_true(listen_bind(&first, path, &one, &error));
	waiting = connect_to(path);
	assert_true(waiting >= 0);
	assert_int_equal(connect_to(path), -1);
	assert_false(listen_bind(&second, path, &plain, &error));
	assert_int_equal(error.exit_code, EXIT_AGAIN);
	close(waiting);
	listen_close(&first);
}

/* The listener of a server whose supervisor was killed goes away while the next supervisor waits. */
static void a_listener_that_is_leaving_is_waited_for(void **state)
{
	const struct listen_how patient = { .mode = 0660, .backlog = 1, .wait_ms = 5000 };
	struct listen_socket first, second;
	struct listen_error error;
	pid_t child;

	(void)state;
	assert_true(listen_bind(&first, path, &plain, &error));
	child = fork();
	if (child == 0) {
		usleep(200 * 1000);
		_exit(0);
	}
	close(first.fd);
	assert_true(connect_to(path) >= 0);
	assert_true(listen_bind(&second, path, &patient, &error));
	assert_int_equal(waitpid(child, NULL, 0), child);
	listen_close(&second);
}

static void a_file_that_is_no_socket_is_not_removed(void **state)
{
	struct listen_error error;
	struct listen_socket s;
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	(void)state;
	close(fd);
	assert_false(listen_bind(&s, path, &plain, &error));
	assert_int_equal(error.exit_code, EXIT_CONF);
	assert_int_equal(access(path, F_OK), 0);
}

static void a_link_to_a_file_is_not_followed(void **state)
{
	struct listen_error error;
	struct listen_socket s;
	char target[100];

	(void)state;
	snprintf(target, sizeof target, "%s/target", folder);
	assert_int_equal(symlink(target, path), 0);
	assert_false(listen_bind(&s, path, &plain, &error));
	assert_int_equal(access(target, F_OK), -1);
}

static void a_missing_directory_is_named(void **state)
{
	struct listen_error error;
	struct listen_socket s;
	char where[100];

	(void)state;
	snprintf(where, sizeof where, "%s/no/s", folder);
	assert_false(listen_bind(&s, where, &plain, &error));
	assert_int_equal(error.exit_code, EXIT_CONF);
	assert_non_null(strstr(error.sentence, "directory"));
	assert_string_equal(error.path, where);
}

static void a_path_of_107_bytes_is_the_longest(void **state)
{
	struct listen_error error;
	struct listen_socket s;
	char where[200];
	size_t n;

	(void)state;
	n = (size_t)snprintf(where, sizeof where, "%s/", folder);
	memset(where + n, 'x', sizeof where - n);
	where[107] = '\0';
	assert_true(listen_bind(&s, where, &plain, &error));
	listen_close(&s);
	where[107] = 'x';
	where[108] = '\0';
	assert_false(listen_bind(&s, where, &plain, &error));
	assert_int_equal(error.exit_code, EXIT_CONF);
	assert_false(listen_bind(&s, "", &plain, &error));
}

static void a_file_that_is_no_longer_ours_is_not_removed(void **state)
{
	struct listen_socket first, second;
	struct listen_error error;

	(void)state;
	assert_true(listen_bind(&first, path, &plain, &error));
	assert_int_equal(unlink(path), 0);
	assert_true(listen_bind(&second, path, &plain, &error));
	listen_close(&first);
	assert_int_equal(access(path, F_OK), 0);
	listen_close(&second);
	assert_int_equal(access(path, F_OK), -1);
}

/* --- handed over --- */

/* In a child of its own, because descriptors 0 and 3 are at stake. */
static int in_child(int (*test)(void))
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(test());
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int listener_at(int number)
{
	struct listen_error error;
	struct listen_socket s;

	if (!listen_bind(&s, path, &plain, &error) || dup2(s.fd, number) < 0)
		return -1;
	if (s.fd != number)
		close(s.fd);
	return number;
}

static void name_pid(long offset)
{
	char text[24];

	snprintf(text, sizeof text, "%ld", (long)getpid() + offset);
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "1", 1);
}

static int take_fd_3(void)
{
	struct listen_error error;
	struct listen_socket s;

	if (listener_at(3) < 0)
		return 1;
	name_pid(0);
	if (!listen_inherit(&s, &error))
		return 2;
	if (getenv("LISTEN_PID") != NULL || getenv("LISTEN_FDS") != NULL)
		return 3;
	if (connect_to(path) < 0 || !(fcntl(s.fd, F_GETFD) & FD_CLOEXEC))
		return 4;
	listen_close(&s);
	return access(path, F_OK) == 0 ? 0 : 5;	/* not our file to remove */
}

static int ignore_another_process_fds(void)
{
	struct listen_error error;
	struct listen_socket s;

	if (listener_at(3) < 0)
		return 1;
	name_pid(1);
	dup2(open("/dev/null", O_RDONLY), 0);
	return listen_inherit(&s, &error) || error.sentence != NULL ? 2 : 0;
}

static int refuse_fd_3_that_is_no_listener(void)
{
	struct listen_error error;
	struct listen_socket s;

	dup2(open("/dev/null", O_RDONLY), 3);
	name_pid(0);
	return listen_inherit(&s, &error) || error.exit_code != EXIT_CONF;
}

static int take_fd_0(void)
{
	struct listen_error error;
	struct listen_socket s;
	struct stat st;

	if (listener_at(0) < 0 || !listen_inherit(&s, &error))
		return 1;
	if (s.fd <= 2 || connect_to(path) < 0)
		return 2;
	return fstat(0, &st) == 0 && S_ISCHR(st.st_mode) ? 0 : 3;	/* /dev/null now */
}

static int prefer_fd_3_to_fd_0(void)
{
	struct listen_error error;
	struct listen_socket s;
	int on;
	socklen_t n = sizeof on;

	if (listener_at(0) < 0)
		return 1;
	strcat(path, "2");
	if (listener_at(3) < 0)
		return 2;
	name_pid(0);
	if (!listen_inherit(&s, &error))
		return 3;
	return getsockopt(0, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on ? 0 : 4;
}

static void a_socket_of_the_service_manager_is_taken(void **state)
{
	(void)state;
	assert_int_equal(in_child(take_fd_3), 0);
}

static void sockets_for_another_process_are_not_ours(void **state)
{
	(void)state;
	assert_int_equal(in_child(ignore_another_process_fds), 0);
}

static void a_passed_descriptor_that_does_not_listen_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(in_child(refuse_fd_3_that_is_no_listener), 0);
}

static void a_listener_on_descriptor_0_is_taken(void **state)
{
	(void)state;
	assert_int_equal(in_child(take_fd_0), 0);
}

static void the_service_managers_socket_comes_before_descriptor_0(void **state)
{
	(void)state;
	assert_int_equal(in_child(prefer_fd_3_to_fd_0), 0);
}

static void a_path_on_the_command_line_comes_before_all_else(void **state)
{
	struct listen_sockets sockets;
	struct listen_error error;
	struct conf conf;
	char given[100], control[100];

	(void)state;
	snprintf(given, sizeof given, "%s/given", folder);
	snprintf(control, sizeof control, "%s/control", folder);
	conf_defaults(&conf);
	free(conf.listen);
	conf.listen = strdup(path);
	free(conf.control);
	conf.control = strdup(control);
	setenv("LISTEN_FDS", "1", 1);
	name_pid(0);
	assert_true(listen_open(&sockets, given, &conf, &error));
	assert_string_equal(sockets.fastcgi.path, given);
	assert_string_equal(sockets.control.path, control);
	assert_int_equal(access(path, F_OK), -1);
	listen_close(&sockets.fastcgi);
	listen_close(&sockets.control);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	conf_clear(&conf);
}

static void without_a_control_socket_nothing_is_left_behind(void **state)
{
	struct listen_sockets sockets;
	struct listen_error error;
	struct conf conf;

	(void)state;
	conf_defaults(&conf);
	free(conf.control);
	conf.control = strdup("/no/such/folder/control");
	assert_false(listen_open(&sockets, path, &conf, &error));
	assert_string_equal(error.path, "/no/such/folder/control");
	assert_int_equal(access(path, F_OK), -1);
	conf_clear(&conf);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_bound_socket_takes_connections),
		TEST(the_file_has_the_mode_that_was_asked_for),
		TEST(the_file_belongs_to_the_group_that_was_asked_for),
		TEST(a_group_that_is_unknown_is_an_error_of_the_configuration),
		TEST(a_stale_socket_is_replaced),
		TEST(a_socket_in_use_is_left_alone),
		TEST(a_socket_with_a_full_backlog_is_in_use),
		TEST(a_listener_that_is_leaving_is_waited_for),
		TEST(a_file_that_is_no_socket_is_not_removed),
		TEST(a_link_to_a_file_is_not_followed),
		TEST(a_missing_directory_is_named),
		TEST(a_path_of_107_bytes_is_the_longest),
		TEST(a_file_that_is_no_longer_ours_is_not_removed),
		TEST(a_socket_of_the_service_manager_is_taken),
		TEST(sockets_for_another_process_are_not_ours),
		TEST(a_passed_descriptor_that_does_not_listen_is_an_error),
		TEST(a_listener_on_descriptor_0_is_taken),
		TEST(the_service_managers_socket_comes_before_descriptor_0),
		TEST(a_path_on_the_command_line_comes_before_all_else),
		TEST(without_a_control_socket_nothing_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
