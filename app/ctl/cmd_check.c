/*
 * cmd_check.c - tmakvctl check-initdata and check-jwt: would the server accept this, and
 * if not, at which step does it stop?
 *
 * The functions that answer are the server's own, linked into this program; with
 * check-initdata --project it is the server itself. What is checked comes on standard input:
 * it lets whoever has it sign in.
 */
#include "config.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <unistd.h>

#include "auth/keys.h"
#include "auth/session.h"
#include "base/clock.h"
#include "base/jdoc.h"
#include "ctl/ctl.h"

enum {
	/* Enough to see that it is too large. */
	INPUT_MAX = 16 * 1024,
	JWKS_MAX = 1024 * 1024,
	MAX_AGE_S = 86400
};

#define TIME_MAX (INT64_C(1) << 40)

/* How a check ended. */
struct verdict {
	bool accept;
	struct str reason, explain;
	int64_t user;		/* Telegram id; 0 = not known */
	struct str who;		/* "Ann Lee, @ann" */
	int64_t since, until;	/* seconds since 1970; 0 = not known */
};

static void print_people(struct ctl *ctl, const struct verdict *verdict)
{
	printf("%s: ", verdict->accept ? "accepted" : "refused");
	ctl_print(verdict->reason);
	printf("\n");
	if (!verdict->accept) {
		ctl_print(verdict->explain);
		printf("\n");
	}
	if (verdict->user != 0) {
		printf("user %" PRId64 " (", verdict->user);
		ctl_print(verdict->who);
		printf(")\n");
	}
	if (verdict->since != 0)
		printf("signed %s\n", ctl_time(ctl, verdict->since));
	if (verdict->until != 0)
		printf("good until %s\n", ctl_time(ctl, verdict->until));
}

static enum ctl_exit print_verdict(struct ctl *ctl, const struct verdict *verdict)
{
	if (ctl->json) {
		json_object *doc = ctl_object();

		ctl_add(doc, "accept", json_object_new_boolean(verdict->accept));
		ctl_add_str(doc, "reason", verdict->reason);
		if (verdict->user != 0)
			ctl_add_i64(doc, "user", verdict->user);
		else if (json_object_object_add(doc, "user", NULL) != 0)
			ctl_no_memory();
		ctl_print_json(ctl, doc);
		json_object_put(doc);
	} else {
		print_people(ctl, verdict);
	}
	return verdict->accept ? CTL_OK : CTL_REFUSED;
}

static struct str who(struct ctl *ctl, struct str first_name, struct str last_name, struct str username)
{
	return str_c(ctl_text(ctl, "%.*s%s%.*s%s%.*s", STR(first_name), last_name.n != 0 ? " " : "", STR(last_name),
			      username.n != 0 ? ", @" : "", STR(username)));
}

/* --- check-initdata --- */

static enum ctl_exit check_here(struct ctl *ctl, struct str init_data, const struct initdata_check *check)
{
	struct initdata_user user = { 0 };
	enum initdata_reason reason = initdata_check(init_data, check, ctl->arena, &user);
	struct verdict verdict = {
		.accept = reason == INITDATA_OK,
		.reason = str_c(initdata_word(reason)),
		.explain = str_c(initdata_explain(reason))
	};

	if (verdict.accept) {
		verdict.user = (int64_t)user.telegram_id;
		verdict.who = who(ctl, user.first_name, user.last_name, user.username);
		verdict.since = user.auth_date;
		verdict.until = user.auth_date + check->max_age_s;
	}
	return print_verdict(ctl, &verdict);
}

static enum ctl_exit check_by_server(struct ctl *ctl, struct str init_data, int64_t now, int64_t max_age_s)
{
	struct str project = str_c(args_value(ctl, OPTION_PROJECT));
	struct verdict verdict = { 0 };
	json_object *args, *result;
	enum ctl_exit exit;

	/* What a line to the server cannot carry; a page could not have sent it either. */
	if (init_data.n > INITDATA_MAX || !str_is_utf8(init_data)) {
		enum initdata_reason reason = init_data.n > INITDATA_MAX ? INITDATA_TOO_LARGE : INITDATA_MALFORMED;

		verdict.reason = str_c(initdata_word(reason));
		verdict.explain = str_c(initdata_explain(reason));
		return print_verdict(ctl, &verdict);
	}
	args = ctl_object();
	ctl_add_str(args, "project", project);
	ctl_add_str(args, "init_data", init_data);
	if (args_has(ctl, OPTION_NOW))
		ctl_add_i64(args, "now", now);
	if (args_has(ctl, OPTION_MAX_AGE))
		ctl_add_i64(args, "max_age", max_age_s);
	if ((exit = control_ask(ctl, "check-initdata", args, &result)) != CTL_OK)
		return exit;
	verdict.accept = ctl_get_bool(result, "accept");
	verdict.reason = ctl_get_str(result, "reason");
	verdict.explain = ctl_get_str(result, "explain");
	verdict.user = ctl_get_i64(result, "user");
	verdict.who = who(ctl, ctl_get_str(result, "first_name"), ctl_get_str(result, "last_name"),
			  ctl_get_str(result, "username"));
	verdict.since = ctl_get_i64(result, "auth_date");
	exit = print_verdict(ctl, &verdict);
	json_object_put(result);
	return exit;
}

