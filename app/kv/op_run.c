/*
 * op_run.c - what numbers, lists and merge patches make of a stored value.
 *
 * The committer. Nothing is read into documents: the stored text is walked once or twice, and what an operation does
 * not touch is copied byte for byte.
 */
#include "config.h"

#include "base/jraw.h"
#include "kv/op_private.h"

static enum rc refuse(struct op_result *result, const char *why)
{
	result->why = why;
	return RC_BAD_REQUEST;
}

/* ---- numbers ---- */

struct jnum kv_told_number(const uint64_t more[2])
{
	struct jnum number = { .is_int = more[0] == KV_TELLS_INT };

	if (number.is_int)
		number.i = (int64_t)more[1];
	else
		memcpy(&number.d, &more[1], sizeof number.d);
	return number;
}

static void number_tell(const struct jnum *number, struct op_result *result)
{
	result->more[0] = number->is_int ? KV_TELLS_INT : KV_TELLS_DOUBLE;
	if (number->is_int)
		result->more[1] = (uint64_t)number->i;
	else
		memcpy(&result->more[1], &number->d, sizeof number->d);
}

/* Without a value: add counts from 0, max and min take what comes. */
static enum rc number_run(struct kv_change *change, struct str value, struct op_result *result)
{
	const struct kv_op *op = &change->op;
	struct jnum number = { .is_int = true };
	char text[JNUM_TEXT_MAX];
	int order;

	if (value.n != 0 && !jnum_read(value, &number))
		return refuse(result, "the stored value is no number");
	if (op->kind == KV_ADD) {
		if (!jnum_add(&number, &op->number, &number))
			return refuse(result, "the sum is too large");
	} else {
		order = value.n == 0 ? 0 : jnum_compare(&op->number, &number);
		result->unchanged = value.n != 0 && (op->kind == KV_MAX ? order <= 0 : order >= 0);
		if (!result->unchanged)
			number = op->number;
	}
	number_tell(&number, result);
	if (!result->unchanged)
		buf_add(&change->out, jnum_write(&number, text));
	return RC_OK;
}

/* ---- lists ---- */

static enum rc append_run(struct kv_change *change, struct str value, struct op_result *result)
{
	const struct kv_op *op = &change->op;
	struct str rest;
	const char *p, *end;
	size_t n;

	if (value.n == 0)
		value = STR_LIT("[]");
	if (*value.p != '[')
		return refuse(result, "the stored value is no list");
	p = value.p + 1;
	end = value.p + value.n - 1;
	n = jraw_elements(&p, end, SIZE_MAX);
	p = value.p + 1;
	if (op->limit != 0 && n >= op->limit) {
		(void)jraw_elements(&p, end, n - op->limit + 1);
		n = op->limit - 1;
	}
	rest = jraw_trim(str_make(p, (size_t)(end - p)));
	buf_add_char(&change->out, '[');
	buf_add(&change->out, rest);
	if (n != 0)
		buf_add_char(&change->out, ',');
	buf_add(&change->out, op->value);
	buf_add_char(&change->out, ']');
	result->more[0] = n + 1;
	return RC_OK;
}

/* ---- all of them ---- */

static enum rc merge_run(struct kv_change *change, struct str value, struct op_result *result)
{
	jmerge_apply(change->op.merge, value, &change->out);
	result->more[0] = change->out.n;
	return RC_OK;
}

enum rc op_run(struct kv_change *change, struct str value, struct op_result *result)
{
	switch (change->op.kind) {
	case KV_MERGE:
		return merge_run(change, value, result);
	case KV_ADD:
	case KV_MAX:
	case KV_MIN:
		return number_run(change, value, result);
	case KV_APPEND:
		return append_run(change, value, result);
	case KV_RANK:
		return op_rank(change, value, result);
	case KV_TOUCH:
		break;
	}
	return RC_INTERNAL;
}
