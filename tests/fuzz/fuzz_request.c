/*
 * fuzz_request.c - parameters become a request: every field is what a plain search finds under its
 * name, and nothing is read beyond the end of an entry. A line of the input is an entry.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "http/request.h"

/* The first value under NAME, or the empty string: what FCGX_GetParam would find. */
static struct str find(char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (; *envp != NULL; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return str_c(*envp + n + 1);
	return str_make(NULL, 0);
}

/* Each entry in memory of its own, so that a read behind its end is seen. */
static char **entries_new(const char *p, size_t n)
{
	char **envp = calloc(n + 2, sizeof *envp);
	size_t count = 0;

	assert(envp != NULL);
	while (n != 0) {
		const char *end = memchr(p, '\n', n);
		size_t len = end == NULL ? n : (size_t)(end - p);

		envp[count] = strndup(p, len);
		assert(envp[count] != NULL);
		count++;
		p += len + (end != NULL);
		n -= len + (end != NULL);
	}
	return envp;
}

static void entries_free(char **envp)
{
	for (char **at = envp; *at != NULL; at++)
		free(*at);
	free(envp);
}

static void check_strings(const struct request *r, char *const *envp)
{
	assert(str_eq(r->uri, find(envp, "REQUEST_URI")));
	assert(str_eq(r->content_type, find(envp, "CONTENT_TYPE")));
	assert(str_eq(r->authorization, find(envp, "HTTP_AUTHORIZATION")));
	assert(str_eq(r->project_id, find(envp, "HTTP_X_PROJECT_ID")));
	assert(str_eq(r->content_encoding, find(envp, "HTTP_CONTENT_ENCODING")));
	assert(str_eq(r->origin, find(envp, "HTTP_ORIGIN")));
	assert(str_eq(r->if_match, find(envp, "HTTP_IF_MATCH")));
	assert(str_eq(r->if_none_match, find(envp, "HTTP_IF_NONE_MATCH")));
	assert(str_eq(r->request_id, find(envp, "REQUEST_ID")));
}

static void check_uri(const struct request *r)
{
	bool has_query = r->path.n < r->uri.n;

	assert(r->path.n + has_query + r->query.n == r->uri.n);
	assert(r->path.n == 0 || (r->path.p == r->uri.p && memchr(r->path.p, '?', r->path.n) == NULL));
	if (has_query)
		assert(r->uri.p[r->path.n] == '?' && r->query.p == r->uri.p + r->path.n + 1);
}

static void check_rest(const struct request *r, char *const *envp, enum rc rc)
{
	struct str length = find(envp, "CONTENT_LENGTH"), door = find(envp, "TMAKV_DOOR");
	char names[64];

	assert(r->method != 0 && (r->method & (r->method - 1)) == 0);
	method_names(r->method, names, sizeof names);
	if (r->method != METHOD_OTHER)
		assert(str_eq(str_c(names), find(envp, "REQUEST_METHOD")));
	assert(r->content_length >= -1);
	if (r->content_length >= 0)
		assert((int64_t)strtoull(length.p, NULL, 10) == r->content_length);
	if (rc != RC_OK)
		return;
	assert(find(envp, "REQUEST_METHOD").n != 0 && r->uri.n != 0);
	assert((r->content_length < 0) == (length.n == 0));
	assert((r->door == DOOR_OPERATOR) == str_eq(door, STR_LIT("operator")));
	assert((r->door == DOOR_BINDING) == str_eq(door, STR_LIT("binding")));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char **envp = entries_new((const char *)p, n);
	struct request request;
	enum rc rc;

	memset(&request, 'x', sizeof request);
	rc = request_read(&request, envp);
	assert(rc == RC_OK || rc == RC_BAD_REQUEST);
	check_strings(&request, envp);
	check_uri(&request);
	check_rest(&request, envp, rc);
	entries_free(envp);
	return 0;
}
