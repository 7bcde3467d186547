/*
 * test_project_revoke.c - revocation marks, bots that come and go, and the last uses of API keys: in memory, durable.
 */
#include "config.h"

#include "registry_fixture.h"

#include "project/project.h"
#include "store/commit.h"

enum { NOW = 1700000000, DAY = 86400 };

static const struct project *app;

static int start(void **state)
{
	(void)state;
	registry_start();
	assert_int_equal(project_create(registry, STR_LIT("app"), NULL, 0, &app), RC_OK);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	project_unref(app);
	registry_stop();
	return 0;
}

/* --- marks --- */

static void take_away(uint64_t user, int64_t not_before)
{
	assert_int_equal(project_revoke(registry, STR_LIT("app"), user, not_before), RC_OK);
}

static int64_t mark_of(uint64_t user)
{
	return registry_not_before(registry, app->number, user);
}

static void count_mark(const struct mark *mark, void *arg)
{
	assert_int_equal(mark->project, app->number);
	++*(size_t *)arg;
}

static size_t count_marks(void)
{
	size_t n = 0;

	registry_each_mark(registry, app->number, count_mark, &n);
	return n;
}

static void a_mark_is_one_users_and_only_moves_on(void **state)
{
	const struct project *marked;

	(void)state;
	assert_int_equal(mark_of(42), 0);
	take_away(42, NOW);
	assert_int_equal(mark_of(42), NOW);
	assert_int_equal(mark_of(43), 0);
	assert_int_equal(registry_not_before(registry, app->number + 1, 42), 0);
	take_away(42, NOW - 1);
	assert_int_equal(mark_of(42), NOW);
	take_away(42, NOW + 1);
	registry_restart();
	assert_int_equal(mark_of(42), NOW + 1);
	assert_int_equal(project_revoke(registry, STR_LIT("nobody"), 42, NOW), RC_KEY_NOT_FOUND);
	assert_int_equal(project_revoke(registry, STR_LIT("nobody"), 0, NOW), RC_KEY_NOT_FOUND);
	/* A project's own is none of a user's. */
	take_away(0, NOW + 9);
	take_away(0, NOW);
	marked = registry_find(registry, STR_LIT("app"));
	assert_int_equal(marked->not_before, NOW + 9);
	project_unref(marked);
	assert_int_equal(count_marks(), 1);
}

/* Ids that come one after the other, and such that lie far apart. */
static uint64_t user_of(int i)
{
	return i % 2 == 0 ? (uint64_t)i + 1 : (uint64_t)i << 40;
}

enum { MANY = 450 };		/* more than two writes forget */

static void many_marks_are_all_found_and_all_forgotten(void **state)
{
	(void)state;
	for (int i = 0; i < MANY; i++)
		take_away(user_of(i), NOW + i);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(count_marks(), MANY);
		for (int i = 0; i < MANY; i++)
			assert_int_equal(mark_of(user_of(i)), NOW + i);
		registry_restart();
	}
	registry_tend(registry, NOW + 31 * DAY, false);
	assert_int_equal(count_marks(), MANY);
	registry_tend(registry, NOW + 31 * DAY + 3600, false);
	assert_int_equal(count_marks(), 0);
	registry_restart();
	assert_int_equal(count_marks(), 0);
}

static void the_old_half_is_forgotten_and_the_other_stays(void **state)
{
	(void)state;
	for (int i = 0; i < MANY; i++)
		take_away(user_of(i), NOW + (i % 3 == 0 ? 0 : 3 * DAY));
	registry_tend(registry, NOW + 31 * DAY + 1, false);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++)
			assert_int_equal(mark_of(user_of(i)), i % 3 == 0 ? 0 : NOW + 3 * DAY);
		registry_restart();
	}
}

static void marks_of_a_deleted_project_take_no_room(void **state)
{
	(void)state;
	take_away(42, NOW);
	assert_int_equal(project_delete(registry, STR_LIT("app")), RC_OK);
	registry_tend(registry, NOW, false);
	assert_int_equal(count_marks(), 0);
}

/* --- bots --- */

static struct bot bot_of(uint64_t id, uint8_t secret)
{
	struct bot bot = { .id = id, .n_secrets = secret != 0, .public_key = { 7 } };

	memset(bot.secrets[0], secret, BOT_SECRET_SIZE);
	return bot;
}

static enum bots_reason add(uint64_t id, uint8_t secret)
{
	struct bot bot = bot_of(id, secret);
	enum bots_reason why;
	uint64_t meant = 0;
	enum rc rc = project_add_bots(registry, STR_LIT("app"), &bot, 1, &why, &meant);

