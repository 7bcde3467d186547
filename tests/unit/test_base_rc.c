/*
 * test_base_rc.c - every outcome has its row, as the API's table of errors says.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rc.h"

static void every_outcome_has_a_word_and_a_sentence(void **state)
{
	(void)state;
	for (enum rc rc = RC_OK; rc < RC__COUNT; rc++) {
		const struct rc_info *info = rc_info(rc);

		assert_non_null(info);
		assert_true(strlen(info->code) > 0 && strlen(info->text) > 0);
		assert_int_equal(strspn(info->code, "abcdefghijklmnopqrstuvwxyz_"), strlen(info->code));
		assert_null(strpbrk(info->text, "\"\\\r\n"));
		if (rc == RC_PARKED || rc == RC_SLOW || rc == RC_BUSY)
			assert_int_equal(info->status, 0);
		else
			assert_in_range(info->status, rc == RC_OK ? 200 : 400, rc == RC_OK ? 200 : 599);
	}
}

static void words_and_statuses_are_those_of_the_api(void **state)
{
	static const struct { enum rc rc; int status; const char *code; } table[] = {
		{ RC_BAD_KEY, 400, "bad_key" }, { RC_BAD_JSON, 400, "bad_json" }, { RC_BAD_REQUEST, 400, "bad_request" },
		{ RC_BAD_CURSOR, 400, "bad_cursor" }, { RC_BAD_LIMIT, 400, "bad_limit" }, { RC_SHORT_BODY, 400, "short_body" },
		{ RC_NO_SUCH_ROUTE, 400, "no_such_route" },
		{ RC_UNAUTHORIZED, 401, "unauthorized" }, { RC_INVALID_TOKEN, 401, "invalid_token" }, { RC_TOKEN_EXPIRED, 401, "token_expired" },
		{ RC_INVALID_INIT_DATA, 401, "invalid_init_data" }, { RC_INIT_DATA_EXPIRED, 401, "init_data_expired" },
		{ RC_FORBIDDEN, 403, "forbidden" }, { RC_FORBIDDEN_BY_RULES, 403, "forbidden_by_rules" }, { RC_SERVER_ONLY, 403, "server_only" },
		{ RC_ORIGIN_NOT_ALLOWED, 403, "origin_not_allowed" }, { RC_PROJECT_UNAVAILABLE, 403, "project_unavailable" },
		{ RC_READ_ONLY_KEY, 403, "read_only_key" },
		{ RC_KEY_NOT_FOUND, 404, "key_not_found" }, { RC_METHOD_NOT_ALLOWED, 405, "method_not_allowed" }, { RC_VALUE_NOT_JSON, 406, "value_not_json" },
		{ RC_PRECONDITION_FAILED, 412, "precondition_failed" }, { RC_VALUE_TOO_LARGE, 413, "value_too_large" },
		{ RC_KEY_TOO_LONG, 414, "key_too_long" }, { RC_UNSUPPORTED_ENCODING, 415, "unsupported_encoding" },
		{ RC_WRITE_LIMIT, 429, "write_limit" }, { RC_RATE_LIMIT, 429, "rate_limit" }, { RC_HEADERS_TOO_LARGE, 431, "headers_too_large" },
		{ RC_INTERNAL, 500, "internal" }, { RC_NO_MEMORY, 500, "internal" }, { RC_UNAVAILABLE, 503, "unavailable" },
		{ RC_STORE, 503, "unavailable" }, { RC_TIMEOUT, 504, "timeout" }, { RC_STORAGE_FULL, 507, "storage_full" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		assert_int_equal(rc_info(table[i].rc)->status, table[i].status);
		assert_string_equal(rc_info(table[i].rc)->code, table[i].code);
	}
}

/* 404 means "no such key" to the SDK, which turns it into null. */
static void only_a_missing_key_is_404(void **state)
{
	(void)state;
	for (enum rc rc = RC_OK; rc < RC__COUNT; rc++)
		assert_true((rc_info(rc)->status == 404) == (rc == RC_KEY_NOT_FOUND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_has_a_word_and_a_sentence),
		cmocka_unit_test(words_and_statuses_are_those_of_the_api),
		cmocka_unit_test(only_a_missing_key_is_404),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
