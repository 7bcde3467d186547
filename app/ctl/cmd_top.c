/*
 * cmd_top.c - tmakvctl top: what the server is doing, live.
 *
 * One loop waits for the keyboard, the server's answer and the next time to ask, whichever comes first; so a server
 * that hangs or starts anew is no matter to who wants to leave. What is shown is made by the functions of top.h, on a
 * screen (term.h), as plain text, or as JSON.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jdoc.h"
#include "ctl/control_watch.h"
#include "ctl/ctl.h"
#include "ctl/term.h"
#include "ctl/top.h"

enum {
	INTERVAL_MIN_MS = 200, INTERVAL_MAX_MS = 60000, INTERVAL_MS = 1000,
	AWAY_MS = 2000,			/* so long without an answer is told */
	AGAIN_MS = 500,			/* a server that is away is asked again */
	GIVE_UP_MS = 30000,		/* --once waits no longer for it */
	ARENA_CEILING = 64 * 1024 * 1024,
	KEYS_MAX = 64
};

enum how { HOW_SCREEN, HOW_PLAIN, HOW_JSON };

struct top {
	struct ctl *ctl;
	enum how how;
	struct watch watch;
	struct arena *of_now, *of_before, *of_frame;
	struct top_snapshot now, before;
	bool has_before;		/* and so there are rates */
	struct top_view view;
	size_t page;			/* lines of the list that is scrolled */
	uint64_t interval_us, ask_us;	/* and when to ask next */
	uint64_t answered_us;
	uint64_t drawn_us;		/* while it is away */
	int64_t frames_left;		/* less than 0: no end */
	bool once, is_away, has_colours, quits;
	enum ctl_exit exit;
};

/* ---- the command line ---- */

/* Seconds with up to three places. */
static enum ctl_exit read_interval(struct ctl *ctl, uint64_t *interval_us)
{
	const char *text = args_value(ctl, OPTION_INTERVAL);
	struct str whole, part;
	uint64_t s = 0, ms = 0;
	bool good;

	*interval_us = INTERVAL_MS * UINT64_C(1000);
	if (text == NULL)
		return CTL_OK;
	good = !str_cut(str_c(text), '.', &whole, &part) || (part.n <= 3 && str_to_u64(part, 0, 999, &ms));
	for (size_t n = part.n; n != 0 && n < 3; n++)
		ms *= 10;
	good = good && (str_to_u64(whole, 0, 60, &s) || (whole.n == 0 && part.n != 0));
	if (!good || s * 1000 + ms < INTERVAL_MIN_MS || s * 1000 + ms > INTERVAL_MAX_MS)
		return ctl_usage(ctl, "--interval needs seconds from 0.2 to 60");
	*interval_us = (s * 1000 + ms) * 1000;
	return CTL_OK;
}

static enum how how_to_show(const struct top *top)
{
	if (top->ctl->json)
		return HOW_JSON;
	return !top->once && term_usable() ? HOW_SCREEN : HOW_PLAIN;
}

static enum ctl_exit read_options(struct top *top, json_object **args)
{
	struct ctl *ctl = top->ctl;
	enum ctl_exit exit;

	top->view.only = args_value(ctl, OPTION_PROJECT);
	top->once = args_has(ctl, OPTION_ONCE);
	top->frames_left = top->once ? 1 : -1;
	if (top->once && args_has(ctl, OPTION_COUNT))
		return ctl_usage(ctl, "--once and --count do not go together");
	if ((exit = args_i64(ctl, OPTION_COUNT, 1, 1000000000, &top->frames_left)) != CTL_OK ||
	    (exit = read_interval(ctl, &top->interval_us)) != CTL_OK)
		return exit;
	top->view.interval_s = (double)top->interval_us / 1e6;
	top->how = how_to_show(top);
	if (top->view.only != NULL) {
		*args = ctl_object();
		ctl_add_str(*args, "project", str_c(top->view.only));
	}
	return CTL_OK;
}

