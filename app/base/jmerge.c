/*
 * jmerge.c - see jmerge.h. Pure.
 *
 * Recursion goes as deep as the patch's objects nest, which is JTEXT_DEPTH at most.
 */
#include "config.h"

#include <stdlib.h>

#include "base/jmerge.h"
#include "base/jraw.h"

/* A member of an object of the patch. */
struct member {
	struct str name;		/* as it is written, with its quotes */
	struct str plain;		/* what that says */
	struct str value;		/* as it is written; empty: an object */
	struct object *object;
	bool removes;			/* the value is null */
	size_t place;			/* in its object */
	uint64_t seen;			/* the last visit in which the target had it */
	struct member *next;		/* of those that add something, as they are written */
};

struct object {
	struct member **sorted;		/* by the length of the plain names, then their bytes; each name once */
	size_t n;
	uint64_t lengths;		/* a bit for each length that a plain name has, modulo 64 */
	struct member *adders;
};

struct jmerge {
	struct str value;		/* of a patch that is no object; then there is no ROOT */
	struct object *root;
	size_t n_members;
	size_t longest;			/* plain name */
	char *scratch;			/* room for one */
	uint64_t visits;
	struct arena *arena;		/* while the patch is read */
};

/* ---- reading the patch ---- */

static enum rc object_read(struct jmerge *merge, const char **p, const char *end, struct object **out);

static int compare(struct str a, struct str b)
{
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	return a.n == 0 ? 0 : memcmp(a.p, b.p, a.n);
}

