/*
 * jmerge.c - see jmerge.h. Pure.
 *
 * Recursion goes as deep as the patch's objects nest, which is JTEXT_DEPTH at most.
 */
#include "config.h"

#include "base/hash.h"
#include "base/jmerge.h"
#include "base/jraw.h"

/* A member of an object of the patch. */
struct member {
	struct str name;		/* as it is written, with its quotes */
	struct str plain;		/* what that says */
	struct str value;		/* as it is written; empty: an object */
	struct object *object;
	bool removes;			/* the value is null */
	uint64_t seen;			/* the last visit in which the target had it */
	struct member *next;		/* of those that add something, as they are written */
};

/* A place of an object's table. */
struct place {
	uint64_t hash;
	struct member *member;		/* NULL: free */
};

struct object {
	struct place *places;		/* open addressing; at least half of them are free */
	size_t mask;			/* how many there are, less one */
	uint64_t lengths;		/* a bit for each length that a plain name has, modulo 64 */
	struct member *adders;
};

struct jmerge {
	struct str value;		/* of a patch that is no object; then there is no ROOT */
	struct object *root;
	size_t n_members;
	size_t longest;			/* plain name */
	char *scratch;			/* room for one */
	uint64_t seed;
	uint64_t visits;
	struct arena *arena;		/* while the patch is read */
};

/* ---- reading the patch ---- */

static enum rc object_read(struct jmerge *merge, const char **p, const char *end, struct object **out);

/*
 * A name's place. Looked up on the committer's time, so it is quicker than SipHash; with a seed that nobody knows
 * nobody can aim at one place.
 */
static uint64_t hash_of(const struct jmerge *merge, struct str s)
{
	uint64_t hash = merge->seed ^ s.n, word;

	for (; s.n >= sizeof word; s = str_skip(s, sizeof word)) {
		memcpy(&word, s.p, sizeof word);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	for (word = 0; s.n != 0; s = str_skip(s, 1))
		word = word << 8 | (unsigned char)*s.p;
	hash = (hash ^ word) * merge->seed;
	return hash ^ hash >> 32;
}

/* The place of the plain name S, or the free one where it would stand. */
static struct place *place_of(const struct object *object, uint64_t hash, struct str s)
{
	size_t i = (size_t)hash & object->mask;

	while (object->places[i].member != NULL &&
	       (object->places[i].hash != hash || !str_eq(object->places[i].member->plain, s)))
		i = (i + 1) & object->mask;
	return &object->places[i];
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

/* The N members of LIST, linked by next, the last one first: of a name twice that one counts. */
static enum rc object_make(struct jmerge *merge, struct member *list, size_t n, struct object **out)
{
	struct object *object = arena_zero(merge->arena, sizeof *object);
	size_t room = 2;

	while (room < 2 * n)
		room *= 2;
	if (object == NULL || (object->places = arena_zero(merge->arena, room * sizeof *object->places)) == NULL)
		return RC_NO_MEMORY;
	object->mask = room - 1;
	while (list != NULL) {
		struct member *member = list;
		uint64_t hash = hash_of(merge, member->plain);
		struct place *place = place_of(object, hash, member->plain);

		list = member->next;
		if (place->member != NULL)
			continue;
		*place = (struct place){ hash, member };
		object->lengths |= UINT64_C(1) << (member->plain.n & 63);
		if (!member->removes) {
			member->next = object->adders;
			object->adders = member;
		}
	}
	*out = object;
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
	return object_make(merge, list, n, out);
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
	merge->seed = hash_key_new().k0 | 1;
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
	size_t n;

	if (plain.n != 0 && memchr(plain.p, '\\', plain.n) != NULL) {
		if (!jraw_decode(name, merge->scratch, merge->longest, &n))
			return NULL;	/* longer than any of the patch's */
		plain = str_make(merge->scratch, n);
	}
	if ((object->lengths >> (plain.n & 63) & 1) == 0)
		return NULL;
	return place_of(object, hash_of(merge, plain), plain)->member;
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

/* Members that the patch does not speak of, from BEGIN to END, as they are written. */
static void run_add(struct buf *out, const char **begin, const char *end, bool *first)
{
	if (*begin == NULL)
		return;
	comma(out, first);
	buf_add(out, str_make(*begin, (size_t)(end - *begin)));
	*begin = NULL;
}

static void object_apply(struct jmerge *merge, const struct object *object, const char **p, const char *end,
			 struct buf *out);

/* The value at *P becomes what MEMBER makes of it; *P behind it. */
static void member_apply(struct jmerge *merge, const struct member *member, const char **p, const char *end,
			 struct str name, struct buf *out, bool *first)
{
	if (!member->removes)
		name_add(out, name, first);
	if (member->object != NULL && **p == '{') {
		object_apply(merge, member->object, p, end, out);
		return;
	}
	*p = jraw_end(*p, end);
	if (!member->removes)
		value_new(member, out);
}

/* The target's object that begins at *P becomes what OBJECT makes of it; *P behind it. */
static void object_apply(struct jmerge *merge, const struct object *object, const char **p, const char *end,
			 struct buf *out)
{
	const char *run = NULL, *run_end = *p;
	uint64_t visit = ++merge->visits;
	bool first = true;

	buf_add_char(out, '{');
	for (*p = jraw_skip(*p + 1, end); **p != '}' && buf_ok(out); *p = jraw_skip(*p, end)) {
		const char *begin = *p, *name_end = jraw_end(begin, end);
		struct str name = str_make(begin, (size_t)(name_end - begin));
		struct member *member = find(merge, object, name);

		*p = jraw_skip(name_end, end);
		if (member == NULL) {
			*p = jraw_end(*p, end);
			run = run != NULL ? run : begin;
			run_end = *p;
			continue;
		}
		member->seen = visit;
		run_add(out, &run, run_end, &first);
		member_apply(merge, member, p, end, name, out, &first);
	}
	(*p)++;
	run_add(out, &run, run_end, &first);
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
