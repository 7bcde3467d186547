/*
 * test_ctl_args.c - the command line of tmakvctl: words, options, and what was meant.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/ctl.h"

static const struct ctl_command commands[] = {
	{ "project create", NULL, OPTION_BIT(OPTION_BOT_ID) | OPTION_BIT(OPTION_TEST), 1, "NAME", "", "" },
	{ "project list", NULL, 0, 0, "", "", "" },
	{ "key create", NULL, OPTION_BIT(OPTION_NAME), 1, "PROJECT", "", "" },
	{ "import", NULL, OPTION_BIT(OPTION_SKIP), 1 | ARGUMENTS_ONE_MORE, "PROJECT [FILE]", "", "" },
	{ "status", NULL, OPTION_BIT(OPTION_NOW) | OPTION_BIT(OPTION_VALUE_LIMIT), 0, "", "", "" },
};

static struct ctl ctl;
static char said[4096];

/* What is said to people goes to standard error: caught here, so that the tests see it. */
static enum ctl_exit parse(const char *line)
{
	static char text[512];
	char *argv[32] = { text }, *word, *save = NULL;
	FILE *real = stderr;
	enum ctl_exit exit;
	int argc = 1;

	arena_free(ctl.arena);
	ctl = (struct ctl){ .arena = arena_new(1 << 20) };
	snprintf(text, sizeof text, "tmakvctl %s", line);
	strtok_r(text, " ", &save);
	while ((word = strtok_r(NULL, " ", &save)) != NULL)
		argv[argc++] = word;
	memset(said, 0, sizeof said);
	stderr = fmemopen(said, sizeof said - 1, "w");
	assert_non_null(stderr);
	exit = args_read(&ctl, argc, argv);
	if (exit == CTL_OK && ctl.n_words != 0)
		exit = args_command(&ctl, commands, sizeof commands / sizeof commands[0]);
	fclose(stderr);
	stderr = real;
	return exit;
}

static void options_may_stand_anywhere(void **state)
{
	(void)state;
	assert_int_equal(parse("--control /a key -c /b create shop --name=server one --json"), CTL_USAGE);
	assert_int_equal(parse("--control /a key -c /b create shop --name=server"), CTL_OK);
	assert_string_equal(ctl.command->words, "key create");
	assert_int_equal(ctl.n_words, 1);
	assert_string_equal(ctl.words[0], "shop");
	assert_string_equal(args_value(&ctl, OPTION_CONTROL), "/a");
	assert_string_equal(args_value(&ctl, OPTION_CONFIG), "/b");
	assert_string_equal(args_value(&ctl, OPTION_NAME), "server");
	assert_null(args_value(&ctl, OPTION_BOT_ID));
	assert_false(ctl.json);
}

static void options_keep_their_order(void **state)
{
	(void)state;
	assert_int_equal(parse("project create a --bot-id 1 --bot-id 2 --test"), CTL_OK);
	assert_int_equal(ctl.n_given, 3);
	assert_int_equal(ctl.given[0].option, OPTION_BOT_ID);
	assert_string_equal(ctl.given[1].value, "2");
	assert_int_equal(ctl.given[2].option, OPTION_TEST);
}

static void behind_two_dashes_all_are_words(void **state)
{
	(void)state;
	assert_int_equal(parse("key create -- --json"), CTL_OK);
	assert_string_equal(ctl.words[0], "--json");
	assert_false(ctl.json);
}

static void a_value_that_was_forgotten_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(parse("status --control"), CTL_USAGE);
	assert_int_equal(parse("status --control --json"), CTL_USAGE);
	assert_int_equal(parse("status --control=--json"), CTL_OK);
	assert_string_equal(args_value(&ctl, OPTION_CONTROL), "--json");
	assert_int_equal(parse("status --json=1"), CTL_USAGE);
	assert_int_equal(parse("status -c/etc/x"), CTL_USAGE);
}

static void an_option_of_another_command_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parse("project list --name x"), CTL_USAGE);
	assert_non_null(strstr(said, "'project list' takes no option --name"));
}

static void missing_and_spare_words_are_refused(void **state)
{
	(void)state;
	assert_int_equal(parse("project create"), CTL_USAGE);
	assert_non_null(strstr(said, "missing"));
	assert_int_equal(parse("project create a b"), CTL_USAGE);
	assert_non_null(strstr(said, "too many"));
}

static void the_last_word_may_be_optional(void **state)
{
	(void)state;
	assert_int_equal(parse("import"), CTL_USAGE);
	assert_int_equal(parse("import shop"), CTL_OK);
	assert_int_equal(ctl.n_words, 1);
	assert_int_equal(parse("import shop file --skip 7"), CTL_OK);
	assert_int_equal(ctl.n_words, 2);
	assert_int_equal(parse("import shop file more"), CTL_USAGE);
	assert_non_null(strstr(said, "too many"));
}

