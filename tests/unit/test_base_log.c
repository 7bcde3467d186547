/*
 * test_base_log.c - lines of the log: always one JSON text, whatever is put in.
 *
 * Standard error is a pipe while a line is written.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/jdoc.h"
#include "base/jtext.h"
#include "base/log.h"

static int saved_stderr, reader;
static char got[64 * 1024];

static void catch_begin(void)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
}

/* What was written since catch_begin(). */
static struct str catch_end(void)
{
	size_t n = 0;
	ssize_t more;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	while ((more = read(reader, got + n, sizeof got - n)) > 0)
		n += (size_t)more;
	close(reader);
	return str_make(got, n);
}

/* The one line that was written, as a document. */
static json_object *catch_line(void)
{
	struct str s = catch_end();
	json_object *doc;

	assert_true(s.n > 0 && s.p[s.n - 1] == '\n');
	assert_ptr_equal(memchr(s.p, '\n', s.n), s.p + s.n - 1);
	assert_true(s.n <= 4096);
	doc = jdoc_read(str_make(s.p, s.n - 1), 1);
	if (doc == NULL)
		fail_msg("no JSON: %.*s", STR(s));
	return doc;
}

static void has_str(json_object *doc, const char *name, struct str value)
{
	struct str s;

	assert_true(jdoc_str(doc, name, &s));
	if (!str_eq(s, value))
		fail_msg("%s is '%.*s', not '%.*s'", name, STR(s), STR(value));
}

static void a_line_has_time_level_program_sentence_and_fields(void **state)
{
	json_object *doc;
	struct str time;
	int64_t n;

	(void)state;
	log_open("tmakvd server", LOG_LEVEL_INFO);
	catch_begin();
	LOG_WARN("the disk is slow", LOG_STR("path", "/a b"), LOG_I64("least", INT64_MIN), LOG_U64("us", 1500), LOG_ERRNO(ENOENT));
	doc = catch_line();
	has_str(doc, "level", STR_LIT("warn"));
	has_str(doc, "program", STR_LIT("tmakvd server"));
	has_str(doc, "msg", STR_LIT("the disk is slow"));
	has_str(doc, "path", STR_LIT("/a b"));
	has_str(doc, "error", STR_LIT("No such file or directory"));
	assert_true(jdoc_i64(doc, "least", &n) && n == INT64_MIN);
	assert_true(jdoc_i64(doc, "us", &n) && n == 1500);
	assert_true(jdoc_str(doc, "time", &time));
	assert_int_equal(time.n, 24);
	for (size_t i = 0; i < time.n; i++) {
		char form = "dddd-dd-ddTdd:dd:dd.dddZ"[i];

		assert_true(form == 'd' ? time.p[i] >= '0' && time.p[i] <= '9' : time.p[i] == form);
	}
	assert_false(jdoc_has(doc, "cut"));
	json_object_put(doc);
}

static void a_line_may_have_no_fields(void **state)
{
	json_object *doc;

	(void)state;
	log_open("tmakvd", LOG_LEVEL_INFO);
	catch_begin();
	LOG_INFO("ready");
	doc = catch_line();
	assert_int_equal(json_object_object_length(doc), 4);
	json_object_put(doc);
}

static const char *not_to_be_asked(void)
{
	fail_msg("a field of a level that is off was evaluated");
	return "";
}

static void levels_above_the_chosen_one_are_silent(void **state)
{
	(void)state;
	log_open("tmakvd", LOG_LEVEL_WARN);
	catch_begin();
	LOG_INFO("silent", LOG_STR("x", not_to_be_asked()));
	LOG_DEBUG("silent");
	assert_int_equal(catch_end().n, 0);
	assert_true(log_is_on(LOG_LEVEL_ERROR) && log_is_on(LOG_LEVEL_WARN));
	assert_false(log_is_on(LOG_LEVEL_INFO) || log_is_on(LOG_LEVEL_DEBUG));
}

static void strings_cannot_break_out_of_their_line(void **state)
{
	json_object *doc;

	(void)state;
	log_open("tmakvd", LOG_LEVEL_INFO);
	catch_begin();
	LOG_INFO("a", LOG_STR("x", "\"},\n{\\\t\x01\x7f/\xc3\xa9"), LOG_STR("null", NULL));
	doc = catch_line();
	has_str(doc, "x", STR_LIT("\"},\n{\\\t\x01\x7f/\xc3\xa9"));
	has_str(doc, "null", STR_LIT("(null)"));
	json_object_put(doc);
}

static void control_bytes_never_reach_a_terminal(void **state)
{
	char text[128] = "";
	struct str raw;
	json_object *doc;

	(void)state;
	for (int i = 1; i < 128; i++)
		text[i - 1] = (char)i;
	catch_begin();
	LOG_INFO("a", LOG_STR("x", text));
	doc = catch_line();
	has_str(doc, "x", str_make(text, 127));
	raw = str_c(strtok(got, "\n"));
	for (size_t i = 0; i < raw.n; i++)
		assert_true(raw.p[i] >= 0x20 && raw.p[i] != 0x7f);
	json_object_put(doc);
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
	json_object *doc;

	(void)state;
	catch_begin();
	LOG_INFO("a", LOG_STR("x", "a\xff\xc3(\xed\xa0\x80\xe2\x82"));
	doc = catch_line();
	has_str(doc, "x", STR_LIT("a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"));
	json_object_put(doc);
}

