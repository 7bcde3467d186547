/*
 * private.h - what the files of this room share.
 */
#ifndef AUTH_PRIVATE_H
#define AUTH_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "auth/initdata.h"
#include "auth/keyring.h"
#include "auth/keys.h"
#include "auth/rate.h"
#include "auth/tokens.h"

/* Made at start and only read from then on; the ring, the two caches and the rate lock for themselves. */
struct auth {
	struct keyring *ring;
	int64_t key_life_s;		/* of a signing key; 0: until somebody says so */
	int64_t token_life_s;		/* where a project sets none of its own */
	char *issuer;			/* NULL: tokens name none, and none is asked for */
	struct token_cache *tokens;
	struct validate_cache *answers;
	struct rate *rate;
};

/* auth_signer - the key of KEYS that signs PROJECT's tokens at NOW; NULL when it was lost. */
const struct key *auth_signer(const struct key_set *keys, const struct project *project, int64_t now);

/* auth_key_counts_until - until when a token of PROJECT may be signed by a key of OWNER; 0: never. */
int64_t auth_key_counts_until(const struct project *project, uint32_t owner, int64_t now);

/* auth_live_project - PROJECT, a reference or NULL, if it serves; else it is given back, and NULL. */
const struct project *auth_live_project(const struct project *project);

/* auth_is_revoked - whether what the user got at ISSUED_AT is of before a mark: the project's, or their own. */
bool auth_is_revoked(struct registry *registry, const struct project *project,
		     uint64_t telegram_id, int64_t issued_at);

/*
 * auth_check_init_data - RAW in full, steps 1 to 4 of API.md 1.1, against PROJECT's bots.
 * RC_INVALID_INIT_DATA, RC_INIT_DATA_EXPIRED, RC_NO_MEMORY.
 */
enum rc auth_check_init_data(const struct project *project, struct str raw, int64_t now,
			     struct arena *arena, struct initdata_user *user) MUST_USE;

/*
 * auth_recheck_init_data - what the time may have changed in initData that was genuine once,
 * and step 5: its age, and the marks.
 */
enum rc auth_recheck_init_data(struct registry *registry, const struct project *project,
			       uint64_t telegram_id, int64_t auth_date, int64_t now) MUST_USE;

/* auth_feign_check - take as long for an unknown project as for a wrong hash. */
void auth_feign_check(struct str raw, int64_t now, struct arena *arena);

#endif
