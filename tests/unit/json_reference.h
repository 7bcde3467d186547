/*
 * json_reference.h - RFC 8259 once more, as slow and as plain as possible.
 *
 * One function a rule of the grammar, one byte at a time: what base/jtext.c, which is
 * quick, is compared with, by its unit test and by its fuzzer.
 */
#ifndef TESTS_JSON_REFERENCE_H
#define TESTS_JSON_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* json_reference - what jtext_check() must answer. */
bool json_reference(struct str text, size_t *bad_at);

#endif
