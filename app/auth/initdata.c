/*
 * initdata.c - is this initData genuine, and whose is it?
 *
 * Telegram signs the fields: sort them, leave out "hash", HMAC with a key made from the
 * bot token; or, for who does not have the token, Ed25519 with Telegram's own key. What
 * is signed are the decoded bytes, so they are decoded once and never written anew.
 * What could give one signed text two readings (a line feed in a value, a name
 * twice, a NUL) is refused before anything is computed.
 *
 * Pure: bytes, bots and clock come in as arguments. That is why the tests can replay
 * recorded strings and the fuzzer can call it as it is. Any thread.
 */
#include "config.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "auth/initdata.h"
#include "base/b64.h"
#include "base/hex.h"
#include "base/jdoc.h"

enum {
	NAME_MAX_LEN = 64,
	HASH_SIZE = 32,
	SIGNATURE_SIZE = 64,
	USER_DEPTH = 8,
	/* "<bot id>:WebAppData" and its line feed. */
	PREFIX_MAX = 20 + 12
};

#define AUTH_DATE_MAX UINT64_C(999999999999999)

const uint8_t initdata_key_production[BOT_PUBLIC_KEY_SIZE] = {
	0xe7, 0xbf, 0x03, 0xa2, 0xfa, 0x46, 0x02, 0xaf, 0x45, 0x80, 0x70, 0x3d, 0x88, 0xdd, 0xa5, 0xbb,
	0x59, 0xf3, 0x2e, 0xd8, 0xb0, 0x2a, 0x56, 0xc1, 0x87, 0xfe, 0x7d, 0x34, 0xca, 0xed, 0x24, 0x2d
};
const uint8_t initdata_key_test[BOT_PUBLIC_KEY_SIZE] = {
	0x40, 0x05, 0x50, 0x58, 0xa4, 0xee, 0x38, 0x15, 0x6a, 0x06, 0x56, 0x2e, 0x52, 0xee, 0xce, 0x92,
	0xa7, 0x71, 0xbc, 0xd8, 0x34, 0x6a, 0x8c, 0x46, 0x15, 0xcb, 0x73, 0x76, 0xed, 0xdf, 0x72, 0xec
};

/* One name=value, decoded. */
struct field {
	struct str name, value;
};

/* The string taken apart; the four fields we ask for are NULL when absent. */
struct fields {
	struct field *list;		/* sorted by name */
	size_t n;
	const struct field *hash, *signature, *auth_date, *user;
};

/* A hexadecimal digit's value plus one; 0 is no digit. */
static const uint8_t hex_digits[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16
};

/*
 * Decode RAW to *TO, which moves behind what was written. False for a bad %XX, a control
 * byte, or bytes that are not UTF-8.
 */
static bool decode(struct str raw, char **to, struct str *out)
{
	const unsigned char *p = (const unsigned char *)raw.p, *end = p + raw.n;
	char *at = *to;
	unsigned char seen = 0;		/* all bits of all bytes */

	while (p < end) {
		unsigned char c = *p++;

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			unsigned high = end - p < 2 ? 0 : hex_digits[p[0]], low = end - p < 2 ? 0 : hex_digits[p[1]];

			if (high == 0 || low == 0)
				return false;
			c = (unsigned char)((high - 1) << 4 | (low - 1));
			p += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return false;
		seen |= c;
		*at++ = (char)c;
	}
	*out = str_make(*to, (size_t)(at - *to));
	*to = at;
	return seen < 0x80 || str_is_utf8(*out);
}

/* [a-z0-9_]{1,64} */
static bool name_is_good(struct str name)
{
	if (name.n == 0 || name.n > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return true;
}

/*
 * A shell sort: no memory, nothing to gain from sending the names in a bad order, and for
 * the usual handful of fields it is an insertion sort.
 */
static void sort_by_name(struct field *list, size_t n)
{
	static const size_t gaps[] = { 701, 301, 132, 57, 23, 10, 4, 1 };

	for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++) {
		size_t gap = gaps[g];

		for (size_t i = gap; i < n; i++) {
			struct field moving = list[i];
			size_t k = i;

			for (; k >= gap && str_cmp(list[k - gap].name, moving.name) > 0; k -= gap)
				list[k] = list[k - gap];
			list[k] = moving;
		}
	}
}

static const struct field *find(const struct fields *fields, struct str name)
{
	for (size_t i = 0; i < fields->n; i++)
		if (str_eq(fields->list[i].name, name))
			return &fields->list[i];
	return NULL;
}

