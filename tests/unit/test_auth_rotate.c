/*
 * test_auth_rotate.c - signing keys that follow each other, over a real store: whatever is asked for, in whatever
 * order, with restarts between, no good token is refused; what must be refused is.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "auth/session.h"
#include "base/b64.h"
#include "base/clock.h"
#include "base/jdoc.h"
#include "house.h"
#include "http/request.h"
#include "maker.h"

enum { DAY = 86400, STALE_S = 15 * 60 };

static struct house house;
static struct maker maker;
static struct arena *arena;
static struct bot bot = { .id = 123456, .n_secrets = 1 };
static char ids[2][PROJECT_ID_LEN + 1];		/* of the projects app and other, which have the same bot */
static uint32_t numbers[2];
static int64_t now;

static int build(void **state)
{
	static const char *const names[] = { "app", "other" };

	(void)state;
	maker_secret("123456:AAA", bot.secrets[0]);
	arena_reset(arena);
	if (!house_build(&house))
		return -1;
	/* The first key is of this moment. */
	now = clock_wall_s();
	for (int i = 0; i < 2; i++) {
		const struct project *project;

		if (project_create(house.registry, str_c(names[i]), &bot, 1, &project) != RC_OK)
			return -1;
		memcpy(ids[i], project->id, sizeof ids[i]);
		numbers[i] = project->number;
		project_unref(project);
	}
	return 0;
}

static int clear(void **state)
{
	(void)state;
	house_clear(&house);
	return 0;
}

/* --- asking --- */

static struct str sign_in(int project)
{
	static uint64_t user = 1;
	struct str data, jwt;
	json_object *doc;

	maker_init(&maker);
	maker_add_str(&maker, STR_LIT("user"), arena_printf(arena, "{\"id\":%llu,\"first_name\":\"A\"}", (unsigned long long)user++));
	maker_add_str(&maker, STR_LIT("auth_date"), arena_printf(arena, "%lld", (long long)now));
	maker_hash(&maker, bot.secrets[0]);
	assert_int_equal(auth_validate(house.auth, house.registry, maker_write(&maker), str_c(ids[project]), now, arena,
				       &data), RC_OK);
	doc = jdoc_read(data, 8);
	assert_true(jdoc_str(doc, "jwt", &jwt));
	jwt = arena_dup(arena, jwt);
	json_object_put(doc);
	return jwt;
}

static enum rc answer_in(struct str token, struct arena *memory)
{
	const struct request request = {
		.authorization = arena_printf(memory, "Bearer %.*s", STR(token)), .project_id = STR_LIT("")
	};
	struct caller caller;
	enum rc rc = auth_caller(house.auth, house.registry, &request, now, memory, &caller);

	if (rc == RC_OK)
		caller_clear(&caller);
	return rc;
}

static enum rc answer(struct str token)
{
	return answer_in(token, arena);
}

static struct key_set *published_at(int project)
{
	struct key_set *set;
	struct buf buf;

	buf_init(&buf, arena, 1 << 20);
	if (project < 0)
		auth_jwks(house.auth, &buf);
	else
		assert_int_equal(auth_project_jwks(house.auth, house.registry, str_c(ids[project]), now, &buf), RC_OK);
	set = key_set_read_jwks(buf_str(&buf));
	assert_non_null(set);
	return set;
}

/* What a back end that has only SET says to TOKEN. */
static bool is_good_for(const struct key_set *set, struct str token)
{
	struct session session;

	return session_check(token, set, "tmakv", now, arena, &session) == SESSION_OK;
}

static void tend(void)
{
	auth_tend(house.auth, house.registry, now);
}

static void count_key(const struct auth_key *key, void *arg)
{
	(void)key;
	++*(size_t *)arg;
}

static size_t count(uint32_t project)
{
	size_t n = 0;

	auth_each_key(house.auth, project, now, count_key, &n);
	return n;
}

static struct auth_key rotate(uint32_t project, bool at_once)
{
	struct auth_key key;

	assert_int_equal(auth_rotate(house.auth, house.registry, project, at_once, now, &key), RC_OK);
	return key;
}

static enum rc signing(int project, bool own)
{
	return auth_set_signing(house.auth, house.registry, str_c(ids[project]), own, now);
}