	assert_int_equal(rc, why == BOTS_OK ? RC_OK : RC_BAD_REQUEST);
	assert_int_equal(meant, id);
	return why;
}

static enum bots_reason retire(uint64_t id)
{
	enum bots_reason why;

	(void)!project_retire_secret(registry, STR_LIT("app"), id, &why);
	return why;
}

static enum bots_reason drop(uint64_t id)
{
	enum bots_reason why;

	(void)!project_remove_bot(registry, STR_LIT("app"), id, &why);
	return why;
}

/* The secrets of bot ID by their first bytes: "1,2"; "-" for none; "" when it is not there. */
static const char *secrets_of(uint64_t id)
{
	static char text[16];
	const struct project *project = registry_find(registry, STR_LIT("app"));

	text[0] = '\0';
	for (size_t i = 0; i < project->n_bots; i++) {
		const struct bot *bot = &project->bots[i];

		if (bot->id != id)
			continue;
		snprintf(text, sizeof text, bot->n_secrets == 0 ? "-" : bot->n_secrets == 1 ? "%d" : "%d,%d",
			 bot->secrets[0][0], bot->secrets[1][0]);
	}
	project_unref(project);
	return text;
}

static void a_bot_has_two_secrets_and_the_older_goes(void **state)
{
	(void)state;
	assert_int_equal(retire(5), BOTS_UNKNOWN);
	assert_int_equal(add(5, 1), BOTS_OK);
	assert_int_equal(retire(5), BOTS_ONE_SECRET);
	assert_int_equal(add(5, 1), BOTS_SAME_SECRET);
	assert_int_equal(add(5, 0), BOTS_HAS_SECRET);
	assert_int_equal(add(5, 2), BOTS_OK);
	assert_string_equal(secrets_of(5), "1,2");
	assert_int_equal(add(5, 3), BOTS_SECRETS_FULL);
	assert_int_equal(add(5, 2), BOTS_SAME_SECRET);
	assert_int_equal(retire(5), BOTS_OK);
	assert_string_equal(secrets_of(5), "2");
	assert_int_equal(add(5, 3), BOTS_OK);
	registry_restart();
	assert_string_equal(secrets_of(5), "2,3");
	assert_int_equal(retire(5), BOTS_OK);
	assert_string_equal(secrets_of(5), "3");
	assert_int_equal(drop(5), BOTS_OK);
	assert_int_equal(drop(5), BOTS_UNKNOWN);
	registry_restart();
	assert_string_equal(secrets_of(5), "");
}

static void a_bot_by_its_id_alone_gets_its_first_secret(void **state)
{
	(void)state;
	assert_int_equal(add(5, 0), BOTS_OK);
	assert_int_equal(add(5, 0), BOTS_SAME_BOT);
	assert_string_equal(secrets_of(5), "-");
	assert_int_equal(add(5, 1), BOTS_OK);
	assert_string_equal(secrets_of(5), "1");
}

static void eight_bots_and_all_or_none_of_a_command(void **state)
{
	struct bot two[2] = { bot_of(8, 8), bot_of(9, 9) };
	enum bots_reason why;
	uint64_t id = 0;

	(void)state;
	for (uint64_t i = 1; i <= 7; i++)
		assert_int_equal(add(i, (uint8_t)i), BOTS_OK);
	assert_int_equal(project_add_bots(registry, STR_LIT("app"), two, 2, &why, &id), RC_BAD_REQUEST);
	assert_int_equal(why, BOTS_FULL);
	assert_int_equal(id, 9);
	assert_string_equal(secrets_of(8), "");
	assert_int_equal(add(8, 8), BOTS_OK);
	assert_int_equal(add(9, 9), BOTS_FULL);
	/* What is there already is no ninth. */
	assert_int_equal(add(8, 9), BOTS_OK);
	assert_int_equal(drop(1), BOTS_OK);
	assert_int_equal(drop(8), BOTS_OK);
	for (uint64_t i = 2; i <= 7; i++)
		assert_int_equal(secrets_of(i)[0], '0' + (char)i);
	assert_int_equal(project_add_bots(registry, STR_LIT("nobody"), two, 1, &why, &id), RC_KEY_NOT_FOUND);
	assert_int_equal(why, BOTS_OK);
}

/* --- API keys --- */

static void find_use(const struct credential *credential, void *arg)
{
	*(int64_t *)arg = credential->last_used_at;
}

static int64_t last_use(void)
{
	int64_t at = -1;

	registry_each_credential(registry, app->number, find_use, &at);
	return at;
}