static void sizes_may_have_units(void **state)
{
	int64_t size = 7;

	(void)state;
	assert_int_equal(parse("status"), CTL_OK);
	assert_int_equal(args_size(&ctl, OPTION_VALUE_LIMIT, 1, 2048, &size), CTL_OK);
	assert_int_equal(size, 7);
	assert_int_equal(parse("status --value-limit 2k"), CTL_OK);
	assert_int_equal(args_size(&ctl, OPTION_VALUE_LIMIT, 1, 2048, &size), CTL_OK);
	assert_int_equal(size, 2048);
	assert_int_equal(parse("status --value-limit 3K"), CTL_OK);
	assert_int_equal(args_size(&ctl, OPTION_VALUE_LIMIT, 1, 2048, &size), CTL_USAGE);
	assert_int_equal(size, 2048);
}

static void what_is_named_is_utf8(void **state)
{
	(void)state;
	assert_int_equal(parse("key create a\xff"), CTL_USAGE);
	assert_int_equal(parse("key create a --name \xc3"), CTL_USAGE);
	assert_int_equal(parse("key create a --name \xc3\xa4"), CTL_OK);
}

static void what_may_have_been_meant_is_said(void **state)
{
	(void)state;
	assert_int_equal(parse("stauts"), CTL_USAGE);
	assert_non_null(strstr(said, "tmakvctl status"));
	assert_int_equal(parse("projects lst"), CTL_USAGE);
	assert_non_null(strstr(said, "tmakvctl project list"));
	assert_int_equal(parse("project craete x"), CTL_USAGE);
	assert_non_null(strstr(said, "tmakvctl project create"));
	assert_int_equal(parse("project"), CTL_USAGE);
	assert_non_null(strstr(said, "create, list"));
	assert_int_equal(parse("status --jsno"), CTL_USAGE);
	assert_non_null(strstr(said, "--json"));
	assert_int_equal(parse("nonsense"), CTL_USAGE);
	assert_null(strstr(said, "did you mean"));
}

static void a_token_on_the_command_line_is_not_repeated(void **state)
{
	static const char *const lines[] = {
		"project create shop --bot-token=123456:SECRET", "project create shop --bot-token 123456:SECRET",
		"project create shop 123456:SECRET", "project create shop --123456:SECRET-SECRET-SECRET-SECRET-SECRET-SECRET",
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		assert_int_equal(parse(lines[i]), CTL_USAGE);
		assert_null(strstr(said, "SECRET"));
	}
}

static void numbers_have_bounds(void **state)
{
	int64_t now = 7;

	(void)state;
	assert_int_equal(parse("status"), CTL_OK);
	assert_int_equal(args_i64(&ctl, OPTION_NOW, 0, 100, &now), CTL_OK);
	assert_int_equal(now, 7);
	assert_int_equal(parse("status --now 100"), CTL_OK);
	assert_int_equal(args_i64(&ctl, OPTION_NOW, 0, 100, &now), CTL_OK);
	assert_int_equal(now, 100);
	assert_int_equal(parse("status --now 101"), CTL_OK);
	assert_int_equal(args_i64(&ctl, OPTION_NOW, 0, 100, &now), CTL_USAGE);
	assert_int_equal(parse("status --now=-1"), CTL_OK);
	assert_int_equal(args_i64(&ctl, OPTION_NOW, 0, 100, &now), CTL_USAGE);
	assert_int_equal(parse("status --now 1x"), CTL_OK);
	assert_int_equal(args_i64(&ctl, OPTION_NOW, 0, 100, &now), CTL_USAGE);
	assert_int_equal(now, 100);
}

static void the_nearest_word_is_near(void **state)
{
	static const char *const words[] = { "create", "list", "rename", "delete" };
	char long_word[64];

	(void)state;
	assert_string_equal(nearest("craete", words, 4), "create");
	assert_string_equal(nearest("lst", words, 4), "list");
	assert_string_equal(nearest("delet", words, 4), "delete");
	assert_string_equal(nearest("delete", words, 4), "delete");
	assert_null(nearest("frobnicate", words, 4));
	assert_null(nearest("", words, 4));
	assert_null(nearest("create", words, 0));
	memset(long_word, 'a', 63);
	long_word[63] = '\0';
	assert_null(nearest(long_word, words, 4));
}

static int clear(void **state)
{
	(void)state;
	arena_free(ctl.arena);
	ctl.arena = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_may_stand_anywhere),
		cmocka_unit_test(options_keep_their_order),
		cmocka_unit_test(behind_two_dashes_all_are_words),
		cmocka_unit_test(a_value_that_was_forgotten_is_noticed),
		cmocka_unit_test(an_option_of_another_command_is_refused),
		cmocka_unit_test(missing_and_spare_words_are_refused),
		cmocka_unit_test(the_last_word_may_be_optional),
		cmocka_unit_test(sizes_may_have_units),
		cmocka_unit_test(what_is_named_is_utf8),
		cmocka_unit_test(what_may_have_been_meant_is_said),
		cmocka_unit_test(a_token_on_the_command_line_is_not_repeated),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(the_nearest_word_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, clear);
}
