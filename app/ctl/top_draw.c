/*
 * top_draw.c - see top.h: rates as lines of a terminal.
 *
 *   a title       which server, for how long; and whether it is there
 *   fields        what is well or not, as many lines as they take
 *   times         a column for each class of requests: how many a second, the median, the 99th percentile
 *   two lists     projects and keys; the one in front is scrolled and has most of the room
 *   a last line   which keys do what
 *
 * What there is no room for is left out: columns at their right, lists at their end, then the times.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/cells.h"
#include "ctl/top.h"

enum {
	LINES_MAX = 400, WIDTH_MAX = 2000,	/* what a larger terminal has besides stays empty */
	LINE_BYTES = 16 * 1024,
	TEXT = 32,
	WITHOUT_BLANK = 18,		/* with fewer lines nothing is left empty */
	WITHOUT_TIMES = 9,		/* with fewer there are no times */
	OTHER_ROWS = 4,			/* of the list that has not the room */
	UNLIMITED_ROWS = 20,		/* of each list where there is no height */
	TIMES_LABEL = 5, TIMES_COLUMN = 10,
	RATE_COLUMN = 9, TOTAL_COLUMN = 13,
	PROJECT_MAX = 16
};

struct page {
	const struct top_rates *rates;
	const struct top_view *view;
	struct arena *arena;
	struct top_lines *out;
	struct buf line;
	bool failed;
};

/* ---- lines ---- */

static void begin(struct page *page)
{
	buf_init(&page->line, page->arena, LINE_BYTES);
}

static void end(struct page *page, enum top_style style)
{
	struct top_lines *out = page->out;

	if (!buf_ok(&page->line) || out->n == LINES_MAX)
		page->failed = true;
	else
		out->lines[out->n++] = (struct top_line){ style, buf_str(&page->line) };
}

static void add_line(struct page *page, enum top_style style, const char *text)
{
	begin(page);
	cells_add(&page->line, str_c(text), page->view->width);
	end(page, style);
}

/* Lines that are still free; many where there is no height. */
static size_t left(const struct page *page)
{
	size_t height = page->view->height == 0 ? LINES_MAX : page->view->height;

	return height > page->out->n ? height - page->out->n : 0;
}

static bool is_high(const struct page *page)
{
	return page->view->height == 0 || page->view->height >= WITHOUT_BLANK;
}

/* ---- numbers ---- */

static const char *rate_text(char text[TEXT], double per_s)
{
	if (per_s < 0.05)
		snprintf(text, TEXT, "0");
	else if (per_s < 9.95)
		snprintf(text, TEXT, "%.1f", per_s);
	else if (per_s < 999999.5)
		snprintf(text, TEXT, "%.0f", per_s);
	else
		snprintf(text, TEXT, "%.2fM", per_s / 1e6);
	return text;
}

static const char *time_text(char text[TEXT], double us)
{
	if (us <= 0)
		snprintf(text, TEXT, "-");
	else if (us < 1000)
		snprintf(text, TEXT, "%.0f us", us);
	else if (us < 9995)
		snprintf(text, TEXT, "%.2f ms", us / 1e3);
	else if (us < 999500)
		snprintf(text, TEXT, "%.0f ms", us / 1e3);
	else
		snprintf(text, TEXT, "%.1f s", us / 1e6);
	return text;
}

/* The last per cents are the ones that count: 99.99. */
static const char *part_text(char text[TEXT], double part)
{
	if (part < 0)
		snprintf(text, TEXT, "-");
	else
		snprintf(text, TEXT, "%.2f%%", (double)(int64_t)(part * 1e4) / 100);
	return text;
}

static const char *size_text(char text[TEXT], int64_t bytes)
{
	static const char *const units[] = { "K", "M", "G", "T", "P", "E" };
	double size = (double)bytes / 1024;
	size_t i = 0;

	for (; size >= 1000 && i + 1 < sizeof units / sizeof units[0]; i++)
		size /= 1024;
	snprintf(text, TEXT, size < 9.95 ? "%.1f%s" : "%.0f%s", size, units[i]);
	return text;
}

