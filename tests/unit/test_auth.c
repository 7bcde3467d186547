/*
 * test_auth.c - the room as a whole, over a real store: keys kept, sessions given out,
 * callers named, and everything that takes effect at once although it was checked before.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "auth/keys.h"
#include "base/jdoc.h"
#include "base/metric.h"
#include "house.h"
#include "http/request.h"
#include "maker.h"

enum { NOW = MAKER_NOW };

static struct house house;
static struct maker maker;
static struct arena *arena;
static struct bot bot = { .id = 123456, .n_secrets = 1 };
static const struct project *app, *other;	/* two projects, the second with another bot */
static char app_id[PROJECT_ID_LEN + 1], other_id[PROJECT_ID_LEN + 1];

static int build(void **state)
{
	struct bot second = { .id = 99, .n_secrets = 1 };

	(void)state;
	maker_secret("123456:AAA", bot.secrets[0]);
	maker_secret("99:BBB", second.secrets[0]);
	arena_reset(arena);
	if (!house_build(&house) ||
	    project_create(house.registry, STR_LIT("app"), &bot, 1, &app) != RC_OK ||
	    project_create(house.registry, STR_LIT("other"), &second, 1, &other) != RC_OK)
		return -1;
	memcpy(app_id, app->id, sizeof app_id);
	memcpy(other_id, other->id, sizeof other_id);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	project_unref(app);
	project_unref(other);
	house_clear(&house);
	return 0;
}

/* --- asking --- */

static struct str init_data_of(const char *user, const char *auth_date)
{
	maker_init(&maker);
	maker_add(&maker, "user", user);
	maker_add(&maker, "auth_date", auth_date);
	maker_hash(&maker, bot.secrets[0]);
	return arena_dup(arena, maker_write(&maker));
}

static struct str ada(void)
{
	return init_data_of("{\"id\":42,\"first_name\":\"Ada\"}", "1700000000");
}

static enum rc validate(struct str init_data, const char *project, int64_t now, struct str *data)
{
	return auth_validate(house.auth, house.registry, init_data, str_c(project), now, arena, data);
}

/* The token of INIT_DATA in the first project. */
static struct str sign_in(struct str init_data, int64_t now)
{
	struct str data, jwt;
	json_object *doc;

	assert_int_equal(validate(init_data, app_id, now, &data), RC_OK);
	doc = jdoc_read(data, 8);
	assert_true(jdoc_str(doc, "jwt", &jwt));
	jwt = arena_dup(arena, jwt);
	json_object_put(doc);
	return jwt;
}

static enum rc ask(struct str authorization, const char *project_id, int64_t now, struct caller *caller)
{
	const struct request request = { .authorization = authorization, .project_id = str_c(project_id) };

	return auth_caller(house.auth, house.registry, &request, now, arena, caller);
}

/* What is answered to CREDENTIAL under SCHEME; the caller is looked at and dropped. */
static enum rc answer(const char *scheme, struct str credential, const char *project_id, int64_t now)
{
	struct caller caller = { .kind = CALLER_NOBODY };
	enum rc rc = ask(arena_printf(arena, "%s %.*s", scheme, STR(credential)), project_id, now, &caller);

	assert_int_equal(caller.kind != CALLER_NOBODY, rc == RC_OK);
	assert_int_equal(caller.project != NULL, rc == RC_OK);
	caller_clear(&caller);
	return rc;
}

static enum rc bearer(struct str token, int64_t now)
{
	return answer("Bearer", token, "", now);
}

static enum rc tma(struct str init_data, int64_t now)
{
	return answer("tma", init_data, app_id, now);
}

static struct str jwks(void)
{
	struct buf buf;

	buf_init(&buf, arena, 65536);
	auth_jwks(house.auth, &buf);
	return buf_str(&buf);
}

/* --- keys --- */

static void the_first_start_makes_a_key_that_stays(void **state)
{
	struct str before = jwks(), token = sign_in(ada(), NOW);

	(void)state;
	assert_true(str_starts(before, STR_LIT("{\"keys\":[{\"kty\":\"EC\"")));
	assert_true(house_restart(&house));
	assert_true(str_eq(jwks(), before));
	assert_int_equal(bearer(token, NOW), RC_OK);
}

