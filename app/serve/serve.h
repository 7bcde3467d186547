/*
 * serve.h - the room that keeps it running: sockets, processes, threads.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct app;
struct conf;

/* Exit codes of tmakvd (sysexits.h where there is one). */
enum {
	EXIT_STOPPED = 0,	/* asked to */
	EXIT_USAGE_ERROR = 64,
	EXIT_DAMAGED = 65,	/* damaged data: a person must look */
	EXIT_AGAIN = 75,	/* start it again */
	EXIT_CONF = 78		/* configuration: a person must look */
};

/* What a supervisor leaves to the program that takes its place (handover.c). */
struct serve_handover {
	pid_t supervisor;
	struct {
		int fd;
		uint64_t device, inode;	/* of the file that is to be removed in the end; 0 when it is not ours */
	} fastcgi, control;		/* the listening sockets */
	int lifeline[2];
	int settings;			/* a file: those in use */
	pid_t server;			/* 0: there is none */
	uint64_t kill_at_us;		/* it was asked to end, and has until then; 0: it serves */
};

enum serve_handed { HANDED_NOTHING, HANDED_OVER, HANDED_WRONG };

/*
 * serve_handover_read - what was left to us, if anything. ONLY_CHECK: to our parent, which wants to know whether we
 * could take over; serve_handover_agree() tells it so. HANDED_WRONG: it is not for us, or not true.
 */
enum serve_handed serve_handover_read(struct serve_handover *out, bool only_check);
void serve_handover_agree(void);

struct serve_options {
	const struct serve_handover *handover;	/* NULL: a fresh start */
	const char *program;	/* argv[0] */
	const char *conf_file;	/* NULL: defaults only */
	const char *listen;	/* -s PATH, over all else; NULL */
};

/* serve_run - the supervisor: open the sockets or take them over, run and restart the server process. Answers the exit code. */
int serve_run(const struct serve_options *options, const struct conf *conf);

/* The descriptors the supervisor hands to the server process. */
struct serve_fds {
	int listener;		/* FastCGI */
	int control;		/* control socket, listening */
	int lifeline;		/* reads EOF when the supervisor is gone */
	int ready;		/* a byte is written to it when requests are served, and more by pulse.c */
	int settings;		/* a file: the settings, checked */
};

/* serve_server - the server process: open everything, serve, drain, close. Answers the exit code. */
int serve_server(const struct conf *conf, const struct serve_fds *fds);

/*
 * Without serving (maintain.c); each answers the exit code. serve_prepare - bring the copy in DIR, which a server
 * has made, to rest, check it and write its list. serve_verify - is the backup DIR good? Changes nothing.
 * serve_restore - copy the backup DIR into the empty directories of CONF.
 */
int serve_prepare(const char *dir);
int serve_verify(const char *dir);
int serve_restore(const char *dir, const struct conf *conf);

/*
 * serve_fail - the store is unwell: end the server process (exit 75) once the answers that are under way
 * have gone out, so that the next one recovers it. Any thread; returns at once.
 */
void serve_fail(void);

/* serve_parse_fds - "3,4,5,6,7" as the supervisor writes it behind --server. */
bool serve_parse_fds(const char *text, struct serve_fds *fds);

#endif
