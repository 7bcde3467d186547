/*
 * test_base_rand.c - bytes that differ, and UUIDs of the right form.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"

static void no_two_draws_are_alike(void **state)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	rand_bytes(a, sizeof a);
	rand_bytes(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
}

static void exactly_the_bytes_asked_for_are_filled(void **state)
{
	static unsigned char bytes[1000];

	(void)state;
	for (size_t n = 0; n < 600; n += 37) {
		bool touched = n == 0;

		memset(bytes, 0, sizeof bytes);
		for (int i = 0; i < 10 && n != 0; i++) {
			rand_bytes(bytes, n);
			touched |= bytes[n - 1] != 0;
		}
		assert_true(touched);
		for (size_t i = n; i < sizeof bytes; i++)
			assert_int_equal(bytes[i], 0);
	}
}

static void a_uuid_has_the_form_of_version_4(void **state)
{
	static const char form[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
	char last[37] = "", uuid[38];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uuid[37] = '!';
		rand_uuid(uuid);
		assert_true(uuid[36] == '\0' && uuid[37] == '!');
		for (size_t k = 0; k < 36; k++) {
			const char *allowed = form[k] == 'x' ? "0123456789abcdef" : form[k] == 'y' ? "89ab" : form[k] == '4' ? "4" : "-";

			assert_non_null(strchr(allowed, uuid[k]));
			assert_true(uuid[k] != '\0');
		}
		assert_string_not_equal(uuid, last);
		memcpy(last, uuid, 37);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_two_draws_are_alike),
		cmocka_unit_test(exactly_the_bytes_asked_for_are_filled),
		cmocka_unit_test(a_uuid_has_the_form_of_version_4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
