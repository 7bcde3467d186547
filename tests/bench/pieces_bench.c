/*
 * pieces_bench.c - how fast goes a large upload through what reads it on its way?
 *
 * `make bench-pieces`. Base64, UTF-8 and multipart/form-data over some MB from a fixed seed,
 * in pieces as a body is read; the best of many rounds counts. JSON in pieces is in jtext_bench.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "http/multipart.h"

enum { SIZE = 4 << 20, PIECE = 16 * 1024, ROUNDS = 40 };
#define BOUNDARY "----formdata-undici-039623084604"

static char content[SIZE], text[B64_LEN(SIZE) + 1024], out[B64_ROOM(B64_LEN(SIZE))];
static size_t used, came;
static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

static bool encode(void)
{
	used = b64_encode((const uint8_t *)content, SIZE, text);
	return true;
}

static bool decode(void)
{
	size_t n;

	return b64_decode(str_make(text, used), (uint8_t *)out, &n) && n == SIZE;
}

static bool utf8(void)
{
	struct utf8_scan scan;

	utf8_scan_init(&scan);
	for (size_t at = 0; at < used; at += PIECE)
		utf8_scan_add(&scan, str_make(text + at, used - at < PIECE ? used - at : PIECE));
	return utf8_scan_end(&scan);
}

static bool utf8_whole(void)
{
	return str_is_utf8(str_make(text, used));
}

static enum rc on_part(void *arg, struct str name, bool has_filename)
{
	(void)arg;
	(void)name;
	(void)has_filename;
	return RC_OK;
}

static enum rc on_data(void *arg, struct str piece)
{
	(void)arg;
	came += piece.n;
	return RC_OK;
}

static enum rc on_end(void *arg)
{
	(void)arg;
	return RC_OK;
}

static bool multipart(void)
{
	static const struct multipart_events events = { on_part, on_data, on_end };
	static struct multipart m;

	came = 0;
	if (multipart_init(&m, STR_LIT("multipart/form-data; boundary=" BOUNDARY), &events, NULL) != RC_OK)
		return false;
	for (size_t at = 0; at < used; at += PIECE)
		if (multipart_add(&m, str_make(text + at, used - at < PIECE ? used - at : PIECE)) != RC_OK)
			return false;
	return multipart_end(&m) == RC_OK && came != 0;
}

static void run(const char *name, bool (*what)(void), size_t bytes)
{
	double best = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = clock_mono_us();
		double us;

		if (!what())
			exit(1);
		us = (double)(clock_mono_us() - start);
		if (us < best)
			best = us;
	}
	printf("%-34s %8.0f us %8.0f MB/s\n", name, best, (double)bytes / best);
}

/* TEXT becomes UNIT again and again. */
static void fill(struct str unit, size_t size)
{
	for (used = 0; used + unit.n <= size; used += unit.n)
		memcpy(text + used, unit.p, unit.n);
}

/* A form with CONTENT, which is filled with UNIT again and again, or with anything. */
static void form(struct str unit)
{
	for (size_t i = 0; i < SIZE; i++)
		content[i] = unit.n == 0 ? (char)any(256) : unit.p[i % unit.n];
	used = (size_t)sprintf(text, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"value\"; filename=\"blob\"\r\n"
			       "Content-Type: application/octet-stream\r\n\r\n");
	memcpy(text + used, content, SIZE);
	used += SIZE;
	used += (size_t)sprintf(text + used, "\r\n--" BOUNDARY "--\r\n");
}

int main(void)
{
	for (size_t i = 0; i < SIZE; i++)
		content[i] = (char)any(256);
	run("base64, written", encode, SIZE);
	run("base64, read", decode, used);

	fill(STR_LIT("words of ASCII and nothing else, "), SIZE);
	run("UTF-8, ASCII", utf8, used);
	run("UTF-8, ASCII, whole", utf8_whole, used);
	fill(STR_LIT("\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xf0\x9f\x98\x80 and "), SIZE);
	run("UTF-8, of all lengths", utf8, used);
	run("UTF-8, of all lengths, whole", utf8_whole, used);

	form(str_make(NULL, 0));
	run("multipart, random bytes", multipart, used);
	form(STR_LIT("a line of text and its end\r\n"));
	run("multipart, lines", multipart, used);
	form(STR_LIT("\r\n"));
	run("multipart, line ends only", multipart, used);
	form(STR_LIT("\r\n--" "----formdata-undici-03962308460"));
	run("multipart, near-boundaries", multipart, used);
	form(STR_LIT("4"));
	run("multipart, the boundary's last byte", multipart, used);
	used = 0;
	for (int i = 0; i < 1999; i++)
		used += (size_t)sprintf(text + used, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"metadata[a][%d]\"\r\n\r\nvalue %d\r\n", i, i);
	used += (size_t)sprintf(text + used, "--" BOUNDARY "--\r\n");
	run("multipart, 1999 small parts", multipart, used);
	return 0;
}