static void a_key_that_cannot_be_read_stops_the_start(void **state)
{
	(void)state;
	assert_true(house_put(&house, STORE_SIGNING_KEYS, STR_LIT("kid"), STR_LIT("{}")));
	assert_false(house_reopen(&house));
	assert_null(house.auth);
}

static void a_key_under_anothers_name_stops_the_start(void **state)
{
	struct key_set *set = key_set_new();

	(void)state;
	assert_int_equal(key_set_generate(set, KEY_SHARED, NOW, NOW, 86400), RC_OK);
	assert_int_equal(key_set_generate(set, KEY_SHARED, NOW, NOW, 86400), RC_OK);
	assert_true(house_put(&house, STORE_SIGNING_KEYS, str_c(key_set_at(set, 0)->kid),
			      key_write(key_set_at(set, 0), arena)));
	assert_true(house_reopen(&house));
	assert_true(house_put(&house, STORE_SIGNING_KEYS, STR_LIT("kid"), key_write(key_set_at(set, 1), arena)));
	assert_false(house_reopen(&house));
	key_set_unref(set);
}

/* --- validate --- */

static void a_session_is_given_to_who_proved_it(void **state)
{
	struct str data, init_data = init_data_of("{\"id\":7387289974,\"first_name\":\"A\\\"d\\u0430\","
						  "\"last_name\":\"L\",\"username\":\"u\"}", "1700000000");
	struct caller caller;
	json_object *doc, *user;
	struct str text;
	int64_t id;

	(void)state;
	assert_int_equal(validate(init_data, app_id, NOW, &data), RC_OK);
	doc = jdoc_read(data, 3);
	assert_int_equal(json_object_object_length(doc), 2);
	assert_true(jdoc_object(doc, "user", &user));
	assert_int_equal(json_object_object_length(user), 4);
	assert_true(jdoc_i64(user, "telegramId", &id) && id == 7387289974);
	assert_true(jdoc_str(user, "firstName", &text) && str_eq(text, STR_LIT("A\"d\xd0\xb0")));
	assert_true(jdoc_str(user, "lastName", &text) && str_eq(text, STR_LIT("L")));
	assert_true(jdoc_str(user, "username", &text) && str_eq(text, STR_LIT("u")));
	assert_true(jdoc_str(doc, "jwt", &text));
	assert_int_equal(ask(arena_printf(arena, "Bearer %.*s", STR(text)), "", NOW, &caller), RC_OK);
	assert_int_equal(caller.kind, CALLER_USER);
	assert_int_equal(caller.telegram_id, 7387289974);
	assert_int_equal(caller.project->number, app->number);
	caller_clear(&caller);
	caller_clear(&caller);
	json_object_put(doc);

	/* Without the names that Telegram did not send. */
	assert_int_equal(validate(ada(), app_id, NOW, &data), RC_OK);
	doc = jdoc_read(data, 3);
	assert_true(jdoc_object(doc, "user", &user));
	assert_int_equal(json_object_object_length(user), 2);
	json_object_put(doc);
}

static void a_project_is_found_by_all_its_names(void **state)
{
	char hex[33] = "";
	struct str data;

	(void)state;
	for (const char *p = app_id; *p != '\0'; p++)
		if (*p != '-')
			hex[strlen(hex)] = *p;
	assert_int_equal(validate(ada(), "app", NOW, &data), RC_OK);
	assert_int_equal(validate(ada(), hex, NOW, &data), RC_OK);
	assert_int_equal(answer("tma", ada(), "app", NOW), RC_OK);
	assert_int_equal(answer("tma", ada(), hex, NOW), RC_OK);
	assert_int_equal(answer("Bearer", sign_in(ada(), NOW), "app", NOW), RC_OK);
	assert_int_equal(answer("Bearer", sign_in(ada(), NOW), hex, NOW), RC_OK);
	assert_int_equal(answer("Bearer", sign_in(ada(), NOW), app_id, NOW), RC_OK);
}