static int by_name(const void *left, const void *right)
{
	const struct member *a = *(struct member *const *)left, *b = *(struct member *const *)right;
	int order = compare(a->plain, b->plain);

	return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static enum rc name_read(struct jmerge *merge, struct member *member)
{
	struct str inside = jraw_inside(member->name);
	char *plain;
	size_t n;

	if (inside.n != 0 && memchr(inside.p, '\\', inside.n) != NULL) {
		plain = arena_alloc(merge->arena, member->name.n);
		if (plain == NULL)
			return RC_NO_MEMORY;
		(void)jraw_decode(member->name, plain, member->name.n, &n);
		inside = str_make(plain, n);
	}
	member->plain = inside;
	if (inside.n > merge->longest)
		merge->longest = inside.n;
	return RC_OK;
}

/* Name and value that begin at *P. */
static enum rc member_read(struct jmerge *merge, const char **p, const char *end, struct member **out)
{
	struct member *member = arena_zero(merge->arena, sizeof *member);
	const char *begin = *p;
	enum rc rc;

	if (++merge->n_members > JMERGE_MEMBERS)
		return RC_BAD_REQUEST;
	if (member == NULL)
		return RC_NO_MEMORY;
	*p = jraw_end(begin, end);
	member->name = str_make(begin, (size_t)(*p - begin));
	if ((rc = name_read(merge, member)) != RC_OK)
		return rc;
	begin = *p = jraw_skip(*p, end);
	*out = member;
	if (*begin == '{')
		return object_read(merge, p, end, &member->object);
	*p = jraw_end(begin, end);
	member->value = str_make(begin, (size_t)(*p - begin));
	member->removes = str_eq(member->value, STR_LIT("null"));
	return RC_OK;
}

/* The members of LIST (linked by next, the last one first), each name once, the last of them. */
static enum rc object_make(struct jmerge *merge, struct member *list, size_t n, struct object **out)
{
	struct object *object = arena_zero(merge->arena, sizeof *object);
	struct member **all = arena_alloc(merge->arena, (n + 1) * sizeof(struct member *));
	size_t kept = 0;

	if (object == NULL || all == NULL)
		return RC_NO_MEMORY;
	for (size_t i = 0; i < n; i++, list = list->next)
		all[n - 1 - i] = list;
	for (size_t i = n; i-- != 0; )
		all[i]->place = i;
	qsort(all, n, sizeof(struct member *), by_name);
	for (size_t i = 0; i < n; i++)
		if (i + 1 == n || compare(all[i]->plain, all[i + 1]->plain) != 0)
			all[kept++] = all[i];
	object->sorted = all;
	object->n = kept;
	*out = object;
	return RC_OK;
}

static int by_place_backwards(const void *left, const void *right)
{
	const struct member *a = *(struct member *const *)left, *b = *(struct member *const *)right;

	return (a->place < b->place) - (a->place > b->place);
}

/* Chain what adds something, as it is written; and note the lengths. */
static enum rc object_finish(struct jmerge *merge, struct object *object)
{
	struct member **order = arena_alloc(merge->arena, (object->n + 1) * sizeof(struct member *));

	if (order == NULL)
		return RC_NO_MEMORY;
	memcpy(order, object->sorted, object->n * sizeof(struct member *));
	qsort(order, object->n, sizeof(struct member *), by_place_backwards);
	for (size_t i = 0; i < object->n; i++) {
		object->lengths |= UINT64_C(1) << (order[i]->plain.n & 63);
		if (order[i]->removes)
			continue;
		order[i]->next = object->adders;
		object->adders = order[i];
	}
	return RC_OK;
}

/* The object that begins at *P. */
static enum rc object_read(struct jmerge *merge, const char **p, const char *end, struct object **out)
{
	struct member *list = NULL, *member;
	size_t n = 0;
	enum rc rc;

	for (*p = jraw_skip(*p + 1, end); **p != '}'; *p = jraw_skip(*p, end), n++) {
		if ((rc = member_read(merge, p, end, &member)) != RC_OK)
			return rc;
		member->next = list;
		list = member;
	}
	(*p)++;
	rc = object_make(merge, list, n, out);
	return rc == RC_OK ? object_finish(merge, *out) : rc;
}

enum rc jmerge_read(struct str patch, struct arena *arena, struct jmerge **out)
{
	struct jmerge *merge = arena_zero(arena, sizeof *merge);
	const char *p;
	enum rc rc = RC_OK;

	if (merge == NULL)
		return RC_NO_MEMORY;
	patch = jraw_trim(patch);
	p = patch.p;
	merge->arena = arena;
	merge->value = patch;
	if (*p == '{')
		rc = object_read(merge, &p, p + patch.n, &merge->root);
	if (rc != RC_OK)
		return rc;
	merge->scratch = arena_alloc(arena, merge->longest + 1);
	*out = merge;
	return merge->scratch == NULL ? RC_NO_MEMORY : RC_OK;
}

/* ---- applying it ---- */

/* The member of OBJECT that the target's NAME (as it is written) names; NULL: the patch does not speak of it. */
static struct member *find(struct jmerge *merge, const struct object *object, struct str name)
{
	struct str plain = jraw_inside(name);
	size_t low = 0, high = object->n, n;

	if (plain.n != 0 && memchr(plain.p, '\\', plain.n) != NULL) {
		if (!jraw_decode(name, merge->scratch, merge->longest, &n))
			return NULL;	/* longer than any of the patch's */
		plain = str_make(merge->scratch, n);
	}
	if ((object->lengths >> (plain.n & 63) & 1) == 0)
		return NULL;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare(plain, object->sorted[middle]->plain);

		if (order == 0)
			return object->sorted[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Between two members of what comes out. */
static void comma(struct buf *out, bool *first)
{
	if (!*first)
		buf_add_char(out, ',');
	*first = false;
}

static void name_add(struct buf *out, struct str name, bool *first)
{
	comma(out, first);
	buf_add(out, name);
	buf_add_char(out, ':');
}

static void object_new(const struct object *object, struct buf *out);

/* What a member makes of nothing, or of what is no object. */
static void value_new(const struct member *member, struct buf *out)
{
	if (member->object != NULL)
		object_new(member->object, out);
	else
		buf_add(out, member->value);
}

static void object_new(const struct object *object, struct buf *out)
{
	bool first = true;

	buf_add_char(out, '{');
	for (const struct member *member = object->adders; member != NULL && buf_ok(out); member = member->next) {
		name_add(out, member->name, &first);
		value_new(member, out);
	}
	buf_add_char(out, '}');
}

/* The target's object that begins at *P becomes what OBJECT makes of it; *P behind it. */
static void object_apply(struct jmerge *merge, const struct object *object, const char **p, const char *end,
			 struct buf *out)
{
	uint64_t visit = ++merge->visits;
	bool first = true;

	buf_add_char(out, '{');
	for (*p = jraw_skip(*p + 1, end); **p != '}' && buf_ok(out); *p = jraw_skip(*p, end)) {
		const char *begin = *p, *value;
		struct member *member;
		struct str name;

		*p = jraw_end(begin, end);
		name = str_make(begin, (size_t)(*p - begin));
		value = jraw_skip(*p, end);
		member = find(merge, object, name);
		if (member != NULL)
			member->seen = visit;
		if (member != NULL && member->object != NULL && *value == '{') {
			name_add(out, name, &first);
			*p = value;
			object_apply(merge, member->object, p, end, out);
			continue;
		}
		*p = jraw_end(value, end);
		if (member == NULL) {
			name_add(out, name, &first);
			buf_add(out, str_make(value, (size_t)(*p - value)));
		} else if (!member->removes) {
			name_add(out, name, &first);
			value_new(member, out);
		}
	}
	(*p)++;
	for (const struct member *member = object->adders; member != NULL && buf_ok(out); member = member->next) {
		if (member->seen == visit)
			continue;
		name_add(out, member->name, &first);
		value_new(member, out);
	}
	buf_add_char(out, '}');
}

void jmerge_apply(struct jmerge *merge, struct str target, struct buf *out)
{
	const char *p;

	target = jraw_trim(target);
	p = target.p;
	if (merge->root == NULL)
		buf_add(out, merge->value);
	else if (target.n == 0 || *p != '{')
		object_new(merge->root, out);
	else
		object_apply(merge, merge->root, &p, p + target.n, out);
}
