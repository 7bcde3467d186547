/*
 * json_texts.c - see json_texts.h.
 */
#include "config.h"

#include "json_texts.h"

const struct str json_good[] = {
	STR_LIT("null"), STR_LIT("true"), STR_LIT("false"), STR_LIT(" \t\r\n null\n\r\t "),
	STR_LIT("0"), STR_LIT("-0"), STR_LIT("1"), STR_LIT("-1"), STR_LIT("10"), STR_LIT("1234567890"),
	STR_LIT("0.0"), STR_LIT("-0.5"), STR_LIT("1.50"), STR_LIT("0e0"), STR_LIT("0E+1"), STR_LIT("1e-10"),
	STR_LIT("123.456e789"), STR_LIT("123123123123123123123123123123123123"), STR_LIT("1e00001"),
	STR_LIT("\"\""), STR_LIT("\"a\""), STR_LIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uAbC9\""),
	STR_LIT("\"\\ud800\""), STR_LIT("\"\\uDFFF\\uD834\\uDd1e\""), STR_LIT("\"/\x7f'\""),
	STR_LIT("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
	STR_LIT("\"\xef\xbb\xbf\""), STR_LIT("\"\xe2\x80\xa8\xe2\x80\xa9\""),
	STR_LIT("[]"), STR_LIT("[ ]"), STR_LIT("{}"), STR_LIT("{\n}"), STR_LIT("[1]"), STR_LIT("[1,2 , 3]"),
	STR_LIT("[[],{},[[]]]"), STR_LIT("{\"a\":1}"), STR_LIT("{\"a\":{},\"a\" : [ ] }"), STR_LIT("{\"\":0}"),
	STR_LIT("{\"\\u0000\":[null,true,false,\"x\",-1.5e3]}"), STR_LIT("[\"a\",{\"b\":[{\"c\":[]}]}]"),
};
const size_t json_n_good = sizeof json_good / sizeof json_good[0];

