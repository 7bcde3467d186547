/*
 * term.c - see term.h.
 *
 * Only what every terminal of the last thirty years understands (ECMA-48, and xterm's second screen), so no library
 * and no database of terminals.
 *
 * Signals are blocked but while ppoll() waits: their handler notes them, and what is to be done is done behind it.
 * SIGABRT has a handler that does it all, with calls that a handler may make.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "ctl/term.h"

/* The second screen, no cursor, no line that goes on in the next; and all of it back. */
static const char enter_text[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
static const char leave_text[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
enum { ENDING = sizeof ending / sizeof ending[0] };

static volatile sig_atomic_t is_open;
static struct termios before;		/* as others left it */
static sigset_t outside;		/* the signal mask while nobody waits, before term_open() */
static sigset_t waiting;		/* and the one in ppoll() */
static volatile sig_atomic_t end_signal, stop_asked, changed;

bool term_usable(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term != NULL && term[0] != '\0' &&
	       strcmp(term, "dumb") != 0;
}

/* ---- in and out ---- */

static bool write_all(const char *p, size_t n)
{
	while (n != 0) {
		ssize_t written = write(STDOUT_FILENO, p, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		p += written;
		n -= (size_t)written;
	}
	return true;
}

/* In the background the settings are those of whoever has the terminal: this stops us until it is ours again. */
static void await_foreground(void)
{
	while (tcdrain(STDIN_FILENO) != 0 && errno == EINTR)
		;
}

/* Somebody may have set it back meanwhile, as a shell does: only what is no screen of ours is noted as theirs. */
static bool enter(void)
{
	struct termios now;

	await_foreground();
	if (tcgetattr(STDIN_FILENO, &now) != 0)
		return false;
	if (!is_open || (now.c_lflag & ICANON) != 0)
		before = now;
	now = before;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	/* Writing to a terminal that Control-S has stopped would wait, and all signals with it. */
	now.c_iflag &= ~(tcflag_t)IXON;
	now.c_cc[VMIN] = 0;
	now.c_cc[VTIME] = 0;
	is_open = 1;
	return tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0 && write_all(enter_text, sizeof enter_text - 1);
}

/* Also in a handler. */
static void leave(void)
{
	if (!is_open)
		return;
	is_open = 0;
	(void)!write_all(leave_text, sizeof leave_text - 1);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* ---- signals ---- */

static void note(int signal)
{
	if (signal == SIGTSTP)
		stop_asked = 1;
	else if (signal == SIGCONT || signal == SIGWINCH)
		changed = 1;
	else
		end_signal = signal;
}

static void leave_and_abort(int signal)
{
	leave();
	raise(signal);		/* its handler is the usual one again */
}

static void handle(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags }, old;

	/* Whoever started us with nohup wants it ignored. */
	if (sigaction(signal, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
		return;
	sigemptyset(&action.sa_mask);
	sigaction(signal, &action, NULL);
}

/* SIGNAL does to us what it does to others. Returns when it was one that stops, and SIGCONT came. */
static void suffer(int signal)
{
	struct sigaction usual = { .sa_handler = SIG_DFL }, ours;
	sigset_t only;

	leave();
	sigaction(signal, &usual, &ours);
	raise(signal);
	sigemptyset(&only);
	sigaddset(&only, signal);
	sigprocmask(SIG_UNBLOCK, &only, NULL);	/* here it comes */
	sigprocmask(SIG_BLOCK, &only, NULL);
	sigaction(signal, &ours, NULL);
}

static void take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ENDING; i++) {
		sigaddset(&set, ending[i]);
		handle(ending[i], note, 0);
	}
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGWINCH);
	handle(SIGTSTP, note, 0);
	handle(SIGCONT, note, 0);
	handle(SIGWINCH, note, 0);
	handle(SIGABRT, leave_and_abort, (int)SA_RESETHAND);
	sigprocmask(SIG_BLOCK, &set, &outside);
	waiting = outside;
	for (size_t i = 0; i < ENDING; i++)
		sigdelset(&waiting, ending[i]);
	sigdelset(&waiting, SIGTSTP);
	sigdelset(&waiting, SIGCONT);
	sigdelset(&waiting, SIGWINCH);
}

bool term_open(void)
{
	static bool registered;

	take_signals();
	if (!registered)
		atexit(term_close);
	registered = true;
	if (enter())
		return true;
	term_close();
	return false;
}

void term_close(void)
{
	if (!is_open)
		return;
	leave();
	sigprocmask(SIG_SETMASK, &outside, NULL);
}

void term_wait(struct pollfd *fds, size_t n, int timeout_ms, bool *redraw)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	*redraw = false;
	if (ppoll(fds, (nfds_t)n, &timeout, is_open ? &waiting : NULL) < 0)
		for (size_t i = 0; i < n; i++)
			fds[i].revents = 0;
	if (end_signal != 0)
		suffer(end_signal);
	if (stop_asked) {
		stop_asked = 0;
		suffer(SIGTSTP);
		changed = 1;
	}
	if (!changed)
		return;
	changed = 0;
	*redraw = true;
	enter();
}

/* ---- what is read and written ---- */

static size_t from_environment(const char *name, size_t otherwise)
{
	const char *text = getenv(name);
	uint64_t value;

	return text != NULL && str_to_u64(str_c(text), 1, 10000, &value) ? (size_t)value : otherwise;
}

void term_size(size_t *columns, size_t *rows)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 && size.ws_row != 0) {
		*columns = size.ws_col;
		*rows = size.ws_row;
		return;
	}
	*columns = from_environment("COLUMNS", 80);
	*rows = from_environment("LINES", 24);
}

