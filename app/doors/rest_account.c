/*
 * rest_account.c - the questions that Cloudflare's clients ask before the first one about keys: who am I, and which
 * accounts are mine. There is one account, this installation; so wrangler finds it without being told.
 */
#include "config.h"

#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "http/uri.h"

/* This installation as an account. */
static struct str account_text(struct call *call)
{
	return arena_printf(call->arena, "{\"id\":\"%s\",\"name\":\"TMA KV\",\"type\":\"standard\","
			    "\"settings\":{\"enforce_twofactor\":false}}", registry_account(call->app->registry));
}

static enum rc answer(struct call *call, struct str result, struct str info)
{
	if (result.p == NULL)
		return RC_NO_MEMORY;
	rest_result(call, result, info);
	return RC_OK;
}

/* A list of one: all pages behind the first are empty. */
static enum rc answer_page(struct call *call, struct str only)
{
	struct str page;
	uint64_t number = 1;
	enum rc rc = uri_parameter(call->request.query, "page", call->arena, &page);

	if (rc != RC_OK)
		return rc;
	if (page.n != 0 && !str_to_u64(page, 1, INT32_MAX, &number))
		return RC_BAD_PAGE;
	return answer(call, number > 1 ? STR_LIT("[]") : only,
		      arena_printf(call->arena,
				   "{\"page\":%llu,\"per_page\":20,\"count\":%d,\"total_count\":1,\"total_pages\":1}",
				   (unsigned long long)number, number == 1));
}

enum rc rest_user(struct call *call)
{
	return answer(call, arena_printf(call->arena, "{\"id\":\"%s\",\"email\":\"operator@localhost\"}",
					 registry_account(call->app->registry)), STR_LIT(""));
}

/* What the key may do: a page that is signed in with it offers no change that would be refused. */
static const char *access_of(const struct caller *caller)
{
	if (caller->kind == CALLER_ADMIN)
		return "admin";
	return caller->right == KEY_READ ? "read" : "read_write";
}

enum rc rest_verify(struct call *call)
{
	return answer(call, arena_printf(call->arena, "{\"id\":\"%s\",\"status\":\"active\",\"access\":\"%s\"}",
					 registry_account(call->app->registry), access_of(&call->caller)), STR_LIT(""));
}

enum rc rest_account(struct call *call)
{
	return answer(call, account_text(call), STR_LIT(""));
}

enum rc rest_accounts(struct call *call)
{
	return answer_page(call, arena_printf(call->arena, "[%.*s]", STR(account_text(call))));
}

enum rc rest_memberships(struct call *call)
{
	return answer_page(call, arena_printf(call->arena,
		"[{\"id\":\"%s\",\"status\":\"accepted\",\"roles\":[\"Administrator\"],\"account\":%.*s}]",
		registry_account(call->app->registry), STR(account_text(call))));
}
