/*
 * keys.c - ES256 keys: made, kept, published, read back.
 *
 * The PEM text of a private half is what libjwt signs with; a check uses the EVP_PKEY,
 * which is parsed once, because parsing costs four times what checking does.
 * A set is filled by one thread and from then on only read, by any.
 */
#include "config.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/keys.h"
#include "base/b64.h"
#include "base/jdoc.h"
#include "base/jtext.h"

enum {
	COORDINATE_LEN = B64URL_LEN(KEY_COORDINATE_SIZE),
	PEM_MAX = 4096,
	RECORD_DEPTH = 2,
	JWKS_DEPTH = 16,
	/* What a record does not say: no configuration lets a token live longer. */
	LIFE_MAX_S = 30 * 86400
};

struct key_set {
	atomic_uint references;
	uint64_t generation;
	struct key *keys;
	size_t n;
};

/* As they stand in records of versions that had no moments; they want one in ours, too. */
static const char *const state_names[] = {
	[KEY_NEXT] = "next", [KEY_CURRENT] = "current", [KEY_OLD] = "old"
};
enum { STATES = sizeof state_names / sizeof state_names[0] };

/* --- one key --- */

static void key_clear(struct key *key)
{
	EVP_PKEY_free(key->pkey);
	if (key->private_pem != NULL)
		OPENSSL_cleanse(key->private_pem, strlen(key->private_pem));
	free(key->private_pem);
	*key = (struct key){ .pkey = NULL };
}

/* A coordinate as it stands in JSON, with a NUL. */
static void write_coordinate(const uint8_t coordinate[KEY_COORDINATE_SIZE], char out[COORDINATE_LEN + 1])
{
	out[b64url_encode(coordinate, KEY_COORDINATE_SIZE, out)] = '\0';
}

/* The member NAME of JWK: 43 letters and no fewer, for 32 bytes. */
static bool read_coordinate(json_object *jwk, const char *name, uint8_t out[KEY_COORDINATE_SIZE])
{
	uint8_t bytes[B64URL_ROOM(COORDINATE_LEN)];
	struct str text;
	size_t n;

	if (!jdoc_str(jwk, name, &text) || text.n != COORDINATE_LEN ||
	    !b64url_decode(text, bytes, &n) || n != KEY_COORDINATE_SIZE)
		return false;
	memcpy(out, bytes, KEY_COORDINATE_SIZE);
	return true;
}

/* RFC 7638: SHA-256 of the members a key cannot do without, in this order and without a space. */
static void set_thumbprint(struct key *key)
{
	char x[COORDINATE_LEN + 1], y[COORDINATE_LEN + 1], text[64 + 2 * COORDINATE_LEN];
	uint8_t digest[SHA256_DIGEST_LENGTH];
	int n;

	write_coordinate(key->x, x);
	write_coordinate(key->y, y);
	n = snprintf(text, sizeof text, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
	SHA256((const unsigned char *)text, (size_t)n, digest);
	key->kid[b64url_encode(digest, sizeof digest, key->kid)] = '\0';
}

static bool get_coordinate(const EVP_PKEY *pkey, const char *name, uint8_t out[KEY_COORDINATE_SIZE])
{
	BIGNUM *number = NULL;
	bool good = EVP_PKEY_get_bn_param(pkey, name, &number) == 1 &&
		BN_bn2binpad(number, out, KEY_COORDINATE_SIZE) == KEY_COORDINATE_SIZE;

	BN_free(number);
	return good;
}

/* KEY's coordinates, from its EVP_PKEY; false when that is no P-256 key. */
static bool set_coordinates(struct key *key)
{
	char group[32];
	size_t n;

	return EVP_PKEY_is_a(key->pkey, "EC") == 1 &&
		EVP_PKEY_get_group_name(key->pkey, group, sizeof group, &n) == 1 &&
		strcmp(group, "prime256v1") == 0 &&
		get_coordinate(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, key->x) &&
		get_coordinate(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key->y);
}

/* KEY's EVP_PKEY, from its coordinates; false when they are no point of the curve. */
static bool set_public_half(struct key *key)
{
	uint8_t point[1 + 2 * KEY_COORDINATE_SIZE] = { POINT_CONVERSION_UNCOMPRESSED };
	char group[] = "prime256v1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group - 1),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
		OSSL_PARAM_construct_end()
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	bool good;

	memcpy(point + 1, key->x, KEY_COORDINATE_SIZE);
	memcpy(point + 1 + KEY_COORDINATE_SIZE, key->y, KEY_COORDINATE_SIZE);
	good = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &key->pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;
	EVP_PKEY_CTX_free(ctx);
	if (!good)
		ERR_clear_error();
	return good;
}

/* KEY's PEM text, from its EVP_PKEY. */
static bool set_private_pem(struct key *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n = 0;

	if (bio != NULL && PEM_write_bio_PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
	    (n = BIO_get_mem_data(bio, &text)) > 0)
		key->private_pem = strndup(text, (size_t)n);
	if (n > 0)
		OPENSSL_cleanse(text, (size_t)n);
	BIO_free(bio);
	return key->private_pem != NULL;
}

/* KEY's EVP_PKEY, from its PEM text. The empty pass phrase keeps OpenSSL from asking a terminal for one. */
static bool set_private_half(struct key *key, struct str pem)
{
	char no_phrase[] = "";
	BIO *bio;

	if (pem.n == 0 || pem.n > PEM_MAX || memchr(pem.p, '\0', pem.n) != NULL)
		return false;
	key->private_pem = strndup(pem.p, pem.n);
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio != NULL)
		key->pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_phrase);
	BIO_free(bio);
	ERR_clear_error();
	return key->private_pem != NULL && key->pkey != NULL;
}

