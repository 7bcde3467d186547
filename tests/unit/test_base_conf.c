/*
 * test_base_conf.c - the settings: defaults, bounds, what is said about mistakes, and
 * that conf/tmakv.conf tells the truth about them.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"
#include "base/str.h"

static bool read_c(struct conf *conf, const char *text, struct conf_error *error)
{
	return conf_read_text(conf, "t.conf", text, strlen(text), error);
}

static void is_default(const struct conf *conf)
{
	assert_string_equal(conf->data_dir, "/var/lib/tmakv");
	assert_string_equal(conf->log_dir, "");
	assert_string_equal(conf->listen, "/run/tmakv/tmakv.sock");
	assert_int_equal(conf->listen_mode, 0660);
	assert_string_equal(conf->listen_group, "");
	assert_int_equal(conf->backlog, 4096);
	assert_string_equal(conf->control, "/run/tmakv/control.sock");
	assert_int_equal(conf->workers, 0);
	assert_int_equal(conf->slow_threads, 4);
	assert_int_equal(conf->connections, 16384);
	assert_int_equal(conf->stop_ms, 15000);
	assert_int_equal(conf->cache_size, 64 << 20);
	assert_int_equal(conf->checkpoint_size, 32 << 20);
	assert_int_equal(conf->checkpoint_s, 10);
	assert_int_equal(conf->ballast_size, 64 << 20);
	assert_int_equal(conf->reserve_size, 64 << 20);
	assert_int_equal(conf->value_limit, 131072);
	assert_int_equal(conf->write_limit, 1000);
	assert_int_equal(conf->min_ttl_s, 60);
	assert_int_equal(conf->init_data_age_s, 86400);
	assert_int_equal(conf->token_life_s, 86400);
	assert_string_equal(conf->issuer, "tmakv");
	assert_int_equal(conf->signing_key_life_s, 90 * 86400);
	assert_int_equal(conf->token_cache, 16384);
	assert_string_equal(conf->log_level, "info");
}

static bool is_empty(const struct conf *conf)
{
	const struct conf empty = { .data_dir = NULL };

	return memcmp(conf, &empty, sizeof empty) == 0;
}

static void nothing_said_means_the_defaults(void **state)
{
	static const char *const texts[] = { "", "\n\n", "# only a comment", "   # indented\n\t\r\n\r\n#x=y\n" };
	struct conf_error error;
	struct conf conf;

	(void)state;
	conf_defaults(&conf);
	is_default(&conf);
	conf_clear(&conf);
	assert_true(is_empty(&conf));
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_true(read_c(&conf, texts[i], &error));
		is_default(&conf);
		conf_clear(&conf);
	}
}

static void settings_replace_defaults(void **state)
{
	struct conf_error error;
	struct conf conf;

	(void)state;
	assert_true(read_c(&conf, "data_dir=/srv/kv data\r\n  workers\t= 8 \nlog_level = debug\ncache_size = 1g\n"
			   "listen_mode = 600\nissuer = a = b#\xc3\xa9\nreserve_size = 1024T\nlog_dir =\nvalue_limit=128K", &error));
	assert_string_equal(conf.data_dir, "/srv/kv data");
	assert_int_equal(conf.workers, 8);
	assert_string_equal(conf.log_level, "debug");
	assert_int_equal(conf.cache_size, 1 << 30);
	assert_int_equal(conf.listen_mode, 0600);
	assert_string_equal(conf.issuer, "a = b#\xc3\xa9");
	assert_true(conf.reserve_size == (int64_t)1 << 50);
	assert_string_equal(conf.log_dir, "");
	assert_int_equal(conf.value_limit, 131072);
	assert_int_equal(conf.backlog, 4096);
	conf_clear(&conf);
}

static void numbers_have_bounds(void **state)
{
	static const struct { const char *name, *below, *least, *most, *above; } table[] = {
		{ "backlog", "0", "1", "65535", "65536" },
		{ "workers", "-1", "0", "64", "65" },
		{ "slow_threads", "0", "1", "32", "33" },
		{ "connections", "15", "16", "1000000", "1000001" },
		{ "stop_ms", "99", "100", "600000", "600001" },
		{ "cache_size", "1023K", "1M", "1024G", "1025G" },
		{ "checkpoint_size", "1048575", "1048576", "1024M", "1025M" },
		{ "checkpoint_s", "0", "1", "3600", "3601" },
		{ "ballast_size", "-1", "0", "16G", "17G" },
		{ "reserve_size", "-1", "0", "1024T", "1125899906842625" },
		{ "value_limit", "0", "1", "26214400", "26214401" },
		{ "write_limit", "-0", "0", "1000000", "1000001" },
		{ "min_ttl_s", "0", "1", "86400", "86401" },
		{ "init_data_age_s", "59", "60", "604800", "604801" },
		{ "token_life_s", "59", "60", "2592000", "2592001" },
		{ "signing_key_life_s", "-1", "0", "315360000", "315360001" },
		{ "token_cache", "-1", "0", "1000000", "1000001" },
		{ "listen_mode", "-1", "0", "777", "1000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		const char *const values[] = { table[i].below, table[i].least, table[i].most, table[i].above };

		for (size_t k = 0; k < 4; k++) {
			struct conf_error error;
			struct conf conf;
			char text[128];

			snprintf(text, sizeof text, "%s = %s\n", table[i].name, values[k]);
			if (read_c(&conf, text, &error) != (k == 1 || k == 2))
				fail_msg("%s", text);
			conf_clear(&conf);
		}
	}
}

static void mistakes_are_named_with_their_place_and_remedy(void **state)
{
	static const struct { const char *text, *error; } table[] = {
		{ "\n\nworkers = x\n", "t.conf:3: workers: 'x' is not a whole number from 0 to 64" },
		{ "workers = 65", "t.conf:1: workers: '65' is not a whole number from 0 to 64" },
		{ "workers = 4K", "t.conf:1: workers: '4K' is not a whole number from 0 to 64" },
		{ "workers =", "t.conf:1: workers: '' is not a whole number from 0 to 64" },
		{ "workers = 1 2", "t.conf:1: workers: '1 2' is not a whole number from 0 to 64" },
		{ "workers = 99999999999999999999999", "t.conf:1: workers: '99999999999999999999999' is not a whole number from 0 to 64" },
		{ "cache_size = 1X", "t.conf:1: cache_size: '1X' is not a size from 1M to 1T (bytes, or with K, M, G, T)" },
		{ "cache_size = K", "t.conf:1: cache_size: 'K' is not a size from 1M to 1T (bytes, or with K, M, G, T)" },
		{ "cache_size = 64MB", "t.conf:1: cache_size: '64MB' is not a size from 1M to 1T (bytes, or with K, M, G, T)" },
		{ "cache_size = 18446744073709551615T", "t.conf:1: cache_size: '18446744073709551615T' is not a size from 1M to 1T (bytes, or with K, M, G, T)" },
		{ "cache_size = 16777217T", "t.conf:1: cache_size: '16777217T' is not a size from 1M to 1T (bytes, or with K, M, G, T)" },
		{ "listen_mode = 0680", "t.conf:1: listen_mode: '0680' is not a mode of octal digits, such as 0660" },
		{ "listen_mode = 00660", "t.conf:1: listen_mode: '00660' is not a mode of octal digits, such as 0660" },
		{ "listen_mode = ", "t.conf:1: listen_mode: '' is not a mode of octal digits, such as 0660" },
		{ "data_dir = var/lib", "t.conf:1: data_dir: 'var/lib' is not an absolute path" },
		{ "data_dir = ", "t.conf:1: data_dir: must not be empty" },
		{ "issuer =", "t.conf:1: issuer: must not be empty" },
		{ "log_level = loud", "t.conf:1: log_level: 'loud' is not one of error, warn, info, debug" },
		{ "log_level = INFO", "t.conf:1: log_level: 'INFO' is not one of error, warn, info, debug" },
		{ "worker = 1", "t.conf:1: worker: there is no such setting; did you mean 'workers'?" },
		{ "Workers = 1", "t.conf:1: Workers: there is no such setting; did you mean 'workers'?" },
		{ "datadir = /x", "t.conf:1: datadir: there is no such setting; did you mean 'data_dir'?" },
		{ "cachesize = 1", "t.conf:1: cachesize: there is no such setting; did you mean 'cache_size'?" },
		{ "xyzzy = 1", "t.conf:1: xyzzy: there is no such setting" },
		{ "= 1", "t.conf:1: : there is no such setting" },
		{ "workers = 1\n#\nworkers = 1", "t.conf:3: workers: stands in line 1 already" },
		{ "workers = 1 # one", "t.conf:1: workers: a comment needs a line of its own" },
		{ "listen = /run/x.sock\t#x", "t.conf:1: listen: a comment needs a line of its own" },
		{ "workers 1", "t.conf:1: 'workers 1' is not 'name = value'" },
		{ "issuer = a\x01", "t.conf:1: not a line of text (UTF-8 without control characters)" },
		{ "issuer = a\xff", "t.conf:1: not a line of text (UTF-8 without control characters)" },
		{ "# \xff", "t.conf:1: not a line of text (UTF-8 without control characters)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct conf_error error;
		struct conf conf;

		memset(&conf, 1, sizeof conf);
		assert_false(read_c(&conf, table[i].text, &error));
		assert_string_equal(error.text, table[i].error);
		assert_true(is_empty(&conf));
	}
}

static void a_nul_in_the_file_is_a_mistake(void **state)
{
	struct conf_error error;
	struct conf conf;

	(void)state;
	assert_false(conf_read_text(&conf, "t.conf", "data_dir = /a\0b\n", 16, &error));
	assert_string_equal(error.text, "t.conf:1: not a line of text (UTF-8 without control characters)");
}

/* The kernel has room for 107 bytes and a NUL in sun_path. */
static void a_socket_path_has_at_most_107_bytes(void **state)
{
	static const char *const names[] = { "listen", "control" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (int n = 107; n <= 108; n++) {
			struct conf_error error;
			struct conf conf;
			char text[256];

			snprintf(text, sizeof text, "%s = /%0*d\n", names[i], n - 1, 0);
			assert_true(read_c(&conf, text, &error) == (n == 107));
			if (n == 108)
				assert_non_null(strstr(error.text, "108 bytes are too long, at most 107"));
			conf_clear(&conf);
		}
	}
}

