/*
 * keys.h - the ES256 keys that sign session tokens, and their public half as a
 * JWK set (RFC 7517, RFC 7518 section 6.2).
 */
#ifndef AUTH_KEYS_H
#define AUTH_KEYS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/rc.h"
#include "base/str.h"

enum {
	KEY_ID_LEN = 43,		/* a SHA-256 in base64url */
	KEY_COORDINATE_SIZE = 32	/* of a point on P-256 */
};

/* A key is published 10 minutes before it signs, and kept for as long as its tokens live. */
enum key_state { KEY_NEXT, KEY_CURRENT, KEY_OLD };

struct key {
	char kid[KEY_ID_LEN + 1];	/* of our keys the RFC 7638 thumbprint */
	enum key_state state;
	int64_t created_at;		/* seconds since 1970 */
	uint8_t x[KEY_COORDINATE_SIZE], y[KEY_COORDINATE_SIZE];
	EVP_PKEY *pkey;			/* parsed once; the public half suffices for checking */
	char *private_pem;		/* NULL for a key that only checks */
};

/* All keys of one moment. Immutable once shared; counted references, any thread. */
struct key_set;

struct key_set *key_set_new(void);
struct key_set *key_set_ref(struct key_set *set);
void key_set_unref(struct key_set *set);	/* NULL is fine; secrets are wiped */

/* key_set_generate - add a fresh P-256 key, behind the others. RC_INTERNAL when OpenSSL will not. */
enum rc key_set_generate(struct key_set *set, enum key_state state, int64_t now) MUST_USE;

/* key_set_find - the key of KID, or NULL. */
const struct key *key_set_find(const struct key_set *set, struct str kid);

/* key_set_current - the key that signs, or NULL; of several the youngest. */
const struct key *key_set_current(const struct key_set *set);

size_t key_set_count(const struct key_set *set);
const struct key *key_set_at(const struct key_set *set, size_t i);

/* key_set_write_jwks - {"keys":[...]}, public halves only. */
void key_set_write_jwks(const struct key_set *set, struct buf *out);

/*
 * key_set_read_jwks - the P-256 keys of a JWKS document that are good for ES256 and
 * have a kid of at most KEY_ID_LEN bytes; others are passed over, as jose does, and so is
 * the second of two with one kid. NULL when TEXT is no JWK set at all. Caller unrefs.
 */
struct key_set *key_set_read_jwks(struct str text);

/*
 * One key as the JSON record that the store keeps (the private half is in it: wipe it), and
 * back; key_read adds it to SET. .p is NULL when it did not fit. RC_BAD_REQUEST: no such record.
 * RC_CONFLICT: SET has its kid already.
 */
struct str key_write(const struct key *key, struct arena *arena);
enum rc key_read(struct key_set *set, struct str record) MUST_USE;

#endif
