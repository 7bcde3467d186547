/*
 * test_ctl_items.c - files of many JSON texts, taken apart.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/items.h"

enum { MAX = 1 << 20 };

/* TEXT in a pipe, PIECE bytes at a time; another process writes it. */
static int feed(struct str text, size_t piece)
{
	int ends[2];
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		while (text.n != 0) {
			ssize_t n = write(ends[1], text.p, text.n < piece ? text.n : piece);

			if (n < 0)
				_exit(1);
			text = str_skip(text, (size_t)n);
		}
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

/* All items of TEXT with a '|' between them, and how it ended. */
static const char *items_of(struct str text, size_t piece)
{
	static char out[4096];
	int fd = feed(text, piece);
	struct items *items = items_new(fd, MAX);
	enum items_step step;
	struct str item;
	size_t n = 0;

	while ((step = items_next(items, &item)) == ITEMS_ONE)
		n += (size_t)snprintf(out + n, sizeof out - n, "%.*s|", STR(item));
	if (step == ITEMS_BAD)
		snprintf(out + n, sizeof out - n, "BAD %llu: %s", (unsigned long long)items_place(items).line, items_fault(items));
	else
		snprintf(out + n, sizeof out - n, "%s", step == ITEMS_END ? "END" : "IO");
	items_free(items);
	close(fd);
	while (wait(NULL) > 0)
		;
	return out;
}

static void expect_items(const char *text, const char *expected)
{
	assert_string_equal(items_of(str_c(text), 1), expected);
	assert_string_equal(items_of(str_c(text), 1000), expected);
}

static void lines_are_items(void **state)
{
	(void)state;
	expect_items("{\"a\":1}\n{\"b\":[2]}\n", "{\"a\":1}|{\"b\":[2]}|END");
	expect_items("{\"a\":1}\n\n  \r\n {\"b\":2}", "{\"a\":1}|{\"b\":2}|END");
	expect_items("{\"a\":1}\r\n\"x, y\"\r\n", "{\"a\":1}|\"x, y\"|END");
	expect_items("", "END");
	expect_items(" \n\t\n", "END");
	/* What is wrong in a line stays in it. */
	expect_items("{\"a\":\n{\"b\":2}\n", "{\"a\":|{\"b\":2}|END");
}

static void elements_are_items(void **state)
{
	(void)state;
	expect_items("[]", "END");
	expect_items("\n [ ] \n", "END");
	expect_items("[{\"a\":1},{\"b\":[2,{}]}]", "{\"a\":1}|{\"b\":[2,{}]}|END");
	expect_items("[\n{\"a\":1},\n{\"b\":2}\n]\n", "{\"a\":1}|{\"b\":2}|END");
	expect_items("[1 , \"a\" ,null,[ ] ]", "1|\"a\"|null|[ ]|END");
	expect_items("[\"]\",\"\\\"]\",\"\\\\\",{\"a\":\"}\\\\\"}]", "\"]\"|\"\\\"]\"|\"\\\\\"|{\"a\":\"}\\\\\"}|END");
	expect_items("[{\n\"a\": {\n\"b\": 1\n}\n}]", "{\n\"a\": {\n\"b\": 1\n}\n}|END");
}

static void a_broken_array_is_told_with_its_line(void **state)
{
	(void)state;
	expect_items("[", "BAD 1: the file ends before its array does");
	expect_items("[1,\n2", "1|2|BAD 2: the file ends before its array does");
	expect_items("[1,\n[2", "1|BAD 2: the file ends inside an item");
	expect_items("[1,\n2\n", "1|2|BAD 3: the file ends before its array does");
	expect_items("[\n1\n2]", "1|BAD 3: a comma or the end of the array belongs here");
	expect_items("[\n1,\n]", "1|BAD 3: an item belongs here");
	expect_items("[,1]", "BAD 1: an item belongs here");
	expect_items("[1,,2]", "1|BAD 1: an item belongs here");
	expect_items("[1]\n[2]", "1|BAD 2: something stands behind the array");
	expect_items("[\"a", "BAD 1: the file ends inside an item");
	expect_items("[1}", "1|BAD 1: a comma or the end of the array belongs here");
}

static void a_place_is_where_an_item_begins(void **state)
{
	static const char text[] = "[\n\n{\n\"a\":1\n},\n7]";
	int fd = feed(str_c(text), 3);
	struct items *items = items_new(fd, MAX);
	struct str item;

	(void)state;
	assert_int_equal(items_next(items, &item), ITEMS_ONE);
	assert_int_equal(items_place(items).number, 1);
	assert_int_equal(items_place(items).line, 3);
	assert_int_equal(items_next(items, &item), ITEMS_ONE);
	assert_int_equal(items_place(items).number, 2);
	assert_int_equal(items_place(items).line, 6);
	assert_int_equal(items_next(items, &item), ITEMS_END);
	assert_int_equal(items_next(items, &item), ITEMS_END);
	assert_int_equal(items_bytes(items), sizeof text - 1);
	items_free(items);
	close(fd);
	wait(NULL);
}

/* An item of N bytes, between two small ones. */
static char *large(size_t n, bool lines, size_t *size)
{
	const char *before = lines ? "1\n" : "[1,", *behind = lines ? "\n2\n" : ",2]";
	char *text = malloc(n + 16);

	memcpy(text, before, strlen(before));
	memset(text + strlen(before), 'x', n);
	text[strlen(before)] = text[strlen(before) + n - 1] = '"';
	memcpy(text + strlen(before) + n, behind, strlen(behind));
	*size = n + strlen(before) + strlen(behind);
	return text;
}

static void an_item_may_be_large_but_not_larger(void **state)
{
	(void)state;
	for (int lines = 0; lines < 2; lines++)
		for (size_t n = 3 * MAX - 1; n <= 3 * MAX + 1; n++) {
			size_t size;
			char *text = large(n, lines, &size);
			int fd = feed(str_make(text, size), 65536);
			struct items *items = items_new(fd, 3 * MAX);
			struct str item;

			assert_int_equal(items_next(items, &item), ITEMS_ONE);
			assert_int_equal(items_next(items, &item), n <= 3 * MAX ? ITEMS_ONE : ITEMS_BAD);
			if (n <= 3 * MAX) {
				assert_int_equal(item.n, n);
				assert_int_equal(items_next(items, &item), ITEMS_ONE);
				assert_true(str_eq(item, STR_LIT("2")));
				assert_int_equal(items_next(items, &item), ITEMS_END);
			}
			items_free(items);
			close(fd);
			while (wait(NULL) > 0)
				;
			free(text);
		}
}

static void what_cannot_be_read_is_told(void **state)
{
	struct items *items = items_new(-1, MAX);
	struct str item;

	(void)state;
	assert_int_equal(items_next(items, &item), ITEMS_IO);
	assert_int_equal(errno, EBADF);
	items_free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_items),
		cmocka_unit_test(elements_are_items),
		cmocka_unit_test(a_broken_array_is_told_with_its_line),
		cmocka_unit_test(a_place_is_where_an_item_begins),
		cmocka_unit_test(an_item_may_be_large_but_not_larger),
		cmocka_unit_test(what_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
