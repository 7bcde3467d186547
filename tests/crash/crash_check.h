/*
 * crash_check.h - what the checker's program and its self-test share.
 */
#ifndef TESTS_CRASH_CRASH_CHECK_H
#define TESTS_CRASH_CRASH_CHECK_H

#include "check.h"

/* check_all - all keys of sorted EVENTS; answers as check_key(). */
size_t check_all(const struct events *events, check_report *report, void *arg);

/* self_test - plant each fault into a good record; true when each is found, and nothing in the good one. */
bool self_test(void);

#endif