static void a_long_mistake_is_cut_between_characters(void **state)
{
	struct conf_error error;
	struct conf conf;
	char text[4096];

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'a', sizeof text);
		for (size_t i = shift; i + 4 <= sizeof text; i += 4)
			memcpy(text + i, "\xf0\x9f\x98\x80", 4);
		assert_false(conf_read_text(&conf, text, text, sizeof text - 4 + shift, &error));
		assert_non_null(strstr(error.text, "name = value"));
		memcpy(text, "workers=", 8);
		assert_false(conf_read_text(&conf, "x", text, 8 + 2000, &error));
		assert_true(strlen(error.text) < 200);
	}
}

static void an_unreadable_file_is_named_with_the_reason(void **state)
{
	struct conf_error error;
	struct conf conf;

	(void)state;
	assert_false(conf_read(&conf, "/nonexistent/tmakv.conf", &error));
	assert_string_equal(error.text, "/nonexistent/tmakv.conf: No such file or directory");
	assert_true(is_empty(&conf));
	assert_false(conf_read(&conf, "/", &error));
	assert_string_equal(error.text, "/: Is a directory");
	assert_false(conf_read(&conf, "/dev/zero", &error));
	assert_string_equal(error.text, "/dev/zero: File too large");
}

/* --- settings on their way from one process to another --- */

