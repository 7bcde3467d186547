/*
 * keyring.h - the signing keys that are in force now, and their changes. Private to this room.
 *
 * Everybody reads an immutable set; a change makes another one, has it on disk first, and then puts it in the
 * old one's place. A token that was checked under another generation has to be checked again.
 */
#ifndef AUTH_KEYRING_H
#define AUTH_KEYRING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/keys.h"

struct keyring;
struct registry;
struct store;

/* keyring_open - read the keys of STORE; the first start makes one, for tokens that live LIFE_S. RC_STORE, RC_INTERNAL. Blocks. */
enum rc keyring_open(struct keyring **ring, struct store *store, int64_t life_s, int64_t now) MUST_USE;
void keyring_close(struct keyring *ring);	/* NULL is fine */

/* keyring_take - the set of this moment: key_set_unref() it. keyring_generation - its generation, for less. */
struct key_set *keyring_take(struct keyring *ring);
uint64_t keyring_generation(const struct keyring *ring);

/*
 * Changes. Each blocks until it is durable and then holds for every thread; RC_STORE, RC_STORAGE_FULL, RC_INTERNAL.
 * Between keyring_lock and _unlock nobody else makes one.
 */
void keyring_lock(struct keyring *ring);
void keyring_unlock(struct keyring *ring);

/* keyring_make - another key of PROJECT; *KID (NULL: not asked for) is its name. */
enum rc keyring_make(struct keyring *ring, uint32_t project, int64_t now, int64_t activates_at, int64_t life_s,
		     char kid[KEY_ID_LEN + 1]) MUST_USE;

/* keyring_drop - KID is no key of ours any more; AT_ONCE, tokens that it signed and that are remembered are refused, too. */
enum rc keyring_drop(struct keyring *ring, struct str kid, bool at_once) MUST_USE;

/* keyring_outlive - KID signs tokens that live LIFE_S. */
enum rc keyring_outlive(struct keyring *ring, struct str kid, int64_t life_s) MUST_USE;

/* keyring_renew - nothing changes but the generation. */
enum rc keyring_renew(struct keyring *ring) MUST_USE;

#endif
