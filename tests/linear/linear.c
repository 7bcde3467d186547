/*
 * linear.c - the search of Wing and Gong, with Lowe's memory of where it has been (J. Wing, C. Gong: Testing and
 * verifying concurrent objects, 1993; G. Lowe: Testing for linearizability, 2017), as porcupine does it.
 *
 * The history is a list of calls and returns by time. Of the calls before the first return any may come
 * first: take one whose answer fits, lift it and its return out of the list, and begin again at the front.
 * At a return no call before it was left that fits: put the last one back, and go on behind it. What has been
 * taken, and the state that this left, is remembered: coming there once more, in another order, leads nowhere new.
 *
 * An operation of unknown outcome has no return, so it may be taken at any time, and the search is over
 * when all others are taken.
 *
 * Three things make it short where there is no order, and many outcomes are unknown:
 *   - Versions never fall. Nothing is taken that leaves one above the least that is yet to be told.
 *   - An answered operation that fits and changes nothing (it is idle) is taken at once, and instead of all others:
 *     an order in which it comes later is as good with it here.
 *   - One of unknown outcome is taken for a reason only: an answered one is idle because of it, or the next version
 *     to be told, with its count, can follow. In any other place it may as well be left out or come later.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "linear.h"

enum { STEPS_BETWEEN_LOOKS = 1024, MEMORY_MAX = 1 << 19, MEMORY_FIRST = 1 << 10 };

/* A call or a return. */
struct entry {
	struct entry *prev, *next;
	struct entry *answer;		/* a call's return; NULL: it has none, or this is one */
	uint64_t at_ns;
	uint32_t op;
	bool is_return;
};

/* Where the search has been: sets of operations, and states. A hash table, open addressing. */
struct memory {
	uint64_t *sets;			/* of N_WORDS words each */
	struct state *states;
	bool *used;
	size_t n_words, n, size;	/* size: a power of two */
};

struct step {
	struct entry *call;
	struct state before;
	size_t least_before;
	bool was_idle;
};

struct search {
	const struct op *ops;
	size_t n;
	struct entry head, *entries;
	uint64_t *taken;		/* a set, as in the memory */
	struct step *steps;
	size_t n_steps;
	size_t n_left;			/* answered operations that are not taken */
	size_t n_lost;			/* and those of unknown outcome */
	uint32_t *tellers;		/* those that tell a version, the least first */
	size_t n_tellers, least;	/* LEAST: the first of them that is not taken */
	struct state state;
	struct memory memory;
	size_t least_left;
	struct order *order;
};

static void *get_memory(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (p == NULL)
		abort();
	return p;
}

/* --- the memory --- */

static void memory_init(struct memory *memory, size_t n_words, size_t size)
{
	*memory = (struct memory){ .n_words = n_words, .size = size };
	memory->sets = get_memory(size * n_words, sizeof *memory->sets);
	memory->states = get_memory(size, sizeof *memory->states);
	memory->used = get_memory(size, sizeof *memory->used);
}

static void memory_clear(struct memory *memory)
{
	free(memory->sets);
	free(memory->states);
	free(memory->used);
}

/* Its place, or the free one where it belongs. */
static size_t memory_find(const struct memory *memory, const uint64_t *set, const struct state *state)
{
	uint64_t hash = state_hash(state);
	size_t i;

	for (size_t w = 0; w < memory->n_words; w++)
		hash = (hash ^ set[w]) * 0x9e3779b97f4a7c15u;
	for (i = (hash ^ hash >> 32) & (memory->size - 1); memory->used[i]; i = (i + 1) & (memory->size - 1))
		if (state_equal(&memory->states[i], state) &&
		    memcmp(&memory->sets[i * memory->n_words], set, memory->n_words * sizeof *set) == 0)
			break;
	return i;
}

static void memory_put(struct memory *memory, size_t i, const uint64_t *set, const struct state *state)
{
	memcpy(&memory->sets[i * memory->n_words], set, memory->n_words * sizeof *set);
	memory->states[i] = *state;
	memory->used[i] = true;
	memory->n++;
}

