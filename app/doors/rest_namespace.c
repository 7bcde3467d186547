/*
 * rest_namespace.c - projects as Cloudflare's clients see them: namespaces with an id and a title.
 *
 * An API key sees the one that is its own; an admin key sees all, and makes, renames and deletes them. Changes
 * block until they are durable, so they run in the slow lane.
 */
#include "config.h"

#include <stdlib.h>

#include "base/jdoc.h"
#include "base/jtext.h"
#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "http/uri.h"
#include "project/audit.h"

enum {
	BODY_MAX = 16 * 1024,
	BODY_DEPTH = 8,
	ONE_MAX = 8 * 1024,		/* a namespace as JSON, its title escaped at its worst */
	LIST_MAX = 64 << 20,
	PER_PAGE = 20,
	PER_PAGE_MAX = 1000
};

static void namespace_write(struct buf *out, const char *id, struct str title)
{
	char digits[PROJECT_ID_LEN];

	buf_add_c(out, "{\"id\":\"");
	buf_add(out, project_namespace_id(id, digits));
	buf_add_c(out, "\",\"title\":");
	jtext_quote(out, title);
	buf_add_c(out, ",\"supports_url_encoding\":true}");
}

static enum rc answer_one(struct call *call, const struct project *project)
{
	struct buf out;

	buf_init(&out, call->arena, ONE_MAX);
	namespace_write(&out, project->id, project_title(project));
	if (!buf_ok(&out))
		return RC_NO_MEMORY;
	rest_result(call, buf_str(&out), STR_LIT(""));
	return RC_OK;
}

enum rc rest_namespace_get(struct call *call)
{
	return answer_one(call, call->caller.project);
}

/* ---- changes ---- */

/* {"title": ...}; other members, a jurisdiction for instance, mean nothing here. */
static enum rc title_of_body(struct call *call, struct str *title)
{
	struct str body, text;
	json_object *doc;
	enum rc rc = body_read(&call->body, BODY_MAX, call->arena, &body);

	if (rc != RC_OK)
		return rc;
	doc = jdoc_read(body, BODY_DEPTH);
	if (doc == NULL && jdoc_lacked_memory())
		return RC_NO_MEMORY;
	if (!jdoc_str(doc, "title", &text) || text.n == 0)
		rc = RC_BAD_TITLE;
	else if ((*title = arena_dup(call->arena, text)).p == NULL)
		rc = RC_NO_MEMORY;
	json_object_put(doc);
	if (rc == RC_OK && title->n > PROJECT_TITLE_MAX) {
		call->detail = arena_printf(call->arena, "a title has at most %d bytes", PROJECT_TITLE_MAX);
		return RC_BAD_TITLE;
	}
	return rc;
}

/* ARGS for the audit log: TITLE, unless it is empty. NULL without memory. */
static json_object *args_of(struct str title)
{
	json_object *args = json_object_new_object();

	if (title.n == 0 || jdoc_add_str(args, "title", title))
		return args;
	json_object_put(args);
	return NULL;
}

/* An operator is about to change what projects there are: not without a line in the audit log. */
static enum rc audit(struct call *call, struct audit *audit, const char *command, struct str title)
{
	const struct audit_from from = {
		.key = call->is_operator ? NULL : call->caller.key_id, .pid = call->operator_pid, .uid = call->operator_uid
	};
	const struct project *project = call->caller.project;
	json_object *args = args_of(title);
	enum rc rc = args == NULL ? RC_NO_MEMORY :
		audit_begin(audit, call->app->store, &from, command, project == NULL ? "" : project->id, args);

	json_object_put(args);
	return rc;
}

enum rc rest_namespace_create(struct call *call)
{
	const struct project *project;
	struct audit line;
	struct str title;
	enum rc rc;

	if (!call->slow)
		return RC_SLOW;
	if ((rc = title_of_body(call, &title)) != RC_OK ||
	    (rc = audit(call, &line, "namespace.create", title)) != RC_OK)
		return rc;
	rc = project_create_titled(call->app->registry, title, &project);
	if (rc != RC_OK)
		return audit_end(&line, NULL, rc);
	rc = audit_end(&line, project->id, rc);
	if (rc == RC_OK)
		rc = answer_one(call, project);
	project_unref(project);
	return rc;
}

enum rc rest_namespace_rename(struct call *call)
{
	struct str id = str_c(call->caller.project->id), title;
	const struct project *project;
	struct audit line;
	enum rc rc;

	if (!call->slow)
		return RC_SLOW;
	if ((rc = title_of_body(call, &title)) != RC_OK ||
	    (rc = audit(call, &line, "namespace.rename", title)) != RC_OK)
		return rc;
	rc = project_retitle(call->app->registry, id, title);
	if ((rc = audit_end(&line, NULL, rc)) != RC_OK)
		return rc;
	project = registry_find(call->app->registry, id);
	if (project == NULL)
		return RC_NAMESPACE_NOT_FOUND;
	rc = answer_one(call, project);
	project_unref(project);
	return rc;
}

enum rc rest_namespace_delete(struct call *call)
{
	struct audit line;
	enum rc rc;