static void what_is_not_genuine_gets_nothing(void **state)
{
	struct str data = STR_LIT("untouched"), good = ada();

	(void)state;
	assert_int_equal(validate(STR_LIT(""), app_id, NOW, &data), RC_INVALID_INIT_DATA);
	assert_int_equal(validate(STR_LIT("hash=00"), app_id, NOW, &data), RC_INVALID_INIT_DATA);
	assert_int_equal(validate(good, other_id, NOW, &data), RC_INVALID_INIT_DATA);
	assert_int_equal(validate(good, app_id, NOW - 61, &data), RC_INVALID_INIT_DATA);
	assert_int_equal(validate(good, app_id, NOW + 86401, &data), RC_INIT_DATA_EXPIRED);
	assert_int_equal(validate(init_data_of("{}", "1700000000"), app_id, NOW, &data), RC_INVALID_INIT_DATA);
	/* The project comes first. */
	assert_int_equal(validate(good, "nobody", NOW, &data), RC_PROJECT_UNAVAILABLE);
	assert_int_equal(validate(good, "", NOW, &data), RC_PROJECT_UNAVAILABLE);
	assert_int_equal(validate(STR_LIT("bad"), "00000000-0000-4000-8000-000000000000", NOW, &data), RC_PROJECT_UNAVAILABLE);
	assert_int_equal(project_set_state(house.registry, STR_LIT("app"), PROJECT_DISABLED), RC_OK);
	assert_int_equal(validate(good, app_id, NOW, &data), RC_PROJECT_UNAVAILABLE);
	assert_true(str_eq(data, STR_LIT("untouched")));
	assert_int_equal(project_set_state(house.registry, STR_LIT("app"), PROJECT_ACTIVE), RC_OK);
	assert_int_equal(validate(good, app_id, NOW, &data), RC_OK);
}

static void the_same_text_gets_the_same_token_for_a_minute(void **state)
{
	struct str first = sign_in(ada(), NOW), data;

	(void)state;
	assert_true(str_eq(sign_in(ada(), NOW + 59), first));
	assert_false(str_eq(sign_in(ada(), NOW + 60), first));
	/* And from then on for another one. */
	assert_true(str_eq(sign_in(ada(), NOW + 119), sign_in(ada(), NOW + 60)));
	assert_int_equal(project_rename(house.registry, STR_LIT("app"), STR_LIT("renamed")), RC_OK);
	first = sign_in(ada(), NOW + 119);
	assert_true(str_eq(sign_in(ada(), NOW + 120), first));
	assert_int_equal(project_set_state(house.registry, STR_LIT("renamed"), PROJECT_DISABLED), RC_OK);
	assert_int_equal(validate(ada(), app_id, NOW + 120, &data), RC_PROJECT_UNAVAILABLE);
}

static void an_answer_grows_old_with_its_init_data(void **state)
{
	struct str data, old = init_data_of("{\"id\":42,\"first_name\":\"Ada\"}", "1699913610");	/* a day less ten seconds */

	(void)state;
	assert_int_equal(validate(old, app_id, NOW, &data), RC_OK);
	assert_int_equal(validate(old, app_id, NOW + 10, &data), RC_OK);
	assert_int_equal(validate(old, app_id, NOW + 11, &data), RC_INIT_DATA_EXPIRED);
}

/* --- revocation --- */

static void a_users_mark_ends_what_came_before_it(void **state)
{
	struct str data, token = sign_in(ada(), NOW), bob = init_data_of("{\"id\":43,\"first_name\":\"Bob\"}", "1700000000");

	(void)state;
	assert_int_equal(tma(ada(), NOW), RC_OK);
	assert_true(house_mark(&house, app->number, 42, NOW));
	assert_int_equal(bearer(token, NOW), RC_OK);
	assert_int_equal(tma(ada(), NOW), RC_OK);
	assert_int_equal(validate(ada(), app_id, NOW, &data), RC_OK);
	assert_true(house_mark(&house, app->number, 42, NOW + 1));
	assert_int_equal(bearer(token, NOW + 1), RC_INVALID_TOKEN);
	assert_int_equal(tma(ada(), NOW + 1), RC_INVALID_INIT_DATA);
	assert_int_equal(validate(ada(), app_id, NOW + 1, &data), RC_INVALID_INIT_DATA);
	/* Not known from before either. */
	assert_true(house_reopen(&house));
	assert_int_equal(bearer(token, NOW + 1), RC_INVALID_TOKEN);
	assert_int_equal(tma(ada(), NOW + 1), RC_INVALID_INIT_DATA);
	assert_int_equal(validate(ada(), app_id, NOW + 1, &data), RC_INVALID_INIT_DATA);
	/* Somebody else is not concerned. */
	assert_int_equal(tma(bob, NOW + 1), RC_OK);
	assert_int_equal(bearer(sign_in(bob, NOW + 1), NOW + 1), RC_OK);
}