static void find_current(const struct auth_key *key, void *arg)
{
	if (key->state == KEY_CURRENT)
		*(struct auth_key *)arg = *key;
}

static struct auth_key current(uint32_t project)
{
	struct auth_key key = { .kid = "" };

	auth_each_key(house.auth, project, now, find_current, &key);
	return key;
}

/* --- one by one --- */

static void a_next_key_is_one_at_a_time(void **state)
{
	struct auth_key key;

	(void)state;
	assert_int_equal(rotate(KEY_SHARED, false).state, KEY_NEXT);
	assert_int_equal(auth_rotate(house.auth, house.registry, KEY_SHARED, false, now, &key), RC_CONFLICT);
	now += KEY_PUBLISH_S;
	assert_int_equal(rotate(KEY_SHARED, false).state, KEY_NEXT);
	assert_int_equal(auth_rotate(house.auth, house.registry, numbers[0], false, now, &key), RC_KEY_NOT_FOUND);
	/* One made while the clock was far ahead is not waited for. */
	now -= DAY;
	assert_int_equal(rotate(KEY_SHARED, false).activates_at, now + KEY_PUBLISH_S);
}

static void at_once_is_at_once_in_the_same_second_too(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct auth_key made = rotate(KEY_SHARED, true);

		assert_string_equal(current(KEY_SHARED).kid, made.kid);
		assert_true(house_reopen(&house));
		assert_string_equal(current(KEY_SHARED).kid, made.kid);
	}
}

static void so_many_keys_and_no_more(void **state)
{
	struct auth_key key;

	(void)state;
	for (size_t n = count(KEY_SHARED); n < AUTH_KEYS_MAX; n++)
		rotate(KEY_SHARED, true);
	assert_int_equal(auth_rotate(house.auth, house.registry, KEY_SHARED, true, now, &key), RC_RATE_LIMIT);
	key_set_unref(published_at(-1));
}

static void the_last_key_that_can_sign_stays(void **state)
{
	struct auth_key first = current(KEY_SHARED), next = rotate(KEY_SHARED, false), removed;

	(void)state;
	assert_int_equal(auth_remove_key(house.auth, house.registry, str_c(first.kid), now, &removed), RC_CONFLICT);
	assert_int_equal(auth_remove_key(house.auth, house.registry, str_c(next.kid), now, &removed), RC_OK);
	assert_int_equal(removed.state, KEY_NEXT);
	rotate(KEY_SHARED, true);
	assert_int_equal(auth_remove_key(house.auth, house.registry, str_c(first.kid), now, &removed), RC_OK);
	assert_int_equal(auth_remove_key(house.auth, house.registry, str_c(first.kid), now, &removed), RC_KEY_NOT_FOUND);
	assert_int_equal(count(AUTH_ALL_KEYS), 1);
}

static void an_old_key_stays_for_the_longest_life_that_was_ever_configured(void **state)
{
	struct auth_key first = current(KEY_SHARED), next;
	struct str token;

	(void)state;
	assert_true(house_edit_project(&house, numbers[1], "token_life_s", 7 * DAY));
	tend();
	token = sign_in(1);
	assert_true(house_edit_project(&house, numbers[1], "token_life_s", 60));
	tend();
	next = rotate(KEY_SHARED, false);
	now = next.activates_at;
	now += 7 * DAY - KEY_PUBLISH_S - 1;
	tend();
	assert_int_equal(answer(token), RC_OK);
	now = next.activates_at + 7 * DAY + KEY_GRACE_S - 1;
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 2);
	now++;
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 1);
	assert_string_not_equal(current(KEY_SHARED).kid, first.kid);
}

static void age_makes_a_key_when_the_configuration_says_so(void **state)
{
	(void)state;
	now = current(KEY_SHARED).activates_at + 90 * DAY - KEY_PUBLISH_S - 1;
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 1);
	now++;
	tend();
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 2);
	now += KEY_PUBLISH_S + 10 * DAY;
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 1);
	house.conf.signing_key_life_s = 0;
	assert_true(house_reopen(&house));
	now += 1000 * DAY;
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 1);
	/* Less than a day is a day. */
	house.conf.signing_key_life_s = 1;
	assert_true(house_reopen(&house));
	now = current(KEY_SHARED).activates_at + DAY - KEY_PUBLISH_S - 1;
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 1);
}