const struct json_bad json_bad[] = {
	/* nothing there, or nothing more */
	{ STR_LIT(""), 0 }, { STR_LIT(" "), 1 }, { STR_LIT("\n\r\t "), 4 },
	{ STR_LIT("["), 1 }, { STR_LIT("{"), 1 }, { STR_LIT("[1"), 2 }, { STR_LIT("[1,"), 3 }, { STR_LIT("{\"a\""), 4 },
	{ STR_LIT("{\"a\":"), 5 }, { STR_LIT("{\"a\":1"), 6 }, { STR_LIT("{\"a\":1,"), 7 }, { STR_LIT("[[]"), 3 },
	{ STR_LIT("\""), 1 }, { STR_LIT("\"a"), 2 }, { STR_LIT("\"\\"), 2 }, { STR_LIT("\"\\\""), 3 },
	{ STR_LIT("\"\\u"), 3 }, { STR_LIT("\"\\u12"), 5 }, { STR_LIT("\"\\u123"), 6 }, { STR_LIT("\"\\u1234"), 7 },
	{ STR_LIT("-"), 1 }, { STR_LIT("1."), 2 }, { STR_LIT("1e"), 2 }, { STR_LIT("1e+"), 3 }, { STR_LIT("-0."), 3 },
	{ STR_LIT("t"), 1 }, { STR_LIT("tru"), 3 }, { STR_LIT("nul"), 3 }, { STR_LIT("fals"), 4 },
	/* numbers */
	{ STR_LIT("01"), 1 }, { STR_LIT("00"), 1 }, { STR_LIT("-01"), 2 }, { STR_LIT("-a"), 1 }, { STR_LIT("+1"), 0 },
	{ STR_LIT(".5"), 0 }, { STR_LIT("-.5"), 1 }, { STR_LIT("[1.]"), 3 }, { STR_LIT("1.e1"), 2 }, { STR_LIT("0.e1"), 2 },
	{ STR_LIT("[1e]"), 3 }, { STR_LIT("1e1.5"), 3 }, { STR_LIT("1ee1"), 2 }, { STR_LIT("1e+-1"), 3 }, { STR_LIT("--1"), 1 },
	{ STR_LIT("0x1f"), 1 }, { STR_LIT("0b1"), 1 }, { STR_LIT("1_000"), 1 }, { STR_LIT("1 000"), 2 }, { STR_LIT("1.2.3"), 3 },
	{ STR_LIT("NaN"), 0 }, { STR_LIT("nan"), 1 }, { STR_LIT("Infinity"), 0 }, { STR_LIT("-Infinity"), 1 }, { STR_LIT("inf"), 0 },
	{ STR_LIT("1f"), 1 }, { STR_LIT("\xef\xbc\x91"), 0 }, { STR_LIT("- 1"), 1 }, { STR_LIT("1\0"), 1 },
	/* words */
	{ STR_LIT("True"), 0 }, { STR_LIT("TRUE"), 0 }, { STR_LIT("tRue"), 1 }, { STR_LIT("nulll"), 4 }, { STR_LIT("truefalse"), 4 },
	{ STR_LIT("undefined"), 0 }, { STR_LIT("a"), 0 }, { STR_LIT("[nul]"), 4 }, { STR_LIT("nu\0l"), 2 },
	/* strings */
	{ STR_LIT("'a'"), 0 }, { STR_LIT("[\"a]"), 4 }, { STR_LIT("\"a\"b"), 3 }, { STR_LIT("\"\t\""), 1 }, { STR_LIT("\"a\nb\""), 2 },
	{ STR_LIT("\"\0\""), 1 }, { STR_LIT("\"\x1f\""), 1 }, { STR_LIT("\"\x01\""), 1 },
	{ STR_LIT("\"\\a\""), 2 }, { STR_LIT("\"\\'\""), 2 }, { STR_LIT("\"\\x41\""), 2 }, { STR_LIT("\"\\0\""), 2 }, { STR_LIT("\"\\\n\""), 2 },
	{ STR_LIT("\"\\U0041\""), 2 }, { STR_LIT("\"\\u004\""), 6 }, { STR_LIT("\"\\u00g0\""), 5 }, { STR_LIT("\"\\u-123\""), 3 },
	{ STR_LIT("\"\\u{41}\""), 3 }, { STR_LIT("\"\\ud800\\u\""), 9 }, { STR_LIT("\"\\\xc3\xa9\""), 2 }, { STR_LIT("\\u0022a\""), 0 },
	/* UTF-8 */
	{ STR_LIT("\xef\xbb\xbf{}"), 0 }, { STR_LIT("\xff\xfe{\0}\0"), 0 }, { STR_LIT("\"\x80\""), 1 }, { STR_LIT("\"\xbf\""), 1 },
	{ STR_LIT("\"\xc0\x80\""), 1 }, { STR_LIT("\"\xc1\xbf\""), 1 }, { STR_LIT("\"\xc3\""), 2 }, { STR_LIT("\"\xc3"), 2 }, { STR_LIT("\"\xc3\xc3\xa9\""), 2 },
	{ STR_LIT("\"\xe0\x80\x80\""), 2 }, { STR_LIT("\"\xe0\x9f\xbf\""), 2 }, { STR_LIT("\"\xed\xa0\x80\""), 2 }, { STR_LIT("\"\xed\xbf\xbf\""), 2 },
	{ STR_LIT("\"\xe2\x28\xa1\""), 2 }, { STR_LIT("\"\xe2\x82\""), 3 }, { STR_LIT("\"\xe2\x82"), 3 }, { STR_LIT("\"\xe2"), 2 },
	{ STR_LIT("\"\xf0\x80\x80\x80\""), 2 }, { STR_LIT("\"\xf0\x8f\xbf\xbf\""), 2 }, { STR_LIT("\"\xf4\x90\x80\x80\""), 2 },
	{ STR_LIT("\"\xf0\x9f\x98\""), 4 }, { STR_LIT("\"\xf0\x9f\x98\x28\""), 4 }, { STR_LIT("\"\xf5\x80\x80\x80\""), 1 },
	{ STR_LIT("\"\xf8\x88\x80\x80\x80\""), 1 }, { STR_LIT("\"\xfe\""), 1 }, { STR_LIT("\"\xff\""), 1 }, { STR_LIT("\"\xe9\""), 2 },
	{ STR_LIT("[\xc3\xa9]"), 1 }, { STR_LIT("{\"\xc3\":1}"), 3 },
	/* arrays and objects */
	{ STR_LIT("]"), 0 }, { STR_LIT("}"), 0 }, { STR_LIT("[1}"), 2 }, { STR_LIT("{\"a\":1]"), 6 }, { STR_LIT("[]]"), 2 }, { STR_LIT("{}}"), 2 },
	{ STR_LIT("[}"), 1 }, { STR_LIT("{]"), 1 }, { STR_LIT("[,]"), 1 }, { STR_LIT("[,1]"), 1 }, { STR_LIT("[1,]"), 3 }, { STR_LIT("[1,,2]"), 3 },
	{ STR_LIT("[1 2]"), 3 }, { STR_LIT("[1:2]"), 2 }, { STR_LIT("[\"a\":1]"), 4 }, { STR_LIT("{,}"), 1 }, { STR_LIT("{\"a\":1,}"), 7 },
	{ STR_LIT("{\"a\":1,,\"b\":2}"), 7 }, { STR_LIT("{\"a\"}"), 4 }, { STR_LIT("{\"a\",1}"), 4 }, { STR_LIT("{\"a\":}"), 5 }, { STR_LIT("{:1}"), 1 },
	{ STR_LIT("{\"a\"::1}"), 5 }, { STR_LIT("{\"a\":1 \"b\":2}"), 7 }, { STR_LIT("{a:1}"), 1 }, { STR_LIT("{'a':1}"), 1 }, { STR_LIT("{1:1}"), 1 },
	{ STR_LIT("{null:1}"), 1 }, { STR_LIT("{[]:1}"), 1 }, { STR_LIT("{\"a\":1:2}"), 6 }, { STR_LIT("{\"a\" b}"), 5 }, { STR_LIT("{\"a\":\"b\"}#"), 9 },
	{ STR_LIT("*"), 0 }, { STR_LIT("(1)"), 0 }, { STR_LIT("<null>"), 0 }, { STR_LIT("[<null>]"), 1 }, { STR_LIT(":"), 0 }, { STR_LIT(","), 0 },
	/* between and behind */
	{ STR_LIT("1 2"), 2 }, { STR_LIT("{}{}"), 2 }, { STR_LIT("[] x"), 3 }, { STR_LIT("1,"), 1 }, { STR_LIT("[1],"), 3 }, { STR_LIT("\"a\" \"b\""), 4 },
	{ STR_LIT("/**/1"), 0 }, { STR_LIT("[1/**/]"), 2 }, { STR_LIT("1 //x"), 2 }, { STR_LIT("#x\n1"), 0 }, { STR_LIT("[\f]"), 1 }, { STR_LIT("\v1"), 0 },
	{ STR_LIT("1\f"), 1 }, { STR_LIT("\xc2\xa0" "1"), 0 }, { STR_LIT("\xe2\x80\xa8" "1"), 0 }, { STR_LIT("\0" "1"), 0 }, { STR_LIT("{}\0"), 2 },
	{ STR_LIT("[1]\x1a"), 3 }, { STR_LIT("\b1"), 0 }, { STR_LIT("1\x80"), 1 }, { STR_LIT("[\x1b]"), 1 },
};
const size_t json_n_bad = sizeof json_bad / sizeof json_bad[0];

