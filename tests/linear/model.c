/*
 * model.c - the contract for one key, in its shortest form.
 *
 *   - a condition that does not hold: 412, or 304 for a GET; nothing changes
 *   - an accepted write has a version above all before it; the first since the key was absent counts 1, each
 *     further one 1 more
 *   - equal ETags are the same write: a `max` that is not greater, and a DELETE of nothing, are none
 *   - every answer with a value tells its version and its count
 */
#include "config.h"

#include <inttypes.h>

#include "model.h"

struct state model_begin(void)
{
	return (struct state){ .present = false };
}

/*
 * A version that nobody was told is no ETag that anybody could have sent: history_check() has seen to that.
 */
static bool is_current(const struct state *state, uint64_t etag)
{
	return state->present && state->exact && state->version == etag;
}

static bool condition_holds(const struct op *op, const struct state *state)
{
	switch (op->condition) {
	case IF_MATCH:      return is_current(state, op->etag);
	case IF_NONE_MATCH: return !is_current(state, op->etag);
	case IF_ABSENT:     return !state->present;
	default:            return true;
	}
}

static void write_value(struct state *state, int64_t value)
{
	state->writes = state->present ? state->writes + 1 : 1;
	state->present = true;
	state->exact = false;
	state->value = value;
}

static void erase(struct state *state)
{
	*state = (struct state){ .version = state->version };
}

/* What a write whose condition holds does, whoever is told of it. */
static void apply(const struct op *op, struct state *state)
{
	switch (op->what) {
	case OP_PUT:
		write_value(state, op->argument);
		break;
	case OP_DELETE:
		erase(state);
		break;
	case OP_ADD:
		write_value(state, (int64_t)((uint64_t)(state->present ? state->value : 0) + (uint64_t)op->argument));
		break;
	case OP_MAX:
		if (!state->present || op->argument > state->value)
			write_value(state, op->argument);
		break;
	default:
		break;
	}
}

/* Whether this is the version of what is there; from now on it is known. */
static bool version_fits(struct state *state, uint64_t version)
{
	if (!state->present || (state->exact ? version != state->version : version <= state->version))
		return false;
	state->version = version;
	state->exact = true;
	return true;
}

/* It may tell the version, and with it the count, or not. */
static bool refusal_fits(const struct op *op, struct state *state)
{
	if (op->status != (op->what == OP_GET && op->condition == IF_NONE_MATCH ? 304 : 412))
		return false;
	return op->version == 0 ||
	       (version_fits(state, op->version) && (op->writes == 0 || op->writes == state->writes));
}

static bool answer_fits(const struct op *op, struct state *state)
{
	if (op->what == OP_DELETE)
		return op->status == 200;
	if (op->what == OP_GET && !state->present)
		return op->status == 404;
	return op->status == 200 && version_fits(state, op->version) && op->writes == state->writes &&
	       (op->what == OP_PUT || op->value == state->value);
}

bool model_step(const struct op *op, struct state *state)
{
	bool holds = condition_holds(op, state);

	if (holds)
		apply(op, state);
	if (op_is_unknown(op))
		return true;
	return holds ? answer_fits(op, state) : refusal_fits(op, state);
}

uint64_t model_told(const struct op *op)
{
	bool is_gone = op->status == 404 || (op->what == OP_DELETE && op->status == 200);

	return op_is_unknown(op) || is_gone ? 0 : op->version;
}

bool model_is_writer(const struct op *op)
{
	return op->status == 200 && (op->what == OP_PUT || op->what == OP_ADD);
}

bool model_is_idle(const struct op *op)
{
	return op->what != OP_DELETE || op->status != 200;
}

bool model_leads_to(const struct state *state, const struct op *op, size_t n_lost)
{
	uint64_t least = state->writes + model_is_writer(op);

	/* One more: a `max` that wrote what OP reads. */
	return op->writes == 0 || (least <= op->writes && op->writes <= least + n_lost + 1);
}

bool state_equal(const struct state *a, const struct state *b)
{
	return a->present == b->present && a->exact == b->exact && a->value == b->value && a->writes == b->writes &&
	       a->version == b->version;
}

uint64_t state_hash(const struct state *state)
{
	uint64_t hash = state->version * 0x9e3779b97f4a7c15u;

	hash = (hash ^ (uint64_t)state->value) * 0xbf58476d1ce4e5b9u;
	hash = (hash ^ state->writes) * 0x94d049bb133111ebu;
	return hash ^ (uint64_t)(state->present * 2 + state->exact);
}

void state_print(FILE *file, const struct state *state)
{
	if (!state->present)
		fprintf(file, "absent, versions up to %" PRIu64, state->version);
	else
		fprintf(file, "value %" PRId64 ", version %s%" PRIu64 ", writes %" PRIu64, state->value,
			state->exact ? "" : "above ", state->version, state->writes);
}