/* --- own keys --- */

static enum rc find_key(struct store *store, uint32_t project, struct key_set *out)
{
	static char chunk[STORE_SCAN_CHUNK] __attribute__((aligned(16)));
	struct store_scan scan;
	struct str kid, record;

	store_scan_init(&scan, store, STORE_SIGNING_KEYS, STR_LIT(""), chunk);
	while (store_scan_next(&scan, &kid, &record) == RC_OK) {
		struct key_set *one = key_set_new();
		bool found = key_read(one, record) == RC_OK && key_set_at(one, 0)->project == project;

		if (found)
			assert_int_equal(key_read(out, record), RC_OK);
		key_set_unref(one);
		if (found)
			return RC_OK;
	}
	return RC_KEY_NOT_FOUND;
}

/* A token for PROJECT that the key of OWNER has signed. */
static struct str forge(uint32_t owner, int project, int64_t life_s)
{
	const struct session session = {
		.telegram_id = 42, .first_name = STR_LIT("A"), .last_name = STR_LIT(""), .username = STR_LIT(""),
		.project_id = str_c(ids[project]), .issued_at = now, .expires_at = now + life_s
	};
	struct key_set *set = key_set_new();
	struct str token;

	assert_int_equal(find_key(house.store, owner, set), RC_OK);
	assert_int_equal(session_make(&session, key_set_at(set, 0), "tmakv", arena, &token), RC_OK);
	key_set_unref(set);
	return token;
}

static void a_projects_own_key_speaks_for_no_other(void **state)
{
	(void)state;
	assert_int_equal(signing(0, true), RC_OK);
	now += KEY_PUBLISH_S;
	for (int known = 0; known < 2; known++) {
		assert_int_equal(answer(forge(numbers[0], 0, 60)), RC_OK);
		assert_int_equal(answer(forge(numbers[0], 1, 60)), RC_INVALID_TOKEN);
		assert_int_equal(answer(forge(KEY_SHARED, 1, 60)), RC_OK);
	}
}

static void in_the_end_the_keys_of_all_speak_for_it_no_more(void **state)
{
	struct str known;

	(void)state;
	/* Whoever stole the key of all can make tokens that live for long: those that are remembered end as well. */
	known = forge(KEY_SHARED, 0, 100 * DAY);
	assert_int_equal(answer(known), RC_OK);
	assert_int_equal(signing(0, true), RC_OK);
	now += KEY_PUBLISH_S;
	assert_int_equal(answer(known), RC_OK);
	now += DAY + KEY_GRACE_S - 1;
	tend();
	assert_int_equal(answer(known), RC_OK);
	assert_int_equal(answer(forge(KEY_SHARED, 0, 60)), RC_OK);
	now++;
	assert_int_not_equal(answer(known), RC_OK);
	assert_int_equal(answer(forge(KEY_SHARED, 0, 60)), RC_INVALID_TOKEN);
	assert_int_equal(answer(forge(KEY_SHARED, 1, 60)), RC_OK);
	assert_int_equal(answer(sign_in(0)), RC_OK);
}

static void a_deleted_projects_keys_go(void **state)
{
	(void)state;
	assert_int_equal(signing(0, true), RC_OK);
	assert_int_equal(count(AUTH_ALL_KEYS), 2);
	assert_int_equal(project_delete(house.registry, str_c(ids[0])), RC_OK);
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 1);
	assert_int_equal(signing(0, true), RC_KEY_NOT_FOUND);
	assert_true(house_reopen(&house));
	assert_int_equal(count(AUTH_ALL_KEYS), 1);
}

/* A crash between a project's key and its moments leaves a key that nobody wants. */
static void a_key_without_its_projects_wish_goes(void **state)
{
	struct key_set *set = key_set_new();

	(void)state;
	assert_int_equal(key_set_generate(set, numbers[0], now, now, DAY), RC_OK);
	assert_true(house_put(&house, STORE_SIGNING_KEYS, str_c(key_set_at(set, 0)->kid), key_write(key_set_at(set, 0), arena)));
	assert_true(house_reopen(&house));
	assert_int_equal(count(numbers[0]), 1);
	assert_int_equal(answer(forge(numbers[0], 0, 60)), RC_OK);
	tend();
	assert_int_equal(count(numbers[0]), 0);
	key_set_unref(set);
}