/* --- sets --- */

struct key_set *key_set_new(void)
{
	struct key_set *set = calloc(1, sizeof *set);

	if (set != NULL)
		atomic_init(&set->references, 1);
	return set;
}

struct key_set *key_set_ref(struct key_set *set)
{
	atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
	return set;
}

void key_set_unref(struct key_set *set)
{
	if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < set->n; i++)
		key_clear(&set->keys[i]);
	free(set->keys);
	free(set);
}

/* Take KEY over into SET; what it holds is released when that fails. */
static enum rc set_add(struct key_set *set, struct key *key)
{
	struct key *keys;

	if (key_set_find(set, str_c(key->kid)) != NULL) {
		key_clear(key);
		return RC_CONFLICT;
	}
	keys = realloc(set->keys, (set->n + 1) * sizeof *keys);
	if (keys == NULL) {
		key_clear(key);
		return RC_INTERNAL;
	}
	set->keys = keys;
	set->keys[set->n++] = *key;
	return RC_OK;
}

/* COPY has what KEY has; false without memory. */
static bool key_copy(struct key *copy, const struct key *key)
{
	*copy = *key;
	copy->private_pem = key->private_pem == NULL ? NULL : strdup(key->private_pem);
	if ((key->private_pem != NULL && copy->private_pem == NULL) || EVP_PKEY_up_ref(key->pkey) != 1) {
		copy->pkey = NULL;
		key_clear(copy);
		return false;
	}
	return true;
}

struct key_set *key_set_copy(const struct key_set *set, const struct key *without)
{
	struct key_set *copy = key_set_new();

	for (size_t i = 0; copy != NULL && i < set->n; i++) {
		struct key key;

		if (&set->keys[i] == without)
			continue;
		if (!key_copy(&key, &set->keys[i]) || set_add(copy, &key) != RC_OK) {
			key_set_unref(copy);
			copy = NULL;
		}
	}
	if (copy != NULL)
		copy->generation = set->generation;
	return copy;
}

enum rc key_set_generate(struct key_set *set, uint32_t project, int64_t now, int64_t activates_at, int64_t life_s)
{
	struct key key = {
		.project = project, .created_at = now, .activates_at = activates_at, .life_s = life_s,
		.pkey = EVP_EC_gen("P-256")
	};

	if (key.pkey == NULL || !set_coordinates(&key) || !set_private_pem(&key)) {
		ERR_clear_error();
		key_clear(&key);
		return RC_INTERNAL;
	}
	set_thumbprint(&key);
	return set_add(set, &key);
}

void key_set_outlive(struct key_set *set, const struct key *key, int64_t life_s)
{
	set->keys[key - set->keys].life_s = life_s;
}

const struct key *key_set_find(const struct key_set *set, struct str kid)
{
	for (size_t i = 0; i < set->n; i++)
		if (str_eq(str_c(set->keys[i].kid), kid))
			return &set->keys[i];
	return NULL;
}

/* The order in which keys follow each other; the same after a restart, whatever becomes active in one second. */
static bool is_before(const struct key *a, const struct key *b)
{
	if (a->activates_at != b->activates_at)
		return a->activates_at < b->activates_at;
	return a->created_at != b->created_at ? a->created_at < b->created_at : strcmp(a->kid, b->kid) < 0;
}

