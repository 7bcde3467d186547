/*
 * test_faults_memory.c - each allocation of a request fails in turn: ours, and those of Berkeley DB, json-c,
 * libjwt and OpenSSL on its behalf.
 *
 * The answer is an error or the right one, never a wrong one; every key is as before or as after; tables agree; the
 * next request works; and what was allocated is given back.
 *
 * Left out are the allocations that three libraries make for themselves, since they do not look at the answer: libfcgi
 * ends the process (assert() in its Malloc()); libjwt, writing a token, takes the length of a text that jansson had
 * no memory for. Nothing can be done about that from outside. The supervisor starts another server, as after any crash.
 *
 * This program's malloc() stands before the C library's. Sanitizers bring their own: then there is nothing to test.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faulty.h"

#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define OTHER_MALLOC 1
#endif
#elif defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define OTHER_MALLOC 1
#endif

#if defined OTHER_MALLOC || !defined __GLIBC__
int main(void)
{
	return 77;
}
#else

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *p);

/* When there is no time for all: the first of a deed, and then fewer and fewer; of the very first whether something leaks. */
enum { LEAKS = 6, FIRST = 30, STEP = 5 };

enum { ROUNDS = 2, MANY_ROUNDS = 60, MOST_ALLOCATIONS = 5000 };

static _Atomic bool armed;
static _Atomic long left;		/* allocations that still succeed */
static _Atomic bool refused;
static _Atomic long alive;		/* pieces not yet freed */
static struct { uintptr_t from, to; } careless[3];	/* where the code of those libraries is */
static size_t n_careless;

static bool is_careless(const void *caller)
{
	for (size_t i = 0; i < n_careless; i++)
		if ((uintptr_t)caller >= careless[i].from && (uintptr_t)caller < careless[i].to)
			return true;
	return false;
}

/* CALLER is the instruction behind the call. */
static bool may_allocate(const void *caller)
{
	if (!armed || faulty_is_test || is_careless(caller))
		return true;
	if (atomic_fetch_sub(&left, 1) != 0)
		return true;
	refused = true;
	if (getenv("TMAKV_FAULT_ABORT") != NULL)
		abort();
	errno = ENOMEM;
	return false;
}

static void *counted(void *p)
{
	if (p != NULL)
		atomic_fetch_add(&alive, 1);
	return p;
}

void *malloc(size_t n)
{
	return may_allocate(__builtin_return_address(0)) ? counted(__libc_malloc(n)) : NULL;
}

void *calloc(size_t n, size_t size)
{
	return may_allocate(__builtin_return_address(0)) ? counted(__libc_calloc(n, size)) : NULL;
}

void *realloc(void *p, size_t n)
{
	void *moved = may_allocate(__builtin_return_address(0)) ? __libc_realloc(p, n) : NULL;

	if (p == NULL)
		counted(moved);
	return moved;
}

void *aligned_alloc(size_t alignment, size_t n)
{
	return may_allocate(__builtin_return_address(0)) ? counted(__libc_memalign(alignment, n)) : NULL;
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
	void *p = may_allocate(__builtin_return_address(0)) ? counted(__libc_memalign(alignment, n)) : NULL;

	if (p == NULL)
		return ENOMEM;
	*out = p;
	return 0;
}

void free(void *p)
{
	if (p != NULL)
		atomic_fetch_sub(&alive, 1);
	__libc_free(p);
}

static int find_careless(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (strstr(info->dlpi_name, "libfcgi") == NULL && strstr(info->dlpi_name, "libjwt") == NULL &&
	    strstr(info->dlpi_name, "libjansson") == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_LOAD && part->p_flags & PF_X) {
			if (n_careless == sizeof careless / sizeof careless[0])
				return 1;
			careless[n_careless].from = info->dlpi_addr + part->p_vaddr;
			careless[n_careless].to = careless[n_careless].from + part->p_memsz;
			n_careless++;
		}
	}
	return 0;
}

/* Allocation N (from 0) of DEED fails. False when it has fewer. */
static bool fail_one(const struct deed *deed, long n)
{
	int status;

	faulty_prepare(deed);
	refused = false;
	left = n;
	armed = true;
	status = deed->act();
	armed = false;
	if (getenv("TMAKV_FAULT_VERBOSE") != NULL && refused)
		printf("%s, allocation %ld: %d%s\n", deed->name, n, status, faulty_has_failed() ? ", failed" : "");
	if (faulty_has_failed()) {
		if (status == deed->good)
			fail_msg("%s, allocation %ld: acknowledged by a store that has failed", deed->name, n);
		faulty_restart();
	}
	if (status != deed->good && (!refused || (status != 0 && status != 500 && status != 503 && status != 507)))
		fail_msg("%s, allocation %ld: answered %d", deed->name, n, status);
	if (!faulty_check(deed, status))
		fail_msg("%s, allocation %ld", deed->name, n);
	return refused;
}

/* How many pieces more there are after so many rounds. */
static long growth(const struct deed *deed, long n, int rounds)
{
	long before;

	fail_one(deed, n);
	before = alive;
	for (int i = 0; i < rounds; i++)
		fail_one(deed, n);
	return alive - before;
}

/*
 * The same again: what is lost each time is a leak. Caches, the store's pages and OpenSSL's list of sixteen errors
 * grow at first, so one that seems to leak gets a longer look.
 */
static void find_leak(const struct deed *deed, long n)
{
	long grown = growth(deed, n, ROUNDS);

	if (grown < ROUNDS)
		return;
	if (getenv("TMAKV_FAULT_VERBOSE") != NULL)
		printf("%s, allocation %ld: %ld pieces more after %d rounds\n", deed->name, n, grown, ROUNDS);
	if ((grown = growth(deed, n, MANY_ROUNDS)) < MANY_ROUNDS)
		return;
	fail_msg("%s, allocation %ld: %ld pieces are lost in %d rounds", deed->name, n, grown, MANY_ROUNDS);
}

static void no_allocation_that_fails_does_harm(void **state)
{
	const char *only = getenv("TMAKV_FAULT_DEED");
	const bool all_of_them = getenv("TMAKV_FAULTS_ALL") != NULL;
	long all = 0;

	(void)state;
	for (size_t i = 0; i < faulty_n_deeds; i++) {
		const struct deed *deed = &faulty_deeds[i];
		long n = 0;

		if (only != NULL && strcmp(only, deed->name) != 0)
			continue;
		/* Once without a failure: what is made at the first time only is not the request's. */
		fail_one(deed, MOST_ALLOCATIONS);
		while (fail_one(deed, n)) {
			if (all_of_them || n < LEAKS)
				find_leak(deed, n);
			n += all_of_them || n < FIRST ? 1 : 1 + n / STEP;
			assert_true(n < MOST_ALLOCATIONS);
		}
		printf("%s: %ld allocations\n", deed->name, n);
		all += n;
	}
	assert_true(all > 0);
}

static int start(void **state)
{
	(void)state;
	dl_iterate_phdr(find_careless, NULL);
	assert_int_equal(n_careless, sizeof careless / sizeof careless[0]);
	faulty_start();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	faulty_stop();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_allocation_that_fails_does_harm),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
#endif