/* Split RAW into *FIELDS, whose memory is ARENA's: step 1 of API.md 1.1. */
static enum initdata_reason split(struct str raw, struct arena *arena, struct fields *fields)
{
	struct str rest = raw, piece, name, value;
	size_t n = 1;
	char *to;
	bool more;

	for (size_t i = 0; i < raw.n; i++)
		n += raw.p[i] == '&';
	/* A good piece is "a=" at least, so no crowd of empty ones gets memory. */
	if (n > (raw.n + 1) / 3)
		return INITDATA_MALFORMED;
	/* Decoding never makes it longer. */
	to = arena_alloc(arena, raw.n);
	fields->list = arena_alloc(arena, n * sizeof *fields->list);
	if (to == NULL || fields->list == NULL)
		return INITDATA_NO_MEMORY;
	fields->n = 0;
	do {
		struct field *field = &fields->list[fields->n++];

		more = str_cut(rest, '&', &piece, &rest);
		if (!str_cut(piece, '=', &name, &value) ||
		    !decode(name, &to, &field->name) || !name_is_good(field->name) ||
		    !decode(value, &to, &field->value))
			return INITDATA_MALFORMED;
	} while (more);
	sort_by_name(fields->list, fields->n);
	for (size_t i = 1; i < fields->n; i++)
		if (str_eq(fields->list[i - 1].name, fields->list[i].name))
			return INITDATA_DUPLICATE_KEY;
	return fields->n > INITDATA_FIELDS_MAX ? INITDATA_TOO_MANY_FIELDS : INITDATA_OK;
}

/*
 * What was signed, behind HEAD: name=value of all fields but the two to be left out (which
 * may be NULL), sorted, a line feed between them. TO has room for it. Answers its length.
 */
static size_t write_signed(const struct fields *fields, const struct field *leave_out,
			   const struct field *leave_out_too, struct str head, char *to)
{
	char *p = to;

	memcpy(p, head.p, head.n);
	p += head.n;
	for (size_t i = 0; i < fields->n; i++) {
		const struct field *field = &fields->list[i];

		if (field == leave_out || field == leave_out_too)
			continue;
		memcpy(p, field->name.p, field->name.n);
		p += field->name.n;
		*p++ = '=';
		memcpy(p, field->value.p, field->value.n);
		p += field->value.n;
		*p++ = '\n';
	}
	/* The last line has none; there may have been no field at all. */
	if (p > to)
		p--;
	return (size_t)(p - to);
}

/* First party: HMAC against every secret we have. SCRATCH has room for what was signed. */
static bool hash_matches(const struct fields *fields, const struct initdata_check *check, char *scratch)
{
	uint8_t sent[HASH_SIZE], ours[HASH_SIZE];
	size_t n;

	if (fields->hash == NULL || !hex_decode(fields->hash->value, sent, sizeof sent))
		return false;
	n = write_signed(fields, fields->hash, NULL, STR_LIT(""), scratch);
	for (size_t i = 0; i < check->n_bots; i++) {
		const struct bot *bot = &check->bots[i];

		for (size_t k = 0; k < bot->n_secrets; k++)
			if (HMAC(EVP_sha256(), bot->secrets[k], BOT_SECRET_SIZE,
				 (const unsigned char *)scratch, n, ours, NULL) != NULL &&
			    CRYPTO_memcmp(ours, sent, HASH_SIZE) == 0)
				return true;
	}
	return false;
}

static bool ed25519_verifies(const uint8_t key[BOT_PUBLIC_KEY_SIZE],
			     const uint8_t signature[SIGNATURE_SIZE], struct str text)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, BOT_PUBLIC_KEY_SIZE);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = pkey != NULL && ctx != NULL &&
		EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		EVP_DigestVerify(ctx, signature, SIGNATURE_SIZE,
				 (const unsigned char *)text.p, text.n) == 1;

	if (!good)
		ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return good;
}

/*
 * Third party: Telegram's signature, for the bots of which we know no secret. A bot with one is
 * left out: after its token was revoked, only the HMAC refuses what the old token signed.
 */
static bool signature_matches(const struct fields *fields, const struct initdata_check *check, char *scratch)
{
	uint8_t signature[B64URL_ROOM(B64URL_LEN(SIGNATURE_SIZE))];
	char head[PREFIX_MAX + 1];
	size_t n;

	if (fields->signature == NULL || fields->signature->value.n != B64URL_LEN(SIGNATURE_SIZE) ||
	    !b64url_decode(fields->signature->value, signature, &n) || n != SIGNATURE_SIZE)
		return false;
	for (size_t i = 0; i < check->n_bots; i++) {
		const struct bot *bot = &check->bots[i];
		int n_head;

		if (bot->n_secrets != 0)
			continue;
		n_head = snprintf(head, sizeof head, "%llu:WebAppData\n", (unsigned long long)bot->id);
		n = write_signed(fields, fields->hash, fields->signature,
				 str_make(head, (size_t)n_head), scratch);
		if (ed25519_verifies(bot->public_key, signature, str_make(scratch, n)))
			return true;
	}
	return false;
}

