/*
 * test_kv_cursor.c - a cursor leads on in its own list, and nowhere else.
 */
#include "config.h"

#include "kv_fixture.h"

static struct kv_list list_of(uint32_t project, const char *prefix, struct str last)
{
	return (struct kv_list){ .project = project, .prefix = str_c(prefix), .last = last };
}

static struct str cursor_of(const struct kv_list *list)
{
	struct buf out;

	buf_init(&out, arena, KV_CURSOR_MAX);
	kv_cursor_write(kv, list, &out);
	assert_true(buf_ok(&out));
	return buf_str(&out);
}

static enum rc read_in(uint32_t project, const char *prefix, struct str cursor, struct str *after)
{
	struct kv_list list = list_of(project, prefix, STR_LIT(""));
	enum rc rc = kv_cursor_read(kv, cursor, arena, &list);

	*after = list.after;
	return rc;
}

static void it_leads_behind_the_name_it_was_made_of(void **state)
{
	char name[KV_KEY_MAX];
	struct str after;

	(void)state;
	memset(name, 'n', sizeof name);
	for (size_t n = 1; n <= sizeof name; n += n < 20 ? 1 : 41) {
		struct kv_list list = list_of(3, "n", str_make(name, n));

		assert_int_equal(read_in(3, "n", cursor_of(&list), &after), RC_OK);
		assert_true(str_eq(after, str_make(name, n)));
	}
}

static void it_is_refused_in_another_project_or_under_another_prefix(void **state)
{
	struct kv_list list = list_of(3, "ab", STR_LIT("abc"));
	struct str cursor = cursor_of(&list), after;

	(void)state;
	assert_int_equal(read_in(3, "ab", cursor, &after), RC_OK);
	assert_int_equal(read_in(4, "ab", cursor, &after), RC_BAD_CURSOR);
	assert_int_equal(read_in(3, "a", cursor, &after), RC_BAD_CURSOR);
	assert_int_equal(read_in(3, "abc", cursor, &after), RC_BAD_CURSOR);
	assert_int_equal(read_in(3, "", cursor, &after), RC_BAD_CURSOR);
	/* The border between prefix and name counts. */
	list = list_of(3, "a", STR_LIT("bc"));
	assert_int_equal(read_in(3, "ab", cursor_of(&list), &after), RC_BAD_CURSOR);
}

static void any_other_text_is_refused(void **state)
{
	struct kv_list list = list_of(3, "", STR_LIT("some/name"));
	struct str cursor = arena_dup(arena, cursor_of(&list)), after;
	char *p = (char *)(uintptr_t)cursor.p, long_text[KV_CURSOR_MAX + 1];

	(void)state;
	for (size_t n = 0; n < cursor.n; n++)
		assert_int_equal(read_in(3, "", str_make(p, n), &after), RC_BAD_CURSOR);
	for (size_t i = 0; i < cursor.n; i++) {
		char was = p[i];

		p[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(read_in(3, "", cursor, &after), RC_BAD_CURSOR);
		p[i] = was;
	}
	assert_int_equal(read_in(3, "", cursor, &after), RC_OK);
	memset(long_text, 'A', sizeof long_text);
	assert_int_equal(read_in(3, "", str_make(long_text, sizeof long_text), &after), RC_BAD_CURSOR);
	assert_int_equal(read_in(3, "", STR_LIT("=+/ "), &after), RC_BAD_CURSOR);
}

/* A name of 50 letters: no four of them stand together in what is sent. */
static void it_does_not_tell_the_name(void **state)
{
	const char *name = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX";
	struct kv_list list = list_of(3, "", str_c(name)), shorter = list_of(3, "", str_make(name, 34));
	struct kv_list like = list_of(3, "a", str_c(name));
	struct str cursor = arena_dup(arena, cursor_of(&list)), other = arena_dup(arena, cursor_of(&like));
	uint8_t bytes[B64URL_ROOM(KV_CURSOR_MAX)], others[B64URL_ROOM(KV_CURSOR_MAX)];
	size_t n, n_others, same = 0;

	(void)state;
	assert_true(b64url_decode(cursor, bytes, &n));
	for (size_t i = 0; i + 4 <= strlen(name); i++)
		assert_null(memmem(bytes, n, name + i, 4));
	/* Its length is told in steps only. */
	assert_int_equal(cursor_of(&shorter).n, cursor.n);
	/* The same name in another list is hidden by another stream. */
	assert_true(b64url_decode(other, others, &n_others));
	assert_int_equal(n, n_others);
	for (size_t i = 0; i < n; i++)
		same += bytes[i] == others[i];
	assert_true(same < n / 4);
}

static void it_outlives_a_restart(void **state)
{
	struct kv_list list = list_of(3, "p", STR_LIT("pq"));
	struct str cursor = cursor_of(&list), after;

	(void)state;
	kv_fixture_reopen();
	assert_int_equal(read_in(3, "p", cursor, &after), RC_OK);
	assert_true(str_eq(after, STR_LIT("pq")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_STORE(it_leads_behind_the_name_it_was_made_of),
		OVER_A_STORE(it_is_refused_in_another_project_or_under_another_prefix),
		OVER_A_STORE(any_other_text_is_refused),
		OVER_A_STORE(it_does_not_tell_the_name),
		OVER_A_STORE(it_outlives_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