/* --- yesterday's store --- */

static void a_key_of_before_there_were_moments_goes_on(void **state)
{
	struct key_set *set = key_set_new();
	struct str token = sign_in(0), record;
	struct auth_key key = current(KEY_SHARED), next;
	json_object *doc;

	(void)state;
	assert_int_equal(find_key(house.store, KEY_SHARED, set), RC_OK);
	doc = jdoc_read(key_write(key_set_at(set, 0), arena), 2);
	json_object_object_del(doc, "project");
	json_object_object_del(doc, "activates_at");
	json_object_object_del(doc, "life_s");
	record = jdoc_text(doc, arena);
	assert_true(house_put(&house, STORE_SIGNING_KEYS, str_c(key.kid), record));
	json_object_put(doc);
	key_set_unref(set);
	assert_true(house_restart(&house));
	tend();
	assert_string_equal(current(KEY_SHARED).kid, key.kid);
	assert_int_equal(answer(token), RC_OK);
	next = rotate(KEY_SHARED, false);
	now = next.activates_at;
	assert_string_equal(current(KEY_SHARED).kid, next.kid);
	/* How long its tokens live nobody has written down: as long as any may. */
	now += 30 * DAY;
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 2);
	now += KEY_GRACE_S;
	tend();
	assert_int_equal(count(AUTH_ALL_KEYS), 1);
}

/* --- anything, in any order --- */

enum { STEPS = 150, TOKENS = 64, PAGES = 64 };

static struct {
	struct str text;
	int project;
	int64_t expires_at;
} tokens[TOKENS];

/* What was published where, and when: -1 is for all. */
static struct {
	int project;
	int64_t at;
	struct key_set *keys;
} pages[PAGES];

static uint64_t seed;