static void a_projects_mark_ends_what_came_before_it(void **state)
{
	struct str data, token = sign_in(ada(), NOW);

	(void)state;
	assert_true(house_edit_project(&house, app->number, "not_before", NOW));
	assert_int_equal(bearer(token, NOW), RC_OK);
	assert_int_equal(tma(ada(), NOW), RC_OK);
	assert_true(house_edit_project(&house, app->number, "not_before", NOW + 1));
	assert_int_equal(bearer(token, NOW + 1), RC_INVALID_TOKEN);
	assert_int_equal(tma(ada(), NOW + 1), RC_INVALID_INIT_DATA);
	assert_int_equal(validate(ada(), app_id, NOW + 1, &data), RC_INVALID_INIT_DATA);
}

/* A client's clock, or ours, may be half a minute off: its initData is then younger than our token. */
static void a_token_of_before_the_mark_is_not_answered_again(void **state)
{
	struct str ahead = init_data_of("{\"id\":42,\"first_name\":\"Ada\"}", "1700000030");
	struct str first = sign_in(ahead, NOW), second;

	(void)state;
	assert_true(house_mark(&house, app->number, 42, NOW + 10));
	second = sign_in(ahead, NOW + 20);
	assert_false(str_eq(first, second));
	assert_int_equal(bearer(first, NOW + 20), RC_INVALID_TOKEN);
	assert_int_equal(bearer(second, NOW + 20), RC_OK);
}

/* --- sessions --- */

static void a_token_ends_when_it_says(void **state)
{
	struct str token = sign_in(ada(), NOW);

	(void)state;
	for (int known = 0; known < 2; known++) {
		assert_int_equal(bearer(token, NOW + 86399), RC_OK);
		assert_int_equal(bearer(token, NOW + 86400), RC_TOKEN_EXPIRED);
	}
	assert_true(house_reopen(&house));
	assert_int_equal(bearer(token, NOW + 86400), RC_TOKEN_EXPIRED);
	/* Not a letter of it is taken for granted. */
	assert_int_equal(bearer(str_make(token.p, token.n - 1), NOW), RC_INVALID_TOKEN);
	assert_int_equal(bearer(STR_LIT("x"), NOW), RC_INVALID_TOKEN);
}

static void a_token_ends_with_its_project(void **state)
{
	struct str token = sign_in(ada(), NOW), unseen;

	(void)state;
	unseen = sign_in(init_data_of("{\"id\":43,\"first_name\":\"Bob\"}", "1700000000"), NOW);
	assert_int_equal(bearer(token, NOW), RC_OK);
	assert_int_equal(project_set_state(house.registry, STR_LIT("app"), PROJECT_DISABLED), RC_OK);
	assert_int_equal(bearer(token, NOW), RC_PROJECT_UNAVAILABLE);
	assert_int_equal(project_set_state(house.registry, STR_LIT("app"), PROJECT_ACTIVE), RC_OK);
	assert_int_equal(bearer(token, NOW), RC_OK);
	assert_int_equal(project_delete(house.registry, STR_LIT("app")), RC_OK);
	assert_int_equal(bearer(token, NOW), RC_PROJECT_UNAVAILABLE);
	assert_int_equal(bearer(unseen, NOW), RC_PROJECT_UNAVAILABLE);
}

static void a_token_opens_no_other_project(void **state)
{
	struct str token = sign_in(ada(), NOW);

	(void)state;
	for (int known = 0; known < 2; known++) {
		assert_int_equal(answer("Bearer", token, other_id, NOW), RC_FORBIDDEN);
		assert_int_equal(answer("Bearer", token, "other", NOW), RC_FORBIDDEN);
		assert_int_equal(answer("Bearer", token, "nobody", NOW), RC_FORBIDDEN);
		assert_int_equal(answer("Bearer", token, app_id, NOW), RC_OK);
	}
}

/* --- initData as a credential --- */