static const char *age_text(char text[TEXT], double seconds)
{
	int64_t s = (int64_t)seconds;

	if (s >= 86400)
		snprintf(text, TEXT, "%" PRId64 "d %" PRId64 "h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(text, TEXT, "%" PRId64 "h %" PRId64 "m", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(text, TEXT, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
	else
		snprintf(text, TEXT, "%" PRId64 "s", s);
	return text;
}

static const char *duration_text(char text[TEXT], double seconds)
{
	snprintf(text, TEXT, "%.1f s", seconds);
	return text;
}

static const char *count_text(char text[TEXT], int64_t n)
{
	snprintf(text, TEXT, "%" PRId64, n);
	return text;
}

/* ---- the title ---- */

static void draw_title(struct page *page)
{
	const struct top_rates *rates = page->rates;
	const struct top_view *view = page->view;
	char age[TEXT], text[200], state[64] = "";
	size_t width;

	/* The first time it is since the server's start; and behind a pause it has all of that in it. */
	if (view->away_s > 0)
		snprintf(state, sizeof state, "NO ANSWER FOR %s", age_text(age, view->away_s));
	else if (view->paused)
		snprintf(state, sizeof state, "PAUSED");
	else if (rates->interval_s < view->interval_s / 2 || rates->interval_s > view->interval_s * 2)
		snprintf(state, sizeof state, "over %s", rates->interval_s < 10 ? duration_text(age, rates->interval_s)
										: age_text(age, rates->interval_s));
	else if (view->height != 0)
		snprintf(state, sizeof state, "every %g s", view->interval_s);
	if (view->only != NULL)
		snprintf(text, sizeof text, "tmakvd %.*s, up %s, project %.64s", STR(rates->version),
			 age_text(age, rates->uptime_s), view->only);
	else
		snprintf(text, sizeof text, "tmakvd %.*s, up %s, %" PRId64 " project%s", STR(rates->version),
			 age_text(age, rates->uptime_s), rates->projects_known, rates->projects_known == 1 ? "" : "s");
	begin(page);
	width = cells_width(str_c(state));
	if (width + 2 < view->width) {
		cells_add_left(&page->line, str_c(text), view->width - width - (width != 0 ? 2 : 0));
		cells_fill(&page->line, width != 0 ? 2 : 0);
		buf_add_c(&page->line, state);
	} else {
		cells_add(&page->line, str_c(width != 0 ? state : text), view->width);
	}
	end(page, view->away_s > 0 ? TOP_ALERT : TOP_PLAIN);
}

/* ---- fields ---- */

struct fields {
	struct page *page;
	size_t used;			/* cells of the line under way; 0: none is */
	size_t lines;			/* that may still begin */
	bool alert;
};

static void fields_end(struct fields *fields)
{
	if (fields->used != 0)
		end(fields->page, fields->alert ? TOP_ALERT : TOP_PLAIN);
	fields->used = 0;
	fields->alert = false;
}

/* NAME and VALUE, together in one line or not at all. */
static void field(struct fields *fields, const char *name, const char *value, bool alert)
{
	size_t width = strlen(name) + 1 + strlen(value), gap = fields->used != 0 ? 3 : 0;

	if (fields->used + gap + width > fields->page->view->width) {
		fields_end(fields);
		gap = 0;
	}
	if (width > fields->page->view->width || (fields->used == 0 && fields->lines == 0))
		return;
	if (fields->used == 0) {
		fields->lines--;
		begin(fields->page);
	}
	cells_fill(&fields->page->line, gap);
	buf_addf(&fields->page->line, "%s %s", name, value);
	fields->used += gap + width;
	fields->alert = fields->alert || alert;
}

static void draw_fields(struct page *page)
{
	const struct top_rates *rates = page->rates;
	const size_t height = page->view->height;
	struct fields fields = { .page = page, .lines = height == 0 ? 8 : height < 12 ? 1 : height < 16 ? 2 : 4 };
	char text[TEXT];

	if (rates->full)
		field(&fields, "DISK FULL:", "writes are refused", true);
	field(&fields, "requests/s", rate_text(text, rates->requests), false);
	field(&fields, "2xx", rate_text(text, rates->ok), false);
	field(&fields, "4xx", rate_text(text, rates->refused), false);
	field(&fields, "5xx", rate_text(text, rates->failed), rates->failed > 0);
	field(&fields, "limited/s", rate_text(text, rates->limited), false);
	if (is_high(page))
		fields_end(&fields);
	field(&fields, "queue", count_text(text, rates->queued), false);
	field(&fields, "batch", rate_text(text, rates->batches > 0 ? rates->changes / rates->batches : 0), false);
	field(&fields, "flush", time_text(text, rates->flush_us), false);
	field(&fields, "parked", count_text(text, rates->parked), false);
	field(&fields, "slow", count_text(text, rates->slow), false);
	field(&fields, "connections", count_text(text, rates->connections), false);
	if (is_high(page))
		fields_end(&fields);
	field(&fields, "cache", part_text(text, rates->cache_hits), false);
	field(&fields, "tokens", part_text(text, rates->token_hits), false);
	field(&fields, "free", size_text(text, rates->free_bytes), false);
	fields_end(&fields);
}

/* ---- times ---- */

enum times_row { TIMES_NAME, TIMES_RATE, TIMES_P50, TIMES_P99, TIMES_ROWS };

static const char *times_cell(const struct top_class_rate *class, enum times_row row, char text[TEXT])
{
	switch (row) {
	case TIMES_RATE: return rate_text(text, class->per_s);
	case TIMES_P50:  return time_text(text, (double)class->p50_us);
	case TIMES_P99:  return time_text(text, (double)class->p99_us);
	default:         break;
	}
	snprintf(text, TEXT, "%.*s", STR(class->name));
	for (char *p = text; *p != '\0'; p++)
		*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p == '_' ? '-' : *p;
	return text;
}

static void draw_times(struct page *page)
{
	static const char *const labels[TIMES_ROWS] = { "", "/s", "p50", "p99" };
	size_t width = page->view->width, n = page->rates->n_classes, room;
	char text[TEXT];

	if (width < TIMES_LABEL + TIMES_COLUMN)
		return;
	room = (width - TIMES_LABEL) / TIMES_COLUMN;
	n = n < room ? n : room;
	for (enum times_row row = 0; row < TIMES_ROWS; row++) {
		begin(page);
		cells_add_left(&page->line, str_c(labels[row]), TIMES_LABEL);
		for (size_t i = 0; i < n; i++)
			cells_add_right(&page->line, str_c(times_cell(&page->rates->classes[i], row, text)), TIMES_COLUMN);
		if (row == TIMES_NAME)
			cells_fill(&page->line, width - TIMES_LABEL - n * TIMES_COLUMN);
		end(page, row == TIMES_NAME ? TOP_HEAD : TOP_PLAIN);
	}
}

/* ---- the lists ---- */

/* Which columns there is room for. */
struct columns {
	bool project, total;		/* of a key; of a project: writes apart from reads */
	size_t project_width, name_width;
};

static struct columns columns_of(const struct page *page)
{
	size_t width = page->view->width, fixed;
	struct columns columns = { .project = width >= 50 && page->view->only == NULL, .total = width >= 34 };

	fixed = RATE_COLUMN + 2 + (columns.total ? TOTAL_COLUMN : 0);
	for (size_t i = 0; columns.project && i < page->rates->n_keys; i++) {
		size_t n = cells_width(page->rates->keys[i].project);

		if (n > columns.project_width)
			columns.project_width = n < PROJECT_MAX ? n : PROJECT_MAX;
	}
	if (columns.project && columns.project_width < sizeof "PROJECT" - 1)
		columns.project_width = sizeof "PROJECT" - 1;
	fixed += columns.project ? columns.project_width + 2 : 0;
	columns.name_width = width > fixed ? width - fixed : 0;
	return columns;
}

/* The columns in front of the last one. */
static void add_numbers(struct page *page, const struct columns *columns, const char *rate, const char *total)
{
	cells_add_right(&page->line, str_c(rate), columns->name_width == 0 ? page->view->width : RATE_COLUMN);
	if (columns->total)
		cells_add_right(&page->line, str_c(total), TOTAL_COLUMN);
	cells_fill(&page->line, columns->name_width != 0 ? 2 : 0);
}

/* A list's first line; FROM is the first row that is shown, and N of ALL are. */
static void draw_head(struct page *page, const struct columns *columns, const char *rate, const char *total,
		      const char *name, bool has_project, size_t from, size_t n, size_t all)
{
	char text[64];

	if (n < all)
		snprintf(text, sizeof text, "%s  %zu-%zu of %zu", name, from + 1, from + n, all);
	else
		snprintf(text, sizeof text, "%s", name);
	begin(page);
	add_numbers(page, columns, rate, total);
	if (has_project) {
		cells_add_left(&page->line, STR_LIT("PROJECT"), columns->project_width);
		cells_fill(&page->line, 2);
	}
	cells_add_left(&page->line, str_c(text), columns->name_width);
	end(page, TOP_HEAD);
}

static void draw_projects(struct page *page, size_t from, size_t n)
{
	const struct top_rates *rates = page->rates;
	struct columns columns = columns_of(page);
	char rate[TEXT], total[TEXT];

	if (columns.project)
		columns.name_width += columns.project_width + 2;
	draw_head(page, &columns, "READS/S", "WRITES/S", "PROJECT", false, from, n, rates->n_projects);
	for (size_t i = from; i < from + n; i++) {
		const struct top_project_rate *project = &rates->projects[i];
		double shown = columns.total ? project->reads_per_s : project->reads_per_s + project->writes_per_s;

		begin(page);
		add_numbers(page, &columns, rate_text(rate, shown), rate_text(total, project->writes_per_s));
		cells_add(&page->line, project->name, columns.name_width);
		end(page, TOP_PLAIN);
	}
}

static void draw_keys(struct page *page, size_t from, size_t n)
{
	const struct top_rates *rates = page->rates;
	struct columns columns = columns_of(page);
	char rate[TEXT], total[TEXT];

	draw_head(page, &columns, "WRITES/S", "ALL WRITES", "KEY", columns.project, from, n, rates->n_keys);
	for (size_t i = from; i < from + n; i++) {
		const struct top_key_rate *key = &rates->keys[i];

		begin(page);
		add_numbers(page, &columns, rate_text(rate, key->per_s), count_text(total, key->writes));
		if (columns.project) {
			cells_add_left(&page->line, key->project, columns.project_width);
			cells_fill(&page->line, 2);
		}
		cells_add(&page->line, key->key, columns.name_width);
		end(page, TOP_PLAIN);
	}
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void draw_blank(struct page *page)
{
	if (is_high(page))
		add_line(page, TOP_PLAIN, "");
}

/* Both lists in the ROOM that is left. The one that has the room takes what the other does not need. */
static void draw_lists(struct page *page, size_t room)
{
	const struct top_rates *rates = page->rates;
	const struct top_view *view = page->view;
	bool projects_first = view->projects_first;
	size_t extra = is_high(page) ? 2 : 1;	/* lines of a list besides its rows */
	size_t most = view->height == 0 ? UNLIMITED_ROWS : LINES_MAX;
	size_t n_main = projects_first ? rates->n_projects : rates->n_keys;
	size_t n_other = projects_first ? rates->n_keys : rates->n_projects;
	size_t other = room >= 2 * extra + 3 ? least(least(n_other, OTHER_ROWS), room - 2 * extra - 2) : 0;
	size_t main_room = room - (other != 0 ? other + extra : 0), main, scroll;

	if (n_other != 0 && view->height == 0)
		other = least(n_other, UNLIMITED_ROWS);
	main = main_room > extra ? least(least(n_main, main_room - extra), most) : 0;
	/* What the main list leaves is the other's. */
	if (other != 0 && main + extra < main_room)
		other = least(least(n_other, other + main_room - extra - main), most);
	scroll = least(view->scroll, n_main - main);
	page->out->page = main;
	page->out->scroll = scroll;
	if (other == 0 && main_room <= extra)
		return;
	if (other != 0 && !projects_first) {
		draw_blank(page);
		draw_projects(page, 0, other);
	}
	draw_blank(page);
	if (projects_first)
		draw_projects(page, scroll, main);
	else
		draw_keys(page, scroll, main);
	if (other != 0 && projects_first) {
		draw_blank(page);
		draw_keys(page, 0, other);
	}
}

/* ---- help ---- */

static void draw_help(struct page *page, size_t room)
{
	static const char *const lines[] = {
		"q          quit",
		"p          pause, and go on",
		"s          sort by what happens now, by all since the start, by name",
		"Tab        scroll the projects, or the keys",
		"Up Down PgUp PgDn Home",
		"h          this, and back",
		"",
		"limited    refused by the write limit of a key or by a user's rate",
		"queue      changes that wait for their batch; batch: changes in one",
		"parked     requests that wait for a flush; slow: in the slow lane",
		"p50, p99   half of the requests, 99 of 100, took less time than this",
		"ALL WRITES a key's write counter: all that were accepted since it was made",
	};

	draw_blank(page);
	room -= is_high(page);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0] && i < room; i++)
		add_line(page, TOP_PLAIN, lines[i]);
}

