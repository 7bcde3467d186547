/*
 * registry_fixture.h - a registry over a store of its own, for one test program.
 */
#ifndef TESTS_UNIT_REGISTRY_FIXTURE_H
#define TESTS_UNIT_REGISTRY_FIXTURE_H

#include "store_fixture.h"

#include "project/project.h"

static struct fixture fixture;
static struct registry *registry;

static inline void registry_start(void)
{
	fixture_start(&fixture);
	assert_int_equal(registry_open(&registry, fixture.store, &fixture.conf), RC_OK);
}

static inline void registry_stop(void)
{
	registry_close(registry);
	fixture_stop(&fixture);
}

/* registry_restart - all of it is read from the store again. */
static inline void registry_restart(void)
{
	registry_close(registry);
	store_close(fixture.store);
	fixture_open(&fixture);
	assert_int_equal(registry_open(&registry, fixture.store, &fixture.conf), RC_OK);
}

#endif