static void init_data_names_a_caller_in_the_project_it_is_for(void **state)
{
	struct caller caller = { .kind = CALLER_NOBODY };

	(void)state;
	assert_int_equal(ask(arena_printf(arena, "tma %.*s", STR(ada())), app_id, NOW, &caller), RC_OK);
	assert_int_equal(caller.kind, CALLER_USER);
	assert_int_equal(caller.telegram_id, 42);
	assert_int_equal(caller.project->number, app->number);
	caller_clear(&caller);
	for (int known = 0; known < 2; known++) {
		assert_int_equal(answer("tma", ada(), "", NOW), RC_BAD_REQUEST);
		assert_int_equal(answer("tma", ada(), other_id, NOW), RC_INVALID_INIT_DATA);
		assert_int_equal(answer("tma", ada(), "nobody", NOW), RC_PROJECT_UNAVAILABLE);
		assert_int_equal(tma(ada(), NOW), RC_OK);
	}
	assert_int_equal(tma(STR_LIT("user=1"), NOW), RC_INVALID_INIT_DATA);
	assert_int_equal(project_set_state(house.registry, STR_LIT("app"), PROJECT_DISABLED), RC_OK);
	assert_int_equal(tma(ada(), NOW), RC_PROJECT_UNAVAILABLE);
}

static void init_data_that_is_known_still_grows_old(void **state)
{
	(void)state;
	for (int known = 0; known < 2; known++) {
		assert_int_equal(tma(ada(), NOW + 86400), RC_OK);
		assert_int_equal(tma(ada(), NOW + 86401), RC_INIT_DATA_EXPIRED);
		assert_int_equal(tma(ada(), NOW - 60), RC_OK);
		assert_int_equal(tma(ada(), NOW - 61), RC_INVALID_INIT_DATA);
	}
	assert_true(house_edit_project(&house, app->number, "init_data_age_s", 60));
	assert_int_equal(tma(ada(), NOW + 60), RC_OK);
	assert_int_equal(tma(ada(), NOW + 61), RC_INIT_DATA_EXPIRED);
}

static void checked_init_data_is_remembered_until_the_project_changes(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct bot third = { .id = 77 };
	const struct project *project;
	size_t n = sizeof third.public_key;
	uint64_t hits, misses;
	struct str raw;

	(void)state;
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, third.public_key, &n), 1);
	assert_int_equal(project_create(house.registry, STR_LIT("third"), &third, 1, &project), RC_OK);
	maker_init(&maker);
	maker_add_usual(&maker);
	maker_signature(&maker, key, 77);
	raw = maker_write(&maker);
	hits = metric_sum(METRIC_TOKEN_HITS);
	misses = metric_sum(METRIC_TOKEN_MISSES);
	assert_int_equal(answer("tma", raw, "third", NOW), RC_OK);
	assert_int_equal(metric_sum(METRIC_TOKEN_MISSES), misses + 1);
	assert_int_equal(answer("tma", raw, project->id, NOW), RC_OK);
	assert_int_equal(metric_sum(METRIC_TOKEN_HITS), hits + 1);
	assert_int_equal(project_rename(house.registry, STR_LIT("third"), STR_LIT("3rd")), RC_OK);
	assert_int_equal(answer("tma", raw, "3rd", NOW), RC_OK);
	assert_int_equal(metric_sum(METRIC_TOKEN_MISSES), misses + 2);
	project_unref(project);
	EVP_PKEY_free(key);
}

static void init_data_beyond_its_limit_is_refused(void **state)
{
	char *long_text = arena_alloc(arena, 9000);

	(void)state;
	memset(long_text, 'a', 9000);
	assert_int_equal(tma(str_make(long_text, 8193), NOW), RC_INVALID_INIT_DATA);
	assert_int_equal(tma(str_make(long_text, 8192), NOW), RC_INVALID_INIT_DATA);
}

/* --- API keys --- */

