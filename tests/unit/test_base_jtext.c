/*
 * test_base_jtext.c - what is JSON, what is not and where it stops being it, and quoting.
 *
 * Built twice: with SSE2 and with JTEXT_PORTABLE.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/jtext.h"
#include "json_reference.h"
#include "json_texts.h"

/* Checks a copy that ends where its memory ends, so that valgrind and ASan see a byte read too far. */
static bool check(struct str text, size_t *bad_at)
{
	char *copy = malloc(text.n);
	bool ok;

	if (text.n != 0)
		memcpy(copy, text.p, text.n);
	ok = jtext_check(str_make(copy, text.n), bad_at);
	free(copy);
	return ok;
}

static void all_that_the_rfc_allows_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < json_n_good; i++) {
		size_t bad_at = 12345;

		if (!check(json_good[i], &bad_at))
			fail_msg("refused at %zu: %.*s", bad_at, STR(json_good[i]));
		assert_int_equal(bad_at, 12345);
	}
}

static void all_else_is_refused_where_it_goes_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < json_n_bad; i++) {
		size_t bad_at = 12345;

		if (check(json_bad[i].text, &bad_at))
			fail_msg("accepted: row %zu: %.*s", i, STR(json_bad[i].text));
		if (bad_at != json_bad[i].bad_at)
			fail_msg("row %zu: %.*s: bad at %zu, not %zu", i, STR(json_bad[i].text), bad_at, json_bad[i].bad_at);
	}
}

/* DEPTH opening and closing brackets of a kind. */
static struct str nested(const char *open, const char *inside, const char *close, size_t depth)
{
	size_t open_n = strlen(open), inside_n = strlen(inside), close_n = strlen(close);
	char *text = malloc(depth * (open_n + close_n) + inside_n), *to = text;

	for (size_t i = 0; i < depth; i++, to += open_n)
		memcpy(to, open, open_n);
	memcpy(to, inside, inside_n);
	to += inside_n;
	for (size_t i = 0; i < depth; i++, to += close_n)
		memcpy(to, close, close_n);
	return str_make(text, (size_t)(to - text));
}

static void nesting_of_512_is_accepted_and_of_513_refused(void **state)
{
	static const struct { const char *open, *inside, *close; } kinds[] = {
		{ "[", "", "]" }, { "[", "7", "]" }, { "{\"a\":", "{}", "}" }, { "[{\"a\":", "1", "}]" }, { "[0,", "1", ",2]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		size_t levels = i == 3 ? 2 : 1, depth = (JTEXT_DEPTH - (i == 2)) / levels, bad_at = 0;
		size_t open_n = strlen(kinds[i].open);
		struct str text = nested(kinds[i].open, kinds[i].inside, kinds[i].close, depth);

		assert_true(jtext_check(text, &bad_at));
		free((void *)(uintptr_t)text.p);
		text = nested(kinds[i].open, kinds[i].inside, kinds[i].close, depth + 1);
		assert_false(jtext_check(text, &bad_at));
		assert_int_equal(bad_at, i == 2 ? (depth + 1) * open_n : depth * open_n);
		free((void *)(uintptr_t)text.p);
	}
}

static void a_million_brackets_are_refused_at_the_513th(void **state)
{
	struct str text = nested("[", "", "", 1000000);
	size_t bad_at;

	(void)state;
	assert_false(jtext_check(text, &bad_at));
	assert_int_equal(bad_at, JTEXT_DEPTH);
	free((void *)(uintptr_t)text.p);
}

/* Blocks of 8 and 16 bytes must not hide a byte, wherever it stands in them. */
static void a_bad_byte_is_found_at_every_place_of_a_string(void **state)
{
	static const char bytes[] = { 0x00, 0x1f, 0x0a, (char)0x80, (char)0xff, (char)0xc0 };
	char text[72];

	(void)state;
	for (size_t n = 3; n < sizeof text; n++) {
		for (size_t at = 1; at < n - 1; at++) {
			for (size_t k = 0; k < sizeof bytes; k++) {
				size_t bad_at;

				memset(text, 'a', n);
				text[0] = text[n - 1] = '"';
				assert_true(check(str_make(text, n), &bad_at));
				text[at] = bytes[k];
				assert_false(check(str_make(text, n), &bad_at));
				assert_int_equal(bad_at, at);
			}
		}
	}
}

static void a_quote_or_escape_is_seen_at_every_place_of_a_string(void **state)
{
	char text[72];
	size_t bad_at;

	(void)state;
	for (size_t n = 4; n < sizeof text; n++) {
		for (size_t at = 1; at < n - 2; at++) {
			memset(text, 0x7f, n);
			text[0] = text[n - 1] = '"';
			memcpy(text + at, "\xc3\xa9", 2);
			assert_true(check(str_make(text, n), &bad_at));
			memcpy(text + at, "\\n", 2);
			assert_true(check(str_make(text, n), &bad_at));
			memcpy(text + at, "\\m", 2);
			assert_false(check(str_make(text, n), &bad_at));
			assert_int_equal(bad_at, at + 1);
			memcpy(text + at, "\",", 2);
			assert_false(check(str_make(text, n), &bad_at));
			assert_int_equal(bad_at, at + 1);
		}
	}
}

/* --- against the reference --- */

static void agrees_with_the_reference(const struct text *text)
{
	struct str s = str_make(text->p, text->n);
	size_t ours = 0, theirs = 0;
	bool ok = check(s, &ours);

	if (ok != json_reference(s, &theirs) || ours != theirs)
		fail_msg("%s at %zu, the reference says %zu: %.*s", ok ? "accepted" : "refused", ours, theirs, STR(s));
}

static void the_tables_agree_with_the_reference(void **state)
{
	size_t bad_at;

	(void)state;
	for (size_t i = 0; i < json_n_good; i++)
		assert_true(json_reference(json_good[i], &bad_at));
	for (size_t i = 0; i < json_n_bad; i++) {
		assert_false(json_reference(json_bad[i].text, &bad_at));
		assert_int_equal(bad_at, json_bad[i].bad_at);
	}
}

static void values_made_at_random_are_accepted(void **state)
{
	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct text text = { .n = 0 };
		size_t bad_at;

		json_put_value(&text, 0);
		if (text.n < TEXT_MAX - 100 && !check(str_make(text.p, text.n), &bad_at))
			fail_msg("refused at %zu: %.*s", bad_at, (int)text.n, text.p);
	}
}