const struct key *key_set_current(const struct key_set *set, uint32_t project, int64_t now)
{
	const struct key *active = NULL, *first = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct key *key = &set->keys[i];

		if (key->project != project)
			continue;
		if (first == NULL || is_before(key, first))
			first = key;
		if (key->activates_at <= now && (active == NULL || is_before(active, key)))
			active = key;
	}
	return active != NULL ? active : first;
}

enum key_state key_set_state(const struct key_set *set, const struct key *key, int64_t now)
{
	if (key == key_set_current(set, key->project, now))
		return KEY_CURRENT;
	return key->activates_at > now ? KEY_NEXT : KEY_OLD;
}

int64_t key_set_ends_at(const struct key_set *set, const struct key *key)
{
	const struct key *next = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct key *other = &set->keys[i];

		if (other->project == key->project && is_before(key, other) && (next == NULL || is_before(other, next)))
			next = other;
	}
	return next == NULL ? 0 : next->activates_at + key->life_s + KEY_GRACE_S;
}

uint64_t key_set_generation(const struct key_set *set)
{
	return set->generation;
}

void key_set_set_generation(struct key_set *set, uint64_t generation)
{
	set->generation = generation;
}

size_t key_set_count(const struct key_set *set)
{
	return set->n;
}

const struct key *key_set_at(const struct key_set *set, size_t i)
{
	return &set->keys[i];
}

/* --- JWK sets --- */

static void write_jwk(const struct key *key, struct buf *out)
{
	char x[COORDINATE_LEN + 1], y[COORDINATE_LEN + 1];

	write_coordinate(key->x, x);
	write_coordinate(key->y, y);
	buf_addf(out, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\","
		 "\"kid\":\"%s\",\"use\":\"sig\",\"alg\":\"ES256\"}", x, y, key->kid);
}

void key_set_write_jwks(const struct key_set *set, uint32_t project, bool with_shared, struct buf *out)
{
	const char *comma = "";

	buf_add_c(out, "{\"keys\":[");
	for (size_t i = 0; i < set->n; i++) {
		const struct key *key = &set->keys[i];

		if (key->project != project && !(with_shared && key->project == KEY_SHARED))
			continue;
		buf_add_c(out, comma);
		write_jwk(key, out);
		comma = ",";
	}
	buf_add_c(out, "]}");
}

/* Whether the member NAME of JWK is the string VALUE. */
static bool says(json_object *jwk, const char *name, const char *value)
{
	struct str text;

	return jdoc_str(jwk, name, &text) && str_eq(text, str_c(value));
}

/* "key_ops" is a list that allows checking. */
static bool ops_allow_checking(json_object *jwk)
{
	json_object *ops;

	if (!jdoc_array(jwk, "key_ops", &ops))
		return false;
	for (size_t i = 0; i < json_object_array_length(ops); i++) {
		json_object *op = json_object_array_get_idx(ops, i);

		if (json_object_is_type(op, json_type_string) &&
		    str_eq(str_c(json_object_get_string(op)), STR_LIT("verify")))
			return true;
	}
	return false;
}

/* A kid that we can hold, in letters that need no quoting anywhere. */
static bool read_kid(json_object *jwk, char out[KEY_ID_LEN + 1])
{
	struct str kid;

	if (!jdoc_str(jwk, "kid", &kid) || kid.n == 0 || kid.n > KEY_ID_LEN)
		return false;
	for (size_t i = 0; i < kid.n; i++) {
		char c = kid.p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_' || c == '.'))
			return false;
	}
	memcpy(out, kid.p, kid.n);
	out[kid.n] = '\0';
	return true;
}

/* JWK is a public key that ES256 tokens may be checked with: what jose would pick. */
static bool read_jwk(json_object *jwk, struct key *key)
{
	return says(jwk, "kty", "EC") && says(jwk, "crv", "P-256") && !jdoc_has(jwk, "d") &&
		(!jdoc_has(jwk, "alg") || says(jwk, "alg", "ES256")) &&
		(!jdoc_has(jwk, "use") || says(jwk, "use", "sig")) &&
		(!jdoc_has(jwk, "key_ops") || ops_allow_checking(jwk)) &&
		read_kid(jwk, key->kid) &&
		read_coordinate(jwk, "x", key->x) && read_coordinate(jwk, "y", key->y) &&
		set_public_half(key);
}

