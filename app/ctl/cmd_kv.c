/*
 * cmd_kv.c - tmakvctl kv get, put, delete, list and count: single keys, and names.
 *
 * A value is never on the command line, where every user of the machine can see it. What a key's name may hold
 * reaches no terminal as it is: control characters are shown as '?', and in JSON escaped.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/jdoc.h"
#include "base/jraw.h"
#include "base/jtext.h"
#include "base/rand.h"
#include "ctl/remote.h"
#include "ctl/table.h"

enum { PAGE = 1000, CURSOR_MAX = 1023 };

/* Open the project that is the command's first word, run COMMAND, and close it. */
static enum ctl_exit with_remote(struct ctl *ctl, enum ctl_exit (*command)(struct remote *remote))
{
	struct remote remote;
	enum ctl_exit exit = remote_open(&remote, ctl, ctl->words[0]);

	if (exit == CTL_OK)
		exit = command(&remote);
	remote_close(&remote);
	return exit;
}

/* The URI of the value of the key that is the command's second word. */
static void value_uri(struct remote *remote, struct buf *uri)
{
	remote_uri(remote, uri, "values/");
	remote_escape(uri, str_c(remote->ctl->words[1]));
}

/* --- get --- */

/* The value to standard output, to the byte. */
static enum ctl_exit get_to_stdout(struct remote *remote, struct fcgi_request *request)
{
	struct fcgi_answer answer;
	enum ctl_exit exit = remote_ask_ok(remote, request, &answer);

	if (exit == CTL_OK && answer.body.n != 0)
		fwrite(answer.body.p, 1, answer.body.n, stdout);	/* main() looks whether it got out */
	return exit;
}

/* The value to a new file beside FILE, which then takes its place: never half a value under that name. */
static enum ctl_exit get_to_file(struct remote *remote, struct fcgi_request *request, const char *file)
{
	char *beside = (char *)(uintptr_t)ctl_text(remote->ctl, "%s.XXXXXX", file);
	struct fcgi_answer answer;
	enum ctl_exit exit;

	request->to_fd = mkstemp(beside);
	if (request->to_fd < 0)
		return ctl_fail(remote->ctl, errno == EACCES ? CTL_PERMISSION : CTL_IO, "file", "%s cannot be written: %s", file,
				strerror(errno));
	exit = remote_ask_ok(remote, request, &answer);
	if ((close(request->to_fd) != 0 || (exit == CTL_OK && rename(beside, file) != 0)) && exit == CTL_OK)
		exit = ctl_fail(remote->ctl, CTL_IO, "io", "%s cannot be written: %s", file, strerror(errno));
	if (exit != CTL_OK)
		unlink(beside);
	return exit;
}

/* What the list says of the key: the first name that begins with a key is that key. */
static enum ctl_exit get_info(struct remote *remote)
{
	struct ctl *ctl = remote->ctl;
	struct str keys, next;
	json_object *array, *key;
	struct table table;
	size_t n;
	enum ctl_exit exit = remote_page(remote, ctl->words[1], "", 1, &keys, &next, &n);

	if (exit != CTL_OK)
		return exit;
	array = jdoc_read(keys, JTEXT_DEPTH);
	key = n == 0 ? NULL : json_object_array_get_idx(array, 0);
	if (!str_eq(ctl_get_str(key, "name"), str_c(ctl->words[1]))) {
		exit = ctl_fail(ctl, CTL_REFUSED, "not_found", "there is no such key");
	} else if (ctl->json) {
		ctl_print_json(ctl, key);
	} else {
		int64_t expires_at = ctl_get_i64(key, "expiration");
		json_object *metadata = NULL;

		json_object_object_get_ex(key, "metadata", &metadata);
		table_init(&table, ctl->arena, 2);
		table_add(&table, (const struct str[]){ STR_LIT("key"), ctl_get_str(key, "name") });
		table_add_c(&table, (const char *const[]){ "expires", expires_at == 0 ? "never" : ctl_time(ctl, expires_at) });
		table_add(&table, (const struct str[]){ STR_LIT("metadata"), metadata == NULL ? STR_LIT("none")
											   : jdoc_text(metadata, ctl->arena) });
		if (table.failed)
			ctl_no_memory();
		table_print(&table, stdout);
	}
	json_object_put(array);
	return exit;
}