static void an_api_key_names_its_project_and_right(void **state)
{
	char reads[CREDENTIAL_LEN + 1], writes[CREDENTIAL_LEN + 1];
	struct credential credential;
	struct caller caller = { .kind = CALLER_NOBODY };
	struct str good;

	(void)state;
	assert_int_equal(credential_create(house.registry, app->number, STR_LIT(""), KEY_READ, 0, &credential, reads), RC_OK);
	assert_int_equal(credential_create(house.registry, app->number, STR_LIT(""), KEY_READ_WRITE, 0, &credential, writes),
			 RC_OK);
	assert_int_equal(ask(arena_printf(arena, "bearer %s", reads), "", NOW, &caller), RC_OK);
	assert_int_equal(caller.kind, CALLER_API_KEY);
	assert_int_equal(caller.telegram_id, 0);
	assert_int_equal(caller.project->number, app->number);
	assert_int_equal(auth_allows(&caller, RIGHT_READ), RC_OK);
	assert_int_equal(auth_allows(&caller, RIGHT_WRITE), RC_READ_ONLY_KEY);
	caller_clear(&caller);
	assert_int_equal(ask(arena_printf(arena, "Bearer %s", writes), "app", NOW, &caller), RC_OK);
	assert_int_equal(auth_allows(&caller, RIGHT_WRITE), RC_OK);
	caller_clear(&caller);
	good = arena_dup(arena, str_c(writes));

	assert_int_equal(answer("Bearer", str_c(writes), other_id, NOW), RC_FORBIDDEN);
	assert_int_equal(answer("Bearer", str_c(writes), "nobody", NOW), RC_FORBIDDEN);
	assert_int_equal(bearer(str_make(writes, CREDENTIAL_LEN - 1), NOW), RC_INVALID_TOKEN);
	assert_int_equal(bearer(arena_printf(arena, "%sA", writes), NOW), RC_INVALID_TOKEN);
	assert_int_equal(bearer(STR_LIT("tmakv_"), NOW), RC_INVALID_TOKEN);
	assert_int_equal(answer("tma", str_c(writes), app_id, NOW), RC_INVALID_INIT_DATA);
	writes[20] = writes[20] == 'A' ? 'B' : 'A';
	assert_int_equal(bearer(str_c(writes), NOW), RC_INVALID_TOKEN);

	assert_int_equal(project_set_state(house.registry, STR_LIT("app"), PROJECT_DISABLED), RC_OK);
	assert_int_equal(bearer(good, NOW), RC_PROJECT_UNAVAILABLE);
	assert_int_equal(project_set_state(house.registry, STR_LIT("app"), PROJECT_ACTIVE), RC_OK);
	assert_int_equal(credential_revoke(house.registry, app->number, str_c(credential.id)), RC_OK);
	assert_int_equal(bearer(good, NOW), RC_INVALID_TOKEN);
	assert_int_equal(bearer(str_c(reads), NOW), RC_OK);
}

/* --- the header --- */

