/*
 * sdk_patch.c - PATCH: a value changed in place, by a merge patch (RFC 7396) or by an operation of ours.
 *
 * The client says what is to become of the value, not what it is to be: so nobody's change is lost, and nothing is
 * read over the network first. What the change was told as comes from the media type.
 */
#include "config.h"

#include "base/jtext.h"
#include "call.h"
#include "doors/doors.h"
#include "doors/private.h"
#include "kv/op.h"

static const struct language {
	const char *type;
	enum rc (*read)(struct str text, struct arena *arena, struct kv_op *op, const char **why);
} languages[] = {
	{ "application/merge-patch+json", kv_merge_read },
	{ "application/vnd.tmakv.op+json", kv_op_read },
};

/* The type before its parameters: JSON is UTF-8 whatever they say. NULL: none of ours. */
static const struct language *language_of(struct str content_type)
{
	struct str type, parameters;

	(void)str_cut(content_type, ';', &type, &parameters);
	type = str_trim(type);
	for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++)
		if (str_eq_nocase(type, str_c(languages[i].type)))
			return &languages[i];
	return NULL;
}

/* Touch: what "expirationTtl" and "expiration" of a PUT may be, and for whom. */
static enum rc expiry_check(struct call *call, struct kv_change *change)
{
	const struct kv_op *op = &change->op;
	int64_t least = call->caller.project->min_ttl_s;

	if (call->caller.kind != CALLER_API_KEY)
		return RC_SERVER_ONLY;
	change->expires_at = op->has_ttl && op->time <= INT32_MAX ? call->now + op->time : op->time;
	if ((!op->has_ttl && op->time == 0) ||
	    (op->has_ttl && op->time >= least && op->time <= INT32_MAX) ||
	    (!op->has_ttl && op->time >= call->now + least && op->time <= DOOR_EXPIRATION_MAX))
		return RC_OK;
	if (op->has_ttl)
		call->detail = arena_printf(call->arena,
			"expirationTtl must be a whole number of seconds, at least %lld", (long long)least);
	else
		call->detail = arena_printf(call->arena,
			"expiration must be a Unix time in seconds, at least %lld seconds from now, or null",
			(long long)least);
	return RC_BAD_REQUEST;
}

/* The body, as a change. */
static enum rc change_read(struct call *call, const struct language *language, struct kv_change *change)
{
	const char *why = NULL;
	struct str text;
	size_t bad_at;
	/*
	 * A larger patch would make a value that is larger than can be changed in place. What access rules allow is for
	 * the outcome alone: a counter of 8 bytes is changed by more words than that.
	 */
	size_t most = (size_t)call->caller.project->value_limit, limit = most < KV_CHUNK_SIZE ? most : KV_CHUNK_SIZE;
	enum rc rc = body_read(&call->body, limit, call->arena, &text);

	if (rc == RC_VALUE_TOO_LARGE)
		call->detail = arena_printf(call->arena, "a change has at most %zu bytes", limit);
	if (rc != RC_OK)
		return rc;
	if (!jtext_check(text, &bad_at)) {
		call->detail = arena_printf(call->arena, "the change is not JSON: see byte %zu", bad_at);
		return RC_BAD_JSON;
	}
	rc = language->read(text, call->arena, &change->op, &why);
	if (rc != RC_OK && why != NULL)
		call->detail = str_c(why);
	return rc == RC_OK && change->op.kind == KV_TOUCH ? expiry_check(call, change) : rc;
}

/* ---- the answer ---- */

static void tell_rank(struct buf *out, const uint64_t more[2])
{
	if (more[0] == 0)
		buf_add_c(out, "{\"rank\":null,\"length\":");
	else
		buf_addf(out, "{\"rank\":%llu,\"length\":", (unsigned long long)more[0]);
	buf_add_u64(out, more[1]);
	buf_add_char(out, '}');
}

static void tell_number(struct buf *out, const uint64_t more[2])
{
	struct jnum number = kv_told_number(more);
	char text[JNUM_TEXT_MAX];

	buf_add_c(out, "{\"value\":");
	buf_add(out, jnum_write(&number, text));
	buf_add_char(out, '}');
}

static void tell_count(struct buf *out, const char *name, uint64_t n)
{
	buf_addf(out, "{\"%s\":%llu}", name, (unsigned long long)n);
}

/* What the change came to; of a repeat, what the first one did. */
static void tell(struct buf *out, enum kv_op_kind kind, const uint64_t more[2])
{
	switch (kind) {
	case KV_MERGE:
		tell_count(out, "size", more[0]);
		break;
	case KV_ADD:
	case KV_MAX:
	case KV_MIN:
		tell_number(out, more);
		break;
	case KV_APPEND:
		tell_count(out, "length", more[0]);
		break;
	case KV_RANK:
		tell_rank(out, more);
		break;
	case KV_TOUCH:
		if (more[0] == 0)
			buf_add_c(out, "{\"expiration\":null}");
		else
			tell_count(out, "expiration", more[0]);
		break;
	}
}

static enum rc patch_done(struct call *call)
{
	const struct kv_change *change = call->op.arg;
	struct buf out;

	buf_init(&out, call->arena, 256);
	tell(&out, change->op.kind, call->op.answer.more);
	door_version(call, call->op.answer.version, call->op.answer.writes);
	door_no_store(call);
	reply_data(&call->reply, buf_str(&out));
	return buf_ok(&out) ? RC_OK : RC_NO_MEMORY;
}

enum rc sdk_patch(struct call *call)
{
	struct kv_change *change = arena_zero(call->arena, sizeof *change);
	const struct project *project = call->caller.project;
	const struct language *language = language_of(call->request.content_type);
	enum rc rc;

	if (change == NULL)
		return RC_NO_MEMORY;
	change->kv = call->app->kv;
	change->project = project->number;
	change->owner = call->caller.telegram_id;
	change->write_limit = project->write_limit;
	change->quota = door_quota(project);
	change->now = call->now;
	change->arena = call->arena;
	if ((rc = door_condition(call, &change->condition)) != RC_OK ||
	    (rc = door_key(call, &change->key)) != RC_OK ||
	    (rc = door_may(call, change->key, RULE_READ | RULE_WRITE)) != RC_OK ||
	    (rc = door_refuse_encoding(call)) != RC_OK)
		return rc;
	if (language == NULL)
		return RC_UNSUPPORTED_TYPE;
	change->value_limit = (size_t)door_value_limit(call);
	if ((rc = change_read(call, language, change)) != RC_OK)
		return rc;
	return call_commit(call, kv_change_apply, change, change->key.n + (size_t)call->body.seen, patch_done);
}