enum ctl_exit cmd_check_initdata(struct ctl *ctl)
{
	bool by_server = args_has(ctl, OPTION_PROJECT);
	int64_t now = clock_wall_s(), max_age_s = MAX_AGE_S;
	struct bot bots[INPUT_BOTS_MAX];
	struct initdata_check check;
	struct str init_data;
	enum ctl_exit exit;
	size_t n;

	if ((exit = args_i64(ctl, OPTION_NOW, 0, TIME_MAX, &now)) != CTL_OK ||
	    (exit = args_i64(ctl, OPTION_MAX_AGE, 0, TIME_MAX, &max_age_s)) != CTL_OK ||
	    (exit = input_bots(ctl, false, bots, &n)) != CTL_OK)
		return exit;
	if (by_server == (n != 0))
		return ctl_usage(ctl, "check against what? Either --project P, or --bot-token-file FILE, or --bot-id ID");
	if ((exit = input_read(ctl, STDIN_FILENO, "standard input", INPUT_MAX, &init_data)) != CTL_OK)
		return exit;
	check = (struct initdata_check){ .bots = bots, .n_bots = n, .now = now, .max_age_s = max_age_s };
	exit = by_server ? check_by_server(ctl, init_data, now, max_age_s) : check_here(ctl, init_data, &check);
	OPENSSL_cleanse(bots, sizeof bots);
	return exit;
}

/* --- check-jwt --- */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* TEXT as projects are named in tokens: lower case, and 32 digits get their dashes. */
static struct str project_of(struct ctl *ctl, const char *text)
{
	struct str id = arena_dup(ctl->arena, str_c(text));
	char *p;

	if (id.p == NULL)
		ctl_no_memory();
	if (id.n != 32 && id.n != 36)
		return id;
	p = arena_alloc(ctl->arena, id.n);
	if (p == NULL)
		ctl_no_memory();
	for (size_t i = 0; i < id.n; i++) {
		p[i] = (char)(id.p[i] >= 'A' && id.p[i] <= 'F' ? id.p[i] + ('a' - 'A') : id.p[i]);
		if (!is_hex(p[i]) && p[i] != '-')
			return id;
	}
	if (id.n == 36)
		return str_make(p, 36);
	return str_c(ctl_text(ctl, "%.8s-%.4s-%.4s-%.4s-%.12s", p, p + 8, p + 12, p + 16, p + 20));
}

enum ctl_exit cmd_check_jwt(struct ctl *ctl)
{
	const char *jwks = args_value(ctl, OPTION_JWKS), *project = args_value(ctl, OPTION_PROJECT);
	struct session session = { 0 };
	int64_t now = clock_wall_s();
	enum session_reason reason;
	struct verdict verdict;
	struct key_set *keys;
	struct str text, token;
	enum ctl_exit exit;

	if (jwks == NULL || project == NULL)
		return ctl_usage(ctl, "both are needed: --jwks FILE and --project P");
	if ((exit = args_i64(ctl, OPTION_NOW, 0, TIME_MAX, &now)) != CTL_OK ||
	    (exit = input_file(ctl, jwks, JWKS_MAX, &text)) != CTL_OK)
		return exit;
	keys = key_set_read_jwks(text);
	if (keys == NULL)
		return ctl_usage(ctl, "%s is no JWK set: save what /.well-known/jwks.json answers", jwks);
	if ((exit = input_read(ctl, STDIN_FILENO, "standard input", INPUT_MAX, &token)) != CTL_OK) {
		key_set_unref(keys);
		return exit;
	}
	reason = session_check(token, keys, NULL, now, ctl->arena, &session);
	key_set_unref(keys);
	if (reason == SESSION_OK && !str_eq(session.project_id, project_of(ctl, project)))
		reason = SESSION_WRONG_PROJECT;
	verdict = (struct verdict){ .accept = reason == SESSION_OK, .reason = str_c(session_word(reason)),
				    .explain = str_c(session_explain(reason)) };
	if (verdict.accept) {
		verdict.user = (int64_t)session.telegram_id;
		verdict.who = who(ctl, session.first_name, session.last_name, session.username);
		verdict.since = session.issued_at;
		verdict.until = session.expires_at;
	}
	return print_verdict(ctl, &verdict);
}
