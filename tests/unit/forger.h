/*
 * forger.h - session tokens of any header, payload and signature, for tests.
 */
#ifndef TESTS_FORGER_H
#define TESTS_FORGER_H

#include "auth/session.h"

#define PROJECT "0b9d3c5e-7a1f-4c2d-8e6b-5f4a3b2c1d0e"
#define CLAIMS "\"sub\":\"tg_42\",\"telegramId\":42,\"firstName\":\"Ada\",\"projectId\":\"" PROJECT "\""
#define TIMES "\"iat\":1700000000,\"exp\":1700086400"
enum { NOW = 1700000000 };

/* Made by forger_open(): two published keys, current and old; and one that nobody published. */
extern struct arena *arena;
extern struct key_set *keys, *foreign;

int forger_open(void);			/* 0, or what a test program exits with when its set-up broke */
void forger_close(void);
int clean(void **state);		/* cmocka's set-up: empties the arena */

const struct key *current(void);

/* base64url of S; and back, for part I of a token. */
struct str b64(struct str s);
struct str part_of(struct str token, int i);

/* A token of these two texts, signed by KEY. */
struct str sign_str(struct str header, struct str payload, const struct key *key);

/* The usual header, with MORE members in it; a token of HEADER and the usual claims; of PAYLOAD and the usual header. */
struct str header_with(const char *more);
struct str with_header(struct str header);
struct str with_payload(const char *payload);
struct str good(void);

/* TOKEN with another signature of N bytes. */
struct str with_signature(struct str token, const void *signature, size_t n);

/* Check TOKEN at NOW; expect() that the answer is WORD, and the session only set when it is "ok". */
enum session_reason check(struct str token, struct session *session);
void expect(struct str token, const char *word);

#endif
