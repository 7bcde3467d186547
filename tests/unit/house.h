/*
 * house.h - the rooms under auth/ opened over a real store in a folder of their own, for tests.
 */
#ifndef TESTS_HOUSE_H
#define TESTS_HOUSE_H

#include "auth/auth.h"
#include "base/conf.h"
#include "project/project.h"
#include "store/commit.h"
#include "store/store.h"

struct house {
	char dir[256];
	struct conf conf;
	struct store *store;
	struct registry *registry;
	struct auth *auth;
};

/* house_build - a new folder, and everything open in it. house_clear takes both away. False: it broke. */
bool house_build(struct house *house);
void house_clear(struct house *house);

/* Close registry and auth, and open them again; the second also closes the store between. */
bool house_reopen(struct house *house);
bool house_restart(struct house *house);

/* A row straight into the store. */
bool house_put(struct house *house, enum store_table table, struct str key, struct str value);

/* The user's revocation mark, and a member of the project's record; the latter reopens. */
bool house_mark(struct house *house, uint32_t project, uint64_t user, int64_t not_before);
bool house_edit_project(struct house *house, uint32_t project, const char *member, int64_t value);

#endif