static void damaged_values_are_judged_as_the_reference_does(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct text text = { .n = 0 };

		json_put_value(&text, 3);
		for (uint32_t n = json_any(3); n < 3; n++) {
			json_damage(&text);
			agrees_with_the_reference(&text);
		}
	}
}

static void pieces_at_random_are_judged_as_the_reference_does(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct text text = { .n = 0 };

		if (json_any(2) == 0)
			json_put(&text, STR_LIT("\""));
		for (uint32_t n = json_any(12); n > 0; n--)
			json_put_piece(&text);
		agrees_with_the_reference(&text);
	}
}

/* All that three bytes can do at the end of a block of 16, behind a character that has left the scanner's quick path. */
static void every_three_bytes_of_a_string_are_judged_as_the_reference_does(void **state)
{
	static const unsigned char edges[] = {
		0x00, 0x1f, 0x20, '"', '\\', 'n', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
		0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
	};
	enum { N = sizeof edges };

	(void)state;
	for (size_t before = 12; before < 17; before++) {
		for (size_t i = 0; i < N * N * N * 4; i++) {
			struct text text = { .n = 0 };
			const char tail[] = { (char)edges[i / 4 % N], (char)edges[i / 4 / N % N], (char)edges[i / 4 / N / N], '"' };

			json_put(&text, STR_LIT("\"\xd0\xb6"));
			json_put(&text, str_make("0123456789abcdefgh", before));
			json_put(&text, str_make(tail, 4));
			/* Some text behind it, so that there are blocks to look at. */
			json_put(&text, str_make("\x80\xbf\x80 \"               \"", i % 4 * 6));
			agrees_with_the_reference(&text);
		}
	}
}

/* What jtext_quote makes of S; the caller frees the arena. */
static struct str quoted(struct arena *arena, struct str s)
{
	struct buf buf;

	buf_init(&buf, arena, 1 << 20);
	jtext_quote(&buf, s);
	assert_true(buf_ok(&buf));
	assert_int_equal(buf.n, jtext_quoted_len(s));
	return buf_str(&buf);
}

