/*
 * test_serve_control.c - the control socket: lines in, lines out, and nobody waits for another.
 */
#include "config.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/jdoc.h"
#include "base/log.h"
#include "serve/backup.h"
#include "serve/control.h"
#include "serve/serve.h"

enum { LINE_LIMIT = 64 * 1024, BIG = 4 << 20, ANSWER_MAX = BIG + 1000, AT_ONCE_MS = 2000 };

static struct control *control;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static char dir[64];
static int listener;
static char answer[ANSWER_MAX];
static _Atomic int failures;
static bool room;		/* for connections that go over to FastCGI */
static _Atomic int taken;	/* the last of them; -1 = none */

/* Stands in for drain.c's. */
void serve_fail(void)
{
	failures++;
}

/* Stand in for worker.c's. */
static bool has_room(void *arg)
{
	return *(bool *)arg;
}

static void take(void *arg, int fd)
{
	(void)arg;
	taken = fd;
}

static const struct control_upgrade upgrade = { has_room, take, &room };

/* Stand in for backup.c's: a backup that is as far as the test says. */
struct backup_job {
	int wake;
};

static struct backup_job job;
static _Atomic uint64_t job_done;
static _Atomic bool job_ended, job_cancelled;
static _Atomic int jobs_begun, jobs_finished;

int backup_fd(const struct backup_job *j)
{
	return j->wake;
}

bool backup_look(struct backup_job *j, uint64_t *done, uint64_t *whole)
{
	uint64_t n;

	assert_int_equal(read(j->wake, &n, sizeof n), sizeof n);
	*done = job_done;
	*whole = 100;
	return job_ended;
}

static void job_tell(uint64_t done, bool ended)
{
	const uint64_t one = 1;

	job_done = done;
	job_ended = ended;
	assert_int_equal(write(job.wake, &one, sizeof one), sizeof one);
}

/* A real one notices soon. */
void backup_cancel(struct backup_job *j)
{
	(void)j;
	job_cancelled = true;
	job_tell(0, true);
}

enum rc backup_finish(struct backup_job *j, struct arena *arena, struct admin_answer *out)
{
	(void)arena;
	close(j->wake);
	jobs_finished++;
	out->result = json_object_new_object();
	return RC_OK;
}

static _Atomic int fd_seen;	/* that came with the last "fd" */

/* Stands in for the table of admin.c. */
enum rc admin_run(const struct app *app, struct str command, json_object *args,
		  struct arena *arena, struct admin_answer *out)
{
	(void)app;
	if (str_eq(command, STR_LIT("echo"))) {
		out->result = json_object_new_object();
		json_object_object_add(out->result, "args", json_object_get(args));
		return RC_OK;
	}
	if (str_eq(command, STR_LIT("big"))) {
		char *p = calloc(1, BIG);

		memset(p, 'x', BIG);
		out->result = json_object_new_object();
		jdoc_add_str(out->result, "big", str_make(p, BIG));
		free(p);
		return RC_OK;
	}
	if (str_eq(command, STR_LIT("conflict"))) {
		out->detail = arena_printf(arena, "a \"quoted\" sentence");
		return RC_CONFLICT;
	}
	if (str_eq(command, STR_LIT("open"))) {
		out->result = json_object_new_object();
		out->upgrades = true;
		return RC_OK;
	}
	if (str_eq(command, STR_LIT("backup"))) {
		job.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		job_ended = job_cancelled = false;
		out->job = &job;
		jobs_begun++;
		return RC_OK;
	}
	if (str_eq(command, STR_LIT("fd"))) {
		fd_seen = *out->passed_fd;
		out->result = json_object_new_object();
		return RC_OK;
	}
	if (str_eq(command, STR_LIT("unwell")))
		return RC_STORE;
	return str_eq(command, STR_LIT("missing")) ? RC_KEY_NOT_FOUND : RC_NO_SUCH_ROUTE;
}

static int start(void **state)
{
	(void)state;
	log_open("test", LOG_LEVEL_ERROR);
	snprintf(dir, sizeof dir, "/tmp/tmakv-control.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 16), 0);
	room = true;
	taken = -1;
	control = control_start(NULL, listener, &upgrade);
	assert_non_null(control);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	control_stop(control);
	close(listener);
	unlink(address.sun_path);
	rmdir(dir);
	return 0;
}

static int dial(void)
{
	const struct timeval limit = { .tv_sec = 20 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	return fd;
}

static void say(int fd, struct str text)
{
	while (text.n != 0) {
		ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);

		if (n < 0)
			return;
		text = str_skip(text, (size_t)n);
	}
}

/* The next line, without its end; "" when the connection has ended. */
static const char *hear(int fd)
{
	size_t n = 0;

	while (n + 1 < sizeof answer && recv(fd, answer + n, 1, 0) == 1 && answer[n] != '\n')
		n++;
	answer[n] = '\0';
	return answer;
}

static const char *ask(int fd, const char *text)
{
	say(fd, str_c(text));
	return hear(fd);
}

static bool has_ended(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) <= 0;
}