/* Step 2. */
static enum initdata_reason check_signature(const struct fields *fields, size_t raw_n,
					    const struct initdata_check *check, struct arena *arena)
{
	bool with_secret = false;
	char *scratch = arena_alloc(arena, PREFIX_MAX + raw_n + 1);

	if (scratch == NULL)
		return INITDATA_NO_MEMORY;
	for (size_t i = 0; i < check->n_bots; i++)
		with_secret = with_secret || check->bots[i].n_secrets != 0;
	/* That there was no memory to find out is told by errno: OpenSSL's own errors need some, too. */
	errno = 0;
	if (hash_matches(fields, check, scratch) || signature_matches(fields, check, scratch))
		return INITDATA_OK;
	if (errno == ENOMEM)
		return INITDATA_NO_MEMORY;
	if (with_secret)
		return fields->hash == NULL ? INITDATA_MISSING_HASH : INITDATA_BAD_HASH;
	return fields->signature == NULL ? INITDATA_MISSING_SIGNATURE : INITDATA_BAD_SIGNATURE;
}

/* Step 3. */
static enum initdata_reason check_age(const struct fields *fields, const struct initdata_check *check,
				      int64_t *auth_date)
{
	uint64_t date;

	if (fields->auth_date == NULL)
		return INITDATA_MISSING_AUTH_DATE;
	if (fields->auth_date->value.n > 15 ||
	    !str_to_u64(fields->auth_date->value, 0, AUTH_DATE_MAX, &date))
		return INITDATA_BAD_AUTH_DATE;
	*auth_date = (int64_t)date;
	if (*auth_date > check->now + INITDATA_SKEW_S)
		return INITDATA_FUTURE;
	return check->now - *auth_date > check->max_age_s ? INITDATA_EXPIRED : INITDATA_OK;
}

/* The string NAME of USER into *OUT, empty when there is none. False when a NUL hides in it. */
static bool read_name(json_object *user, const char *name, struct str *out)
{
	*out = STR_LIT("");
	return !jdoc_str(user, name, out) || out->n == 0 || memchr(out->p, '\0', out->n) == NULL;
}

/* Step 4; the strings of *USER point into DOC. */
static bool read_user(json_object *doc, struct initdata_user *user)
{
	int64_t id;

	if (!jdoc_i64(doc, "id", &id) || id < 1 || id > TELEGRAM_ID_MAX)
		return false;
	user->telegram_id = (uint64_t)id;
	return read_name(doc, "first_name", &user->first_name) && user->first_name.n != 0 &&
		read_name(doc, "last_name", &user->last_name) &&
		read_name(doc, "username", &user->username);
}

static bool keep_names(struct initdata_user *user, struct arena *arena)
{
	user->first_name = arena_dup(arena, user->first_name);
	user->last_name = arena_dup(arena, user->last_name);
	user->username = arena_dup(arena, user->username);
	return user->first_name.p != NULL && user->last_name.p != NULL && user->username.p != NULL;
}

static enum initdata_reason check_user(const struct fields *fields, struct arena *arena,
				       struct initdata_user *user)
{
	enum initdata_reason reason = INITDATA_OK;
	json_object *doc;

	if (fields->user == NULL)
		return INITDATA_MISSING_USER;
	doc = jdoc_read(fields->user->value, USER_DEPTH);
	if (doc == NULL && jdoc_lacked_memory())
		reason = INITDATA_NO_MEMORY;
	else if (doc == NULL || !read_user(doc, user))
		reason = INITDATA_BAD_USER;
	else if (!keep_names(user, arena))
		reason = INITDATA_NO_MEMORY;
	json_object_put(doc);
	return reason;
}

enum initdata_reason initdata_check(struct str raw, const struct initdata_check *check,
				    struct arena *arena, struct initdata_user *user)
{
	struct initdata_user found;
	struct fields fields;
	enum initdata_reason reason;

	if (raw.n > INITDATA_MAX)
		return INITDATA_TOO_LARGE;
	if ((reason = split(raw, arena, &fields)) != INITDATA_OK)
		return reason;
	fields.hash = find(&fields, STR_LIT("hash"));
	fields.signature = find(&fields, STR_LIT("signature"));
	fields.auth_date = find(&fields, STR_LIT("auth_date"));
	fields.user = find(&fields, STR_LIT("user"));

