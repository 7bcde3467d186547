/*
 * bot.h - what a project knows of a Telegram bot. Never the bot's token: only
 * what checks initData (DESIGN: a stolen database forges users, but drives no bot).
 */
#ifndef PROJECT_BOT_H
#define PROJECT_BOT_H

#include <stddef.h>
#include <stdint.h>

enum { BOT_SECRET_SIZE = 32, BOT_PUBLIC_KEY_SIZE = 32, BOT_SECRETS_MAX = 2 };

struct bot {
	uint64_t id;

	/* HMAC-SHA256("WebAppData", bot token); two while the token is being changed. */
	uint8_t secrets[BOT_SECRETS_MAX][BOT_SECRET_SIZE];
	size_t n_secrets;

	/* Ed25519: Telegram's key for the environment the bot lives in. Used when there is no secret. */
	uint8_t public_key[BOT_PUBLIC_KEY_SIZE];
};

#endif