static void the_header_has_one_form(void **state)
{
	static const struct {
		const char *format;
		enum rc rc;
	} rows[] = {
		{ "Bearer %s", RC_OK }, { "bearer %s", RC_OK }, { "BEARER %s", RC_OK }, { "bEaReR %s", RC_OK },
		{ "%s", RC_UNAUTHORIZED }, { "Bearer", RC_UNAUTHORIZED }, { "Bearer ", RC_UNAUTHORIZED }, { "", RC_UNAUTHORIZED },
		{ " ", RC_UNAUTHORIZED }, { " Bearer %s", RC_UNAUTHORIZED }, { "Bearer  %s", RC_UNAUTHORIZED },
		{ "Bearer\t%s", RC_UNAUTHORIZED }, { "Bearer \t%s", RC_UNAUTHORIZED }, { "Bearer %s ", RC_UNAUTHORIZED },
		{ "Bearer %s\t", RC_UNAUTHORIZED }, { "Bearer %s\n", RC_UNAUTHORIZED }, { "Bearer %s x", RC_UNAUTHORIZED },
		{ "Bearer %s,", RC_UNAUTHORIZED }, { "Bearer %1$s,Bearer %1$s", RC_UNAUTHORIZED },
		{ "Bearer %1$s, Bearer %1$s", RC_UNAUTHORIZED }, { "Bearer %1$s,%1$s", RC_UNAUTHORIZED },
		{ "Bearer \"%s\"", RC_UNAUTHORIZED }, { "Bearer: %s", RC_UNAUTHORIZED }, { "Bearer=%s", RC_UNAUTHORIZED },
		{ "Basic %s", RC_UNAUTHORIZED }, { "Token %s", RC_UNAUTHORIZED }, { "JWT %s", RC_UNAUTHORIZED },
		{ "Beare %s", RC_UNAUTHORIZED }, { "Bearerx %s", RC_UNAUTHORIZED }, { "twa-init-data %s", RC_UNAUTHORIZED },
		{ "Bearer %s=", RC_INVALID_TOKEN }, { "Bearer %s.", RC_INVALID_TOKEN }, { "Bearer x%s", RC_INVALID_TOKEN },
		{ "Bearer none", RC_INVALID_TOKEN }, { "Bearer %s\x7f", RC_UNAUTHORIZED }, { "Bearer \xc3\xa9", RC_UNAUTHORIZED },
	};
	struct str token = sign_in(ada(), NOW);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct caller caller = { .kind = CALLER_NOBODY };
		char header[4096];

		#pragma GCC diagnostic push
		#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(header, sizeof header, rows[i].format, token.p);
		#pragma GCC diagnostic pop
		if (ask(str_c(header), "", NOW, &caller) != rows[i].rc)
			print_error("%s\n", rows[i].format);
		caller_clear(&caller);
		assert_int_equal(ask(str_c(header), "", NOW, &caller), rows[i].rc);
		caller_clear(&caller);
	}
	/* A NUL behind a good token, and the words of the other scheme. */
	{
		struct str with_nul = arena_printf(arena, "Bearer %s", token.p);

		with_nul.n++;
		assert_int_equal(ask(with_nul, "", NOW, &(struct caller){ .kind = CALLER_NOBODY }), RC_UNAUTHORIZED);
	}
	assert_int_equal(answer("TMA", ada(), app_id, NOW), RC_OK);
	assert_int_equal(answer("Tma", ada(), app_id, NOW), RC_OK);
	assert_int_equal(answer("tma ", ada(), app_id, NOW), RC_UNAUTHORIZED);
	assert_int_equal(answer("tma", arena_printf(arena, "%.*s ", STR(ada())), app_id, NOW), RC_UNAUTHORIZED);
	assert_int_equal(answer("tma", arena_printf(arena, "%.*s\t", STR(ada())), app_id, NOW), RC_UNAUTHORIZED);
	assert_int_equal(answer("tma", arena_printf(arena, "\x7f%.*s", STR(ada())), app_id, NOW), RC_UNAUTHORIZED);
	assert_int_equal(answer("tma", arena_printf(arena, "%.*s, tma x", STR(ada())), app_id, NOW), RC_UNAUTHORIZED);
	assert_int_equal(answer("tma", arena_printf(arena, "%.*s,x", STR(ada())), app_id, NOW), RC_INVALID_INIT_DATA);
	assert_int_equal(answer("Bearer", ada(), app_id, NOW), RC_UNAUTHORIZED);
	assert_int_equal(answer("tma", token, app_id, NOW), RC_INVALID_INIT_DATA);
}

/* Both lie in one cache: whoever knows by which text it keeps initData is not let in by that text. */
static void initdata_that_is_known_is_no_bearer(void **state)
{
	const struct project *newest = registry_find(house.registry, str_c(app_id));
	const uint64_t now[] = { newest->number, newest->generation };
	struct str data = ada(), kept;
	char text[4096] = "Bearer tma:";
	size_t n = strlen(text);

	(void)state;
	project_unref(newest);
	assert_int_equal(answer("tma", data, app_id, NOW), RC_OK);
	memcpy(text + n, now, sizeof now);
	memcpy(text + n + sizeof now, data.p, data.n);
	kept = str_make(text, n + sizeof now + data.n);
	assert_int_equal(ask(kept, "", NOW, &(struct caller){ .kind = CALLER_NOBODY }), RC_UNAUTHORIZED);
}