	/* Nothing that is not signed is read, or answered, before the signature holds. */
	if ((reason = check_signature(&fields, raw.n, check, arena)) != INITDATA_OK ||
	    (reason = check_age(&fields, check, &found.auth_date)) != INITDATA_OK ||
	    (reason = check_user(&fields, arena, &found)) != INITDATA_OK)
		return reason;
	*user = found;
	return INITDATA_OK;
}

bool initdata_secret(struct str bot_token, uint8_t secret[BOT_SECRET_SIZE], uint64_t *bot_id)
{
	static const char label[] = "WebAppData";
	struct str digits, rest;
	uint64_t id;

	if (!str_cut(bot_token, ':', &digits, &rest) || rest.n == 0 ||
	    !str_to_u64(digits, 1, TELEGRAM_ID_MAX, &id))
		return false;
	for (size_t i = 0; i < rest.n; i++) {
		char c = rest.p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-'))
			return false;
	}
	if (HMAC(EVP_sha256(), label, sizeof label - 1, (const unsigned char *)bot_token.p,
		 bot_token.n, secret, NULL) == NULL)
		return false;
	*bot_id = id;
	return true;
}

/* What is said of each reason. */
static const struct {
	const char *word, *sentence;
	enum rc rc;
} reasons[INITDATA__COUNT] = {
	[INITDATA_OK] = { "ok", "genuine, recent enough, and of a user", RC_OK },
	[INITDATA_TOO_LARGE] = { "too_large",
		"longer than 8192 bytes; initData as Telegram makes it is far shorter", RC_INVALID_INIT_DATA },
	[INITDATA_MALFORMED] = { "malformed",
		"not a list of name=value; send Telegram.WebApp.initData as it is: not decoded, not as an "
		"object, and not the whole launch fragment with tgWebAppData", RC_INVALID_INIT_DATA },
	[INITDATA_DUPLICATE_KEY] = { "duplicate_key",
		"a field stands in it twice; Telegram never does that", RC_INVALID_INIT_DATA },
	[INITDATA_TOO_MANY_FIELDS] = { "too_many_fields",
		"more than 64 fields; Telegram sends about ten", RC_INVALID_INIT_DATA },
	[INITDATA_MISSING_HASH] = { "missing_hash",
		"the field \"hash\" is missing; is this initData, and not initDataUnsafe?", RC_INVALID_INIT_DATA },
	[INITDATA_BAD_HASH] = { "bad_hash",
		"\"hash\" does not fit: another bot's token, a token that has been revoked since, or a "
		"client that decoded or changed a field", RC_INVALID_INIT_DATA },
	[INITDATA_MISSING_SIGNATURE] = { "missing_signature",
		"the field \"signature\" is missing: the client is older than Bot API 8.0; give the project "
		"its bot's token to check by \"hash\"", RC_INVALID_INIT_DATA },
	[INITDATA_BAD_SIGNATURE] = { "bad_signature",
		"\"signature\" does not fit: another bot's id, the other environment (test or production), "
		"or a client that decoded or changed a field", RC_INVALID_INIT_DATA },
	[INITDATA_MISSING_AUTH_DATE] = { "missing_auth_date",
		"the field \"auth_date\" is missing", RC_INVALID_INIT_DATA },
	[INITDATA_BAD_AUTH_DATE] = { "bad_auth_date",
		"\"auth_date\" is not a number of seconds", RC_INVALID_INIT_DATA },
	[INITDATA_FUTURE] = { "future",
		"signed more than a minute ahead of this machine's clock; is the clock right?",
		RC_INVALID_INIT_DATA },
	[INITDATA_EXPIRED] = { "expired",
		"older than the project allows; reopen the Mini App, or raise the project's limit",
		RC_INIT_DATA_EXPIRED },
	[INITDATA_MISSING_USER] = { "missing_user",
		"the field \"user\" is missing: the Mini App was opened in a way that names no user",
		RC_INVALID_INIT_DATA },
	[INITDATA_BAD_USER] = { "bad_user",
		"\"user\" is not a JSON object with an integer id and a first_name", RC_INVALID_INIT_DATA },
	[INITDATA_NO_MEMORY] = { "no_memory",
		"there was no memory to check it", RC_NO_MEMORY },
};

const char *initdata_word(enum initdata_reason reason)
{
	return reasons[reason].word;
}

const char *initdata_explain(enum initdata_reason reason)
{
	return reasons[reason].sentence;
}

enum rc initdata_rc(enum initdata_reason reason)
{
	return reasons[reason].rc;
}
