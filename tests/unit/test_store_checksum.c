/*
 * test_store_checksum.c - our sum is the library's: of any bytes, wherever they lie, and it is ours that is called.
 */
#include "config.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/private.h"

static uint32_t (*library)(DB *db, const void *bytes, uint32_t n);

static uint32_t obvious(const unsigned char *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = sum * 33 + p[i];
	return sum;
}

static void compare(const unsigned char *p, size_t n)
{
	uint32_t sum = __ham_func4(NULL, p, (uint32_t)n);

	assert_int_equal(sum, obvious(p, n));
	assert_int_equal(sum, library(NULL, p, (uint32_t)n));
}

static void every_length_at_every_place_has_the_librarys_sum(void **state)
{
	static unsigned char bytes[16 + 600];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(rand() >> 7);
	for (size_t at = 0; at < 16; at++)
		for (size_t n = 0; n <= 600; n++)
			compare(bytes + at, n);
}

static void long_ones_and_the_largest_bytes_have_it_too(void **state)
{
	static unsigned char bytes[300007];
	const unsigned char fills[] = { 0, 1, 0x7f, 0x80, 0xff };

	(void)state;
	for (size_t i = 0; i < sizeof fills; i++) {
		memset(bytes, fills[i], sizeof bytes);
		for (size_t n = sizeof bytes; n > 0; n /= 3)
			compare(bytes, n);
	}
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(rand() >> 7);
	compare(bytes, sizeof bytes);
}

static void the_library_finds_ours_first(void **state)
{
	(void)state;
	assert_ptr_equal(dlsym(RTLD_DEFAULT, "__ham_func4"), (void *)(uintptr_t)__ham_func4);
}

static int start(void **state)
{
	(void)state;
	void *found = dlsym(RTLD_NEXT, "__ham_func4");
	int major;

	/* Something else of the library's, so that this program is linked with it as tmakvd is. */
	assert_non_null(db_version(&major, NULL, NULL));
	assert_int_equal(major, DB_VERSION_MAJOR);
	assert_non_null(found);
	memcpy(&library, &found, sizeof library);
	return library == __ham_func4;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_at_every_place_has_the_librarys_sum),
		cmocka_unit_test(long_ones_and_the_largest_bytes_have_it_too),
		cmocka_unit_test(the_library_finds_ours_first),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
