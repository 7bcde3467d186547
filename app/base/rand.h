/*
 * rand.h - unguessable bytes, from the kernel.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* rand_bytes - fill P; a kernel that has none is a broken machine, and ends the program. */
void rand_bytes(void *p, size_t n);

/* rand_uuid - a version 4 UUID (RFC 9562) as 36 characters and a NUL. */
void rand_uuid(char out[37]);

#endif