static void quoting_escapes_what_must_be_and_nothing_else(void **state)
{
	static const struct { struct str from, to; } table[] = {
		{ STR_LIT(""), STR_LIT("\"\"") }, { STR_LIT("a"), STR_LIT("\"a\"") },
		{ STR_LIT("\"\\/"), STR_LIT("\"\\\"\\\\/\"") },
		{ STR_LIT("\b\f\n\r\t"), STR_LIT("\"\\b\\f\\n\\r\\t\"") },
		{ STR_LIT("\0\x01\x1f\x7f"), STR_LIT("\"\\u0000\\u0001\\u001f\x7f\"") },
		{ STR_LIT("\xc3\xa9\xf0\x9f\x98\x80"), STR_LIT("\"\xc3\xa9\xf0\x9f\x98\x80\"") },
		{ STR_LIT("0123456789abcdef0123456789abcde\n\xc3\xa9 0123456789abcdef\"x"),
		  STR_LIT("\"0123456789abcdef0123456789abcde\\n\xc3\xa9 0123456789abcdef\\\"x\"") },
	};
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct str text = quoted(arena, table[i].from);
		size_t bad_at;

		assert_int_equal(text.n, table[i].to.n);
		assert_memory_equal(text.p, table[i].to.p, text.n);
		assert_true(jtext_check(text, &bad_at));
	}
	arena_free(arena);
}

/* What jtext_quote() must write, one byte after the other. */
static struct str quoted_slowly(struct str s, char *out)
{
	static const char with_letter[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	char *to = out;

	*to++ = '"';
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		const char *special = c == 0 ? NULL : strchr(with_letter, c);

		if (special != NULL) {
			*to++ = '\\';
			*to++ = letters[special - with_letter];
		} else if (c < 0x20) {
			to += sprintf(to, "\\u00%02x", c);
		} else {
			*to++ = (char)c;
		}
	}
	*to++ = '"';
	return str_make(out, (size_t)(to - out));
}

static void every_byte_is_quoted_right_at_every_place_of_every_length(void **state)
{
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	for (size_t n = 1; n <= 40; n++) {
		for (size_t at = 0; at < n; at++) {
			for (int c = 0; c < 256; c++) {
				char text[40], out[6 * 40 + 2];
				struct str want;

				memset(text, 'x', sizeof text);
				text[at] = (char)c;
				want = quoted_slowly(str_make(text, n), out);
				assert_true(str_eq(quoted(arena, str_make(text, n)), want));
			}
			arena_reset(arena);
		}
	}
	arena_free(arena);
}

static void quoting_needs_no_more_room_than_it_takes(void **state)
{
	static const struct str texts[] = {
		STR_LIT(""), STR_LIT("a"), STR_LIT("plain text of some length"), STR_LIT("\n"),
		STR_LIT("a \"quoted\" word and \\"),
	};
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct buf buf;

		buf_init(&buf, arena, jtext_quoted_len(texts[i]));
		jtext_quote(&buf, texts[i]);
		assert_true(buf_ok(&buf));
		buf_init(&buf, arena, jtext_quoted_len(texts[i]) - 1);
		jtext_quote(&buf, texts[i]);
		assert_false(buf_ok(&buf));
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_the_rfc_allows_is_accepted),
		cmocka_unit_test(all_else_is_refused_where_it_goes_wrong),
		cmocka_unit_test(nesting_of_512_is_accepted_and_of_513_refused),
		cmocka_unit_test(a_million_brackets_are_refused_at_the_513th),
		cmocka_unit_test(a_bad_byte_is_found_at_every_place_of_a_string),
		cmocka_unit_test(a_quote_or_escape_is_seen_at_every_place_of_a_string),
		cmocka_unit_test(the_tables_agree_with_the_reference),
		cmocka_unit_test(values_made_at_random_are_accepted),
		cmocka_unit_test(damaged_values_are_judged_as_the_reference_does),
		cmocka_unit_test(pieces_at_random_are_judged_as_the_reference_does),
		cmocka_unit_test(every_three_bytes_of_a_string_are_judged_as_the_reference_does),
		cmocka_unit_test(quoting_escapes_what_must_be_and_nothing_else),
		cmocka_unit_test(every_byte_is_quoted_right_at_every_place_of_every_length),
		cmocka_unit_test(quoting_needs_no_more_room_than_it_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
