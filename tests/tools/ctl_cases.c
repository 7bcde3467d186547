/*
 * ctl_cases.c - what tmakvctl's checks are to answer, one case a line, for ctl_checks.sh:
 *
 *     ctl_cases initdata.json DIR >CASES
 *
 * Each line is a name, the exit status, the answer that --json must give, the file that
 * goes in, and the arguments, with a '|' between them. The files it names are written to DIR: recorded initData and
 * the tokens of its bots, and session tokens that are made here with keys that are made here.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/initdata.h"
#include "auth/keys.h"
#include "auth/session.h"
#include "base/jdoc.h"

enum { FILE_MAX = 1 << 20, NOW = 1700000000 };

#define PROJECT "3f0c9a54-7a1e-4d59-9e0b-2f6f1c7d8a90"

static const char *dir;

static _Noreturn void die(void)
{
	fprintf(stderr, "ctl_cases: cannot go on\n");
	exit(99);
}

static void *need(const void *p)
{
	if (p == NULL)
		die();
	return (void *)(uintptr_t)p;
}

static void write_file(const char *name, struct str text)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	out = need(fopen(path, "w"));
	fwrite(text.p, 1, text.n, out);
	if (fclose(out) != 0)
		die();
}

static json_object *member(json_object *object, const char *name)
{
	json_object *value = NULL;

	if (!json_object_object_get_ex(object, name, &value))
		die();
	return value;
}

static struct str text_member(json_object *object, const char *name)
{
	json_object *value = member(object, name);

	return str_c(value == NULL ? NULL : json_object_get_string(value));
}

static void print_answer(const char *reason, int64_t user)
{
	bool accept = strcmp(reason, "ok") == 0;

	printf("%d|{\"accept\":%s,\"reason\":\"%s\",\"user\":", accept ? 0 : 1, accept ? "true" : "false", reason);
	if (accept)
		printf("%" PRId64, user);
	else
		printf("null");
	printf("}");
}

/* --- recorded initData --- */

/* What a vector says of one way of checking. HOLDS: whether the signature is good that way. */
static const char *expected(json_object *expect, bool holds, const char *bad)
{
	const char *strict = json_object_get_string(member(expect, "strict"));

	if (strcmp(strict, "depends") == 0)
		return holds ? "ok" : bad;
	return strcmp(strict, "accept") == 0 ? "ok" : json_object_get_string(member(expect, "reason"));
}

static int64_t user_of(json_object *expect)
{
	json_object *user = member(expect, "user_id");

	/* Where it depends on the way the vectors name nobody; all of these are of this user. */
	return user == NULL ? 279058397 : json_object_get_int64(user);
}

static void print_times(json_object *vector)
{
	printf("--now %" PRId64 " --max-age %" PRId64 "\n", json_object_get_int64(member(vector, "now")),
	       json_object_get_int64(member(vector, "max_age")));
}

static void print_vector(json_object *vector, size_t i)
{
	json_object *expect = member(vector, "expect"), *hmac = member(expect, "hmac"), *ed25519 = member(expect, "ed25519");
	struct str token = text_member(vector, "bot_token"), key = text_member(vector, "public_key_hex");
	const char *id = json_object_get_string(member(vector, "id"));
	uint8_t secret[BOT_SECRET_SIZE];
	char data[32], token_file[32];
	uint64_t bot_id;

	snprintf(data, sizeof data, "%zu.initdata", i);
	write_file(data, text_member(vector, "init_data"));
	/* One recorded token has no bot id in it, as no real one would: it cannot be given to us. */
	if (hmac != NULL && token.n != 0 && initdata_secret(token, secret, &bot_id)) {
		snprintf(token_file, sizeof token_file, "%zu.token", i);
		write_file(token_file, token);
		printf("%s (hmac)|", id);
		print_answer(expected(expect, json_object_get_boolean(hmac), "bad_hash"), user_of(expect));
		printf("|%s/%s|check-initdata --bot-token-file %s/%s ", dir, data, dir, token_file);
		print_times(vector);
	}
	if (ed25519 != NULL && key.n != 0) {
		bool is_test = strcmp(json_object_get_string(member(vector, "environment")), "test") == 0;

		printf("%s (ed25519)|", id);
		print_answer(expected(expect, json_object_get_boolean(ed25519), "bad_signature"), user_of(expect));
		printf("|%s/%s|check-initdata --bot-id %" PRId64 " ", dir, data,
		       json_object_get_int64(member(vector, "bot_id")));
		if (is_test)
			printf("--test ");
		else
			printf("--public-key %.*s ", STR(key));
		print_times(vector);
	}
}