/* False only when there is no memory: foreign keys are passed over. */
static bool add_jwk(struct key_set *set, json_object *jwk)
{
	struct key key = { .project = KEY_SHARED };

	if (!read_jwk(jwk, &key)) {
		key_clear(&key);
		return true;
	}
	return set_add(set, &key) != RC_INTERNAL;
}

struct key_set *key_set_read_jwks(struct str text)
{
	json_object *doc = jdoc_read(text, JWKS_DEPTH), *list;
	struct key_set *set = NULL;

	if (jdoc_array(doc, "keys", &list))
		set = key_set_new();
	for (size_t i = 0; set != NULL && i < json_object_array_length(list); i++) {
		if (!add_jwk(set, json_object_array_get_idx(list, i))) {
			key_set_unref(set);
			set = NULL;
		}
	}
	json_object_put(doc);
	return set;
}

/* --- records --- */

struct str key_write(const struct key *key, struct arena *arena)
{
	char x[COORDINATE_LEN + 1], y[COORDINATE_LEN + 1];
	struct str pem = str_c(key->private_pem);
	/* All at once: a buffer that grows would leave pieces of the secret behind. */
	size_t size = 512 + jtext_quoted_len(pem);
	struct buf buf = { .p = arena_alloc(arena, size), .cap = size, .max = size, .arena = arena };

	if (buf.p == NULL)
		return str_make(NULL, 0);
	write_coordinate(key->x, x);
	write_coordinate(key->y, y);
	buf_addf(&buf, "{\"kid\":\"%s\",\"state\":\"%s\",\"project\":%lu,\"created_at\":%lld,\"activates_at\":%lld,"
		 "\"life_s\":%lld,\"x\":\"%s\",\"y\":\"%s\"", key->kid,
		 state_names[key->activates_at > key->created_at ? KEY_NEXT : KEY_CURRENT], (unsigned long)key->project,
		 (long long)key->created_at, (long long)key->activates_at, (long long)key->life_s, x, y);
	if (key->private_pem != NULL) {
		buf_add_c(&buf, ",\"private_pem\":");
		jtext_quote(&buf, pem);
	}
	buf_add_char(&buf, '}');
	return buf_ok(&buf) ? buf_str(&buf) : str_make(NULL, 0);
}

static bool read_state(json_object *doc, enum key_state *state)
{
	for (size_t i = 0; i < STATES; i++) {
		if (says(doc, "state", state_names[i])) {
			*state = (enum key_state)i;
			return true;
		}
	}
	return false;
}

/* Whose it is, and its moments. Versions that made one key and no other wrote none of them. */
static bool read_life(json_object *doc, struct key *key)
{
	enum key_state state;
	int64_t project = KEY_SHARED;

	if (!read_state(doc, &state) || !jdoc_i64(doc, "created_at", &key->created_at))
		return false;
	key->activates_at = key->created_at + (state == KEY_NEXT ? KEY_PUBLISH_S : 0);
	key->life_s = LIFE_MAX_S;
	if ((jdoc_has(doc, "project") && !jdoc_i64(doc, "project", &project)) ||
	    (jdoc_has(doc, "activates_at") && !jdoc_i64(doc, "activates_at", &key->activates_at)) ||
	    (jdoc_has(doc, "life_s") && !jdoc_i64(doc, "life_s", &key->life_s)) ||
	    project < 0 || project > UINT32_MAX || key->life_s < 0 || key->life_s > LIFE_MAX_S)
		return false;
	key->project = (uint32_t)project;
	return true;
}

/* Both halves when the record has the private one; then its coordinates are those of that. */
static bool read_halves(json_object *doc, struct key *key)
{
	struct str pem;

	if (jdoc_str(doc, "private_pem", &pem))
		return set_private_half(key, pem) && set_coordinates(key);
	return !jdoc_has(doc, "private_pem") &&
		read_coordinate(doc, "x", key->x) && read_coordinate(doc, "y", key->y) && set_public_half(key);
}

enum rc key_read(struct key_set *set, struct str record)
{
	/* json-c's own copy of the PEM is not wiped: the store's cache holds the same text anyway. */
	json_object *doc = jdoc_read(record, RECORD_DEPTH);
	struct key key = { .pkey = NULL };
	bool good = read_life(doc, &key) && read_halves(doc, &key);

	/* The name is a hash of the public half: a record that was mixed up does not pass. */
	if (good) {
		set_thumbprint(&key);
		good = says(doc, "kid", key.kid);
	}
	json_object_put(doc);
	if (!good) {
		key_clear(&key);
		return RC_BAD_REQUEST;
	}
	return set_add(set, &key);
}
