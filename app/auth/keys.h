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

/*
 * A key's life. Its states are not stored but follow from the clock and the moments that are, so nothing has to
 * happen at the right time for them to change:
 *
 *   next -activates_at-> current -activates_at of another-> old -key_set_ends_at()-> gone
 *
 * Whoever checks our tokens may have fetched the set KEY_PUBLISH_S ago: jose keeps it for 10 minutes, and what
 * it fetched may have been lying in an HTTP cache for the 5 minutes that we allow; the last minute is for slow ways.
 * An old key is published for as long as a token that it signed may live, and KEY_GRACE_S.
 */
enum key_state { KEY_NEXT, KEY_CURRENT, KEY_OLD };
enum { KEY_PUBLISH_S = 16 * 60, KEY_GRACE_S = 10 * 60 };

/* Whose tokens a key signs: of all projects that have none of their own; else of the project of this number. */
enum { KEY_SHARED = 0 };

struct key {
	char kid[KEY_ID_LEN + 1];	/* of our keys the RFC 7638 thumbprint */
	uint32_t project;		/* KEY_SHARED, or a project's number */
	int64_t created_at;		/* seconds since 1970 */
	int64_t activates_at;		/* it signs from then on, until another one does */
	int64_t life_s;			/* no token that it signs lives longer */
	uint8_t x[KEY_COORDINATE_SIZE], y[KEY_COORDINATE_SIZE];
	EVP_PKEY *pkey;			/* parsed once; the public half suffices for checking */
	char *private_pem;		/* NULL for a key that only checks */
};

/* All keys of one moment. Immutable once shared; counted references, any thread. */
struct key_set;

struct key_set *key_set_new(void);
struct key_set *key_set_ref(struct key_set *set);
void key_set_unref(struct key_set *set);	/* NULL is fine; secrets are wiped */

/* key_set_copy - a set of the same keys, all but WITHOUT (NULL: all), to be changed before it is shared. NULL: no memory. */
struct key_set *key_set_copy(const struct key_set *set, const struct key *without);

/*
 * key_set_generate - add a fresh P-256 key of PROJECT, behind the others; it signs from ACTIVATES_AT on tokens that
 * live LIFE_S at most. RC_INTERNAL when OpenSSL will not.
 */
enum rc key_set_generate(struct key_set *set, uint32_t project, int64_t now, int64_t activates_at,
			 int64_t life_s) MUST_USE;

/* key_set_outlive - no token of KEY, which is SET's, lives longer than LIFE_S. Before the set is shared. */
void key_set_outlive(struct key_set *set, const struct key *key, int64_t life_s);

/* key_set_find - the key of KID, or NULL. */
const struct key *key_set_find(const struct key_set *set, struct str kid);

/*
 * key_set_current - the key of PROJECT that signs at NOW: the one that became active last. When none has yet (the clock
 * was set back), the one that will first. NULL when it has none.
 */
const struct key *key_set_current(const struct key_set *set, uint32_t project, int64_t now);

enum key_state key_set_state(const struct key_set *set, const struct key *key, int64_t now);

/* key_set_ends_at - when KEY is needed no more; 0 while no other key follows it. */
int64_t key_set_ends_at(const struct key_set *set, const struct key *key);

/* key_set_generation - what the keyring gave it: another one when a token may no longer be what it was. */
uint64_t key_set_generation(const struct key_set *set);
void key_set_set_generation(struct key_set *set, uint64_t generation);

size_t key_set_count(const struct key_set *set);
const struct key *key_set_at(const struct key_set *set, size_t i);

/* key_set_write_jwks - {"keys":[...]}, public halves only: the keys of PROJECT, and WITH_SHARED those of all projects. */
void key_set_write_jwks(const struct key_set *set, uint32_t project, bool with_shared, struct buf *out);

/*
 * key_set_read_jwks - the P-256 keys of a JWKS document that are good for ES256 and
 * have a kid of at most KEY_ID_LEN bytes; others are passed over, as jose does, and so is
 * the second of two with one kid. NULL when TEXT is no JWK set at all. Caller unrefs.
 */
struct key_set *key_set_read_jwks(struct str text);

/*
 * key_write - one key as the JSON record that the store keeps; the private half is in it: wipe it. .p is NULL when it
 *             did not fit.
 * key_read  - the other way: adds the key to SET. Records of versions that had no moments in them can be read, too.
 *             RC_BAD_REQUEST: no such record. RC_CONFLICT: SET has its kid already.
 */
struct str key_write(const struct key *key, struct arena *arena);
enum rc key_read(struct key_set *set, struct str record) MUST_USE;

#endif