static uint64_t seed = 2026;

uint32_t json_any(uint32_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

/* One of these, chosen at random, is the next piece of a text. */
static const struct str pieces[] = {
	STR_LIT("\""), STR_LIT("\""), STR_LIT("["), STR_LIT("]"), STR_LIT("{"), STR_LIT("}"), STR_LIT(","), STR_LIT(":"), STR_LIT(" "), STR_LIT("\n"),
	STR_LIT("\\"), STR_LIT("\\n"), STR_LIT("\\u00e9"), STR_LIT("\\ud800"), STR_LIT("\\u12"), STR_LIT("0"), STR_LIT("-"), STR_LIT("."), STR_LIT("e"),
	STR_LIT("E+"), STR_LIT("12"), STR_LIT("1234567890123456789"), STR_LIT("0.5"), STR_LIT("-7e1"), STR_LIT("true"), STR_LIT("false"), STR_LIT("null"),
	STR_LIT("tru"), STR_LIT("abcdefgh"), STR_LIT("\"abcdefghijklmnop\""), STR_LIT("\"a\":"), STR_LIT("[]"), STR_LIT("{}"), STR_LIT("\t"), STR_LIT("\x01"),
	STR_LIT("\xc3\xa9"), STR_LIT("\xe2\x82\xac"), STR_LIT("\xf0\x9f\x98\x80"), STR_LIT("\xf0\x9f\x98\x80\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6"),
	STR_LIT("\x80"), STR_LIT("\xc3"), STR_LIT("\xe0\x80"), STR_LIT("\xed\xa0"), STR_LIT("\xf4\x90"), STR_LIT("\xff"), STR_LIT("\x7f"), STR_LIT("\0"), STR_LIT("\f"),
};

void json_put(struct text *text, struct str s)
{
	if (s.n <= TEXT_MAX - text->n) {
		memcpy(text->p + text->n, s.p, s.n);
		text->n += s.n;
	}
}

void json_put_piece(struct text *text)
{
	json_put(text, pieces[json_any(sizeof pieces / sizeof pieces[0])]);
}

static void put_space(struct text *text)
{
	while (json_any(6) == 0)
		json_put(text, str_make(&" \t\n\r"[json_any(4)], 1));
}

static void put_string(struct text *text)
{
	static const struct str inside[] = {
		STR_LIT("a"), STR_LIT("word and word"), STR_LIT("\xd0\xb6"), STR_LIT("\xe2\x82\xac"), STR_LIT("\xf0\x9f\x98\x80"), STR_LIT("\\\""),
		STR_LIT("\\\\"), STR_LIT("\\u0000"), STR_LIT("\xed\x9f\xbf"), STR_LIT("\xf4\x8f\xbf\xbf"), STR_LIT("\xe0\xa0\x80"), STR_LIT("'"),
	};

	json_put(text, STR_LIT("\""));
	for (uint32_t n = json_any(12); n > 0; n--)
		json_put(text, inside[json_any(12)]);
	json_put(text, STR_LIT("\""));
}

static void put_number(struct text *text)
{
	static const char *const ends[] = { "", "", ".5", ".0625", "e7", "E-12", "e+0", ".123456789012345678e1" };

	json_put(text, json_any(3) == 0 ? STR_LIT("-") : STR_LIT(""));
	json_put(text, json_any(4) == 0 ? STR_LIT("0") : str_make("918273645546372819", 1 + json_any(18)));
	json_put(text, str_c(ends[json_any(8)]));
}

void json_put_value(struct text *text, int depth)
{
	uint32_t kind = json_any(depth > 6 ? 3 : 6), n = json_any(5);

	put_space(text);
	if (kind == 0) {
		json_put(text, str_c(n == 0 ? "true" : n == 1 ? "false" : "null"));
	} else if (kind == 1) {
		put_number(text);
	} else if (kind == 2) {
		put_string(text);
	} else {
		json_put(text, kind == 3 ? STR_LIT("{") : STR_LIT("["));
		put_space(text);
		for (uint32_t i = 0; i < n; i++) {
			json_put(text, i == 0 ? STR_LIT("") : STR_LIT(","));
			put_space(text);
			if (kind == 3) {
				put_string(text);
				put_space(text);
				json_put(text, STR_LIT(":"));
			}
			json_put_value(text, depth + 1);
		}
		json_put(text, kind == 3 ? STR_LIT("}") : STR_LIT("]"));
	}
	put_space(text);
}

void json_damage(struct text *text)
{
	struct text tail;
	size_t at;

	if (text->n == 0)
		return;
	at = json_any((uint32_t)text->n);
	tail.n = text->n - at - 1;
	memcpy(tail.p, text->p + at + 1, tail.n);
	text->n = at;
	switch (json_any(3)) {
	case 0:
		json_put_piece(text);
		json_put(text, str_make(&"0123456789abcdef"[json_any(16)], 1));
		break;
	case 1:
		json_put(text, str_make((const char[]){ (char)json_any(256) }, 1));
		break;
	default:
		break;
	}
	json_put(text, str_make(tail.p, tail.n));
}