static enum ctl_exit get(struct remote *remote)
{
	const char *file = args_value(remote->ctl, OPTION_OUTPUT);
	struct fcgi_request request;
	struct stat st;
	struct buf uri;

	if (args_has(remote->ctl, OPTION_INFO))
		return get_info(remote);
	value_uri(remote, &uri);
	request = remote_request(remote, "GET", &uri);
	if (file == NULL)
		return get_to_stdout(remote, &request);
	if (lstat(file, &st) == 0 && !S_ISREG(st.st_mode)) {
		if (freopen(file, "w", stdout) == NULL)
			return ctl_fail(remote->ctl, CTL_IO, "file", "%s cannot be written: %s", file, strerror(errno));
		return get_to_stdout(remote, &request);
	}
	return get_to_file(remote, &request, file);
}

enum ctl_exit cmd_kv_get(struct ctl *ctl)
{
	if (args_has(ctl, OPTION_INFO) && args_has(ctl, OPTION_OUTPUT))
		return ctl_usage(ctl, "--info is shown, not written to a file");
	return with_remote(ctl, get);
}

/* --- put --- */

/* The value in one part of a form and the metadata in another: the only way in which both travel. */
static void add_form(struct remote *remote, struct fcgi_request *request, const char *metadata)
{
	uint8_t random[16];
	char boundary[2 * sizeof random];
	struct buf body;

	rand_bytes(random, sizeof random);
	hex_encode(random, sizeof random, boundary);
	buf_init(&body, remote->arena, SIZE_MAX);
	buf_addf(&body, "--%.*s\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n%s\r\n", (int)sizeof boundary,
		 boundary, metadata);
	buf_addf(&body, "--%.*s\r\nContent-Disposition: form-data; name=\"value\"; filename=\"value\"\r\n"
		 "Content-Type: application/octet-stream\r\n\r\n", (int)sizeof boundary, boundary);
	buf_add(&body, request->body);
	buf_addf(&body, "\r\n--%.*s--\r\n", (int)sizeof boundary, boundary);
	if (!buf_ok(&body))
		ctl_no_memory();
	request->body = buf_str(&body);
	request->content_type = arena_printf(remote->arena, "multipart/form-data; boundary=%.*s", (int)sizeof boundary, boundary);
}

/* The value: of a file it is read while it is sent, where it may be. */
static enum ctl_exit add_value(struct remote *remote, struct fcgi_request *request, bool in_memory)
{
	struct ctl *ctl = remote->ctl;
	const char *file = args_value(ctl, OPTION_FILE);
	bool is_stdin = file == NULL || strcmp(file, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	enum ctl_exit exit;
	struct stat st;

	if (fd < 0)
		return ctl_fail(ctl, errno == EACCES ? CTL_PERMISSION : CTL_USAGE, "file", "%s cannot be read: %s", file,
				strerror(errno));
	if (is_stdin && isatty(fd) && isatty(STDERR_FILENO))
		fprintf(stderr, "Type the value; Control-D ends it.\n");
	if (!is_stdin && !in_memory && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= REMOTE_VALUE_MAX) {
		request->body_fd = fd;
		request->body_size = (uint64_t)st.st_size;
		return CTL_OK;
	}
	exit = input_bytes(ctl, fd, is_stdin ? "standard input" : file, REMOTE_VALUE_MAX, &request->body);
	if (!is_stdin)
		close(fd);
	return exit;
}

static enum ctl_exit put(struct remote *remote)
{
	struct ctl *ctl = remote->ctl;
	const char *metadata = args_value(ctl, OPTION_METADATA);
	struct fcgi_request request;
	struct fcgi_answer answer;
	struct buf uri;
	enum ctl_exit exit;