static void print_vectors(const char *file)
{
	static char text[FILE_MAX];
	FILE *in = need(fopen(file, "r"));
	size_t n = fread(text, 1, sizeof text, in);
	json_object *doc = need(jdoc_read(str_make(text, n), 16)), *vectors = member(doc, "vectors");

	fclose(in);
	for (size_t i = 0; i < json_object_array_length(vectors); i++)
		print_vector(json_object_array_get_idx(vectors, i), i);
	json_object_put(doc);
}

/* --- session tokens --- */

static void print_jwt(const char *name, struct str token, const char *reason, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void print_jwt(const char *name, struct str token, const char *reason, const char *format, ...)
{
	char file[64];
	va_list args;

	snprintf(file, sizeof file, "%s.jwt", name);
	write_file(file, token);
	printf("%s|", name);
	print_answer(reason, 7387289974);
	printf("|%s/%s|check-jwt --jwks %s/jwks.json ", dir, file, dir);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

static void print_tokens(struct arena *arena)
{
	const struct session session = {
		.telegram_id = 7387289974, .first_name = STR_LIT("Ann"), .username = STR_LIT("ann"),
		.project_id = STR_LIT(PROJECT), .issued_at = NOW, .expires_at = NOW + 3600
	};
	struct key_set *keys = need(key_set_new()), *others = need(key_set_new());
	struct str token, foreign, damaged;
	struct buf jwks;

	if (key_set_generate(keys, KEY_SHARED, NOW, NOW, 86400) != RC_OK || key_set_generate(others, KEY_SHARED, NOW, NOW, 86400) != RC_OK ||
	    session_make(&session, need(key_set_current(keys, KEY_SHARED, NOW)), "tmakv", arena, &token) != RC_OK ||
	    session_make(&session, need(key_set_current(others, KEY_SHARED, NOW)), "tmakv", arena, &foreign) != RC_OK)
		die();
	buf_init(&jwks, arena, 64 * 1024);
	key_set_write_jwks(keys, KEY_SHARED, true, &jwks);
	write_file("jwks.json", buf_str(&jwks));
	/* A letter in the middle of the signature. */
	damaged = arena_dup(arena, token);
	((char *)(uintptr_t)damaged.p)[damaged.n - 40] = damaged.p[damaged.n - 40] == 'A' ? 'B' : 'A';

	print_jwt("good", token, "ok", "--project %s --now %d", PROJECT, NOW);
	print_jwt("digits", token, "ok", "--project 3F0C9A547A1E4D599E0B2F6F1C7D8A90 --now %d", NOW);
	print_jwt("last-second", token, "ok", "--project %s --now %d", PROJECT, NOW + 3599);
	print_jwt("expired", token, "expired", "--project %s --now %d", PROJECT, NOW + 3600);
	print_jwt("skew", token, "ok", "--project %s --now %d", PROJECT, NOW - 60);
	print_jwt("future", token, "future", "--project %s --now %d", PROJECT, NOW - 61);
	print_jwt("foreign-key", foreign, "unknown_key", "--project %s --now %d", PROJECT, NOW);
	print_jwt("damaged", damaged, "bad_signature", "--project %s --now %d", PROJECT, NOW);
	print_jwt("cut", str_make(token.p, token.n - 87), "malformed", "--project %s --now %d", PROJECT, NOW);
	print_jwt("empty", STR_LIT(""), "malformed", "--project %s --now %d", PROJECT, NOW);
	print_jwt("other-project", token, "wrong_project", "--project 00000000-0000-4000-8000-000000000000 --now %d", NOW);
	print_jwt("by-name", token, "wrong_project", "--project shop --now %d", NOW);
	key_set_unref(keys);
	key_set_unref(others);
}

int main(int argc, char **argv)
{
	struct arena *arena = need(arena_new(1 << 20));

	if (argc != 3)
		return 64;
	dir = argv[2];
	print_vectors(argv[1]);
	print_tokens(arena);
	arena_free(arena);
	return fflush(stdout) == 0 ? 0 : 99;
}
