/*
 * op_read.c - an operation's text, read strictly: what is not known is refused, so that a word misspelt is no
 * operation without it.
 *
 * Pure. The thread that runs the request.
 */
#include "config.h"

#include "base/jraw.h"
#include "kv/op_private.h"

enum member { MEMBER_OP, MEMBER_BY, MEMBER_VALUE, MEMBER_LIMIT, MEMBER_ENTRY, MEMBER_ID, MEMBER_ORDER, MEMBER_TTL,
	      MEMBER_EXPIRATION, MEMBER__COUNT };

static const char *const member_names[MEMBER__COUNT] = {
	[MEMBER_OP] = "op", [MEMBER_BY] = "by", [MEMBER_VALUE] = "value", [MEMBER_LIMIT] = "limit",
	[MEMBER_ENTRY] = "entry", [MEMBER_ID] = "id", [MEMBER_ORDER] = "order", [MEMBER_TTL] = "expirationTtl",
	[MEMBER_EXPIRATION] = "expiration",
};

/* An operation as it is written: the texts of its members. */
struct raw_op {
	struct str members[MEMBER__COUNT];	/* empty: not there */
	struct arena *arena;
	struct kv_op *op;
	const char *why;
};

#define BIT(member) (1u << MEMBER_##member)

static enum rc number_read(struct raw_op *raw, struct str text, struct jnum *number, const char *why)
{
	if (jnum_read(text, number))
		return RC_OK;
	raw->why = why;
	return RC_BAD_REQUEST;
}

static enum rc limit_read(struct raw_op *raw, size_t usual, size_t max, const char *why)
{
	struct str text = raw->members[MEMBER_LIMIT];
	uint64_t value = usual;

	if (text.n != 0 && !str_to_u64(text, 1, max, &value)) {
		raw->why = why;
		return RC_BAD_REQUEST;
	}
	raw->op->limit = (size_t)value;
	return RC_OK;
}

static enum rc add_read(struct raw_op *raw)
{
	return number_read(raw, raw->members[MEMBER_BY], &raw->op->number, "\"by\" must be a number, and a finite one");
}

static enum rc bound_read(struct raw_op *raw)
{
	return number_read(raw, raw->members[MEMBER_VALUE], &raw->op->number,
			   "\"value\" must be a number, and a finite one");
}

static enum rc append_read(struct raw_op *raw)
{
	raw->op->value = raw->members[MEMBER_VALUE];
	return limit_read(raw, 0, KV_APPEND_LIMIT_MAX, "\"limit\" must be a whole number from 1 to 1000000");
}

/* The string that TEXT is, without its escapes. */
static enum rc string_read(struct raw_op *raw, struct str text, struct str *out, const char *why)
{
	char *plain = arena_alloc(raw->arena, text.n);
	size_t n;

	if (plain == NULL)
		return RC_NO_MEMORY;
	if (!jraw_decode(text, plain, text.n, &n)) {
		raw->why = why;
		return RC_BAD_REQUEST;
	}
	*out = str_make(plain, n);
	return RC_OK;
}

/* The last member of the object TEXT that is called NAME. */
static struct str last_member(struct str text, struct str name)
{
	struct str found, value, last = STR_LIT("");
	struct jraw walk;

	if (!jraw_open(&walk, text) || !walk.is_object)
		return last;
	while (jraw_next(&walk, &found, &value))
		if (jraw_is(found, name))
			last = value;
	return last;
}

/* The id that TEXT is; false when it is neither string nor number. A string is decoded into ARENA when it must. */
static bool id_read(struct str text, struct arena *arena, struct kv_id *id)
{
	struct str inside = jraw_inside(text);
	char *plain;
	size_t n;

	id->is_string = text.n != 0 && *text.p == '"';
	if (!id->is_string)
		return jnum_read(text, &id->number);
	id->string = inside;
	if (inside.n == 0 || memchr(inside.p, '\\', inside.n) == NULL)
		return true;
	plain = arena_alloc(arena, text.n);
	if (plain == NULL || !jraw_decode(text, plain, text.n, &n))
		return false;
	id->string = str_make(plain, n);
	return true;
}

static enum rc rank_read(struct raw_op *raw)
{
	struct kv_op *op = raw->op;
	struct str order = raw->members[MEMBER_ORDER];
	enum rc rc;

