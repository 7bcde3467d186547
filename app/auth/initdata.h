/*
 * initdata.h - is this initData genuine, and whose is it? See API.md 1.1.
 */
#ifndef AUTH_INITDATA_H
#define AUTH_INITDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/rc.h"
#include "base/str.h"
#include "project/bot.h"

enum { INITDATA_MAX = 8192, INITDATA_FIELDS_MAX = 64, INITDATA_SKEW_S = 60 };

/* Telegram's ids, of users and of bots, are whole numbers from 1 on that every program can read. */
#define TELEGRAM_ID_MAX ((INT64_C(1) << 53) - 1)

/* The step that failed, in the order they are taken; INITDATA_OK is none. */
enum initdata_reason {
	INITDATA_OK,
	INITDATA_TOO_LARGE,
	INITDATA_MALFORMED,
	INITDATA_DUPLICATE_KEY,
	INITDATA_TOO_MANY_FIELDS,
	INITDATA_MISSING_HASH,
	INITDATA_BAD_HASH,
	INITDATA_MISSING_SIGNATURE,
	INITDATA_BAD_SIGNATURE,
	INITDATA_MISSING_AUTH_DATE,
	INITDATA_BAD_AUTH_DATE,
	INITDATA_FUTURE,
	INITDATA_EXPIRED,
	INITDATA_MISSING_USER,
	INITDATA_BAD_USER,
	INITDATA_NO_MEMORY,
	INITDATA__COUNT
};

struct initdata_user {
	uint64_t telegram_id;		/* 1 .. 2^53-1 */
	struct str first_name;		/* not empty */
	struct str last_name;		/* empty when absent, like the next */
	struct str username;
	int64_t auth_date;		/* seconds since 1970, when Telegram signed */
};

/* What initData is held against. */
struct initdata_check {
	const struct bot *bots;
	size_t n_bots;
	int64_t now;			/* seconds since 1970 */
	int64_t max_age_s;
};

/*
 * initdata_check - RAW as the client sent it, against CHECK. On INITDATA_OK *USER is
 * set, its strings in ARENA; otherwise *USER is untouched.
 */
enum initdata_reason initdata_check(struct str raw, const struct initdata_check *check,
				    struct arena *arena, struct initdata_user *user);

/* initdata_word - "bad_hash" and so on, for tmakvctl and tests. "ok" for INITDATA_OK. */
const char *initdata_word(enum initdata_reason reason);

/* initdata_explain - a sentence for the person whose bot it is: what is wrong, what to look at. */
const char *initdata_explain(enum initdata_reason reason);

/* initdata_rc - what a client is told: all signature failures alike. */
enum rc initdata_rc(enum initdata_reason reason);

/*
 * initdata_secret - HMAC-SHA256("WebAppData", BOT_TOKEN) and the bot id before the
 * token's colon. False when the token does not look like one ("<digits>:<35 or so of
 * [A-Za-z0-9_-]>", at least 1 of each); an empty token would be a key that anybody can compute.
 */
bool initdata_secret(struct str bot_token, uint8_t secret[BOT_SECRET_SIZE], uint64_t *bot_id);

/* Telegram's public keys (API.md 1.1). */
extern const uint8_t initdata_key_production[BOT_PUBLIC_KEY_SIZE];
extern const uint8_t initdata_key_test[BOT_PUBLIC_KEY_SIZE];

#endif
