/*
 * doors.h - the handlers that routes.c names. Each is `enum rc handler(struct call *)`,
 * as call.h describes.
 */
#ifndef DOORS_DOORS_H
#define DOORS_DOORS_H

#include "base/rc.h"

struct call;

/* sign_in.c: POST /sdk/v1/auth/validate, GET /.well-known/jwks.json */
enum rc sign_in_validate(struct call *call) MUST_USE;
enum rc sign_in_jwks(struct call *call) MUST_USE;

/* sdk.c: /sdk/v1/kv and /kv */
enum rc sdk_get(struct call *call) MUST_USE;
enum rc sdk_put(struct call *call) MUST_USE;
enum rc sdk_delete(struct call *call) MUST_USE;
enum rc sdk_list(struct call *call) MUST_USE;

#endif