/* What conf_print() says, to be freed. */
static char *printed(const struct conf *conf, size_t *n)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, n);

	conf_print(conf, out);
	fclose(out);
	return text;
}

static void what_is_printed_reads_as_the_same_settings(void **state)
{
	static const char *const texts[] = {
		"",
		"data_dir = /a b/\xc3\xa9\nlisten_mode = 07\ncache_size = 1048577\nlog_level = debug\n",
		"log_dir=/x\nwrite_limit = 0\n",
		"listen_group = #b\nballast_size = 0\nbacklog = 1\nissuer = x=y\nvalue_limit=25M",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct conf_error error;
		struct conf one, other;
		size_t n;
		char *text;

		assert_true(read_c(&one, texts[i], &error));
		text = printed(&one, &n);
		assert_int_equal(n == 0, texts[i][0] == '\0');
		if (!conf_read_text(&other, "printed", text, n, &error))
			fail_msg("%s", error.text);
		assert_true(conf_is_same(&one, &other));
		free(text);
		conf_clear(&one);
		conf_clear(&other);
	}
}

static void settings_are_read_from_an_open_file_from_its_beginning(void **state)
{
	static const char text[] = "workers = 3\n";
	FILE *file = tmpfile();
	struct conf_error error;
	struct conf conf;

	(void)state;
	assert_int_equal(write(fileno(file), text, sizeof text - 1), sizeof text - 1);
	for (int i = 0; i < 2; i++) {
		assert_true(conf_read_fd(&conf, "t.conf", fileno(file), &error));
		assert_int_equal(conf.workers, 3);
		conf_clear(&conf);
	}
	assert_int_equal(write(fileno(file), "x", 1), 1);
	assert_false(conf_read_fd(&conf, "t.conf", fileno(file), &error));
	assert_string_equal(error.text, "t.conf:2: 'x' is not 'name = value'");
	assert_true(is_empty(&conf));
	fclose(file);
	assert_false(conf_read_fd(&conf, "t.conf", -1, &error));
	assert_string_equal(error.text, "t.conf: Bad file descriptor");
}

