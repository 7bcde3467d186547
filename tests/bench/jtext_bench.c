/*
 * jtext_bench.c - how fast is a value checked, whole and in pieces, beside json-c's strict parser?
 *
 * `make bench-jtext`. Texts of 128 KB, the largest value, of several kinds, made
 * from a fixed seed; the best of many rounds counts, since everything else is noise.
 */
#include "config.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/jscan.h"
#include "base/jtext.h"

enum { SIZE = 128 * 1024, ROUNDS = 400, PIECE = 8 * 1024 };

static char text[SIZE + 1024];
static size_t used;
static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	used += (size_t)vsnprintf(text + used, sizeof text - used, format, args);
	va_end(args);
}

static void put_words(const char *const *words, size_t n, size_t bytes)
{
	size_t end = used + bytes;

	while (used < end)
		put("%s ", words[any((uint32_t)n)]);
}

static const char *const latin[] = { "the", "cat", "walked", "over", "a", "keyboard", "and", "found", "nothing", "remarkable" };
static const char *const mixed[] = { "привет", "мир", "как", "дела", "日本語", "テキスト", "naïve", "😀", "café", "и", "🎉🎉" };

static void typical(void)
{
	put("{\"id\":%u,\"name\":\"player %u\",\"score\":%u.%u,\"active\":%s,\"tags\":[\"a%u\",\"b\"],\"at\":\"2026-11-%02uT10:00:00Z\",\"note\":\"",
	    any(1000000), any(1000), any(100000), any(100), any(2) ? "true" : "false", any(50), any(28) + 1);
	put_words(latin, 10, any(60));
	put("\",\"parent\":null}");
}

static void pretty(void)
{
	put("\n    {\n      \"id\": %u,\n      \"name\": \"player %u\",\n      \"position\": {\n        \"x\": %u,\n        \"y\": -%u.%u\n      }\n    }",
	    any(1000000), any(1000), any(1000), any(1000), any(100));
}

static void strings(void)
{
	put("\"");
	put_words(latin, 10, 500 + any(1500));
	put("\\n\"");
}

static void numbers(void)
{
	static const char *const forms[] = { "%u", "-%u", "%u.5", "0.%u", "%ue-7", "-%u.25E+10" };
	uint32_t digits = 1;

	for (uint32_t n = any(9); n > 0; n--)
		digits *= 10;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	put(forms[any(6)], any(digits) + 1);
#pragma GCC diagnostic pop
}

static void points(void)
{
	put("[%u.%06u,-%u.%06u]", any(90), any(1000000), any(180), any(1000000));
}

static void unicode(void)
{
	put("\"");
	put_words(mixed, 11, 50 + any(400));
	put("\"");
}

static void escapes(void)
{
	put("\"line one\\nline \\\"two\\\"\\n\\t%u\\u00e9\\/path\\/to\"", any(1000));
}

static bool check_ours(void)
{
	size_t bad_at;

	return jtext_check(str_make(text, used), &bad_at);
}

static bool check_pieces(void)
{
	struct jscan scan;

	jscan_init(&scan);
	for (size_t at = 0; at < used; at += PIECE)
		if (!jscan_add(&scan, str_make(text + at, used - at < PIECE ? used - at : PIECE)))
			return false;
	return jscan_end(&scan);
}

static bool check_json_c(void)
{
	json_tokener *tokener = json_tokener_new_ex(JTEXT_DEPTH);
	json_object *doc;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	doc = json_tokener_parse_ex(tokener, text, (int)used);
	json_tokener_free(tokener);
	json_object_put(doc);
	return doc != NULL;
}

/* Microseconds of the fastest round. */
static double best_us(bool (*check)(void), int rounds)
{
	double best = 1e9;

	for (int i = 0; i < rounds; i++) {
		uint64_t start = clock_mono_us();
		double us;

		for (int k = 0; k < 10; k++)
			if (!check())
				exit(1);
		us = (double)(clock_mono_us() - start) / 10;
		if (us < best)
			best = us;
	}
	return best;
}

static void run(const char *name, void (*element)(void))
{
	double ours, pieces, theirs;

	used = 0;
	for (put("["); ; put(",")) {
		element();
		if (used > SIZE - 2)
			break;
	}
	put("]");
	ours = best_us(check_ours, ROUNDS);
	pieces = best_us(check_pieces, ROUNDS);
	theirs = best_us(check_json_c, ROUNDS / 20);
	printf("%-10s %7zu bytes  ours %7.1f us %6.2f GB/s   in pieces %7.1f us %6.2f GB/s   json-c %8.1f us %6.3f GB/s   %5.1f times\n",
	       name, used, ours, (double)used / ours / 1000, pieces, (double)used / pieces / 1000,
	       theirs, (double)used / theirs / 1000, theirs / ours);
}

int main(void)
{
	run("typical", typical);
	run("pretty", pretty);
	run("strings", strings);
	run("numbers", numbers);
	run("points", points);
	run("unicode", unicode);
	run("escapes", escapes);
	return 0;
}