	if (!call->slow)
		return RC_SLOW;
	if ((rc = audit(call, &line, "namespace.delete", STR_LIT(""))) != RC_OK)
		return rc;
	rc = project_delete(call->app->registry, str_c(call->caller.project->id));
	rc = audit_end(&line, NULL, rc);
	/* Somebody else was quicker. */
	if (rc == RC_KEY_NOT_FOUND)
		return RC_NAMESPACE_NOT_FOUND;
	if (rc == RC_OK)
		rest_result(call, STR_LIT("{}"), STR_LIT(""));
	return rc;
}

/* ---- the list ---- */

/* What a row of the list is made of: a project may go while it is written. */
struct row {
	char id[PROJECT_ID_LEN + 1];
	struct str title;
};

struct page {
	struct call *call;
	uint32_t only;			/* number of the one project that may be seen; 0: all may */
	struct row *rows;
	size_t n, room;
	bool failed;
	uint64_t page, per_page;
	bool descending;
	int (*order)(const void *, const void *);	/* NULL: as they were made */
};

static void see(const struct project *project, void *arg)
{
	struct page *page = arg;
	struct row *row;

	if ((page->only != 0 && project->number != page->only) || page->failed)
		return;
	if (page->n == page->room) {
		size_t room = page->room == 0 ? 64 : 2 * page->room;
		struct row *more = arena_alloc(page->call->arena, room * sizeof *more);

		page->failed = more == NULL;
		if (page->failed)
			return;
		if (page->n != 0)
			memcpy(more, page->rows, page->n * sizeof *more);
		page->rows = more;
		page->room = room;
	}
	row = &page->rows[page->n++];
	memcpy(row->id, project->id, sizeof row->id);
	row->title = arena_dup(page->call->arena, project_title(project));
	page->failed = row->title.p == NULL;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->id, ((const struct row *)b)->id);
}

static int by_title(const void *a, const void *b)
{
	return str_cmp(((const struct row *)a)->title, ((const struct row *)b)->title);
}

static enum rc page_parameters(struct call *call, struct page *page)
{
	struct str query = call->request.query, number, size, order, direction;
	enum rc rc;

	if ((rc = uri_parameter(query, "page", call->arena, &number)) != RC_OK ||
	    (rc = uri_parameter(query, "per_page", call->arena, &size)) != RC_OK ||
	    (rc = uri_parameter(query, "order", call->arena, &order)) != RC_OK ||
	    (rc = uri_parameter(query, "direction", call->arena, &direction)) != RC_OK)
		return rc;
	if (number.n != 0 && !str_to_u64(number, 1, INT32_MAX, &page->page))
		return RC_BAD_PAGE;
	if (size.n != 0 && !str_to_u64(size, 1, PER_PAGE_MAX, &page->per_page))
		return RC_BAD_PER_PAGE;
	if (str_eq(order, STR_LIT("id")))
		page->order = by_id;
	else if (str_eq(order, STR_LIT("title")))
		page->order = by_title;
	else if (order.n != 0)
		return RC_BAD_ORDER;
	page->descending = str_eq(direction, STR_LIT("desc"));
	return direction.n == 0 || page->descending || str_eq(direction, STR_LIT("asc")) ? RC_OK : RC_BAD_DIRECTION;
}

static enum rc page_write(struct call *call, const struct page *page)
{
	size_t first = (size_t)((page->page - 1) * page->per_page), end = first + (size_t)page->per_page;
	struct buf out, info;

	if (first > page->n)
		first = page->n;
	if (end > page->n)
		end = page->n;
	buf_init(&out, call->arena, LIST_MAX);
	buf_add_char(&out, '[');
	for (size_t i = first; i < end; i++) {
		const struct row *row = &page->rows[page->descending ? page->n - 1 - i : i];

		if (i != first)
			buf_add_char(&out, ',');
		namespace_write(&out, row->id, row->title);
	}
	buf_add_char(&out, ']');
	buf_init(&info, call->arena, 256);
	buf_addf(&info, "{\"page\":%llu,\"per_page\":%llu,\"count\":%zu,\"total_count\":%zu,\"total_pages\":%llu}",
		 (unsigned long long)page->page, (unsigned long long)page->per_page, end - first, page->n,
		 (unsigned long long)((page->n + page->per_page - 1) / page->per_page));
	if (!buf_ok(&out) || !buf_ok(&info))
		return RC_NO_MEMORY;
	rest_result(call, buf_str(&out), buf_str(&info));
	return RC_OK;
}

/* Behind the last page comes an empty one: their clients ask until they get it. */
enum rc rest_namespace_list(struct call *call)
{
	const struct project *own = call->caller.project;
	struct page page = { .call = call, .only = own == NULL ? 0 : own->number, .page = 1, .per_page = PER_PAGE };
	enum rc rc = page_parameters(call, &page);

	if (rc != RC_OK)
		return rc;
	registry_each_project(call->app->registry, see, &page);
	if (page.failed)
		return RC_NO_MEMORY;
	if (page.order != NULL && page.n != 0)
		qsort(page.rows, page.n, sizeof *page.rows, page.order);
	return page_write(call, &page);
}