static void what_needs_a_stop_keeps_its_value(void **state)
{
	struct conf_error error;
	struct conf running, conf;
	char names[64], few[8];

	(void)state;
	assert_true(read_c(&running, "listen = /a\nworkers = 1\n", &error));
	assert_true(read_c(&conf, "listen = /b\nworkers = 2\nbacklog = 7\nlisten_mode = 0600\n", &error));
	assert_true(conf_keep_fixed(&conf, &running, names, sizeof names));
	assert_string_equal(names, "listen, listen_mode, backlog");
	assert_string_equal(conf.listen, "/a");
	assert_int_equal(conf.backlog, 4096);
	assert_int_equal(conf.workers, 2);
	assert_false(conf_keep_fixed(&conf, &running, names, sizeof names));
	assert_string_equal(names, "");
	conf_clear(&conf);

	assert_true(read_c(&conf, "backlog = 7\nlog_dir = /l\n", &error));
	assert_true(conf_keep_fixed(&conf, &running, few, sizeof few));
	assert_string_equal(few, "log_dir");
	conf_clear(&conf);
	conf_clear(&running);
}

/* --- the file that ships, against the table as conf_print_help() shows it --- */

enum { MOST = 100 };

struct setting {
	struct str name, value;
};

static struct str trimmed(struct str s)
{
	while (s.n != 0 && s.p[0] == ' ')
		s = str_skip(s, 1);
	while (s.n != 0 && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

/* The settings in the lines of TEXT that begin with START; in the help, two spaces end a value. */
static size_t settings_in(struct str text, struct str start, bool help, struct setting *out)
{
	size_t n = 0;

	while (text.n != 0) {
		struct str line, value;

		str_cut(text, '\n', &line, &text);
		if (!str_starts(line, start) || (!help && line.n > 1 && line.p[1] == ' ') || !memchr(line.p, '=', line.n))
			continue;
		assert_true(n < MOST);
		str_cut(str_skip(line, start.n), '=', &out[n].name, &value);
		if (help)
			value.n = 25;
		out[n].name = trimmed(out[n].name);
		out[n++].value = trimmed(value);
	}
	return n;
}

static struct str our_file(const char *name, char *text, size_t size)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	size_t n;
	FILE *in;

	snprintf(path, sizeof path, "%s/%s", top == NULL ? "." : top, name);
	in = fopen(path, "r");
	if (in == NULL)
		fail_msg("%s: cannot be read", path);
	n = fread(text, 1, size, in);
	fclose(in);
	assert_true(n < size);
	return str_make(text, n);
}

static struct str shipped_file(char *text, size_t size)
{
	return our_file("conf/tmakv.conf", text, size);
}

static void the_shipped_file_reads_as_the_defaults(void **state)
{
	static char text[64 * 1024];
	struct str file = shipped_file(text, sizeof text);
	struct conf_error error;
	struct conf conf;

	(void)state;
	if (!conf_read_text(&conf, "tmakv.conf", file.p, file.n, &error))
		fail_msg("%s", error.text);
	is_default(&conf);
	conf_clear(&conf);
}

static void the_shipped_file_uncommented_reads_as_the_defaults(void **state)
{
	static char text[64 * 1024], bare[64 * 1024];
	struct str rest = shipped_file(text, sizeof text), line;
	struct conf_error error;
	struct conf conf;
	size_t n = 0, settings = 0;

	(void)state;
	while (rest.n != 0) {
		str_cut(rest, '\n', &line, &rest);
		if (line.n > 1 && line.p[0] == '#' && line.p[1] >= 'a' && line.p[1] <= 'z') {
			line = str_skip(line, 1);
			settings++;
		}
		memcpy(bare + n, line.p, line.n);
		n += line.n;
		bare[n++] = '\n';
	}
	assert_true(settings > 0);
	if (!conf_read_text(&conf, "tmakv.conf", bare, n, &error))
		fail_msg("%s", error.text);
	is_default(&conf);
	conf_clear(&conf);
}

static void the_shipped_file_names_exactly_the_settings_and_their_defaults(void **state)
{
	static char text[64 * 1024];
	struct setting ours[MOST], theirs[MOST];
	struct str file = shipped_file(text, sizeof text);
	char *help = NULL;
	size_t size, n;
	FILE *out = open_memstream(&help, &size);

	(void)state;
	conf_print_help(out);
	fclose(out);
	n = settings_in(str_make(help, size), STR_LIT("  "), true, ours);
	assert_int_equal(settings_in(file, STR_LIT("#"), false, theirs), n);
	for (size_t i = 0; i < n; i++) {
		if (!str_eq(ours[i].name, theirs[i].name) || !str_eq(ours[i].value, theirs[i].value))
			fail_msg("the table has %.*s = %.*s, the file %.*s = %.*s", STR(ours[i].name), STR(ours[i].value),
				 STR(theirs[i].name), STR(theirs[i].value));
	}
	free(help);
}

/* The lines of the man page's table: ".It Cm workers Ta a reload". */
static size_t table_in(struct str text, struct setting *out)
{
	size_t n = 0;

	while (text.n != 0) {
		struct str line, name, when;

		str_cut(text, '\n', &line, &text);
		if (!str_starts(line, STR_LIT(".It Cm ")) || !str_cut(str_skip(line, 7), ' ', &name, &when) ||
		    !str_starts(when, STR_LIT("Ta ")))
			continue;
		assert_true(n < MOST);
		out[n].name = name;
		out[n++].value = str_skip(when, 3);
	}
	return n;
}

static void the_man_page_says_of_each_setting_when_it_takes_effect(void **state)
{
	static const char start_only[] = CONF_START_ONLY;
	static char text[64 * 1024];
	struct setting theirs[MOST];
	size_t n = table_in(our_file("app/tmakv.conf.5", text, sizeof text), theirs), size, i = 0;
	char *help = NULL;
	FILE *out = open_memstream(&help, &size);
	struct str rest, line, name, tail;

	(void)state;
	conf_print_help(out);
	fclose(out);
	for (rest = str_make(help, size); rest.n != 0; i++) {
		size_t n_mark = sizeof start_only - 1;
		bool start;

		str_cut(rest, '\n', &line, &rest);
		str_cut(trimmed(line), ' ', &name, &tail);
		start = line.n > n_mark && memcmp(line.p + line.n - n_mark, start_only, n_mark) == 0;
		if (i >= n)
			fail_msg("the man page says nothing of %.*s", STR(name));
		if (!str_eq(name, theirs[i].name) ||
		    !str_eq(theirs[i].value, start ? STR_LIT("a stop and a start") : STR_LIT("a reload")))
			fail_msg("the man page says that %.*s needs %.*s; the table has %.*s", STR(theirs[i].name),
				 STR(theirs[i].value), STR(line));
	}
	assert_int_equal(i, n);
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_means_the_defaults),
		cmocka_unit_test(settings_replace_defaults),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(mistakes_are_named_with_their_place_and_remedy),
		cmocka_unit_test(a_nul_in_the_file_is_a_mistake),
		cmocka_unit_test(a_socket_path_has_at_most_107_bytes),
		cmocka_unit_test(a_long_mistake_is_cut_between_characters),
		cmocka_unit_test(an_unreadable_file_is_named_with_the_reason),
		cmocka_unit_test(what_is_printed_reads_as_the_same_settings),
		cmocka_unit_test(settings_are_read_from_an_open_file_from_its_beginning),
		cmocka_unit_test(what_needs_a_stop_keeps_its_value),
		cmocka_unit_test(the_shipped_file_reads_as_the_defaults),
		cmocka_unit_test(the_shipped_file_uncommented_reads_as_the_defaults),
		cmocka_unit_test(the_shipped_file_names_exactly_the_settings_and_their_defaults),
		cmocka_unit_test(the_man_page_says_of_each_setting_when_it_takes_effect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
