/*
 * op_rank.c - a leaderboard: a list of objects, the best first, one for each id.
 *
 * The list is taken apart in one walk, and the entries are put together again as they were written. An entry stays
 * ahead of those that came later with the same score. A list that somebody else has written is sorted and cut the
 * first time; from then on it is in order, and only the new entry has to find its place.
 *
 * The committer.
 */
#include "config.h"

#include <stdlib.h>

#include "base/jraw.h"
#include "kv/op_private.h"

struct ranked {
	struct str text;
	struct jnum score;
	bool is_same;			/* of the id that is entered */
	size_t place;			/* in the stored list */
	int sign;			/* -1 when less is better: qsort() passes nothing along */
};

static bool is_id(struct str text, const struct kv_id *id)
{
	struct jnum number;

	if (id->is_string)
		return jraw_is(text, id->string);
	return jnum_read(text, &number) && jnum_compare(&number, &id->number) == 0;
}

/* The entry that begins at *P; *P behind it. False: it is none. */
static bool entry_read(const struct kv_op *op, const char **p, const char *end, struct ranked *entry)
{
	struct str name, value, score = STR_LIT(""), id = STR_LIT("");
	struct jraw walk = { *p + 1, end, true };

	if (**p != '{')
		return false;
	while (jraw_next(&walk, &name, &value)) {
		/* The last one of a name counts. */
		if (jraw_is(name, op->by))
			score = value;
		if (jraw_is(name, op->id_name))
			id = value;
	}
	entry->text = str_make(*p, (size_t)(walk.p + 1 - *p));
	entry->is_same = id.n != 0 && is_id(id, &op->id);
	entry->sign = op->ascending ? -1 : 1;
	*p = walk.p + 1;
	return jnum_read(score, &entry->score);
}

/* Less than 0: A stands ahead of B by its score. */
static int compare(const struct ranked *a, const struct ranked *b)
{
	return a->sign * jnum_compare(&b->score, &a->score);
}

static int by_score(const void *left, const void *right)
{
	const struct ranked *a = left, *b = right;
	int order = compare(a, b);

	return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/* Room for N entries and one more; what a run before had is used again. */
static struct ranked *room(struct kv_change *change, size_t n)
{
	size_t size = (n + 1) * sizeof(struct ranked);

	if (change->room_rank == NULL || change->room_rank_size < size) {
		change->room_rank = arena_alloc(change->arena, size);
		change->room_rank_size = size;
	}
	return (struct ranked *)(void *)change->room_rank;
}

static size_t most_entries(struct str value)
{
	/* {"a":0}, with its comma; and one without */
	size_t n = value.n / 8 + 1;

	return n < KV_RANK_STORED_MAX ? n : KV_RANK_STORED_MAX;
}

/* The entries of VALUE; *IS_SORTED: they are in order already. */
static enum rc list_read(struct kv_change *change, struct str value, struct ranked *entries, size_t *n, bool *is_sorted,
			 struct op_result *result)
{
	const char *end = value.p + value.n - 1, *p;
	size_t most = most_entries(value);

	*n = 0;
	*is_sorted = true;
	for (p = jraw_skip(value.p + 1, end); p < end; p = jraw_skip(p, end), ++*n) {
		if (*n == most) {
			result->why = "the stored list has more than 2000 entries";
			return RC_BAD_REQUEST;
		}
		if (!entry_read(&change->op, &p, end, &entries[*n])) {
			result->why = "the stored list has an entry that is no object with a number to rank it by";
			return RC_BAD_REQUEST;
		}
		entries[*n].place = *n;
		if (*n != 0 && compare(&entries[*n - 1], &entries[*n]) > 0)
			*is_sorted = false;
	}
	return RC_OK;
}

/* Leave of the new id only the first, which is the best; *BEST is where it stands, N when there is none. */
static size_t same_drop(struct ranked *entries, size_t n, size_t *best)
{
	size_t kept = 0;

	*best = n;
	for (size_t i = 0; i < n; i++) {
		if (entries[i].is_same && *best != n)
			continue;
		if (entries[i].is_same)
			*best = kept;
		entries[kept++] = entries[i];
	}
	if (*best == n)
		*best = kept;
	return kept;
}

/* Put the entry to its place, or leave that of its id where it is better; answers the place. *N follows. */
static size_t enter(struct kv_change *change, struct ranked *entries, size_t *n, bool *changed)
{
	struct ranked entry = { .text = change->op.value, .score = change->op.score,
				.sign = change->op.ascending ? -1 : 1 };
	size_t kept = *n, best, at;

	*n = same_drop(entries, kept, &best);
	*changed |= *n != kept;
	if (best < *n && compare(&entries[best], &entry) <= 0)
		return best;
	if (best < *n)
		memmove(&entries[best], &entries[best + 1], (--*n - best) * sizeof entry);
	for (at = *n; at > 0 && compare(&entries[at - 1], &entry) > 0; at--)
		;
	memmove(&entries[at + 1], &entries[at], (*n - at) * sizeof entry);
	entries[at] = entry;
	++*n;
	/* Behind the last one that fits it changes nothing. */
	*changed |= at < change->op.limit || best < kept;
	return at;
}

static void list_write(struct buf *out, const struct ranked *entries, size_t n)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			buf_add_char(out, ',');
		buf_add(out, entries[i].text);
	}
	buf_add_char(out, ']');
}

enum rc op_rank(struct kv_change *change, struct str value, struct op_result *result)
{
	struct ranked *entries;
	size_t stored, n, at, limit = change->op.limit;
	bool is_sorted, changed;
	enum rc rc;

	if (value.n == 0)
		value = STR_LIT("[]");
	if (*value.p != '[') {
		result->why = "the stored value is no list";
		return RC_BAD_REQUEST;
	}
	entries = room(change, most_entries(value));
	if (entries == NULL)
		return RC_NO_MEMORY;
	if ((rc = list_read(change, value, entries, &stored, &is_sorted, result)) != RC_OK)
		return rc;
	changed = !is_sorted || stored > limit;
	if (!is_sorted)
		qsort(entries, stored, sizeof *entries, by_score);
	n = stored;
	at = enter(change, entries, &n, &changed);
	if (n > limit)
		n = limit;
	result->unchanged = !changed;
	result->more[0] = at < n ? at + 1 : 0;
	result->more[1] = n;
	if (changed)
		list_write(&change->out, entries, n);
	return RC_OK;
}
