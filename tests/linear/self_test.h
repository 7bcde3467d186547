/*
 * self_test.h - is the checker any good?
 */
#ifndef TESTS_LINEAR_SELF_TEST_H
#define TESTS_LINEAR_SELF_TEST_H

#include <stdbool.h>

/* self_test - false, and says why, when the checker does not see what it should. SEED: which random histories. */
bool self_test(unsigned seed);

/* random_test - its second half: histories made by a machine. */
bool random_test(unsigned seed);

#endif
