/*
 * remote.h - a project's keys and values, on the server: the REST door, asked as the operator.
 */
#ifndef CTL_REMOTE_H
#define CTL_REMOTE_H

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl.h"
#include "ctl/fcgi_client.h"

struct remote {
	struct ctl *ctl;
	struct arena *arena;		/* of the request under way; whoever asks resets it */
	struct fcgi_client *client;
	struct str base;		/* "/client/v4/accounts/.../namespaces/..." */
	struct str project;		/* its name */
	int64_t keys;			/* in use, when it was opened */
	int64_t value_limit;
	int fd;				/* opened and not handed to the client yet; -1 */
	enum ctl_exit exit;		/* why there is no server any more */
};

/* A value, or what is answered, may be so large; a whole answer with values in it, too. */
#define REMOTE_VALUE_MAX (INT64_C(25) << 20)
enum { REMOTE_ANSWER_MAX = 64 << 20 };

/* remote_open - the project that ANY names. Not CTL_OK: reported. remote_close() in any case. */
enum ctl_exit remote_open(struct remote *remote, struct ctl *ctl, const char *any);
void remote_close(struct remote *remote);

/* remote_uri - an empty URI of the project, to be written on; PATH is what stands behind the project: "keys". */
void remote_uri(struct remote *remote, struct buf *uri, const char *path);

/* remote_escape - S percent-encoded; _query - "?NAME=" or "&NAME=" with it, if VALUE is not NULL. */
void remote_escape(struct buf *uri, struct str s);
void remote_query(struct buf *uri, const char *name, const char *value);

/* remote_request - what to ask for at URI, to be filled further. */
struct fcgi_request remote_request(struct remote *remote, const char *method, const struct buf *uri);

/*
 * remote_ask - ask. CTL_OK with an answer of whatever status, TOO_LARGE for one that has more than request->max
 * bytes (status 413); anything else has been reported.
 */
enum ctl_exit remote_ask(struct remote *remote, const struct fcgi_request *request, struct fcgi_answer *answer);

/* Why an answer is not the one hoped for. */
struct remote_refusal {
	enum ctl_exit exit;
	const char *code;
	struct str message;
};

struct remote_refusal remote_why(struct remote *remote, const struct fcgi_answer *answer);

/* remote_refused - report it. */
enum ctl_exit remote_refused(struct remote *remote, const struct fcgi_answer *answer);

/* remote_ask_ok - both: not CTL_OK when the status is not 200. */
enum ctl_exit remote_ask_ok(struct remote *remote, const struct fcgi_request *request, struct fcgi_answer *answer);

/*
 * remote_page - up to LIMIT keys from CURSOR on, "" the first; PREFIX may be NULL. *KEYS is the array's text,
 * *NEXT the cursor of the next page, "" behind the last; in remote->arena. *N is how many there are.
 */
enum ctl_exit remote_page(struct remote *remote, const char *prefix, const char *cursor, int64_t limit,
			  struct str *keys, struct str *next, size_t *n);

#endif
