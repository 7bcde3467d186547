/*
 * faulty.h - a whole server in this process, for tests that let something fail under a request.
 *
 * Event loops, slow lane and committer are the server's own; the test is the front server at the other end of
 * its socket. What would work by the clock (sweeper, checkpointer) is stopped, so a request's calls are always
 * the same ones. The test's own thread is never made to fail.
 */
#ifndef TESTS_UNIT_FAULTY_H
#define TESTS_UNIT_FAULTY_H

#include <stdbool.h>
#include <stddef.h>

/* A key that a request changes, or does not. NULL: the key is not there. */
struct look {
	const char *key;
	const char *before, *after;	/* values; only their names: see faulty_text() */
};

/* Something that is asked of the server, and what it is to do. */
struct deed {
	const char *name;
	void (*prepare)(void);		/* behind the keys' values of before; NULL: nothing */
	int (*act)(void);		/* answers the status; 0: the connection was closed without an answer */
	void (*finish)(void);		/* what a deed in several steps leaves half done; NULL: nothing */
	int good;			/* the status when nothing fails */
	bool writes;
	struct look looks[4];		/* up to one without a key */
};

extern const struct deed faulty_deeds[];
extern const size_t faulty_n_deeds;

/* faulty_start - a new folder and a server over it; faulty_stop takes both away. */
void faulty_start(void);
void faulty_stop(void);

/* faulty_restart - the server is closed, without a flush when its store has failed, and opened again. */
void faulty_restart(void);

/* faulty_store - the open store. */
struct store *faulty_store(void);

/* faulty_has_failed - whether the server would have ended, to be started again. */
bool faulty_has_failed(void);

/* faulty_prepare - everything is as it is before DEED. */
void faulty_prepare(const struct deed *deed);

/*
 * faulty_check - behind DEED, which answered STATUS: every key is as before or as after, all of them the same, and
 * as after when STATUS is the good one; all tables agree. False, and printed, when not.
 */
bool faulty_check(const struct deed *deed, int status);

/* True in the test's own thread. */
extern _Thread_local bool faulty_is_test;

#endif