static void a_long_string_is_cut_between_characters(void **state)
{
	char text[2000];
	json_object *doc;
	struct str s;

	(void)state;
	for (size_t n = 509; n < 520; n++) {
		memset(text, 'x', sizeof text);
		memcpy(text + 509, "\xf0\x9f\x98\x80", 4);
		text[n] = '\0';
		catch_begin();
		LOG_INFO("a", LOG_STR("x", text));
		doc = catch_line();
		assert_true(jdoc_str(doc, "x", &s));
		if (n == 509)
			assert_true(str_eq(s, str_make(text, 509)));
		if (n >= 513)
			assert_true(s.n == 512 && memcmp(s.p + 508, "x...", 4) == 0);
		json_object_put(doc);
	}
	text[511] = text[510] = text[509] = 'x';
	text[512] = '\0';
	catch_begin();
	LOG_INFO("a", LOG_STR("x", text));
	doc = catch_line();
	has_str(doc, "x", str_make(text, 512));
	json_object_put(doc);
}

static void fields_without_room_are_left_out_and_the_line_says_so(void **state)
{
	char text[600];
	json_object *doc;
	bool cut;

	(void)state;
	memset(text, '\x01', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	catch_begin();
	LOG_INFO("a", LOG_STR("one", text), LOG_STR("two", text), LOG_I64("three", 3));
	doc = catch_line();
	assert_true(jdoc_has(doc, "one"));
	assert_false(jdoc_has(doc, "two") || jdoc_has(doc, "three"));
	assert_true(jdoc_bool(doc, "cut", &cut) && cut);
	json_object_put(doc);
}

/* Every length near the end of the line: what ends it always has room. */
static void a_line_ends_whole_at_every_length(void **state)
{
	char filler[600], last[600];

	(void)state;
	memset(filler, '\x01', 570);
	filler[570] = '\0';
	for (size_t n = 0; n < 200; n++) {
		memset(last, '\x02', n);
		last[n] = '\0';
		catch_begin();
		LOG_INFO("a", LOG_STR("one", filler), LOG_STR("two", last), LOG_I64("three", 3));
		json_object_put(catch_line());
	}
}

static void errno_survives(void **state)
{
	(void)state;
	catch_begin();
	close(STDERR_FILENO);
	errno = ERANGE;
	LOG_INFO("nobody hears this");
	assert_int_equal(errno, ERANGE);
	catch_end();
}

static void under_the_journal_lines_begin_with_their_priority(void **state)
{
	static const char *const start[] = { "<3>{", "<4>{", "<6>{", "<7>{" };
	char stream[64];
	struct stat st;

	(void)state;
	for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		struct str s;

		catch_begin();
		fstat(STDERR_FILENO, &st);
		snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
		setenv("JOURNAL_STREAM", stream, 1);
		log_open("tmakvd", LOG_LEVEL_DEBUG);
		LOG_AT((enum log_level)level, "a");
		s = catch_end();
		assert_true(s.n > 4 && memcmp(s.p, start[level], 4) == 0);
	}
}

static void another_file_than_the_journals_gets_no_prefix(void **state)
{
	struct str s;

	(void)state;
	setenv("JOURNAL_STREAM", "1:2", 1);
	catch_begin();
	log_open("tmakvd", LOG_LEVEL_DEBUG);
	LOG_INFO("a");
	s = catch_end();
	assert_true(s.n > 0 && s.p[0] == '{');
	unsetenv("JOURNAL_STREAM");
}

static void level_words_are_read(void **state)
{
	enum log_level level = LOG_LEVEL_WARN;

	(void)state;
	assert_true(log_level_read("error", &level) && level == LOG_LEVEL_ERROR);
	assert_true(log_level_read("warn", &level) && level == LOG_LEVEL_WARN);
	assert_true(log_level_read("info", &level) && level == LOG_LEVEL_INFO);
	assert_true(log_level_read("debug", &level) && level == LOG_LEVEL_DEBUG);
	assert_false(log_level_read("", &level) || log_level_read("Info", &level) || log_level_read("info ", &level));
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

enum { THREADS = 4, LINES = 60 };

static void *write_lines(void *number)
{
	for (int i = 0; i < LINES; i++)
		LOG_INFO("from a thread", LOG_I64("thread", (intptr_t)number), LOG_STR("error", log_strerror(i)));
	return NULL;
}

static void lines_of_many_threads_do_not_mix(void **state)
{
	pthread_t threads[THREADS];
	struct str rest, line;
	size_t lines = 0;

	(void)state;
	log_open("tmakvd", LOG_LEVEL_INFO);
	catch_begin();
	for (intptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, write_lines, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	rest = catch_end();
	while (rest.n != 0) {
		size_t bad_at;

		str_cut(rest, '\n', &line, &rest);
		assert_true(jtext_check(line, &bad_at));
		lines++;
	}
	assert_int_equal(lines, THREADS * LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_time_level_program_sentence_and_fields),
		cmocka_unit_test(a_line_may_have_no_fields),
		cmocka_unit_test(levels_above_the_chosen_one_are_silent),
		cmocka_unit_test(strings_cannot_break_out_of_their_line),
		cmocka_unit_test(control_bytes_never_reach_a_terminal),
		cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
		cmocka_unit_test(a_long_string_is_cut_between_characters),
		cmocka_unit_test(fields_without_room_are_left_out_and_the_line_says_so),
		cmocka_unit_test(a_line_ends_whole_at_every_length),
		cmocka_unit_test(errno_survives),
		cmocka_unit_test(under_the_journal_lines_begin_with_their_priority),
		cmocka_unit_test(another_file_than_the_journals_gets_no_prefix),
		cmocka_unit_test(level_words_are_read),
		cmocka_unit_test(lines_of_many_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