/* ---- showing ---- */

static void leave_with(struct top *top, enum ctl_exit exit)
{
	top->quits = true;
	top->exit = exit;
}

static void print_lines(struct top *top, const struct top_lines *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		struct str text = lines->lines[i].text;

		while (text.n != 0 && text.p[text.n - 1] == ' ')
			text.n--;
		printf("%.*s\n", STR(text));
	}
	if (top->frames_left != 1)
		putchar('\n');
}

static void paint_line(const struct top *top, struct buf *out, size_t row, const struct top_line *line)
{
	static const char *const styles[] = { [TOP_PLAIN] = "", [TOP_HEAD] = "\033[7m", [TOP_ALERT] = "\033[1m" };

	buf_addf(out, "\033[%zu;1H\033[0m\033[2K%s", row + 1, styles[line->style]);
	if (line->style == TOP_ALERT && top->has_colours)
		buf_add_c(out, "\033[31m");
	buf_add(out, line->text);
}

/* All of the screen in one write. */
static void paint(struct top *top, const struct top_lines *lines)
{
	struct buf out;

	buf_init(&out, top->of_frame, ARENA_CEILING);
	for (size_t i = 0; i < lines->n; i++)
		paint_line(top, &out, i, &lines->lines[i]);
	buf_add_c(&out, "\033[0m");
	if (!buf_ok(&out))
		ctl_no_memory();
	if (!term_write(buf_str(&out)))
		leave_with(top, CTL_IO);
}

static void print_document(struct top *top, json_object *doc)
{
	struct str text = doc == NULL ? str_make(NULL, 0) : jdoc_text(doc, top->of_frame);

	if (text.p == NULL)
		ctl_no_memory();
	printf("%.*s\n", STR(text));
	json_object_put(doc);
}

/* What there is, once more or anew. */
static void show(struct top *top)
{
	struct top_rates rates;
	struct top_lines lines;

	arena_reset(top->of_frame);
	if (!top_compare(top->has_before ? &top->before : NULL, &top->now, top->view.sort, top->of_frame, &rates))
		ctl_no_memory();
	if (top->how == HOW_JSON) {
		print_document(top, top_json(&rates, clock_wall_s()));
		return;
	}
	term_size(&top->view.width, &top->view.height);
	if (top->how == HOW_PLAIN)
		top->view.height = 0;
	if (!top_draw(&rates, &top->view, top->of_frame, &lines))
		ctl_no_memory();
	top->page = lines.page;
	top->view.scroll = lines.scroll;
	if (top->how == HOW_PLAIN)
		print_lines(top, &lines);
	else
		paint(top, &lines);
}

static void flush_out(struct top *top)
{
	if (top->how != HOW_SCREEN && fflush(stdout) != 0)
		leave_with(top, CTL_IO);
}

/* That it does not answer, as long as it does not. */
static void show_away(struct top *top, uint64_t now_us)
{
	double away_s = (double)(now_us - top->answered_us) / 1e6;

	top->drawn_us = now_us;
	top->view.away_s = away_s;
	if (top->how == HOW_SCREEN) {
		show(top);
	} else if (top->how == HOW_PLAIN) {
		printf("no answer for %.0f s\n", away_s);
	} else {
		json_object *doc = ctl_object();

		arena_reset(top->of_frame);
		ctl_add_i64(doc, "at", clock_wall_s());
		ctl_add_i64(doc, "away_s", (int64_t)away_s);
		print_document(top, doc);
	}
	flush_out(top);
}

/* ---- the server ---- */

/* RESULT is the snapshot of now from here on, and the one of now that of before. */
static bool take_snapshot(struct top *top, json_object *result)
{
	struct arena *arena = top->of_before;

	top_clear(&top->before);
	arena_reset(arena);
	top->before = top->now;
	top->of_before = top->of_now;
	top->of_now = arena;
	return top_read(result, arena, &top->now);
}

