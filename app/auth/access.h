/*
 * access.h - what may the caller do with this key?
 *
 * The project's access rules bind its users; API keys and the operator are above them. The answer follows from the
 * caller, the rules and the key's text alone: never from what is stored.
 */
#ifndef AUTH_ACCESS_H
#define AUTH_ACCESS_H

#include "auth/auth.h"
#include "project/rules.h"

struct access {
	unsigned operations;		/* allowed: RULE_READ and so on */
	uint64_t max_bytes;		/* of a value that is written; 0: the rules set no limit */
};

#endif
