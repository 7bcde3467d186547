/*
 * maker.h - initData as Telegram would make and sign it, for tests. It shares no code with
 * what it tests.
 */
#ifndef TESTS_MAKER_H
#define TESTS_MAKER_H

#include <openssl/evp.h>
#include <stdint.h>

#include "base/str.h"

enum { MAKER_PAIRS = 4200, MAKER_TEXT = 64 * 1024 };

struct maker {
	struct maker_pair {
		struct str name, value;
	} pairs[MAKER_PAIRS];
	size_t n;
	char owned[4096];		/* hashes, signatures, numbers */
	size_t n_owned;
	char text[MAKER_TEXT];		/* what maker_write() answers */
};

/* Empty. A maker is large: let it be static. */
void maker_init(struct maker *maker);

/* Append a pair of bytes, not encoded; they must outlive MAKER. */
void maker_add(struct maker *maker, const char *name, const char *value);
void maker_add_str(struct maker *maker, struct str name, struct str value);

/* auth_date=1700000000 and a user, {"id":42,"first_name":"Ada"}: what every good one has. */
enum { MAKER_NOW = 1700000000 };
void maker_add_usual(struct maker *maker);

/* The key that Telegram makes from a bot token, and HMAC by it over what is in MAKER so far, appended as hash. */
void maker_secret(const char *bot_token, uint8_t secret[32]);
void maker_hash(struct maker *maker, const uint8_t secret[32]);

/* An Ed25519 signature over what is in MAKER so far, appended as signature. */
void maker_signature(struct maker *maker, EVP_PKEY *key, uint64_t bot_id);

/* What is signed, without a field called as one of the two (NULL: none), behind HEAD. */
size_t maker_signed_text(const struct maker *maker, const char *head, const char *without,
			 const char *without_too, char *out);

/* All pairs percent-encoded, joined with '&'. */
struct str maker_write(struct maker *maker);

#endif