	op->value = raw->members[MEMBER_ENTRY];
	op->ascending = jraw_is(order, STR_LIT("asc"));
	if (order.n != 0 && !op->ascending && !jraw_is(order, STR_LIT("desc"))) {
		raw->why = "\"order\" must be \"asc\" or \"desc\"";
		return RC_BAD_REQUEST;
	}
	if ((rc = string_read(raw, raw->members[MEMBER_BY], &op->by, "\"by\" must be the name of a member")) != RC_OK ||
	    (rc = string_read(raw, raw->members[MEMBER_ID], &op->id_name, "\"id\" must be the name of a member")) != RC_OK ||
	    (rc = limit_read(raw, KV_RANK_LIMIT, KV_RANK_LIMIT_MAX,
			     "\"limit\" must be a whole number from 1 to 1000")) != RC_OK)
		return rc;
	if (*op->value.p != '{') {
		raw->why = "\"entry\" must be an object";
		return RC_BAD_REQUEST;
	}
	if (!id_read(last_member(op->value, op->id_name), raw->arena, &op->id)) {
		raw->why = "the entry's member that \"id\" names must be a string or a number";
		return RC_BAD_REQUEST;
	}
	return number_read(raw, last_member(op->value, op->by), &op->score,
			   "the entry's member that \"by\" names must be a number, and a finite one");
}

static enum rc touch_read(struct raw_op *raw)
{
	struct str ttl = raw->members[MEMBER_TTL], at = raw->members[MEMBER_EXPIRATION];
	uint64_t value = 0;

	if ((ttl.n == 0) == (at.n == 0)) {
		raw->why = "touch takes \"expirationTtl\" or \"expiration\"";
		return RC_BAD_REQUEST;
	}
	raw->op->has_ttl = ttl.n != 0;
	if (!str_eq(at, STR_LIT("null")) && !str_to_u64(ttl.n != 0 ? ttl : at, 1, INT64_MAX, &value)) {
		raw->why = "\"expirationTtl\" must be a whole number of seconds, \"expiration\" a Unix time or null";
		return RC_BAD_REQUEST;
	}
	raw->op->time = (int64_t)value;
	return RC_OK;
}

static const struct op_row {
	const char *name;
	enum kv_op_kind kind;
	unsigned needs, takes;		/* besides "op" */
	enum rc (*read)(struct raw_op *raw);
} rows[] = {
	{ "add",    KV_ADD,    BIT(BY),    BIT(BY), add_read },
	{ "max",    KV_MAX,    BIT(VALUE), BIT(VALUE), bound_read },
	{ "min",    KV_MIN,    BIT(VALUE), BIT(VALUE), bound_read },
	{ "append", KV_APPEND, BIT(VALUE), BIT(VALUE) | BIT(LIMIT), append_read },
	{ "rank",   KV_RANK,   BIT(ENTRY) | BIT(BY) | BIT(ID),
	  BIT(ENTRY) | BIT(BY) | BIT(ID) | BIT(LIMIT) | BIT(ORDER), rank_read },
	{ "touch",  KV_TOUCH,  0, BIT(TTL) | BIT(EXPIRATION), touch_read },
};

static bool members_take(struct raw_op *raw, struct str text)
{
	struct str name, value;
	struct jraw walk;

	raw->why = "an operation is an object";
	if (!jraw_open(&walk, text) || !walk.is_object)
		return false;
	while (jraw_next(&walk, &name, &value)) {
		int i = 0;

		while (i < MEMBER__COUNT && !jraw_is(name, str_c(member_names[i])))
			i++;
		raw->why = i == MEMBER__COUNT ? "the operation has a member that is not known" :
						"the operation has a member twice";
		if (i == MEMBER__COUNT || raw->members[i].n != 0)
			return false;
		raw->members[i] = value;
	}
	return true;
}

static const struct op_row *row_of(struct str op)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (jraw_is(op, str_c(rows[i].name)))
			return &rows[i];
	return NULL;
}

/* Whether the operation has the members it needs, and only those it takes. */
static bool members_check(struct raw_op *raw, const struct op_row *row)
{
	for (unsigned i = MEMBER_OP + 1; i < MEMBER__COUNT; i++) {
		bool is_there = raw->members[i].n != 0;

		raw->why = is_there ? "the operation has a member that is another operation's" :
				      "the operation lacks a member";
		if (is_there ? (row->takes >> i & 1) == 0 : (row->needs >> i & 1) != 0)
			return false;
	}
	return true;
}

enum rc kv_op_read(struct str text, struct arena *arena, struct kv_op *op, const char **why)
{
	struct raw_op raw = { .arena = arena, .op = op };
	const struct op_row *row = NULL;
	enum rc rc = RC_BAD_REQUEST;

	*op = (struct kv_op){ .kind = KV_ADD };
	if (members_take(&raw, text)) {
		row = row_of(raw.members[MEMBER_OP]);
		raw.why = "\"op\" must be add, max, min, append, rank or touch";
	}
	if (row != NULL && members_check(&raw, row)) {
		raw.why = NULL;
		op->kind = row->kind;
		rc = row->read(&raw);
	}
	*why = raw.why;
	return rc;
}

enum rc kv_merge_read(struct str patch, struct arena *arena, struct kv_op *op, const char **why)
{
	enum rc rc;

	*op = (struct kv_op){ .kind = KV_MERGE };
	rc = jmerge_read(patch, arena, &op->merge);
	*why = rc == RC_BAD_REQUEST ? "a merge patch has at most 1024 members" : NULL;
	return rc;
}
