/*
 * condition.c - conditional requests (RFC 9110, 13): If-Match and If-None-Match, and what they mean for reading.
 *
 * Of a write they travel with the change and are held against the stored version in its transaction (kv/write.c);
 * of a read they are looked at before a large value is opened, and again for the version that was opened.
 */
#include "config.h"

#include "call.h"
#include "doors/private.h"
#include "http/etag.h"
#include "kv/condition.h"

/* Tags in one header. A client has one, or a few that it keeps; each is compared inside the committer. */
enum { TAGS_MAX = 64 };

static enum rc refuse(struct call *call, const char *name, const char *what)
{
	call->detail = arena_printf(call->arena, "%s: %s", name, what);
	return RC_BAD_REQUEST;
}

/* The version that an ETag of ours names. Any other text names none: it is a fine tag that nothing has. */
static bool version_of(struct str opaque, uint64_t *version)
{
	return opaque.n != 0 && *opaque.p != '0' && str_to_u64(opaque, 1, UINT64_MAX, version);
}

/* The header NAME. WEAKLY: W/"1" is as good as "1"; else it never matches, because what it names may differ. */
static enum rc versions_read(struct call *call, const char *name, struct str value, bool weakly,
			     struct kv_versions *out)
{
	uint64_t *versions;
	enum etag_step step;
	struct etag tag;
	size_t n_tags = 0;

	*out = (struct kv_versions){ .given = value.n != 0, .any = etag_is_any(value) };
	if (!out->given || out->any)
		return RC_OK;
	versions = arena_alloc(call->arena, TAGS_MAX * sizeof *versions);
	if (versions == NULL)
		return RC_NO_MEMORY;
	while ((step = etag_next(&value, &tag)) == ETAG_NEXT) {
		if (++n_tags > TAGS_MAX)
			return refuse(call, name, "more than 64 entity tags");
		if ((weakly || !tag.weak) && version_of(tag.opaque, &versions[out->n]))
			out->n++;
	}
	if (step == ETAG_MALFORMED || n_tags == 0)
		return refuse(call, name, "this must be * or a list of entity tags, each between double quotes");
	out->versions = versions;
	return RC_OK;
}

enum rc door_condition(struct call *call, const struct kv_condition **condition)
{
	struct kv_condition *read;
	enum rc rc;

	*condition = NULL;
	if (call->request.if_match.n == 0 && call->request.if_none_match.n == 0)
		return RC_OK;
	read = arena_zero(call->arena, sizeof *read);
	if (read == NULL)
		return RC_NO_MEMORY;
	rc = versions_read(call, "If-Match", call->request.if_match, false, &read->match);
	if (rc == RC_OK)
		rc = versions_read(call, "If-None-Match", call->request.if_none_match, true, &read->none_match);
	if (rc == RC_OK)
		*condition = read;
	return rc;
}

enum rc door_refuse_condition(struct call *call)
{
	if (call->request.if_match.n == 0 && call->request.if_none_match.n == 0)
		return RC_OK;
	call->detail = STR_LIT("there are no conditions here: leave out If-Match and If-None-Match");
	return RC_BAD_REQUEST;
}

/* ---- reading ---- */

/* What the 200 would have said of the version, and nothing of the value (RFC 9110, 15.4.5). */
static void reply_not_modified(struct call *call, const struct kv_entry *entry)
{
	call->reply.status = 304;
	call->reply.content_type = NULL;
	door_no_store(call);
	door_version(call, entry->version, entry->writes);
}

/* CONDITION of ENTRY, which was read just now. *TOLD: the reply says 304. */
static enum rc condition_hold(struct call *call, const struct kv_condition *condition,
			      const struct kv_entry *entry, bool *told)
{
	switch (kv_condition_check(condition, entry->version)) {
	case KV_MATCHES_NOT:
		call->found_version = entry->version;
		return RC_PRECONDITION_FAILED;
	case KV_MATCHES:
		*told = true;
		reply_not_modified(call, entry);
		return RC_OK;
	case KV_HOLDS:
		break;
	}
	return RC_OK;
}

enum rc door_head_if(struct call *call, struct str key, struct kv_entry *entry, bool *told)
{
	const struct kv_condition *condition;
	enum rc rc = door_condition(call, &condition);

	*told = false;
	if (rc == RC_OK)
		rc = door_head(call, key, entry);
	return rc == RC_OK ? condition_hold(call, condition, entry, told) : rc;
}

enum rc door_open_if(struct call *call, struct str key, struct kv_entry *entry, struct kv_reader **reader,
		     bool *told)
{
	const struct kv_condition *condition;
	enum rc rc = door_condition(call, &condition);

	*told = false;
	/* Without the value, which may be large, and read in vain. Where it is wanted, door_open() counts the read. */
	if (rc == RC_OK && condition != NULL) {
		rc = kv_get_head(call->app->kv, call->caller.project->number, key, call->now, call->arena, entry,
				 &call->wait_version);
		if (rc == RC_OK)
			rc = condition_hold(call, condition, entry, told);
		if (*told || rc == RC_PRECONDITION_FAILED)
			metric_add(call->metrics, METRIC_READS, 1);
	}
	if (rc != RC_OK || *told)
		return rc;
	rc = door_open(call, key, entry, reader);
	/* It may have been written meanwhile; what is newly forbidden must not be answered. */
	return rc == RC_OK ? condition_hold(call, condition, entry, told) : rc;
}
