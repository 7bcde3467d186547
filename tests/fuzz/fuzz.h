/*
 * fuzz.h - what a fuzz target is.
 *
 * One function, in tests/fuzz/fuzz_NAME.c, that gives bytes from nowhere to one parser
 * and dies (assert) when a promise is broken. With --enable-fuzzing libFuzzer calls it,
 * else replay.c does, with the files of tests/fuzz/corpus/fuzz_NAME/.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/* Promises are checked in every build. */
#undef NDEBUG
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* The answer is always 0. What it allocates it must free: leaks are found, too. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#endif