static void memory_grow(struct memory *memory)
{
	struct memory bigger;

	memory_init(&bigger, memory->n_words, 2 * memory->size);
	for (size_t i = 0; i < memory->size; i++) {
		const uint64_t *set = &memory->sets[i * memory->n_words];

		if (memory->used[i])
			memory_put(&bigger, memory_find(&bigger, set, &memory->states[i]), set, &memory->states[i]);
	}
	memory_clear(memory);
	*memory = bigger;
}

/* False when it was there already. */
static bool memory_add(struct memory *memory, const uint64_t *set, const struct state *state)
{
	size_t i = memory_find(memory, set, state);

	if (memory->used[i])
		return false;
	memory_put(memory, i, set, state);
	if (2 * memory->n >= memory->size)
		memory_grow(memory);
	return true;
}

/* --- the list --- */

/* By time; what is called at the very time of a return runs beside it. */
static int compare(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return x->is_return - y->is_return;
}

static void list_make(struct search *s)
{
	struct entry **sorted = get_memory(2 * s->n, sizeof *sorted), *last = &s->head;
	size_t n = 0;

	s->entries = get_memory(2 * s->n, sizeof *s->entries);
	for (uint32_t i = 0; i < s->n; i++) {
		struct entry *call = &s->entries[2 * i], *answer = call + 1;

		*call = (struct entry){ .at_ns = s->ops[i].call_ns, .op = i };
		sorted[n++] = call;
		if (op_is_unknown(&s->ops[i])) {
			s->n_lost++;
			continue;
		}
		*answer = (struct entry){ .at_ns = s->ops[i].return_ns, .op = i, .is_return = true };
		call->answer = answer;
		sorted[n++] = answer;
		s->n_left++;
	}
	if (n != 0)
		qsort(sorted, n, sizeof *sorted, compare);
	for (size_t i = 0; i < n; i++) {
		last->next = sorted[i];
		sorted[i]->prev = last;
		last = sorted[i];
	}
	free(sorted);
}

static void unlink_entry(struct entry *entry)
{
	entry->prev->next = entry->next;
	if (entry->next != NULL)
		entry->next->prev = entry->prev;
}

static void link_entry(struct entry *entry)
{
	entry->prev->next = entry;
	if (entry->next != NULL)
		entry->next->prev = entry;
}

static void lift(struct entry *call)
{
	unlink_entry(call);
	if (call->answer != NULL)
		unlink_entry(call->answer);
}

/* In the opposite order of lift(): each then finds its neighbours as they were. */
static void unlift(struct entry *call)
{
	if (call->answer != NULL)
		link_entry(call->answer);
	link_entry(call);
}

/* --- versions to be told --- */

struct teller {
	uint64_t version;
	bool is_reader;
	uint32_t op;
};

/* By version; of one version its writer comes first. */
static int compare_tellers(const void *a, const void *b)
{
	const struct teller *x = a, *y = b;

	if (x->version != y->version)
		return x->version < y->version ? -1 : 1;
	return x->is_reader - y->is_reader;
}

static void tellers_make(struct search *s)
{
	struct teller *tellers = get_memory(s->n, sizeof *tellers);

	for (uint32_t i = 0; i < s->n; i++)
		if (model_told(&s->ops[i]) != 0)
			tellers[s->n_tellers++] = (struct teller){ model_told(&s->ops[i]), !model_is_writer(&s->ops[i]), i };
	if (s->n_tellers != 0)
		qsort(tellers, s->n_tellers, sizeof *tellers, compare_tellers);
	s->tellers = get_memory(s->n_tellers, sizeof *s->tellers);
	for (size_t i = 0; i < s->n_tellers; i++)
		s->tellers[i] = tellers[i].op;
	free(tellers);
}

static bool is_taken(const struct search *s, uint32_t op)
{
	return s->taken[op / 64] >> op % 64 & 1;
}

/* The first teller that is not taken; NULL: they all are. */
static const struct op *least_find(struct search *s)
{
	while (s->least < s->n_tellers && is_taken(s, s->tellers[s->least]))
		s->least++;
	return s->least == s->n_tellers ? NULL : &s->ops[s->tellers[s->least]];
}

/* --- the search --- */

static void taken_flip(struct search *s, uint32_t op)
{
	s->taken[op / 64] ^= (uint64_t)1 << op % 64;
}