static void draw_footer(struct page *page)
{
	static const char *const sorts[TOP_SORTS] = { "now", "all", "name" };
	char text[128];

	if (page->view->help)
		snprintf(text, sizeof text, "h back  q quit");
	else
		snprintf(text, sizeof text, "q quit  h help  p %s  s sort: %s  Tab scroll: %s",
			 page->view->paused ? "go on" : "pause", sorts[page->view->sort],
			 page->view->projects_first ? "projects" : "keys");
	add_line(page, TOP_PLAIN, text);
}

/* The VIEW of what can be drawn. */
static struct top_view drawn_view(const struct top_view *view)
{
	struct top_view drawn = *view;

	drawn.width = least(view->width, WIDTH_MAX);
	drawn.height = least(view->height, LINES_MAX);
	return drawn;
}

bool top_draw(const struct top_rates *rates, const struct top_view *asked, struct arena *arena, struct top_lines *out)
{
	const struct top_view drawn = drawn_view(asked), *view = &drawn;
	struct page page = { .rates = rates, .view = view, .arena = arena, .out = out };
	bool has_footer = view->height >= 4;
	size_t room;

	*out = (struct top_lines){ .lines = arena_zero(arena, LINES_MAX * sizeof out->lines[0]) };
	if (out->lines == NULL)
		return false;
	if (view->width == 0)
		return true;
	draw_title(&page);
	if (left(&page) > has_footer)
		draw_fields(&page);
	if (left(&page) > (size_t)has_footer + TIMES_ROWS && (view->height == 0 || view->height >= WITHOUT_TIMES)) {
		draw_blank(&page);
		draw_times(&page);
	}
	room = left(&page);
	room -= has_footer && room != 0;
	if (view->help && room != 0)
		draw_help(&page, room);
	else if (!view->help)
		draw_lists(&page, room);
	while (has_footer && left(&page) > 1)
		add_line(&page, TOP_PLAIN, "");
	if (has_footer)
		draw_footer(&page);
	return !page.failed;
}