	value_uri(remote, &uri);
	remote_query(&uri, "expiration_ttl", args_value(ctl, OPTION_TTL));
	remote_query(&uri, "expiration", args_value(ctl, OPTION_EXPIRATION));
	request = remote_request(remote, "PUT", &uri);
	request.content_type = STR_LIT("application/octet-stream");
	if ((exit = add_value(remote, &request, metadata != NULL)) != CTL_OK)
		return exit;
	if (metadata != NULL)
		add_form(remote, &request, metadata);
	exit = remote_ask_ok(remote, &request, &answer);
	if (request.body_fd >= 0)
		close(request.body_fd);
	if (exit != CTL_OK)
		return exit;
	if (ctl->json)
		printf("{\"written\":1}\n");
	return CTL_OK;
}

enum ctl_exit cmd_kv_put(struct ctl *ctl)
{
	const char *metadata = args_value(ctl, OPTION_METADATA);
	enum ctl_exit exit;
	int64_t number;
	size_t bad_at;

	if (args_has(ctl, OPTION_TTL) && args_has(ctl, OPTION_EXPIRATION))
		return ctl_usage(ctl, "--ttl and --expiration are two ways to say the same: give one");
	if ((exit = args_i64(ctl, OPTION_TTL, 1, INT64_MAX, &number)) != CTL_OK ||
	    (exit = args_i64(ctl, OPTION_EXPIRATION, 1, INT64_MAX, &number)) != CTL_OK)
		return exit;
	if (metadata != NULL && !jtext_check(str_c(metadata), &bad_at))
		return ctl_usage(ctl, "--metadata is not JSON: see its byte %zu", bad_at + 1);
	return with_remote(ctl, put);
}

/* --- delete --- */

static enum ctl_exit delete(struct remote *remote)
{
	struct fcgi_request request;
	struct fcgi_answer answer;
	struct buf uri;
	enum ctl_exit exit;

	value_uri(remote, &uri);
	request = remote_request(remote, "DELETE", &uri);
	if ((exit = remote_ask_ok(remote, &request, &answer)) == CTL_OK && remote->ctl->json)
		printf("{\"deleted\":1}\n");
	return exit;
}

enum ctl_exit cmd_kv_delete(struct ctl *ctl)
{
	return with_remote(ctl, delete);
}

/* --- list and count --- */

/* A walk over the keys that the options ask for. */
struct listing {
	struct remote *remote;
	char next[CURSOR_MAX + 1];	/* where the next page begins; "" = there is none */
	int64_t n;			/* keys so far */
};

typedef void page(struct listing *listing, struct str keys, size_t n);

static enum ctl_exit next_page(struct listing *listing, int64_t limit, page *each)
{
	struct remote *remote = listing->remote;
	struct str keys, behind;
	size_t n;
	enum ctl_exit exit;

	arena_reset(remote->arena);
	exit = remote_page(remote, args_value(remote->ctl, OPTION_PREFIX), listing->next, limit, &keys, &behind, &n);
	if (exit != CTL_OK)
		return exit;
	if (behind.n > CURSOR_MAX)
		return ctl_fail(remote->ctl, CTL_INTERNAL, "internal", "a cursor that came is too long");
	each(listing, keys, n);
	listing->n += (int64_t)n;
	memcpy(listing->next, behind.p, behind.n);
	listing->next[behind.n] = '\0';
	return CTL_OK;
}

static enum ctl_exit each_page(struct listing *listing, page *each)
{
	struct ctl *ctl = listing->remote->ctl;
	const char *cursor = args_value(ctl, OPTION_CURSOR);
	int64_t limit = INT64_MAX;
	enum ctl_exit exit = args_i64(ctl, OPTION_LIMIT, 1, INT64_MAX, &limit);

