/*
 * control.h - the control socket that tmakvctl speaks to.
 *
 * One JSON line a request, one JSON line an answer:
 *   {"command":"project.create","args":{...}}
 *   {"ok":true,"result":{...}}  or  {"ok":false,"code":"conflict","error":"sentence"}
 * The socket is 0600 and the peer must be root or the server's own user.
 *
 * Behind the answer to {"command":"kv.open"} the connection speaks FastCGI, as the front server's do:
 * what tmakvctl does with keys goes the way of all requests.
 *
 * With {"command":"backup"} comes the descriptor of an empty directory (SCM_RIGHTS). While it runs there are lines
 *   {"progress":{"done":1,"whole":2}}
 * and whoever hangs up, or says anything, cancels it.
 */
#ifndef SERVE_CONTROL_H
#define SERVE_CONTROL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "project/audit.h"

struct backup_job;
struct control;

/* Who serves the connections that go over to FastCGI. Called in the control thread. */
struct control_upgrade {
	bool (*has_room)(void *arg);		/* for one more, now */
	void (*take)(void *arg, int fd);	/* it owns FD, which blocks, from then on */
	void *arg;
};

/*
 * control_start - serve LISTENER in a thread of its own. NULL when it cannot; logged.
 * Commands run one at a time, whichever client they come from.
 */
struct control *control_start(const struct app *app, int listener, const struct control_upgrade *upgrade);

/* control_stop - finish the command under way, close all clients; LISTENER stays open. NULL is fine. */
void control_stop(struct control *control);

/* control_uptime_us - since control_start(), microseconds; 0 before it. */
uint64_t control_uptime_us(void);

/* How a command ended; RESULT is a document to send, released by the caller. */
struct admin_answer {
	/* in: the descriptor that came with the command, or -1; who takes it over sets it to -1. NULL: there is none */
	int *passed_fd;
	int64_t peer_pid, peer_uid;	/* in: who asks */
	/* out */
	json_object *result;	/* on RC_OK */
	struct str detail;	/* else: a sentence, in the arena; empty: the table's */
	bool upgrades;		/* on RC_OK: the connection is one of FastCGI from then on */
	struct backup_job *job;	/* on RC_OK, and not NULL: it has only begun, the answer comes when this ends, */
	struct audit audit;	/* and this line of the audit log is to be completed */
};

/* admin_run - one command of the table in admin.c. RC_NO_SUCH_ROUTE: there is none of that name. */
enum rc admin_run(const struct app *app, struct str command, json_object *args,
		  struct arena *arena, struct admin_answer *answer) MUST_USE;

#endif