static void rights_follow_from_who_it_is(void **state)
{
	static const struct project some;
	static const struct {
		struct caller caller;
		enum rc none, key, read, write, admin;
	} rows[] = {
		{ { .kind = CALLER_NOBODY },
		  RC_OK, RC_UNAUTHORIZED, RC_UNAUTHORIZED, RC_UNAUTHORIZED, RC_UNAUTHORIZED },
		{ { .kind = CALLER_USER }, RC_OK, RC_FORBIDDEN, RC_OK, RC_OK, RC_FORBIDDEN },
		{ { .kind = CALLER_API_KEY, .right = KEY_READ }, RC_OK, RC_OK, RC_OK, RC_READ_ONLY_KEY, RC_FORBIDDEN },
		{ { .kind = CALLER_API_KEY, .right = KEY_READ_WRITE }, RC_OK, RC_OK, RC_OK, RC_OK, RC_FORBIDDEN },
		/* Of no project, until a door has found the one that the request names. */
		{ { .kind = CALLER_ADMIN, .right = KEY_READ_WRITE }, RC_OK, RC_OK, RC_FORBIDDEN, RC_FORBIDDEN, RC_OK },
		{ { .kind = CALLER_ADMIN, .right = KEY_READ_WRITE, .project = &some }, RC_OK, RC_OK, RC_OK, RC_OK, RC_OK },
		{ { .kind = CALLER_ADMIN, .right = KEY_READ, .project = &some },
		  RC_OK, RC_OK, RC_OK, RC_READ_ONLY_KEY, RC_READ_ONLY_KEY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(auth_allows(&rows[i].caller, RIGHT_NONE), rows[i].none);
		assert_int_equal(auth_allows(&rows[i].caller, RIGHT_READ), rows[i].read);
		assert_int_equal(auth_allows(&rows[i].caller, RIGHT_WRITE), rows[i].write);
		assert_int_equal(auth_allows(&rows[i].caller, RIGHT_KEY), rows[i].key);
		assert_int_equal(auth_allows(&rows[i].caller, RIGHT_ADMIN), rows[i].admin);
	}
}

/* Every reference is given back on the way, which the sanitizers and the registry's end would tell. */
static void short_memory_is_said(void **state)
{
	struct str init_data = ada(), token = sign_in(ada(), NOW), data;

	(void)state;
	assert_true(house_reopen(&house));
	for (size_t ceiling = 0; ceiling < 6000; ceiling += 16) {
		struct arena *small = arena_new(ceiling);
		enum rc rc = auth_validate(house.auth, house.registry, init_data, STR_LIT("app"), NOW, small, &data);

		assert_true(rc == RC_NO_MEMORY || (rc == RC_OK && ceiling > 1000));
		arena_free(small);
	}
	for (size_t ceiling = 0; ceiling < 2000; ceiling += 16) {
		struct arena *small = arena_new(ceiling);
		struct request request = { .authorization = arena_printf(arena, "Bearer %.*s", STR(token)) };
		struct caller caller = { .kind = CALLER_NOBODY };
		enum rc rc = auth_caller(house.auth, house.registry, &request, NOW, small, &caller);

		assert_true(rc == RC_NO_MEMORY || rc == RC_OK);
		caller_clear(&caller);
		request.authorization = arena_printf(arena, "tma %.*s", STR(init_data));
		request.project_id = STR_LIT("app");
		arena_reset(small);
		rc = auth_caller(house.auth, house.registry, &request, NOW, small, &caller);
		assert_true(rc == RC_NO_MEMORY || rc == RC_OK);
		caller_clear(&caller);
		arena_free(small);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, build, clear)
	const struct CMUnitTest tests[] = {
		TEST(the_first_start_makes_a_key_that_stays),
		TEST(a_key_that_cannot_be_read_stops_the_start),
		TEST(a_key_under_anothers_name_stops_the_start),
		TEST(a_session_is_given_to_who_proved_it),
		TEST(a_project_is_found_by_all_its_names),
		TEST(what_is_not_genuine_gets_nothing),
		TEST(the_same_text_gets_the_same_token_for_a_minute),
		TEST(an_answer_grows_old_with_its_init_data),
		TEST(a_users_mark_ends_what_came_before_it),
		TEST(a_projects_mark_ends_what_came_before_it),
		TEST(a_token_of_before_the_mark_is_not_answered_again),
		TEST(a_token_ends_when_it_says),
		TEST(a_token_ends_with_its_project),
		TEST(a_token_opens_no_other_project),
		TEST(init_data_names_a_caller_in_the_project_it_is_for),
		TEST(init_data_that_is_known_still_grows_old),
		TEST(checked_init_data_is_remembered_until_the_project_changes),
		TEST(init_data_beyond_its_limit_is_refused),
		TEST(an_api_key_names_its_project_and_right),
		TEST(the_header_has_one_form),
		TEST(initdata_that_is_known_is_no_bearer),
		TEST(rights_follow_from_who_it_is),
		TEST(short_memory_is_said),
	};
	int failed;

	arena = arena_new(8 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