static uint64_t dice(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

static void keep_page(int project, size_t *n)
{
	key_set_unref(pages[*n % PAGES].keys);
	pages[*n % PAGES].project = project;
	pages[*n % PAGES].at = now;
	pages[*n % PAGES].keys = published_at(project);
	++*n;
}

/* A page of before a key was made AT_ONCE cannot have it. */
static void check_all(int64_t hurried_at)
{
	for (size_t i = 0; i < TOKENS; i++) {
		if (tokens[i].text.n == 0 || tokens[i].expires_at <= now)
			continue;
		assert_int_equal(answer(tokens[i].text), RC_OK);
		for (size_t k = 0; k < PAGES; k++)
			if (pages[k].keys != NULL && pages[k].project == tokens[i].project && now - pages[k].at <= STALE_S &&
			    pages[k].at > hurried_at && pages[k].at <= now)
				assert_true(is_good_for(pages[k].keys, tokens[i].text));
	}
}

static void keep_token(int project)
{
	size_t i = dice(TOKENS);
	json_object *claims;
	struct str head, rest, payload, signature;
	uint8_t bytes[4096];
	size_t n;

	free((void *)(uintptr_t)tokens[i].text.p);
	tokens[i].text = sign_in(project);
	tokens[i].text.p = strndup(tokens[i].text.p, tokens[i].text.n);
	tokens[i].project = project;
	str_cut(tokens[i].text, '.', &head, &rest);
	str_cut(rest, '.', &payload, &signature);
	assert_true(b64url_decode(payload, bytes, &n));
	claims = jdoc_read(str_make(bytes, n), 2);
	assert_true(jdoc_i64(claims, "exp", &tokens[i].expires_at));
	json_object_put(claims);
}

static void do_something(int64_t *hurried_at)
{
	struct auth_key key;
	int project = (int)dice(2);

	switch (dice(8)) {
	case 0:
		(void)!auth_rotate(house.auth, house.registry, dice(2) ? KEY_SHARED : numbers[project], false, now, &key);
		break;
	case 1:
		if (dice(8) == 0 && auth_rotate(house.auth, house.registry, dice(2) ? KEY_SHARED : numbers[project], true,
						now, &key) == RC_OK)
			*hurried_at = now;
		break;
	case 2:
		assert_int_equal(signing(project, dice(2) == 0), RC_OK);
		break;
	case 3:
		assert_true(dice(2) ? house_reopen(&house) : house_restart(&house));
		break;
	default:
		break;
	}
	now += (int64_t)(dice(4) == 0 ? dice(DAY / 2) : dice(10) == 0 ? 0 : dice(1200));
	if (dice(4) != 0)
		tend();
}

static void no_good_token_is_refused_whatever_is_asked_for(void **state)
{
	int64_t hurried_at = INT64_MIN;
	size_t n = 0;

	(void)state;
	house.conf.signing_key_life_s = 3 * DAY;
	assert_true(house_reopen(&house));
	for (int step = 0; step < STEPS; step++) {
		arena_reset(arena);
		for (int project = 0; project < 2; project++) {
			keep_page(project, &n);
			keep_token(project);
		}
		check_all(hurried_at);
		do_something(&hurried_at);
		check_all(hurried_at);
		assert_true(count(KEY_SHARED) <= AUTH_KEYS_MAX);
	}
	for (size_t i = 0; i < TOKENS; i++)
		free((void *)(uintptr_t)tokens[i].text.p);
	for (size_t i = 0; i < PAGES; i++)
		key_set_unref(pages[i].keys);
	memset(tokens, 0, sizeof tokens);
	memset(pages, 0, sizeof pages);
}

/* --- several threads --- */

static struct str threads_token;
static atomic_bool threads_stop;

static void *ask_all_the_time(void *arg)
{
	struct arena *memory = arena_new(1 << 20);
	size_t *refused = arg;

	while (!atomic_load(&threads_stop)) {
		struct buf buf;

		arena_reset(memory);
		*refused += answer_in(threads_token, memory) != RC_OK;
		buf_init(&buf, memory, 65536);
		auth_jwks(house.auth, &buf);
	}
	arena_free(memory);
	return NULL;
}

static void keys_change_under_the_threads_that_use_them(void **state)
{
	size_t refused[3] = { 0 };
	pthread_t threads[3];

	(void)state;
	threads_token = sign_in(0);
	atomic_store(&threads_stop, false);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_all_the_time, &refused[i]), 0);
	for (int i = 0; i < 9; i++) {
		struct auth_key made = rotate(KEY_SHARED, true), removed;

		tend();
		assert_int_equal(signing(1, i % 2 == 0), RC_OK);
		if (i % 3 == 0)
			assert_int_equal(auth_remove_key(house.auth, house.registry, str_c(made.kid), now, &removed), RC_OK);
	}
	atomic_store(&threads_stop, true);
	for (size_t i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(refused[i], 0);
	}
}

#define OVER_A_HOUSE(test) cmocka_unit_test_setup_teardown(test, build, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_HOUSE(a_next_key_is_one_at_a_time),
		OVER_A_HOUSE(at_once_is_at_once_in_the_same_second_too),
		OVER_A_HOUSE(so_many_keys_and_no_more),
		OVER_A_HOUSE(the_last_key_that_can_sign_stays),
		OVER_A_HOUSE(an_old_key_stays_for_the_longest_life_that_was_ever_configured),
		OVER_A_HOUSE(age_makes_a_key_when_the_configuration_says_so),
		OVER_A_HOUSE(a_projects_own_key_speaks_for_no_other),
		OVER_A_HOUSE(in_the_end_the_keys_of_all_speak_for_it_no_more),
		OVER_A_HOUSE(a_deleted_projects_keys_go),
		OVER_A_HOUSE(a_key_without_its_projects_wish_goes),
		OVER_A_HOUSE(a_key_of_before_there_were_moments_goes_on),
		OVER_A_HOUSE(no_good_token_is_refused_whatever_is_asked_for),
		OVER_A_HOUSE(keys_change_under_the_threads_that_use_them),
	};
	const char *given = getenv("TEST_SEED");
	int failed;

	seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_us();
	print_message("TEST_SEED=%llu\n", (unsigned long long)seed);
	arena = arena_new(8 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
