/*
 * remote.c - see remote.h.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/jdoc.h"
#include "base/jraw.h"
#include "base/jtext.h"
#include "ctl/remote.h"

enum {
	ARENA_CEILING = 512 << 20,	/* an answer, what it grew from, and what is made of it */
	URI_MAX = 16 * 1024,
	RETURN_MS = 30 * 1000,
	ANSWER_DEPTH = 512
};

/* --- opening --- */

/* The first connection is the one that remote_open() has made. */
static bool dial(void *arg, bool again, int *fd)
{
	struct remote *remote = arg;
	struct str account;

	(void)again;
	if (remote->fd >= 0) {
		*fd = remote->fd;
		remote->fd = -1;
		return true;
	}
	remote->exit = control_open(remote->ctl, true, fd, &account);
	return remote->exit == CTL_OK;
}

/* Who the project is, and how much it holds. */
static enum ctl_exit find_project(struct remote *remote, const char *any, struct str *name_space)
{
	json_object *args = ctl_object(), *project, *part = NULL;
	enum ctl_exit exit;

	ctl_add_str(args, "project", str_c(any));
	if ((exit = control_ask(remote->ctl, "project.show", args, &project)) != CTL_OK)
		return exit;
	*name_space = arena_dup(remote->ctl->arena, ctl_get_str(project, "namespace_id"));
	remote->project = arena_dup(remote->ctl->arena, ctl_get_str(project, "name"));
	jdoc_object(project, "usage", &part);
	remote->keys = ctl_get_i64(part, "keys");
	part = NULL;
	jdoc_object(project, "limits", &part);
	remote->value_limit = ctl_get_i64(part, "value_limit");
	json_object_put(project);
	return CTL_OK;
}

enum ctl_exit remote_open(struct remote *remote, struct ctl *ctl, const char *any)
{
	struct str account = STR_LIT(""), name_space = STR_LIT("");
	enum ctl_exit exit;

	*remote = (struct remote){ .ctl = ctl, .fd = -1, .arena = arena_new(ARENA_CEILING) };
	if (remote->arena == NULL)
		ctl_no_memory();
	if ((exit = find_project(remote, any, &name_space)) != CTL_OK ||
	    (exit = control_open(ctl, false, &remote->fd, &account)) != CTL_OK)
		return exit;
	remote->client = fcgi_client_new(ctl->arena, &(struct fcgi_dial){ dial, remote }, RETURN_MS);
	remote->base = str_c(ctl_text(ctl, "/client/v4/accounts/%.*s/storage/kv/namespaces/%.*s/", STR(account),
				      STR(name_space)));
	return CTL_OK;
}

void remote_close(struct remote *remote)
{
	fcgi_client_close(remote->client);
	if (remote->fd >= 0)
		close(remote->fd);
	arena_free(remote->arena);
}

/* --- asking --- */

void remote_uri(struct remote *remote, struct buf *uri, const char *path)
{
	buf_init(uri, remote->arena, URI_MAX);
	buf_add(uri, remote->base);
	buf_add_c(uri, path);
}

void remote_escape(struct buf *uri, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (c != '\0' && strchr("-._~", c) != NULL)) {
			buf_add_char(uri, (char)c);
			continue;
		}
		buf_add_char(uri, '%');
		buf_add_char(uri, digits[c >> 4]);
		buf_add_char(uri, digits[c & 15]);
	}
}

void remote_query(struct buf *uri, const char *name, const char *value)
{
	bool first = uri->n == 0 || memchr(uri->p, '?', uri->n) == NULL;

	if (value == NULL)
		return;
	buf_addf(uri, "%c%s=", first ? '?' : '&', name);
	remote_escape(uri, str_c(value));
}

struct fcgi_request remote_request(struct remote *remote, const char *method, const struct buf *uri)
{
	return (struct fcgi_request){
		.method = method, .uri = buf_ok(uri) ? buf_str(uri) : STR_LIT(""),
		.body_fd = -1, .to_fd = -1, .arena = remote->arena, .max = REMOTE_ANSWER_MAX
	};
}

enum ctl_exit remote_ask(struct remote *remote, const struct fcgi_request *request, struct fcgi_answer *answer)
{
	const struct ctl *ctl = remote->ctl;