static void a_command_is_run_and_answered(void **state)
{
	int fd = dial();

	(void)state;
	assert_string_equal(ask(fd, "{\"command\":\"echo\",\"args\":{\"a\":[1,\"z\"]}}\n"),
			    "{\"ok\":true,\"result\":{\"args\":{\"a\":[1,\"z\"]}}}");
	close(fd);
}

static void a_connection_takes_one_request_after_the_other(void **state)
{
	int fd = dial();

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_string_equal(ask(fd, "{\"command\":\"echo\"}\n"), "{\"ok\":true,\"result\":{\"args\":null}}");
	close(fd);
}

static void lines_that_come_together_are_answered_one_by_one(void **state)
{
	int fd = dial();

	(void)state;
	assert_string_equal(ask(fd, "{\"command\":\"echo\"}\n{\"command\":\"missing\"}\n{\"command\":\"ec"),
			    "{\"ok\":true,\"result\":{\"args\":null}}");
	assert_non_null(strstr(hear(fd), "\"code\":\"not_found\""));
	assert_string_equal(ask(fd, "ho\"}\n"), "{\"ok\":true,\"result\":{\"args\":null}}");
	close(fd);
}

static void errors_have_a_code_and_a_sentence(void **state)
{
	int fd = dial();

	(void)state;
	assert_string_equal(ask(fd, "{\"command\":\"conflict\"}\n"),
			    "{\"ok\":false,\"code\":\"conflict\",\"error\":\"a \\\"quoted\\\" sentence\"}");
	assert_non_null(strstr(ask(fd, "{\"command\":\"\"}\n"), "\"code\":\"no_such_route\""));
	close(fd);
}