/* The first call that may come next in STATE, with an answer, and leaves it as it is; NULL: none. */
static struct entry *idle_find(const struct search *s, const struct state *state)
{
	for (struct entry *entry = s->head.next; entry != NULL && !entry->is_return; entry = entry->next) {
		struct state after = *state;

		if (entry->answer != NULL && model_is_idle(&s->ops[entry->op]) &&
		    model_step(&s->ops[entry->op], &after) && state_equal(&after, state))
			return entry;
	}
	return NULL;
}

/* Whether there is a reason to take one of unknown outcome, which leaves AFTER. */
static bool is_of_use(struct search *s, const struct state *after)
{
	const struct op *least = least_find(s);

	return !state_equal(after, &s->state) &&
	       ((least != NULL && model_leads_to(after, least, s->n_lost - 1)) || idle_find(s, after) != NULL);
}

/* Whether the set taken, which leaves STATE, is new, and not without hope. */
static bool is_open(struct search *s, const struct state *state)
{
	const struct op *least = least_find(s);

	return (least == NULL || state->version <= model_told(least)) && memory_add(&s->memory, s->taken, state);
}

static void order_note(struct search *s)
{
	if (s->order == NULL || s->n_left >= s->least_left)
		return;
	s->least_left = s->n_left;
	s->order->n = s->n_steps;
	s->order->end = s->state;
	for (size_t i = 0; i < s->n_steps; i++)
		s->order->at[i] = s->steps[i].call->op;
}

/* Take CALL, if its answer fits and it leads to something new. */
static bool take(struct search *s, struct entry *call, bool is_idle)
{
	struct step step = { .call = call, .before = s->state, .least_before = s->least, .was_idle = is_idle };
	struct state after = s->state;

	if (!model_step(&s->ops[call->op], &after) || (call->answer == NULL && !is_of_use(s, &after)))
		return false;
	taken_flip(s, call->op);
	if (!is_open(s, &after)) {
		taken_flip(s, call->op);
		s->least = step.least_before;
		return false;
	}
	s->steps[s->n_steps++] = step;
	s->n_left -= call->answer != NULL;
	s->n_lost -= call->answer == NULL;
	s->state = after;
	lift(call);
	order_note(s);
	return true;
}

/* Put the last one back: the entry to go on with. Behind an idle one there is none. */
static struct entry *give_back(struct search *s)
{
	struct step *step = &s->steps[--s->n_steps];

	unlift(step->call);
	taken_flip(s, step->call->op);
	s->n_left += step->call->answer != NULL;
	s->n_lost += step->call->answer == NULL;
	s->state = step->before;
	s->least = step->least_before;
	return step->was_idle ? NULL : step->call->next;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_over(const struct search *s, uint64_t n_steps, uint64_t end_ms)
{
	return s->memory.n >= MEMORY_MAX || (n_steps % STEPS_BETWEEN_LOOKS == 0 && now_ms() >= end_ms);
}

static enum verdict search_run(struct search *s, uint64_t end_ms)
{
	struct entry *entry = s->head.next, *idle;

	for (uint64_t i = 1; s->n_left != 0; i++) {
		if (is_over(s, i, end_ms))
			return UNDECIDED;
		if (entry == s->head.next && (idle = idle_find(s, &s->state)) != NULL) {
			entry = take(s, idle, true) ? s->head.next : NULL;
		} else if (entry != NULL && !entry->is_return) {
			entry = take(s, entry, false) ? s->head.next : entry->next;
		} else {
			if (s->n_steps == 0)
				return VIOLATION;
			entry = give_back(s);
		}
	}
	return LINEARIZABLE;
}

enum verdict linear_search(const struct op *ops, size_t n, uint64_t limit_ms, struct order *order)
{
	struct search s = { .ops = ops, .n = n, .state = model_begin(), .order = order };
	const size_t n_words = (n + 63) / 64;
	enum verdict verdict;

	list_make(&s);
	tellers_make(&s);
	s.taken = get_memory(n_words, sizeof *s.taken);
	s.steps = get_memory(n, sizeof *s.steps);
	s.least_left = s.n_left + 1;
	memory_init(&s.memory, n_words, MEMORY_FIRST);
	order_note(&s);
	verdict = search_run(&s, now_ms() + limit_ms);
	memory_clear(&s.memory);
	free(s.steps);
	free(s.taken);
	free(s.tellers);
	free(s.entries);
	return verdict;
}