bool term_write(struct str text)
{
	return write_all(text.p, text.n);
}

/* What the terminal sends for a key; the longest that fits is meant. */
static const struct {
	const char *text;
	enum term_key key;
} sequences[] = {
	{ "\033[A", TERM_UP },      { "\033OA", TERM_UP },      { "\033[B", TERM_DOWN },     { "\033OB", TERM_DOWN },
	{ "\033[5~", TERM_PAGE_UP }, { "\033[6~", TERM_PAGE_DOWN },
	{ "\033[H", TERM_HOME },    { "\033OH", TERM_HOME },    { "\033[1~", TERM_HOME },    { "\033[7~", TERM_HOME },
	{ "\033[F", TERM_END },     { "\033OF", TERM_END },     { "\033[4~", TERM_END },     { "\033[8~", TERM_END },
};

/* The bytes of the sequence TEXT begins with; of one that is none of ours as well: ESC [ parameters, a letter. */
static size_t sequence_length(struct str text)
{
	size_t n = 2;

	if (text.n < 2 || (text.p[1] != '[' && text.p[1] != 'O'))
		return 1;
	while (n < text.n && text.p[n] >= 0x20 && text.p[n] < 0x40)
		n++;
	return n < text.n ? n + 1 : n;
}

size_t term_parse(struct str text, int *keys, size_t max)
{
	size_t n = 0;

	while (text.n != 0 && n < max) {
		size_t length = text.p[0] == '\033' ? sequence_length(text) : 1;
		struct str one = str_make(text.p, length);

		if (length == 1 && text.p[0] != '\033')
			keys[n++] = (unsigned char)text.p[0];
		for (size_t i = 0; length > 1 && i < sizeof sequences / sizeof sequences[0]; i++)
			if (str_eq(one, str_c(sequences[i].text)))
				keys[n++] = (int)sequences[i].key;
		text = str_skip(text, length);
	}
	return n;
}

bool term_keys(int *keys, size_t max, size_t *n)
{
	char bytes[256];
	ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);

	*n = got > 0 ? term_parse(str_make(bytes, (size_t)got), keys, max) : 0;
	/* Readable, and nothing there: it was hung up. */
	return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}