static void not_understood(struct top *top)
{
	term_close();
	leave_with(top, ctl_fail(top->ctl, CTL_INTERNAL, "internal", "the answer is not one of tmakvd's; is something else listening there?"));
}

static void take_result(struct top *top, json_object *result, uint64_t now_us)
{
	bool had = top->now.doc != NULL;

	if (!take_snapshot(top, result)) {
		not_understood(top);
		return;
	}
	top->is_away = false;
	top->view.away_s = 0;
	top->answered_us = now_us;
	top->has_before = had;
	if (!had && top->how != HOW_SCREEN)
		return;
	show(top);
	flush_out(top);
	if (had && top->frames_left > 0 && --top->frames_left == 0)
		top->quits = true;
}

static void lost(struct top *top, uint64_t now_us)
{
	top->is_away = true;
	if (top->ask_us > now_us + AGAIN_MS * 1000)
		top->ask_us = now_us + AGAIN_MS * 1000;
}

static void take_answer(struct top *top, json_object *doc, uint64_t now_us)
{
	json_object *result;

	if (ctl_get_bool(doc, "ok") && jdoc_object(doc, "result", &result)) {
		take_result(top, json_object_get(result), now_us);
	} else if (str_eq(ctl_get_str(doc, "code"), STR_LIT("unavailable"))) {
		lost(top, now_us);
	} else {
		term_close();
		leave_with(top, control_report(top->ctl, doc));
	}
	json_object_put(doc);
}

static void ask(struct top *top, uint64_t now_us)
{
	if (top->watch.fd >= 0 || top->view.paused || now_us < top->ask_us)
		return;
	top->ask_us = now_us - top->ask_us < top->interval_us ? top->ask_us + top->interval_us : now_us + top->interval_us;
	if (!watch_ask(&top->watch))
		lost(top, now_us);
}

static void step(struct top *top, uint64_t now_us)
{
	json_object *doc;

	switch (watch_step(&top->watch, &doc)) {
	case WATCH_ANSWER: take_answer(top, doc, now_us); break;
	case WATCH_LOST:   lost(top, now_us); break;
	case WATCH_WAITS:  break;
	}
}

/* A server that is away is told of once a second. */
static void look_for_away(struct top *top, uint64_t now_us)
{
	uint64_t silent_us = now_us - top->answered_us;

	if (top->view.paused)
		return;
	if (silent_us > top->interval_us + AWAY_MS * 1000)
		top->is_away = true;
	if (top->once && silent_us > GIVE_UP_MS * UINT64_C(1000)) {
		leave_with(top, ctl_fail(top->ctl, CTL_TEMPORARY, "unavailable", "tmakvd ended, and does not come back; its log says why"));
		return;
	}
	if (top->is_away && !top->once && now_us - top->drawn_us >= 1000000)
		show_away(top, now_us);
}

/* ---- the keyboard ---- */

/* What is under way comes to nothing; the first interval behind a pause has all of it. */
static void pause_or_go_on(struct top *top, uint64_t now_us)
{
	top->view.paused = !top->view.paused;
	watch_hang_up(&top->watch);
	top->answered_us = top->ask_us = now_us;
}

static void scroll(struct top *top, size_t up, size_t down)
{
	top->view.scroll = top->view.scroll > up ? top->view.scroll - up : 0;
	top->view.scroll += down;
}

static void press(struct top *top, int key, uint64_t now_us)
{
	struct top_view *view = &top->view;

	switch (key) {
	case 'q': top->quits = true; break;
	case 'p': pause_or_go_on(top, now_us); break;
	case 's': view->sort = (enum top_sort)((view->sort + 1) % TOP_SORTS); break;
	case 'h': case '?': view->help = !view->help; break;
	case '\t':
		view->projects_first = !view->projects_first;
		view->scroll = 0;
		break;
	case 'k': case TERM_UP:   scroll(top, 1, 0); break;
	case 'j': case TERM_DOWN: scroll(top, 0, 1); break;
	case TERM_PAGE_UP:        scroll(top, top->page, 0); break;
	case TERM_PAGE_DOWN: case ' ': scroll(top, 0, top->page); break;
	case TERM_HOME:           view->scroll = 0; break;
	case TERM_END:            view->scroll = SIZE_MAX / 2; break;
	default: break;
	}
}

