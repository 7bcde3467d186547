/*
 * auth_bench.c - what a sign-in, a check and a look-up cost, each call by itself.
 *
 * `make bench-auth`. CPU time of the thread, the best of several rounds: everything else is
 * the neighbours' noise. The initData is as long as a real one (about 500 bytes).
 */
#include "config.h"

#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/initdata.h"
#include "auth/session.h"
#include "auth/tokens.h"
#include "base/hash.h"
#include "../unit/maker.h"

enum { ROUNDS = 15, NOW = MAKER_NOW, CACHED = 10000 };

static struct maker maker;
static struct arena *arena;
static struct str init_data, token;
static struct initdata_check by_hash, by_signature;
static struct bot hash_bot, signature_bot;
static struct key_set *keys;
static struct token_cache *cache;
static char *texts[CACHED];
static size_t next_text;

static void check(bool good)
{
	if (!good) {
		fprintf(stderr, "auth_bench: an answer was wrong\n");
		exit(1);
	}
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void measure(const char *what, int times, void (*call)(void))
{
	double best = 1e9;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_us(), took;

		for (int i = 0; i < times; i++)
			call();
		took = (now_us() - start) / times;
		best = took < best ? took : best;
	}
	printf("%-46s %9.3f us\n", what, best);
}

static void initdata_by_hash(void)
{
	struct initdata_user user;

	arena_reset(arena);
	check(initdata_check(init_data, &by_hash, arena, &user) == INITDATA_OK);
}

static void initdata_by_signature(void)
{
	struct initdata_user user;

	arena_reset(arena);
	check(initdata_check(init_data, &by_signature, arena, &user) == INITDATA_OK);
}

static void initdata_refused(void)
{
	struct bot bot = hash_bot;
	struct initdata_check other = { &bot, 1, NOW, 1 };
	struct initdata_user user;

	bot.secrets[0][0] ^= 1;
	arena_reset(arena);
	check(initdata_check(init_data, &other, arena, &user) == INITDATA_BAD_HASH);
}

static void hmac_alone(void)
{
	uint8_t out[32];

	check(HMAC(EVP_sha256(), hash_bot.secrets[0], 32, (const unsigned char *)init_data.p, init_data.n, out, NULL) != NULL);
}

static void make_session(void)
{
	const struct session session = {
		.telegram_id = 279058397, .first_name = STR_LIT("Vladislav"), .last_name = STR_LIT("Kibenko"),
		.username = STR_LIT("vdkfrost"), .project_id = STR_LIT("0b9d3c5e-7a1f-4c2d-8e6b-5f4a3b2c1d0e"),
		.issued_at = NOW, .expires_at = NOW + 86400
	};

	arena_reset(arena);
	check(session_make(&session, key_set_current(keys, KEY_SHARED, NOW), "tmakv", arena, &token) == RC_OK);
}

static void check_session(void)
{
	struct session session;

	check(session_check(token, keys, "tmakv", NOW, arena, &session) == SESSION_OK);
	arena_reset(arena);
}

static void find_one(void)
{
	struct token_entry entry;

	check(token_cache_get(cache, str_make(texts[0], token.n), &entry));
}

static void find_any(void)
{
	struct token_entry entry;

	next_text = (next_text + 7919) % CACHED;
	check(token_cache_get(cache, str_make(texts[next_text], token.n), &entry));
}

static void find_none(void)
{
	struct token_entry entry;

	check(!token_cache_get(cache, str_make(texts[0], token.n - 1), &entry));
}

static void siphash(void)
{
	static const struct hash_key key = { 1, 2 };
	volatile uint64_t kept = hash_make(key, str_make(texts[0], token.n)).a;

	(void)kept;
}

static void prepare_init_data(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t n = sizeof signature_bot.public_key;

	check(EVP_PKEY_get_raw_public_key(key, signature_bot.public_key, &n) == 1);
	hash_bot = (struct bot){ .id = 1, .n_secrets = 1 };
	maker_secret("1:AAA", hash_bot.secrets[0]);
	signature_bot.id = 2;
	maker_init(&maker);
	maker_add(&maker, "query_id", "AAHdF6IQAAAAAN0XohDhrOrc");
	maker_add(&maker, "user", "{\"id\":279058397,\"first_name\":\"Vladislav\",\"last_name\":\"Kibenko\","
		  "\"username\":\"vdkfrost\",\"language_code\":\"ru\",\"is_premium\":true,\"allows_write_to_pm\":true,"
		  "\"photo_url\":\"https:\\/\\/t.me\\/i\\/userpic\\/320\\/4FPEE4tmP3ATHa57u6MqTDih13LTOiMoKoLDRG4PnSA.svg\"}");
	maker_add(&maker, "auth_date", "1700000000");
	maker_signature(&maker, key, 2);
	maker_hash(&maker, hash_bot.secrets[0]);
	init_data = maker_write(&maker);
	by_hash = (struct initdata_check){ &hash_bot, 1, NOW, 1 };
	by_signature = (struct initdata_check){ &signature_bot, 1, NOW, 1 };
	EVP_PKEY_free(key);
}

static void prepare_cache(void)
{
	const struct token_entry entry = { .project = 1 };

	cache = token_cache_new(16384);
	make_session();
	token = str_make(memcpy(malloc(token.n), token.p, token.n), token.n);
	for (size_t i = 0; i < CACHED; i++) {
		texts[i] = malloc(token.n);
		memcpy(texts[i], token.p, token.n);
		snprintf(texts[i] + token.n - 20, 20, "%019zu", i);
		token_cache_put(cache, str_make(texts[i], token.n), &entry);
	}
	/* The sets are full to more than half: those that were pushed out are of no use here. */
	for (size_t i = 0; i < CACHED; i++) {
		struct token_entry found;

		if (!token_cache_get(cache, str_make(texts[i], token.n), &found))
			texts[i] = texts[0];
	}
	token_cache_put(cache, str_make(texts[0], token.n), &entry);
}

int main(void)
{
	arena = arena_new(1 << 20);
	keys = key_set_new();
	check(key_set_generate(keys, KEY_SHARED, 1, 1, 86400) == RC_OK);
	prepare_init_data();
	prepare_cache();
	printf("initData %zu bytes, token %zu bytes\n", init_data.n, token.n);
	measure("initdata_check, HMAC", 20000, initdata_by_hash);
	measure("initdata_check, refused for its hash", 20000, initdata_refused);
	measure("  of which HMAC-SHA256", 20000, hmac_alone);
	measure("initdata_check, Ed25519", 500, initdata_by_signature);
	measure("session_check", 500, check_session);
	measure("token_cache_get, the same token", 100000, find_one);
	measure("token_cache_get, one of 10,000", 100000, find_any);
	measure("token_cache_get, unknown", 100000, find_none);
	measure("  (SipHash-2-4 of such a token)", 100000, siphash);
	{
		struct str kept = token;

		measure("session_make", 200, make_session);
		token = kept;
	}
	return 0;
}
