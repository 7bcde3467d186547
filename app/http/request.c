/*
 * request.c - FastCGI parameters -> struct request.
 *
 * The front server passes what the table below names and nothing else is looked at.
 * One pass over the list; a name is compared only when its length fits. Of a parameter
 * that comes twice the first one counts.
 *
 * Pure: any thread, no allocation; the strings stay where libfcgi put them.
 */
#include "config.h"

#include <limits.h>
#include <stddef.h>

#include "http/request.h"

/* The parameters that are numbers or words; the strings go straight into the request. */
struct raw {
	struct request request;
	struct str method;
	struct str content_length;
	struct str door;
};

#define ROW(text, field) { text, sizeof(text) - 1, offsetof(struct raw, field) }
static const struct parameter {
	const char *name;
	size_t n;
	size_t at;		/* a struct str in struct raw */
} parameters[] = {
	/*  name                      where                      */
	ROW("REQUEST_METHOD",        method),
	ROW("REQUEST_URI",           request.uri),
	ROW("CONTENT_LENGTH",        content_length),
	ROW("CONTENT_TYPE",          request.content_type),
	ROW("HTTP_AUTHORIZATION",    request.authorization),
	ROW("HTTP_X_AUTH_KEY",       request.auth_key),
	ROW("HTTP_X_AUTH_USER_SERVICE_KEY", request.user_service_key),
	ROW("HTTP_X_PROJECT_ID",     request.project_id),
	ROW("HTTP_CONTENT_ENCODING", request.content_encoding),
	ROW("HTTP_ORIGIN",           request.origin),
	ROW("HTTP_IF_MATCH",         request.if_match),
	ROW("HTTP_IF_NONE_MATCH",    request.if_none_match),
	ROW("HTTP_CF_KV_METADATA",   request.metadata),
	ROW("REQUEST_ID",            request.request_id),
	ROW("TMAKV_DOOR",            door),
};
#undef ROW

enum { N_PARAMETERS = sizeof parameters / sizeof parameters[0] };

static const struct { struct str name; enum method method; } methods[] = {
	{ { "GET", 3 },     METHOD_GET },
	{ { "HEAD", 4 },    METHOD_HEAD },
	{ { "PUT", 3 },     METHOD_PUT },
	{ { "POST", 4 },    METHOD_POST },
	{ { "PATCH", 5 },   METHOD_PATCH },
	{ { "DELETE", 6 },  METHOD_DELETE },
	{ { "OPTIONS", 7 }, METHOD_OPTIONS },
};

enum { N_METHODS = sizeof methods / sizeof methods[0] };

static const struct { struct str name; enum door door; } doors[] = {
	{ { "", 0 },         DOOR_PUBLIC },
	{ { "public", 6 },   DOOR_PUBLIC },
	{ { "binding", 7 },  DOOR_BINDING },
	{ { "operator", 8 }, DOOR_OPERATOR },
};

enum { N_DOORS = sizeof doors / sizeof doors[0] };

/*
 * Where the parameter of this name goes; NULL for one that nobody asked for. The search begins at row
 * *NEXT, behind the one found before: the front server passes them in the table's order.
 */
static const struct parameter *find_parameter(const char *name, size_t n, size_t *next)
{
	size_t at = *next;

	for (size_t i = 0; i < N_PARAMETERS; i++, at++) {
		if (at >= N_PARAMETERS)
			at = 0;
		if (parameters[at].n == n && memcmp(parameters[at].name, name, n) == 0) {
			*next = at + 1;
			return &parameters[at];
		}
	}
	return NULL;
}

static void collect(struct raw *raw, char *const *envp)
{
	size_t next = 0;

	for (; *envp != NULL; envp++) {
		const char *equals = strchr(*envp, '=');
		const struct parameter *parameter;
		struct str *to;

		if (equals == NULL)
			continue;
		parameter = find_parameter(*envp, (size_t)(equals - *envp), &next);
		if (parameter == NULL)
			continue;
		to = (struct str *)(void *)((char *)raw + parameter->at);
		if (to->p == NULL)
			*to = str_c(equals + 1);
	}
}

static bool read_method(struct str name, enum method *method)
{
	*method = METHOD_OTHER;
	for (size_t i = 0; i < N_METHODS; i++)
		if (str_eq(methods[i].name, name))
			*method = methods[i].method;
	return name.n != 0;
}

static bool read_door(struct str name, enum door *door)
{
	for (size_t i = 0; i < N_DOORS; i++) {
		if (str_eq(doors[i].name, name)) {
			*door = doors[i].door;
			return true;
		}
	}
	return false;
}

static bool read_length(struct str text, int64_t *length)
{
	uint64_t value;

	*length = -1;
	if (text.n == 0)
		return true;
	if (!str_to_u64(text, 0, INT64_MAX, &value))
		return false;
	*length = (int64_t)value;
	return true;
}

/*
 * The path of "http://host/path", which a server has to understand (RFC 9112, 3.2.2). nginx takes it apart; other
 * front servers hand it on as it came. No path begins without a slash, so nothing else is meant by it.
 */
static struct str without_authority(struct str uri)
{
	struct str scheme, rest;

	if (str_starts(uri, STR_LIT("/")) || !str_cut(uri, ':', &scheme, &rest) || !str_starts(rest, STR_LIT("//")) ||
	    (!str_eq_nocase(scheme, STR_LIT("http")) && !str_eq_nocase(scheme, STR_LIT("https"))))
		return uri;
	rest = str_make(rest.p + 2, rest.n - 2);
	while (rest.n != 0 && rest.p[0] != '/' && rest.p[0] != '?')
		rest = str_make(rest.p + 1, rest.n - 1);
	return rest;
}

enum rc request_read(struct request *request, char *const *envp)
{
	struct raw raw = { .request.door = DOOR_PUBLIC };
	bool good;

	collect(&raw, envp);

	/* Everything is filled in even when something is wrong: the error reply and the log want it. */
	good = read_method(raw.method, &raw.request.method);
	good &= read_door(raw.door, &raw.request.door);
	good &= read_length(raw.content_length, &raw.request.content_length);

	good &= raw.request.uri.n != 0;
	raw.request.uri = without_authority(raw.request.uri);
	str_cut(raw.request.uri, '?', &raw.request.path, &raw.request.query);

	*request = raw.request;
	return good ? RC_OK : RC_BAD_REQUEST;
}

void method_names(unsigned mask, char *out, size_t size)
{
	size_t n = 0;

	if (size == 0)
		return;
	for (size_t i = 0; i < N_METHODS; i++) {
		const struct str name = methods[i].name;
		const struct str comma = n == 0 ? STR_LIT("") : STR_LIT(", ");

		if ((mask & methods[i].method) == 0 || comma.n + name.n >= size - n)
			continue;
		memcpy(out + n, comma.p, comma.n);
		memcpy(out + n + comma.n, name.p, name.n);
		n += comma.n + name.n;
	}
	out[n] = '\0';
}