static void take_keys(struct top *top, uint64_t now_us)
{
	int keys[KEYS_MAX];
	size_t n;

	if (!term_keys(keys, KEYS_MAX, &n)) {
		leave_with(top, CTL_OK);
		return;
	}
	for (size_t i = 0; i < n && !top->quits; i++)
		press(top, keys[i], now_us);
	if (!top->quits && top->now.doc != NULL)
		show(top);
}

/* ---- the loop ---- */

/* Milliseconds until there is something to do by the clock. */
static int time_to_wait(const struct top *top, uint64_t now_us)
{
	uint64_t until_us = now_us + 1000000;

	if (top->watch.fd < 0 && !top->view.paused && top->ask_us < until_us)
		until_us = top->ask_us;
	return until_us <= now_us ? 0 : (int)((until_us - now_us + 999) / 1000);
}

static void turn(struct top *top)
{
	struct pollfd fds[2] = { watch_poll(&top->watch), { top->how == HOW_SCREEN ? STDIN_FILENO : -1, POLLIN, 0 } };
	uint64_t now_us;
	bool redraw;

	term_wait(fds, 2, time_to_wait(top, clock_mono_us()), &redraw);
	now_us = clock_mono_us();
	if (fds[1].revents != 0)
		take_keys(top, now_us);
	if (!top->quits && fds[0].revents != 0 && top->watch.fd >= 0)
		step(top, now_us);
	if (!top->quits)
		ask(top, now_us);
	if (!top->quits)
		look_for_away(top, now_us);
	if (!top->quits && redraw && top->now.doc != NULL)
		show(top);
}

/* The first time whoever does not answer is reported, as to all commands. */
static enum ctl_exit begin(struct top *top, json_object *args)
{
	json_object *result;
	const char *path;
	enum ctl_exit exit;

	if ((exit = control_path(top->ctl, &path)) != CTL_OK) {
		json_object_put(args);
		return exit;
	}
	watch_init(&top->watch, path, control_line(top->ctl, "top", json_object_get(args)));
	if ((exit = control_ask(top->ctl, "top", args, &result)) != CTL_OK)
		return exit;
	if (top->how == HOW_SCREEN && !term_open()) {
		json_object_put(result);
		return ctl_fail(top->ctl, CTL_IO, "terminal", "the terminal cannot be used; --once needs none");
	}
	top->answered_us = clock_mono_us();
	top->ask_us = top->answered_us + top->interval_us;
	take_result(top, result, top->answered_us);
	return top->exit;
}

enum ctl_exit cmd_top(struct ctl *ctl)
{
	struct top top = { .ctl = ctl, .watch = { .fd = -1 }, .has_colours = getenv("NO_COLOR") == NULL };
	json_object *args = NULL;
	enum ctl_exit exit = read_options(&top, &args);

	if (exit != CTL_OK)
		return exit;
	top.of_now = arena_new(ARENA_CEILING);
	top.of_before = arena_new(ARENA_CEILING);
	top.of_frame = arena_new(ARENA_CEILING);
	if (top.of_now == NULL || top.of_before == NULL || top.of_frame == NULL)
		ctl_no_memory();
	exit = begin(&top, args);
	while (exit == CTL_OK && !top.quits) {
		turn(&top);
		exit = top.exit;
	}
	term_close();
	watch_clear(&top.watch);
	top_clear(&top.now);
	top_clear(&top.before);
	arena_free(top.of_now);
	arena_free(top.of_before);
	arena_free(top.of_frame);
	return exit;
}