	if (cursor != NULL && strlen(cursor) > CURSOR_MAX)
		return ctl_usage(ctl, "--cursor is what a list said at its end");
	if (cursor != NULL)
		strcpy(listing->next, cursor);
	do {
		int64_t left = limit - listing->n;

		if (exit == CTL_OK)
			exit = next_page(listing, left < PAGE ? left : PAGE, each);
	} while (exit == CTL_OK && listing->n < limit && listing->next[0] != '\0');
	return exit;
}

/* The elements of the array, as they are. */
static void print_page_json(struct listing *listing, struct str keys, size_t n)
{
	struct str name, value;
	struct jraw walk;
	bool first = listing->n == 0;

	if (n == 0 || !jraw_open(&walk, keys))
		return;
	for (; jraw_next(&walk, &name, &value); first = false) {
		fputs(first ? "{\"keys\":[" : ",", stdout);
		ctl_print_raw(value, stdout);
	}
}

/* A page has columns of its own width: a list may be of any length. */
static void print_page(struct listing *listing, struct str keys, size_t n)
{
	struct ctl ctl = { .arena = listing->remote->arena };	/* for what is of this page only */
	json_object *array = jdoc_read(keys, JTEXT_DEPTH);
	struct table table;

	table_init(&table, ctl.arena, 3);
	if (listing->n == 0 && n != 0)
		table_add_c(&table, (const char *const[]){ "EXPIRES", "KEY", "METADATA" });
	for (size_t i = 0; i < n; i++) {
		json_object *key = json_object_array_get_idx(array, i), *metadata = NULL;
		int64_t expires_at = ctl_get_i64(key, "expiration");

		json_object_object_get_ex(key, "metadata", &metadata);
		table_add(&table, (const struct str[]){
			str_c(expires_at == 0 ? "never                  " : ctl_time(&ctl, expires_at)),
			ctl_get_str(key, "name"),
			metadata == NULL ? STR_LIT("") : jdoc_text(metadata, ctl.arena) });
	}
	if (table.failed)
		ctl_no_memory();
	table_print(&table, stdout);
	json_object_put(array);
}

static enum ctl_exit list(struct remote *remote)
{
	struct listing listing = { .remote = remote };
	bool json = remote->ctl->json;
	enum ctl_exit exit = each_page(&listing, json ? print_page_json : print_page);

	if (exit != CTL_OK)
		return exit;
	if (json) {
		fputs(listing.n == 0 ? "{\"keys\":[]" : "]", stdout);
		if (listing.next[0] == '\0')
			printf(",\"list_complete\":true}\n");
		else
			printf(",\"list_complete\":false,\"cursor\":\"%s\"}\n", listing.next);
	} else if (listing.next[0] != '\0') {
		fprintf(stderr, "More keys follow: --cursor %s\n", listing.next);
	} else if (listing.n == 0) {
		fprintf(stderr, "There is no such key.\n");
	}
	return CTL_OK;
}

enum ctl_exit cmd_kv_list(struct ctl *ctl)
{
	return with_remote(ctl, list);
}

static void pass_over(struct listing *listing, struct str keys, size_t n)
{
	(void)listing;
	(void)keys;
	(void)n;
}

static enum ctl_exit count(struct remote *remote)
{
	struct listing listing = { .remote = remote, .n = 0 };
	/* What is kept with the project counts expired keys as well, until they are swept. */
	enum ctl_exit exit = each_page(&listing, pass_over);

	if (exit == CTL_OK && remote->ctl->json)
		printf("{\"keys\":%" PRId64 "}\n", listing.n);
	else if (exit == CTL_OK)
		printf("%" PRId64 "\n", listing.n);
	return exit;
}

enum ctl_exit cmd_kv_count(struct ctl *ctl)
{
	return with_remote(ctl, count);
}
