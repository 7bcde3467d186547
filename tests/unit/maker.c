/*
 * maker.c - see maker.h.
 */
#include "config.h"

#include <assert.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "maker.h"

void maker_init(struct maker *maker)
{
	maker->n = maker->n_owned = 0;
}

void maker_add_str(struct maker *maker, struct str name, struct str value)
{
	assert(maker->n < MAKER_PAIRS);
	maker->pairs[maker->n++] = (struct maker_pair){ name, value };
}

void maker_add(struct maker *maker, const char *name, const char *value)
{
	maker_add_str(maker, str_c(name), str_c(value));
}

void maker_add_usual(struct maker *maker)
{
	maker_add(maker, "user", "{\"id\":42,\"first_name\":\"Ada\"}");
	maker_add(maker, "auth_date", "1700000000");
}

static int by_name(const void *a, const void *b)
{
	return str_cmp((*(const struct maker_pair *const *)a)->name,
		       (*(const struct maker_pair *const *)b)->name);
}

size_t maker_signed_text(const struct maker *maker, const char *head, const char *without,
			 const char *without_too, char *out)
{
	static const struct maker_pair *sorted[MAKER_PAIRS];
	size_t n = 0, at = 0;

	for (size_t i = 0; i < maker->n; i++) {
		const struct maker_pair *pair = &maker->pairs[i];

		if ((without == NULL || !str_eq(pair->name, str_c(without))) &&
		    (without_too == NULL || !str_eq(pair->name, str_c(without_too))))
			sorted[n++] = pair;
	}
	qsort(sorted, n, sizeof sorted[0], by_name);
	at += (size_t)sprintf(out, "%s", head);
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			out[at++] = '\n';
		memcpy(out + at, sorted[i]->name.p, sorted[i]->name.n);
		at += sorted[i]->name.n;
		out[at++] = '=';
		memcpy(out + at, sorted[i]->value.p, sorted[i]->value.n);
		at += sorted[i]->value.n;
	}
	return at;
}

void maker_secret(const char *bot_token, uint8_t secret[32])
{
	HMAC(EVP_sha256(), "WebAppData", 10, (const unsigned char *)bot_token, strlen(bot_token), secret, NULL);
}

static char *own(struct maker *maker, size_t n)
{
	char *p = maker->owned + maker->n_owned;

	assert(n <= sizeof maker->owned - maker->n_owned);
	maker->n_owned += n;
	return p;
}

void maker_hash(struct maker *maker, const uint8_t secret[32])
{
	static char text[MAKER_TEXT];
	uint8_t hash[32];
	char *hex = own(maker, 65);
	size_t n = maker_signed_text(maker, "", NULL, NULL, text);

	HMAC(EVP_sha256(), secret, 32, (const unsigned char *)text, n, hash, NULL);
	for (size_t i = 0; i < sizeof hash; i++)
		sprintf(hex + 2 * i, "%02x", hash[i]);
	maker_add(maker, "hash", hex);
}

void maker_signature(struct maker *maker, EVP_PKEY *key, uint64_t bot_id)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	static char text[MAKER_TEXT];
	uint8_t signature[66] = { 0 };
	char head[64], *out = own(maker, 89);
	size_t n, n_signature = 64;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	sprintf(head, "%llu:WebAppData\n", (unsigned long long)bot_id);
	n = maker_signed_text(maker, head, NULL, NULL, text);
	assert(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1);
	assert(EVP_DigestSign(ctx, signature, &n_signature, (const unsigned char *)text, n) == 1);
	EVP_MD_CTX_free(ctx);
	for (size_t i = 0; i < 22; i++) {
		unsigned bits = (unsigned)signature[3 * i] << 16 | (unsigned)signature[3 * i + 1] << 8 |
			signature[3 * i + 2];

		for (size_t k = 0; k < 4; k++)
			out[4 * i + k] = letters[bits >> (18 - 6 * k) & 63];
	}
	out[86] = '\0';
	maker_add(maker, "signature", out);
}

static size_t encode(struct str s, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '_' || c == '-' || c == '.')
			out[n++] = (char)c;
		else
			n += (size_t)sprintf(out + n, "%%%02X", c);
	}
	return n;
}

struct str maker_write(struct maker *maker)
{
	size_t n = 0;

	for (size_t i = 0; i < maker->n; i++) {
		assert(n + 3 * (maker->pairs[i].name.n + maker->pairs[i].value.n) + 3 < MAKER_TEXT);
		if (i != 0)
			maker->text[n++] = '&';
		n += encode(maker->pairs[i].name, maker->text + n);
		maker->text[n++] = '=';
		n += encode(maker->pairs[i].value, maker->text + n);
	}
	return str_make(maker->text, n);
}
