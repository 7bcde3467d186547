/*
 * routes.h - the table of all doors: method, path, right needed, handler.
 */
#ifndef ROUTES_H
#define ROUTES_H

#include "base/rc.h"
#include "call.h"

struct route {
	unsigned methods;	/* mask of enum method */
	const char *path;	/* as people write it: "/kv/{key}"; {key} takes all that is left, others one segment */
	enum right right;
	enum rc (*handler)(struct call *);
	const char *op;		/* what it is called in the error texts of Cloudflare's clients; NULL: nothing */
	enum metric_op counted;	/* and as what it is counted */
};

/*
 * routes_run - the request's walk behind request_read(): find the row by the raw path, name the
 * caller, check the right, call the handler. Answers what the handler does (see call.h). All errors
 * are turned into a reply with routes_error() by whoever called this.
 */
enum rc routes_run(struct call *call) MUST_USE;

/* routes_done - after op of a parked write is durable or refused: fill the reply. */
void routes_done(struct call *call);

/* routes_error - fill the reply with RC's error, in the shape of the door that was asked. */
void routes_error(struct call *call, enum rc rc);

/* routes_clear - release what the call holds besides its arena. Always, after the reply. */
void routes_clear(struct call *call);

/* routes_name - the template of the row, for the log: never the key. "-" when none was found. */
const char *routes_name(const struct call *call);

#endif