static void a_key_ends_and_its_last_use_is_known(void **state)
{
	struct credential made, found;
	char secret[CREDENTIAL_LEN + 1];

	(void)state;
	assert_int_equal(credential_create(registry, app->number, STR_LIT("x"), KEY_READ, NOW + 10, &made, secret), RC_OK);
	registry_tend(registry, NOW, false);
	assert_int_equal(last_use(), 0);
	assert_int_equal(registry_credential(registry, str_c(secret), NOW + 9, &found), RC_OK);
	assert_int_equal(last_use(), NOW + 9);
	/* A use that is refused is none. */
	assert_int_equal(registry_credential(registry, str_c(secret), NOW + 10, &found), RC_INVALID_TOKEN);
	assert_int_equal(last_use(), NOW + 9);
	/* Durable at most every five minutes, and at a stop. */
	registry_tend(registry, NOW + 299, false);
	registry_restart();
	assert_int_equal(last_use(), 0);
	registry_tend(registry, NOW, false);
	assert_int_equal(registry_credential(registry, str_c(secret), NOW + 5, &found), RC_OK);
	registry_tend(registry, NOW + 300, false);
	registry_restart();
	assert_int_equal(last_use(), NOW + 5);
	registry_tend(registry, NOW, false);
	assert_int_equal(registry_credential(registry, str_c(secret), NOW + 6, &found), RC_OK);
	registry_tend(registry, NOW + 7, true);
	registry_restart();
	assert_int_equal(last_use(), NOW + 6);
	/* A clock that was set back does not put it off. */
	registry_tend(registry, NOW + 10 * DAY, false);
	assert_int_equal(registry_credential(registry, str_c(secret), NOW + 7, &found), RC_OK);
	registry_tend(registry, NOW + 8, false);
	registry_restart();
	assert_int_equal(last_use(), NOW + 7);
	assert_int_equal(registry_credential(registry, str_c(secret), NOW + 10, &found), RC_INVALID_TOKEN);
}

static void the_uses_of_many_keys_become_durable(void **state)
{
	enum { KEYS = 150 };
	static char secrets[KEYS][CREDENTIAL_LEN + 1];
	struct credential made, found;

	(void)state;
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(credential_create(registry, app->number, STR_LIT(""), KEY_READ, 0, &made, secrets[i]), RC_OK);
	for (int i = 0; i < KEYS; i += 2)
		assert_int_equal(registry_credential(registry, str_c(secrets[i]), NOW, &found), RC_OK);
	registry_tend(registry, NOW, true);
	registry_restart();
	for (int i = 0; i < KEYS; i++) {
		assert_int_equal(registry_credential(registry, str_c(secrets[i]), NOW + 1, &found), RC_OK);
		assert_int_equal(found.last_used_at, i % 2 == 0 ? NOW : 0);
	}
}

/* A record as it was before there was a last use, or an end: all its members but the new ones. */
static enum rc put_old(struct store_txn *txn, struct commit_op *op, void *arg)
{
	static const char record[] = "{\"id\":\"0123456789abcdef\",\"name\":\"old\",\"project\":0,\"right\":\"read\","
		"\"created_at\":5,\"expires_at\":0}";

	(void)op;
	(void)arg;
	return store_txn_put(txn, STORE_CREDENTIALS, STR_LIT("0123456789abcdef0123456789abcdef"), str_c(record));
}

static void see_old(const struct credential *credential, void *arg)
{
	if (strcmp(credential->name, "old") == 0 && credential->last_used_at == 0 && credential->expires_at == 0)
		*(bool *)arg = true;
}

static void a_record_without_a_last_use_is_read(void **state)
{
	struct commit_op op;
	bool seen = false;

	(void)state;
	commit_op_init(&op, put_old, NULL, 200, STR_LIT(""));
	assert_int_equal(commit_run(fixture.store, &op), RC_OK);
	registry_restart();
	registry_each_credential(registry, CREDENTIAL_ADMIN, see_old, &seen);
	assert_true(seen);
}

#define OVER_A_STORE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_STORE(a_mark_is_one_users_and_only_moves_on),
		OVER_A_STORE(many_marks_are_all_found_and_all_forgotten),
		OVER_A_STORE(the_old_half_is_forgotten_and_the_other_stays),
		OVER_A_STORE(marks_of_a_deleted_project_take_no_room),
		OVER_A_STORE(a_bot_has_two_secrets_and_the_older_goes),
		OVER_A_STORE(a_bot_by_its_id_alone_gets_its_first_secret),
		OVER_A_STORE(eight_bots_and_all_or_none_of_a_command),
		OVER_A_STORE(a_key_ends_and_its_last_use_is_known),
		OVER_A_STORE(the_uses_of_many_keys_become_durable),
		OVER_A_STORE(a_record_without_a_last_use_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
