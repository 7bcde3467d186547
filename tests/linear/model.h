/*
 * model.h - what one key does when one operation comes after the other. A pure function.
 */
#ifndef TESTS_LINEAR_MODEL_H
#define TESTS_LINEAR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "history.h"

/*
 * What is known of a key. A write whose answer was lost has a version that nobody was told: it is greater than all
 * that were told before, and whoever sees it next tells it.
 */
struct state {
	bool present;
	bool exact;		/* VERSION is the value's own */
	int64_t value;		/* 0 while absent */
	uint64_t writes;	/* accepted since the key was created; 0 while absent */
	uint64_t version;	/* the greatest that anybody was told; it outlives the value */
};

/* model_begin - nobody has written the key yet. */
struct state model_begin(void);

/* model_step - whether OP can come next, with just its answer; then *STATE is what it leaves. */
bool model_step(const struct op *op, struct state *state);

/*
 * model_told - the version that OP's answer tells of what is there; 0: none. Nothing that comes behind it tells a
 * lower one.
 */
uint64_t model_told(const struct op *op);

/* model_is_writer - whether what it tells is the version of its own write, for certain. */
bool model_is_writer(const struct op *op);

/*
 * model_is_idle - whether OP, whose answer fits where it changes nothing, changes nothing anywhere else either. A DELETE
 * of nothing may be one of something in another place; all others tell by their answers.
 */
bool model_is_idle(const struct op *op);

/*
 * model_leads_to - whether N_LOST writes at most can lead from STATE to where OP may come, without any answered one
 * in between. OP tells a version. Writes count up, and whatever stands before a lost delete may as well be left out.
 */
bool model_leads_to(const struct state *state, const struct op *op, size_t n_lost);

bool state_equal(const struct state *a, const struct state *b);
uint64_t state_hash(const struct state *state);

/* state_print - a few words. */
void state_print(FILE *file, const struct state *state);

#endif