	if (request->uri.n == 0)
		return ctl_usage(ctl, "this is too long for one request");
	switch (fcgi_ask(remote->client, request, answer)) {
	case FCGI_DONE:
		return CTL_OK;
	case FCGI_TOO_LARGE:
		answer->status = 413;
		answer->body = STR_LIT("");
		return CTL_OK;
	case FCGI_NO_SERVER:
		return remote->exit;
	case FCGI_LOST:
		return ctl_fail(ctl, CTL_TEMPORARY, "unavailable", "tmakvd ends before it has answered, again and again; its log says why");
	case FCGI_BODY:
		return ctl_fail(ctl, CTL_IO, "io", "the file cannot be read: %s", errno != 0 ? strerror(errno)
				: "it has become shorter");
	case FCGI_OUT:
		return ctl_fail(ctl, CTL_IO, "io", "the output cannot be written: %s", strerror(errno));
	case FCGI_NO_MEMORY:
		ctl_no_memory();
	case FCGI_GARBLED:
		break;
	}
	return ctl_fail(ctl, CTL_INTERNAL, "internal", "the answer is not one of tmakvd's; is something else listening there?");
}

/* --- refusals --- */

/* What a status means to whoever waits for this program; all others: CTL_INTERNAL. */
static const struct {
	int status;
	enum ctl_exit exit;
	const char *code;
} refusals[] = {
	{ 400, CTL_USAGE,      "bad_request" },
	{ 403, CTL_PERMISSION, "forbidden" },
	{ 404, CTL_REFUSED,    "not_found" },
	{ 413, CTL_USAGE,      "too_large" },
	{ 414, CTL_USAGE,      "key_too_long" },
	{ 429, CTL_TEMPORARY,  "write_limit" },
	{ 503, CTL_TEMPORARY,  "unavailable" },
	{ 504, CTL_TEMPORARY,  "timeout" },
	{ 507, CTL_TEMPORARY,  "storage_full" },
};

/* Cloudflare's errors are "get: 'key not found'"; what was done is known to whoever asked for it. */
static struct str sentence(struct str message)
{
	struct str doing, said;

	if (str_cut(message, ':', &doing, &said) && said.n > 3 && str_starts(said, STR_LIT(" '")) &&
	    said.p[said.n - 1] == '\'')
		return str_make(said.p + 2, said.n - 3);
	return message;
}

/* The sentence of the first error in Cloudflare's envelope; empty when there is none. */
static struct str first_message(struct ctl *ctl, struct str body)
{
	json_object *doc = jdoc_read(body, ANSWER_DEPTH), *errors;
	struct str message = STR_LIT("");

	if (jdoc_array(doc, "errors", &errors) && json_object_array_length(errors) != 0)
		message = arena_dup(ctl->arena, sentence(ctl_get_str(json_object_array_get_idx(errors, 0), "message")));
	json_object_put(doc);
	return message;
}

struct remote_refusal remote_why(struct remote *remote, const struct fcgi_answer *answer)
{
	struct remote_refusal why = { CTL_INTERNAL, "internal", first_message(remote->ctl, answer->body) };

	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		if (refusals[i].status == answer->status) {
			why.exit = refusals[i].exit;
			why.code = refusals[i].code;
		}
	if (why.message.n == 0)
		why.message = str_c(ctl_text(remote->ctl, "tmakvd answers with status %d", answer->status));
	return why;
}

enum ctl_exit remote_refused(struct remote *remote, const struct fcgi_answer *answer)
{
	struct remote_refusal why = remote_why(remote, answer);

	return ctl_fail(remote->ctl, why.exit, why.code, "%.*s", STR(why.message));
}

enum ctl_exit remote_ask_ok(struct remote *remote, const struct fcgi_request *request, struct fcgi_answer *answer)
{
	enum ctl_exit exit = remote_ask(remote, request, answer);

	if (exit == CTL_OK && answer->status != 200)
		return remote_refused(remote, answer);
	return exit;
}

/* --- pages of keys --- */

static size_t count(struct str array)
{
	struct str name, value;
	struct jraw walk;
	size_t n = 0;

	if (jraw_open(&walk, array))
		while (jraw_next(&walk, &name, &value))
			n++;
	return n;
}

enum ctl_exit remote_page(struct remote *remote, const char *prefix, const char *cursor, int64_t limit,
			  struct str *keys, struct str *next, size_t *n)
{
	struct fcgi_request request;
	struct fcgi_answer answer;
	char text[24];
	struct buf uri;
	size_t bad_at;
	enum ctl_exit exit;

	snprintf(text, sizeof text, "%" PRId64, limit);
	remote_uri(remote, &uri, "keys");
	remote_query(&uri, "prefix", prefix);
	remote_query(&uri, "limit", text);
	remote_query(&uri, "cursor", cursor[0] == '\0' ? NULL : cursor);
	request = remote_request(remote, "GET", &uri);
	if ((exit = remote_ask_ok(remote, &request, &answer)) != CTL_OK)
		return exit;
	if (!jtext_check(answer.body, &bad_at))
		return ctl_fail(remote->ctl, CTL_INTERNAL, "internal", "a list that came is not JSON");
	*keys = jraw_member(answer.body, "result");
	*next = jraw_inside(jraw_member(jraw_member(answer.body, "result_info"), "cursor"));
	*n = count(*keys);
	return CTL_OK;
}