static void a_store_that_is_unwell_ends_the_server(void **state)
{
	int fd = dial();

	(void)state;
	failures = 0;
	assert_non_null(strstr(ask(fd, "{\"command\":\"missing\"}\n"), "\"ok\":false"));
	assert_int_equal(failures, 0);
	/* Behind the second answer the first command has ended for certain. */
	assert_non_null(strstr(ask(fd, "{\"command\":\"unwell\"}\n"), "\"code\":\"unavailable\""));
	assert_non_null(strstr(ask(fd, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	assert_int_equal(failures, 1);
	close(fd);
}

static void garbage_is_refused_and_the_connection_goes_on(void **state)
{
	static const char *const garbage[] = {
		"\n", "x\n", "null\n", "[]\n", "{}\n", "{\"command\":1}\n", "{\"command\":\"echo\",\"args\":[]}\n",
		"{\"command\":\"echo\",\"args\":null}\n", "{\"command\":\"echo\",\"command\":\"echo\"}\n",
		"{\"command\":\"echo\"}{\"command\":\"echo\"}\n", "\xff\n",
		"{\"command\":\"echo\",\"args\":{\"a\":[[[[[[[[[]]]]]]]]]}}\n",
	};
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
		assert_non_null(strstr(ask(fd, garbage[i]), "\"code\":\"bad_request\""));
	assert_non_null(strstr(ask(fd, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	close(fd);
}

/* A request of N bytes and its line end. */
static struct str request_of(char *p, size_t n)
{
	static const char head[] = "{\"command\":\"echo\",\"args\":{\"a\":\"", tail[] = "\"}}";

	memset(p, 'a', n);
	memcpy(p, head, sizeof head - 1);
	memcpy(p + n - (sizeof tail - 1), tail, sizeof tail - 1);
	p[n] = '\n';
	return str_make(p, n + 1);
}

static void a_line_may_be_long_but_not_longer(void **state)
{
	static char text[LINE_LIMIT + 2];
	int fd = dial();

	(void)state;
	say(fd, request_of(text, LINE_LIMIT));
	assert_non_null(strstr(hear(fd), "\"ok\":true"));
	say(fd, request_of(text, LINE_LIMIT + 1));
	assert_non_null(strstr(hear(fd), "\"code\":\"value_too_large\""));
	assert_true(has_ended(fd));
	close(fd);
}

static void silent_clients_hold_up_nobody(void **state)
{
	uint64_t start_us = clock_mono_us();
	int silent[5], fd;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		silent[i] = dial();
		say(silent[i], STR_LIT("{\"command\":"));
	}
	fd = dial();
	assert_non_null(strstr(ask(fd, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	assert_true(clock_mono_us() - start_us < AT_ONCE_MS * 1000);
	close(fd);
	for (size_t i = 0; i < 5; i++)
		close(silent[i]);
}

static void a_client_that_does_not_read_holds_up_nobody(void **state)
{
	uint64_t start_us = clock_mono_us();
	int lazy = dial(), fd = dial();

	(void)state;
	say(lazy, STR_LIT("{\"command\":\"big\"}\n{\"command\":\"echo\"}\n"));
	for (int i = 0; i < 3; i++)
		assert_non_null(strstr(ask(fd, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	assert_true(clock_mono_us() - start_us < AT_ONCE_MS * 1000);
	close(fd);
	/* And its answer has waited for it, whole. */
	assert_int_equal(strlen(hear(lazy)), BIG + strlen("{\"ok\":true,\"result\":{\"big\":\"\"}}"));
	assert_non_null(strstr(hear(lazy), "\"ok\":true"));
	close(lazy);
}

static void more_clients_than_places_are_served_when_others_leave(void **state)
{
	int first[8], later;

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		first[i] = dial();
		assert_non_null(strstr(ask(first[i], "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	}
	later = dial();
	say(later, STR_LIT("{\"command\":\"echo\"}\n"));
	close(first[3]);
	assert_non_null(strstr(hear(later), "\"ok\":true"));
	close(later);
	for (size_t i = 0; i < 8; i++)
		if (i != 3)
			close(first[i]);
}

static void silent_clients_give_up_their_places_in_time(void **state)
{
	uint64_t start_us = clock_mono_us();
	int silent[8], later;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		silent[i] = dial();
	later = dial();
	assert_non_null(strstr(ask(later, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	assert_true(clock_mono_us() - start_us > 4000 * 1000);
	for (size_t i = 0; i < 8; i++) {
		assert_true(has_ended(silent[i]));
		close(silent[i]);
	}
	close(later);
}

static void a_client_that_has_said_all_is_still_answered(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, STR_LIT("{\"command\":\"echo\"}\n"));
	shutdown(fd, SHUT_WR);
	assert_non_null(strstr(hear(fd), "\"ok\":true"));
	assert_true(has_ended(fd));
	close(fd);
}

/* The control thread hands over right behind the answer, so a moment may pass. */
static int wait_for_taken(void)
{
	uint64_t until_us = clock_mono_us() + AT_ONCE_MS * 1000;

	while (taken < 0 && clock_mono_us() < until_us)
		sched_yield();
	return taken;
}

static void a_connection_goes_over_to_the_workers_behind_the_answer(void **state)
{
	int fd = dial(), other = dial(), theirs;
	char byte = 0;

	(void)state;
	/* Commands may come first, and the connection is whole: nothing is lost, nothing is in between. */
	assert_non_null(strstr(ask(fd, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	assert_string_equal(ask(fd, "{\"command\":\"open\"}\n"), "{\"ok\":true,\"result\":{}}");
	theirs = wait_for_taken();
	assert_true(theirs >= 0);
	assert_int_equal(fcntl(theirs, F_GETFL) & O_NONBLOCK, 0);
	say(fd, STR_LIT("{\"command\":\"echo\"}\n"));
	assert_int_equal(recv(theirs, &byte, 1, 0), 1);
	assert_int_equal(byte, '{');
	say(theirs, STR_LIT("not a line of control.c\n"));
	assert_string_equal(hear(fd), "not a line of control.c");
	/* The thread has forgotten it: neither its stop nor its clock closes it. */
	assert_non_null(strstr(ask(other, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	control_stop(control);
	control = control_start(NULL, listener, &upgrade);
	say(theirs, STR_LIT("still here\n"));
	assert_string_equal(hear(fd), "still here");
	close(theirs);
	close(fd);
	close(other);
}

static void an_opened_connection_gives_its_place_to_others(void **state)
{
	int opened[10], theirs[10];

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		taken = -1;
		opened[i] = dial();
		assert_non_null(strstr(ask(opened[i], "{\"command\":\"open\"}\n"), "\"ok\":true"));
		theirs[i] = wait_for_taken();
		assert_true(theirs[i] >= 0);
	}
	for (size_t i = 0; i < 10; i++) {
		close(opened[i]);
		close(theirs[i]);
	}
}

static void bytes_behind_the_command_that_opens_refuse_it(void **state)
{
	int fd = dial();

	(void)state;
	assert_non_null(strstr(ask(fd, "{\"command\":\"open\"}\n{\"command\":\"echo\"}\n"), "\"code\":\"bad_request\""));
	assert_string_equal(hear(fd), "{\"ok\":true,\"result\":{\"args\":null}}");
	assert_int_equal(taken, -1);
	assert_non_null(strstr(ask(fd, "{\"command\":\"open\"}\nx"), "\"code\":\"bad_request\""));
	assert_int_equal(taken, -1);
	close(fd);
}

static void nothing_is_opened_when_there_is_no_room(void **state)
{
	int fd = dial();

	(void)state;
	room = false;
	assert_non_null(strstr(ask(fd, "{\"command\":\"open\"}\n"), "\"code\":\"unavailable\""));
	room = true;
	assert_non_null(strstr(ask(fd, "{\"command\":\"open\"}\n"), "\"ok\":true"));
	assert_true(wait_for_taken() >= 0);
	close(taken);
	close(fd);
}

static void other_users_are_refused(void **state)
{
	int status;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	/* As if somebody had opened the socket to all: the check behind it must hold. */
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(address.sun_path, 0777), 0);
	child = fork();
	if (child == 0) {
		int fd;

		if (setuid(65534) != 0)
			_exit(2);
		fd = dial();
		if (strstr(ask(fd, "{\"command\":\"echo\"}\n"), "\"code\":\"forbidden\"") == NULL)
			_exit(1);
		_exit(has_ended(fd) ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void stopping_closes_clients_and_leaves_the_listener(void **state)
{
	int quiet = dial(), busy = dial(), fd;

	(void)state;
	say(busy, STR_LIT("{\"command\":\"big\"}\n"));
	assert_non_null(strstr(ask(quiet, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	control_stop(control);
	assert_true(has_ended(quiet));
	close(quiet);
	close(busy);
	fd = dial();
	control = control_start(NULL, listener, &upgrade);
	assert_non_null(control);
	assert_non_null(strstr(ask(fd, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	close(fd);
}

/* ---- descriptors ---- */

static void say_with_fds(int fd, const char *text, int n)
{
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct iovec bytes = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = space,
				  .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	const int fds[4] = { 0, 0, 0, 0 };

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void descriptors_that_come_along_do_not_pile_up(void **state)
{
	int fd = dial(), before;

	(void)state;
	assert_non_null(strstr(ask(fd, "{\"command\":\"fd\"}\n"), "\"ok\":true"));
	assert_int_equal(fd_seen, -1);
	before = open_fds();
	for (int n = 1; n <= 4; n++) {
		/* With a command that takes none, with one that does, and with half a line. */
		say_with_fds(fd, "{\"command\":\"echo\"}\n", n);
		assert_non_null(strstr(hear(fd), "\"ok\":true"));
		say_with_fds(fd, "{\"command\":", n);
		say_with_fds(fd, "\"fd\"}\n", n);
		assert_non_null(strstr(hear(fd), "\"ok\":true"));
		assert_int_equal(open_fds(), before);
		assert_true(fd_seen > 2);
	}
	assert_non_null(strstr(ask(fd, "{\"command\":\"fd\"}\n"), "\"ok\":true"));
	assert_int_equal(fd_seen, -1);
	say_with_fds(fd, "{\"comm", 1);
	close(fd);
	fd = dial();
	assert_non_null(strstr(ask(fd, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	for (int wait = 0; wait < 5000 && open_fds() != before; wait++)
		usleep(1000);
	assert_int_equal(open_fds(), before);
	close(fd);
}

/* ---- a backup ---- */

/* A backup for FD. What is said behind its line must not come together with it. */
static void begin_backup(int fd)
{
	int before = jobs_begun;

	say(fd, STR_LIT("{\"command\":\"backup\"}\n"));
	for (int i = 0; i < 5000 && jobs_begun == before; i++)
		usleep(1000);
	assert_int_equal(jobs_begun, before + 1);
}

static void backup_tells_how_far_it_is_and_others_are_answered(void **state)
{
	int fd = dial(), other = dial();
	char line[80];

	(void)state;
	jobs_finished = 0;
	begin_backup(fd);
	for (int i = 0; i < 3; i++) {
		assert_non_null(strstr(ask(other, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
		job_tell((uint64_t)i + 7, false);
		snprintf(line, sizeof line, "{\"progress\":{\"done\":%d,\"whole\":100}}", i + 7);
		assert_string_equal(hear(fd), line);
	}
	job_tell(100, true);
	assert_string_equal(hear(fd), "{\"ok\":true,\"result\":{}}");
	assert_int_equal(jobs_finished, 1);
	assert_false(job_cancelled);
	/* And the connection goes on. */
	assert_non_null(strstr(ask(fd, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	close(fd);
	close(other);
}

static void await_finish(int n)
{
	for (int i = 0; i < 5000 && jobs_finished < n; i++)
		usleep(1000);
	assert_int_equal(jobs_finished, n);
	assert_true(job_cancelled);
}

static void whoever_hangs_up_or_speaks_cancels_its_backup(void **state)
{
	int fd = dial(), other = dial();

	(void)state;
	jobs_finished = 0;
	begin_backup(fd);
	assert_non_null(strstr(ask(other, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	assert_false(job_cancelled);
	close(fd);
	await_finish(1);
	fd = dial();
	begin_backup(fd);
	assert_non_null(strstr(ask(other, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	say(fd, STR_LIT("x"));
	await_finish(2);
	assert_true(has_ended(fd));
	close(fd);
	close(other);
}

static void backup_whose_client_does_not_read_goes_on(void **state)
{
	int fd = dial(), other = dial(), lines = 0;

	(void)state;
	jobs_finished = 0;
	begin_backup(fd);
	assert_non_null(strstr(ask(other, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	for (int i = 0; i < 20000; i++)
		job_tell((uint64_t)i, false);
	assert_non_null(strstr(ask(other, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	job_tell(100, true);
	while (strstr(hear(fd), "\"progress\"") != NULL)
		lines++;
	assert_string_equal(answer, "{\"ok\":true,\"result\":{}}");
	assert_true(lines > 0);
	assert_false(job_cancelled);
	close(fd);
	close(other);
}

static void stopping_cancels_a_backup(void **state)
{
	int fd = dial(), other = dial();

	(void)state;
	jobs_finished = 0;
	begin_backup(fd);
	assert_non_null(strstr(ask(other, "{\"command\":\"echo\"}\n"), "\"ok\":true"));
	control_stop(control);
	assert_int_equal(jobs_finished, 1);
	assert_true(job_cancelled);
	control = control_start(NULL, listener, &upgrade);
	assert_non_null(control);
	close(fd);
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_command_is_run_and_answered, start, stop),
		cmocka_unit_test_setup_teardown(a_connection_takes_one_request_after_the_other, start, stop),
		cmocka_unit_test_setup_teardown(lines_that_come_together_are_answered_one_by_one, start, stop),
		cmocka_unit_test_setup_teardown(errors_have_a_code_and_a_sentence, start, stop),
		cmocka_unit_test_setup_teardown(a_store_that_is_unwell_ends_the_server, start, stop),
		cmocka_unit_test_setup_teardown(garbage_is_refused_and_the_connection_goes_on, start, stop),
		cmocka_unit_test_setup_teardown(a_line_may_be_long_but_not_longer, start, stop),
		cmocka_unit_test_setup_teardown(silent_clients_hold_up_nobody, start, stop),
		cmocka_unit_test_setup_teardown(a_client_that_does_not_read_holds_up_nobody, start, stop),
		cmocka_unit_test_setup_teardown(more_clients_than_places_are_served_when_others_leave, start, stop),
		cmocka_unit_test_setup_teardown(silent_clients_give_up_their_places_in_time, start, stop),
		cmocka_unit_test_setup_teardown(a_client_that_has_said_all_is_still_answered, start, stop),
		cmocka_unit_test_setup_teardown(a_connection_goes_over_to_the_workers_behind_the_answer, start, stop),
		cmocka_unit_test_setup_teardown(an_opened_connection_gives_its_place_to_others, start, stop),
		cmocka_unit_test_setup_teardown(bytes_behind_the_command_that_opens_refuse_it, start, stop),
		cmocka_unit_test_setup_teardown(nothing_is_opened_when_there_is_no_room, start, stop),
		cmocka_unit_test_setup_teardown(other_users_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(descriptors_that_come_along_do_not_pile_up, start, stop),
		cmocka_unit_test_setup_teardown(backup_tells_how_far_it_is_and_others_are_answered, start, stop),
		cmocka_unit_test_setup_teardown(whoever_hangs_up_or_speaks_cancels_its_backup, start, stop),
		cmocka_unit_test_setup_teardown(backup_whose_client_does_not_read_goes_on, start, stop),
		cmocka_unit_test_setup_teardown(stopping_cancels_a_backup, start, stop),
		cmocka_unit_test_setup_teardown(stopping_closes_clients_and_leaves_the_listener, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
